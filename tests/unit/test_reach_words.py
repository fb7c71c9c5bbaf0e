"""What a person reads when a host is slow, busy or let go of."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, cast

import pytest

from etcdtui.errors import TimedOut, Unreachable
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.openshift import access_script, look_script
from etcdtui.reach.capture import short
from etcdtui.reach.echo import Echo
from etcdtui.reach.local import LocalRunner
from etcdtui.reach.ssh_channel import Exec
from etcdtui.reach.ssh_connect import Link, as_error
from etcdtui.reach.ssh_pool import Pool

SCRIPT = "\nset -e\necho one\n"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (look_script(Layout()), "etcdtui-look"),
        (access_script(Layout(sudo=())), "etcdtui-access"),
        (("sudo", "-n", "sh", "-c", SCRIPT, "read-file", "/a b"), "read-file"),
        (("sh", "-c", SCRIPT), "sh -c 'set -e'"),
        (("sh", "-c", "echo one", "name"), "sh -c 'echo one' name"),
        (("etcdctl", "get", "a\x1b[2Jb"), "etcdctl get 'a\\x1b[2Jb'"),
        (("x" * 200,), "x" * 79 + "…"),
    ],
)
def test_a_command_is_called_in_one_short_line(argv: Sequence[str], words: str) -> None:
    assert short(argv) == words


def test_a_script_that_takes_too_long_is_called_by_its_name() -> None:
    local = LocalRunner("m1")
    with pytest.raises(TimedOut) as caught:
        local.run(("sh", "-c", "# a script\nsleep 20", "etcdtui-look", "/var"), timeout=0.2)
    local.close()
    assert caught.value.message == "On m1 etcdtui-look did not end within 0.2 s."
    assert "hangs" in caught.value.hint


class Transport:
    """A connection that is up until somebody closes it."""

    def __init__(self) -> None:
        self.active = True

    def is_active(self) -> bool:
        return self.active

    def close(self) -> None:
        self.active = False

    def get_exception(self) -> Exception | None:
        return None


def link() -> Link:
    return Link(cast("Any", Transport()), [])


def broken(one: Link) -> str:
    run = Exec.__new__(Exec)
    run.link, run.name = one, "m1"
    return run.broke().message


def test_commands_that_end_because_another_hung_tell_that() -> None:
    one = link()
    with one.guard(0.05):
        until = time.monotonic() + 5
        while one.transport.is_active():
            assert time.monotonic() < until
            time.sleep(0.01)
    assert broken(one) == "A command on m1 was cut short: the host did not answer for 0.05 s."
    one.close()
    assert "did not answer" in broken(one)


def test_commands_that_end_because_nobody_waits_any_more_tell_that() -> None:
    one = link()
    pool = Pool("m1", lambda phase: one)
    assert pool.acquire(time.monotonic() + 5) is one
    pool.close()
    assert broken(one) == "A command on m1 was cut short: etcdtui let go of that host."
    with pytest.raises(Unreachable, match="Nothing was asked of m1: etcdtui let go of that host"):
        pool.acquire(time.monotonic() + 5)


def test_what_was_waited_for_is_a_sentence() -> None:
    done = threading.Event()

    def connect(phase: Any) -> Link:
        phase("the sshd of m1 sent no greeting")
        done.wait(5)
        return link()

    pool = Pool("m1", connect)
    with pytest.raises(TimedOut) as caught:
        pool.acquire(time.monotonic() + 0.2)
    said = "m1 does not answer: the sshd of m1 sent no greeting within 0."
    assert caught.value.message.startswith(said)
    assert caught.value.hint
    done.set()
    pool.close()


def test_a_busy_host_is_not_called_silent() -> None:
    pool = Pool("m1", lambda phase: link(), most=1)
    for _ in range(Link.capacity):
        pool.acquire(time.monotonic() + 5)
    with pytest.raises(TimedOut) as caught:
        pool.acquire(time.monotonic() + 0.2)
    said = "m1 is still busy with 8 other commands of etcdtui: none ended within 0."
    assert caught.value.message.startswith(said)
    assert "hang" in caught.value.hint
    pool.close()


def test_no_reason_is_no_closed_connection() -> None:
    assert as_error(EOFError(), "m1").message == "The SSH connection to m1 broke: the other side hung up."


def test_a_runner_that_is_let_go_of_says_who_did_it() -> None:
    local = LocalRunner("m1")
    echo = Echo(local)
    assert echo.ping(5) > 0
    stream = local.stream(("cat",), timeout=5)
    stream.close()
    with pytest.raises(Unreachable, match="etcdtui let go of it"):
        stream.receive(1)
    local.close()
    with pytest.raises(Unreachable, match="etcdtui let go of that host"):
        local.run(("true",), timeout=1)
