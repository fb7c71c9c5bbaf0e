"""The Kubernetes objects of the lab, made at the moment of asking from what is running."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from etcdtui.lab import manifests, places
from etcdtui.lab.operator import Condition, Operator, now

if TYPE_CHECKING:
    from etcdtui.lab.kubelet import ContainerState, Kubelet
    from etcdtui.lab.members import Monitor
    from etcdtui.lab.places import Node, Plan

Document = dict[str, Any]

OPENSHIFT = "4.16.3"
KUBERNETES = "v1.29.6"
AGE = timedelta(days=120)
_NAMESPACE = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
_OPERATORS = {
    "kubeapiservers": "kube-apiserver-pod",
    "kubecontrollermanagers": "kube-controller-manager-pod",
    "kubeschedulers": "kube-scheduler-pod",
}
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

    plan: Plan
    kubelets: Mapping[str, Kubelet]
    monitor: Monitor
    operator: Operator
    born: str

    def pod_is_there(self, node: Node, name: str) -> bool:
        """Whether the kubelet of ``node`` has the static pod ``name``."""
        return name in self.kubelets[node.name].pods()


def nodes(world: World) -> list[Document]:
    """One per host. A lab's hosts are as ready as their kubelets, which run as long as it does."""
    return [
        {
            "metadata": _meta(
                world,
                "node",
                node.name,
                labels={
                    "kubernetes.io/hostname": node.name,
                    "node-role.kubernetes.io/control-plane": "",
                    "node-role.kubernetes.io/master": "",
                },
            ),
            "spec": {"taints": [{"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"}]},
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": places.LOOPBACK},
                    {"type": "Hostname", "address": node.name},
                ],
                "conditions": [
                    _condition("Ready", True, "KubeletReady", "kubelet is posting ready status", world.born)
                ],
                "nodeInfo": {"kubeletVersion": KUBERNETES, "osImage": "a folder"},
            },
        }
        for node in world.plan.nodes
    ]


def pods(world: World) -> list[Document]:
    """Namespace openshift-etcd: etcd's own pods, and those a client must know to leave out."""
    found = []
    for node in world.plan.nodes:
        found.extend(_etcd_pod(world, node))
        found.append(_guard_pod(world, node))
        found.append(_finished_pod(world, node, f"installer-{manifests.REVISIONS['etcd-pod']}", "installer"))
        found.append(
            _finished_pod(world, node, f"revision-pruner-{manifests.REVISIONS['etcd-pod']}", "pruner")
        )
    return found


def etcd_resource(world: World) -> Document:
    """etcds/cluster, as its operator keeps it."""
    operator = world.operator
    statuses = []
    for position, node in enumerate(world.plan.nodes):
        current, target = operator.revision(position)
        statuses.append({"nodeName": node.name, "currentRevision": current, "targetRevision": target})
    return {
        "metadata": _meta(world, "etcd", "cluster"),
        "spec": {"managementState": "Managed", "forceRedeploymentReason": ""},
        "status": {
            "conditions": [c.document() for c in operator.conditions()],
            "latestAvailableRevision": operator.latest_revision,
            "nodeStatuses": statuses,
            "readyReplicas": sum(world.monitor.healthy(node.name) for node in world.plan.nodes),
        },
    }


def other_operator(world: World, plural: str) -> Document | None:
    """kubeapiservers, kubecontrollermanagers or kubeschedulers, each called cluster."""
    pod = _OPERATORS.get(plural)
    if pod is None:
        return None
    revision = manifests.REVISIONS[pod]
    running = [n for n in world.plan.nodes if world.pod_is_there(n, pod.removesuffix("-pod"))]
    total = len(world.plan.nodes)
    message = f"{total} nodes are at revision {revision}"
    return {
        "metadata": _meta(world, plural, "cluster"),
        "spec": {"managementState": "Managed", "forceRedeploymentReason": ""},
        "status": {
            "conditions": [
                _condition(
                    "NodeInstallerProgressing", False, "AllNodesAtLatestRevision", message, world.born
                ),
                _condition(
                    "StaticPodsAvailable",
                    bool(running),
                    "AsExpected",
                    f"{len(running)} nodes are active; {message}",
                    world.born,
                ),
            ],
            "latestAvailableRevision": revision,
            "nodeStatuses": [
                {"nodeName": n.name, "currentRevision": revision, "targetRevision": 0}
                for n in world.plan.nodes
            ],
        },
    }


