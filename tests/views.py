"""Views for tests: a healthy three-member cluster, and ways to break it. Honest: judged by the real rules."""

from __future__ import annotations

from dataclasses import replace

from etcdtui.model.backups import FoundFile
from etcdtui.model.latency import LatencySeries, ReadTimes
from etcdtui.model.members import DiskMetrics, EndpointStatus, Member, MemberList
from etcdtui.model.platform import (
    ApiFacts,
    DiskSpace,
    HostFacts,
    NodeFacts,
    OperatorFacts,
    OperatorWord,
    PodFacts,
)
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView, EndpointView, HostView, Way

NOW = 1_790_000_000.0
NAMES = ("masternode1", "masternode2", "masternode3")
MIB = 1024 * 1024


def member(number: int, **changes: object) -> Member:
    base = Member(
        0xA0 + number,
        f"masternode{number}",
        (f"https://192.168.50.{number + 9}:2380",),
        (f"https://192.168.50.{number + 9}:2379",),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def status(number: int, **changes: object) -> EndpointStatus:
    base = EndpointStatus(
        cluster_id=0xC1,
        member_id=0xA0 + number,
        version="3.5.14",
        db_size=92 * MIB,
        db_in_use=61 * MIB,
        leader_id=0xA1,
        raft_term=7,
        raft_index=1000,
        raft_applied=1000,
        revision=900,
        quota=8 * 1024 * MIB,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def endpoint(number: int, **changes: object) -> EndpointView:
    base = EndpointView(
        url=f"https://192.168.50.{number + 9}:2379",
        member_id=0xA0 + number,
        status=Reading(status(number), NOW - 0.5),
        reads=Reading(ReadTimes(0.002, 0.001, 0.001), NOW - 0.5),
        linearizable=LatencySeries((0.002,) * 10),
        serializable=LatencySeries((0.001,) * 10),
        metrics=Reading(DiskMetrics(0.004, 0.008, 0.002, 1, 8 * 1024 * MIB, 10.0), NOW - 5),
        way=Way.PIPE,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def host(number: int, **changes: object) -> HostView:
    facts = HostFacts(
        hostname=f"masternode{number}",
        clock_offset=0.01,
        data_disk=DiskSpace("/var", 100 * 1024 * MIB, 50 * 1024 * MIB),
        backup_disk=DiskSpace("/var", 100 * 1024 * MIB, 50 * 1024 * MIB),
        backups=tuple(backup_files(number)) if number == 2 else (),
        backup_script=True,
        etcdctl="path",
        openssl=True,
    )
    base = HostView(
        f"masternode{number}",
        f"192.168.50.{number + 9}",
        f"masternode{number}",
        Reading(0.001, NOW - 0.5),
        Reading(facts, NOW - 3),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def backup_files(number: int, stamp: str = "2026-09-21_020000") -> list[FoundFile]:
    where = (f"masternode{number}", "/home/core/backup")
    return [
        FoundFile(*where, f"snapshot_{stamp}.db", 92 * MIB + 32, NOW - 7200),
        FoundFile(*where, f"static_kuberesources_{stamp}.tar.gz", 70_000, NOW - 7200),
    ]


def api(**changes: object) -> Reading[ApiFacts]:
    base = ApiFacts(
        version="4.16.3",
        nodes=tuple(NodeFacts(name, "192.168.50.1", True) for name in NAMES),
        pods=tuple(PodFacts(f"etcd-{name}", name, 4, 4, "Running") for name in NAMES),
        operators=(OperatorFacts("etcd", True, False, False),),
        word=OperatorWord(3, 3, "3 members are available", NOW - 9000),
    )
    return Reading(replace(base, **changes), NOW - 4)  # type: ignore[arg-type]


def healthy(**changes: object) -> ClusterView:
    base = ClusterView(
        name="prod",
        now=NOW,
        members=Reading(MemberList(0xC1, tuple(member(n) for n in (1, 2, 3)), 0xA1), NOW - 1),
        endpoints=tuple(endpoint(n) for n in (1, 2, 3)),
        hosts=tuple(host(n) for n in (1, 2, 3)),
        api=api(),
        api_configured=True,
        speaking="masternode1",
        started=NOW - 60,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def gone(number: int, fault: Fault = Fault.REFUSED, said: str = "connection refused") -> EndpointView:
    """A member that no longer answers, for 14 seconds."""
    problem = Problem(fault, f"https://192.168.50.{number + 9}:2379: {said}.")
    return endpoint(
        number,
        status=Reading(status(number), NOW - 14, problem, NOW - 14),
        reads=Reading(ReadTimes(0.002, 0.001), NOW - 14, problem, NOW - 14),
        linearizable=LatencySeries((0.002,) * 10 + (None,) * 14),
    )


def leaderless(number: int) -> EndpointView:
    """A member that answers, without a leader."""
    problem = Problem(Fault.NO_LEADER, "No leader: no read can be confirmed.")
    return endpoint(
        number,
        status=Reading(status(number, leader_id=0, errors=("etcdserver: no leader",)), NOW - 0.5),
        reads=Reading(ReadTimes(0.002, 0.001), NOW - 14, problem, NOW - 13),
    )


def with_endpoints(*endpoints: EndpointView) -> ClusterView:
    return healthy(endpoints=endpoints)
