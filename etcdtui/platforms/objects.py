"""Kubernetes and OpenShift objects, as raw JSON, to facts. What is null, missing or odd is passed over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from etcdtui.errors import AuthFailed, EtcdTuiError, Forbidden, TlsFailed, UnexpectedOutput, Unreachable
from etcdtui.model.platform import ApiFacts, Condition, NodeFacts, OperatorFacts, OperatorWord, PodFacts
from etcdtui.platforms import guard
from etcdtui.text import clean

NAMESPACE = "openshift-etcd"
NODES = "/api/v1/nodes"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
ETCD = "/apis/operator.openshift.io/v1/etcds/cluster"
VERSION = "/apis/config.openshift.io/v1/clusterversions/version"
OPERATORS = "/apis/config.openshift.io/v1/clusteroperators"

GetList = Callable[[str], Iterable[Any]]
Get = Callable[[str], Any]
T = TypeVar("T")

_CONTROL = ("node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane")
_OTHERS = ("etcd-quorum-guard", "etcd-guard", "installer-", "revision-pruner-")
_OF = re.compile(r"\A\s*(\d{1,3}) of (\d{1,3}) members are available")
_ALL = re.compile(r"\A\s*(\d{1,3}) members are available")


def collect(get_list: GetList, get: Get) -> ApiFacts:
    """One look through the API: ``get_list`` gives the items of a list, ``get`` one object, both by path.

    Parts that fail are named in ``missing``. Raises when the API does not answer at the first part, and
    when all parts fail.
    """
    failures: list[EtcdTuiError] = []
    missing: list[str] = []
    parts = 0

    def part(what: str, read: Callable[[], T]) -> T | None:
        nonlocal parts
        parts += 1
        try:
            return read()
        except EtcdTuiError as exc:
            if len(failures) == parts - 1 and isinstance(exc, Unreachable | TlsFailed | AuthFailed):
                raise  # the others would only wait as long, one after the other
            failures.append(exc)
            why = "this login may not read it" if isinstance(exc, Forbidden) else clean(exc.message, 200)
            missing.append(f"{what}: {why.rstrip('.')}.")
            return None

    etcd = part("The Etcd operator's conditions", lambda: _dict(get(ETCD))) or {}
    conditions = parse_conditions(etcd)
    nodes = part("The nodes", lambda: parse_nodes(get_list(NODES))) or ()
    pods = part("The etcd pods", lambda: parse_pods(get_list(PODS))) or ()
    told = part("The cluster version", lambda: _cluster_version(get(VERSION)))
    version, cluster_id, installed = told or ("", "", None)
    operators = part("The cluster operators", lambda: parse_operators(get_list(OPERATORS))) or ()
    if len(failures) == parts:
        raise failures[0]
    return ApiFacts(
        version=version,
        cluster_id=cluster_id,
        installed=installed,
        conditions=conditions,
        nodes=nodes,
        pods=pods,
        operators=operators,
        word=operator_word(conditions),
        guard_off=guard.is_off(etcd),
        missing=tuple(missing),
    )


def parse_conditions(resource: Any) -> tuple[Condition, ...]:
    """``.status.conditions`` of any operator's resource."""
    found = []
    for item in _items(_status(resource).get("conditions")):
        kind = _text(item.get("type"))
        if kind:
            found.append(
                Condition(
                    kind,
                    _text(item.get("status")) or "Unknown",
                    _text(item.get("reason")),
                    _text(item.get("message")),
                    moment(item.get("lastTransitionTime")),
                )
            )
    return tuple(found)


def operator_word(conditions: Sequence[Condition]) -> OperatorWord | None:
    """What EtcdMembersAvailable says in numbers; None when its words have none."""
    told = next((c for c in conditions if c.type == "EtcdMembersAvailable"), None)
    if told is None:
        return None
    if match := _OF.match(told.message):
        available, members = int(match[1]), int(match[2])
    elif match := _ALL.match(told.message):
        available = members = int(match[1])
    else:
        return None
    return OperatorWord(available, members, told.message.strip(), told.changed)


def parse_nodes(items: Iterable[Any]) -> tuple[NodeFacts, ...]:
    """The nodes of the control plane, by name."""
    found = []
    for node in _items(items):
        meta = _dict(node.get("metadata"))
        name = _text(meta.get("name"))
        if name and any(label in _dict(meta.get("labels")) for label in _CONTROL):
            found.append(_node(node, name))
    return tuple(sorted(found, key=lambda n: n.name))


