"""Machines of the Machine API and the releases' habits, as far as the guide needs them. Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_KEPT = ("labels", "namespace")  # of a machine's metadata; the rest belongs to the one host


@dataclass(frozen=True, slots=True)
class Era:
    """What a release asks for. ``guard``: the operator's guard must be off meanwhile (4.10 and newer)."""

    guard: bool
    secrets: bool = True


def era_of(version: str) -> Era:
    """An unknown version is taken for a new one: the guard more often than needed does no harm."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return Era(guard=match is None or (int(match[1]), int(match[2])) >= (4, 10))


def of_node(machines: Iterable[Mapping[str, Any]], node: str) -> Mapping[str, Any] | None:
    """The machine that a node runs on: by its reference, or by its host name where the node is gone."""
    found = list(machines)
    for machine in found:
        if _inner(machine, "status", "nodeRef").get("name") == node:
            return machine
    for machine in found:
        addresses = _inner(machine, "status").get("addresses") or ()
        names = {a.get("address") for a in addresses if isinstance(a, dict) and "DNS" in str(a.get("type"))}
        names |= {a.get("address") for a in addresses if isinstance(a, dict) and a.get("type") == "Hostname"}
        if node in names:
            return machine
    return None


def successor(old: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """A new machine like ``old``, named with the next free number: no status, no provider ID, no history."""
    meta, spec = _inner(old, "metadata"), copy.deepcopy(dict(_inner(old, "spec")))
    spec.pop("providerID", None)
    spec.pop("lifecycleHooks", None)  # etcd's operator puts its own there
    return {
        "apiVersion": old.get("apiVersion") or "machine.openshift.io/v1beta1",
        "kind": "Machine",
        "metadata": {
            "name": next_name(str(meta.get("name") or ""), names),
            **{key: copy.deepcopy(meta[key]) for key in _KEPT if key in meta},
        },
        "spec": spec,
    }


def next_name(name: str, names: Collection[str]) -> str:
    """``prod-master-2`` among masters 0 to 2 gives ``prod-master-3``."""
    stem = re.sub(r"-?\d+\Z", "", name)
    pattern = re.compile(rf"{re.escape(stem)}-(\d+)\Z")
    numbers = [int(m[1]) for other in {*names, name} if (m := pattern.match(other))]
    return f"{stem}-{max(numbers, default=-1) + 1}"


def set_active(machine_sets: Iterable[Mapping[str, Any]]) -> bool:
    """Does a control plane machine set look after the machines?"""
    return any(_inner(one, "spec").get("state") == "Active" for one in machine_sets)


def as_yaml(document: Mapping[str, Any]) -> str:
    """As ``oc apply -f`` reads it."""
    return yaml.safe_dump(dict(document), sort_keys=False, default_flow_style=False, allow_unicode=True)


def _inner(document: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    value: Any = document
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
