"""Machines of OpenShift's Machine API: what they are, and a new one made of an old one's. Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

from etcdtui.text import clean, listed

NAMESPACE = "openshift-machine-api"
MACHINES = f"/apis/machine.openshift.io/v1beta1/namespaces/{NAMESPACE}/machines"
MACHINE_SETS = f"/apis/machine.openshift.io/v1/namespaces/{NAMESPACE}/controlplanemachinesets"

_ROLE = "machine.openshift.io/cluster-api-machine-role"
_KEPT = ("namespace", "labels")  # of the metadata; all else belongs to the old object or the old host
_NAMES = frozenset({"Hostname", "InternalDNS", "ExternalDNS"})


class Phase(StrEnum):
    """As the Machine API calls them; NONE for one that no controller has looked at yet."""

    NONE = ""
    PROVISIONING = "Provisioning"
    PROVISIONED = "Provisioned"
    RUNNING = "Running"
    DELETING = "Deleting"
    FAILED = "Failed"
    OTHER = "other"


_PHASES = {
    Phase.NONE: "has not been looked at by the Machine API yet",
    Phase.PROVISIONING: "is being made by the cloud or the hardware's controller",
    Phase.PROVISIONED: "is made and has not become a node yet: it boots, or its certificate requests wait",
    Phase.RUNNING: "runs",
    Phase.DELETING: "is being deleted",
    Phase.FAILED: "failed",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A Machine. ``node`` is empty before it has one; ``addresses`` are names and addresses of its host."""

    name: str
    uid: str = ""
    phase: Phase = Phase.NONE
    node: str = ""
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    instance: str = ""  # the provider's word: running, stopped, terminated
    trouble: str = ""
    deleting: bool = False
    hooks: tuple[str, ...] = ()  # who holds its deletion: clusteroperator/etcd
    control_plane: bool = False

    @property
    def sentence(self) -> str:
        """What is going on with it."""
        phase = Phase.DELETING if self.deleting else self.phase
        said = f"The machine {clean(self.name)} {_PHASES.get(phase, 'is in a phase that is not known here')}"
        if phase is Phase.RUNNING and self.node:
            said += f" as node {clean(self.node)}"
        if self.deleting and self.hooks:
            said += f"; {listed([clean(h) for h in self.hooks])} still holds the deletion"
        if self.instance and (phase is not Phase.RUNNING or self.instance != "running"):
            said += f"; its instance is {clean(self.instance)}"
        return f"{said}: {clean(self.trouble, 200)}." if self.trouble else f"{said}."


@dataclass(frozen=True, slots=True)
class MachineSet:
    """A ControlPlaneMachineSet. Only an active one does anything."""

    name: str
    active: bool
    replicas: int = 0
    ready: int = 0


def parse_machine(document: Mapping[str, Any]) -> Machine | None:
    """None for what is no Machine."""
    meta, spec, status = (_inner(document, key) for key in ("metadata", "spec", "status"))
    name = _text(meta.get("name"))
    if not name:
        return None
    addresses = [a for a in _items(status.get("addresses")) if _text(a.get("address"))]
    told = _text(status.get("phase"))
    hooks = [
        h for kind in ("preDrain", "preTerminate") for h in _items(_inner(spec, "lifecycleHooks").get(kind))
    ]
    trouble = _text(status.get("errorMessage")) or _text(status.get("errorReason"))
    return Machine(
        name=name,
        uid=_text(meta.get("uid")),
        phase=Phase(told) if told in set(Phase) else Phase.OTHER,
        node=_text(_inner(status, "nodeRef").get("name")),
        names=tuple(dict.fromkeys(a["address"] for a in addresses if a.get("type") in _NAMES)),
        addresses=tuple(dict.fromkeys(a["address"] for a in addresses if a.get("type") not in _NAMES)),
        instance=_text(_inner(status, "providerStatus").get("instanceState")),
        trouble=trouble,
        deleting="deletionTimestamp" in meta,
        hooks=tuple(_text(h.get("owner")) or _text(h.get("name")) for h in hooks),
        control_plane=_inner(meta, "labels").get(_ROLE) == "master",
    )


def parse_machine_set(document: Mapping[str, Any]) -> MachineSet | None:
    """None for what is no ControlPlaneMachineSet."""
    spec, status = _inner(document, "spec"), _inner(document, "status")
    name = _text(_inner(document, "metadata").get("name"))
    if not name:
        return None
    return MachineSet(
        name,
        spec.get("state") == "Active",
        *(
            n if isinstance(n := part.get(key), int) else 0
            for part, key in ((spec, "replicas"), (status, "readyReplicas"))
        ),
    )


def set_active(machine_sets: Iterable[Mapping[str, Any]]) -> bool:
    """Does a control plane machine set look after the machines? It makes a new one for each deleted one."""
    return any(found.active for one in machine_sets if (found := parse_machine_set(one)))


def of_node(machines: Iterable[Mapping[str, Any]], node: str) -> Mapping[str, Any] | None:
    """The Machine that a node runs on: by its reference, or by its host's names where the node is gone.

    None where there is none, and where several could be it.
    """
    found = [(one, parsed) for one in machines if (parsed := parse_machine(one))]
    by_reference = [one for one, parsed in found if node and parsed.node == node]
    by_name = [one for one, parsed in found if node and not parsed.node and node in parsed.names]
    matching = by_reference or by_name
    return matching[0] if len(matching) == 1 else None


def path(name: str) -> str:
    return f"{MACHINES}/{name}"


def successor(old: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """A new Machine like ``old``, as the documents say: without status, provider ID, annotations, generation
    and all that the API or etcd's operator put there; with the next free number among ``names``.
    """
    meta, spec = _inner(old, "metadata"), copy.deepcopy(dict(_inner(old, "spec")))
    for key in ("providerID", "lifecycleHooks"):
        spec.pop(key, None)
    return {
        "apiVersion": old.get("apiVersion") or "machine.openshift.io/v1beta1",
        "kind": "Machine",
        "metadata": {
            "name": next_name(_text(meta.get("name")), names),
            **{key: copy.deepcopy(meta[key]) for key in _KEPT if key in meta},
        },
        "spec": spec,
    }


def next_name(name: str, names: Collection[str]) -> str:
    """``prod-master-2`` among masters 0 to 2 gives ``prod-master-3``. A number is never given twice."""
    stem = re.sub(r"-?\d+\Z", "", name)
    pattern = re.compile(rf"{re.escape(stem)}-(\d{{1,9}})\Z")
    numbers = [int(match[1]) for other in {*names, name} if (match := pattern.match(other))]
    return f"{stem}-{max(numbers, default=-1) + 1}"


def as_yaml(document: Mapping[str, Any]) -> str:
    """As ``oc apply -f`` reads it."""
    return yaml.safe_dump(dict(document), sort_keys=False, default_flow_style=False, allow_unicode=True)


def _inner(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
