"""From views to verdicts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdtui.model.health import Level, MemberState, is_slow, judge
from etcdtui.model.latency import LatencySeries, ReadTimes
from etcdtui.model.member_state import RECENT
from etcdtui.model.members import MemberList
from etcdtui.model.platform import ApiFacts, NodeFacts, OperatorWord
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView, EndpointView
from tests.views import NOW, api, endpoint, gone, healthy, host, leaderless, member, status, with_endpoints

SILENCE = Problem(Fault.SILENT, "masternode1 gives no answer.")


def states(view: ClusterView) -> list[MemberState]:
    return [row.state for row in judge(view).members]


def listed(*members: object) -> Reading[MemberList]:
    return Reading(MemberList(0xC1, members, 0xA1), NOW - 1)  # type: ignore[arg-type]


def out_of_reach(view: ClusterView) -> ClusterView:
    """No host answers over SSH, nothing was ever heard of etcd."""
    return replace(
        view,
        hosts=tuple(host(n, link=Reading(None, None, SILENCE, NOW - 20)) for n in (1, 2, 3)),
        endpoints=tuple(EndpointView(e.url, e.member_id) for e in view.endpoints),
        speaking="",
    )


def test_healthy() -> None:
    health = judge(healthy())
    assert (health.level, health.level.word) == (Level.HEALTHY, "HEALTHY")
    assert health.sentence == "All 3 voters are well." and health.quorum.tolerance == 1
    assert health.leader is not None and health.leader.member.name == "masternode1"
    assert [row.role for row in health.members] == ["leader", "follower", "follower"]
    assert health.source == "etcd" and health.age == 0.5


def test_one_down() -> None:
    health = judge(with_endpoints(endpoint(1), endpoint(2), gone(3)))
    assert health.level is Level.DEGRADED and health.quorum.tolerance == 0
    assert health.sentence == "masternode3 is down; the quorum of 2 holds."
    row = health.member(0xA3)
    assert row is not None and row.state is MemberState.DOWN and row.since == NOW - 14 and not row.current
    assert row.status is not None and row.age == 14 and row.role == "" and row.lag is None


def nodes(count: int) -> Reading[ApiFacts]:
    names = tuple(NodeFacts(f"masternode{n}", f"192.168.50.1{n}", n == 1) for n in range(1, count + 1))
    return api(nodes=names)


def voters(count: int, **changes: object) -> ClusterView:
    """All voters there are, well."""
    numbers = range(1, count + 1)
    return healthy(
        members=listed(*(member(n) for n in numbers)),
        endpoints=tuple(endpoint(n) for n in numbers),
        **changes,
    )


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_voters_than_control_plane_nodes_are_not_healthy(count: int) -> None:
    """After a restore while two masters are off: what there is is well, and bears no failure."""
    view = voters(count, api=nodes(3))
    health = judge(view)
    assert health.level is Level.DEGRADED and health.quorum.tolerance == 0
    assert health.sentence.endswith("well, but the control plane has 3 nodes.")
    assert health.all_well and health.nodes == 3
    # That a node was there is known also when the API does not answer any more.
    assert judge(replace(view, api=replace(nodes(3), at=NOW - 600))).level is Level.DEGRADED


@pytest.mark.parametrize("count", [1, 2, 3])
def test_as_many_voters_as_control_plane_nodes_are_healthy(count: int) -> None:
    view = voters(count, api=nodes(count))
    assert judge(view).level is Level.HEALTHY and judge(view).nodes == 0


def test_without_an_api_the_named_hosts_count_where_no_voter_can_be_lost() -> None:
    alone = voters(1, api=Reading(), api_configured=False)
    assert judge(alone).level is Level.DEGRADED and judge(alone).nodes == 3
    assert judge(replace(alone, hosts=(host(1),))).level is Level.HEALTHY
    # One that was replaced may still be named: that is no reason to call three of three degraded.
    three = voters(3, api=Reading(), api_configured=False)
    assert judge(replace(three, hosts=(*three.hosts, host(4)))).level is Level.HEALTHY


def test_fewer_members_than_nodes_by_the_operators_word() -> None:
    word = OperatorWord(1, 1, "1 members are available")
    view = replace(out_of_reach(voters(1)), api=api(nodes=nodes(3).value.nodes, word=word))  # type: ignore[union-attr]
    assert judge(view).source == "operator" and judge(view).level is Level.DEGRADED


@given(st.integers(1, 5), st.integers(0, 7))
def test_healthy_means_a_voter_for_every_node(count: int, known: int) -> None:
    health = judge(voters(count, api=nodes(known), hosts=(host(1),)))
    assert (health.level is Level.HEALTHY) == (known <= count) and health.all_well


def test_two_down() -> None:
    health = judge(with_endpoints(leaderless(1), gone(2), gone(3)))
    assert health.level is Level.NO_QUORUM and health.quorum.healthy == 0
    assert "0 of 3 voters are well, 2 needed: masternode1 knows no leader" in health.sentence


def test_two_down_and_the_third_has_not_noticed_yet() -> None:
    late = Problem(Fault.NO_QUORUM_READ, "No read was confirmed.")
    view = with_endpoints(endpoint(1, reads=Reading(None, None, late, NOW - 1)), gone(2), gone(3))
    assert judge(view).level is Level.NO_QUORUM
    assert states(view)[0] is MemberState.ISOLATED


def test_one_confirmed_read_proves_a_quorum_we_cannot_see() -> None:
    view = with_endpoints(endpoint(1), gone(2, Fault.SILENT), gone(3, Fault.SILENT))
    health = judge(view)
    assert health.level is Level.DEGRADED and "still reads through a quorum" in health.sentence


def test_all_silent_while_our_host_answers() -> None:
    view = with_endpoints(*(gone(n, Fault.SILENT) for n in (1, 2, 3)))
    health = judge(view)
    assert health.level is Level.NO_QUORUM and "gives no answer" in health.sentence


def test_all_silent_and_our_host_too() -> None:
    view = with_endpoints(*(gone(n, Fault.SILENT) for n in (1, 2, 3)))
    dead = replace(
        view, hosts=tuple(host(n, link=Reading(0.001, NOW - 20, SILENCE, NOW - 20)) for n in (1, 2, 3))
    )
    assert judge(replace(dead, api=Reading())).level is Level.UNKNOWN
    assert "No host answers over SSH" in judge(replace(dead, api=Reading())).sentence


@pytest.mark.parametrize(
    ("word", "level"),
    [
        (OperatorWord(3, 3, "3 members are available"), Level.HEALTHY),
        (OperatorWord(2, 3, "2 of 3 members are available, masternode3 is unhealthy"), Level.DEGRADED),
        # It could not have been said without a quorum: these are words of before.
        (OperatorWord(1, 3, "1 of 3 members are available"), Level.UNKNOWN),
    ],
)
def test_no_ssh_but_the_api(word: OperatorWord, level: Level) -> None:
    health = judge(replace(out_of_reach(healthy()), api=api(word=word)))
    assert health.level is level and health.source == "operator"
    assert "etcd itself was not asked" in health.sentence


def test_the_operators_word_never_beats_etcds_own() -> None:
    health = judge(with_endpoints(leaderless(1), gone(2), gone(3)))
    assert health.level is Level.NO_QUORUM and health.source == "etcd"


def test_no_ssh_and_an_old_api_answer() -> None:
    old = replace(api(), at=NOW - 120)
    assert judge(replace(out_of_reach(healthy()), api=old)).level is Level.UNKNOWN


def test_nothing_at_all() -> None:
    health = judge(ClusterView("new", NOW))
    assert (health.level, health.sentence) == (Level.UNKNOWN, "Nothing has answered yet.")
    assert health.members == () and health.age is None and health.leader is None


def test_facts_grow_old() -> None:
    health = judge(replace(healthy(), now=NOW + 60, api=Reading()))
    assert health.level is Level.UNKNOWN and health.age == pytest.approx(60.5)
    assert not any(row.well for row in health.members)


def test_a_learner_does_not_count() -> None:
    new = member(4, learner=True)
    view = replace(
        healthy(),
        members=listed(*(member(n) for n in (1, 2, 3)), new),
        endpoints=(
            *(endpoint(n) for n in (1, 2, 3)),
            endpoint(4, status=Reading(status(4, learner=True), NOW)),
        ),
    )
    health = judge(view)
    assert health.level is Level.HEALTHY and health.quorum.voters == 3
    assert health.members[-1].state is MemberState.LEARNER and health.members[-1].role == "learner"


def test_an_unstarted_voter_counts() -> None:
    new = member(4, name="", client_urls=())
    view = replace(healthy(), members=listed(*(member(n) for n in (1, 2, 3)), new))
    health = judge(view)
    assert health.quorum.voters == 4 and health.quorum.tolerance == 0
    assert health.level is Level.DEGRADED and "never started" in health.sentence
    assert health.members[-1].state is MemberState.UNSTARTED


def test_an_unstarted_voter_does_not_hide_a_lost_quorum() -> None:
    new = member(4, name="", client_urls=())
    view = replace(
        with_endpoints(leaderless(1), leaderless(2), gone(3)),
        members=listed(*(member(n) for n in (1, 2, 3)), new),
    )
    assert judge(view).level is Level.NO_QUORUM


@pytest.mark.parametrize("kind", ["NOSPACE", "CORRUPT"])
def test_an_alarm_is_told_by_every_member(kind: str) -> None:
    told = status(1, errors=(f"memberID:161 alarm:{kind}",))
    view = with_endpoints(
        *(endpoint(n, status=Reading(replace(told, member_id=0xA0 + n), NOW)) for n in (1, 2, 3))
    )
    health = judge(view)
    assert health.level is Level.DEGRADED and states(view) == [MemberState.ALARM] * 3
    assert "has an alarm" in health.sentence


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (Fault.REFUSED, MemberState.DOWN),
        (Fault.UNREACHABLE, MemberState.DOWN),
        (Fault.SILENT, MemberState.SILENT),
        (Fault.TLS, MemberState.TLS),
        (Fault.ODD, MemberState.UNKNOWN),
        (Fault.NO_TOOLS, MemberState.UNKNOWN),
    ],
)
def test_faults_have_their_words(fault: Fault, state: MemberState) -> None:
    assert states(with_endpoints(endpoint(1), endpoint(2), gone(3, fault)))[2] is state


def test_slow_is_well_and_said() -> None:
    slow = endpoint(3, serializable=LatencySeries((0.001,) * 5 + (0.4,) * RECENT))
    view = with_endpoints(endpoint(1), endpoint(2), slow)
    assert states(view)[2] is MemberState.SLOW and judge(view).level is Level.HEALTHY


def test_one_slow_answer_is_no_slow_member() -> None:
    assert not is_slow(LatencySeries((0.001, 0.001, 0.001, 0.9)))
    assert not is_slow(LatencySeries((0.9, 0.9)))
    assert not is_slow(LatencySeries((None, None, None, None, 0.9)))
    assert is_slow(LatencySeries((0.9, 0.9, 0.9)))


def test_a_slow_quorum_is_not_a_slow_member() -> None:
    late = endpoint(1, reads=Reading(ReadTimes(0.8, 0.001), NOW), linearizable=LatencySeries((0.8,) * 9))
    assert states(with_endpoints(late, endpoint(2), endpoint(3)))[0] is MemberState.HEALTHY


def test_lag_is_counted_behind_the_leader() -> None:
    behind = endpoint(3, status=Reading(status(3, raft_applied=988), NOW))
    rows = judge(with_endpoints(endpoint(1), endpoint(2), behind)).members
    assert [row.lag for row in rows] == [0, 0, 12]


VIEW = st.sampled_from(["well", "gone", "silent", "leaderless", "unknown", "alarm"])


def test_an_old_word_of_the_operator_does_not_hide_members_that_deny_a_quorum() -> None:
    odd = gone(3, Fault.ODD, "strange words")
    assert judge(with_endpoints(leaderless(1), leaderless(2), odd)).level is Level.NO_QUORUM
    unknown = EndpointView("https://192.168.50.11:2379"), EndpointView("https://192.168.50.12:2379")
    health = judge(with_endpoints(leaderless(1), *unknown))
    assert health.level is Level.UNKNOWN and "masternode1 knows no leader" in health.sentence


def test_the_first_answers_do_not_raise_a_false_alarm() -> None:
    """Each member said something of itself, no read was tried yet."""
    view = with_endpoints(*(endpoint(n, reads=Reading()) for n in (1, 2, 3)))
    assert judge(replace(view, api=Reading())).level is Level.UNKNOWN


@given(st.lists(VIEW, min_size=1, max_size=9))
def test_every_mix_of_members(kinds: list[str]) -> None:
    """HEALTHY and NO QUORUM are only said when they are so."""

    def made(kind: str, number: int) -> EndpointView:
        match kind:
            case "well":
                return endpoint(number)
            case "gone":
                return gone(number)
            case "silent":
                return gone(number, Fault.SILENT)
            case "leaderless":
                return leaderless(number)
            case "alarm":
                return endpoint(number, status=Reading(status(number, errors=("alarm:NOSPACE",)), NOW))
        return EndpointView(f"https://192.168.50.{number + 9}:2379")

    numbers = range(1, len(kinds) + 1)
    view = replace(
        healthy(),
        members=listed(*(member(n) for n in numbers)),
        endpoints=tuple(made(kind, n) for kind, n in zip(kinds, numbers, strict=True)),
        api=Reading(),
    )
    health = judge(view)
    well, alarmed = kinds.count("well"), kinds.count("alarm")
    assert health.quorum.healthy == well + alarmed and len(health.members) == len(kinds)
    assert health.sentence.endswith(".")
    if health.level is Level.HEALTHY:
        assert well == len(kinds)
    if health.level is Level.NO_QUORUM:
        failed = len(kinds) - kinds.count("unknown") - alarmed
        assert well == alarmed == 0 and failed > len(kinds) - health.quorum.needed
    if "leaderless" in kinds:  # then the operator's old word is not repeated either
        assert judge(replace(view, api=api())).source == "etcd"
    if well + alarmed >= health.quorum.needed:
        assert health.level in (Level.HEALTHY, Level.DEGRADED)


class TestWhatProvesNothing:
    """Failures of our own way must never be told as a lost quorum."""

    def test_certificates_that_fit_nowhere(self) -> None:
        view = replace(with_endpoints(*(gone(n, Fault.TLS) for n in (1, 2, 3))), api=Reading())
        health = judge(view)
        assert health.level is Level.UNKNOWN and "fails in TLS" in health.sentence

    def test_missing_tools(self) -> None:
        view = replace(with_endpoints(*(gone(n, Fault.NO_TOOLS) for n in (1, 2, 3))), api=Reading())
        assert judge(view).level is Level.UNKNOWN

    @pytest.mark.parametrize("own", [leaderless(1), gone(1)])
    def test_a_host_that_is_cut_off_itself(self, own: EndpointView) -> None:
        """Its own member denies a quorum, the others are silent, though their hosts answer us."""
        view = with_endpoints(own, gone(2, Fault.SILENT), gone(3, Fault.SILENT))
        cut_off = replace(view, api=Reading(), voices=3, seen_from=("masternode1",))
        health = judge(cut_off)
        assert health.level is Level.UNKNOWN and "seen from masternode1 alone" in health.sentence
        agreed = replace(cut_off, seen_from=("masternode1", "masternode2"))
        assert judge(agreed).level is Level.NO_QUORUM

    def test_masters_that_are_off_altogether(self) -> None:
        """Neither etcd nor SSH of two masters answers, and the third knows no leader."""
        off = {n: host(n, link=Reading(0.001, NOW - 60, SILENCE, NOW - 60)) for n in (2, 3)}
        view = with_endpoints(leaderless(1), gone(2, Fault.SILENT), gone(3, Fault.UNREACHABLE))
        assert judge(replace(view, hosts=(host(1), off[2], off[3]), voices=1)).level is Level.NO_QUORUM


def test_another_cluster_at_a_members_address_is_no_member() -> None:
    alone = status(3, cluster_id=0xBAD, leader_id=0xA3)
    health = judge(with_endpoints(endpoint(1), endpoint(2), endpoint(3, status=Reading(alone, NOW))))
    assert health.level is Level.DEGRADED and health.members[2].state is MemberState.FOREIGN
    replaced = status(3, member_id=0xFF)
    view = with_endpoints(endpoint(1), endpoint(2), endpoint(3, status=Reading(replaced, NOW)))
    assert "answers the member ff" in str(judge(view).members[2].problem)


def test_an_alarm_takes_no_votes_away() -> None:
    alarm = ("memberID:161 alarm:NOSPACE ",)
    view = with_endpoints(*(endpoint(n, status=Reading(status(n, errors=alarm), NOW)) for n in (1, 2, 3)))
    health = judge(view)
    assert health.level is Level.DEGRADED
    assert (health.quorum.healthy, health.quorum.tolerance) == (3, 1)


def test_the_load_of_the_cluster_is_no_lag() -> None:
    """The leader told its index a second after the follower did, with 500 writes in between."""
    leader = endpoint(1, indexes=((NOW - 1.5, 1000), (NOW - 0.5, 1500)))
    follower = endpoint(2, status=Reading(status(2, raft_applied=1000), NOW - 1.4))
    health = judge(with_endpoints(leader, follower, endpoint(3)))
    assert health.members[1].lag == 0
