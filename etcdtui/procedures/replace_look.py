"""What the plan of a replacement looks up: which case it is, and what the API knows of the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from etcdtui.errors import EtcdTuiError, Forbidden, NotFound, Refusal
from etcdtui.model.health import judge
from etcdtui.model.members import Member
from etcdtui.model.stranger import stranger
from etcdtui.model.view import FRESH, FRESH_API, ClusterView
from etcdtui.platforms import guard
from etcdtui.platforms.csrs import V1
from etcdtui.platforms.eras import recognise
from etcdtui.platforms.machines import MACHINE_SETS, MACHINES, of_node, set_active, successor
from etcdtui.platforms.objects import ETCD, VERSION, parse_version
from etcdtui.platforms.operators import secret_names, secret_path
from etcdtui.procedures.procedure import Objects
from etcdtui.procedures.replace_decided import Case, Platform, Rebuild
from etcdtui.text import clean


def case_of(view: ClusterView, target: Member) -> Case:
    """Which case of the documents. Raises Refusal when nothing fits."""
    row = judge(view).member(target.id)
    host = row.host if row else None
    facts = view.api.current(view.now, FRESH_API)
    node = next((n for n in facts.nodes if n.name == target.name), None) if facts else None
    there = host.facts.value.hostname if host is not None and host.facts.value is not None else ""
    other = stranger(judge(view), row, there) if row is not None else ""
    if host is not None and not other and host.link.current(view.now, FRESH) is not None:
        if node is not None and not node.ready:
            return Case.NOT_READY
        return Case.CRASHING
    if facts is None or node is None:
        return Case.GONE
    if not node.ready:
        return Case.NOT_READY
    if other:
        raise Refusal(
            f"The node {target.name} is Ready, so its etcd is to be stopped there first, but who answers by "
            f"SSH at its address calls itself {clean(other, 100)}: it may be another machine.",
            f"Look which of them is {target.name}, then begin again.",
        )
    said = f": {host.link.problem.message}" if host and host.link.problem else "."
    raise Refusal(
        f"The node {target.name} is Ready, so its etcd is to be stopped there first, but it cannot be "
        f"reached by SSH{said}",
        f"Open a way to {target.name} by SSH, then begin again.",
    )


def look(
    api: Objects | None, view: ClusterView, target: Member, case: Case, taken: Sequence[str] = ()
) -> Platform:
    """``api`` is None where none is configured, ``taken`` are names for machines that are to be made before
    this one. Raises Refusal when it does not answer."""
    if api is None:
        return Platform(rebuild=Rebuild.STAYS if case is Case.CRASHING else Rebuild.BY_HAND)
    try:
        return _look(api, target, case, taken)
    except EtcdTuiError as exc:
        raise Refusal(
            f"The API must be asked before {target.label} can be replaced: guard, secrets and machine are "
            f"there. {exc.message}",
            exc.hint or "Wait until it answers; while a quorum holds, nothing is lost by that.",
        ) from exc


def _look(api: Objects, target: Member, case: Case, taken: Sequence[str]) -> Platform:
    etcd = _object(api, ETCD)
    if etcd is None:  # Kubernetes without OpenShift's operator
        return Platform(rebuild=Rebuild.STAYS if case is Case.CRASHING else Rebuild.BY_HAND)
    version = _object(api, VERSION)
    told = parse_version(version)[0] if version is not None else ""
    era = recognise(told)  # what is not known is taken for new: once more than needed does no harm
    spec = etcd.get("spec")
    secrets = _secrets(api, target.name) if era.secrets is not False and target.name else {}
    base = Platform(
        operator=True,
        version=told,
        guard=era.guard is not False and not guard.is_off(etcd),
        overrides=spec.get("unsupportedConfigOverrides") if isinstance(spec, dict) else None,
        secrets=secrets,
        csrs=era.csrs or V1,
    )
    return base if case is Case.CRASHING else _machine(api, base, target, taken)


def _secrets(api: Objects, node: str) -> dict[str, str]:
    found = {}
    for name in secret_names(node):
        made = _object(api, secret_path(name))
        if made is not None:
            found[name] = _uid(made)
    return found


def _machine(api: Objects, base: Platform, target: Member, taken: Sequence[str]) -> Platform:
    found = _list(api, MACHINES)
    mine = of_node(found, target.name)
    if mine is None:
        return replace(base, rebuild=Rebuild.BY_HAND)
    name = str(mine["metadata"]["name"])
    held = replace(base, machine=name, machine_uid=_uid(mine))
    if set_active(_list(api, MACHINE_SETS)):
        return replace(held, rebuild=Rebuild.MACHINE_SET)
    names = [*taken, *(str(m["metadata"]["name"]) for m in found)]
    return replace(held, rebuild=Rebuild.MACHINE, successor=successor(mine, names))


def _object(api: Objects, path: str) -> dict[str, Any] | None:
    try:
        return api.get(path)
    except NotFound:
        return None


def _list(api: Objects, path: str) -> Sequence[dict[str, Any]]:
    try:
        return api.get_list(path)
    except (NotFound, Forbidden):
        return ()


def _uid(document: Mapping[str, Any]) -> str:
    meta = document.get("metadata")
    return str(meta.get("uid") or "") if isinstance(meta, dict) else ""
