"""The hosts of a lab: made, switched off and on, destroyed, built anew. What the cluster makes of them is
not decided here.
"""

from __future__ import annotations

import enum
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from etcdtui.children import processes
from etcdtui.errors import ConfigError, Refusal
from etcdtui.lab import sshd, tree
from etcdtui.lab.documents import now
from etcdtui.lab.hole import Hole
from etcdtui.lab.kubelet import Kubelet
from etcdtui.lab.slowness import Slowness

if TYPE_CHECKING:
    from etcdtui.children.reaper import Reaper
    from etcdtui.lab.members import Monitor
    from etcdtui.lab.places import Node, Plan

_Part = TypeVar("_Part")


class Power(enum.Enum):
    """What can be said of a host from outside."""

    ON = "on"
    OFF = "off"
    DESTROYED = "destroyed"


@dataclass(slots=True)
class Host:
    """One host. ``registered`` and ``serving``: its kubelet has its client and its serving certificate."""

    node: Node
    kubelet: Kubelet
    ssh: sshd.SshServer
    slowness: Slowness
    power: Power = Power.ON
    registered: bool = True
    serving: bool = True
    since: str = field(default_factory=now)  # of the last change of all these
    moment: float = field(default_factory=time.monotonic)  # the same, by a clock for waits
    hole: Hole | None = None

    def mark(self) -> None:
        """Something about this host has changed now."""
        self.since, self.moment = now(), time.monotonic()

    def silent(self, patience: float) -> bool:
        """Whether its kubelet has not been heard of for so long that the cluster has noticed."""
        if self.power is Power.ON and self.registered:
            return False
        return time.monotonic() - self.moment >= patience

    @property
    def ready(self) -> bool:
        return self.power is Power.ON and self.registered and self.serving


