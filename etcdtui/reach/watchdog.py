"""Calls that are made unless cancelled in time. One thread for all; a Timer would be one for each."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Watchdog:
    """Its thread begins with the first ``start``. Each call that falls due gets a thread of its own: it may
    block."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int]] = []  # a heap of times and numbers, also of cancelled ones
        self._calls: dict[int, Callable[[], object]] = {}
        self._numbers = itertools.count()
        self._awake = False

    def start(self, seconds: float, call: Callable[[], object]) -> int:
        """Make ``call`` after so many seconds; the number with which to cancel it."""
        due = time.monotonic() + max(0.0, seconds)
        with self._changed:
            number = next(self._numbers)
            self._calls[number] = call
            # Most are cancelled long before their time: the thread wakes for the earliest only.
            earliest = not self._due or due < self._due[0][0]
            heapq.heappush(self._due, (due, number))
            if not self._awake:
                self._awake = True
                threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
            elif earliest:
                self._changed.notify()
        return number

    def cancel(self, number: int) -> None:
        """Forget that call; none made yet will be."""
        with self._changed:
            self._calls.pop(number, None)

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                while self._due and (self._due[0][0] <= now or self._due[0][1] not in self._calls):
                    call = self._calls.pop(heapq.heappop(self._due)[1], None)
                    if call is not None:
                        threading.Thread(target=call, name="watchdog bites", daemon=True).start()
                self._changed.wait(self._due[0][0] - now if self._due else None)
