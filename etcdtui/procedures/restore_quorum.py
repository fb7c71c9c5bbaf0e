"""A quorum restore: the data of one survivor goes on as a cluster of one member. No backup, nothing is lost
that it has. By the host's own quorum-restore.sh, which came with OpenShift 4.18.
"""

from __future__ import annotations

from collections.abc import Mapping

from etcdtui.errors import EtcdTuiError, Refusal
from etcdtui.model.health import Level, judge
from etcdtui.model.quorum import Verdict
from etcdtui.model.raised import in_revisions
from etcdtui.model.restore_advice import advise
from etcdtui.model.survivors import Survivor, best, rank
from etcdtui.platforms import eras
from etcdtui.platforms.restore_scripts import restores_quorum
from etcdtui.procedures import restore_choice as choice
from etcdtui.procedures import restore_etcd_alone
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Procedure, Step
from etcdtui.procedures.restore import (
    LayoutOf,
    accept_steps,
    as_planned,
    check_step,
    master_of,
    refuse_unlisted,
    refuse_unnamed,
)
from etcdtui.procedures.restore_back import ETCD_WITHIN
from etcdtui.procedures.restore_changes import telling
from etcdtui.procedures.restore_choice import Candidate
from etcdtui.procedures.restore_decided import QUORUM, Ack, Quorum
from etcdtui.procedures.restore_end import end_steps, missing
from etcdtui.procedures.restore_etcd import access_of, alone
from etcdtui.procedures.restore_look import Looked
from etcdtui.procedures.restore_run import is_safe, left, ran_through, safe_steps
from etcdtui.procedures.restore_state import all_stopped, right_host, silent, state_of
from etcdtui.procedures.restore_stop import off_steps
from etcdtui.procedures.restore_watch import watch
from etcdtui.procedures.restore_words import explain, way_back
from etcdtui.reach.remote_db import read_position
from etcdtui.text import grouped, listed

KIND = QUORUM
BEFORE = (
    "Releases before OpenShift 4.18 do not have it. What it does can be done there with etcd's own "
    "--force-new-cluster alone, which OpenShift does not document."
)


def plan(
    looked: Looked, layout_of: LayoutOf, *, procedure_id: str, stamp: str, host: str | None = None
) -> Procedure:
    """The quorum restore on ``host``, or on that whose data is the newest. ``stamp`` dates what is set aside.
    Nothing is done. Raises Refusal.
    """
    view = looked.view
    if view.read_only:
        raise Refusal(
            f"{view.name} is opened read-only: nothing is restored.", "Open it without --read-only."
        )
    health = judge(view)
    if health.level is Level.UNKNOWN:
        raise Refusal(
            f"Nobody can tell whether {view.name} has its quorum ({health.sentence}) A quorum restore would "
            "take down one that is there.",
            "Find that out first: bring the masters that cannot be asked into reach, or switch them off.",
        )
    if health.level is not Level.NO_QUORUM:
        raise Refusal(
            f"{view.name} has its quorum ({health.sentence}) There is nothing that a quorum restore would "
            "bring back.",
            "Replace a member that is lost; restore a backup where something was deleted.",
        )
    first, reasons = _recovery(looked, host)
    survivor, told = first.survivor, first.report
    assert survivor is not None and survivor.position is not None
    refuse_unnamed(looked)
    refuse_unlisted(looked, first.host)
    lost, accept = _lost(looked, survivor)
    positions = [s.position.revision for s in looked.survivors if s.usable and s.position]
    decided = Quorum(
        cluster=view.name,
        stamp=stamp,
        recovery=master_of(looked, first.host, layout_of),
        others=tuple(
            master_of(looked, h, layout_of, disables=True) for h in view.hosts if h.name != first.host.name
        ),
        waits=first.script.does.containers,
        stopped=first.script.stopped,
        kept=first.script.kept,
        lost=lost,
        data_size=told.data_size or 0,
        seen=max([e.status.value.revision for e in view.endpoints if e.status.value] + positions),
        accept=accept,
        api=view.api_configured,
        watches=view.api_configured,
        alone=True,
        revision=survivor.position.revision,
    )
    advice = advise(view, looked.survivors, view.known_backups, looked.quorum_hosts)
    return _procedure(procedure_id, decided, (*advice.lines, *reasons, lost))


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, from its record. Raises KeyError and ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} is no quorum restore")
    return _procedure(procedure_id, Quorum.of(parameters), ())


# -- what is decided


def _recovery(looked: Looked, wanted: str | None) -> tuple[Candidate, tuple[str, ...]]:
    """The host, and why that one. Raises Refusal."""
    view = looked.view
    hosts = [h for h in view.hosts if wanted is None or wanted in (h.name, h.node)]
    if not hosts:
        known = listed([h.name for h in view.hosts]) or "none"
        raise Refusal(f"{wanted} is no host of {view.name}: known are {known}.", "Name one of them.")
    good: list[Candidate] = []
    bad: list[str] = []
    for host in hosts:
        found = choice.assess(looked, host, (0, 0))
        if isinstance(found, Candidate):
            why = _unfit(found)
            if not why:
                good.append(found)
                continue
            found = why
        bad.append(f"{host.name}: {found}")
    if not good:
        raise Refusal(
            f"No quorum restore can be run now. {'; '.join(bad)}.",
            f"{BEFORE} Start a member that is stopped, so that there is a quorum again, or restore a backup.",
        )
    newest = best(c.survivor for c in good if c.survivor)
    first = next(c for c in good if c.survivor is newest)
    assert newest is not None and newest.position is not None
    said = (
        f"It runs on {first.host.name}: its data is at revision {grouped(newest.position.revision)}, and it "
        "has quorum-restore.sh.",
        *(f"Not possible on {one}." for one in bad),
    )
    return first, said


