"""The watch cache of an API server: etcd listed once, followed from there, and told on to who watches.

As that of kube-apiserver (staging/src/k8s.io/apiserver/pkg/storage/cacher): a watch from before the list is
told that it is expired. One from a revision that etcd has not reached is not refused: it waits, and gets only
what comes above it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from etcdtui.lab import configmaps, etcdwatch
from etcdtui.lab.store import ApiRefusal, retry_later

if TYPE_CHECKING:
    from etcdtui.lab.documents import Document
    from etcdtui.lab.etcdwatch import Change
    from etcdtui.lab.members import Monitor
    from etcdtui.lab.places import Node

KEPT = 2000  # events; older ones are forgotten, and who wants them has to list anew
_SILENCE = 0.5  # seconds, after which the member of the watch is looked at
_AGAIN = 0.2  # seconds before another is tried


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one object, as a watch tells it."""

    type: str
    object: Document
    revision: int


class WatchCache:
    """Safe from any thread. ``over``: it tells nothing any more, and who watches has to come anew."""

    def __init__(self, objects: Mapping[bytes, Document], revision: int, kept: int = KEPT) -> None:
        self._objects = dict(objects)
        self._events: deque[Event] = deque()
        self._kept = kept
        self._since = revision  # what came after it is known
        self._changed = threading.Condition()
        self.revision = revision  # of the list or of the last event
        self.over = False

    def apply(self, changes: Iterable[Change]) -> None:
        """What etcd told; whole revisions in their order."""
        with self._changed:
            for change in filter(lambda one: configmaps.known(one.key), changes):
                self._events.append(self._event(change))
                self.revision = change.revision
            while len(self._events) > self._kept:
                self._since = self._events.popleft().revision
            self._changed.notify_all()

    def _event(self, change: Change) -> Event:
        before = self._objects.pop(change.key, None)
        if change.value is not None:
            found = configmaps.made(change.key, change.value, change.revision)
            self._objects[change.key] = found
            return Event("MODIFIED" if before else "ADDED", found, change.revision)
        # The object as it was last, with the revision of its end.
        gone = before or configmaps.made(change.key, b"", change.revision)
        meta = {**gone["metadata"], "resourceVersion": str(change.revision)}
        return Event("DELETED", {**gone, "metadata": meta}, change.revision)

    def end(self) -> None:
        """Hang up all who watch."""
        with self._changed:
            self.over = True
            self._changed.notify_all()

    def listed(self) -> tuple[list[Document], int]:
        """All objects, and the revision of which they are."""
        with self._changed:
            return [self._objects[key] for key in sorted(self._objects)], self.revision

    def after(self, seen: int, patience: float) -> list[Event]:
        """Events above revision ``seen``, waited for at most ``patience`` seconds. Raises ApiRefusal where
        they are not known any more."""
        deadline = time.monotonic() + patience
        with self._changed:
            while True:
                if seen < self._since:
                    text = f"too old resource version: {seen} ({self._since})"
                    raise ApiRefusal(HTTPStatus.GONE, "Expired", text)
                found = [event for event in self._events if event.revision > seen]
                left = deadline - time.monotonic()
                if found or self.over or left <= 0:
                    return found
                self._changed.wait(left)


class Follower:
    """Keeps a cache true by one watch of etcd; begins anew where etcd does not tell what came meanwhile."""

    def __init__(self, monitor: Monitor, nodes: Callable[[], Sequence[Node]]) -> None:
        self._monitor, self._nodes = monitor, nodes
        self._cache: WatchCache | None = None
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._turn = 0
        threading.Thread(target=self._work, name="watch-cache", daemon=True).start()

    def close(self) -> None:
        """Hang up all who watch, and follow no more."""
        with self._changed:
            self._stopping.set()
            if self._cache is not None:
                self._cache.end()
            self._changed.notify_all()

    def cache(self, patience: float) -> WatchCache:
        """The cache of now. Raises ApiRefusal while etcd could not be listed."""
        with self._changed:
            self._changed.wait_for(lambda: self._cache is not None or self._stopping.is_set(), patience)
            if self._cache is None or self._stopping.is_set():
                raise retry_later("storage is (re)initializing")
            return self._cache

    def _work(self) -> None:
        while not self._stopping.is_set():
            well = [node for node in self._nodes() if self._monitor.healthy(node.name)]
            if well:
                self._turn += 1
                # A member that is not what it was: another, or this one in a moment.
                with contextlib.suppress(OSError):
                    self._follow(well[self._turn % len(well)])
            self._stopping.wait(_AGAIN)

    def _follow(self, node: Node) -> None:
        """Until the watch ends, or its member is not well any more. Raises OSError."""
        cache = self._cache or self._listed(node)
        span = (configmaps.PREFIX, configmaps.RANGE_END)
        for told in etcdwatch.watch(node, *span, cache.revision + 1, _SILENCE):
            if self._stopping.is_set() or not self._monitor.healthy(node.name):
                return
            if told is None:
                continue
            if told.cancelled:
                with self._changed:
                    self._cache = None
                cache.end()
                return
            cache.apply(told.changes)

    def _listed(self, node: Node) -> WatchCache:
        answer = configmaps.ask(self._monitor, node)
        cache = WatchCache(configmaps.held(answer), int(answer["header"]["revision"]))
        with self._changed:
            self._cache = cache
            if self._stopping.is_set():
                cache.end()
            self._changed.notify_all()
        return cache
