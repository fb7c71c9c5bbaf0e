"""One operator of static pods: a change becomes a revision, and a revision goes from node to node."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etcdtui.lab.documents import now

if TYPE_CHECKING:
    from etcdtui.lab.fleet import Fleet, Host
    from etcdtui.lab.pace import Pace
    from etcdtui.lab.places import Node, Plan


@dataclass(frozen=True, slots=True)
class Ways:
    """How one kind of pod is handled.

    ``inputs``: another value asks for a new revision, None for none now. ``may``: why a revision may not be
    made, or nothing. ``fits``: whether a revision made of such inputs is any good on a node. ``install``: put
    a revision on a node. ``settled``: whether the node runs it, and well.
    """

    inputs: Callable[[], Hashable | None]
    may: Callable[[], str]
    fits: Callable[[Hashable | None, Node], bool]
    install: Callable[[Node, int], None]
    settled: Callable[[Node, int], bool]


@dataclass(slots=True)
class _Installing:
    name: str
    revision: int
    since: float
    done: bool = False


class Rollout:
    """Where a pod's revisions are. Stepped by its owner; read by everybody."""

    def __init__(self, fleet: Fleet, plan: Callable[[], Plan], pace: Pace, revision: int, ways: Ways) -> None:
        self._fleet, self._plan, self._pace, self._ways = fleet, plan, pace, ways
        self._applied = ways.inputs()
        self._changed: float | None = None
        self._at: _Installing | None = None
        self.latest = revision
        self.current = {node.name: revision for node in plan().nodes}
        self.blocked = ""
        self.since = now()  # when it last began or ended

    @property
    def targets(self) -> dict[str, int]:
        """The nodes on which an installer is at work, and at which revision."""
        at = self._at
        return {at.name: at.revision} if at else {}

    @property
    def done(self) -> bool:
        return all(revision == self.latest for revision in self.current.values())

    @property
    def message(self) -> str:
        """How many nodes are where, in the operator's words."""
        return told(self.current, self.latest)

    def step(self) -> None:
        """Do what can be done now; never waits."""
        done, nodes = self.done, self._plan().nodes
        # Replaced and not changed: others are reading.
        self.current = {node.name: self.current.get(node.name, 0) for node in nodes}
        self._revise()
        if self._at is None:
            self._begin(nodes)
        else:
            self._go_on(self._at)
        if done != self.done:
            self.since = now()

    def _revise(self) -> None:
        wanted = self._ways.inputs()
        if wanted is None or wanted == self._applied:
            self._changed, self.blocked = None, ""
            return
        moment = time.monotonic()
        if self._changed is None:
            self._changed = moment
        if moment - self._changed < self._pace.settle:
            return
        self.blocked = self._ways.may()
        if not self.blocked:
            self._applied, self._changed = wanted, None
            self.latest += 1

    def _begin(self, nodes: tuple[Node, ...]) -> None:
        behind = [node for node in nodes if self.current[node.name] != self.latest and self._there(node)]
        waiting = [node for node in behind if self._ways.fits(self._applied, node)]
        if waiting:
            # As the real one: what runs badly or not at all comes first, then the oldest.
            first = min(
                waiting, key=lambda n: (self._ways.settled(n, self.current[n.name]), self.current[n.name])
            )
            self._at = _Installing(first.name, self.latest, time.monotonic())

    def _go_on(self, at: _Installing) -> None:
        host = self._fleet.find(at.name)
        if at.name not in self.current or host is None or not host.ready or at.revision != self.latest:
            self._at = None
        elif not at.done:
            if time.monotonic() - at.since >= self._pace.install:
                self._ways.install(host.node, at.revision)
                at.done = True
        elif self._ways.settled(host.node, at.revision):
            self.current = {**self.current, at.name: at.revision}
            self._at = None

    def _there(self, node: Node) -> bool:
        host: Host | None = self._fleet.find(node.name)
        return host is not None and host.ready


def told(current: dict[str, int], latest: int) -> str:
    """``2 nodes are at revision 6; 1 nodes are at revision 7``, as the real operators say it."""
    counts = Counter(current.values())
    parts = [f"{counts[revision]} nodes are at revision {revision}" for revision in sorted(counts)]
    if latest not in counts:
        parts.append(f"0 nodes have achieved new revision {latest}")
    return "; ".join(parts)
