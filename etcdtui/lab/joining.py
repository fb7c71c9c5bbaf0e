"""How a new host becomes a node: its kubelet asks for certificates, and waits until they are approved."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etcdtui.lab import csrs
from etcdtui.lab.documents import Document
from etcdtui.lab.fleet import Power
from etcdtui.lab.store import NODES, Store

if TYPE_CHECKING:
    from etcdtui.lab.certificates import Authority
    from etcdtui.lab.fleet import Fleet, Host
    from etcdtui.lab.pace import Pace


@dataclass(slots=True)
class _Asked:
    host: Host
    csr: str
    approved: float | None = None


class Joining:
    """Stepped by its owner; never waits."""

    def __init__(self, fleet: Fleet, store: Store, authority: Authority, pace: Pace) -> None:
        self._fleet, self._store, self._authority, self._pace = fleet, store, authority, pace
        self._asked: dict[str, _Asked] = {}

    def step(self) -> None:
        """Let every kubelet that lacks a certificate go one step on."""
        for host in self._fleet.hosts:
            if host.power is Power.ON and not host.ready:
                self._step(host)

    def _step(self, host: Host) -> None:
        name = host.node.name
        asked = self._asked.get(name)
        if asked is None or asked.host is not host:
            if time.monotonic() - host.moment >= self._pace.boot:
                self._ask(host)
            return
        verdict = csrs.verdict(self._store, asked.csr)
        if verdict in ("Gone", "Denied") and asked.approved is None:
            del self._asked[name]
            host.mark()  # after the time of another boot it asks again
        elif verdict == "Approved" and asked.approved is None:
            asked.approved = time.monotonic()
            pair = self._authority.issue(f"system:node:{name}", (name,), organization="system:nodes")
            csrs.issue(self._store, asked.csr, pair.certificate)
        elif asked.approved is not None and time.monotonic() - asked.approved >= self._pace.join:
            self._joined(host)

    def _ask(self, host: Host) -> None:
        signer = csrs.SERVING if host.registered else csrs.CLIENT
        self._asked[host.node.name] = _Asked(host, csrs.ask(self._store, host.node.name, signer))

    def _joined(self, host: Host) -> None:
        if host.registered:
            host.serving = True
            del self._asked[host.node.name]
        else:
            register(self._store, host.node.name)
            host.registered = True
            self._ask(host)
        host.mark()


def register(store: Store, name: str) -> None:
    """A kubelet makes its Node object, unless it is there."""
    if store.find(NODES, name) is None:
        store.create(NODES, node_object(name))


def node_object(name: str) -> Document:
    """What of a Node is kept; its state is computed."""
    labels = {
        "kubernetes.io/hostname": name,
        "node-role.kubernetes.io/control-plane": "",
        "node-role.kubernetes.io/master": "",
    }
    taint = {"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": [taint]}}
