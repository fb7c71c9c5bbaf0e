"""From the files in one place, and what its manifests say, to the backups there. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from etcdtui.model.backups import BackupSet, FoundFile, join
from etcdtui.model.file_names import AGE, manifest_name
from etcdtui.model.manifest import SUFFIX, BadManifest, Manifest, from_json
from etcdtui.model.places import Place, PlacedSet
from etcdtui.text import clean

ARRIVING = 120.0  # seconds without a change after which what is not complete will not become so
LARGEST = 256 * 1024  # bytes of a manifest; a real one has less than 20 KiB


@dataclass(frozen=True, slots=True)
class Told:
    """What a manifest file says, or in a sentence why it cannot be believed."""

    manifest: Manifest | None = None
    trouble: str = ""


def told(raw: bytes, name: str) -> Told:
    """Read a manifest called ``name``."""
    if len(raw) > LARGEST:
        return Told(trouble=f"{clean(name)} is far too large for a manifest.")
    try:
        return Told(from_json(json.loads(raw)))
    except BadManifest as error:
        return Told(trouble=f"{clean(name)}: {error}")
    except (ValueError, RecursionError):
        return Told(trouble=f"{clean(name)} is not JSON: it was cut off, or something else wrote it.")


def is_manifest(file: FoundFile) -> bool:
    return file.name.startswith("snapshot_") and file.name.endswith(SUFFIX)


def sets_in(
    place: Place, files: Iterable[FoundFile], read: Mapping[FoundFile, Told], now: float
) -> tuple[PlacedSet, ...]:
    """The backups in ``place``, newest first. A manifest that is not in ``read`` is to be read yet.

    What is not complete and was written until now (epoch seconds) is called being written. A manifest
    whose files are gone is a set without files: a removal that broke off has left it.
    """
    plain: list[FoundFile] = []
    sealed: list[FoundFile] = []
    manifests: dict[tuple[str, str], FoundFile] = {}
    for file in files:
        if is_manifest(file):
            manifests[file.directory, file.name] = file
        elif file.name.endswith(AGE):
            sealed.append(replace(file, name=file.name.removesuffix(AGE)))
        else:
            plain.append(file)
    found = [
        _placed(place, backup, encrypted, manifests, read, now)
        for encrypted, some in ((False, plain), (True, sealed))
        for backup in join(some)
    ]
    whole = {(one.set.directory, manifest_name(one.set)) for one in found}
    alone = [file for at, file in manifests.items() if at not in whole and file in read]
    found += [_orphan(place, file, read[file]) for file in alone]
    return tuple(sorted(found, key=lambda p: (p.set.stamp, p.set.directory, p.encrypted), reverse=True))


def _orphan(place: Place, file: FoundFile, said: Told) -> PlacedSet:
    mark = "__POSSIBLY_DIRTY__"
    stamp = file.name.removeprefix("snapshot_").removesuffix(SUFFIX)
    dirty = stamp.endswith(mark)
    made = BackupSet(file.host, file.directory, stamp.removesuffix(mark), (), dirty)
    return PlacedSet(place, made, said.manifest, said.trouble)


def _placed(
    place: Place,
    backup: BackupSet,
    encrypted: bool,
    manifests: Mapping[tuple[str, str], FoundFile],
    read: Mapping[FoundFile, Told],
    now: float,
) -> PlacedSet:
    beside = manifests.get((backup.directory, manifest_name(backup)))
    said = read.get(beside, None) if beside is not None else Told()
    placed = PlacedSet(
        place,
        backup,
        said.manifest if said else None,
        said.trouble if said else "",
        encrypted,
        unread=said is None,
    )
    if not placed.complete and abs(now - backup.finished) < ARRIVING:
        return replace(placed, set=replace(backup, writing=True))
    return placed
