"""On the other hosts: what has to be off is off, the rest is stopped pod by pod, and its data set aside."""

from __future__ import annotations

from etcdtui.model.health import Level, judge
from etcdtui.model.quorum import Verdict
from etcdtui.procedures.moving import move
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Step
from etcdtui.procedures.restore_decided import ANSWERS, MAY_ANSWER, Master, Standstill
from etcdtui.procedures.restore_state import (
    containers_of,
    pod_stopped,
    put_aside,
    right_host,
    silent,
    state_of,
)
from etcdtui.text import listed

PATIENCE = {"etcd": 120.0, "kube-apiserver": 300.0}
"""Seconds the kubelet gets to end the containers: etcdctl takes half a minute, the API server two."""
OTHERS = 90.0
USUAL = {"etcd": 10.0, "etcdctl": 40.0, "kube-apiserver": 150.0}
"""Seconds until a container has ended, as a rule."""
USUAL_OTHERS = 40.0
JOINS_ANEW = "Its etcd will join the restored cluster as a new member, which must begin with an empty folder."

WAYS_OUT = (
    "Ways out: keep waiting; look why it lives with “sudo crictl logs ID” on {host}; end it by hand with "
    "“sudo crictl stop ID”, which loses nothing here, for all data is kept; or stop here."
)


def usual(container: str) -> float:
    """Seconds until it has ended, as a rule."""
    return USUAL.get(container, USUAL_OTHERS)


def off_steps(decided: Standstill) -> tuple[Step, ...]:
    """Hosts that do not answer: somebody says that they are off, and puts their name to it."""
    return tuple(
        Step(
            key=f"off {master.host}",
            title=f"{master.host} is off",
            why=f"{master.host} cannot be reached, so nothing can be stopped there. Should its etcd still "
            "run, or start again later with its old data, two clusters would stand against each other. It "
            "must be powered off, and stay off until it is built anew.",
            host=master.host,
            gate=Gate(
                GateKind.PHRASE,
                f"{master.host} is off",
                f"Look at its console or its power. Type “{master.host} is off” when you have seen it.",
            ),
            prechecks=(silent(decided, master),),
            skippable=False,
        )
        for master in decided.off
    )


def stop_steps(decided: Standstill) -> tuple[Step, ...]:
    """All other hosts, one after another."""
    steps = (step for m in decided.reached for step in stop_host(decided, m, may_stop(decided, m)))
    said = f"From here on etcd and the API get stopped on {everywhere(decided)}, until the restore is done."
    return (goes_down(decided, said), *steps)


def everywhere(decided: Standstill) -> str:
    """Where something is stopped, in words: the others, and last the recovery host."""
    return listed([m.host for m in (*decided.reached, decided.recovery)])


def begin(title: str, why: str, gate: Gate, *prechecks: Check) -> Step:
    """A step of its own: one that finds its work done already would pass over the question."""
    return Step(key="begin", title=title, why=why, gate=gate, prechecks=prechecks, skippable=False)


def goes_down(decided: Standstill, said: str) -> Step:
    """The question before anything is stopped, also where that is the recovery host alone; ``said`` is what
    is stopped where."""
    aside = listed([m.host for m in decided.reached])
    kept = f"What is on {aside} is set aside, that of" if aside else "The data of"
    kept = f"{kept} {decided.recovery.host} is copied, nothing is deleted."
    name = decided.cluster
    if may_answer(decided):
        title, why = f"Begin: {name} goes down", f"From here on {name} is away. {kept}"
    else:  # it is down already
        title = f"Begin: what is left of {name} is stopped"
        why = f"{name} has no quorum. From here on what still runs of it is stopped, too. {kept}"
    gate = Gate(
        GateKind.PHRASE, decided.cluster, f"{said} All data is kept. Type {decided.cluster} to begin."
    )
    return begin(title, why, gate, still_lost(decided))


def may_answer(decided: Standstill) -> bool:
    """When it was planned the cluster answered, or nobody could tell; that was accepted by typing it."""
    return any(ack.key in (ANSWERS, MAY_ANSWER) for ack in decided.accept)


