"""Rules about speed and size: slow members, disks, lag, quota, fragmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from etcdtui import text
from etcdtui.model.finding import Finding, Rule, Severity
from etcdtui.model.health import ClusterHealth, MemberHealth, MemberState, is_slow
from etcdtui.model.members import DiskMetrics
from etcdtui.model.view import FRESH_METRICS, ClusterView

FSYNC_ADVICE, FSYNC_ALERT = 0.010, 0.5  # seconds, p99; etcd's hardware advice, its alert rule
COMMIT_ADVICE, COMMIT_ALERT = 0.025, 0.25
RTT_ALERT = 0.15  # seconds, p99; etcdMemberCommunicationSlow
QUOTA_WARNING, QUOTA_CRITICAL = 0.75, 0.85  # OpenShift's etcdDatabaseQuotaLowSpace
FRAGMENTED_SHARE, FRAGMENTED_BYTES = 0.5, 104_857_600  # etcdDatabaseHighFragmentationRatio
LAG_ENTRIES = 5000  # etcd sends a whole snapshot to a follower that is further behind (catch-up entries)


def slow_reads(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    for row in health.members:
        if row.endpoint is None:
            continue
        name = row.member.label
        if row.state is MemberState.SLOW:
            metrics = row.endpoint.metrics.value
            fsync = metrics.fsync_p99 if metrics else None
            disk = f" WAL fsync p99 {text.milliseconds(fsync)} ms." if fsync is not None else ""
            median = text.milliseconds(row.endpoint.serializable.percentile(0.5))
            yield Finding(
                f"3-slow-{row.member.hex_id}",
                Severity.WARNING,
                f"{name} is slow: a read that asks no other member takes {median} ms (median).",
                f"Quick members need a few ms.{disk}",
                "Look for what starves it: CPU, its disk, or a neighbour on the same machine.",
                name,
            )
        elif row.well and is_slow(row.endpoint.linearizable) and row.role != "leader":
            leader = health.leader.member.label if health.leader else "the leader"
            yield Finding(
                f"4-quorum-slow-{row.member.hex_id}",
                Severity.ADVICE,
                f"{name} itself is quick, but reads confirmed by the quorum are slow.",
                f"Median {text.milliseconds(row.endpoint.linearizable.percentile(0.5))} ms.",
                f"The slow part is {leader} or the network between the members.",
                name,
            )


@dataclass(frozen=True, slots=True)
class _Scale:
    """One disk metric and the two limits it is judged by, seconds."""

    key: str
    name: str
    advice: float
    alert: float
    of: Callable[[DiskMetrics], float | None]


SCALES = (
    _Scale("fsync", "WAL fsync", FSYNC_ADVICE, FSYNC_ALERT, lambda metrics: metrics.fsync_p99),
    _Scale("commit", "backend commit", COMMIT_ADVICE, COMMIT_ALERT, lambda metrics: metrics.commit_p99),
)


def slow_disks(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    for scale in SCALES:
        above = []
        for row in health.members:
            metrics = _now(view, row)
            # Sums since the process started tell of its start, not of now.
            p99 = scale.of(metrics) if metrics and metrics.window is not None else None
            if metrics is not None and p99 is not None and p99 > scale.advice:
                above.append((row, metrics, p99))
        yield from _alarming(scale, above)
        advised = [(row, p99) for row, _, p99 in above if p99 <= scale.alert]
        if advised:
            told = text.listed([f"{row.member.label} {text.milliseconds(p99)}" for row, p99 in advised])
            yield Finding(
                f"5-{scale.key}",
                Severity.ADVICE,
                f"{scale.name[0].upper()}{scale.name[1:]} p99 is above the advised "
                f"{scale.advice * 1000:.0f} ms: {told} ms.",
                f"The alert is at {scale.alert * 1000:.0f} ms.",
                "Disks are the slow part. Look at what else writes there before it grows.",
            )


def _alarming(scale: _Scale, above: list[tuple[MemberHealth, DiskMetrics, float]]) -> Iterator[Finding]:
    for row, metrics, p99 in above:
        if p99 > scale.alert:
            yield Finding(
                f"3-{scale.key}-{row.member.hex_id}",
                Severity.WARNING,
                f"{row.member.label}: {scale.name} p99 {text.milliseconds(p99)} ms "
                f"(advice {scale.advice * 1000:.0f}, alert {scale.alert * 1000:.0f}).",
                _window(metrics.window),
                "Its disk is the slow part. Look at what else writes there; a backup from it would wait.",
                row.member.label,
            )


def _now(view: ClusterView, row: MemberHealth) -> DiskMetrics | None:
    """What a member measures, where that speaks for now: what one that was silent measured is of no use."""
    if row.endpoint is None or not row.current:
        return None
    return row.endpoint.metrics.current(view.now, FRESH_METRICS)


def slow_peers(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    for row in health.members:
        metrics = _now(view, row)
        rtt = metrics.peer_rtt_p99 if metrics and metrics.window is not None else None
        name = row.member.label
        if rtt is not None and rtt > RTT_ALERT:
            yield Finding(
                f"3-rtt-{row.member.hex_id}",
                Severity.WARNING,
                f"{name}: peer round trip p99 {text.milliseconds(rtt)} ms (alert {RTT_ALERT * 1000:.0f}).",
                "",
                "Look at the network between the control plane hosts.",
                name,
            )
        if row.lag is not None and row.lag > LAG_ENTRIES:
            yield Finding(
                f"3-lag-{row.member.hex_id}",
                Severity.WARNING,
                f"{name} is {text.grouped(row.lag)} raft entries behind the leader.",
                f"Beyond {text.grouped(LAG_ENTRIES)} the leader must send it the whole database.",
                "Let it catch up before anything is removed or rebooted.",
                name,
            )


def sizes(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    for row in health.members:
        if row.status is None or not row.current:
            continue
        metrics = row.endpoint.metrics.value if row.endpoint else None
        quota = row.status.quota or (metrics.quota if metrics else None)
        size, used = row.status.db_size, row.status.db_in_use
        name = row.member.label
        if quota and size / quota > QUOTA_WARNING:
            critical = size / quota > QUOTA_CRITICAL
            yield Finding(
                f"{'2' if critical else '3'}-quota-{row.member.hex_id}",
                Severity.CRITICAL if critical else Severity.WARNING,
                f"{name}: the database has {text.size(size)} of its quota of {text.size(quota)} "
                f"({size / quota:.0%}).",
                f"{text.size(used)} of it is in use. At the quota every write is refused (NOSPACE).",
                "Find what grows, compact, then defragment: followers first, the leader last.",
                name,
            )
        elif size > FRAGMENTED_BYTES and used and used / size < FRAGMENTED_SHARE:
            yield Finding(
                f"5-fragmented-{row.member.hex_id}",
                Severity.ADVICE,
                f"{name}: only {text.size(used)} of {text.size(size)} are in use ({used / size:.0%}).",
                "Compaction freed pages; the file keeps them.",
                "A defragmentation would give the rest back; it blocks the member while it runs.",
                name,
            )


def _window(seconds: float | None) -> str:
    return "Since the process started." if seconds is None else f"Over the last {text.age(seconds)}."


RULES: tuple[Rule, ...] = (slow_reads, slow_disks, slow_peers, sizes)
