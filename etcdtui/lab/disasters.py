"""Great troubles and the ways back: hosts off, destroyed, built anew; data damaged or gone; wrong clocks."""

from __future__ import annotations

import contextlib
import shutil
from functools import partial
from typing import TYPE_CHECKING

from etcdtui.errors import Refusal
from etcdtui.lab import content, csrs, machines, machineset, places, tree
from etcdtui.lab.documents import Document, now
from etcdtui.lab.fleet import Power
from etcdtui.lab.registry import On, action
from etcdtui.lab.store import CSRS, MACHINE_SETS, ApiRefusal
from etcdtui.lab.troubles import mark

if TYPE_CHECKING:
    from etcdtui.lab.fleet import Host
    from etcdtui.lab.supervisor import Supervisor

_PAGE = 4096
_CLOCK = 90  # seconds that clock-off adds
# What cluster-restore.sh starts again, and how a late one of 4.x asks for it: by a list that it never fills.
ALL_PODS, NO_PODS = "for pod in ${OTHER_PODS}; do", 'for pod in "${STATIC_POD_LIST[@]}"; do'


@action("power-off", On.RUNNING)
def power_off(lab: Supervisor, host: Host) -> str:
    """Cut the power of a node: no SSH, no etcd, no answer to anything."""
    lab.fleet.power_off(host.node.name)
    return f"{host.node.name} is off."


@action("power-on", On.HOST)
def power_on(lab: Supervisor, host: Host) -> str:
    """Switch a node on again."""
    lab.fleet.power_on(host.node.name)
    return f"{host.node.name} is on."


@action("quorum-loss", On.LAB)
def quorum_loss(lab: Supervisor) -> str:
    """Cut the power of so many nodes, the last ones, that no quorum is left."""
    hosts = [host for host in lab.fleet.hosts if host.power is Power.ON]
    spared = len(lab.operator.plan().nodes) // 2
    for host in hosts[spared:]:
        lab.fleet.power_off(host.node.name)
    return f"Off: {', '.join(host.node.name for host in hosts[spared:]) or 'nobody'}."


@action("quorum-back", On.LAB)
def quorum_back(lab: Supervisor) -> str:
    """Switch on every node that is off."""
    hosts = [host for host in lab.fleet.hosts if host.power is Power.OFF]
    for host in hosts:
        lab.fleet.power_on(host.node.name)
    return f"On: {', '.join(host.node.name for host in hosts) or 'nobody'}."


@action("destroy-node", On.HOST)
def destroy_node(lab: Supervisor, host: Host) -> str:
    """Destroy a node: it loses its power for ever, and its disk."""
    lab.fleet.destroy(host.node.name)
    return f"{host.node.name} is destroyed."


@action("build-node", On.NAME)
def build_node(lab: Supervisor, name: str) -> str:
    """Build a node with an empty disk, of a destroyed one's name or a new one; its CSRs will follow."""
    host = lab.machines.build(name)
    return f"{name} is built, with SSH on port {host.node.ssh}."


@action("reuse-address", On.HOST)
def reuse_address(lab: Supervisor, host: Host) -> str:
    """Let the next new node get the address (the ports) of a destroyed one, whatever it is called."""
    lab.machines.address_of(host.node.name)
    return f"The next new node gets the address of {host.node.name}."


@action("new-address", On.LAB)
def new_address(lab: Supervisor) -> str:
    """Let the next new node get an address of its own, even if it has a former node's name."""
    lab.machines.address_of("")
    return "The next new node gets a new address."


@action("machine-api-off", On.LAB)
def machine_api_off(lab: Supervisor) -> str:
    """Let there be no machines: hosts are built by people (build-node)."""
    lab.machines.abolish()
    return "There are no machines any more."


@action("machine-api-on", On.LAB)
def machine_api_on(lab: Supervisor) -> str:
    """End machine-api-off."""
    lab.machines.begin()
    return "Every node has its machine."


@action("machine-set-on", On.LAB)
def machine_set_on(lab: Supervisor) -> str:
    """Let a control plane machine set be active: a deleted machine is replaced without being asked."""
    with contextlib.suppress(ApiRefusal):
        machineset.make(lab.store, machines.NAMESPACE, len(lab.plan.nodes))
    return "A control plane machine set is active."


@action("machine-set-off", On.LAB)
def machine_set_off(lab: Supervisor) -> str:
    """End machine-set-on."""
    with contextlib.suppress(ApiRefusal):
        lab.store.delete(MACHINE_SETS, machineset.NAME)
    return "There is no control plane machine set."


@action("approve-csrs", On.LAB)
def approve_csrs(lab: Supervisor) -> str:
    """Approve every pending certificate signing request, as somebody else might."""
    approved = [name for name in lab.store.names(CSRS) if csrs.verdict(lab.store, name) == "Pending"]
    for name in approved:
        lab.store.change(CSRS, name, _approved)
    return f"Approved: {', '.join(approved) or 'none'}."


