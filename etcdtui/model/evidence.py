"""What is known about one member, as questions that a diagnosis asks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etcdtui.model.health import ClusterHealth, MemberHealth, MemberState
from etcdtui.model.platform import NodeFacts
from etcdtui.model.probe import ContainerSeen, Port, Probe, Signature, Try
from etcdtui.model.problems import Fault
from etcdtui.model.stranger import stranger
from etcdtui.model.view import FRESH_API, ClusterView
from etcdtui.text import listed

NO_WAY = frozenset({Fault.SILENT, Fault.UNREACHABLE})
UNREACHED = NO_WAY | {Fault.REFUSED, Fault.DROPPED}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One member, seen in a view and in a probe."""

    view: ClusterView
    health: ClusterHealth
    row: MemberHealth
    probe: Probe

    @property
    def name(self) -> str:
        return self.row.member.label

    @property
    def host_name(self) -> str:
        return self.row.host.name if self.row.host else self.name

    @property
    def tries(self) -> tuple[Try, ...]:
        """At its client port, of which something came of it."""
        return tuple(t for t in self.probe.of(Port.CLIENT) if not _unasked(t))

    @property
    def peer_tries(self) -> tuple[Try, ...]:
        return tuple(t for t in self.probe.of(Port.PEER) if not _unasked(t))

    @property
    def from_others(self) -> tuple[Try, ...]:
        """Tries from other hosts than its own."""
        return tuple(t for t in self.tries if t.host != self.host_name)

    @property
    def answers(self) -> bool:
        """It speaks HTTP to somebody, whatever it says."""
        return self.row.current or any(t.health is not None for t in self.tries)

    @property
    def unreached(self) -> bool:
        """Nobody who tried got a word out of it."""
        return bool(self.tries) and all(t.problem and t.problem.fault in UNREACHED for t in self.tries)

    def all_are(self, *faults: Fault) -> bool:
        return bool(self.tries) and all(
            t.problem is not None and t.problem.fault in faults for t in self.tries
        )

    @property
    def container(self) -> ContainerSeen | None:
        return self.probe.own.container if self.probe.own else None

    @property
    def running(self) -> bool:
        return self.container is not None and self.container.running

    @property
    def signatures(self) -> tuple[Signature, ...]:
        return self.probe.own.signatures if self.probe.own else ()

    @property
    def fatal(self) -> Signature | None:
        """What ended it, by its own words."""
        return next((s for s in self.signatures if s.weight >= 80), None)

    def said(self, *names: str) -> Signature | None:
        return next((s for s in self.signatures if s.name in names), None)

    @property
    def own_asked(self) -> bool:
        return self.probe.own is not None

    @property
    def stranger(self) -> str:
        """How the machine at its address calls itself, when that is another one; else empty."""
        own, host = self.probe.own, self.row.host
        known = host.facts.value.hostname if host is not None and host.facts.value is not None else ""
        return stranger(self.health, self.row, own.hostname if own is not None else known)

    @property
    def ssh_fails(self) -> bool:
        """Its own host does not answer over SSH, neither now nor when it was to be looked at."""
        if self.probe.own is not None:
            return False
        link = self.row.host.link if self.row.host else None
        if link is not None and link.problem is None and (link.at or 0.0) >= self.probe.began:
            return False  # it answered meanwhile, only too slowly to be looked at
        problem = self.probe.own_problem or (link.problem if link else None)
        return problem is not None and problem.fault in UNREACHED

    @property
    def other_host(self) -> bool:
        """At its host's address SSH shows another host key than the one known."""
        link = self.row.host.link.problem if self.row.host else None
        problem = self.probe.own_problem or link
        return self.probe.own is None and problem is not None and problem.fault is Fault.OTHER_HOST

    @property
    def api_speaks(self) -> bool:
        return self.view.api.current(self.view.now, FRESH_API) is not None

    @property
    def node(self) -> NodeFacts | None:
        facts = self.view.api.current(self.view.now, FRESH_API)
        names = {self.row.member.name, self.row.host.node if self.row.host else ""} - {""}
        return next((n for n in facts.nodes if n.name in names), None) if facts else None

    @property
    def node_gone(self) -> bool:
        """The API answers, knows nodes that members are named after, and not this one's."""
        facts = self.view.api.current(self.view.now, FRESH_API)
        if facts is None or self.node is not None or not self.row.member.name:
            return False
        named = {r.member.name for r in self.health.members}
        return any(n.name in named for n in facts.nodes)

    @property
    def clock_offset(self) -> float | None:
        """Seconds, its host's clock minus ours."""
        own = self.probe.own
        if own is not None and own.clock_offset is not None:
            return own.clock_offset
        facts = self.row.host.facts.value if self.row.host else None
        return facts.clock_offset if facts else None

    @property
    def down_for(self) -> float:
        """Seconds for which it has been as it is now; 0 when that is not known."""
        return max(0.0, self.view.now - self.row.since) if self.row.since is not None else 0.0

    @property
    def answering_late(self) -> bool:
        return self.row.state is MemberState.SLOW


def hosts_of(tries: Sequence[Try]) -> str:
    """masternode1 and masternode2."""
    return listed(list(dict.fromkeys(t.host for t in tries)))


def _unasked(tried: Try) -> bool:
    """The host that was to try could not: that says nothing about the member."""
    faults = (Fault.NOT_ASKED, Fault.NO_TOOLS, Fault.LOGIN)
    return tried.problem is not None and tried.problem.fault in faults
