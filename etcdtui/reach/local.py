"""Commands on this machine (``runner.Runner``), for when etcdtui runs on the control plane host itself."""

from __future__ import annotations

import functools
import subprocess
import threading
import time
from collections.abc import Sequence

from etcdtui.errors import TimedOut, Unreachable
from etcdtui.reach import wrap
from etcdtui.reach.capture import OUTPUT_LIMIT, Capture, short, slow
from etcdtui.reach.local_process import Process
from etcdtui.reach.runner import Completed


class LocalRunner:
    """This machine. All methods may be called from any thread."""

    def __init__(self, host: str = "localhost") -> None:
        self._host = host
        self._lock = threading.Lock()
        self._closed = False
        self._running: set[Process] = set()

    @property
    def host(self) -> str:
        return self._host

    def run(
        self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"", limit: int = OUTPUT_LIMIT
    ) -> Completed:
        """Run to its end; what it started is killed with it when ``timeout`` is over.

        A command that cannot be found ends with status 127, as in a shell; one killed by a signal with
        128 + its number. Raises also UnexpectedOutput beyond ``limit`` bytes of output.
        """
        deadline = time.monotonic() + timeout
        # What sudo starts can only be ended from inside sudo.
        command = wrap.bounded(argv, timeout, _has_timeout()) if wrap.split_sudo(argv)[0] else argv
        capture = Capture(self._host, tuple(argv), limit)
        rest = memoryview(stdin)
        with self._start(command) as process:
            late = slow(self._host, argv, timeout)
            rest = process.feed(rest)
            if not len(rest):
                process.end_input()
            while not process.ended:
                ready = process.wait(deadline, writing=bool(len(rest)))
                if process.stopped:
                    raise self._gone()
                if not ready or time.monotonic() >= deadline:
                    raise late
                if len(rest):
                    rest = process.feed(rest)
                    if not len(rest):
                        process.end_input()
                capture.add(*process.take())
            status = process.status(deadline)
            if process.stopped:
                raise self._gone()
            if status is None:
                raise late
            return capture.completed(status)

    def stream(self, argv: Sequence[str], *, timeout: float) -> LocalStream:
        process = self._start(argv)
        return LocalStream(process, self._host)

    def reconnect(self) -> None:
        """There is no connection that could have failed."""

    def close(self) -> None:
        with self._lock:
            self._closed = True
            running = list(self._running)
        for process in running:
            process.close()

    def _start(self, argv: Sequence[str]) -> Process:
        with self._lock:
            if self._closed:
                raise self._gone()
            try:
                process = Process(argv, self._forget)
            except (FileNotFoundError, PermissionError, NotADirectoryError) as exc:
                # As over SSH, where a shell says it: an exit code, not an error.
                code = "127" if isinstance(exc, FileNotFoundError) else "126"
                words = ("sh", "-c", 'echo "$1" >&2; exit "$2"', "sh", f"{argv[0]}: {exc.strerror}", code)
                process = Process(words, self._forget)
            except OSError as exc:
                raise Unreachable(f"{self._host} cannot start {short(argv)}: {exc.strerror or exc}.") from exc
            self._running.add(process)
            return process

    def _forget(self, process: Process) -> None:
        with self._lock:
            self._running.discard(process)

    def _gone(self) -> Unreachable:
        return Unreachable(f"A command on {self._host} was ended: etcdtui let go of that host.")


@functools.cache
def _has_timeout() -> bool:
    """What ``wrap.PROBE`` says of this machine."""
    try:
        return subprocess.run(wrap.PROBE, capture_output=True, timeout=5).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class LocalStream:
    """A command that runs on (``runner.Stream``). One reader and one writer may work at the same time."""

    STDERR_LIMIT = 65536

    def __init__(self, process: Process, host: str) -> None:
        self._process, self._host = process, host
        self._stderr = bytearray()

    def send(self, data: bytes, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        rest = memoryview(data)
        while True:
            rest = self._process.feed(rest)
            if self._process.deaf or self._process.stopped:
                raise Unreachable(f"The command on {self._host} ended.")
            if not len(rest):
                return
            if not self._process.wait_for_room(deadline):
                raise TimedOut(f"{self._host} took no more input within {timeout:g} s.")

    def receive(self, timeout: float) -> bytes:
        deadline = time.monotonic() + timeout
        while True:
            ready = self._process.wait(deadline)
            if self._process.stopped:
                raise Unreachable(f"A command on {self._host} was ended: etcdtui let go of it.")
            if not ready:
                raise TimedOut(f"{self._host} said nothing for {timeout:g} s.")
            out, err = self._process.take()
            self._stderr += err[: max(0, self.STDERR_LIMIT - len(self._stderr))]
            if out:
                return out
            if self._process.ended:
                return b""

    def stderr(self) -> bytes:
        return bytes(self._stderr)

    def status(self) -> int | None:
        return self._process.status(time.monotonic())

    def close(self) -> None:
        self._process.close()
