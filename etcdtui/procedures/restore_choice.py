"""Which backup is restored, and on which host: what forbids it, what has to be accepted, and the reasons."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from etcdtui.errors import Refusal
from etcdtui.model.health import Level, judge
from etcdtui.model.known_backups import foreign_to, last_proven
from etcdtui.model.places import Backup, PlacedSet, PlaceKind
from etcdtui.model.proof import whose
from etcdtui.model.raised import in_revisions
from etcdtui.model.survivors import Survivor, best, gap, label
from etcdtui.model.view import ClusterView, HostView
from etcdtui.platforms.restore_scripts import HostReport, RestoreScript, recognise, unfit
from etcdtui.procedures.restore_decided import ANSWERS, MAY_ANSWER, Ack, Chosen
from etcdtui.procedures.restore_look import Looked, node_of
from etcdtui.text import age, grouped, listed, size

WAL = 128 << 20  # bytes that a restored member writes besides its database
ANSWER = 20.0  # seconds for a host to say a word
CLOCK = 2.0  # seconds off, from which on certificates and leases are in doubt


def backup_of(view: ClusterView, stamp: str | None) -> Backup:
    """The one with that stamp, or the newest proven one of this cluster, else one that may be. Raises
    Refusal."""
    if stamp is None:
        newest = last_proven(view) or next((b for b in view.known_backups if _may_be_ours(view, b)), None)
        if newest is None:
            raise Refusal(
                f"There is no proven backup of {view.name} anywhere that is known.",
                "List them with etcdtui backups; prove one that lies on a host by bringing it off.",
            )
        return newest
    found = [b for b in view.known_backups if b.stamp == stamp]
    if not found:
        raise Refusal(
            f"No backup is called {stamp}.",
            "Take a time stamp as etcdtui backups shows it, 2026-11-23_020004.",
        )
    proven = [b for b in found if b.proven]
    if len(proven) > 1:
        where = listed([", ".join(b.places) for b in proven])
        raise Refusal(
            f"Several different backups are called {stamp}: {where}.",
            "Two hosts took one in the same second: remove the one that is not meant.",
        )
    return proven[0] if proven else found[0]


def _may_be_ours(view: ClusterView, backup: Backup) -> bool:
    """Proven, but nobody can tell whose it is: before a cluster that is dead there may be no other."""
    known = backup.proven and not backup.dirty and backup.age(view.now) is not None
    return known and foreign_to(view, backup) is None


def chosen(view: ClusterView, backup: Backup, recovery: str) -> Chosen:
    """What of it is taken, from the nearest place. Raises Refusal for what must not be restored."""
    name = label(backup, view.now)
    if not backup.complete:
        raise Refusal(f"The {name} is no whole backup: both files are needed.", "Take another one.")
    told = backup.manifest
    if not backup.proven or told is None or told.resources is None or not told.good:
        raise Refusal(
            f"The {name} was never proven: nobody knows whether its files hold what they should.",
            "Bring it off the host that has it; that proves it.",
        )
    if foreign_to(view, backup):
        raise Refusal(
            f"The {name} is of another cluster ({told.cluster}, members "
            f"{listed([m.label for m in told.members])}): restored here it would destroy this one.",
            "Take one of this cluster.",
        )
    copies = sorted(
        (c for c in backup.copies if c.proven and not c.encrypted and c.place.kind is not PlaceKind.STORE),
        key=lambda c: _distance(c, recovery),
    )
    if not copies:
        raise Refusal(
            f"The {name} is only in {listed(backup.places)}: a restore begins with files here or on a host.",
            f"Fetch it to this machine: b in its details on the screen, or etcdtui fetch {backup.stamp}.",
        )
    copy = copies[0]
    taken = told.taken.timestamp()
    return Chosen(
        stamp=backup.stamp,
        taken=taken,
        when=time.strftime("%Y-%m-%d %H:%M", time.localtime(taken)),
        revision=told.revision,
        live_keys=told.live_keys,
        version=told.z_stream,
        snapshot=told.snapshot,
        resources=told.resources,
        host=copy.place.name if copy.place.kind is PlaceKind.HOST else "",
        directory=copy.set.directory,
        origin=told.host.rpartition("@")[2] or told.member or copy.place.name,
    )


def _distance(copy: PlacedSet, recovery: str) -> int:
    """What is here is proven without fetching it; then what is on the recovery host."""
    if copy.place.kind is PlaceKind.HERE:
        return 0
    return 1 if copy.place.name == recovery else 2


def to_accept(
    view: ClusterView, backup: Backup, taken: Chosen, survivors: tuple[Survivor, ...]
) -> tuple[Ack, ...]:
    """What has to be typed before anything is done."""
    name = label(backup, view.now)
    said: list[Ack] = []
    health = judge(view)
    if health.level is not Level.NO_QUORUM:
        unknown = health.level is Level.UNKNOWN
        told = "Nobody can tell whether etcd has its quorum" if unknown else "etcd has its quorum"
        said.append(
            Ack(
                MAY_ANSWER if unknown else ANSWERS,
                "The cluster may answer" if unknown else "The cluster answers",
                f"{told}. {health.sentence} A restore is the last resort: it takes back "
                "everything that every workload wrote since, not only what is missed.",
                f"take {view.name} back",
            )
        )
    told_by = backup.manifest
    if told_by is not None and foreign_to(view, backup) is None:
        listing = view.members.value
        found = whose(told_by.members, listing.members if listing else ())
        said.append(
            Ack(
                "identity",
                "Whose the backup is",
                f"That the {name} is of {view.name} is not proven. {found.sentence} One of another cluster "
                "would destroy this one.",
                f"{backup.stamp} is of {view.name}",
            )
        )
    now = view.api.value.version if view.api.value else ""
    if not taken.version or not now or taken.version != now:
        was = (
            f"was taken on {taken.version}" if taken.version else "does not say on which release it was taken"
        )
        runs = f"{view.name} runs {now}" if now else f"which release {view.name} runs is not known now"
        said.append(
            Ack(
                "release",
                "The release of the backup",
                f"The {name} {was}, and {runs}. Only the same release, down to the last number, may be "
                "restored: static pods and objects of another one may not fit, and the cluster may not come "
                "up.",
                f"accept {taken.version or 'unknown'} on {now or 'unknown'}",
            )
        )
    if backup.dirty:
        said.append(
            Ack(
                "dirty",
                "The backup was forced",
                f"The {name} was taken by force, while an operator may have been rolling out: its static "
                "pods and its data may not belong together.",
                f"accept {backup.stamp}",
            )
        )
    living = best(s for s in survivors if s.running)
    if living is not None:
        beside = gap(backup, living, foreign=foreign_to(view, backup), now=view.now)
        if beside.behind and beside.revisions:
            said.append(
                Ack(
                    "newer",
                    "Living data is newer",
                    f"The {beside.sentence} {living.name} lives and has all of that.",
                    f"lose {beside.revisions} revisions",
                )
            )
    return tuple(said)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A host that a restore could be run on."""

    host: HostView
    report: HostReport
    script: RestoreScript
    survivor: Survivor | None


