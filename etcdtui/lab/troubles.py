"""Small troubles, and their ends: etcd, SSH, the API, certificates, disks and sudo of hosts that run."""

from __future__ import annotations

import contextlib
import json
import signal
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from etcdtui.children import processes
from etcdtui.errors import Refusal
from etcdtui.lab import guard, places, tree
from etcdtui.lab.certificates import Authority
from etcdtui.lab.registry import On, action
from etcdtui.lab.store import operator_resource

if TYPE_CHECKING:
    from pathlib import Path

    from etcdtui.lab.fleet import Host
    from etcdtui.lab.members import Member
    from etcdtui.lab.places import Node
    from etcdtui.lab.supervisor import Supervisor


@action("status", On.LAB, looks=True)
def status(lab: Supervisor) -> str:
    """What runs and what was done to it, as JSON."""
    known = {node.name for node in lab.operator.plan().nodes}
    told = {
        "directory": str(lab.plan.directory),
        "etcd": lab.plan.version,
        "api": "up" if lab.api.up else "down",
        "progressing": lab.operator.progressing,
        "members": [_member(lab, member) for member in lab.monitor.members()],
        "alarms": _alarms(lab),
        "guard": _guard(lab),
        "orders": [asdict(order) for order in lab.orders],
        "revisions": {name: rollout.message for name, rollout in lab.operator.rollouts.items()},
        "nodes": {h.node.name: _host(lab, h) | {"node": h.node.name in known} for h in lab.fleet.hosts},
    }
    return json.dumps(told, indent=2)


def _host(lab: Supervisor, host: Host) -> dict[str, Any]:
    node, server = host.node, host.ssh
    folder = node.at(places.LAB_MARKS)
    return {
        "power": host.power.value,
        "ready": host.ready,
        "etcd": "healthy"
        if lab.monitor.healthy(node.name)
        else lab.monitor.seen(node.name).error or "no answer",
        "pid": host.kubelet.pid,
        "held_stopped": host.kubelet.held,
        "slow": host.slowness.on,
        "clock_off": node.at(f"{places.BIN}/date").exists(),
        "ssh": "frozen" if server.frozen else server.kind if server.running else "stopped",
        "marks": sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [],
        "client_port": node.client,
        "ssh_port": node.ssh,
    }


def _member(lab: Supervisor, member: Member) -> dict[str, Any]:
    return asdict(member) | {"healthy": bool(member.name) and lab.monitor.healthy(member.name)}


def _guard(lab: Supervisor) -> str:
    found = lab.store.find(operator_resource("etcds"), "cluster")
    return "off" if found and guard.overridden(found.get("spec", {})) else "on"


def _alarms(lab: Supervisor) -> list[str] | None:
    """The alarms that members raised; None where nobody can tell."""
    for name in [member.name for member in lab.monitor.members() if lab.monitor.healthy(member.name)]:
        with contextlib.suppress(OSError):
            told = lab.monitor.post(name, "/v3/maintenance/alarm", {"action": "GET"})
            return [str(alarm.get("alarm")) for alarm in told.get("alarms", [])]
    return None


@action("stop", On.RUNNING)
def stop(lab: Supervisor, host: Host) -> str:
    """Stop etcd on a node and keep it stopped."""
    host.slowness.end()
    host.kubelet.hold(True)
    return f"etcd on {host.node.name} is stopped."


@action("start", On.RUNNING)
def start(lab: Supervisor, host: Host) -> str:
    """Start etcd on a node again; ends stop, freeze and slow."""
    host.slowness.end()
    _signal(host, signal.SIGCONT)
    host.kubelet.hold(False)
    return f"etcd on {host.node.name} is started."


@action("freeze", On.RUNNING)
def freeze(lab: Supervisor, host: Host) -> str:
    """Stop etcd in its tracks: its port accepts, nobody answers."""
    host.slowness.end()
    _signal(host, signal.SIGSTOP)
    return f"etcd on {host.node.name} is frozen."


@action("thaw", On.RUNNING)
def thaw(lab: Supervisor, host: Host) -> str:
    """Let a frozen or slow etcd run on."""
    host.slowness.end()
    _signal(host, signal.SIGCONT)
    return f"etcd on {host.node.name} runs on."


@action("slow", On.RUNNING)
def slow(lab: Supervisor, host: Host) -> str:
    """Make etcd on a node answer late, without leaving the cluster."""
    host.slowness.begin()
    return f"etcd on {host.node.name} is slow."


@action("fast", On.RUNNING)
def fast(lab: Supervisor, host: Host) -> str:
    """End slow."""
    host.slowness.end()
    return f"etcd on {host.node.name} is as fast as ever."


@action("crash", On.RUNNING)
def crash(lab: Supervisor, host: Host) -> str:
    """Kill etcd on a node once; the kubelet restarts it."""
    _signal(host, signal.SIGKILL)
    return f"etcd on {host.node.name} was killed."


@action("freeze-ssh", On.RUNNING)
def freeze_ssh(lab: Supervisor, host: Host) -> str:
    """Freeze the SSH server of a node, its sessions and what they run."""
    host.ssh.freeze()
    return f"SSH on {host.node.name} is frozen."


@action("thaw-ssh", On.RUNNING)
def thaw_ssh(lab: Supervisor, host: Host) -> str:
    """End freeze-ssh."""
    host.ssh.thaw()
    return f"SSH on {host.node.name} runs on."


