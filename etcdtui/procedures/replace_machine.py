"""The machine of a member that is gone: deleted and made anew through the Machine API, or by a human."""

from __future__ import annotations

from typing import Any

from etcdtui.errors import NotFound
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import FRESH_API, ClusterView
from etcdtui.platforms import oc
from etcdtui.platforms.machines import MACHINES, as_yaml, path
from etcdtui.platforms.objects import NODES, parse_nodes
from etcdtui.procedures import replace_csrs
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Objects, Reporter, Step
from etcdtui.procedures.replace_api import delete_exactly, patiently, uid_of, unless
from etcdtui.procedures.replace_checks import only_watched
from etcdtui.procedures.replace_decided import Decided, Rebuild
from etcdtui.text import clean

BUILD = 1800.0  # seconds for a machine to be made and to boot
JOIN = 600.0


def steps(decided: Decided) -> tuple[Step, ...]:
    """Delete, create, wait for the node; nothing where the machine stays."""
    how = decided.platform.rebuild
    if how is Rebuild.STAYS:
        return ()
    made: list[Step] = []
    if how in {Rebuild.MACHINE, Rebuild.MACHINE_SET} and decided.platform.machine:
        made.append(_delete(decided))
    if how is Rebuild.MACHINE:
        made += [_show(decided), _create(decided)]
    if not decided.platform.operator:
        return (*made, _comes(decided))
    return (
        *made,
        _comes(decided),
        replace_csrs.step(decided, "csr client", "Let the new host in"),
        _registers(decided),
        replace_csrs.step(decided, "csr serving", "Let the API reach the new host"),
        _joined(decided),
        *((_old_node(decided),) if how is Rebuild.BY_HAND else ()),
    )


def late_requests(decided: Decided) -> tuple[Step, ...]:
    """A kubelet may be Ready before it asks for its serving certificate."""
    if decided.platform.rebuild is Rebuild.STAYS or not decided.platform.operator:
        return ()
    return (replace_csrs.step(decided, "csr late", "Does the new host still ask for something?"),)


def _delete(decided: Decided) -> Step:
    name, uid = decided.platform.machine, decided.platform.machine_uid
    then = (
        "The control plane machine set makes a new one by itself."
        if decided.platform.rebuild is Rebuild.MACHINE_SET
        else "A new one is made in the next step."
    )

    def going(world: Context) -> Verdict:
        return _going(world.objects(), name, uid)

    def work(world: Context, report: Reporter) -> Verdict:
        api = patiently(report, lambda: world.objects())
        if not patiently(report, lambda: _going(api, name, uid)).allowed:
            delete_exactly(api, path(name), uid, report)
        return patiently(report, lambda: _going(api, name, uid))

    gate = Gate(
        GateKind.PHRASE,
        name,
        f"The host of {decided.name} and all that lies on it will be gone. Type {name} to delete it.",
    )
    return Step(
        key="machine old",
        title=f"Delete the machine {name}",
        why=f"It is the machine that {decided.name} ran on; with it go its host and its disk. {then}",
        action=Action.WORK,
        argv=oc.command("delete", path(name)),
        gate=gate,
        ask=unless(going, gate),
        prechecks=(_still_its_machine(decided),),
        done=going,
        work=work,
        cancel="Ends here; once its deletion was asked for, the machine goes all the same.",
    )


def _going(api: Objects, name: str, uid: str) -> Verdict:
    try:
        meta = api.get(path(name)).get("metadata")
    except NotFound:
        return Verdict(True, f"The machine {name} is gone.")
    meta = meta if isinstance(meta, dict) else {}
    if meta.get("uid") != uid:
        return Verdict(True, f"The machine {name} that was meant is gone; there is a new one of its name.")
    if meta.get("deletionTimestamp"):
        return Verdict(True, f"The machine {name} is being deleted.")
    return Verdict(False, f"The machine {name} is there.")


def _still_its_machine(decided: Decided) -> Check:
    """Nobody brought the host back meanwhile, and the machine is still that of the node."""

    def check(world: Context) -> Verdict:
        name = decided.platform.machine
        api = world.objects()
        going = _going(api, name, decided.platform.machine_uid)
        if going.allowed:
            return going
        found = api.get(path(name))
        status = found.get("status")
        ref = status.get("nodeRef") if isinstance(status, dict) else None
        node = str(ref.get("name") or "") if isinstance(ref, dict) else ""
        if node and node != decided.target.name:
            return Verdict(False, f"The machine {name} is that of {node} now, not of {decided.name}.")
        if any(m.name == decided.target.name for m in _members(world.view())):
            return Verdict(False, f"{decided.name} is a member again: its machine is not deleted.")
        return Verdict(True, f"{name} is the machine of {decided.name}.")

    return check


def _members(view: ClusterView) -> tuple[Any, ...]:
    return view.members.value.members if view.members.value else ()


def _show(decided: Decided) -> Step:
    def work(world: Context, report: Reporter) -> Verdict:
        for line in as_yaml(decided.platform.successor).splitlines():
            report.say(line)
        return Verdict(True, "The output of this step is the new machine, as it will be made.")

    return Step(
        key="machine shown",
        title="Look at the new machine",
        why=f"What {decided.platform.machine} was, without what belonged to that host alone.",
        action=Action.WORK,
        work=work,
    )


