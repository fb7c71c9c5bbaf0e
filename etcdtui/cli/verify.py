"""Proving files that lie on this machine, which needs no cluster."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etcdtui.errors import ConfigError, EtcdTuiError
from etcdtui.text import clean

if TYPE_CHECKING:
    from etcdtui.model.backups import BackupSet
    from etcdtui.model.manifest import File, Manifest
    from etcdtui.model.proof import Check, Proof, ResourcesProof

GOOD, BAD, COULD_NOT = 0, 1, 2
SNAPSHOT, PACKED = ".db", ".tar.gz"
_SIGNS = {"ok": "✓", "failed": "✗"}


@dataclass(frozen=True, slots=True)
class Verified:
    """What is known of one file. ``good`` is None when it could not be read, or not be compared."""

    path: Path
    good: bool | None
    verdict: str
    sha256: str = ""
    checks: tuple[Check, ...] = ()


def verify(what: str, folder: Callable[[], Path], *, as_json: bool) -> int:
    """0: good; 1: not good; 2: it could not be found out.

    ``what``: a file, a folder with pairs, or the stamp of one in ``folder()``. Each file is compared with
    the manifest beside it; of a folder and a stamp, both files of every backup must be there.
    Raises ConfigError when there is no such thing, LocalFault.
    """
    found = []
    for each in _verified(what, folder):
        found.append(each)
        if not as_json:
            _print(each)
    outcomes = [each.good for each in found]
    if as_json:
        print(json.dumps({"good": all(outcomes), "files": [_as_json(each) for each in found]}, indent=2))
    return BAD if False in outcomes else COULD_NOT if None in outcomes else GOOD


def _verified(what: str, folder: Callable[[], Path]) -> Iterator[Verified]:
    alone, sets = located(what, folder)
    for place, made in sets:
        yield from _of_set(place, made, alone)


def located(what: str, folder: Callable[[], Path]) -> tuple[Path | None, list[tuple[Path, BackupSet | None]]]:
    """The file that was named alone, and folders with the backups in them that are meant.

    Raises ConfigError when there is no such thing on this machine, LocalFault.
    """
    from etcdtui.landing import faults

    alone: Path | None = None
    sets: list[tuple[Path, BackupSet | None]] = []
    with faults(f"{clean(what)} cannot be looked at"):
        try:
            path = Path(what).expanduser()
        except RuntimeError as exc:
            raise ConfigError(f"{clean(what)}: nobody of that name has a home on this machine.") from exc
        if path.is_file():
            alone = path
            sets.append((path.parent, next(iter(_sets(path.parent, [path.name])), None)))
        else:
            stamped = re.fullmatch(r"\d{4}-\d\d-\d\d_\d{6}", what) is not None
            places = [path] if path.is_dir() else sorted(folder().glob(f"{what}-*")) if stamped else []
            sets.extend((place, made) for place in places for made in _sets(place, os.listdir(place)))
    if not sets:
        raise ConfigError(
            f"{clean(what)} is no file, no folder with a backup, and no backup on this machine.",
            "Name a snapshot file, the folder of a backup, or its time stamp as etcdtui backups shows it.",
        )
    return alone, sets


def _sets(folder: Path, names: Sequence[str]) -> Sequence[BackupSet]:
    """The backups whose files are called so. Half-written files are none."""
    from etcdtui.model.backups import FoundFile, join

    return join(
        FoundFile("", str(folder), name, 0, 0.0) for name in names if name.endswith((SNAPSHOT, PACKED))
    )


def _of_set(folder: Path, made: BackupSet | None, alone: Path | None) -> Iterator[Verified]:
    """Both files of a backup, or the one that is asked about ``alone``."""
    told, trouble = None, None
    if made is not None:
        told, trouble = _manifest(folder, made)
    for kind, path in _files(folder, made, alone):
        if path is None:
            stamp = made.stamp if made else ""
            lacking = f"The {kind} of {stamp} is not there: half of a backup restores nothing."
            yield Verified(folder, False, lacking)
        else:
            named = (told.snapshot if kind == "snapshot" else told.resources) if told else None
            yield _proven(path, named, told is not None)
    if trouble is not None:
        yield trouble


def _files(folder: Path, made: BackupSet | None, alone: Path | None) -> Iterator[tuple[str, Path | None]]:
    if alone is not None:
        yield ("second file" if alone.name.endswith(PACKED) else "snapshot"), alone
    elif made is not None:
        yield "snapshot", folder / made.snapshot.name if made.snapshot else None
        yield "second file", folder / made.resources.name if made.resources else None


def _manifest(folder: Path, made: BackupSet) -> tuple[Manifest | None, Verified | None]:
    """What lies beside these files, and why it cannot be read."""
    from etcdtui.landing import faults
    from etcdtui.model.places import manifest_name
    from etcdtui.procedures.manifests import parsed

    path = folder / manifest_name(made)
    try:
        with faults(f"{path} cannot be read"):
            return parsed(path.read_bytes(), str(path)), None
    except EtcdTuiError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None, None
        return None, Verified(path, None, f"Nothing could be compared with it: {error}")


def _proven(path: Path, named: File | None, told: bool) -> Verified:
    """``named``: the file as its manifest names it, if there is one, which ``told`` says."""
    from etcdtui.etcd.resources import prove_resources
    from etcdtui.etcd.snapshot import prove

    try:
        proof: Proof | ResourcesProof = prove_resources(path) if path.name.endswith(PACKED) else prove(path)
    except EtcdTuiError as error:
        return Verified(path, None, str(error))
    same, said = True, ""
    if named is not None:
        same = (named.name, named.sha256) == (path.name, proof.sha256)
        said = "" if same else " It is not the file that was proven then: its manifest names another SHA-256."
    elif told:
        same, said = False, " Its manifest does not name it: it is not the file that was proven then."
    return Verified(path, proof.good and same, proof.verdict + said, proof.sha256, proof.checks)


def _print(each: Verified) -> None:
    print(clean(str(each.path), 4000))
    for check in each.checks:
        print(f"  {_SIGNS.get(check.outcome.value, '·')} {check.name}: {clean(check.sentence, 2000)}")
    print(f"  {clean(each.verdict, 2000)}", flush=True)


def _as_json(each: Verified) -> dict[str, Any]:
    return {
        "file": str(each.path),
        "good": each.good,
        "sha256": each.sha256 or None,
        "verdict": each.verdict,
        "checks": [{"name": c.name, "outcome": c.outcome.value, "sentence": c.sentence} for c in each.checks],
    }
