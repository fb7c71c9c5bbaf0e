"""A process of our own in a session of its own: pipes without blocking, and an end from any thread."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence

BLOCK = 65536
PATIENCE = 0.3
"""Seconds between asking a process to end and killing it."""


class Process:
    """Started at once. One reader and one writer may use it at the same time; ``close`` is for anybody."""

    def __init__(self, argv: Sequence[str], forget: Callable[[Process], None]) -> None:
        self._popen = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
        self._forget = forget
        assert self._popen.stdin and self._popen.stdout and self._popen.stderr
        self._in = self._popen.stdin.fileno()
        self._out, self._err = self._popen.stdout.fileno(), self._popen.stderr.fileno()
        for number in (self._in, self._out, self._err):
            os.set_blocking(number, False)
        # A byte in this pipe wakes reader and writer for good. Files are closed only when neither is inside.
        self._woken, self._bell = os.pipe()
        self._reading, self._writing, self._ending = threading.Lock(), threading.Lock(), threading.Lock()
        self._open = {self._out, self._err}
        self._in_open = True
        self._closed = False
        self.stopped = False
        """Somebody called ``stop`` or ``close``."""
        self.deaf = False
        """It no longer reads its input."""

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ended(self) -> bool:
        """Both outputs came to their end."""
        return not self._open

    def wait(self, deadline: float, writing: bool = False) -> bool:
        """Wait for output, for room for input if ``writing``, or for the end; False at the deadline."""
        with self._reading:
            if self.ended or self.stopped:
                return True
            write = (self._in,) if writing and self._in_open and not self.deaf else ()
            return self._select(self._open, write, deadline)

    def wait_for_room(self, deadline: float) -> bool:
        """Wait until input is taken again; False at the deadline."""
        with self._writing:
            return self.stopped or self.deaf or self._select((), (self._in,), deadline)

    def take(self) -> tuple[bytes, bytes]:
        """What has come on standard output and standard error; never waits."""
        with self._reading:
            return self._read(self._out), self._read(self._err)

    def feed(self, data: memoryview) -> memoryview:
        """Write what there is room for and return the rest; nothing is left for one that is deaf."""
        with self._writing:
            try:
                while len(data) and not self.deaf and not self.stopped:
                    data = data[os.write(self._in, data[:BLOCK]) :]
            except BlockingIOError:
                return data
            except OSError:  # a command may end without reading its input
                self.deaf = True
            return data[len(data) :] if self.deaf else data

    def end_input(self) -> None:
        """Close its standard input."""
        with self._writing:
            self._end_input()

    def status(self, deadline: float) -> int | None:
        """Exit code as a shell tells it (128 + signal), or None when it has not ended by the deadline."""
        try:
            code = self._popen.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None
        return code if code >= 0 else 128 - code

    def stop(self) -> None:
        """Kill it with everything it started and wake whoever waits. Safe from any thread."""
        with self._ending:
            if not self.stopped:
                self.stopped = True
                os.write(self._bell, b"!")
                self._kill()

    def close(self) -> None:
        """End it and free what it holds. Safe from any thread, and twice."""
        self.stop()
        with self._ending, self._reading, self._writing:
            if self._closed:
                return
            self._closed = True
            self._open.clear()
            self._end_input()
            assert self._popen.stdout and self._popen.stderr
            self._popen.stdout.close()
            self._popen.stderr.close()
            os.close(self._woken)
            os.close(self._bell)
        self._forget(self)

    def _end_input(self) -> None:
        if self._in_open:
            self._in_open = False
            self.deaf = True
            assert self._popen.stdin
            with contextlib.suppress(OSError):
                self._popen.stdin.close()

    def _select(self, reads: Iterable[int], writes: Iterable[int], deadline: float) -> bool:
        with selectors.DefaultSelector() as selector:
            for number in reads:
                selector.register(number, selectors.EVENT_READ)
            for number in writes:
                selector.register(number, selectors.EVENT_WRITE)
            selector.register(self._woken, selectors.EVENT_READ)
            return bool(selector.select(max(0.0, deadline - time.monotonic())))

    def _read(self, number: int) -> bytes:
        if number not in self._open:
            return b""
        try:
            data = os.read(number, BLOCK)
        except BlockingIOError:
            return b""
        if not data:
            self._open.discard(number)
        return data

    def _kill(self) -> None:
        # Once the leader is reaped, its number may belong to somebody else; until then the group is ours.
        if self._popen.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        until = time.monotonic() + PATIENCE
        # WNOWAIT leaves it unreaped, so that the last word reaches those of the group that did not listen.
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        with contextlib.suppress(ChildProcessError):
            while time.monotonic() < until and not os.waitid(os.P_PID, self._popen.pid, flags):
                time.sleep(0.005)
        self._signal(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(PATIENCE)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, number)
