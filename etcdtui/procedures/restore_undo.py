"""The way back from a restore: the old data and the old manifests are put where they were, on every host.

Offered as long as they exist. Whatever the restore had come to, each host is first brought to a stand; then
everything that was set aside goes back, and what the restore made is set aside in its turn. Nothing is
deleted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from etcdtui.errors import Refusal
from etcdtui.model.health import judge
from etcdtui.model.hostnames import same_machine
from etcdtui.model.members import Member
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import ClusterView
from etcdtui.procedures.history import History, history_of
from etcdtui.procedures.procedure import (
    Check,
    Context,
    Gate,
    GateKind,
    Procedure,
    Step,
    StepState,
)
from etcdtui.procedures.restore_changes import RESTORES, telling
from etcdtui.procedures.restore_decided import Master, Standstill, decided_by
from etcdtui.procedures.restore_put_back import put_back, there
from etcdtui.procedures.restore_state import NO_DATA, pod_stopped, right_host, state_of
from etcdtui.procedures.restore_stop import begin, stop_host
from etcdtui.procedures.unended import RunnerOf, Unended, known_living, none_runs, unended
from etcdtui.records import Run
from etcdtui.text import age, clean, listed

KIND = "restore-undone"
_RESTORE = "restore"
_WAIT = "Go on with that run until its end is known, then put everything back."
_BESIDE = "Stop etcd there for good and take it out of the member list, then plan the way back again."
MAKES_ROOM = "The data of before the restore comes back to that place, and nothing is deleted for it."
BACK_WITHIN = 600.0  # seconds for etcd to have its quorum again


@dataclass(frozen=True, slots=True)
class Undo:
    """What the way back knows of the restore besides its plan. ``stamp`` dates what is set aside now;
    ``ran``: its script began, at ``since``, epoch seconds; ``open``: its jobs whose end is not on record;
    ``bare``: hosts that had no data of etcd before."""

    stamp: str
    kind: str
    ran: bool
    since: float = 0.0
    open: tuple[Unended, ...] = ()
    bare: tuple[str, ...] = ()

    def parameter(self) -> str:
        told = {"stamp": self.stamp, "kind": self.kind, "ran": self.ran, "since": self.since}
        jobs = [one.parameters() for one in self.open]
        return json.dumps(told | {"open": jobs, "bare": list(self.bare)})

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Undo:
        """Raises KeyError and ValueError."""
        return cls(
            str(told["stamp"]),
            str(told.get("kind", _RESTORE)),
            bool(told["ran"]),
            float(told.get("since", 0.0)),
            tuple(Unended.of(one) for one in told.get("open", ())),
            tuple(map(str, told.get("bare", ()))),
        )


def plan(
    run: Run,
    *,
    procedure_id: str,
    stamp: str,
    view: ClusterView | None = None,
    runner_of: RunnerOf | None = None,
) -> Procedure:
    """The way back from ``run``, a restore that was done, stopped or interrupted. ``view`` is what is seen of
    the cluster now; with ``runner_of`` the hosts are asked what still runs. Raises Refusal."""
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
    history = history_of(run.entries)
    bare = tuple(m.host for m in _masters(decided) if _was_bare(history, decided, m))
    undo = Undo(stamp, run.kind, "restore" in began, _since(run), unended(run.entries), bare)
    script = history.of("restore")
    asked = any(one.step == "restore" for one in undo.open)
    if (script.announced or script.confirmed) and script.status is None and not asked:
        raise Refusal(f"The script of “{clean(run.title)}” may still run on {decided.recovery.host}.", _WAIT)
    living = known_living(runner_of, undo.open) if runner_of else ""
    if living:
        raise Refusal(living, _WAIT)
    if view is not None:
        beside = nobody_beside(decided, undo, view)
        if not beside.allowed:
            raise Refusal(beside.reason, _BESIDE)
    return _procedure(procedure_id, decided, undo)


def _was_bare(history: History, decided: Standstill, master: Master) -> bool:
    """It had no data when it was stopped: what it has now is of the restored cluster."""
    key = "safe" if master == decided.recovery else f"aside {master.host}"
    past = history.of(key)
    return past.state is StepState.DONE and past.sentence.startswith(NO_DATA)


def _since(run: Run) -> float:
    """When its script was begun last; 0 for never."""
    return max((e.at for e in run.entries if e.step == "restore" and e.kind == "command"), default=0.0)


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, from its record. Raises KeyError and ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} is no way back")
    undo = Undo.of(json.loads(parameters["undo"]))
    return _procedure(procedure_id, decided_by(undo.kind, parameters), undo)


def _procedure(procedure_id: str, before: Standstill, undo: Undo) -> Procedure:
    """``before`` is what the restore decided."""
    # Everything that stands now is stopped as the restore stopped it, the recovery host among the others.
    masters = _masters(before)
    now = replace(before, stamp=undo.stamp, others=masters)
    stop = [step for master in masters for step in stop_host(now, master, why=MAKES_ROOM)]
    begun = begin(
        f"Begin: {before.cluster} is brought to a stand",
        "What still runs of it is stopped on every host first.",
        _gate(before, undo),
    )
    first = replace(
        begun,
        ask=lambda world: _gate(before, undo, world.now()),
        prechecks=(none_runs(undo.open), lambda world: nobody_beside(before, undo, world.view())),
    )
    back = [_data_back(before, now, m, ran=undo.ran) for m in masters if m.host not in undo.bare]
    manifests = [_manifest_back(before, now, m, pod, undo) for m in masters for pod in before.pods]
    steps = (first, *stop, *back, *manifests, _quorum(before, undo.bare))
    title = f"Put {before.cluster} back to before {before.what}"
    parameters = before.parameters() | {"undo": undo.parameter()}
    reasons = (
        "What the restore set aside is put back where it was; what it made is set aside, nothing is deleted.",
        "What the script unpacked over the static pods' resources stays; it is of the same release.",
    )
    return telling(KIND, procedure_id, before.cluster, title, parameters, steps, reasons)


def _gate(before: Standstill, undo: Undo, now: float = 0.0) -> Gate:
    """``now`` is 0 where the plan is only shown."""
    phrase = f"put {before.cluster} back"
    hosts = listed([m.host for m in _masters(before)])
    ago = f", which was run {age(now - undo.since)} ago" if undo.since and now else ""
    return Gate(
        GateKind.PHRASE,
        phrase,
        f"{before.cluster} is stopped on {hosts}, and goes on with the data of before the restore{ago}. "
        f"Everything written since the restore is set aside. Type “{phrase}”.",
    )


def _masters(before: Standstill) -> tuple[Master, ...]:
    """Those that are brought to a stand, and put back."""
    return (*before.reached, before.recovery)


def nobody_beside(before: Standstill, undo: Undo, view: ClusterView) -> Verdict:
    """No member of the restored cluster is on a host that is not put back: it would go on beside the old
    cluster."""
    listing = view.members
    if not undo.ran or listing.value is None or (listing.at or 0.0) <= undo.since:
        return Verdict(True, "No member is known that the way back does not put back.")
    strange = [m for m in listing.value.members if not any(_is_on(m, one) for one in _masters(before))]
    if not strange:
        return Verdict(True, "Every member that is listed now is put back.")
    names = listed([clean(m.name or ", ".join(m.peer_urls) or f"{m.id:x}", 100) for m in strange])
    one = len(strange) == 1
    return Verdict(
        False,
        f"{names} {'is a member' if one else 'are members'} of the restored cluster, on "
        f"{'a host' if one else 'hosts'} that the restore did not stop (off then and built anew since, or "
        f"added): {'its' if one else 'their'} etcd would go on beside the old cluster.",
    )


def _is_on(member: Member, master: Master) -> bool:
    """OpenShift names a member after its node; one that never started has only its URL."""
    if any(same_machine(member.name, name) for name in (master.node, master.host)):
        return True
    at = urlsplit(master.client_url).hostname
    return at is not None and at in {urlsplit(url).hostname for url in member.peer_urls}


def _data_back(before: Standstill, now: Standstill, master: Master, *, ran: bool) -> Step:
    kept = before.old if master == before.recovery else before.data_aside(master)
    # Where the script did not come so far, the data of the recovery host never left its place.
    moved = ran or master != before.recovery
    # The script does not begin before all data of the others is set aside: what came after is not theirs.
    stayed = not ran or master == before.recovery
    return put_back(
        f"data {master.host}",
        f"Put the data of {master.host} back",
        "With it every member is again who it was before the restore.",
        master,
        master.data,
        ((kept,) if moved else ()) + ((now.data_aside(master),) if stayed else ()),
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


def _manifest_back(before: Standstill, now: Standstill, master: Master, pod: str, undo: Undo) -> Step:
    candidates = [before.manifest_aside(master, pod)]
    if master == before.recovery and pod != "etcd":
        candidates = [before.stopped_manifest(pod)] if undo.ran else []
    elif pod == "etcd" and master.disabled_manifest:
        candidates.append(master.disabled_manifest)
    data = () if master.host in undo.bare else (there(master, master.data),)
    return put_back(
        f"manifest {pod} {master.host}",
        f"Start {pod} on {master.host} again",
        "The kubelet starts what has its manifest back.",
        master,
        master.manifest(pod),
        (*candidates, now.manifest_aside(master, pod)),
        (*data, right_host(now, master)),
    )


def _had_quorum(before: Standstill) -> bool:
    """Known to have had it: a restore of a cluster that answers asks for that to be accepted."""
    return any(ack.key == "answers" for ack in before.accept)


def _quorum(before: Standstill, bare: tuple[str, ...] = ()) -> Step:
    masters, had = [m for m in _masters(before) if m.host not in bare], _had_quorum(before)
    names = listed([m.host for m in masters])

    def check(world: Context) -> Verdict:
        health = judge(world.view())
        if health.quorum.present:
            return Verdict(True, f"{health.sentence} {before.cluster} is as it was before the restore.")
        if had:
            return Verdict(False, f"There is no quorum yet: {health.sentence}")
        for master in masters:
            state = state_of(before, master, world)
            if not state.data or "etcd" not in state.running:
                return Verdict(False, f"etcd does not run yet on {master.host}.")
        return Verdict(
            True,
            f"etcd runs on {names} with its old data: {before.cluster} is as it was before the restore. No "
            "quorum was known before it, and none is seen now.",
        )

    without = (
        "Its quorum has to come back."
        if had
        else "No quorum was known before the restore, so that every etcd runs again is enough."
    )
    return Step(
        key="quorum",
        title="etcd as it was",
        why=f"The members on {names} find each other again with their old data. {without}",
        verify=check,
        patience=BACK_WITHIN,
        usual=60.0,
        ways="Ways out: keep waiting; look with “sudo crictl ps -a” why an etcd does not come; or stop here.",
    )
