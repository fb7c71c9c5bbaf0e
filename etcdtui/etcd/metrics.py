"""From two looks at etcd's metrics page to the few numbers that tell how its disk and network do.

The page has thousands of lines; only those of the series below are read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from etcdtui.model.members import DiskMetrics

FSYNC = "etcd_disk_wal_fsync_duration_seconds"
COMMIT = "etcd_disk_backend_commit_duration_seconds"
PEER = "etcd_network_peer_round_trip_time_seconds"
LEADER_CHANGES = "etcd_server_leader_changes_seen_total"
QUOTA = "etcd_server_quota_backend_bytes"
STARTED = "process_start_time_seconds"

_LIMIT = 16 * 1024 * 1024
_SERIES_LIMIT = 2000
_BUCKETS = {f"{name}_bucket": name for name in (FSYNC, COMMIT, PEER)}
_GAUGES = frozenset({LEADER_CHANGES, QUOTA, STARTED})
_PREFIXES = tuple(name.encode() for name in (*_BUCKETS, *_GAUGES))

Buckets = tuple[tuple[float, float], ...]  # (upper bound, how many were not above it), rising


@dataclass(frozen=True, slots=True)
class Scrape:
    """The needed series of one look. Histograms by (metric, To label)."""

    taken: float  # monotonic seconds
    histograms: Mapping[tuple[str, str], Buckets] = field(default_factory=lambda: MappingProxyType({}))
    gauges: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


def scrape(page: bytes | str, taken: float) -> Scrape:
    """Read a metrics page. Lines that cannot be read are left out; absence is no error."""
    data = page.encode("utf-8", "replace") if isinstance(page, str) else page
    buckets: dict[tuple[str, str], dict[float, float]] = {}
    gauges: dict[str, float] = {}
    for name, labels, value in _samples(data[:_LIMIT]):
        metric = _BUCKETS.get(name)
        if metric is None:
            if name in _GAUGES:
                gauges[name] = value
            continue
        bound = _float(labels.get("le", ""))
        if bound is not None and len(buckets) < _SERIES_LIMIT:
            buckets.setdefault((metric, labels.get("To", "")), {})[bound] = value
    histograms = {key: tuple(sorted(found.items())) for key, found in buckets.items()}
    return Scrape(taken, MappingProxyType(histograms), MappingProxyType(gauges))


def between(before: Scrape | None, after: Scrape) -> DiskMetrics:
    """What happened between two looks; since the process started where there is no first one.

    Peer round trips are measured by etcd only every 30 s, so a window without any falls back to all there
    are. A process that restarted in between counts from its start.
    """
    if before is not None and _restarted(before, after):
        before = None
    changes = _count(after.gauges.get(LEADER_CHANGES))
    quota = _count(after.gauges.get(QUOTA))
    return DiskMetrics(
        fsync_p99=_p99(before, after, FSYNC),
        commit_p99=_p99(before, after, COMMIT),
        peer_rtt_p99=_worst_peer(before, after),
        leader_changes=changes,
        quota=quota if quota else None,
        window=None if before is None else max(0.0, after.taken - before.taken),
    )


def quantile(buckets: Buckets, share: float) -> float | None:
    """Linear interpolation in the bucket, as Prometheus does it. None for a histogram without samples."""
    total = buckets[-1][1] if buckets else 0.0
    if not total > 0 or not math.isfinite(total):
        return None
    rank = share * total
    lower, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            if math.isinf(bound):
                return lower or None
            inside = count - below
            return lower + (bound - lower) * ((rank - below) / inside if inside > 0 else 1.0)
        lower, below = bound, count
    return None


def _p99(before: Scrape | None, after: Scrape, metric: str, to: str = "") -> float | None:
    now = after.histograms.get((metric, to), ())
    then = before.histograms.get((metric, to), ()) if before else ()
    return quantile(_delta(then, now), 0.99)


def _worst_peer(before: Scrape | None, after: Scrape) -> float | None:
    found = []
    for metric, to in after.histograms:
        if metric == PEER:
            recent = _p99(before, after, metric, to)
            value = recent if recent is not None else _p99(None, after, metric, to)
            if value is not None:
                found.append(value)
    return max(found, default=None)


def _delta(before: Buckets, after: Buckets) -> Buckets:
    """Counts of the time between. Rising again where a page was cut or changed."""
    earlier = dict(before)
    rising, top = [], 0.0
    for bound, count in after:
        top = max(top, count - earlier.get(bound, 0.0))
        rising.append((bound, top))
    return tuple(rising)


def _restarted(before: Scrape, after: Scrape) -> bool:
    was, now = before.gauges.get(STARTED), after.gauges.get(STARTED)
    if was is not None and now is not None:
        return abs(was - now) > 0.5
    return any(
        after.histograms[key][-1][1] < buckets[-1][1]
        for key, buckets in before.histograms.items()
        if key in after.histograms
    )


def _samples(page: bytes) -> Iterator[tuple[str, Mapping[str, str], float]]:
    for line in page.split(b"\n"):
        if not line.startswith(_PREFIXES):
            continue
        text = line[:2000].decode("utf-8", "replace").strip()
        if "{" in text:
            name, _, rest = text.partition("{")
            inside, closed, tail = rest.rpartition("}")
            labels = _labels(inside) if closed else None
        else:
            name, _, tail = text.partition(" ")
            labels = {}
        value = _float(tail.split()[0]) if tail.split() else None
        if labels is not None and value is not None and not math.isnan(value):
            yield name, labels, value


def _labels(text: str) -> dict[str, str]:
    """``To="ab",le="0.1"``; the values of the labels that we need hold no quotes or commas."""
    pairs = (part.partition("=") for part in text.split(","))
    return {key.strip(): value.strip().strip('"') for key, _, value in pairs}


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _count(value: float | None) -> int | None:
    return int(value) if value is not None and math.isfinite(value) and value >= 0 else None
