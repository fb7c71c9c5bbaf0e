"""Replacements as the screen asks for them: one at a time, nothing in read-only, debts that are told."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest

from etcdtui.cli import resume as cli_resume
from etcdtui.config import ClusterConfig
from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.procedures import debts
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import Answer, Choice, Ending, StepChanged, StepState
from tests.procedures import run
from tests.replacing import DEAD, Situation, willing
from tests.views import NOW


class Opened(Situation):
    """The situation as an opened cluster."""

    name = "prod"
    read_only = False

    def wait(self, settled: Any, timeout: float) -> Any:
        return self.shown


def operations(world: Opened, tmp_path: Path) -> Operations:
    return Operations(cast(Any, world), tmp_path)


def left_after(world: Opened, tmp_path: Path, step: str) -> str:
    """A replacement that is left once ``step`` is done; its id."""
    made = operations(world, tmp_path).plan_replace(world.shown, DEAD)
    human = willing()
    human.on.append(
        (
            lambda e: isinstance(e, StepChanged) and e.step == step and e.state is StepState.DONE,
            lambda engine: engine.leave(),
        )
    )
    finished, _ = run(made, Journal(tmp_path / "journal"), world=world, human=human)
    assert finished.ending is Ending.STOPPED
    return made.id


def test_the_next_only_when_the_former_is_finished(tmp_path: Path) -> None:
    world = Opened()
    left_after(world, tmp_path, "guard off")
    with pytest.raises(Refusal, match="One at a time: “Replace masternode3 in prod” was begun") as told:
        operations(world, tmp_path).plan_replace(world.shown, DEAD)
    assert ":resume" in told.value.hint, "the way is named, not only its direction"


def test_after_it_was_abandoned_another_may_begin(tmp_path: Path) -> None:
    world = Opened()
    run_id = left_after(world, tmp_path, "guard off")
    Journal(tmp_path / "journal").abandon(run_id, "planned anew", NOW)
    made = operations(world, tmp_path).plan_replace(world.shown, DEAD)
    # The guard is off already: it is owed by the former run, and not taken off twice.
    assert "guard off" not in [step.key for step in made.steps]
    assert len(operations(world, tmp_path).debts()) == 1


def test_one_that_failed_in_the_middle_is_not_lost(tmp_path: Path) -> None:
    world = Opened()
    world.refuses = {"remove": "etcdserver: unhealthy cluster"}
    ours = operations(world, tmp_path)
    journal = Journal(tmp_path / "journal")
    finished, _ = run(ours.plan_replace(world.shown, DEAD), journal, world=world, human=willing())
    assert finished.ending is Ending.FAILED and world.api_.guard_off
    with pytest.raises(Refusal, match="One at a time"):
        ours.plan_replace(world.shown, DEAD)
    world.refuses = {}
    (found,) = ours.interrupted(look=False)
    human = willing()
    human.answers = [Answer(Choice.RETRY)]
    finished, _ = run(ours.resume(found), journal, world=world, human=human)
    assert finished.ending is Ending.DONE and not world.api_.guard_off


def test_an_interrupted_one_goes_on_to_its_end(tmp_path: Path) -> None:
    world = Opened()
    left_after(world, tmp_path, "remove")
    ours = operations(world, tmp_path)
    (found,) = ours.interrupted(look=False)
    assert "“Replace masternode3 in prod” on prod was interrupted" in found.sentence
    finished, _ = run(ours.resume(found), Journal(tmp_path / "journal"), world=world, human=willing())
    assert finished.ending is Ending.DONE
    assert sum("remove" in argv for argv in world.ran) == 1


def test_nothing_is_resumed_or_paid_in_read_only(tmp_path: Path) -> None:
    world = Opened()
    left_after(world, tmp_path, "guard off")
    world.read_only = True
    ours = operations(world, tmp_path)
    (found,) = ours.interrupted(look=False)
    with pytest.raises(Refusal, match=r"nothing is resumed\. “Replace masternode3 in prod” would go on at “"):
        ours.resume(found)
    with pytest.raises(Refusal, match="read-only: nothing is put back"):
        ours.plan_pay_debt(ours.debts()[0])


def test_nothing_is_resumed_by_the_command_line_in_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = Opened()
    run_id = left_after(world, tmp_path, "guard off")
    world.read_only = True
    ours = operations(world, tmp_path)
    monkeypatch.setattr(cli_resume, "opened", lambda config: nullcontext((world, ours)))
    assert cli_resume.resume(ClusterConfig("prod"), run_id, yes=True, as_json=False) == 2
    said = capsys.readouterr().out
    assert said.startswith("refused   prod is opened read-only: nothing is resumed.")
    assert "“Replace masternode3 in prod” would go on" in said and world.ran == []


def test_a_debt_is_paid_from_the_screen(tmp_path: Path) -> None:
    world = Opened()
    run_id = left_after(world, tmp_path, "guard off")
    journal = Journal(tmp_path / "journal")
    journal.abandon(run_id, "the machine came back", NOW)
    ours = operations(world, tmp_path)
    (debt,) = ours.debts()
    made = ours.plan_pay_debt(debt)
    assert made.kind == debts.KIND
    finished, _ = run(made, journal, world=world, human=willing())
    assert finished.ending is Ending.DONE and not world.api_.guard_off and not ours.debts()


@pytest.mark.parametrize(
    ("then", "truth"),
    [
        ([], "“Remove masternode3 from the member list” had begun."),
        (
            [("ended", {"status": 0, "stdout": "removed", "stderr": ""}), ("state", {"state": "verifying"})],
            "The command of “Remove masternode3 from the member list” has ended well.",
        ),
        (
            [("ended", {"status": 1, "stdout": "", "stderr": "no"})],
            "The command of “Remove masternode3 from the member list” has ended with exit code 1.",
        ),
    ],
)
def test_what_was_answered_before_the_end_is_not_asked_again_in_words(
    tmp_path: Path, then: list[tuple[str, dict[str, object]]], truth: str
) -> None:
    """Killed while the member was being removed: the question with its name is no truth of now."""
    world = Opened()
    ours = operations(world, tmp_path)
    made = ours.plan_replace(world.shown, DEAD)
    record, _ = Journal(tmp_path / "journal").begin(made, NOW)
    record.write(NOW, "state", "state", state="done", sentence="It is as planned.", choices=[])
    asked = {"state": StepState.WAITING, "sentence": "Type masternode3 to remove it.", "choices": []}
    record.write(NOW, "state", "remove", **asked)
    record.write(NOW, "answer", "remove", choice="go", text="masternode3")
    record.write(NOW, "state", "remove", state="running", sentence="", choices=[])
    record.write(NOW, "command", "remove", argv=["etcdctl"], host="masternode1")
    for kind, facts in then:
        record.write(NOW, kind, "remove", **facts)
    record.close()
    (found,) = ours.interrupted()
    assert found.truth == f"{truth} What came of it is looked at before it goes on."
    assert "Type masternode3" not in found.details[2], "the line that tells how it ended"
    assert ours.settled(found) == [StepChanged("state", StepState.DONE, "It is as planned.")]
