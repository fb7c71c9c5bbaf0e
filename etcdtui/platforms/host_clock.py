"""A host's clock beside ours, from the times that a script told when it began and when it ended.

The script ran within the time that we waited for it. So the host's clock is ahead of ours by at most what it
said first less the moment we asked, and by at least what it said last less the moment we had the answer.
What the script itself took does not blur that; only the way to the host and the start of a shell do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

VAGUE = 1.5  # seconds between the least and the most it may be ahead: beyond that nobody can say
_DATE = re.compile(r"(\d{9,12})(?:\.(\d{1,9}))?\Z")


@dataclass(frozen=True, slots=True)
class Asked:
    """When a script was started and when its answer was whole, by our clock: epoch seconds."""

    began: float
    ended: float


def told(lines: Iterable[str]) -> float | None:
    """The first time among these lines, epoch seconds. One in whole seconds stands for their middle."""
    for line in lines:
        match = _DATE.match(line.strip())
        if match:
            return int(match[1]) + (float(f"0.{match[2]}") if match[2] else 0.5)
    return None


def offset(first: Iterable[str], last: Iterable[str], asked: Asked | None) -> float | None:
    """The host's clock minus ours, seconds; None where it is not known to ``VAGUE``.

    ``first`` and ``last``: the lines in which the script told the time when it began and ended.
    """
    began, ended = told(first), told(last)
    if began is None or asked is None:
        return None
    most = began - asked.began
    least = (began if ended is None else ended) - asked.ended
    return (least + most) / 2 if most - least <= VAGUE else None
