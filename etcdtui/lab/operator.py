"""A small etcd operator: it asks the members and keeps conditions, in the words of the real one."""

from __future__ import annotations

import datetime
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etcdtui.lab import manifests

if TYPE_CHECKING:
    from etcdtui.lab.members import Member, Monitor
    from etcdtui.lab.places import Plan

INTERVAL = 1.0


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a resource; ``since`` is when its status changed."""

    type: str
    status: bool
    reason: str
    message: str
    since: str

    def document(self) -> dict[str, str]:
        """As the API shows it."""
        return {
            "type": self.type,
            "status": str(self.status),
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": self.since,
        }


class Operator:
    """Conditions of the etcd resource. Without a quorum it cannot list members and keeps its last word."""

    def __init__(self, plan: Plan, monitor: Monitor) -> None:
        self._plan = plan
        self._monitor = monitor
        self._conditions: dict[str, Condition] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="operator", daemon=True)
        self.progressing = False

    def start(self) -> None:
        """Begin to look."""
        self.look()
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._stopping.set()

    def conditions(self) -> list[Condition]:
        """All conditions of the etcd resource, by type."""
        return [self._conditions[key] for key in sorted(self._conditions)]

    def condition(self, kind: str) -> Condition | None:
        """One of them."""
        return self._conditions.get(kind)

    def revision(self, position: int) -> tuple[int, int]:
        """Current and target revision of the node at ``position``; a rollout has moved all but the last."""
        latest = self.latest_revision
        last = position == len(self._plan.nodes) - 1
        return (latest - 1, latest) if self.progressing and last else (latest, 0)

    @property
    def latest_revision(self) -> int:
        return manifests.REVISIONS["etcd-pod"] + (1 if self.progressing else 0)

    def look(self) -> None:
        """Ask once, and say what is true."""
        members = self._monitor.members()
        if not members:
            return
        down = [_called(m) for m in members if m.name and not self._monitor.healthy(m.name)]
        pending = [_called(m) for m in members if not m.name]
        said = f"{len(members)} members are available"
        if down or pending:
            available = len(members) - len(down) - len(pending)
            said = f"{available} of {len(members)} members are available"
            said += "".join(f", {name} is unhealthy" for name in down)
            said += "".join(f", {name} has not started" for name in pending)
        self._say("EtcdMembersAvailable", True, "EtcdQuorate", said)
        if down:
            self._say("EtcdMembersDegraded", True, "UnhealthyMembers", said)
        else:
            self._say("EtcdMembersDegraded", False, "AsExpected", "No unhealthy members found")
        if pending:
            self._say("EtcdMembersProgressing", True, "MembersNotStarted", said)
        else:
            self._say("EtcdMembersProgressing", False, "AsExpected", "No unstarted etcd members found")
        self._say("EtcdMembersControllerDegraded", False, "AsExpected", "")
        self._installer()

    def _installer(self) -> None:
        nodes, latest = len(self._plan.nodes), self.latest_revision
        if self.progressing:
            said = f"1 nodes are at revision {latest - 1}; {nodes - 1} nodes are at revision {latest}"
            self._say("NodeInstallerProgressing", True, "", said)
        else:
            said = f"{nodes} nodes are at revision {latest}"
            self._say("NodeInstallerProgressing", False, "AllNodesAtLatestRevision", said)
        self._say("StaticPodsAvailable", True, "AsExpected", f"{nodes} nodes are active; {said}")

    def _say(self, kind: str, status: bool, reason: str, message: str) -> None:
        known = self._conditions.get(kind)
        since = known.since if known is not None and known.status == status else now()
        self._conditions[kind] = Condition(kind, status, reason, message, since)

    def _watch(self) -> None:
        while not self._stopping.wait(INTERVAL):
            self.look()


def now() -> str:
    """This moment, as the API writes times."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _called(member: Member) -> str:
    if member.name:
        return member.name
    host = member.peer_url.partition("//")[2].rpartition(":")[0]
    return f"NAME-PENDING-{host}"
