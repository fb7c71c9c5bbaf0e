"""Drills judged: from facts to sentences, and from the journal and the lab's word to facts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdtui.drill import record, words
from etcdtui.drill.catalogue import DRILLS, FORMERLY, M1, M2, M3, drill_of
from etcdtui.drill.debrief import Debrief, debrief
from etcdtui.drill.drills import HANDS, Danger, Drill
from etcdtui.drill.facts import Deed, Examined, Facts, HandDone, Keys, State
from etcdtui.errors import ConfigError
from etcdtui.journal import Journal
from etcdtui.lab import actions
from etcdtui.lab.__main__ import main as lab_main
from etcdtui.lab.keys import compare, digest
from etcdtui.lab.registry import On
from etcdtui.model.causes import Cause
from etcdtui.procedures.procedure import Procedure, Step
from etcdtui.text import clean

SAME = Keys(3000, 0, 0, "abcdef0123456789")
WELL = State(3, 3, keys=SAME)
ENDS = ("done", "refused", "cancelled", "failed", "stopped", "interrupted", "abandoned")


def facts(**changes: Any) -> Facts:
    """A drill that began at 1000 and was left at 1200, its goal reached at 1090."""
    return replace(Facts(began=1000.0, ended=1200.0, reached=1090.0, state=WELL), **changes)


def seen(name: str, **changes: Any) -> Debrief:
    return debrief(drill_of(name), facts(**changes))


# -- the catalogue


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_a_drill_can_be_brought_about_and_told(drill: Drill) -> None:
    for do in (*drill.hurt, *drill.since):
        actions.check(do.action, do.node or None)
    nodes = {f"masternode{n}" for n in range(1, drill.nodes + 1)}
    assert drill.causes.keys() | drill.down | drill.lost <= nodes
    assert drill.lost <= drill.down and len(nodes - drill.down) >= 1
    assert drill.hands <= HANDS.keys() and (drill.hands or drill.needs)
    assert "restore" not in drill.needs or drill.backup
    hidden = {cause for causes in drill.causes.values() for cause in causes} - {Cause.NOTHING, Cause.SLOW}
    assert not any(cause.value in drill.story for cause in hidden)
    lines = [*words.briefing(drill, Path("/tmp/etcdtui-12345678"))]
    assert len(lines) <= 24 and max(map(len, lines)) <= 80


def test_all_names_are_different_and_listed() -> None:
    assert len({drill.name for drill in DRILLS}) == len(DRILLS)
    listed = "\n".join(words.listing(DRILLS))
    assert all(drill.name in listed and drill.title in listed for drill in DRILLS)
    assert max(map(len, listed.splitlines())) <= 80


TELLTALE = re.compile(
    r"address|certificate|clock|corrupt|damage|destroy|disk|expire|full|impost|newe|power|process|stopped|"
    r"tls|wipe|quota",
    re.IGNORECASE,
)


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_neither_name_nor_title_tells_the_cause(drill: Drill) -> None:
    assert not TELLTALE.search(f"{drill.name} {drill.title}")
    assert re.search(r"\b\d\d:\d\d\b", drill.title), "since when it is so, as the pager says it"


def test_what_people_do_the_lab_can_do() -> None:
    assert all(actions.ACTIONS[name].on in (On.RUNNING, On.HOST, On.NAME, On.LAB) for name in HANDS)


def test_an_unknown_drill_is_told_with_its_nearest() -> None:
    with pytest.raises(ConfigError, match="There is no drill 'member-dwon'") as told:
        drill_of("member-dwon")
    assert "'member-down'" in told.value.hint and "--drill list" in told.value.hint


def test_a_drill_by_its_former_name_is_told_its_present_one() -> None:
    assert FORMERLY.keys().isdisjoint(drill.name for drill in DRILLS)
    assert set(FORMERLY.values()) <= {drill.name for drill in DRILLS}
    with pytest.raises(ConfigError, match="'disk-full' is called 'silent-logs' now") as told:
        drill_of("disk-full")
    assert told.value.hint == "Begin it with: etcdtui demo --drill silent-logs"


def test_a_name_like_none_is_told_no_drill_at_random() -> None:
    for name in ("full-disk", "frozen"):
        with pytest.raises(ConfigError) as told:
            drill_of(name)
        assert "Did you mean" not in told.value.hint


# -- the debrief


def test_a_goal_reached_without_a_step_too_many() -> None:
    told = seen(
        "member-down",
        examined=(Examined(1010.0, M1, Cause.NOTHING), Examined(1025.0, M3, Cause.PROCESS_ENDED)),
        hands=(HandDone(1060.0, "start", M3),),
    )
    assert told.reached
    assert told.outcome.startswith("The goal was reached after 1 min. All 3000 keys are there, unchanged")
    assert told.causes == ("The cause was seen after 25 s: masternode3, process ended.",)
    assert not told.needless and not told.walked_into
    assert set(told.avoided) == {Danger.NEEDLESSLY_REPLACED, Danger.HEALTHY_REMOVED}


def test_a_cause_called_otherwise_or_never_looked_at() -> None:
    other = seen("member-down", examined=(Examined(1004.0, M3, Cause.STARTING),))
    assert other.causes == ("masternode3 was examined after 4 s: “starting”; the cause was “process ended”.",)
    assert "never examined" in seen("member-down").causes[0]


def test_a_goal_that_was_missed_says_by_what() -> None:
    state = State(3, 2, guard=False, alarms=("NOSPACE",), locks=(M1,), wounds=("masternode2 is slow",))
    told = seen("no-answer", reached=None, state=replace(state, keys=Keys(10, 2, 1, "00")))
    assert not told.reached
    for lack in (
        "2 of 3 voters well, 3 are wanted",
        "alarm NOSPACE",
        "guard is off",
        "a lock is left on masternode1",
        "masternode2 is slow",
        "2 of 10 keys missing",
        "1 of 10 keys changed",
    ):
        assert lack in told.outcome
    assert {Danger.GUARD_LEFT, Danger.DATA_LOST} <= set(told.walked_into)


def test_replacing_what_only_stopped_is_told() -> None:
    told = seen("member-down", gone=(M3,), deeds=(Deed(1020.0, "replace", "Replace masternode3", "done"),))
    assert set(told.walked_into) == {Danger.NEEDLESSLY_REPLACED}
    assert told.needless == ("“Replace masternode3” was not needed.",)
    assert Danger.HEALTHY_REMOVED in told.avoided


def test_removing_the_slow_one_while_another_is_down_is_past_the_quorum() -> None:
    told = seen("second-trouble", gone=(M2,), reached=None, state=State(2, 0, keys=None))
    assert {Danger.HEALTHY_REMOVED, Danger.PAST_QUORUM} <= set(told.walked_into)
    assert "2 voters were left, 2 of them needed, 1 were down" in told.walked_into[Danger.PAST_QUORUM]


def test_steps_passed_over_and_runs_that_came_to_nothing() -> None:
    deeds = (
        Deed(1010.0, "replace", "Replace masternode3", "refused"),
        Deed(
            1020.0, "replace", "Replace masternode3", "done", True, (("backup", "A backup"), ("hash", "Same"))
        ),
        Deed(1090.0, "leadership", "Let masternode2 lead", "done"),
        Deed(1099.0, "backup", "Back up", "done"),
    )
    hands = (HandDone(1020.0, "power-on", M1), HandDone(1021.0, "free-disk", M1))
    told = seen("crash-loop", gone=(M3,), deeds=deeds, hands=hands)
    assert set(told.walked_into) == {Danger.NO_BACKUP, Danger.UNVERIFIED}
    assert "“Same”" in told.walked_into[Danger.UNVERIFIED]
    assert told.needless == (
        "“Replace masternode3” was refused.",
        "“Let masternode2 lead” was not needed.",
        "2 deeds on the machines that nothing asked for: power-on masternode1 and free-disk masternode1.",
    )


def test_a_restore_that_loses_what_a_stopped_member_had() -> None:
    lost = State(3, 3, keys=Keys(340, 40, 0, "00"))
    told = seen(
        "no-writes", state=lost, gone=(M1, M2, M3), deeds=(Deed(1020.0, "restore", "Restore", "done"),)
    )
    assert set(told.walked_into) == {Danger.RESTORED, Danger.DATA_LOST} and not told.reached
    wanted = seen("namespace-deleted", gone=(M1, M2, M3), deeds=(Deed(1.0, "restore", "Restore", "done"),))
    assert not wanted.walked_into and not wanted.needless


titles = st.sampled_from(["Replace masternode3 in lab", "\x1b[31mred\n", ""])
deeds_ = st.builds(
    Deed,
    st.floats(1000, 1200),
    st.sampled_from(["backup", "replace", "restore", "leadership", "maintenance", "debt", "prune"]),
    titles,
    st.sampled_from(ENDS),
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(["backup", "hash", "remove"]), titles), max_size=3).map(tuple),
)
states = st.builds(
    State,
    st.integers(0, 5),
    st.integers(0, 5),
    st.booleans(),
    st.none() | st.lists(st.sampled_from(["NOSPACE", "CORRUPT"]), max_size=2).map(tuple),
    st.lists(st.sampled_from([M1, M2, M3]), max_size=2).map(tuple),
    st.just(()),
    st.none() | st.builds(Keys, st.integers(1, 9), st.integers(0, 1), st.integers(0, 1), st.just("ab" * 32)),
)


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(DRILLS),
    states,
    st.lists(deeds_, max_size=4).map(tuple),
    st.sets(st.sampled_from([M1, M2, M3])).map(lambda gone: tuple(sorted(gone))),
    st.lists(
        st.builds(Examined, st.floats(1000, 1200), st.sampled_from([M1, M2, M3]), st.sampled_from(Cause))
    ).map(tuple),
)
def test_whatever_happened_it_can_be_told(
    drill: Drill,
    state: State,
    deeds: tuple[Deed, ...],
    gone: tuple[str, ...],
    examined: tuple[Examined, ...],
) -> None:
    told = debrief(drill, facts(state=state, deeds=deeds, gone=gone, examined=examined))
    assert told.reached == (not state.lacks(drill.nodes))
    assert told.reached <= (state.well == state.voters == drill.nodes and state.keys is not None)
    assert not set(told.walked_into) & set(told.avoided)
    assert set(drill.dangers) <= set(told.walked_into) | set(told.avoided)
    assert len(told.causes) == len(drill.causes)
    lines = list(words.told(told))
    assert all(len(line) <= 80 for line in lines) or any(len(word) > 60 for word in " ".join(lines).split())
    assert all(clean(line, 2000) == line for line in lines)
    # Nobody who kept within what was lost is blamed for a removal.
    if set(gone) <= drill.lost:
        assert not {Danger.HEALTHY_REMOVED, Danger.PAST_QUORUM, Danger.NEEDLESSLY_REPLACED} & set(
            told.walked_into
        )


# -- facts from what is written down


def test_keys_are_compared_one_by_one_and_what_came_later_does_not_count() -> None:
    before = {b"a": b"1", b"b": b"2", b"c": b"3"}
    same = compare(before, {**before, b"later": b"9"})
    assert (same.missing, same.changed) == (0, 0) and same.before == same.now == digest(before)
    other = compare(before, {b"a": b"1", b"b": b"x"})
    assert (other.missing, other.changed) == (1, 1) and other.now != other.before


def status(**changes: Any) -> dict[str, Any]:
    node = {"power": "on", "marks": [], "clock_off": False, "slow": False}
    base: dict[str, Any] = {
        "members": [
            {"id": f"a{n}", "name": f"masternode{n}", "learner": False, "healthy": True} for n in (1, 2, 3)
        ],
        "alarms": [],
        "guard": "on",
        "orders": [],
        "nodes": {f"masternode{n}": dict(node) for n in (1, 2, 3)},
    }
    return base | changes


def test_the_labs_word_becomes_a_state() -> None:
    told = {"keys": 5, "missing": 0, "changed": 0, "before": "ab", "now": "ab"}
    assert record.state_of(status(), (), told).lacks(3) == ()
    nodes = status()["nodes"]
    nodes["masternode1"]["marks"] = ["disk-full"]
    nodes["masternode2"]["clock_off"] = True
    nodes["masternode3"] |= {"power": "off", "slow": True}
    seen = record.state_of(status(nodes=nodes, alarms=None, guard="off"), ("masternode1",), None)
    assert seen.wounds == ("the disk of masternode1 is full", "the clock of masternode2 is wrong")
    assert len(seen.lacks(3)) == 6
    learner = status()["members"]
    learner[2] |= {"learner": True}
    assert record.state_of(status(members=learner), (), told).voters == 2


def test_who_is_gone_is_told_by_id() -> None:
    before = record.members_of(status())
    after = {"a1": M1, "a2": M2, "b9": M3}  # back under its old name
    assert record.gone(before, after) == (M3,)
    assert record.gone(before, {}) == ()


def test_only_orders_after_the_trouble_are_hands() -> None:
    orders = [{"action": "stop", "node": M3, "at": 5.0}, {"action": "start", "node": M3, "at": 9.0}]
    assert record.hands_of(status(orders=orders), 5.0) == (HandDone(9.0, "start", M3),)


def test_the_journal_becomes_deeds(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    steps = (Step("backup", "A backup", "why"), Step("hash", "Same keys", "why"), Step("go", "Go", "why"))

    def run(name: str, at: float, *entries: Mapping[str, str], ending: str = "") -> None:
        made = Procedure("replace", name, "lab", f"Replace {name}", {}, steps)
        written, _ = journal.begin(made, at)
        for entry in entries:
            step, kind, *_ = entry["step"], entry["kind"]
            written.write(
                at + 1, kind, step, state=entry.get("state", ""), sentence=entry.get("sentence", "")
            )
        if ending:
            written.write(at + 2, "finished", ending=ending, sentence="so")
        written.close()

    skipped = {"kind": "state", "state": "skipped"}
    run("replace-1", 100.0, ending="done")
    run(
        "replace-2",
        200.0,
        {**skipped, "step": "backup", "sentence": "Skipped: no time"},
        {**skipped, "step": "go", "sentence": "Skipped: you said no."},
        {**skipped, "step": "go", "sentence": "Passed over: no backup was taken in this run."},
        {"kind": "command", "step": "hash"},
        ending="done",
    )
    run("replace-3", 300.0)
    deeds = record.deeds_of(journal.runs("lab"), 150.0)
    assert [(deed.title, deed.ending, deed.changed) for deed in deeds] == [
        ("Replace replace-2", "done", True),
        ("Replace replace-3", "interrupted", False),
    ]
    assert deeds[0].skipped == (("backup", "A backup"),)


def test_an_answer_of_the_lab_is_broken_between_words() -> None:
    said = "Nobody on the machines knows 'renew'. They know: " + ", ".join(sorted(HANDS)) + "."
    lines = words.paragraph(said)
    assert " ".join(lines) == said and all(len(line) <= words.WIDTH for line in lines)


def test_every_deed_of_the_lab_is_listed_apart_from_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        lab_main(["do", "--help"])
    listing = capsys.readouterr().out
    assert all(f"  {name}  " in listing for name in actions.ACTIONS)
