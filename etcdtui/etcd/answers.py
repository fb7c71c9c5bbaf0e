"""What etcdctl prints, as the model knows it. Text in, facts out.

``explain`` (see ``causes``) finds the reason of a failure in standard error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from etcdtui.errors import UnexpectedOutput
from etcdtui.etcd import shapes
from etcdtui.etcd.causes import explain, last_words
from etcdtui.etcd.shapes import Alarm
from etcdtui.model.members import EndpointStatus, MemberList
from etcdtui.text import clean

__all__ = [
    "Alarm",
    "EndpointHealth",
    "alarm_list",
    "duration",
    "endpoint_hashes",
    "endpoint_health",
    "endpoint_statuses",
    "explain",
    "last_words",
    "member_list",
]

_DURATION_PART = re.compile(r"(\d{1,9}(?:\.\d{0,12})?)(ns|us|µs|μs|ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """One line of ``endpoint health``. ``took`` (seconds) includes TCP and TLS; it is no latency."""

    endpoint: str
    healthy: bool
    took: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class EndpointHash:
    """The hash of one member's keys, the revision it was taken at, and that of its last compaction.

    Hashes can be compared only where both revisions are equal.
    """

    endpoint: str
    hash: int
    revision: int
    compacted: int = -1


def member_list(output: str) -> MemberList:
    """``member list -w json``. Raises UnexpectedOutput; so do all parsers here."""
    return shapes.member_list(shapes.load(output, "etcdctl member list"))


def endpoint_statuses(output: str) -> dict[str, EndpointStatus]:
    """``endpoint status -w json``: by endpoint. Members that did not answer are not in it."""
    entries = shapes.rows(shapes.load(output, "etcdctl endpoint status"), "The endpoint status")
    found: dict[str, EndpointStatus] = {}
    for item in entries:
        entry = shapes.table(item, "An entry of the endpoint status")
        found[shapes.word(entry.get("Endpoint"), "Endpoint")] = shapes.endpoint_status(entry.get("Status"))
    return found


def endpoint_health(output: str) -> tuple[EndpointHealth, ...]:
    """``endpoint health -w json``, in order of the endpoints (etcdctl's own order is random)."""
    entries = shapes.rows(shapes.load(output, "etcdctl endpoint health"), "The endpoint health")
    return tuple(sorted((_health(item) for item in entries), key=lambda h: h.endpoint))


def endpoint_hashes(output: str) -> tuple[EndpointHash, ...]:
    """``endpoint hashkv -w json``."""
    entries = shapes.rows(shapes.load(output, "etcdctl endpoint hashkv"), "The endpoint hashes")
    return tuple(_hash(item) for item in entries)


def alarm_list(output: str) -> tuple[Alarm, ...]:
    """``alarm list -w json``."""
    return shapes.alarms(shapes.load(output, "etcdctl alarm list"))


def duration(text: str) -> float | None:
    """A Go duration in seconds: 5.2ms, 1m2.5s, 812µs; None when it is none."""
    total, at = 0.0, 0
    while match := _DURATION_PART.match(text, at):
        total += float(match[1]) * _SECONDS[match[2]]
        at = match.end()
    return total if at and at == len(text) else None


def _health(item: object) -> EndpointHealth:
    entry = shapes.table(item, "An entry of the endpoint health")
    endpoint = shapes.word(entry.get("endpoint"), "endpoint")
    if not endpoint or not isinstance(entry.get("health"), bool):
        raise UnexpectedOutput("An entry of the endpoint health names no endpoint or no health.")
    return EndpointHealth(
        endpoint,
        entry["health"],
        duration(shapes.word(entry.get("took"), "took")),
        clean(shapes.word(entry.get("error"), "error")),
    )


def _hash(item: object) -> EndpointHash:
    entry = shapes.table(item, "An entry of the endpoint hashes")
    told = shapes.table(entry.get("HashKV"), "HashKV")
    header = shapes.table(told.get("header") or {}, "The header of the hash")
    return EndpointHash(
        shapes.word(entry.get("Endpoint"), "Endpoint"),
        shapes.number(told.get("hash"), "hash"),
        shapes.number(told.get("hash_revision") or header.get("revision"), "revision"),
        -1 if told.get("compact_revision") == -1 else shapes.number(told.get("compact_revision"), "compact"),
    )