def _unfit(candidate: Candidate) -> str:
    if candidate.script.does.stops_all or not restores_quorum(candidate.report):
        return "it has no quorum-restore.sh with its pod"
    survivor = candidate.survivor
    if survivor is None or not survivor.usable:
        trouble = survivor.trouble.rstrip(".") if survivor else ""
        return f"there is no data of this cluster to go on with{': ' + trouble if trouble else ''}"
    return ""


def _lost(looked: Looked, survivor: Survivor) -> tuple[str, tuple[Ack, ...]]:
    """What others have that this one has not, and what nobody knows."""
    said: list[str] = []
    accept: list[Ack] = []
    newest = best(looked.survivors)
    assert survivor.position is not None
    if newest is not None and newest.position is not None:
        lost = newest.position.revision - survivor.position.revision
        if lost > 0:
            sentence = f"{newest.name} has {in_revisions(lost)} that {survivor.name} has not."
            said.append(sentence)
            accept.append(Ack("newer", "Newer data is given up", sentence, f"lose {lost} revisions"))
    unknown = [s.name for s in rank(looked.survivors) if s.position is None and not s.foreign]
    if unknown:
        sentence = f"How far the data of {listed(unknown)} has come is not known: it may be newer."
        said.append(sentence)
        accept.append(Ack("unknown", "Data that nobody sees", sentence, f"go on without {listed(unknown)}"))
    return " ".join(said) or f"Nothing is lost that {survivor.name} has, and nobody has more.", tuple(accept)


# -- the steps


def _procedure(procedure_id: str, decided: Quorum, reasons: tuple[str, ...]) -> Procedure:
    steps = (
        check_step(
            decided,
            as_planned(decided, (0, 0), "quorum-restore.sh, certificates and room", restores_quorum),
        ),
        *accept_steps(decided),
        *off_steps(decided),
        *restore_etcd_alone.stop(decided),
        *safe_steps(decided),
        _run(decided),
        _etcd(decided),
        *restore_etcd_alone.answering(decided),
        *restore_etcd_alone.rollout(decided),
        *end_steps(decided, last=True),
    )
    title = f"Restore the quorum of {decided.cluster} from the data of {decided.recovery.host}"
    parameters, left = decided.parameters(), missing(decided)
    return telling(KIND, procedure_id, decided.cluster, title, parameters, steps, reasons, left=left)


def _run(decided: Quorum) -> Step:
    recovery, host = decided.recovery, decided.recovery.host
    return Step(
        key="restore",
        title=f"Restore the quorum on {host}",
        why="OpenShift's own script starts etcd with the data of this host as a cluster of one member, which "
        "forgets the others. Its exit code 0 is not yet success; what counts is an etcd that answers.",
        action=Action.JOB,
        host=host,
        argv=(*recovery.layout.sudo, decided.script),
        gate=Gate(
            GateKind.PHRASE,
            decided.phrase,
            f"{decided.cluster} goes on with the data of {host}, revision {grouped(decided.revision)}. "
            f"{decided.lost} Type “{decided.phrase}”.",
        ),
        prechecks=(
            right_host(decided, recovery),
            all_stopped(decided),
            *(silent(decided, master) for master in decided.off),
            is_safe(decided),
            _has_data(decided),
        ),
        verify=ran_through(decided, eras.QUORUM_RESTORE),
        patience=1.0,
        cancel=f"The script would be ended in the middle. {way_back(decided)}",
        after_cancel=left(decided),
        explain=explain(decided, eras.QUORUM_RESTORE),
        watch=watch(decided, script=eras.QUORUM_RESTORE),
        directory=recovery.layout.at(recovery.layout.jobs),
        skippable=False,
    )


def _has_data(decided: Quorum) -> Check:
    """Without its data the pod would begin an empty cluster, and be content with it."""

    def check(world: Context) -> Verdict:
        recovery = decided.recovery
        if not state_of(decided, recovery, world).data:
            return Verdict(False, f"{recovery.data} is not there on {recovery.host}: it would begin empty.")
        runner, sudo = world.runner(recovery.host), recovery.layout.sudo
        try:
            found = read_position(runner, sudo, recovery.layout.at(recovery.layout.data)).position
        except EtcdTuiError as exc:
            return Verdict(False, f"The data of {recovery.host} cannot be read: {exc.message}")
        at = grouped(found.revision)
        if found.revision < decided.revision:
            return Verdict(
                False,
                f"The data of {recovery.host} is at revision {at}, and was at "
                f"{grouped(decided.revision)}: it is not the same.",
            )
        return Verdict(True, f"The data of {recovery.host} is at revision {at}.")

    return check


def _etcd(decided: Quorum) -> Step:
    host = decided.recovery.host

    def check(world: Context) -> Verdict:
        status = alone(decided, world, access_of(decided, world))
        if isinstance(status, Verdict):
            return status
        if status.revision < decided.revision:
            return Verdict(
                False,
                f"etcd of {host} is at revision {grouped(status.revision)}, its data was at "
                f"{grouped(decided.revision)}: that is not its data.",
            )
        return Verdict(
            True,
            f"etcd of {host} is healthy and alone, revision {grouped(status.revision)}; before it was at "
            f"{grouped(decided.revision)}. Nothing of it is lost.",
        )

    return Step(
        key="etcd",
        title=f"etcd of {host} answers as one member",
        why="It must be alone in its list, and hold all that its data held.",
        host=host,
        verify=check,
        patience=ETCD_WITHIN,
        skippable=False,
    )
