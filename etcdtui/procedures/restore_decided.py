"""What the plan of a restore decided, as its record keeps it, and what follows from that."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from etcdtui.model.file_names import folder_name
from etcdtui.model.manifest import File
from etcdtui.platforms import eras
from etcdtui.platforms.layout import Layout

QUORUM = "quorum-restore"
"""The kind of procedure that decides a Quorum."""

PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""In the order in which the documents have them stopped."""

ANSWERS, MAY_ANSWER = "answers", "may answer"
"""The keys of what is accepted where there is a quorum, and where nobody can tell."""

OTHERS = {"others": "as they are in the backup"}
"""What the operator's overrides hold after a restore is not known before it: the guard's alone is touched."""


@dataclass(frozen=True, slots=True)
class Master:
    """A control plane host. ``node`` is its name in etcd and Kubernetes; ``reached`` False: it did not answer
    when the plan was made, and has to be off. ``disabled`` is the folder that its disable-etcd.sh moves the
    manifest of etcd to; empty where there is no such script."""

    host: str
    node: str
    layout: Layout
    client_url: str = ""
    reached: bool = True
    disabled: str = ""

    @property
    def data(self) -> str:
        return f"{self.layout.at(self.layout.data)}/member"

    @property
    def disabled_manifest(self) -> str:
        """Where disable-etcd.sh puts etcd's manifest; empty where there is no such script."""
        return f"{self.disabled}/etcd-pod.yaml" if self.disabled else ""

    def manifest(self, pod: str) -> str:
        return f"{self.layout.at(self.layout.manifests)}/{pod}-pod.yaml"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The backup: what its manifest says, and the copy that is taken. ``host`` is empty for one on this
    machine; ``directory`` is where its files lie."""

    stamp: str
    taken: float  # epoch seconds
    when: str  # the same for people
    revision: int
    live_keys: int
    version: str  # of OpenShift; empty: not known
    snapshot: File
    resources: File
    host: str
    directory: str
    origin: str  # the host that it was taken on

    @property
    def files(self) -> tuple[File, File]:
        return self.snapshot, self.resources

    @property
    def size(self) -> int:
        """Bytes of both files."""
        return self.snapshot.size + self.resources.size

    @property
    def home(self) -> str:
        """The name of its folder on this machine."""
        return folder_name(self.stamp, self.origin)


@dataclass(frozen=True, slots=True)
class Ack:
    """Something that may go wrong, and the words that are typed to accept it."""

    key: str
    title: str
    sentence: str
    phrase: str


@dataclass(frozen=True, slots=True)
class Fresh:
    """Where a fresh backup is taken before anything is stopped. ``host`` empty: nowhere, and ``why``;
    ``size`` is of its database, bytes."""

    host: str = ""
    size: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standstill:
    """Who is brought to a stand, and where things go: what every restore decides.

    ``stamp`` dates what is set aside; ``stopped`` and ``kept`` are the folders that cluster-restore.sh puts
    manifests and old data into; ``lost`` says what is lost; ``seen`` is the highest revision that anybody
    had; ``alone``: etcd alone is stopped and started again, as from 4.18 on.
    """

    cluster: str
    stamp: str
    recovery: Master
    others: tuple[Master, ...]
    waits: tuple[str, ...]
    stopped: str
    kept: str
    lost: str
    data_size: int
    seen: int = 0
    accept: tuple[Ack, ...] = ()
    api: bool = True  # the rollouts can be asked for and watched through it
    guard: bool = False  # the operator's guard is to be taken off
    alone: bool = False
    watches: bool = False  # the API is asked in the end as one who watched before

    @property
    def reached(self) -> tuple[Master, ...]:
        """The other hosts that are stopped by us."""
        return tuple(m for m in self.others if m.reached)

    @property
    def off(self) -> tuple[Master, ...]:
        return tuple(m for m in self.others if not m.reached)

    @property
    def pods(self) -> tuple[str, ...]:
        """Those that are stopped, in the documented order."""
        return PODS[:1] if self.alone else PODS

    @property
    def stays(self) -> str:
        """What must not be moved out of the data folder, for the script takes it with it; empty: nothing."""
        return "revision.json" if self.alone else ""

    @property
    def safe(self) -> str:
        """On the recovery host: the copy of its data as it was, beside the data folder."""
        layout = self.recovery.layout
        return f"{layout.at(layout.data)}-before-{self.stamp}"

    @property
    def old(self) -> str:
        """On the recovery host: where its data of before lies once the script ran."""
        return f"{self.kept}/member"

    @property
    def script(self) -> str:
        return self.recovery.layout.at(self.recovery.layout.restore_script)

    @property
    def what(self) -> str:
        """For people: what this is."""
        return "the restore"

    @property
    def size(self) -> int:
        """Bytes that are brought to the recovery host."""
        return 0

    @property
    def phrase(self) -> str:
        """What is typed at the gate."""
        return self.cluster

    def manifest_aside(self, master: Master, pod: str) -> str:
        """Beside the folder that the kubelet reads, on the same filesystem."""
        folder = posixpath.dirname(master.layout.at(master.layout.manifests))
        return f"{folder}/{pod}-pod.restore-{self.stamp}.yaml"

    def stopped_manifest(self, pod: str) -> str:
        """On the recovery host: where its cluster-restore.sh puts what it stops."""
        return f"{self.stopped}/{pod}-pod.yaml"

    def data_aside(self, master: Master) -> str:
        """Within etcd's folder, which may be a filesystem of its own."""
        return f"{master.data}-restore-{self.stamp}"

    def parameters(self) -> dict[str, str]:
        """All of it, for a record."""
        # Where debts looks for what the guard was.
        document = asdict(self) | {"platform": {"overrides": OTHERS}}
        return {"host": self.recovery.host, "decided": json.dumps(document, sort_keys=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Standstill):
    """Every decision of a restore from a backup. ``bump``: the script is asked to raise the revision, and
    ``raising`` says for people whether it is raised; empty in a record of before."""

    backup: Chosen
    fresh: Fresh = Fresh()
    newest: str = ""  # time stamp of the newest backup in the recovery host's folder before the restore
    stores: tuple[str, ...] = ()  # that a new backup is put into
    bump: bool = False
    raising: str = ""

    @property
    def fresh_folder(self) -> str:
        """On the host that is asked for it: a backup of what lived before anything was stopped."""
        masters = (self.recovery, *self.others)
        layout = next((m for m in masters if m.host == self.fresh.host), self.recovery).layout
        return f"{layout.at(layout.backups)}/before-restore-{self.stamp}"

    @property
    def folder(self) -> str:
        """On the recovery host: exactly the pair that is restored, and nothing else."""
        layout = self.recovery.layout
        return f"{layout.at(layout.backups)}/restore-{self.stamp}"

    @property
    def what(self) -> str:
        return f"the restore of {self.backup.when}"

    @property
    def size(self) -> int:
        return self.backup.size

    @property
    def phrase(self) -> str:
        """What is typed at the gate: the cluster, and the point in time."""
        return f"{self.cluster} {self.backup.when}"

    def parameters(self) -> dict[str, str]:
        return {"backup": self.backup.stamp, **Standstill.parameters(self)}

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Decided:
        """Raises KeyError and ValueError."""
        told = json.loads(parameters["decided"])
        try:
            chosen = told.pop("backup")
            files = {name: File(**chosen[name]) for name in ("snapshot", "resources")}
            fresh, stores = Fresh(**told.pop("fresh", {})), tuple(told.pop("stores", ()))
            backup = Chosen(**(chosen | files))
            return cls(**hosts_in(told), backup=backup, fresh=fresh, stores=stores)
        except (TypeError, AttributeError) as exc:
            raise ValueError(f"what was decided cannot be read: {exc}") from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum(Standstill):
    """Every decision of a quorum restore. ``revision`` is that of the survivor's data when it was planned."""

    revision: int

    @property
    def script(self) -> str:
        layout = self.recovery.layout
        return posixpath.join(posixpath.dirname(layout.at(layout.restore_script)), eras.QUORUM_RESTORE)

    @property
    def old(self) -> str:
        """etcd writes on in its own data: of before there is the copy."""
        return f"{self.safe}/member"

    @property
    def what(self) -> str:
        return f"the quorum restore on {self.recovery.host}"

    @property
    def phrase(self) -> str:
        return f"{self.cluster} goes on from {self.recovery.host}"

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Quorum:
        """Raises KeyError and ValueError."""
        try:
            return cls(**hosts_in(json.loads(parameters["decided"])))
        except (TypeError, AttributeError) as exc:
            raise ValueError(f"what was decided cannot be read: {exc}") from exc


def decided_by(kind: str, parameters: Mapping[str, str]) -> Standstill:
    """What a restore of that kind decided. Raises KeyError and ValueError."""
    return (Quorum if kind == QUORUM else Decided).of(parameters)


def hosts_in(told: dict[str, Any]) -> dict[str, Any]:
    """What a record tells of a Standstill, as it was. Raises KeyError, ValueError and TypeError."""
    told.pop("platform")
    return told | {
        "recovery": _master(told["recovery"]),
        "others": tuple(_master(one) for one in told["others"]),
        "waits": tuple(told["waits"]),
        "accept": tuple(Ack(**one) for one in told["accept"]),
    }


def _master(told: Mapping[str, Any]) -> Master:
    layout = Layout(**(told["layout"] | {"sudo": tuple(told["layout"]["sudo"])}))
    return Master(**{**told, "layout": layout})
