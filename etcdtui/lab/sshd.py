"""The SSH server of each host: OpenSSH's where the machine has one, else our own."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from etcdtui.children import processes
from etcdtui.errors import ConfigError
from etcdtui.lab import places
from etcdtui.lab.certificates import ssh_key, write_private

if TYPE_CHECKING:
    from etcdtui.children.reaper import Reaper
    from etcdtui.lab.places import Node, Plan

KINDS = ("auto", "openssh", "builtin")


def find_openssh() -> str | None:
    """The path of sshd (it insists on being called by an absolute one)."""
    for folder in (None, "/usr/sbin:/usr/local/sbin:/usr/lib/ssh:/opt/homebrew/sbin"):
        found = shutil.which("sshd", path=folder)
        if found:
            return os.path.abspath(found)
    return None


class SshServer:
    """One host's SSH server, which can be stopped, started, frozen and thawed."""

    def __init__(
        self, plan: Plan, node: Node, kind: str, environment: Mapping[str, str], reaper: Reaper
    ) -> None:
        self.node = node
        self.kind = kind
        self._plan = plan
        self._environment = dict(environment)
        self._reaper = reaper
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen: list[int] = []
        self._lock = threading.Lock()
        self._host_key = node.at("/etc/ssh/ssh_host_ed25519_key")
        self._log = node.at("/var/log/sshd.log")
        self._prepare()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def frozen(self) -> bool:
        return bool(self._frozen)

    def start(self) -> None:
        """Start listening; returns when it does. Raises ConfigError."""
        with self._lock:
            if self.running:
                return
            # Of ours, sshd needs nothing but PATH; a mark here would be lost, it overwrites its environment.
            self._process = processes.start(
                self._words(), env=processes.python_environment(), log=self._log, cwd=Path("/")
            )
            self._reaper.family(self._process.pid)
            self._wait_for_banner(self._process)

    def stop(self) -> None:
        """End the server and every session with it."""
        with self._lock:
            process, self._process, self._frozen = self._process, None, []
            if process is None:
                return
            everyone = processes.family([process.pid])
            processes.signal_all(everyone, signal.SIGKILL)
            process.wait()
            self._reaper.forget(process.pid)

    def freeze(self) -> None:
        """Stop the listener, the sessions and what they run, as a host does that hangs."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                return
            # Twice: a session may have been born between the list and the signal.
            for _ in range(2):
                everyone = processes.family([self._process.pid])
                processes.signal_all(everyone, signal.SIGSTOP)
                self._frozen = everyone

    def thaw(self) -> None:
        """Let everything run on."""
        with self._lock:
            processes.signal_all(reversed(self._frozen), signal.SIGCONT)
            self._frozen = []

    def _prepare(self) -> None:
        private, public = ssh_key(f"root@{self.node.name}")
        write_private(self._host_key, private)
        write_private(self._host_key.with_suffix(".pub"), f"{public}\n".encode(), 0o644)
        self.host_key_line = f"[{places.LOOPBACK}]:{self.node.ssh} {public.rpartition(' ')[0]}"
        self._authorized = self.node.at(f"{places.HOME}/.ssh/authorized_keys")
        key = self._plan.operator_key.with_suffix(".pub").read_text(encoding="utf-8")
        write_private(self._authorized, key.encode())

    def _words(self) -> list[str]:
        if self.kind == "openssh":
            config = self.node.at("/etc/ssh/sshd_config")
            sshd = find_openssh()
            assert sshd is not None
            # From 9.8 on sshd shuts out an address that hangs up often; here everybody has the same one.
            write_private(config, f"{self._sshd_config()}PerSourcePenalties no\n".encode())
            if "PerSourcePenalties" in _complaints(sshd, config):
                write_private(config, self._sshd_config().encode())
            _make_privilege_folder(sshd, config)
            return [sshd, "-D", "-e", "-f", str(config)]
        config = self.node.at("/etc/ssh/server.json")
        settings = {
            "port": self.node.ssh,
            "user": self._plan.user,
            "host_key": str(self._host_key),
            "authorized_keys": str(self._authorized),
            "environment": self._environment,
            "home": str(self.node.at(places.HOME)),
        }
        write_private(config, json.dumps(settings, indent=2).encode())
        return processes.module("etcdtui.lab.sshserver", str(config))

    def _sshd_config(self) -> str:
        variables = " ".join(f'"{name}={value}"' for name, value in self._environment.items())
        return "".join(
            f"{line}\n"
            for line in (
                f"ListenAddress {places.LOOPBACK}",
                f"Port {self.node.ssh}",
                f"HostKey {self._host_key}",
                f"AuthorizedKeysFile {self._authorized}",
                "PidFile none",
                "UsePAM no",
                "StrictModes no",
                "PubkeyAuthentication yes",
                "PasswordAuthentication no",
                "KbdInteractiveAuthentication no",
                "PermitRootLogin prohibit-password",
                "PrintMotd no",
                "PrintLastLog no",
                "UseDNS no",
                "MaxStartups 100",
                f"ForceCommand {self.node.at('/usr/libexec/lab-session')}",
                f"SetEnv {variables}",
                f"Subsystem sftp {_sftp_server()}",
            )
        )

    def _wait_for_banner(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and process.poll() is None:
            with (
                contextlib.suppress(OSError),
                socket.create_connection((places.LOOPBACK, self.node.ssh), 2) as probe,
            ):
                if probe.recv(4) == b"SSH-":
                    return
            time.sleep(0.03)
        said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise ConfigError(
            f"The SSH server of {self.node.name} does not start: {said[-1] if said else 'it said nothing'}",
            "Try --ssh builtin.",
        )


def lets_in(plan: Plan, node: Node) -> bool:
    """Whether the operator's key opens the host's server: OpenSSH refuses locked accounts."""
    import paramiko

    client = paramiko.SSHClient()
    try:
        client.load_host_keys(str(plan.known_hosts))
        client.connect(
            places.LOOPBACK,
            node.ssh,
            plan.user,
            key_filename=str(plan.operator_key),
            timeout=10,
            allow_agent=False,
            look_for_keys=False,
        )
        _, out, _ = client.exec_command("hostname", timeout=10)
        return bool(out.read().decode().strip() == node.name)
    except (paramiko.SSHException, OSError):
        return False
    finally:
        client.close()


def current_user() -> str:
    """The name of the user we run as: the only one a server of ours can log in."""
    return pwd.getpwuid(os.getuid()).pw_name


def _complaints(sshd: str, config: Path) -> str:
    done = subprocess.run([sshd, "-t", "-f", config], capture_output=True, text=True, check=False)
    return done.stderr


def _make_privilege_folder(sshd: str, config: Path) -> None:
    # Started by root without its service, sshd misses the empty folder it locks itself into.
    missing = re.search(r"Missing privilege separation directory: (\S+)", _complaints(sshd, config))
    if missing and os.geteuid() == 0:
        Path(missing.group(1)).mkdir(mode=0o755, parents=True, exist_ok=True)


def _sftp_server() -> str:
    for path in (
        "/usr/lib/openssh/sftp-server",
        "/usr/libexec/openssh/sftp-server",
        "/usr/libexec/sftp-server",
        "/usr/lib/ssh/sftp-server",
    ):
        if os.path.exists(path):
            return path
    return "internal-sftp"
