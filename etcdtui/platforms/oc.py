"""A request to the Kubernetes API as the ``oc`` command that a human would type for it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Verb = Literal["get", "create", "patch", "replace", "delete"]

_PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<part>[^/]+))?)?\Z"
)
_KINDS = {
    "certificatesigningrequests": "csr",
    "etcds": "etcd",
    "kubeapiservers": "kubeapiserver",
    "kubecontrollermanagers": "kubecontrollermanager",
    "kubeschedulers": "kubescheduler",
    "machines": "machine",
    "nodes": "node",
    "secrets": "secret",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a path of the API names. ``name`` is empty for a whole collection."""

    kind: str
    namespace: str = ""
    name: str = ""
    part: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" if self.name else self.kind


def target(path: str) -> Target:
    """The object or collection at ``path``; a path that is neither is its own kind."""
    match = _PATH.match(path)
    if match is None:
        return Target(path)
    plural, group = match["plural"], match["group"]
    kind = _KINDS.get(plural) or (f"{plural}.{group}" if group else plural)
    return Target(kind, match["namespace"] or "", match["name"] or "", match["part"] or "")


def named(path: str, body: Mapping[str, Any] | None = None) -> str:
    """What is written to, for sentences: also the name that a new object will have."""
    known = target(path)
    return f"{known.kind}/{known.name or _name(body)}".rstrip("/")


def command(
    verb: Verb, path: str, body: Mapping[str, Any] | None = None, *, dry: bool = False
) -> tuple[str, ...]:
    """The command line. What is in a secret never gets into it."""
    known = target(path)
    where = ("-n", known.namespace) if known.namespace else ()
    tried = ("--dry-run=server",) if dry else ()
    if known.part == "approval":
        return ("oc", "adm", "certificate", _decision(body), known.name)
    match verb:
        case "patch":
            shown = "…" if known.kind == "secret" else json.dumps(body)
            return ("oc", "patch", str(known), *where, "--type=merge", "-p", shown, *tried)
        case "delete":
            return ("oc", "delete", known.kind, *where, known.name, "--wait=false", *tried)
        case "create" | "replace":
            return ("oc", verb, *where, "-f", f"{known.name or _name(body) or 'new'}.yaml", *tried)
        case "get":
            return ("oc", "get", str(known), *where, "-o", "json")


def _name(body: Mapping[str, Any] | None) -> str:
    metadata = body.get("metadata") if body else None
    return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""


def _decision(body: Mapping[str, Any] | None) -> str:
    status = body.get("status") if body else None
    conditions = status.get("conditions") if isinstance(status, dict) else None
    denied = isinstance(conditions, list) and any(
        isinstance(one, dict) and one.get("type") == "Denied" for one in conditions
    )
    return "deny" if denied else "approve"
