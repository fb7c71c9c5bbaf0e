"""Files from a host with a real sshd: dropped, cancelled, changed, full, two at once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from reach_sshd import SSHD, Sshd, stopping

from etcdtui.errors import Cancelled, CommandFailed, Dropped, Refusal, UnexpectedOutput
from etcdtui.landing import BLOCK, LocalFault, Moved
from etcdtui.reach.local import LocalRunner
from etcdtui.reach.transfer import Fetched, Source, fetch

pytestmark = [pytest.mark.live, pytest.mark.skipif(not SSHD, reason="no sshd on this machine")]

SIZE = 24 * BLOCK + 12345


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with stopping(Sshd(tmp_path_factory.mktemp("sshd"))) as server:
        yield server


@pytest.fixture
def runner(server):
    runner = server.runner()
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def content():
    return os.urandom(SIZE)


@pytest.fixture
def source(tmp_path, content):
    path = tmp_path / "host" / "snapshot_2026-11-23_020000.db"
    path.parent.mkdir()
    path.write_bytes(content)
    return path


@pytest.fixture
def target(tmp_path, source):
    return tmp_path / "here" / source.name


def fetch_one(runner, source, target, *, size, digest=None, **more):
    """One file, under its own name."""
    assert Path(source).name == target.name
    (came,) = fetch(runner, [Source(str(source), size, digest)], target.parent, **more)
    return came


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_arrives_as_it_is(runner, source, target, content):
    told: list[Moved] = []
    came = fetch_one(runner, str(source), target, size=SIZE, progress=told.append)
    assert came == Fetched(target, SIZE, hashlib.sha256(content).hexdigest())
    assert target.read_bytes() == content
    assert (mode(target), mode(target.parent)) == (0o600, 0o700)
    assert os.listdir(target.parent) == [target.name]
    assert told[-1].done == told[-1].total == SIZE
    assert [m.done for m in told] == sorted(m.done for m in told)


def test_an_empty_file_and_one_of_a_single_byte(runner, tmp_path):
    for count in (0, 1):
        path = tmp_path / f"file{count}"
        path.write_bytes(b"x" * count)
        assert fetch_one(runner, str(path), tmp_path / "here" / path.name, size=count).size == count
        assert (tmp_path / "here" / path.name).stat().st_size == count


STUCK = """#!/bin/sh
# A line that stands still after {at} bytes of the first transfer.
if [ -e {flag} ] || [ "$1" != sh ]; then exec "$@"; fi
: >{flag}
"$@" | head -c {at}
exec sleep 60
"""


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_dropped_line_is_taken_up_where_it_broke(
    server, runner, source, target, content, share, tmp_path, monkeypatch
):
    monkeypatch.setattr("etcdtui.landing._OFTEN", 0.0)
    at = int(SIZE * share)
    sudo = tmp_path / "sudo"
    sudo.write_text(STUCK.format(at=at, flag=tmp_path / "flag"))
    sudo.chmod(0o755)
    told: list[Moved] = []

    def tell(moved: Moved) -> None:
        told.append(moved)
        if moved.done == at and not moved.note:
            server.signal(signal.SIGKILL, *server.sessions())

    logins = server.logins()
    fetch_one(runner, str(source), target, size=SIZE, sudo=(str(sudo),), progress=tell)
    assert target.read_bytes() == content
    assert server.logins() >= logins + 2  # one before, one after
    dropped = next(i for i, moved in enumerate(told) if moved.note)
    assert told[dropped].done == at and "Trying again in 0.5 s" in told[dropped].note
    assert told[dropped + 1].done == at // BLOCK * BLOCK  # not from zero, not more than a block again


def test_a_host_that_stays_away_is_given_up_and_the_rest_comes_later(tmp_path, source, target, content):
    with stopping(Sshd(tmp_path / "mortal")) as server:
        runner = server.runner()
        half = SIZE // 2

        def tell(moved: Moved) -> None:
            if moved.done >= half and server.process and not moved.note:
                server.stop()

        with pytest.raises(Dropped, match=r"could not be fetched from master1: nothing came for") as failed:
            fetch_one(runner, str(source), target, size=SIZE, progress=tell, patience=1.0)
        assert "the next attempt goes on from there" in failed.value.hint
        kept = target.with_name(target.name + ".part").stat().st_size
        assert kept >= half and not target.exists()
        server.start()
        runner.reconnect()
        told: list[Moved] = []
        fetch_one(runner, str(source), target, size=SIZE, progress=told.append)
        assert told[0].done >= kept // BLOCK * BLOCK
        assert target.read_bytes() == content
        runner.close()


def test_cancel_keeps_what_came(runner, source, target, content):
    stop = threading.Event()

    def tell(moved: Moved) -> None:
        if moved.done > 8 * BLOCK:
            stop.set()

    with pytest.raises(Cancelled, match="was stopped") as stopped:
        fetch_one(runner, str(source), target, size=SIZE, progress=tell, cancelled=stop)
    part = target.with_name(target.name + ".part")
    assert str(part) in stopped.value.hint
    assert 8 * BLOCK < part.stat().st_size <= SIZE and not target.exists()
    assert mode(part) == 0o600
    fetch_one(runner, str(source), target, size=SIZE)
    assert target.read_bytes() == content


def test_a_leftover_of_another_file_is_found_out(runner, source, target, content):
    target.parent.mkdir(mode=0o700)
    target.with_name(target.name + ".part").write_bytes(b"something else" * BLOCK)
    fetch_one(runner, str(source), target, size=SIZE)
    assert target.read_bytes() == content


def test_a_file_that_changes_under_us(runner, source, target):
    def same_size(moved: Moved) -> None:
        if moved.done > 4 * BLOCK and source.stat().st_size == SIZE:
            with source.open("r+b") as file:
                file.write(b"changed")

    with pytest.raises(Refusal, match="changed while it was being fetched"):
        fetch_one(runner, str(source), target, size=SIZE, progress=same_size)
    assert os.listdir(target.parent) == []


def test_a_file_that_grows_or_shrinks(runner, source, target):
    with pytest.raises(Refusal, match=r"has 24M now, and 23M before"):
        fetch_one(runner, str(source), target, size=23 * BLOCK)

    def shrink(moved: Moved) -> None:
        os.truncate(source, BLOCK)

    with pytest.raises(Refusal, match=r"has 1\.0M now|changed while"):
        fetch_one(runner, str(source), target, size=SIZE, progress=shrink)
    assert not target.exists()


def test_a_digest_that_does_not_fit(runner, source, target):
    with pytest.raises(UnexpectedOutput, match="did not arrive as it is"):
        fetch_one(runner, str(source), target, size=SIZE, digest="0" * 64)
    assert os.listdir(target.parent) == []


def test_nothing_is_overwritten_and_what_is_here_is_not_fetched_again(runner, source, target, content):
    target.parent.mkdir(mode=0o700)
    target.write_bytes(b"mine")
    with pytest.raises(Refusal, match="already there and is another file"):
        fetch_one(runner, str(source), target, size=SIZE)
    assert target.read_bytes() == b"mine"
    target.write_bytes(content)
    before = target.stat()
    assert fetch_one(runner, str(source), target, size=SIZE).path == target
    assert target.stat().st_ino == before.st_ino


def test_a_folder_open_to_others_is_refused(runner, source, tmp_path):
    tmp_path.joinpath("open").mkdir(mode=0o755)
    with pytest.raises(Refusal, match=r"open to others \(mode 755\)"):
        fetch_one(runner, str(source), tmp_path / "open" / source.name, size=SIZE)


def test_no_such_file(runner, target):
    with pytest.raises(CommandFailed, match=r"/no/such on master1 cannot be read: .*No such file"):
        fetch(runner, [Source("/no/such", 5)], target.parent)


def test_two_at_once(server, source, target, content):
    """The second is refused while the first is at it."""
    runners = [server.runner(), server.runner()]
    inside, go_on = threading.Event(), threading.Event()

    def first(moved: Moved) -> None:
        inside.set()
        assert go_on.wait(20)

    thread = threading.Thread(
        target=fetch_one, args=(runners[0], source, target), kwargs={"size": SIZE, "progress": first}
    )
    thread.start()
    try:
        assert inside.wait(20)
        with pytest.raises(Refusal, match="Another etcdtui is just writing"):
            fetch_one(runners[1], str(source), target, size=SIZE)
    finally:
        go_on.set()
        thread.join()
        for runner in runners:
            runner.close()
    assert target.read_bytes() == content


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 12 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m,mode=700", "tmpfs", folder], capture_output=True
    ).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_too_little_room_is_said_before_anything_comes(runner, source, small_disk):
    with pytest.raises(LocalFault, match=r"has 12M free, and 24M are needed"):
        fetch_one(runner, str(source), small_disk / source.name, size=SIZE)
    assert os.listdir(small_disk) == []


def test_a_disk_that_fills_up_keeps_what_can_be_resumed(runner, source, small_disk, content, monkeypatch):
    monkeypatch.setattr("etcdtui.reach.transfer.room_for", lambda folder, count: None)
    target = small_disk / source.name
    with pytest.raises(LocalFault, match="No space left on device") as full:
        fetch_one(runner, str(source), target, size=SIZE)
    assert "are kept in" in full.value.hint and full.value.full
    subprocess.run(["mount", "-o", "remount,size=40m", small_disk], check=True)
    told: list[Moved] = []
    fetch_one(runner, str(source), target, size=SIZE, progress=told.append)
    assert told[0].done >= 10 * BLOCK
    assert target.read_bytes() == content


# --- sets -------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(source, content):
    tar = source.with_name("static_kuberesources_2026-11-23_020000.tar.gz")
    tar.write_bytes(content[: 3 * BLOCK + 7])
    return [Source(str(source), SIZE), Source(str(tar), 3 * BLOCK + 7)]


def test_a_set_is_all_or_nothing(runner, pair, tmp_path, monkeypatch):
    folder = tmp_path / "sets"
    os.rename(pair[1].path, pair[1].path + ".away")
    with pytest.raises(CommandFailed, match="No such file"):
        fetch(runner, pair, folder)
    assert os.listdir(folder) == [pair[0].name + ".part"]
    os.rename(pair[1].path + ".away", pair[1].path)
    told: list[Moved] = []
    came = fetch(runner, pair, folder, progress=told.append)
    assert told[0].done >= 24 * BLOCK  # the first file was all here
    assert sorted(os.listdir(folder)) == sorted(s.name for s in pair)
    assert all(mode(folder / name) == 0o600 for name in os.listdir(folder))
    assert [f.path.name for f in came] == [s.name for s in pair]
    assert fetch(runner, pair, folder) == came


KILLED = """
import os, signal, sys
from pathlib import Path
from etcdtui import landing
from etcdtui.reach.local import LocalRunner
from etcdtui.reach.transfer import Source, fetch
name, when, folder, *paths = sys.argv[1:]
whole, count = getattr(landing.Landing, name), 0
def once(self, *args):
    global count
    count += 1
    if count == int(when):
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(self, *args)
setattr(landing.Landing, name, once)
sources = [Source(p, os.path.getsize(p)) for p in paths]
fetch(LocalRunner(), sources, Path(folder))
"""


@pytest.mark.parametrize(
    ("name", "when"),
    [
        ("write", 9),
        ("sync", 1),
        ("sync", 2),
        ("settle", 1),
        ("settle", 2),
        ("_drop", 1),
        ("_drop", 2),
    ],
)
def test_killed_in_every_phase_and_started_again(pair, tmp_path, content, name, when):
    folder = tmp_path / "sets"
    paths = [s.path for s in pair]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, name, str(when), str(folder), *paths], cwd=Path(__file__).parents[2]
    )
    assert done.returncode == -signal.SIGKILL
    with contextlib.closing(LocalRunner()) as runner:
        fetch(runner, pair, folder)
    assert sorted(os.listdir(folder)) == sorted(s.name for s in pair)
    assert (folder / pair[0].name).read_bytes() == content


def test_what_is_larger_than_a_process_may_write(source, target):
    """The limit of the file system, met in a process of its own."""
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom etcdtui.reach.local import LocalRunner\n"
        "from etcdtui.reach.transfer import Source, fetch\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({8 * BLOCK},) * 2)\n"
        "try:\n    fetch(LocalRunner(), [Source(sys.argv[1], int(sys.argv[3]))], Path(sys.argv[2]).parent)\n"
        "except Exception as exc:\n    print(type(exc).__name__, exc)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(source), str(target), str(SIZE)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.startswith("LocalFault") and "File too large" in done.stdout, done.stdout + done.stderr
    assert target.with_name(target.name + ".part").stat().st_size == 8 * BLOCK
