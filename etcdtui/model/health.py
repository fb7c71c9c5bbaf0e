"""From a view to a judgement: the state of every member and of the whole. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from etcdtui.model.latency import LatencySeries, percentile
from etcdtui.model.members import EndpointStatus, Member
from etcdtui.model.platform import PodFacts
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.quorum import Quorum, quorum_of
from etcdtui.model.view import FRESH, FRESH_API, ClusterView, EndpointView, HostView

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
    UNSTARTED = "unstarted"
    UNKNOWN = "unknown"


WELL = frozenset({MemberState.HEALTHY, MemberState.SLOW})


class Level(IntEnum):
    """The whole cluster in a word. The value is the exit code of ``etcdtui status``."""

    HEALTHY = 0
    DEGRADED = 1
    NO_QUORUM = 2
    UNKNOWN = 3

    @property
    def word(self) -> str:
        return {0: "HEALTHY", 1: "DEGRADED", 2: "NO QUORUM", 3: "CANNOT TELL"}[self.value]


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
    def role(self) -> str:
        """leader, follower, learner; empty when it is not known now."""
        if self.member.learner:
            return "learner"
        if not self.current or self.status is None or not self.status.leader_id:
            return ""
        return "leader" if self.status.is_leader else "follower"


@dataclass(frozen=True, slots=True)
class ClusterHealth:
    """The verdict: level, arithmetic, and one sentence."""

    level: Level
    quorum: Quorum
    sentence: str
    source: str = "etcd"  # or "operator": the API's word, etcd itself was not asked
    age: float | None = None  # of the youngest fact it rests on
    members: tuple[MemberHealth, ...] = field(default=())

    @property
    def leader(self) -> MemberHealth | None:
        return next((m for m in self.members if m.role == "leader"), None)

    def member(self, member_id: int) -> MemberHealth | None:
        return next((m for m in self.members if m.member.id == member_id), None)


def judge(view: ClusterView) -> ClusterHealth:
    """Everything the header and the member table say."""
    rows = _rows(view)
    voters = [row for row in rows if not row.member.learner]
    quorum = quorum_of([r.member for r in rows], [r.member.id for r in rows if r.well])
    ages = [row.age for row in rows if row.age is not None]
    age = min(ages) if ages else None

    def verdict(level: Level, sentence: str) -> ClusterHealth:
        return ClusterHealth(level, quorum, sentence, "etcd", age, rows)

    unwell = [row for row in voters if not row.well]
    if quorum.present:
        if not unwell:
            return verdict(Level.HEALTHY, f"All {quorum.voters} voters are well.")
        return verdict(Level.DEGRADED, f"{_names(unwell)}; the quorum of {quorum.needed} holds.")
    proven = [row for row in voters if row.well or row.state is MemberState.ALARM]
    if proven and (len(proven) >= quorum.needed or any(r.well for r in proven)):
        # One confirmed read needs a quorum, also when we cannot reach the members that gave it.
        return verdict(
            Level.DEGRADED, f"{_names(unwell)}; {proven[0].member.label} still reads through a quorum."
        )
    answering = [row for row in voters if row.current]
    denying = [row for row in voters if row.state in (MemberState.NO_LEADER, MemberState.ISOLATED)]
    failed = [row for row in voters if _settled(row) and row.state is not MemberState.ALARM]
    lost = len(failed) == len(voters) or (denying and len(failed) > quorum.voters - quorum.needed)
    if voters and lost and (answering or (view.speaking and _link_alive(view))):
        return verdict(
            Level.NO_QUORUM,
            f"{quorum.healthy} of {quorum.voters} voters are well, {quorum.needed} needed: {_names(unwell)}.",
        )
    if denying:
        # etcd itself was asked: the operator's word may be of before.
        return verdict(Level.UNKNOWN, f"{_names(unwell)}.")
    return _by_operator(view, rows, quorum) or verdict(Level.UNKNOWN, _why_unknown(view))


def is_slow(series: LatencySeries) -> bool:
    """The median of the last samples is above the limit; one slow answer is not a slow member."""
    recent = [s for s in series.samples[-RECENT:] if s is not None]
    middle = percentile(recent, 0.5)
    return len(recent) >= 3 and middle is not None and middle > SLOW_READ


def _rows(view: ClusterView) -> tuple[MemberHealth, ...]:
    listed = view.members.value.members if view.members.value else ()
    statuses = [e.status.current(view.now, e.fresh) for e in view.endpoints]
    top = max((s.raft_index for s in statuses if s and s.leader_id), default=None)
    rows = (_row(view, member, top) for member in listed)
    return tuple(sorted(rows, key=lambda r: (r.member.learner, r.member.name or "~", r.member.id)))


def _row(view: ClusterView, member: Member, top: int | None) -> MemberHealth:
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
    lag = max(0, top - status.raft_applied) if current and status and top is not None else None
    return MemberHealth(
        member,
        state,
        problem,
        since,
        status,
        endpoint.status.age(view.now),
        current,
        lag,
        endpoint,
        host,
        pod,
    )


def _state(
    view: ClusterView, member: Member, endpoint: EndpointView
) -> tuple[MemberState, Problem | None, float | None]:
    status = endpoint.status.current(view.now, endpoint.fresh)
    if status is None:
        problem = endpoint.status.problem
        if problem is None:
            return MemberState.UNKNOWN, None, None
        return _STATE_OF.get(problem.fault, MemberState.UNKNOWN), problem, endpoint.status.since
    if not status.leader_id:
        problem = Problem(Fault.NO_LEADER, f"{member.label} answers, but knows no leader.")
        return MemberState.NO_LEADER, problem, endpoint.reads.since
    if status.alarms:
        return MemberState.ALARM, None, None
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
    # Slow for itself: a slow leader makes every linearizable read slow, not every member.
    return (MemberState.SLOW if is_slow(endpoint.serializable) else MemberState.HEALTHY), None, None


_STATE_OF = {
    Fault.REFUSED: MemberState.DOWN,
    Fault.UNREACHABLE: MemberState.DOWN,
    Fault.DROPPED: MemberState.DOWN,
    Fault.SILENT: MemberState.SILENT,
    Fault.TLS: MemberState.TLS,
    Fault.NO_LEADER: MemberState.NO_LEADER,
}


def _names(rows: list[MemberHealth]) -> str:
    return ", ".join(f"{row.member.label} {_is(row.state)}" for row in rows)


def _is(state: MemberState) -> str:
    return {
        MemberState.SILENT: "gives no answer",
        MemberState.TLS: "fails in TLS",
        MemberState.ALARM: "has an alarm",
        MemberState.NO_LEADER: "knows no leader",
        MemberState.ISOLATED: "cannot reach the quorum",
        MemberState.UNSTARTED: "never started",
        MemberState.UNKNOWN: "is not known yet",
    }.get(state, f"is {state.value}")


def _settled(row: MemberHealth) -> bool:
    """What is known of it is not only that nothing is known yet."""
    if row.state in (MemberState.UNSTARTED, MemberState.UNKNOWN):
        return row.state is MemberState.UNSTARTED
    return row.current or row.problem is not None


def _link_alive(view: ClusterView) -> bool:
    host = next((h for h in view.hosts if h.name == view.speaking), None)
    return host is not None and host.link.current(view.now, FRESH) is not None


def _by_operator(view: ClusterView, rows: tuple[MemberHealth, ...], seen: Quorum) -> ClusterHealth | None:
    """The second way of asking: what the etcd operator says through the API."""
    facts = view.api.current(view.now, FRESH_API)
    if facts is None or facts.word is None:
        return None
    word = facts.word
    quorum = Quorum(max(word.members, seen.voters), word.available)
    sentence = f"The operator says: {word.message}. etcd itself was not asked."
    if not quorum.present:
        # Without a quorum the operator keeps its old words, so these can only be of before.
        level = Level.UNKNOWN
    else:
        level = Level.HEALTHY if quorum.healthy == quorum.voters else Level.DEGRADED
    return ClusterHealth(level, quorum, sentence, "operator", view.api.age(view.now), rows)


def _why_unknown(view: ClusterView) -> str:
    problems = [h.link.problem for h in view.hosts if h.link.problem]
    if view.hosts and len(problems) == len(view.hosts):
        return f"No host answers over SSH: {problems[0].message}" if problems[0] else ""
    if view.api_configured and view.api.problem and not view.hosts:
        return f"The API does not answer: {view.api.problem.message}"
    return "Nothing has answered yet."
