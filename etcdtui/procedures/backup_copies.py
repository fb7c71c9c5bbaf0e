"""Copies of a proven backup: put into stores, compared there, and its manifest beside every one of them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from etcdtui.errors import EtcdTuiError, Refusal
from etcdtui.landing import alone_in
from etcdtui.model.backups import stamp_of
from etcdtui.model.file_names import AGE
from etcdtui.model.manifest import SUFFIX, BadManifest, Copy, File, Manifest
from etcdtui.model.places import Place, PlaceKind
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import ClusterView
from etcdtui.offsite.keeping import Keeping, Shelf
from etcdtui.offsite.store import Item, Shelved, Store, already_in, shelve
from etcdtui.procedures import manifests
from etcdtui.procedures.backup_arrival import HomesOf, homes_of
from etcdtui.procedures.backup_decided import Decided, Homes
from etcdtui.procedures.procedure import Context, Reporter, Work
from etcdtui.text import listed, size

HERE = "here"


def put_into(name: str, homes_of: HomesOf) -> Work:
    """Both files into one store, asked for again there; the manifest here remembers it."""

    def work(world: Context, report: Reporter) -> Verdict:
        homes = homes_of(world)
        with alone_in(homes.folder):
            return _put(world, report, homes, name)

    return work


def _put(world: Context, report: Reporter, homes: Homes, name: str) -> Verdict:
    path, manifest = manifests.kept(homes.folder)
    shelf = world.keeping.shelf(name)
    store = shelf.open()
    files = [file for file in (manifest.snapshot, manifest.resources) if file is not None]
    items = [Item(homes.folder / f.name, f"{homes.prefix}/{f.name}", f.sha256) for f in files]
    done = _sent(shelf, store, items, homes.folder, f"{homes.prefix}/{path.name}", report)
    how = listed(list(dict.fromkeys(shelved.how for shelved in done)))
    sealed = tuple(File(s.name.rpartition("/")[2], s.size, s.sha256) for s in done) if shelf.seal else ()
    copy = Copy(name, homes.prefix, manifests.moment(world.now()), f"sha256, {how}", sealed)
    _note(path, manifest, copy)
    total = size(sum(shelved.size for shelved in done))
    words = ", encrypted" if sealed else ""
    return Verdict(True, f"{name} has both files{words} ({total}); compared by {how}.")


def _note(path: Path, sent: Manifest, copy: Copy) -> None:
    """The manifest now knows of ``copy``; as it is by now, for an upload takes long. Raises Refusal."""
    with manifests.alone_with(path):
        now = manifests.kept(path.parent)[1] if path.exists() else None
        if now is None or not now.good or now.snapshot != sent.snapshot:
            raise Refusal(
                f"While it went into {copy.place}, the backup in {path.parent} was found to be bad, or was "
                f"taken away: its copy in {copy.place} gets no manifest, and does not count.",
                "Prove it again (v in its details, or etcdtui verify), or take another backup.",
            )
        manifests.replace_with(path, manifests.with_copy(now, copy))


def manifest_of(world: Context, decided: Decided) -> tuple[Path, Manifest]:
    """The manifest of this run's backup, as it is here. Raises as ``manifests.kept``."""
    return manifests.kept(homes_of(decided)(world).folder)


