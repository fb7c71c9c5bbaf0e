"""Maintenance of one member: may it go down, who leads meanwhile, and is it back?

etcdtui reboots nothing. It answers, moves the leadership away when that is wanted, and then watches the
member go and come back; all the while it says at once when another member ails.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from etcdtui.errors import EtcdTuiError, Refusal
from etcdtui.model.comeback import away, back, others_ail
from etcdtui.model.health import MemberHealth, judge
from etcdtui.model.maintenance import (
    Answer,
    Weight,
    heir,
    may_take_down,
    safe_to_take_one_down,
)
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import FRESH_API, ClusterView
from etcdtui.procedures import leadership
from etcdtui.procedures.leadership import Etcdctl, Move
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Procedure, Step
from etcdtui.text import age

KIND = "maintenance"
STEADY = 5.0  # seconds for which a member that came back must stay well
PLACES = 15.0  # seconds for the places of backups to be listed anew
REMIND = 600.0  # seconds after which a waiting step says once more what it waits for


@dataclass(frozen=True, slots=True)
class Decided:
    """Every decision of a plan, as the record keeps it. ``node`` is empty where no API knows one."""

    member: int
    name: str
    host: str
    node: str
    move: Move | None = None

    def parameters(self) -> dict[str, str]:
        moved = self.move.parameters() if self.move else {}
        return {
            "member": f"{self.member:x}",
            "name": self.name,
            "host": self.host,
            "node": self.node,
            **moved,
        }

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Decided:
        """Raises KeyError and ValueError."""
        move = Move.of(parameters) if "move_to" in parameters else None
        return cls(
            int(parameters["member"], 16),
            parameters["name"],
            parameters["host"],
            parameters["node"],
            move,
        )


def plan(view: ClusterView, member_id: int, etcdctl: Etcdctl, *, procedure_id: str) -> Procedure:
    """The maintenance of one member. That it may not go now stands in the reasons, and its check refuses.

    Raises Refusal for a member that nobody knows.
    """
    row = judge(view).member(member_id)
    if row is None:
        raise Refusal(
            f"{view.name} has no member {member_id:x}, as far as is known.",
            "Wait until its members are shown, then choose one of them.",
        )
    answer = may_take_down(view, member_id)
    move, unmoved = _move(view, row, etcdctl)
    facts = view.api.current(view.now, FRESH_API)
    node = row.member.name if facts and any(n.name == row.member.name for n in facts.nodes) else ""
    host = row.host.name if row.host else row.member.name
    decided = Decided(member_id, row.member.label, host, node, move)
    return _procedure(procedure_id, view.name, decided, (*_told(answer), *unmoved))


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, from its record. Raises KeyError and ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} is no maintenance")
    return _procedure(procedure_id, cluster, Decided.of(parameters), ())


def _move(view: ClusterView, row: MemberHealth, etcdctl: Etcdctl) -> tuple[Move | None, tuple[str, ...]]:
    """How the leadership is moved away, or why that is not offered; neither when it does not lead."""
    if row.role != "leader":
        return None, ()
    to = heir(view, row.member.id)
    if view.read_only:
        return None, (f"{view.name} is opened read-only: the leadership is not moved away first.",)
    if to is None:
        return None, ("No other member is fit to lead now: the leadership cannot be moved away first.",)
    try:
        return leadership.move(row, to, etcdctl), ()
    except EtcdTuiError as exc:
        return None, (f"The leadership cannot be moved away first: {exc.message}",)


def _told(answer: Answer) -> tuple[str, ...]:
    """The verdict, then the reasons that it does not give itself, the gravest first."""
    signs = {Weight.NO: "No: ", Weight.WARNING: "Mind: ", Weight.OK: ""}
    reasons = [(sign, sentence) for weight, sign in signs.items() for sentence in answer.of(weight)]
    rest = (f"{sign}{sentence}" for sign, sentence in reasons if sentence[1:] not in answer.sentence)
    return (answer.sentence, *rest)


def _procedure(procedure_id: str, cluster: str, decided: Decided, reasons: tuple[str, ...]) -> Procedure:
    name, watch = decided.name, _Watch(decided)
    steps = [
        Step(
            key="check",
            title=f"May {name} go down now?",
            why="The others must carry the cluster alone: quorum, health, leadership, rollouts, alarms and "
            "the last backup are read anew.",
            prechecks=(_may_go(decided),),
            skippable=False,
        ),
        Step(
            key="down",
            title=f"Take {name} down",
            why=_take_down(decided),
            action=Action.HUMAN,
            host=decided.host,
            prechecks=(watch.may_still_go,),
            done=watch.already_gone,
            verify=watch.gone,
            patience=REMIND,
            cancel=f"Nothing was done to {name}; leave it running.",
        ),
        Step(
            key="back",
            title=f"{name} comes back",
            why=f"{name} is watched until its etcd is healthy and has caught up with the leader for "
            f"{STEADY:.0f} s, and, where the API tells, until its pod and its node are ready. Leave every "
            f"other member alone until then.{_uncordon(decided)}",
            action=Action.HUMAN,
            host=decided.host,
            verify=watch.returned,
            patience=REMIND,
            cancel=f"Watching ends. {name} may still be away: no other member may go before it is back.",
        ),
        Step(
            key="next",
            title="May the next one go?",
            why="One after another, and each only when all the others are well again.",
            prechecks=(watch.next_one,),
            skippable=False,
        ),
    ]
    if decided.move is not None:
        steps.insert(1, _move_step(decided, decided.move))
    title = f"Maintenance of {name} in {cluster}"
    return Procedure(KIND, procedure_id, cluster, title, decided.parameters(), tuple(steps), reasons)


def _take_down(decided: Decided) -> str:
    drain = (
        f"Where oc answers, first `oc adm cordon {decided.node}`, then `oc adm drain {decided.node} "
        "--ignore-daemonsets --delete-emptydir-data`. "
        if decided.node
        else ""
    )
    return (
        f"Only you can do this. {drain}Then, on {decided.host}: `sudo systemctl reboot`. If you decide "
        "otherwise, stop here: nothing happens to it."
    )


def _uncordon(decided: Decided) -> str:
    return f" If you cordoned it: `oc adm uncordon {decided.node}`." if decided.node else ""


def _move_step(decided: Decided, move: Move) -> Step:
    return Step(
        key="move",
        title=f"Let {move.name} lead",
        why=f"{decided.name} leads. Handed over, the leadership moves within milliseconds; if the leader "
        "just vanishes, nothing is written until the others have noticed and elected another.",
        action=Action.COMMAND,
        host=move.host,
        argv=move.argv,
        gate=Gate(
            GateKind.CONFIRM,
            prompt=f"Let {move.name} lead first? Else the others must elect when {decided.name} goes.",
            optional=True,
        ),
        prechecks=(_may_go(decided), leadership.fit_to_lead(move)),
        done=_leads_no_more(decided),
        verify=_leads_no_more(decided),
        explain=leadership.explain(move),
    )


# -- checks


def _may_go(decided: Decided) -> Check:
    def check(world: Context) -> Verdict:
        answer = may_take_down(world.look_at_places(PLACES), decided.member)
        return Verdict(answer.allowed, " ".join(_told(answer)))

    return check


def _leads_no_more(decided: Decided) -> Check:
    def check(world: Context) -> Verdict:
        leader = judge(world.view()).leader
        if leader is None:
            return Verdict(False, "No member is known to lead at this moment.")
        if leader.member.id == decided.member:
            return Verdict(False, f"{decided.name} still leads.")
        return Verdict(True, f"{leader.member.label} leads now, not {decided.name}.")

    return check


@dataclass(slots=True)
class _Watch:
    """What was seen of the member going and coming back, epoch seconds. Not kept over a resume: then only
    what is still to be seen is told."""

    decided: Decided
    since: float | None = field(default=None, init=False)  # away
    well: float | None = field(default=None, init=False)  # without interruption
    length: float | None = field(default=None, init=False)  # of the absence

    def already_gone(self, world: Context) -> Verdict:
        view = world.view()
        row = away(view, self.decided.member)
        if row is None:
            return Verdict(False, f"{self.decided.name} is still there.")
        if self.since is None:
            self.since = row.since if row.since is not None else view.now
        return Verdict(True, " ".join((self._away(), others_ail(view, self.decided.member))).strip())

    def may_still_go(self, world: Context) -> Verdict:
        """Who went meanwhile needs no leave any more."""
        seen = self.already_gone(world)
        return seen if seen.allowed else _may_go(self.decided)(world)

    def gone(self, world: Context) -> Verdict:
        seen = self.already_gone(world)
        if seen.allowed or self.since is not None:
            return Verdict(True, seen.reason if seen.allowed else self._away())
        answer = may_take_down(world.view(), self.decided.member)
        return Verdict(False, answer.sentence)

    def returned(self, world: Context) -> Verdict:
        view, member = world.view(), self.decided.member
        if self.since is None:
            self.already_gone(world)
        seen, ail = back(view, member), others_ail(view, member)
        if not seen.allowed:
            self.well = None
            told = self._away() if away(view, member) is not None else seen.reason
            return Verdict(False, f"{told} {ail}".strip())
        if self.well is None:
            self.well = view.now
        if view.now - self.well < STEADY:
            said = f"{self.decided.name} is well again; it must stay so for {STEADY:.0f} s."
            return Verdict(False, f"{said} {ail}".strip())
        if self.since is None:
            return Verdict(True, f"{seen.reason} How long it was away was not seen. {ail}".strip())
        self.length = self.well - self.since
        return Verdict(True, f"{seen.reason} It was away for {age(self.length)}. {ail}".strip())

    def next_one(self, world: Context) -> Verdict:
        """A verdict, no condition: whatever it says, this member is done."""
        decided = self.decided
        long = f" after {age(self.length)}" if self.length is not None else ""
        safe = safe_to_take_one_down(world.look_at_places(PLACES), done=(decided.member,))
        is_back = back(world.view(), decided.member)
        said = f"{decided.name} is back{long}." if is_back.allowed else is_back.reason
        return Verdict(True, f"{said} {safe.sentence}")

    def _away(self) -> str:
        since = time.strftime("%H:%M:%S", time.localtime(self.since))
        return f"{self.decided.name} went away at {since}."
