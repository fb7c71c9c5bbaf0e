"""What the etcd operator does to the member list: it adds who waits to be added, as a learner, and promotes
who has caught up. It takes nobody away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from etcdtui.lab import places

if TYPE_CHECKING:
    from etcdtui.lab.fleet import Fleet, Host
    from etcdtui.lab.members import Member, Monitor
    from etcdtui.lab.places import Plan

RETRY = 1.0  # seconds between two tries of what etcd refused


class Scaling:
    """Stepped by its owner. ``trouble`` is why it does not go on, in the operator's words, or empty."""

    def __init__(self, fleet: Fleet, plan: Callable[[], Plan], monitor: Monitor) -> None:
        self._fleet, self._plan, self._monitor = fleet, plan, monitor
        self._again = 0.0
        self.trouble = ""

    def step(self, members: Sequence[Member]) -> None:
        """Add or promote at most one member."""
        if time.monotonic() < self._again:
            return
        learner = next((m for m in members if m.learner), None)
        if learner is not None:
            # One that has not started yet has no name, and is not promoted.
            self.trouble = self._promote(members, learner) if learner.name else ""
            return
        if any(not m.name or not self._monitor.healthy(m.name) for m in members):
            waits = self._next(members) is not None
            self.trouble = "unhealthy members found during reconcile" if waits else ""
            return
        host = self._next(members)
        self.trouble = self._add(members, host) if host else ""

    def _next(self, members: Sequence[Member]) -> Host | None:
        known = {m.peer_url for m in members}
        for node in self._plan().nodes:
            host = self._fleet.find(node.name)
            if host and host.ready and node.peer_url not in known and _waits(host):
                return host
        return None

    def _add(self, members: Sequence[Member], host: Host) -> str:
        return self._ask(
            members, "add", {"peerURLs": [host.node.peer_url], "isLearner": True}, "could not add member"
        )

    def _promote(self, members: Sequence[Member], learner: Member) -> str:
        said = self._ask(members, "promote", {"ID": str(int(learner.id, 16))}, "could not promote member")
        # That it is still catching up is no trouble.
        return "" if "in sync with leader" in said else said

    def _ask(self, members: Sequence[Member], verb: str, body: dict[str, object], failed: str) -> str:
        said = "nobody to ask"
        for member in members:
            if member.name and self._monitor.healthy(member.name):
                try:
                    self._monitor.post(member.name, f"/v3/cluster/member/{verb}", body)
                    said = ""
                except OSError as exc:
                    said = str(exc)
                break
        self._again = time.monotonic() + RETRY
        return f"{failed}: {said}" if said else ""


def _waits(host: Host) -> bool:
    """Whether etcd's pod runs there, and has no data: its discovery waits for the member list."""
    if host.kubelet.pid is None or host.node.at(f"{places.DATA}/member/wal").exists():
        return False
    etcd = next((c for c in host.kubelet.containers("etcd") if c.name == "etcd"), None)
    return etcd is not None and etcd.env.get("ETCD_INITIAL_CLUSTER_STATE") == "existing"
