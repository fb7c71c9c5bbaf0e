"""The lock that a procedure puts on the hosts while it changes them, as somebody else sees it."""

from __future__ import annotations

from dataclasses import dataclass

from etcdtui.text import age, clean

REFRESH = 30.0  # seconds between two signs of life of who holds it
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

    @property
    def stale(self) -> bool:
        """Another may break it."""
        return self.silent > STALE

    @property
    def sentence(self) -> str:
        """Who does what since when."""
        if not self.run:
            return f"Somebody holds a lock that cannot be read, for {age(self.age)}."
        at_work = f"{clean(self.who)} is at work on {clean(self.cluster)}"
        said = f"{at_work}: “{clean(self.title)}”, for {age(self.age)}"
        broke = f" The lock before it was broken: {clean(self.broke)}." if self.broke else ""
        if self.stale:
            return f"{said}, but gave no sign of life for {age(self.silent)}.{broke}"
        return f"{said}.{broke}"
