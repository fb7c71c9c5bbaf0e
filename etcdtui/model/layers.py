"""One member looked at layer by layer, from its address to its machine: each says what it saw. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from etcdtui.model.comeback import LAGGING
from etcdtui.model.diagnosis import CLOCK_LIMIT
from etcdtui.model.evidence import Evidence, hosts_of
from etcdtui.model.health import MemberState
from etcdtui.model.probe import Try
from etcdtui.model.problems import Fault
from etcdtui.model.rules.performance import COMMIT_ADVICE, COMMIT_ALERT, FSYNC_ADVICE, FSYNC_ALERT
from etcdtui.model.silence import FULL
from etcdtui.text import age, counted, grouped, listed, milliseconds, size

LOG_LINES = 5


class Outcome(StrEnum):
    """How a layer fared."""

    OK = "ok"
    BAD = "bad"
    UNKNOWN = "unknown"  # it was asked, and cannot be told
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: a sentence, and what it rests on, line by line."""

    name: str
    outcome: Outcome
    sentence: str
    evidence: tuple[str, ...] = ()


def layers_of(e: Evidence) -> tuple[Layer, ...]:
    """Every layer, outermost first."""
    return tuple(_layer(name, build(e)) for name, build in _LAYERS)


_Seen = tuple[Outcome, str, Sequence[str]]


def _layer(name: str, seen: _Seen) -> Layer:
    outcome, sentence, evidence = seen
    return Layer(name, outcome, sentence, tuple(evidence))


def _not_yet(e: Evidence, why: str = "no host could try") -> _Seen:
    if not e.probe.complete:
        return Outcome.NOT_ASKED, "being asked…" if e.probe.pending else "not asked yet", ()
    told = [f"{host}: {problem.message}" for host, problem in e.probe.unasked]
    return Outcome.NOT_ASKED, why, told


def _each(tries: Sequence[Try], say: Callable[[Try], str]) -> list[str]:
    """What they say, alike ones together: "masternode1, masternode2: nothing listens there"."""
    said: dict[str, list[Try]] = {}
    for tried in tries:
        said.setdefault(say(tried), []).append(tried)
    return [f"from {hosts_of(group)}: {words}" for words, group in said.items()]


def _address(e: Evidence) -> _Seen:
    urls = e.row.member.client_urls
    if not urls:
        return Outcome.UNKNOWN, "it has told no client URL", e.row.member.peer_urls
    if not e.tries:
        return _not_yet(e)
    lost = [t for t in e.tries if t.problem is not None and t.problem.fault is Fault.UNREACHABLE]
    if len(lost) == len(e.tries):
        return Outcome.BAD, "no host has a way to it", _each(lost, _trouble)
    if lost:
        return Outcome.BAD, f"{hosts_of(lost)} have no way to it", _each(lost, _trouble)
    count = len({t.host for t in e.tries})
    whence = f"all {count} hosts" if count == len(e.view.hosts) > 1 else hosts_of(e.tries)
    return Outcome.OK, f"{urls[0]}, a way from {whence}", ()


def _tcp(e: Evidence) -> _Seen:
    tries = (*e.tries, *e.peer_tries)
    if not tries:
        return _not_yet(e)
    failed = [t for t in tries if not t.connected]
    if not failed:
        return Outcome.OK, "both ports take connections", ()
    told = _each(failed, lambda t: f"{t.port} {t.target}: {_trouble(t)}")
    words = "no port takes connections" if len(failed) == len(tries) else "not every port takes connections"
    return Outcome.BAD, words, told


def _certificates(e: Evidence) -> _Seen:
    tries = [t for t in (*e.tries, *e.peer_tries) if t.connected]
    if not tries:
        return _not_yet(e) if not e.tries else (Outcome.NOT_ASKED, "no connection to try it on", ())
    shown = [t for t in tries if t.certificate is not None]
    bad = [t for t in shown if t.verified]
    told = _each(bad, lambda t: f"{t.port}: {t.verdict}") + _each(shown, lambda t: _dates(t, e.view.now))
    if bad:
        return (
            Outcome.BAD,
            f"{listed(sorted({t.port.value for t in bad}))} certificate: {bad[0].verdict}",
            told,
        )
    refused = [t for t in tries if t.problem is not None and t.problem.fault is Fault.TLS]
    if refused:
        return Outcome.BAD, _trouble(refused[0]), _each(refused, _trouble)
    if not shown:
        return Outcome.BAD, "no TLS handshake in time", _each(tries, _trouble)
    ends = min(
        (t.certificate.not_after for t in shown if t.certificate and t.certificate.not_after), default=None
    )
    left = f", {age(ends - e.view.now)} left" if ends is not None else ""
    return Outcome.OK, f"chain, dates and names are good{left}", told


