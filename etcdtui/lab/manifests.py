"""The static pods of a control plane host, and the variables they share with the host's scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etcdtui.lab import places

if TYPE_CHECKING:
    from etcdtui.lab.places import Node, Plan

QUOTA = 8 * 1024**3
# The revisions with which a lab begins.
REVISIONS = {
    "etcd-pod": 7,
    "kube-apiserver-pod": 9,
    "kube-controller-manager-pod": 6,
    "kube-scheduler-pod": 6,
}
# The other three have no process of their own in a lab: they count as running while their manifest is there.
COMPANIONS = {
    "kube-apiserver-pod": (
        "openshift-kube-apiserver",
        ("kube-apiserver", "kube-apiserver-cert-syncer", "kube-apiserver-check-endpoints"),
    ),
    "kube-controller-manager-pod": (
        "openshift-kube-controller-manager",
        ("kube-controller-manager", "cluster-policy-controller", "kube-controller-manager-cert-syncer"),
    ),
    "kube-scheduler-pod": (
        "openshift-kube-scheduler",
        ("kube-scheduler", "kube-scheduler-cert-syncer", "kube-scheduler-recovery-controller"),
    ),
}
_START = """\
set -eu
export ETCD_NAME="${{NODE_{shell}_ETCD_NAME}}"
"""
# Beside etcd, which alone has a process in a lab.
_BESIDE = {
    "etcdctl": "trap TERM INT; sleep infinity & wait",
    "etcd-metrics": "exec etcd grpc-proxy start",
    "etcd-readyz": "exec cluster-etcd-operator readyz",
    "etcd-rev": "exec cluster-etcd-operator rev",
}
# What the real pod's discovery does. A data directory is kept only while its member is in the list; one
# without a WAL, which etcd makes last, waits until the operator has added the member. Of a member that has
# started before, etcd itself says that it cannot begin anew.
_DISCOVER = """\
members() {{ etcdctl member list --command-timeout="$1" 2>/dev/null; }}
mine() {{ printf '%s\\n' "$list" | awk -F', ' -v url={peer} '$4 == url {{ print $2 }}'; }}
if [ -d /var/lib/etcd/member/wal ] && list=$(members 1s) && [ -n "$list" ] && [ -z "$(mine)" ]; then
  echo "member {peer} is not in the member list, archiving its data" >&2
  mv /var/lib/etcd/member "/var/lib/etcd/member-removed-archive-$(date +%F_%H%M%S)"
fi
if [ ! -d /var/lib/etcd/member/wal ]; then
  said=""
  while :; do
    list=$(members 3s) || list=""
    state=$(mine)
    [ -z "$state" ] || break
    [ -n "$said" ] || echo "waiting: {peer} is not in the member list" >&2
    said=yes
    sleep 0.3
  done
  ETCD_INITIAL_CLUSTER=$(printf '%s\\n' "$list" | awk -F', ' -v url={peer} -v me="$ETCD_NAME" \\
    '{{ printf "%s%s=%s", (NR > 1 ? "," : ""), ($4 == url ? me : $3), $4 }}')
  export ETCD_INITIAL_CLUSTER
  [ "$state" = unstarted ] || export ETCD_INITIAL_CLUSTER_STATE=new
fi
"""
# As the real restore pod: never over existing data, never from a file that is still being copied. Where
# cluster-restore.sh has put "true", it raises the revision whether its etcd can or not.
_RESTORE = """\
set -eu
export ETCD_ETCDCTL_RESTORE_ENABLE_BUMP="false"
export ETCD_NAME="${{NODE_{shell}_ETCD_NAME}}"
export ETCD_INITIAL_CLUSTER="${{ETCD_NAME}}={peer}"
if [ -n "$(ls -A /var/lib/etcd)" ]; then
  echo "please delete the contents of the /var/lib/etcd directory before restoring"
  exit 1
fi
bump={bump}
size() {{ wc -c < /var/lib/etcd-backup/snapshot.db; }}
before=$(size)
while sleep 5; after=$(size); [ "$after" -ne "$before" ]; do before=$after; done
uuid=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \\n')
restore=etcdutl
command -v etcdutl >/dev/null || restore=etcdctl
if [ "$bump" != 0 ] && [ -f /var/lib/etcd-backup/revision.json ]; then
  last=$(sed -n 's/.*"maxRaftIndex": *\\([0-9]*\\).*/\\1/p' /var/lib/etcd-backup/revision.json)
  [ -z "$last" ] || bump=$((last + last / 5))
