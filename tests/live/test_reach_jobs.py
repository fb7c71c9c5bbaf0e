"""Jobs that outlive the connection, on this machine and through sshd, with few tools and with many."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from reach_sshd import SSHD, Sshd, connected, running, stopping, wait_until

from etcdtui.errors import CommandFailed, Refusal, UnexpectedOutput
from etcdtui.reach.jobs import BLOCK, Job, cancel, forget, look, start
from etcdtui.reach.local import LocalRunner

pytestmark = pytest.mark.live

TOOLS = (
    *("sh", "sleep", "cat", "echo", "date", "mkdir", "mv", "rm", "head", "tail", "wc", "sed", "awk"),
    *("ps", "tr", "kill", "true", "printf", "ls", "id"),
)


class FewTools(LocalRunner):
    """This machine with only some programs on its PATH."""

    def __init__(self, folder: Path, *more: str) -> None:
        super().__init__("bare")
        folder.mkdir()
        for name in (*TOOLS, *more):
            # This interpreter itself: what the PATH calls python3 may be a wrapper that needs other tools.
            path = os.path.realpath(sys.executable) if name == "python3" else shutil.which(name)
            if path:
                (folder / name).symlink_to(path)
        self.path = str(folder)

    def run(self, argv, **options):
        return super().run(("/usr/bin/env", f"PATH={self.path}", *argv), **options)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if not SSHD:
        pytest.skip("no sshd on this machine")
    with stopping(Sshd(tmp_path_factory.mktemp("server"))) as server:
        yield server


@pytest.fixture(params=["local", "sshd", "perl", "python3"])
def runner(request, tmp_path):
    if request.param == "local":
        runner = LocalRunner()
    elif request.param == "sshd":
        runner = request.getfixturevalue("server").runner()
    else:
        if not shutil.which(request.param):
            pytest.skip(f"no {request.param} on this machine")
        runner = FewTools(tmp_path / "bin", request.param)
    yield runner
    runner.close()


@pytest.fixture
def job(tmp_path):
    def make(*argv: str, id: str = "job-1") -> Job:
        return Job(id, str(tmp_path / "jobs"), argv)

    return make


def until_ended(runner, job, **options):
    wait_until(lambda: look(runner, job).state != "running", 10)
    return look(runner, job, **options)


def unique() -> str:
    return f"6{random.randrange(10**6)}"


def test_a_job_from_start_to_end(runner, job):
    it = job("sh", "-c", "echo one; echo err >&2; sleep 0.5; printf '\\0\\377'; exit 5")
    assert look(runner, it).state == "absent"
    assert start(runner, it, 10) == "started"
    assert start(runner, it, 10) == "already"
    wait_until(lambda: look(runner, it).stdout)
    first = look(runner, it)
    assert (first.state, first.status, first.stdout, first.stderr) == ("running", None, b"one\n", b"err\n")
    wait_until(lambda: look(runner, it).state == "ended")
    last = look(runner, it, first.offset_out, first.offset_err)
    assert (last.state, last.status, last.stdout, last.stderr) == ("ended", 5, b"\0\xff", b"")
    assert last.offset_out == 6
    assert 0 <= last.elapsed <= 3
    assert abs(last.started - time.time()) < 20
    assert start(runner, it, 10) == "already"
    assert Path(it.directory, it.id).stat().st_mode & 0o777 == 0o700
    forget(runner, it, 10)
    assert look(runner, it).state == "absent"


def test_words_arrive_as_they_are(runner, job):
    words = ("", "a b", "c'd\"e", "$HOME", "new\nline", "*", "ü")
    it = job("printf", "%s\\0", *words)
    start(runner, it, 10)
    assert until_ended(runner, it).stdout.decode().split("\0")[:-1] == list(words)
    record = Path(it.directory, it.id, "argv").read_bytes()
    assert tuple(record.decode().split("\0")[:-1]) == it.argv


def test_much_output_comes_in_parts(runner, job):
    it = job("sh", "-c", "head -c 600000 /dev/zero; head -c 1000 /dev/zero >&2")
    start(runner, it, 10)
    until_ended(runner, it)
    out = err = looks = 0
    more = True
    while more:
        state = look(runner, it, out, err)
        assert len(state.stdout) + len(state.stderr) <= BLOCK
        out, err, more, looks = state.offset_out, state.offset_err, state.more, looks + 1
    assert (out, err, looks) == (600000, 1000, 3)


def test_progress_is_measured(runner, job, tmp_path):
    (tmp_path / "snapshot_a.db").write_bytes(bytes(1000))
    (tmp_path / "snapshot_b.tar").write_bytes(bytes(234))
    (tmp_path / "other").write_bytes(bytes(99))
    it = job("true")
    start(runner, it, 10)
    assert look(runner, it, measure=str(tmp_path / "snapshot_")).measured == 1234
    assert look(runner, it, measure=str(tmp_path / "none_")).measured == 0
    assert look(runner, it).measured is None
    (tmp_path / "member.part/snap").mkdir(parents=True)
    (tmp_path / "member.part/wal").mkdir()
    (tmp_path / "member.part/snap/db").write_bytes(bytes(400))
    (tmp_path / "member.part/wal/0 1.wal").write_bytes(bytes(64))
    assert look(runner, it, measure=str(tmp_path / "member.part")).measured == 464, "a folder is all in it"


def test_cancel_ends_everything_it_started(runner, job):
    mark = unique()
    it = job("sh", "-c", f"sleep {mark} & sleep {mark}")
    start(runner, it, 10)
    wait_until(lambda: len(running("sleep", mark)) == 2)
    with pytest.raises(Refusal, match="still runs"):
        forget(runner, it, 10)
    state = cancel(runner, it, 20)
    assert (state.state, state.status) == ("ended", 143)
    wait_until(lambda: not running("sleep", mark))
    assert cancel(runner, it, 20).status == 143
    forget(runner, it, 10)


def test_cancel_by_force(runner, job):
    mark = unique()
    it = job("sh", "-c", f"trap '' TERM; echo ready; sleep {mark}; sleep {mark}; sleep {mark}")
    start(runner, it, 10)
    wait_until(lambda: look(runner, it).stdout)
    state = cancel(runner, it, 20, patience=1)
    assert (state.state, state.status) == ("ended", 137)
    wait_until(lambda: not running("sleep", mark))


def test_a_killed_job_vanished(runner, job):
    mark = unique()
    it = job("sleep", mark)
    start(runner, it, 10)
    wait_until(lambda: running("sleep", mark))
    wrapper = int(Path(it.directory, it.id, "pid").read_text().split()[0])
    os.kill(wrapper, signal.SIGKILL)
    # What it started lives on: that is not vanished.
    assert look(runner, it).state == "running"
    os.kill(running("sleep", mark)[0], signal.SIGKILL)
    wait_until(lambda: look(runner, it).state == "vanished")
    assert look(runner, it).status is None
    forget(runner, it, 10)


def test_a_job_from_before_a_restart_vanished(runner, job):
    """Another process has its number now, and another boot its tick."""
    it = job("sleep", unique())
    start(runner, it, 10)
    record = Path(it.directory, it.id, "pid")
    pid, token = record.read_text().split()
    record.write_text(f"{pid} 0000{token[4:]}\n")
    assert look(runner, it).state == "vanished"
    record.write_text(f"{pid} {token}\n")
    cancel(runner, it, 20)


def test_who_started_a_job_stands_beside_it(runner, job):
    it = job("true")
    start(runner, it, 10, by="anna@laptop\nx")
    assert Path(it.directory, it.id, "by").read_text() == "anna@laptop x\n"
    until_ended(runner, it)


def test_a_record_that_cannot_be_written(runner, job, tmp_path):
    (tmp_path / "file").write_text("")
    it = Job("x", str(tmp_path / "file" / "jobs"), ("true",))
    with pytest.raises(CommandFailed, match=r"the job x was not started in .*directory"):
        start(runner, it, 10)


def test_a_host_without_a_way_to_detach(tmp_path, job):
    runner = FewTools(tmp_path / "bin")
    with pytest.raises(CommandFailed, match="neither setsid nor perl nor python3"):
        start(runner, job("true"), 10)
    assert not (tmp_path / "jobs").exists()
    runner.close()


def test_an_answer_that_makes_no_sense(job):
    class Liar(LocalRunner):
        def run(self, argv, **options):
            return super().run(("echo", "etcdtui-job 1 running maybe"), **options)

    runner = Liar()
    with pytest.raises(UnexpectedOutput, match="unreadable"):
        look(runner, job("true"))
    runner.close()


def test_a_login_shell_that_talks(job):
    class Talker(LocalRunner):
        def run(self, argv, **options):
            return super().run(("sh", "-c", 'echo "Welcome!"; exec "$@"', "sh", *argv), **options)

    runner = Talker()
    it = job("echo", "hello")
    assert start(runner, it, 10) == "started"
    assert until_ended(runner, it).stdout == b"hello\n"
    runner.close()


def test_a_job_survives_its_connection(tmp_path, job):
    if not SSHD:
        pytest.skip("no sshd on this machine")
    with stopping(Sshd(tmp_path / "server")) as server:
        runner = server.runner()
        it = job("sh", "-c", "sleep 0.7; echo survived")
        start(runner, it, 10)
        server.signal(signal.SIGKILL, *server.sessions())
        wait_until(lambda: not connected(runner))
        runner.close()
        runner = server.runner()
        assert look(runner, it).state == "running"
        assert until_ended(runner, it).stdout == b"survived\n"
        runner.close()


def test_the_folder_of_the_jobs_is_made_for_us_alone(runner, tmp_path):
    it = Job("job-1", str(tmp_path / "var" / "tmp" / "jobs") + "/", ("true",))
    start(runner, it, 10)
    until_ended(runner, it)
    assert (tmp_path / "var" / "tmp" / "jobs").stat().st_mode & 0o777 == 0o700


def a_link(folder):
    folder.with_name("elsewhere").mkdir(0o700)
    folder.symlink_to(folder.with_name("elsewhere"))


def a_link_to_nothing(folder):
    folder.symlink_to(folder.with_name("nowhere"))


def a_file(folder):
    folder.write_text("")


def for_the_group(folder):
    folder.mkdir()
    folder.chmod(0o770)


def for_the_world(folder):
    folder.mkdir()
    folder.chmod(0o1707)


def anothers(folder):
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    folder.mkdir(0o700)
    os.chown(folder, 65534, 65534)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (a_link, "symbolic link"),
        (a_link_to_nothing, "symbolic link"),
        (a_file, "no folder"),
        (for_the_group, "others may write"),
        (for_the_world, "others may write"),
        (anothers, "belongs to user 65534"),
    ],
)
def test_a_folder_that_is_not_ours_alone_is_refused(tmp_path, make, words, slash):
    folder = tmp_path / "jobs"
    make(folder)
    runner = LocalRunner()
    it = Job("job-1", f"{folder}{slash}", ("true",))
    try:
        for ask in (
            lambda: start(runner, it, 10),
            lambda: look(runner, it),
            lambda: cancel(runner, it, 10),
            lambda: forget(runner, it, 10),
        ):
            with pytest.raises(CommandFailed, match=words) as caught:
                ask()
            assert caught.value.hint
    finally:
        runner.close()
    assert not folder.is_dir() or list(folder.iterdir()) == []
    assert not folder.with_name("nowhere").exists()
