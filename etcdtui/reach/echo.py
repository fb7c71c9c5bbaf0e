"""How long the way to a host takes, and whether anybody is there: a warm ``cat`` at the other end."""

from __future__ import annotations

import threading
import time

from etcdtui.errors import TimedOut, Unreachable
from etcdtui.reach.runner import Runner, Stream


class Echo:
    """Measures round trips over ``runner``. Opens its stream at the first ``ping``, anew after a failure."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._count = 0

    def ping(self, timeout: float) -> float:
        """Seconds of one round trip of a line. Raises TimedOut when frozen, else as ``stream``."""
        deadline = time.monotonic() + timeout
        with self._lock:
            if self._stream is None:
                self._stream = self._runner.stream(("cat",), timeout=timeout)
                # The first line waits for the start of cat; it is not the way.
                self._trip(deadline, timeout)
            return self._trip(deadline, timeout)

    def close(self) -> None:
        """End the stream; the runner stays. A ping under way ends with an error."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _trip(self, deadline: float, timeout: float) -> float:
        stream = self._stream
        if stream is None:
            raise Unreachable(f"{self._runner.host} is no longer watched: etcdtui let go of it.")
        self._count += 1
        line = b"%d\n" % self._count
        got = b""
        started = time.monotonic()
        try:
            stream.send(line, max(0.0, deadline - started))
            while len(got) < len(line):
                block = stream.receive(max(0.0, deadline - time.monotonic()))
                if not block:
                    raise Unreachable(f"{self._runner.host} ended the echo that shows whether it is there.")
                got += block
        except TimedOut as exc:
            self._drop(stream)
            raise TimedOut(
                f"{self._runner.host} does not answer: no echo within {timeout:g} s.",
                "The machine or the way to it is frozen.",
            ) from exc
        except BaseException:
            self._drop(stream)
            raise
        if got != line:
            self._drop(stream)
            raise Unreachable(
                f"{self._runner.host} sends back something else than it was sent.",
                "The login shell of this account may print something: check its .bashrc and .profile.",
            )
        return time.monotonic() - started

    def _drop(self, stream: Stream) -> None:
        if self._stream is stream:
            self._stream = None
        stream.close()
