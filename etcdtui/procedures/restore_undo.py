"""The way back from a restore: the old data and the old manifests are put where they were, on every host.

Offered as long as they exist. Whatever the restore had come to, each host is first brought to a stand; then
everything that was set aside goes back, and what the restore made is set aside in its turn. Nothing is
deleted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from etcdtui.errors import Refusal
from etcdtui.model.health import judge
from etcdtui.model.quorum import Verdict
from etcdtui.procedures.procedure import (
    Check,
    Context,
    Gate,
    GateKind,
    Procedure,
    Step,
)
from etcdtui.procedures.restore_changes import RESTORES, in_short
from etcdtui.procedures.restore_decided import Master, Standstill, decided_by
from etcdtui.procedures.restore_put_back import put_back, there
from etcdtui.procedures.restore_state import pod_stopped, right_host
from etcdtui.procedures.restore_stop import begin, stop_host
from etcdtui.records import Run
from etcdtui.text import clean, listed

KIND = "restore-undone"
_RESTORE = "restore"
BACK_WITHIN = 600.0  # seconds for etcd to have its quorum again


def plan(run: Run, *, procedure_id: str, stamp: str) -> Procedure:
    """The way back from ``run``, a restore that was done, stopped or interrupted. Raises Refusal."""
    if run.kind not in RESTORES:
        raise Refusal(f"“{clean(run.title)}” is no restore.", "Choose a restore in the journal.")
    if run.alive:
        raise Refusal(f"“{clean(run.title)}” is run by {clean(str(run.who))} right now.", "End it first.")
    if run.resumable or run.retriable:
        raise Refusal(
            f"“{clean(run.title)}” is not finished, and holds the lock of the cluster.",
            "Abandon it first, with the reason that everything is put back.",
        )
    try:
        decided = decided_by(run.kind, run.parameters)
    except (KeyError, ValueError) as exc:
        raise Refusal(
            f"The record of “{clean(run.title)}” does not hold what is needed: {exc}.",
            "Look at the hosts yourself.",
        ) from exc
    began = {e.step for e in run.entries if e.kind in ("command", "started")}
    if not any(step.startswith(("stop ", "restore")) for step in began):
        raise Refusal(
            f"“{clean(run.title)}” has stopped nothing and moved nothing: there is nothing to be put back."
        )
    ended = {e.step for e in run.entries if e.kind == "ended"}
    if "restore" in began - ended:
        raise Refusal(
            f"The script of “{clean(run.title)}” may still run on {decided.recovery.host}.",
            "Go on with that run until its end is known, then put everything back.",
        )
    return _procedure(procedure_id, decided, stamp, kind=run.kind, ran="restore" in began)


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, from its record. Raises KeyError and ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} is no way back")
    undo = json.loads(parameters["undo"])
    undone = str(undo.get("kind", _RESTORE))
    before = decided_by(undone, parameters)
    return _procedure(procedure_id, before, str(undo["stamp"]), kind=undone, ran=bool(undo["ran"]))


def _procedure(procedure_id: str, before: Standstill, stamp: str, *, kind: str, ran: bool) -> Procedure:
    """``before`` is the restore, of that ``kind``; what is there now is set aside under ``stamp``. ``ran``:
    its script began."""
    # Everything that stands now is stopped as the restore stopped it, the recovery host among the others.
    masters = (*before.reached, before.recovery)
    now = replace(before, stamp=stamp, others=masters)
    stop = [step for master in masters for step in stop_host(now, master)]
    phrase = f"put {before.cluster} back"
    gate = Gate(
        GateKind.PHRASE,
        phrase,
        f"{before.cluster} is stopped on {listed([m.host for m in masters])}, and goes on with the data of "
        f"before the restore. Everything written since the restore is set aside. Type “{phrase}”.",
    )
    first = begin(f"Begin: {before.cluster} goes down", "Every host is brought to a stand first.", gate)
    back = [_data_back(before, now, master, ran=ran) for master in masters]
    manifests = [
        _manifest_back(before, now, master, pod, ran=ran) for master in masters for pod in before.pods
    ]
    steps = (first, *stop, *back, *manifests, _quorum(before))
    title = f"Put {before.cluster} back to before {before.what}"
    parameters = before.parameters() | {"undo": json.dumps({"stamp": stamp, "kind": kind, "ran": ran})}
    reasons = (
        "What the restore set aside is put back where it was; what it made is set aside, nothing is deleted.",
        "What the script unpacked over the static pods' resources stays; it is of the same release.",
    )
    return Procedure(
        KIND,
        procedure_id,
        before.cluster,
        title,
        parameters,
        steps,
        reasons,
        locks=True,
        changed=in_short,
    )


def _data_back(before: Standstill, now: Standstill, master: Master, *, ran: bool) -> Step:
    kept = before.old if master == before.recovery else before.data_aside(master)
    # Where the script did not come so far, the data of the recovery host never left its place.
    moved = ran or master != before.recovery
    return put_back(
        f"data {master.host}",
        f"Put the data of {master.host} back",
        "With it every member is again who it was before the restore.",
        master,
        master.data,
        ((kept,) if moved else ()) + (now.data_aside(master),),
        (_nothing_runs(now), right_host(now, master)),
        large=True,
    )


def _nothing_runs(now: Standstill) -> Check:
    def check(world: Context) -> Verdict:
        for master in now.reached:
            for pod in now.pods:
                verdict = pod_stopped(now, master, pod)(world)
                if not verdict.allowed:
                    return verdict
        return Verdict(True, "Nothing of etcd runs on any of the hosts.")

    return check


def _manifest_back(before: Standstill, now: Standstill, master: Master, pod: str, *, ran: bool) -> Step:
    candidates = [before.manifest_aside(master, pod)]
    if master == before.recovery and pod != "etcd":
        candidates = [f"{before.stopped}/{pod}-pod.yaml"] if ran else []
    elif pod == "etcd" and master.disabled_manifest:
        candidates.append(master.disabled_manifest)
    return put_back(
        f"manifest {pod} {master.host}",
        f"Start {pod} on {master.host} again",
        "The kubelet starts what has its manifest back.",
        master,
        master.manifest(pod),
        (*candidates, now.manifest_aside(master, pod)),
        (there(master, master.data), right_host(now, master)),
    )


def _quorum(before: Standstill) -> Step:
    names = listed([m.host for m in (*before.reached, before.recovery)])

    def check(world: Context) -> Verdict:
        health = judge(world.view())
        if not health.quorum.present:
            return Verdict(False, f"There is no quorum yet: {health.sentence}")
        return Verdict(True, f"{health.sentence} {before.cluster} is as it was before the restore.")

    return Step(
        key="quorum",
        title="etcd as it was",
        why=f"The members on {names} find each other again with their old data. Where there was no quorum "
        "before the restore there will be none now either: stop here then.",
        verify=check,
        patience=BACK_WITHIN,
        usual=60.0,
        ways="Ways out: keep waiting; look with “sudo crictl ps -a” why an etcd does not come; or stop here.",
    )
