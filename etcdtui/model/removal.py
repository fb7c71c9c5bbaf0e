"""May this member be removed now, may one be added? The verdicts beside a mark. Pure.

A verdict is stricter than etcd's own check, which keeps the quorum of the moment and nothing else: it lets
one remove a member that is well while another never started. What may be done in the end is decided anew,
from a fresh view, immediately before it is done.
"""

from __future__ import annotations

from collections.abc import Collection

from etcdtui.model.health import MemberHealth, MemberState, in_words, judge
from etcdtui.model.quorum import Verdict, may_remove, quorum_of, without
from etcdtui.model.versions import parse
from etcdtui.model.view import ClusterView, Way
from etcdtui.text import age, listed

STALE = 5.0  # seconds after which a view is too old to decide by
SETTLING = 5  # samples, one a second: so long etcd does not count a member that came back (HealthInterval)
MAJORITY_SUFFICES = ((3, 5, 30), (3, 6, 11))  # older etcd refuses any add while one peer is not connected


def mark_verdict(
    view: ClusterView, target: int, marked: Collection[int] = (), *, now: float | None = None
) -> Verdict:
    """May ``target`` be removed, among the members ``marked`` in this order?

    The sentence always tells how many voters would be left. ``now`` (epoch seconds) is given where the view
    may have been held back.
    """
    rows = judge(view).members
    row = next((r for r in rows if r.member.id == target), None)
    members = [r.member for r in rows]
    voting = [r.member.id for r in rows if r.votes]
    if row is None:
        return may_remove(members, voting, target)
    name = row.member.label
    sums = without(members, voting, target)

    def refused(why: str) -> Verdict:
        return Verdict(False, f"Refused: {why}. Removing {name} {sums}.")

    hindrance = _hindrance(view, rows, now)
    if hindrance:
        return refused(hindrance)
    earlier = _earlier(rows, target, marked)
    if earlier:
        turn = _turn(view, row, earlier)
        return Verdict(False, f"Waits: {turn}; as it is now, removing {name} {sums}.")
    if row.state is MemberState.UNKNOWN:
        return refused(f"nobody knows how {name} is, it could not be asked")
    verdict = may_remove(members, voting, target)
    if not verdict.allowed:
        others = [r for r in rows if r.member.id != target and not r.member.learner and not r.votes]
        told = listed([f"{r.member.label} {in_words(r.state)}" for r in others])
        beside = f" Not well beside it: {told}." if told else ""
        return Verdict(False, f"Refused: {verdict.reason}{beside}")
    coming = [r.member.label for r in rows if r.member.learner and not row.member.learner]
    if coming:
        return refused(f"one at a time, {listed(coming)} is a learner: let it vote, or remove it, first")
    returned = _returned(rows)
    settled = len(voting) - len(returned)
    # etcd lets one that is gone be removed at any time; of the others it counts those connected for 5 s.
    if row.votes and settled - 1 < quorum_of(members, voting).after_removal:
        came = f"{listed(returned)} came back less than {SETTLING} s ago"
        return refused(f"{came}, etcd itself would refuse it")
    return Verdict(True, verdict.reason + _notes(view, row, rows, marked))


def may_add(
    view: ClusterView, *, learner: bool = True, version: str = "", now: float | None = None
) -> Verdict:
    """May one more member be added now? ``version`` is that of the cluster's oldest etcd; left out, the
    oldest that a member told."""
    rows = judge(view).members
    members = [r.member for r in rows]
    voting = [r.member.id for r in rows if r.votes]
    quorum = quorum_of(members, voting)
    more = quorum.voters + (0 if learner else 1)
    needed = more // 2 + 1
    kind = "learner" if learner else "voter"
    sums = f"a {kind} more makes {quorum.healthy} of {more} voters well, quorum {needed}"

    def refused(why: str) -> Verdict:
        return Verdict(False, f"Refused: {why}; {sums}.")

    hindrance = _hindrance(view, rows, now)
    if hindrance:
        return refused(hindrance)
    if not quorum.present:
        return refused(f"the cluster has no quorum, {quorum.needed} voters are needed")
    if quorum.healthy < needed:
        return refused("the cluster would stop until the new member votes")
    if learner and any(r.member.learner for r in rows):
        names = listed([r.member.label for r in rows if r.member.learner])
        return refused(f"{names} is a learner already, etcd takes one at a time")
    if not learner and any(not r.votes for r in rows if not r.member.learner):
        names = listed([r.member.label for r in rows if not r.votes and not r.member.learner])
        return refused(f"{names} is not well: remove what failed before a voter is added")
    away = [r.member.label for r in rows if not r.votes and r.state is not MemberState.LEARNER]
    away += _returned(rows)
    oldest = _oldest(rows, version)
    if away and not _majority_suffices(oldest):
        said = f"{_old(oldest)} adds nobody while {listed(away)} is not connected for {SETTLING} s"
        return refused(said)
    connected, asked = quorum.healthy - len(_returned(rows)), (quorum.voters + 1) // 2 + 1
    if connected < asked:
        counts = f"{connected} voters are connected for {SETTLING} s, {asked} would be needed"
        return refused(f"etcd counts the new member as one that is down: {counts}")
    return Verdict(True, f"Allowed: {sums}.")


