"""Where backups are: on hosts, here, in stores; a copy in one place, a backup in all of its places. Pure.

On a host the files lie flat in its backup folder; here and in stores each backup has a folder of its own,
``folder_name``, in stores below the cluster's name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from etcdtui.model.backups import BackupSet, FoundFile
from etcdtui.model.file_names import AGE
from etcdtui.model.manifest import File, Manifest
from etcdtui.model.members import Member
from etcdtui.model.proof import common_addresses, common_ids
from etcdtui.model.readings import Reading

_AHEAD = 300.0  # seconds by which clocks may differ
_CHUNK = 64 * 1024  # bytes that age seals at once, each time adding a tag of 16
_HEADERS = range(100, 64 * 1024)  # bytes of age's header, from one recipient to hundreds


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
