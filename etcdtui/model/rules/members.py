"""Rules about the quorum and each member: unreachable, alarms, learners, versions, identity."""

from __future__ import annotations

from collections.abc import Iterator

from etcdtui import text
from etcdtui.model.finding import Finding, Rule, Severity
from etcdtui.model.health import ClusterHealth, Level, MemberHealth, MemberState
from etcdtui.model.problems import Fault
from etcdtui.model.versions import landmines
from etcdtui.model.view import ClusterView


def quorum(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    if health.level is Level.NO_QUORUM:
        seen = f" Seen from {view.speaking}." if view.speaking else ""
        yield Finding(
            "0-quorum",
            Severity.CRITICAL,
            "No quorum: the cluster takes no writes, and the Kubernetes API will fail.",
            health.sentence + seen,
            "Bring one stopped member back first: that loses nothing. Restore only when none can come back.",
        )
    elif health.level is Level.UNKNOWN:
        yield Finding(
            "0-unknown",
            Severity.CRITICAL,
            "Cannot tell how etcd is.",
            health.sentence,
            "Mend a way to look first: the other findings say what each host, and the API, answered.",
        )
    elif health.nodes:
        have = text.counted(health.quorum.voters, "voter")
        lose = health.quorum.tolerance
        till = "Ask before any reboot: m." if lose else "Until then reboot nothing."
        yield Finding(
            "1-voters",
            Severity.WARNING,
            f"{have} for {health.nodes} control plane nodes: "
            + (f"can lose {lose} more." if lose else "one failure ends the quorum."),
            health.sentence,
            f"{_lacking(view, health)} {till}",
        )
    elif _at_the_edge(health):
        yield Finding(
            "1-tolerance",
            Severity.WARNING,
            "One more failure ends the quorum: can lose 0 more.",
            health.sentence,
            "Reboot nothing; repair or replace the failed member first.",
        )


def _lacking(view: ClusterView, health: ClusterHealth) -> str:
    """What makes the voters as many as the nodes."""
    learners = [row.member.label for row in health.members if row.member.learner]
    if learners:
        return f"{text.listed(learners)} will vote when it has caught up."
    facts = view.api.value
    nodes = {node.name for node in facts.nodes} if facts is not None else set()
    bare = sorted(nodes - {row.member.name for row in health.members})
    whom = text.listed([text.clean(name) for name in bare]) if bare else "the others"
    adds = (
        "by etcd's operator" if facts is not None and facts.etcd_operator else "by whoever adds members here"
    )
    return (
        f"Bring {whom} in: a host that runs is added {adds}, one that is gone is built anew with empty disks "
        "(:requests lets it in). Where another host has taken its place, delete its node."
    )


def _at_the_edge(health: ClusterHealth) -> bool:
    """No more failure can be borne; not while a member merely was not asked yet."""
    if health.level is not Level.DEGRADED or health.quorum.tolerance or health.quorum.voters < 2:
        return False
    return not any(row.state is MemberState.UNKNOWN for row in health.members if not row.member.learner)


def unreachable_members(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    for row in health.members:
        if row.well or row.state in {MemberState.LEARNER, MemberState.ALARM}:
            continue
        if row.state is MemberState.UNKNOWN and (not row.problem or row.problem.fault is Fault.NOT_ASKED):
            continue  # the findings about the hosts say why
        since = f" For {text.age(view.now - row.since)}." if row.since is not None else ""
        sentence, next_step = _member_sentence(row)
        said = row.problem.message if row.problem else ""
        yield Finding(
            f"2-member-{row.member.hex_id}",
            Severity.CRITICAL if row.state is not MemberState.UNSTARTED else Severity.WARNING,
            sentence,
            (said + since).strip(),
            (row.problem.hint if row.problem and row.problem.hint else next_step),
            row.member.label,
        )


def _member_sentence(row: MemberHealth) -> tuple[str, str]:
    name = row.member.label
    match row.state:
        case MemberState.DOWN:
            if row.problem and row.problem.fault is Fault.UNREACHABLE:
                return f"{name}: no way to its address.", "Is the machine on, and on the network?"
            if row.problem and row.problem.fault is Fault.DROPPED:
                return (
                    f"{name}: takes connections and ends them: its etcd starts, stops or fails.",
                    f"Look at the log of the etcd container on {name}.",
                )
            return (
                f"{name}: nothing listens on its client port; its etcd is not running.",
                f"Look at the container on {name}: crictl ps -a, then its log.",
            )
        case MemberState.SILENT:
            return (
                f"{name}: its etcd gives no answer.",
                "A frozen or starved process, a hanging disk, a network that drops packets, or a machine "
                f"that is off: look at {name}'s SSH, load and disk.",
            )
        case MemberState.TLS:
            return (
                f"{name}: the TLS handshake with it fails.",
                "Compare authority, dates and names of its serving certificate with the other members'.",
            )
        case MemberState.NO_LEADER:
            return (
                f"{name}: runs, but knows no leader.",
                "Without a quorum that is expected; with one, look at its peer connections (port 2380).",
            )
        case MemberState.ISOLATED:
            return (
                f"{name}: answers for itself, but no read is confirmed by the others.",
                "An election, a slow disk of the leader, or cut peer connections: see latency and leader.",
            )
        case MemberState.FOREIGN:
            return (
                f"{name}: something else answers at its address.",
                "Compare the member list with what runs there before anything is changed.",
            )
        case MemberState.UNSTARTED:
            return (
                f"{name}: is in the member list, but never started. It counts as a voter.",
                "Start it with the member list's URL, or remove it before anything else is changed.",
            )
    return f"{name}: not known.", ""


def alarms(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    kinds = {kind for row in health.members if row.current and row.status for kind in row.status.alarms}
    if "NOSPACE" in kinds:
        yield Finding(
            "2-alarm-nospace",
            Severity.CRITICAL,
            "Alarm NOSPACE: the cluster takes no writes until space is freed and the alarm disarmed.",
            "Raised when a write would pass the quota; one member's alarm stops all.",
            "In this order: compact, defragment each member, check the sizes, disarm, write a test key.",
        )
    if "CORRUPT" in kinds:
        yield Finding(
            "2-alarm-corrupt",
            Severity.CRITICAL,
            "Alarm CORRUPT: members hold different data.",
            "etcd compared hashes and found a difference.",
            "Change nothing; take a snapshot of every member before any repair.",
        )
    listed = {row.member.hex_id for row in health.members}
    for row in health.members:
        for error in row.status.errors if row.current and row.status else ():
            if not any(word in error for word in ("NOSPACE", "CORRUPT", "no leader")):
                yield Finding(
                    f"3-error-{row.member.hex_id}",
                    Severity.WARNING,
                    f"{row.member.label} reports: {text.clean(error)}",
                    subject=row.member.label if row.member.hex_id in listed else "",
                )


def learners(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    for row in health.members:
        if row.member.learner:
            behind = f"It is {text.grouped(row.lag)} entries behind." if row.lag is not None else ""
            yield Finding(
                f"3-learner-{row.member.hex_id}",
                Severity.WARNING,
                f"{row.member.label} is a learner: it does not vote and adds nothing to the quorum yet.",
                behind,
                "Wait until it has caught up; the operator promotes it, or `etcdctl member promote` does.",
                row.member.label,
            )


def versions(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    by_version: dict[str, list[str]] = {}
    for row in health.members:
        if row.status and row.current:
            by_version.setdefault(row.status.version, []).append(row.member.label)
    if len(by_version) > 1:
        told = "; ".join(f"{version}: {text.listed(names)}" for version, names in sorted(by_version.items()))
        yield Finding(
            "4-versions",
            Severity.WARNING,
            "Members run different versions of etcd.",
            told,
            "Normal during an update only: let it finish before other changes.",
        )


def known_defects(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    running = {row.status.version for row in health.members if row.status and row.current}
    for version in sorted(running):
        known = landmines(version)
        if not known:
            continue
        worst, more = known[0], len(known) - 1
        issue = f" ({worst.issue})" if worst.issue else ""
        yield Finding(
            f"6-defect-{version}",
            Severity.ADVICE,
            f"etcd {text.clean(version, 20)}: {worst.summary}{issue}.",
            f"{text.counted(more, 'other known defect')} of this version." if more else "",
            worst.advice,
        )


def clusters_disagree(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    ids: dict[int, list[str]] = {}
    for row in health.members:
        if row.status and row.current and row.status.cluster_id:
            ids.setdefault(row.status.cluster_id, []).append(row.member.label)
    if len(ids) > 1:
        told = "; ".join(f"{cid:x}: {text.listed(names)}" for cid, names in ids.items())
        yield Finding(
            "2-cluster-ids",
            Severity.CRITICAL,
            "Members belong to different clusters.",
            told,
            "One of them was restored or bootstrapped alone: stop it before clients write to both.",
        )
    leaders = {row.status.leader_id for row in health.members if row.status and row.current}
    leaders.discard(0)
    if len(leaders) > 1:
        yield Finding(
            "3-leaders",
            Severity.WARNING,
            "Members name different leaders.",
            ", ".join(f"{leader:x}" for leader in sorted(leaders)),
            "An election is going on, or the network is divided. It should settle within seconds.",
        )


def calm(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    if health.level is Level.HEALTHY and health.source == "etcd" and health.leader is not None:
        name, quorum = health.leader.member.label, health.quorum
        more = f"{quorum.tolerance} more" if quorum.tolerance else "none"
        yield Finding(
            "9-good",
            Severity.GOOD,
            f"All {quorum.voters} voters are well; {name} leads."
            if quorum.voters > 1
            else f"{name} is well, and the only voter.",
            f"The cluster can lose {more}.",
        )


RULES: tuple[Rule, ...] = (
    quorum,
    unreachable_members,
    alarms,
    learners,
    versions,
    known_defects,
    clusters_disagree,
    calm,
)
