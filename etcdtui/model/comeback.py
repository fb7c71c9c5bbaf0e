"""A member that goes away for a while and comes back, as one view shows it. Pure."""

from __future__ import annotations

from etcdtui.model.health import MemberHealth, MemberState, in_words, judge
from etcdtui.model.platform import ApiFacts
from etcdtui.model.quorum import Quorum, Verdict, quorum_of
from etcdtui.model.view import FRESH_API, ClusterView
from etcdtui.text import counted, listed

LAGGING = 1000  # raft entries behind the leader from which a member has not caught up
AWAY = frozenset({MemberState.DOWN, MemberState.SILENT})


def away(view: ClusterView, member_id: int) -> MemberHealth | None:
    """The member's row when its etcd is known to be gone; None when it answers, or nobody could ask."""
    row = judge(view).member(member_id)
    return row if row is not None and row.state in AWAY else None


def back(view: ClusterView, member_id: int) -> Verdict:
    """Is it well again in every way that can be seen: etcd, its raft log, its pod, its node?"""
    row = judge(view).member(member_id)
    if row is None:
        return Verdict(False, f"{member_id:x} is no longer in the member list.")
    name = row.member.label
    if not row.current or not (row.well or row.state is MemberState.LEARNER):
        return Verdict(False, f"{name} {in_words(row.state)}.")
    if row.lag is None:
        return Verdict(False, f"{name} answers; how far it is behind the leader is not known yet.")
    if row.lag > LAGGING:
        return Verdict(False, f"{name} answers and is catching up with the leader.")
    word = "well, though slow" if row.state is MemberState.SLOW else row.state.value
    found = [f"{word}, {counted(row.lag, 'entry', 'entries')} behind the leader"]
    facts = view.api.current(view.now, FRESH_API)
    if facts is None:
        unseen = " The API does not answer: its node and pod were not seen." if view.api_configured else ""
        return Verdict(True, f"{name} is {found[0]}.{unseen}")
    pod = facts.pod_on(row.member.name)
    if pod is not None:
        if not pod_ready(facts, row.member.name):
            told = f"{pod.ready}/{pod.containers} ready"
            return Verdict(False, f"etcd on {name} is well again, its pod not yet: {told}.")
        found.append(f"pod {pod.ready}/{pod.containers}")
    node = next((n for n in facts.nodes if n.name == row.member.name), None)
    if node is not None:
        if not node.ready:
            return Verdict(False, f"etcd on {name} is well again, its node is not Ready yet.")
        found.append("node Ready")
    return Verdict(True, f"{name} is {listed(found)}.")


def others_ail(view: ClusterView, member_id: int) -> str:
    """What is wrong with the other voters while this member is away; empty when nothing is."""
    health = judge(view)
    rest = [row for row in health.members if row.member.id != member_id and not row.member.learner]
    unwell = [row for row in rest if not row.well]
    if not unwell:
        return ""
    told = listed([f"{row.member.label} {in_words(row.state)}" for row in unwell])
    quorum = quorum_of([r.member for r in health.members], [r.member.id for r in rest if r.votes])
    if quorum.present:
        return f"CAREFUL: {told}. The quorum holds, {spare(quorum)}: touch no other member."
    row = health.member(member_id)
    name = row.member.label if row else f"{member_id:x}"
    return (
        f"CAREFUL: {told}. {quorum.healthy} of the other voters are seen to vote, {quorum.needed} are "
        f"needed: bring {name} back at once, and touch nothing else."
    )


def spare(quorum: Quorum) -> str:
    """How much more may fail."""
    if not quorum.tolerance:
        return "no further loss is allowed"
    return f"{counted(quorum.tolerance, 'further loss', 'further losses')} can be borne"


def pod_ready(facts: ApiFacts, node: str) -> bool:
    """All containers of the etcd pod there are ready."""
    pod = facts.pod_on(node)
    return pod is not None and pod.containers > 0 and pod.ready >= pod.containers
