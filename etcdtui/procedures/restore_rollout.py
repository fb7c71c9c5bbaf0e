"""The end of a restore: everything rolled out anew, members join one by one, the last looks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etcdtui.etcd import answers
from etcdtui.etcd.commands import ClientAccess, alarm_list_json
from etcdtui.model.hashes import Sameness
from etcdtui.model.health import Level, judge
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import ClusterView
from etcdtui.platforms import oc, operators
from etcdtui.platforms.objects import ETCD
from etcdtui.procedures.hashes import compare_hashes
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Reporter, Step, Work
from etcdtui.procedures.replace_api import GUARD_OFF, guard_on, patiently
from etcdtui.procedures.restore_back import ASK, access_of, why_not
from etcdtui.procedures.restore_decided import OTHERS, Standstill
from etcdtui.reach.runner import Runner
from etcdtui.text import grouped, listed

JOINED_WITHIN = 900.0  # seconds
ROLLOUT = 3600.0
WHOLE_WITHIN = 300.0
PAUSE = 2.0
STEADY = 3  # looks in a row that must say that a rollout is done

_FROM = re.compile(r"-from-(\d{1,9})\Z")


def rollout_steps(decided: Standstill) -> tuple[Step, ...]:
    """etcd first, and the guard on again as soon as its members have joined; then the three others."""
    if not decided.api:
        return (_by_hand(decided), whole_step(decided))
    others = (_rollout(decided, name) for name in operators.OPERATORS if name != "etcd")
    off, on = ((_guard_off(),), (guard_on(OTHERS),)) if decided.guard else ((), ())
    return (*off, _rollout(decided, "etcd"), members_step(decided), *on, *others, whole_step(decided))


def members_step(decided: Standstill) -> Step:
    return Step(
        key="members",
        title="The members join one by one",
        why="The operator adds each as a learner, lets it catch up, and promotes it.",
        verify=joined(decided),
        patience=JOINED_WITHIN,
    )


def _guard_off() -> Step:
    body = operators.guard_off()

    def so(world: Context) -> Verdict:
        off = operators.guard_is_off(world.objects().get(ETCD))
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


def expected_of(decided: Standstill) -> frozenset[str]:
    return frozenset(m.node for m in (decided.recovery, *decided.reached))


def _watched(world: Context, report: Reporter, path: str, before: int, expected: frozenset[str]) -> Verdict:
    """Until the nodes that are there have a revision newer than ``before``."""
    seen, steady, end = "", 0, world.now() + ROLLOUT
    while True:
        rollout = operators.parse_rollout(patiently(report, lambda: world.objects().get(path)))
        here = [n for n in rollout.nodes if n.name in expected]
        there = len(here) == len(expected) and all(n.current == rollout.latest for n in here)
        done = rollout.latest > before and there
        steady = steady + 1 if done else 0
        if steady >= STEADY:
            return Verdict(True, rollout.sentence)
        if rollout.sentence != seen:
            seen = rollout.sentence
            report.say(seen)
        if world.now() > end:
            return Verdict(False, f"It is not done after an hour. Seen last: {seen}")
        if report.cancelled.wait(PAUSE):
            return Verdict(False, f"No longer watched. Seen last: {seen}")


def joined(decided: Standstill) -> Check:
    wanted = expected_of(decided)

    def check(world: Context) -> Verdict:
        health = judge(world.view())
        well = {row.member.name for row in health.members if row.well and not row.member.learner}
        missing = sorted(wanted - well)
        if missing:
            names = listed([row.member.label for row in health.members]) or "nobody"
            return Verdict(
                False,
                f"{listed(missing)} {'is' if len(missing) == 1 else 'are'} not a voter that "
                f"is well yet; in the list: {names}.",
            )
        return Verdict(True, f"{listed(sorted(wanted))} vote and are well.")

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


# -- the end


def whole_step(decided: Standstill) -> Step:
    return Step(
        key="whole",
        title="Is everything whole again?",
        why="All members, the same keys on all of them, no alarm. What the restore cannot know is named.",
        verify=_last_looks(decided),
        patience=WHOLE_WITHIN,
        skippable=False,
    )


@dataclass(frozen=True, slots=True)
class _Asking:
    """The world, with etcd asked on the recovery host: the containers of before are gone."""

    world: Context
    decided: Standstill

    def view(self) -> ClusterView:
        return self.world.view()

    def runner(self, host: str) -> Runner:
        return self.world.runner(host)

    def etcdctl(self, avoid: str = "") -> tuple[str, ClientAccess]:
        return self.decided.recovery.host, access_of(self.decided, self.world).lasting


def _last_looks(decided: Standstill) -> Check:
    def check(world: Context) -> Verdict:
        view = world.view()
        health = judge(view)
        missing = expected_of(decided) - {row.member.name for row in health.members if row.well}
        if health.level is not Level.HEALTHY or missing:
            return Verdict(False, f"The cluster is not healthy yet: {health.sentence}")
        asking = _Asking(world, decided)
        host, access = asking.etcdctl()
        done = world.runner(host).run(alarm_list_json(access, (decided.recovery.client_url,)), timeout=ASK)
        if not done.ok:
            return Verdict(False, f"The alarms cannot be read: {why_not(done.err())}")
        alarms = answers.alarm_list(done.out())
        if alarms:
            return Verdict(False, f"There are alarms: {listed([a.kind for a in alarms])}.")
        said = [f"{health.sentence} No alarm."]
        if len(health.members) > 1:
            found = compare_hashes(asking)
            if found.sameness is not Sameness.IDENTICAL:
                return Verdict(False, found.sentence)
            said.append(found.sentence)
        return Verdict(True, " ".join((*said, *what_is_left(decided, view))))

    return check


def what_is_left(decided: Standstill, view: ClusterView) -> list[str]:
    """What is left to do for people."""
    said = []
    now = max((e.status.value.revision for e in view.endpoints if e.status.value), default=0)
    if now and now <= decided.seen:
        said.append(
            f"The revision is {grouped(now)}, and was {grouped(decided.seen)} before: whatever watches the "
            "API may keep what no longer exists. Restart operators, routers and controllers."
        )
    if decided.off:
        names = listed([m.host for m in decided.off])
        said.append(f"{names} must stay off until built anew: replace it as a member then.")
    said.append(
        f"Take a backup at once. What the restore has set aside is kept: {decided.safe} on "
        f"{decided.recovery.host}"
        + "".join(f", {decided.data_aside(m)} on {m.host}" for m in decided.reached)
        + ". Everything written after the backup is gone: whoever owns an application must look at it."
    )
    return said
