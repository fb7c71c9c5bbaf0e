"""The leadership of etcd moved to another member: a procedure of its own, and a step of others."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from etcdtui.errors import EtcdTuiError, Refusal
from etcdtui.etcd import causes
from etcdtui.etcd.commands import ClientAccess, move_leader
from etcdtui.model.comeback import LAGGING
from etcdtui.model.health import MemberHealth, in_words, judge
from etcdtui.model.maintenance import heir
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import ClusterView
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Procedure, Step
from etcdtui.text import clean

KIND = "leadership"

Etcdctl = Callable[[], tuple[str, ClientAccess]]
"""A host on which etcdctl can be run, and how, also later. Raises Unreachable."""


@dataclass(frozen=True, slots=True)
class Move:
    """Of the leadership: to whom, on which host, and the command."""

    to: int
    name: str
    host: str
    argv: tuple[str, ...]

    def parameters(self) -> dict[str, str]:
        return {
            "move_to": f"{self.to:x}",
            "move_name": self.name,
            "move_host": self.host,
            "move_argv": shlex.join(self.argv),
        }

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Move:
        """Raises KeyError and ValueError."""
        return cls(
            int(parameters["move_to"], 16),
            parameters["move_name"],
            parameters["move_host"],
            tuple(shlex.split(parameters["move_argv"])),
        )


def move(leader: MemberHealth, to: MemberHealth, etcdctl: Etcdctl) -> Move:
    """From ``leader`` to that one. Raises Unreachable where no etcdctl can be run."""
    host, access = etcdctl()
    # Only the leader itself hands over: etcdctl must ask it, and nobody else.
    url = leader.endpoint.url if leader.endpoint else leader.member.client_urls[0]
    return Move(to.member.id, to.member.label, host, move_leader(access, to.member.id, url))


def plan(view: ClusterView, member_id: int, etcdctl: Etcdctl, *, procedure_id: str) -> Procedure:
    """Let this member lead; the one that leads already hands over to the fittest. Raises Refusal."""
    health = judge(view)
    row, leader = health.member(member_id), health.leader
    if view.read_only:
        raise Refusal(f"{view.name} is opened read-only: the leadership is not moved.")
    if row is None:
        raise Refusal(
            f"{view.name} has no member {member_id:x}, as far as is known.",
            "Wait until its members are shown, then choose one of them.",
        )
    if leader is None:
        raise Refusal(
            "No member is known to lead at this moment: there is nobody who could hand the leadership over.",
            "Wait until one is elected.",
        )
    to = heir(view, member_id) if leader is row else row
    if to is None:
        raise Refusal(
            f"No other member is fit to lead now: {leader.member.label} must go on.",
            "Look at the others' states: they must be healthy, and close behind the leader.",
        )
    fit = may_lead(view, to.member.id, to.member.label)
    if not fit.allowed:
        raise Refusal(fit.reason, f"{leader.member.label} goes on leading.")
    try:
        decided = move(leader, to, etcdctl)
    except EtcdTuiError as exc:
        raise Refusal(f"The leadership cannot be moved: {exc.message}", exc.hint) from exc
    reasons = [fit.reason]
    if leader is row:
        reasons.append(f"{leader.member.label} leads; {to.member.label} is the fittest of the others.")
    return _procedure(procedure_id, view.name, leader.member.id, leader.member.label, decided, tuple(reasons))


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, from its record. Raises KeyError and ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} moves no leadership")
    leader, name = int(parameters["leader"], 16), parameters["leader_name"]
    return _procedure(procedure_id, cluster, leader, name, Move.of(parameters), ())


def _procedure(
    procedure_id: str, cluster: str, leader: int, name: str, moved: Move, reasons: tuple[str, ...]
) -> Procedure:
    step = Step(
        key="move",
        title=f"Let {moved.name} lead",
        why=f"{name} leads and hands over: the leadership moves within milliseconds, nobody has to be "
        "elected, and no key is lost. Requests under way at that instant may be repeated by their clients.",
        action=Action.COMMAND,
        host=moved.host,
        argv=moved.argv,
        gate=Gate(GateKind.CONFIRM, prompt=f"Let {moved.name} lead instead of {name}?"),
        prechecks=(still_leads(leader, name), fit_to_lead(moved)),
        done=leads(moved),
        verify=leads(moved),
        explain=explain(moved),
        skippable=False,
        cancel=f"Ends here; until its command has run {name} goes on leading.",
    )
    parameters = {"leader": f"{leader:x}", "leader_name": name} | moved.parameters()
    title = f"Move the leadership of {cluster} to {moved.name}"
    return Procedure(KIND, procedure_id, cluster, title, parameters, (step,), reasons)


def may_lead(view: ClusterView, member_id: int, name: str) -> Verdict:
    """Is this member fit to lead, as far as the view knows?"""
    if view.read_only:
        return Verdict(False, f"{view.name} is opened read-only: the leadership is not moved.")
    row = judge(view).member(member_id)
    if row is None or not row.well or row.role != "follower":
        state = in_words(row.state) if row and not row.well else "is no follower now"
        return Verdict(False, f"{name} {state}, it cannot be made the leader.")
    if row.lag is None or row.lag > LAGGING:
        return Verdict(False, f"{name} is too far behind to be made the leader.")
    return Verdict(True, f"{name} is fit to lead.")


def fit_to_lead(moved: Move) -> Check:
    def check(world: Context) -> Verdict:
        return may_lead(world.view(), moved.to, moved.name)

    return check


def still_leads(member_id: int, name: str) -> Check:
    """The command of the plan asks this one."""

    def check(world: Context) -> Verdict:
        leader = judge(world.view()).leader
        if leader is None:
            return Verdict(False, "No member is known to lead at this moment.")
        if leader.member.id != member_id:
            return Verdict(False, f"{leader.member.label} leads now, no longer {name}: plan it anew.")
        return Verdict(True, f"{name} leads.")

    return check


def leads(moved: Move) -> Check:
    def check(world: Context) -> Verdict:
        leader = judge(world.view()).leader
        if leader is None:
            return Verdict(False, "No member is known to lead at this moment.")
        if leader.member.id != moved.to:
            return Verdict(False, f"{leader.member.label} leads, not {moved.name}.")
        return Verdict(True, f"{moved.name} leads now.")

    return check


def explain(moved: Move) -> Callable[[int, str], str]:
    """Known failures of the command, in words."""

    def words(status: int, said: str) -> str:
        problem = causes.explain(said)
        if problem is None:
            return ""
        return (
            f"The leadership was not moved: etcdctl on {moved.host} ended with exit code {status}: "
            f"{problem.message}. It said last: “{clean(causes.last_words(said))}”."
        )

    return words