def still_lost(decided: Standstill, *, begun: bool = False) -> Check:
    """The quorum has not come back since the plan; one that answered already was accepted by typing it.
    ``begun``: others were stopped already, and hardly anybody can tell any more; what is known counts."""

    def check(world: Context) -> Verdict:
        health = judge(world.view())
        if health.level is Level.NO_QUORUM:
            return Verdict(True, f"etcd has no quorum. {health.sentence}")
        if may_answer(decided):
            return Verdict(True, f"That {decided.cluster} may answer was known: {health.sentence}")
        if health.level is Level.UNKNOWN and begun:
            return Verdict(True, f"Nothing tells of a quorum. {health.sentence}")
        if health.level is Level.UNKNOWN:
            return Verdict(
                False,
                "The quorum was lost when this was planned; nobody can tell now whether it still is: "
                f"{health.sentence} Find that out, and plan again.",
            )
        return Verdict(
            False,
            "The quorum was lost when this was planned, and is there again: "
            f"{health.sentence} Nothing {'more ' if begun else ''}has to be stopped; plan again where it "
            "still has to.",
        )

    return check


def may_stop(decided: Standstill, master: Master) -> Check:
    """Right before etcd of a host is stopped: since the question hours may have passed, by a crash in
    between, and somebody may have brought the cluster back."""
    first = master.host == (*decided.reached, decided.recovery)[0].host
    lost = still_lost(decided, begun=not first)

    def check(world: Context) -> Verdict:
        if master.manifest("etcd") not in state_of(decided, master, world).manifests:
            return Verdict(
                True, f"The manifest of etcd is away on {master.host}: it is being stopped already."
            )
        return lost(world)

    return check


def stop_host(decided: Standstill, master: Master, *first: Check, why: str = JOINS_ANEW) -> list[Step]:
    """One host brought to a stand: its pods in the documented order, then its data, for what ``why`` says.
    ``first`` is asked right before the first of them."""
    before = (first, *(() for _ in decided.pods[1:]))
    pods = (stop_pod(decided, master, pod, *of) for pod, of in zip(decided.pods, before, strict=True))
    return [*pods, set_aside(decided, master, why)]


def set_aside(decided: Standstill, master: Master, why: str = JOINS_ANEW) -> Step:
    """Its data, once nothing of it runs."""
    kept = decided.data_aside(master)
    return Step(
        key=f"aside {master.host}",
        title=f"Set the data of {master.host} aside",
        why=f"{why} What is there is kept as {kept}.",
        action=Action.COMMAND,
        host=master.host,
        argv=(*master.layout.sudo, "mv", "-n", "-T", "--", master.data, kept),
        prechecks=(right_host(decided, master), *(pod_stopped(decided, master, p) for p in decided.pods)),
        done=put_aside(decided, master),
        verify=put_aside(decided, master),
        cancel=f"Ends here; once it was set aside, this is the way back: sudo mv -T {kept} {master.data}",
        skippable=False,
    )


def stop_pod(decided: Standstill, master: Master, pod: str, *also: Check) -> Step:
    """The kubelet stops what has no manifest any more. ``also`` is asked right before."""
    aside = decided.manifest_aside(master, pod)
    names = listed(containers_of(decided, pod)) or pod
    stopped = pod_stopped(decided, master, pod)
    none = "none of them runs" if " and " in names else "it has ended"
    return Step(
        key=f"stop {pod} {master.host}",
        title=f"Stop {pod} on {master.host}",
        why=f"Its manifest is moved to {aside}, never deleted; the kubelet then ends {names}, which is "
        f"watched until {none}.",
        action=Action.COMMAND,
        host=master.host,
        argv=move(master.layout.sudo, master.manifest(pod), aside),
        prechecks=(right_host(decided, master), *also),
        done=stopped,
        verify=stopped,
        patience=PATIENCE.get(pod, OTHERS),
        usual=max(usual(name) for name in (pod, *containers_of(decided, pod))),
        ways=WAYS_OUT.format(host=master.host),
        cancel=f"Ends here; once it was moved, this is the way back: sudo mv {aside} {master.manifest(pod)}",
        skippable=False,
    )
