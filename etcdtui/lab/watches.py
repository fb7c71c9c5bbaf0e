"""Lists and watches of the objects that live in etcd, with the meaning of resourceVersion."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING

from etcdtui.lab import configmaps
from etcdtui.lab.configmaps import KIND, VERSION, Asked
from etcdtui.lab.store import ApiRefusal, not_found, retry_later
from etcdtui.lab.watchcache import Follower, WatchCache

if TYPE_CHECKING:
    from etcdtui.lab.documents import Document
    from etcdtui.lab.objects import World

MOST = 100  # watches at once
FRESH_WITHIN = 3.0  # seconds for which a list waits for a revision that is yet to come
_BEAT = 1.0  # seconds between two looks whether who watches is still there
_LASTS = 1800.0  # seconds, where the client does not say how long
_AGAIN = 0.1

Fits = Callable[["Document"], bool]


class Watches:
    """The watches of an API server, and what it remembers for them while it is up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._slots = threading.Semaphore(MOST)
        self._follower: Follower | None = None

    def begin(self) -> None:
        """List etcd, and follow it. Who watched before is hung up."""
        self.end()
        self._follower = Follower(self._world.monitor, lambda: self._world.plan.nodes)

    def end(self) -> None:
        """Hang up all who watch."""
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.close()

    def cache(self) -> WatchCache:
        """What is remembered now. Raises ApiRefusal."""
        follower = self._follower
        if follower is None:
            raise retry_later("apiserver is shutting down")
        return follower.cache(FRESH_WITHIN)

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """Room for one more watch. Raises ApiRefusal."""
        if not self._slots.acquire(blocking=False):
            raise retry_later("Too many requests, please try again later.")
        try:
            yield
        finally:
            self._slots.release()

    def one(self, wanted: Asked) -> Document:
        """One object as etcd has it now. Raises ApiRefusal."""
        found, _ = self._held()
        for item in filter(wanted.fits, found):
            return {"kind": KIND, "apiVersion": VERSION, **item}
        raise not_found("configmaps", wanted.name)

    def listed(self, query: dict[str, str], fits: Fits) -> Document:
        """A list that is not older than ``resourceVersion``; without one, as etcd has it now. Raises
        ApiRefusal."""
        if query.get("resourceVersionMatch") == "Exact":
            raise _bad("resourceVersionMatch: Forbidden: this lab knows no list of an exact revision")
        wanted = _number(query, "resourceVersion")
        found, revision = ([], -1) if wanted is None else self.cache().listed()
        if revision < (wanted or 0):
            found, revision = self._not_older(wanted or 0)
        return {
            "kind": f"{KIND}List",
            "apiVersion": VERSION,
            "metadata": {"resourceVersion": str(revision)},
            "items": [item for item in found if fits(item)],
        }

    def _not_older(self, wanted: int) -> tuple[list[Document], int]:
        deadline = time.monotonic() + FRESH_WITHIN
        while True:
            found, revision = self._held()
            if revision >= wanted:
                return found, revision
            if time.monotonic() >= deadline:
                text = f"Timeout: Too large resource version: {wanted}, current: {revision}"
                cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
                details: Document = {"causes": [cause], "retryAfterSeconds": 1}
                raise ApiRefusal(HTTPStatus.GATEWAY_TIMEOUT, "Timeout", text, details)
            time.sleep(_AGAIN)

    def _held(self) -> tuple[list[Document], int]:
        monitor = self._world.monitor
        monitor.wait_for_quorum(FRESH_WITHIN)
        told: OSError | str = "request timed out"
        for node in self._world.plan.nodes:
            if monitor.healthy(node.name):
                try:
                    answer = configmaps.ask(monitor, node)
                    return list(configmaps.held(answer).values()), int(answer["header"]["revision"])
                except OSError as exc:
                    told = exc
        raise ApiRefusal(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", f"etcdserver: {told}")


def begun(cache: WatchCache, query: dict[str, str], fits: Fits) -> Iterator[Document | None]:
    """The events of a watch in their order, until its time or the cache is over; None at each beat without.

    Raises ApiRefusal at once where the query is not understood; all else is told as an event, as the real
    one does.
    """
    if "sendInitialEvents" in query:
        why = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
        text = f"ListOptions.meta.k8s.io is invalid: sendInitialEvents: Forbidden: {why}"
        raise ApiRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", text)
    since, lasts = _number(query, "resourceVersion"), _number(query, "timeoutSeconds")
    return _events(cache, since or 0, time.monotonic() + (lasts or _LASTS), fits)


def _events(cache: WatchCache, seen: int, deadline: float, fits: Fits) -> Iterator[Document | None]:
    if not seen:
        found, seen = cache.listed()
        yield from (_event("ADDED", item) for item in found if fits(item))
    while not cache.over and (left := deadline - time.monotonic()) > 0:
        try:
            news = cache.after(seen, min(left, _BEAT))
        except ApiRefusal as exc:
            yield {"type": "ERROR", "object": exc.document()}
            return
        yield from (_event(one.type, one.object) for one in news if fits(one.object))
        seen = news[-1].revision if news else seen
        yield None


def _event(kind: str, item: Document) -> Document:
    return {"type": kind, "object": {"kind": KIND, "apiVersion": VERSION, **item}}


def watching(query: dict[str, str]) -> bool:
    """Whether a query asks for a watch and not for a list."""
    return query.get("watch", "0").lower() not in ("0", "false")


def _number(query: dict[str, str], name: str) -> int | None:
    told = query.get(name, "")
    if not told:
        return None
    if not (told.isascii() and told.isdigit()):
        raise _bad(f"{name}: Invalid value: {told!r}: it is no number")
    return int(told)


def _bad(why: str) -> ApiRefusal:
    return ApiRefusal(HTTPStatus.BAD_REQUEST, "BadRequest", why)
