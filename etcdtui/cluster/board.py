"""The board on which every watcher writes what it learned, and from which views are taken.

One lock, held only for dictionary work; nothing that can block happens under it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace

from etcdtui.model.members import MemberList
from etcdtui.model.places import Place, PlacedSet, PlaceView
from etcdtui.model.platform import ApiFacts
from etcdtui.model.problems import Problem
from etcdtui.model.readings import Reading
from etcdtui.model.view import BACKUP_AGE, ClusterView, EndpointView, HostView

WAYS = 10  # round trips to a host that are remembered


@dataclass(frozen=True, slots=True)
class Constants:
    """What does not change while a cluster is watched."""

    name: str
    read_only: bool
    api_configured: bool
    max_backup_age: float = BACKUP_AGE  # seconds


class Board:
    """Everything known, as mutable state behind a lock. ``clock`` gives epoch seconds."""

    def __init__(self, constants: Constants, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._constants = constants
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._listener: Callable[[], None] | None = None
        self._members: Reading[MemberList] = Reading()
        self._told = False
        self._endpoints: dict[str, EndpointView] = {}
        self._hosts: dict[str, HostView] = {}
        self._api: Reading[ApiFacts] = Reading()
        self._places: dict[Place, PlaceView] = {}
        self._speaking = ""
        self._voices = 0
        self._seen_from: tuple[str, ...] = ()
        self._started = clock()
        self._ways: dict[str, deque[float]] = {}
        self._rounds: dict[str, float] = {}  # source -> monotonic start of its last finished round

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener``, from any thread, after each change."""
        self._listener = listener

    def view(self) -> ClusterView:
        with self._lock:
            return ClusterView(
                name=self._constants.name,
                now=self.clock(),
                members=self._members,
                endpoints=tuple(self._endpoints.values()),
                hosts=tuple(self._hosts.values()),
                api=self._api,
                api_configured=self._constants.api_configured,
                speaking=self._speaking,
                voices=self._voices,
                seen_from=self._seen_from,
                started=self._started,
                read_only=self._constants.read_only,
                places=tuple(self._places.values()),
                max_backup_age=self._constants.max_backup_age,
            )

    def wait(self, settled: Callable[[ClusterView], bool], timeout: float) -> ClusterView:
        """Block until ``settled`` or ``timeout`` seconds passed; the view at that moment."""
        deadline = time.monotonic() + timeout
        while True:
            view = self.view()
            left = deadline - time.monotonic()
            if left <= 0 or settled(view):
                return view
            with self._changed:
                self._changed.wait(min(left, 0.1))

    def way_to(self, host: str) -> float | None:
        """The shortest of the last round trips to ``host``, seconds: the way without what it met."""
        with self._lock:
            return min(self._ways.get(host, ()), default=None)

    # what watchers write

    def add_host(self, name: str, address: str) -> bool:
        """False if it is known already, by name or as another host's node."""
        with self._lock:
            if name in self._hosts or any(host.node == name for host in self._hosts.values()):
                return False
            self._hosts[name] = HostView(name, address)
        self._tell()
        return True

    def merge_host(self, name: str, kept: str) -> None:
        """The node ``name`` is the host ``kept``: no host of its own, or no longer."""
        with self._lock:
            self._hosts.pop(name, None)
            host = self._hosts.get(kept)
            if host is not None and not host.node:
                self._hosts[kept] = replace(host, node=name)
        self._tell()

    def host(self, name: str, change: Callable[[HostView], HostView]) -> None:
        with self._lock:
            if name in self._hosts:
                self._hosts[name] = change(self._hosts[name])
        self._tell()

    def host_answered(self, name: str, seconds: float) -> None:
        """``host`` sent a byte back after so many seconds. As before: that is no news for the listener."""
        now, news = self.clock(), False
        with self._lock:
            self._ways.setdefault(name, deque(maxlen=WAYS)).append(seconds)
            if name in self._hosts:
                host = self._hosts[name]
                news = host.link.at is None or host.link.problem is not None
                self._hosts[name] = replace(host, link=host.link.good(seconds, now))
        self._tell(news)

    def host_silent(self, name: str, problem: Problem) -> None:
        """``host`` did not send the byte back."""
        now = self.clock()
        self.host(name, lambda host: replace(host, link=host.link.failed(problem, now)))

    def endpoint(self, url: str, change: Callable[[EndpointView], EndpointView]) -> None:
        with self._lock:
            if url in self._endpoints:
                self._endpoints[url] = change(self._endpoints[url])
        self._tell()

    def set_endpoints(self, urls: Iterable[str]) -> tuple[set[str], set[str]]:
        """Watch exactly these; what appeared and what went."""
        wanted = list(dict.fromkeys(urls))
        with self._lock:
            gone = set(self._endpoints) - set(wanted)
            new = set(wanted) - set(self._endpoints)
            self._endpoints = {url: self._endpoints.get(url, EndpointView(url)) for url in wanted}
        if gone or new:
            self._tell()
        return new, gone

    def members(self, listed: MemberList) -> None:
        with self._lock:
            self._told = True
            self._members = self._members.good(listed, self.clock())
        self._tell()

    def suppose_members(self, supposed: MemberList, at: float | None = None) -> None:
        """A list of an earlier run (told ``at``), or one read off a host, until a member tells it."""
        with self._lock:
            if not self._told:
                self._members = Reading(supposed, at)
        self._tell()

    @property
    def members_told(self) -> bool:
        """A member told the list in this run."""
        with self._lock:
            return self._told

    def api(self, facts: ApiFacts) -> None:
        with self._lock:
            self._api = self._api.good(facts, self.clock())
        self._tell()

    def api_failed(self, problem: Problem) -> None:
        with self._lock:
            self._api = self._api.failed(problem, self.clock())
        self._tell()

    def add_place(self, place: Place) -> None:
        """Backups may be there; nobody looked yet."""
        with self._lock:
            self._places.setdefault(place, PlaceView(place))
        self._tell()

    def place_found(self, place: Place, sets: tuple[PlacedSet, ...]) -> None:
        """These backups are in ``place``. As before: that is no news for the listener."""
        with self._lock:
            seen = self._places.get(place, PlaceView(place))
            # The same tuple as before where nothing changed, so that nothing is joined anew.
            same = seen.sets.value == sets
            kept = seen.sets.value if same and seen.sets.value is not None else sets
            self._places[place] = replace(seen, sets=seen.sets.good(kept, self.clock()))
        if not same:
            _ = self.view().known_backups  # joined in this thread: the screen finds it done
        self._tell(not same or seen.sets.problem is not None)

    def place_failed(self, place: Place, problem: Problem) -> None:
        with self._lock:
            seen = self._places.get(place, PlaceView(place))
            self._places[place] = replace(seen, sets=seen.sets.failed(problem, self.clock()))
        self._tell()

    def speak(self, host: str, voices: int) -> None:
        """etcd is asked through ``host`` now, one of so many through which it could be."""
        with self._lock:
            self._speaking, self._voices = host, voices
        self._tell()

    def seen_from(self, hosts: tuple[str, ...]) -> None:
        """The hosts from which the present trouble was looked at."""
        with self._lock:
            if hosts == self._seen_from:
                return
            self._seen_from = hosts
        self._tell()

    def source_here(self, source: str) -> None:
        """``source`` begins: it is waited for from now on."""
        with self._lock:
            self._rounds.setdefault(source, float("-inf"))

    def round_done(self, source: str, began: float) -> None:
        """``source`` finished a round that began at monotonic time ``began``."""
        with self._changed:
            self._rounds[source] = began
            self._changed.notify_all()

    def source_gone(self, source: str) -> None:
        """``source`` ended: nobody need wait for it."""
        with self._changed:
            self._rounds.pop(source, None)
            self._changed.notify_all()

    def wait_rounds(self, since: float, timeout: float, among: Container[str] | None = None) -> bool:
        """True once every source (``among`` them) finished a round begun after monotonic time ``since``.

        Also one that has not finished any yet is waited for; one that ends meanwhile is not.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while any(
                began < since for source, began in self._rounds.items() if among is None or source in among
            ):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def _tell(self, news: bool = True) -> None:
        with self._changed:
            self._changed.notify_all()
        if news and self._listener is not None:
            self._listener()
