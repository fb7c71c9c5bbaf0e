"""Latencies of one endpoint over time: percentiles and a series with gaps. Seconds throughout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

KEPT = 120  # two minutes at one sample a second


@dataclass(frozen=True, slots=True)
class ReadTimes:
    """Warm reads of one member, the way to the host taken off.

    ``linearizable`` asks the quorum, ``serializable`` the member alone: the first slow and the second
    quick means a slow quorum, both slow a slow member. ``way`` is the round trip to the host.
    """

    linearizable: float | None
    serializable: float | None
    way: float | None = None


@dataclass(frozen=True, slots=True)
class LatencySeries:
    """The last samples, oldest first; None is a read that failed."""

    samples: tuple[float | None, ...] = ()

    def then(self, sample: float | None) -> LatencySeries:
        return LatencySeries((*self.samples, sample)[-KEPT:])

    @property
    def last(self) -> float | None:
        return self.samples[-1] if self.samples else None

    def percentile(self, share: float) -> float | None:
        """The smallest sample that ``share`` (0..1) of the good ones do not exceed; None without any."""
        return percentile((s for s in self.samples if s is not None), share)


def percentile(samples: Iterable[float], share: float) -> float | None:
    """Nearest-rank percentile."""
    ranked = sorted(samples)
    if not ranked:
        return None
    return ranked[max(0, min(len(ranked), ceil(share * len(ranked))) - 1)]