def sizes_of(backup: Backup) -> tuple[int, int]:
    """Bytes of snapshot and resources, as they were proven."""
    told = backup.manifest
    resources = told.resources if told else None
    return (told.snapshot.size if told else 0), (resources.size if resources else 0)


def near(backup: Backup) -> frozenset[str]:
    """Hosts on which a proven copy lies."""
    return frozenset(c.place.name for c in backup.copies if c.proven and c.place.kind is PlaceKind.HOST)


@dataclass(frozen=True, slots=True)
class Hosts:
    """Every host asked about: ``good`` can take a restore, the best one first; ``bad`` says why not by name,
    without a dot."""

    good: tuple[Candidate, ...]
    bad: Mapping[str, str]

    @property
    def newest(self) -> Survivor | None:
        """The newest data on any of those that can take it."""
        return best(c.survivor for c in self.good if c.survivor)


def candidates(looked: Looked, backup: Backup, hosts: Iterable[HostView]) -> Hosts:
    """Which of these hosts can take ``backup``."""
    good: list[Candidate] = []
    bad: dict[str, str] = {}
    for host in hosts:
        found = assess(looked, host, sizes_of(backup))
        if isinstance(found, Candidate):
            good.append(found)
        else:
            bad[host.name] = found
    newest, there = Hosts(tuple(good), bad).newest, near(backup)

    def rank(candidate: Candidate) -> tuple[int, int, int, str]:
        survivor = candidate.survivor
        return (
            0 if survivor is not None and survivor.running else 1,
            0 if newest is not None and survivor is newest else 1,
            0 if candidate.host.name in there else 1,
            candidate.host.name,
        )

    return Hosts(tuple(sorted(good, key=rank)), bad)


def recovery_host(looked: Looked, backup: Backup, wanted: str | None) -> tuple[Candidate, tuple[str, ...]]:
    """The host, and why that one. Raises Refusal."""
    view = looked.view
    hosts = [h for h in view.hosts if wanted is None or wanted in (h.name, h.node)]
    if not hosts:
        known = listed([h.name for h in view.hosts]) or "none"
        raise Refusal(f"{wanted} is no host of {view.name}: known are {known}.", "Name one of them.")
    found = candidates(looked, backup, hosts)
    said = [f"{name}: {words}" for name, words in found.bad.items()]
    if not found.good:
        raise Refusal(
            f"No restore can be run now. {'; '.join(said)}.", "Mend one of these first, then plan again."
        )
    first = found.good[0]
    able, *reasons = why(view, first, found.newest, near(backup))
    able = f"The restore runs on {first.host.name}: {able[0].lower()}{able[1:]}"
    return first, (able, *reasons, *(f"Not possible on {line}." for line in said))


