"""Stopping the failed etcd for good on a host that answers: manifest and data moved aside, both kept."""

from __future__ import annotations

from etcdtui.model.hostnames import same_machine
from etcdtui.model.quorum import Verdict
from etcdtui.procedures import replace_checks as checks
from etcdtui.procedures.host_look import BEGIN, END, RUNTIME, look, unknown
from etcdtui.procedures.moving import move
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Step
from etcdtui.procedures.replace_decided import Decided
from etcdtui.text import clean

STOPPED_WITHIN = 90.0  # seconds the kubelet gets to end the containers

# Arguments: manifest, where it goes, data, where that goes. Words on standard output, one a line.
_STATE = (
    BEGIN
    + r"""
[ -e "$1" ] && echo manifest
[ -e "$2" ] && echo manifest-kept
[ -e "$3" ] && echo data
[ -e "$4" ] && echo data-kept
"""
    + RUNTIME
    + r"""
ids=$(timeout -k 1 10 crictl ps -q --state Running --label io.kubernetes.container.name=etcd 2>/dev/null) ||
  echo no-runtime
[ -n "$ids" ] && echo running
"""
    + END
)


def stop_steps(decided: Decided) -> tuple[Step, ...]:
    """Manifest first, so that the kubelet ends it; then the data, once nothing writes any more."""
    name, host, sudo = decided.name, decided.host, decided.layout.sudo
    before = (checks.same_member(decided), checks.dead(decided), _right_host(decided))
    return (
        Step(
            key="stop",
            title=f"Stop etcd on {host} for good",
            why=f"Else the kubelet goes on starting it, and it would knock at the cluster it was taken out "
            f"of. Its manifest is moved aside to {decided.manifest_aside}, never deleted.",
            action=Action.COMMAND,
            host=host,
            argv=move(sudo, decided.manifest, decided.manifest_aside),
            gate=Gate(GateKind.CONFIRM, prompt=f"Stop etcd on {host} for good?"),
            prechecks=(*before, checks.may_go(decided)),
            done=_stopped(decided),
            verify=_stopped(decided),
            patience=STOPPED_WITHIN,
            cancel="Ends here; once it was moved, this is the way back: sudo mv "
            f"{decided.manifest_aside} {decided.manifest}",
            skippable=False,
        ),
        Step(
            key="aside",
            title=f"Keep the old data of {name} under a dated name",
            why="A new member must begin with an empty folder; with old data it dies at once, with exit "
            f"code 0. What is there is kept as {decided.data_aside}.",
            action=Action.COMMAND,
            host=host,
            argv=(*sudo, "mv", "-n", "-T", "--", decided.data, decided.data_aside),
            prechecks=(_right_host(decided), _stopped(decided)),
            done=_put_aside(decided),
            verify=_put_aside(decided),
            cancel="Ends here; once it was set aside, this is the way back: sudo mv -T "
            f"{decided.data_aside} {decided.data}",
            skippable=False,
        ),
    )


def state_of(decided: Decided, world: Context) -> frozenset[str] | None:
    """What lies and runs on the host now; None when it cannot tell. Raises Unreachable and its kin."""
    paths = (decided.manifest, decided.manifest_aside, decided.data, decided.data_aside)
    argv = (*decided.layout.sudo, "sh", "-c", _STATE, "etcdtui-state", *paths)
    words = look(world, decided.host, argv, timeout=checks.ASK)
    return None if words is None else frozenset(words)


def _stopped(decided: Decided) -> Check:
    """Its manifest is away and no container runs."""

    def check(world: Context) -> Verdict:
        state = state_of(decided, world)
        if state is None:
            return Verdict(False, unknown(decided.host))
        if "manifest" in state:
            return Verdict(False, f"{decided.manifest} still lies on {decided.host}: the kubelet starts it.")
        if "no-runtime" in state:
            return Verdict(False, f"crictl on {decided.host} does not tell whether etcd still runs.")
        if "running" in state:
            return Verdict(False, f"etcd's container on {decided.host} still runs.")
        kept = "" if "manifest-kept" in state else " There was no manifest to be moved."
        return Verdict(True, f"etcd on {decided.host} is stopped, no container of it runs.{kept}")

    return check


def _put_aside(decided: Decided) -> Check:
    def check(world: Context) -> Verdict:
        state = state_of(decided, world)
        if state is None:
            return Verdict(False, unknown(decided.host))
        if "data" in state:
            if "data-kept" in state:
                return Verdict(
                    False,
                    f"{decided.data_aside} is there already, and {decided.data} again: etcd was started "
                    f"once more on {decided.host}. Look there.",
                )
            return Verdict(False, f"{decided.data} still lies on {decided.host}.")
        if "data-kept" in state:
            return Verdict(True, f"The old data is kept as {decided.data_aside} on {decided.host}.")
        return Verdict(True, f"There is no data of etcd on {decided.host}.")

    return check


def _right_host(decided: Decided) -> Check:
    """The host behind that name is the one that the member is called after."""

    def check(world: Context) -> Verdict:
        known = next((h for h in world.view().hosts if h.name == decided.host), None)
        told = known.facts.value.hostname if known and known.facts.value else ""
        names = {name for name in (known.node if known else "", told) if name}
        wanted = decided.target.name
        if not names:
            return Verdict(False, f"{decided.host} has not said yet which machine it is.")
        if any(same_machine(wanted, name) for name in names):
            return Verdict(True, f"{decided.host} is {wanted}.")
        return Verdict(
            False,
            f"The host that answers as {decided.host} calls itself {clean(sorted(names)[0], 100)}: it may be "
            "another machine at that address. Nothing is moved there.",
        )

    return check
