"""What may be chosen for a restore: every backup and every host, each with what speaks for it or forbids it.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etcdtui.errors import Refusal
from etcdtui.model.places import Backup
from etcdtui.model.restore_advice import Advice, advise
from etcdtui.model.survivors import Gap, Survivor
from etcdtui.procedures import restore_choice as choice
from etcdtui.procedures.restore_decided import Ack
from etcdtui.procedures.restore_look import Looked


@dataclass(frozen=True, slots=True)
class BackupOffer:
    """A backup: ``refusal`` why it is not restored, else ``accept``, what has to be typed for it. ``gap`` is
    how far it is behind the newest data, where any is known."""

    backup: Backup
    gap: Gap | None = None
    refusal: Refusal | None = None
    accept: tuple[Ack, ...] = ()
    proposed: bool = False


@dataclass(frozen=True, slots=True)
class HostOffer:
    """A host that the restore may be run on. ``refusal`` is empty where it can; ``reasons`` speak for it."""

    name: str
    survivor: Survivor | None = None
    refusal: str = ""
    reasons: tuple[str, ...] = ()
    proposed: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """All that the choices rest on. ``begun``: an earlier restore that was not brought to its end, a
    sentence."""

    looked: Looked
    advice: Advice
    backups: Sequence[BackupOffer]
    begun: str = ""

    @property
    def proposed(self) -> BackupOffer | None:
        return next((one for one in self.backups if one.proposed), None)


def offer(looked: Looked, begun: str = "") -> Offer:
    """From what was found on the hosts and in all places; backups come newest first."""
    view = looked.view
    advice = advise(view, looked.survivors, view.known_backups, looked.quorum_hosts)
    try:
        best = choice.backup_of(view, None)
    except Refusal:
        best = None
    gaps: Sequence[Gap | None] = advice.gaps or [None] * len(view.known_backups)
    backups = [
        _backup(looked, backup, gap, backup == best)
        for backup, gap in zip(view.known_backups, gaps, strict=True)
    ]
    return Offer(looked, advice, backups, begun)


def _backup(looked: Looked, backup: Backup, gap: Gap | None, best: bool) -> BackupOffer:
    try:
        taken = choice.chosen(looked.view, backup, "")
        choice.backup_of(looked.view, backup.stamp)  # a stamp that several have means none of them
    except Refusal as refusal:
        return BackupOffer(backup, gap, refusal)
    return BackupOffer(
        backup, gap, None, choice.to_accept(looked.view, backup, taken, looked.survivors), best
    )


def hosts(looked: Looked, backup: Backup) -> tuple[HostOffer, ...]:
    """Every host that is known, the proposed one first."""
    found = choice.candidates(looked, backup, looked.view.hosts)
    good = [
        HostOffer(
            candidate.host.name,
            candidate.survivor,
            reasons=choice.why(looked.view, candidate, found.newest, choice.near(backup)),
            proposed=number == 0,
        )
        for number, candidate in enumerate(found.good)
    ]
    survivors = {survivor.host: survivor for survivor in looked.survivors}
    bad = [
        HostOffer(name, survivors.get(name), refusal=f"{words[:1].upper()}{words[1:]}.")
        for name, words in found.bad.items()
    ]
    return (*good, *bad)
