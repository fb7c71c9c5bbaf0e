"""The Kubernetes objects of the lab, made at the moment of asking from what is running."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from etcdtui.lab import places
from etcdtui.lab.documents import NAMESPACE, Condition, Document, Maker, condition
from etcdtui.lab.operator import OTHERS, Operator
from etcdtui.lab.store import ETCDS, MACHINE_SETS, MACHINES, NODES, Store, operator_resource

if TYPE_CHECKING:
    from etcdtui.lab.fleet import Fleet, Host
    from etcdtui.lab.machines import Machines
    from etcdtui.lab.members import Monitor
    from etcdtui.lab.pace import Pace
    from etcdtui.lab.places import Plan

AGE = timedelta(days=120)
_UNREACHABLE = "node.kubernetes.io/unreachable"
_COMPUTED = (_UNREACHABLE, "node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready")
_ROLLOUTS = {pod.removesuffix("-pod"): plural for plural, pod in OTHERS.items()}
CLUSTER_OPERATORS = (
    "authentication",
    "console",
    "dns",
    "etcd",
    "ingress",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "machine-config",
    "network",
)


@dataclass(frozen=True, slots=True)
class World:
    """All there is to tell about."""

    fleet: Fleet
    store: Store
    monitor: Monitor
    operator: Operator
    machines: Machines
    pace: Pace
    maker: Maker

    @property
    def plan(self) -> Plan:
        """The lab, with the nodes that the API knows."""
        return self.operator.plan()

    def cluster_hosts(self) -> list[Host]:
        """The hosts of the nodes that the API knows."""
        return [host for node in self.plan.nodes if (host := self.fleet.find(node.name)) is not None]

    def pod_is_there(self, host: Host, name: str) -> bool:
        """Whether the host runs the static pod ``name``."""
        return host.ready and name in host.kubelet.pods()


def nodes(world: World) -> list[Document]:
    """One per node, as ready as its host's kubelet."""
    return [_node(world, kept) for kept in world.store.list(NODES)]


def _node(world: World, kept: Document) -> Document:
    host = world.fleet.find(kept["metadata"]["name"])
    since = host.since if host else world.maker.born
    taints = list(kept["spec"].get("taints") or [])
    if host is None or host.silent(world.pace.notice):
        ready = condition("Ready", None, "NodeStatusUnknown", "Kubelet stopped posting node status.", since)
        taints += [{"key": _UNREACHABLE, "effect": effect} for effect in ("NoSchedule", "NoExecute")]
    elif not host.serving:
        ready = condition("Ready", False, "KubeletNotReady", "container runtime network not ready", since)
        taints += [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
    else:
        ready = condition("Ready", True, "KubeletReady", "kubelet is posting ready status", since)
    if kept["spec"].get("unschedulable"):
        taints.append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    return {
        **kept,
        "spec": {**kept["spec"], "taints": taints},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": places.LOOPBACK},
                {"type": "Hostname", "address": kept["metadata"]["name"]},
            ],
            "conditions": [ready],
            "nodeInfo": {"kubeletVersion": world.plan.era.kubernetes, "osImage": "a folder"},
        },
    }


def own_taints(node: Document) -> Document:
    """A Node without the taints that are computed from its state."""
    taints = [taint for taint in node["spec"].get("taints") or [] if taint.get("key") not in _COMPUTED]
    return {**node, "spec": {**node["spec"], "taints": taints}}


def machines(world: World) -> list[Document]:
    """The machines of the control plane, and what became of them."""
    return [{**kept, "status": world.machines.status(kept)} for kept in world.store.list(MACHINES)]


def machine_sets(world: World) -> list[Document]:
    """The control plane machine set, where one is active."""
    replicas = len(world.store.names(MACHINES))
    status = {"replicas": replicas, "readyReplicas": sum(host.ready for host in world.cluster_hosts())}
    return [{**kept, "status": status} for kept in world.store.list(MACHINE_SETS)]


def etcd_resource(world: World) -> list[Document]:
    """etcds/cluster, as its operator keeps it."""
    operator = world.operator
    current, targets, latest = operator.revisions()
    status = {
        "conditions": [c.document() for c in operator.conditions()],
        "latestAvailableRevision": latest,
        "nodeStatuses": _node_statuses(current, targets),
        "readyReplicas": sum(world.monitor.healthy(name) for name in current),
    }
    return [{**kept, "status": status} for kept in world.store.list(ETCDS)]


