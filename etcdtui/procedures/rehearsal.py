"""A rehearsal: a backup restored into a throw-away etcd on this machine, and compared with its proof.

No cluster is touched. What came of it is kept in the manifest beside the snapshot, as the check ``restored``.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from etcdtui.children.binaries import VARIABLE, Binaries
from etcdtui.errors import Cancelled, EtcdTuiError
from etcdtui.etcd.contents import Contents
from etcdtui.etcd.samples import Sample, sample_of, sampled
from etcdtui.etcd.snapshot import prove
from etcdtui.landing import faults
from etcdtui.model.manifest import SUFFIX, File, Manifest
from etcdtui.model.proof import Check, Outcome, Proof, SnapshotFacts, counted_grouped
from etcdtui.procedures import manifests
from etcdtui.reach.throwaway import Died, Found, Throwaway
from etcdtui.text import clean, counted, grouped, listed

SAMPLES = 64  # keys that are compared by their values, besides the first, the last and the newest
MOST = 5  # of what differs, named
Tell = Callable[[str, int, int], None]  # what it is at; done and all of it, 0 where that is not known


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of it. ``outcome``: OK restored as proven, FAILED not, NOT_APPLICABLE it could not be tried.

    ``etcd`` is the version that restored it, ``seconds`` how long all of it took, ``at`` epoch seconds.
    ``cluster`` is its name in the manifest; empty where there is none.
    """

    snapshot: Path
    outcome: Outcome
    sentence: str
    hint: str = ""
    etcd: str = ""
    at: float = 0.0
    seconds: float = 0.0
    proof: Proof | None = None
    checks: tuple[Check, ...] = ()
    kept: str = ""  # where this is remembered, or why not
    cluster: str = ""

    @property
    def check(self) -> Check:
        """As a manifest keeps it."""
        moment = manifests.moment(self.at).isoformat(timespec="seconds")
        details = (f"rehearsed {moment}", *([f"etcd {self.etcd}"] if self.etcd else []))
        return Check(manifests.RESTORED, self.outcome, self.sentence, details)


def rehearse(
    snapshot: Path, find: Callable[[], Binaries], tell: Tell, cancelled: Callable[[], bool]
) -> Rehearsed:
    """Prove the file, restore it with the etcd that ``find`` gives, compare, throw away, remember.

    Raises Cancelled; everything else is told in the outcome.
    """
    now, began = time.time(), time.monotonic()
    try:
        done = _tried(snapshot, find, tell, cancelled)
    except Cancelled:
        raise
    except EtcdTuiError as error:
        done = _untried(snapshot, error)
    return _remembered(replace(done, at=now, seconds=time.monotonic() - began, cluster=_cluster(snapshot)))


def _tried(
    snapshot: Path, find: Callable[[], Binaries], tell: Tell, cancelled: Callable[[], bool]
) -> Rehearsed:
    proof = prove(
        snapshot,
        progress=lambda done, total: tell(f"proving {snapshot.name}", done, total),
        cancelled=cancelled,
        etcd_hash=True,
    )
    if not proof.good or proof.facts is None:
        return Rehearsed(snapshot, Outcome.FAILED, f"It was not restored: {proof.verdict}", proof=proof)
    other = _other(snapshot, proof)
    if other:
        return Rehearsed(snapshot, Outcome.FAILED, other, proof=proof)
    binaries = find()
    done = Rehearsed(snapshot, Outcome.OK, "", etcd=binaries.version, proof=proof)
    older = _older(binaries.version, proof.facts)
    if older:
        return replace(done, outcome=Outcome.NOT_APPLICABLE, sentence=older[0], hint=older[1])
    samples = sampled(snapshot, SAMPLES, seed=secrets.randbits(32), cancelled=cancelled)
    try:
        checks = tuple(_restored(snapshot, proof.facts, samples, binaries, tell, cancelled))
    except Died as died:
        outcome = Outcome.NOT_APPLICABLE if died.ours else Outcome.FAILED
        said = f"It could not be restored with etcd {binaries.version}: {died.message}"
        return replace(done, outcome=outcome, sentence=said, hint=died.hint)
    wrong = next((check for check in checks if not check.ok), None)
    if wrong is not None:
        said = f"Restored with etcd {binaries.version} it is NOT what was proven: {wrong.sentence}"
        return replace(done, outcome=Outcome.FAILED, sentence=said, checks=checks)
    facts = proof.facts
    said = (
        f"Restored with etcd {binaries.version} it is what was proven: revision "
        f"{grouped(max(1, facts.last_revision))}, {counted_grouped(facts.live_keys, 'live key')}, "
        f"{counted(len(samples), 'object')} compared by value."
    )
    return replace(done, sentence=said, checks=checks)


