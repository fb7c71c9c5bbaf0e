"""Steps that etcdtui does itself: told about, stopped, repeated; and gates made when they are reached."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from etcdtui.errors import Cancelled, Refusal
from etcdtui.journal import Journal
from etcdtui.landing import Moved
from etcdtui.model.quorum import Verdict
from etcdtui.procedures.procedure import (
    Action,
    Answer,
    Choice,
    Context,
    Ending,
    Gate,
    GateKind,
    Progress,
    Reporter,
    Step,
    StepState,
    Work,
)
from tests.procedures import Human, check_step, procedure, run, yes


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def work_step(work: Work, **changes: object) -> Step:
    base: dict[str, object] = {
        "key": "bring",
        "title": "Bring it off",
        "why": "Because.",
        "action": Action.WORK,
        "work": work,
    }
    return Step(**(base | changes))  # type: ignore[arg-type]


def test_its_words_bytes_and_lines_are_told(journal: Journal) -> None:
    def work(world: Context, report: Reporter) -> Verdict:
        report.say("first file")
        report.moved(Moved("snapshot.db", 5, 10, 2.5, 2.0))
        time.sleep(0.1)
        return Verdict(True, "Both files are here.")

    finished, human = run(procedure(work_step(work)), journal)
    assert (finished.ending, finished.sentence) == (Ending.DONE, "Both files are here.")
    assert human.output == "first file\n"
    told = [e for e in human.events if isinstance(e, Progress) and e.measured is not None]
    assert told
    assert (told[-1].measured, told[-1].total, told[-1].rate, told[-1].left) == (5, 10, 2.5, 2.0)
    assert "snapshot.db" in told[-1].awaiting


@pytest.mark.parametrize("how", ["error", "verdict"])
def test_a_failure_may_be_tried_again(journal: Journal, how: str) -> None:
    tries: list[int] = []

    def work(world: Context, report: Reporter) -> Verdict:
        tries.append(1)
        if len(tries) == 1:
            if how == "error":
                raise Refusal("The store is full.", "Make room.")
            return Verdict(False, "The store is full.")
        return Verdict(True, "It is there.")

    finished, human = run(procedure(work_step(work)), journal, Answer(Choice.RETRY))
    assert finished.sentence == "It is there."
    assert "The store is full." in human.questions[0].sentence
    assert len(tries) == 2


def test_skipped_with_a_reason(journal: Journal) -> None:
    def work(world: Context, report: Reporter) -> Verdict:
        raise Refusal("The store is down.")

    finished, _ = run(
        procedure(work_step(work), check_step(prechecks=(yes("All else is well."),))),
        journal,
        Answer(Choice.SKIP, "later"),
    )
    assert (finished.ending, finished.sentence) == (Ending.DONE, "All else is well.")


def test_cancelled_it_stops_and_may_be_resumed(journal: Journal) -> None:
    stopped: list[bool] = []
    human = Human()

    def work(world: Context, report: Reporter) -> Verdict:
        assert human.engine is not None
        human.engine.cancel()
        stopped.append(report.cancelled.wait(5.0))
        raise Cancelled("It was stopped.", "What came is kept.")

    plan = procedure(work_step(work))
    finished, _ = run(plan, journal, human=human)
    assert finished.ending is Ending.STOPPED
    assert stopped == [True]
    again, _ = run(procedure(work_step(lambda world, report: Verdict(True, "Whole."))), journal)
    assert again.sentence == "Whole."


def gate(words: str) -> Gate:
    return Gate(GateKind.CONFIRM, prompt=words, optional=True)


def test_a_gate_made_when_it_is_reached_says_what_is_true_then(journal: Journal) -> None:
    step = work_step(lambda world, report: Verdict(True, "3 are gone."), ask=lambda world: gate("Delete 3?"))
    finished, human = run(procedure(step), journal, Answer(Choice.GO))
    assert human.questions[0].sentence == "Delete 3?"
    assert finished.sentence == "3 are gone."


def test_a_gate_that_has_nothing_to_ask_is_none(journal: Journal) -> None:
    step = work_step(lambda world, report: Verdict(True, "Nothing to delete."), ask=lambda world: Gate())
    finished, human = run(procedure(step), journal)
    assert not human.questions
    assert finished.sentence == "Nothing to delete."


def test_no_at_an_optional_gate_passes_over_the_step_alone(journal: Journal) -> None:
    def never(world: Context, report: Reporter) -> Verdict:
        raise AssertionError("it was refused")

    finished, human = run(
        procedure(
            work_step(never, ask=lambda world: gate("Delete 3?")), check_step(prechecks=(yes("Good."),))
        ),
        journal,
        Answer(Choice.NO),
    )
    assert finished.sentence == "Good."
    assert ("bring", StepState.SKIPPED) in human.states
