"""Keys like those of a control plane, so that a lab's backup has something in it."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from etcdtui.lab.members import Gateway

if TYPE_CHECKING:
    from etcdtui.lab.places import Node

_BATCH = 100  # etcd allows 128 operations in a transaction
_WRITERS = 4
_KINDS = (
    # prefix, share of all keys, usual size of a value
    ("events", 0.30, 700),
    ("pods/{ns}", 0.18, 2600),
    ("secrets/{ns}", 0.14, 1800),
    ("configmaps/{ns}", 0.12, 1200),
    ("deployments/{ns}", 0.06, 1900),
    ("replicasets/{ns}", 0.08, 1600),
    ("leases/{ns}", 0.05, 320),
    ("services/specs/{ns}", 0.05, 900),
    ("namespaces", 0.02, 400),
)
VICTIM = "shop-production"  # the namespace that delete-namespace takes
_NAMESPACES = (
    "default", "kube-system", "openshift-apiserver", "openshift-authentication", "openshift-console",
    "openshift-dns", "openshift-etcd", "openshift-image-registry", "openshift-ingress",
    "openshift-kube-apiserver", "openshift-kube-controller-manager", "openshift-monitoring",
    "openshift-network-operator", "openshift-ovn-kubernetes", "shop-production", "shop-staging",
)  # fmt: skip


def entries(count: int, seed: int = 7) -> Iterator[tuple[str, bytes]]:
    """``count`` keys and values, the same for the same seed."""
    pick = random.Random(seed)
    made = 0
    for position, (prefix, share, size) in enumerate(_KINDS):
        last = position == len(_KINDS) - 1
        for number in range(count - made if last else round(count * share)):
            folder = prefix.format(ns=pick.choice(_NAMESPACES))
            name = f"{folder.split('/')[0]}-{number:05d}-{pick.getrandbits(20):05x}"
            # The API server stores protobuf behind this magic; the rest has the entropy of base64.
            filling = base64.b64encode(pick.randbytes(max(60, int(pick.gauss(size, size / 4) * 0.75))))
            yield f"/kubernetes.io/{folder}/{name}", b"k8s\x00" + filling
            made += 1
            if made == count:
                return


def delete_namespace(post: Callable[[str, dict[str, Any]], dict[str, Any]]) -> int:
    """Delete everything in ``VICTIM`` with requests to a member; how many keys that was. Raises OSError."""
    deleted = 0
    for kind, _, _ in _KINDS:
        if "{ns}" in kind:
            folder = f"/kubernetes.io/{kind.format(ns=VICTIM)}"
            # "0" is what follows "/".
            span = {"key": _b64(f"{folder}/".encode()), "range_end": _b64(f"{folder}0".encode())}
            deleted += int(post("/v3/kv/deleterange", span).get("deleted", "0"))
    return deleted


def write(node: Node, count: int) -> None:
    """Write ``count`` keys through one member. Raises OSError."""
    puts = [
        {"requestPut": {"key": _b64(key.encode()), "value": _b64(value)}} for key, value in entries(count)
    ]
    batches = [puts[start : start + _BATCH] for start in range(0, len(puts), _BATCH)]

    def send(mine: list[list[dict[str, dict[str, str]]]]) -> None:
        gateway = Gateway(node, 20)
        try:
            for batch in mine:
                gateway.post("/v3/kv/txn", {"success": batch})
        finally:
            gateway.close()

    # Each transaction waits for the disks of a quorum; several at once share that wait.
    with ThreadPoolExecutor(_WRITERS) as pool:
        for done in [pool.submit(send, batches[first::_WRITERS]) for first in range(_WRITERS)]:
            done.result()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