@action("stop-ssh", On.RUNNING)
def stop_ssh(lab: Supervisor, host: Host) -> str:
    """End the SSH server of a node and its sessions; the port refuses."""
    host.ssh.stop()
    return f"SSH on {host.node.name} is stopped."


@action("start-ssh", On.RUNNING)
def start_ssh(lab: Supervisor, host: Host) -> str:
    """Start the SSH server of a node again."""
    host.ssh.start()
    return f"SSH on {host.node.name} is started."


@action("api-down", On.LAB)
def api_down(lab: Supervisor) -> str:
    """Take the API server away; its port refuses."""
    lab.api_wanted = False
    lab.api.stop()
    return "The API server is down."


@action("api-up", On.LAB)
def api_up(lab: Supervisor) -> str:
    """Put the API server up again."""
    lab.api_wanted = True
    lab.api.start()
    return "The API server is up."


@action("fill-disk", On.RUNNING)
def fill_disk(lab: Supervisor, host: Host) -> str:
    """Let df on a node show a full disk."""
    mark(host.node, "disk-full").touch()
    return f"The disk of {host.node.name} looks full."


@action("free-disk", On.RUNNING)
def free_disk(lab: Supervisor, host: Host) -> str:
    """End fill-disk."""
    mark(host.node, "disk-full").unlink(missing_ok=True)
    return f"The disk of {host.node.name} has room again."


@action("wrong-cert", On.RUNNING)
def wrong_cert(lab: Supervisor, host: Host) -> str:
    """Give etcd on a node a serving certificate of an unknown authority, and restart it."""
    renew(host.node, Authority("a-stranger"), "serving")
    host.kubelet.restart()
    return f"etcd on {host.node.name} serves with a certificate nobody trusts."


@action("expire-cert", On.RUNNING)
def expire_cert(lab: Supervisor, host: Host) -> str:
    """Give etcd on a node a serving certificate that expired an hour ago, and restart it."""
    renew(host.node, lab.authority, "serving", days=-1 / 24)
    host.kubelet.restart()
    return f"The serving certificate of etcd on {host.node.name} has expired."


@action("expire-peer-cert", On.RUNNING)
def expire_peer_cert(lab: Supervisor, host: Host) -> str:
    """Give etcd on a node a peer certificate that expired an hour ago, and restart it."""
    renew(host.node, lab.authority, "peer", days=-1 / 24)
    host.kubelet.restart()
    return f"The peer certificate of etcd on {host.node.name} has expired."


@action("right-cert", On.RUNNING)
def right_cert(lab: Supervisor, host: Host) -> str:
    """End wrong-cert, expire-cert and expire-peer-cert."""
    for kind, pair in lab.keyring.pairs(host.node).items():
        pair.write(*host.node.certificate(kind))
    host.kubelet.restart()
    return f"etcd on {host.node.name} serves with a good certificate."


@action("progressing", On.LAB)
def progressing(lab: Supervisor) -> str:
    """Let the etcd operator be in the middle of a rollout."""
    return _rollout(lab, True, "The etcd operator is progressing.")


@action("settled", On.LAB)
def settled(lab: Supervisor) -> str:
    """End progressing."""
    return _rollout(lab, False, "The etcd operator has settled.")


@action("no-script", On.RUNNING)
def no_script(lab: Supervisor, host: Host) -> str:
    """Take cluster-backup.sh away from a node."""
    with contextlib.suppress(FileNotFoundError):
        host.node.at(f"{places.BIN}/cluster-backup.sh").rename(mark(host.node, "cluster-backup.sh"))
    return f"{host.node.name} has no cluster-backup.sh."


@action("script", On.RUNNING)
def script(lab: Supervisor, host: Host) -> str:
    """End no-script."""
    with contextlib.suppress(FileNotFoundError):
        mark(host.node, "cluster-backup.sh").rename(host.node.at(f"{places.BIN}/cluster-backup.sh"))
    return f"{host.node.name} has its cluster-backup.sh."


@action("sudo-password", On.RUNNING)
def sudo_password(lab: Supervisor, host: Host) -> str:
    """Let sudo on a node ask for a password."""
    mark(host.node, "sudo-wants-password").touch()
    return f"sudo on {host.node.name} wants a password."


@action("sudo-free", On.RUNNING)
def sudo_free(lab: Supervisor, host: Host) -> str:
    """End sudo-password."""
    mark(host.node, "sudo-wants-password").unlink(missing_ok=True)
    return f"sudo on {host.node.name} wants no password."


def mark(node: Node, name: str) -> Path:
    """A file that makes a stand-in of the host behave otherwise, or keeps what was taken away."""
    return node.at(f"{places.LAB_MARKS}/{name}")


def renew(node: Node, authority: Authority, kind: str, days: float = 1095) -> None:
    """Put a fresh certificate on the host; the secret it should be from stays as it is."""
    tree.issue(node, authority, kind, days).write(*node.certificate(kind))


def _signal(host: Host, number: int) -> None:
    pid = host.kubelet.pid
    if pid is None and number == signal.SIGSTOP:
        raise Refusal(f"etcd does not run on {host.node.name}.", f"Start it first: start {host.node.name}.")
    if pid is not None:
        processes.signal_group(pid, number)


def _rollout(lab: Supervisor, on: bool, said: str) -> str:
    lab.operator.progressing = on
    lab.operator.look()
    return said
