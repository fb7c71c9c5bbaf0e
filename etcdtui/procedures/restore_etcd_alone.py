"""From OpenShift 4.18 on: etcd alone is stopped, by the hosts' own disable-etcd.sh, and rolls out by itself.

What differs from the way before it, see restore_stop, restore_back and restore_rollout.
"""

from __future__ import annotations

import posixpath
import shlex

from etcdtui.model.platform import OperatorFacts
from etcdtui.model.quorum import Verdict
from etcdtui.platforms import guard, oc, operators
from etcdtui.platforms.eras import DISABLE
from etcdtui.platforms.objects import ETCD, OPERATORS, parse_conditions, parse_operators
from etcdtui.procedures.procedure import Action, Context, Gate, GateKind, Reporter, Step, Work
from etcdtui.procedures.replace_api import patiently
from etcdtui.procedures.restore_back import API_WITHIN, api_step, back_steps
from etcdtui.procedures.restore_decided import Decided, Master, Standstill
from etcdtui.procedures.restore_nodes import node_steps
from etcdtui.procedures.restore_rollout import (
    PAUSE,
    ROLLOUT,
    STEADY,
    ask_for,
    asked,
    expected_of,
    joined,
    lacking,
    members_step,
)
from etcdtui.procedures.restore_state import pod_stopped, right_host
from etcdtui.procedures.restore_stop import (
    WAYS_OUT,
    everywhere,
    goes_down,
    may_stop,
    set_aside,
    stop_pod,
    usual,
)
from etcdtui.procedures.restore_watch import watch
from etcdtui.text import clean, listed

STOPPED_WITHIN = 120.0  # seconds
GRACE = 300.0  # seconds without any movement, after which the rollout is asked for
STABLE = 60.0  # seconds for which every operator must be settled


# -- the other hosts


def stop(decided: Standstill) -> tuple[Step, ...]:
    """All other hosts, one after another: etcd alone."""
    steps = (step for m in decided.reached for step in (_stop_etcd(decided, m), set_aside(decided, m)))
    said = (
        f"From here on etcd gets stopped on {everywhere(decided)}; without it the API answers nobody, until "
        f"{decided.what} is done."
    )
    return (goes_down(decided, said), *steps)


def _stop_etcd(decided: Standstill, master: Master) -> Step:
    """By the host's own script; where it has none, its manifest is moved by us."""
    if not master.disabled:
        return stop_pod(decided, master, "etcd", may_stop(decided, master))
    stopped = pod_stopped(decided, master, "etcd")
    layout = master.layout
    script = posixpath.join(posixpath.dirname(layout.at(layout.restore_script)), DISABLE)
    back = f"The way back: sudo mv {master.disabled_manifest} {master.manifest('etcd')}"
    return Step(
        key=f"stop etcd {master.host}",
        title=f"Stop etcd on {master.host}",
        why=f"OpenShift's own script moves its manifest to {master.disabled} and waits, without a limit, "
        "until every container of etcd has stopped; they are watched here too.",
        action=Action.JOB,
        host=master.host,
        argv=(*layout.sudo, script),
        prechecks=(right_host(decided, master), may_stop(decided, master)),
        done=stopped,
        verify=stopped,
        patience=STOPPED_WITHIN,
        usual=usual("etcd"),
        ways=WAYS_OUT.format(host=master.host),
        watch=watch(decided, master, DISABLE, f"{back}."),
        cancel=f"The script would be ended. {back}",
        directory=layout.at(layout.jobs),
        skippable=False,
    )


# -- after the script


def back(decided: Decided) -> tuple[Step, ...]:
    """etcd, and the API that was never stopped: no kubelet has to be restarted."""
    asked_of_etcd = (step for step in back_steps(decided) if step.key in ("etcd", "keys"))
    return (*asked_of_etcd, *answering(decided))


def answering(decided: Standstill) -> tuple[Step, ...]:
    why = "The API servers were not stopped; they find etcd again by themselves, in seconds or a few minutes."
    return (api_step(decided, why), *node_steps(decided))


