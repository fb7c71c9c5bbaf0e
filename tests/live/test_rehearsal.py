"""Backups restored into a throw-away etcd: good ones are what was proven, bad ones refused, nothing stays."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.children.binaries import Binaries
from etcdtui.errors import Cancelled, ConfigError
from etcdtui.landing import LocalFault
from etcdtui.model.proof import Outcome
from etcdtui.procedures import manifests, rehearsal
from etcdtui.procedures.rehearsal import Rehearsed, rehearse
from etcdtui.reach import throwaway
from tests.data.record import found_binaries
from tests.shelved import placed
from tests.snapshotfiles import RAISED, REAL, mutated, resealed, written

pytestmark = pytest.mark.live
FOUND = found_binaries()
ROOT = Path(__file__).parents[2]
STAMP = "2026-11-23_020004"
VALUE = b"00000003"  # what values in the recorded snapshots hold


def binaries(version: str) -> Binaries:
    folder = FOUND[version]
    tool = folder / "etcdutl"
    return Binaries(folder / "etcd", folder / "etcdctl", tool if tool.exists() else None, version)


NEWEST = next((version for version in reversed(sorted(FOUND)) if version in REAL), "")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where rehearsals make their folders: short enough for the name of a socket."""
    import tempfile

    made = Path(tempfile.mkdtemp(prefix="rh-", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    monkeypatch.setenv("TMPDIR", str(made))
    yield made  # type: ignore[misc]
    left = sorted(made.iterdir())
    made.rmdir() if not left else None
    assert left == []


def tried(path: Path, using: Binaries | None = None) -> Rehearsed:
    def find() -> Binaries:
        return using or binaries(NEWEST)

    return rehearse(path, find, lambda *_: None, lambda: False)


@pytest.mark.parametrize("version", [version for version in FOUND if version in REAL])
def test_a_good_one_is_what_was_proven(version: str, tmp_path: Path) -> None:
    done = tried(written(tmp_path, REAL[version]), binaries(version))
    assert done.outcome is Outcome.OK, done.sentence
    assert f"Restored with etcd {version} it is what was proven: revision 9, 74 live keys" in done.sentence
    assert [check.name for check in done.checks] == ["etcd's hash", "revision", "keys", "objects"]
    assert all(check.ok for check in done.checks) and done.kept == ""


@pytest.mark.skipif(not NEWEST.startswith("3.5"), reason="no etcd 3.5 here")
def test_one_with_a_raised_revision_is_what_was_proven(tmp_path: Path) -> None:
    done = tried(written(tmp_path, RAISED))
    assert done.outcome is Outcome.OK, done.sentence
    assert "revision 1\u202f000\u202f000\u202f007, 4 live keys" in done.sentence


@pytest.mark.parametrize(
    "damage",
    [
        lambda good: good[:9000] + bytes([good[9000] ^ 1]) + good[9001:],
        lambda good: good[:-32],
        lambda good: good[: len(good) // 2],
        lambda good: good[:8192] + bytes(4096) + good[12288:],
        lambda good: good + b"more",
        lambda good: b"",
    ],
)
def test_a_bad_one_is_refused_before_anything_is_started(
    damage: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throwaway.Throwaway, "__enter__", lambda self: pytest.fail("it was begun"))
    done = tried(written(tmp_path, damage(REAL[NEWEST])))
    assert done.outcome is Outcome.FAILED and "was not restored" in done.sentence


def test_bad_ones_at_random(tmp_path: Path) -> None:
    """With a digest that fits, what the proof lets pass is what etcd restores."""
    pick = random.Random(5)
    for _ in range(40):
        damaged = mutated(REAL[NEWEST], pick)
        if damaged != REAL[NEWEST]:
            assert tried(written(tmp_path, damaged)).outcome is Outcome.FAILED
    sealed = [tried(written(tmp_path, resealed(mutated(REAL[NEWEST], pick)))).outcome for _ in range(4)]
    assert Outcome.NOT_APPLICABLE not in sealed


def swapped(folder: Path, snapshot: Path) -> Binaries:
    """A program that restores another file than it is asked to."""
    real = binaries(NEWEST)
    script = folder / "etcdutl"
    script.write_text(
        f'#!/bin/sh\nif [ "$2" = restore ]; then shift 3; set -- snapshot restore {snapshot} "$@"; fi\n'
        f'exec {real.etcdutl or real.etcdctl} "$@"\n'
    )
    script.chmod(0o755)
    return replace(real, etcdutl=script)


def test_what_is_restored_to_something_else_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "SAMPLES", 1000)  # one value is changed: it must be among them
    other = resealed(REAL[NEWEST].replace(VALUE, bytes(len(VALUE))))
    assert other != REAL[NEWEST]
    (tmp_path / "other").mkdir()
    using = swapped(tmp_path, written(tmp_path / "other", other))
    backup = placed(tmp_path, STAMP, NEWEST)
    assert backup.set.snapshot is not None
    done = tried(Path(backup.set.directory) / backup.set.snapshot.name, using)
    assert done.outcome is Outcome.FAILED and "it is NOT what was proven" in done.sentence
    _, manifest = manifests.kept(Path(backup.set.directory))
    assert not manifest.good  # nobody relies on it any more


def test_the_result_goes_into_the_manifest_once(tmp_path: Path) -> None:
    backup = placed(tmp_path, STAMP, NEWEST)
    assert backup.set.snapshot is not None and backup.manifest is not None
    path = Path(backup.set.directory) / backup.set.snapshot.name
    before = path.read_bytes()
    for _ in range(2):
        done = tried(path)
        assert done.outcome is Outcome.OK and "written into snapshot_" in done.kept
    _, manifest = manifests.kept(Path(backup.set.directory))
    (check,) = [check for check in manifest.checks if check.name == "restored"]
    assert check.ok and f"etcd {NEWEST}" in check.details and check.details[0].startswith("rehearsed 20")
    assert manifest.good and len(manifest.checks) == len(backup.manifest.checks) + 1
    assert path.read_bytes() == before


def test_another_file_than_its_manifest_names_is_not_restored(tmp_path: Path) -> None:
    backup = placed(tmp_path, STAMP, NEWEST)
    assert backup.set.snapshot is not None
    path = Path(backup.set.directory) / backup.set.snapshot.name
    path.write_bytes(REAL[next(version for version in REAL if version != NEWEST)])
    done = tried(path)
    assert done.outcome is Outcome.FAILED and "it is not the file that was proven then" in done.sentence
    assert not manifests.kept(path.parent)[1].good


def saying(folder: Path, words: str) -> Binaries:
    """An etcd that says something and dies."""
    script = folder / "etcd"
    script.write_text(f"#!/bin/sh\n{words}\n")
    script.chmod(0o755)
    return replace(binaries(NEWEST), etcd=script)


@pytest.mark.parametrize(
    ("words", "outcome", "says"),
    [
        (
            'echo \'{"level":"panic","msg":"failed to recover v3 backend","error":"bad"}\' >&2; exit 2',
            Outcome.FAILED,
            "The restored etcd ended with 2: failed to recover v3 backend: bad.",
        ),
        ("echo 'write: no space left on device' >&2; exit 1", Outcome.NOT_APPLICABLE, "no space left"),
        ("kill -9 $$", Outcome.NOT_APPLICABLE, "was ended by SIGKILL"),
    ],
)
def test_an_etcd_that_dies_is_told_with_its_last_words(
    words: str, outcome: Outcome, says: str, tmp_path: Path
) -> None:
    done = tried(written(tmp_path, REAL[NEWEST]), saying(tmp_path, words))
    assert done.outcome is outcome and says in done.sentence


def test_what_could_not_be_tried_says_why_and_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = placed(tmp_path, STAMP, NEWEST)
    assert backup.set.snapshot is not None and backup.manifest is not None
    path = Path(backup.set.directory) / backup.set.snapshot.name

    def none() -> Binaries:
        raise ConfigError("This machine has no etcd.", "Install one.")

    done = rehearse(path, none, lambda *_: None, lambda: False)
    assert done.outcome is Outcome.NOT_APPLICABLE and "has no etcd" in done.sentence and done.hint
    done = tried(path, replace(binaries(NEWEST), version="3.3.27"))
    assert done.outcome is Outcome.NOT_APPLICABLE and "an older one cannot restore it" in done.sentence

    def full(folder: Path, count: int) -> None:
        raise LocalFault("/tmp has 1M free, and 160M are needed.", full=True)

    monkeypatch.setattr(throwaway, "room_for", full)
    done = tried(path)
    assert done.outcome is Outcome.NOT_APPLICABLE and "TMPDIR" in done.hint
    assert manifests.kept(path.parent)[1] == backup.manifest
    assert tried(tmp_path / "nosuch.db").outcome is Outcome.NOT_APPLICABLE


def test_nobody_else_gets_in_and_no_port_is_opened(tmp_path: Path) -> None:
    with throwaway.Throwaway(binaries(NEWEST), lambda: False) as etcd:
        etcd.restore(written(tmp_path, REAL[NEWEST]))
        etcd.start()
        assert etcd.folder.stat().st_mode & 0o777 == 0o700
        assert etcd._etcd is not None
        inodes = set()
        for fd in Path(f"/proc/{etcd._etcd.pid}/fd").iterdir():
            found = os.readlink(fd)
            if found.startswith("socket:["):
                inodes.add(found[8:-1])
        for table in ("tcp", "tcp6", "udp", "udp6"):
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
            assert not [line for line in lines if line.split()[9] in inodes], table
        assert etcd.revision() == 9


def test_stopped_in_the_middle_nothing_is_left(tmp_path: Path) -> None:
    asked: list[str] = []
    with pytest.raises(Cancelled, match="was stopped"):
        rehearse(
            written(tmp_path, REAL[NEWEST]),
            lambda: binaries(NEWEST),
            lambda what, *_: asked.append(what),
            lambda: any(what.startswith("starting") for what in asked),
        )


def etcdtui(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "etcdtui", "rehearse", *words, "--etcd-dir", str(FOUND[NEWEST])],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_however_the_program_ends_its_etcd_is_gone(number: int, tmp_path: Path, folder: Path) -> None:
    process = etcdtui(str(written(tmp_path, REAL[NEWEST])))
    assert process.stdout is not None
    line = next(line for line in process.stdout if "restoring" in line or "starting" in line)
    assert line
    os.kill(process.pid, number)
    process.communicate(timeout=30)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    until = time.monotonic() + 20
    while time.monotonic() < until and (list(folder.iterdir()) or alive(folder)):
        time.sleep(0.1)
    assert not alive(folder)


UNTOLD = """
import os, signal, sys
from etcdtui.children.reaper import Reaper
told = []
def family(self, pid):
    told.append(pid)
    if len(told) == 2:  # the first only looks at the snapshot, this one restores it
        os.kill(os.getpid(), signal.SIGKILL)
Reaper.family = family
from etcdtui.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_killed_before_anybody_was_told_of_its_child_nothing_is_left(tmp_path: Path, folder: Path) -> None:
    """A snapshot holds every secret: no data of it may stay behind."""
    real, slow = binaries(NEWEST), tmp_path / "slow"
    assert real.etcdutl is not None
    slow.mkdir()
    for program in (real.etcd, real.etcdctl):
        (slow / program.name).symlink_to(program)
    # By the time it writes, the folder would have been taken away.
    (slow / "etcdutl").write_text(f'#!/bin/sh\n[ "$2" != restore ] || sleep 2\nexec {real.etcdutl} "$@"\n')
    (slow / "etcdutl").chmod(0o755)
    words = ["rehearse", "--etcd-dir", str(slow), str(written(tmp_path, REAL[NEWEST]))]
    done = subprocess.run([sys.executable, "-c", UNTOLD, *words], timeout=60)
    assert done.returncode == -signal.SIGKILL
    time.sleep(4)
    assert not list(folder.iterdir()) and not alive(folder)


def alive(folder: Path) -> list[str]:
    """Processes that have something of that folder in their words."""
    done = subprocess.run(["ps", "-axww", "-o", "args="], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if f"--data-dir {folder}" in line]


def test_the_command_its_exit_codes_and_metrics(tmp_path: Path) -> None:
    good, bad, metrics = (tmp_path / name for name in ("good", "bad", "metrics.prom"))
    for each, content in ((good, REAL[NEWEST]), (bad, REAL[NEWEST][:-32])):
        each.mkdir()
        written(each, content, f"snapshot_{STAMP}.db")
    process = etcdtui(str(good), "--json", "--metrics-file", str(metrics))
    out, err = process.communicate(timeout=60)
    (told,) = json.loads(out)["rehearsals"]
    assert process.returncode == 0, err
    assert told["restored"] is True and told["etcd"] == NEWEST and len(told["checks"]) == 4
    told = f'cluster="",snapshot="snapshot_{STAMP}.db"'  # there is no manifest
    assert f"etcdtui_rehearsal_success{{{told}}} 1" in metrics.read_text()
    process = etcdtui(str(bad))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "NOT good" in out
    process = etcdtui(str(tmp_path / "nosuch"))
    assert "is no file" in process.communicate(timeout=60)[1] and process.returncode == 64
