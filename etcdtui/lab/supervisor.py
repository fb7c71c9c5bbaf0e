"""A running lab: brings everything up in the right order, holds it together, takes it down."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from etcdtui.children import binaries
from etcdtui.errors import CommandFailed
from etcdtui.lab import content, manifests, places, sshd, tree
from etcdtui.lab.api import ApiServer
from etcdtui.lab.certificates import Authority, ssh_key, write_private
from etcdtui.lab.documents import Maker, now
from etcdtui.lab.eras import DEFAULT, Era
from etcdtui.lab.fleet import Fleet, Power
from etcdtui.lab.joining import Joining, register
from etcdtui.lab.keyring import Keyring
from etcdtui.lab.machines import Machines
from etcdtui.lab.members import Monitor
from etcdtui.lab.objects import World
from etcdtui.lab.operator import OTHERS, Operator
from etcdtui.lab.places import Node, Plan
from etcdtui.lab.registry import Order
from etcdtui.lab.renewals import Renewals
from etcdtui.lab.revisions import Revisions
from etcdtui.lab.store import NODES, Store, operator_resource

if TYPE_CHECKING:
    from etcdtui.children.reaper import Reaper
    from etcdtui.lab.kubelet import Kubelet
    from etcdtui.lab.pace import Pace

Say = Callable[[str], None]

QUORUM_PATIENCE = 30.0


class Supervisor:
    """Owns every part of one lab. ``reaper`` outlives it."""

    def __init__(
        self,
        directory: Path,
        reaper: Reaper,
        say: Say,
        *,
        nodes: int,
        etcd_dir: Path | None,
        ssh: str,
        pace: Pace,
        era: Era = DEFAULT,
    ) -> None:
        self.say = say
        identity = secrets.token_hex(8)
        reaper.mark(identity)
        programs = binaries.find(etcd_dir, directory / "bin")
        user = sshd.current_user()
        self.plan: Plan = places.plan(
            directory, nodes=nodes, identity=identity, user=user, version=programs.version, era=era
        )
        self.authority = Authority("openshift-etcd_etcd-signer")
        self.store = Store()
        self.keyring = Keyring(self.store, self.authority)
        access, files = self._lay_out(programs)
        path, link = tree.system_path(self.plan)
        # A second's work on some disks; etcd does not need it, logins do.
        self._linking = ThreadPoolExecutor(1)
        self._linked = self._linking.submit(link)
        self.monitor = Monitor()
        self.fleet = Fleet(self.plan, path, ssh, self.monitor, reaper)
        self.fleet.changed = self._tell_of_hosts
        self._found_cluster(access)
        self.api_wanted = True
        self.operator = Operator(
            self.fleet, self.store, self.keyring, self.monitor, access, pace, lambda: self.api.up
        )
        joining = Joining(self.fleet, self.store, Authority("kube-csr-signer"), pace)
        self.machines = Machines(self.fleet, self.store, joining, self.plan, pace)
        self.machines.begin()
        maker = Maker(identity, now())
        world = World(self.fleet, self.store, self.monitor, self.operator, self.machines, pace, maker)
        self.api = ApiServer(world, self.plan.api_port, access.token, *files)
        self.orders: list[Order] = []  # what was done to it so far
        self.remembered: dict[bytes, bytes] = {}  # every key of users, and a digest of what it held
        self.renewals = Renewals(self.operator.plan, self.monitor, lambda: self.api_wanted)
        self.revisions = Revisions(self.fleet, self.monitor)
        self._stopping = threading.Event()

    def start(self, keys: int) -> None:
        """Bring everything up; returns when it is usable. Raises EtcdTuiError."""
        self.fleet.start_kubelets(
            lambda host: self.say(f"starting etcd on {host.node.name} ({self.plan.version})")
        )
        for node in self.plan.nodes:
            self.monitor.watch(node)
        self.say(f"starting SSH on {', '.join(node.name for node in self.plan.nodes)}")
        self._linked.result()
        self._linking.shutdown()
        self.fleet.start_ssh(self.say)
        self.say("waiting for a quorum")
        self._wait_for_members()
        if keys:
            self.say(f"writing {keys} keys like a cluster's")
            try:
                content.write(self.plan.nodes[0], keys)
            except OSError as exc:
                raise CommandFailed(f"etcd did not take the lab's keys: {exc}.") from exc
        self.say("starting the API server and the etcd operator")
        self.api.start()
        self.operator.start()
        self.machines.start()
        threading.Thread(target=self._watch_api, name="api-watch", daemon=True).start()
        if keys:
            self.renewals.start()
        if "etcd-rev" in self.plan.era.containers:
            self.revisions.start()

    def close(self) -> None:
        """Take everything down, in the order that is quickest."""
        self._stopping.set()
        self.renewals.close()
        self.revisions.close()
        self.machines.close()
        self.operator.close()
        self.monitor.close()
        self.api.stop()
        self.fleet.close()

    def _lay_out(self, programs: binaries.Binaries) -> tuple[tree.ApiAccess, tuple[Path, Path]]:
        directory = self.plan.directory
        kube = Authority("kube-apiserver-lb-signer")
        pair = kube.issue("api.lab", ("localhost", places.LOOPBACK, "api.lab"))
        files = (directory / "api" / "tls.crt", directory / "api" / "tls.key")
        pair.write(*files)
        write_private(directory / "api" / "ca.crt", kube.pem, 0o644)
        self.plan.outside.mkdir(mode=0o700, exist_ok=True)
        private, public = ssh_key("operator@lab")
        write_private(self.plan.operator_key, private)
        write_private(self.plan.operator_key.with_suffix(".pub"), f"{public}\n".encode(), 0o644)
        access = tree.ApiAccess(self.plan.api_url, kube.pem, secrets.token_urlsafe(32))
        tree.write_image(self.plan, programs)
        write_private(self.plan.kubeconfig, tree.kubeconfig(access, "admin").encode())
        return access, files

    def _found_cluster(self, access: tree.ApiAccess) -> None:
        """What an installation leaves: nodes, secrets, operators, and on every host the static pods."""
        for node, kind in self.keyring.missing(self.plan):
            self.keyring.make(node, kind)
        for node in self.plan.nodes:
            register(self.store, node.name)
            pairs = self.keyring.pairs(node)
            tree.write_etcd(
                self.plan, node, self.keyring.bundle, pairs, manifests.REVISIONS["etcd-pod"], founding=True
            )
            for pod in OTHERS.values():
                tree.write_companion(self.plan, node, access, pod, manifests.REVISIONS[pod])
        for plural in ("etcds", *OTHERS):
            spec = {"managementState": "Managed", "forceRedeploymentReason": ""}
            self.store.create(operator_resource(plural), {"metadata": {"name": "cluster"}, "spec": spec})

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
                    _last_words(self.fleet.host(node.name).kubelet),
                )

    def _watch_api(self) -> None:
        # The API lives as long as some host has its static pod, as behind a load balancer. One that was
        # started anew, by whomever, hangs up who watches: the lab's one process stands for them all.
        known = self._api_servers()
        while not self._stopping.wait(0.5):
            backends = self._api_servers()
            if not backends:
                self.api.stop()
            elif self.api_wanted and not self._stopping.is_set():
                if backends - known:
                    self.api.begin_anew()
                self.api.start()
            known |= backends

    def _api_servers(self) -> set[str]:
        """The containers that run now: one that is started anew has another id."""
        ready = [host for host in self.fleet.hosts if host.ready]
        found = (state for host in ready for state in host.kubelet.containers("kube-apiserver"))
        return {state.id for state in found if state.name == "kube-apiserver"}

    def _tell_of_hosts(self) -> None:
        """Write the files that name the hosts, for whoever begins to look after the cluster now."""
        known = set(self.store.names(NODES))
        hosts = [h for h in self.fleet.hosts if h.power is not Power.DESTROYED or h.node.name in known]
        lines = "".join(f"{host.ssh.host_key_line}\n" for host in hosts)
        write_private(self.plan.known_hosts, lines.encode())
        write_private(self.plan.config, self._config([host.node for host in hosts]).encode())

    def _config(self, nodes: Sequence[Node]) -> str:
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
        for node in nodes:
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
        return "\n".join(lines) + "\n"


def _quoted(value: object) -> str:
    return json.dumps(str(value), ensure_ascii=False)


def _last_words(kubelet: Kubelet) -> str:
    for state in kubelet.containers("etcd"):
        if state.name == "etcd" and Path(state.log).exists():
            lines = Path(state.log).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return f"Its last words: {lines[-1]}" if lines else ""
    return ""