fi
set --
if [ "$ETCD_ETCDCTL_RESTORE_ENABLE_BUMP" = true ]; then
  set -- --bump-revision 1000000000 --mark-compacted
elif [ "$bump" != 0 ]; then
  if $restore snapshot restore --help 2>&1 | grep -q -e --bump-revision; then
    set -- --mark-compacted --bump-revision "$bump"
  else
    echo "this $restore has no --bump-revision: the revision stays as it is in the snapshot" >&2
  fi
fi
env -u ETCDCTL_ENDPOINTS $restore snapshot restore /var/lib/etcd-backup/snapshot.db "$@" \\
  --name "$ETCD_NAME" \\
  --initial-cluster="$ETCD_INITIAL_CLUSTER" \\
  --initial-cluster-token "openshift-etcd-$uuid" \\
  --initial-advertise-peer-urls {peer} \\
  --data-dir="/var/lib/etcd/restore-$uuid"
mv "/var/lib/etcd/restore-$uuid/"* /var/lib/etcd/
rmdir "/var/lib/etcd/restore-$uuid"
"""
# As the real pod of quorum-restore.sh: this host's own data, and nobody else in the list.
_ALONE = """\
set -eu
export ETCD_NAME="${{NODE_{shell}_ETCD_NAME}}"
export ETCD_INITIAL_CLUSTER="${{ETCD_NAME}}={peer}"
set -- --force-new-cluster
if etcd --help 2>&1 | grep -q -e --force-new-cluster-bump-amount; then
  file=/var/lib/etcd/revision.json last=""
  [ ! -f "$file" ] || last=$(sed -n 's/.*"maxRaftIndex": *\\([0-9]*\\).*/\\1/p' "$file")
  set -- "$@" --force-new-cluster-bump-amount=$((${{last:-1000000000}} + ${{last:-0}} / 5))
else
  echo "this etcd has no --force-new-cluster-bump-amount: the revision stays as it is" >&2
fi
"""
_ETCD = """\
exec etcd{arguments} \\
  --logger=zap \\
  --log-level=info \\
  --initial-advertise-peer-urls={peer} \\
  --cert-file={serving}.crt \\
  --key-file={serving}.key \\
  --trusted-ca-file={ca} \\
  --client-cert-auth=true \\
  --peer-cert-file={own}.crt \\
  --peer-key-file={own}.key \\
  --peer-trusted-ca-file={ca} \\
  --peer-client-cert-auth=true \\
  --advertise-client-urls={client} \\
  --listen-client-urls={client} \\
  --listen-peer-urls={peer} \\
  --listen-metrics-urls={metrics}
"""


def shared_variables(plan: Plan, node: Node, prefix: str = "") -> dict[str, str]:
    """What etcd.env exports and the pods get. ``prefix`` goes before the certificates' paths."""
    inside = prefix + places.POD_CERTIFICATES
    variables = {
        "ALL_ETCD_ENDPOINTS": plan.client_urls,
        "ETCDCTL_API": "3",
        "ETCDCTL_CACERT": f"{inside}/{node.bundle}",
        "ETCDCTL_CERT": f"{inside}/{node.stem('peer')}.crt",
        "ETCDCTL_ENDPOINTS": plan.client_urls,
        "ETCDCTL_KEY": f"{inside}/{node.stem('peer')}.key",
        "ETCD_DATA_DIR": places.DATA,
        "ETCD_ELECTION_TIMEOUT": "1000",
        "ETCD_HEARTBEAT_INTERVAL": "100",
        "ETCD_IMAGE": f"localhost/etcd:v{plan.version}",
        "ETCD_QUOTA_BACKEND_BYTES": str(QUOTA),
    }
    for other in plan.nodes:
        variables[f"NODE_{other.shell_name}_ETCD_NAME"] = other.name
        variables[f"NODE_{other.shell_name}_ETCD_URL_HOST"] = places.LOOPBACK
        variables[f"NODE_{other.shell_name}_IP"] = places.LOOPBACK
    return variables


def etcd_env(plan: Plan, node: Node) -> str:
    """The host's etcd.env: it names certificates by their path inside the pod, as the real one does."""
    variables = shared_variables(plan, node, str(node.root))
    variables["ETCD_DATA_DIR"] = str(node.at(places.DATA))
    return "".join(f'export {name}="{value}"\n' for name, value in variables.items())


