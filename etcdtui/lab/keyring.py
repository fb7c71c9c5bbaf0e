"""The secrets with etcd's certificates, as its operator keeps them in openshift-etcd."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from etcdtui.lab import places, tree
from etcdtui.lab.certificates import Authority, Pair
from etcdtui.lab.store import SECRETS, Store

if TYPE_CHECKING:
    from etcdtui.lab.places import Node, Plan


class Keyring:
    """Secrets ``etcd-KIND-NODE``: made where they are missing, read by installers."""

    def __init__(self, store: Store, authority: Authority) -> None:
        self._store, self._authority = store, authority

    @property
    def bundle(self) -> bytes:
        """The certificates that etcd trusts, PEM."""
        return self._authority.pem

    def missing(self, plan: Plan) -> list[tuple[Node, str]]:
        """The nodes and kinds that have no secret."""
        known = set(self._store.names(SECRETS))
        return [(n, kind) for n in plan.nodes for kind in places.KINDS if _name(kind, n) not in known]

    def make(self, node: Node, kind: str) -> None:
        """A new secret of one kind for the node."""
        pair = tree.issue(node, self._authority, kind)
        data = {"tls.crt": pair.certificate, "tls.key": pair.key}
        self._store.create(
            SECRETS,
            {
                "metadata": {"name": _name(kind, node), "namespace": "openshift-etcd"},
                "type": "kubernetes.io/tls",
                "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
            },
        )

    def pairs(self, node: Node) -> dict[str, Pair]:
        """The node's certificates by kind; only those whose secrets are there."""
        found = {}
        for kind in places.KINDS:
            secret = self._store.find(SECRETS, _name(kind, node))
            if secret is not None:
                data = {key: base64.b64decode(value) for key, value in secret["data"].items()}
                found[kind] = Pair(data["tls.crt"], data["tls.key"])
        return found

    def versions(self, plan: Plan) -> tuple[str, ...]:
        """What changes when a secret of one of the nodes is made anew."""
        secrets = (self._store.find(SECRETS, _name(k, n)) for n in plan.nodes for k in places.KINDS)
        return tuple(secret["metadata"]["uid"] if secret else "" for secret in secrets)


def _name(kind: str, node: Node) -> str:
    return f"etcd-{kind}-{node.name}"
