"""Each known defect begins and ends where its fix says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdtui.model import versions

LAST_BAD = [
    ("lose agreement", "3.5.2", "3.5.3"),
    ("members can diverge", "3.5.5", "3.5.6"),
    ("reports of members", "3.4.18", "3.4.19"),
    ("crash while a member defragments", "3.4.21", "3.4.22"),
    ("crash while a member defragments", "3.5.5", "3.5.6"),
    ("catches up from a snapshot", "3.4.37", "3.4.38"),
    ("catches up from a snapshot", "3.5.22", "3.5.23"),
    ("catches up from a snapshot", "3.6.4", "3.6.5"),
    ("turn back into a learner", "3.5.19", "3.5.20"),
    ("come back wrong", "3.5.25", "3.5.26"),
    ("replays the promotion", "3.6.3", "3.6.4"),
    ("learner that never started", "3.4.23", "3.4.24"),
    ("learner that never started", "3.5.6", "3.5.7"),
    ("silently promotes", "3.5.30", "3.5.31"),
    ("silently promotes", "3.6.11", "3.6.12"),
    ("stale", "3.5.27", "3.5.28"),
    ("stale", "3.6.8", "3.6.9"),
    ("by half", "3.5.16", "3.5.17"),
    ("go back after a crash", "3.4.31", "3.4.32"),
    ("go back after a crash", "3.5.13", "3.5.14"),
    ("reads can miss a deletion", "3.5.11", "3.5.12"),
    ("lose events", "3.5.12", "3.5.13"),
    ("deletion during a compaction", "3.4.35", "3.4.36"),
    ("deletion during a compaction", "3.5.17", "3.5.18"),
    ("back in time", "3.4.24", "3.4.25"),
    ("back in time", "3.5.7", "3.5.8"),
    ("revoked", "3.5.31", "3.5.32"),
    ("revoked", "3.6.12", "3.6.13"),
    ("restricted user", "3.5.32", "3.5.33"),
    ("restricted user", "3.6.13", "3.6.14"),
    ("wrong quota", "3.6.5", "3.6.6"),
    ("no longer maintained", "3.4.45", "3.5.0"),
]


def told(version: str) -> str:
    return "\n".join(mine.summary for mine in versions.landmines(version))


@pytest.mark.parametrize(("words", "bad", "good"), LAST_BAD)
def test_both_sides_of_each_boundary(words: str, bad: str, good: str) -> None:
    assert words in told(bad)
    assert words not in told(good)


def test_where_a_defect_begins() -> None:
    assert "reports of members" not in told("3.4.17")
    assert "turn back into a learner" not in told("3.5.0")
    assert "lose agreement" not in told("3.4.45")


def test_newest_versions_are_clean() -> None:
    for version in ("3.5.33", "3.6.14", "3.7.1"):
        assert versions.landmines(version) == ()


def test_the_most_serious_comes_first() -> None:
    assert "data inconsistency" in versions.landmines("3.5.1")[0].summary
    assert "#13766" in versions.landmines("3.5.1")[0].issue


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3.5.14", (3, 5, 14)),
        ("v3.5.14", (3, 5, 14)),
        ("3.5.14-rc.1", (3, 5, 14)),
        ("3.5.14+git", (3, 5, 14)),
        (" 3.4.0 \n", (3, 4, 0)),
        ("3.5", None),
        ("", None),
        ("3.5.x", None),
        ("9" * 5000 + ".1.1", None),
    ],
)
def test_versions_are_read(text: str, number: tuple[int, int, int] | None) -> None:
    assert versions.parse(text) == number


@given(st.text(max_size=30))
def test_anything_may_be_called_a_version(text: str) -> None:
    versions.landmines(text)


@given(st.tuples(*[st.integers(min_value=0, max_value=60)] * 3))
def test_every_defect_is_a_sentence(number: tuple[int, int, int]) -> None:
    for mine in versions.landmines(".".join(map(str, number))):
        assert mine.summary and mine.advice.endswith(".")
