"""The warm pipe: over a stream that plays a script, and over openssl to a real etcd with mutual TLS."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from etcdtui.errors import (
    CommandFailed,
    Dropped,
    EtcdTuiError,
    Refused,
    SudoRefused,
    TimedOut,
    TlsFailed,
    UnexpectedOutput,
    Unreachable,
)
from etcdtui.etcd import gateway
from etcdtui.etcd.commands import openssl_pipe
from etcdtui.etcd.gateway import GatewayError, NoGateway
from etcdtui.reach.local import LocalRunner
from etcdtui.reach.pipe import LAST_WORDS, Answer, GatewayPipe
from etcdtui.reach.runner import Completed, Stream
from etcdtui.reach.ssh import SshRunner
from etcdtui.reach.wrap import tethered
from tests.data.record import Authority, Trio, found_binaries, trio
from tests.live.reach_sshd import SSHD, Sshd
from tests.recorded import recorded

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SHAKEN = b"depth=0 CN = server\nverify return:1\n"
ASK = [gateway.status(), gateway.version()]


class Script:
    """A stream that plays: bytes arrive, a number is silence of that many seconds, b"" the end."""

    def __init__(self, *scene: bytes | float, stderr: bytes = b"", status: int | None = None) -> None:
        self.scene = list(scene)
        self.sent = b""
        self.time = 100.0
        self.closed = 0
        self._stderr, self._status = stderr, status

    @property
    def host(self) -> str:
        return "masternode1"

    def run(self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"") -> Completed:
        raise AssertionError("a pipe runs nothing")

    def stream(self, argv: Sequence[str], *, timeout: float) -> Stream:
        return self

    def send(self, data: bytes, timeout: float) -> None:
        self.sent += data

    def receive(self, timeout: float) -> bytes:
        if not self.scene:
            self.time += timeout
            raise TimedOut("nothing")
        first = self.scene[0]
        if isinstance(first, bytes):
            if first:
                self.scene.pop(0)
            self.time += 0.001
            return first
        if first > timeout:
            self.scene[0] = first - timeout
            self.time += timeout
            raise TimedOut("nothing")
        self.time += first
        self.scene.pop(0)
        return self.receive(timeout - first)

    def stderr(self) -> bytes:
        return self._stderr

    def status(self) -> int | None:
        return self._status

    def close(self) -> None:
        self.closed += 1


def pipe_of(script: Script) -> GatewayPipe:
    return GatewayPipe(script, ["openssl"], "https://10.0.0.1:2379", clock=lambda: script.time)


def test_answers_are_yielded_as_they_come() -> None:
    script = Script(OK[:7], 0.05, OK[7:], 0.1, OK)
    pipe = pipe_of(script)
    answers = pipe.ask(ASK, 1.0)
    assert script.sent.count(b"Host: 10.0.0.1:2379\r\n") == 2  # sent before the first answer is asked for
    first = next(answers)
    assert (first.index, pipe.outstanding, pipe.usable) == (0, 1, False)
    second = next(answers)
    assert list(answers) == [] and pipe.usable and pipe.warm
    assert first.seconds == pytest.approx(0.052) and second.seconds == pytest.approx(0.153)


def test_a_late_answer_is_slow_not_lost() -> None:
    script = Script(OK, 2.5, OK)
    pipe = pipe_of(script)
    answers = pipe.ask(ASK, 1.0)
    assert next(answers).index == 0
    with pytest.raises(TimedOut, match="no answer for 1 s"):
        next(answers)
    assert script.closed == 0 and pipe.outstanding == 1
    with pytest.raises(TimedOut):
        next(pipe.more(1.0))
    (late,) = pipe.more(1.0)
    assert late.index == 1 and late.seconds > 2.5 and pipe.usable
    assert list(pipe.more(1.0)) == []


def test_nothing_new_is_asked_while_answers_are_due() -> None:
    pipe = pipe_of(Script())
    answers = pipe.ask(ASK, 1.0)
    with pytest.raises(TimedOut):
        next(answers)
    with pytest.raises(ValueError, match="outstanding"):
        pipe.ask(ASK, 1.0)


def test_silence_tells_whether_there_was_a_handshake() -> None:
    for stderr, words in ((SHAKEN, "1 s, after the TLS"), (b"", "1 s, not even to the TLS handshake")):
        with pytest.raises(TimedOut, match=words):
            next(pipe_of(Script(stderr=stderr)).ask(ASK, 1.0))


def test_looking_without_patience_keeps_the_pipe() -> None:
    script = Script(OK[:10], 5.0, OK[10:], OK)
    pipe = pipe_of(script)
    with pytest.raises(TimedOut):
        next(pipe.ask(ASK, 1.0))
    for _ in range(3):
        with pytest.raises(TimedOut):
            next(pipe.more(0.0))
    assert script.closed == 0
    assert len(list(pipe.more(10.0))) == 2


def test_an_answer_that_dribbles_for_ever_ends() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    dribble: list[bytes | float] = [head, *([0.9, b"x"] * 100)]
    with pytest.raises(TimedOut, match="does not end"):
        next(pipe_of(Script(*dribble)).ask(ASK, 1.0))


@pytest.mark.parametrize(
    ("case", "kind", "words"),
    [
        ("wrong-ca", TlsFailed, "not signed by the authority"),
        ("foreign-client", TlsFailed, "our client certificate"),
        ("expired-server", TlsFailed, "expired"),
        ("other-address", TlsFailed, "another name or address"),
        ("missing-file", TlsFailed, "cannot be used"),
        ("no-tls", TlsFailed, "does not speak TLS"),
        ("refused", Refused, "nothing listens"),
    ],
)
def test_the_end_is_explained(case: str, kind: type[EtcdTuiError], words: str) -> None:
    script = Script(b"", stderr=recorded("openssl", "3.5.1", case).stderr.encode(), status=1)
    with pytest.raises(kind, match=words) as caught:
        next(pipe_of(script).ask(ASK, 1.0))
    assert script.closed and "masternode1" in caught.value.message


@pytest.mark.parametrize(
    ("stderr", "status", "kind"),
    [
        (b"sudo: a password is required\n", 1, SudoRefused),
        (b"sudo: openssl: command not found\n", 1, CommandFailed),
        (b"", 127, CommandFailed),
        (b"connect:errno=113\n", 1, Unreachable),
        (b"connect:errno=110\n", 1, TimedOut),
        (b"", 1, Dropped),
        (b"\xff\xfe strange words", 3, Unreachable),
        (SHAKEN, 0, NoGateway),
    ],
)
def test_other_ends(stderr: bytes, status: int, kind: type[EtcdTuiError]) -> None:
    with pytest.raises(kind):
        next(pipe_of(Script(b"", stderr=stderr, status=status)).ask(ASK, 1.0))


def test_a_warm_pipe_that_ends_is_no_missing_gateway() -> None:
    script = Script(OK, b"", stderr=SHAKEN, status=0)
    answers = pipe_of(script).ask(ASK, 1.0)
    assert next(answers).index == 0
    with pytest.raises(Dropped, match="closed the connection"):
        next(answers)


def test_an_end_within_an_answer_is_the_ends_fault() -> None:
    script = Script(OK[:-1], b"", stderr=SHAKEN + b"read:errno=104\n", status=1)
    with pytest.raises(Dropped, match="cut"):
        next(pipe_of(script).ask(ASK, 1.0))


def test_http2_means_no_gateway() -> None:
    script = Script(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00", stderr=SHAKEN)
    with pytest.raises(NoGateway):
        next(pipe_of(script).ask(ASK, 1.0))
    assert script.closed


def test_more_answers_than_questions() -> None:
    script = Script(OK + OK + OK)
    with pytest.raises(UnexpectedOutput, match="more often"):
        list(pipe_of(script).ask(ASK, 1.0))


def test_a_closed_pipe_says_so() -> None:
    pipe = pipe_of(Script(OK))
    pipe.close()
    pipe.close()
    with pytest.raises(Dropped, match="let go of"):
        pipe.ask(ASK, 1.0)


def test_closing_forgets_what_was_asked() -> None:
    pipe = pipe_of(Script(OK + OK))
    answers = pipe.ask(ASK, 1.0)
    next(answers)
    assert pipe.outstanding == 1
    pipe.close()
    assert (pipe.outstanding, pipe.usable) == (0, False)
    with pytest.raises(Dropped, match="let go of"):
        list(answers)


def test_after_a_silence_closing_is_not_the_cause() -> None:
    pipe = pipe_of(Script(stderr=SHAKEN))
    with pytest.raises(TimedOut):
        next(pipe.ask(ASK, 1.0))
    pipe.close()
    assert (pipe.outstanding, pipe.usable) == (0, False)
    for again in (lambda: pipe.ask(ASK, 1.0), lambda: list(pipe.more(1.0))):
        with pytest.raises(TimedOut, match="gave no answer for 1 s"):
            again()


def test_closing_from_another_thread_while_waiting_is_not_the_cause() -> None:
    class Closed(Script):
        def receive(self, timeout: float) -> bytes:
            pipe.close()
            raise Unreachable("The stream from masternode1 was closed.")

    pipe = pipe_of(Closed())
    with pytest.raises(Dropped, match="let go of"):
        list(pipe.ask(ASK, 1.0))


def test_the_command_is_tied_to_its_input() -> None:
    commands: list[tuple[str, ...]] = []

    class Noted(Script):
        def stream(self, argv: Sequence[str], *, timeout: float) -> Stream:
            commands.append(tuple(argv))
            return self

    GatewayPipe(Noted(), ["sudo", "-n", "openssl", "s_client"], "https://10.0.0.1:2379")
    assert commands == [tethered(["sudo", "-n", "openssl", "s_client"])]


# with a real etcd


@pytest.fixture(scope="module", params=found_binaries().items(), ids=lambda item: str(item[0]))
def cluster(request: pytest.FixtureRequest) -> Iterator[Trio]:
    _, binaries = request.param
    with trio(binaries, members=1) as one:
        yield one


@pytest.fixture
def runner() -> Iterator[LocalRunner]:
    local = LocalRunner("here")
    yield local
    local.close()


def argv_of(cluster: Trio, port: int | None = None, **changes: str) -> tuple[str, ...]:
    certificate, key = cluster.client
    paths = {"certificate": str(certificate), "key": str(key), "ca": str(cluster.authority.ca)} | changes
    return openssl_pipe("127.0.0.1", port or cluster.clients["m1"], **paths, sudo=())


def openssl_processes(needle: str) -> list[int]:
    """openssl processes with ``needle`` in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes()
        except OSError:
            continue
        if line.startswith(b"openssl") and needle.encode() in line:
            found.append(int(entry.parent.name))
    return found


