"""Bytes on their way from paramiko's thread to ours, in the pieces in which they came."""

from __future__ import annotations

import threading
import time
from collections import deque

from paramiko.buffered_pipe import PipeTimeout


class Pieces:
    """Stands in for a channel's ``BufferedPipe``, which copies every byte three times more.

    At the rate of a backup that was as much work as deciphering it. Safe between threads.
    """

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._length = 0
        self._closed = False
        self._changed = threading.Condition()
        self._event: threading.Event | None = None

    def __len__(self) -> int:
        return self._length

    def set_event(self, event: threading.Event) -> None:
        """``event`` is set whenever bytes or the end are there, cleared when nothing is left."""
        with self._changed:
            self._event = event
            if self._closed or self._length:
                event.set()
            else:
                event.clear()

    def feed(self, data: bytes) -> None:
        """Add bytes behind those that wait."""
        if not data:
            return
        with self._changed:
            self._pieces.append(data)
            self._length += len(data)
            if self._event is not None:
                self._event.set()
            self._changed.notify_all()

    def read_ready(self) -> bool:
        return self._length > 0

    def read(self, nbytes: int, timeout: float | None = None) -> bytes:
        """At least one byte and at most ``nbytes``; ``b""`` at the end. Raises PipeTimeout."""
        until = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._length and not self._closed:
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    raise PipeTimeout
                self._changed.wait(left)
            return self._take(nbytes)

    def empty(self) -> bytes:
        """All that waits, at once."""
        with self._changed:
            return self._take(self._length)

    def close(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._closed = True
            if self._event is not None:
                self._event.set()
            self._changed.notify_all()

    def _take(self, nbytes: int) -> bytes:
        taken, room = [], nbytes
        while self._pieces and len(self._pieces[0]) <= room:
            taken.append(self._pieces.popleft())
            room -= len(taken[-1])
        if self._pieces and not taken:
            # Only a reader of small bites comes here; the rest of a piece stays at its place.
            taken.append(self._pieces[0][:room])
            self._pieces[0] = self._pieces[0][room:]
        out = taken[0] if len(taken) == 1 else b"".join(taken)
        self._length -= len(out)
        if not self._length and not self._closed and self._event is not None:
            self._event.clear()
        return out
