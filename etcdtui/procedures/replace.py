"""A failed member replaced, from the first look to the last: one at a time, never past the quorum.

The steps follow the case (machine gone, node not ready, etcd does not stay up) and what the platform does by
itself (operator, Machine API, machine set, or nobody).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from etcdtui.errors import ConfigError, EtcdTuiError, Refusal
from etcdtui.etcd.commands import ClientAccess, member_add, member_remove
from etcdtui.model.causes import Advice
from etcdtui.model.examination import examine
from etcdtui.model.health import MemberHealth, judge
from etcdtui.model.members import Member, MemberList
from etcdtui.model.removal import adds_nobody_beside_failed, mark_verdict
from etcdtui.model.versions import parse
from etcdtui.model.view import ClusterView
from etcdtui.procedures import backup, replace_api, replace_backup, replace_machine, replace_return
from etcdtui.procedures import replace_checks as checks
from etcdtui.procedures.procedure import Action, Gate, GateKind, Objects, Procedure, Step, World
from etcdtui.procedures.replace_decided import DECIDED, Case, Command, Decided, Platform, Rebuild
from etcdtui.procedures.replace_evidence import in_one, signs_of, weigh
from etcdtui.procedures.replace_host import stop_steps
from etcdtui.procedures.replace_look import case_of, look
from etcdtui.procedures.replace_report import report_step
from etcdtui.text import listed

KIND = "replace"
LEARNERS = (3, 4, 0)  # etcd that knows them


def plan(
    view: ClusterView,
    member_id: int,
    world: World,
    *,
    procedure_id: str,
    now: float,
    marked: Collection[int] = (),
) -> Procedure:
    """The replacement of one member, ``marked`` among others in their order. Asks the API, so it may take
    some seconds. Raises Refusal when it may not be removed, or lives.
    """
    first = _decide(view, _chosen(view, member_id, marked, now), (), world, now)
    all_of_them = _together(view, first, marked, world, now)
    offered, unoffered = _backup(view, world, procedure_id, now)
    reasons = (
        *(sentence for decided in all_of_them for sentence in _advised(view, decided, world)),
        *(sentence for decided in all_of_them for sentence in _why(view, decided, now)),
        *_why_together(all_of_them),
        *unoffered,
    )
    return _procedure(procedure_id, view.name, all_of_them, offered, reasons)


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, from its record. Raises KeyError and ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} is no replacement")
    first = Decided.of(parameters)
    more = [Decided.of(parameters, _numbered(DECIDED, n)) for n in range(1, len(first.together))]
    return _procedure(procedure_id, cluster, (first, *more), first.backup, ())


def _chosen(view: ClusterView, member_id: int, marked: Collection[int], now: float) -> MemberHealth:
    """The row of a member that may go, and is dead. Raises Refusal."""
    row = judge(view).member(member_id)
    if row is None:
        raise Refusal(
            f"{view.name} has no member {member_id:x}, as far as is known.",
            "Wait until its members are shown, then choose one of them.",
        )
    verdict = mark_verdict(view, member_id, marked, now=now)
    if not verdict.allowed:
        raise Refusal(verdict.reason)
    signs = signs_of(view, row.member)
    if any(not sign.dead for sign in signs):
        raise Refusal(weigh(row.member.label, signs).reason, "Examine it first: enter on its row.")
    return row


def _together(
    view: ClusterView, first: Decided, marked: Collection[int], world: World, now: float
) -> tuple[Decided, ...]:
    """Where nobody can be added while another failed member is in the list, that one leaves it, too, before
    the first comes back: it must be marked. Raises Refusal."""
    if not first.ailing:
        return (first,)
    who = adds_nobody_beside_failed(view, operator=first.platform.operator)
    if not who:
        return (first,)
    rows = {one: judge(view).member(one) for one in first.ailing}
    names = listed([row.member.label for row in rows.values() if row])
    if not set(first.ailing) <= set(marked):
        raise Refusal(
            f"{names} is not well either, and {who} adds nobody while a member of the list is not: "
            f"{first.name} would be taken out, and nothing could come in its place.",
            f"Bring {names} back first, or mark it, too (x on its row).",
        )
    order = [one for one in marked if one in rows]
    ids = (first.target.id, *order)
    members = {m.id: m for m in first.members}
    together = tuple(members[one] for one in ids)
    made = [replace(first, together=together, ailing=())]
    for number, one in enumerate(order, 1):
        gone = ids[:number]
        row = _chosen(view, one, (one,), now)
        taken = [str(d.platform.successor["metadata"]["name"]) for d in made if d.platform.successor]
        decided = _decide(view, row, taken, world, now)
        made.append(
            replace(
                decided,
                members=tuple(m for m in decided.members if m.id not in gone),
                stamp=f"{decided.stamp}-{number + 1}",
                ailing=(),
                together=together,
            )
        )
    # Until the last of them is out, those that are still in the list cannot be asked.
    return tuple(replace(d, ailing=ids[number + 1 :]) for number, d in enumerate(made))


def _advised(view: ClusterView, decided: Decided, world: World) -> Iterable[str]:
    """Where its examination advises something else than to replace it, that comes first."""
    seen = examine(view, decided.target.id, world.examine(decided.target.id, lambda probe: None))
    if seen.advice is not Advice.REPLACE:
        yield f"Mind: examined just now, something else is advised. {seen.sentence}"


def _why(view: ClusterView, decided: Decided, now: float) -> tuple[str, ...]:
    told = in_one(signs_of(view, decided.target))
    # Who goes before it is out by the time it goes.
    then = replace(view, members=replace(view.members, value=_still_there(view, decided)))
    verdict = mark_verdict(then, decided.target.id, decided.turn, now=now)
    name = f"{decided.name}: " if decided.together else ""
    return (
        f"{name}The case: {decided.case.value}. {told[:1].upper()}{told[1:]}.",
        verdict.reason,
        _how(decided),
    )


def _still_there(view: ClusterView, decided: Decided) -> MemberList | None:
    return replace(view.members.value, members=decided.members) if view.members.value else None


def _why_together(all_of_them: Sequence[Decided]) -> tuple[str, ...]:
    if len(all_of_them) < 2:
        return ()
    names = listed([decided.name for decided in all_of_them])
    return (
        f"{names} leave the list one after the other, each by its own name, before anybody is added: nobody "
        "can be while a member of the list is not well. Then they come back one after the other, the next "
        "only when the former votes.",
    )


def _decide(view: ClusterView, row: MemberHealth, taken: Sequence[str], world: World, now: float) -> Decided:
    target, told = row.member, view.members.value
    assert told is not None
    others = [r for r in judge(view).members if r.member.id != target.id]
    urls = [r.member.client_urls[0] for r in others if r.votes and r.member.client_urls]
    host, access = _etcdctl(view, world, target)
    case = case_of(view, target)
    platform = look(_objects(world), view, target, case, taken)
    own = row.host.name if row.host else target.name
    add = Command("", ())
    learner = all((parse(r.status.version) or LEARNERS) >= LEARNERS for r in others if r.status)
    if not platform.operator:
        if not target.name:
            raise Refusal(
                f"{target.label} never started, and nobody adds members here by itself.",
                f"Take it out with: etcdctl member remove {target.hex_id}",
            )
        argv = member_add(access, target.name, target.peer_urls, learner=learner, endpoints=urls)
        add = Command(host, argv)
    return Decided(
        cluster_id=told.cluster_id,
        target=target,
        members=told.members,
        case=case,
        stamp=time.strftime("%Y-%m-%d_%H%M%S", time.localtime(now)),
        host=own,
        layout=world.layout_of(own),
        remove=Command(host, member_remove(access, target.id, urls)),
        platform=platform,
        add=add,
        learner=learner,
        ailing=tuple(r.member.id for r in others if not r.votes and not r.member.learner),
    )


def _etcdctl(view: ClusterView, world: World, target: Member) -> tuple[str, ClientAccess]:
    """A host to run etcdctl on that is not the member's own. Raises Refusal."""
    own = view.host_of(target)
    try:
        return world.etcdctl(own.name if own else "")
    except EtcdTuiError as exc:
        raise Refusal(f"Nobody could be told to remove {target.label}: {exc.message}", exc.hint) from exc


