"""Which copies are of the same backup. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from etcdtui.model.manifest import Manifest
from etcdtui.model.places import HERE, Backup, Place, PlacedSet, PlaceKind

_ORDER = {kind: number for number, kind in enumerate(PlaceKind)}


def join_places(sets: Iterable[PlacedSet]) -> tuple[Backup, ...]:
    """Copies to backups, newest first.

    The same backup: same stamp and mark, and the same snapshot (its SHA-256) where both have a manifest,
    else the same sizes of both files. A copy on a host without a manifest adopts the one of its backup,
    where no other host can be meant. What is not complete joins nothing.
    """
    groups: dict[tuple[str, bool], list[PlacedSet]] = defaultdict(list)
    for placed in sets:
        groups[placed.set.stamp, placed.set.dirty].append(placed)
    backups = [
        _backup(stamp, dirty, copies) for (stamp, dirty), group in groups.items() for copies in _same(group)
    ]
    return tuple(sorted(backups, key=lambda b: (b.taken or 0.0, b.stamp, b.places), reverse=True))


def _same(group: list[PlacedSet]) -> list[list[PlacedSet]]:
    """Sets of one stamp: those of the same backup together."""
    if len(group) == 1:
        return [group]
    told: dict[str, list[PlacedSet]] = {}
    alone: list[list[PlacedSet]] = []
    untold: list[PlacedSet] = []
    for placed in group:
        if not placed.complete:
            alone.append([placed])
        elif placed.fits and placed.manifest is not None:
            told.setdefault(placed.manifest.snapshot.sha256, []).append(placed)
        else:
            untold.append(placed)
    by_size: dict[tuple[int, int], list[list[PlacedSet]]] = defaultdict(list)
    for copies in told.values():
        by_size[_sizes(copies[0])].append(copies)
    for placed in untold:
        same_size = by_size[_sizes(placed)]
        home = _home(placed, same_size)
        if placed.encrypted or (same_size and home is None):
            alone.append([placed])
        elif home is None:
            same_size.append([placed])
        else:
            home.append(placed)
    return [*alone, *(copies for same in by_size.values() for copies in same)]


def _home(placed: PlacedSet, same_size: Sequence[list[PlacedSet]]) -> list[PlacedSet] | None:
    """The backup it is a copy of. Snapshots of one second on several hosts may have the same size."""
    named = [copies for copies in same_size if _taken_on(copies[0].manifest, placed.place)]
    if named:
        return named[0]
    return same_size[0] if len(same_size) == 1 else None


def _backup(stamp: str, dirty: bool, copies: list[PlacedSet]) -> Backup:
    # The one here first: it also tells of rehearsals.
    proven = sorted((c for c in copies if c.proven), key=lambda c: c.place != HERE)
    manifest = next((c.manifest for c in proven), None) or next((c.manifest for c in copies if c.fits), None)
    if manifest is not None and len(copies) > 1:
        bare = [c for c in copies if c.place.is_host and c.manifest is None and not c.trouble]
        meant = [c for c in bare if _taken_on(manifest, c.place)]
        copies = [replace(c, manifest=manifest) if c in meant else c for c in copies]
    ordered = sorted(copies, key=lambda c: (_ORDER[c.place.kind], c.place.name, c.set.directory))
    return Backup(stamp, dirty, tuple(ordered), manifest)


def _sizes(placed: PlacedSet) -> tuple[int, int]:
    """Of both files, as they were before they were encrypted."""
    if placed.encrypted and placed.manifest is not None:
        resources = placed.manifest.resources
        return placed.manifest.snapshot.size, resources.size if resources else 0
    snapshot, resources_found = placed.set.snapshot, placed.set.resources
    return (snapshot.size if snapshot else 0), (resources_found.size if resources_found else 0)


def _taken_on(manifest: Manifest | None, place: Place) -> bool:
    if manifest is None or place.kind is not PlaceKind.HOST:
        return False
    return place.name in (manifest.member, manifest.host, manifest.host.rpartition("@")[2])
