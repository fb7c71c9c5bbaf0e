"""One command over an SSH connection: bytes in and out, both outputs drained, every wait bounded."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import paramiko

from etcdtui.errors import EtcdTuiError, TimedOut, Unreachable
from etcdtui.reach.pieces import Pieces
from etcdtui.reach.ssh_connect import Link

BLOCK = 1024 * 1024
"""Bytes taken at once. paramiko moves what stays in its buffer: small bites of a full one cost much."""

PACKET = 32768
TAKEN = 65536
"""Bytes of the largest packet sent and taken. OpenSSH sends larger ones than usual to who takes them, and
half as many cost a fifth less time on both sides; still larger ones bring nothing more."""


class NoSession(Exception):
    """The host refuses another session on this connection (MaxSessions). Nothing was run."""


class Broken(Exception):
    """The connection was dead before the command was sent. Nothing was run."""


class _Bell(threading.Event):
    """Rung by either output. paramiko clears an event when one output is empty; the other may not be."""

    def clear(self) -> None:
        pass

    def reset(self) -> None:
        super().clear()


class Exec:
    """A command that runs over ``link``. Not for two readers, nor two writers, at the same time."""

    def __init__(self, link: Link, name: str, channel: paramiko.Channel) -> None:
        self.link, self.name, self.channel = link, name, channel
        self._bell = _Bell()
        # Nothing comes before a command is asked for.
        channel.in_buffer = Pieces()  # type: ignore[assignment]
        channel.in_buffer.set_event(self._bell)
        channel.in_stderr_buffer.set_event(self._bell)

    @classmethod
    def start(cls, link: Link, name: str, command: str, *, deadline: float, window: int) -> Exec:
        """Open a channel and ask for ``command``. Raises NoSession, Broken, TimedOut or Unreachable."""
        left = max(0.0, deadline - time.monotonic())
        limit = min(left, link.transport.channel_timeout)
        with link.guard(left + 0.5):
            try:
                channel = link.transport.open_session(window, TAKEN, limit)
            except paramiko.ChannelException as exc:
                raise NoSession(f"{exc.text} (code {exc.code})") from exc
            except (paramiko.SSHException, EOFError, OSError) as exc:
                link.retired = True
                if link.transport.is_active() or time.monotonic() >= deadline:
                    raise TimedOut(
                        f"{name} accepts connections but does not answer: no session within {limit:.2g} s.",
                        "Its sshd is frozen or the machine is overloaded; look at its console.",
                    ) from exc
                raise Broken(str(exc)) from exc
            run = cls(link, name, channel)
            try:
                channel.exec_command(command)
            except (paramiko.SSHException, EOFError, OSError) as exc:
                if channel.exit_status != -1:
                    return run  # some servers answer only after a short command has ended
                active = link.transport.is_active()
                run.close()
                if time.monotonic() >= deadline:
                    link.retired = True
                    raise TimedOut(f"{name} did not start a command within {left:.2g} s.") from exc
                if active:
                    raise Unreachable(
                        f"{name} lets us in but refuses to run commands.",
                        "Check ForceCommand and the login shell of this account.",
                    ) from exc
                raise run.broke() from exc
        return run

    @property
    def ended(self) -> bool:
        """Nothing more will come than what is already here."""
        return bool(self.channel.eof_received or self.channel.closed)

    def wait(self, deadline: float) -> bool:
        """Wait until something can be taken or it ended; False when the deadline comes first."""
        while True:
            if self.channel.recv_ready():
                return True
            self._bell.reset()
            if self.channel.recv_ready() or self.channel.recv_stderr_ready() or self.ended:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._bell.wait(left)

    def take(self) -> tuple[bytes, bytes]:
        """What has come on standard output and standard error; never waits."""
        out = self.channel.recv(BLOCK) if self.channel.recv_ready() else b""
        err = self.channel.recv_stderr(BLOCK) if self.channel.recv_stderr_ready() else b""
        return out, err

    def feed(self, data: memoryview) -> memoryview:
        """Send what the other side has room for; the rest is returned. Raises OSError when it hung up."""
        while len(data) and self.channel.send_ready():
            sent = self.channel.send(bytes(data[:PACKET]))
            if sent == 0:
                raise OSError("the command no longer reads its input")
            data = data[sent:]
        if self.channel.closed:
            raise OSError("the command ended")
        return data

    def hang_up(self) -> None:
        """Tell the command that its input ends."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self.channel.shutdown_write()

    def status(self, deadline: float) -> int | None:
        """Exit code after the end of its output; None while unknown. Raises Unreachable."""
        if not self.channel.status_event.wait(max(0.0, deadline - time.monotonic())):
            return None
        if self.channel.exit_status == -1 and not self.link.transport.is_active():
            raise self.broke()
        return int(self.channel.exit_status)

    def broke(self) -> Unreachable:
        """The error of a connection that went away under a command."""
        if self.link.given_up:
            return Unreachable(
                f"A command on {self.name} was cut short: {self.link.given_up}.",
                "Whether it came to its end there is not known.",
            )
        said = self.link.transport.get_exception()
        return Unreachable(
            f"The SSH connection to {self.name} broke while a command was running"
            f"{f' ({said})' if said and str(said) else ''}.",
            "Whether the command came to its end there is not known.",
        )

    def close(self) -> None:
        """Let go of the channel. Safe from any thread, and twice."""
        with self.link.guard(1.0), contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self.channel.close()


class SshStream:
    """A command that runs on (``runner.Stream``). One reader and one writer may work at the same time."""

    STDERR_LIMIT = 65536

    def __init__(self, run: Exec, release: Callable[[], None]) -> None:
        self._run, self._release = run, release
        self._stderr = bytearray()
        self._lock = threading.Lock()
        self._closed = False

    def send(self, data: bytes, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        rest = memoryview(data)
        with self._run.link.guard(timeout + 0.5):
            while True:
                try:
                    rest = self._run.feed(rest)
                except (OSError, EOFError, paramiko.SSHException) as exc:
                    raise self._gone() from exc
                if not len(rest):
                    return
                if time.monotonic() >= deadline:
                    raise TimedOut(f"{self._run.name} took no more input within {timeout:g} s.")
                time.sleep(0.005)  # paramiko has nothing to wait on for room without its own time limit

    def receive(self, timeout: float) -> bytes:
        deadline = time.monotonic() + timeout
        while True:
            if not self._run.wait(deadline):
                raise TimedOut(f"{self._run.name} said nothing for {timeout:g} s.")
            out, err = self._run.take()
            if err and len(self._stderr) < self.STDERR_LIMIT:
                self._stderr += err[: self.STDERR_LIMIT - len(self._stderr)]
            if out:
                return out
            if not err and self._run.ended:
                if self._run.channel.recv_ready() or self._run.channel.recv_stderr_ready():
                    continue  # arrived between taking and looking
                if not self._run.channel.eof_received:
                    raise self._gone()
                return b""

    def stderr(self) -> bytes:
        return bytes(self._stderr)

    def status(self) -> int | None:
        channel = self._run.channel
        return (
            int(channel.exit_status) if channel.status_event.is_set() and channel.exit_status != -1 else None
        )

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._run.close()
        self._release()

    def _gone(self) -> EtcdTuiError:
        if self._closed:
            return Unreachable(f"A command on {self._run.name} was ended: etcdtui let go of it.")
        if self._run.link.transport.is_active():
            return Unreachable(f"The command on {self._run.name} ended.", self._last_words())
        return self._run.broke()

    def _last_words(self) -> str:
        words = bytes(self._stderr).decode("utf-8", "replace").strip().splitlines()
        return f"It said: {words[-1]}" if words else ""
