"""Where a backup is taken: what forbids it anywhere, what forbids it on a host, and which host is best."""

from __future__ import annotations

from dataclasses import dataclass

from etcdtui.model.comeback import LAGGING
from etcdtui.model.health import Level, MemberHealth, MemberState, judge
from etcdtui.model.platform import OPERATORS, ApiFacts, DiskSpace, HostFacts
from etcdtui.model.problems import Fault
from etcdtui.model.view import FRESH_API, FRESH_HOST, ClusterView, HostView
from etcdtui.platforms.layout import Layout
from etcdtui.text import age, clean, listed, milliseconds, size

RESERVE = 100 * 1024 * 1024  # bytes that must stay besides twice the database
INODES = 16
CLOCK = 300.0  # seconds a host's clock may differ from ours


@dataclass(frozen=True, slots=True)
class Candidate:
    """A host on which a backup can be taken."""

    host: HostView
    health: MemberHealth
    disk: DiskSpace

    @property
    def rank(self) -> tuple[bool, bool, bool, float, int, str]:
        """The smallest is best: no leader, not slow, not lagging, quick, close behind."""
        median = _median(self)
        lag = self.health.lag or 0
        return (
            self.health.role == "leader",
            self.health.state is MemberState.SLOW,
            lag > LAGGING,
            round(median, 3) if median is not None else 1.0,
            lag,
            self.host.name,
        )


def needed(view: ClusterView) -> int:
    """Bytes that must be free: twice the largest database known, and a reserve."""
    sizes = [e.status.value.db_size for e in view.endpoints if e.status.value is not None]
    return 2 * max(sizes, default=0) + RESERVE


def obstacle(view: ClusterView) -> tuple[str, str] | None:
    """Why no backup may be taken anywhere now, and what to do; None when nothing speaks against it."""
    if view.read_only:
        return (
            f"{view.name} is opened read-only, and a backup writes files on a control plane host.",
            "Open it without --read-only (and without read_only in clusters.toml) to take one.",
        )
    health = judge(view)
    if health.level is Level.NO_QUORUM:
        return (
            f"{view.name} has no quorum: {health.sentence} cluster-backup.sh is for a cluster that works.",
            "Before anything else is tried, keep a copy of the folder /var/lib/etcd/member of every host.",
        )
    if health.level is Level.UNKNOWN:
        return (
            f"It is not known whether {view.name} is healthy: {health.sentence}",
            "Wait until its members are shown, then try again.",
        )
    rolling = _rolling(view)
    if rolling:
        names = listed(rolling)
        one = len(rolling) == 1
        return (
            f"The {'operator' if one else 'operators'} {names} {'is' if one else 'are'} rolling out a change "
            "(Progressing), and a backup taken meanwhile may not fit together.",
            "Wait until the rollout has ended; cluster-backup.sh itself would refuse as well.",
        )
    writing = _writing(view)
    if writing:
        return (
            f"A backup is being taken on {listed(writing)} right now; two at once only slow etcd down.",
            "Wait until it has ended.",
        )
    return None


def api_word(view: ClusterView) -> str:
    """What is to be said about the operators when nothing forbids the backup."""
    facts = view.api.current(view.now, FRESH_API)
    missing = _unknown(facts) if facts is not None else OPERATORS
    if facts is not None and not missing:
        return f"The operators {listed(OPERATORS)} are not rolling out anything."
    which = "" if facts is None else f" of {listed(missing)}"
    why = ""
    if facts is None:
        problem = view.api.problem
        why = f" ({problem.message})" if problem else "" if view.api_configured else " (no API is configured)"
    return (
        f"Whether a rollout{which} is under way could not be checked{why}. From OpenShift 4.6 on, "
        "cluster-backup.sh asks the API itself and refuses when it gets no answer."
    )


def unchecked_word(view: ClusterView, host: HostView) -> str:
    """What could not be looked at besides the operators; empty when all was. That forbids nothing."""
    facts, seen = view.api.current(view.now, FRESH_API), host.facts.current(view.now, FRESH_HOST)
    said = []
    if facts is None or facts.installed is None:
        said.append(f"Whether {view.name} is older than its first 24 hours could not be checked.")
    if seen is None or seen.clock_offset is None:
        said.append(f"Whether the clock of {host.name} is right could not be checked.")
    return " ".join(said)


def ill_word(view: ClusterView) -> str:
    """Which members are not well; empty when all are. That forbids no backup: then one is wanted most."""
    ill = [row.member.label for row in judge(view).members if not row.well]
    return f"Mind: {listed(ill)} {'is' if len(ill) == 1 else 'are'} not well." if ill else ""