def _objects(world: World) -> Objects | None:
    try:
        return world.objects()
    except ConfigError:
        return None
    except EtcdTuiError as exc:
        raise Refusal(f"The API must be asked for the plan: {exc.message}", exc.hint) from exc


def _backup(
    view: ClusterView, world: World, procedure_id: str, now: float
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """What a backup within the guide decides, or why none is offered."""
    try:
        made = backup.plan(view, world.layout_of, world.keeping, procedure_id=procedure_id, now=now)
    except Refusal as exc:
        return {}, (f"A backup is not offered within the guide: {exc.message}",)
    return made.parameters, ()


def _how(decided: Decided) -> str:
    platform = decided.platform
    machine = {
        Rebuild.STAYS: "Its host stays: etcd there is stopped for good, its data kept under a dated name.",
        Rebuild.MACHINE: f"Its machine {platform.machine} is deleted and made anew by the Machine API.",
        Rebuild.MACHINE_SET: f"Its machine {platform.machine} is deleted; the machine set makes a new one.",
        Rebuild.BY_HAND: "You rebuild its host; the guide says how and watches.",
    }[platform.rebuild]
    adds = "etcd's operator adds the new member." if platform.operator else "The guide adds the new member."
    version = f" OpenShift {platform.version}." if platform.version else ""
    return f"{machine} {adds}{version}"


def _procedure(
    procedure_id: str,
    cluster: str,
    all_of_them: Sequence[Decided],
    offered: Mapping[str, str],
    reasons: tuple[str, ...],
) -> Procedure:
    first, last = all_of_them[0], all_of_them[-1]
    guard = first.platform.operator and first.platform.guard
    steps = (
        _state(first),
        *replace_backup.steps(procedure_id, cluster, offered),
        *_named(0, first, _out(first, (replace_api.guard_off(first),) if guard else ())),
        *(step for n, d in enumerate(all_of_them[1:], 1) for step in _named(n, d, _out(d))),
        *(step for n, d in enumerate(all_of_them) for step in _named(n, d, _in(d))),
        *((replace_api.guard_on(first.platform.overrides),) if guard else ()),
        *replace_return.whole_again(last),
        report_step(all_of_them),
    )
    parameters = first.parameters() | {f"backup {key}": value for key, value in offered.items()}
    if len(all_of_them) > 1:
        parameters["together"] = " ".join(d.target.hex_id for d in all_of_them)
    parameters |= {_numbered(DECIDED, n): d.document for n, d in enumerate(all_of_them) if n}
    title = f"Replace {listed([d.name for d in all_of_them])} in {cluster}"
    return Procedure(KIND, procedure_id, cluster, title, parameters, steps, reasons, locks=True)


def _numbered(key: str, number: int) -> str:
    return f"{key} {number + 1}" if number else key


def _named(number: int, decided: Decided, steps: Iterable[Step]) -> tuple[Step, ...]:
    """Steps that several members have, each under a key of its own, and told apart for people."""

    def title(step: Step) -> str:
        told = not decided.together or decided.name in step.title or step.key == replace_api.GUARD_OFF
        return step.title if told else f"{step.title} ({decided.name})"

    return tuple(replace(step, key=_numbered(step.key, number), title=title(step)) for step in steps)


def _out(decided: Decided, guard: tuple[Step, ...] = ()) -> tuple[Step, ...]:
    """From the list, for good."""
    return (
        _right_one(decided),
        *(stop_steps(decided) if decided.case is Case.CRASHING else ()),
        *guard,
        _remove(decided),
    )


def _in(decided: Decided) -> tuple[Step, ...]:
    """A new member in its place, until it votes."""
    platform = decided.platform
    return (
        *((replace_api.secrets(decided),) if platform.secrets else ()),
        *replace_machine.steps(decided),
        *((replace_api.redeploy(decided),) if _redeploys(platform) else ()),
        *((replace_return.scale_up(decided),) if platform.operator else replace_return.by_hand(decided)),
        *replace_machine.late_requests(decided),
    )


def _redeploys(platform: Platform) -> bool:
    return platform.operator and platform.rebuild is Rebuild.STAYS


def _state(decided: Decided) -> Step:
    return Step(
        key="state",
        title="May it be removed now?",
        why="Voters, quorum, who is well and who is not, how old what is known is, and what etcd itself "
        "would refuse: all of it read anew. Nothing has been changed yet.",
        prechecks=(checks.may_go(decided),),
        done=checks.removed(decided),
        skippable=False,
    )


def _right_one(decided: Decided) -> Step:
    target = decided.target
    return Step(
        key="right one",
        title="Is it the right one, and dead?",
        why=f"{decided.name}, ID {target.hex_id}, {listed(target.peer_urls)}. At least two sources that know "
        "nothing of each other must say that it is dead, and none that it lives; the member list must be "
        "the one of the plan.",
        prechecks=(checks.same_member(decided), checks.dead(decided), checks.may_go(decided)),
        done=checks.removed(decided),
        skippable=False,
    )


def _remove(decided: Decided) -> Step:
    return Step(
        key="remove",
        title=f"Remove {decided.name} from the member list",
        why="First out, then in: while it is in the list it counts for the quorum, and nobody can be added "
        "safely. This is the step that cannot be taken back.",
        action=Action.COMMAND,
        host=decided.remove.host,
        argv=decided.remove.argv,
        gate=Gate(
            GateKind.PHRASE, decided.phrase, "The arithmetic before and after stands there when it is asked."
        ),
        ask=checks.ask_name(decided),
        prechecks=(
            checks.reachable(decided.remove.host),
            checks.same_member(decided),
            checks.may_go(decided),
            checks.dead(decided),
        ),
        done=checks.removed(decided),
        verify=checks.removed_everywhere(decided),
        patience=30.0,
        cancel="Ends here; until the command has run it is in the list, once removed it comes back only as "
        "a new member. What was done before stays as it is.",
        explain=checks.explain_removal(decided),
        skippable=False,
    )