def other_operator(world: World, plural: str) -> list[Document]:
    """kubeapiservers, kubecontrollermanagers or kubeschedulers, each called cluster."""
    rollout, born = world.operator.rollouts[plural], world.maker.born
    app = OTHERS[plural].removesuffix("-pod")
    running = [host for host in world.cluster_hosts() if world.pod_is_there(host, app)]
    reason = "AllNodesAtLatestRevision" if rollout.done else ""
    active = f"{len(running)} nodes are active; {rollout.message}"
    status = {
        "conditions": [
            condition("NodeInstallerProgressing", not rollout.done, reason, rollout.message, rollout.since),
            condition("StaticPodsAvailable", bool(running), "AsExpected", active, born),
        ],
        "latestAvailableRevision": rollout.latest,
        "nodeStatuses": _node_statuses(rollout.current, rollout.targets),
    }
    return [{**kept, "status": status} for kept in world.store.list(operator_resource(plural))]


def _node_statuses(current: Mapping[str, int], targets: Mapping[str, int]) -> list[Document]:
    return [
        {"nodeName": name, "currentRevision": revision, "targetRevision": targets.get(name, 0)}
        for name, revision in current.items()
    ]


def cluster_operators(world: World) -> list[Document]:
    """The operators of the cluster; only etcd's and the static pods' ones have something to say."""
    return [_cluster_operator(world, name) for name in CLUSTER_OPERATORS]


def cluster_version(world: World) -> Document:
    """The one ClusterVersion, of a cluster that was installed a while ago: nobody backs up a newborn one."""
    installed = datetime.fromisoformat(world.maker.born) - AGE
    told = installed.strftime("%Y-%m-%dT%H:%M:%SZ")
    version = world.plan.era.openshift
    return {
        "metadata": world.maker.meta("clusterversion", "version"),
        "spec": {
            "clusterID": str(uuid.uuid5(NAMESPACE, world.maker.identity)),
            "channel": f"stable-{version.rpartition('.')[0]}",
        },
        "status": {
            "desired": {"version": version, "image": "localhost/release:lab"},
            "history": [
                {
                    "state": "Completed",
                    "version": version,
                    "startedTime": told,
                    "completionTime": told,
                }
            ],
            "conditions": [
                condition("Available", True, "", f"Done applying {version}", world.maker.born),
                condition("Progressing", False, "", f"Cluster version is {version}", world.maker.born),
            ],
        },
    }


def infrastructure(world: World) -> Document:
    """The one Infrastructure: a cloud where there are machines, none where people make the hosts."""
    platform = "AWS" if world.store.names(MACHINES) else "None"
    return {
        "metadata": world.maker.meta("infrastructure", "cluster"),
        "spec": {"platformSpec": {"type": platform}},
        "status": {
            "apiServerURL": world.plan.api_url,
            "controlPlaneTopology": "HighlyAvailable",
            "infrastructureName": f"lab-{world.maker.identity[:5]}",
            "infrastructureTopology": "HighlyAvailable",
            "platform": platform,
            "platformStatus": {"type": platform},
        },
    }


def _cluster_operator(world: World, name: str) -> Document:
    available, degraded, progressing = (True, "All is well"), (False, "All is well"), (False, "All is well")
    if name == "etcd":
        operator = world.operator
        available = _said(operator.condition("EtcdMembersAvailable"), available)
        progressing = _said(operator.condition("NodeInstallerProgressing"), progressing)
        bad = [c for c in operator.conditions() if c.type.endswith("Degraded") and c.status]
        fine = operator.condition("EtcdMembersDegraded")
        degraded = (True, "\n".join(f"{c.type}: {c.message}" for c in bad)) if bad else _said(fine, degraded)
    elif name in _ROLLOUTS:
        rollout = world.operator.rollouts[_ROLLOUTS[name]]
        hosts = world.cluster_hosts()
        missing = [host.node.name for host in hosts if not world.pod_is_there(host, name)]
        running = len(hosts) - len(missing)
        available = (running > 0, f"StaticPodsAvailable: {running} nodes are active")
        if not rollout.done:
            progressing = (True, f"NodeInstallerProgressing: {rollout.message}")
        if missing:
            degraded = (True, f"StaticPodsDegraded: missing on {', '.join(missing)}")
    born = world.maker.born
    return {
        "metadata": world.maker.meta("clusteroperator", name),
        "spec": {},
        "status": {
            "conditions": [
                condition("Available", available[0], "AsExpected", available[1], born),
                condition("Progressing", progressing[0], "AsExpected", progressing[1], born),
                condition("Degraded", degraded[0], "AsExpected", degraded[1], born),
            ],
            "versions": [{"name": "operator", "version": world.plan.era.openshift}],
        },
    }


def _said(told: Condition | None, otherwise: tuple[bool, str]) -> tuple[bool, str]:
    return (bool(told.status), f"{told.type}: {told.message}") if told else otherwise
