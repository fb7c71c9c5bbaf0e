"""What every Runner must do, asked of this machine, of OpenSSH's sshd and of a server on paramiko."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from reach_sshd import SSHD, ParamikoServer, Sshd, running, wait_until

from etcdtui.errors import TimedOut, UnexpectedOutput, Unreachable
from etcdtui.reach.echo import Echo
from etcdtui.reach.local import LocalRunner
from etcdtui.reach.wrap import tethered

pytestmark = pytest.mark.live


@pytest.fixture(scope="module", params=["local", "sshd", "paramiko"])
def place(request, tmp_path_factory):
    if request.param == "local":
        yield LocalRunner
        return
    if request.param == "sshd" and not SSHD:
        pytest.skip("no sshd on this machine")
    server = (Sshd if request.param == "sshd" else ParamikoServer)(tmp_path_factory.mktemp("server"))
    yield server.runner
    server.stop()


@pytest.fixture
def runner(place):
    runner = place()
    yield runner
    runner.close()


def unique() -> str:
    """Seconds to sleep that no other process on this machine sleeps."""
    return f"6{random.randrange(10**6)}"


def test_a_command_answers_with_status_and_both_outputs(runner):
    done = runner.run(("sh", "-c", "echo out; echo err >&2; exit 3"), timeout=10)
    assert (done.status, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert done.argv == ("sh", "-c", "echo out; echo err >&2; exit 3")


def test_an_unknown_command_is_a_status(runner):
    done = runner.run(("no-such-command",), timeout=10)
    assert done.status == 127
    assert b"no-such-command" in done.stderr


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))), max_size=4))
def test_words_arrive_as_they_are(runner, words):
    done = runner.run(("printf", "%s\\0", "", *words), timeout=10)
    assert done.out().split("\0")[1:-1] == words


def test_much_on_both_outputs_does_not_deadlock(runner):
    script = "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; echo end"
    done = runner.run(("sh", "-c", script), timeout=20)
    assert (len(done.stdout), len(done.stderr)) == (3000004, 3000000)


def test_much_input_comes_back(runner):
    data = random.randbytes(5_000_000)
    assert runner.run(("cat",), timeout=20, stdin=data).stdout == data


def test_input_that_nobody_reads_is_no_error(runner):
    assert runner.run(("true",), timeout=20, stdin=b"x" * 3_000_000).ok


def test_input_ends(runner):
    assert runner.run(("cat",), timeout=10).stdout == b""


@pytest.mark.parametrize("script", ["exec sleep {}", "while :; do echo x; sleep 0.1; done; sleep {}"])
def test_the_deadline_is_absolute_and_nothing_stays(runner, script):
    mark = unique()
    runner.run(("true",), timeout=10)
    started = time.monotonic()
    with pytest.raises(TimedOut, match="did not end within 1 s"):
        runner.run(("sh", "-c", script.format(mark)), timeout=1)
    assert time.monotonic() - started < 1.5
    wait_until(lambda: not running("sleep", mark), 4.0)


def test_output_is_bounded(runner):
    with pytest.raises(UnexpectedOutput, match="more than 100000 bytes"):
        runner.run(("yes",), timeout=10, limit=100_000)


def test_a_stream_talks_and_ends(runner):
    stream = runner.stream(("sh", "-c", "echo start >&2; cat; exit 4"), timeout=10)
    stream.send(b"one\n", 5)
    assert stream.receive(5) == b"one\n"
    assert stream.status() is None
    with pytest.raises(TimedOut, match="said nothing"):
        stream.receive(0.1)
    stream.send(b"two\n", 5)
    assert stream.receive(5) == b"two\n"
    assert stream.stderr() == b"start\n"
    stream.close()
    stream.close()
    with pytest.raises(Unreachable):
        stream.receive(5)
    with pytest.raises(Unreachable):
        stream.send(b"x", 5)


def test_a_stream_tells_its_end_and_status(runner):
    stream = runner.stream(("sh", "-c", "echo all; echo why >&2; exit 7"), timeout=10)
    got = b""
    while block := stream.receive(5):
        got += block
    assert got == b"all\n"
    wait_until(lambda: stream.status() == 7)
    assert stream.stderr() == b"why\n"
    stream.close()


def test_a_stream_that_floods_its_errors_still_gives_its_output(runner):
    stream = runner.stream(("sh", "-c", "head -c 12000000 /dev/zero >&2; echo out"), timeout=10)
    assert stream.receive(20) == b"out\n"
    assert len(stream.stderr()) == 65536
    stream.close()


def test_a_stream_carries_much(runner):
    stream = runner.stream(("head", "-c", "30000000", "/dev/zero"), timeout=10)
    size = 0
    while block := stream.receive(10):
        size += len(block)
    assert size == 30_000_000
    stream.close()


def test_a_stream_takes_no_more_than_is_read(runner):
    stream = runner.stream(("sleep", "20"), timeout=10)
    with pytest.raises(TimedOut, match="took no more input"):
        stream.send(bytes(30_000_000), 0.5)
    stream.close()


@pytest.mark.parametrize("call", ["run", "receive"])
def test_close_from_another_thread_ends_calls_at_once(place, call):
    runner = place()
    stream = runner.stream(("cat",), timeout=10)
    started = threading.Event()
    ended: list[float | BaseException] = []

    def work() -> None:
        started.set()
        try:
            stream.receive(30) if call == "receive" else runner.run(("sleep", "3"), timeout=30)
        except BaseException as exc:
            ended.extend((exc, time.monotonic()))

    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    time.sleep(0.2)  # until the call is really under way; there is nothing to look at
    closed = time.monotonic()
    runner.close()
    thread.join(5)
    assert isinstance(ended[0], Unreachable)
    assert "etcdtui let go of" in str(ended[0])
    assert ended[1] - closed < 1.0
    stream.close()
    with pytest.raises(Unreachable, match="let go of that host"):
        runner.run(("true",), timeout=5)


def test_a_tethered_command_ends_with_its_input(runner):
    mark = unique()
    stream = runner.stream(tethered(("sleep", mark)), timeout=10)
    wait_until(lambda: running("sleep", mark))
    stream.close()
    wait_until(lambda: not running("sleep", mark))


def test_a_tethered_command_passes_bytes_and_status(runner):
    stream = runner.stream(tethered(("sh", "-c", "read a; echo got $a; exit 5")), timeout=10)
    stream.send(b"this\n", 5)
    assert stream.receive(5) == b"got this\n"
    assert stream.receive(5) == b""
    wait_until(lambda: stream.status() == 5)
    stream.close()


def test_echo_measures_the_way(runner):
    echo = Echo(runner)
    trips = [echo.ping(5) for _ in range(5)]
    assert all(0 < trip < 1 for trip in trips)
    echo.close()
    assert echo.ping(5) > 0
    echo.close()


def test_many_threads_at_once(runner):
    answers: list[bytes] = []

    def work(number: int) -> None:
        answers.append(runner.run(("sh", "-c", f"sleep 0.2; echo {number}"), timeout=20).stdout)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == sorted(b"%d\n" % n for n in range(16))


def test_nothing_is_left_open(place):
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    def once() -> None:
        runner = place()
        runner.run(("true",), timeout=10)
        runner.stream(("cat",), timeout=10).close()
        runner.close()

    once()
    wait_until(lambda: threading.active_count() <= 40)
    before = open_files()
    for _ in range(3):
        once()
    if place is LocalRunner:
        assert open_files() == before
    else:
        wait_until(lambda: open_files() <= before + 2)
