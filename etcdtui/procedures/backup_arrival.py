"""A backup comes here and is proven: both files with their digests, then every byte of them.

What is known of it on its host is kept beside the files (``Arrival``), so that nothing after the arrival
needs that host: it may be the one that dies next.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC
from pathlib import Path

from etcdtui.errors import EtcdTuiError, Refusal
from etcdtui.etcd.resources import prove_resources
from etcdtui.etcd.snapshot import prove
from etcdtui.landing import Moved, alone_in, faults, replace_small
from etcdtui.model.backups import BackupSet, FoundFile, join
from etcdtui.model.file_names import manifest_name
from etcdtui.model.manifest import Copy, Manifest
from etcdtui.model.places import HERE
from etcdtui.model.proof import IDENTITY, Check, Outcome, Proof, ResourcesProof, behind, same_cluster
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import ClusterView
from etcdtui.procedures import backup_proof, manifests
from etcdtui.procedures.backup_decided import Decided, Homes
from etcdtui.procedures.procedure import Context, Reporter, Work
from etcdtui.reach.transfer import Source, fetch
from etcdtui.text import size

NAME = ".arrival.json"
SIGN = {Outcome.OK: "✓", Outcome.FAILED: "✗", Outcome.NOT_APPLICABLE: "·"}
# Hours by which the clocks of the world are ahead of UTC.
ZONES = (*range(-12, 15), -9.5, -3.5, -2.5, 3.5, 4.5, 5.5, 5.75, 6.5, 8.75, 9.5, 10.5, 12.75, 13.75)
RUN = 300.0  # seconds from the stamp, which is made first, until the snapshot is written
ASTRAY = 10.0  # seconds by which the time of a file may seem to be before its stamp
HomesOf = Callable[[Context], Homes]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A backup as it lay on its host when it was fetched. ``taken`` in epoch seconds by our clock.

    ``digests`` (name -> SHA-256 in hex) were made by the host. ``just_taken``: by the run that fetched it.
    """

    host: str
    directory: str
    stamp: str
    taken: float
    digests: dict[str, str]
    just_taken: bool

    def keep(self, folder: Path) -> None:
        """Raises LocalFault."""
        replace_small(folder / NAME, json.dumps(asdict(self)).encode())

    @classmethod
    def of(cls, folder: Path) -> Arrival | None:
        """None when nothing arrived in ``folder`` by us. Raises LocalFault."""
        path = folder / NAME
        if not path.exists():
            return None
        with faults(f"{path} cannot be read"):
            raw = path.read_bytes()
        try:
            return cls(**json.loads(raw))
        except (ValueError, TypeError):
            return None

    def files(self, folder: Path) -> BackupSet:
        """The two files as they are in ``folder`` now. Raises Refusal, LocalFault."""
        with faults(f"{folder} cannot be read"):
            found = [
                FoundFile(self.host, self.directory, name, (folder / name).stat().st_size, self.taken)
                for name in self.digests
            ]
        sets = join(found)
        if len(sets) != 1 or not sets[0].complete:
            raise Refusal(f"What lies in {folder} is no whole backup.", "Bring it off the cluster again.")
        return sets[0]


def homes_of(decided: Decided) -> HomesOf:
    """Where the backup of this run is kept; its host is asked only while nothing has arrived."""

    def found(world: Context) -> Homes:
        stamps = (decided.stamp,) if decided.stamp else backup_proof.stamps_in(world.said("take"))
        for stamp in stamps:
            homes = Homes.of(world.keeping, stamp, decided.host)
            if Arrival.of(homes.folder) is not None:
                return homes
        return Homes.of(world.keeping, decided.made(world).stamp, decided.host)

    return found


def bring_off(decided: Decided) -> Work:
    """Both files to this machine, hashed while they come, and compared with what they or their host tell."""

    def work(world: Context, report: Reporter) -> Verdict:
        made, runner, sudo = decided.made(world), world.runner(decided.host), decided.layout.sudo
        homes = Homes.of(world.keeping, made.stamp, decided.host)
        paths = {file.name: f"{made.directory}/{file.name}" for file in made.files}
        fetched = fetch(
            runner,
            [Source(paths[file.name], file.size) for file in made.files],
            homes.folder,
            sudo=sudo,
            progress=report.moved,
            cancelled=report.cancelled,
        )
        for file in fetched:
            report.say(f"{file.path.name}  {size(file.size)}  sha256 {file.sha256}")
        digests = {file.path.name: file.sha256 for file in fetched}
        taken = _taken(world.view(), made, just_taken=not decided.stamp)
        Arrival(made.host, made.directory, made.stamp, taken, digests, not decided.stamp).keep(homes.folder)
        total = size(sum(file.size for file in fetched))
        same = "and no byte of them was changed on the way"
        return Verdict(True, f"Both files ({total}) are in {homes.folder}, {same}.")

    return work


def prove_here(homes_of: HomesOf) -> Work:
    """Every byte of both files looked at; the manifest beside them says what was found."""

    def work(world: Context, report: Reporter) -> Verdict:
        folder = homes_of(world).folder
        arrival = Arrival.of(folder)
        if arrival is None:
            raise Refusal(f"Nothing was brought to {folder} by etcdtui.", "Bring it off the cluster again.")
        with alone_in(folder):
            return _prove(world, report, folder, arrival)

    return work