def rollout(decided: Standstill) -> tuple[Step, ...]:
    if not decided.api:
        return (_by_hand(decided),)
    off = listed([m.host for m in decided.off])
    etcd = Step(
        key="redeploy etcd",
        title=f"etcd is rolled out to every host{' that is not off' if off else ''}",
        why="The operator sees that the other members are gone and rolls etcd out anew, by itself. Only "
        f"where nothing moves for {GRACE / 60:.0f} minutes it is asked to."
        + (f" Not waited for: {off}." if off else ""),
        action=Action.WORK,
        argv=oc.command("patch", ETCD, operators.redeployment(f"recovery-{decided.stamp}-from-REVISION")),
        work=_by_itself(decided),
        cancel="Watching ends; the operator goes on.",
    )
    stable = Step(
        key="stable",
        title="Every operator is settled",
        why="As `oc adm wait-for-stable-cluster` waits: all operators available, none at work, none "
        f"degraded, for {STABLE:.0f} seconds. A quarter of an hour is usual.",
        action=Action.WORK,
        argv=("oc", "adm", "wait-for-stable-cluster"),
        work=_settled(decided),
        cancel="Watching ends; the operators go on.",
    )
    return (etcd, members_step(decided), stable)


def _by_itself(decided: Standstill) -> Work:
    def work(world: Context, report: Reporter) -> Verdict:
        seen, steady, end = "", 0, world.now() + ROLLOUT
        moved = world.now()
        while True:
            resource = patiently(report, lambda: world.objects().get(ETCD))
            told = operators.parse_rollout(resource)
            here = [n for n in told.nodes if n.name in expected_of(decided)]
            voters = joined(decided)(world)
            there = len(here) == len(expected_of(decided)) and all(n.current == told.latest for n in here)
            steady = steady + 1 if voters.allowed and there else 0
            if steady >= STEADY:
                return Verdict(True, f"{told.sentence} {voters.reason}")
            said = f"{told.sentence} {voters.reason}"
            if said != seen:
                seen, moved = said, world.now()
                report.say(said)
            if world.now() - moved > GRACE:
                if asked(decided, resource):
                    return Verdict(False, _stuck(said, told.latest, resource))
                report.say(f"Nothing has moved for {GRACE / 60:.0f} minutes: the operator is asked for it.")
                ask_for(decided, world, report, ETCD)
                moved = world.now()
            if world.now() > end:
                return Verdict(False, f"It is not done after an hour. Seen last: {seen}")
            if report.cancelled.wait(PAUSE):
                return Verdict(False, f"No longer watched. Seen last: {seen}")

    return work


def _stuck(said: str, latest: int, resource: dict[str, object]) -> str:
    """The operator was asked and does nothing: the guard, where its own words say so."""
    bad = [c for c in parse_conditions(resource) if c.type.endswith("Degraded") and c.status == "True"]
    conditions = [f"{clean(c.type, 80)}: {clean(c.message, 300)}." for c in bad]
    held = next((c for c in conditions if "not fault tolerant" in c), "")
    words = f"The operator was asked for a rollout, and nothing moves at revision {latest}. {said}"
    if not held:
        return f"{words} {' '.join(conditions[:3])}".rstrip()
    command = shlex.join(oc.command("patch", ETCD, guard.off()))
    return (
        f"{words} Its guard holds it: {held} Take it off by `{command}`, then try this step again, and put "
        "the guard on again at the end."
    )


def _settled(decided: Standstill) -> Work:
    def work(world: Context, report: Reporter) -> Verdict:
        seen, since, end = "", None, world.now() + max(ROLLOUT, API_WITHIN)
        while True:
            items = patiently(report, lambda: world.objects().get_list(OPERATORS))
            unsettled = [u for o in parse_operators(items) if (u := _unsettled(decided, o))]
            settled = f"Every operator is settled, and must stay so for {STABLE:.0f} s."
            said = " ".join(unsettled[:4]) or settled
            if said != seen:
                seen = said
                report.say(clean(said, 600))
            now = world.now()
            since = None if unsettled else since or now
            if since is not None and now - since >= STABLE:
                return Verdict(True, f"Every operator has been settled for {STABLE:.0f} s.")
            if now > end:
                return Verdict(False, f"Not every operator is settled after an hour. {clean(seen, 600)}")
            if report.cancelled.wait(PAUSE):
                return Verdict(False, f"No longer watched. Seen last: {clean(seen, 600)}")

    return work


def _unsettled(decided: Standstill, operator: OperatorFacts) -> str:
    lacks = lacking(decided, operator)
    return f"{clean(operator.name)} {lacks}: {clean(operator.message, 160)}." if lacks else ""


def _by_hand(decided: Standstill) -> Step:
    body = operators.redeployment(f"recovery-{decided.stamp}")
    return Step(
        key="by hand",
        title="Wait until the cluster is stable",
        why="No kubeconfig is configured, so only you can do this: `oc adm wait-for-stable-cluster`. Where "
        f"etcd is not rolled out by itself: `{shlex.join(oc.command('patch', ETCD, body))}`.",
        gate=Gate(GateKind.CONFIRM, prompt="Are all operators settled, and all members of etcd there?"),
    )
