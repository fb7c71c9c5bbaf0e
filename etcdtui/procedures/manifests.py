"""The manifest of a backup: made from what was proven, kept beside the files here, put beside the others."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from etcdtui import __version__
from etcdtui.errors import CommandFailed, Refusal
from etcdtui.landing import alone_at, faults, replace_small
from etcdtui.model.backups import BackupSet
from etcdtui.model.file_names import manifest_name
from etcdtui.model.manifest import SUFFIX, BadManifest, Copy, File, Manifest, from_json, to_json
from etcdtui.model.proof import Check, Proof, ResourcesProof
from etcdtui.model.view import FRESH_API, ClusterView
from etcdtui.reach.runner import Runner
from etcdtui.reach.transfer import DIGEST, host_digest
from etcdtui.text import clean

PLACING = 30.0  # seconds for writing a small file on a host
RESTORED: Final = "restored"
"""The check that a rehearsal leaves."""
NOT_RESTORED: Final = "a rehearsal could not restore it. Rehearse it again, or take another backup."

# Arguments: FILE SHA256. Standard input is its content, all of it or nothing is placed; an older manifest of
# the same backup gives way.
_PLACE = (
    DIGEST
    + r"""
set -e
umask 077
case "$1" in *.manifest.json) ;; *) echo "$1 is no manifest" >&2; exit 64 ;; esac
rm -f -- "$1.part"
cat >"$1.part"
made=$(sum <"$1.part" | cut -c 1-64)
if [ "$made" != "$2" ]; then rm -f -- "$1.part"; echo "it did not arrive whole" >&2; exit 65; fi
sync
mv -f -- "$1.part" "$1"
"""
)


def manifest_of(
    view: ClusterView,
    made: BackupSet,
    proof: Proof,
    resources: ResourcesProof | None,
    checks: Sequence[Check],
    *,
    taken: float,
    proven: float,
    copies: Sequence[Copy],
    just_taken: bool = True,
) -> Manifest:
    """What is to be remembered of a backup that was proven. Times in epoch seconds. Raises Refusal.

    Only of one ``just_taken`` the versions of now are those of then.
    """
    facts = proof.facts
    if facts is None:
        raise Refusal(f"{proof.name} does not say what it holds, so it gets no manifest.")
    api = view.api.current(view.now, FRESH_API)
    listed = view.members.value
    host = next((h for h in view.hosts if h.name == made.host), None)
    names = {made.host, *((host.node, host.facts.value.hostname if host.facts.value else "") if host else ())}
    member = next((m for m in listed.members if m.name in names), None) if listed else None
    endpoint = view.endpoint_of(member) if member else None
    status = endpoint.status.value if endpoint else None
    return Manifest(
        etcdtui=__version__,
        taken=moment(taken),
        proven=moment(proven),
        snapshot=File(proof.name, proof.size, proof.sha256),
        resources=File(resources.name, resources.size, resources.sha256) if resources else None,
        cluster=view.name,
        members=facts.members,
        revision=facts.revision,
        live_keys=facts.live_keys,
        entries=facts.entries,
        revisions=facts.revisions,
        checks=tuple(checks),
        cluster_id=f"{listed.cluster_id:x}" if listed and listed.cluster_id else "",
        openshift_id=api.cluster_id if api else "",
        openshift_version=api.version if api and just_taken else "",
        etcd_version=status.version if status and just_taken else "",
        storage_version=facts.storage_version,
        member=member.name if member else "",
        host=made.host,
        resource_revisions=resources.revisions if resources else (),
        copies=tuple(copies),
    )


def with_copy(manifest: Manifest, copy: Copy) -> Manifest:
    """With one more copy; one in the same place before is replaced."""
    others = tuple(other for other in manifest.copies if other.place != copy.place)
    return replace(manifest, copies=(*others, copy))


def content(manifest: Manifest) -> bytes:
    """As it is written everywhere."""
    return (json.dumps(to_json(manifest), indent=2, ensure_ascii=False) + "\n").encode()


def remembering(manifest: Manifest, earlier: Manifest) -> Manifest:
    """With what a rehearsal has found of the same snapshot: a new proof of its bytes does not refute that."""
    found = [check for check in earlier.checks if check.name == RESTORED]
    if not found or earlier.snapshot.sha256 != manifest.snapshot.sha256:
        return manifest
    others = [check for check in manifest.checks if check.name != RESTORED]
    return replace(manifest, checks=(*others, *found))


def refute(path: Path) -> str:
    """Put a manifest that was shown to be wrong under a name that makes nothing count as proven; the sentence
    that says so, empty where there is none. Raises LocalFault."""
    aside = path.with_name(f"{path.name}.refuted")
    with alone_with(path), faults(f"{path} cannot be put aside"):
        try:
            os.replace(path, aside)
        except FileNotFoundError:
            return ""
    return f"This copy no longer counts as proven; its manifest was put aside as {aside.name}."


def alone_with(path: Path) -> AbstractContextManager[None]:
    """Nobody else's etcdtui writes the manifest at ``path``, or puts it aside, between its being read and
    written in this block. Raises Refusal, LocalFault."""
    return alone_at(path.with_name(path.name.removesuffix(SUFFIX) + ".db"))


def keep(folder: Path, made: BackupSet, manifest: Manifest) -> None:
    """Write it beside the files here, over an older one of the same backup. Raises LocalFault."""
    replace_with(folder / manifest_name(made), manifest)


def replace_with(path: Path, manifest: Manifest) -> None:
    """The manifest at ``path`` is this one from now on. Raises LocalFault."""
    replace_small(path, content(manifest))


def kept(folder: Path) -> tuple[Path, Manifest]:
    """The manifest beside the files in ``folder``, and where it is. Raises as ``kept_as_written``."""
    path, manifest, _ = kept_as_written(folder)
    return path, manifest


def kept_as_written(folder: Path) -> tuple[Path, Manifest, bytes]:
    """The manifest beside the files in ``folder``, where it is, and its bytes.

    Raises Refusal when there is none, BadManifest, and LocalFault.
    """
    with faults(f"{folder} cannot be read"):
        found = sorted(folder.glob(f"*{SUFFIX}"))
    if len(found) != 1:
        raise Refusal(
            f"{folder} holds {'more than one' if found else 'no'} manifest: what lies there is not proven.",
            "Go on with the run that brought it (etcdtui resume), or bring it off the cluster again.",
        )
    with faults(f"{found[0]} cannot be read"):
        raw = found[0].read_bytes()
    return found[0], parsed(raw, str(found[0])), raw


def parsed(raw: bytes, where: str) -> Manifest:
    """Raises BadManifest, which names ``where``."""
    try:
        return from_json(json.loads(raw))
    except BadManifest as exc:
        raise BadManifest(f"{where}: {exc.message}", exc.hint) from exc
    except (ValueError, RecursionError) as exc:
        raise BadManifest(f"{where} is no JSON: {clean(str(exc), 100)}.", "Prove the backup again.") from exc


def place_on_host(runner: Runner, sudo: Sequence[str], path: str, raw: bytes, sha256: str) -> None:
    """Put the manifest beside the files on a host, and read it there again.

    Raises CommandFailed and what the Runner raises.
    """
    done = runner.run((*sudo, "sh", "-c", _PLACE, "place-manifest", path, sha256), timeout=PLACING, stdin=raw)
    if not done.ok:
        said = clean((done.err().strip().splitlines() or [f"exit code {done.status}"])[-1], 200)
        raise CommandFailed(f"{path} on {runner.host} cannot be written: {said}.", said=done.err())
    there = host_digest(runner, sudo, path)
    if there != sha256:
        raise CommandFailed(
            f"{path} on {runner.host} is not what was written: its SHA-256 is {there[:16]}… there."
        )


def moment(epoch: float) -> datetime:
    """As it stands in a manifest, with its zone."""
    return datetime.fromtimestamp(epoch, UTC)
