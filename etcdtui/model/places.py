"""Where backups are (on hosts, here, in stores), and which copies are of the same backup. Pure.

On a host the files lie flat in its backup folder; here and in stores each backup has a folder of its own,
``folder_name``, in stores below the cluster's name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from etcdtui.model.backups import DIRTY, BackupSet, FoundFile
from etcdtui.model.manifest import SUFFIX, File, Manifest
from etcdtui.model.members import Member
from etcdtui.model.proof import common_addresses, common_ids
from etcdtui.model.readings import Reading
from etcdtui.model.same import Same

if TYPE_CHECKING:
    from etcdtui.model.view import ClusterView

AGE: Final = ".age"
"""What is put behind the name of a file that was encrypted."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_AHEAD = 300.0  # seconds by which clocks may differ
_CHUNK = 64 * 1024  # bytes that age seals at once, each time adding a tag of 16
_HEADERS = range(100, 64 * 1024)  # bytes of age's header, from one recipient to hundreds


def safe(word: str) -> str:
    """``word`` as part of a file's or an object's name."""
    return _UNSAFE.sub("_", word)


def folder_name(stamp: str, host: str) -> str:
    """The folder of one backup, here and in stores."""
    return f"{stamp}-{safe(host)}"


def manifest_name(backup: BackupSet) -> str:
    """What the manifest beside these files is called."""
    mark = DIRTY if backup.dirty else ""
    return f"snapshot_{backup.stamp}{mark}{SUFFIX}"


class PlaceKind(StrEnum):
    """In the order in which places are named."""

    HOST = "host"
    HERE = "here"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere backups are: ``name`` is the host's or the store's, "here" for this machine.

    ``on_host``: this machine is itself a host of the cluster.
    """

    kind: PlaceKind
    name: str = "here"
    on_host: bool = field(default=False, compare=False)

    @property
    def label(self) -> str:
        return "here" if self.kind is PlaceKind.HERE else self.name

    @property
    def is_host(self) -> bool:
        return self.kind is PlaceKind.HOST

    @property
    def on_cluster(self) -> bool:
        """Lost together with the cluster."""
        return self.is_host or self.on_host


HERE: Final = Place(PlaceKind.HERE)
_ORDER = {kind: number for number, kind in enumerate(PlaceKind)}


@dataclass(frozen=True, slots=True)
class PlacedSet:
    """The files of one backup in one place: ``set.host`` is its name, ``set.directory`` folder or prefix.

    ``trouble`` says in a sentence why the manifest beside them cannot be believed. Files that are
    ``encrypted`` are named in ``set`` as before; there they have AGE behind their names, and their sizes
    are those of the encrypted files.
    """

    place: Place
    set: BackupSet
    manifest: Manifest | None = None
    trouble: str = ""
    encrypted: bool = False
    unread: bool = False  # there is a manifest, and it was not read yet

    @property
    def complete(self) -> bool:
        """Both files are there, as far as their names and sizes tell."""
        if not self.encrypted:
            return self.set.complete
        there = self.set
        both = there.snapshot is not None and there.resources is not None
        return both and all(f.size for f in there.files) and not (there.partial or there.writing)

    @property
    def fits(self) -> bool:
        """There is a manifest, and it speaks of files with these names and sizes."""
        told = self.manifest
        if told is None or self.trouble:
            return False
        pairs = ((self.set.snapshot, told.snapshot), (self.set.resources, told.resources))
        return all(self._is(found, file) for found, file in pairs)

    @property
    def proven(self) -> bool:
        """Complete, and of the sizes that were proven good."""
        return self.manifest is not None and self.manifest.good and self.fits and self.complete

    def stored_name(self, file: FoundFile) -> str:
        """What one of its files is really called there."""
        return file.name + AGE if self.encrypted else file.name

    def _is(self, found: FoundFile | None, told: File | None) -> bool:
        if found is None or told is None:
            return found is None and told is None
        if not self.encrypted:
            return (found.name, found.size) == (told.name, told.size)
        if found.name != told.name:
            return False
        exact = {file.size for file in self._sealed if file.name == self.stored_name(found)}
        if exact:
            return found.size in exact
        sealed = told.size + 16 + 16 * max(1, -(-told.size // _CHUNK))
        return found.size - sealed in _HEADERS

    @property
    def _sealed(self) -> tuple[File, ...]:
        """The encrypted files, as the manifest tells what was put there; none when it does not."""
        copies = self.manifest.copies if self.manifest else ()
        return tuple(file for copy in copies if copy.place == self.place.name for file in copy.encrypted)


@dataclass(frozen=True, slots=True)
class Backup:
    """The same backup in all its places. ``manifest`` is what a copy was proven by, if any was."""

    stamp: str
    dirty: bool
    copies: tuple[PlacedSet, ...]
    manifest: Manifest | None = None

    @property
    def taken(self) -> float | None:
        """Epoch seconds; without a manifest the stamp, read as this machine's local time."""
        if self.manifest is not None:
            return self.manifest.taken.timestamp()
        try:
            return datetime.strptime(self.stamp, "%Y-%m-%d_%H%M%S").timestamp()
        except (ValueError, OverflowError, OSError):
            return None

    def age(self, now: float) -> float | None:
        """Seconds; None when that is not known: no date, or one in the future by our clock."""
        if self.taken is None or self.taken > now + _AHEAD:
            return None
        return max(0.0, now - self.taken)

    @property
    def complete(self) -> bool:
        return any(copy.complete for copy in self.copies)

    @property
    def proven(self) -> bool:
        return any(copy.proven for copy in self.copies)

    @property
    def off_cluster(self) -> bool:
        """A proven copy outlives the cluster."""
        return any(copy.proven and not copy.place.on_cluster for copy in self.copies)

    @property
    def places(self) -> tuple[str, ...]:
        """Labels: hosts, here, stores."""
        return tuple(dict.fromkeys(copy.place.label for copy in self.copies))

    @property
    def size(self) -> int:
        """Bytes of its files, not encrypted where that is known."""
        if self.manifest is not None:
            resources = self.manifest.resources
            return self.manifest.snapshot.size + (resources.size if resources else 0)
        return max((copy.set.size for copy in self.copies), default=0)

    @property
    def revision(self) -> int | None:
        return self.manifest.revision if self.manifest else None

    def copy_in(self, place: Place) -> PlacedSet | None:
        """The copy there, the proven one if there are several."""
        there = [copy for copy in self.copies if copy.place == place]
        return next((copy for copy in there if copy.proven), there[0] if there else None)

    def foreign(self, cluster: str, members: Iterable[Member], openshift_id: str = "") -> bool | None:
        """Is it of another cluster than the one called so, with these members? None: that cannot be told.

        Another identity of OpenShift decides (the same one does not: a clone has it too), then a member or
        its address. Names alone prove nothing: the same ones are given twice.
        """
        told = self.manifest
        if told is None:
            return None
        if openshift_id and told.openshift_id and openshift_id != told.openshift_id:
            return True
        present, then = tuple(members), told.members
        if common_ids(then, present) or common_addresses(then, present):
            return False
        named = told.cluster == cluster
        if not present or not then:
            return False if named and told.identified else None
        return None if named else True


