"""The work on a backup after it was taken: brought here, proven, put into stores, given its manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from etcdtui.errors import EtcdTuiError
from etcdtui.etcd.resources import prove_resources
from etcdtui.etcd.snapshot import prove
from etcdtui.landing import Moved
from etcdtui.model.backups import BackupSet
from etcdtui.model.manifest import Copy, File, Manifest
from etcdtui.model.proof import Check, Outcome, Proof, ResourcesProof, behind, same_cluster
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import ClusterView
from etcdtui.offsite.keeping import Shelf
from etcdtui.offsite.store import Item, Shelved, Store, digest_of, shelve
from etcdtui.procedures import manifests
from etcdtui.procedures.backup_decided import Decided, Homes
from etcdtui.procedures.procedure import Context, Reporter, Work
from etcdtui.reach.transfer import Source, fetch_all
from etcdtui.text import listed, size

HERE = "here"
SIGN = {Outcome.OK: "✓", Outcome.FAILED: "✗", Outcome.NOT_APPLICABLE: "·"}
HomesOf = Callable[[Context], Homes]


def homes_of(decided: Decided) -> HomesOf:
    """Where the backup of this run is kept."""

    def found(world: Context) -> Homes:
        return Homes.of(world.keeping, decided.made(world).stamp, decided.host)

    return found


def bring_off(decided: Decided) -> Work:
    """Both files to this machine, hashed on both sides."""

    def work(world: Context, report: Reporter) -> Verdict:
        made = decided.made(world)
        homes = Homes.of(world.keeping, made.stamp, decided.host)
        sources = [Source(f"{made.directory}/{file.name}", file.size) for file in made.files]
        fetched = fetch_all(
            world.runner(decided.host),
            sources,
            homes.folder,
            sudo=decided.layout.sudo,
            progress=report.moved,
            cancelled=report.cancelled,
        )
        for file in fetched:
            report.say(f"{file.path.name}  {size(file.size)}  sha256 {file.sha256}")
        total = size(sum(file.size for file in fetched))
        same = f"their SHA-256 is the same there and on {decided.host}"
        return Verdict(True, f"Both files ({total}) are in {homes.folder}, {same}.")

    return work


def prove_here(decided: Decided) -> Work:
    """Every byte of both files looked at; the manifest beside them says what was found."""

    def work(world: Context, report: Reporter) -> Verdict:
        made = decided.made(world)
        folder = Homes.of(world.keeping, made.stamp, decided.host).folder
        proof, resources = prove_files(made, folder, report)
        view = world.view()
        checks = [*_named(proof, resources), *_identity(view, proof)]
        failed = next((check for check in checks if check.outcome is Outcome.FAILED), None)
        for check in checks:
            report.say(f"{SIGN[check.outcome]} {check.name}: {check.sentence}")
        if not proof.good:
            return Verdict(False, f"{proof.verdict} Do not rely on it, take another one.")
        if not resources.good:
            return Verdict(False, f"{resources.verdict} Do not rely on it, take another one.")
        if failed is not None:
            return Verdict(False, f"{proof.name} is NOT good: {failed.sentence}")
        now = world.now()
        copies = (
            Copy(made.host, made.directory, _moment(now), "sha256 made there"),
            Copy(HERE, str(folder), _moment(now), "sha256 made here"),
        )
        taken = _taken(view, made)
        manifest = manifests.manifest_of(
            view,
            made,
            proof,
            resources,
            checks,
            taken=taken,
            proven=now,
            copies=copies,
            just_taken=not decided.stamp,
        )
        manifests.keep(folder, made, manifest)
        return Verdict(True, f"{proof.verdict} {resources.verdict} {_behind(view, proof)}".strip())

    return work


def prove_files(made: BackupSet, folder: Path, report: Reporter) -> tuple[Proof, ResourcesProof]:
    """The proof of the two files of ``made`` as they lie in ``folder``. Raises Unreadable and Cancelled."""
    snapshot, resources = made.snapshot, made.resources
    assert snapshot is not None and resources is not None
    proof = prove(
        folder / snapshot.name,
        progress=lambda done, total: report.moved(Moved(f"the proof of {snapshot.name}", done, total)),
        cancelled=report.cancelled.is_set,
    )
    return proof, prove_resources(folder / resources.name, cancelled=report.cancelled.is_set)


def put_into(name: str, homes_of: HomesOf) -> Work:
    """Both files into one store, asked for again there; the manifest here remembers it."""

    def work(world: Context, report: Reporter) -> Verdict:
        homes = homes_of(world)
        path, manifest = manifests.kept(homes.folder)
        shelf = world.keeping.shelf(name)
        store = shelf.open()
        files = [file for file in (manifest.snapshot, manifest.resources) if file is not None]
        items = [Item(homes.folder / f.name, f"{homes.prefix}/{f.name}", f.sha256) for f in files]
        done = _sent(shelf, store, items, homes.folder, f"{homes.prefix}/{path.name}", report)
        how = listed(list(dict.fromkeys(shelved.how for shelved in done)))
        sealed = tuple(File(s.name.rpartition("/")[2], s.size, s.sha256) for s in done) if shelf.seal else ()
        copy = Copy(name, homes.prefix, _moment(world.now()), f"sha256, {how}", sealed)
        manifests.replace_with(path, manifests.with_copy(manifest, copy))
        total = size(sum(shelved.size for shelved in done))
        words = ", encrypted" if sealed else ""
        return Verdict(True, f"{name} has both files{words} ({total}); compared by {how}.")

    return work


def manifest_of(world: Context, decided: Decided) -> tuple[Path, Manifest]:
    """The manifest of this run's backup, as it is here. Raises as ``manifests.kept``."""
    return manifests.kept(homes_of(decided)(world).folder)


