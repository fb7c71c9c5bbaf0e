"""The connections to one host: made when needed, shared, replaced when dead, not hammered when refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from etcdtui.errors import AuthFailed, EtcdTuiError, HostKeyChanged, TimedOut, Unreachable
from etcdtui.reach.ssh_connect import Link, as_error
from etcdtui.text import counted

ENDED = "etcdtui let go of that host"
"""Why calls end of which nobody is to hear any more: the program, or the cluster's screen, ends."""

PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before the next attempt after the first, second … failed one."""
TURNED_AWAY = 120.0
"""Seconds after a login that was refused: those that fail again and again get an address banned."""


class Pool:
    """At most ``most`` connections, made by ``connect(phase)`` in a thread with limits of its own: a caller
    with little time does not spoil the attempt for one with more.
    """

    def __init__(self, name: str, connect: Callable[[Callable[[str], None]], Link], most: int = 3) -> None:
        self.name, self._connect, self._most = name, connect, most
        self._changed = threading.Condition()
        self._links: list[Link] = []
        self._connecting = False
        self._phase = "no connection was made"
        self._failure: EtcdTuiError | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._closed = False

    def reconnect_now(self) -> None:
        """Forget the last failures: the next call tries at once."""
        with self._changed:
            self._failures, self._retry_at, self._failure = 0, 0.0, None

    def acquire(self, deadline: float) -> Link:
        """A connection with room for one more channel. Give it back with ``release``."""
        started = time.monotonic()
        with self._changed:
            while True:
                if self._closed:
                    raise Unreachable(f"Nothing was asked of {self.name}: {ENDED}.")
                self._sweep()
                for link in self._links:
                    if link.alive and link.users < link.capacity:
                        link.users += 1
                        return link
                now = time.monotonic()
                alive = any(link.alive for link in self._links)
                if not self._connecting and len(self._links) < self._most:
                    if now >= self._retry_at:
                        self._connecting = True
                        threading.Thread(target=self._attempt, name=f"ssh {self.name}", daemon=True).start()
                    elif self._failure and not alive:
                        raise self._failure.with_traceback(None)
                if now >= deadline:
                    raise self._too_late(now - started, alive)
                # Awake for the next attempt when the other connections stay full.
                until = min(deadline, self._retry_at) if now < self._retry_at else deadline
                self._changed.wait(until - now)

    def release(self, link: Link) -> None:
        """One channel less on ``link``; a connection that is done with is closed."""
        with self._changed:
            link.users -= 1
            if link.users <= 0:
                link.capacity = Link.capacity
            self._sweep()
            self._changed.notify_all()

    def refused(self, link: Link) -> None:
        """The host took no further channel on ``link``: release it and do not ask for more there."""
        with self._changed:
            link.users -= 1
            if link.users > 0:
                link.capacity = link.users
            else:
                link.retired = True  # sessions of commands that still run there fill it up
            self._sweep()
            self._changed.notify_all()

    def close(self) -> None:
        """Close all connections; everything under way on them ends with an error."""
        with self._changed:
            self._closed = True
            links, self._links = self._links, []
            self._changed.notify_all()
        for link in links:
            link.given_up = link.given_up or ENDED
            link.close()

    def _sweep(self) -> None:
        for link in list(self._links):
            if not link.transport.is_active() or (link.retired and link.users <= 0):
                self._links.remove(link)
                link.close()

    def _attempt(self) -> None:
        link: Link | None = None
        failure: EtcdTuiError | None = None
        try:
            link = self._connect(self._tell)
        except Exception as exc:
            failure = as_error(exc, self.name)
            if failure is not exc:
                failure.__cause__ = exc
        with self._changed:
            self._connecting = False
            if link is not None and not self._closed:
                self._links.append(link)
                self._failures, self._retry_at, self._failure, link = 0, 0.0, None, None
            elif failure is not None:
                self._failure = failure
                pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
                if isinstance(failure, AuthFailed | HostKeyChanged):
                    pause = TURNED_AWAY
                self._failures, self._retry_at = self._failures + 1, time.monotonic() + pause
            self._changed.notify_all()
        if link is not None:
            link.close()

    def _tell(self, phase: str) -> None:
        self._phase = phase

    def _too_late(self, seconds: float, alive: bool) -> TimedOut:
        if alive:
            count = sum(link.users for link in self._links)
            return TimedOut(
                f"{self.name} is still busy with {counted(count, 'other command')} of etcdtui: none ended "
                f"within {seconds:.2g} s.",
                "Commands that hang on that host block the others. Look there at what they wait for.",
            )
        return TimedOut(
            f"{self.name} does not answer: {self._phase} within {seconds:.2g} s.",
            "Look whether the machine runs, how loaded it is, and at the way to it.",
        )
