"""What the human says reaches the engine here, from any thread, without ever blocking."""

from __future__ import annotations

import threading
import time
from collections import deque

from etcdtui.procedures.procedure import Answer


class Mailbox:
    """Answers, and the two wishes that may come at any time: cancel, leave."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._answers: deque[Answer] = deque()
        self._cancel = False
        self._leave = False

    def put(self, answer: Answer) -> None:
        with self._changed:
            self._answers.append(answer)
            self._changed.notify_all()

    def cancel(self) -> None:
        with self._changed:
            self._cancel = True
            self._changed.notify_all()

    def leave(self) -> None:
        with self._changed:
            self._leave = True
            self._changed.notify_all()

    def nudge(self) -> None:
        """Wake whoever waits, to look around."""
        with self._changed:
            self._changed.notify_all()

    @property
    def leaving(self) -> bool:
        return self._leave

    @property
    def cancelling(self) -> bool:
        return self._cancel

    def take_cancel(self) -> bool:
        """Was a cancel asked for since the last time?"""
        with self._changed:
            asked, self._cancel = self._cancel, False
            return asked

    def forget(self) -> None:
        """Drop answers to earlier questions; called before a question is asked."""
        with self._changed:
            self._answers.clear()

    def take(self, timeout: float | None) -> Answer | None:
        """The next answer; None when a wish or a nudge came, or nothing for ``timeout`` seconds."""
        with self._changed:
            if not self._answers and not self._cancel and not self._leave:
                self._changed.wait(timeout)
            return self._answers.popleft() if self._answers else None

    def wait_for(self, done: threading.Event, timeout: float) -> None:
        """Until ``done`` (whose setter nudges), a wish, or ``timeout``."""
        end = time.monotonic() + timeout
        with self._changed:
            while not done.is_set() and not self._leave:
                left = end - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)