def put_manifest(homes_of: HomesOf, decided: Decided | None = None) -> Work:
    """The manifest, now that all copies are known, beside all of them. It is what makes a copy count."""

    def work(world: Context, report: Reporter) -> Verdict:
        homes = homes_of(world)
        path, manifest = manifests.kept(homes.folder)
        raw = path.read_bytes()
        digest = hashlib.sha256(raw).hexdigest()
        done: list[str] = [HERE]
        failed: list[str] = []
        if decided is not None:
            made = decided.made(world)
            there = f"{made.directory}/{path.name}"
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
                _renew(shelf.open(), item, report)
                done.append(shelf.name)
            except EtcdTuiError as exc:
                failed.append(str(exc))
        if failed:
            return Verdict(False, f"The manifest is {where(done)}, and not everywhere: {' '.join(failed)}")
        return Verdict(True, f"The manifest is {where(done)}, the same everywhere.")

    return work


def where(places: list[str]) -> str:
    """here, on masternode2 and in nexus: as the rest of a sentence."""
    return listed([place if place == HERE else f"on {place}" for place in places])


def _sent(
    shelf: Shelf, store: Store, items: list[Item], folder: Path, manifest: str, report: Reporter
) -> tuple[Shelved, ...]:
    """Encrypted where that is wanted, then shelved. What is there of an upload that broke off goes first.

    Objects without a manifest beside them are of such an upload, for that comes last; and the same file
    encrypted twice differs.
    """
    if shelf.seal is None:
        broke_off = store.stat(manifest) is None
        return _shelve(shelf, store, items, report, renew=broke_off)
    with shelf.seal(items, folder, report.moved, report.cancelled) as sealed:
        return _shelve(shelf, store, sealed, report, renew=True)


def _shelve(
    shelf: Shelf, store: Store, items: Sequence[Item], report: Reporter, *, renew: bool
) -> tuple[Shelved, ...]:
    for item in items if renew else ():
        if _differs(store, item, report):
            report.say(f"{item.name} in {shelf.name} is of an upload that broke off; it is sent anew.")
            store.delete(item.name)
    return shelve(store, items, report.moved, report.cancelled)


def _renew(store: Store, item: Item, report: Reporter) -> None:
    """A manifest of the same backup that knows fewer copies gives way to this one."""
    if _differs(store, item, report):
        store.delete(item.name)
    shelve(store, [item], None, report.cancelled)


def _differs(store: Store, item: Item, report: Reporter) -> bool:
    """Is there an object of that name which is another one?"""
    there = store.stat(item.name)
    if there is None:
        return False
    if there.size != item.path.stat().st_size:
        return True
    told = there.digest or digest_of(store, item.name, there.size, report.moved, report.cancelled)
    return told.lower() != item.sha256


def _named(proof: Proof, resources: ResourcesProof) -> list[Check]:
    """Both files' checks, those of the second with its name in front."""
    return [*proof.checks, *(replace(check, name=f"resources {check.name}") for check in resources.checks)]


def _identity(view: ClusterView, proof: Proof) -> list[Check]:
    found = same_cluster(proof, view.members.value.members if view.members.value else ())
    if found.same is None:
        return []
    return [Check("identity", Outcome.OK if found.same else Outcome.FAILED, found.sentence)]


def _behind(view: ClusterView, proof: Proof) -> str:
    live = [e.status.value.revision for e in view.endpoints if e.status.value is not None]
    return behind(proof, max(live)) if live else ""


def _taken(view: ClusterView, made: BackupSet) -> float:
    """When the snapshot was written, by our clock."""
    host = next((h for h in view.hosts if h.name == made.host), None)
    offset = host.facts.value.clock_offset if host and host.facts.value else None
    written = made.snapshot.modified if made.snapshot else made.finished
    return written - (offset or 0.0)


def _moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
