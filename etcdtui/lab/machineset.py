"""The control plane machine set, where one is active: it makes a machine for every one that is deleted."""

from __future__ import annotations

import re
import secrets

from etcdtui.lab.documents import Document
from etcdtui.lab.store import MACHINE_SETS, MACHINES, Store

NAME = "cluster"


def make(store: Store, namespace: str, replicas: int) -> None:
    """An active set, unless there is one. Raises ApiRefusal."""
    store.create(
        MACHINE_SETS,
        {
            "metadata": {"name": NAME, "namespace": namespace},
            "spec": {"state": "Active", "replicas": replicas, "strategy": {"type": "RollingUpdate"}},
        },
    )


def replacement(store: Store) -> tuple[str, Document] | None:
    """Name and specification of a machine that the set would make now, after those of a deleted one."""
    found = store.find(MACHINE_SETS, NAME)
    machines = store.list(MACHINES)
    leaving = [m for m in machines if "deletionTimestamp" in m["metadata"]]
    if found is None or not leaving or len(machines) - len(leaving) >= found["spec"]["replicas"]:
        return None
    old = leaving[0]
    index = re.search(r"(\d+)$", old["metadata"]["name"])
    prefix = old["metadata"]["labels"]["machine.openshift.io/cluster-api-cluster"]
    name = f"{prefix}-master-{secrets.token_hex(3)[:5]}-{index[1] if index else 0}"
    spec = {key: value for key, value in old["spec"].items() if key not in ("providerID", "lifecycleHooks")}
    return name, spec
