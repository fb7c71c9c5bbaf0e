"""What a lab can be told to do. An action is one function; its first line is its help."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etcdtui.errors import Refusal
from etcdtui.lab import places, processes, tree
from etcdtui.lab.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

    from etcdtui.lab.places import Node
    from etcdtui.lab.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Action:
    """A word, whether it wants a node, and what it does."""

    name: str
    wants_node: bool
    run: Callable[..., str]

    @property
    def help(self) -> str:
        return (self.run.__doc__ or "").strip().splitlines()[0]


ACTIONS: dict[str, Action] = {}


def perform(lab: Supervisor, name: str, node: str | None) -> str:
    """Carry out one action; what to tell the user. Raises Refusal for a wrong name."""
    action = check(name, node)
    if action.wants_node:
        assert node is not None
        return str(action.run(lab, lab.node(node)))
    return str(action.run(lab))


def check(name: str, node: str | None) -> Action:
    """The action called ``name``. Raises Refusal for an unknown one, or one that lacks its node."""
    action = ACTIONS.get(name)
    if action is None:
        raise Refusal(f"A lab does not know {name!r}.", f"It knows: {', '.join(sorted(ACTIONS))}.")
    if action.wants_node and not node:
        raise Refusal(f"{name} wants a node.", f"For example: {name} masternode1.")
    if node and not action.wants_node:
        raise Refusal(f"{name} is for the whole lab, not for {node}.")
    return action


def action(name: str, *, node: bool) -> Callable[[Callable[..., str]], Callable[..., str]]:
    """Register a function as an action."""

    def register(function: Callable[..., str]) -> Callable[..., str]:
        ACTIONS[name] = Action(name, node, function)
        return function

    return register


@action("status", node=False)
def status(lab: Supervisor) -> str:
    """What runs and what was done to it, as JSON."""
    nodes: dict[str, Any] = {}
    for node in lab.plan.nodes:
        kubelet, server = lab.kubelets[node.name], lab.ssh[node.name]
        seen = lab.monitor.seen(node.name)
        marks = sorted(path.name for path in node.at(places.LAB_MARKS).iterdir())
        nodes[node.name] = {
            "etcd": "healthy" if lab.monitor.healthy(node.name) else seen.error or "no answer",
            "pid": kubelet.pid,
            "held_stopped": kubelet.held,
            "slow": lab.slowness[node.name].on,
            "ssh": "frozen" if server.frozen else server.kind if server.running else "stopped",
            "marks": marks,
            "client_port": node.client,
            "ssh_port": node.ssh,
        }
    told = {
        "directory": str(lab.plan.directory),
        "etcd": lab.plan.version,
        "api": "up" if lab.api.up else "down",
        "progressing": lab.operator.progressing,
        "nodes": nodes,
    }
    return json.dumps(told, indent=2)


@action("stop", node=True)
def stop(lab: Supervisor, node: Node) -> str:
    """Stop etcd on a node and keep it stopped."""
    lab.slowness[node.name].end()
    lab.kubelets[node.name].hold(True)
    return f"etcd on {node.name} is stopped."


@action("start", node=True)
def start(lab: Supervisor, node: Node) -> str:
    """Start etcd on a node again; ends stop, freeze and slow."""
    lab.slowness[node.name].end()
    _signal(lab, node, signal.SIGCONT)
    lab.kubelets[node.name].hold(False)
    return f"etcd on {node.name} is started."


@action("freeze", node=True)
def freeze(lab: Supervisor, node: Node) -> str:
    """Stop etcd in its tracks: its port accepts, nobody answers."""
    lab.slowness[node.name].end()
    _signal(lab, node, signal.SIGSTOP)
    return f"etcd on {node.name} is frozen."


@action("thaw", node=True)
def thaw(lab: Supervisor, node: Node) -> str:
    """Let a frozen or slow etcd run on."""
    lab.slowness[node.name].end()
    _signal(lab, node, signal.SIGCONT)
    return f"etcd on {node.name} runs on."


@action("slow", node=True)
def slow(lab: Supervisor, node: Node) -> str:
    """Make etcd on a node answer late, without leaving the cluster."""
    lab.slowness[node.name].begin()
    return f"etcd on {node.name} is slow."


@action("fast", node=True)
def fast(lab: Supervisor, node: Node) -> str:
    """End slow."""
    lab.slowness[node.name].end()
    return f"etcd on {node.name} is as fast as ever."


@action("crash", node=True)
def crash(lab: Supervisor, node: Node) -> str:
    """Kill etcd on a node once; the kubelet restarts it."""
    _signal(lab, node, signal.SIGKILL)
    return f"etcd on {node.name} was killed."


@action("freeze-ssh", node=True)
def freeze_ssh(lab: Supervisor, node: Node) -> str:
    """Freeze the SSH server of a node, its sessions and what they run."""
    lab.ssh[node.name].freeze()
    return f"SSH on {node.name} is frozen."


@action("thaw-ssh", node=True)
def thaw_ssh(lab: Supervisor, node: Node) -> str:
    """End freeze-ssh."""
    lab.ssh[node.name].thaw()
    return f"SSH on {node.name} runs on."


@action("stop-ssh", node=True)
def stop_ssh(lab: Supervisor, node: Node) -> str:
    """End the SSH server of a node and its sessions; the port refuses."""
    lab.ssh[node.name].stop()
    return f"SSH on {node.name} is stopped."


@action("start-ssh", node=True)
def start_ssh(lab: Supervisor, node: Node) -> str:
    """Start the SSH server of a node again."""
    lab.ssh[node.name].start()
    return f"SSH on {node.name} is started."


@action("api-down", node=False)
def api_down(lab: Supervisor) -> str:
    """Take the API server away; its port refuses."""
    lab.api_wanted = False
    lab.api.stop()
    return "The API server is down."


@action("api-up", node=False)
def api_up(lab: Supervisor) -> str:
    """Put the API server up again."""
    lab.api_wanted = True
    lab.api.start()
    return "The API server is up."


@action("fill-disk", node=True)
def fill_disk(lab: Supervisor, node: Node) -> str:
    """Let df on a node show a full disk."""
    _mark(node, "disk-full").touch()
    return f"The disk of {node.name} looks full."


@action("free-disk", node=True)
def free_disk(lab: Supervisor, node: Node) -> str:
    """End fill-disk."""
    _mark(node, "disk-full").unlink(missing_ok=True)
    return f"The disk of {node.name} has room again."


@action("wrong-cert", node=True)
def wrong_cert(lab: Supervisor, node: Node) -> str:
    """Give etcd on a node a serving certificate of an unknown authority, and restart it."""
    tree.issue(node, Authority("a-stranger"), "serving")
    lab.kubelets[node.name].restart()
    return f"etcd on {node.name} serves with a certificate nobody trusts."


@action("expire-cert", node=True)
def expire_cert(lab: Supervisor, node: Node) -> str:
    """Give etcd on a node a serving certificate that expired an hour ago, and restart it."""
    tree.issue(node, lab.authority, "serving", days=-1 / 24)
    lab.kubelets[node.name].restart()
    return f"The serving certificate of etcd on {node.name} has expired."


@action("right-cert", node=True)
def right_cert(lab: Supervisor, node: Node) -> str:
    """End wrong-cert and expire-cert."""
    tree.issue(node, lab.authority, "serving")
    lab.kubelets[node.name].restart()
    return f"etcd on {node.name} serves with a good certificate."


@action("progressing", node=False)
def progressing(lab: Supervisor) -> str:
    """Let the etcd operator be in the middle of a rollout."""
    return _rollout(lab, True, "The etcd operator is progressing.")


@action("settled", node=False)
def settled(lab: Supervisor) -> str:
    """End progressing."""
    return _rollout(lab, False, "The etcd operator has settled.")


@action("no-script", node=True)
def no_script(lab: Supervisor, node: Node) -> str:
    """Take cluster-backup.sh away from a node."""
    with contextlib.suppress(FileNotFoundError):
        node.at(f"{places.BIN}/cluster-backup.sh").rename(_mark(node, "cluster-backup.sh"))
    return f"{node.name} has no cluster-backup.sh."


@action("script", node=True)
def script(lab: Supervisor, node: Node) -> str:
    """End no-script."""
    with contextlib.suppress(FileNotFoundError):
        _mark(node, "cluster-backup.sh").rename(node.at(f"{places.BIN}/cluster-backup.sh"))
    return f"{node.name} has its cluster-backup.sh."


@action("sudo-password", node=True)
def sudo_password(lab: Supervisor, node: Node) -> str:
    """Let sudo on a node ask for a password."""
    _mark(node, "sudo-wants-password").touch()
    return f"sudo on {node.name} wants a password."


@action("sudo-free", node=True)
def sudo_free(lab: Supervisor, node: Node) -> str:
    """End sudo-password."""
    _mark(node, "sudo-wants-password").unlink(missing_ok=True)
    return f"sudo on {node.name} wants no password."


def _mark(node: Node, name: str) -> Path:
    return node.at(f"{places.LAB_MARKS}/{name}")


def _signal(lab: Supervisor, node: Node, number: int) -> None:
    pid = lab.kubelets[node.name].pid
    if pid is None and number == signal.SIGSTOP:
        raise Refusal(f"etcd does not run on {node.name}.", f"Start it first: start {node.name}.")
    if pid is not None:
        processes.signal_group(pid, number)


def _rollout(lab: Supervisor, on: bool, said: str) -> str:
    lab.operator.progressing = on
    lab.operator.look()
    return said