def _dates(tried: Try, now: float) -> str:
    shown = tried.certificate
    assert shown is not None
    left = ""
    if shown.not_after is not None:
        seconds = shown.not_after - now
        left = f"ended {age(-seconds)} ago" if seconds < 0 else f"{age(seconds)} left"
    return f"{tried.port}: by {shown.issuer or '?'}; {left}; for {listed(shown.names[:6]) or 'no names'}"


def _http(e: Evidence) -> _Seen:
    if not e.tries:
        return _not_yet(e)
    pages = [t for t in e.tries if t.health is not None]
    if not pages:
        return (
            Outcome.BAD if e.unreached else Outcome.UNKNOWN,
            "no answer to /health",
            _each(e.tries, _trouble),
        )
    told = _each(pages, _pages)
    if all(t.health is not None and t.health.status == 200 for t in pages):
        return Outcome.OK, "/health says true", told
    worst = next(t.health for t in pages if t.health is not None and t.health.status != 200)
    if worst.status == 404:
        return Outcome.UNKNOWN, "/health is not served on this port", told
    return Outcome.BAD, f"/health says {worst.status} {worst.body}", told


def _pages(tried: Try) -> str:
    health, ready = tried.health, tried.readyz
    assert health is not None
    words = f"/health {health.status} {health.body}"
    if ready is None:
        return words
    return f"{words}; /readyz " + (
        "not in this version" if ready.status == 404 else f"{ready.status} {ready.body}"
    )


def _raft(e: Evidence) -> _Seen:
    row, status = e.row, e.row.status
    if not row.member.started:
        return Outcome.BAD, "it never started", ()
    if row.state is MemberState.FOREIGN and row.problem is not None:
        return Outcome.BAD, row.problem.message, ()
    if status is None or not row.current:
        removed = e.said("removed")
        told = [f"its log: {removed.line}"] if removed else []
        return Outcome.UNKNOWN, "it does not tell now", told
    leads = (
        "it leads"
        if status.is_leader
        else f"leader {status.leader_id:x}"
        if status.leader_id
        else "no leader"
    )
    terms = {r.status.raft_term for r in e.health.members if r.current and r.status is not None}
    told = [
        f"term {status.raft_term}, index {grouped(status.raft_index)}, applied {grouped(status.raft_applied)}"
    ]
    if len(terms) > 1:
        told.append(f"terms differ: {listed([str(t) for t in sorted(terms)])}")
    behind = "" if row.lag is None else f", {counted(row.lag, 'entry', 'entries')} behind"
    kind = "a learner, " if row.member.learner else ""
    words = f"{kind}{leads}, term {status.raft_term}{behind}"
    bad = not status.leader_id or row.state is MemberState.ISOLATED or (row.lag or 0) > LAGGING
    return Outcome.BAD if bad else Outcome.OK, words, told


def _disk(e: Evidence) -> _Seen:
    metrics = e.row.endpoint.metrics.value if e.row.endpoint else None
    own = e.probe.own
    facts = e.row.host.facts.value if e.row.host else None
    disk = (own.disk if own else None) or (facts.data_disk if facts else None)
    words, bad = [], False
    if metrics is not None and metrics.fsync_p99 is not None:
        slow = metrics.fsync_p99 > FSYNC_ALERT or (metrics.commit_p99 or 0) > COMMIT_ALERT
        bad = e.row.current and slow
        fsync, commit = milliseconds(metrics.fsync_p99), milliseconds(metrics.commit_p99)
        since = "" if e.row.current else "last known "
        words.append(f"{since}fsync p99 {fsync} ms (advice {FSYNC_ADVICE * 1000:.0f})")
        words.append(f"commit {commit} ms (advice {COMMIT_ADVICE * 1000:.0f})")
    if disk is not None:
        bad = bad or disk.used_share >= FULL or disk.inodes_free == 0
        inodes = "" if disk.inodes_free is None else f", {grouped(disk.inodes_free)} inodes"
        words.append(f"{size(disk.free)} of {size(disk.total)} free{inodes}")
    told = []
    if own is not None and own.data is not None:
        data = own.data
        told.append(
            f"{data.path}: database {size(data.database)}, {counted(data.wal_files or 0, 'WAL file')}"
            if data.present
            else f"{data.path} holds no data"
        )
        bad = bad or (not data.present and e.row.member.started)
    said = e.said("slow-disk", "full")
    if said is not None:
        told.append(f"its log: {said.line}")
    if not words and not told:
        return _not_yet(e, "nobody can look at its disk now")
    return Outcome.BAD if bad else Outcome.OK, "; ".join(words) or told[0], told


