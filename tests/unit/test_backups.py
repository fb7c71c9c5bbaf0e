"""Files to sets: what is a backup, and what only looks like one."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdtui.model.backups import BackupSet, Completeness, FoundFile, join
from tests.recorded import NASTY

STAMP = "2026-11-23_020000"


def file(
    name: str, size: int = 544, *, host: str = "m1", directory: str = "/b", at: float = 1.0
) -> FoundFile:
    return FoundFile(host, directory, name, size, at)


def one(*files: FoundFile, writing: bool = False) -> BackupSet:
    (found,) = join(files, writing=frozenset({("m1", STAMP)}) if writing else frozenset())
    return found


SNAPSHOT = file(f"snapshot_{STAMP}.db", at=5.0)
RESOURCES = file(f"static_kuberesources_{STAMP}.tar.gz", 100, at=7.0)


def test_the_two_files_are_a_backup() -> None:
    found = one(SNAPSHOT, RESOURCES)
    assert found.complete and found.snapshot == SNAPSHOT and found.resources == RESOURCES
    assert (found.size, found.finished, found.dirty) == (644, 7.0, False)
    assert found.taken == datetime(2026, 11, 23, 2, 0)


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ((SNAPSHOT,), Completeness.ONLY_SNAPSHOT),
        ((RESOURCES,), Completeness.ONLY_RESOURCES),
        ((file(SNAPSHOT.name, 0), RESOURCES), Completeness.EMPTY),
        ((SNAPSHOT, file(RESOURCES.name, 0)), Completeness.EMPTY),
        ((file(SNAPSHOT.name, 512), RESOURCES), Completeness.HALF_WRITTEN),
        ((file(SNAPSHOT.name, 543), RESOURCES), Completeness.HALF_WRITTEN),
        ((file(SNAPSHOT.name + ".part"), RESOURCES), Completeness.HALF_WRITTEN),
        ((SNAPSHOT, file(SNAPSHOT.name + ".part"), RESOURCES), Completeness.HALF_WRITTEN),
    ],
)
def test_less_is_none(files: tuple[FoundFile, ...], what: Completeness) -> None:
    found = one(*files)
    assert found.completeness is what and not found.complete


def test_while_it_is_written_it_is_none() -> None:
    assert one(SNAPSHOT, RESOURCES, writing=True).completeness is Completeness.WRITING


def test_forced_ones_are_marked_and_stand_apart() -> None:
    dirty = (
        file(f"snapshot_{STAMP}__POSSIBLY_DIRTY__.db"),
        file(f"static_kuberesources_{STAMP}__POSSIBLY_DIRTY__.tar.gz"),
    )
    sets = join((SNAPSHOT, RESOURCES, *dirty))
    assert sorted(s.dirty for s in sets) == [False, True] and all(s.complete for s in sets)


def test_hosts_and_folders_are_not_mixed() -> None:
    other = file(RESOURCES.name, host="m2")
    elsewhere = file(RESOURCES.name, directory="/c")
    assert {s.completeness for s in join((SNAPSHOT, other, elsewhere))} == {
        Completeness.ONLY_SNAPSHOT,
        Completeness.ONLY_RESOURCES,
    }


def test_newest_first() -> None:
    stamps = ["2025-01-01_000000", "2026-01-01_000000", "2025-12-31_235959"]
    found = join(file(f"snapshot_{stamp}.db") for stamp in stamps)
    assert [s.stamp for s in found] == sorted(stamps, reverse=True)


def test_a_stamp_that_is_no_date() -> None:
    assert one(file("snapshot_2026-13-45_999999.db")).taken is None


@pytest.mark.parametrize(
    "name",
    ["snapshot.db", "snapshot_2026-11-23.db", f"xsnapshot_{STAMP}.db", f"snapshot_{STAMP}.db\n", *NASTY],
)
def test_other_files_are_left_out(name: str) -> None:
    assert join([file(name)]) == ()


@given(st.lists(st.tuples(st.text(max_size=40), st.integers(min_value=0)), max_size=5))
def test_any_names(found: list[tuple[str, int]]) -> None:
    for backup in join([SNAPSHOT, *(file(name, size) for name, size in found)]):
        assert backup.completeness and backup.size >= 0
