"""What a measurement says: one line for each goal, the raw numbers beneath it."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Result:
    """``met`` is None where it could not be measured."""

    name: str
    measured: str
    goal: str
    met: bool | None
    raw: Sequence[str] = field(default=())

    def lines(self) -> list[str]:
        sign = {True: "✓", False: "✗", None: "?"}[self.met]
        return [f"{sign} {self.name}: {self.measured}   (goal: {self.goal})", *(f"    {r}" for r in self.raw)]


def milliseconds(name: str, seconds: Sequence[float]) -> str:
    """Median, 95th percentile, extremes and how many, of times in seconds."""
    ranked = sorted(seconds)
    high = ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))]
    return (
        f"{name}: median {statistics.median(ranked) * 1e3:.1f} ms, p95 {high * 1e3:.1f}, "
        f"{ranked[0] * 1e3:.1f} to {ranked[-1] * 1e3:.1f}, n={len(ranked)}"
    )


def median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds)


def p95(seconds: Sequence[float]) -> float:
    ranked = sorted(seconds)
    return ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))]


def load() -> str:
    """How busy the machine is with all that runs on it, ourselves included."""
    return f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores"
