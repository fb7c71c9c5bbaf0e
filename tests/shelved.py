"""Backups on this machine for tests: recorded snapshots in folders, with their manifests."""

from __future__ import annotations

import io
import stat
import tarfile
from datetime import UTC, datetime
from pathlib import Path

from etcdtui.etcd.resources import PODS, prove_resources
from etcdtui.etcd.snapshot import prove
from etcdtui.model.backups import BackupSet, FoundFile
from etcdtui.model.copies import join_places
from etcdtui.model.file_names import folder_name
from etcdtui.model.manifest import Copy, File, Manifest
from etcdtui.model.members import Member
from etcdtui.model.places import HERE, Backup, Place, PlacedSet, PlaceKind
from etcdtui.procedures.manifests import keep
from tests.snapshotfiles import REAL

TAKEN = datetime(2026, 11, 23, 2, 0, 4, tzinfo=UTC)


def packed() -> bytes:
    """The resources of the static pods, as cluster-backup.sh packs them; of the same size everywhere."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=0) as archive:
        names = [f"static-pod-resources/{pod}-pod-{9 + n}/{pod}-pod.yaml" for n, pod in enumerate(PODS)]
        for name in [*names, "static-pod-resources/etcd-certs/configmaps/restore-etcd-pod/pod.yaml"]:
            entry = tarfile.TarInfo(name)
            entry.size = 5
            archive.addfile(entry, io.BytesIO(b"pod:\n"))
    return out.getvalue()


def found(folder: Path, host: str = "here") -> tuple[FoundFile, ...]:
    """The files of one backup in ``folder``."""
    out = []
    for path in sorted(folder.iterdir()):
        seen = path.stat()
        mode = stat.S_IMODE(seen.st_mode)
        out.append(FoundFile(host, str(folder), path.name, seen.st_size, seen.st_mtime, mode))
    return tuple(out)


def placed(
    root: Path,
    stamp: str,
    version: str,
    *,
    resources: bool = True,
    proven: bool = True,
    members: tuple[Member, ...] | None = None,
    cluster: str = "prod",
) -> PlacedSet:
    """A copy here, of real files."""
    folder = root / folder_name(stamp, "masternode1")
    folder.mkdir(mode=0o700)
    snapshot, packed_ = folder / f"snapshot_{stamp}.db", folder / f"static_kuberesources_{stamp}.tar.gz"
    snapshot.write_bytes(REAL[version])
    snapshot.chmod(0o600)
    if resources:
        packed_.write_bytes(packed())
        packed_.chmod(0o600)
    made = BackupSet("here", str(folder), stamp, found(folder))
    manifest = None
    if proven:
        manifest = manifest_of(snapshot, packed_ if resources else None, stamp, members, cluster)
        keep(folder, made, manifest)
    return PlacedSet(HERE, made, manifest)


def manifest_of(
    snapshot: Path, resources: Path | None, stamp: str, members: tuple[Member, ...] | None, cluster: str
) -> Manifest:
    proof = prove(snapshot)
    tar = prove_resources(resources) if resources else None
    facts = proof.facts
    assert facts is not None
    taken = datetime.strptime(stamp, "%Y-%m-%d_%H%M%S").replace(tzinfo=UTC)
    return Manifest(
        etcdtui="0.3.0",
        taken=taken,
        proven=taken.replace(minute=1),
        snapshot=File(proof.name, proof.size, proof.sha256),
        resources=File(tar.name, tar.size, tar.sha256) if tar else None,
        cluster=cluster,
        members=facts.members if members is None else members,
        revision=facts.revision,
        live_keys=facts.live_keys,
        entries=facts.entries,
        revisions=facts.revisions,
        checks=(*proof.checks, *(tar.checks if tar else ())),
        openshift_version="4.16.3",
        etcd_version="3.5.14",
        member="masternode1",
        host="core@masternode1",
        resource_revisions=tar.revisions if tar else (),
        copies=(Copy("here", str(snapshot.parent), taken, "sha256"),),
    )


def shelved(root: Path, stamp: str, version: str, *, resources: bool = True, proven: bool = True) -> Backup:
    """The same as a backup of one copy."""
    (backup,) = join_places([placed(root, stamp, version, resources=resources, proven=proven)])
    return backup


def on_host(stamp: str, host: str = "masternode1") -> Backup:
    """A backup that is only there."""
    files = tuple(
        FoundFile(host, "/home/core/assets/backup", name, size, 0.0)
        for name, size in ((f"snapshot_{stamp}.db", 49184), (f"static_kuberesources_{stamp}.tar.gz", 700))
    )
    made = BackupSet(host, "/home/core/assets/backup", stamp, files)
    (backup,) = join_places([PlacedSet(Place(PlaceKind.HOST, host), made)])
    return backup


def encrypted(root: Path) -> Backup:
    """One whose files here are encrypted."""
    whole = placed(root, "2026-11-21_020000", "3.5.1")
    (backup,) = join_places([PlacedSet(HERE, whole.set, whole.manifest, encrypted=True)])
    return backup
