"""A program in a pseudo terminal: when it says what, and how quickly it answers a key."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

_ESCAPES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1bP.*?\x1b\\|\x1b[ -/]*[0-~]"
)


class Program:
    """Started at once. ``began`` is the monotonic second just before its process was made."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str], *, columns: int, lines: int) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._blocks: list[tuple[float, bytes]] = []
        self._changed = threading.Condition()
        self._over = False
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            words, stdin=slave, stdout=slave, stderr=slave, env=dict(env), start_new_session=True
        )
        os.close(slave)
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def written(self) -> int:
        """Bytes it has written so far."""
        with self._changed:
            return sum(len(data) for _, data in self._blocks)

    def send(self, keys: str) -> float:
        """Press keys; the monotonic second just before. A program that has ended does not hear them."""
        now = time.monotonic()
        with contextlib.suppress(OSError):
            os.write(self._master, keys.encode())
        return now

    def place(self) -> int:
        """Where its output is now; for ``when``."""
        with self._changed:
            return len(self._blocks)

    def when(self, *marks: str, timeout: float, since: int = 0) -> float | None:
        """The monotonic second in which the last of these texts was there; None if it never was."""
        deadline = time.monotonic() + timeout
        wanted = [mark.encode() for mark in marks]
        seen = since
        with self._changed:
            while True:
                while seen < len(self._blocks):
                    seen += 1
                    text = self._plain(since, seen)
                    if all(mark in text for mark in wanted):
                        return self._blocks[seen - 1][0]
                left = deadline - time.monotonic()
                if left <= 0 or self._over:
                    return None
                self._changed.wait(left)

    def text(self) -> str:
        """All it has said, without colours and places."""
        with self._changed:
            return self._plain(0, len(self._blocks)).decode("utf-8", "replace")

    def last_words(self) -> str:
        """The end of what it said, in one line."""
        return " ".join(self.text().split())[-200:]

    def ended(self, timeout: float) -> float | None:
        """The monotonic second of its end; None if it does not end by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)
            return time.monotonic()
        return None

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(2)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _plain(self, since: int, until: int) -> bytes:
        return _ESCAPES.sub(b"", b"".join(data for _, data in self._blocks[since:until]))

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the other end is closed
                data = b""
            with self._changed:
                if data:
                    self._blocks.append((time.monotonic(), data))
                else:
                    self._over = True
                self._changed.notify_all()
            if not data:
                os.close(self._master)
                return