def parse_pods(items: Iterable[Any]) -> tuple[PodFacts, ...]:
    """The etcd pods, without guards, installers and pruners, by node."""
    found = []
    for pod in _items(items):
        meta = _dict(pod.get("metadata"))
        name, labels = _text(meta.get("name")), _dict(meta.get("labels"))
        if not name.startswith("etcd-") or name.startswith(_OTHERS):
            continue
        if labels and "etcd" not in (labels.get("k8s-app"), labels.get("app")):
            continue
        found.append(_pod(pod, name))
    return tuple(sorted(found, key=lambda p: (p.node, p.name)))


def parse_version(resource: Any) -> tuple[str, str]:
    """Version and ID of the cluster. The desired version is what it is, or is on its way to."""
    desired = _text(_dict(_status(resource).get("desired")).get("version"))
    return desired, _text(_dict(_dict(resource).get("spec")).get("clusterID"))


def _cluster_version(resource: Any) -> tuple[str, str, float | None]:
    return *parse_version(resource), parse_installed(resource)


def parse_installed(resource: Any) -> float | None:
    """When the first version was there, epoch seconds: the oldest completed entry of the history."""
    history = _items(_status(resource).get("history"))
    ends = [moment(entry.get("completionTime")) for entry in history if entry.get("state") == "Completed"]
    return min((end for end in ends if end is not None), default=None)


def parse_operators(items: Iterable[Any]) -> tuple[OperatorFacts, ...]:
    """Cluster operators with their three conditions, by name; the message is that of the worst one."""
    found = []
    for item in _items(items):
        name = _text(_dict(item.get("metadata")).get("name"))
        if not name:
            continue
        told = {c.type: c for c in parse_conditions(item)}

        def holds(kind: str, told: Mapping[str, Condition] = told) -> bool:
            return kind in told and told[kind].status == "True"

        available, progressing, degraded = holds("Available"), holds("Progressing"), holds("Degraded")
        worst = "Degraded" if degraded else "Available" if not available else "Progressing"
        found.append(
            OperatorFacts(
                name, available, progressing, degraded, told[worst].message if worst in told else ""
            )
        )
    return tuple(sorted(found, key=lambda o: o.name))


def moment(value: Any) -> float | None:
    """An RFC 3339 time in epoch seconds; None when it is none."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    try:
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None


def _node(node: Mapping[str, Any], name: str) -> NodeFacts:
    status = _status(node)
    addresses = [a for a in _items(status.get("addresses")) if a.get("type") == "InternalIP"]
    address = next((_text(a.get("address")) for a in addresses if _text(a.get("address"))), "")
    ready = next((c for c in parse_conditions(node) if c.type == "Ready"), None)
    if ready is not None and ready.status == "True":
        return NodeFacts(name, address, True)
    taints = [_text(t.get("key")) for t in _items(_dict(node.get("spec")).get("taints"))]
    if "node.kubernetes.io/unreachable" in taints:
        return NodeFacts(name, address, False, "unreachable")
    return NodeFacts(name, address, False, (ready.reason or ready.message) if ready else "not reported")


def _pod(pod: Mapping[str, Any], name: str) -> PodFacts:
    spec, status = _dict(pod.get("spec")), _status(pod)
    statuses = list(_items(status.get("containerStatuses")))
    containers = len(list(_items(spec.get("containers")))) or len(statuses)
    waiting = ""
    for told in statuses:
        state = _dict(told.get("state"))
        reason = _text(_dict(state.get("waiting")).get("reason"))
        reason = reason or _text(_dict(state.get("terminated")).get("reason"))
        if reason and (not waiting or told.get("name") == "etcd"):
            waiting = reason
    return PodFacts(
        name=name,
        node=_text(spec.get("nodeName")) or name.removeprefix("etcd-"),
        ready=sum(1 for told in statuses if told.get("ready") is True),
        containers=containers,
        phase=_text(status.get("phase")) or "Unknown",
        restarts=sum(_count(told.get("restartCount")) for told in statuses),
        waiting=waiting,
    )


def _status(resource: Any) -> Mapping[str, Any]:
    if not isinstance(resource, dict):
        raise UnexpectedOutput("The API answered with something that is no object.")
    return _dict(resource.get("status"))


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> Iterable[Mapping[str, Any]]:
    if isinstance(value, dict):  # a whole list object
        value = value.get("items")
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list | tuple) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