def _restored(
    snapshot: Path,
    facts: SnapshotFacts,
    samples: tuple[Sample, ...],
    binaries: Binaries,
    tell: Tell,
    cancelled: Callable[[], bool],
) -> Iterator[Check]:
    with Throwaway(binaries, cancelled) as etcd:
        tell("asking etcd's own program about the file", 0, 0)
        yield _status(etcd, snapshot, facts, binaries)
        tell("restoring it", 0, 0)
        etcd.restore(snapshot)
        tell(f"starting etcd {binaries.version}", 0, 0)
        etcd.start()
        tell("comparing", 0, len(samples))
        yield _revision(etcd.revision(), facts)
        if facts.auth:  # it answers nobody without a password: what it wrote is read instead
            etcd.stop()
            yield from _on_disk(etcd.database, facts, samples, cancelled)
            return
        at = facts.last_revision
        yield _count(etcd.count(at), facts)
        wrong = []
        for number, sample in enumerate(samples, 1):
            if cancelled():
                raise Cancelled("The rehearsal was stopped; nothing is left of it.")
            wrong += _differs(sample, _as_sample(sample.key, etcd.key(sample.key, at)))
            tell("comparing", number, len(samples))
        yield _objects(wrong, len(samples))


def _status(etcd: Throwaway, snapshot: Path, facts: SnapshotFacts, binaries: Binaries) -> Check:
    """etcd's own hash over the file, where both of us make the same one."""
    told = etcd.status_of(snapshot)
    ours = (facts.revision, facts.etcd_hash)
    theirs = (told.get("revision"), told.get("hash"))
    # The mark of a raised revision is a key to who counts what is stored, and to no request.
    counts = (facts.entries, facts.live_keys, facts.live_keys + facts.raised)
    same = ours == theirs and told.get("totalKey") in counts
    if same:
        said = f"etcd {binaries.version} makes the same hash of the file, {facts.etcd_hash:x}."
        return Check("etcd's hash", Outcome.OK, said)
    said = f"etcd {binaries.version} reads revision and hash {clean(str(theirs), 60)}, we {ours}."
    return Check("etcd's hash", Outcome.FAILED, said)


def _revision(found: int, facts: SnapshotFacts) -> Check:
    wanted = max(1, facts.last_revision)
    # A lease that runs out at once takes its keys with it, which is one more revision.
    same = found == wanted or (facts.leases > 0 and found > wanted)
    said = f"It is at revision {grouped(found)}"
    said += "." if same else f", and {grouped(wanted)} was proven."
    return Check("revision", Outcome.OK if same else Outcome.FAILED, said)


def _count(found: int, facts: SnapshotFacts) -> Check:
    same = found == facts.live_keys
    said = f"{counted_grouped(found, 'key')} live in it"
    said += "." if same else f", and {grouped(facts.live_keys)} were proven."
    return Check("keys", Outcome.OK if same else Outcome.FAILED, said)


def _objects(wrong: list[str], count: int) -> Check:
    if wrong:
        said = f"{len(wrong)} of {counted(count, 'object')} differ: {listed(wrong[:MOST])}."
        return Check("objects", Outcome.FAILED, said)
    return Check("objects", Outcome.OK, f"{counted(count, 'object')} from everywhere, all the same.")