def put_manifest(homes_of: HomesOf, decided: Decided | None = None) -> Work:
    """The manifest, now that all copies are known, beside all of them. It is what makes a copy count."""

    def work(world: Context, report: Reporter) -> Verdict:
        homes = homes_of(world)
        path, manifest, raw = manifests.kept_as_written(homes.folder)
        digest = sha256(raw).hexdigest()
        done: list[str] = [HERE]
        failed: list[str] = []
        if decided is not None:
            there = f"{decided.folder}/{path.name}"
            try:
                manifests.place_on_host(world.runner(decided.host), decided.layout.sudo, there, raw, digest)
                done.append(decided.host)
            except EtcdTuiError as exc:
                failed.append(str(exc))
        item = Item(path, f"{homes.prefix}/{path.name}", digest)
        for copy in manifest.copies:
            shelf = next((s for s in world.keeping.shelves if s.name == copy.place), None)
            if shelf is None:
                continue
            try:
                store, names = shelf.open(), [file.name for file in _files(manifest, copy)]
                if gone := [name for name in names if store.stat(f"{homes.prefix}/{name}") is None]:
                    report.say(f"{shelf.name} no longer has {listed(gone)}: no manifest is put there.")
                    continue
                _renew(store, item, manifest, report)
                done.append(shelf.name)
            except EtcdTuiError as exc:
                failed.append(str(exc))
        if failed:
            return Verdict(False, f"The manifest is {where(done)}, and not everywhere: {' '.join(failed)}")
        return Verdict(True, f"The manifest is {where(done)}, the same everywhere.")

    return work


def _files(manifest: Manifest, copy: Copy) -> tuple[File, ...]:
    """The files of a copy, as they are there."""
    return copy.encrypted or tuple(file for file in (manifest.snapshot, manifest.resources) if file)


def whereabouts(view: ClusterView, keeping: Keeping, manifest: Manifest, stores: Sequence[str]) -> str:
    """Where the copies of it are that count, by the lists of all places, and what ``stores`` lack.

    What its manifest tells of may have been removed since, or lacks its manifest there. A store whose list
    lacks it is asked for each file: some are slow to give a list, and some never do.
    """
    told = [b for b in view.known_backups if b.manifest and b.manifest.snapshot == manifest.snapshot]
    proven = [c.place for b in told for c in b.copies if c.proven and _lists(view, c.place)]
    silent: list[str] = []
    for place in (Place(PlaceKind.STORE, name) for name in stores):
        try:
            if place not in proven and _asked(keeping, manifest, place.name):
                proven.append(place)
        except EtcdTuiError:
            silent.append(place.name)
    short = [name for name in stores if name not in silent and Place(PlaceKind.STORE, name) not in proven]
    stamp = stamp_of(manifest.snapshot.name)
    whole = {c.place.name for b in view.known_backups if b.stamp == stamp for c in b.copies if c.complete}
    bare = [name for name in short if name in whole]
    lacking = [name for name in short if name not in whole]
    labels = list(dict.fromkeys(place.label for place in proven))
    said = [f"lies {where(labels)}." if labels else "is in none of the places that can be listed now."]
    if lacking:
        said.append(f"It is NOT in {listed(lacking)}; that is offered again at the next start.")
    if bare:
        said.append(f"In {listed(bare)} no manifest proves its files, so they do not count there.")
    if silent:
        said.append(f"Whether it is in {listed(silent)} cannot be told now: it does not answer.")
    return " ".join(said)


def _lists(view: ClusterView, place: Place) -> bool:
    """Does the place tell now what is in it?"""
    if place.is_host:
        return any(host.name == place.name and host.facts.problem is None for host in view.hosts)
    return any(seen.place == place and seen.listed for seen in view.places)


def _asked(keeping: Keeping, manifest: Manifest, name: str) -> bool:
    """Are all files that were put into this store there, and the manifest? Raises what the store raises."""
    copy = next((copy for copy in manifest.copies if copy.place == name), None)
    if copy is None:
        return False
    store = keeping.shelf(name).open()
    sizes = {file.name: file.size for file in _files(manifest, copy)}
    there = {file: store.stat(f"{copy.location}/{file}") for file in sizes}
    whole = all(found is not None and found.size == sizes[file] for file, found in there.items())
    beside = manifest.snapshot.name.removesuffix(".db") + SUFFIX
    return whole and store.stat(f"{copy.location}/{beside}") is not None


def where(places: list[str]) -> str:
    """here, on masternode2 and in nexus: as the rest of a sentence."""
    return listed([place if place == HERE else f"on {place}" for place in places])