class Fleet:
    """All hosts by name, the destroyed ones included until another one takes their name.

    ``changed`` is called whenever there are other hosts, or other host keys, than before.
    """

    def __init__(self, plan: Plan, path: str, ssh: str, monitor: Monitor, reaper: Reaper) -> None:
        self._plan, self._path, self._monitor, self._reaper = plan, path, monitor, reaper
        self._kind, self._may_fall_back = _kind_of_server(ssh)
        self._lock = threading.RLock()
        self._hosts: dict[str, Host] = {}
        self.changed: Callable[[], None] = lambda: None
        for node in plan.nodes:
            tree.write_host(plan, node, path)
            self._hosts[node.name] = self._host(node)

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Every host, as it is now."""
        return tuple(self._hosts.values())

    def find(self, name: str) -> Host | None:
        """The host called ``name``, if there ever was one."""
        return self._hosts.get(name)

    def host(self, name: str) -> Host:
        """The host called ``name``. Raises Refusal."""
        found = self._hosts.get(name)
        if found is None:
            raise Refusal(f"This lab has no node {name!r}.", f"It has: {', '.join(self._hosts)}.")
        return found

    def running(self, name: str) -> Host:
        """The host called ``name``, which must be on. Raises Refusal."""
        found = self.host(name)
        if found.power is not Power.ON:
            raise Refusal(f"{name} is {found.power.value}.", f"First: {_way_back(found)} {name}.")
        return found

    def plan(self, names: Iterable[str]) -> Plan:
        """The lab with these hosts as the nodes of its cluster, in the order of their names."""
        wanted = sorted((self._hosts[name].node for name in names if name in self._hosts), key=_by_number)
        return replace(self._plan, nodes=tuple(wanted))

    def start_kubelets(self, say: Callable[[Host], None]) -> None:
        """Let every kubelet obey."""
        for host in self.hosts:
            say(host)
            host.kubelet.start()

    def start_ssh(self, say: Callable[[str], None]) -> None:
        """Start all SSH servers; the built-in ones where this machine's do not work. Raises ConfigError."""
        each(self._start_ssh, self.hosts)
        self.changed()
        if self._may_fall_back and not sshd.lets_in(self._plan, self.hosts[0].node):
            say("this machine's sshd does not let us in; using the built-in SSH server")
            self._kind = "builtin"
            each(self._fall_back, self.hosts)
            self.changed()

    def close(self) -> None:
        """Take everything down."""
        for host in self.hosts:
            host.slowness.end()
        each(lambda host: host.ssh.stop(), self.hosts)
        each(lambda host: host.kubelet.close(), self.hosts)
        for host in self.hosts:
            _fill(host)

    def power_off(self, name: str) -> None:
        """Cut the power: no process ends in order, nothing answers any more. Raises Refusal."""
        with self._lock:
            self._cut(self.running(name), Power.OFF)

    def power_on(self, name: str) -> None:
        """Switch a host on again. Raises Refusal."""
        with self._lock:
            host = self.host(name)
            if host.power is Power.DESTROYED:
                raise Refusal(f"{name} is destroyed.", f"It can only be built anew: build-node {name}.")
            if host.power is Power.ON:
                return
            _fill(host)
            host.kubelet = self._kubelet(host.node)
            host.slowness = Slowness(host.kubelet)
            self._bring_up(host)

    def destroy(self, name: str) -> None:
        """Cut the power for ever and wipe the disk. Raises Refusal."""
        with self._lock:
            host = self.host(name)
            if host.power is Power.DESTROYED:
                return
            if host.power is Power.ON:
                self._cut(host, Power.DESTROYED)
            else:
                host.power = Power.DESTROYED
                host.mark()
            shutil.rmtree(host.node.root, ignore_errors=True)

    def build(self, node: Node) -> Host:
        """A new host with an empty disk, whose kubelet knows nobody yet. Raises Refusal or ConfigError."""
        with self._lock:
            known = self._hosts.get(node.name)
            if known is not None and known.power is not Power.DESTROYED:
                raise Refusal(f"There is a node {node.name}, and it is {known.power.value}.")
            for other in self._hosts.values():
                if set(other.node.ports) & set(node.ports):
                    if other.power is not Power.DESTROYED:
                        raise Refusal(f"{other.node.name} has that address, and is {other.power.value}.")
                    _fill(other)
            tree.write_host(self._plan, node, self._path)
            host = self._host(node)
            host.registered = host.serving = False
            self._hosts[node.name] = host
            self._bring_up(host)
            self.changed()
            return host

    def forget(self, name: str) -> None:
        """A destroyed host that will not come back is no longer ours. Its address stays silent."""
        with self._lock:
            host = self._hosts.get(name)
            if host is not None and host.power is Power.DESTROYED:
                self._monitor.forget(name)
                self.changed()

    def _host(self, node: Node) -> Host:
        environment = tree.session_environment(self._plan, node, self._path)
        server = sshd.SshServer(self._plan, node, self._kind, environment, self._reaper)
        kubelet = self._kubelet(node)
        return Host(node, kubelet, server, Slowness(kubelet))

    def _kubelet(self, node: Node) -> Kubelet:
        environment = {
            "PATH": f"{self._plan.image}:{self._path}",
            "HOSTNAME": node.name,
            "HOME": "/root",
            processes.MARK: self._plan.identity,
        }
        return Kubelet(node, environment, self._reaper)

    def _bring_up(self, host: Host) -> None:
        host.power = Power.ON
        host.mark()
        host.kubelet.start()
        self._monitor.watch(host.node)
        self._start_ssh(host)

    def _cut(self, host: Host, power: Power) -> None:
        host.slowness.end()
        host.ssh.stop()
        host.kubelet.close()
        # A program that was detached in a session dies with its host.
        processes.end_marked(self._plan.identity, str(host.node.root))
        host.power = power
        host.mark()
        host.hole = Hole(host.node.ports)

    def _start_ssh(self, host: Host) -> None:
        try:
            host.ssh.start()
        except ConfigError:
            if not self._may_fall_back:
                raise
            self._fall_back(host)

    def _fall_back(self, host: Host) -> None:
        host.ssh.stop()
        host.ssh.kind = "builtin"
        host.ssh.start()


def each(action: Callable[[_Part], None], parts: Iterable[_Part]) -> None:
    """Do something to all of them at once."""
    everyone = list(parts)
    with ThreadPoolExecutor(max_workers=len(everyone) or 1) as pool:
        for done in [pool.submit(action, part) for part in everyone]:
            done.result()


def _fill(host: Host) -> None:
    hole, host.hole = host.hole, None
    if hole is not None:
        hole.close()


def _way_back(host: Host) -> str:
    return "power-on" if host.power is Power.OFF else "build-node"


def _by_number(node: Node) -> tuple[int, str]:
    digits = "".join(filter(str.isdigit, node.name))
    return int(digits or 0), node.name


def _kind_of_server(asked: str) -> tuple[str, bool]:
    """What to start first, and whether the built-in server may take its place. Raises ConfigError."""
    found = sshd.find_openssh() is not None
    if asked == "openssh" and not found:
        raise ConfigError("This machine has no sshd.", "Use --ssh builtin, or install OpenSSH's server.")
    if asked == "auto":
        return ("openssh", True) if found else ("builtin", False)
    return asked, False
