"""What the hosts and the Kubernetes API tell about the platform around etcd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from etcdtui.model.backups import FoundFile
from etcdtui.model.lock import Lock


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """A filesystem, bytes and inodes."""

    path: str
    total: int
    free: int
    inodes_free: int | None = None

    @property
    def used_share(self) -> float:
        return 1 - self.free / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """A file of certificates on a host and when it ends, epoch seconds.

    A bundle of authorities ends with the last of them: a rotation leaves the old one beside the new, and
    that the old one ends is no trouble.
    """

    path: str
    not_after: float


@dataclass(frozen=True, slots=True)
class HostFacts:
    """One look at one host."""

    hostname: str
    clock_offset: float | None = None  # host's clock minus ours, seconds
    data_disk: DiskSpace | None = None
    backup_disk: DiskSpace | None = None
    manifests: tuple[str, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    backup_directory: str = ""
    backups: tuple[FoundFile, ...] = ()
    backups_cut: int = 0  # files that lie there and are not in ``backups``, for there are too many
    backup_script: bool = False
    etcdctl: str = ""  # "path", "container", or "" for none
    openssl: bool = False
    running_jobs: tuple[str, ...] = ()
    # When the oldest backup job that runs there began, by the host's clock; None for none.
    writing_since: float | None = None
    lock: Lock | None = None  # of a procedure that changes things, here or on all hosts


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of an operator's status. ``changed`` is lastTransitionTime, epoch seconds."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    changed: float | None = None


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A control plane node as the API knows it."""

    name: str
    address: str
    ready: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """An etcd pod: containers ready of containers there are."""

    name: str
    node: str
    ready: int
    containers: int
    phase: str
    restarts: int = 0
    waiting: str = ""  # CrashLoopBackOff and its kin


OPERATORS: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""Those that roll out the static pods of a control plane."""


@dataclass(frozen=True, slots=True)
class OperatorFacts:
    """A cluster operator's three conditions."""

    name: str
    available: bool
    progressing: bool
    degraded: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class OperatorWord:
    """What the operator's EtcdMembersAvailable says: "2 of 3 members are available, NAME is unhealthy"."""

    available: int
    members: int
    message: str
    changed: float | None = None  # epoch seconds


@dataclass(frozen=True, slots=True)
class ApiFacts:
    """One look through the Kubernetes API."""

    version: str = ""
    cluster_id: str = ""
    installed: float | None = None  # when its installation ended, epoch seconds
    conditions: tuple[Condition, ...] = ()
    nodes: tuple[NodeFacts, ...] = ()
    pods: tuple[PodFacts, ...] = ()
    operators: tuple[OperatorFacts, ...] = ()
    word: OperatorWord | None = None
    guard_off: bool = False  # etcd's operator rolls out though it could not bear the loss of a member
    authenticated: bool = True  # the server proved who it is: TLS, with its certificate verified
    # Parts of the API that could not be read, as sentences (narrow rights, a missing kind).
    missing: tuple[str, ...] = ()

    def condition(self, kind: str) -> Condition | None:
        return next((c for c in self.conditions if c.type == kind), None)

    @property
    def etcd_operator(self) -> bool:
        """OpenShift's operator looks after etcd here."""
        return bool(self.conditions or self.word) or any(one.name == "etcd" for one in self.operators)

    def pod_on(self, node: str) -> PodFacts | None:
        return next((p for p in self.pods if p.node == node), None)
