"""Runs a procedure: step after step, on the record, with a human where one is asked for.

A run that was interrupted, in whatever way, goes on where its record says; nothing runs a second time.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from etcdtui.errors import EtcdTuiError
from etcdtui.journal import Journal
from etcdtui.procedures.checking import Checker, Scene
from etcdtui.procedures.desk import CancelAsked, Desk, Leave, Pace
from etcdtui.procedures.executing import Executor
from etcdtui.procedures.following import Ended, Jobs, failure
from etcdtui.procedures.history import Past, history_of
from etcdtui.procedures.locking import Locks
from etcdtui.procedures.mailbox import Mailbox
from etcdtui.procedures.procedure import (
    Action,
    Answer,
    Choice,
    Ending,
    Event,
    Finished,
    GateKind,
    Procedure,
    Step,
    StepChanged,
    StepState,
    World,
)
from etcdtui.procedures.tidying import tidy
from etcdtui.procedures.turns import DECLINED, Again, End, Skipped, stuck
from etcdtui.reach.jobs import Job
from etcdtui.records import JournalError
from etcdtui.text import clean

__all__ = ["Engine", "Jobs", "Pace"]

TIDY = 5.0  # seconds for removing the record of an ended job from its host


class Engine:
    """One run of one procedure. ``run`` blocks; the other methods are for other threads and never do."""

    def __init__(
        self,
        procedure: Procedure,
        world: World,
        journal: Journal,
        emit: Callable[[Event], None],
        *,
        jobs: Jobs | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._procedure, self._world, self._journal, self._emit = procedure, world, journal, emit
        self._jobs = jobs if jobs is not None else _host_jobs()
        self._pace = pace or Pace()
        self._mail = Mailbox()

    def answer(self, answer: Answer) -> None:
        """What the human chose. Answers nobody asked for are dropped."""
        self._mail.put(answer)

    def cancel(self) -> None:
        """The human wants to end it. About a job that runs is asked first: STOP ends it, WAIT does not."""
        self._mail.cancel()

    def leave(self) -> None:
        """Stop watching at once and let commands on hosts go on; the run may be resumed."""
        self._mail.leave()

    def run(self) -> Finished:
        """Run to the end, or on from where the record says. Raises nothing."""
        procedure, now = self._procedure, self._world.now
        try:
            record, past = self._journal.begin(procedure, now())
        except EtcdTuiError as exc:
            return self._show(Finished(Ending.REFUSED, str(exc)))
        try:
            desk = Desk(record, history_of(past.entries), self._mail, self._emit, now, self._pace)
            finished = _Course(procedure, self._world, desk, self._jobs, self._journal).finish()
            with suppress(JournalError):
                desk.note("finished", ending=finished.ending.value, sentence=finished.sentence)
        finally:
            record.close()
        return self._show(finished)

    def _show(self, finished: Finished) -> Finished:
        with suppress(Exception):
            self._emit(finished)
        return finished


def _host_jobs() -> Jobs:
    from etcdtui.reach import jobs

    return jobs


class _Course:
    """The steps of one run, in their order."""

    def __init__(self, procedure: Procedure, world: World, desk: Desk, jobs: Jobs, journal: Journal) -> None:
        self._procedure, self._world, self._desk, self._jobs = procedure, world, desk, jobs
        self._journal = journal
        self._checker = Checker(desk, Scene(world, desk.history))
        self._locks = Locks(procedure, world, desk, journal)
        self._executor = Executor(procedure.id, desk, jobs, self._checker.scene)
        self._step: Step | None = None
        self._told = ""  # what the last piece of work found

    def finish(self) -> Finished:
        return self._locks.release(self._with_changes(self._to_its_end()))

    def _with_changes(self, finished: Finished) -> Finished:
        """An end before its time says what is changed by then."""
        told, history = self._procedure.changed, self._desk.history
        if told is None or not history.touched or finished.ending is Ending.DONE:
            return finished
        return Finished(finished.ending, f"{finished.sentence} {told(self._procedure, history)}".strip())

    def _to_its_end(self) -> Finished:
        try:
            return Finished(Ending.DONE, self._all(), self._procedure.left)
        except End as end:
            return end.finished
        except Leave:
            return self._left()
        except CancelAsked:
            return self._cancelled_between()
        except JournalError as exc:
            ending = Ending.FAILED if self._desk.history.touched else Ending.REFUSED
            return Finished(ending, f"{exc} {self._where()}".strip())
        except EtcdTuiError as exc:
            return self._broken(str(exc))
        except Exception as exc:
            with suppress(JournalError):
                self._desk.note("error", self._step, traceback=traceback.format_exc())
            return self._broken(
                f"etcdtui itself failed, which is a defect of it: {type(exc).__name__}: {clean(str(exc))}. "
                "The journal of this run holds the details."
            )

    def _all(self) -> str:
        sentence = ""
        for step in self._procedure.steps:
            self._step = step
            past = self._desk.history.of(step.key)
            if past.settled and past.state is not None:
                self._desk.tell(StepChanged(step.key, past.state, past.sentence))
                sentence = past.sentence or sentence
            else:
                sentence = self._bring_about(step) or sentence
        self._tidy()
        return sentence or f"{self._procedure.title}: done."

    def _bring_about(self, step: Step) -> str:
        past = self._desk.history.of(step.key)
        self._desk.begin()
        while True:
            try:
                sentence = self._once(step, past)
            except Again:
                if past.announced and (
                    past.confirmed or past.status is not None or step.action is Action.COMMAND
                ):
                    self._desk.note("attempt", step, number=past.attempt + 1)
            except Skipped as skipped:
                self._desk.change(step, StepState.SKIPPED, skipped.sentence)
                return ""
            else:
                self._desk.change(step, StepState.DONE, sentence)
                return sentence

    def _once(self, step: Step, past: Past) -> str:
        """One try. Returns the sentence of success, raises a Turn otherwise."""
        if not past.announced:
            self._desk.go_on()
            self._checker.pass_over(step)
        if past.status is None:
            already = self._already(step, past)
            if already is not None:
                return already
            ended = self._execute(step, past)
        else:
            ended = Ended(past.status, past.said, past.cancelling and past.status != 0)
        if past.cancelling and ended is not None:
            self._cancelled(step, ended)
        if ended is not None and ended.status != 0:
            stuck(self._desk, step, failure(step, ended))
        proven = self._checker.verify(step)
        if self._checker.more(step):
            raise Again
        found = self._told if step.action is Action.WORK else self._checker.found
        return proven or (f"The command on {step.host} ended well." if ended else found)

    def _already(self, step: Step, past: Past) -> str | None:
        if past.announced and step.action in {Action.JOB, Action.WORK}:
            return None  # the job itself knows, and work finds what it has done
        already = self._checker.already(step)
        if already is None and past.announced and step.done is None:
            stuck(
                self._desk,
                step,
                f"“{step.title}” was about to run on {step.host} when etcdtui was ended. Whether it ran is "
                "not known: look there, then try it again, or skip it.",
            )
        return already

    def _execute(self, step: Step, past: Past) -> Ended | None:
        if step.action is Action.JOB and past.announced:
            ended = self._executor.pick_up(step, past)
            if ended is not None:
                return ended
        self._refuse(step, past)
        waited = self._gate(step)
        if waited > self._desk.pace.stale:
            self._refuse(step, past)
        self._desk.go_on()
        match step.action:
            case Action.COMMAND:
                return self._executor.command(step)
            case Action.JOB:
                return self._executor.job(step, past)
            case Action.WORK:
                self._told = self._executor.work(step)
        return None

    # -- before

    def _refuse(self, step: Step, past: Past) -> None:
        reason = self._checker.refusal(step)
        if reason is None:
            self._locks.hold(step)
            return
        if step.action is Action.JOB and past.announced and self._executor.began(step, past):
            raise Again  # it was only on its way when it was looked for: the reason is its own work
        if not self._desk.history.touched:
            self._desk.change(step, StepState.FAILED, reason)
            raise End(Ending.REFUSED, reason)
        answer = self._desk.ask(step, StepState.FAILED, reason, (Choice.RETRY, Choice.STOP))
        if answer.choice is Choice.RETRY:
            raise Again
        raise End(Ending.STOPPED, f"Stopped before “{step.title}”: {reason}")

    def _gate(self, step: Step) -> float:
        """Wait for the human; returns how many seconds that took."""
        gate, began = self._checker.gate(step), time.monotonic()
        if gate.kind is GateKind.NONE:
            return 0.0
        choices = (Choice.GO, *((Choice.NO,) if gate.optional else ()), Choice.STOP)
        phrase = gate.kind is GateKind.PHRASE
        words = gate.prompt or (f"Type {gate.phrase} to go on." if phrase else f"{step.title}?")
        while True:
            answer = self._desk.ask(step, StepState.WAITING, words, choices)
            if answer.choice is Choice.STOP:
                raise self._stop_before(step)
            if answer.choice is Choice.NO:
                raise Skipped(DECLINED)
            if not phrase or answer.text.strip() == gate.phrase:
                return time.monotonic() - began
            typed = f"“{clean(answer.text.strip(), 60)}” is" if answer.text.strip() else "Nothing typed is"
            words = f"{typed} not “{gate.phrase}”; it has not been run. Type {gate.phrase} exactly, or stop."

    def _stop_before(self, step: Step) -> End:
        if self._desk.history.touched:
            return End(Ending.STOPPED, f"Stopped before “{step.title}”. What ran before it stays as it is.")
        self._desk.change(step, StepState.CANCELLED, "Stopped before it ran.")
        return End(Ending.CANCELLED, f"Stopped before “{step.title}”. Nothing has been run.")

    # -- ends

    def _tidy(self) -> None:
        """Remove the records of ended jobs from their hosts; they are in the journal."""
        step = self._procedure.steps[-1]

        def forget(host: str, job: Job) -> None:
            call = partial(self._jobs.forget, self._world.runner(host), job, TIDY)
            self._desk.during(step, call, f"tidying up on {host}")

        with suppress(EtcdTuiError, CancelAsked, Leave):
            tidy(self._journal, self._procedure.id, forget, self._world.now)

    def _cancelled(self, step: Step, ended: Ended) -> None:
        if not ended.cancelled:
            raise End(
                Ending.STOPPED,
                f"The command on {step.host} had already ended well before it could be cancelled. "
                "Stopped here; resume to check what it did.",
            )
        left = self._checker.afterwards(step)
        sentence = f"Cancelled: the command on {step.host} was ended. {left}".strip()
        self._desk.change(step, StepState.CANCELLED, sentence)
        raise End(Ending.CANCELLED, sentence)

    def _cancelled_between(self) -> Finished:
        if not self._desk.history.touched:
            return Finished(Ending.CANCELLED, "Cancelled. Nothing has been run.")
        return Finished(Ending.STOPPED, f"Stopped. What ran stays as it is. {self._where()}".strip())

    def _left(self) -> Finished:
        step = self._step
        past = self._desk.history.of(step.key) if step else Past()
        if step and step.action is Action.JOB and past.announced and past.status is None:
            return Finished(
                Ending.STOPPED,
                f"No longer watched: the command on {step.host} goes on there. Resume to see how it ends.",
            )
        return Finished(Ending.STOPPED, f"Left. {self._where()}".strip())

    def _broken(self, sentence: str) -> Finished:
        step = self._step
        if step is not None:
            with suppress(JournalError):
                self._desk.change(step, StepState.FAILED, sentence)
        return Finished(Ending.FAILED, f"{sentence} {self._where()}".strip())

    def _where(self) -> str:
        step = self._step
        if step is None:
            return ""
        steps = self._procedure.steps
        where = f"It was at step {steps.index(step) + 1} of {len(steps)} ({step.title})."
        past = self._desk.history.of(step.key)
        if step.action is Action.JOB and past.announced and past.status is None:
            where += f" Its command may still run on {step.host}."
        return where
