"""A small etcd operator and the three beside it: their deeds, and conditions in the real ones' words."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING

from etcdtui.lab import guard, manifests, places, tree
from etcdtui.lab.documents import Condition, now
from etcdtui.lab.rollout import Rollout, Ways, told
from etcdtui.lab.scaling import Scaling
from etcdtui.lab.store import NODES, ApiRefusal, Store, operator_resource

if TYPE_CHECKING:
    from etcdtui.lab.fleet import Fleet
    from etcdtui.lab.keyring import Keyring
    from etcdtui.lab.members import Member, Monitor
    from etcdtui.lab.pace import Pace
    from etcdtui.lab.places import Node, Plan

INTERVAL = 0.25
LOOK = 4  # conditions are renewed at every fourth step
OTHERS = {
    "kubeapiservers": "kube-apiserver-pod",
    "kubecontrollermanagers": "kube-controller-manager-pod",
    "kubeschedulers": "kube-scheduler-pod",
}


class Operator:
    """Acts while ``served`` says that there is an API server to act through.

    Without a quorum it cannot list members and keeps its last word.
    """

    def __init__(
        self,
        fleet: Fleet,
        store: Store,
        keyring: Keyring,
        monitor: Monitor,
        access: tree.ApiAccess,
        pace: Pace,
        served: Callable[[], bool],
    ) -> None:
        self._fleet, self._store, self._keyring, self._monitor = fleet, store, keyring, monitor
        self._access, self._pace, self._served = access, pace, served
        self._alone = len(self.plan().nodes) == 1
        self._conditions: dict[str, Condition] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="operator", daemon=True)
        self._unsigned = ""
        self._recoveries = 0
        self._listed = len(self.plan().nodes)
        self.scaling = Scaling(fleet, self.plan, monitor)
        self.rollouts = {"etcds": self._rollout("etcd-pod", self._etcd_ways())}
        for plural, pod in OTHERS.items():
            self.rollouts[plural] = self._rollout(pod, self._other_ways(plural, pod))
        self.progressing = False

    def start(self) -> None:
        """Begin to look, and to act."""
        self.look()
        self._thread.start()

    def close(self) -> None:
        """Do nothing any more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(6)

    def plan(self) -> Plan:
        """The lab with the nodes that the API knows."""
        return self._fleet.plan(self._store.names(NODES))

    def conditions(self) -> list[Condition]:
        """All conditions of the etcd resource, by type."""
        return [self._conditions[key] for key in sorted(self._conditions)]

    def condition(self, kind: str) -> Condition | None:
        """One of them."""
        return self._conditions.get(kind)

    def revisions(self) -> tuple[dict[str, int], dict[str, int], int]:
        """Of etcd's pods: current by node, target by node, the latest. ``progressing`` is played."""
        rollout = self.rollouts["etcds"]
        current, targets, latest = rollout.current, rollout.targets, rollout.latest
        if self.progressing and current:
            last = list(current)[-1]
            return {**dict.fromkeys(current, latest + 1), last: latest}, {last: latest + 1}, latest + 1
        return current, targets, latest

    def look(self) -> None:
        """Ask once, and say what is true."""
        members = self._monitor.members()
        if not members:
            return
        down = [_called(m) for m in members if m.name and not m.learner and not self._monitor.healthy(m.name)]
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
        self._degraded("ClusterMemberControllerDegraded", self.scaling.trouble)
        self._degraded("EtcdCertSignerControllerDegraded", self._unsigned)
        blocked = self.rollouts["etcds"].blocked
        self._degraded("TargetConfigControllerDegraded", blocked and f"TargetConfigController {blocked}")
        self._nodes()

    def _installer(self) -> None:
        current, _, latest = self.revisions()
        said = told(current, latest)
        if all(revision == latest for revision in current.values()):
            self._say("NodeInstallerProgressing", False, "AllNodesAtLatestRevision", said)
        else:
            self._say("NodeInstallerProgressing", True, "", said)
        active = sum(self._monitor.healthy(name) for name in current)
        self._say("StaticPodsAvailable", active > 0, "AsExpected", f"{active} nodes are active; {said}")
        waiting = [line for node in self.plan().nodes for line in self._crashing(node)]
        self._degraded("StaticPodsDegraded", "\n".join(waiting))

    def _crashing(self, node: Node) -> list[str]:
        host = self._fleet.find(node.name)
        containers = host.kubelet.containers("etcd") if host and host.ready else []
        return [
            f'pod/etcd-{node.name} container "{c.name}" is waiting: {c.waiting}: back-off restarting failed '
            f"container={c.name} pod=etcd-{node.name}_openshift-etcd"
            for c in containers
            if c.waiting
        ]

    def _nodes(self) -> None:
        silent = []
        for node in self.plan().nodes:
            host = self._fleet.find(node.name)
            if host is None or host.silent(self._pace.notice):
                since = host.since if host else ""
                silent.append(
                    f'node "{node.name}" not ready since {since} because NodeStatusUnknown '
                    "(Kubelet stopped posting node status.)"
                )
        if silent:
            said = f"The master nodes not ready: {', '.join(silent)}"
            self._say("NodeControllerDegraded", True, "MasterNodesReady", said)
        else:
            self._say("NodeControllerDegraded", False, "AsExpected", "All master nodes are ready")

    def _degraded(self, kind: str, trouble: str) -> None:
        self._say(kind, bool(trouble), "Error" if trouble else "AsExpected", trouble)

    def _say(self, kind: str, status: bool, reason: str, message: str) -> None:
        known = self._conditions.get(kind)
        since = known.since if known is not None and known.status == status else now()
        self._conditions[kind] = Condition(kind, status, reason, message, since)

    def _work(self) -> None:
        turn = 0
        while not self._stopping.wait(INTERVAL):
            turn += 1
            members = self._monitor.members()
            if members and self._served():
                # An object or a host that went while we were at it: the next step sees what is left.
                with contextlib.suppress(ApiRefusal, OSError):
                    self._act(members)
            if turn % LOOK == 0:
                self.look()

    def _act(self, members: tuple[Member, ...]) -> None:
        if len(members) == 1 < self._listed:
            self._recoveries += 1
        self._listed = len(members)
        self._sign()
        for rollout in self.rollouts.values():
            rollout.step()
        self.scaling.step(members)

    def _sign(self) -> None:
        self._unsigned = ""
        missing = self._keyring.missing(self.plan())
        if missing and not (why := self._unsafe()):
            for node, kind in missing:
                self._keyring.make(node, kind)
        elif missing:
            self._unsigned = f"EtcdCertSignerController {why}"

    def _unsafe(self) -> str:
        era = self.plan().era
        if self._alone or "guard" not in era.has or guard.overridden(self._spec("etcds")):
            return ""
        if "only" in era.has and len(self._monitor.members()) == 1:
            return ""  # a cluster that was restored there, and has nothing to lose yet
        why = guard.intolerant(self._monitor.members(), self._monitor.healthy)
        return why and f"can't evaluate whether quorum is safe: {why}"

    def _spec(self, plural: str) -> dict[str, object]:
        found = self._store.find(operator_resource(plural), "cluster")
        return dict(found.get("spec") or {}) if found else {}

    def _rollout(self, pod: str, ways: Ways) -> Rollout:
        return Rollout(self._fleet, self.plan, self._pace, manifests.REVISIONS[pod], ways)

    def _etcd_ways(self) -> Ways:
        def inputs() -> Hashable | None:
            plan = self.plan()
            if self._keyring.missing(plan):
                return None
            nodes = tuple((node.name, node.peer_url) for node in plan.nodes)
            # From 4.18 on it rolls out anew by itself when all members but one are gone.
            recoveries = self._recoveries if "only" in plan.era.has else 0
            reason = self._spec("etcds").get("forceRedeploymentReason", "")
            return reason, nodes, self._keyring.versions(plan), recoveries

        def fits(applied: Hashable | None, node: Node) -> bool:
            # A revision from before a node came has neither its name nor its certificates.
            known = applied[1] if isinstance(applied, tuple) else ()
            return (node.name, node.peer_url) in known and len(self._keyring.pairs(node)) == len(places.KINDS)

        def install(node: Node, revision: int) -> None:
            pairs = self._keyring.pairs(node)
            tree.write_etcd(self.plan(), node, self._keyring.bundle, pairs, revision, founding=False)

        def settled(node: Node, revision: int) -> bool:
            return self._runs("etcd", node, revision) and self._monitor.healthy(node.name)

        return Ways(inputs, self._unsafe, fits, install, settled)

    def _other_ways(self, plural: str, pod: str) -> Ways:
        def inputs() -> Hashable | None:
            return str(self._spec(plural).get("forceRedeploymentReason", ""))

        def install(node: Node, revision: int) -> None:
            tree.write_companion(self.plan(), node, self._access, pod, revision)

        return Ways(
            inputs,
            lambda: "",
            lambda applied, node: True,
            install,
            partial(self._runs, pod.removesuffix("-pod")),
        )

    def _runs(self, app: str, node: Node, revision: int) -> bool:
        host = self._fleet.find(node.name)
        pod = host.kubelet.pods().get(app) if host and host.ready else None
        return pod is not None and pod.labels.get("revision") == str(revision)


def _called(member: Member) -> str:
    if member.name:
        return member.name
    host = member.peer_url.partition("//")[2].rpartition(":")[0]
    return f"NAME-PENDING-{host}"
