"""The state of each member, from what it says of itself and from why it does not. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from etcdtui.model.latency import LatencySeries, percentile
from etcdtui.model.members import EndpointStatus, Member
from etcdtui.model.platform import PodFacts
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.view import ClusterView, EndpointView, HostView

SLOW_READ = 0.1  # seconds; etcd itself logs "apply request took too long" from 100 ms on
RECENT = 5  # samples


class MemberState(StrEnum):
    """One word for a member; the sign beside it and the colour are the screen's."""

    HEALTHY = "healthy"
    SLOW = "slow"
    LEARNER = "learner"
    ALARM = "alarm"
    NO_LEADER = "no leader"
    ISOLATED = "no quorum"  # answers for itself, cannot confirm with the others
    DOWN = "down"  # nothing listens
    SILENT = "no answer"
    TLS = "TLS error"
    FOREIGN = "other cluster"  # what answers there is not the member of the list
    UNSTARTED = "unstarted"
    UNKNOWN = "unknown"


WELL = frozenset({MemberState.HEALTHY, MemberState.SLOW})
VOTING = WELL | {MemberState.ALARM}  # an alarm stops writes, not votes
DENYING = frozenset({MemberState.NO_LEADER, MemberState.ISOLATED})


@dataclass(frozen=True, slots=True)
class MemberHealth:
    """A row of the member table. Ages in seconds; ``lag`` in raft entries behind the leader."""

    member: Member
    state: MemberState
    problem: Problem | None = None
    since: float | None = None
    status: EndpointStatus | None = None  # the last known, see ``age``
    age: float | None = None
    current: bool = False  # ``status`` speaks for now
    lag: int | None = None
    endpoint: EndpointView | None = None
    host: HostView | None = None
    pod: PodFacts | None = None

    @property
    def well(self) -> bool:
        return self.state in WELL

    @property
    def votes(self) -> bool:
        """It confirmed a read with the others a moment ago."""
        return self.state in VOTING

    @property
    def role(self) -> str:
        """leader, follower, learner; empty when it is not known now."""
        if self.member.learner:
            return "learner"
        if not self.current or self.status is None or not self.status.leader_id:
            return ""
        return "leader" if self.status.is_leader else "follower"


def member_rows(view: ClusterView) -> tuple[MemberHealth, ...]:
    """Every member of the list, voters by name first, learners last."""
    listed = view.members.value.members if view.members.value else ()
    leader = _leader(view)
    rows = (_row(view, member, leader) for member in listed)
    return tuple(sorted(rows, key=lambda r: (r.member.learner, r.member.name or "~", r.member.id)))


def is_slow(series: LatencySeries) -> bool:
    """The median of the last samples is above the limit; one slow answer is not a slow member."""
    recent = [s for s in series.samples[-RECENT:] if s is not None]
    middle = percentile(recent, 0.5)
    return len(recent) >= 3 and middle is not None and middle > SLOW_READ


def _leader(view: ClusterView) -> EndpointView | None:
    for endpoint in view.endpoints:
        status = endpoint.status.current(view.now, endpoint.fresh)
        if status is not None and status.is_leader:
            return endpoint
    return None


def _row(view: ClusterView, member: Member, leader: EndpointView | None) -> MemberHealth:
    endpoint = view.endpoint_of(member)
    host = view.host_of(member)
    api = view.api.value
    pod = api.pod_on(member.name) if api and member.name else None
    if endpoint is None:
        state = MemberState.UNKNOWN if member.started else MemberState.UNSTARTED
        return MemberHealth(member, state, host=host, pod=pod)
    status = endpoint.status.value
    current = endpoint.status.current(view.now, endpoint.fresh) is not None
    state, problem, since = _state(view, member, endpoint)
    return MemberHealth(
        member,
        state,
        problem,
        since,
        status,
        endpoint.status.age(view.now),
        current,
        _lag(endpoint, leader) if current else None,
        endpoint,
        host,
        pod,
    )


def _lag(endpoint: EndpointView, leader: EndpointView | None) -> int | None:
    """Entries behind what the leader had when this member was asked, or shortly before.

    A newer sample of the leader would show the load of the cluster, not the lag of the member.
    """
    if leader is None or endpoint.status.value is None or endpoint.status.at is None:
        return None
    told = leader.indexes
    if not told and leader.status.value is not None:
        told = ((endpoint.status.at, leader.status.value.raft_index),)
    before = [index for at, index in told if at <= endpoint.status.at] or [index for _, index in told[:1]]
    return max(0, before[-1] - endpoint.status.value.raft_applied) if before else None


def _state(
    view: ClusterView, member: Member, endpoint: EndpointView
) -> tuple[MemberState, Problem | None, float | None]:
    status = endpoint.status.current(view.now, endpoint.fresh)
    if status is None:
        problem = endpoint.status.problem
        if problem is None:
            return MemberState.UNKNOWN, None, None
        return _STATE_OF.get(problem.fault, MemberState.UNKNOWN), problem, endpoint.status.since
    stranger = _stranger(view, member, status)
    if stranger is not None:
        return MemberState.FOREIGN, stranger, None
    if not status.leader_id:
        problem = Problem(Fault.NO_LEADER, f"{member.label} answers, but knows no leader.")
        return MemberState.NO_LEADER, problem, endpoint.reads.since
    if member.learner or status.learner:
        return MemberState.LEARNER, None, None
    reads = endpoint.reads.current(view.now, endpoint.fresh)
    if reads is None or reads.linearizable is None:
        if endpoint.reads.problem is None and endpoint.reads.at is None:
            return MemberState.UNKNOWN, None, None
        problem = endpoint.reads.problem or Problem(
            Fault.NO_QUORUM_READ, f"{member.label} has not confirmed a read with the others lately."
        )
        return MemberState.ISOLATED, problem, endpoint.reads.since
    if status.alarms:
        return MemberState.ALARM, None, None
    # Slow for itself: a slow leader makes every linearizable read slow, not every member.
    return (MemberState.SLOW if is_slow(endpoint.serializable) else MemberState.HEALTHY), None, None


def _stranger(view: ClusterView, member: Member, status: EndpointStatus) -> Problem | None:
    """What answers at the member's address is somebody else."""
    listed = view.members.value
    if listed is None or not member.listed:
        return None
    if listed.cluster_id and status.cluster_id and status.cluster_id != listed.cluster_id:
        return Problem(
            Fault.ODD,
            f"At the address of {member.label} answers a member of the cluster {status.cluster_id:x}, "
            f"not of {listed.cluster_id:x}.",
            "It was restored or bootstrapped alone: stop it before clients write to both.",
        )
    if status.member_id and status.member_id != member.id:
        return Problem(
            Fault.ODD,
            f"At the address of {member.label} ({member.hex_id}) answers the member {status.member_id:x}.",
            "The member list and the hosts do not agree: compare them before anything is changed.",
        )
    return None


_STATE_OF = {
    Fault.REFUSED: MemberState.DOWN,
    Fault.UNREACHABLE: MemberState.DOWN,
    Fault.DROPPED: MemberState.DOWN,
    Fault.SILENT: MemberState.SILENT,
    Fault.TLS: MemberState.TLS,
    Fault.NO_LEADER: MemberState.NO_LEADER,
}
