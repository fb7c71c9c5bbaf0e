"""Asking the members themselves, through the JSON gateway, over mutual TLS."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etcdtui.lab import places

if TYPE_CHECKING:
    from etcdtui.lab.places import Node

INTERVAL = 0.5
DEADLINE = 2.0
_IMPATIENT = 0.1  # until the first answer
_FRESH = 3.5  # an answer older than this says nothing about now


def access(node: Node) -> ssl.SSLContext:
    """What a client of the member on a host shows, and whom it believes. Raises OSError."""
    context = ssl.create_default_context(cafile=str(node.ca))
    context.load_cert_chain(*map(str, node.certificate("peer")))
    return context


class Gateway:
    """One warm connection to one member."""

    def __init__(self, node: Node, timeout: float) -> None:
        self._node = node
        self._timeout = timeout
        self._connection: http.client.HTTPSConnection | None = None

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request. Raises OSError, whatever went wrong."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPSConnection(
                    places.LOOPBACK, self._node.client, timeout=self._timeout, context=access(self._node)
                )
            self._connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            document = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self.close()
            raise exc if isinstance(exc, OSError) else OSError(str(exc)) from exc
        if answer.status != 200:
            raise OSError(str(document.get("error", f"HTTP {answer.status}")))
        return dict(document)

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass(frozen=True, slots=True)
class Member:
    """A line of the member list. A member that never started has no name yet."""

    id: str  # as etcdctl shows it, in hex
    name: str
    peer_url: str
    learner: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What one member answered last. ``at`` is when it last served a linearizable read, 0 for never."""

    at: float = 0.0
    error: str = "it was not asked yet"
    members: tuple[Member, ...] = ()


class Monitor:
    """Asks every member again and again; everything else reads what it saw."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}
        self._nodes: dict[str, Node] = {}
        self._changed = threading.Condition()
        self._stopping = threading.Event()

    def watch(self, node: Node) -> None:
        """Ask the member on this host from now on, and no other that had its name."""
        with self._changed:
            if self._nodes.get(node.name) == node:
                return
            self._nodes[node.name] = node
            self._seen[node.name] = Seen()
        name = f"monitor-{node.name}"
        threading.Thread(target=self._ask, args=(node,), name=name, daemon=True).start()

    def forget(self, name: str) -> None:
        """Nobody of that name is there to be asked."""
        with self._changed:
            self._nodes.pop(name, None)
            self._seen.pop(name, None)

    def close(self) -> None:
        """Ask no more."""
        self._stopping.set()

    def seen(self, name: str) -> Seen:
        """What the member on that host answered last."""
        return self._seen.get(name, Seen())

    def healthy(self, name: str) -> bool:
        """Whether the member serves linearizable reads now."""
        seen = self.seen(name)
        return not seen.error and time.monotonic() - seen.at < _FRESH

    def wait_for_quorum(self, patience: float, freshness: float = 1.2) -> bool:
        """Whether some member serves (or comes to serve within ``patience``) linearizable reads."""
        deadline = time.monotonic() + patience
        with self._changed:
            while True:
                now = time.monotonic()
                fresh = (seen for seen in self._seen.values() if now - seen.at < freshness)
                if any(not seen.error for seen in fresh):
                    return True
                if now >= deadline or self._stopping.is_set():
                    return False
                self._changed.wait(deadline - now)

    def post(self, name: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask the member on that host for something else. Raises OSError with its words."""
        node = self._nodes.get(name)
        if node is None:
            raise OSError(f"nobody is called {name}")
        gateway = Gateway(node, 5.0)
        try:
            return gateway.post(path, body)
        finally:
            gateway.close()

    def members(self) -> tuple[Member, ...]:
        """The member list as a member with a quorum tells it; empty without one."""
        told = [self.seen(name) for name in list(self._seen) if self.healthy(name)]
        return max(told, key=lambda seen: seen.at).members if told else ()

    def _ask(self, node: Node) -> None:
        gateway = Gateway(node, DEADLINE)
        while not self._stopping.is_set() and self._nodes.get(node.name) is node:
            try:
                gateway.post("/v3/kv/range", {"key": "aGVhbHRo"})
                answer = gateway.post("/v3/cluster/member/list", {})
                seen = Seen(time.monotonic(), "", tuple(_member(m) for m in answer.get("members", [])))
            except OSError as exc:
                seen = Seen(self.seen(node.name).at, str(exc) or type(exc).__name__)
            with self._changed:
                if self._nodes.get(node.name) is node:
                    self._seen[node.name] = seen
                self._changed.notify_all()
            self._stopping.wait(INTERVAL if seen.at else _IMPATIENT)
        with contextlib.suppress(OSError):
            gateway.close()


def _member(document: dict[str, Any]) -> Member:
    peers = document.get("peerURLs") or [""]
    return Member(
        id=format(int(document.get("ID", "0")), "x"),
        name=document.get("name", ""),
        peer_url=peers[0],
        learner=bool(document.get("isLearner")),
    )
