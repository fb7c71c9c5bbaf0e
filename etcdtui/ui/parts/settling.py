"""What has just come up hears no keys until they pause: they were meant for what was there before."""

from __future__ import annotations

from collections.abc import Callable

SETTLE = 0.4  # seconds


class Settling:
    """A screen that is deaf at first. ``clock`` counts seconds."""

    clock: Callable[[], float]
    _quiet_from: float | None = None

    def deaf(self) -> bool:
        """Is a key that comes now to be dropped? Each one dropped makes the pause begin anew."""
        now = self.clock()
        if self._quiet_from is None:
            self._quiet_from = now  # nobody told when it came up
        if now - self._quiet_from >= SETTLE:
            self._quiet_from = float("-inf")
            return False
        self._quiet_from = now
        return True

    def settle(self, clock: Callable[[], float]) -> None:
        """It comes up now."""
        self.clock, self._quiet_from = clock, clock()
