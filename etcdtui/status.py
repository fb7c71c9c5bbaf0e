"""``etcdtui status``: a view as JSON for programs and as lines for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from etcdtui import text
from etcdtui.model.findings import Finding, Severity
from etcdtui.model.health import ClusterHealth, MemberHealth
from etcdtui.model.known_backups import foreign_to, last_proven
from etcdtui.model.places import Backup, PlaceView
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView, HostView

SCHEMA = 1
SIGNS = {Severity.CRITICAL: "✗", Severity.WARNING: "▲", Severity.ADVICE: "·", Severity.GOOD: "●"}


def as_json(view: ClusterView, health: ClusterHealth, findings: tuple[Finding, ...]) -> dict[str, Any]:
    """The documented shape, see the README. Sizes in bytes, ages in seconds, latencies in milliseconds."""
    leader = health.leader
    api = view.api.value
    return {
        "schema": SCHEMA,
        "cluster": view.name,
        "at": view.now,
        "verdict": health.level.word,
        "exit_code": int(health.level),
        "sentence": health.sentence,
        "source": health.source,
        "age": _rounded(health.age),
        "voters": health.quorum.voters,
        "voters_well": health.quorum.healthy,
        "quorum": health.quorum.needed if health.quorum.voters else None,
        "can_lose": health.quorum.tolerance,
        "leader": leader.member.name if leader else None,
        "asked_through": view.speaking or None,
        "platform_version": api.version if api else None,
        "members": [_member(row) for row in health.members],
        "hosts": [_host(host, view.now) for host in view.hosts],
        "api": _source(view.api, view.now) if view.api_configured else None,
        "backups": [
            {
                "taken": backup.stamp,
                "host": backup.host,
                "directory": backup.directory,
                "files": [{"name": f.name, "size": f.size} for f in backup.files],
                "state": backup.completeness.value,
                "complete": backup.complete,
                "possibly_dirty": backup.dirty,
            }
            for backup in view.backups
        ],
        "places": [_place(seen, view.now) for seen in view.places if not seen.place.is_host],
        "known_backups": [_backup(backup, view) for backup in view.known_backups],
        "last_proven": _backup(last, view) if (last := last_proven(view)) else None,
        "findings": [
            {
                "severity": finding.severity.value,
                "subject": finding.subject,
                "sentence": finding.sentence,
                "evidence": finding.evidence,
                "next_step": finding.next_step,
            }
            for finding in findings
        ],
    }


def as_lines(view: ClusterView, health: ClusterHealth, findings: tuple[Finding, ...]) -> Iterator[str]:
    """For people: the verdict, the members, what was found. Foreign text is cleaned."""
    quorum = health.quorum
    yield (
        f"{text.clean(view.name)}: {health.level.word}, {quorum.healthy}/{quorum.voters} voters, "
        f"can lose {quorum.tolerance}"
    )
    yield f"  {text.clean(health.sentence)}"
    for row in health.members:
        status = row.status
        yield (
            f"  {text.clean(row.member.label, 60):<24} {row.state.value:<10} {row.role or '–':<9} "
            f"{status.version if status else '–':<8} {text.size(status.db_size if status else None):>6} "
            f"{_milliseconds(row)}"
        )
    for finding in findings:
        yield f"  {SIGNS[finding.severity]} {text.clean(finding.sentence)}"
        for detail in (finding.evidence, finding.next_step):
            if detail:
                yield f"      {text.clean(detail)}"


def _member(row: MemberHealth) -> dict[str, Any]:
    status = row.status
    endpoint = row.endpoint
    return {
        "id": row.member.hex_id,
        "name": row.member.name,
        "state": row.state.value,
        "role": row.role or None,
        "learner": row.member.learner,
        "client_urls": list(row.member.client_urls),
        "peer_urls": list(row.member.peer_urls),
        "problem": row.problem.message if row.problem else None,
        "fault": row.problem.fault.value if row.problem else None,
        "current": row.current,
        "age": _rounded(row.age),
        "version": status.version if status else None,
        "db_size": status.db_size if status else None,
        "db_in_use": status.db_in_use if status else None,
        "raft_term": status.raft_term if status else None,
        "raft_index": status.raft_index if status else None,
        "raft_lag": row.lag,
        "revision": status.revision if status else None,
        "alarms": list(status.alarms) if status else [],
        "latency_ms": {
            "linearizable": _ms(endpoint.linearizable.last if endpoint else None),
            "serializable": _ms(endpoint.serializable.last if endpoint else None),
        },
        "asked_by": (endpoint.way.value or None) if endpoint else None,
        "pod_ready": f"{row.pod.ready}/{row.pod.containers}" if row.pod else None,
    }


def _host(host: HostView, now: float) -> dict[str, Any]:
    return {"name": host.name, "address": host.address, **_source(host.link, now)}


def _place(seen: PlaceView, now: float) -> dict[str, Any]:
    return {"kind": seen.place.kind.value, "name": seen.place.label, **_source(seen.sets, now)}


def _backup(backup: Backup, view: ClusterView) -> dict[str, Any]:
    return {
        "stamp": backup.stamp,
        "taken_at": backup.taken,
        "complete": backup.complete,
        "proven": backup.proven,
        "off_cluster": backup.off_cluster,
        "foreign": foreign_to(view, backup),
        "possibly_dirty": backup.dirty,
        "size": backup.size,
        "revision": backup.revision,
        "copies": [
            {
                "kind": copy.place.kind.value,
                "place": copy.place.label,
                "directory": copy.set.directory,
                "complete": copy.complete,
                "proven": copy.proven,
                "encrypted": copy.encrypted,
                "trouble": copy.trouble or None,
            }
            for copy in backup.copies
        ],
    }


def _source(reading: Reading[Any], now: float) -> dict[str, Any]:
    return {
        "answers": reading.problem is None and reading.at is not None,
        "problem": reading.problem.message if reading.problem else None,
        "age": _rounded(reading.age(now)),
    }


def _milliseconds(row: MemberHealth) -> str:
    last = row.endpoint.linearizable.last if row.endpoint else None
    return f"{text.milliseconds(last)} ms" if last is not None else ""


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
