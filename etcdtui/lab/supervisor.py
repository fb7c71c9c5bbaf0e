"""A running lab: brings everything up in the right order, holds it together, takes it down."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from etcdtui.errors import CommandFailed, ConfigError, Refusal
from etcdtui.lab import binaries, content, objects, places, processes, sshd, tree
from etcdtui.lab.api import ApiServer
from etcdtui.lab.certificates import Authority, ssh_key, write_private
from etcdtui.lab.kubelet import Kubelet
from etcdtui.lab.members import Monitor
from etcdtui.lab.objects import World
from etcdtui.lab.operator import Operator
from etcdtui.lab.places import Node, Plan
from etcdtui.lab.reaper import Reaper
from etcdtui.lab.renewals import Renewals
from etcdtui.lab.slowness import Slowness

Say = Callable[[str], None]
_Part = TypeVar("_Part")

QUORUM_PATIENCE = 30.0


class Supervisor:
    """Owns every part of one lab. ``reaper`` outlives it."""

    def __init__(
        self, directory: Path, reaper: Reaper, say: Say, *, nodes: int, etcd_dir: Path | None, ssh: str
    ) -> None:
        self.say = say
        self._reaper = reaper
        self._identity = secrets.token_hex(8)
        reaper.mark(self._identity)
        programs = binaries.find(etcd_dir, directory / "bin")
        user = sshd.current_user()
        self.plan: Plan = places.plan(
            directory, nodes=nodes, identity=self._identity, user=user, version=programs.version
        )
        self.authority = Authority("openshift-etcd_etcd-signer")
        self._lay_out(programs)
        self.monitor = Monitor(self.plan.nodes)
        self.operator = Operator(self.plan, self.monitor)
        self.kubelets = {
            node.name: Kubelet(node, self._container_environment(node), reaper) for node in self.plan.nodes
        }
        self.slowness = {name: Slowness(kubelet) for name, kubelet in self.kubelets.items()}
        self.ssh = self._ssh_servers(ssh)
        world = World(self.plan, self.kubelets, self.monitor, self.operator, objects.birth())
        self.api = ApiServer(world, self._token, *self._api_files)
        self.api_wanted = True
        self.renewals = Renewals(self.plan.nodes, self.monitor, lambda: self.api_wanted)
        self._stopping = threading.Event()

    def start(self, keys: int) -> None:
        """Bring everything up; returns when it is usable. Raises EtcdTuiError."""
        for node in self.plan.nodes:
            self.say(f"starting etcd on {node.name} ({self.plan.version})")
            self.kubelets[node.name].start()
        self.monitor.start()
        self.say(f"starting SSH on {', '.join(node.name for node in self.plan.nodes)}")
        self._linked.result()
        self._linking.shutdown()
        _each(self._start_ssh, self.ssh.values())
        self._write_known_hosts()
        self._check_logins()
        self.say("waiting for a quorum")
        self._wait_for_members()
        if keys:
            self.say(f"writing {keys} keys like a cluster's")
            try:
                content.write(self.plan.nodes[0], keys)
            except OSError as exc:
                raise CommandFailed(f"etcd did not take the lab's keys: {exc}.") from exc
        self.say("starting the API server and the etcd operator")
        self.operator.start()
        self.api.start()
        threading.Thread(target=self._watch_api, name="api-watch", daemon=True).start()
        if keys:
            self.renewals.start()
        self._write_config()

    def close(self) -> None:
        """Take everything down, in the order that is quickest."""
        self._stopping.set()
        self.renewals.close()
        self.operator.close()
        self.monitor.close()
        self.api.stop()
        for slowness in self.slowness.values():
            slowness.end()
        _each(lambda server: server.stop(), self.ssh.values())
        _each(lambda kubelet: kubelet.close(), self.kubelets.values())

    def node(self, name: str) -> Node:
        """The node called ``name``. Raises Refusal."""
        for node in self.plan.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.plan.nodes)
        raise Refusal(f"This lab has no node {name!r}.", f"It has: {known}.")

    def _lay_out(self, programs: binaries.Binaries) -> None:
        directory = self.plan.directory
        self._token = secrets.token_urlsafe(32)
        kube = Authority("kube-apiserver-lb-signer")
        pair = kube.issue("api.lab", ("localhost", places.LOOPBACK, "api.lab"))
        self._api_files = (directory / "api" / "tls.crt", directory / "api" / "tls.key")
        pair.write(*self._api_files)
        write_private(directory / "api" / "ca.crt", kube.pem, 0o644)
        private, public = ssh_key("operator@lab")
        write_private(self.plan.operator_key, private)
        write_private(self.plan.operator_key.with_suffix(".pub"), f"{public}\n".encode(), 0o644)
        access = tree.ApiAccess(self.plan.api_url, kube.pem, self._token)
        tree.write_image(self.plan, programs)
        self._path, link = tree.system_path(self.plan)
        # A second's work on some disks; etcd does not need it, logins do.
        self._linking = ThreadPoolExecutor(1)
        self._linked = self._linking.submit(link)
        for node in self.plan.nodes:
            tree.write_node(self.plan, node, self.authority, access, self._path)
        write_private(self.plan.kubeconfig, tree.kubeconfig(access, "admin").encode())

    def _container_environment(self, node: Node) -> dict[str, str]:
        return {
            "PATH": f"{self.plan.image}:{self._path}",
            "HOSTNAME": node.name,
            "HOME": "/root",
            processes.MARK: self._identity,
        }

    def _ssh_servers(self, kind: str) -> dict[str, sshd.SshServer]:
        if kind == "openssh" and sshd.find_openssh() is None:
            raise ConfigError("This machine has no sshd.", "Use --ssh builtin, or install OpenSSH's server.")
        if kind == "auto":
            kind = "openssh" if sshd.find_openssh() else "builtin"
            self._may_fall_back = kind == "openssh"
        else:
            self._may_fall_back = False
        return {
            node.name: sshd.SshServer(
                self.plan,
                node,
                kind,
                tree.session_environment(self.plan, node, self._path),
                self._reaper,
            )
            for node in self.plan.nodes
        }

    def _start_ssh(self, server: sshd.SshServer) -> None:
        try:
            server.start()
        except ConfigError:
            if not self._may_fall_back:
                raise
            self._fall_back(server)

    def _check_logins(self) -> None:
        if not self._may_fall_back or sshd.lets_in(self.plan, self.plan.nodes[0]):
            return
        self.say("this machine's sshd does not let us in; using the built-in SSH server")
        _each(self._fall_back, self.ssh.values())

    def _fall_back(self, server: sshd.SshServer) -> None:
        server.stop()
        server.kind = "builtin"
        server.start()

    def _write_known_hosts(self) -> None:
        lines = "".join(f"{server.host_key_line}\n" for server in self.ssh.values())
        write_private(self.plan.known_hosts, lines.encode())

    def _wait_for_members(self) -> None:
        deadline = time.monotonic() + QUORUM_PATIENCE
        while time.monotonic() < deadline:
            if all(self.monitor.healthy(node.name) for node in self.plan.nodes):
                return
            time.sleep(0.05)
        for node in self.plan.nodes:
            if not self.monitor.healthy(node.name):
                raise CommandFailed(
                    f"etcd on {node.name} did not become healthy: {self.monitor.seen(node.name).error}.",
                    _last_words(self.kubelets[node.name]),
                )

    def _watch_api(self) -> None:
        # The API lives as long as some host has its static pod, as behind a load balancer.
        while not self._stopping.wait(0.5):
            backends = any(self.api.world.pod_is_there(node, "kube-apiserver") for node in self.plan.nodes)
            if backends and self.api_wanted and not self._stopping.is_set():
                self.api.start()
            elif not backends:
                self.api.stop()

    def _write_config(self) -> None:
        plan = self.plan
        lines = [
            "[clusters.lab]",
            'colour = "green"',
            f"kubeconfig = {_quoted(plan.kubeconfig)}",
            'context = "admin"',
            "",
            "[clusters.lab.ssh]",
            f"user = {_quoted(plan.user)}",
            'config = "none"',
            f"known_hosts = {_quoted(plan.known_hosts)}",
            f"identity = {_quoted(plan.operator_key)}",
            "",
            "[clusters.lab.backups]",
            f"directory = {_quoted(plan.backups)}",
            "",
            "[[clusters.lab.stores]]",
            'kind = "directory"',
            'name = "outside"',
            f"path = {_quoted(plan.outside)}",
        ]
        plan.outside.mkdir(mode=0o700, exist_ok=True)
        for node in plan.nodes:
            lines += [
                "",
                "[[clusters.lab.hosts]]",
                f"name = {_quoted(node.name)}",
                f"address = {_quoted(places.LOOPBACK)}",
                f"port = {node.ssh}",
                "[clusters.lab.hosts.layout]",
                f"root = {_quoted(node.root)}",
                'backups = "/home/core/backup"',
            ]
        write_private(plan.config, ("\n".join(lines) + "\n").encode())


def _quoted(value: object) -> str:
    return json.dumps(str(value), ensure_ascii=False)


def _each(action: Callable[[_Part], None], parts: Iterable[_Part]) -> None:
    everyone = list(parts)
    with ThreadPoolExecutor(max_workers=len(everyone)) as pool:
        for done in [pool.submit(action, part) for part in everyone]:
            done.result()


def _last_words(kubelet: Kubelet) -> str:
    for state in kubelet.containers("etcd"):
        if state.name == "etcd" and Path(state.log).exists():
            lines = Path(state.log).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return f"Its last words: {lines[-1]}" if lines else ""
    return ""