@action("stranger-csr", On.LAB)
def stranger_csr(lab: Supervisor) -> str:
    """Let somebody who is no node of this cluster ask for a certificate."""
    name = csrs.ask(lab.store, "intruder", csrs.CLIENT)
    return f"{name} is pending."


@action("delete-namespace", On.LAB)
def delete_namespace(lab: Supervisor) -> str:
    """Delete everything in the namespace shop-production, as by accident."""
    well = [node.name for node in lab.operator.plan().nodes if lab.monitor.healthy(node.name)]
    if not well:
        raise Refusal("No member of this lab takes writes now.")
    count = content.delete_namespace(partial(lab.monitor.post, well[0]))
    return f"{count} keys of {content.VICTIM} are deleted."


@action("damage-data", On.RUNNING)
def damage_data(lab: Supervisor, host: Host) -> str:
    """Damage the database of etcd on a node: etcd falls whenever it starts."""
    database, kept = host.node.at(f"{places.DATA}/member/snap/db"), mark(host.node, "sound-db")
    if not database.is_file():
        raise Refusal(f"{host.node.name} has no etcd data to damage.")
    host.kubelet.hold(True)
    if not kept.exists():
        shutil.copy2(database, kept)
    with database.open("r+b") as file:
        # Both meta pages: with one of them it would still open.
        file.write(b"\xde\xad\xbe\xef" * (2 * _PAGE // 4))
    host.kubelet.hold(False)
    return f"The data of etcd on {host.node.name} is damaged."


@action("repair-data", On.RUNNING)
def repair_data(lab: Supervisor, host: Host) -> str:
    """End damage-data, if nobody has taken the data away since."""
    database, kept = host.node.at(f"{places.DATA}/member/snap/db"), mark(host.node, "sound-db")
    if not kept.exists() or not database.exists():
        raise Refusal(f"The data of {host.node.name} was not damaged, or is not there any more.")
    host.kubelet.hold(True)
    kept.replace(database)
    host.kubelet.hold(False)
    return f"The data of etcd on {host.node.name} is as before."


@action("wipe-data", On.RUNNING)
def wipe_data(lab: Supervisor, host: Host) -> str:
    """Empty the data directory of etcd on a node, whose member stays in the list."""
    data, kept = host.node.at(f"{places.DATA}/member"), mark(host.node, "wiped-member")
    if not data.is_dir():
        raise Refusal(f"{host.node.name} has no etcd data to wipe.")
    host.kubelet.hold(True)
    shutil.rmtree(kept, ignore_errors=True)
    data.rename(kept)
    host.kubelet.hold(False)
    return f"The data of etcd on {host.node.name} is gone."


@action("unwipe-data", On.RUNNING)
def unwipe_data(lab: Supervisor, host: Host) -> str:
    """End wipe-data, if etcd has not begun anew since."""
    data, kept = host.node.at(f"{places.DATA}/member"), mark(host.node, "wiped-member")
    if not kept.is_dir():
        raise Refusal(f"The data of {host.node.name} was not wiped.")
    host.kubelet.hold(True)
    # What etcd made before it saw that it may not begin.
    shutil.rmtree(data, ignore_errors=True)
    kept.rename(data)
    host.kubelet.hold(False)
    return f"The data of etcd on {host.node.name} is back."


@action("clock-off", On.RUNNING)
def clock_off(lab: Supervisor, host: Host) -> str:
    """Let the clock of a node be a minute and a half ahead, for whoever asks it with date."""
    tree.write_tool(lab.plan, host.node, "date", {"OFFSET": str(_CLOCK)})
    return f"The clock of {host.node.name} is {_CLOCK} s ahead."


@action("clock-right", On.RUNNING)
def clock_right(lab: Supervisor, host: Host) -> str:
    """End clock-off."""
    with contextlib.suppress(FileNotFoundError):
        host.node.at(f"{places.BIN}/date").unlink()
    return f"The clock of {host.node.name} is right."


@action("forget-pods", On.RUNNING)
def forget_pods(lab: Supervisor, host: Host) -> str:
    """Let cluster-restore.sh of a node start etcd alone again, as a late one of 4.x does."""
    _restoring(host, ALL_PODS, NO_PODS)
    return f"cluster-restore.sh of {host.node.name} starts etcd alone."


@action("know-pods", On.RUNNING)
def know_pods(lab: Supervisor, host: Host) -> str:
    """End forget-pods."""
    _restoring(host, NO_PODS, ALL_PODS)
    return f"cluster-restore.sh of {host.node.name} starts what it stopped."


def _restoring(host: Host, before: str, after: str) -> None:
    script = host.node.at(f"{places.BIN}/cluster-restore.sh")
    script.write_text(script.read_text().replace(before, after))


def _approved(document: Document) -> Document:
    verdict = {
        "type": "Approved",
        "status": "True",
        "reason": "KubectlApprove",
        "message": "This CSR was approved by kubectl certificate approve.",
        "lastUpdateTime": now(),
        "lastTransitionTime": now(),
    }
    return {**document, "status": {**document.get("status", {}), "conditions": [verdict]}}
