"""Rules about speed and size: slow members, disks, lag, quota, fragmentation."""

from __future__ import annotations

from collections.abc import Iterator

from etcdtui import text
from etcdtui.model.finding import Finding, Rule, Severity
from etcdtui.model.health import ClusterHealth, MemberHealth, MemberState, is_slow
from etcdtui.model.members import DiskMetrics
from etcdtui.model.view import ClusterView

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


def slow_disks(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    for row in health.members:
        metrics = row.endpoint.metrics.value if row.endpoint else None
        if metrics is None or metrics.window is None:
            continue  # sums since the process started tell of its start, not of now
        yield from _disk(row, metrics, "fsync", "WAL fsync", metrics.fsync_p99, FSYNC_ADVICE, FSYNC_ALERT)
        yield from _disk(
            row, metrics, "commit", "backend commit", metrics.commit_p99, COMMIT_ADVICE, COMMIT_ALERT
        )


def _disk(
    row: MemberHealth,
    metrics: DiskMetrics,
    key: str,
    what: str,
    p99: float | None,
    advice: float,
    alert: float,
) -> Iterator[Finding]:
    if p99 is None or p99 <= advice:
        return
    alarming = p99 > alert
    yield Finding(
        f"{'3' if alarming else '5'}-{key}-{row.member.hex_id}",
        Severity.WARNING if alarming else Severity.ADVICE,
        f"{row.member.label}: {what} p99 {text.milliseconds(p99)} ms "
        f"(advice {advice * 1000:.0f}, alert {alert * 1000:.0f}).",
        _window(metrics.window),
        "Its disk is the slow part. Look at what else writes there; a backup from it would wait.",
        row.member.label,
    )


def slow_peers(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    for row in health.members:
        metrics = row.endpoint.metrics.value if row.endpoint else None
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
