"""What goes wrong in a cluster, done to a real one: the view says so within seconds, with the cause.

Each situation is also asked of ``etcdtui status --json``: the same truth, and the exit code.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui import config
from etcdtui.cluster import Cluster, hosts
from etcdtui.lab.demo import Lab
from etcdtui.model.finding import Severity
from etcdtui.model.health import Level, MemberState, judge
from etcdtui.model.problems import Fault
from tests.live.watched import Seen, Watched, watched

pytestmark = pytest.mark.live

SOON = 3.0  # seconds: the promise
M1, M2, M3 = "masternode1", "masternode2", "masternode3"
OLD = Path("/usr/bin")


@pytest.fixture(scope="module", params=["etcd 3.5, sshd", "etcd 3.4, built-in SSH"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    old = "3.4" in request.param
    if old and not (OLD / "etcdctl").exists():
        pytest.skip("Debian's etcd 3.4 is not installed (etcd-server, etcd-client)")
    if not old and not (shutil.which("sshd") or Path("/usr/sbin/sshd").exists()):
        pytest.skip("OpenSSH's sshd is not installed (openssh-server)")
    with Lab(etcd_dir=OLD if old else None, ssh="builtin" if old else "openssh", keys=300) as running:
        yield running


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path) -> Iterator[Watched]:
    with watched(lab, tmp_path) as watch:
        yield watch
        watch.heal()


def leader(seen: Seen) -> str:
    assert seen.health.leader is not None
    return seen.health.leader.member.name


def others(*names: str) -> set[str]:
    return {M1, M2, M3} - set(names)


def test_a_killed_member_is_down_because_nothing_listens(cluster: Watched) -> None:
    cluster.lab.do("stop", M3)
    seen = cluster.within(SOON, lambda s: s.member(M3).state is MemberState.DOWN)
    problem = seen.member(M3).problem
    assert problem is not None and problem.fault is Fault.REFUSED
    seen = cluster.within(SOON, lambda s: s.health.level is Level.DEGRADED)
    assert seen.health.quorum.tolerance == 0
    assert "can lose 0 more" in seen.finding("1-tolerance").sentence
    assert "nothing listens" in seen.finding("2-member").sentence
    cluster.rows_go_on(others(M3))
    code, told = cluster.status()
    assert (code, told["verdict"], told["can_lose"]) == (1, "DEGRADED", 0)
    assert {m["name"]: m["fault"] for m in told["members"]} == {M1: None, M2: None, M3: "refused"}


def test_a_frozen_member_gives_no_answer_and_the_leader_is_followed(cluster: Watched) -> None:
    frozen = leader(cluster.look())
    cluster.lab.do("freeze", frozen)
    seen = cluster.within(SOON, lambda s: s.member(frozen).state is MemberState.SILENT)
    # Without it the others may be told of for a moment, too.
    assert "gives no answer" in seen.finding(f"2-member-{seen.member(frozen).member.hex_id}").sentence
    seen = cluster.within(
        SOON + 2, lambda s: s.health.level is Level.DEGRADED and s.health.leader is not None
    )
    assert leader(seen) != frozen
    cluster.rows_go_on(others(frozen))
    code, told = cluster.status()
    assert code == 1
    assert next(m for m in told["members"] if m["name"] == frozen)["state"] == "no answer"
    cluster.lab.do("thaw", frozen)
    cluster.within(10, lambda s: s.health.level is Level.HEALTHY)


def test_a_frozen_ssh_server_is_the_hosts_trouble_not_the_members(cluster: Watched) -> None:
    speaking = cluster.look().view.speaking
    cluster.lab.do("freeze-ssh", speaking)

    def told(seen: Seen) -> bool:
        # Not for a moment may a silent host make healthy members look bad.
        assert seen.health.level is not Level.NO_QUORUM
        assert not [r for r in seen.health.members if r.problem and r.problem.fault is not Fault.NOT_ASKED]
        return any(h.name == speaking and h.link.problem for h in seen.view.hosts)

    seen = cluster.within(SOON, told)
    assert seen.finding(f"3-host-{speaking}").severity is Severity.WARNING
    seen = cluster.within(SOON, lambda s: s.health.level is Level.HEALTHY and s.view.speaking != speaking)
    cluster.rows_go_on(others())
    code, told_json = cluster.status()
    assert code == 0
    assert {h["name"]: h["answers"] for h in told_json["hosts"]}[speaking] is False
    cluster.lab.do("thaw-ssh", speaking)
    cluster.healthy()


def test_without_any_ssh_the_operator_is_quoted_and_then_nobody(cluster: Watched) -> None:
    for node in (M1, M2, M3):
        cluster.lab.do("stop-ssh", node)
    seen = cluster.within(SOON, lambda s: s.health.source == "operator")
    assert seen.health.level is Level.HEALTHY
    assert "etcd itself was not asked" in seen.health.sentence
    cluster.lab.do("api-down")
    seen = cluster.within(SOON, lambda s: s.health.level is Level.UNKNOWN)
    assert len(seen.health.members) == 3, "the last known members stay on the screen"
    code, told = cluster.status()
    assert (code, told["verdict"]) == (3, "CANNOT TELL")
    assert len(told["members"]) == 3, "remembered on disk"


def test_a_cut_api_is_said_and_nothing_else_changes(cluster: Watched) -> None:
    cluster.lab.do("api-down")
    seen = cluster.within(SOON, lambda s: s.view.api.problem is not None)
    assert seen.finding("3-api").sentence == "The Kubernetes API does not answer."
    assert seen.health.level is Level.HEALTHY and seen.view.api.value is not None
    cluster.rows_go_on(others())
    code, told = cluster.status()
    assert code == 0 and told["api"]["answers"] is False
    cluster.lab.do("api-up")
    cluster.within(6, lambda s: s.view.api.problem is None)


def test_two_members_gone_is_no_quorum_and_the_third_is_still_read(cluster: Watched) -> None:
    gone = sorted(others(leader(cluster.look())))
    left = others(*gone).pop()
    for node in gone:
        cluster.lab.do("stop", node)
    seen = cluster.within(SOON, lambda s: s.health.level is Level.NO_QUORUM)
    assert seen.findings[0].key == "0-quorum"
    seen = cluster.within(SOON + 2, lambda s: s.member(left).state is MemberState.NO_LEADER)
    assert seen.member(left).current and seen.member(left).status is not None
    cluster.rows_go_on({left})
    code, told = cluster.status()
    assert (code, told["verdict"]) == (2, "NO QUORUM")
    assert next(m for m in told["members"] if m["name"] == left)["db_size"] > 0


def test_a_wrong_certificate_is_told_from_a_dead_member(cluster: Watched) -> None:
    cluster.lab.do("wrong-cert", M2)
    seen = cluster.within(
        SOON, lambda s: s.member(M2).state is MemberState.TLS and s.health.level is Level.DEGRADED
    )
    assert "fails in TLS" in seen.health.sentence
    assert "TLS handshake" in seen.finding("2-member").sentence
    assert "not signed" in seen.finding("2-member").evidence
    cluster.rows_go_on(others(M2))
    assert cluster.look().member(M2).state is MemberState.TLS, "and it stays said"
    code, told = cluster.status()
    assert code == 1 and {m["name"]: m["fault"] for m in told["members"]}[M2] == "TLS"


def test_a_slow_member_is_slow_and_still_well(cluster: Watched) -> None:
    slow = sorted(others(leader(cluster.look())))[0]
    cluster.lab.do("slow", slow)
    seen = cluster.within(12, lambda s: s.member(slow).state is MemberState.SLOW)
    assert seen.health.level is Level.HEALTHY and seen.health.quorum.tolerance == 1
    assert slow in seen.finding("3-slow").sentence


def test_a_full_disk_is_found_on_its_host(cluster: Watched) -> None:
    cluster.lab.do("fill-disk", M1)
    cluster.cluster.refresh()
    seen = cluster.within(8, lambda s: any(f.key.startswith(f"2-disk-{M1}") for f in s.findings))
    assert "free of" in seen.finding(f"2-disk-{M1}").sentence


def test_health_as_a_human_would_ask_it(cluster: Watched) -> None:
    host, command, raw = cluster.cluster.canonical_health()
    assert host in others() and "etcd-common-tools" in command and "endpoint health" in command
    assert raw.count("is healthy: successfully committed proposal: took") == 3
    assert raw.endswith("exit 0")


def test_where_openssl_is_missing_etcdctl_is_asked_and_the_screen_says_so(
    cluster: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = hosts.parse_access
    monkeypatch.setattr(hosts, "parse_access", lambda out, host: replace(parse(out, host), openssl=""))
    with watched(cluster.lab, cluster.state / "other") as other:
        seen = other.within(15, lambda s: all(r.current for r in s.health.members))
        assert {e.way.value for e in seen.view.endpoints} == {"etcdctl"}
        assert seen.health.level is Level.HEALTHY and seen.health.leader is not None


def test_unknown_hosts_are_kept_out_until_their_keys_are_trusted(lab: Lab, tmp_path: Path) -> None:
    found = config.load(lab.config).cluster(None)
    known = tmp_path / "ssh" / "known_hosts"
    stranger = Cluster(replace(found, ssh=replace(found.ssh, known_hosts=str(known))), tmp_path)
    stranger.start()
    try:
        view = stranger.wait(lambda _: len(stranger.unknown_host_keys()) == 3, 20)
        assert all(h.link.problem and h.link.problem.fault is Fault.HOST_KEY for h in view.hosts)
        for key in stranger.unknown_host_keys():
            assert key.fingerprint.startswith("SHA256:")
            stranger.trust(key)
        view = stranger.wait(lambda v: all(h.link.at and not h.link.problem for h in v.hosts), 20)
        assert not stranger.unknown_host_keys(), [str(h.link.problem) for h in view.hosts]
        view = stranger.wait(lambda v: judge(v).level is Level.HEALTHY and judge(v).source == "etcd", 10)
        assert judge(view).level is Level.HEALTHY
        assert known.stat().st_mode & 0o777 == 0o600
    finally:
        stranger.close()


def test_the_whole_cluster_ends_within_a_second_whatever_hangs(cluster: Watched) -> None:
    for node in (M1, M2, M3):
        cluster.lab.do("freeze-ssh", node)
    began = time.monotonic()
    cluster.cluster.close()
    assert time.monotonic() - began < 1.0
