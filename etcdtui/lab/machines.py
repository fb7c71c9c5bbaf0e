"""The Machine API of a lab: machines that can be deleted and made, and the hosts that come of it."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etcdtui.errors import EtcdTuiError, Refusal
from etcdtui.lab import machineset, places
from etcdtui.lab.documents import Document, now
from etcdtui.lab.fleet import Host, Power
from etcdtui.lab.store import MACHINES, NODES, ApiRefusal, Store

if TYPE_CHECKING:
    from etcdtui.lab.fleet import Fleet
    from etcdtui.lab.joining import Joining
    from etcdtui.lab.pace import Pace
    from etcdtui.lab.places import Plan

NAMESPACE = "openshift-machine-api"
FINALIZER = "machine.machine.openshift.io"
_INTERVAL = 0.2
_INSTANCE = {Power.ON: "running", Power.OFF: "stopped", Power.DESTROYED: "terminated"}


@dataclass(slots=True)
class _Machine:
    """What is known of one Machine beside its object."""

    since: float
    node: str = ""
    trouble: str = ""
    deleted: float | None = None


class Machines:
    """Makes of every Machine a host, and of every deleted one nothing. Also lets new kubelets join."""

    def __init__(self, fleet: Fleet, store: Store, joining: Joining, plan: Plan, pace: Pace) -> None:
        self._fleet, self._store, self._joining, self._plan, self._pace = fleet, store, joining, plan, pace
        self.infrastructure = f"lab-{plan.identity[:5]}"
        self._machines: dict[str, _Machine] = {}
        self._addresses = {node.name: node for node in plan.nodes}
        self._address_of: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="machines", daemon=True)

    def begin(self) -> None:
        """Machines for the hosts with which the lab begins."""
        for number, node in enumerate(self._plan.nodes):
            name = f"{self.infrastructure}-master-{number}"
            spec = {**self._spec(number), "providerID": _provider_id(node.name)}
            self._store.create(MACHINES, self.document(name, spec))
            self._machines[name] = _Machine(0.0, node.name)

    def abolish(self) -> None:
        """There are no machines: this cluster was installed on hosts that people made."""
        for name in self._store.names(MACHINES):
            self._store.delete(MACHINES, name)
        self._machines.clear()

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def close(self) -> None:
        """Do nothing any more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(20)

    def build(self, name: str) -> Host:
        """A new host, as a person would make one. Raises Refusal, also for a name that no host has."""
        number = re.fullmatch(r"masternode([1-9][0-9]?)", name)
        if number is None:
            raise Refusal(f"A node of a lab cannot be called {name!r}.", "For example: masternode4.")
        asked, self._address_of = self._address_of, None
        old = self._addresses.get(asked if asked is not None else name)
        built = places.numbered(
            self._plan.directory, int(number[1]), old.ports if old else None, self._plan.era
        )
        host = self._fleet.build(built)
        self._addresses[name] = built
        return host

    def address_of(self, name: str) -> None:
        """The next new host gets the address of ``name``, or a new one where that is nobody's."""
        self._address_of = name

    def status(self, machine: Document) -> Document:
        """The status of a Machine, as it is now."""
        known = self._machines.get(machine["metadata"]["name"])
        host = self._fleet.find(known.node) if known and known.node else None
        if known is None or host is None:
            phase = "Failed" if known and known.trouble else "Provisioning"
            return {"phase": phase, **({"errorMessage": known.trouble} if known and known.trouble else {})}
        status: Document = {
            "lastUpdated": now(),
            "phase": self._phase(machine, host),
            "providerStatus": {
                "instanceId": _instance(host.node.name),
                "instanceState": _INSTANCE[host.power],
            },
            "addresses": [
                {"type": "InternalIP", "address": places.LOOPBACK},
                {"type": "Hostname", "address": host.node.name},
            ],
        }
        node = self._store.find(NODES, host.node.name)
        if node is not None:
            uid = node["metadata"]["uid"]
            status["nodeRef"] = {"kind": "Node", "name": host.node.name, "uid": uid}
        if host.power is Power.DESTROYED:
            status["errorMessage"] = "Can't find created instance."
        return status

    def document(self, name: str, spec: Document) -> Document:
        """A Machine of the control plane."""
        prefix = "machine.openshift.io/cluster-api"
        return {
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "labels": {
                    f"{prefix}-cluster": self.infrastructure,
                    f"{prefix}-machine-role": "master",
                    f"{prefix}-machine-type": "master",
                },
                "finalizers": [FINALIZER],
            },
            "spec": spec,
        }

    def _phase(self, machine: Document, host: Host) -> str:
        if "deletionTimestamp" in machine["metadata"]:
            return "Deleting"
        if host.power is Power.DESTROYED:
            return "Failed"
        return "Running" if host.registered else "Provisioned"

    def _spec(self, number: int) -> Document:
        zone = "abc"[number % 3]
        value: dict[str, Any] = {
            "apiVersion": "machine.openshift.io/v1beta1",
            "kind": "AWSMachineProviderConfig",
            "ami": {"id": "ami-0lab"},
            "instanceType": "m6i.xlarge",
            "placement": {"availabilityZone": f"lab-1{zone}", "region": "lab-1"},
            "credentialsSecret": {"name": "aws-cloud-credentials"},
            "userDataSecret": {"name": "master-user-data"},
        }
        return {"lifecycleHooks": {}, "metadata": {}, "providerSpec": {"value": value}}

    def _work(self) -> None:
        while not self._stopping.wait(_INTERVAL):
            # An object or a host that went while we were at it: the next round sees what is left.
            for step in (self._step_all, self._joining.step):
                with contextlib.suppress(ApiRefusal, OSError):
                    step()

    def _step_all(self) -> None:
        for machine in self._store.list(MACHINES):
            self._step(machine)
        wanted = machineset.replacement(self._store)
        if wanted is not None:
            self._store.create(MACHINES, self.document(*wanted))

    def _step(self, machine: Document) -> None:
        name = machine["metadata"]["name"]
        known = self._machines.get(name)
        if known is None:
            known = self._machines[name] = _Machine(time.monotonic())
        if "deletionTimestamp" in machine["metadata"]:
            self._delete(machine, known)
        elif not known.node and not known.trouble:
            if time.monotonic() - known.since >= self._pace.build:
                self._make(name, known)
        elif known.node and not machine["spec"].get("providerID"):
            self._store.change(MACHINES, name, lambda m: _provided(m, known.node))

    def _make(self, name: str, known: _Machine) -> None:
        try:
            known.node = self.build(self._name_for(name)).node.name
        except (EtcdTuiError, OSError) as exc:
            known.trouble = str(exc)

    def _name_for(self, machine: str) -> str:
        """The node's name has the machine's number, unless a node has it."""
        number = re.search(r"(\d+)$", machine)
        name = f"masternode{int(number[1]) + 1}" if number else ""
        host = self._fleet.find(name)
        taken = name in self._store.names(NODES) or (host is not None and host.power is not Power.DESTROYED)
        if name and not taken:
            return name
        numbers = [int(re.sub(r"\D", "", known)) for known in self._addresses]
        return f"masternode{max(numbers) + 1}"

    def _delete(self, machine: Document, known: _Machine) -> None:
        name = machine["metadata"]["name"]
        if machine["spec"].get("lifecycleHooks", {}).get("preDrain"):
            return
        if known.deleted is None:
            known.deleted = time.monotonic()
        if time.monotonic() - known.deleted < self._pace.remove:
            return
        if known.node:
            self._fleet.destroy(known.node)
            with contextlib.suppress(ApiRefusal):
                self._store.delete(NODES, known.node)
            self._fleet.forget(known.node)
        with contextlib.suppress(ApiRefusal):
            self._store.delete(MACHINES, name)
        del self._machines[name]


def _provided(machine: Document, node: str) -> Document:
    return {**machine, "spec": {**machine["spec"], "providerID": _provider_id(node)}}


def _instance(node: str) -> str:
    return f"i-0{sum(node.encode()) * 2654435761 % 2**32:08x}"


def _provider_id(node: str) -> str:
    return f"aws:///lab-1/{_instance(node)}"