def adds_nobody_beside_failed(view: ClusterView, *, operator: bool | None = None) -> str:
    """Who adds nobody while a failed member is in the list: etcd's operator or an old etcd; else empty.

    ``operator``: whether there is one; left out, what the view knows of it.
    """
    facts = view.api.value
    if operator if operator is not None else facts is not None and facts.etcd_operator:
        return "etcd's operator"
    oldest = _oldest(judge(view).members, "")
    return "" if _majority_suffices(oldest) else _old(oldest)


def _hindrance(view: ClusterView, rows: tuple[MemberHealth, ...], now: float | None) -> str:
    """What forbids any change of the members, whichever; empty for nothing."""
    if view.read_only:
        return f"{view.name} is read-only here"
    at = view.now if now is None else max(now, view.now)
    listed_age = view.members.age(at)
    if listed_age is None or any(not row.member.listed for row in rows):
        return "no member has told the member list yet"
    ages = [listed_age]
    ages += [seen for r in rows if r.votes and r.endpoint and (seen := r.endpoint.reads.age(at)) is not None]
    if max(ages) > STALE:
        return f"what is known is {age(max(ages))} old, look again first"
    return ""


def _earlier(
    rows: tuple[MemberHealth, ...], target: int, marked: Collection[int]
) -> tuple[MemberHealth, ...]:
    """The marked members that come before ``target``, in their order."""
    found = []
    for one in marked:
        if one == target:
            break
        found += [row for row in rows if row.member.id == one]
    return tuple(found)


def _failed(row: MemberHealth) -> bool:
    return not row.votes and not row.member.learner


def _turn(view: ClusterView, row: MemberHealth, earlier: tuple[MemberHealth, ...]) -> str:
    """When a marked member's turn is, after those that come ``earlier``."""
    name, first = row.member.label, earlier[0].member.label
    if _failed(row) and _failed(earlier[0]):
        who = adds_nobody_beside_failed(view)
        if who:
            before = listed([one.member.label for one in earlier if _failed(one)])
            return (
                f"{name} leaves the list right after {before}, in the same guide and before anybody comes "
                f"back, for {who} adds nobody while a failed member is in the list"
            )
        if view.api_configured and view.api.value is None:
            return (
                f"one at a time. {name} comes after {first}; whether before or after that one is whole "
                "again depends on who adds members here, and the API has not told yet"
            )
    return f"one at a time. {name} comes after {first} is whole again"


def _returned(rows: tuple[MemberHealth, ...]) -> list[str]:
    """Members that answer again, and did not a few seconds ago."""
    return [
        r.member.label
        for r in rows
        if r.votes
        and r.endpoint is not None
        and r.endpoint.way is not Way.ETCDCTL
        and None in r.endpoint.linearizable.samples[-SETTLING:]
    ]


def _notes(
    view: ClusterView, row: MemberHealth, rows: tuple[MemberHealth, ...], marked: Collection[int]
) -> str:
    """What is to be minded although it is allowed."""
    notes = []
    if row.votes:
        notes.append("It is well: nothing asks for its removal.")
    if row.role == "leader":
        notes.append("It leads: move the leadership away first.")
    others = [r for r in rows if r is not row and _failed(r)]
    who = adds_nobody_beside_failed(view) if others and _failed(row) else ""
    if who:
        because = f"{who} adds nobody while a failed member is in the list"
        next_ones = [r.member.label for r in others if r.member.id in marked]
        missing = [r.member.label for r in others if r.member.id not in marked]
        if next_ones:
            leave = "leaves" if len(next_ones) == 1 else "leave"
            said = f"{listed(next_ones)} {leave} the list right after it, before anybody comes back"
            notes.append(f"{said}: {because}.")
        if missing:
            notes.append(f"Mark {listed(missing)}, too: {because}.")
    elif others:
        notes.append(f"One at a time: {listed([r.member.label for r in others])} only after it.")
    return "".join(f" {note}" for note in notes)


def _oldest(rows: tuple[MemberHealth, ...], version: str) -> str:
    if version:
        return version
    told = [(number, r.status.version) for r in rows if r.status and (number := parse(r.status.version))]
    return min(told)[1] if told else ""


def _old(version: str) -> str:
    """Such an etcd, in words."""
    return f"etcd {version}" if version else "etcd before 3.5.30 and 3.6.11"


def _majority_suffices(version: str) -> bool:
    number = parse(version)
    if number is None:
        return False
    return number >= MAJORITY_SUFFICES[1] or (number[:2] == (3, 5) and number >= MAJORITY_SUFFICES[0])
