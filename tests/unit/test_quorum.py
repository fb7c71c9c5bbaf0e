"""The arithmetic that decides what may be taken away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdtui.model.members import Member
from etcdtui.model.quorum import Quorum, may_remove, quorum_of


def members(voters: int, learners: int = 0) -> list[Member]:
    named = [Member(i + 1, f"m{i + 1}") for i in range(voters)]
    return named + [Member(100 + i, f"l{i + 1}", learner=True) for i in range(learners)]


@pytest.mark.parametrize(
    ("voters", "needed", "bears"),
    [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 4, 2), (7, 4, 3), (8, 5, 3), (9, 5, 4)],
)
def test_the_table_of_the_documentation(voters: int, needed: int, bears: int) -> None:
    quorum = Quorum(voters, voters)
    assert (quorum.needed, quorum.tolerance, quorum.present) == (needed, bears, True)
    assert Quorum(voters, needed).present and not Quorum(voters, needed - 1).present


def test_nobody_is_no_quorum() -> None:
    assert not Quorum(0, 0).present and Quorum(0, 0).tolerance == 0


VOTERS = st.integers(min_value=1, max_value=9)


@given(VOTERS, st.integers(min_value=0, max_value=3), st.data())
def test_every_mix_of_states(voters: int, learners: int, data: st.DataObject) -> None:
    everyone = members(voters, learners)
    ids = [m.id for m in everyone]
    healthy = data.draw(st.sets(st.sampled_from(ids)))
    target = data.draw(st.sampled_from(ids))
    now = quorum_of(everyone, healthy)
    assert now.voters == voters and now.healthy == len([i for i in healthy if i < 100])
    assert now.present == (now.healthy > voters / 2)
    if now.present:  # it bears exactly so many more failures
        assert Quorum(voters, now.healthy - now.tolerance).present
        assert not Quorum(voters, now.healthy - now.tolerance - 1).present

    verdict = may_remove(everyone, healthy, target)
    rest = [m for m in everyone if m.id != target]
    after = quorum_of(rest, healthy)
    assert verdict.reason.endswith(".") and len(verdict.reason) > 20
    if verdict.allowed:
        assert now.present and after.present
        # Never a member that is well while a voter that is not stays.
        if target < 100 and target in healthy:
            assert all(m.learner or m.id in healthy for m in rest)
    elif now.present and target < 100 and after.present:
        assert target in healthy and any(not m.learner and m.id not in healthy for m in rest)
    if target >= 100:
        assert verdict.allowed == now.present


def test_the_failed_one_of_three_may_go() -> None:
    verdict = may_remove(members(3), {1, 2}, 3)
    assert verdict.allowed and "2 of 2 voters well, quorum 2" in verdict.reason


def test_no_second_one_while_one_is_gone() -> None:
    verdict = may_remove(members(3), {1, 2}, 2)
    assert not verdict.allowed and "would stop" in verdict.reason


def test_without_a_quorum_nothing_goes() -> None:
    verdict = may_remove(members(3), {1}, 3)
    assert not verdict.allowed and "no quorum" in verdict.reason


def test_the_last_voter_stays() -> None:
    verdict = may_remove(members(1, 1), {1, 100}, 1)
    assert not verdict.allowed and "last voter" in verdict.reason


def test_a_member_that_never_started_counts_as_a_voter() -> None:
    new = Member(9, "", ("https://10.0.0.9:2380",))
    everyone = [*members(3), new]
    assert quorum_of(everyone, {1, 2, 3}).needed == 3
    assert may_remove(everyone, {1, 2, 3}, 9).allowed
    assert not may_remove(everyone, {1, 2, 3}, 1).allowed


def test_a_healthy_one_of_five_may_go_when_all_are_well() -> None:
    assert may_remove(members(5), {1, 2, 3, 4, 5}, 1).allowed
    assert not may_remove(members(5), {1, 2, 3, 4}, 1).allowed


def test_who_is_not_there_cannot_be_removed() -> None:
    assert not may_remove(members(3), {1, 2, 3}, 0xABC).allowed
    assert "abc" in may_remove(members(3), {1, 2, 3}, 0xABC).reason
