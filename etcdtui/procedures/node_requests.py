"""Certificate requests of nodes that the cluster knows, approved after a look: in a restore, or alone."""

from __future__ import annotations

from collections.abc import Mapping

from etcdtui.errors import EtcdTuiError, NotFound, Refusal
from etcdtui.model.view import ClusterView
from etcdtui.platforms import csrs
from etcdtui.platforms.objects import NODES
from etcdtui.procedures.approving import Approving
from etcdtui.procedures.procedure import Objects, Procedure, World

KIND = "requests"

_WHY = (
    "Whose request is approved becomes a part of the cluster. Offered are only those of nodes that the "
    "cluster knows, asked for in their own name or by node-bootstrapper, for what a kubelet needs. Others "
    "are named, and left to you: `oc get csr`, `oc describe csr NAME`. A node asks for its client "
    "certificate first and, when it has that, for the serving one: open this again then."
)


def plan(view: ClusterView, world: World, *, procedure_id: str) -> Procedure:
    """What waits now. Asks the API, so it may take some seconds. Raises Refusal where nothing may be done."""
    if view.read_only:
        raise Refusal(f"{view.name} is opened read-only: no certificate request is approved.")
    requests = approving()
    try:
        api = world.objects()
        waiting, left = requests.approvable(api), requests.unapproved(api)
    except EtcdTuiError as exc:
        raise Refusal(f"The certificate requests cannot be read: {exc.message}", exc.hint) from exc
    if not waiting:
        more = f" Left to you: {' '.join(left[:3])}" if left else ""
        raise Refusal(f"No certificate request of a known node waits.{more}", "oc get csr lists them all.")
    reasons = (*(request.sentence(world.now()) for request in waiting), *left)
    return _procedure(procedure_id, view.name, reasons)


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, from its record. Raises ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} approves no requests")
    return _procedure(procedure_id, cluster, ())


def _procedure(procedure_id: str, cluster: str, reasons: tuple[str, ...]) -> Procedure:
    step = approving().step("approve", "Approve what known nodes ask for", _WHY)
    title = f"Approve certificate requests of {cluster}'s nodes"
    return Procedure(KIND, procedure_id, cluster, title, {}, (step,), reasons)


def approving() -> Approving:
    """The requests of every node that the cluster knows, workers too."""
    return Approving(
        awaited=known_nodes,
        path=_path,
        whom="a known node",
        question=lambda shown: "Are these your nodes, and expected?",
    )


def known_nodes(api: Objects) -> dict[str, set[str]]:
    """Each node with the names and addresses that the cluster has of it."""
    found: dict[str, set[str]] = {}
    for document in api.get_list(NODES):
        meta, status = document.get("metadata"), document.get("status")
        name = str(meta.get("name") or "") if isinstance(meta, dict) else ""
        told = status.get("addresses") if isinstance(status, dict) else None
        addresses = told if isinstance(told, list) else []
        if name:
            found[name] = {str(a.get("address")) for a in addresses if isinstance(a, dict)}
    return found


def _path(api: Objects) -> str:
    try:
        api.get_list(csrs.V1)
    except NotFound:
        return csrs.V1BETA1
    return csrs.V1
