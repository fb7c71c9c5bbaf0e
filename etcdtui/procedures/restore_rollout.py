"""Everything is rolled out anew after a restore, and watched; the members join one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from etcdtui.model.health import in_words, judge
from etcdtui.model.platform import OperatorFacts
from etcdtui.model.quorum import Verdict
from etcdtui.platforms import guard, oc, operators
from etcdtui.platforms.objects import ETCD
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Reporter, Step, Work
from etcdtui.procedures.replace_api import GUARD_OFF, guard_on, patiently
from etcdtui.procedures.restore_decided import OTHERS, Standstill
from etcdtui.text import age, listed

JOINED_WITHIN = 900.0  # seconds
ROLLOUT = 3600.0
PAUSE = 2.0
STEADY = 3  # looks in a row that must say that a rollout is done

_FROM = re.compile(r"-from-(\d{1,9})\Z")


def rollout_steps(decided: Standstill) -> tuple[Step, ...]:
    """etcd first, and the guard on again as soon as its members have joined; then the three others."""
    if not decided.api:
        return (_by_hand(decided),)
    others = (_rollout(decided, name) for name in operators.OPERATORS if name != "etcd")
    off, on = ((_guard_off(),), (guard_on(OTHERS),)) if decided.guard else ((), ())
    return (*off, _rollout(decided, "etcd"), members_step(decided), *on, *others)


def members_step(decided: Standstill) -> Step:
    title = "The members join one by one"
    why = "The operator adds each as a learner, lets it catch up, and promotes it."
    if not decided.reached:  # nobody is there to join
        title = f"The member of {decided.recovery.host} is well"
        why = f"It is alone{' until the masters that are off are built anew' if decided.off else ''}."
    return Step(
        key="members",
        title=title,
        why=why,
        verify=joined(decided),
        patience=JOINED_WITHIN,
        usual=300.0,
        ways="Ways out: keep waiting; look at the pods of openshift-etcd and at the operator’s log (`oc logs "
        "-n openshift-etcd-operator deploy/etcd-operator`); a host whose etcd does not start may hold old "
        "data: its folder must be empty of member.",
    )


def _guard_off() -> Step:
    body = guard.off()

    def so(world: Context) -> Verdict:
        off = guard.is_off(world.objects().get(ETCD))
        return Verdict(off, f"The operator's guard is {'off' if off else 'on'}.")

    def work(world: Context, report: Reporter) -> Verdict:
        if not patiently(report, lambda: so(world)).allowed:
            patiently(report, lambda: world.objects().patch(ETCD, body))
        return patiently(report, lambda: so(world))

    return Step(
        key=GUARD_OFF,
        title="Take the operator's guard off",
        why="With one member alone the operator refuses to roll anything out. It is put on again when all "
        "members have joined; until then the journal remembers it as a debt, also after an abort.",
        action=Action.WORK,
        argv=oc.command("patch", ETCD, body),
        done=so,
        work=work,
        cancel="The guard stays as it is.",
        skippable=False,
    )


def _rollout(decided: Standstill, name: str) -> Step:
    path = operators.OPERATORS[name]
    # What the revision was before stands in the reason itself, so that a resume knows it.
    shown = operators.redeployment(f"recovery-{decided.stamp}-from-REVISION")
    return Step(
        key=f"redeploy {name}",
        title=f"Have {name} rolled out anew",
        why="Its pods on the other hosts are gone, or of before the restore. A new reason makes the operator "
        "put them on one host after another; it is watched until every node has the new revision.",
        action=Action.WORK,
        argv=oc.command("patch", path, shown),
        work=_redeploy(decided, path),
        cancel="Watching ends; the operator goes on.",
    )


def _redeploy(decided: Standstill, path: str) -> Work:
    def work(world: Context, report: Reporter) -> Verdict:
        before = ask_for(decided, world, report, path)
        return _watched(world, report, path, before, expected_of(decided))

    return work


def asked(decided: Standstill, resource: Mapping[str, Any]) -> bool:
    """This restore has asked for a rollout already."""
    return operators.redeployment_reason(resource).startswith(f"recovery-{decided.stamp}-from-")


def ask_for(decided: Standstill, world: Context, report: Reporter, path: str) -> int:
    """Have one operator roll out anew, unless it was asked already; the latest revision before that."""
    resource = patiently(report, lambda: world.objects().get(path))
    if asked(decided, resource):
        match = _FROM.search(operators.redeployment_reason(resource))
        return int(match[1]) if match else 0
    before = operators.parse_rollout(resource).latest
    body = operators.redeployment(f"recovery-{decided.stamp}-from-{before}")
    patiently(report, lambda: world.objects().patch(path, body))
    return before


def lacking(decided: Standstill, operator: OperatorFacts) -> str:
    """What keeps an operator from being settled; empty when nothing does."""
    if not operator.available:
        return "is not available"
    if decided.off:
        return ""  # as long as a host is off, whatever should run on it is missed
    if operator.progressing:
        return "is at work"
    return "is degraded" if operator.degraded else ""


def expected_of(decided: Standstill) -> frozenset[str]:
    return frozenset(m.node for m in (decided.recovery, *decided.reached))


def _watched(world: Context, report: Reporter, path: str, before: int, expected: frozenset[str]) -> Verdict:
    """Until the nodes that are there have a revision newer than ``before``."""
    seen, steady, end = "", 0, world.now() + ROLLOUT
    while True:
        rollout = operators.parse_rollout(patiently(report, lambda: world.objects().get(path)))
        here = [n for n in rollout.nodes if n.name in expected]
        there = len(here) == len(expected) and all(n.current == rollout.latest for n in here)
        # The operator's own word for it is NodeInstallerProgressing; it waits for hosts that are off, too.
        agreed = rollout.settled is not False or {n.name for n in rollout.nodes} != expected
        done = rollout.latest > before and there and agreed
        steady = steady + 1 if done else 0
        if steady >= STEADY:
            return Verdict(True, rollout.sentence)
        if rollout.sentence != seen:
            seen = rollout.sentence
            report.say(seen)
        if world.now() > end:
            return Verdict(
                False,
                f"It is not done after {age(ROLLOUT)}; usually it takes some minutes for each node. Seen "
                f"last: {seen} Ways out: try again, which goes on watching; look at the installer pods; "
                "or skip it.",
            )
        if report.cancelled.wait(PAUSE):
            return Verdict(False, f"No longer watched. Seen last: {seen}")


def joined(decided: Standstill) -> Check:
    wanted = expected_of(decided)

    def check(world: Context) -> Verdict:
        rows = {row.member.name or row.member.label: row for row in judge(world.view()).members}
        vote = sorted(n for n in wanted if n in rows and rows[n].well and not rows[n].member.learner)
        if len(vote) == len(wanted):
            are = "votes and is" if len(vote) == 1 else "vote and are"
            off = listed([m.host for m in decided.off])
            later = f" {off} can join only when built anew." if off else ""
            return Verdict(True, f"{listed(vote)} {are} well.{later}")
        missing = []
        for name in sorted(wanted - set(vote)):
            row = rows.get(name)
            if row is None:
                missing.append(f"{name} is not in the list yet")
            elif row.member.learner:
                missing.append(f"{name} is a learner that catches up")
            else:
                missing.append(f"{name} {in_words(row.state)}")
        return Verdict(False, f"{len(vote)} of {len(wanted)} vote and are well; {listed(missing)}.")

    return check


def _by_hand(decided: Standstill) -> Step:
    lines = "; ".join(
        f"`oc patch {name} cluster --type=merge -p {_body(decided)}`" for name in operators.OPERATORS
    )
    return Step(
        key="by hand",
        title="Have everything rolled out anew",
        why=f"No kubeconfig is configured, so only you can do this, one after another: {lines}. After each "
        "wait until NodeInstallerProgressing says AllNodesAtLatestRevision.",
        gate=Gate(GateKind.CONFIRM, prompt="Are all four rolled out on every node?"),
    )


def _body(decided: Standstill) -> str:
    return json.dumps(operators.redeployment(f"recovery-{decided.stamp}"))
