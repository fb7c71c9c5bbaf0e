"""What happened in a drill, as facts: what its debrief is made of. Nouns only."""

from __future__ import annotations

from dataclasses import dataclass

from etcdtui.model.causes import Cause
from etcdtui.text import counted, listed

RESTORES = frozenset({"restore", "quorum-restore"})
"""Kinds of procedures after which no member is the one it was."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Of the keys that were there before the trouble: how many are missing, how many hold something else."""

    count: int
    missing: int
    changed: int
    digest: str  # of what these keys hold now

    @property
    def same(self) -> bool:
        return not (self.missing or self.changed)


@dataclass(frozen=True, slots=True)
class State:
    """How the lab is at one moment. ``well`` are voters that serve reads of the quorum; ``wounds`` is what
    is still wrong with hosts, in words. None: nobody could be asked.
    """

    voters: int
    well: int
    guard: bool = True
    alarms: tuple[str, ...] | None = ()
    locks: tuple[str, ...] = ()  # hosts with a lock
    wounds: tuple[str, ...] = ()
    keys: Keys | None = None

    def lacks(self, nodes: int) -> tuple[str, ...]:
        """What is missing to the goal, in words; empty where it is reached."""
        return (*self.lacks_but_keys(nodes), *self._of_keys())

    def lacks_but_keys(self, nodes: int) -> tuple[str, ...]:
        """The same without the keys, which take a while to compare."""
        missing = []
        if self.voters != nodes or self.well != nodes:
            missing.append(f"{self.well} of {counted(self.voters, 'voter')} well, {nodes} are wanted")
        if self.alarms is None:
            missing.append("no member tells whether there are alarms")
        elif self.alarms:
            missing.append(f"alarm {listed(self.alarms)}")
        if not self.guard:
            missing.append("the operator's guard is off")
        if self.locks:
            missing.append(f"a lock is left on {listed(self.locks)}")
        return (*missing, *self.wounds)

    def _of_keys(self) -> tuple[str, ...]:
        keys = self.keys
        if keys is None:
            return ("the keys cannot be read",)
        lost = []
        if keys.missing:
            lost.append(f"{keys.missing} of {counted(keys.count, 'key')} missing")
        if keys.changed:
            lost.append(f"{keys.changed} of {counted(keys.count, 'key')} changed")
        return tuple(lost)


@dataclass(frozen=True, slots=True)
class Examined:
    """A member was examined, and this was seen; ``at`` in epoch seconds."""

    at: float
    member: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class Deed:
    """A procedure that was begun. ``ending`` in the journal's words, or ``interrupted``; ``skipped`` are
    steps passed over, by title; ``changed``: it ran something.
    """

    at: float
    kind: str
    title: str
    ending: str
    changed: bool = True
    skipped: tuple[tuple[str, str], ...] = ()  # key and title


@dataclass(frozen=True, slots=True)
class HandDone:
    """What somebody did on the machines."""

    at: float
    action: str
    node: str


@dataclass(frozen=True, slots=True)
class Facts:
    """From the trouble to the end, epoch seconds. ``gone`` are members, by name, that were in the list
    before and are not any more, though perhaps others of their names.
    """

    began: float
    ended: float
    reached: float | None
    state: State
    examined: tuple[Examined, ...] = ()
    deeds: tuple[Deed, ...] = ()
    hands: tuple[HandDone, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def restored(self) -> bool:
        return any(deed.kind in RESTORES and deed.changed for deed in self.deeds)
