"""A value together with its age and with what is wrong with its source now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from etcdtui.model.problems import Problem

T = TypeVar("T")


@dataclass(frozen=True)  # with slots Reading[int]() is a TypeError in Python 3.11
class Reading(Generic[T]):
    """The last good value of a source. Times are seconds since the epoch.

    ``problem`` is set while the source fails; the last good ``value`` stays, with its age, so that a
    failing source never empties the screen.
    """

    value: T | None = None
    at: float | None = None
    problem: Problem | None = None
    since: float | None = None  # when the present problem began

    def good(self, value: T, now: float) -> Reading[T]:
        """The source answered."""
        return Reading(value, now)

    def failed(self, problem: Problem, now: float) -> Reading[T]:
        """The source failed; the last value is kept, the beginning of the trouble too."""
        began = self.since if self.problem is not None and self.since is not None else now
        return Reading(self.value, self.at, problem, began)

    def age(self, now: float) -> float | None:
        """Seconds since the last good value; None when there never was one."""
        return None if self.at is None else max(0.0, now - self.at)

    def current(self, now: float, limit: float) -> T | None:
        """The value if the source works and the value is not older than ``limit`` seconds."""
        age = self.age(now)
        if self.problem is not None or age is None or age > limit:
            return None
        return self.value
