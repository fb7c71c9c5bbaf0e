"""Rules about the platform: the API, operators, nodes, hosts, clocks, certificates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from etcdtui import text
from etcdtui.model.finding import Finding, Rule, Severity
from etcdtui.model.health import ClusterHealth, Level
from etcdtui.model.lock import QUIET, STALE, Lock
from etcdtui.model.platform import HostFacts, OperatorWord
from etcdtui.model.problems import Fault
from etcdtui.model.second_way import off_by
from etcdtui.model.silence import FULL
from etcdtui.model.view import FRESH_API, ClusterView, HostView

DISK_FREE_SHARE = 0.1
EXACTLY = 600.0  # seconds up to which an offset of a clock is told to the second
CLOCK_SECONDS = 1.0  # etcd warns of "high clock drift" from 1 s on
CERTIFICATE_DAYS = 30


def api(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    if not view.api_configured:
        return
    problem = view.api.problem
    if problem is not None:
        since = f" For {text.age(view.now - view.api.since)}." if view.api.since is not None else ""
        by_quorum = health.level is Level.NO_QUORUM
        yield Finding(
            "3-api",
            Severity.WARNING,
            "The Kubernetes API does not answer."
            if problem.fault in {Fault.REFUSED, Fault.SILENT, Fault.UNREACHABLE, Fault.DROPPED}
            else "The Kubernetes API cannot be used.",
            problem.message + since,
            "It needs etcd's quorum: repair etcd first."
            if by_quorum
            else problem.hint or "Everything over SSH goes on working without it.",
        )
        return
    facts = view.api.current(view.now, FRESH_API)
    if facts is None:
        return
    for operator in facts.operators:
        if operator.degraded or not operator.available:
            state = "degraded" if operator.degraded else "not available"
            yield Finding(
                f"4-operator-{operator.name}",
                Severity.WARNING,
                f"Operator {operator.name} is {state}.",
                text.clean(operator.message),
                subject=operator.name,
            )
        elif operator.progressing:
            yield Finding(
                f"5-rolling-{operator.name}",
                Severity.ADVICE,
                f"Operator {operator.name} is rolling out.",
                text.clean(operator.message),
                "A backup taken now may not fit together; cluster-backup.sh refuses. Wait until it settles.",
                operator.name,
            )
    if facts.guard_off:
        yield Finding(
            "4-guard",
            Severity.WARNING,
            "The guard of etcd's operator is off: it rolls out even where that takes the quorum away.",
            "unsupportedConfigOverrides says so.",
            "Expected only while a member is being replaced. Else put it on again: :debts, where a run of "
            "etcdtui left it so; oc edit etcd cluster where somebody else did.",
        )
    if facts.word and health.source == "etcd":
        yield from _second_way(view, health, facts.word)
    for missing in facts.missing:
        yield Finding(f"6-api-{missing}", Severity.ADVICE, text.clean(missing))


def api_unauthenticated(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    facts = view.api.value
    if facts is not None and not facts.authenticated:
        yield Finding(
            "3-api-unauthenticated",
            Severity.WARNING,
            "The Kubernetes API's answers are not authenticated: anybody on the way could give them.",
            "The kubeconfig says insecure-skip-tls-verify, or an address without https.",
            "Put certificate-authority-data of this cluster there instead; until then trust what SSH tells.",
        )


def _second_way(view: ClusterView, health: ClusterHealth, word: OperatorWord) -> Iterator[Finding]:
    """What the operator says, where it is not what etcd says of itself."""
    said = f"“{text.clean(word.message)}”"
    stale = f"It says so for {text.age(view.now - word.changed)}." if word.changed else ""
    itself = f"etcd itself: {health.quorum.healthy} of {health.quorum.voters} voters well. {stale}".strip()
    key, off = "4-operator-behind", off_by(word, health)
    if health.level is Level.UNKNOWN:
        hint = "A hint, no proof: it looks through the API alone, and without a quorum keeps its old words."
        yield Finding(key, Severity.ADVICE, f"The operator says {said}.", stale, hint)
    elif off > 0:
        yield Finding(
            key,
            Severity.ADVICE,
            f"The operator still says {said}.",
            itself,
            "Believe etcd; the operator looks less often, and without a quorum keeps its old words.",
        )
    elif off < 0:
        yield Finding(
            key,
            Severity.ADVICE,
            f"The operator says {said}, fewer than etcd itself.",
            itself,
            "Believe etcd; the operator looks less often. If it stays so for minutes, look at its log.",
        )


def nodes_disagree(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    facts = view.api.current(view.now, FRESH_API)
    if facts is None or not facts.nodes:
        return
    nodes = {node.name for node in facts.nodes}
    members = {row.member.name for row in health.members if row.member.name}
    if members and nodes and members != nodes:
        extra, lacking = sorted(members - nodes), sorted(nodes - members)
        told = []
        if extra:
            told.append(f"members without a node: {text.listed([text.clean(n) for n in extra])}")
        if lacking:
            told.append(
                f"control plane nodes without a member: {text.listed([text.clean(n) for n in lacking])}"
            )
        yield Finding(
            "4-nodes",
            Severity.WARNING,
            "The member list and the control plane nodes do not agree.",
            "; ".join(told) + ".",
            "Expected only while a member is being replaced"
            + (
                ", or a host is built anew: it joins once its requests for certificates are approved "
                "(:requests)."
                if lacking
                else "."
            ),
        )
    for node in facts.nodes:
        if not node.ready:
            yield Finding(
                f"3-node-{node.name}",
                Severity.WARNING,
                f"Node {text.clean(node.name)} is not Ready.",
                text.clean(node.reason),
                subject=node.name,
            )
    for pod in facts.pods:
        if pod.waiting:
            yield Finding(
                f"3-pod-{pod.name}",
                Severity.WARNING,
                f"Pod {text.clean(pod.name)}: {text.clean(pod.waiting)}, "
                f"{pod.ready}/{pod.containers} ready, {text.counted(pod.restarts, 'restart')}.",
                subject=pod.node,
            )


def hosts(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    for host in view.hosts:
        problem = host.link.problem
        if problem is not None:
            since = f" For {text.age(view.now - host.link.since)}." if host.link.since is not None else ""
            if _left(view, health, host):
                yield Finding(
                    f"5-left-{host.name}",
                    Severity.ADVICE,
                    f"{host.name} does not answer over SSH, and no member and no node of that name is there.",
                    problem.message + since,
                    "If it was replaced, nothing is wrong: take it out of the configuration.",
                    host.name,
                )
                continue
            yield Finding(
                f"3-host-{host.name}",
                Severity.CRITICAL
                if problem.fault in (Fault.HOST_KEY, Fault.OTHER_HOST)
                else Severity.WARNING,
                f"{host.name}: no way in over SSH ({problem.fault}).",
                problem.message + since,
                problem.hint or "What is said of this host is as old as its age.",
                host.name,
            )
            continue
        facts = host.facts.value
        if host.facts.problem is not None:
            yield Finding(
                f"4-look-{host.name}",
                Severity.WARNING,
                f"{host.name}: its files and disks could not be looked at.",
                host.facts.problem.message,
                host.facts.problem.hint,
                host.name,
            )
        if host.missing:
            yield Finding(
                f"5-missing-{host.name}",
                Severity.ADVICE,
                f"{host.name}: not all that is needed to ask etcd from there was found.",
                f"{'; '.join(text.clean(words) for words in host.missing)}.",
                "Nothing to do while another host can be used; a rebuilt master has it once etcd runs there.",
                host.name,
            )
        if facts is None:
            continue
        yield from _disks(host, facts)
        yield from _clock(host, facts)
        yield from _certificates(host, facts, view.now)


def _left(view: ClusterView, health: ClusterHealth, host: HostView) -> bool:
    """Is it a host that only the configuration still knows?"""
    facts = view.api.current(view.now, FRESH_API)
    if facts is None or not facts.nodes or not health.members:
        return False
    known = {node.name for node in facts.nodes}
    known |= {row.member.name for row in health.members}
    known |= {row.host.name for row in health.members if row.host is not None}
    return not {host.name, host.node} & known


def locks(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    """Who is at work: one finding for each lock, wherever it lies."""
    seen: dict[str, tuple[Lock, list[str]]] = {}
    for host in view.hosts:
        found = host.facts.value.lock if host.facts.value else None
        if found is None:
            continue
        if host.link.problem is not None:
            ago = text.age(host.facts.age(view.now))
            yield Finding(
                f"5-lock-{host.name}-{found.run}",
                Severity.ADVICE,
                f"A lock lay on {text.clean(host.name)} when it was last looked at, {ago} ago.",
                f"It said: {found.sentence}",
                "It may be over by now. It is told again when the host answers.",
                host.name,
            )
            continue
        found = found.later(host.facts.age(view.now) or 0.0)
        # The host that heard of it last tells how it is.
        known, names = seen.get(found.run, (found, []))
        seen[found.run] = (min(known, found, key=lambda lock: lock.silent), [*names, host.name])
    for run, (lock, names) in seen.items():
        left = lock.stale or bool(lock.over)
        yield Finding(
            f"{'3' if left else '5'}-lock-{run}",
            Severity.WARNING if left else Severity.ADVICE,
            lock.sentence,
            f"Its lock lies on {text.listed([text.clean(name) for name in names])}.",
            _about(lock),
        )


def _about(lock: Lock) -> str:
    """What to do about it."""
    if lock.over:
        return (
            "It is a run of yours. If it is not done, go on with it or abandon it (:resume); else your next "
            "procedure that changes the cluster takes the lock away."
        )
    if lock.stale:
        return (
            "It may have been interrupted with half of it done: ask. A procedure of yours is refused first, "
            "and can then break the lock with a reason."
        )
    if lock.silent > QUIET:
        return (
            f"It may have ended without a word: ask. After {text.age(STALE)} without a sign of life a "
            "procedure of yours can break the lock with a reason."
        )
    return "Procedures of others are refused until it has ended."


def _disks(host: HostView, facts: HostFacts) -> Iterator[Finding]:
    of_data = facts.data_disk.path if facts.data_disk else ""
    for disk in {d.path: d for d in (facts.backup_disk, facts.data_disk) if d}.values():
        if disk.path == of_data and disk.total and (disk.used_share >= FULL or disk.inodes_free == 0):
            inodes = ", and no inode left" if disk.inodes_free == 0 else ""
            yield Finding(
                f"2-disk-{host.name}-{disk.path}",
                Severity.CRITICAL,
                f"{host.name}: the disk of etcd's data is full, {text.size(disk.free)} free of "
                f"{text.size(disk.total)}{inodes}.",
                f"It is {disk.path}. etcd stops when it cannot write its log.",
                "Free space on it at once; do not delete anything of etcd's.",
                host.name,
            )
        elif disk.total and disk.free / disk.total < DISK_FREE_SHARE:
            yield Finding(
                f"3-disk-{host.name}-{disk.path}",
                Severity.WARNING,
                f"{host.name}: {disk.path} has {text.size(disk.free)} free of {text.size(disk.total)}.",
                "etcd stops when it cannot write its log." if disk.path == of_data else "Backups lie there.",
                "Make room before a backup or a defragmentation: both need space.",
                host.name,
            )


def _clock(host: HostView, facts: HostFacts) -> Iterator[Finding]:
    if facts.clock_offset is not None and abs(facts.clock_offset) > CLOCK_SECONDS:
        ahead = "ahead of" if facts.clock_offset > 0 else "behind"
        off = abs(facts.clock_offset)
        yield Finding(
            f"4-clock-{host.name}",
            Severity.WARNING,
            f"{host.name}: its clock is {f'{off:.0f} s' if off < EXACTLY else text.age(off)} {ahead} this "
            "machine's.",
            "Certificates and leases depend on the time.",
            "Compare chrony on the hosts, and this machine's own clock.",
            host.name,
        )


def _certificates(host: HostView, facts: HostFacts, now: float) -> Iterator[Finding]:
    for certificate in facts.certificates:
        left = certificate.not_after - now
        if left < CERTIFICATE_DAYS * 86400:
            name = certificate.path.rsplit("/", 1)[-1]
            ended = left < 0
            yield Finding(
                f"{'2' if ended else '4'}-certificate-{host.name}-{name}",
                Severity.CRITICAL if ended else Severity.WARNING,
                f"{host.name}: certificate {text.clean(name)} "
                + (f"ended {text.age(-left)} ago." if ended else f"ends in {text.age(left)}."),
                f"{datetime.fromtimestamp(certificate.not_after, UTC):%Y-%m-%d %H:%M} UTC.",
                "The etcd operator renews it by itself when it works: look at its conditions.",
                host.name,
            )


RULES: tuple[Rule, ...] = (
    api,
    api_unauthenticated,
    nodes_disagree,
    hosts,
    locks,
)
