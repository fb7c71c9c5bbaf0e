"""What the command log keeps of commands, scripts and streams."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import pytest

from etcdtui.cluster.command_log import KEPT, CommandLog, LoggedRunner, titled
from etcdtui.errors import TimedOut, Unreachable
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.openshift import article_lines
from etcdtui.reach.runner import Completed, Stream

SCRIPT = "a=$1\necho $a\n"


class FakeStream:
    said = b""
    code: int | None = None
    failure: Exception | None = None

    def send(self, data: bytes, timeout: float) -> None: ...

    def receive(self, timeout: float) -> bytes:
        if self.failure is not None:
            raise self.failure
        return b"x"

    def stderr(self) -> bytes:
        return self.said

    def status(self) -> int | None:
        return self.code

    def close(self) -> None: ...


class FakeRunner:
    host = "masternode1"

    def __init__(self, answer: Completed | Exception | None = None) -> None:
        self.answer = answer
        self.stream_given = FakeStream()

    def run(self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"") -> Completed:
        if isinstance(self.answer, Exception):
            raise self.answer
        assert self.answer is not None
        return self.answer

    def stream(self, argv: Sequence[str], *, timeout: float) -> Stream:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.stream_given

    def reconnect(self) -> None: ...

    def close(self) -> None: ...


def logged(answer: Completed | Exception | None = None) -> tuple[CommandLog, LoggedRunner, FakeRunner]:
    time = count()
    log = CommandLog(lambda: 5000.0, lambda: float(next(time)))
    inner = FakeRunner(answer)
    return log, LoggedRunner(inner, log), inner


@pytest.mark.parametrize(
    ("argv", "title"),
    [
        (("sudo", "-n", "sh", "-c", SCRIPT, "etcdtui-look", "/var"), ("sudo", "-n", "etcdtui-look", "/var")),
        (
            ("sh", "-c", SCRIPT, "gate", "sudo", "/bin/bash", "-c", SCRIPT, "access"),
            ("gate", "sudo", "access"),
        ),
        (("sh", "-c", "echo short", "name"), ("sh", "-c", "echo short", "name")),
        (("sh", "-c", SCRIPT), ("sh", "-c", SCRIPT)),
        (("etcdctl", "member", "list"), ("etcdctl", "member", "list")),
    ],
)
def test_scripts_are_called_by_their_names(argv: tuple[str, ...], title: tuple[str, ...]) -> None:
    assert titled(argv) == title


def test_a_command_that_ended_well_has_no_reason() -> None:
    log, runner, _ = logged(Completed(("true",), 0, b"", b"a warning\n"))
    runner.run(("true", "a b"), timeout=1)
    (record,) = log.records()
    assert (record.host, record.command, record.status, record.error) == (
        "masternode1",
        "true 'a b'",
        0,
        "",
    )
    assert (record.at, record.seconds) == (5000.0, 1.0)


def test_a_failed_command_tells_its_last_words() -> None:
    log, runner, _ = logged(Completed(("x",), 1, b"out", b"first\nsudo: a password is required\n\n"))
    runner.run(("x",), timeout=1)
    assert (log.records()[0].status, log.records()[0].error) == (1, "sudo: a password is required")


def test_a_command_without_an_end_tells_why() -> None:
    log, runner, _ = logged(Unreachable("masternode1 is gone.", "Look at it."))
    with pytest.raises(Unreachable):
        runner.run(("x",), timeout=1)
    with pytest.raises(Unreachable):
        runner.stream(("y",), timeout=1)
    assert [(r.status, r.error) for r in log.records()] == [(None, "masternode1 is gone.")] * 2
    assert all(r.seconds is not None for r in log.records()), "neither runs on"


def test_a_stream_runs_on_until_it_is_let_go() -> None:
    log, runner, _ = logged()
    stream = runner.stream(("cat",), timeout=1)
    assert stream.receive(1) == b"x"
    assert log.records()[0].seconds is None
    stream.close()
    stream.close()
    assert (log.records()[0].seconds, log.records()[0].error) == (1.0, "")


def test_silence_does_not_end_a_stream_and_a_break_does() -> None:
    log, runner, inner = logged()
    stream = runner.stream(("openssl", "s_client"), timeout=1)
    inner.stream_given.failure = TimedOut("nothing for 1 s")
    with pytest.raises(TimedOut):
        stream.receive(1)
    assert log.records()[0].seconds is None
    inner.stream_given.failure = Unreachable("The command on masternode1 ended.")
    inner.stream_given.said, inner.stream_given.code = b"connect: refused\n", 1
    with pytest.raises(Unreachable):
        stream.receive(1)
    record = log.records()[0]
    assert (record.status, record.error) == (1, "connect: refused")
    assert record.seconds is not None


def test_the_same_failure_again_and_again_is_one_record() -> None:
    log, runner, inner = logged(Completed(("good",), 0, b"", b""))
    runner.run(("good",), timeout=1)
    for reason in ("refused", "refused", "refused", "no answer"):
        inner.answer = Unreachable(reason)
        for command in ("cat", "look"):  # two sources fail in turn
            with pytest.raises(Unreachable):
                runner.run((command,), timeout=1)
    assert [(r.command, r.error, r.times) for r in log.records()] == [
        ("good", "", 1),
        ("cat", "refused", 3),
        ("look", "refused", 3),
        ("cat", "no answer", 1),
        ("look", "no answer", 1),
    ]
    inner.answer = Completed(("cat",), 0, b"", b"")
    runner.run(("cat",), timeout=1)
    inner.answer = Unreachable("no answer")
    with pytest.raises(Unreachable):
        runner.run(("cat",), timeout=1)
    assert [r.times for r in log.records()][-2:] == [1, 1], "a success between them parts them"


def test_the_log_is_bounded_and_keeps_what_runs_on() -> None:
    log, runner, _ = logged(Completed(("x",), 0, b"", b""))
    stream = runner.stream(("cat",), timeout=1)
    for _ in range(KEPT // 2):
        runner.run(("x",), timeout=1)
    assert log.records()[0].command == "cat"
    for number in range(KEPT):
        log.began("masternode1", (str(number),))
    assert len(log.records()) == KEPT
    stream.close()


def test_the_articles_way_is_told_as_it_is_typed() -> None:
    assert article_lines(Layout(root="/a lab", etcd_scripts="/scripts")) == (
        "source '/a lab/scripts/etcd-common-tools'",
        "source '/a lab/scripts/etcd.env'",
        "etcdctl endpoint health",
    )
