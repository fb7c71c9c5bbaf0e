"""The end of a restore: is everything whole, does it take writes, who watches the past, what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etcdtui.etcd import answers, shapes
from etcdtui.etcd.commands import ClientAccess, alarm_list_json, etcdctl
from etcdtui.model.comeback import pod_ready
from etcdtui.model.hashes import Sameness
from etcdtui.model.health import judge
from etcdtui.model.platform import OPERATORS
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import FRESH_API, ClusterView
from etcdtui.procedures.hashes import compare_hashes
from etcdtui.procedures.procedure import (
    Action,
    Ask,
    Check,
    Context,
    Gate,
    GateKind,
    Reporter,
    Step,
    Work,
)
from etcdtui.procedures.restore_decided import Standstill
from etcdtui.procedures.restore_etcd import ASK, access_of, why_not
from etcdtui.procedures.restore_nodes import late_requests
from etcdtui.procedures.restore_past import past_of, watch_step
from etcdtui.procedures.restore_rollout import expected_of, lacking
from etcdtui.reach.runner import Runner
from etcdtui.text import clean, counted, listed

WHOLE_WITHIN = 900.0  # seconds
PREFIX = "/etcdtui/restored/"


def end_steps(decided: Standstill, *, last: bool = False) -> tuple[Step, ...]:
    """``last``: no report follows, so that the last sentence has to say what is left to do."""
    return (
        *late_requests(decided),
        Step(
            key="whole",
            title="Is everything whole again?",
            why="All members, the same keys on all of them, no alarm; all containers of their pods ready, no "
            "operator still at work.",
            verify=_last_looks(decided),
            patience=WHOLE_WITHIN,
            usual=180.0,
            ways="Ways out: keep waiting; skip this with a reason, and look at what it names.",
        ),
        Step(
            key="write",
            title="Write a key, read it, delete it",
            why=f"That a member answers does not mean that it takes writes. {PREFIX}{decided.stamp} is "
            "our own and of nobody's concern.",
            action=Action.WORK,
            host=decided.recovery.host,
            work=_write(decided),
            cancel="The key may stay; it does no harm.",
        ),
        *watch_step(decided),
        Step(
            key="watchers",
            title="Who still watches the past?",
            why="Who watches the API remembers the revision it saw last. Where etcd began again above that "
            "one, it is told to list anew; at or below it nobody tells it that anything changed, and it "
            f"keeps what no longer exists. Then restart {RESTART}.",
            ask=_watchers(decided),
            prechecks=(_revision(decided, last=last),),
        ),
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


# -- whole


def _last_looks(decided: Standstill) -> Check:
    def check(world: Context) -> Verdict:
        view = world.view()
        health = judge(view)
        lost = expected_of(decided) - {row.member.name for row in health.members if row.well}
        # Fewer voters than nodes is no reason to wait: whoever is off joins later, and is told of in the end.
        if not health.all_well or lost:
            return Verdict(False, f"The cluster is not healthy yet: {health.sentence}")
        asking = _Asking(world, decided)
        host, access = asking.etcdctl()
        done = world.runner(host).run(alarm_list_json(access, (decided.recovery.client_url,)), timeout=ASK)
        if not done.ok:
            return Verdict(False, f"The alarms cannot be read: {why_not(done.err())}")
        alarms = answers.alarm_list(done.out())
        if alarms:
            return Verdict(False, f"There are alarms: {listed([a.kind for a in alarms])}.")
        unready = unsettled(decided, view)
        if unready:
            return Verdict(False, unready)
        said = [f"{health.sentence} No alarm."]
        if len(health.members) > 1:
            found = compare_hashes(asking)
            if found.sameness is not Sameness.IDENTICAL:
                return Verdict(False, found.sentence)
            said.append(found.sentence)
        if decided.api:
            said.append("All containers of their pods are ready, and no operator is at work.")
        return Verdict(True, " ".join(said))

    return check


def unsettled(decided: Standstill, view: ClusterView) -> str:
    """Which pod is not ready and which operator is at work; empty when none is, or there is no API."""
    if not decided.api:
        return ""
    facts = view.api.current(view.now, FRESH_API)
    if facts is None:
        return "The API does not answer now: whether pods are ready and operators settled is not known."
    short = []
    for name in sorted(expected_of(decided)):
        pod = facts.pod_on(name)
        if not pod_ready(facts, name):
            short.append(f"{name} {pod.ready}/{pod.containers}" if pod else f"{name} none")
    if short:
        return f"etcd pods not ready: {listed(short)}."
    busy = [
        f"{one.name} {lacks}"
        for one in facts.operators
        if one.name in OPERATORS and (lacks := lacking(decided, one))
    ]
    return f"Operators are not settled: {listed(busy)}." if busy else ""


# -- a write


def _write(decided: Standstill) -> Work:
    key, value = f"{PREFIX}{decided.stamp}", decided.stamp

    def work(world: Context, report: Reporter) -> Verdict:
        access, where = access_of(decided, world), (decided.recovery.client_url,)
        runner, host = world.runner(decided.recovery.host), decided.recovery.host

        def ask(*words: str) -> Mapping[str, object] | str:
            done = runner.run(etcdctl(access, *words, endpoints=where, json=True, timeout="10s"), timeout=ASK)
            if not done.ok:
                return why_not(done.err())
            return shapes.table(shapes.load(done.out(), "etcdctl"), "The answer of etcdctl")

        for words in (("put", key, value), ("get", key, "--keys-only"), ("del", key)):
            told = ask(*words)
            if isinstance(told, str):
                return Verdict(False, f"etcd of {host} does not {words[0]} {key}: {told}")
            wanted = "count" if words[0] == "get" else "deleted" if words[0] == "del" else ""
            if wanted and told.get(wanted) != 1:
                why = "is not found there" if words[0] == "get" else "cannot be deleted again"
                return Verdict(False, f"{key} was written on {host}, and {why}.")
            report.say(f"{words[0]} {key}")
        return Verdict(True, f"{key} was written, read and deleted again on {host}.")

    return work


# -- watchers


RESTART = (
    "the operators (delete their pods in each openshift-*-operator namespace, one after another), "
    "the routers (openshift-ingress), OVN-Kubernetes or SDN, the kubelets, and every controller of your own "
    "that watches the API"
)


def _revision(decided: Standstill, *, last: bool) -> Check:
    def check(world: Context) -> Verdict:
        past = past_of(decided, world)
        if last:  # nothing comes after it: how it ended stands first
            health = judge(world.view()).sentence
            goes_on = f"{decided.cluster} goes on with the data of {decided.recovery.host}. {health}"
            relist = () if past.behind else (f"{past.sentence}: {past.because}.",)
            return Verdict(True, " ".join((goes_on, *what_is_left(decided, world), *relist)))
        return Verdict(True, f"{past.sentence}: {past.because}.")

    return check


def _watchers(decided: Standstill) -> Ask:
    def ask(world: Context) -> Gate:
        past = past_of(decided, world)
        if not past.behind:
            return Gate()
        return Gate(
            GateKind.CONFIRM,
            prompt=f"{past.sentence}: who watches may keep what is gone. Are the operators, the routers, the "
            "network, the kubelets and your own controllers restarted (how stands under why), or is that in "
            "hand?",
        )

    return ask


def missing(decided: Standstill) -> str:
    """Why the cluster is not whole even when all is done; empty when it is. A clause."""
    count = len(decided.off)
    return f"{counted(count, 'master')} {'is' if count == 1 else 'are'} missing" if count else ""


def what_is_left(decided: Standstill, world: Context) -> list[str]:
    """What is left to do for people."""
    said = []
    past = past_of(decided, world)
    if decided.off:
        one = len(decided.off) == 1
        are, they, them = ("is", "it joins", "itself") if one else ("are", "they join", "themselves")
        said.append(
            f"{listed([m.host for m in decided.off])} {are} missing, and must stay off until built anew with "
            f"empty disks; then {they} by {them}, once the new requests for certificates are approved (`oc "
            "get csr`). Take a backup after that: before, etcd's operator still rolls out, and "
            "cluster-backup.sh refuses."
        )
    if past.behind:
        said.append(
            f"{past.sentence}: {past.because}, and whatever watches the API may keep what no longer exists. "
            f"Restart {RESTART}."
        )
    said.append(
        f"What the restore has set aside is kept: {clean(decided.safe)} on {decided.recovery.host}"
        + "".join(f", {decided.data_aside(m)} on {m.host}" for m in decided.reached)
        + ". Remove it when all was well for some days."
    )
    return said
