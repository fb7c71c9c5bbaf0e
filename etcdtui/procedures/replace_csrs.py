"""The certificate requests of a new host: approved after a look. Others are left alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from etcdtui.errors import NotFound
from etcdtui.platforms import csrs
from etcdtui.platforms.csrs import Request
from etcdtui.platforms.machines import MACHINES, parse_machine
from etcdtui.platforms.objects import NODES, parse_nodes
from etcdtui.procedures.approving import Approving
from etcdtui.procedures.procedure import Check, Objects, Step
from etcdtui.procedures.replace_decided import Decided, Rebuild


def step(decided: Decided, key: str, title: str) -> Step:
    """Approve what may be approved, after a look; passed over where nobody waits for that."""
    return _approving(decided).step(
        key,
        title,
        "Whose request is approved becomes a part of the cluster. Only those that fit in everything are "
        "offered here: asked for by the new host, in its own name, for what a kubelet needs. Others are left "
        "to you and oc.",
    )


def waits(decided: Decided) -> Check:
    """Does a request of the new host wait for approval?"""
    return _approving(decided).waits


def _approving(decided: Decided) -> Approving:
    return Approving(
        awaited=lambda api: awaited_nodes(decided, api),
        path=lambda api: _path(decided),
        whom="the new host",
        question=partial(_question, decided),
    )


def _path(decided: Decided) -> str:
    return decided.platform.csrs or csrs.V1


def _question(decided: Decided, shown: Sequence[Request]) -> str:
    other = [r.node for r in shown if r.node != decided.target.name]
    if other and decided.platform.rebuild is Rebuild.BY_HAND:
        return f"It is not called {decided.name}. Is it the host that was built in its place?"
    return "Is that the new host, and nobody else?"


def awaited_nodes(decided: Decided, api: Objects) -> dict[str, set[str]]:
    """The node that is to come, with the names and addresses known of it: its machine's, its own."""
    known = {m.name for m in decided.remaining}
    found: dict[str, set[str]] = {}
    new = decided.platform.successor.get("metadata")
    names = {str(new.get("name"))} if isinstance(new, dict) else set()
    for document in _list(api, MACHINES):
        machine = parse_machine(document)
        if machine is None or not machine.control_plane or machine.name == decided.platform.machine:
            continue
        if names and machine.name not in names:
            continue
        nodes = {machine.node} if machine.node else set(machine.names)
        for node in nodes - known:
            found.setdefault(node, set()).update(machine.names, machine.addresses)
    there = _list(api, NODES)
    if not found and decided.target.name:
        hosts = {url.partition("://")[2].rpartition(":")[0] for url in decided.target.peer_urls}
        found = {name: set() for name in _named_otherwise(decided, api, there)}
        found[decided.target.name] = hosts
    for document in there:
        node, status = _name(document), document.get("status")
        if node in found and isinstance(status, dict):
            told = status.get("addresses") or ()
            found[node].update(str(a.get("address")) for a in told if isinstance(a, dict))
    return found


def _named_otherwise(decided: Decided, api: Objects, nodes: Sequence[dict[str, object]]) -> set[str]:
    """What a host that people built may be called, until one under the old name is there or asks.

    Every control plane node that no member runs on, and who asks with the bootstrapper's token to be a node
    that there is not.
    """
    own = decided.target.name
    control = parse_nodes(nodes)
    strapped = [r for r in csrs.parse_all(_list(api, _path(decided))) if r.requestor == csrs.BOOTSTRAPPER]
    back = any(node.name == own and node.ready for node in control) or any(r.node == own for r in strapped)
    if back or decided.platform.rebuild is not Rebuild.BY_HAND:
        return set()
    asking = {r.node for r in strapped if r.node and r.state is csrs.State.PENDING}
    known = {_name(document) for document in nodes}
    return ({node.name for node in control} - {m.name for m in decided.remaining}) | (asking - known)


def _name(document: dict[str, object]) -> str:
    meta = document.get("metadata")
    return str(meta.get("name") or "") if isinstance(meta, dict) else ""


def _list(api: Objects, path: str) -> Sequence[dict[str, object]]:
    try:
        return api.get_list(path)
    except NotFound:
        return ()
