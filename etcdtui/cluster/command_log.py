"""Every command etcdtui ran on a host, as it ran, with its result: what the command log shows."""

from __future__ import annotations

import shlex
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from etcdtui.errors import EtcdTuiError
from etcdtui.reach.runner import Completed, Runner, Stream

KEPT = 500


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command. ``at`` epoch seconds; ``status`` None while it runs on or when it never ended."""

    at: float
    host: str
    command: str
    status: int | None
    seconds: float
    error: str = ""


class CommandLog:
    """The last commands, oldest first."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._records: deque[CommandRecord] = deque(maxlen=KEPT)

    def records(self) -> Sequence[CommandRecord]:
        with self._lock:
            return tuple(self._records)

    def add(self, host: str, argv: Sequence[str], began: float, status: int | None, error: str = "") -> None:
        took = time.monotonic() - began
        record = CommandRecord(self._clock() - took, host, shlex.join(argv), status, took, error)
        with self._lock:
            self._records.append(record)


class LoggedRunner:
    """A Runner that writes what it runs into the command log."""

    def __init__(self, inner: Runner, log: CommandLog) -> None:
        self._inner = inner
        self._log = log

    @property
    def host(self) -> str:
        return self._inner.host

    def run(self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"") -> Completed:
        began = time.monotonic()
        try:
            completed = self._inner.run(argv, timeout=timeout, stdin=stdin)
        except EtcdTuiError as error:
            self._log.add(self.host, argv, began, None, error.message)
            raise
        self._log.add(self.host, argv, began, completed.status)
        return completed

    def stream(self, argv: Sequence[str], *, timeout: float) -> Stream:
        began = time.monotonic()
        try:
            stream = self._inner.stream(argv, timeout=timeout)
        except EtcdTuiError as error:
            self._log.add(self.host, argv, began, None, error.message)
            raise
        self._log.add(self.host, argv, began, None)
        return stream

    def reconnect(self) -> None:
        self._inner.reconnect()

    def close(self) -> None:
        self._inner.close()
