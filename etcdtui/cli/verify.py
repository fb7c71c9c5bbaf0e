"""Proving files that lie on this machine, which needs no cluster."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etcdtui.cli import verified
from etcdtui.cli.cluster import cluster_config
from etcdtui.cli.options import Shared
from etcdtui.cli.verified import Verified
from etcdtui.errors import ConfigError, EtcdTuiError, Refusal
from etcdtui.streams import Ticker
from etcdtui.text import clean, size

if TYPE_CHECKING:
    from etcdtui.model.backups import BackupSet
    from etcdtui.model.manifest import Manifest
    from etcdtui.model.proof import Proof, ResourcesProof

GOOD, BAD, COULD_NOT = 0, 1, 2
SNAPSHOT, PACKED = ".db", ".tar.gz"
EVERY = 0.1  # seconds between two lines of how far it is
_STAMP = re.compile(r"\d{4}-\d\d-\d\d_\d{6}")

Prove = Callable[[Path], "Proof | ResourcesProof"]


def register(commands: Any, shared: Shared) -> None:
    """``etcdtui verify``."""
    command = commands.add_parser(
        "verify",
        parents=[shared.where, shared.json],
        help="prove a backup's files byte by byte",
        description="Of a folder or a stamp both files of each backup must be there. Exit codes: 0 good, 1 "
        "not good, 2 it could not be found out, 64 no such file, 70 etcdtui itself failed.",
    )
    command.add_argument(
        "what", metavar="FILE|FOLDER|STAMP", help="a file, a folder, or a time stamp of etcdtui backups"
    )
    command.add_argument(
        "--hash", action="store_true", help="also the hash that etcdctl snapshot status prints"
    )
    command.add_argument(
        "--contents", action="store_true", help="also what is in a good snapshot: kinds, namespaces, prefixes"
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    def folder() -> Path:
        return cluster_config(options).backups.directory

    return verify(
        options.what, folder, as_json=options.json, etcd_hash=options.hash, contents=options.contents
    )


def verify(
    what: str,
    folder: Callable[[], Path],
    *,
    as_json: bool,
    etcd_hash: bool = False,
    contents: bool = False,
) -> int:
    """0: good; 1: not good; 2: it could not be found out.

    ``what``: a file, a folder with pairs, or the stamp of one in ``folder()``. Each file is compared with
    the manifest beside it; of a folder and a stamp, both files of every backup must be there.
    ``etcd_hash``: also the hash that etcdctl prints. ``contents``: also what is in each snapshot that is
    good in itself, whatever its manifest says.
    Raises ConfigError when there is no such thing, Refusal for what is encrypted, LocalFault.
    """
    found = []
    for proven in _verified(what, folder, _prover(etcd_hash)):
        each = _looked_into(proven) if contents else proven
        found.append(each)
        if not as_json:
            for line in verified.lines(each):
                print(line, flush=True)
    outcomes = [each.good for each in found]
    if as_json:
        files = [verified.as_json(each, contents=contents) for each in found]
        print(json.dumps({"good": all(outcomes), "files": files}, indent=2))
    return BAD if False in outcomes else COULD_NOT if None in outcomes else GOOD


def _prover(etcd_hash: bool) -> Prove:
    """Tells how far it is, on a terminal."""
    from etcdtui.etcd.resources import prove_resources
    from etcdtui.etcd.snapshot import prove

    def proven(path: Path) -> Proof | ResourcesProof:
        with _progress(lambda done, total: f"{size(done)} of {size(total)}  {clean(path.name, 60)}") as told:
            if path.name.endswith(PACKED):
                return prove_resources(path)
            return prove(path, progress=told, etcd_hash=etcd_hash)

    return proven


@contextmanager
def _progress(words: Callable[[int, int], str]) -> Iterator[Callable[[int, int], None]]:
    """A line on a terminal that is written over, now and then, and gone in the end."""
    ticker, told = Ticker(sys.stderr), 0.0

    def progress(done: int, total: int) -> None:
        nonlocal told
        if (now := time.monotonic()) - told >= EVERY:
            told = now
            ticker.over(f"  {words(done, total)}")

    try:
        yield progress
    finally:
        ticker.wipe()


def _verified(what: str, folder: Callable[[], Path], prove: Prove) -> Iterator[Verified]:
    alone, sets = located(what, folder)
    for place, made in sets:
        yield from _of_set(place, made, alone, prove)


def located(what: str, folder: Callable[[], Path]) -> tuple[Path | None, list[tuple[Path, BackupSet | None]]]:
    """The file that was named alone, and folders with the backups in them that are meant.

    Raises ConfigError when there is no such thing on this machine, Refusal where all of it is encrypted,
    LocalFault.
    """
    from etcdtui.landing import faults
    from etcdtui.model.file_names import AGE

    alone: Path | None = None
    sets: list[tuple[Path, BackupSet | None]] = []
    sealed: list[Path] = []
    with faults(f"{clean(what)} cannot be looked at"):
        try:
            path = Path(what).expanduser()
        except RuntimeError as exc:
            raise ConfigError(f"{clean(what)}: nobody of that name has a home on this machine.") from exc
        if path.is_file():
            alone = path
            sets.append((path.parent, next(iter(_sets(path.parent, [path.name])), None)))
        else:
            stamped = _STAMP.fullmatch(what) is not None
            places = [path] if path.is_dir() else sorted(folder().glob(f"{what}-*")) if stamped else []
            names = {place: os.listdir(place) for place in places}
            sets.extend((place, made) for place in places for made in _sets(place, names[place]))
            sealed = [place / name for place in places for name in names[place] if name.endswith(AGE)]
        if alone is not None and alone.name.endswith(AGE):
            sets, sealed = [], [alone]
    if not sets and sealed:
        stamp = _STAMP.search(sealed[0].name)
        raise Refusal(
            f"{clean(str(sealed[0]))} is encrypted: what it holds cannot be found out from it.",
            f"etcdtui fetch {stamp[0] if stamp else 'STAMP'} brings the backup from its store to this "
            "machine, opens it and proves it.",
        )
    if not sets:
        raise ConfigError(
            f"{clean(what) or 'An empty name'} is no file, no folder with a backup, and no backup on this "
            "machine.",
            "Name a snapshot file, the folder of a backup, or its time stamp as etcdtui backups shows it.",
        )
    return alone, sets


def _sets(folder: Path, names: Sequence[str]) -> Sequence[BackupSet]:
    """The backups whose files are called so. Half-written files are none."""
    from etcdtui.model.backups import FoundFile, join

    return join(
        FoundFile("", str(folder), name, 0, 0.0) for name in names if name.endswith((SNAPSHOT, PACKED))
    )


def _of_set(folder: Path, made: BackupSet | None, alone: Path | None, prove: Prove) -> Iterator[Verified]:
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
            yield _proven(path, told, prove)
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
    from etcdtui.model.file_names import manifest_name
    from etcdtui.procedures.manifests import parsed

    path = folder / manifest_name(made)
    try:
        with faults(f"{path} cannot be read"):
            return parsed(path.read_bytes(), str(path)), None
    except EtcdTuiError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None, None
        return None, Verified(path, None, f"Nothing could be compared with it: {error}")


def _proven(path: Path, told: Manifest | None, prove: Prove) -> Verified:
    """``told``: the manifest beside it, which it is compared with."""
    from etcdtui.model.against import resources_against, snapshot_against
    from etcdtui.model.proof import Proof, bad_verdict

    try:
        proof = prove(path)
    except EtcdTuiError as error:
        return Verified(path, None, str(error))
    facts = proof.facts if isinstance(proof, Proof) else None
    if told is None:
        return Verified(path, proof.good, proof.verdict, proof.sha256, proof.checks, facts)
    against = snapshot_against(told, proof) if isinstance(proof, Proof) else resources_against(told, proof)
    checks = (*proof.checks, against)
    verdict = proof.verdict if against.ok else bad_verdict(proof.name, checks)
    return Verified(path, proof.good and against.ok, verdict, proof.sha256, checks, facts)


def _looked_into(each: Verified) -> Verified:
    """With what lives in it. Of a snapshot that is broken nothing is told: its keys may be anything."""
    from etcdtui.model.against import NAME
    from etcdtui.model.proof import all_passed
    from etcdtui.procedures.looking import summary_of

    if each.facts is None or not all_passed(check for check in each.checks if check.name != NAME):
        return each
    name = clean(each.path.name, 60)
    try:
        with _progress(lambda done, total: f"{done * 100 // max(total, 1)} % of the keys  {name}") as told:
            return replace(each, contents=summary_of(each.path, told))
    except EtcdTuiError as error:
        said = f"{each.verdict} What is in it could not be told: {error}"
        return replace(each, good=None if each.good else each.good, verdict=said)
