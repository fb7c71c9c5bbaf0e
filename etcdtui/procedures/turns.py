"""The turns a step can take besides going on: once more, passed over, or the end of the procedure."""

from __future__ import annotations

from etcdtui.procedures.desk import Desk
from etcdtui.procedures.procedure import Answer, Choice, Ending, Finished, Step, StepState

PASSED_OVER = "Passed over: "
DECLINED = "you said no."  # at an optional gate


class Turn(Exception):
    """Not an error: a way out of a step."""


class Again(Turn):
    """The human wants the step tried once more."""


class Skipped(Turn):
    """The human passes over the step; the message is the typed reason."""

    @property
    def sentence(self) -> str:
        return f"Skipped: {self}"


class Needless(Skipped):
    """Nothing is left to do in the step, or can be; the message says why."""

    @property
    def sentence(self) -> str:
        return f"{PASSED_OVER}{self}"


class End(Turn):
    """The procedure ends here."""

    def __init__(self, ending: Ending, sentence: str) -> None:
        super().__init__(sentence)
        self.finished = Finished(ending, sentence)


def choices_of(step: Step, *first: Choice) -> tuple[Choice, ...]:
    """``first``, then skip where the step allows it, then stop."""
    return (*first, *((Choice.SKIP,) if step.skippable else ()), Choice.STOP)


def turn(answer: Answer, ending: Ending, sentence: str) -> None:
    """Take the turn an answer asks for; "keep waiting" and "go" just return."""
    match answer.choice:
        case Choice.RETRY:
            raise Again
        case Choice.SKIP:
            raise Skipped(answer.text.strip())
        case Choice.STOP:
            raise End(ending, sentence)
        case _:
            return


def stuck(desk: Desk, step: Step, sentence: str, ending: Ending = Ending.FAILED) -> None:
    """The step failed: ask what to do. Always raises a Turn."""
    answer = desk.ask(step, StepState.FAILED, sentence, choices_of(step, Choice.RETRY))
    turn(answer, ending, sentence)
