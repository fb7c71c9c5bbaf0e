"""Every command etcdtui ran on a host, as it ran, with its result: what the command log shows."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from etcdtui.errors import EtcdTuiError, TimedOut
from etcdtui.reach.runner import Completed, Runner, Stream

KEPT = 500
SHELLS = frozenset({"sh", "bash"})
REASON = 400  # characters of a reason that are kept


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command. ``at`` epoch seconds; ``seconds`` None while it runs on; ``status`` None while it does,
    and when no exit code was told. ``error`` says why it failed. ``title`` is the command with each script
    called by its name."""

    number: int
    at: float
    host: str
    title: str
    command: str
    status: int | None = None
    seconds: float | None = None
    error: str = ""
    times: int = 1  # so often it failed one after the other for the same reason; this is the last of them


class CommandLog:
    """The last commands, oldest first. Safe from any thread."""

    def __init__(
        self, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._monotonic = clock, monotonic
        self._lock = threading.Lock()
        self._records: dict[int, CommandRecord] = {}
        self._began: dict[int, float] = {}  # of those that run on
        self._failed: dict[tuple[str, str], int] = {}  # the last that failed, by host and command
        self._count = 0

    def records(self) -> Sequence[CommandRecord]:
        with self._lock:
            return tuple(self._records.values())

    def began(self, host: str, argv: Sequence[str]) -> int:
        """A command starts; its number."""
        with self._lock:
            self._count += 1
            number = self._count
            self._records[number] = CommandRecord(
                number, self._clock(), host, shlex.join(titled(argv)), shlex.join(argv)
            )
            self._began[number] = self._monotonic()
            if len(self._records) > KEPT:
                self._forget()
            return number

    def ended(self, number: int, status: int | None, error: str = "") -> None:
        """The command with this number ended. Only the first end counts."""
        with self._lock:
            began, record = self._began.pop(number, None), self._records.get(number)
            if began is not None and record is not None:
                took = self._monotonic() - began
                record = replace(record, status=status, seconds=took, error=error[:REASON])
                self._records[number] = replace(record, times=self._times(record))

    def _times(self, record: CommandRecord) -> int:
        """A host that is down fails each second: one record, lest all others be pushed out."""
        key = record.host, record.command
        before = self._records.get(self._failed.pop(key, 0))
        if not record.error:
            return 1
        self._failed[key] = record.number
        if before is None or (before.error, before.status) != (record.error, record.status):
            return 1
        del self._records[before.number]
        return before.times + 1

    def _forget(self) -> None:
        """The oldest that ended; what runs on stays in sight, unless all do."""
        oldest = next((n for n in self._records if n not in self._began), next(iter(self._records)))
        del self._records[oldest]
        self._began.pop(oldest, None)


def titled(argv: Sequence[str]) -> tuple[str, ...]:
    """``sh -c SCRIPT NAME`` by its name alone, for the shell calls a script of several lines so."""
    words = list(argv)
    place = 0
    while place + 3 < len(words):
        shell, flag, script, name = words[place : place + 4]
        if shell.rpartition("/")[2] in SHELLS and flag == "-c" and "\n" in script:
            words[place : place + 4] = [name]
        place += 1
    return tuple(words)


class LoggedRunner:
    """A Runner that writes what it runs into the command log."""

    def __init__(self, inner: Runner, log: CommandLog) -> None:
        self._inner = inner
        self._log = log

    @property
    def host(self) -> str:
        return self._inner.host

    def run(self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"") -> Completed:
        number = self._log.began(self.host, argv)
        try:
            completed = self._inner.run(argv, timeout=timeout, stdin=stdin)
        except BaseException as error:
            self._log.ended(number, None, _reason(error))
            raise
        self._log.ended(number, completed.status, "" if completed.ok else _last_line(completed.stderr))
        return completed

    def stream(self, argv: Sequence[str], *, timeout: float) -> Stream:
        number = self._log.began(self.host, argv)
        try:
            stream = self._inner.stream(argv, timeout=timeout)
        except BaseException as error:
            self._log.ended(number, None, _reason(error))
            raise
        return _LoggedStream(stream, lambda status, error: self._log.ended(number, status, error))

    def reconnect(self) -> None:
        self._inner.reconnect()

    def close(self) -> None:
        self._inner.close()


class _LoggedStream:
    """A Stream whose end is told: when it breaks, or when it is let go of. A mere silence is no end."""

    def __init__(self, inner: Stream, ended: Callable[[int | None, str], None]) -> None:
        self._inner = inner
        self._ended = ended

    def send(self, data: bytes, timeout: float) -> None:
        with self._told():
            self._inner.send(data, timeout)

    def receive(self, timeout: float) -> bytes:
        with self._told():
            return self._inner.receive(timeout)

    def stderr(self) -> bytes:
        return self._inner.stderr()

    def status(self) -> int | None:
        return self._inner.status()

    def close(self) -> None:
        status = self._inner.status()
        self._ended(status, _last_line(self._inner.stderr()) if status else "")
        self._inner.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except TimedOut:
            raise
        except EtcdTuiError as error:
            self._ended(self._inner.status(), _last_line(self._inner.stderr()) or error.message)
            raise


def _reason(error: BaseException) -> str:
    return error.message if isinstance(error, EtcdTuiError) else type(error).__name__


def _last_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else ""
