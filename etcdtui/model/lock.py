"""The lock that a procedure puts on the hosts while it changes them, as somebody else sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from etcdtui.text import age, clean

REFRESH = 30.0  # seconds between two signs of life of who holds it
QUIET = 2 * REFRESH  # seconds without one, after which nobody is said to be at work now
STALE = 300.0  # seconds without one, after which another may break it: the line may be cut that long


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock as it was seen. ``age`` and ``silent`` are seconds since it was taken and since its last sign
    of life, both by its host's clock. ``run`` is empty for a lock that cannot be read.
    """

    run: str
    who: str  # user@machine
    title: str
    cluster: str
    age: float
    silent: float
    broke: str = ""  # why who holds it broke the one before
    over: str = ""  # why nobody is at work behind it any more, where that is known

    @property
    def stale(self) -> bool:
        """Another may break it."""
        return self.silent > STALE

    def later(self, seconds: float) -> Lock:
        """So long after it was seen."""
        return replace(self, age=self.age + seconds, silent=self.silent + seconds)

    @property
    def sentence(self) -> str:
        """Who does what since when, and whether that still goes on."""
        if not self.run:
            return f"Somebody holds a lock that cannot be read, for {age(self.age)}."
        who, what = clean(self.who), f"on {clean(self.cluster)}: “{clean(self.title)}”"
        broke = f" The lock before it was broken: {clean(self.broke)}." if self.broke else ""
        if not self.over and self.silent <= QUIET:
            return f"{who} is at work {what}, for {age(self.age)}.{broke}"
        seen = f"{who} began to work {what}, {age(self.age)} ago; last sign of life {age(self.silent)} ago."
        nobody = f" Nobody works there any more: {clean(self.over)}." if self.over else ""
        return f"{seen}{nobody}{broke}"
