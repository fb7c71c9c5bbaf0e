"""The operators of the static pods: secrets, a new rollout, and where a rollout is. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from etcdtui.platforms.objects import NAMESPACE, parse_conditions
from etcdtui.text import clean, counted, listed

OPERATORS = {
    name: f"/apis/operator.openshift.io/v1/{name}s/cluster"
    for name in ("etcd", "kubeapiserver", "kubecontrollermanager", "kubescheduler")
}
"""By the name that ``oc patch`` knows, in the order in which they are rolled out anew after a restore."""

SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"

_AT = re.compile(r"(\d{1,4}) nodes? (?:are|is) at revision (\d{1,9})")
_AHEAD = re.compile(r"0 nodes have achieved new revision (\d{1,9})")


# -- the secrets of one node


def secret_names(node: str) -> tuple[str, str, str]:
    """What the operator made for the etcd of one node."""
    return f"etcd-peer-{node}", f"etcd-serving-{node}", f"etcd-serving-metrics-{node}"


def secret_path(name: str) -> str:
    return f"{SECRETS}/{name}"


# -- a new rollout


def reason_at(kind: str, now: float) -> str:
    """A reason that was never given before: ``recovery-2026-11-24T10:52:12.123456Z``. ``now``: epoch s."""
    return f"{kind}-{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def redeployment(reason: str) -> dict[str, Any]:
    """The merge patch that asks an operator to roll its pods out anew. The same reason twice does nothing."""
    return {"spec": {"forceRedeploymentReason": reason}}


def redeployment_reason(resource: Mapping[str, Any]) -> str:
    """The reason an operator was given last; empty for none."""
    told = _dict(resource.get("spec")).get("forceRedeploymentReason")
    return told if isinstance(told, str) else ""


@dataclass(frozen=True, slots=True)
class NodeRevision:
    """One node. ``target`` is 0 while nothing is installed there; ``failed`` is what did not go well."""

    name: str
    current: int
    target: int = 0
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Where the revisions of one operator's pods are.

    ``counted`` is revision -> nodes in the words of NodeInstallerProgressing, which may be a little newer or
    older than ``nodes``; ``settled`` is None where the condition is not told.
    """

    latest: int
    nodes: tuple[NodeRevision, ...]
    counted: Mapping[int, int]
    settled: bool | None
    message: str = ""

    @property
    def done(self) -> bool:
        """Every source agrees that every node runs the latest revision."""
        behind = any(n.current != self.latest or n.target not in (0, self.latest) for n in self.nodes)
        told = not self.counted or set(self.counted) == {self.latest}
        return bool(self.settled) and bool(self.nodes) and told and not behind

    def done_since(self, before: int) -> bool:
        """Done, and with a revision newer than ``before``: one that was asked for afterwards."""
        return self.done and self.latest > before

    @property
    def sentence(self) -> str:
        if not self.nodes:
            said = f"; it says: {clean(self.message, 160)}" if self.message else ""
            return f"The operator tells of no node{said}."
        there = [n for n in self.nodes if n.current == self.latest]
        if self.done:
            return f"All {counted(len(self.nodes), 'node')} are at revision {self.latest}."
        going = [
            f"{clean(n.name)} goes from {n.current or 'none'} to {n.target}"
            if n.target and n.target != n.current
            else f"{clean(n.name)} is at {n.current or 'none'}"
            for n in self.nodes
            if n.current != self.latest
        ]
        said = f"{len(there)} of {counted(len(self.nodes), 'node')} at revision {self.latest}"
        if not going:
            return f"{said}, and the operator does not call it finished yet."
        failed = [f" On {clean(n.name)} it failed: {clean(n.failed, 200)}." for n in self.nodes if n.failed]
        return f"{said}; {listed(going)}.{''.join(failed)}"


def parse_rollout(resource: Mapping[str, Any]) -> Rollout:
    """From the resource of any of the four operators. What is missing or odd is passed over."""
    status = _dict(resource.get("status"))
    told = next((c for c in parse_conditions(dict(resource)) if c.type == "NodeInstallerProgressing"), None)
    listing = status.get("nodeStatuses")
    items = [n for n in listing if isinstance(n, dict)] if isinstance(listing, list) else []
    message = told.message if told else ""
    return Rollout(
        latest=_number(status.get("latestAvailableRevision")),
        nodes=tuple(_node(item) for item in items if isinstance(item.get("nodeName"), str)),
        counted=revisions(message),
        settled=told.status == "False" and told.reason == "AllNodesAtLatestRevision" if told else None,
        message=message,
    )


def revisions(message: str) -> dict[int, int]:
    """``2 nodes are at revision 6; 1 nodes are at revision 7`` -> {6: 2, 7: 1}."""
    found = {int(revision): int(nodes) for nodes, revision in _AT.findall(message)}
    return found | {int(revision): 0 for revision in _AHEAD.findall(message) if int(revision) not in found}


def _node(item: Mapping[str, Any]) -> NodeRevision:
    current, target = _number(item.get("currentRevision")), _number(item.get("targetRevision"))
    failed = _number(item.get("lastFailedRevision"))
    errors = item.get("lastFailedRevisionErrors")
    said = " ".join(str(e) for e in errors) if isinstance(errors, list) else ""
    # A failure of a revision that is already behind it is history.
    live = failed > current and (not target or failed >= target)
    return NodeRevision(item["nodeName"], current, target, (said or f"revision {failed}") if live else "")


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