def assess(view: ClusterView, host: HostView, layout: Layout, need: int) -> Candidate | str:
    """The host as a candidate, or why it is none."""
    if host.link.problem is not None:
        return f"{host.name} cannot be reached by SSH: {host.link.problem.message.rstrip('.')}"
    if host.link.at is None:
        return f"{host.name} has not answered over SSH yet"
    row = member_on(view, host)
    if row is None:
        return f"no member of etcd is known to run on {host.name}"
    if not row.well:
        said = f": {row.problem.message.rstrip('.')}" if row.problem else ""
        return f"the member on {host.name} is not well ({row.state.value}{said})"
    if not row.current:
        return f"what the member on {host.name} said is {age(row.age)} old"
    problem = host.facts.problem
    if problem is not None and problem.fault is Fault.LOGIN:
        return f"on {host.name} commands cannot be run as root: {problem.message.rstrip('.')}"
    facts = host.facts.current(view.now, FRESH_HOST)
    if facts is None:
        said = f": {problem.message.rstrip('.')}" if problem else ""
        return f"what lies on {host.name} is not known now{said}"
    offset = facts.clock_offset
    if offset is not None and abs(offset) > CLOCK:
        return (
            f"the clock of {host.name} is {age(abs(offset))} {'ahead' if offset > 0 else 'behind'}, and a "
            "backup is called after it"
        )
    if not facts.backup_script:
        return f"{layout.at(layout.backup_script)} is not on {host.name}"
    return _room(facts, host, row, layout, need)


def member_on(view: ClusterView, host: HostView) -> MemberHealth | None:
    """The member that runs on a host: OpenShift names it after its node."""
    hostname = host.facts.value.hostname if host.facts.value else ""
    names = {name for name in (host.node, host.name, hostname) if name}
    return next((row for row in judge(view).members if row.member.name in names), None)


def why_chosen(best: Candidate, others: list[Candidate], need: int, folder: str) -> list[str]:
    """One sentence for the choice, one for each good host that was not taken."""
    role = best.health.role or "member"
    healthy = "slow" if best.health.state is MemberState.SLOW else "healthy"
    free = f"{size(best.disk.free)} are free on {best.disk.path} for {folder}, {size(need)} are wanted"
    ranked = sorted(others, key=lambda c: c.rank)
    return [
        f"{best.host.name} is chosen: a {healthy} {role} that answers now; {free}.",
        *(f"{other.host.name} would do as well, but {_worse(other, best)}." for other in ranked),
    ]


def _worse(other: Candidate, best: Candidate) -> str:
    if other.health.role == "leader" and best.health.role != "leader":
        return "it is the leader, which has the most to do"
    if other.health.state is MemberState.SLOW and best.health.state is not MemberState.SLOW:
        return "it is slow"
    lag, least = other.health.lag or 0, best.health.lag or 0
    if lag > LAGGING >= least:
        return f"it is {lag} entries behind the leader"
    mine = _median(other)
    its = _median(best)
    if mine is not None and its is not None and round(mine, 3) > round(its, 3):
        return f"it answers more slowly ({milliseconds(mine)} ms, {best.host.name} {milliseconds(its)} ms)"
    return f"{best.host.name} is as good"


def _median(candidate: Candidate) -> float | None:
    endpoint = candidate.health.endpoint
    return endpoint.linearizable.percentile(0.5) if endpoint else None


def _room(facts: HostFacts, host: HostView, row: MemberHealth, layout: Layout, need: int) -> Candidate | str:
    folder, disk = layout.at(layout.backups), facts.backup_disk
    if disk is None:
        return f"how much disk is free for {folder} on {host.name} is not known"
    if disk.free < need:
        return (
            f"on {host.name} only {size(disk.free)} are free on {disk.path} for {folder}, {size(need)} are "
            f"wanted (twice the largest database and {size(RESERVE)})"
        )
    if disk.inodes_free is not None and disk.inodes_free < INODES:
        return f"on {host.name} the filesystem {disk.path} can hold no more files (no inodes are free)"
    return Candidate(host, row, disk)


def _writing(view: ClusterView) -> list[str]:
    """Hosts on which a backup is being taken, with the record of its job where there is one."""
    hosts = {host: host for host, _ in view.writing}
    for host in view.hosts:
        facts = host.facts.current(view.now, FRESH_HOST)
        jobs = [job for job in facts.running_jobs if job.startswith("backup-")] if facts is not None else []
        if jobs:
            hosts[host.name] = f"{host.name} (as the job {clean(jobs[0], 100)})"
    return [hosts[name] for name in sorted(hosts)]


def _rolling(view: ClusterView) -> list[str]:
    facts = view.api.current(view.now, FRESH_API)
    if facts is None:
        return []
    return [o.name for o in facts.operators if o.name in OPERATORS and o.progressing]


def _unknown(facts: ApiFacts) -> tuple[str, ...]:
    told = {o.name for o in facts.operators}
    return tuple(name for name in OPERATORS if name not in told)
