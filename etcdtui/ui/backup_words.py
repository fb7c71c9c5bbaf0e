"""Signs and words for backups. A sign always stands beside its word."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from etcdtui.model.backups import Completeness
from etcdtui.model.members import Member
from etcdtui.model.places import Backup, PlacedSet
from etcdtui.model.proof import Outcome
from etcdtui.model.view import ClusterView
from etcdtui.text import clean
from etcdtui.ui.looks import Role, Span

OUTCOME = {
    Outcome.OK: ("✓", Role.GOOD),
    Outcome.FAILED: ("✗", Role.BAD),
    Outcome.NOT_APPLICABLE: ("–", Role.MUTED),
}
_LACKING = {
    Completeness.ONLY_SNAPSHOT: "✗ no resources",
    Completeness.ONLY_RESOURCES: "✗ no snapshot",
    Completeness.HALF_WRITTEN: "✗ half-written",
    Completeness.EMPTY: "✗ empty file",
}


def key_of(backup: Backup) -> str:
    """What a row is known by, as long as its first copy stays where it is."""
    first = backup.copies[0]
    parts = (backup.stamp, "dirty" if backup.dirty else "", first.place.kind, first.place.name)
    return "\0".join((*parts, first.set.directory))


def same_backup(one: Backup, other: Backup) -> bool:
    """Is ``other`` what ``one`` has become? Copies come and go; one in common is enough."""
    if (one.stamp, one.dirty) != (other.stamp, other.dirty):
        return False
    return bool(_homes(one) & _homes(other))


def _homes(backup: Backup) -> set[tuple[str, str, str]]:
    return {(copy.place.kind, copy.place.name, copy.set.directory) for copy in backup.copies}


def when(backup: Backup) -> str:
    """2026-11-23 02:00, as the files are named: by the clock of the host."""
    taken = backup.copies[0].set.taken
    return f"{taken:%Y-%m-%d %H:%M}" if taken else clean(backup.stamp, 20)


def members_of(view: ClusterView) -> tuple[Member, ...]:
    """The members that are known, to compare those in a backup with."""
    return view.members.value.members if view.members.value else ()


def verdict(backup: Backup, foreign: bool | None) -> Span:
    """What decides whether it can be used: what is wrong with it first."""
    if not backup.complete:
        return _incomplete(backup.copies[0])
    if foreign:
        return "▲ other cluster", Role.WARN
    if backup.dirty:
        return ("▲ dirty, proven" if backup.proven else "▲ dirty"), Role.WARN
    return ("✓ 2 files", Role.GOOD) if backup.proven else unproven(backup)


def _incomplete(copy: PlacedSet) -> Span:
    kind = copy.set.completeness
    if kind is Completeness.WRITING:
        return "◌ being written", Role.ADVICE
    return _LACKING.get(kind, "✗ incomplete"), Role.BAD


def unproven(backup: Backup) -> Span:
    """Why a complete one is not proven, where anything tells."""
    told = backup.manifest
    if told is not None and not told.good:
        failed = [check.name for check in told.checks if check.outcome is Outcome.FAILED]
        return f"✗ {clean(failed[0], 18)}" if failed else "✗ not all proven", Role.BAD
    if any(copy.trouble for copy in backup.copies):
        return "✗ manifest", Role.BAD
    if any(copy.manifest is not None and not copy.fits for copy in backup.copies):
        return "✗ other files", Role.BAD
    if any(copy.unread for copy in backup.copies):
        return "– not read yet", Role.MUTED
    return "– not proven", Role.WARN


def copy_state(copy: PlacedSet) -> Span:
    """The same for one copy."""
    if not copy.complete:
        return _incomplete(copy)
    if copy.proven:
        return ("✓ proven, encrypted" if copy.encrypted else "✓ proven"), Role.GOOD
    return unproven(Backup(copy.set.stamp, copy.set.dirty, (copy,), copy.manifest if copy.fits else None))


def where(backup: Backup, name: Callable[[PlacedSet], str]) -> Span:
    """Hosts, here, stores; a copy that would be lost together with the cluster says so."""
    places = " ".join(dict.fromkeys(name(copy) for copy in backup.copies))
    if backup.complete and all(copy.place.on_cluster for copy in backup.copies):
        return f"▲ only {places}", Role.WARN
    return places, Role.PLAIN


def found_again(backup: Backup, known: Iterable[Backup]) -> Backup | None:
    """The same backup among those that are known now."""
    return next((other for other in known if same_backup(backup, other)), None)
