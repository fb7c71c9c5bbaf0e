"""A restore from a backup, by the host's own cluster-restore.sh: the plan, and how it is made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from etcdtui.errors import EtcdTuiError, Refusal
from etcdtui.model.backups import join
from etcdtui.model.quorum import Verdict
from etcdtui.model.restore_advice import advise
from etcdtui.model.view import HostView
from etcdtui.platforms import eras
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.restore_scripts import HostReport, disabled
from etcdtui.procedures import restore_bump, restore_etcd_alone
from etcdtui.procedures import restore_choice as choice
from etcdtui.procedures.procedure import Check, Context, Gate, GateKind, Procedure, Step
from etcdtui.procedures.restore_back import back_steps
from etcdtui.procedures.restore_changes import telling
from etcdtui.procedures.restore_decided import Ack, Decided, Master, Standstill
from etcdtui.procedures.restore_end import end_steps, missing
from etcdtui.procedures.restore_fresh import choose, fresh_steps
from etcdtui.procedures.restore_look import Looked, client_url_of, node_of, report
from etcdtui.procedures.restore_report import report_steps
from etcdtui.procedures.restore_rollout import rollout_steps
from etcdtui.procedures.restore_run import bring_steps, run_steps
from etcdtui.procedures.restore_stop import off_steps, still_lost, stop_steps
from etcdtui.text import listed, size

KIND = "restore"
LayoutOf = Callable[[str], Layout]


def plan(
    looked: Looked,
    layout_of: LayoutOf,
    *,
    procedure_id: str,
    stamp: str,
    backup: str | None = None,
    host: str | None = None,
    stores: Sequence[str] = (),
) -> Procedure:
    """The restore of ``backup`` (a time stamp; None: the newest proven one) on ``host`` (None: the best).

    ``stamp`` dates what is set aside; the backup that is taken at the end goes into ``stores``. Nothing is
    done. Raises Refusal.
    """
    view = looked.view
    if view.read_only:
        raise Refusal(
            f"{view.name} is opened read-only: nothing is restored.", "Open it without --read-only."
        )
    found = choice.backup_of(view, backup)
    # Refused here already where no host could take it; where it is taken from depends on the host.
    choice.chosen(view, found, "")
    first, reasons = choice.recovery_host(looked, found, host)
    taken = choice.chosen(view, found, first.host.name)
    lost, seen = choice.what_is_lost(found, looked, view.now)
    version = (view.api.value.version if view.api.value else "") or taken.version
    refuse_unnamed(looked)
    refuse_unlisted(looked, first.host)
    alone = not first.script.does.stops_all
    etcd = restore_bump.version_told(view, found.manifest.etcd_version if found.manifest else "")
    bump, raising = restore_bump.raising(first.script.does.bump, first.host.name, etcd, taken.revision, seen)
    decided = Decided(
        cluster=view.name,
        stamp=stamp,
        recovery=master_of(looked, first.host, layout_of),
        others=tuple(
            master_of(looked, h, layout_of, disables=alone) for h in view.hosts if h.name != first.host.name
        ),
        backup=taken,
        waits=first.script.does.containers,
        stopped=first.script.stopped,
        kept=first.script.kept,
        lost=lost,
        data_size=first.report.data_size or 0,
        seen=seen,
        accept=choice.to_accept(view, found, taken, looked.survivors),
        api=view.api_configured,
        watches=view.api_configured,
        guard=not alone and eras.recognise(version).guard is not False,
        alone=alone,
        fresh=choose(looked),
        newest=_newest(first.host, layout_of(first.host.name)),
        stores=tuple(stores),
        bump=bump,
        raising=raising,
    )
    advice = advise(view, looked.survivors, (found,), looked.quorum_hosts)
    return _procedure(procedure_id, decided, (*advice.lines, *reasons, raising, lost))


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, from its record. Raises KeyError and ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} is no restore")
    return _procedure(procedure_id, Decided.of(parameters), ())


def decided_of(procedure: Procedure) -> Decided:
    """What was decided for a plan of this kind."""
    return Decided.of(procedure.parameters)


def master_of(looked: Looked, host: HostView, layout_of: LayoutOf, *, disables: bool = False) -> Master:
    """A host, as a plan remembers it. ``disables``: etcd there is stopped by disable-etcd.sh where it is."""
    view, told = looked.view, looked.reports.get(host.name, "")
    reached = host.link.problem is None and host.link.at is not None
    return Master(
        host.name,
        node_of(view, host),
        layout_of(host.name),
        client_url_of(view, host),
        reached,
        disabled(told) if disables and isinstance(told, HostReport) else "",
    )


def _newest(host: HostView, layout: Layout) -> str:
    files = host.facts.value.backups if host.facts.value else ()
    folder = layout.at(layout.backups)
    return max((s.stamp for s in join(f for f in files if f.directory == folder)), default="")


def refuse_unnamed(looked: Looked) -> None:
    """Raises Refusal where a member runs nobody knows where."""
    unnamed = [s.name for s in looked.survivors if not s.host]
    if unnamed:
        raise Refusal(
            f"{listed(unnamed)} {'is' if len(unnamed) == 1 else 'are'} in the member list, and no host is "
            "known for it: what still runs there could not be stopped.",
            "Name every control plane host in clusters.toml, also those that are gone.",
        )


def refuse_unlisted(looked: Looked, host: HostView) -> None:
    """Raises Refusal where nobody knows how etcd of the recovery host will be asked."""
    if not client_url_of(looked.view, host):
        raise Refusal(
            f"Where etcd of {host.name} listens is not known: no member list that was seen names a member of "
            "that host. After the script nobody could ask it whether it is well.",
            f"Give {host.name} the name or address of its member in clusters.toml, or take another host.",
        )


@dataclass(frozen=True, slots=True)
class Way:
    """What differs between the releases: how the others are stopped, and what comes after the script."""

    stop: Callable[[Standstill], tuple[Step, ...]]
    back: Callable[[Decided], tuple[Step, ...]]
    rollout: Callable[[Standstill], tuple[Step, ...]]


FOUR_PODS = Way(stop_steps, back_steps, rollout_steps)
ETCD_ALONE = Way(restore_etcd_alone.stop, restore_etcd_alone.back, restore_etcd_alone.rollout)


def _procedure(procedure_id: str, decided: Decided, reasons: tuple[str, ...]) -> Procedure:
    way = ETCD_ALONE if decided.alone else FOUR_PODS
    steps = (
        check_step(decided, _fit(decided)),
        *accept_steps(decided),
        *bring_steps(decided),
        *fresh_steps(decided),
        *off_steps(decided),
        *way.stop(decided),
        *run_steps(decided),
        *way.back(decided),
        *way.rollout(decided),
        *end_steps(decided),
        *report_steps(procedure_id, decided),
    )
    title = f"Restore {decided.cluster} from the backup of {decided.backup.when} on {decided.recovery.host}"
    parameters, left = decided.parameters(), missing(decided)
    return telling(KIND, procedure_id, decided.cluster, title, parameters, steps, reasons, left=left)


def check_step(decided: Standstill, fit: Check) -> Step:
    hosts = listed([m.host for m in (decided.recovery, *decided.reached)])
    return Step(
        key="check",
        title="Check hosts and scripts",
        why=f"The API will be away, so {hosts} must be reached by SSH alone. Script, certificates and room "
        f"of {decided.recovery.host} are read anew.",
        host=decided.recovery.host,
        prechecks=(_writable, _reached(decided), still_lost(decided), fit),
        skippable=False,
    )


def accept_steps(decided: Standstill) -> tuple[Step, ...]:
    """What has to be typed before anything is done."""
    return tuple(_accept(ack) for ack in decided.accept)


def _accept(ack: Ack) -> Step:
    return Step(
        key=f"accept {ack.key}",
        title=ack.title,
        why=ack.sentence,
        gate=Gate(GateKind.PHRASE, ack.phrase, f"Type “{ack.phrase}” to accept that."),
        skippable=False,
    )


def _writable(world: Context) -> Verdict:
    view = world.view()
    return Verdict(
        not view.read_only, f"{view.name} is opened {'read-only' if view.read_only else 'to be changed'}."
    )


def _reached(decided: Standstill) -> Check:
    def check(world: Context) -> Verdict:
        for master in (decided.recovery, *decided.reached):
            try:
                world.runner(master.host).run(("true",), timeout=choice.ANSWER)
            except EtcdTuiError as exc:
                return Verdict(False, f"{master.host} does not answer by SSH: {exc.message}")
        return Verdict(True, "Every host of the plan answers by SSH.")

    return check


def _fit(decided: Decided) -> Check:
    sizes = (decided.backup.snapshot.size, decided.backup.resources.size)
    has = f"script, certificates and room for {size(sum(sizes))}"
    return as_planned(decided, sizes, has, lambda told: restore_bump.still_asked(decided, told))


def as_planned(
    decided: Standstill,
    sizes: tuple[int, int],
    has: str,
    also: Callable[[HostReport], bool] = lambda report: True,
) -> Check:
    """The recovery host is as it was when the plan was made: it can take files of these ``sizes``, and its
    scripts are the same. ``also`` is what else they must be, ``has`` says for people what was found."""

    def check(world: Context) -> Verdict:
        host = next((h for h in world.view().hosts if h.name == decided.recovery.host), None)
        if host is None:
            return Verdict(False, f"{decided.recovery.host} is no longer known as a host.")
        told = report(world, host)
        try:
            script = choice.fit(world.view(), host, told, sizes)
        except Refusal as exc:
            return Verdict(False, f"{host.name}: {exc.message}")
        found = (script.does.containers, script.stopped, script.kept)
        if found != (decided.waits, decided.stopped, decided.kept) or not also(told):
            return Verdict(False, f"The scripts on {host.name} are not the ones of the plan: plan again.")
        return Verdict(True, f"{host.name} has {has}.")

    return check


def seconds(step: Step, decided: Standstill) -> float:
    """How long a step usually takes, without the human: for the plan, not for deciding anything."""
    kind = step.key.split(" ")[0]
    moved = decided.size / (20 << 20)  # 20 MiB/s
    copied = decided.data_size / (100 << 20)
    nodes = 1 + len(decided.reached)
    fresh = decided.fresh.size if isinstance(decided, Decided) else 0
    return {
        "check": 5.0,
        "prove": 5.0 + moved + decided.size / (200 << 20),
        "deliver": 5.0 + moved,
        "stop": 130.0 if "kube-apiserver" in step.key else 35.0 if " etcd " in step.key else 15.0,
        "aside": 1.0,
        "fresh": 10.0 + fresh / (50 << 20),
        "safe": 5.0 + copied,
        "restore": 180.0 + copied,
        "etcd": 60.0,
        "api": 180.0,
        "kubelet": 15.0,
        "nodes": 300.0,
        "redeploy": (300.0 if step.key.endswith(" etcd") else 240.0 * nodes),
        "members": 120.0 * nodes,
        "stable": 600.0,
        "asking": 60.0,
        "approve": 10.0,
        "keys": 10.0,
        "whole": 60.0,
        "write": 5.0,
        "past": 5.0,
        "take": 20.0 + moved,
        "bring": 5.0 + moved,
    }.get(kind, 2.0)
