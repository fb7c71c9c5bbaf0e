"""A backup comes from a store: fetched, opened, compared with its manifest, proven.

The manifest of the store is kept beside the files (``NAME``), so that nothing after the arrival needs the
store.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from etcdtui import __version__
from etcdtui.errors import EtcdTuiError, Refusal
from etcdtui.landing import PART, alone_in, faults, landed, own_folder, replace_small, room_for, sha256_of
from etcdtui.model.backups import BackupSet, FoundFile, join
from etcdtui.model.file_names import AGE, manifest_name
from etcdtui.model.manifest import Copy, File, Manifest
from etcdtui.model.places import HERE
from etcdtui.model.placing import LARGEST
from etcdtui.model.proof import IDENTITY, Check, Outcome, same_cluster
from etcdtui.model.quorum import Verdict
from etcdtui.offsite.fetching import fetch
from etcdtui.offsite.keeping import Shelf
from etcdtui.offsite.store import Store, WrongDigest
from etcdtui.procedures import manifests
from etcdtui.procedures.backup_arrival import SIGN, named_checks, prove_files
from etcdtui.procedures.procedure import Context, Reporter, Work
from etcdtui.text import clean, size

NAME = ".fetched.json"
KEPT = frozenset({IDENTITY, manifests.RESTORED})
"""Checks that say something of a backup which its files alone do not show again."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is fetched, as the record keeps it.

    ``directory`` and ``manifest`` are the names of its objects in ``store``, ``folder`` its name here.
    ``identity`` is the file that was asked for; empty: the one that the configuration names by then.
    """

    stamp: str
    store: str
    directory: str
    manifest: str
    folder: str
    encrypted: str  # "1" or ""
    identity: str


@dataclass(frozen=True, slots=True)
class _Piece:
    """One file of the backup: as it must be here, and the object that holds it."""

    file: File
    object: str
    size: int  # bytes of the object
    sha256: str | None  # of the object; None where the manifest does not tell


def identity_of(shelf: Shelf, asked: str) -> Path:
    """The file with what opens its backups. Raises Refusal when none is known."""
    found = Path(asked) if asked else shelf.identity
    if found is None:
        raise Refusal(
            f"What is in {shelf.name} is encrypted with age, and no identity is known that opens it.",
            'Name its file: age_identity = "~/key.txt" in clusters.toml, or --identity FILE.',
        )
    return found


def fetch_files(wanted: Wanted) -> Work:
    """Both files to this machine, the small one first: it shows at once whether the identity opens them."""

    def work(world: Context, report: Reporter) -> Verdict:
        folder = world.keeping.folder / wanted.folder
        own_folder(folder)
        with alone_in(folder):
            if (told := _noted(folder)) is not None and _all_here(folder, told):
                return Verdict(True, f"Both files are in {folder} already.")
            return _fetch(world.keeping.shelf(wanted.store), wanted, folder, report)

    return work


def _fetch(shelf: Shelf, wanted: Wanted, folder: Path, report: Reporter) -> Verdict:
    store = shelf.open()
    raw, told = _manifest_there(store, wanted)
    replace_small(folder / NAME, raw)
    pieces = sorted(_pieces(store, wanted, told), key=lambda piece: piece.size)
    room_for(folder, sum(_missing(folder, piece) for piece in pieces))
    identity = identity_of(shelf, wanted.identity) if wanted.encrypted else None
    for piece in pieces:
        if identity is None:
            made = _plain(store, piece, folder, report)
        else:
            made = _opened(store, piece, folder, identity, report)
        report.say(f"{made.name}  {size(made.size)}  sha256 {made.sha256}")
    total = size(sum(piece.file.size for piece in pieces))
    words = ", opened here" if identity else ""
    return Verdict(True, f"Both files ({total}{words}) are in {folder}, their SHA-256 as the manifest says.")


def _plain(store: Store, piece: _Piece, folder: Path, report: Reporter) -> File:
    return fetch(
        store,
        piece.object,
        folder / piece.file.name,
        size=piece.size,
        sha256=piece.sha256,
        progress=report.moved,
        cancelled=report.cancelled,
    )


def _opened(store: Store, piece: _Piece, folder: Path, identity: Path, report: Reporter) -> File:
    """As it lies there into a hidden file, then what that holds. Raises also as ``age.decrypt``."""
    from etcdtui.offsite.age import CannotDecrypt, WrongIdentity, decrypt, identities_in

    target, sealed = folder / piece.file.name, folder / f".{piece.file.name}{AGE}"
    if landed(target):
        return fetch(store, piece.object, target, size=piece.file.size, sha256=piece.file.sha256)
    identities_in(identity)  # before anything is fetched
    if not _is_there(sealed, piece, report):
        with faults(f"{sealed} cannot be removed"):
            sealed.unlink(missing_ok=True)
        fetch(
            store,
            piece.object,
            sealed,
            size=piece.size,
            sha256=piece.sha256,
            progress=report.moved,
            cancelled=report.cancelled,
        )
    holds = piece.file.size, piece.file.sha256
    try:
        made = decrypt(sealed, target, identity, report.moved, report.cancelled, expected=holds)
    except WrongIdentity:
        raise  # it stays: another identity may open it
    except CannotDecrypt:
        sealed.unlink(missing_ok=True)
        raise
    with faults(f"{sealed} cannot be removed"):
        sealed.unlink()
    return made


def _is_there(sealed: Path, piece: _Piece, report: Reporter) -> bool:
    """An earlier attempt brought it. Where the manifest does not tell its digest, opening it will show."""
    if not landed(sealed) or sealed.stat().st_size != piece.size:
        return False
    return piece.sha256 is None or sha256_of(sealed, report.cancelled) == piece.sha256


def prove_here(wanted: Wanted) -> Work:
    """Every byte of both files looked at again; only then they get their manifest."""

    def work(world: Context, report: Reporter) -> Verdict:
        folder = world.keeping.folder / wanted.folder
        with alone_in(folder):
            return _prove(world, wanted, folder, report)

    return work


def _prove(world: Context, wanted: Wanted, folder: Path, report: Reporter) -> Verdict:
    told = _noted(folder)
    if told is None:
        raise Refusal(f"Nothing was fetched to {folder} by etcdtui.", "Fetch it again.")
    made = _set_here(folder, told, wanted.stamp)
    proof, resources = prove_files(made, folder, report)
    came = {proof.name: proof.sha256, resources.name: resources.sha256}
    checks = [*named_checks(proof, resources), _as_told(told, came, wanted.store)]
    for check in checks:
        report.say(f"{SIGN[check.outcome]} {check.name}: {check.sentence}")
    short = next((check for check in checks if not check.ok), None)
    if short is not None:
        aside = manifests.refute(folder / manifest_name(made))
        told_so = f"{proof.name} is NOT good: {short.sentence} Move {folder} away and fetch it again. {aside}"
        return Verdict(False, told_so.rstrip())
    now = manifests.moment(world.now())
    manifest = replace(
        told,
        etcdtui=__version__,
        proven=now,
        checks=(*checks, *(check for check in told.checks if check.name in KEPT)),
    )
    copy = Copy(HERE.label, str(folder), now, f"sha256 made here, as the manifest in {wanted.store} says")
    manifest = manifests.with_copy(manifest, copy)
    with manifests.alone_with(folder / manifest_name(made)):
        with suppress(EtcdTuiError):  # none is here yet, or one that cannot be believed
            manifest = manifests.remembering(manifest, manifests.kept(folder)[1])
        manifests.keep(folder, made, manifest)
    if not manifest.good:
        return Verdict(False, f"{proof.name} is here whole, but {manifests.NOT_RESTORED}")
    listed = world.view().members.value
    whose = same_cluster(proof, listed.members if listed else ())
    note = "" if whose.same else f" {whose.sentence}"
    return Verdict(True, f"{proof.verdict} {resources.verdict} Both lie in {folder}.{note}")


def _as_told(told: Manifest, came: dict[str, str], store: str) -> Check:
    files = [file for file in (told.snapshot, told.resources) if file is not None]
    if came == {file.name: file.sha256 for file in files}:
        return Check("arrival", Outcome.OK, f"Both SHA-256 are those of the manifest in {store}.")
    return Check("arrival", Outcome.FAILED, f"A file is not the one that the manifest in {store} tells of.")


def _manifest_there(store: Store, wanted: Wanted) -> tuple[bytes, Manifest]:
    """Raises BadManifest, Refusal when it is not of a good backup of two files."""
    name, raw = f"{wanted.directory}/{wanted.manifest}", bytearray()
    with store.read_back(name) as blocks:
        for block in blocks:
            raw += block
            if len(raw) > LARGEST:
                raise Refusal(f"{name} of {store.name} is far too large for a manifest.", "Look at it there.")
    told = manifests.parsed(bytes(raw), f"{name} of {store.name}")
    if not told.good or told.resources is None:
        raise Refusal(
            f"The backup {wanted.stamp} in {store.name} was never proven good with both files.",
            "Take another one.",
        )
    return bytes(raw), told


def _pieces(store: Store, wanted: Wanted, told: Manifest) -> list[_Piece]:
    files = [file for file in (told.snapshot, told.resources) if file is not None]
    if not wanted.encrypted:
        return [_Piece(f, f"{wanted.directory}/{f.name}", f.size, f.sha256) for f in files]
    known = {s.name: s for copy in told.copies if copy.place == store.name for s in copy.encrypted}
    pieces = []
    for file in files:
        name = f"{wanted.directory}/{file.name}{AGE}"
        there, sealed = store.stat(name), known.get(file.name + AGE)
        if there is None:
            raise Refusal(f"{store.name} has no {name} any more.", "Take another place, or another backup.")
        if sealed is not None and sealed.size != there.size:
            raise WrongDigest(
                f"{name} of {store.name} has {there.size} bytes, and its manifest says {sealed.size}.",
                "It is not what was put there: take another place, or another backup.",
            )
        pieces.append(_Piece(file, name, there.size, sealed.sha256 if sealed else None))
    return pieces


def _missing(folder: Path, piece: _Piece) -> int:
    """Bytes that are still to be written here for it."""
    if (folder / piece.file.name).exists():
        return 0
    sealed = piece.object.endswith(AGE)
    name = f".{piece.file.name}{AGE}" if sealed else piece.file.name
    there = 0
    for path in (folder / name, folder / f"{name}{PART}"):
        with suppress(OSError):
            there = max(there, path.stat().st_size)
    return max(0, piece.size - there) + (piece.file.size if sealed else 0)


def _noted(folder: Path) -> Manifest | None:
    """The manifest as the store had it. Raises LocalFault."""
    path = folder / NAME
    if not path.exists():
        return None
    with faults(f"{path} cannot be read"):
        raw = path.read_bytes()
    try:
        return manifests.parsed(raw, str(path))
    except EtcdTuiError:
        return None  # it is fetched anew


def _all_here(folder: Path, told: Manifest) -> bool:
    files = [file for file in (told.snapshot, told.resources) if file is not None]
    try:
        paths = [(folder / file.name, file.size) for file in files]
        return all(landed(path) and path.stat().st_size == size for path, size in paths)
    except OSError:
        return False


def _set_here(folder: Path, told: Manifest, stamp: str) -> BackupSet:
    """The two files as they are here. Raises Refusal, LocalFault."""
    names = [file.name for file in (told.snapshot, told.resources) if file is not None]
    with faults(f"{folder} cannot be read"):
        seen = [(name, (folder / name).stat()) for name in names]
    sets = join(FoundFile(HERE.label, str(folder), name, s.st_size, s.st_mtime) for name, s in seen)
    if len(sets) != 1 or sets[0].stamp != stamp:
        raise Refusal(
            f"What lies in {folder} is not the backup {clean(stamp)}: {clean(', '.join(names))}.",
            "Take another one.",
        )
    return sets[0]