def cluster_operators(world: World) -> list[Document]:
    """The operators of the cluster; only etcd's and the static pods' ones have something to say."""
    return [_cluster_operator(world, name) for name in CLUSTER_OPERATORS]


def cluster_version(world: World) -> Document:
    """The one ClusterVersion, of a cluster that was installed a while ago: nobody backs up a newborn one."""
    installed = datetime.fromisoformat(world.born) - AGE
    told = installed.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "metadata": _meta(world, "clusterversion", "version"),
        "spec": {"clusterID": str(uuid.uuid5(_NAMESPACE, world.plan.identity)), "channel": "stable-4.16"},
        "status": {
            "desired": {"version": OPENSHIFT, "image": "localhost/release:lab"},
            "history": [
                {
                    "state": "Completed",
                    "version": OPENSHIFT,
                    "startedTime": told,
                    "completionTime": told,
                }
            ],
            "conditions": [
                _condition("Available", True, "", f"Done applying {OPENSHIFT}", world.born),
                _condition("Progressing", False, "", f"Cluster version is {OPENSHIFT}", world.born),
            ],
        },
    }


def infrastructure(world: World) -> Document:
    """The one Infrastructure: no cloud."""
    return {
        "metadata": _meta(world, "infrastructure", "cluster"),
        "spec": {"platformSpec": {"type": "None"}},
        "status": {
            "apiServerURL": world.plan.api_url,
            "controlPlaneTopology": "HighlyAvailable",
            "infrastructureName": f"lab-{world.plan.identity[:5]}",
            "infrastructureTopology": "HighlyAvailable",
            "platform": "None",
            "platformStatus": {"type": "None"},
        },
    }


def _cluster_operator(world: World, name: str) -> Document:
    available, degraded, progressing = (True, "All is well"), (False, "All is well"), (False, "All is well")
    if name == "etcd":
        members = world.operator.condition("EtcdMembersAvailable")
        unhealthy = world.operator.condition("EtcdMembersDegraded")
        installer = world.operator.condition("NodeInstallerProgressing")
        available = _told(members, "EtcdMembersAvailable", available)
        degraded = _told(unhealthy, "EtcdMembersDegraded", degraded)
        progressing = _told(installer, "NodeInstallerProgressing", progressing)
    elif f"{name}-pod" in manifests.REVISIONS:
        running = sum(world.pod_is_there(node, name) for node in world.plan.nodes)
        available = (running > 0, f"StaticPodsAvailable: {running} nodes are active")
        missing = [node.name for node in world.plan.nodes if not world.pod_is_there(node, name)]
        if missing:
            degraded = (True, f"StaticPodsDegraded: missing on {', '.join(missing)}")
    return {
        "metadata": _meta(world, "clusteroperator", name),
        "spec": {},
        "status": {
            "conditions": [
                _condition("Available", available[0], "AsExpected", available[1], world.born),
                _condition("Progressing", progressing[0], "AsExpected", progressing[1], world.born),
                _condition("Degraded", degraded[0], "AsExpected", degraded[1], world.born),
            ],
            "versions": [{"name": "operator", "version": OPENSHIFT}],
        },
    }


def _told(condition: Condition | None, name: str, otherwise: tuple[bool, str]) -> tuple[bool, str]:
    return (condition.status, f"{name}: {condition.message}") if condition else otherwise