def _create(decided: Decided) -> Step:
    body = decided.platform.successor
    name = str(body["metadata"]["name"])

    def there(world: Context) -> Verdict:
        if uid_of(world.objects(), path(name)):
            return Verdict(True, f"The machine {name} is there.")
        return Verdict(False, f"There is no machine {name} yet.")

    def work(world: Context, report: Reporter) -> Verdict:
        api = patiently(report, lambda: world.objects())

        def make() -> None:
            if not there(world).allowed:
                api.create(MACHINES, body)

        patiently(report, make)
        return patiently(report, lambda: there(world))

    gate = Gate(
        GateKind.CONFIRM,
        prompt=f"Make the machine {name}, as the step before this one shows it in full (k goes there)?",
    )
    return Step(
        key="machine new",
        title=f"Make the machine {name}",
        why=f"It is what {decided.platform.machine} was, under a new name.",
        action=Action.WORK,
        argv=oc.command("create", MACHINES, body),
        gate=gate,
        ask=unless(there, gate),
        done=there,
        work=work,
        cancel="Ends here; once it was asked for, the machine is made all the same.",
    )


def _comes(decided: Decided) -> Step:
    how = decided.platform.rebuild
    by_hand = how is Rebuild.BY_HAND
    return Step(
        key="host",
        title="A new host joins the cluster" if not by_hand else "Rebuild the host",
        why=_instructions(decided) if by_hand else "It is made, boots, and asks to become a node. Minutes.",
        action=Action.HUMAN if by_hand else Action.WORK,
        work=None if by_hand else only_watched,
        verify=_asks_or_ready(decided),
        patience=BUILD,
        cancel="Watching ends.",
    )


def _registers(decided: Decided) -> Step:
    return Step(
        key="registers",
        title="The new host becomes a node",
        why="With its first certificate its kubelet makes the node, and asks for a second one.",
        action=Action.WORK,
        work=only_watched,
        verify=_asks_or_ready(decided),
        patience=JOIN,
        cancel="Watching ends.",
    )


def _joined(decided: Decided) -> Step:
    return Step(
        key="node",
        title="The new node is Ready",
        why="Before that, nothing runs there, etcd neither.",
        action=Action.WORK,
        work=only_watched,
        verify=_node_ready(decided),
        patience=JOIN,
        cancel="Watching ends.",
    )


def _old_node(decided: Decided) -> Step:
    """With a machine goes its node. Without one, and a new host of another name, nobody takes it away."""
    name = decided.target.name
    node = f"{NODES}/{name}"

    def gone(world: Context) -> Verdict:
        found = next((n for n in parse_nodes(world.objects().get_list(NODES)) if n.name == name), None)
        if found is None:
            return Verdict(True, f"There is no node {name} any more.")
        if found.ready:
            return Verdict(True, f"The node {name} is Ready: it stays.")
        return Verdict(False, f"The node {name} is still there, and not Ready.")

    def work(world: Context, report: Reporter) -> Verdict:
        api = patiently(report, world.objects)
        uid = patiently(report, lambda: uid_of(api, node))
        if not patiently(report, lambda: gone(world)).allowed:
            delete_exactly(api, node, uid, report)
        return patiently(report, lambda: gone(world))

    gate = Gate(GateKind.CONFIRM, prompt=f"The host {name} is no more. Delete its node from the cluster?")
    return Step(
        key="old node",
        title=f"Delete the node {name}, if it stayed",
        why="Where the new host has another name, the old node stays listed, and every rollout waits for it.",
        action=Action.WORK,
        argv=oc.command("delete", node),
        gate=gate,
        ask=unless(gone, gate),
        done=gone,
        work=work,
        cancel="Ends here; once it was deleted, the node is gone.",
    )


def _instructions(decided: Decided) -> str:
    node = decided.target.name
    if not decided.platform.operator:
        return (
            f"Only you can do this: install a new host in place of {node}, the way it was installed, under "
            f"its name and its address, with nothing in {decided.layout.at(decided.layout.data)}."
        )
    return (
        f"Only you can do this: boot a new host with the control plane's ignition, as {node} was built, on "
        "empty disks, by BMC, PXE or ISO. The old one must not come up again with its old disk. The new "
        "one's certificate requests are listed here next, under whatever name it asks."
    )


def _asks_or_ready(decided: Decided) -> Check:
    """Until somebody has to approve something, or nobody has to any more."""

    def check(world: Context) -> Verdict:
        ready = node_state(decided, world.view())
        if ready.allowed or not decided.platform.operator:
            return ready
        asks = replace_csrs.waits(decided)(world)
        return asks if asks.allowed else ready

    return check


def _node_ready(decided: Decided) -> Check:
    def check(world: Context) -> Verdict:
        return node_state(decided, world.view())

    return check


def node_state(decided: Decided, view: ClusterView) -> Verdict:
    """Is there a control plane node, Ready, that no remaining member runs on?"""
    if not decided.platform.operator:
        host = next((h for h in view.hosts if h.name == decided.host), None)
        if host is not None and host.link.problem is None and host.link.at is not None:
            return Verdict(True, f"{decided.host} answers over SSH.")
        return Verdict(False, f"{decided.host or decided.name} does not answer over SSH yet.")
    facts = view.api.current(view.now, FRESH_API)
    if facts is None:
        return Verdict(False, "The API does not answer now; it goes on being asked.")
    taken = {m.name for m in decided.remaining}
    new = [n for n in facts.nodes if n.name not in taken]
    # Those that were replaced before it in the same procedure have nodes of their own.
    ready = [n.name for n in new if n.ready][len(decided.before) :]
    if ready:
        return Verdict(True, f"The node {ready[-1]} is Ready.")
    late = next((n for n in sorted(new, key=lambda n: n.name == decided.target.name) if not n.ready), None)
    if late is not None:
        why = f" ({clean(late.reason, 80)})" if late.reason else ""
        return Verdict(False, f"The node {late.name} is not Ready yet{why}.")
    return Verdict(False, "There is no new node yet.")
