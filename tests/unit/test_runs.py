"""How long a step took, as a screen counts it from what the engine tells."""

from __future__ import annotations

from etcdtui.procedures.procedure import Procedure, Progress, Step, StepChanged, StepState
from etcdtui.ui.runs import Run


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_step_took_what_it_ran_and_what_its_proof_took_but_not_the_checks_before_it() -> None:
    step, clock = Step(key="restore", title="Restore", why=""), Clock()
    run = Run(Procedure("restore", "r1", "prod", "Restore prod", {}, (step,)), clock)
    run.start()
    run.apply(Progress("restore", 60.0, awaiting="the checks before this step"))
    run.apply(StepChanged("restore", StepState.RUNNING))
    assert run.elapsed_of(step) == 0
    clock.now += 170
    run.apply(Progress("restore", 170.0))
    clock.now += 10
    run.apply(StepChanged("restore", StepState.VERIFYING))
    assert run.elapsed_of(step) == 0, "what is waited for now has just begun"
    clock.now += 4
    run.apply(Progress("restore", 4.0, awaiting="the proof that it worked"))
    clock.now += 1
    assert run.elapsed_of(step) == 5
    run.apply(StepChanged("restore", StepState.DONE, "It went through."))
    clock.now += 1000
    assert run.elapsed_of(step) == 185


def test_what_a_step_ran_before_it_asked_counts_once() -> None:
    step, clock = Step(key="wait", title="Wait", why=""), Clock()
    run = Run(Procedure("restore", "r1", "prod", "Restore prod", {}, (step,)), clock)
    run.start()
    run.apply(StepChanged("wait", StepState.RUNNING))
    clock.now += 20
    run.apply(StepChanged("wait", StepState.WAITING, "Go on waiting?"))
    assert run.elapsed_of(step) == 0, "the question has just been asked"
    clock.now += 5
    assert run.elapsed_of(step) == 5
    run.apply(StepChanged("wait", StepState.DONE))
    assert run.elapsed_of(step) == 25