def etcd_pod(plan: Plan, node: Node, revision: int, *, founding: bool) -> dict[str, Any]:
    """The static pod of etcd. ``founding``: the members begin a cluster together; else they join one."""
    shared = shared_variables(plan, node)
    own = {
        **shared,
        "ETCD_INITIAL_CLUSTER": ",".join(f"{n.name}={n.peer_url}" for n in plan.nodes),
        "ETCD_INITIAL_CLUSTER_STATE": "new" if founding else "existing",
        "ETCD_INITIAL_CLUSTER_TOKEN": f"openshift-etcd-{plan.identity}",
    }
    script = _script(node, _START if founding else _START + _DISCOVER)
    mounts = {
        "static-pod-dir": places.MANIFESTS,
        "resource-dir": "/etc/kubernetes/static-pod-resources",
        "cert-dir": places.POD_CERTIFICATES,
        "data-dir": places.DATA,
        "usr-local-bin": places.BIN,
        "log-dir": "/var/log/etcd",
    }
    hosts = {
        **mounts,
        "resource-dir": f"{places.RESOURCES}/etcd-pod-{revision}",
        "cert-dir": places.HOST_CERTIFICATES,
    }
    lines = {"etcd": script, **_BESIDE}
    containers = [
        _container(name, ["/bin/sh", "-c", lines[name]], own if name == "etcd" else shared, mounts)
        for name in plan.era.containers
    ]
    return _pod(containers, hosts, revision)


def restore_pods(plan: Plan, node: Node, revision: int) -> dict[str, dict[str, Any]]:
    """What lies ready for a restore, by the names of the files."""
    found = {"pod": restore_pod(plan, node, revision)}
    if "only" in plan.era.has:
        found["quorum-restore-pod"] = _lonely(plan, node, revision, _script(node, _ALONE, arguments=' "$@"'))
    return found


def restore_pod(plan: Plan, node: Node, revision: int) -> dict[str, Any]:
    """The static pod that cluster-restore.sh puts in etcd's place: one container, one member, old data."""
    return _lonely(plan, node, revision, _script(node, _RESTORE, bump=plan.era.bump))


def _lonely(plan: Plan, node: Node, revision: int, script: str) -> dict[str, Any]:
    mounts = {
        "cert-dir": places.POD_CERTIFICATES,
        "data-dir": places.DATA,
        "backup-dir": f"{places.DATA}-backup",
    }
    hosts = {**mounts, "cert-dir": places.HOST_CERTIFICATES}
    own = {**shared_variables(plan, node), "ETCD_INITIAL_CLUSTER_STATE": "existing"}
    return _pod([_container("etcd", ["/bin/sh", "-c", script], own, mounts)], hosts, revision)


def _script(node: Node, beginning: str, *, bump: int = 0, arguments: str = "") -> str:
    return (beginning + _ETCD).format(
        shell=node.shell_name,
        serving=f"{places.POD_CERTIFICATES}/{node.stem('serving')}",
        own=f"{places.POD_CERTIFICATES}/{node.stem('peer')}",
        ca=f"{places.POD_CERTIFICATES}/{node.bundle}",
        client=node.client_url,
        peer=node.peer_url,
        metrics=node.metrics_url,
        bump=bump,
        arguments=arguments,
    )


def _container(name: str, command: list[str], env: dict[str, str], mounts: dict[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "image": env["ETCD_IMAGE"],
        "command": command,
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "volumeMounts": [{"name": key, "mountPath": path} for key, path in mounts.items()],
    }


def _pod(containers: list[dict[str, Any]], hosts: dict[str, str], revision: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "etcd",
            "namespace": "openshift-etcd",
            "labels": {"app": "etcd", "k8s-app": "etcd", "etcd": "true", "revision": str(revision)},
        },
        "spec": {
            "hostNetwork": True,
            "priorityClassName": "system-node-critical",
            "terminationGracePeriodSeconds": 10,
            "containers": containers,
            "volumes": [{"name": key, "hostPath": {"path": path}} for key, path in hosts.items()],
        },
    }


def companion_pod(name: str, revision: int) -> dict[str, Any]:
    """A static pod beside etcd; ``name`` is that of its manifest without ``.yaml``."""
    namespace, containers = COMPANIONS[name]
    app = name.removesuffix("-pod")
    resources = {"path": f"{places.RESOURCES}/{name}-{revision}"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": app,
            "namespace": namespace,
            "labels": {"app": app, "revision": str(revision)},
        },
        "spec": {
            "hostNetwork": True,
            "priorityClassName": "system-node-critical",
            "containers": [
                {"name": part, "image": f"localhost/{app}:lab", "command": [part]} for part in containers
            ],
            "volumes": [{"name": "resource-dir", "hostPath": resources}],
        },
    }