@dataclass(frozen=True, slots=True)
class PlaceView:
    """One place, and the backups that were found when it was last looked at."""

    place: Place
    sets: Reading[tuple[PlacedSet, ...]] = field(default_factory=Reading)

    @property
    def listed(self) -> bool:
        """Its listing speaks for now."""
        return self.sets.problem is None and self.sets.value is not None


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


def foreign_to(view: ClusterView, backup: Backup) -> bool | None:
    """``Backup.foreign``, for the cluster that is seen here."""
    return backup.foreign(*identity_of(view))


def identity_of(view: ClusterView) -> tuple[str, tuple[Member, ...], str]:
    """What ``Backup.foreign`` is asked with: the name, the members, OpenShift's ID of the cluster."""
    listed, facts = view.members.value, view.api.value
    return view.name, listed.members if listed else (), facts.cluster_id if facts else ""


def silent(view: ClusterView) -> frozenset[Place]:
    """Those that cannot be looked at now. What is known of them is of earlier."""
    hosts = {Place(PlaceKind.HOST, h.name) for h in view.hosts if h.link.problem or h.facts.problem}
    return frozenset(hosts | {p.place for p in view.places if not (p.place.is_host or p.listed)})


def last_proven(view: ClusterView, *, off_cluster: bool = False) -> Backup | None:
    """The newest proven backup of this cluster, wherever it is, or with a proven copy off the cluster.

    One that was taken by force, possibly dirty, is never the one to rely on, nor one of unknown age.
    """
    ours = (backup for backup in _ours(view) if not backup.dirty and backup.age(view.now) is not None)
    return next((backup for backup in ours if backup.off_cluster or not off_cluster), None)


def owed(view: ClusterView, stores: Iterable[str]) -> tuple[tuple[Backup, str], ...]:
    """Proven backups of this cluster that are here and should be in a store, newest first, with its name.

    Those newer than the newest whole one there, and in any case the newest one here. Nothing is owed to a
    store that cannot be listed: nobody knows what it lacks.
    """
    listed = {seen.place for seen in view.places if seen.listed}
    ours, everything = Same(_ours(view)), Same(view.known_backups)
    asked = [place for name in stores if (place := Place(PlaceKind.STORE, name)) in listed]
    return tuple((backup, place.name) for place in asked for backup in _lacking(place, ours, everything))


# What every frame asks for is looked for once for each change of what is known.


def _ours(view: ClusterView) -> tuple[Backup, ...]:
    """Proven backups of this cluster, newest first."""
    return _proven_of(Same(view.known_backups), *identity_of(view))


@lru_cache(maxsize=16)
def _proven_of(
    backups: Same[tuple[Backup, ...]], cluster: str, members: tuple[Member, ...], openshift_id: str
) -> tuple[Backup, ...]:
    return tuple(b for b in backups.value if b.proven and b.foreign(cluster, members, openshift_id) is False)


@lru_cache(maxsize=32)
def _lacking(
    store: Place, ours: Same[tuple[Backup, ...]], everything: Same[tuple[Backup, ...]]
) -> tuple[Backup, ...]:
    here = [b for b in ours.value if (copy := b.copy_in(HERE)) and copy.proven]
    whole = [b for b in everything.value if (copy := b.copy_in(store)) and _whole(copy)]
    newest = max((b.taken or 0.0 for b in whole if not b.dirty), default=0.0)
    last = next((b for b in here if not b.dirty), None)  # no dirty one takes the place of a clean one
    return tuple(
        backup
        for backup in here
        if not ((copy := backup.copy_in(store)) and _whole(copy))
        and (backup is last or (backup.taken or 0.0) > newest)
    )


def owed_anywhere(view: ClusterView) -> tuple[tuple[Backup, str], ...]:
    """``owed``, for every store that is watched."""
    return owed(view, tuple(seen.place.name for seen in view.places if seen.place.kind is PlaceKind.STORE))


def _whole(copy: PlacedSet) -> bool:
    """All three files arrived. One that cannot be believed did too: sending it again would change nothing."""
    return copy.complete and (copy.manifest is not None or bool(copy.trouble) or copy.unread)
