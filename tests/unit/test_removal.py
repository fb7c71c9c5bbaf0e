"""The verdicts beside a mark: every cluster of one to nine members in every mix of states."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdtui.model.health import MemberState, judge
from etcdtui.model.latency import LatencySeries
from etcdtui.model.members import Member, MemberList
from etcdtui.model.problems import Fault
from etcdtui.model.readings import Reading
from etcdtui.model.removal import mark_verdict, may_add
from etcdtui.model.view import ClusterView, EndpointView, Way
from tests.views import NOW, api, endpoint, gone, leaderless, member, status

STATES = ("healthy", "slow", "alarm", "down", "silent", "not asked", "unstarted", "leaderless", "learner")
WELL = {"healthy", "slow", "alarm"}


def cluster(*states: str, **changes: object) -> ClusterView:
    """Member n (ID 0xA0 + n) in the nth of these states."""
    members: list[Member] = []
    endpoints: list[EndpointView] = []
    for number, state in enumerate(states, 1):
        if state == "unstarted":
            members.append(member(number, name="", client_urls=()))
            continue
        members.append(member(number, learner=state == "learner"))
        told = endpoint(number)
        if state == "slow":
            told = endpoint(number, serializable=LatencySeries((0.4,) * 10))
        elif state == "alarm":
            told = endpoint(number, status=Reading(status(number, errors=("alarm:NOSPACE",)), NOW - 0.5))
        elif state == "down":
            told = gone(number)
        elif state == "silent":
            told = gone(number, Fault.SILENT, "no answer")
        elif state == "not asked":
            told = gone(number, Fault.NOT_ASKED, "no host to ask it through")
        elif state == "leaderless":
            told = leaderless(number)
        elif state == "back":
            told = endpoint(number, linearizable=LatencySeries((0.002, None, None, 0.002, 0.002)))
        endpoints.append(told)
    listed = MemberList(0xC1, tuple(members), 0xA1)
    view = ClusterView(
        name="prod",
        now=NOW,
        members=Reading(listed, NOW - 1),
        endpoints=tuple(endpoints),
        speaking="masternode1",
        voices=len(states),
    )
    return replace(view, **changes)  # type: ignore[arg-type]


CLUSTERS = st.lists(st.sampled_from(STATES), min_size=1, max_size=9)


def counted(states: list[str], without: int | None = None) -> tuple[int, int, bool]:
    """Voters, well voters, quorum: by counting, not by the code under test."""
    rest = [s for n, s in enumerate(states) if n != without]
    voters = [s for s in rest if s != "learner"]
    well = [s for s in voters if s in WELL]
    return len(voters), len(well), len(voters) > 0 and 2 * len(well) > len(voters)


@given(CLUSTERS, st.data())
def test_every_mix_of_states(states: list[str], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, len(states) - 1))
    verdict = mark_verdict(cluster(*states), 0xA1 + target)
    voters, well, before = counted(states)
    left, left_well, after = counted(states, target)
    if verdict.allowed:
        assert before and after, "what remains has a quorum of healthy voters"
        assert states[target] != "not asked", "nobody knows whether it is dead"
        assert states[target] == "learner" or "learner" not in states, "one at a time"
        others = [s for n, s in enumerate(states) if n != target and s != "learner"]
        if states[target] in WELL:
            assert all(s in WELL for s in others), "never one that is well while another is not"
    elif before and after and states[target] != "not asked":
        needed = states[target] in WELL and left_well < left
        assert needed or "learner" in states, "refused for a reason"
    sums = f"{left_well} of {left} voters well" if left else "no voter"
    assert sums in verdict.reason, "the arithmetic is always told"
    assert f"now {well} of {voters}" in verdict.reason or not left
    assert verdict.reason.endswith(".") and ".." not in verdict.reason
    assert verdict.reason.startswith(("Refused: ", "Waits: ")) != verdict.allowed


@given(CLUSTERS, st.lists(st.integers(0, 8), unique=True, max_size=4), st.data())
def test_of_several_marked_only_the_first_can_be_allowed(
    states: list[str], marks: list[int], data: st.DataObject
) -> None:
    view = cluster(*states)
    marked = [0xA1 + n for n in marks if n < len(states)]
    allowed = [one for one in marked if mark_verdict(view, one, marked).allowed]
    assert allowed in ([], marked[:1])
    failed = {0xA1 + n for n, state in enumerate(states) if state not in WELL | {"learner"}}
    for one in marked[1:]:
        verdict = mark_verdict(view, one, marked)
        first = next(r for r in judge(view).members if r.member.id == marked[0])
        if {one, marked[0]} <= failed:  # etcd 3.5.14, or one that nobody could ask
            assert f"leaves the list right after {first.member.label}" in verdict.reason
            assert "whole again" not in verdict.reason
        else:
            assert f"after {first.member.label} is whole again" in verdict.reason
        assert "voter" in verdict.reason
    if marked:  # what is not marked yet would come after them
        unmarked = data.draw(st.integers(0, len(states) - 1)) + 0xA1
        if unmarked not in marked:
            assert not mark_verdict(view, unmarked, marked).allowed


@given(CLUSTERS, st.floats(5.01, 1e6), st.data())
def test_an_old_view_allows_nothing(states: list[str], late: float, data: st.DataObject) -> None:
    view = cluster(*states)
    target = 0xA1 + data.draw(st.integers(0, len(states) - 1))
    assert not mark_verdict(view, target, now=NOW + late).allowed
    assert not may_add(view, version="3.5.30", now=NOW + late).allowed


@given(CLUSTERS, st.booleans(), st.sampled_from(["3.4.23", "3.5.29", "3.5.30", "3.6.10", "3.6.11"]))
def test_adding_in_every_mix_of_states(states: list[str], learner: bool, version: str) -> None:
    verdict = may_add(cluster(*states), learner=learner, version=version)
    voters, well, before = counted(states)
    whole = all(s in WELL or s == "learner" for s in states)
    if verdict.allowed:
        assert before
        assert whole or version in ("3.5.30", "3.6.11"), "older etcd refuses while one is away"
        if learner:
            assert "learner" not in states
        else:
            assert 2 * well > voters + 1 and whole
    assert f"{well} of {voters + (not learner)} voters well" in verdict.reason


def test_the_failed_one_of_three_may_go() -> None:
    verdict = mark_verdict(cluster("healthy", "healthy", "down"), 0xA3)
    assert verdict.allowed
    assert verdict.reason == (
        "Removing masternode3 would leave 2 of 2 voters well, quorum 2 (now 2 of 3, quorum 2): allowed."
    )


def test_a_healthy_one_may_not_while_another_is_down_or_never_started() -> None:
    for other, told in (("down", "masternode3 is down"), ("unstarted", "never started")):
        verdict = mark_verdict(cluster("healthy", "healthy", other), 0xA2)
        assert not verdict.allowed and told in verdict.reason
    # What etcd itself allows: four voters, three well, one that never started, and the healthy leader goes.
    verdict = mark_verdict(cluster("healthy", "healthy", "healthy", "unstarted"), 0xA1)
    assert not verdict.allowed and "Replace the member that failed instead" in verdict.reason


def test_a_member_that_came_back_is_not_counted_for_five_seconds() -> None:
    view = cluster("healthy", "healthy", "back")
    assert judge(view).member(0xA3) and judge(view).member(0xA3).state is MemberState.HEALTHY  # type: ignore[union-attr]
    verdict = mark_verdict(view, 0xA2)
    assert not verdict.allowed and "masternode3 came back less than 5 s ago" in verdict.reason
    # One that is gone may go at any time.
    assert mark_verdict(cluster("healthy", "back", "healthy", "down"), 0xA4).allowed
    assert not may_add(view, version="3.5.14").allowed


def five(version: str, **changes: object) -> ClusterView:
    """The fourth and the fifth have failed; all ran this etcd."""
    down = cluster("healthy", "healthy", "healthy", "down", "down")
    told = [
        replace(one, status=replace(one.status, value=replace(status(n), version=version)))
        for n, one in enumerate(down.endpoints, 1)
    ]
    return replace(down, endpoints=tuple(told), **changes)  # type: ignore[arg-type]


BOTH = (0xA4, 0xA5)


def test_two_failed_of_five_wait_for_each_other_where_etcd_adds_beside_a_failed_one() -> None:
    for version in ("3.5.30", "3.6.11"):
        first = mark_verdict(five(version), 0xA4, BOTH)
        assert first.allowed and "One at a time: masternode5 only after it." in first.reason
        second = mark_verdict(five(version), 0xA5, BOTH)
        assert not second.allowed and "comes after masternode4 is whole again" in second.reason


@pytest.mark.parametrize(
    ("view", "who"),
    [
        (five("3.5.29"), "etcd 3.5.29"),
        (five(""), "etcd before 3.5.30 and 3.6.11"),
        (five("3.5.30", api=api(), api_configured=True), "etcd's operator"),
        (five("3.5.14", api=api(), api_configured=True), "etcd's operator"),
    ],
    ids=["old etcd", "unknown etcd", "operator", "operator and old etcd"],
)
def test_two_failed_of_five_leave_the_list_together_where_nobody_is_added_beside_one(
    view: ClusterView, who: str
) -> None:
    because = f"{who} adds nobody while a failed member is in the list"
    first = mark_verdict(view, 0xA4, BOTH)
    assert first.allowed
    after = "masternode5 leaves the list right after it, before anybody comes back"
    assert f"{after}: {because}." in first.reason
    second = mark_verdict(view, 0xA5, BOTH)
    assert second.reason == (
        "Waits: masternode5 leaves the list right after masternode4, in the same guide and before anybody "
        f"comes back, for {because}; as it is now, removing masternode5 would leave 3 of 4 voters well, "
        "quorum 3 (now 3 of 5, quorum 3)."
    )
    alone = mark_verdict(view, 0xA4, (0xA4,))
    assert alone.allowed and f"Mark masternode5, too: {because}." in alone.reason
    # One that is well waits in any case.
    assert "comes after masternode4 is whole again" in mark_verdict(view, 0xA1, (0xA4, 0xA1)).reason


def test_three_failed_of_seven_go_in_the_order_of_their_marks() -> None:
    view = cluster(*["healthy"] * 4, *["down"] * 3)
    marked = (0xA6, 0xA5, 0xA7)
    first, last = mark_verdict(view, 0xA6, marked), mark_verdict(view, 0xA7, marked)
    assert "masternode5 and masternode7 leave the list right after it" in first.reason
    assert "masternode7 leaves the list right after masternode6 and masternode5" in last.reason


def test_while_the_api_has_not_told_who_adds_members_nothing_is_promised() -> None:
    said = mark_verdict(five("3.5.30", api_configured=True), 0xA5, BOTH).reason
    assert "depends on who adds members here, and the API has not told yet" in said
    assert "is whole again;" not in said


def test_the_next_goes_only_once_the_newcomer_votes() -> None:
    """The fourth of five is out and its successor catches up: the fifth, which failed too, must wait."""
    refused = mark_verdict(cluster("healthy", "healthy", "healthy", "learner", "down"), 0xA5)
    assert not refused.allowed and "one at a time, masternode4 is a learner: let it vote" in refused.reason
    assert "would leave 3 of 3 voters well" in refused.reason
    assert mark_verdict(cluster("healthy", "healthy", "healthy", "healthy", "down"), 0xA5).allowed


def test_the_last_one_stays_and_so_does_everybody_without_a_quorum() -> None:
    assert "end the cluster" in mark_verdict(cluster("healthy"), 0xA1).reason
    lost = mark_verdict(cluster("leaderless", "down", "down"), 0xA2)
    assert not lost.allowed and "has no quorum" in lost.reason


def test_read_only_and_a_list_nobody_told_are_refused() -> None:
    view = cluster("healthy", "healthy", "down", read_only=True)
    assert "read-only" in mark_verdict(view, 0xA3).reason and not mark_verdict(view, 0xA3).allowed
    assert not may_add(view).allowed
    supposed = cluster("healthy", "healthy", "down")
    listed = supposed.members.value
    assert listed is not None
    untold = replace(supposed, members=Reading(listed, None))
    assert not mark_verdict(untold, 0xA3).allowed


def test_who_is_not_listed_cannot_go() -> None:
    verdict = mark_verdict(cluster("healthy"), 0xBEEF)
    assert not verdict.allowed and "beef" in verdict.reason


def test_a_learner_may_go_and_the_leader_with_a_warning() -> None:
    learner = mark_verdict(cluster("healthy", "healthy", "learner"), 0xA3)
    assert learner.allowed and "does not vote" in learner.reason
    leads = mark_verdict(cluster("healthy", "healthy", "healthy"), 0xA1)
    assert leads.allowed and "move the leadership away first" in leads.reason


@pytest.mark.parametrize("way", [Way.PIPE, Way.ETCDCTL])
def test_reads_older_than_five_seconds_refuse_whichever_way_they_came(way: Way) -> None:
    old = endpoint(2, way=way)
    old = replace(old, reads=replace(old.reads, at=NOW - 6))
    view = cluster("healthy", "healthy", "down")
    view = replace(view, endpoints=(view.endpoints[0], old, view.endpoints[2]))
    assert not mark_verdict(view, 0xA3).allowed


def test_the_version_that_was_not_given_is_the_oldest_told() -> None:
    view = cluster("healthy", "healthy", "down")
    assert "etcd 3.5.14 adds nobody while masternode3" in may_add(view).reason
    refused = may_add(view, version="3.5.30")
    assert "2 voters are connected for 5 s, 3 would be needed" in refused.reason and not refused.allowed
    more = cluster("healthy", "healthy", "healthy", "healthy", "down")
    assert may_add(more, version="3.5.30").allowed and not may_add(more, version="3.5.29").allowed
