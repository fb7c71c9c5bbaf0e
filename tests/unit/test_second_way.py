"""What the operator says stands beside what etcd says; where they differ, a finding tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etcdtui.model.findings import Finding, find
from etcdtui.model.health import Level, judge
from etcdtui.model.members import MemberList
from etcdtui.model.platform import OperatorWord
from etcdtui.model.readings import Reading
from etcdtui.model.second_way import off_by
from etcdtui.model.view import ClusterView, EndpointView
from tests.views import NOW, api, endpoint, gone, healthy, member, with_endpoints


def word(available: int, members: int = 3) -> OperatorWord:
    return OperatorWord(available, members, f"{available} members are available", NOW - 120)


def said(view: ClusterView) -> Finding | None:
    return next((f for f in find(view, judge(view)) if f.key == "4-operator-behind"), None)


@pytest.mark.parametrize(("available", "off"), [(3, 0), (2, -1), (5, 2)])
def test_how_far_both_ways_are_apart(available: int, off: int) -> None:
    assert off_by(word(available), judge(healthy())) == off


@pytest.mark.parametrize("available", [3, 4])
def test_the_operator_may_count_a_learner_or_not(available: int) -> None:
    members = (*(member(n) for n in (1, 2, 3)), member(4, learner=True))
    view = replace(healthy(), members=Reading(MemberList(0xC1, members), NOW - 1))
    assert off_by(word(available, 4), judge(view)) == 0


def test_nothing_is_told_while_both_agree() -> None:
    assert said(healthy(api=api(word=word(3)))) is None


def test_an_operator_that_sees_more() -> None:
    finding = said(replace(with_endpoints(endpoint(1), endpoint(2), gone(3)), api=api(word=word(3))))
    assert finding is not None
    assert "still says “3 members are available”" in finding.sentence
    assert finding.evidence == "etcd itself: 2 of 3 voters well. It says so for 2 min."


def test_an_operator_that_sees_fewer() -> None:
    finding = said(healthy(api=api(word=word(2))))
    assert finding is not None
    assert "fewer than etcd itself" in finding.sentence
    assert finding.evidence.startswith("etcd itself: 3 of 3 voters well.")


def test_while_etcd_cannot_tell_its_word_is_a_hint_and_nothing_is_said_of_voters() -> None:
    # One member reads through a quorum, the others were not asked yet.
    unasked = (EndpointView(endpoint(n).url, 0xA0 + n) for n in (2, 3))
    view = replace(with_endpoints(endpoint(1), *unasked), api=api(word=word(3)))
    assert judge(view).level is Level.UNKNOWN
    finding = said(view)
    assert finding is not None and finding.evidence == "It says so for 2 min."
    assert "no proof" in finding.next_step
