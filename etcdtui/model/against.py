"""Whether a manifest tells the truth of the files beside it. Pure.

Compared is what the files themselves hold. etcd's cluster ID, the names of a cluster and the versions of etcd
and OpenShift are in none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from etcdtui.model.manifest import File, Manifest
from etcdtui.model.members import Member
from etcdtui.model.proof import Check, Outcome, Proof, ResourcesProof, SnapshotFacts
from etcdtui.text import counted, grouped, listed

NAME: Final = "manifest"
MOST: Final = 4  # differences that are told one by one
EDITED: Final = "it was edited or belongs to another file"

Difference = tuple[str, str]
"""What the manifest says, with its name, and what the file holds instead."""


def snapshot_against(told: Manifest, proof: Proof) -> Check:
    """Is it the snapshot that was proven then, and does it hold what the manifest says of it?"""
    facts = _of_snapshot(told, proof.facts) if proof.facts is not None else ()
    return _check(told.snapshot, proof, "snapshot", tuple(facts))


def resources_against(told: Manifest, proof: ResourcesProof) -> Check:
    """The same for the second file. What is too broken to be read tells no revisions."""
    facts = _of_resources(told, proof) if proof.good else ()
    return _check(told.resources, proof, "second file", tuple(facts))


def _check(
    named: File | None, proof: Proof | ResourcesProof, what: str, facts: Sequence[Difference]
) -> Check:
    if named is None:
        said = f"The manifest does not name {proof.name}: it is not the file that was proven then."
        return Check(NAME, Outcome.FAILED, said)
    sizes = [(f"{grouped(named.size)} bytes", grouped(proof.size))] if named.size != proof.size else []
    found = [*sizes, *facts]
    if named.sha256 != proof.sha256:
        said = (
            f"{proof.name} is not the file that was proven then: its SHA-256 is "
            f"{proof.sha256[:16] or 'not known'}…, the manifest says {named.sha256[:16]}…."
        )
        return Check(NAME, Outcome.FAILED, f"{said} {_told(found, what)}." if found else said)
    if found:
        return Check(NAME, Outcome.FAILED, f"{_told(found, what)}: {EDITED}.")
    if named.name != proof.name:
        said = f"The manifest says it is of {named.name}, and not of {proof.name}: {EDITED}."
        return Check(NAME, Outcome.FAILED, said)
    return Check(NAME, Outcome.OK, f"{proof.name} is still the file that was proven then.")


def _told(found: Sequence[Difference], what: str) -> str:
    says, holds = listed([says for says, _ in found[:MOST]]), listed([holds for _, holds in found[:MOST]])
    rest = len(found) - MOST
    more = f" (and {counted(rest, 'more difference')})" if rest > 0 else ""
    return f"The manifest says {says}, the {what} holds {holds}{more}"


def _of_snapshot(told: Manifest, facts: SnapshotFacts) -> Iterator[Difference]:
    if told.revision != facts.revision:
        yield f"revision {grouped(told.revision)}", grouped(facts.revision)
    for says, holds, one, many in (
        (told.live_keys, facts.live_keys, "live key", "live keys"),
        (told.entries, facts.entries, "entry", "entries"),
        (told.revisions, facts.revisions, "revision of keys", "revisions of keys"),
    ):
        if says != holds:
            yield f"{grouped(says)} {one if says == 1 else many}", grouped(holds)
    if told.storage_version != facts.storage_version:
        yield f"storage version {told.storage_version or 'none'}", facts.storage_version or "none"
    yield from _of_members(told.members, facts.members)


def _of_members(told: Iterable[Member], held: Iterable[Member]) -> Iterator[Difference]:
    then, now = {member.id: member for member in told}, {member.id: member for member in held}
    if then.keys() != now.keys():
        says, holds = (listed([f"{m.label} ({m.hex_id})" for m in each.values()]) for each in (then, now))
        yield f"members {says or 'none'}", holds or "none"
    for key in sorted(then.keys() & now.keys()):
        yield from _of_member(then[key], now[key])


def _of_member(said: Member, there: Member) -> Iterator[Difference]:
    of = f"of member {said.hex_id}"
    for title, says, holds in (
        ("name", said.name, there.name),
        ("peer URLs", listed(said.peer_urls), listed(there.peer_urls)),
        ("client URLs", listed(said.client_urls), listed(there.client_urls)),
        ("role", _role(said), _role(there)),
    ):
        if says != holds:
            yield f"{title} {says or 'none'} {of}", holds or "none"


def _role(member: Member) -> str:
    return "learner" if member.learner else "voter"


def _of_resources(told: Manifest, proof: ResourcesProof) -> Iterator[Difference]:
    then, now = dict(told.resource_revisions), dict(proof.revisions)
    for pod in sorted(then.keys() | now.keys()):
        if then.get(pod) != now.get(pod):
            says, holds = (grouped(at[pod]) if pod in at else "none" for at in (then, now))
            yield f"revision {says} of {pod}", holds
