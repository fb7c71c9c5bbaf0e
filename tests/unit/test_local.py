"""This machine as a Runner; what all runners share is asked in tests/live."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from etcdtui.errors import TimedOut
from etcdtui.reach.local import LocalRunner


def lives(pid: str) -> bool:
    """Whether a process is there and no mere zombie."""
    state = subprocess.run(("ps", "-o", "state=", "-p", pid), capture_output=True, text=True).stdout
    return state.strip() not in ("", "Z")


@pytest.fixture
def runner():
    runner = LocalRunner("here")
    yield runner
    runner.close()


def test_it_has_a_name(runner):
    assert runner.host == "here"


def test_a_signal_is_told_as_a_shell_does(runner):
    assert runner.run(("sh", "-c", "kill -9 $$"), timeout=5).status == 128 + signal.SIGKILL


def test_what_cannot_be_started_is_a_status(runner, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    assert runner.run((str(file),), timeout=5).status == 126
    assert runner.run((str(tmp_path / "none"),), timeout=5).status == 127


def test_those_who_do_not_listen_are_killed_with_the_rest(runner, tmp_path):
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 60 & echo $! $$ >{pids}; wait; wait; sleep 60"
    with pytest.raises(TimedOut, match=r"On here sh -c .* did not end within 0\.5 s"):
        runner.run(("sh", "-c", script), timeout=0.5)
    until = time.monotonic() + 3
    while any(lives(pid) for pid in pids.read_text().split()):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_child_in_the_background_keeps_the_outputs_open(runner):
    with pytest.raises(TimedOut):
        runner.run(("sh", "-c", "sleep 60 &"), timeout=0.3)
    assert runner.run(("sh", "-c", "sleep 60 >/dev/null 2>&1 & kill $!"), timeout=5).ok
