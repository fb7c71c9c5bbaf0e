"""Fetching with this machine as the host: what it says, and what it does with a host that says nonsense."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading

import pytest

from etcdtui.errors import Cancelled, Dropped, EtcdTuiError, Refused, SudoRefused
from etcdtui.landing import BLOCK, Landing, LocalFault, Meter, Moved, landed, own_folder, write_small
from etcdtui.procedures import backup_proof
from etcdtui.reach import transfer
from etcdtui.reach.local import LocalRunner
from etcdtui.reach.runner import Completed
from etcdtui.reach.transfer import Source, fetch, host_digest
from tests.shelved import packed
from tests.snapshotfiles import REAL, written


class Host:
    """A host whose commands are answered from a list; a command it was not told about is a failure."""

    host = "master1"

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def run(self, argv, *, timeout, stdin=b""):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Completed(tuple(argv), *answer)

    stream = run


@pytest.fixture
def local():
    runner = LocalRunner("master1")
    yield runner
    runner.close()


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
@pytest.mark.parametrize("name", ["_LOOK", "_SUM_ONLY", "_SEND"])
def test_every_shell_can_read_the_scripts(shell, name):
    program = shutil.which(shell)
    if not program:
        pytest.skip(f"no {shell} on this machine")
    words = [program, "sh"] if shell == "busybox" else [program]
    script = getattr(transfer, name).encode()
    done = subprocess.run([*words, "-n"], input=script, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("tools", [("openssl",), ("sha256sum",), ("shasum",), ()])
def test_the_digest_is_made_with_what_the_host_has(tools, tmp_path, local, monkeypatch):
    file = tmp_path / "file with 'odd' name"
    file.write_bytes(b"etcd")
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "env", "perl", *tools):
        if not (found := shutil.which(tool)):
            pytest.skip(f"no {tool} on this machine")
        (tmp_path / "bin" / tool).symlink_to(found)
    sudo = ("env", f"PATH={tmp_path / 'bin'}")
    if tools:
        assert host_digest(local, sudo, str(file)) == hashlib.sha256(b"etcd").hexdigest()
    else:
        with pytest.raises(EtcdTuiError, match=r"cannot be read: .*shasum.*not found"):
            host_digest(local, sudo, str(file))


@pytest.mark.parametrize("tool", ["openssl", "sha256sum", "shasum"])
def test_a_backup_is_proven_there_with_what_the_host_has(tool, tmp_path, local):
    """A program that is missing must not look like damage."""
    written(tmp_path, REAL["3.5.1"], "snapshot_2026-09-21_020000.db")
    (tmp_path / "static_kuberesources_2026-09-21_020000.tar.gz").write_bytes(packed())
    (tmp_path / "bin").mkdir()
    for name in (
        "sh",
        "env",
        "perl",
        "stat",
        "wc",
        "head",
        "tail",
        "cut",
        "od",
        "tr",
        "tar",
        "gzip",
        "grep",
        tool,
    ):
        if not (found := shutil.which(name)):
            pytest.skip(f"no {name} on this machine")
        (tmp_path / "bin" / name).symlink_to(found)
    sudo = ("env", f"PATH={tmp_path / 'bin'}")
    (pair,) = backup_proof.list_folder(local, sudo, str(tmp_path)).sets
    assert backup_proof.prove(local, sudo, pair).checksum is True


def fetch_one(runner, source, target, *, size, digest=None, **more):
    """One file, under its own name."""
    (came,) = fetch(runner, [Source(str(source), size, digest)], target.parent, **more)
    return came


@pytest.mark.parametrize("name", ["snapshot.db", "resources.tar.gz"])
@pytest.mark.parametrize("sealed", [True, False])
def test_a_snapshot_that_holds_spares_the_host_a_digest(name, sealed, tmp_path, local, monkeypatch):
    asked = []
    monkeypatch.setattr(transfer, "host_digest", lambda *words: asked.append(words) or host_digest(*words))
    content = os.urandom(3 * BLOCK)
    content += hashlib.sha256(content).digest() if sealed else bytes(32)
    (tmp_path / name).write_bytes(content)
    came = fetch_one(local, str(tmp_path / name), tmp_path / "here" / name, size=len(content))
    assert came.sha256 == hashlib.sha256(content).hexdigest()
    assert len(asked) == (name.endswith(".db") and not sealed)


def test_a_password_for_sudo(tmp_path):
    host = Host((1, b"", b"sudo: a password is required\n"))
    with pytest.raises(SudoRefused, match=r"sudo on master1 refuses: sudo: a password is required"):
        fetch_one(host, "/b/x", tmp_path / "here" / "x", size=5, sudo=("sudo", "-n"))


def test_it_is_given_up_after_its_patience(tmp_path):
    told: list[Moved] = []
    host = Host(*[Refused("master1 refuses the connection.")] * 9)
    with pytest.raises(Dropped, match=r"x could not be fetched from master1: .* refuses the connection"):
        fetch_one(host, "/b/x", tmp_path / "here" / "x", size=5, patience=0.4, progress=told.append)
    assert told[0].note == "master1 refuses the connection. Trying again in 0.5 s."


def test_a_cancel_ends_the_waiting(tmp_path):
    stop = threading.Event()
    host = Host(*[Refused("no.")] * 9)
    with pytest.raises(Cancelled, match="was stopped"):
        fetch_one(
            host, "/b/x", tmp_path / "here" / "x", size=5, cancelled=stop, progress=lambda _: stop.set()
        )


def test_what_dd_counts_is_no_reason():
    noise = b"3+1 records in\n3+1 records out\n3 bytes (3 B) copied, 1 s, 3 B/s\netcdtui-sha256 ab -\n"
    assert transfer._reason(noise) == ""
    assert transfer._reason(b"dd: error reading 'x': Input/output error\n" + noise).endswith("output error")


def test_the_meter_counts_rate_and_time_left(monkeypatch):
    clock = iter([0.0, 0.05, 1.0, 2.0, 3.0])
    monkeypatch.setattr("etcdtui.landing.time.monotonic", lambda: next(clock) + 100)
    told: list[Moved] = []
    meter = Meter("x", 400, told.append)
    for done in (0, 50, 100, 200):
        meter.at(done)
    assert [m.done for m in told] == [0, 100, 200]  # the second came too soon
    assert (told[-1].rate, told[-1].left) == (100.0, 2.0)
    meter.at(200, "waiting")
    assert told[-1].rate is None and told[-1].note == "waiting"


def test_landing_never_replaces(tmp_path):
    target = tmp_path / "x"
    with Landing(target) as landing:
        landing.write(b"new")
        target.write_bytes(b"old")
        with pytest.raises(EtcdTuiError, match="already there and is another file"):
            landing.settle()
    assert target.read_bytes() == b"old"
    assert (tmp_path / "x.part").read_bytes() == b"new"


def test_a_part_that_a_crash_left_beside_what_landed_goes_and_no_other(tmp_path):
    for name in ("x", "y", "y.part", "z.part"):
        (tmp_path / name).write_bytes(b"new")
    os.link(tmp_path / "x", tmp_path / "x.part")
    assert landed(tmp_path / "x") and landed(tmp_path / "y") and not landed(tmp_path / "z")
    assert sorted(os.listdir(tmp_path)) == ["x", "y", "y.part", "z.part"]


def test_where_there_are_no_links_it_is_renamed(tmp_path, monkeypatch):
    def no_link(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)
    with Landing(tmp_path / "x") as landing:
        landing.write(b"new")
        landing.settle()
    assert os.listdir(tmp_path) == ["x"]
    with Landing(tmp_path / "x") as landing, pytest.raises(EtcdTuiError, match="another file"):
        landing.settle()


def test_a_link_in_the_way_is_not_followed(tmp_path):
    (tmp_path / "x.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LocalFault, match=r"x\.part cannot be written"):
        Landing(tmp_path / "x")
    assert not (tmp_path / "elsewhere").exists()


def test_small_files(tmp_path):
    write_small(tmp_path / "m", b"1" * (BLOCK + 1))
    write_small(tmp_path / "m", b"1" * (BLOCK + 1))
    with pytest.raises(EtcdTuiError, match="another file"):
        write_small(tmp_path / "m", b"2")
    assert os.listdir(tmp_path) == ["m"]


def test_folders_are_made_for_us_alone(tmp_path):
    own_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(LocalFault, match="cannot be made"):
        own_folder(tmp_path / "file" / "b")
