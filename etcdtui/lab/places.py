"""Where everything of a lab is: folders, ports, names. Decided once, before anything starts."""

from __future__ import annotations

import errno
import random
import re
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etcdtui.errors import Refusal
from etcdtui.lab.eras import DEFAULT, Era

LOOPBACK = "127.0.0.1"
# Below every usual ephemeral range: an outgoing connection must never sit on a stopped member's port.
PORT_RANGE = range(20000, 32000)

POD_CERTIFICATES = "/etc/kubernetes/static-pod-certs"
HOST_CERTIFICATES = "/etc/kubernetes/static-pod-resources/etcd-certs"
MANIFESTS = "/etc/kubernetes/manifests"
RESOURCES = "/etc/kubernetes/static-pod-resources"
SCRIPTS = f"{HOST_CERTIFICATES}/configmaps/etcd-scripts"
DATA = "/var/lib/etcd"
HOME = "/var/home/core"
BIN = "/usr/local/bin"
KUBELET_STATE = "/run/kubelet.json"
LAB_MARKS = "/etc/lab"
KINDS = ("peer", "serving", "serving-metrics")  # of etcd's certificates


@dataclass(frozen=True, slots=True)
class Node:
    """One control plane host: its name, the folder that is its ``/``, its ports on the loopback.

    ``split``: its certificates lie in a folder for each kind, as in 4.5.
    """

    name: str
    root: Path
    client: int
    peer: int
    metrics: int
    ssh: int
    split: bool = False

    def at(self, path: str) -> Path:
        """``path`` of this host, as a path of this machine."""
        return self.root / path.lstrip("/")

    @property
    def ports(self) -> tuple[int, int, int, int]:
        """All that its services listen on."""
        return self.client, self.peer, self.metrics, self.ssh

    @property
    def shell_name(self) -> str:
        return re.sub(r"[^A-Za-z0-9_]", "_", self.name)

    @property
    def client_url(self) -> str:
        return f"https://{LOOPBACK}:{self.client}"

    @property
    def peer_url(self) -> str:
        return f"https://{LOOPBACK}:{self.peer}"

    @property
    def metrics_url(self) -> str:
        return f"https://{LOOPBACK}:{self.metrics}"

    @property
    def bundle(self) -> str:
        """The certificates that etcd trusts, below the folder of certificates."""
        return f"configmaps/{'etcd-serving-ca/ca' if self.split else 'etcd-all-bundles/server-ca'}-bundle.crt"

    def stem(self, kind: str) -> str:
        """A certificate and its key below that folder, without their endings."""
        return f"secrets/etcd-all-{kind if self.split else 'certs'}/etcd-{kind}-{self.name}"

    @property
    def ca(self) -> Path:
        return self.at(f"{HOST_CERTIFICATES}/{self.bundle}")

    def certificate(self, kind: str) -> tuple[Path, Path]:
        """Certificate and key, ``kind`` being peer, serving or serving-metrics."""
        stem = f"{HOST_CERTIFICATES}/{self.stem(kind)}"
        return self.at(f"{stem}.crt"), self.at(f"{stem}.key")


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole lab. ``identity`` marks its processes, ``version`` is the version of its etcd."""

    directory: Path
    identity: str
    nodes: tuple[Node, ...]
    api_port: int
    user: str
    version: str
    era: Era = DEFAULT

    @property
    def image(self) -> Path:
        """The programs of the etcd image."""
        return self.directory / "image"

    @property
    def config(self) -> Path:
        return self.directory / "clusters.toml"

    @property
    def backups(self) -> Path:
        """Where backups are brought to, as if it were the engineer's own machine."""
        return self.directory / "backups"

    @property
    def outside(self) -> Path:
        """A store, as if it were a share somewhere else."""
        return self.directory / "outside"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def operator_key(self) -> Path:
        return self.directory / "operator_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def api_url(self) -> str:
        return f"https://{LOOPBACK}:{self.api_port}"

    @property
    def client_urls(self) -> str:
        return ",".join(node.client_url for node in self.nodes)


def lab_file(directory: Path) -> Path:
    """The file that says a folder is a lab, and how to speak with it."""
    return directory / "lab.json"


def plan(directory: Path, *, nodes: int, identity: str, user: str, version: str, era: Era = DEFAULT) -> Plan:
    """Names and free ports for a lab of ``nodes`` hosts in ``directory``."""
    ports = free_ports(nodes * 4 + 1)
    return Plan(
        directory=directory,
        identity=identity,
        nodes=tuple(
            numbered(directory, n, [ports.pop() for _ in range(4)], era) for n in range(1, nodes + 1)
        ),
        api_port=ports.pop(),
        user=user,
        version=version,
        era=era,
    )


def numbered(directory: Path, number: int, ports: Sequence[int] | None = None, era: Era = DEFAULT) -> Node:
    """The host with a number, its ports as given or free ones."""
    name = f"masternode{number}"
    client, peer, metrics, ssh = ports or free_ports(4)
    root = directory / "nodes" / name
    return Node(name, root, client, peer, metrics, ssh, split="split" in era.has)


def _reserved(port: int) -> bool:
    """Whether no other lab that starts just now has chosen it. Ours until this process ends."""
    if sys.platform != "linux":  # nowhere else is there a name that goes with its process
        return True
    holder = socket.socket(socket.AF_UNIX)
    try:
        holder.bind(f"\0etcdtui-lab-port-{port}")
    except OSError:
        holder.close()
        return False
    holder.detach()
    return True


def free_ports(count: int) -> list[int]:
    """``count`` ports nobody listens on, each proven by binding it. Raises Refusal."""
    found: list[int] = []
    for port in random.sample(PORT_RANGE, min(len(PORT_RANGE), 1000 + count)):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError as exc:
                if exc.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise Refusal(f"The lab cannot bind ports on {LOOPBACK}: {exc.strerror}.") from exc
                continue
        if not _reserved(port):
            continue
        found.append(port)
        if len(found) == count:
            return found
    raise Refusal(f"There are not {count} free ports between {PORT_RANGE.start} and {PORT_RANGE.stop}.")
