"""Pure parts of the screen: wrapping, fitting, arranging, sparklines, ASCII."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from etcdtui.model.latency import LatencySeries
from etcdtui.ui.ascii import speaks_utf8, to_ascii
from etcdtui.ui.layout import arrange
from etcdtui.ui.looks import Role, as_text, fit, spread, width_of, wrap
from etcdtui.ui.panes.latency import spark
from etcdtui.ui.words import short_names

TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=60)


@given(TEXT, st.integers(1, 40))
def test_fit_is_exact(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width


@given(TEXT, st.integers(8, 40), st.integers(0, 3))
def test_wrapping_loses_no_word_and_keeps_the_width(text: str, width: int, indent: int) -> None:
    lines = wrap(((text, Role.PLAIN),), width, indent)
    assert all(width_of(line) <= width for line in lines)
    assert "".join("".join(as_text(line) for line in lines).split()) == "".join(text.split())


def test_wrapping_hangs() -> None:
    line = (("▲ ", Role.WARN), ("one two three four five", Role.PLAIN))
    assert [as_text(part) for part in wrap(line, 12, 2)] == ["▲ one two", "  three four", "  five"]


def test_spread_takes_two_lines_where_it_must() -> None:
    left, right = (("left", Role.PLAIN),), (("right", Role.PLAIN),)
    assert [as_text(line) for line in spread(left, right, 12)] == ["left   right"]
    assert len(spread(left, right, 9)) == 2


@given(
    st.sampled_from([80, 100, 120, 160]), st.integers(12, 60), st.integers(0, 9), st.sampled_from([2, 3, 4])
)
def test_members_are_always_there_and_nothing_overflows(
    width: int, height: int, members: int, selected: int
) -> None:
    found = arrange(width, height, members=members, latency=members + 2, selected=selected)
    assert {1, selected} <= set(found.shown)
    fixed = sum(lines for _, lines in found.heights)
    assert found.square or height < 16 or fixed + 3 <= height


def test_a_maximised_pane_is_alone() -> None:
    assert arrange(160, 50, members=3, latency=5, selected=4, grown=3).shown == (3,)


def test_sparks_have_one_scale_and_gaps() -> None:
    series = LatencySeries((0.0005, 0.002, None, 0.009, 0.5))
    assert as_text(spark(series, 8)) == "   ▁▂×▄█"
    assert as_text(spark(series, 2)) == "▄█"
    assert spark(series, 0) == ()


def test_shared_domains_are_left_out() -> None:
    names = ["master-0.ocp4.example.com", "master-1.ocp4.example.com"]
    assert list(short_names(names).values()) == ["master-0", "master-1"]
    assert short_names(["10.0.0.1", "10.0.0.2"]) == {"10.0.0.1": "10.0.0.1", "10.0.0.2": "10.0.0.2"}
    assert short_names(["a.x", "b.y"]) == {"a.x": "a.x", "b.y": "b.y"}


@given(TEXT)
def test_ascii_keeps_every_cell(text: str) -> None:
    out = to_ascii(text)
    assert out.isascii()


def test_ascii_signs() -> None:
    assert to_ascii("● healthy ╭─╮ ▁█ 主") == "* healthy +-+ _@ ??"
    assert speaks_utf8("UTF-8")
    assert not speaks_utf8("ANSI_X3.4-1968")
    assert not speaks_utf8(None)
