"""Each rule finds what it should, says it in a sentence, and is silent on a healthy cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etcdtui.model.backups import FoundFile
from etcdtui.model.findings import Finding, Severity, find
from etcdtui.model.health import Level, judge
from etcdtui.model.latency import LatencySeries
from etcdtui.model.members import DiskMetrics, MemberList
from etcdtui.model.platform import Certificate, DiskSpace, NodeFacts, OperatorFacts, OperatorWord
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from tests.views import (
    MIB,
    NOW,
    api,
    endpoint,
    gone,
    healthy,
    host,
    leaderless,
    member,
    status,
    with_endpoints,
)


def found(view: ClusterView) -> tuple[Finding, ...]:
    return find(view, judge(view))


def one(view: ClusterView, key: str) -> Finding:
    matching = [finding for finding in found(view) if key in finding.key]
    assert matching, [f.key for f in found(view)]
    return matching[0]


def test_a_healthy_cluster_has_nothing_worse_than_advice() -> None:
    view = healthy()
    assert judge(view).level is Level.HEALTHY
    assert {f.severity for f in found(view)} <= {Severity.ADVICE, Severity.GOOD}
    assert one(view, "good").sentence == "All 3 voters are well; masternode1 leads."
    assert "no copy off the cluster" in one(view, "backup").sentence


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.REFUSED, "nothing listens"),
        (Fault.SILENT, "its etcd gives no answer"),
        (Fault.UNREACHABLE, "no way to its address"),
        (Fault.DROPPED, "ends them"),
        (Fault.TLS, "TLS handshake"),
    ],
)
def test_an_unreachable_member_says_why_as_far_as_it_is_told_apart(fault: Fault, words: str) -> None:
    finding = one(with_endpoints(endpoint(1), endpoint(2), gone(3, fault)), "2-member-a3")
    assert finding.severity is Severity.CRITICAL
    assert words in finding.sentence and finding.sentence.startswith("masternode3")
    assert finding.evidence and "14 s" in finding.evidence
    assert finding.next_step


def test_one_member_down_warns_that_no_more_may_fail() -> None:
    view = with_endpoints(endpoint(1), endpoint(2), gone(3))
    assert judge(view).level is Level.DEGRADED
    assert "can lose 0 more" in one(view, "tolerance").sentence


def test_fewer_voters_than_nodes_stand_first_though_hosts_and_nodes_are_away() -> None:
    nodes = tuple(NodeFacts(f"masternode{n}", f"192.168.50.1{n}", n == 1) for n in (1, 2, 3))
    away = Problem(Fault.SILENT, "It does not answer.")
    view = healthy(
        members=Reading(MemberList(0xC1, (member(1),), 0xA1), NOW - 1),
        endpoints=(endpoint(1),),
        api=api(nodes=nodes),
        hosts=(host(1), *(host(n, link=Reading(None, None, away, NOW - 9)) for n in (2, 3))),
    )
    first = found(view)[0]
    assert (first.key, first.severity) == ("1-voters", Severity.WARNING)
    assert first.sentence == "1 voter for 3 control plane nodes: one failure ends the quorum."
    assert not any(each.key in ("9-good", "1-tolerance") for each in found(view))


def test_no_quorum_comes_first_and_says_that_restoring_is_the_last_resort() -> None:
    view = with_endpoints(leaderless(1), gone(2), gone(3))
    first = found(view)[0]
    assert first.key == "0-quorum" and first.severity is Severity.CRITICAL
    assert "Restore only when none can come back" in first.next_step
    assert "masternode1" in first.evidence


def test_without_a_host_to_ask_through_members_are_unknown_and_hosts_are_blamed() -> None:
    dead = Problem(Fault.REFUSED, "masternode1: connection refused on port 22.")
    unasked = Problem(Fault.NOT_ASKED, "No host can be asked.")
    view = healthy(
        hosts=tuple(host(n, link=Reading(0.001, NOW - 60, dead, NOW - 60)) for n in (1, 2, 3)),
        endpoints=tuple(
            endpoint(n, status=Reading(status(n), NOW - 60, unasked, NOW - 60)) for n in (1, 2, 3)
        ),
        api=Reading(None, None, Problem(Fault.REFUSED, "connection refused"), NOW - 60),
        speaking="",
    )
    assert judge(view).level is Level.UNKNOWN
    keys = [f.key for f in found(view)]
    assert not any(key.startswith("2-member") for key in keys)
    assert sum(key.startswith("3-host") for key in keys) == 3
    assert "3-api" in keys


def test_alarms_tell_the_order_of_repair() -> None:
    alarmed = status(1, errors=("memberID:161 alarm:NOSPACE ",))
    view = with_endpoints(endpoint(1, status=Reading(alarmed, NOW)), endpoint(2), endpoint(3))
    assert judge(view).level is Level.DEGRADED
    finding = one(view, "nospace")
    order = [finding.next_step.index(word) for word in ("compact", "defragment", "disarm", "write")]
    assert order == sorted(order)


def test_a_learner_is_named_and_does_not_count() -> None:
    listed = MemberList(0xC1, (member(1), member(2), member(3), member(4, learner=True)))
    learner = endpoint(4, status=Reading(status(4, learner=True, raft_applied=400), NOW - 0.5))
    view = replace(
        healthy(members=Reading(listed, NOW)), endpoints=(endpoint(1), endpoint(2), endpoint(3), learner)
    )
    assert judge(view).quorum.voters == 3 and judge(view).level is Level.HEALTHY
    assert "600 entries behind" in one(view, "learner").evidence


def test_a_slow_member_is_told_from_a_slow_quorum() -> None:
    own = endpoint(3, serializable=LatencySeries((0.4,) * 6), linearizable=LatencySeries((0.5,) * 6))
    assert "masternode3 is slow" in one(with_endpoints(endpoint(1), endpoint(2), own), "slow").sentence
    all_slow = with_endpoints(*(endpoint(n, linearizable=LatencySeries((0.5,) * 6)) for n in (1, 2, 3)))
    assert "masternode1" in one(all_slow, "quorum-slow").next_step


@pytest.mark.parametrize(
    ("fsync", "severity"), [(0.009, None), (0.011, Severity.ADVICE), (0.812, Severity.WARNING)]
)
def test_fsync_is_judged_on_two_scales(fsync: float, severity: Severity | None) -> None:
    metrics = Reading(DiskMetrics(fsync_p99=fsync, window=10.0), NOW)
    findings = [
        f
        for f in found(with_endpoints(endpoint(1, metrics=metrics), endpoint(2), endpoint(3)))
        if "fsync" in f.key
    ]
    assert [f.severity for f in findings] == ([severity] if severity else [])


def test_what_a_silent_member_measured_before_is_of_no_use() -> None:
    slow = Reading(DiskMetrics(fsync_p99=0.8, commit_p99=0.8, peer_rtt_p99=3.2, window=10.0), NOW - 300)
    findings = found(with_endpoints(endpoint(1, metrics=slow), endpoint(2), endpoint(3)))
    assert not [f.key for f in findings if f.key.startswith(("3-fsync", "3-commit", "3-rtt"))]


@pytest.mark.parametrize(
    ("share", "severity"), [(0.70, None), (0.80, Severity.WARNING), (0.90, Severity.CRITICAL)]
)
def test_sizes_near_the_quota(share: float, severity: Severity | None) -> None:
    large = status(2, db_size=int(share * 8 * 1024 * MIB), db_in_use=int(share * 8 * 1024 * MIB))
    view = with_endpoints(endpoint(1), endpoint(2, status=Reading(large, NOW)), endpoint(3))
    assert [f.severity for f in found(view) if "quota" in f.key] == ([severity] if severity else [])


def test_members_on_different_versions_and_in_different_clusters() -> None:
    view = with_endpoints(
        endpoint(1), endpoint(2), endpoint(3, status=Reading(status(3, version="3.4.23", cluster_id=9), NOW))
    )
    assert "3.4.23: masternode3" in one(view, "4-versions").evidence
    assert one(view, "cluster-ids").severity is Severity.CRITICAL


def test_the_worst_known_defect_of_a_running_version_is_told_with_advice() -> None:
    view = with_endpoints(*(endpoint(n, status=Reading(status(n, version="3.5.1"), NOW)) for n in (1, 2, 3)))
    finding = one(view, "defect-3.5.1")
    assert "data inconsistency" in finding.sentence and "3.5.6" in finding.next_step
    assert judge(view).level is Level.HEALTHY


def test_the_api_down_and_the_operator_behind() -> None:
    down = healthy(api=Reading(None, None, Problem(Fault.REFUSED, "connection refused"), NOW - 30))
    assert one(down, "3-api").severity is Severity.WARNING
    stale = replace(
        with_endpoints(endpoint(1), endpoint(2), gone(3)),
        api=api(word=OperatorWord(3, 3, "3 members are available", NOW - 9000)),
    )
    assert "3 members are available" in one(stale, "operator-behind").sentence


def test_answers_of_an_api_that_proves_nothing_are_not_to_be_trusted() -> None:
    finding = one(healthy(api=api(authenticated=False)), "3-api-unauthenticated")
    assert "not authenticated" in finding.sentence and "insecure-skip-tls-verify" in finding.evidence
    assert finding.severity is Severity.WARNING


def first_of(count: int, *, learner: bool = False, known: int = 3) -> Finding:
    nodes = tuple(NodeFacts(f"masternode{n}", "", True) for n in range(1, known + 1))
    listed = [member(n, learner=learner and n == count) for n in range(1, count + 1)]
    view = replace(
        healthy(),
        members=Reading(MemberList(0xC1, tuple(listed), 0xA1), NOW - 1),
        endpoints=tuple(endpoint(n) for n in range(1, count + 1)),
        api=api(nodes=nodes),
    )
    return next(f for f in find(view, judge(view)) if f.key == "1-voters")


def test_what_makes_the_voters_as_many_as_the_nodes_is_named() -> None:
    two = first_of(2).next_step
    assert two.startswith("Bring masternode3 in: ") and two.endswith("Until then reboot nothing.")
    joining = first_of(3, learner=True).next_step
    assert joining == "masternode3 will vote when it has caught up. Until then reboot nothing."
    # A node that stayed behind after another took its place is deleted; three voters bear a reboot.
    three = first_of(3, known=4)
    assert three.sentence == "3 voters for 4 control plane nodes: can lose 1 more."
    assert "Bring masternode4 in" in three.next_step and "delete its node" in three.next_step
    assert three.next_step.endswith("Ask before any reboot: m.")


def test_nodes_operators_and_pods() -> None:
    view = healthy(
        api=api(
            nodes=(NodeFacts("masternode1", "", True), NodeFacts("other", "", False, "kubelet stopped")),
            operators=(
                OperatorFacts("kube-apiserver", True, True, False, "3 nodes at revision 7"),
                OperatorFacts("etcd", True, False, True, "bad"),
            ),
        )
    )
    assert "other" in one(view, "4-nodes").evidence and "masternode2" in one(view, "4-nodes").evidence
    assert one(view, "3-node-other").evidence == "kubelet stopped"
    assert "rolling out" in one(view, "rolling-kube-apiserver").sentence
    assert "degraded" in one(view, "operator-etcd").sentence


def test_a_guard_that_is_off() -> None:
    told = one(healthy(api=api(guard_off=True)), "4-guard")
    assert told.severity is Severity.WARNING and ":debts" in told.next_step
    assert not [f for f in found(healthy(api=api())) if f.key == "4-guard"]


def test_disks_clocks_and_certificates_of_hosts() -> None:
    facts = host(1).facts.value
    assert facts is not None
    bad = replace(
        facts,
        data_disk=DiskSpace("/var", 100 * MIB, 3 * MIB),
        backup_disk=None,
        clock_offset=-90.0,
        certificates=(
            Certificate("/x/ended.crt", NOW - 86400 * 3),
            Certificate("/x/soon.crt", NOW + 86400 * 5),
            Certificate("/x/fine.crt", NOW + 86400 * 500),
        ),
    )
    view = healthy(hosts=(host(1, facts=Reading(bad, NOW)), host(2), host(3)))
    assert "3.0M free" in one(view, "disk").sentence
    assert "is 90 s behind" in one(view, "clock").sentence
    assert one(view, "ended.crt").severity is Severity.CRITICAL
    assert one(view, "soon.crt").sentence.endswith("ends in 5 d.")
    assert one(view, "ended.crt").sentence.endswith("ended 3 d ago.")
    assert not [f for f in found(view) if "fine.crt" in f.key]


def test_a_data_disk_that_is_full_is_more_than_a_warning() -> None:
    facts = host(1).facts.value
    assert facts is not None
    full = replace(facts, data_disk=DiskSpace("/var", 100 * MIB, 0), backup_disk=None)
    finding = one(healthy(hosts=(host(1, facts=Reading(full, NOW)),)), "2-disk")
    assert finding.severity is Severity.CRITICAL and "full, 0B free of 100M" in finding.sentence
    assert "do not delete anything of etcd's" in finding.next_step
    no_inode = replace(full, data_disk=DiskSpace("/var", 100 * MIB, 50 * MIB, 0))
    view = healthy(hosts=(host(1, facts=Reading(no_inode, NOW)),))
    assert "no inode left" in one(view, "2-disk").sentence


def test_what_is_missing_on_a_host_is_told_part_by_part() -> None:
    lacking = host(1, missing=("/x/etcd.env cannot be read", "no client key is named"))
    finding = one(healthy(hosts=(lacking, host(2), host(3))), "missing")
    assert finding.evidence == "/x/etcd.env cannot be read; no client key is named."


def test_a_host_that_only_the_configuration_still_knows_is_no_trouble() -> None:
    off = Reading(0.001, NOW - 60, Problem(Fault.SILENT, "No answer within 3 s."), NOW - 50)
    replaced = host(3, name="masternode9", node="", address="192.168.50.99", link=off)
    view = healthy(hosts=(host(1), host(2), host(3), replaced))
    finding = one(view, "left-masternode9")
    assert finding.severity is Severity.ADVICE and "take it out of the configuration" in finding.next_step
    silent = healthy(hosts=(host(1), host(2), host(3, link=off)))
    assert one(silent, "3-host-masternode3").severity is Severity.WARNING, "a member's host is missed"


def test_old_missing_and_half_written_backups() -> None:
    none = healthy(hosts=tuple(host(n) for n in (1, 3)))
    assert "no backup" in one(none, "4-backup").sentence
    facts = host(2).facts.value
    assert facts is not None
    old = replace(facts, backups=tuple(replace(f, modified=NOW - 86400 * 3) for f in facts.backups))
    assert "3 d old" in one(healthy(hosts=(host(2, facts=Reading(old, NOW)),)), "4-backup").sentence
    half = FoundFile("masternode2", "/b", "snapshot_2026-09-22_020000.db.part", 12, NOW)
    torn = replace(facts, backups=(*facts.backups, half))
    finding = one(healthy(hosts=(host(2, facts=Reading(torn, NOW)),)), "half")
    assert "not a backup" in finding.sentence and finding.evidence == half.name


def test_backup_files_that_are_not_shown_are_told() -> None:
    two = host(2)
    assert two.facts.value is not None
    many = replace(two, facts=Reading(replace(two.facts.value, backups_cut=12), NOW))
    told = [f for f in found(healthy(hosts=(host(1), many, host(3)))) if "not shown" in f.sentence]
    assert [(f.severity, f.subject) for f in told] == [(Severity.ADVICE, "masternode2")]
    assert "12 backup files" in told[0].sentence


def test_what_a_running_job_writes_is_being_written_not_half_written() -> None:
    facts = host(2).facts.value
    assert facts is not None
    part = FoundFile("masternode2", "/b", "snapshot_2026-09-22_020000.db.part", 12, NOW - 3)
    busy = replace(facts, backups=(*facts.backups, part), writing_since=NOW - 5)
    view = healthy(hosts=(host(2, facts=Reading(busy, NOW)),))
    assert [b.completeness.value for b in view.backups] == ["being written", "2 files"]
    assert not [f for f in found(view) if "half" in f.key]


def test_findings_are_sorted_worst_first_and_their_keys_are_unique() -> None:
    view = replace(with_endpoints(leaderless(1), gone(2), gone(3, Fault.SILENT)), api=api())
    findings = found(view)
    order = list(Severity)
    assert [order.index(f.severity) for f in findings] == sorted(order.index(f.severity) for f in findings)
    assert len({f.key for f in findings}) == len(findings)
