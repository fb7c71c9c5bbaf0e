"""What was asked about one member on demand: its ports tried from every host, its own host looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from etcdtui.model.platform import DiskSpace
from etcdtui.model.problems import Problem


class Port(StrEnum):
    """Which of a member's two ports."""

    CLIENT = "client"
    PEER = "peer"


@dataclass(frozen=True, slots=True)
class Shown:
    """The certificate that a server showed. Dates in epoch seconds; ``names`` are what it is for."""

    subject: str = ""
    issuer: str = ""
    not_before: float | None = None
    not_after: float | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """The answer to one HTTP question."""

    status: int
    body: str = ""


@dataclass(frozen=True, slots=True)
class Try:
    """One port tried from one host: TCP, then TLS, then HTTP. ``verified`` is openssl's code, 0 for good."""

    host: str
    port: Port
    target: str  # address:port
    connected: bool = False
    certificate: Shown | None = None
    verified: int | None = None
    verdict: str = ""  # openssl's words for ``verified``
    health: Page | None = None
    readyz: Page | None = None
    problem: Problem | None = None  # why it ended where it ended

    @property
    def trusted(self) -> bool:
        return self.certificate is not None and self.verified == 0


@dataclass(frozen=True, slots=True)
class Signature:
    """A known line of etcd's log. ``weight`` is high for what ends a member; ``at`` epoch seconds."""

    name: str
    sentence: str
    line: str
    weight: int = 0
    at: float | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class ContainerSeen:
    """A container called etcd, as the container runtime tells of it."""

    id: str
    state: str = ""  # running, exited, created
    attempt: int = 0  # how often the kubelet has restarted it
    exit_code: int | None = None
    started: float | None = None  # epoch seconds
    reason: str = ""
    process: str = ""  # the kernel's letter: R and S run, T is stopped, D waits for a disk, Z is dead
    last_lines: tuple[str, ...] = ()
    signatures: tuple[Signature, ...] = ()

    @property
    def running(self) -> bool:
        return self.state == "running"


@dataclass(frozen=True, slots=True)
class DataSeen:
    """The data folder of etcd. Sizes in bytes; None for what is not there."""

    path: str
    present: bool = False
    database: int | None = None
    wal_files: int | None = None


@dataclass(frozen=True, slots=True)
class HostSeen:
    """The member's own host, looked at now."""

    name: str
    hostname: str = ""
    clock_offset: float | None = None  # its clock minus ours, seconds
    manifest: bool | None = None  # etcd's static pod manifest lies where the kubelet reads it
    manifest_path: str = ""
    runtime: bool = False  # the container runtime could be asked
    containers: tuple[ContainerSeen, ...] = ()  # newest first
    kubelet: str = ""  # systemd's word for it: active, inactive, failed
    data: DataSeen | None = None
    disk: DiskSpace | None = None

    @property
    def container(self) -> ContainerSeen | None:
        return self.containers[0] if self.containers else None

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """Of all its containers, what weighs most first."""
        found: dict[str, Signature] = {}
        for signature in (s for container in self.containers for s in container.signatures):
            found.setdefault(signature.name, signature)
        return tuple(sorted(found.values(), key=lambda s: -s.weight))


@dataclass(frozen=True, slots=True)
class MachineSeen:
    """The Machine behind the member's node. Without a name: the Machine API has none for it."""

    name: str = ""
    phase: str = ""  # Running, Failed, Deleting, …
    state: str = ""  # the provider's word: running, stopped, terminated
    message: str = ""
    bare_metal: bool = False  # no cloud stands behind it

    @property
    def away(self) -> bool:
        """It will not come back by itself."""
        ended = self.state.lower() in ("terminated", "deleted", "shutting-down")
        return ended or self.phase in ("Failed", "Deleting") or not self.name

    @property
    def stopped(self) -> bool:
        return self.state.lower() in ("stopped", "stopping", "poweredoff", "deallocated", "off")


@dataclass(frozen=True, slots=True)
class Probe:
    """All of it, as far as it has come in. ``unasked``: hosts that could not be used, and why."""

    began: float = 0.0  # epoch seconds
    tries: tuple[Try, ...] = ()
    own: HostSeen | None = None
    own_problem: Problem | None = None  # why its own host could not be looked at
    unasked: tuple[tuple[str, Problem], ...] = ()
    pending: tuple[str, ...] = ()  # what is still awaited, in words
    took: float | None = None  # seconds; None while something is awaited
    machine: MachineSeen | None = None  # None: not asked, or there are no machines here

    @property
    def complete(self) -> bool:
        return self.took is not None

    def of(self, port: Port) -> tuple[Try, ...]:
        return tuple(t for t in self.tries if t.port is port)
