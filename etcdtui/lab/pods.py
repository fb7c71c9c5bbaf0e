"""The pods of openshift-etcd, made at the moment of asking from what the kubelets run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etcdtui.lab import places
from etcdtui.lab.documents import Document, condition

if TYPE_CHECKING:
    from etcdtui.lab.fleet import Host
    from etcdtui.lab.kubelet import ContainerState
    from etcdtui.lab.objects import World

_NAMESPACE = "openshift-etcd"


def pods(world: World) -> list[Document]:
    """Etcd's own pods, and those a client must know to leave out."""
    found = []
    current, targets, _ = world.operator.revisions()
    for host in world.cluster_hosts():
        name = host.node.name
        etcd = _etcd_pod(world, host)
        if etcd is not None:
            found.append(etcd)
            found.append(_guard_pod(world, host))
        for revision in sorted({current.get(name, 0)} - {0}):
            found.append(_finished_pod(world, host, f"installer-{revision}", "installer"))
            found.append(_finished_pod(world, host, f"revision-pruner-{revision}", "pruner"))
        if name in targets:
            found.append(_finished_pod(world, host, f"installer-{targets[name]}", "installer", runs=True))
    return found


def _etcd_pod(world: World, host: Host) -> Document | None:
    node, kubelet = host.node, host.kubelet
    pod = kubelet.pods().get("etcd")
    if pod is None or not host.registered:
        return None
    silent = host.silent(0)
    # Of a node that is gone, the API still has what its kubelet told last.
    healthy = silent or world.monitor.healthy(node.name)
    statuses = [
        _container_status(state, kubelet.previous(state), healthy) for state in kubelet.containers("etcd")
    ]
    ready = not silent and all(status["ready"] for status in statuses)
    labels = {**pod.labels, "tier": "control-plane"}
    return {
        "metadata": world.maker.meta("pod", f"etcd-{node.name}", _NAMESPACE, labels),
        "spec": {
            "nodeName": node.name,
            "hostNetwork": True,
            "containers": [{"name": c.name, "image": c.image} for c in pod.containers],
        },
        "status": {
            "phase": "Running",
            "hostIP": places.LOOPBACK,
            "podIP": places.LOOPBACK,
            "startTime": world.maker.born,
            "conditions": [
                condition("Ready", ready, "" if ready else "ContainersNotReady", "", world.maker.born)
            ],
            "containerStatuses": statuses,
        },
    }


def _container_status(state: ContainerState, before: ContainerState | None, healthy: bool) -> Document:
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
        "lastState": {"terminated": _ended(before)} if before else {},
    }
    if running:
        status["state"] = {"running": {"startedAt": state.started_at}}
    elif state.waiting:
        message = f"back-off restarting failed container={state.name} pod={state.pod}"
        status["state"] = {"waiting": {"reason": state.waiting, "message": message}}
        status["lastState"] = {"terminated": _ended(state)}
    else:
        status["state"] = {"terminated": _ended(state)}
    return status


def _ended(state: ContainerState) -> Document:
    ended: Document = {
        "containerID": f"cri-o://{state.id}",
        "exitCode": state.exit_code or 0,
        "reason": "Error" if state.exit_code else "Completed",
        "startedAt": state.started_at,
        "finishedAt": state.finished_at,
    }
    # As the real pods, which take the end of the log where a container fell without a last word.
    if state.exit_code and state.message:
        ended["message"] = state.message
    return ended


def _guard_pod(world: World, host: Host) -> Document:
    name = host.node.name
    healthy = not host.silent(0) and world.monitor.healthy(name)
    born = world.maker.born
    static = "guard-pods" in world.plan.era.has
    app = "guard" if static else "etcd-quorum-guard"
    # That of a Deployment is called by its template and a few letters of its own.
    called = f"etcd-guard-{name}" if static else f"{app}-5d8f9b6c7f-{world.maker.uid('guard', name)[:5]}"
    status = {"name": "guard", "ready": healthy, "restartCount": 0, "state": {"running": {"startedAt": born}}}
    labels = {"app": app, "k8s-app": app}
    return {
        "metadata": world.maker.meta("pod", called, _NAMESPACE, labels),
        "spec": {"nodeName": name, "containers": [{"name": "guard", "image": "localhost/guard:lab"}]},
        "status": {
            "phase": "Running",
            "conditions": [condition("Ready", healthy, "", "", born)],
            "containerStatuses": [status],
        },
    }


def _finished_pod(world: World, host: Host, prefix: str, container: str, *, runs: bool = False) -> Document:
    born = world.maker.born
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": born, "finishedAt": born}
    state = {"running": {"startedAt": born}} if runs else {"terminated": ended}
    name = f"{prefix}-{host.node.name}"
    return {
        "metadata": world.maker.meta("pod", name, _NAMESPACE, {"app": container}),
        "spec": {
            "nodeName": host.node.name,
            "containers": [{"name": container, "image": "localhost/operator:lab"}],
        },
        "status": {
            "phase": "Running" if runs else "Succeeded",
            "conditions": [condition("Ready", runs, "" if runs else "PodCompleted", "", born)],
            "containerStatuses": [{"name": container, "ready": runs, "restartCount": 0, "state": state}],
        },
    }