def _etcd_pod(world: World, node: Node) -> list[Document]:
    kubelet = world.kubelets[node.name]
    pod = kubelet.pods().get("etcd")
    if pod is None:
        return []
    healthy = world.monitor.healthy(node.name)
    statuses = [_container_status(state, healthy) for state in kubelet.containers("etcd")]
    ready = all(status["ready"] for status in statuses)
    return [
        {
            "metadata": _meta(
                world, "pod", f"etcd-{node.name}", "openshift-etcd", {**pod.labels, "tier": "control-plane"}
            ),
            "spec": {
                "nodeName": node.name,
                "hostNetwork": True,
                "containers": [{"name": c.name, "image": c.image} for c in pod.containers],
            },
            "status": {
                "phase": "Running",
                "hostIP": places.LOOPBACK,
                "podIP": places.LOOPBACK,
                "startTime": world.born,
                "conditions": [
                    _condition("Ready", ready, "" if ready else "ContainersNotReady", "", world.born)
                ],
                "containerStatuses": statuses,
            },
        }
    ]


def _container_status(state: ContainerState, healthy: bool) -> Document:
    running = state.state == "running"
    # etcd's readiness probe asks etcd itself; so does the container beside it that answers for it.
    ready = running and (healthy or state.name not in ("etcd", "etcd-readyz"))
    status: Document = {
        "name": state.name,
        "image": state.image,
        "containerID": f"cri-o://{state.id}",
        "restartCount": state.restarts,
        "ready": ready,
        "started": running,
        "lastState": {},
    }
    ended = {
        "exitCode": state.exit_code or 0,
        "reason": "Error" if state.exit_code else "Completed",
        "startedAt": state.started_at,
        "finishedAt": state.finished_at,
    }
    if running:
        status["state"] = {"running": {"startedAt": state.started_at}}
        if state.restarts and state.exit_code is not None:
            status["lastState"] = {"terminated": {**ended, "finishedAt": state.started_at}}
    elif state.waiting:
        message = f"back-off restarting failed container={state.name}"
        status["state"] = {"waiting": {"reason": state.waiting, "message": message}}
        status["lastState"] = {"terminated": ended}
    else:
        status["state"] = {"terminated": ended}
    return status


def _guard_pod(world: World, node: Node) -> Document:
    healthy = world.monitor.healthy(node.name)
    return {
        "metadata": _meta(
            world, "pod", f"etcd-guard-{node.name}", "openshift-etcd", {"app": "guard", "k8s-app": "guard"}
        ),
        "spec": {"nodeName": node.name, "containers": [{"name": "guard", "image": "localhost/guard:lab"}]},
        "status": {
            "phase": "Running",
            "conditions": [_condition("Ready", healthy, "", "", world.born)],
            "containerStatuses": [
                {
                    "name": "guard",
                    "ready": healthy,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": world.born}},
                }
            ],
        },
    }


def _finished_pod(world: World, node: Node, prefix: str, container: str) -> Document:
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": world.born, "finishedAt": world.born}
    return {
        "metadata": _meta(world, "pod", f"{prefix}-{node.name}", "openshift-etcd", {"app": container}),
        "spec": {
            "nodeName": node.name,
            "containers": [{"name": container, "image": "localhost/operator:lab"}],
        },
        "status": {
            "phase": "Succeeded",
            "conditions": [_condition("Ready", False, "PodCompleted", "", world.born)],
            "containerStatuses": [
                {"name": container, "ready": False, "restartCount": 0, "state": {"terminated": ended}}
            ],
        },
    }


def _meta(
    world: World, kind: str, name: str, namespace: str = "", labels: Mapping[str, str] | None = None
) -> Document:
    meta: Document = {
        "name": name,
        "uid": str(uuid.uuid5(_NAMESPACE, f"{world.plan.identity}/{kind}/{namespace}/{name}")),
        "creationTimestamp": world.born,
        "resourceVersion": "1",
        "labels": dict(labels or {}),
    }
    if namespace:
        meta["namespace"] = namespace
    return meta


def _condition(kind: str, status: bool, reason: str, message: str, since: str) -> Document:
    return Condition(kind, status, reason, message, since).document()


def birth() -> str:
    """The moment everything was made."""
    return now()
