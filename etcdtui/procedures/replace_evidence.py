"""Is this member really dead? Signs from sources that know nothing of each other, and what they amount to.

Pure. Removal wants two sources that say so and none that says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from etcdtui.model.health import MemberHealth, MemberState, in_words, judge
from etcdtui.model.members import Member
from etcdtui.model.platform import ApiFacts
from etcdtui.model.probe import Port, Probe, Try
from etcdtui.model.problems import Fault
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import FRESH, FRESH_API, ClusterView
from etcdtui.text import listed

ENOUGH = 2  # sources
_ALIVE = frozenset(
    {
        MemberState.HEALTHY,
        MemberState.SLOW,
        MemberState.ALARM,
        MemberState.LEARNER,
        MemberState.NO_LEADER,
        MemberState.ISOLATED,
    }
)
_NOT_ABOUT_IT = frozenset({Fault.LOGIN, Fault.HOST_KEY, Fault.OTHER_HOST, Fault.NOT_ASKED, Fault.NO_TOOLS})


@dataclass(frozen=True, slots=True)
class Sign:
    """What one source says. ``dead`` False: it is alive, or somebody else is in its place."""

    source: str
    dead: bool
    sentence: str


def weigh(name: str, signs: Sequence[Sign]) -> Verdict:
    """Two sources for, none against; the sentence names them."""
    dead = [sign for sign in signs if sign.dead]
    alive = [sign for sign in signs if not sign.dead]
    told = "; ".join(sign.sentence for sign in dead)
    if alive:
        against = "; ".join(sign.sentence for sign in alive)
        if not dead:
            return Verdict(
                False,
                f"{name} answers after all: {against}. Removing it would take a member away that lives.",
            )
        return Verdict(
            False,
            f"The sources disagree about {name}: {told}; but {against}. If it lives, removing it would cost "
            "a voter. Find out which of them is wrong first.",
        )
    sources = list(dict.fromkeys(sign.source for sign in dead))
    if len(sources) < ENOUGH:
        seen = f"only one source says so: {told}" if dead else "no source says so"
        return Verdict(
            False,
            f"That {name} is dead is not proven, {seen}. If only the way to it is broken, removing it would "
            "cost a voter that lives. Look at it from a second host, or through the API.",
        )
    return Verdict(True, f"{name} is dead by {len(sources)} sources: {told}.")


def signs_of(view: ClusterView, target: Member) -> tuple[Sign, ...]:
    """What the watched sources say: etcd as seen from the host we speak through, its own host, the API."""
    row = judge(view).member(target.id)
    if row is None:
        return ()
    return (*_by_etcd(view, row), *_by_its_host(view, row), *_by_api(view, target))


def signs_probed(probe: Probe, own_host: str) -> tuple[Sign, ...]:
    """What was asked just now: its client port tried from hosts, the container on its ``own_host``."""
    signs = [sign for tried in probe.of(Port.CLIENT) if (sign := _tried(tried, own_host)) is not None]
    own = probe.own
    if own is not None and own.runtime:
        container = own.container
        if container is None:
            signs.append(Sign("container", True, f"no etcd container is on {own.name}"))
        elif not container.running:
            code = f" with exit code {container.exit_code}" if container.exit_code is not None else ""
            signs.append(Sign("container", True, f"its container on {own.name} has ended{code}"))
    return tuple(signs)


def _tried(tried: Try, own_host: str) -> Sign | None:
    source = f"seen from {tried.host}"
    if tried.health is not None and tried.health.status == 200:
        return Sign(source, False, f"{tried.target} says that it is healthy, asked from {tried.host}")
    if tried.host == own_host:  # that it does not reach itself is of its own host, not of a second one
        return None
    if tried.problem is not None and tried.problem.fault in _NOT_ABOUT_IT:
        return None
    if not tried.connected:
        return Sign(source, True, f"from {tried.host} nobody answers at {tried.target}")
    return None


def _by_etcd(view: ClusterView, row: MemberHealth) -> list[Sign]:
    source, through = f"seen from {view.speaking}", f" (asked from {view.speaking})"
    if row.state in _ALIVE:
        return [Sign(source, False, f"its etcd {in_words(row.state)} and answers{through}")]
    if row.state is MemberState.FOREIGN:
        said = row.problem.message.rstrip(".") if row.problem else "somebody else answers at its address"
        return [Sign(source, False, said)]
    if row.state is MemberState.TLS:
        words = "its etcd takes connections, only its certificate is not accepted: renew that, do not replace"
        return [Sign(source, False, words)]
    if row.state is MemberState.UNSTARTED:
        return [Sign("the member list", True, "by etcd's own list it never started")]
    if row.state in {MemberState.DOWN, MemberState.SILENT}:
        return [Sign(source, True, f"its etcd {in_words(row.state)}{through}")]
    return []


def _by_its_host(view: ClusterView, row: MemberHealth) -> list[Sign]:
    host = row.host
    if host is None or host.link.problem is None or host.link.problem.fault in _NOT_ABOUT_IT:
        return []
    here = any(h is not host and h.link.current(view.now, FRESH) is not None for h in view.hosts)
    if not here:  # then it may be our own network
        return []
    return [Sign("SSH", True, f"{host.name} does not answer over SSH, other hosts do")]


def _by_api(view: ClusterView, target: Member) -> list[Sign]:
    facts = view.api.current(view.now, FRESH_API)
    if facts is None:
        return []
    return [*_by_operator(view, facts, target), *_by_node(facts, target.name)]


def _by_operator(view: ClusterView, facts: ApiFacts, target: Member) -> list[Sign]:
    if facts.word is None or not judge(view).quorum.present:
        return []  # without a quorum the operator keeps its old words
    if _named(facts.word.message, target):
        return [Sign("the etcd operator", True, f"the etcd operator says “{facts.word.message}”")]
    told = f"the etcd operator says “{facts.word.message}” and does not name it"
    return [Sign("the etcd operator", False, told)]


def _named(message: str, target: Member) -> bool:
    hosts = [url.partition("://")[2].rpartition(":")[0] for url in target.peer_urls]
    for name in [target.name] if target.name else [f"NAME-PENDING-{host}" for host in hosts]:
        if re.search(rf"(?<![\w.-]){re.escape(name)} (?:is unhealthy|has not started)", message):
            return True
    return False


def _by_node(facts: ApiFacts, name: str) -> list[Sign]:
    if not name or not facts.nodes:
        return []
    node = next((n for n in facts.nodes if n.name == name), None)
    if node is None:
        return [Sign("the nodes", True, f"the API has no node {name}")]
    if not node.ready:
        why = f" ({node.reason})" if node.reason else ""
        return [Sign("the nodes", True, f"its node is not Ready{why}")]
    pod = facts.pod_on(name)
    if pod is None:
        return [Sign("the kubelet", True, f"{name} has no etcd pod")] if facts.pods else []
    count = f"{pod.ready}/{pod.containers}"
    if pod.waiting:
        return [Sign("the kubelet", True, f"its pod is {count} ready, {pod.waiting}")]
    if not pod.containers or pod.ready < pod.containers:
        return [Sign("the kubelet", True, f"its pod is {count} ready")]
    return [Sign("the kubelet", False, f"its pod is {count} ready on a node that is Ready")]


def in_one(signs: Sequence[Sign]) -> str:
    """All that speaks for its death, for the plan."""
    return listed([sign.sentence for sign in signs if sign.dead])