def assess(looked: Looked, host: HostView, sizes: tuple[int, int]) -> Candidate | str:
    """A host on which a restore can be run, or why not: a sentence without a dot."""
    report = looked.reports.get(host.name, "it was not asked")
    if isinstance(report, str):
        return f"it cannot be looked at: {report.rstrip('.')}"
    try:
        script = fit(looked.view, host, report, sizes)
    except Refusal as exc:
        return exc.message.rstrip(".")
    survivor = next((s for s in looked.survivors if s.host == host.name), None)
    return Candidate(host, report, script, survivor)


def fit(view: ClusterView, host: HostView, report: HostReport, sizes: tuple[int, int]) -> RestoreScript:
    """The script of a host that can take a restore. Raises Refusal."""
    script = recognise(host.name, report.script, report.tools)
    said = [*unfit(report, node_of(view, host)), *_space(report, sizes)]
    offset = host.facts.value.clock_offset if host.facts.value else None
    if offset is not None and abs(offset) > CLOCK:
        said.append(f"its clock is {abs(offset):.0f} s {'ahead' if offset > 0 else 'behind'}")
    if said:
        raise Refusal(f"{listed(said)}.")
    return script


def needs(report: HostReport, sizes: tuple[int, int]) -> Mapping[str, int]:
    """Bytes by what lies there: data (the restored member), parent (the copy of the present data, the
    snapshot that the script puts there, and what comes there from another disk), folder (the pair)."""
    snapshot, resources = sizes
    data = report.data_size or 0

    def comes(what: str, bytes_: int) -> int:
        """Moved within one disk it takes no room."""
        on, to = (report.disks.get(one, (0, ""))[1] for one in (what, "parent"))
        return bytes_ if on != to else 0

    # The script moves the data away, too, where it restores a snapshot.
    moved = comes("data", report.others_size + (data if snapshot else 0))
    kept = comes("kept", report.kept_size) if report.kept_size else 0
    return {
        "data": snapshot + WAL,
        "parent": data + snapshot + moved + kept,
        "folder": snapshot + resources,
    }


def _space(report: HostReport, sizes: tuple[int, int]) -> list[str]:
    wanted: dict[str, int] = defaultdict(int)
    free: dict[str, int] = {}
    for what, bytes_ in needs(report, sizes).items():
        if what not in report.disks:
            return ["how much room its disks have is not known"]
        left, device = report.disks[what]
        wanted[device] += bytes_
        free[device] = left
    return [
        f"{size(free[device])} are free on its {device or 'disk'}, {size(wanted[device])} are needed"
        for device in wanted
        if free[device] < wanted[device]
    ]


def why(
    view: ClusterView, first: Candidate, newest: Survivor | None, near: frozenset[str]
) -> tuple[str, ...]:
    """What speaks for a host; that it can take the restore comes first."""
    name, survivor = first.host.name, first.survivor
    said = [
        f"It answers by SSH, its cluster-restore.sh is that of OpenShift {first.script.does.way}, its "
        f"certificates are those of {node_of(view, first.host)} and hold, its disks have the room."
    ]
    if survivor is not None and survivor.running:
        said.append("Its member lives, so that its etcd is known to run on that host.")
    if survivor is not None and survivor is newest and survivor.position is not None:
        said.append(
            f"Its own data is the newest (revision {grouped(survivor.position.revision)}), and is kept there."
        )
    if name in near:
        said.append("The backup lies there already.")
    offset = first.host.facts.value.clock_offset if first.host.facts.value else None
    if offset is not None:
        said.append(f"Its clock differs from ours by {abs(offset):.1f} s.")
    if not first.script.does.checks_snapshot:
        said.append("Its script does not check the snapshot; the proof before it is the only check there is.")
    return tuple(said)


def what_is_lost(backup: Backup, looked: Looked, now: float) -> tuple[str, int]:
    """A sentence with the numbers that are known, and the highest revision that anybody had. What the newest
    data has is counted as wherever else it is told; what was seen beyond that, and nobody has, apart."""
    view = looked.view
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(backup.taken or 0.0))
    since = "what came later"
    if backup.taken:
        since = f"everything written since {when}, {age(now - backup.taken)} before this plan"
    newest = best(looked.survivors)
    statuses = [e.status.value.revision for e in view.endpoints if e.status.value]
    has = newest.position.revision if newest and newest.position else 0
    seen = max([*statuses, has])
    if backup.revision is None or seen <= backup.revision:
        return f"Lost is {since}.", seen
    if newest is None or not backup.revision < has < seen:
        return f"Lost is {since}: {in_revisions(seen - backup.revision)}.", seen
    told = f"{in_revisions(has - backup.revision)} that {newest.name} has"
    return f"Lost is {since}: {told}, and {grouped(seen - has)} more that were seen before.", seen
