"""Putting back what was set aside, with real files, also over the border of a filesystem."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.procedures.procedure import Action, Step
from etcdtui.procedures.restore_put_back import part_of, put_back
from tests.unit.test_restore_steps import Place, place
from tests.unit.test_restore_undo import mark, undo

__all__ = ["place"]

DB = 5 * b"a database"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another filesystem."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second filesystem here")
    with tempfile.TemporaryDirectory(dir=shared) as name:
        yield Path(name)


def kept_in(folder: Path) -> Path:
    kept = folder / "member"
    (kept / "snap").mkdir(parents=True)
    (kept / "snap" / "db").write_bytes(DB)
    (kept / "wal").mkdir()
    return kept


def data_step(place: Place, kept: Path) -> Step:
    master = place.one.master
    return put_back("data", "Put it back", "It was.", master, master.data, (str(kept),), (), large=True)


def run(step: Step) -> subprocess.CompletedProcess[str]:
    return subprocess.run(step.argv, capture_output=True, text=True)


def verdict(place: Place, step: Step) -> tuple[bool, str]:
    assert step.done is not None and step.done is step.verify
    told = step.done(place.context)
    return told.allowed, told.reason


@pytest.fixture
def empty(place: Place) -> Path:
    """Where the data belongs; nothing is there."""
    target = Path(place.one.master.data)
    target.rename(target.with_name("as-it-was"))
    return target


def test_data_of_another_filesystem_is_copied_beside_and_then_given_its_name(
    place: Place, empty: Path, elsewhere: Path
) -> None:
    kept = kept_in(elsewhere)
    step = data_step(place, kept)
    assert step.action is Action.JOB and not verdict(place, step)[0]
    assert "copying" in run(step).stdout
    assert verdict(place, step)[0] and (empty / "snap" / "db").read_bytes() == DB
    assert not kept.exists() and (elsewhere / "member.put-back" / "snap" / "db").read_bytes() == DB
    assert run(step).returncode == 0, "it may be run again"
    assert sorted(p.name for p in empty.parent.iterdir()) == ["as-it-was", "member"]
    assert sorted(p.name for p in elsewhere.iterdir()) == ["member.put-back"]


def test_a_copy_that_was_killed_in_the_middle_never_passes_for_the_data(
    place: Place, empty: Path, elsewhere: Path, tmp_path: Path
) -> None:
    kept = kept_in(elsewhere)
    step = data_step(place, kept)
    killed = tmp_path / "bin" / "cp"
    killed.write_text(
        '#!/bin/sh\nfor to; do :; done\nmkdir -p "$to/snap"; echo a >"$to/snap/db"; kill -9 $PPID\n'
    )
    killed.chmod(0o755)
    assert run(step).returncode != 0
    assert not empty.exists() and Path(part_of(str(empty)), "snap", "db").exists()
    allowed, said = verdict(place, step)
    assert not allowed and "is not whole yet" in said
    assert (kept / "snap" / "db").read_bytes() == DB, "what it is copied from stays until it is whole"
    killed.unlink()
    assert run(step).returncode == 0
    assert verdict(place, step)[0] and (empty / "snap" / "db").read_bytes() == DB
    assert not Path(part_of(str(empty))).exists()


def test_within_a_filesystem_it_is_a_rename(place: Place, empty: Path, tmp_path: Path) -> None:
    kept = kept_in(tmp_path / "kept")
    inode = kept.stat().st_ino
    step = data_step(place, kept)
    assert "moving" in run(step).stdout and empty.stat().st_ino == inode
    assert verdict(place, step)[0] and not kept.exists()


def test_nothing_is_written_over(place: Place, tmp_path: Path) -> None:
    kept, target = kept_in(tmp_path / "kept"), Path(place.one.master.data)
    before = (target / "snap" / "db").read_bytes()
    step = data_step(place, kept)
    assert run(step).returncode == 0 and (target / "snap" / "db").read_bytes() == before and kept.exists()
    Path(part_of(str(target))).mkdir()
    done = run(step)
    assert done.returncode == 1 and "which was never whole" in done.stderr
    assert not verdict(place, step)[0]


def test_the_part_is_hidden_from_the_kubelet() -> None:
    assert part_of("/etc/kubernetes/manifests/etcd-pod.yaml") == (
        "/etc/kubernetes/manifests/.etcd-pod.yaml.etcdtui-part"
    )


def test_no_manifest_goes_back_while_the_data_is_not_whole(place: Place, elsewhere: Path) -> None:
    place.decided = replace(place.decided, kept=str(elsewhere / "etcd-backup"))
    mark(place)
    place.stop_all()
    place.do("stop etcd masternode1")
    place.do("safe")
    Path(place.decided.kept).mkdir()
    subprocess.run(["mv", place.one.master.data, place.decided.old], check=True)
    made = undo(place, ["stop etcd masternode2", "safe", "restore"])
    step = made.step("manifest etcd masternode1")
    Path(part_of(place.one.master.data)).mkdir()
    told = [check(place.context).reason for check in step.prechecks]
    assert "is not whole yet" in told[0]
