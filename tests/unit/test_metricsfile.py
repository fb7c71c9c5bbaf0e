"""The metrics of the last proven backups, as Prometheus reads them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from etcdtui import metricsfile
from etcdtui.landing import LocalFault
from etcdtui.model.places import HERE, Place, PlaceKind, PlaceView
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from tests.unit.test_places import NEXUS, WHEN, days, forced, manifest, placed
from tests.views import NOW, healthy


def test_the_last_proven_backup_of_each_place() -> None:
    views = (
        PlaceView(HERE, Reading((placed(HERE, manifest()), placed(HERE, stamp="2026-09-22_020000")), NOW)),
        PlaceView(NEXUS, Reading(None, None, Problem(Fault.UNREACHABLE, "down"), NOW)),
    )
    text = metricsfile.text(healthy(places=views), success=True)
    labels = 'cluster="prod",place="here",kind="here"'
    taken = f"etcdtui_backup_last_proven_timestamp_seconds{{{labels}}} {WHEN.timestamp():.17g}"
    assert taken in text.splitlines()
    assert f"etcdtui_backup_last_proven_revision{{{labels}}} 900" in text.splitlines()
    assert 'etcdtui_backup_place_listed{cluster="prod",place="nexus",kind="store"} 0' in text.splitlines()
    assert 'etcdtui_backup_last_run_success{cluster="prod"} 1' in text.splitlines()
    assert 'place="nexus"' not in "".join(line for line in text.splitlines() if "last_proven" in line)


def test_one_taken_by_force_or_from_the_future_does_not_pass_for_the_last() -> None:
    ahead = "2026-09-29_020000"
    there = (forced(HERE, 0), placed(HERE, manifest(ahead), stamp=ahead))
    for sets, told in ((there, 0), ((*there, placed(HERE, manifest(days(-1)), stamp=days(-1))), 1)):
        text = metricsfile.text(healthy(places=(PlaceView(HERE, Reading(sets, NOW)),)))
        assert text.count("\netcdtui_backup_last_proven_timestamp_seconds{") == told
        assert told == 0 or f" {WHEN.timestamp() - 86400:.17g}\n" in text


def test_no_sample_twice() -> None:
    told = PlaceView(Place(PlaceKind.HOST, "masternode1"), Reading((), NOW))
    text = metricsfile.text(healthy(places=(told,)), success=True)
    series = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series)) > 3


def test_every_sample_has_a_type_and_names_are_escaped() -> None:
    text = metricsfile.text(healthy(name='a"b\\c\nd', places=()), success=False)
    assert 'cluster="a\\"b\\\\c\\nd"' in text
    told = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    samples = {line.partition("{")[0] for line in text.splitlines() if not line.startswith("#")}
    assert samples and samples <= told


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_written_whole_for_others_to_read(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "etcdtui.prom"
    before = os.umask(umask)
    try:
        metricsfile.write(path, "first\n")
        metricsfile.write(path, "second\n")
    finally:
        os.umask(before)
    assert path.read_text() == "second\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [p.name for p in tmp_path.iterdir()] == ["etcdtui.prom"]


def test_a_folder_that_is_missing_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LocalFault, match="cannot be written"):
        metricsfile.write(tmp_path / "gone" / "etcdtui.prom", "x")