def _sent(
    shelf: Shelf, store: Store, items: list[Item], folder: Path, manifest: str, report: Reporter
) -> tuple[Shelved, ...]:
    """Encrypted where that is wanted, then shelved. What is there of an upload that broke off goes first.

    Objects without a manifest beside them are of such an upload, for that comes last.
    """
    broke_off = store.stat(manifest) is None
    if shelf.seal is None:
        return _shelve(shelf, store, items, report, renew=broke_off)
    _, ours = manifests.kept(folder)
    theirs = None if broke_off else _same_backup(store, manifest, ours)
    there, missing = _encrypted_there(shelf, store, items, [m for m in (ours, theirs) if m], report)
    if missing:
        with shelf.seal(missing, folder, report.moved, report.cancelled) as sealed:
            # Beside a manifest of this backup, what it does not tell of is no part of a whole copy either.
            renew = broke_off or theirs is not None
            there += _shelve(shelf, store, sealed, report, renew=renew)
    told = {(file.size, file.sha256) for file in _encrypted_in(theirs)} if theirs else set()
    if told and not {(s.size, s.sha256) for s in there} <= told:
        store.delete(manifest)  # it tells of other objects than there are now; a new one comes in its place
    return there


def _encrypted_there(
    shelf: Shelf, store: Store, items: Sequence[Item], known: Sequence[Manifest], report: Reporter
) -> tuple[tuple[Shelved, ...], list[Item]]:
    """Which items are in the store already, and which are not. The same file encrypted twice differs, so
    only a manifest tells what it is there."""
    there: list[Shelved] = []
    missing: list[Item] = []
    for item in items:
        name = item.name + AGE
        told = [f for m in known for f in _encrypted_in(m) if f.name == name.rpartition("/")[2]]
        found = already_in(store, name, told, report.moved, report.cancelled)
        if found is None:
            missing.append(item)
        else:
            report.say(f"{name} is in {shelf.name} already, whole; it is not sent again.")
            there.append(found)
    return tuple(there), missing


def _encrypted_in(manifest: Manifest) -> list[File]:
    return [file for copy in manifest.copies for file in copy.encrypted]


def _same_backup(store: Store, name: str, ours: Manifest) -> Manifest | None:
    """The manifest in the store, when it is of the same two files."""
    with store.read_back(name) as blocks:
        raw = b"".join(blocks)
    try:
        theirs = manifests.parsed(raw, name)
    except BadManifest:
        return None
    same = (theirs.snapshot, theirs.resources) == (ours.snapshot, ours.resources)
    return theirs if same else None


def _shelve(
    shelf: Shelf, store: Store, items: Sequence[Item], report: Reporter, *, renew: bool
) -> tuple[Shelved, ...]:
    for item in items if renew else ():
        if _differs(store, item, report):
            report.say(f"{item.name} in {shelf.name} is of an upload that broke off; it is sent anew.")
            store.delete(item.name)
    return shelve(store, items, report.moved, report.cancelled)


def _differs(store: Store, item: Item, report: Reporter) -> bool:
    """Is there an object of that name which is another one?"""
    here = File(item.path.name, item.path.stat().st_size, item.sha256)
    there = already_in(store, item.name, [here], report.moved, report.cancelled)
    return there is None and store.stat(item.name) is not None


def _renew(store: Store, item: Item, manifest: Manifest, report: Reporter) -> None:
    """Put the manifest there. One of the same backup that is there already stays: it makes the copy count,
    and must not be gone for a moment. One that cannot be believed gives way."""
    if store.stat(item.name) is not None:
        with store.read_back(item.name) as blocks:
            raw = b"".join(blocks)
        try:
            there = manifests.parsed(raw, item.name)
        except BadManifest:
            store.delete(item.name)
        else:
            if there.snapshot != manifest.snapshot or there.resources != manifest.resources:
                raise Refusal(
                    f"{store.name} has a manifest {item.name} of another backup; it is not overwritten.",
                    "Look at it there, and move it away if it is not wanted.",
                )
            if sha256(raw).hexdigest() != item.sha256:
                report.say(f"{store.name} keeps the manifest it has; it is of the same files.")
            return
    shelve(store, [item], None, report.cancelled)
