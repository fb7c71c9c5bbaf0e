"""What every way to a host can do: run a command, stream one, end.

A Runner is closable from any thread; closing it ends every call under way with an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended. ``status`` is its exit code, never -1 for success."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def ok(self) -> bool:
        return self.status == 0

    def out(self) -> str:
        return self.stdout.decode("utf-8", "replace")

    def err(self) -> str:
        return self.stderr.decode("utf-8", "replace")


class Stream(Protocol):
    """A command that runs on: bytes in, bytes out, until closed."""

    def send(self, data: bytes, timeout: float) -> None:
        """Write all of ``data``. Raises TimedOut or Unreachable."""

    def receive(self, timeout: float) -> bytes:
        """Next bytes of standard output; ``b""`` at its end. Raises TimedOut after ``timeout`` seconds."""

    def stderr(self) -> bytes:
        """What it has said on standard error so far (bounded)."""

    def status(self) -> int | None:
        """Exit code, or None while it runs or where none was told."""

    def close(self) -> None:
        """End it. Safe from any thread, and twice."""


class Runner(Protocol):
    """One host, reached in one way."""

    @property
    def host(self) -> str:
        """The name the user knows this host by."""

    def run(self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"") -> Completed:
        """Run to its end, within ``timeout`` seconds altogether. A non-zero exit is a result, not an error.

        Raises Unreachable (and its kin), AuthFailed, HostKeyUnknown, HostKeyChanged.
        """

    def stream(self, argv: Sequence[str], *, timeout: float) -> Stream:
        """Start a command and return at once; ``timeout`` bounds the start only. Raises as ``run``."""

    def reconnect(self) -> None:
        """Forget the pause after a connection that could not be made: a human asks, so try now."""

    def close(self) -> None:
        """Let go of everything. Calls under way end with an error."""
