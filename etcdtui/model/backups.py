"""Backups of a cluster: the pair of files that cluster-backup.sh leaves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

DIRTY: Final = "__POSSIBLY_DIRTY__"
"""What the script puts into the names of a backup that it was forced to take."""

_NAME = re.compile(
    r"^(?P<kind>snapshot|static_kuberesources)_(?P<stamp>\d{4}-\d\d-\d\d_\d{6})"
    rf"(?P<dirty>{DIRTY})?\.(?P<ext>db|tar\.gz)(?P<part>\.part)?\Z"
)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file seen in a backup folder. ``modified`` is epoch seconds, ``mode`` the permission bits."""

    host: str
    directory: str
    name: str
    size: int
    modified: float
    mode: int = 0o600


class Completeness(StrEnum):
    """What lies there. Only COMPLETE is ever called a backup."""

    COMPLETE = "2 files"
    WRITING = "being written"
    ONLY_SNAPSHOT = "only the snapshot"
    ONLY_RESOURCES = "only the resources"
    HALF_WRITTEN = "half-written"
    EMPTY = "empty file"


@dataclass(frozen=True, slots=True)
class BackupSet:
    """The files of one backup on one host, joined by their time stamp (the host's local time)."""

    host: str
    directory: str
    stamp: str
    files: tuple[FoundFile, ...]
    dirty: bool = False
    writing: bool = False

    @property
    def taken(self) -> datetime | None:
        """Host's local time, without a zone; None when the stamp is no date."""
        try:
            return datetime.strptime(self.stamp, "%Y-%m-%d_%H%M%S")
        except ValueError:
            return None

    @property
    def snapshot(self) -> FoundFile | None:
        return next(
            (f for f in self.files if f.name.startswith("snapshot_") and f.name.endswith(".db")), None
        )

    @property
    def resources(self) -> FoundFile | None:
        return next((f for f in self.files if f.name.endswith(".tar.gz")), None)

    @property
    def partial(self) -> bool:
        return any(f.name.endswith(".part") for f in self.files)

    @property
    def completeness(self) -> Completeness:
        """A snapshot carries a 32-byte digest after whole 512-byte blocks, hence the arithmetic."""
        if self.writing:
            return Completeness.WRITING
        if self.partial:
            return Completeness.HALF_WRITTEN
        snapshot, resources = self.snapshot, self.resources
        if any(f.size == 0 for f in self.files):
            return Completeness.EMPTY
        if snapshot is not None and snapshot.size % 512 != 32:
            return Completeness.HALF_WRITTEN
        if snapshot is None:
            return Completeness.ONLY_RESOURCES
        if resources is None:
            return Completeness.ONLY_SNAPSHOT
        return Completeness.COMPLETE

    @property
    def complete(self) -> bool:
        return self.completeness is Completeness.COMPLETE

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(f.size for f in self.files)

    @property
    def finished(self) -> float:
        """When its youngest file was last written, epoch seconds."""
        return max((f.modified for f in self.files), default=0.0)


def stamp_of(name: str) -> str:
    """The time stamp in a backup file's name; empty when it is none of ours."""
    match = _NAME.match(name)
    return match["stamp"] if match else ""


def join(
    files: Iterable[FoundFile], *, writing: frozenset[tuple[str, str]] = frozenset()
) -> tuple[BackupSet, ...]:
    """Files to sets, newest first. Unknown names are left out.

    ``writing`` holds (host, stamp) of backups that a running job writes now.
    """
    groups: dict[tuple[str, str, str, bool], list[FoundFile]] = {}
    for file in files:
        match = _NAME.match(file.name)
        if match is None:
            continue
        key = (file.host, file.directory, match["stamp"], match["dirty"] is not None)
        groups.setdefault(key, []).append(file)
    sets = [
        BackupSet(
            host,
            directory,
            stamp,
            tuple(sorted(found, key=lambda f: f.name)),
            dirty,
            (host, stamp) in writing,
        )
        for (host, directory, stamp, dirty), found in groups.items()
    ]
    return tuple(sorted(sets, key=lambda s: (s.stamp, s.host), reverse=True))
