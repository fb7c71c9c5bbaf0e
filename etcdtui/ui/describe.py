"""Everything known about a member, a finding or the latencies, as documents."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from etcdtui import text
from etcdtui.model.health import MemberHealth
from etcdtui.model.members import DiskMetrics
from etcdtui.model.platform import Certificate, DiskSpace
from etcdtui.model.problems import Fault
from etcdtui.model.readings import Reading
from etcdtui.model.view import FRESH_API, FRESH_HOST, ClusterView, EndpointView, Way
from etcdtui.text import clean
from etcdtui.ui.looks import Line, Paragraph, Role, Span, fit
from etcdtui.ui.messages import FindingChosen, LatencyChosen
from etcdtui.ui.panes.findings import item
from etcdtui.ui.panes.latency import NO_LATENCY, SCALE, spark
from etcdtui.ui.picture import Picture
from etcdtui.ui.screens.document import Document
from etcdtui.ui.titled import TITLES, heading, titled, titled_each
from etcdtui.ui.words import (
    SEVERITY,
    STATE,
    aged,
    asked_through,
    state_words,
    why_etcdctl,
)

WHAT_LATENCY_MEANS = (
    "The time of a warm linearizable read, as seen from the host we speak through, with the way between us "
    "and that host taken off. Such a read asks a quorum: it is what the API server waits for too.",
    "“alone” is a serializable read: that member answers by itself. Slow with quick alone: the quorum or the "
    "leader is slow. Both slow: that member is slow.",
    "It is not what etcdctl endpoint health prints as “took”: that one includes the TCP and TLS set-up of a "
    "connection made for one question, and says more about certificates and processors than about etcd. "
    "Key H runs it.",
    "fsync p99 is how long writing the WAL to disk takes; etcd advises less than 10 ms. commit p99 is how "
    "long writing the database takes; the advice is 25 ms.",
)


def describer(chosen: FindingChosen | LatencyChosen) -> Callable[[Picture], Document | None]:
    """What makes the document of the thing that was chosen, from any picture."""
    if isinstance(chosen, FindingChosen):
        return partial(finding_document, key=chosen.key)
    return latency_document


def member_document(picture: Picture, member_id: int) -> Document | None:
    """None when the member is no longer listed."""
    row = picture.health.member(member_id)
    if row is None:
        return None
    sign, role = STATE[row.state]
    title: Line = (
        (clean(row.member.label, 200), Role.STRONG),
        (f"  {sign} {state_words(row, picture.view.now)}", role),
        (f"  {row.role}" if row.role else "", Role.PLAIN),
    )
    parts = [
        *_trouble(row, picture),
        *_identity(row),
        *_status(row, picture),
        *heading("Latency"),
        *_latency(row),
        *_host(row, picture),
    ]
    return Document(title, tuple(parts))


def finding_document(picture: Picture, key: str) -> Document | None:
    """None when it no longer holds."""
    finding = next((f for f in picture.findings if f.key == key), None)
    if finding is None:
        return None
    sign, role = SEVERITY[finding.severity]
    subject = f"  {clean(finding.subject)}" if finding.subject else ""
    paragraphs: list[Paragraph] = []
    for paragraph in item(finding).paragraphs:
        paragraphs += [paragraph, Paragraph(())]
    return Document(((f"{sign} {finding.severity.value}", role), (subject, Role.PLAIN)), tuple(paragraphs))


def latency_document(picture: Picture) -> Document:
    """Long sparklines, all percentiles, and what they mean."""
    parts = [Paragraph(((SCALE, Role.MUTED),)), *_seen_from(picture.view), Paragraph(())]
    for row in picture.health.members:
        if row.endpoint is not None:
            parts += [
                Paragraph(((clean(row.member.label, 100), Role.STRONG),)),
                *_latency(row),
                Paragraph(()),
            ]
    parts += [Paragraph(((sentence, Role.PLAIN),)) for s in WHAT_LATENCY_MEANS for sentence in (s, "")]
    return Document((("Latency", Role.STRONG), (" · linearizable read, ms", Role.PLAIN)), tuple(parts))


def _seen_from(view: ClusterView) -> list[Paragraph]:
    if not view.speaking:
        return []
    words = f"Members are {asked_through(view)}."
    if any(endpoint.way is Way.ETCDCTL for endpoint in view.endpoints):
        words += f" Why: {why_etcdctl(view)}. {NO_LATENCY}"
    return [Paragraph(((words, Role.PLAIN),))]


# Kinds of failure whose own word does not stand alone before "for 12 s".
_FAULTS = {
    Fault.TLS: "TLS fails",
    Fault.LOGIN: "login refused",
    Fault.HOST_KEY: "host key not accepted",
    Fault.OTHER_HOST: "another host key than before",
    Fault.NO_TOOLS: "a command fails",
    Fault.NO_QUORUM_READ: "no read by the quorum",
}


def _source(reading: Reading[Any], now: float) -> Span:
    """How old a source is, and what is wrong with it now."""
    if reading.problem is not None:
        since = f" for {text.age(now - reading.since)}" if reading.since is not None else ""
        old = f"; last known {text.age(reading.age(now))} ago" if reading.at is not None else ""
        return f"{_FAULTS.get(reading.problem.fault, reading.problem.fault.value)}{since}{old}", Role.WARN
    if reading.at is None:
        return "not known yet", Role.MUTED
    seconds = reading.age(now) or 0.0
    return "as of now" if seconds < 1 else f"as of {text.age(seconds)} ago", Role.MUTED


def _faded(paragraphs: Iterable[Paragraph], old: bool) -> list[Paragraph]:
    """What no longer speaks for now is dimmed, warnings too."""
    if not old:
        return list(paragraphs)
    return [Paragraph(tuple((words, Role.MUTED) for words, _ in p.line), p.indent) for p in paragraphs]


def _trouble(row: MemberHealth, picture: Picture) -> list[Paragraph]:
    if row.problem is None:
        return []
    since = f" For {text.age(picture.view.now - row.since)}." if row.since is not None else ""
    out = [Paragraph((("✗ ", Role.BAD), (clean(row.problem.message, 1000) + since, Role.BAD)), 2)]
    if row.problem.hint:
        out.append(Paragraph((("→ ", Role.KEY), (clean(row.problem.hint, 1000), Role.PLAIN)), 2))
    return [*out, Paragraph(())]


def _identity(row: MemberHealth) -> list[Paragraph]:
    member = row.member
    return [
        titled("Member ID", member.hex_id),
        *titled_each("Client URLs", member.client_urls),
        *titled_each("Peer URLs", member.peer_urls),
        titled("Votes", "no, a learner" if member.learner else "yes"),
    ]


def _status(row: MemberHealth, picture: Picture) -> list[Paragraph]:
    if row.endpoint is None:
        return [*heading("Status"), titled("", "It has no client URL that could be asked.", Role.MUTED)]
    note, role = _source(row.endpoint.status, picture.view.now)
    status = row.status
    if status is None:
        return heading("Status", note, role)
    free = 1 - status.db_in_use / status.db_size if status.db_size else 0.0
    metrics = row.endpoint.metrics.value
    quota = status.quota or (metrics.quota if metrics else None)
    rows = [
        titled("Version", clean(status.version)),
        titled("Leader", f"{status.leader_id:x}" if status.leader_id else "none known"),
        titled(
            "Database",
            f"{text.size(status.db_size)}, in use {text.size(status.db_in_use)} ({free:.0%} free inside)",
        ),
        titled("Quota", text.size(quota) if quota else "not told"),
        titled("Raft term", str(status.raft_term)),
        titled(
            "Raft index", f"{text.grouped(status.raft_index)}, applied {text.grouped(status.raft_applied)}"
        ),
        titled("Behind leader", "–" if row.lag is None else text.counted(row.lag, "entry", "entries")),
        titled("Revision", text.grouped(status.revision)),
        titled("Alarms", ", ".join(status.alarms) or "none"),
        *(titled_each("Errors", status.errors) if status.errors else []),
    ]
    asked = titled("Asked through", _way(row.endpoint, picture.view))
    return [*heading("Status", note, role), *_faded(rows, not row.current), asked]


def _way(endpoint: EndpointView, view: ClusterView) -> str:
    host = clean(view.speaking, 100) or "no host now"
    if endpoint.way is Way.ETCDCTL:
        return f"{host}, by etcdctl: {why_etcdctl(view)}"
    return f"{host}, over a warm connection" if endpoint.way is Way.PIPE else host


def _latency(row: MemberHealth) -> list[Paragraph]:
    if row.endpoint is None:
        return []
    if row.endpoint.way is Way.ETCDCTL and not row.endpoint.linearizable.samples:
        took = text.milliseconds(row.endpoint.took)
        return [titled("quorum read", f"– no comparable time; etcdctl took {took} ms, connecting included")]
    out: list[Paragraph] = []
    for title, series in (("quorum read", row.endpoint.linearizable), ("alone", row.endpoint.serializable)):
        numbers = "  ".join(
            f"{name} {text.milliseconds(value)}"
            for name, value in (
                ("last", series.last),
                ("p50", series.percentile(0.5)),
                ("p99", series.percentile(0.99)),
                ("max", series.percentile(1.0)),
            )
        )
        failed = sum(1 for sample in series.samples if sample is None)
        lost = f"  {failed} of {len(series.samples)} failed" if failed else ""
        out.append(
            Paragraph(
                ((fit(title, TITLES), Role.MUTED), (numbers, Role.PLAIN), (f" ms{lost}", Role.MUTED)), TITLES
            )
        )
        out.append(Paragraph(((" " * TITLES, Role.PLAIN), *spark(series, 40))))
    return [*out, *_faded(_metrics(row.endpoint.metrics.value), not row.current)]


def _metrics(metrics: DiskMetrics | None) -> list[Paragraph]:
    if metrics is None:
        return []
    window = f" over {text.age(metrics.window)}" if metrics.window is not None else " since it started"
    fsync, commit = text.milliseconds(metrics.fsync_p99), text.milliseconds(metrics.commit_p99)
    peers = f"round trip p99 {text.milliseconds(metrics.peer_rtt_p99)} ms"
    if metrics.leader_changes is not None:
        peers += f", {text.counted(metrics.leader_changes, 'leader change')} since it started"
    return [titled("disk", f"fsync p99 {fsync} ms, commit p99 {commit} ms{window}"), titled("peers", peers)]


def _host(row: MemberHealth, picture: Picture) -> list[Paragraph]:
    now = picture.view.now
    out: list[Paragraph] = []
    if row.pod is not None:
        pod = row.pod
        note, role = _source(picture.view.api, now)
        waiting = f", {clean(pod.waiting)}" if pod.waiting else ""
        out += heading("Pod", note, role)
        ready = f"{pod.ready}/{pod.containers}, {clean(pod.phase)}, {pod.restarts} restarts{waiting}"
        rows = [titled("Name", clean(pod.name)), titled("Ready", ready)]
        out += _faded(rows, aged(picture.view.api, now, FRESH_API) != "")
    if row.host is None:
        return [*out, *heading("Host"), titled("", "No host of this name is known.", Role.MUTED)]
    host = row.host
    link, link_role = _source(host.link, now)
    out += heading("Host")
    trip = f"{text.milliseconds(host.link.value)} ms, " if host.link.value is not None else ""
    out.append(
        titled("SSH", f"{clean(host.address)}, {trip}{link}", link_role if host.link.problem else Role.PLAIN)
    )
    if host.link.problem is not None:
        out.append(titled("", clean(host.link.problem.message, 1000), Role.WARN))
    facts = host.facts.value
    note, role = _source(host.facts, now)
    out.append(titled("Looked at", note, role))
    if facts is None:
        return out
    offset = facts.clock_offset
    rows = [
        _disk("Data disk", facts.data_disk),
        _disk("Backup disk", facts.backup_disk),
        titled("Clock", "–" if offset is None else f"{offset:+.2f} s against ours"),
        *titled_each("Manifests", facts.manifests),
    ]
    for n, certificate in enumerate(sorted(facts.certificates, key=lambda c: c.not_after)):
        rows.append(_certificate("Certificates" if n == 0 else "", certificate, now))
    return [*out, *_faded(rows, aged(host.facts, now, FRESH_HOST) != "")]


def _disk(title: str, disk: DiskSpace | None) -> Paragraph:
    if disk is None:
        return titled(title, "–", Role.MUTED)
    inodes = f", {text.grouped(disk.inodes_free)} inodes" if disk.inodes_free is not None else ""
    free = f"{text.size(disk.free)} of {text.size(disk.total)} free{inodes}"
    return titled(title, f"{free}  {clean(disk.path)}", Role.WARN if disk.used_share > 0.9 else Role.PLAIN)


def _certificate(title: str, certificate: Certificate, now: float) -> Paragraph:
    left = certificate.not_after - now
    ends = time.strftime("%Y-%m-%d", time.gmtime(certificate.not_after))
    words = f"expired {text.age(-left)} ago" if left <= 0 else f"{text.age(left)} left"
    role = Role.BAD if left <= 0 else Role.WARN if left < 30 * 86400 else Role.PLAIN
    return titled(title, f"{ends}  {words}  {clean(certificate.path.rsplit('/', 1)[-1])}", role)
