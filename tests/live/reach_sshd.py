"""SSH servers for the tests of reach/: OpenSSH's own, and one on paramiko, on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko

from etcdtui.config import Host, SshOptions
from etcdtui.reach.ssh import Limits, SshRunner
from etcdtui.reach.ssh_config import SshTarget, resolve

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))
QUICK = Limits(tcp=2.0, banner=2.0, login=4.0, channel=2.0)


def wait_until(what: Callable[[], object], seconds: float = 5.0) -> None:
    """Fail unless ``what`` becomes true in time."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", str(path)], check=True
    )
    return path


def children(pid: int) -> list[int]:
    """All descendants of a process."""
    found: list[int] = []
    for task in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(task.read_text().rpartition(") ")[2].split()[1]) == pid:
                child = int(task.parent.name)
                found += [child, *children(child)]
    return found


def running(*argv: str) -> list[int]:
    """Processes with exactly this command line, zombies left out."""
    want = b"\0".join(word.encode() for word in argv) + b"\0"
    found = []
    for task in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if task.read_bytes() == want:
                found.append(int(task.parent.name))
    return found


class Sshd:
    """One sshd in a folder, with its keys, its log and a client's key and known_hosts."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.options, self.port = folder, options, free_port()
        self.host_key = make_key(folder / "host")
        self.user_key = make_key(folder / "user")
        shutil.copy(folder / "user.pub", folder / "authorized")
        self.known = folder / "known_hosts"
        self.known.write_text(f"[127.0.0.1]:{self.port} {(folder / 'host.pub').read_text()}")
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        lines = [
            *self.options,  # the first value counts
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder}/host",
            f"AuthorizedKeysFile {self.folder}/authorized",
            "PidFile none",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "LogLevel VERBOSE",
            "SetEnv SHLVL=5",  # keeps bash from reading the rc file of whoever runs the tests
        ]
        (self.folder / "conf").write_text("\n".join(lines) + "\n")
        assert SSHD
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(self.folder / "conf")], stderr=log)
        wait_until(self._greets)

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0) as sock:
                return sock.recv(4) == b"SSH-"
        except OSError:
            return False

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def sessions(self) -> list[int]:
        """The processes of sshd's connections, and what they started."""
        return children(self.pid)

    def logins(self) -> int:
        return self.log.read_text().count("Accepted publickey")

    def signal(self, number: signal.Signals, *pids: int) -> None:
        for pid in pids or (self.pid,):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        if self.process:
            pids = self.sessions()
            self.signal(signal.SIGCONT, self.pid, *pids)
            self.signal(signal.SIGKILL, *pids, self.pid)
            self.process.wait()
            self.process = None

    def target(self, **changes: object) -> SshTarget:
        options = SshOptions(identity=str(self.user_key), known_hosts=str(self.known), config="none")
        fields = {"name": "master1", "address": "127.0.0.1", "port": self.port, "user": me()} | changes
        return resolve(Host(**fields), options)  # type: ignore[arg-type]

    def runner(self, limits: Limits = QUICK, **changes: object) -> SshRunner:
        return SshRunner(self.target(**changes), limits=limits)


def me() -> str:
    import getpass

    return getpass.getuser()


class ParamikoServer(paramiko.ServerInterface):
    """A server of another make: runs commands with the machine's sh."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.host_key = paramiko.PKey.from_path(make_key(folder / "host", kind="ecdsa"))
        self.user_key = make_key(folder / "user")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.known = folder / "known_hosts"
        self.known.write_text(f"[127.0.0.1]:{self.port} {(folder / 'host.pub').read_text()}")
        self.transports: list[paramiko.Transport] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(sock)
            transport.add_server_key(self.host_key)
            transport.daemon = True
            self.transports.append(transport)
            with contextlib.suppress(paramiko.SSHException, EOFError):
                transport.start_server(server=self)

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        good = key == paramiko.PKey.from_path(self.user_key)
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_UNKNOWN_CHANNEL_TYPE

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        process = subprocess.Popen(
            ["sh", "-c", command.decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
        self.processes.append(process)
        threading.Thread(target=self._run, args=(channel, process), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin and process.stdout and process.stderr

        def pump_in() -> None:
            with contextlib.suppress(OSError), process.stdin as stdin:
                while data := channel.recv(32768):
                    stdin.write(data)

        def pump_out(source: object, send: Callable[[bytes], None]) -> None:
            with contextlib.suppress(OSError, EOFError), source:  # type: ignore[attr-defined]
                while data := source.read(32768):  # type: ignore[attr-defined]
                    send(data)

        threads = [
            threading.Thread(target=pump_out, args=(process.stdout, channel.sendall), daemon=True),
            threading.Thread(target=pump_out, args=(process.stderr, channel.sendall_stderr), daemon=True),
        ]
        threading.Thread(target=pump_in, daemon=True).start()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with contextlib.suppress(OSError, EOFError):
            channel.send_exit_status(process.wait() & 0xFF)
            channel.close()

    def runner(self, limits: Limits = QUICK) -> SshRunner:
        options = SshOptions(identity=str(self.user_key), known_hosts=str(self.known), config="none")
        return SshRunner(resolve(Host("master1", "127.0.0.1", self.port, "core"), options), limits=limits)

    def stop(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(2.0)
        for transport in self.transports:
            transport.close()
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def connected(runner: SshRunner) -> bool:
    """Whether a connection stands, as far as can be known without asking."""
    return any(link.alive for link in runner._pool._links)


@contextlib.contextmanager
def stopping(server: Sshd) -> Iterator[Sshd]:
    try:
        yield server
    finally:
        server.stop()
