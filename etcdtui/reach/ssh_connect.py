"""One SSH connection: the sockets below it, the host key, the login, and its commands."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from etcdtui.errors import EtcdTuiError, HostKeyUnknown, NameUnknown, Refused, TimedOut, Unreachable
from etcdtui.reach import known_hosts, ssh_auth
from etcdtui.reach.ssh_config import SshTarget
from etcdtui.reach.watchdog import Watchdog
from etcdtui.text import reason

# Without a handler paramiko's errors would be printed over the screen.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

# paramiko renews keys every 512 MiB by default and can deadlock when that meets the end of a channel;
# this is OpenSSH's own limit for AES.
REKEY_BYTES = 2**36
FAST_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")

NOTES = 3  # lines of known_hosts that were left out, named where a host's key is not known

_WATCHDOG = Watchdog()


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each part of connecting may take, in seconds, per hop."""

    tcp: float = 5.0
    banner: float = 8.0
    login: float = 10.0
    channel: float = 8.0


@dataclass(eq=False)
class Link:
    """One authenticated connection. ``users`` channels are open of ``capacity``; retired: no new ones."""

    transport: paramiko.Transport
    below: list[Callable[[], None]]
    users: int = 0
    capacity: int = 8
    retired: bool = False
    given_up: str = ""
    """Why we closed it ourselves, as a clause; empty when the other side did, or nobody."""
    _closing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def alive(self) -> bool:
        return self.transport.is_active() and not self.retired

    def close(self) -> None:
        """Close the connection and what carries it. Safe from any thread, and twice."""
        self.retired = True
        with self._closing:
            self.transport.close()
            _undo(self.below)

    @contextlib.contextmanager
    def guard(self, seconds: float) -> Iterator[None]:
        """Close the connection if the block takes longer: some calls of paramiko know no timeout."""

        def bite() -> None:
            self.given_up = self.given_up or f"the host did not answer for {seconds:.2g} s"
            self.close()

        number = _WATCHDOG.start(seconds, bite)
        try:
            yield
        finally:
            _WATCHDOG.cancel(number)


def connect(target: SshTarget, limits: Limits, phase: Callable[[str], None]) -> Link:
    """Connect, check the host key of every hop, log in. ``phase`` is told, as a clause, what did not
    happen if this takes too long.

    Raises Unreachable (and its kin), AuthFailed, HostKeyUnknown, HostKeyChanged.
    """
    below: list[Callable[[], None]] = []
    try:
        via: paramiko.Transport | None = None
        before = ""
        for hop in (*target.jumps, target):
            sock = _socket(hop, limits, phase, below, via, before)
            via, before = _transport(hop, sock, limits, phase, below), hop.name
        assert via is not None
        below.pop()  # the last transport is the link's own
        return Link(via, below)
    except BaseException:
        _undo(below)
        raise


def _undo(below: list[Callable[[], None]]) -> None:
    # From the bottom: to close a channel of a connection that hangs could hang, too.
    while below:
        with contextlib.suppress(Exception):
            below.pop(0)()


def _socket(
    hop: SshTarget,
    limits: Limits,
    phase: Callable[[str], None],
    below: list[Callable[[], None]],
    via: paramiko.Transport | None,
    before: str,
) -> socket.socket | paramiko.Channel:
    if via is not None:
        phase(f"the jump host {before} did not reach {hop.name}")
        try:
            channel = via.open_channel(
                "direct-tcpip", (hop.address, hop.port), ("127.0.0.1", 0), timeout=limits.channel
            )
        except paramiko.ChannelException as exc:
            if exc.code == 1:
                raise Unreachable(
                    f"The jump host {before} does not forward to {hop.address}:{hop.port}: {exc.text}.",
                    "Its sshd needs AllowTcpForwarding.",
                ) from exc
            raise Refused(
                f"The jump host {before} cannot reach {hop.address}:{hop.port}: {exc.text}.",
                f"Check that {hop.name} runs and that {before} may reach it.",
            ) from exc
        except (paramiko.SSHException, EOFError, OSError) as exc:
            raise TimedOut(
                f"The jump host {before} did not reach {hop.address}:{hop.port}: {reason(exc, 'it hung up')}."
            ) from exc
        below.append(channel.close)
        return channel
    if hop.proxy_command:
        phase("its ProxyCommand did not start")
        sock, end = _command_socket(hop.proxy_command)
        below.append(end)
    else:
        phase(f"{hop.address}:{hop.port} took no connection")
        sock = _tcp(hop, limits.tcp)
    below.append(sock.close)
    return sock


def _tcp(hop: SshTarget, timeout: float) -> socket.socket:
    deadline = time.monotonic() + timeout
    where = f"{hop.name} ({hop.address}:{hop.port})" if hop.name != hop.address else f"{hop.name}:{hop.port}"
    failure: OSError | None = None
    for family, address in _addresses(hop, timeout):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(max(0.1, deadline - time.monotonic()))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return sock
        except OSError as exc:
            sock.close()
            failure = exc
    if isinstance(failure, TimeoutError):
        raise TimedOut(
            f"{where} does not answer: no TCP connection within {timeout:g} s.",
            "The machine may be down, or a firewall drops the packets.",
        ) from failure
    if isinstance(failure, ConnectionRefusedError):
        raise Refused(
            f"{where} refuses the connection: nothing listens on that port.",
            "The machine runs; is its sshd started, and is that its port?",
        ) from failure
    said = failure.strerror if failure and failure.strerror else str(failure)
    raise Unreachable(f"{where} cannot be reached: {said}.", "Check the network, VPN or route.") from failure


