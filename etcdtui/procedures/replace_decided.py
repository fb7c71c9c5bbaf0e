"""What the plan of a replacement decided, as its record keeps it, and what follows from that."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from etcdtui.model.members import Member
from etcdtui.platforms.layout import Layout

MANIFEST = "etcd-pod.yaml"
DECIDED = "decided"  # the parameter; of the second member that one procedure replaces, "decided 2"


class Case(StrEnum):
    """The case of the official documents."""

    GONE = "the machine is gone"
    NOT_READY = "the node is not ready"
    CRASHING = "etcd does not stay up on a host that answers"


class Rebuild(StrEnum):
    """How the machine comes back."""

    STAYS = "it stays"
    MACHINE = "by the Machine API"
    MACHINE_SET = "by the control plane machine set"
    BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Command:
    """A command and the host it runs on."""

    host: str
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Platform:
    """What the API told when the plan was made. ``operator`` False: nobody scales etcd up but the guide.

    ``overrides`` is what the operator's ``unsupportedConfigOverrides`` held, ``secrets`` are names and UIDs,
    ``successor`` is the new Machine in full.
    """

    operator: bool = False
    version: str = ""
    guard: bool = False  # the guard is to be taken off
    overrides: Any = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    csrs: str = ""  # where certificate requests are
    rebuild: Rebuild = Rebuild.STAYS
    machine: str = ""  # the old Machine
    machine_uid: str = ""
    successor: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decided:
    """Every decision of a plan.

    ``members`` are all of the list then; ``host`` is where the member ran, as SSH knows it; ``stamp`` dates
    what is moved aside; ``add`` is empty where the operator adds. ``together`` are all that one procedure
    replaces, in their order, where nobody can be added before all of them are out; else nobody.
    """

    cluster_id: int
    target: Member
    members: tuple[Member, ...]
    case: Case
    stamp: str
    host: str
    layout: Layout
    remove: Command
    platform: Platform = field(default_factory=Platform)
    add: Command = Command("", ())
    learner: bool = False  # the new member comes as a learner first
    ailing: tuple[int, ...] = ()  # other voters that failed already: their turn comes later
    together: tuple[Member, ...] = ()
    backup: Mapping[str, str] = field(default_factory=dict)  # of a backup taken within this procedure

    @property
    def name(self) -> str:
        return self.target.label

    @property
    def phrase(self) -> str:
        """What is typed to remove it: its name, or its ID when it never got one."""
        return self.target.name or self.target.hex_id

    @property
    def before(self) -> tuple[Member, ...]:
        """Those of ``together`` that are new members by the time this one becomes one."""
        ids = [m.id for m in self.together]
        return self.together[: ids.index(self.target.id)] if self.target.id in ids else ()

    @property
    def after(self) -> tuple[Member, ...]:
        """Those of ``together`` that are out of the list, and come back later."""
        ids = [m.id for m in self.together]
        return self.together[ids.index(self.target.id) + 1 :] if self.target.id in ids else ()

    @property
    def turn(self) -> tuple[int, ...]:
        """The IDs of those that are marked when it is its turn: itself, then who goes after it."""
        return (self.target.id, *(m.id for m in self.after))

    @property
    def voters(self) -> int:
        """How many there are to be in the end."""
        return 1 + len(self.before) + sum(1 for m in self.remaining if not m.learner)

    @property
    def tolerance(self) -> int:
        """How many failures the cluster is to bear in the end."""
        return max(0, (self.voters - 1) // 2 - len(self.ailing))

    @property
    def remaining(self) -> tuple[Member, ...]:
        return tuple(m for m in self.members if m.id != self.target.id)

    @property
    def manifest(self) -> str:
        return f"{self.layout.at(self.layout.manifests)}/{MANIFEST}"

    @property
    def manifest_aside(self) -> str:
        """Beside the folder that the kubelet reads, on the same filesystem."""
        folder = posixpath.dirname(self.layout.at(self.layout.manifests))
        return f"{folder}/etcd-pod.replaced-{self.stamp}.yaml"

    @property
    def data(self) -> str:
        return f"{self.layout.at(self.layout.data)}/member"

    @property
    def data_aside(self) -> str:
        """Within etcd's folder, which may be a filesystem of its own."""
        return f"{self.data}-replaced-{self.stamp}"

    @property
    def initial_cluster(self) -> str:
        """For ETCD_INITIAL_CLUSTER of the new member: etcdctl leaves out names that it does not know."""
        there = (*(m for m in self.remaining if m not in self.after), *self.before)
        known = [(m.name, url) for m in there if m.name for url in m.peer_urls]
        new = [(self.target.name, url) for url in self.target.peer_urls]
        return ",".join(f"{name}={url}" for name, url in (*known, *new))

    def parameters(self) -> dict[str, str]:
        names = {"member": self.target.hex_id, "name": self.name, "case": self.case.value}
        backup = {f"backup {key}": value for key, value in self.backup.items()}
        return names | backup | {DECIDED: self.document}

    @property
    def document(self) -> str:
        """All of it but the backup, as JSON."""
        document = asdict(self)
        del document["backup"]
        return json.dumps(document, sort_keys=True)

    @classmethod
    def of(cls, parameters: Mapping[str, str], key: str = DECIDED) -> Decided:
        """Raises KeyError and ValueError."""
        told = json.loads(parameters[key])
        backup = {key[7:]: value for key, value in parameters.items() if key.startswith("backup ")}
        try:
            platform = told["platform"]
            return cls(
                cluster_id=int(told["cluster_id"]),
                target=_member(told["target"]),
                members=tuple(_member(one) for one in told["members"]),
                case=Case(told["case"]),
                stamp=str(told["stamp"]),
                host=str(told["host"]),
                layout=Layout(**(told["layout"] | {"sudo": tuple(told["layout"]["sudo"])})),
                remove=_command(told["remove"]),
                platform=Platform(**(platform | {"rebuild": Rebuild(platform["rebuild"])})),
                add=_command(told["add"]),
                learner=bool(told["learner"]),
                ailing=tuple(int(one) for one in told["ailing"]),
                together=tuple(_member(one) for one in told.get("together", ())),
                backup=backup,
            )
        except (TypeError, AttributeError) as exc:
            raise ValueError(f"what was decided cannot be read: {exc}") from exc


def _member(told: Mapping[str, Any]) -> Member:
    made = Member(**told)
    return replace(made, peer_urls=tuple(made.peer_urls), client_urls=tuple(made.client_urls))


def _command(told: Mapping[str, Any]) -> Command:
    return Command(str(told["host"]), tuple(str(word) for word in told["argv"]))