def _prove(world: Context, report: Reporter, folder: Path, arrival: Arrival) -> Verdict:
    made = arrival.files(folder)
    proof, resources = prove_files(made, folder, report)
    view = world.view()
    checks = [
        *named_checks(proof, resources),
        _arrived(arrival, proof, resources),
        identity := _identity(view, proof),
    ]
    for check in checks:
        report.say(f"{SIGN[check.outcome]} {check.name}: {check.sentence}")
    # What is refuted now may have been proven here before.
    for bad in (proof, resources):
        if not bad.good:
            aside = manifests.refute(folder / manifest_name(made))
            return Verdict(False, f"{bad.verdict} Do not rely on it, take another one. {aside}".rstrip())
    short = next((check for check in checks if not check.ok and not check.whose_unknown), None)
    if short is not None:
        aside = manifests.refute(folder / manifest_name(made)) if short is not identity else ""
        return Verdict(False, f"{proof.name} is NOT good: {short.sentence} {aside}".rstrip())
    now = world.now()
    copies = (
        Copy(arrival.host, arrival.directory, manifests.moment(now), "sha256 made there"),
        Copy(HERE.label, str(folder), manifests.moment(now), "sha256 made here"),
    )
    manifest = manifests.manifest_of(
        view,
        made,
        proof,
        resources,
        checks,
        taken=arrival.taken,
        proven=now,
        copies=copies,
        just_taken=arrival.just_taken,
    )
    with manifests.alone_with(folder / manifest_name(made)):
        manifest = _with_earlier(manifest, view, folder)
        manifests.keep(folder, made, manifest)
    if not manifest.good:
        return Verdict(False, f"{proof.name} is whole, but {manifests.NOT_RESTORED}")
    said = [proof.verdict, resources.verdict, _behind(view, proof)]
    if identity.whose_unknown:
        said.append(f"Mind: {identity.sentence} Whoever restores it has to accept that by typing it.")
    return Verdict(True, " ".join(word for word in said if word))


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


def _with_earlier(manifest: Manifest, view: ClusterView, folder: Path) -> Manifest:
    """What earlier manifests of the same files knew is kept: versions, when it was taken, other copies, and
    from the one here what a rehearsal found."""
    known: list[Manifest] = []
    with suppress(EtcdTuiError):  # none is here yet, or one that cannot be believed
        known.append(manifests.kept(folder)[1])
        manifest = manifests.remembering(manifest, known[0])
    known += (copy.manifest for b in view.known_backups for copy in b.copies if copy.manifest is not None)
    for earlier in known:
        if earlier.snapshot.sha256 != manifest.snapshot.sha256:
            continue
        places = {copy.place for copy in manifest.copies}
        manifest = replace(
            manifest,
            taken=min(manifest.taken, earlier.taken),
            openshift_version=manifest.openshift_version or earlier.openshift_version,
            etcd_version=manifest.etcd_version or earlier.etcd_version,
            copies=(*manifest.copies, *(copy for copy in earlier.copies if copy.place not in places)),
        )
    return manifest


def named_checks(proof: Proof, resources: ResourcesProof) -> list[Check]:
    """Both files' checks, those of the second with its name in front."""
    return [*proof.checks, *(replace(check, name=f"resources {check.name}") for check in resources.checks)]


def _arrived(arrival: Arrival, proof: Proof, resources: ResourcesProof) -> Check:
    """Are these still the files that came?"""
    made = {proof.name: proof.sha256, resources.name: resources.sha256}
    if made == arrival.digests:
        return Check(
            "arrival", Outcome.OK, f"Both SHA-256 are those of the files that came from {arrival.host}."
        )
    said = f"A file is not the one that was fetched from {arrival.host}: its SHA-256 is another."
    return Check("arrival", Outcome.FAILED, said)


def _identity(view: ClusterView, proof: Proof) -> Check:
    found = same_cluster(proof, view.members.value.members if view.members.value else ())
    if found.same is None:
        return Check(IDENTITY, Outcome.NOT_APPLICABLE, found.sentence)
    return Check(IDENTITY, Outcome.OK if found.same else Outcome.FAILED, found.sentence)


def _behind(view: ClusterView, proof: Proof) -> str:
    live = [e.status.value.revision for e in view.endpoints if e.status.value is not None]
    return behind(proof, max(live)) if live else ""


def _taken(view: ClusterView, made: BackupSet, *, just_taken: bool) -> float:
    """When the snapshot was written, by our clock. A file that was copied since has a time of its own: the
    stamp, in the host's local time, tells, where no time zone explains what lies between the two."""
    host = next((h for h in view.hosts if h.name == made.host), None)
    offset = host.facts.value.clock_offset if host and host.facts.value else None
    written = (made.snapshot.modified if made.snapshot else made.finished) - (offset or 0.0)
    stamp = made.taken
    if just_taken or stamp is None:
        return written
    named = stamp.replace(tzinfo=UTC).timestamp()
    fits = any(-ASTRAY <= written - (named - hours * 3600) <= RUN for hours in ZONES)
    return written if fits else min(written, named)
