"""Asking the members themselves, through the JSON gateway, over mutual TLS."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etcdtui.lab import places

if TYPE_CHECKING:
    from etcdtui.lab.places import Node

INTERVAL = 0.5
DEADLINE = 2.0
_IMPATIENT = 0.1  # until the first answer
_FRESH = 3.5  # an answer older than this says nothing about now


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
                context = ssl.create_default_context(cafile=str(self._node.ca))
                context.load_cert_chain(*map(str, self._node.certificate("peer")))
                self._connection = http.client.HTTPSConnection(
                    places.LOOPBACK, self._node.client, timeout=self._timeout, context=context
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

    id: str
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

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._seen = {node.name: Seen() for node in nodes}
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(node,), name=f"monitor-{node.name}", daemon=True)
            for node in nodes
        ]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

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
                if any(not seen.error and now - seen.at < freshness for seen in self._seen.values()):
                    return True
                if now >= deadline or self._stopping.is_set():
                    return False
                self._changed.wait(deadline - now)

    def members(self) -> tuple[Member, ...]:
        """The member list as a member with a quorum tells it; empty without one."""
        told = [self._seen[name] for name in self._seen if self.healthy(name)]
        return max(told, key=lambda seen: seen.at).members if told else ()

    def _ask(self, node: Node) -> None:
        gateway = Gateway(node, DEADLINE)
        while not self._stopping.is_set():
            try:
                gateway.post("/v3/kv/range", {"key": "aGVhbHRo"})
                answer = gateway.post("/v3/cluster/member/list", {})
                seen = Seen(time.monotonic(), "", tuple(_member(m) for m in answer.get("members", [])))
            except OSError as exc:
                seen = Seen(self._seen[node.name].at, str(exc) or type(exc).__name__)
            with self._changed:
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
