"""Where a running procedure writes, speaks and listens: the record first, then the screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from etcdtui.journal import Record
from etcdtui.landing import Moved
from etcdtui.model.lock import REFRESH
from etcdtui.procedures.history import History
from etcdtui.procedures.mailbox import Mailbox
from etcdtui.procedures.procedure import (
    Answer,
    Choice,
    Event,
    Output,
    Progress,
    Step,
    StepChanged,
    StepState,
)

T = TypeVar("T")
OUTPUT_LIMIT = 1024 * 1024  # characters of one command's output that are passed on


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things are done and how long they may take, seconds."""

    tick: float = 0.3  # progress
    look: float = 0.4  # at a running job
    poll: float = 1.0  # of a verification
    backoff: float = 5.0  # longest pause between tries over a dropped connection
    answer: float = 15.0  # for one question to a host
    again: float = 10.0  # for every source to be asked anew
    stale: float = 3.0  # after this long at a gate, everything is checked once more
    watch: float = 5.0  # between two looks at what a job does
    end: float = 20.0  # for a cancelled command to be gone
    alive: float = REFRESH  # between two signs of life of our lock
    lift: float = 10.0  # for a host that does not answer at the end to give its lock back after all


class Leave(Exception):
    """The human goes away; commands on hosts go on."""


class CancelAsked(Exception):
    """The human wants to cancel while nothing runs that needs asking about."""


class Desk:
    """The record, the screen and the human's answers of one run."""

    def __init__(
        self,
        record: Record,
        history: History,
        mail: Mailbox,
        emit: Callable[[Event], None],
        now: Callable[[], float],
        pace: Pace,
    ) -> None:
        self.record, self.history, self.mail, self.pace = record, history, mail, pace
        self._emit, self._now = emit, now
        self._shown = 0
        self._began = time.monotonic()

    # -- writing and speaking

    def note(self, kind: str, step: Step | None = None, **facts: Any) -> None:
        """One line in the record, on the disk when this returns. Raises JournalError."""
        self.history.fold(self.record.write(self._now(), kind, step.key if step else "", **facts))

    def change(
        self, step: Step, state: StepState, sentence: str = "", choices: tuple[Choice, ...] = ()
    ) -> None:
        self.note("state", step, state=state.value, sentence=sentence, choices=[c.value for c in choices])
        self.tell(StepChanged(step.key, state, sentence, choices))

    def tell(self, event: Event) -> None:
        """To the screen. A screen that fails must not end a procedure."""
        with suppress(Exception):
            self._emit(event)

    def begin(self, elapsed: float = 0.0) -> None:
        """A step begins: its clock starts, ``elapsed`` seconds ago."""
        self._began = time.monotonic() - elapsed
        self._shown = 0

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def progress(self, step: Step, awaiting: str, measured: int | None = None) -> None:
        self.tell(Progress(step.key, self.elapsed, measured, awaiting))

    def moved(self, step: Step, moved: Moved | None) -> None:
        """Progress of work that moves bytes."""
        if moved is None:
            self.progress(step, "etcdtui itself")
            return
        awaiting = f"{moved.name}: {moved.note}" if moved.note else moved.name
        self.tell(Progress(step.key, self.elapsed, moved.done, awaiting, moved.total, moved.rate, moved.left))

    def output(self, step: Step, text: str, *, stderr: bool) -> None:
        if not text or self._shown > OUTPUT_LIMIT:
            return
        self._shown += len(text)
        self.tell(Output(step.key, text, stderr))
        if self._shown > OUTPUT_LIMIT:
            self.tell(Output(step.key, "… it prints more than is shown here.\n", stderr))

    # -- waiting and listening

    def during(
        self, step: Step, call: Callable[[], T], awaiting: str | Callable[[], None], *, cut: bool = True
    ) -> T:
        """The result of ``call``, made in a thread of its own while progress is told: ``awaiting`` in words,
        or a function that tells it.

        Raises Leave when the human goes, and CancelAsked with ``cut``; the call is then left alone.
        """
        done = threading.Event()
        results: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                results.append(call())
            except BaseException as exc:
                errors.append(exc)
            finally:
                done.set()
                self.mail.nudge()

        threading.Thread(target=work, name=f"etcdtui-{step.key}", daemon=True).start()
        while not done.is_set():
            self.mail.wait_for(done, self.pace.tick)
            if done.is_set():
                break
            if self.mail.leaving:
                raise Leave
            if cut and self.mail.cancelling:
                raise CancelAsked
            if callable(awaiting):
                awaiting()
            else:
                self.progress(step, awaiting)
        if errors:
            raise errors[0]
        return results[0]

    def go_on(self) -> None:
        """Raises Leave or CancelAsked when the human wished so: asked before anything is begun."""
        if self.mail.leaving:
            raise Leave
        if self.mail.cancelling:
            raise CancelAsked

    def listen(self, step: Step, seconds: float) -> Answer | None:
        """Wait for an answer to this step, ``seconds`` at most. Raises Leave; a cancel returns at once."""
        end = time.monotonic() + seconds
        while True:
            answer = self.mail.take(max(0.0, end - time.monotonic()))
            if self.mail.leaving:
                raise Leave
            if answer is not None and answer.step in {"", step.key}:
                return answer
            if self.mail.cancelling or time.monotonic() >= end:
                return None

    def ask(self, step: Step, state: StepState, sentence: str, choices: tuple[Choice, ...]) -> Answer:
        """Put a question and wait for one of its answers. Raises Leave and CancelAsked."""
        self.offer(step, state, sentence, choices)
        while True:
            answer = self.listen(step, 3600.0)
            if self.mail.cancelling:
                raise CancelAsked
            if answer is not None and self.acceptable(step, state, answer, choices):
                return answer

    def offer(self, step: Step, state: StepState, sentence: str, choices: tuple[Choice, ...]) -> None:
        """Put a question without waiting; answers to earlier ones are dropped."""
        self.mail.forget()
        self.change(step, state, sentence, choices)

    def acceptable(self, step: Step, state: StepState, answer: Answer, choices: tuple[Choice, ...]) -> bool:
        """Is that one of the choices, with the words it needs? Says so when not; records it when it is."""
        if answer.choice not in choices:
            return False
        if answer.choice in {Choice.SKIP, Choice.BREAK} and not answer.text.strip():
            what = "skip this step" if answer.choice is Choice.SKIP else "break the lock"
            self.offer(step, state, f"To {what}, say in a few words why; it goes into the record.", choices)
            return False
        self.note("answer", step, choice=answer.choice.value, text=answer.text)
        return True
