"""Killed at every line of its record, a replacement goes on with the truth: one removal, no debt lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from etcdtui.journal import Journal
from etcdtui.procedures import debts
from etcdtui.procedures.procedure import Action, Ending, StepChanged, StepState
from etcdtui.procedures.registry import resume
from tests.procedures import CutJournal, Human, Killed, run
from tests.replacing import DEAD, FakeApi, Situation, one_down, willing
from tests.views import NOW

LINES = 140  # more than an uninterrupted run writes


def removals(world: Situation) -> int:
    return sum(1 for argv in world.ran if "remove" in argv)


def lives(world: Situation, tmp_path: Path, cut: int, how: str) -> Journal:
    """One life that is cut, then one that goes on from the record."""
    made = world.plan()
    journal = Journal(tmp_path)
    try:
        finished, _ = run(made, CutJournal(tmp_path, cut, how), world=world, human=willing())
        assert finished.ending is Ending.DONE
        return journal
    except Killed:
        pass
    owed = debts.owed(journal.runs("prod"))
    assert bool(owed) or not world.api_.guard_off
    runs = journal.runs("prod")
    again = resume(runs[0]) if runs else made
    finished, _ = run(again, journal, world=world, human=willing())
    assert finished.ending is Ending.DONE, finished.sentence
    return journal


CUTS = [
    *((cut, "after") for cut in range(1, LINES)),
    *((cut, "before") for cut in range(1, LINES, 5)),
    *((cut, "torn") for cut in range(3, LINES, 5)),
]


@pytest.mark.parametrize(("cut", "how"), CUTS)
def test_a_machine_gone_killed_at_each_line(tmp_path: Path, cut: int, how: str) -> None:
    world = Situation()
    journal = lives(world, tmp_path, cut, how)
    assert removals(world) == 1 and DEAD not in {m.id for m in world.members}
    assert not world.api_.guard_off and not debts.owed(journal.runs("prod"))
    assert world.api_.wrote.count(("create", "prod-master-3")) == 1
    assert world.api_.wrote.count(("delete", "prod-master-2")) == 1
    assert not world.locked


@pytest.mark.parametrize("cut", range(1, LINES, 3))
def test_a_crash_loop_killed_at_each_line(tmp_path: Path, cut: int) -> None:
    world = Situation(one_down(crashing=True))
    lives(world, tmp_path, cut, "after")
    assert removals(world) == 1 and len(world.ran) == 3 and not world.api_.guard_off
    assert "manifest-kept" in world.lying and "data-kept" in world.lying


def test_an_uninterrupted_run_is_shorter_than_the_cuts(tmp_path: Path) -> None:
    for number, view in enumerate((one_down(), one_down(crashing=True))):
        folder = tmp_path / str(number)
        world = Situation(view)
        run(world.plan(), Journal(folder), world=world, human=willing())
        assert len(Journal(folder).read("replace-1").entries) < LINES


def stopped_after(world: Situation, journal: Journal, step: str) -> Human:
    """A run that is left once ``step`` is done."""
    human = willing()
    human.on.append(
        (
            lambda e: isinstance(e, StepChanged) and e.step == step and e.state is StepState.DONE,
            lambda engine: engine.leave(),
        )
    )
    run(world.plan(), journal, world=world, human=human)
    return human


def test_a_debt_is_told_and_paid_by_itself(tmp_path: Path) -> None:
    world, journal = Situation(), Journal(tmp_path)
    stopped_after(world, journal, "guard off")
    assert world.api_.guard_off
    journal.abandon("replace-1", "the member came back", NOW)
    (debt,) = debts.owed(journal.runs("prod"))
    told = debt.sentence(debt.since + 600)
    assert "may be OFF, since 10 min" in told and "“Replace masternode3 in prod”" in told
    made = debts.plan(debt, procedure_id="debt-1")
    assert made.steps[0].action is Action.WORK and "oc patch etcd/cluster" in " ".join(made.steps[0].argv)
    finished, _ = run(made, journal, world=world, human=willing())
    assert finished.ending is Ending.DONE and not world.api_.guard_off
    assert debts.owed(journal.runs("prod")) == ()


@pytest.mark.parametrize("cut", range(1, LINES, 5))
def test_a_debt_is_known_before_it_is_made(tmp_path: Path, cut: int) -> None:
    world = Situation()
    try:
        run(world.plan(), CutJournal(tmp_path, cut, "after"), world=world, human=willing())
    except Killed:
        runs = Journal(tmp_path).runs("prod")
        written = [e for r in runs for e in r.entries if e.kind == "work" and e.step == "guard off"]
        assert bool(written) or not world.api_.guard_off
        assert bool(debts.owed(runs)) or not world.api_.guard_off


def test_no_debt_without_a_guard_taken_off(tmp_path: Path) -> None:
    world, journal = Situation(objects=FakeApi.openshift("4.9.1")), Journal(tmp_path)
    stopped_after(world, journal, "remove")
    assert debts.owed(journal.runs("prod")) == ()


def test_the_lock_stays_while_it_may_be_gone_on_with(tmp_path: Path) -> None:
    world, journal = Situation(), Journal(tmp_path)
    stopped_after(world, journal, "remove")
    assert set(world.locked.values()) == {"replace-1"}
    run(resume(journal.read("replace-1")), journal, world=world, human=willing())
    assert not world.locked


def test_resumed_after_the_removal_nothing_is_asked_by_name_again(tmp_path: Path) -> None:
    world, journal = Situation(), Journal(tmp_path)
    stopped_after(world, journal, "remove")
    human = willing()
    finished, _ = run(resume(journal.read("replace-1")), journal, world=world, human=human)
    assert finished.ending is Ending.DONE and "remove" not in [q.step for q in human.questions]
    assert removals(world) == 1


def test_somebody_else_removed_it_meanwhile(tmp_path: Path) -> None:
    world, journal = Situation(), Journal(tmp_path)
    stopped_after(world, journal, "guard off")
    world.set_members([m for m in world.members if m.id != DEAD])
    finished, human = run(resume(journal.read("replace-1")), journal, world=world, human=willing())
    assert finished.ending is Ending.DONE and removals(world) == 0
    assert "remove" not in [q.step for q in human.questions]
