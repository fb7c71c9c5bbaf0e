"""Whose data is the newest, and what another choice loses."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from etcdtui.model.backups import BackupSet
from etcdtui.model.manifest import File, Manifest
from etcdtui.model.places import HERE, Backup, PlacedSet
from etcdtui.model.proof import Check, Outcome
from etcdtui.model.survivors import Position, Survivor, best, gap, in_words, rank
from tests.views import NOW, member

MEMBERS = tuple(member(n) for n in (1, 2, 3))


def survivor(number: int, revision: int = 900, **changes: object) -> Survivor:
    name = f"masternode{number}"
    base = Survivor(name, name, position=Position(revision + 100, revision, 7), written=NOW - 60)
    return replace(base, **changes)  # type: ignore[arg-type]


def backup(ago: float = 3 * 3600, revision: int | None = 900, name: str = "prod") -> Backup:
    taken = datetime.fromtimestamp(NOW - ago, UTC)
    stamp = time.strftime("%Y-%m-%d_%H%M%S", time.localtime(NOW - ago))
    told = None
    if revision is not None:
        file, ok = File("snapshot.db", 1, "ab" * 32), (Check("all", Outcome.OK, "Good."),)
        ids = MEMBERS if name == "prod" else (member(9),)
        told = Manifest("1", taken, taken, file, None, name, ids, revision, 1, 1, 1, ok)
    placed = PlacedSet(HERE, BackupSet("here", "/x", stamp, ()), told)
    return Backup(stamp, False, (placed,), told)


def test_term_comes_before_index_and_index_before_revision() -> None:
    one = survivor(1, position=Position(100, 90, 5))
    two = survivor(2, position=Position(99, 95, 6))
    three = survivor(3, position=Position(99, 96, 6))
    assert [s.name for s in rank([one, two, three])] == ["masternode3", "masternode2", "masternode1"]


def test_where_one_does_not_tell_its_term_nobodys_counts() -> None:
    """etcd 3.4 does not store it; applied entries are in the same order everywhere all the same."""
    old = survivor(1, position=Position(120, 90, None))
    new = survivor(2, position=Position(110, 80, 6))
    assert [s.name for s in rank([new, old])] == ["masternode1", "masternode2"]


def test_a_term_counted_up_by_a_member_that_was_cut_off_makes_its_data_no_newer() -> None:
    cut_off = survivor(1, 800, running=True, counting=37)
    stopped = survivor(2, 900, counting=None)
    assert best([cut_off, stopped]) is stopped


def test_of_equal_ones_the_one_that_answers_is_proposed() -> None:
    stopped, running = survivor(1), survivor(2, running=True)
    assert best([stopped, running]) is running
    assert best([]) is None


def test_unread_and_foreign_data_is_never_the_best() -> None:
    unread = survivor(1, position=None, trouble="masternode1 does not answer by SSH.")
    foreign = survivor(2, 10_000, foreign=True)
    known = survivor(3, 5)
    assert best([unread, foreign, known]) is known
    assert rank([unread, foreign, known])[0] is known
    assert in_words(unread, known, NOW) == "masternode1 does not answer by SSH.", "named once"
    assert "another cluster" in in_words(foreign, known, NOW)


def test_what_each_choice_loses_is_said() -> None:
    newest, older = survivor(1, 900), survivor(2, 850)
    assert in_words(newest, newest, NOW).endswith("Nothing known is newer.")
    assert "Going on with it loses 50 revisions that masternode1 has." in in_words(older, newest, NOW)
    assert "as new as those of masternode1" in in_words(survivor(3, 900), newest, NOW)
    assert "last written 1 min ago" in in_words(newest, newest, NOW)


def test_a_backup_is_so_long_and_so_many_revisions_behind() -> None:
    newest = survivor(2, 42_133, written=NOW)
    found = gap(backup(3 * 3600 + 720, 900), newest, foreign=False, now=NOW)
    assert "is 3 h 12 m and 41\u202f233 revisions behind masternode2's own data." in found.sentence
    assert found.behind and found.revisions == 41_233 and found.seconds == pytest.approx(3 * 3600 + 720)


def test_revisions_that_a_restore_skipped_are_not_passed_off_as_writes() -> None:
    newest = survivor(2, 1_000_000_348, written=NOW)
    found = gap(backup(180, 60), newest, foreign=False, now=NOW)
    assert (
        "is 3 min and 1\u202f000\u202f000\u202f288 revisions (with those that a restore skipped) behind "
        in found.sentence
    )
    found = gap(backup(180, 1_000_000_060), newest, foreign=False, now=NOW)
    assert "288 revisions behind" in found.sentence


def test_a_backup_with_everything_is_not_behind() -> None:
    newest = survivor(2, 900, written=NOW)
    same = gap(backup(60, 900), newest, foreign=False, now=NOW)
    assert not same.behind and "has everything" in same.sentence
    ahead = gap(backup(60, 901), newest, foreign=False, now=NOW)
    assert not ahead.behind and "1 revision ahead" in ahead.sentence


def test_an_unproven_backup_counts_as_behind_and_a_foreign_one_is_not_compared() -> None:
    newest = survivor(2, 900, written=NOW)
    unproven = gap(backup(3600, None), newest, foreign=False, now=NOW)
    assert unproven.behind and "nobody knows" in unproven.sentence
    foreign = gap(backup(3600, 5), newest, foreign=True, now=NOW)
    assert not foreign.comparable and "another cluster" in foreign.sentence