def gone(needle: str, patience: float = 3.0) -> bool:
    until = time.monotonic() + patience
    while openssl_processes(needle):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.live
def test_real_requests_share_one_way(cluster: Trio, runner: LocalRunner) -> None:
    pipe = GatewayPipe(runner, argv_of(cluster), cluster.endpoints[0])
    requests = [
        gateway.serializable_read(),
        gateway.status(),
        gateway.member_list(),
        gateway.linearizable_read(),
        gateway.metrics(),
    ]
    for _ in range(3):
        answers: list[Answer] = list(pipe.ask(requests, 5.0))
        assert [a.index for a in answers] == [0, 1, 2, 3, 4]
        assert [a.seconds for a in answers] == sorted(a.seconds for a in answers)
        gateway.check_read(answers[0].response)
        assert gateway.parse_status(answers[1].response).is_leader
        assert [m.name for m in gateway.parse_member_list(answers[2].response).members] == ["m1"]
        gateway.check_read(answers[3].response)
        assert len(gateway.parse_metrics(answers[4].response)) > 10_000
    assert pipe.usable
    assert openssl_processes(str(cluster.folder))
    pipe.close()
    assert gone(str(cluster.folder)), "openssl outlived its pipe"


@pytest.mark.live
@pytest.mark.parametrize("letter", [b"Q", b"R", b"k", b"K"])
def test_command_letters_are_data(cluster: Trio, runner: LocalRunner, letter: bytes) -> None:
    """A block of input that begins with a letter must not end or renegotiate the connection."""
    stream = runner.stream(argv_of(cluster), timeout=5)
    try:
        stream.send(b"POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n", 5)
        time.sleep(0.3)
        stream.send(letter + b"\n" + b"x" * 38, 5)
        time.sleep(0.3)
        stream.send(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n", 5)
        parser, found = gateway.ResponseParser(), []
        while len(found) < 2:
            found += parser.feed(stream.receive(5))
        assert [response.status for response in found] == [400, 200]
        assert stream.status() is None
    finally:
        stream.close()


@pytest.mark.live
def test_the_end_of_input_ends_openssl(cluster: Trio) -> None:
    """As when sshd closes the input of a command whose channel is gone."""
    read, write = os.pipe()
    process = subprocess.Popen(
        argv_of(cluster), stdin=read, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(read)
    time.sleep(0.5)
    assert process.poll() is None
    os.close(write)
    assert process.wait(3) == 0


@pytest.mark.live
def test_real_failures(cluster: Trio, runner: LocalRunner, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other-ca")
    certificate, key = other.issue("stranger")
    cases: list[tuple[tuple[str, ...], type[EtcdTuiError]]] = [
        (argv_of(cluster, cluster.spare[0]), Refused),
        (argv_of(cluster, ca=str(other.ca)), TlsFailed),
        (argv_of(cluster, certificate=str(certificate), key=str(key)), TlsFailed),
        (argv_of(cluster, certificate=str(tmp_path / "none")), TlsFailed),
        (("etcdtui-no-such-openssl", *argv_of(cluster)[1:]), CommandFailed),
        (("sh", "-c", "echo 'sudo: a password is required' >&2; exit 1"), SudoRefused),
    ]
    for argv, kind in cases:
        pipe = GatewayPipe(runner, argv, cluster.endpoints[0])
        with pytest.raises(kind):
            list(pipe.ask([gateway.version()], 5.0))
    assert gone(str(cluster.folder))


@pytest.mark.live
def test_a_frozen_member_is_slow_not_lost(cluster: Trio, runner: LocalRunner) -> None:
    pipe = GatewayPipe(runner, argv_of(cluster), cluster.endpoints[0])
    list(pipe.ask([gateway.version()], 5.0))
    process = cluster.processes["m1"]
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)  # a signal takes its time to arrive
    try:
        with pytest.raises(TimedOut):
            list(pipe.ask([gateway.status(), gateway.version()], 0.4))
        assert pipe.outstanding == 2
    finally:
        process.send_signal(signal.SIGCONT)
    answers = list(pipe.more(5.0))
    assert [a.index for a in answers] == [0, 1] and answers[0].seconds > 0.4
    pipe.close()


def test_whoever_closes_a_pipe_that_ended_does_not_wait_for_its_last_words() -> None:
    script = Script(b"")
    pipe = GatewayPipe(script, ["openssl"], "https://10.0.0.1:2379")
    closing = threading.Timer(0.1, pipe.close)
    closing.start()
    began = time.monotonic()
    with pytest.raises(Dropped, match="let go of the connection"):
        next(pipe.ask(ASK, 1.0))
    assert time.monotonic() - began < LAST_WORDS / 2
    closing.join()


@pytest.mark.live
@pytest.mark.parametrize("way", ["local", "ssh"])
def test_nothing_is_left_of_a_handshake_that_hangs(cluster: Trio, way: str, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        runner: LocalRunner | SshRunner = LocalRunner("here")
        if way == "ssh":
            if not SSHD:
                pytest.skip("no sshd on this machine")
            server = Sshd(tmp_path / "sshd")
            stack.callback(server.stop)
            runner = server.runner()
        stack.callback(runner.close)
        process = cluster.processes["m1"]
        process.send_signal(signal.SIGSTOP)
        stack.callback(process.send_signal, signal.SIGCONT)
        pipe = GatewayPipe(runner, argv_of(cluster), cluster.endpoints[0])
        with pytest.raises(TimedOut, match="not even to the TLS handshake"):
            list(pipe.ask([gateway.version()], 0.5))
        assert openssl_processes(str(cluster.folder))
        pipe.close()
        assert gone(str(cluster.folder), 2.0), "openssl outlived its pipe"


@pytest.mark.live
def test_a_wrong_path_is_an_error_of_etcds(cluster: Trio, runner: LocalRunner) -> None:
    pipe = GatewayPipe(runner, argv_of(cluster), cluster.endpoints[0])
    (answer,) = pipe.ask([gateway.Request("POST", "/v3/kv/range", b"{}")], 5.0)
    with pytest.raises(GatewayError, match="key is not provided"):
        gateway.check_read(answer.response)
    pipe.close()