def _on_disk(
    database: Path, facts: SnapshotFacts, samples: tuple[Sample, ...], cancelled: Callable[[], bool]
) -> Iterator[Check]:
    with Contents(database, cancelled=cancelled) as contents:
        found = {entry.key: entry.revision for entry in contents.live()}
        yield _count(len(found), facts)
        there = [found[sample.key] for sample in samples if sample.key in found]
        now = {sample.key: sample for sample in map(sample_of, contents.values(there))}
    wrong = [key for sample in samples for key in _differs(sample, now.get(sample.key))]
    yield _objects(wrong, len(samples))


def _as_sample(key: bytes, found: Found | None) -> Sample | None:
    if found is None:
        return None
    digest = hashlib.sha256(found.value).hexdigest()
    return Sample(key, found.created, found.modified, found.version, found.lease, digest)


def _differs(proven: Sample, found: Sample | None) -> list[str]:
    return [] if found == proven else [clean(proven.text, 100)]


def _other(snapshot: Path, proof: Proof) -> str:
    """Why it is not the file that its manifest tells of; empty when it is, or there is none."""
    told = _told(snapshot)
    named: File | None = told[1].snapshot if told else None
    if named is None or named.sha256 == proof.sha256:
        return ""
    return f"{proof.name} was not restored: it is not the file that was proven then, its SHA-256 is another."


def _older(version: str, facts: SnapshotFacts) -> tuple[str, str] | None:
    """Why this etcd is not tried: an older one does not read what a newer one wrote."""
    needed = max(_minor(facts.cluster_version), _minor(facts.storage_version))
    if _minor(version) >= needed:
        return None
    wanted = f"{needed[0]}.{needed[1]}"
    return (
        f"The etcd here is {version}, and the backup was written by etcd {wanted}: an older one cannot "
        "restore it.",
        f"Put etcd {wanted} into a folder and name that in {VARIABLE}.",
    )


def _minor(version: str) -> tuple[int, int]:
    parts = version.split(".")
    if len(parts) >= 2 and parts[0].isdigit() and parts[1].isdigit():
        return int(parts[0]), int(parts[1])
    return 0, 0


def _untried(snapshot: Path, error: EtcdTuiError) -> Rehearsed:
    return Rehearsed(snapshot, Outcome.NOT_APPLICABLE, f"It could not be tried: {error.message}", error.hint)


def _told(snapshot: Path) -> tuple[Path, Manifest] | None:
    """The manifest beside the snapshot, when there is one that can be believed."""
    path = _manifest_of(snapshot)
    if not snapshot.name.endswith(".db") or not path.exists():
        return None
    with faults(f"{path} cannot be read"):
        raw = path.read_bytes()
    try:
        told = manifests.parsed(raw, str(path))
    except EtcdTuiError:
        return None
    return (path, told) if told.snapshot.name == snapshot.name else None


def _manifest_of(snapshot: Path) -> Path:
    return snapshot.with_name(snapshot.name.removesuffix(".db") + SUFFIX)


def _cluster(snapshot: Path) -> str:
    with suppress(EtcdTuiError):
        told = _told(snapshot)
        return told[1].cluster if told else ""
    return ""


def _remembered(done: Rehearsed) -> Rehearsed:
    """The result in the manifest; that it cannot be written there changes nothing about it."""
    if done.outcome is Outcome.NOT_APPLICABLE:
        return done
    try:
        with manifests.alone_with(_manifest_of(done.snapshot)):
            told = _told(done.snapshot)
            if told is None:
                return done
            path, manifest = told
            checks = [check for check in manifest.checks if check.name != manifests.RESTORED]
            manifests.replace_with(path, replace(manifest, checks=(*checks, done.check)))
    except EtcdTuiError as fault:
        return replace(done, kept=f"That could not be written into its manifest: {fault.message}")
    return replace(done, kept=f"That is written into {path.name}.")
