"""The engine with a fake world: every way a step can go."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etcdtui.errors import AuthFailed, HostKeyChanged, TimedOut
from etcdtui.journal import Journal
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import ClusterView
from etcdtui.procedures.engine import Engine
from etcdtui.procedures.procedure import (
    Action,
    Answer,
    Choice,
    Context,
    Ending,
    Progress,
    StepChanged,
    StepState,
)
from etcdtui.reach.jobs import JobState
from tests.procedures import (
    CONFIRM,
    PHRASE,
    QUICK,
    FakeJobs,
    FakeRunner,
    FakeWorld,
    Human,
    check_step,
    command_step,
    dropped,
    go,
    job_step,
    no,
    procedure,
    run,
    yes,
)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def world_with(**answer: object) -> FakeWorld:
    runner = FakeRunner()
    runner.on("short-thing", **answer)  # type: ignore[arg-type]
    return FakeWorld(None, runner)


def test_what_is_left_though_it_is_done_is_told_with_the_end_and_it_counts_as_done(journal: Journal) -> None:
    made = replace(procedure(command_step()), left="2 masters are missing")
    finished, _ = run(made, journal, world=world_with())
    assert (finished.ending, finished.left) == (Ending.DONE, "2 masters are missing")
    assert finished.word == "done, 2 masters are missing"
    assert journal.runs()[0].ending is Ending.DONE
    refused, _ = run(replace(made, id="other", steps=(check_step(prechecks=(no(),)),)), journal)
    assert refused.left == "", "it was not done"


class TestBefore:
    def test_one_look_serves_both_whether_it_is_so_already_and_what_must_be_so_before(
        self, journal: Journal
    ) -> None:
        """Nothing ran in between; where a host is off a look takes seconds."""
        world = world_with()
        step = command_step(done=no("Not yet."), prechecks=(yes("It is well."),))
        assert run(procedure(step), journal, world=world)[0].ending is Ending.DONE
        assert world.looked == 1

    def test_a_look_of_some_seconds_ago_is_no_look(self, journal: Journal) -> None:
        world = world_with()

        def slow(context: Context) -> Verdict:
            time.sleep(0.05)
            return Verdict(False, "Not yet.")

        step = command_step(done=slow, prechecks=(yes("It is well."),))
        run(procedure(step), journal, world=world, pace=replace(QUICK, stale=0.01))
        assert world.looked == 2

    def test_after_a_refusal_everything_is_looked_at_anew(self, journal: Journal) -> None:
        world = world_with()
        seen: list[int] = []

        def precheck(context: Context) -> Verdict:
            seen.append(world.looked)
            return Verdict(len(seen) > 1, "masternode3 is down.")

        step = command_step(done=no("Not yet."), prechecks=(precheck,))
        run(procedure(command_step(key="first"), step), journal, Answer(Choice.RETRY), world=world)
        assert seen[0] < seen[1]

    def test_a_step_that_is_so_already_does_not_run(self, journal: Journal) -> None:
        step = command_step(done=yes("It was so before."))
        finished, human = run(procedure(step), journal, world=FakeWorld())
        assert finished.ending is Ending.DONE
        assert human.states == [("short", StepState.DONE)]
        assert finished.sentence == "It was so before."

    def test_a_refused_precheck_ends_it_when_nothing_has_been_changed(self, journal: Journal) -> None:
        world = FakeWorld()
        step = command_step(prechecks=(yes(), no("masternode3 is down.")))
        finished, human = run(procedure(step), journal, world=world)
        assert (finished.ending, finished.sentence) == (Ending.REFUSED, "masternode3 is down.")
        assert world.looked == 1
        assert human.states == [("short", StepState.FAILED)]

    def test_a_refused_precheck_after_a_command_asks(self, journal: Journal) -> None:
        verdicts = [Verdict(False, "Not yet."), Verdict(True, "Now.")]
        second = check_step(prechecks=(lambda world: verdicts.pop(0),))
        finished, human = run(
            procedure(command_step(), second), journal, Answer(Choice.RETRY), world=world_with()
        )
        assert finished.ending is Ending.DONE
        assert human.questions[0].choices == (Choice.RETRY, Choice.STOP)
        assert finished.sentence == "Now."

    def test_an_error_in_a_precheck_is_a_refusal_in_its_words(self, journal: Journal) -> None:
        def check(world: Context) -> Verdict:
            raise AuthFailed("masternode2 does not let core in.", "Add the key.")

        finished, _ = run(procedure(command_step(prechecks=(check,))), journal)
        assert finished.sentence == "masternode2 does not let core in. Add the key."
        assert finished.ending is Ending.REFUSED


class TestGate:
    def test_confirmed(self, journal: Journal) -> None:
        finished, human = run(procedure(command_step(gate=CONFIRM)), journal, go(), world=world_with())
        assert finished.ending is Ending.DONE
        assert human.questions[0].sentence == "Do it?"

    def test_stopped_before_anything_ran(self, journal: Journal) -> None:
        finished, _human = run(procedure(command_step(gate=CONFIRM)), journal, Answer(Choice.STOP))
        assert finished.ending is Ending.CANCELLED
        assert "Nothing has been run" in finished.sentence

    def test_stopped_after_something_ran(self, journal: Journal) -> None:
        steps = (command_step(), command_step(key="second", gate=CONFIRM))
        finished, _ = run(procedure(*steps), journal, Answer(Choice.STOP), world=world_with())
        assert finished.ending is Ending.STOPPED

    def test_a_wrong_phrase_is_refused_and_asked_again(self, journal: Journal) -> None:
        answers = (go("masternode3"), go(""), go(" masternode2 "))
        finished, human = run(procedure(command_step(gate=PHRASE)), journal, *answers, world=world_with())
        assert finished.ending is Ending.DONE
        assert "“masternode3” is not “masternode2”" in human.questions[1].sentence
        assert len(human.questions) == 3

    def test_an_answer_to_another_question_does_not_count(self, journal: Journal) -> None:
        def answer_twice(engine: Engine) -> None:
            engine.answer(Answer(Choice.GO, step="other"))
            engine.answer(Answer(Choice.STOP, step="short"))

        human = Human()
        human.on.append(
            (
                lambda e: isinstance(e, StepChanged) and e.state is StepState.WAITING,
                answer_twice,
            )
        )
        finished, _ = run(procedure(command_step(gate=CONFIRM)), journal, human=human)
        assert finished.ending is Ending.CANCELLED

    def test_an_early_answer_passes_no_gate(self, journal: Journal) -> None:
        human = Human(Answer(Choice.STOP))
        human.on.append(
            (
                lambda e: isinstance(e, StepChanged) and e.state is StepState.RUNNING,
                lambda engine: engine.answer(go()),
            )
        )
        steps = (command_step(), command_step(key="second", gate=CONFIRM))
        finished, _ = run(procedure(*steps), journal, human=human, world=world_with())
        assert finished.ending is Ending.STOPPED

    def test_everything_is_checked_again_after_a_long_wait(self, journal: Journal) -> None:
        def dawdle(engine: Engine) -> None:
            time.sleep(0.6)  # longer than Pace.stale
            engine.answer(go())

        verdicts = [Verdict(True, "Well."), Verdict(False, "It went down meanwhile.")]
        human = Human()
        human.on.append(
            (
                lambda e: isinstance(e, StepChanged) and e.state is StepState.WAITING,
                dawdle,
            )
        )
        step = command_step(gate=CONFIRM, prechecks=(lambda world: verdicts.pop(0),))
        finished, _ = run(procedure(step), journal, human=human)
        assert (finished.ending, finished.sentence) == (Ending.REFUSED, "It went down meanwhile.")

    def test_cancel_at_a_gate(self, journal: Journal) -> None:
        human = Human()
        human.answers.append(lambda: human.engine.cancel() if human.engine else None)
        finished, _ = run(procedure(command_step(gate=CONFIRM)), journal, human=human)
        assert (finished.ending, finished.sentence) == (
            Ending.CANCELLED,
            "Cancelled. Nothing has been run.",
        )


class TestCommand:
    def test_output_and_end(self, journal: Journal) -> None:
        _finished, human = run(procedure(command_step()), journal, world=world_with(out="hello\n"))
        assert human.output == "hello\n"
        assert human.states == [
            ("short", StepState.RUNNING),
            ("short", StepState.DONE),
        ]

    def test_failure_then_retry(self, journal: Journal) -> None:
        runner = FakeRunner()
        runner.on("short-thing", status=3, err="\x1b[31mno such thing\nat all\n")
        world = FakeWorld(None, runner)

        def mend() -> None:
            runner.on("short-thing")
            assert human.engine is not None
            human.engine.answer(Answer(Choice.RETRY))

        human = Human(mend)
        finished, _ = run(procedure(command_step()), journal, human=human, world=world)
        question = human.questions[0]
        assert question.state is StepState.FAILED
        assert "exit code 3" in question.sentence and "no such thing / at all" in question.sentence
        assert "\x1b" not in question.sentence
        assert finished.ending is Ending.DONE and len(runner.ran) == 2

    def test_failure_then_stop(self, journal: Journal) -> None:
        finished, _ = run(procedure(command_step()), journal, Answer(Choice.STOP), world=world_with(status=1))
        assert finished.ending is Ending.FAILED
        assert "said nothing" in finished.sentence

    def test_a_skip_needs_a_reason(self, journal: Journal) -> None:
        answers = (Answer(Choice.SKIP), Answer(Choice.SKIP, "done by hand"))
        finished, human = run(procedure(command_step()), journal, *answers, world=world_with(status=1))
        assert finished.ending is Ending.DONE
        assert "why" in human.questions[1].sentence
        assert human.states[-1] == ("short", StepState.SKIPPED)

    def test_what_may_not_be_skipped_is_not_offered(self, journal: Journal) -> None:
        step = command_step(skippable=False)
        answers = (Answer(Choice.SKIP, "I want to"), Answer(Choice.STOP))
        human = Human(*answers[:1])
        human.on.append(
            (
                lambda e: isinstance(e, StepChanged) and e.state is StepState.FAILED,
                lambda engine: engine.answer(answers[1]),
            )
        )
        finished, _ = run(procedure(step), journal, human=human, world=world_with(status=1))
        assert Choice.SKIP not in human.questions[0].choices
        assert finished.ending is Ending.FAILED

    def test_a_dropped_connection_leaves_it_unknown(self, journal: Journal) -> None:
        _finished, human = run(
            procedure(command_step()), journal, Answer(Choice.STOP), world=world_with(raises=dropped())
        )
        assert "Whether the command ran there is not known" in human.questions[0].sentence

    def test_known_failures_are_explained(self, journal: Journal) -> None:
        step = command_step(explain=lambda status, said: f"It said {status}." if "disk" in said else "")
        finished, _ = run(
            procedure(step), journal, Answer(Choice.STOP), world=world_with(status=4, err="disk full")
        )
        assert finished.sentence == "It said 4."

    def test_later_steps_see_what_it_printed(self, journal: Journal) -> None:
        later = check_step(verify=lambda world: Verdict("41" in world.said("short"), world.said("short")))
        finished, _ = run(procedure(command_step(), later), journal, world=world_with(out="member 41"))
        assert finished.sentence == "member 41"


class TestVerify:
    def test_polls_until_true(self, journal: Journal) -> None:
        seen = iter(range(10))
        step = command_step(verify=lambda world: Verdict(next(seen) == 3, "count"), patience=5.0)
        finished, human = run(procedure(step), journal, world=world_with())
        assert finished.ending is Ending.DONE
        assert ("short", StepState.VERIFYING) in human.states
        assert any("the proof that it worked" in words for words in human.awaited)

    def test_patience_ends_then_it_comes_true_by_itself(self, journal: Journal) -> None:
        waits = [0]

        def check(world: Context) -> Verdict:
            waits[0] += 1
            return Verdict(waits[0] > 20, f"look {waits[0]}")

        step = command_step(verify=check, patience=0.03)
        finished, human = run(procedure(step), journal, world=world_with())
        question = human.questions[0]
        assert question.choices == (Choice.WAIT, Choice.RETRY, Choice.SKIP, Choice.STOP)
        assert "Seen last: look" in question.sentence
        assert finished.ending is Ending.DONE

    @pytest.mark.parametrize(
        ("answer", "ending", "runs"),
        [
            (Answer(Choice.STOP), Ending.STOPPED, 1),
            (Answer(Choice.SKIP, "seen by eye"), Ending.DONE, 1),
            (Answer(Choice.WAIT), Ending.STOPPED, 1),
            (Answer(Choice.RETRY), Ending.STOPPED, 2),
        ],
    )
    def test_each_choice(self, journal: Journal, answer: Answer, ending: Ending, runs: int) -> None:
        world = world_with()
        step = command_step(verify=no("Still not."), patience=0.03)
        finished, _human = run(procedure(step), journal, answer, Answer(Choice.STOP), world=world)
        assert finished.ending is ending
        assert len(world.runners["masternode2"].ran) == runs

    def test_what_was_seen_last_stays_to_be_read_while_it_is_looked_again(self, journal: Journal) -> None:
        """Else the reason flickers away with every question to the sources."""
        count = iter(range(9))
        world = world_with()

        def slowly(timeout: float) -> ClusterView:
            time.sleep(0.05)
            return world.view()

        world.look_again = slowly  # type: ignore[method-assign]
        step = command_step(
            verify=lambda seen: Verdict(next(count) > 2, "2 of 3 pods."), patience=5.0, prechecks=()
        )
        finished, human = run(procedure(step), journal, world=world)
        assert finished.ending is Ending.DONE
        told = [e.awaiting for e in human.events if isinstance(e, Progress)]
        first = next(n for n, words in enumerate(told) if "seen last" in words)
        assert all("seen last: 2 of 3 pods." in words for words in told[first:]), told

    def test_an_error_while_verifying_is_not_yet(self, journal: Journal) -> None:
        calls = [0]

        def check(world: Context) -> Verdict:
            calls[0] += 1
            if calls[0] < 3:
                raise TimedOut("masternode2 gives no answer.")
            return Verdict(True, "There.")

        finished, _ = run(procedure(command_step(verify=check)), journal, world=world_with())
        assert finished.sentence == "There."

    def test_a_check_that_fails_ends_as_failed(self, journal: Journal) -> None:
        step = check_step(verify=no("Half-written."), patience=0.02, skippable=False)
        finished, human = run(procedure(step), journal, Answer(Choice.STOP))
        assert finished.ending is Ending.FAILED
        assert human.questions[0].state is StepState.FAILED
        assert "Half-written." in finished.sentence

    def test_a_human_step_watches_and_goes_on_by_itself(self, journal: Journal) -> None:
        seen = iter(range(10))
        step = check_step(
            key="rebuild",
            action=Action.HUMAN,
            verify=lambda world: Verdict(next(seen) > 3, "No."),
            patience=9,
        )
        finished, human = run(procedure(step), journal)
        assert human.states[0] == ("rebuild", StepState.WAITING)
        assert human.questions[0].choices == (Choice.SKIP, Choice.STOP)
        assert finished.ending is Ending.DONE


class TestJob:
    def test_followed_to_its_end(self, journal: Journal) -> None:
        jobs = FakeJobs(measured=1000)
        finished, human = run(procedure(job_step(verify=yes("Two files."))), journal, jobs=jobs)
        assert finished == finished.__class__(Ending.DONE, "Two files.")
        assert human.output == "one\ntwo\nthree\n"
        assert jobs.begun == ["test-1-long"] == jobs.forgotten
        measured = [e.measured for e in human.events if isinstance(e, Progress) and e.measured is not None]
        assert measured and max(measured) < 100, "older files do not count"

    def test_what_is_whole_and_has_got_its_name_is_not_unwritten(self, journal: Journal) -> None:
        class Renamed(FakeJobs):
            def look(self, *args: Any, **named: Any) -> JobState:
                state = super().look(*args, **named)
                return replace(state, measured=0) if state.state == "ended" else state

        finished, human = run(procedure(job_step()), journal, jobs=Renamed(measured=0))
        assert finished.ending is Ending.DONE
        measured = [e.measured for e in human.events if isinstance(e, Progress) and e.measured is not None]
        assert measured[-1] == max(measured) > 0

    def test_survives_dropped_connections(self, journal: Journal) -> None:
        jobs = FakeJobs()
        jobs.trouble["look"] = [None, None, dropped(), dropped(), None, TimedOut("masternode2: silence.")]
        finished, human = run(procedure(job_step()), journal, jobs=jobs)
        assert finished.ending is Ending.DONE
        words = "the connection to masternode2 dropped; the command goes on there"
        assert any(words in awaited for awaited in human.awaited)
        assert human.output == "one\ntwo\nthree\n"
        assert jobs.begun == ["test-1-long"]

    def test_a_start_whose_answer_was_lost(self, journal: Journal) -> None:
        jobs = FakeJobs()
        jobs.trouble["start"] = [dropped()]
        jobs.trouble["look"] = [None, dropped(), dropped()]
        finished, _ = run(procedure(job_step()), journal, jobs=jobs)
        assert finished.ending is Ending.DONE and jobs.begun == ["test-1-long"]

    def test_a_start_that_never_arrived_is_told_and_retried_under_the_same_name(
        self, journal: Journal
    ) -> None:
        jobs = FakeJobs()
        jobs.trouble["before start"] = [dropped()]
        finished, human = run(procedure(job_step()), journal, Answer(Choice.RETRY), jobs=jobs)
        assert "It did not run" in human.questions[0].sentence
        assert finished.ending is Ending.DONE and jobs.begun == ["test-1-long"]

    def test_a_job_that_vanished(self, journal: Journal) -> None:
        jobs = FakeJobs(endless=True)
        human = Human(Answer(Choice.RETRY))

        def vanish(engine: object) -> None:
            first = jobs.lying["test-1-long"]
            if not first.vanished:
                first.vanished, jobs.endless = True, False

        human.on.append((lambda e: isinstance(e, Progress) and "the end of" in e.awaiting, vanish))
        finished, _ = run(procedure(job_step()), journal, jobs=jobs, human=human)
        assert "left no exit code" in human.questions[0].sentence
        assert jobs.begun == ["test-1-long", "test-1-long-2"]
        assert finished.ending is Ending.DONE

    def test_a_failing_job(self, journal: Journal) -> None:
        finished, _human = run(procedure(job_step()), journal, Answer(Choice.STOP), jobs=FakeJobs(status=1))
        assert finished.ending is Ending.FAILED
        assert "three / warning" in finished.sentence

    def test_what_waiting_does_not_mend_is_asked_about(self, journal: Journal) -> None:
        jobs = FakeJobs()
        jobs.trouble["look"] = [None, HostKeyChanged("masternode2 shows another host key.")]
        finished, human = run(procedure(job_step()), journal, Answer(Choice.STOP), jobs=jobs)
        assert "another host key" in human.questions[0].sentence
        assert finished.ending is Ending.STOPPED and "goes on there" in finished.sentence

    def test_leaving_lets_it_go_on(self, journal: Journal) -> None:
        jobs = FakeJobs(endless=True)
        human = Human()
        human.on.append((lambda e: isinstance(e, Progress), lambda engine: engine.leave()))
        finished, _ = run(procedure(job_step()), journal, jobs=jobs, human=human)
        assert finished.ending is Ending.STOPPED and not jobs.cancelled
        assert journal.read("test-1").resumable


class TestCancel:
    def cancelling(self, *answers: Answer) -> Human:
        human = Human(*answers)
        once = [True]

        def cancel(engine: object) -> None:
            if once and human.engine:
                once.pop()
                human.engine.cancel()

        human.on.append((lambda e: isinstance(e, Progress) and "the end of" in e.awaiting, cancel))
        return human

    def test_asks_cancels_and_says_what_is_left(self, journal: Journal) -> None:
        jobs = FakeJobs(endless=True)
        human = self.cancelling(Answer(Choice.STOP))
        step = job_step(after_cancel=yes("Nothing was left behind."))
        finished, _ = run(procedure(step), journal, jobs=jobs, human=human)
        assert human.questions[0].sentence.startswith("The long thing would be ended.")
        assert human.questions[0].choices == (Choice.STOP, Choice.WAIT)
        assert jobs.cancelled == ["test-1-long"]
        assert finished.ending is Ending.CANCELLED and "Nothing was left behind." in finished.sentence

    def test_over_a_dropped_connection(self, journal: Journal) -> None:
        jobs = FakeJobs(endless=True)
        jobs.trouble["cancel"] = [dropped(), dropped()]
        finished, _ = run(
            procedure(job_step()), journal, jobs=jobs, human=self.cancelling(Answer(Choice.STOP))
        )
        assert finished.ending is Ending.CANCELLED and jobs.cancelled == ["test-1-long"]

    def test_thinking_better_of_it(self, journal: Journal) -> None:
        jobs = FakeJobs(needs=20)
        finished, _ = run(
            procedure(job_step()), journal, jobs=jobs, human=self.cancelling(Answer(Choice.WAIT))
        )
        assert finished.ending is Ending.DONE and not jobs.cancelled

    def test_ended_while_being_asked_goes_no_further(self, journal: Journal) -> None:
        jobs = FakeJobs(needs=6)
        steps = (job_step(verify=yes()), command_step())
        finished, _ = run(procedure(*steps), journal, jobs=jobs, human=self.cancelling())
        assert finished.ending is Ending.STOPPED


def test_a_defect_of_ours_is_a_sentence_and_a_traceback_in_the_journal(journal: Journal) -> None:
    def check(world: Context) -> Verdict:
        raise ZeroDivisionError("division by zero")

    finished, _human = run(procedure(command_step(prechecks=(check,))), journal)
    assert finished.ending is Ending.FAILED
    assert "ZeroDivisionError" in finished.sentence and "Traceback" not in finished.sentence
    errors = [e for e in journal.read("test-1").entries if e.kind == "error"]
    assert "Traceback" in errors[0].text("traceback")


def test_a_screen_that_fails_does_not_end_it(journal: Journal) -> None:
    class Broken(Human):
        def __call__(self, event: object) -> None:
            raise RuntimeError("the screen is gone")

    finished, _ = run(procedure(command_step()), journal, human=Broken(), world=world_with())
    assert finished.ending is Ending.DONE
