"""Commands on a host through SSH (``runner.Runner``), over connections that are shared and kept warm."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence

from etcdtui.errors import Unreachable
from etcdtui.reach import wrap
from etcdtui.reach.capture import OUTPUT_LIMIT, Capture, slow
from etcdtui.reach.runner import Completed
from etcdtui.reach.ssh_channel import Broken, Exec, NoSession, SshStream
from etcdtui.reach.ssh_config import SshTarget, resolve
from etcdtui.reach.ssh_connect import Limits, Link, connect
from etcdtui.reach.ssh_pool import Pool

__all__ = ["Limits", "SshRunner", "SshTarget", "resolve"]

RUN_WINDOW = 2 * 1024 * 1024
STREAM_WINDOW = 8 * 1024 * 1024
"""Bytes on their way per channel. 8 MiB carries a backup well over 20 ms; more costs sshd CPU."""


class SshRunner:
    """One host through SSH. Connects at the first call; all methods may be called from any thread."""

    def __init__(self, target: SshTarget, *, limits: Limits | None = None, connections: int = 3) -> None:
        self.target = target
        self._limits = limits or Limits()
        self._pool = Pool(target.name, self._connect, connections)
        self._has_timeout: bool | None = None

    @property
    def host(self) -> str:
        return self.target.name

    def reconnect(self) -> None:
        """Try at the next call, whatever failed before."""
        self._pool.reconnect_now()

    def run(
        self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"", limit: int = OUTPUT_LIMIT
    ) -> Completed:
        """Run to its end. The host itself ends the command when ``timeout`` is over.

        ``status`` -1 means killed by a signal. Raises also UnexpectedOutput beyond ``limit`` bytes of output.
        """
        deadline = time.monotonic() + timeout

        def command() -> str:
            return shlex.join(wrap.bounded(argv, timeout, self._has_timeout is not False))

        run, link = self._start(command, deadline, RUN_WINDOW)
        try:
            return _finish(run, tuple(argv), stdin, deadline, timeout, limit)
        finally:
            run.close()
            self._pool.release(link)

    def stream(self, argv: Sequence[str], *, timeout: float) -> SshStream:
        run, link = self._start(lambda: shlex.join(argv), time.monotonic() + timeout, STREAM_WINDOW)
        return SshStream(run, lambda: self._pool.release(link))

    def close(self) -> None:
        self._pool.close()

    def _start(self, command: Callable[[], str], deadline: float, window: int) -> tuple[Exec, Link]:
        said: Exception | None = None
        # Only what certainly did not reach the host is tried again.
        for _ in range(4):
            link = self._pool.acquire(deadline)
            try:
                return Exec.start(link, self.host, command(), deadline=deadline, window=window), link
            except NoSession as exc:
                self._pool.refused(link)
                said = exc
            except Broken as exc:
                self._pool.release(link)
                said = exc
            except BaseException:
                self._pool.release(link)
                raise
        raise Unreachable(
            f"{self.host} refuses further sessions: {said}.",
            "Its sshd allows too few (MaxSessions), or commands that hang there use them up.",
        ) from said

    def _connect(self, phase: Callable[[str], None]) -> Link:
        link = connect(self.target, self._limits, phase)
        if self._has_timeout is None:
            phase(f"{self.host} did not run a first command")
            try:
                self._has_timeout = _probe(link, self.host, self._limits.channel)
            except BaseException:
                link.close()
                raise
        return link


def _probe(link: Link, name: str, timeout: float) -> bool:
    """What ``wrap.PROBE`` says of the host."""
    deadline = time.monotonic() + timeout
    try:
        run = Exec.start(link, name, shlex.join(wrap.PROBE), deadline=deadline, window=RUN_WINDOW)
    except (NoSession, Broken) as exc:
        raise Unreachable(
            f"{name} lets us in but gives no session: {exc}.", "Check MaxSessions there."
        ) from exc
    try:
        return _finish(run, wrap.PROBE, b"", deadline, timeout, OUTPUT_LIMIT).ok
    finally:
        run.close()


def _finish(
    run: Exec, argv: tuple[str, ...], stdin: bytes, deadline: float, timeout: float, limit: int
) -> Completed:
    """Feed and drain until the command ended."""
    capture = Capture(run.name, argv, limit)
    rest: memoryview | None = memoryview(stdin)
    late = slow(run.name, argv, timeout)
    with run.link.guard(deadline - time.monotonic() + 1.0):
        while True:
            if rest is not None:
                rest = _feed(run, rest)
            # With input left to send, look again soon: nothing rings when the other side has room.
            soon = min(deadline, time.monotonic() + 0.01) if rest is not None else deadline
            if not run.wait(soon):
                if time.monotonic() >= deadline:
                    raise late
                continue
            out, err = run.take()
            if out or err:
                capture.add(out, err)
            elif run.ended and not run.channel.recv_ready() and not run.channel.recv_stderr_ready():
                break
            if time.monotonic() >= deadline:
                raise late
        status = run.status(deadline)
    if status is None:
        raise late
    return capture.completed(status)


def _feed(run: Exec, rest: memoryview) -> memoryview | None:
    try:
        rest = run.feed(rest)
    except OSError:
        return None  # a command may end without reading its input
    if len(rest):
        return rest
    run.hang_up()
    return None
