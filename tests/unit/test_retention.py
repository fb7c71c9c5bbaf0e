"""Which backups go: what the rule says, and what no rule may do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etcdtui.model.retention import Kept, Rule, doomed, in_words, rule_of_words

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
DAY = 86400.0


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("7", Rule(count=7)),
        (" last=7, days=30 ", Rule(count=7, days=30)),
        ("daily=7,weekly=4,monthly=6", Rule(daily=7, weekly=4, monthly=6)),
        ("last=2,days=1.5", Rule(count=2, days=1.5)),
    ],
)
def test_a_rule_in_words(text: str, rule: Rule) -> None:
    assert rule_of_words(text) == rule


# As the configuration takes them: counts are any whole numbers, days any number at all.
counts = st.integers(0, 10**6) | st.floats(0, allow_infinity=False).map(int)
days = st.none() | st.floats(0, 400) | st.floats(0, allow_infinity=False) | st.integers(0, 400)
rules = st.builds(Rule, st.none() | counts, days, counts, counts, counts)


@given(rules)
@example(Rule(2, 1.9))  # one that says 1.9 days is not to become one of 1 day: backups would go
@example(Rule(days=0.25))
@example(Rule(days=1e-7))
@example(Rule(days=1e23))
def test_a_rule_is_the_same_after_it_was_written_down(rule: Rule) -> None:
    words = in_words(rule)
    assert (words == "") is rule.empty
    assert rule.empty or rule_of_words(words) == replace(
        rule, count=rule.count or None, days=rule.days or None
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is no part of a rule"),
        ("²", "'²' is no part of a rule"),
        ("last=²", "'last=²' is no part of a rule"),
        ("last=٣", "'last=٣' is no part of a rule"),
        ("last=" + "9" * 5000, "is no part of a rule"),
        ("last=1.5", "last must be a whole number"),
        ("days=1e3", "'days=1e3' is no part of a rule"),
        ("days=" + "9" * 400, "is no part of a rule"),
        ("last=-1", "'last=-1' is no part of a rule"),
        ("last=1,last=2", "last is said twice"),
        ("hourly=3", "'hourly' is no part of a rule; known are last, days"),
    ],
)
def test_words_that_are_no_rule(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rule_of_words(text)


def daily(count: int, **changes: object) -> list[Kept]:
    """One proven backup at noon of each of the last days."""
    return [replace(Kept(i, NOW - i * DAY, "prod", proven=True), **changes) for i in range(count)]


def kept(sets, rule):
    return [r.backup.key for r in doomed(sets, rule, NOW, "prod").keep]


@pytest.mark.parametrize(
    ("rule", "stays"),
    [
        (Rule(), range(40)),
        (Rule(count=3), [0, 1, 2]),
        (Rule(days=2.5), [0, 1, 2]),
        (Rule(daily=4), [0, 1, 2, 3]),
        (Rule(weekly=3), [0, 1, 8]),  # a Monday; then the Sundays before
        (Rule(monthly=2), [0, 23]),
        (Rule(monthly=9), [0, 23]),
        (Rule(count=2, daily=3, weekly=2, monthly=2), [0, 1, 2, 23]),
    ],
)
def test_what_each_part_keeps(rule: Rule, stays) -> None:
    assert kept(daily(40), rule) == list(stays)


def test_reasons_are_told_for_both() -> None:
    ruling = doomed(daily(3), Rule(count=1, weekly=1), NOW, "prod")
    assert ruling.keep[0].reasons == (
        "is the last proven backup",
        "is one of the 1 newest proven",
        "is the newest of its week",
    )
    assert ruling.delete[0].reasons == ("is none of the 1 newest or the 1 weekly",)


def test_the_last_proven_one_stays_however_old() -> None:
    old = Kept("old", NOW - 900 * DAY, "prod", proven=True)
    newer = [replace(b, proven=False) for b in daily(5)]
    assert kept([*newer, old], Rule(count=1)) == [0, 1, 2, 3, 4, "old"]


def test_without_a_proven_one_nothing_goes() -> None:
    assert kept(daily(5, proven=False), Rule(count=1)) == [0, 1, 2, 3, 4]


def test_unproven_ones_take_no_place_and_go() -> None:
    sets = daily(4)
    sets[1] = replace(sets[1], proven=False)
    assert kept(sets, Rule(count=2)) == [0, 2]
    sets[2] = replace(sets[2], complete=False)
    ruling = doomed(sets, Rule(count=2), NOW, "prod")
    assert [r.backup.key for r in ruling.keep] == [0, 3]
    assert "only half a backup" in ruling.delete[1].reasons[0]


def test_a_dirty_one_takes_no_place_of_a_clean_one() -> None:
    sets = daily(3)
    sets[0] = replace(sets[0], dirty=True)
    assert kept(sets, Rule(count=1)) == [0, 1]  # it is newer than the last one to rely on
    later = doomed([*daily(1), replace(sets[0], key="dirty", taken=NOW - DAY)], Rule(count=2), NOW, "prod")
    assert [r.reasons for r in later.delete] == [("is possibly dirty, and newer clean ones stay",)]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"cluster": "test"}, "is of another cluster"),
        ({"cluster": None}, "does not tell which cluster it is of"),
        ({"recognised": False}, "holds something that is not known as part of a backup"),
        ({"taken": None}, "does not tell when it was taken"),
        ({"taken": NOW + 1}, "was taken in the future, by the clock of this machine"),
        ({"busy": True}, "is being written"),
    ],
)
def test_what_always_stays_and_fills_no_place(change, why) -> None:
    odd = replace(Kept("odd", NOW - 90 * DAY, "prod", proven=True), **change)
    ruling = doomed([odd, *daily(3)], Rule(count=2), NOW, "prod")
    reasons = {r.backup.key: r.reasons for r in ruling.keep}
    assert reasons["odd"] == (why,)
    assert set(reasons) == {"odd", 0, 1}


def test_an_unknown_own_identity_deletes_nothing() -> None:
    assert not doomed([replace(b, cluster="") for b in daily(9)], Rule(count=1), NOW, "").delete


def test_a_rule_of_less_than_nothing() -> None:
    with pytest.raises(ValueError, match="count of a retention rule"):
        Rule(count=-1)


SETS = st.lists(
    st.builds(
        Kept,
        key=st.none(),
        taken=st.none() | st.floats(0, NOW + 9 * DAY),
        cluster=st.sampled_from([None, "prod", "prod", "prod", "test"]),
        proven=st.booleans(),
        recognised=st.sampled_from([True, True, True, False]),
        complete=st.sampled_from([True, True, False]),
        busy=st.sampled_from([False, False, False, True]),
    ),
    max_size=25,
).map(lambda sets: [replace(b, key=i) for i, b in enumerate(sets)])
COUNTS = st.integers(0, 6)
RULES = st.builds(
    Rule, count=st.none() | COUNTS, days=st.none() | COUNTS, daily=COUNTS, weekly=COUNTS, monthly=COUNTS
)


@given(SETS, RULES, st.randoms(use_true_random=False))
def test_what_no_rule_may_do(sets, rule, random) -> None:
    ruling = doomed(sets, rule, NOW, "prod")
    gone = [r.backup for r in ruling.delete]
    stays = [r.backup for r in ruling.keep]
    assert sorted(b.key for b in [*gone, *stays]) == [b.key for b in sets]  # each once
    assert all(r.reasons for r in [*ruling.keep, *ruling.delete])
    for backup in gone:
        assert backup.cluster == "prod" and backup.recognised and not backup.busy
        assert backup.taken is not None and backup.taken <= NOW
        # A newer proven backup of this cluster always stays.
        assert any(b.proven and b.complete and b.cluster == "prod" and b.taken >= backup.taken for b in stays)
    if rule.empty:
        assert not gone
    # Nothing changes when it is done and asked again, nor with the order.
    assert not doomed(stays, rule, NOW, "prod").delete
    if len({b.taken for b in sets}) == len(sets):
        shuffled = random.sample(sets, len(sets))
        assert {r.backup.key for r in doomed(shuffled, rule, NOW, "prod").delete} == {b.key for b in gone}
