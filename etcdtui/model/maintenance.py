"""May a member be taken down now? Answered from one view, without the member in question. Pure.

What is not known counts against it: only what was seen a moment ago can allow anything. The one exception
is a cluster without an API: what only that could tell is said to be unknown, and does not forbid.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from etcdtui.model.comeback import AWAY, LAGGING, pod_ready, spare
from etcdtui.model.health import ClusterHealth, MemberHealth, MemberState, in_words, judge
from etcdtui.model.known_backups import foreign_to, last_proven
from etcdtui.model.lock import Lock
from etcdtui.model.places import Backup
from etcdtui.model.platform import OPERATORS, ApiFacts
from etcdtui.model.quorum import quorum_of
from etcdtui.model.view import FRESH_API, FRESH_ETCDCTL, FRESH_HOST, ClusterView
from etcdtui.text import age, clean, counted, grouped, listed

FRESH_PLACE = 900.0  # seconds for which the listing of a place off the cluster speaks for now
REBOOTING = "machine-config"  # reboots the hosts itself, one after another


class Weight(StrEnum):
    """What a reason means for the answer: a warning does not forbid, one no does."""

    OK = "ok"
    WARNING = "warning"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Reason:
    weight: Weight
    sentence: str


@dataclass(frozen=True, slots=True)
class Answer:
    """``sentence`` is the verdict in one line, ``reasons`` are all it rests on."""

    allowed: bool
    sentence: str
    reasons: tuple[Reason, ...]

    def of(self, weight: Weight) -> tuple[str, ...]:
        """The sentences of one weight."""
        return tuple(reason.sentence for reason in self.reasons if reason.weight is weight)


def may_take_down(view: ClusterView, member_id: int) -> Answer:
    """May this member go away for a while now: a reboot, a repair?"""
    health = judge(view)
    row = health.member(member_id)
    if row is None:
        said = f"Do not take {member_id:x} down: the member list that is known holds no such member."
        return Answer(False, said, (Reason(Weight.NO, said),))
    name = row.member.label
    if row.state in AWAY or row.state is MemberState.UNSTARTED:
        counts = "" if row.state is MemberState.DOWN else f" {in_words(row.state)}, it counts as one that"
        said = f"{name}{counts} is down already: no other may go before it is well again."
        return Answer(False, said, (Reason(Weight.NO, said),))
    case = _Case(view, health, row)
    reasons = tuple(reason for rule in _RULES for reason in rule(case))
    answer = Answer(all(reason.weight is not Weight.NO for reason in reasons), "", reasons)
    if not answer.allowed:
        return Answer(False, f"Do not take {name} down: {_first(answer.of(Weight.NO))}", reasons)
    minded = answer.of(Weight.WARNING)
    return Answer(True, f"{name} may go down now.{f' Mind: {_first(minded)}' if minded else ''}", reasons)


def safe_to_take_one_down(view: ClusterView, *, done: Collection[int] = ()) -> Answer:
    """May any one voter go down now, and which? Those in ``done`` have had their turn."""
    health = judge(view)
    rows = [r for r in health.members if not r.member.learner and r.member.id not in done]
    if not rows:
        said = "All voters have had their turn." if health.members else "No member is known."
        return Answer(False, said, (Reason(Weight.NO, said),))
    rows.sort(key=lambda row: row.well)  # who is down already says best why no other may go
    answers = [may_take_down(view, row.member.id) for row in rows]
    reasons = tuple(Reason(_weight(answer), answer.sentence) for answer in answers)
    may = [(row, answer) for row, answer in zip(rows, answers, strict=True) if answer.allowed]
    if not may:
        against = _shared(answers, Weight.NO) or tuple(a.of(Weight.NO)[0] for a in answers)
        return Answer(False, f"No member may go down now: {_first(against)}", reasons)
    follow = " or ".join(row.member.label for row, _ in may if row.role != "leader")
    lead = "".join(f"{row.member.label} last, it leads" for row, _ in may if row.role == "leader")
    which = "; ".join(part for part in (follow, lead) if part)
    said = f"One member may go down now: {which}."
    minded = _shared([answer for _, answer in may], Weight.WARNING)
    mind = f"Mind: {_first(minded)}" if minded else ""
    barred = (answer.sentence for answer in answers if not answer.allowed)
    return Answer(True, " ".join(part for part in (said, mind, *barred) if part), reasons)


def _weight(answer: Answer) -> Weight:
    if not answer.allowed:
        return Weight.NO
    return Weight.WARNING if answer.of(Weight.WARNING) else Weight.OK


def _shared(answers: Sequence[Answer], weight: Weight) -> tuple[str, ...]:
    """What all of them have among their reasons of that weight."""
    each = [answer.of(weight) for answer in answers]
    return tuple(sentence for sentence in each[0] if all(sentence in told for told in each))


def _first(sentences: Sequence[str]) -> str:
    """The first one, to stand behind a colon, and how many there are besides."""
    word, _, rest = sentences[0].partition(" ")
    lowered = f"{word.lower()} {rest}" if word in _OPENINGS else sentences[0]
    more = len(sentences) - 1
    return f"{lowered} ({counted(more, 'more reason')}.)" if more else lowered


_OPENINGS = frozenset({"A", "How", "It", "No", "The", "Whether", "Without"})  # with these ours begin


# -- one question, many rules


@dataclass(frozen=True, slots=True)
class _Case:
    view: ClusterView
    health: ClusterHealth
    row: MemberHealth

    @property
    def name(self) -> str:
        return self.row.member.label

    @property
    def others(self) -> tuple[MemberHealth, ...]:
        """The other voters."""
        mine = self.row.member.id
        return tuple(r for r in self.health.members if r.member.id != mine and not r.member.learner)

    @property
    def facts(self) -> ApiFacts | None:
        return self.view.api.current(self.view.now, FRESH_API)


def _ok(sentence: str) -> Reason:
    return Reason(Weight.OK, sentence)


def _mind(sentence: str) -> Reason:
    return Reason(Weight.WARNING, sentence)


def _no(sentence: str) -> Reason:
    return Reason(Weight.NO, sentence)


def _quorum(case: _Case) -> Iterator[Reason]:
    listed_at = case.view.members
    if listed_at.current(case.view.now, FRESH_ETCDCTL) is None or not case.row.member.listed:
        when = (
            f"is of {age(listed_at.age(case.view.now))} ago" if listed_at.at else "was told by no member yet"
        )
        yield _no(f"The member list {when}: who votes now is not known.")
    members = [row.member for row in case.health.members]
    rest = quorum_of(members, [row.member.id for row in case.others if row.votes and row.current])
    stay = f"Without {case.name} {rest.healthy} of {counted(rest.voters, 'voter')}"
    if not rest.present:
        yield _no(f"{stay} would vote, {rest.needed} needed: etcd would stop.")
    elif case.row.member.learner:
        yield _ok(f"{case.name} is a learner and does not vote: the quorum stays as it is.")
    else:
        yield _ok(f"{stay} vote, {rest.needed} needed: {spare(rest)} while it is away.")


def _itself(case: _Case) -> Iterator[Reason]:
    state = case.row.state
    if state in {MemberState.UNKNOWN, MemberState.FOREIGN}:
        yield _no(f"{case.name} {in_words(state)}.")
    elif state not in {MemberState.HEALTHY, MemberState.LEARNER}:
        yield _mind(f"{case.name} {in_words(state)} already now.")


def _the_others(case: _Case) -> Iterator[Reason]:
    good = []
    for row in case.others:
        name = row.member.label
        if not row.well or not row.current:
            yield _no(f"{name} {in_words(row.state)}: mend it first.")
        elif row.lag is None:
            yield _no(f"How far {name} is behind the leader is not known.")
        elif row.lag > LAGGING:
            yield _no(f"{name} is {grouped(row.lag)} entries behind: let it catch up first.")
        elif row.state is MemberState.SLOW:
            yield _mind(f"{name} is slow, and would carry more while {case.name} is away.")
        else:
            good.append(f"{name} ({counted(row.lag, 'entry', 'entries')} behind)")
    if good:
        yield _ok(f"{listed(good)} {'is' if len(good) == 1 else 'are'} healthy.")
    for row in case.health.members:
        if row.member.learner and row.member.id != case.row.member.id:
            yield _mind(f"{row.member.label} is a learner: the membership is being changed.")


def _leadership(case: _Case) -> Iterator[Reason]:
    named = {row.status.leader_id for row in case.health.members if row.current and row.status} - {0}
    leader = case.health.leader
    if len(named) > 1:
        yield _no("The members name different leaders: an election is going on.")
    elif leader is None:
        yield _no("No member is known to lead.")
    elif leader.member.id != case.row.member.id:
        yield _ok(f"{leader.member.label} leads, not {case.name}.")
    else:
        to = heir(case.view, case.row.member.id)
        offer = f": let {to.member.label} lead first" if to else "; no other is fit to lead now"
        yield _mind(f"{case.name} leads: if it just goes, the others must elect a leader{offer}.")


def heir(view: ClusterView, member_id: int) -> MemberHealth | None:
    """The follower to which the leadership is best moved: not slow, quick, close behind."""

    def rank(row: MemberHealth) -> tuple[bool, float, int, str]:
        median = row.endpoint.linearizable.percentile(0.5) if row.endpoint else None
        slow = row.state is MemberState.SLOW
        return slow, 1.0 if median is None else round(median, 3), row.lag or 0, row.member.label

    followers = [r for r in judge(view).members if r.member.id != member_id and r.role == "follower"]
    fit = [r for r in followers if r.well and r.lag is not None and r.lag <= LAGGING]
    return min(fit, key=rank, default=None)


def _alarms(case: _Case) -> Iterator[Reason]:
    statuses = [row.status for row in case.health.members if row.current and row.status]
    kinds = {kind for status in statuses for kind in status.alarms}
    if kinds:
        yield _no(f"The alarm {listed(sorted(kinds))} is raised: see the findings, end it first.")
    else:
        yield _ok("No alarm is raised.")


def _platform(case: _Case) -> Iterator[Reason]:
    view, facts = case.view, case.facts
    if not view.api_configured:
        yield _mind("Whether operators roll out and nodes are Ready is not known: no API is configured.")
        return
    if facts is None:
        problem = view.api.problem
        said = f": {clean(problem.message).rstrip('.')}" if problem else ""
        yield _no(
            f"Whether operators roll out and nodes are Ready is not known, the API does not answer{said}."
        )
        return
    yield from _rollouts(facts)
    yield from _nodes(case, facts)


def _rollouts(facts: ApiFacts) -> Iterator[Reason]:
    rolling = [o.name for o in facts.operators if o.progressing]
    barring = [name for name in rolling if name in OPERATORS or name == REBOOTING]
    missing = [name for name in OPERATORS if all(o.name != name for o in facts.operators)]
    if barring:
        word = "operator is" if len(barring) == 1 else "operators are"
        yield _no(
            f"The {listed(barring)} {word} rolling out a change (Progressing): wait until that has ended."
        )
    if missing:
        yield _no(f"Whether a rollout of {listed(missing)} is under way could not be read from the API.")
    rest = [clean(name, 60) for name in rolling if name not in barring]
    if rest:
        yield _mind(f"The operators {listed(rest[:4])} are changing something too (Progressing).")
    if not barring and not missing:
        yield _ok("No operator of the control plane is rolling out a change.")


def _nodes(case: _Case, facts: ApiFacts) -> Iterator[Reason]:
    mine, good = case.row.member.name, True
    known = {node.name: node for node in facts.nodes}
    for node in facts.nodes:
        if not node.ready:
            good = False
            said = f"The node {clean(node.name, 100)} is not Ready"
            yield _mind(f"{said} already now.") if node.name == mine else _no(f"{said}.")
    for row in case.health.members:
        name = row.member.name
        if name not in known:
            good = False
            yield _no(f"The API knows no node of the name {row.member.label}.")
        if not pod_ready(facts, name):
            good = False
            pod = facts.pod_on(name)
            said = f"{pod.ready}/{pod.containers} ready" if pod else "not known"
            word = f"The etcd pod on {row.member.label} is {said}"
            yield _mind(f"{word} already now.") if name == mine and pod else _no(f"{word}.")
    bare = sorted(set(known) - {row.member.name for row in case.health.members})
    if bare:
        yield _mind(f"No member of etcd is on {listed([clean(name, 100) for name in bare])}.")
    elif good:
        yield _ok("All control plane nodes and etcd pods are ready.")


def _backup(case: _Case) -> Iterator[Reason]:
    view = case.view
    off = [b for b in view.known_backups if b.off_cluster and not b.dirty and foreign_to(view, b) is False]
    seen = [(old, b) for b in off if _labels(view, b) and (old := b.age(view.now)) is not None]
    dark = [
        p for p in view.places if not p.place.on_cluster and p.sets.current(view.now, FRESH_PLACE) is None
    ]
    blind = f" {listed([p.place.label for p in dark])} cannot be looked at now." if dark else ""
    if seen:
        old, last = min(seen, key=lambda aged: aged[0])
        where = f"{age(old)} old ({listed(_labels(view, last))})"
        if old <= view.max_backup_age:
            yield _ok(f"The last proven backup off the cluster is {where}.")
        else:
            limit = f"{age(view.max_backup_age)} are allowed"
            yield _no(
                f"The last proven backup off the cluster is {where}, {limit}: take one first (b).{blind}"
            )
        return
    last_one = last_proven(view)
    only = f" The last proven one was seen on {listed(last_one.places)} alone." if last_one else ""
    ahead = next((f" That of {b.stamp} is dated in the future: its age is not known." for b in off), "")
    only += ahead if all(b.age(view.now) is None for b in off) else ""
    yield _no(f"No proven backup off the cluster is known: take one first (b).{only}{blind}")


def _labels(view: ClusterView, backup: Backup) -> list[str]:
    """Places off the cluster that hold a proven copy, and could be looked at lately."""
    now = {p.place for p in view.places if p.sets.current(view.now, FRESH_PLACE) is not None}
    return [c.place.label for c in backup.copies if c.proven and not c.place.on_cluster and c.place in now]


def _changes(case: _Case) -> Iterator[Reason]:
    """Procedures that change the cluster: their locks lie on the hosts."""
    locks: dict[str, Lock] = {}
    for host in case.view.hosts:
        facts = host.facts.current(case.view.now, FRESH_HOST)
        if facts is not None and facts.lock is not None:
            lock = facts.lock.later(host.facts.age(case.view.now) or 0.0)
            locks[lock.run] = min(locks.get(lock.run, lock), lock, key=lambda one: one.silent)
    for lock in locks.values():
        if lock.over or lock.stale:
            yield _mind(f"It may be half done: {lock.sentence}")
        else:
            yield _no(f"The cluster is being changed: {lock.sentence} Wait until that has ended.")


def _work(case: _Case) -> Iterator[Reason]:
    """Backups being taken, and whatever else runs on the member's host."""
    view = case.view
    busy = {host for host, _ in view.writing}
    own, all_seen = case.row.host, True
    for host in view.hosts:
        facts = host.facts.current(view.now, FRESH_HOST)
        jobs = facts.running_jobs if facts else ()
        if any(job.startswith("backup-") for job in jobs):
            busy.add(host.name)
        elif jobs and own is not None and host.name == own.name:
            yield _no(
                f"A job of etcdtui runs on {host.name} ({clean(jobs[0], 100)}): wait until it has ended."
            )
        if facts is None and (own is None or host.name != own.name):
            all_seen = False
            yield _mind(
                f"Whether a backup is being taken on {host.name} is not known: it cannot be looked at."
            )
    if busy:
        yield _no(f"A backup is being taken on {listed(sorted(busy))}: wait until it has ended.")
    if own is None or own.facts.current(view.now, FRESH_HOST) is None:
        yield _no(
            f"Whether a backup is being taken on {case.name} is not known: its host cannot be looked at."
        )
    elif all_seen and not busy:
        yield _ok("No backup is being taken.")


_RULES: tuple[Callable[[_Case], Iterator[Reason]], ...] = (
    _quorum,
    _itself,
    _the_others,
    _leadership,
    _alarms,
    _platform,
    _changes,
    _backup,
    _work,
)