def _addresses(hop: SshTarget, timeout: float) -> list[tuple[int, tuple[object, ...]]]:
    """Addresses of a name. The system's resolver knows no timeout, so it is asked in a thread."""
    with contextlib.suppress(ValueError):
        number = ipaddress.ip_address(hop.address)
        family = socket.AF_INET if number.version == 4 else socket.AF_INET6
        return [(family, (hop.address, hop.port))]
    found: list[tuple[int, tuple[object, ...]]] = []
    failure: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            for family, _, _, _, address in socket.getaddrinfo(
                hop.address, hop.port, type=socket.SOCK_STREAM
            ):
                found.append((family, tuple(address)))
        except (OSError, UnicodeError) as exc:
            failure.append(exc)

    thread = threading.Thread(target=ask, name=f"resolve {hop.address}", daemon=True)
    thread.start()
    thread.join(timeout)
    if failure:
        raise NameUnknown(
            f"The name {hop.address} has no address ({getattr(failure[0], 'strerror', None) or failure[0]}).",
            "Check its spelling and DNS, or give the host an address in the configuration.",
        ) from failure[0]
    if thread.is_alive() or not found:
        raise TimedOut(f"The name {hop.address} was not resolved within {timeout:g} s.", "Check DNS.")
    return list(found)


def _command_socket(command: str) -> tuple[socket.socket, Callable[[], None]]:
    """A ProxyCommand as a real socket, and how to end it."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end() -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    return ours, end


def _transport(
    hop: SshTarget,
    sock: socket.socket | paramiko.Channel,
    limits: Limits,
    phase: Callable[[str], None],
    below: list[Callable[[], None]],
) -> paramiko.Transport:
    known = known_hosts.read(hop.known_hosts)
    transport = paramiko.Transport(sock)
    transport.daemon = True
    below.append(transport.close)
    transport.banner_timeout = transport.handshake_timeout = limits.banner
    transport.auth_timeout = limits.login
    transport.channel_timeout = limits.channel
    transport.packetizer.REKEY_BYTES = REKEY_BYTES
    options = transport.get_security_options()
    options.ciphers = _first(FAST_CIPHERS, options.ciphers)
    options.key_types = _first(
        _algorithms(known.key_types(hop.address, hop.port, hop.host_key_alias)), options.key_types
    )
    phase(f"the sshd of {hop.name} sent no greeting")
    started = time.monotonic()
    try:
        transport.start_client(timeout=2 * limits.banner + 1)
        key = transport.get_remote_server_key()
    except IncompatiblePeer as exc:
        raise Unreachable(
            f"{hop.name} speaks only SSH methods that are no longer accepted: {reason(exc)}.",
            "Servers that know nothing newer than SHA-1 cannot be used; update its sshd.",
        ) from exc
    except (paramiko.SSHException, EOFError, OSError) as exc:
        if time.monotonic() - started >= limits.banner - 0.2:
            raise silent(hop, f"no SSH greeting within {limits.banner:g} s") from exc
        raise Unreachable(
            f"{hop.name} hung up before the login ({reason(exc, 'without a reason')}).",
            "Its sshd may be overloaded (MaxStartups), starting, or no sshd at all.",
        ) from exc
    try:
        known.check(hop.address, hop.port, key.get_name(), key.asbytes(), alias=hop.host_key_alias)
    except HostKeyUnknown as unknown:
        # It may stand in a line that was left out.
        unknown.hint = " ".join((unknown.hint, *hop.notes, *known.notes[:NOTES]))
        raise
    phase(f"{hop.name} did not decide on the login of {hop.user}")
    ssh_auth.authenticate(transport, hop)
    transport.set_keepalive(15)
    return transport


def silent(hop: SshTarget, what: str) -> TimedOut:
    """The error of a host whose kernel answers while its sshd does not."""
    return TimedOut(
        f"{hop.name} accepts connections but does not answer: {what}.",
        "Its sshd is frozen or the machine is overloaded; look at its console.",
    )


def as_error(exc: BaseException, name: str) -> EtcdTuiError:
    """What broke a connection that worked, as one of our errors."""
    if isinstance(exc, EtcdTuiError):
        return exc
    said = str(exc) or "the other side hung up"
    return Unreachable(f"The SSH connection to {name} broke: {said}.", "It will be made anew.")


def _algorithms(key_types: tuple[str, ...]) -> tuple[str, ...]:
    """Key types as known_hosts writes them, as the signature algorithms that go with them."""
    names: list[str] = []
    for key_type in key_types:
        names += ("rsa-sha2-512", "rsa-sha2-256") if key_type == "ssh-rsa" else (key_type,)
    return tuple(names)


def _first(wanted: Sequence[str], offered: Sequence[str]) -> tuple[str, ...]:
    return tuple(w for w in wanted if w in offered) + tuple(o for o in offered if o not in wanted)
