"""Numbers for people, and foreign text made harmless."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdtui import text
from tests.recorded import NASTY


@given(st.text(max_size=600))
def test_cleaned_text_is_one_harmless_line(foreign: str) -> None:
    shown = text.clean(foreign)
    assert len(shown) <= 4 * text.LIMIT
    for character in shown:
        assert (
            unicodedata.category(character) not in {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
            or character == "\ufffd"
        )
    assert not set(shown) & set("\u202e\u2066\u200f\ufeff\n\r\x1b")


@pytest.mark.parametrize("foreign", NASTY)
def test_nasty_text(foreign: str) -> None:
    assert "\x1b" not in text.clean(foreign) and "\n" not in text.clean(foreign)
    assert all("\r" not in line for line in text.clean_lines(foreign))


def test_what_it_says_stays_readable() -> None:
    assert text.clean("\x1b[31mred\x00") == "\\x1b[31mred\\x00"
    assert text.clean("a\nb\tc") == "a b c"
    assert text.clean("[bold]x[/]") == "[bold]x[/]"
    assert text.clean("ünï 漢字") == "ünï 漢字"
    assert text.clean("\ud800") == "\ufffd"


def test_long_text_is_cut() -> None:
    assert text.clean("x" * 500, 10) == "x" * 9 + "…"
    assert text.clean("x" * 10, 10) == "x" * 10


def test_lines() -> None:
    assert text.clean_lines("10%\r50%\r\ndone\n") == ["10%", "50%", "done", ""]


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, "–"),
        (0, "0B"),
        (999, "999B"),
        (1023, "1.0K"),
        (92 * 1024**2, "92M"),
        (1.25 * 1024**3, "1.2G"),
        (8 * 1024**3, "8.0G"),
        (5000 * 1024**4, "5000T"),
    ],
)
def test_sizes(count: float | None, shown: str) -> None:
    assert text.size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(None, "–"), (0.0021, "2.1"), (0.0999, "99.9"), (0.812, "812"), (5.0, "5000")]
)
def test_milliseconds(seconds: float | None, shown: str) -> None:
    assert text.milliseconds(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "never"),
        (-5, "0 s"),
        (3.9, "3 s"),
        (14 * 60, "14 min"),
        (3600, "1 h"),
        (4320, "1 h 12 m"),
        (47 * 3600 + 59 * 60, "47 h 59 m"),
        (48 * 3600, "2 d"),
        (76 * 3600, "3 d 4 h"),
    ],
)
def test_ages(seconds: float | None, shown: str) -> None:
    assert text.age(seconds) == shown


def test_words() -> None:
    assert text.grouped(18442107) == "18\u202f442\u202f107" and text.grouped(None) == "–"
    assert text.counted(1, "voter") == "1 voter" and text.counted(0, "voter") == "0 voters"
    assert text.counted(2, "copy", "copies") == "2 copies"
    assert text.listed([]) == "" and text.listed(["a"]) == "a"
    assert text.listed(["a", "b", "c"]) == "a, b and c"


@given(st.floats(min_value=0, max_value=1e18))
def test_sizes_are_short(count: float) -> None:
    assert len(text.size(count)) <= 9


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", "/x"), "No such file or directory"),
        (EOFError(), "it hung up"),
        (ValueError("first\nsecond."), "first second"),
        (OSError("no number"), "no number"),
    ],
)
def test_the_reason_of_an_error_is_fit_for_a_sentence(error: Exception, said: str) -> None:
    assert " ".join(text.reason(error, "it hung up").split()) == said
    assert text.reason(EOFError()) == "EOFError", "never nothing"
