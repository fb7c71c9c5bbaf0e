"""The warm pipe: one TLS connection to one etcd, held open on the host, spoken to through a Runner.

``openssl s_client`` on the host holds the connection (see ``commands.openssl_pipe``), so that the
private key stays there. Requests are written back to back and answered in order: one round trip for
all of them. No threads in here.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

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
from etcdtui.etcd.causes import explain, last_words
from etcdtui.etcd.http import NoGateway, Request, Response, ResponseParser, encode
from etcdtui.model.problems import Fault, Problem
from etcdtui.reach.runner import Runner, Stream
from etcdtui.reach.wrap import tethered

START = 10.0  # seconds for the command to start
LONGEST = 10  # times the patience that one answer may take while its bytes keep coming
LAST_WORDS = 1.5  # seconds to wait for the end of standard error; it ends with the exit status


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to request number ``index`` of the last ``ask``, ``seconds`` after all were sent."""

    index: int
    response: Response
    seconds: float


class GatewayPipe:
    """One connection. ``endpoint`` is what messages call the other end, and the Host header."""

    def __init__(
        self,
        runner: Runner,
        argv: Sequence[str],
        endpoint: str,
        *,
        start: float = START,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts the command; it connects meanwhile. Raises as ``Runner.stream``."""
        self.endpoint = endpoint
        self._argv = tuple(argv)
        self._host = runner.host
        self._clock = clock
        self._parser = ResponseParser()
        self._waiting: deque[int] = deque()
        self._ready: deque[Answer] = deque()
        self._sent = 0.0
        self._closed = False
        self._lost = False  # it was closed while answers were outstanding
        self._why: EtcdTuiError | None = None  # what was wrong last
        # During its handshake openssl does not see that its input ended; the tether does.
        self._stream: Stream = runner.stream(tethered(self._argv), timeout=start)

    @property
    def warm(self) -> bool:
        """It has answered before: the next answer takes no handshake."""
        return self._parser.answered > 0

    @property
    def outstanding(self) -> int:
        """Requests that are sent and not answered; none once it is closed."""
        return 0 if self._closed else len(self._waiting) + len(self._ready)

    @property
    def usable(self) -> bool:
        """Another ``ask`` may be made on this connection."""
        return not self._closed and not self.outstanding and not self._parser.closing

    def ask(self, requests: Sequence[Request], patience: float) -> Iterator[Answer]:
        """Send all at once, then yield each answer as it comes.

        Raises TimedOut when nothing comes for ``patience`` seconds; the pipe stays open and ``more`` goes
        on waiting. Any other error ends the pipe: Refused, Unreachable, TlsFailed, SudoRefused, NoGateway,
        CommandFailed, UnexpectedOutput.
        """
        if self.outstanding:
            raise ValueError("answers to the last requests are still outstanding: use more()")
        self._check_open()
        data = encode(requests, self.endpoint.partition("://")[2] or self.endpoint)
        try:
            self._stream.send(data, patience)
        except TimedOut as exc:
            self._why = exc
            self.close()  # how much of it went out is not known
            raise
        except Unreachable as exc:
            raise self._ended(exc) from exc
        self._sent = self._clock()
        self._waiting.extend(range(len(requests)))
        return self.more(patience)

    def more(self, patience: float) -> Iterator[Answer]:
        """Go on waiting for answers that are outstanding; the same errors as ``ask``."""
        while self.outstanding:
            if not self._ready:
                self._receive(patience)
            try:
                answer = self._ready.popleft()
            except IndexError:  # closed by another thread
                break
            yield answer
        if self._lost:
            raise self._gone()

    def close(self) -> None:
        """End the command on the host; answers to come are lost. Safe twice, and from another thread."""
        self._lost = self._lost or self.outstanding > 0
        self._closed = True
        self._waiting.clear()
        self._ready.clear()
        self._stream.close()

    def _receive(self, patience: float) -> None:
        """Wait until at least one answer is whole."""
        self._check_open()
        longest = self._clock() + max(patience, 1.0) * LONGEST
        while not self._ready:
            try:
                data = self._stream.receive(patience)
            except TimedOut as exc:
                raise self._silent(patience) from exc
            except EtcdTuiError as exc:
                if self._closed:
                    raise self._gone() from exc
                self._why = exc
                self.close()
                raise
            if self._closed:
                raise self._gone()
            arrived = self._clock()
            try:
                responses = self._parser.feed(data) if data else self._parser.end()
            except UnexpectedOutput as exc:
                # An end in the middle of an answer is explained by standard error, garbage is not.
                raise self._failed(exc) if data else self._ended(exc) from exc
            self._take(responses, arrived)
            if not self._ready and not data:
                raise self._ended()
            if not self._ready and arrived > longest:
                self._why = TimedOut(f"{self._label} sends an answer that does not end.")
                self.close()
                raise self._why

    def _take(self, responses: Sequence[Response], arrived: float) -> None:
        for response in responses:
            if self._closed:
                raise self._gone()
            if not self._waiting:
                raise self._failed(UnexpectedOutput("It answered more often than it was asked."))
            self._why = None
            self._ready.append(Answer(self._waiting.popleft(), response, arrived - self._sent))

    @property
    def _label(self) -> str:
        return f"{self.endpoint} (asked from {self._host})"

    def _check_open(self) -> None:
        if self._closed:
            raise self._gone()

    def _gone(self) -> EtcdTuiError:
        """Of a pipe that is closed: what was wrong before that, for closing it is our own doing."""
        if self._why is not None:
            return self._why.with_traceback(None)
        return Dropped(f"{self._label} gave no answer yet when etcdtui let go of the connection.")

    def _silent(self, patience: float) -> TimedOut:
        # openssl tells the chain on standard error once the handshake is done. Before that, a frozen process
        # (for which the kernel takes the connection) and lost packets look the same.
        shaken = self.warm or b"depth=" in self._stream.stderr()
        told = "after the TLS handshake" if shaken else "not even to the TLS handshake"
        self._why = TimedOut(f"{self._label} gave no answer for {patience:g} s, {told}.")
        return self._why

    def _failed(self, error: EtcdTuiError) -> EtcdTuiError:
        self._why = type(error)(f"{self._label}: {error.message}", error.hint)
        self.close()
        return self._why

    def _ended(self, error: EtcdTuiError | None = None) -> EtcdTuiError:
        """The command ended: why, from what it left on standard error."""
        cause = self._cause(error)
        if self._closed:  # perhaps meanwhile, by another thread
            return self._gone()
        self._why = cause
        self.close()
        return self._why

    def _cause(self, error: EtcdTuiError | None) -> EtcdTuiError:
        stream = self._stream
        until = self._clock() + LAST_WORDS
        while stream.status() is None and not self._closed and self._clock() < until:
            time.sleep(0.02)
        said, status = stream.stderr().decode("utf-8", "replace"), stream.status()
        problem = explain(said)
        if problem is not None:
            return self._error(problem, said, status)
        if status in (126, 127):
            return CommandFailed(
                f"openssl could not be run on {self._host}: {last_words(said) or 'not found'}.",
                argv=self._argv,
                status=status,
                said=said[-2000:],
            )
        if not self.warm and error is None and "depth=" in said:
            return NoGateway(
                f"{self._label} takes the connection and closes it at the first HTTP request.",
                "etcd may serve HTTP on another port, or have its gateway switched off.",
            )
        words = last_words(said)
        why = f": {words}" if words else ""
        return Dropped(f"{self._label} closed the connection{why}.")

    def _error(self, problem: Problem, said: str, status: int | None) -> EtcdTuiError:
        message = f"{self._label}: {problem.message}."
        match problem.fault:
            case Fault.REFUSED:
                return Refused(message, problem.hint)
            case Fault.DROPPED:
                return Dropped(message, problem.hint)
            case Fault.SILENT:
                return TimedOut(message, problem.hint)
            case Fault.TLS:
                return TlsFailed(message, problem.hint)
            case Fault.LOGIN:
                return SudoRefused(f"On {self._host} {problem.message}.", problem.hint)
            case Fault.NO_TOOLS:
                return CommandFailed(
                    f"On {self._host} {problem.message}.",
                    problem.hint,
                    argv=self._argv,
                    status=-1 if status is None else status,
                    said=said[-2000:],
                )
            case _:
                return Unreachable(message, problem.hint)