def _container(e: Evidence) -> _Seen:
    own = e.probe.own
    if own is None:
        return _not_yet(e, "its host cannot be looked at")
    told = [f"manifest {own.manifest_path}: {'there' if own.manifest else 'not there'}"]
    if own.kubelet:
        told.append(f"kubelet {own.kubelet}")
    # What ended it once is over when it answers again.
    said = [s for s in own.signatures if s.weight >= 15 and not (e.row.current and s.weight >= 80)]
    told += [f"log, {s.name}: {s.line}" for s in said[:3]]
    container = own.container
    if container is None:
        words = "no etcd container" if own.runtime else "the container runtime does not answer"
        missing = " and no manifest" if own.manifest is False else ""
        return Outcome.BAD if own.runtime else Outcome.UNKNOWN, words + missing, told
    if not e.row.current:
        named = {s.line for s in own.signatures}
        told += [f"log: {line}" for line in container.last_lines[-LOG_LINES:] if line not in named]
    restarts = counted(container.attempt, "restart")
    pod = e.row.pod
    waits = f", {pod.waiting}" if pod is not None and pod.waiting else ""
    if not container.running:
        return Outcome.BAD, f"{container.state}, exit code {container.exit_code}, {restarts}{waits}", told
    since = f" for {age(e.probe.began - container.started)}" if container.started is not None else ""
    state = {"T": ", its process is stopped", "t": ", its process is traced", "D": ", it waits for a disk"}
    stuck = state.get(container.process, "")
    # Between two ends of a loop it runs for a moment.
    bad = not e.row.current and (bool(stuck) or e.fatal is not None)
    return Outcome.BAD if bad else Outcome.OK, f"running{since}, {restarts}{stuck}{waits}", told


def _node(e: Evidence) -> _Seen:
    if not e.view.api_configured:
        return Outcome.NOT_ASKED, "no Kubernetes API is configured", ()
    if not e.api_speaks:
        problem = e.view.api.problem
        return Outcome.UNKNOWN, "the API does not answer", [problem.message] if problem else ()
    machine = e.probe.machine
    told, off = [], False
    if machine is not None and machine.name:
        off = machine.away or machine.stopped
        words = (machine.phase, machine.state, machine.message)
        told = [f"Machine {machine.name}: {', '.join(w for w in words if w) or 'no status'}"]
    behind = f"; its machine is {machine.state or machine.phase}" if machine and off else ""
    if e.node_gone:
        return Outcome.BAD, f"the API knows no such node: deleted{behind}", told
    node = e.node
    if node is None:
        return Outcome.UNKNOWN, f"the API names no nodes{behind}", told
    if not node.ready:
        return Outcome.BAD, f"not Ready{f': {node.reason}' if node.reason else ''}{behind}", told
    return Outcome.BAD if off else Outcome.OK, f"Ready{behind}", told


def _ssh(e: Evidence) -> _Seen:
    host = e.row.host
    if host is None:
        return Outcome.UNKNOWN, "no host of its name is known", ()
    problem = e.probe.own_problem or host.link.problem
    if problem is not None and not e.own_asked:
        return Outcome.BAD, f"{host.address}: {problem.message}", ()
    offset = e.clock_offset
    clock = "" if offset is None else f", clock {offset:+z.1f} s"
    trip = f"{milliseconds(host.link.value)} ms" if host.link.value is not None else "asked now"
    bad = offset is not None and abs(offset) > CLOCK_LIMIT
    if host.link.value is None and not e.own_asked:
        return _not_yet(e)
    if e.stranger and not e.row.current:
        return Outcome.BAD, f"{host.address} is another machine, {e.stranger}{clock}", ()
    return Outcome.BAD if bad else Outcome.OK, f"{host.address}, {trip}{clock}", ()


def _trouble(tried: Try) -> str:
    return tried.problem.message if tried.problem is not None else "in order"


_LAYERS: tuple[tuple[str, Callable[[Evidence], _Seen]], ...] = (
    ("Address", _address),
    ("TCP", _tcp),
    ("TLS", _certificates),
    ("HTTP", _http),
    ("Raft", _raft),
    ("Disk", _disk),
    ("Container", _container),
    ("Node", _node),
    ("SSH", _ssh),
)
