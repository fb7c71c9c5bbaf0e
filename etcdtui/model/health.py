"""From a view to a judgement of the whole cluster: level, arithmetic, one sentence. Pure.

A lost quorum is said only when enough voters are known not to vote: they deny it themselves, or their
process is gone, or two ways of looking agree that they cannot be reached. What merely could not be asked
proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum

from etcdtui.model.member_state import (
    DENYING,
    MemberHealth,
    MemberState,
    is_slow,
    member_rows,
)
from etcdtui.model.problems import Fault
from etcdtui.model.quorum import Quorum, quorum_of
from etcdtui.model.view import FRESH, FRESH_API, ClusterView

__all__ = ["ClusterHealth", "Level", "MemberHealth", "MemberState", "in_words", "is_slow", "judge"]


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
class ClusterHealth:
    """The verdict. ``age`` is that of the oldest confirmed read it rests on, seconds; without any, of
    the youngest thing known. ``nodes``: how many control plane nodes there are, where the voters are fewer
    and all of them are well; else 0."""

    level: Level
    quorum: Quorum
    sentence: str
    source: str = "etcd"  # or "operator": the API's word, etcd itself was not asked
    age: float | None = None
    members: tuple[MemberHealth, ...] = field(default=())
    nodes: int = 0

    @property
    def leader(self) -> MemberHealth | None:
        return next((m for m in self.members if m.role == "leader"), None)

    def member(self, member_id: int) -> MemberHealth | None:
        return next((m for m in self.members if m.member.id == member_id), None)

    @property
    def all_well(self) -> bool:
        """Every voter there is; the control plane may have more nodes than voters."""
        return self.level is Level.HEALTHY or self.nodes > 0

    @property
    def doubtful(self) -> bool:
        """Another host might see more than the one we look from."""
        return self.level in (Level.NO_QUORUM, Level.UNKNOWN)


def judge(view: ClusterView) -> ClusterHealth:
    """Everything the header and the member table say."""
    rows = member_rows(view)
    voters = [row for row in rows if not row.member.learner]
    quorum = quorum_of([r.member for r in rows], [r.member.id for r in rows if r.votes])
    age = max((row.age for row in voters if row.votes and row.age is not None), default=None)
    if age is None:
        age = min((row.age for row in rows if row.age is not None), default=None)

    def verdict(level: Level, sentence: str) -> ClusterHealth:
        return ClusterHealth(level, quorum, sentence, "etcd", age, rows)

    unwell = [row for row in voters if not row.well]
    if quorum.present:
        if not unwell:
            all_of = "The only voter is" if quorum.voters == 1 else f"All {quorum.voters} voters are"
            nodes = _more_nodes(view, quorum)
            if nodes:
                said = f"{all_of} well, but the control plane has {nodes} nodes."
                return replace(verdict(Level.DEGRADED, said), nodes=nodes)
            return verdict(Level.HEALTHY, f"{all_of} well.")
        return verdict(Level.DEGRADED, f"{_names(unwell)}; the quorum of {quorum.needed} holds.")
    voting = [row for row in voters if row.votes]
    if voting:
        # One confirmed read needs a quorum, also when we cannot reach the members that gave it.
        told = f"{_names(unwell)}; {voting[0].member.label} still reads through a quorum."
        asking = all(row.problem is None or row.problem.fault is Fault.NOT_ASKED for row in unwell)
        return verdict(Level.UNKNOWN if asking else Level.DEGRADED, told)
    out = sum(1 for row in voters if _cannot_vote(view, row))
    if voters and quorum.voters - out < quorum.needed:
        return verdict(
            Level.NO_QUORUM,
            f"{quorum.healthy} of {quorum.voters} voters are well, {quorum.needed} needed: {_names(unwell)}.",
        )
    asked = any(row.problem is not None and row.problem.fault is not Fault.NOT_ASKED for row in voters)
    if asked and _link_alive(view):
        # etcd itself was asked: the operator's word may be of before.
        return verdict(Level.UNKNOWN, f"{_names(unwell)}, seen from {view.speaking} alone.")
    return _by_operator(view, rows, quorum) or verdict(Level.UNKNOWN, _why_unknown(view))


def _more_nodes(view: ClusterView, quorum: Quorum) -> int:
    """How many control plane nodes there are, where that is more than there are voters; else 0. By what the
    API said last, for nodes come and go seldom; where it never said anything, by the hosts that were named:
    one of them may be gone for good, so they count only where no voter can be lost."""
    facts = view.api.value
    if facts is not None and facts.nodes:
        count = len(facts.nodes)
    else:
        count = 0 if quorum.tolerance else len(view.hosts)
    return count if count > quorum.voters else 0


def _cannot_vote(view: ClusterView, row: MemberHealth) -> bool:
    """Known not to vote now; a member that only could not be reached by one way may vote all the same."""
    if row.state in DENYING or row.state is MemberState.UNSTARTED:
        return True
    fault = row.problem.fault if row.problem else None
    if fault in (Fault.REFUSED, Fault.DROPPED):
        return True
    if fault not in (Fault.SILENT, Fault.UNREACHABLE) or not _link_alive(view):
        return False
    # A second way agrees: its own host is gone too, we look from its own host, or two hosts saw the same.
    host = row.host
    if host is not None and (host.link.problem is not None or host.name == view.speaking):
        return True
    return len(view.seen_from) >= 2 or (view.voices <= 1 and view.speaking != "")


def _link_alive(view: ClusterView) -> bool:
    """The host we look from answers itself."""
    host = next((h for h in view.hosts if h.name == view.speaking), None)
    return host is not None and host.link.current(view.now, FRESH) is not None


def _names(rows: list[MemberHealth]) -> str:
    return ", ".join(f"{row.member.label} {in_words(row.state)}" for row in rows)


def in_words(state: MemberState) -> str:
    """What is said of a member in this state, after its name."""
    return {
        MemberState.SILENT: "gives no answer",
        MemberState.TLS: "fails in TLS",
        MemberState.ALARM: "has an alarm",
        MemberState.NO_LEADER: "knows no leader",
        MemberState.ISOLATED: "cannot reach the quorum",
        MemberState.UNSTARTED: "never started",
        MemberState.FOREIGN: "is not the member of the list",
        MemberState.UNKNOWN: "is not known yet",
    }.get(state, f"is {state.value}")


def _by_operator(view: ClusterView, rows: tuple[MemberHealth, ...], seen: Quorum) -> ClusterHealth | None:
    """The second way of asking: what the etcd operator says through the API."""
    facts = view.api.current(view.now, FRESH_API)
    if facts is None or facts.word is None:
        return None
    word = facts.word
    quorum = Quorum(max(word.members, seen.voters), word.available)
    sentence = f"The operator says: {word.message}. etcd itself was not asked."
    nodes = 0
    if not quorum.present:
        # Without a quorum the operator keeps its old words, so these can only be of before.
        level = Level.UNKNOWN
    else:
        nodes = _more_nodes(view, quorum) if quorum.healthy == quorum.voters else 0
        level = Level.HEALTHY if quorum.healthy == quorum.voters and not nodes else Level.DEGRADED
    return ClusterHealth(level, quorum, sentence, "operator", view.api.age(view.now), rows, nodes)


def _why_unknown(view: ClusterView) -> str:
    silent = [host.link.problem for host in view.hosts if host.link.problem]
    if view.hosts and len(silent) == len(view.hosts):
        return f"No host answers over SSH: {silent[0].message}" if silent[0] else ""
    unusable = [h for h in view.hosts if h.link.current(view.now, FRESH) is not None and not view.speaking]
    for host in unusable:
        if host.facts.problem is not None:
            return f"SSH works, but etcd cannot be asked from {host.name}: {host.facts.problem.message}"
        if host.missing:
            return f"SSH works, but etcd cannot be asked from {host.name}: {host.missing[0]}"
    if view.api_configured and view.api.problem and not view.hosts:
        return f"The API does not answer: {view.api.problem.message}"
    return "Nothing has answered yet."
