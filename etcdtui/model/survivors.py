"""Which member's data is the newest, and what choosing another, or a backup, would lose. Pure.

Raft applies the same entries in the same order everywhere, and only those that a quorum has. So of members
of one cluster the one that has applied more has everything that the others have. The order is: term of the
last applied entry (where all tell it), its index, the revision of the keys. The term that a living member
counts now is no part of it: without a quorum elections go on counting, and etcd 3.4 counts them on a member
that is merely cut off.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from etcdtui.model.places import Backup
from etcdtui.model.raised import in_revisions
from etcdtui.text import age, grouped


@dataclass(frozen=True, slots=True)
class Position:
    """How far a member's data has come. ``index`` and ``term`` are of the last raft entry it has applied
    (consistent index); None where the data does not tell: the term before etcd 3.5, both before the first
    write. ``members`` are IDs."""

    index: int | None
    revision: int
    term: int | None = None
    members: tuple[int, ...] = ()
    version: str = ""  # of the cluster, 3.5.0


@dataclass(frozen=True, slots=True)
class Survivor:
    """One host's data of etcd. ``running``: its member answers now, and ``position`` is what it says;
    else it was read from its disk. ``written`` is when it was last written, epoch seconds."""

    name: str
    host: str
    running: bool = False
    position: Position | None = None
    written: float | None = None
    size: int = 0  # bytes of the database
    counting: int | None = None  # the term a living member counts now
    foreign: bool = False  # of another cluster
    trouble: str = ""  # why nothing is known, a sentence

    @property
    def usable(self) -> bool:
        return self.position is not None and not self.foreign

    @property
    def state(self) -> str:
        """In words."""
        if self.running:
            return "answers"
        return "does not answer, read from its disk" if self.position is not None else "not known"


def rank(survivors: Iterable[Survivor]) -> tuple[Survivor, ...]:
    """The newest data first; what cannot be compared last."""
    found = list(survivors)
    usable = [s for s in found if s.usable]
    terms = all(s.position is not None and s.position.term is not None for s in usable)

    def key(survivor: Survivor) -> tuple[int, int, int]:
        told = survivor.position
        if told is None:
            return (0, 0, 0)
        return (told.term or 0) if terms else 0, told.index or 0, told.revision

    ordered = sorted(usable, key=lambda s: s.name)
    ordered.sort(key=key, reverse=True)
    return (*ordered, *(s for s in found if not s.usable))


def best(survivors: Iterable[Survivor]) -> Survivor | None:
    """The one with the newest data, of those that answer where several are equal."""
    ranked = [s for s in rank(survivors) if s.usable]
    if not ranked:
        return None
    equal = [s for s in ranked if _same(s, ranked[0])]
    return next((s for s in equal if s.running), ranked[0])


def _same(one: Survivor, other: Survivor) -> bool:
    first, second = one.position, other.position
    return first is not None and second is not None and first.revision == second.revision


def in_words(survivor: Survivor, newest: Survivor | None, now: float) -> str:
    """One survivor, and what going on with its data would lose."""
    told = survivor.position
    if told is None:
        trouble = survivor.trouble or "nothing is known of its data."
        return trouble if trouble.startswith(f"{survivor.name} ") else f"{survivor.name}: {trouble}"
    if survivor.foreign:
        return f"{survivor.name} holds the data of another cluster: it cannot be compared, or gone on with."
    facts = [f"revision {grouped(told.revision)}"]
    if told.index is not None:
        facts.append(f"raft index {grouped(told.index)}")
    if told.term is not None:
        facts.append(f"term {told.term}")
    when = f", last written {age(now - survivor.written)} ago" if survivor.written is not None else ""
    said = f"{survivor.name} ({survivor.state}): {', '.join(facts)}{when}."
    if newest is None or newest.position is None:
        return said
    lost = newest.position.revision - told.revision
    if survivor.host == newest.host:
        return f"{said} Nothing known is newer."
    if lost > 0:
        return f"{said} Going on with it loses {in_revisions(lost)} that {newest.name} has."
    return f"{said} Its keys are as new as those of {newest.name}."


@dataclass(frozen=True, slots=True)
class Gap:
    """A backup beside the newest data. ``seconds`` and ``revisions`` are how far it is behind; negative:
    ahead; None: not known. ``comparable`` is False for one of another cluster."""

    stamp: str
    sentence: str
    seconds: float | None = None
    revisions: int | None = None
    comparable: bool = True

    @property
    def behind(self) -> bool:
        """The survivor has what the backup has not. Not known counts as yes: nobody loses data by doubt."""
        if self.revisions is not None:
            return self.revisions > 0
        return self.seconds is None or self.seconds > 0


def gap(backup: Backup, newest: Survivor, *, foreign: bool | None, now: float) -> Gap:
    """How far ``backup`` is behind the data of ``newest``. ``foreign`` as ``foreign_to`` tells."""
    name = label(backup, now)
    if foreign:
        return Gap(backup.stamp, f"{name} is of another cluster.", comparable=False)
    told = newest.position
    seconds = revisions = None
    if backup.taken is not None and newest.written is not None:
        seconds = newest.written - backup.taken
    if backup.revision is not None and told is not None:
        revisions = told.revision - backup.revision
    where = f"{newest.name}'s own data"
    if revisions is None:
        older = seconds is not None and seconds > 0
        how = f"is {age(seconds)} behind" if older else "was taken after the last write of"
        said = f"{name} {how} {where}; how many revisions nobody knows, for it was never proven."
        return Gap(backup.stamp, said, seconds, None)
    if revisions < 0:
        said = f"{name} is {in_revisions(-revisions)} ahead of {where}."
    elif revisions == 0:
        said = f"{name} has everything that {where} has."
    elif seconds is not None and seconds > 0:
        said = f"{name} is {age(seconds)} and {in_revisions(revisions)} behind {where}."
    else:
        said = f"{name} is {in_revisions(revisions)} behind {where}."
    return Gap(backup.stamp, said, seconds, revisions)


def label(backup: Backup, now: float) -> str:
    """``backup 02:00``, with the day where it is another one."""
    if backup.taken is None:
        return f"backup {backup.stamp}"
    when, today = datetime.fromtimestamp(backup.taken), datetime.fromtimestamp(now)
    day = "" if when.date() == today.date() else f"{when:%Y-%m-%d} "
    return f"backup {day}{when:%H:%M}"
