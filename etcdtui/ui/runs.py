"""A run as the screen knows it: every event folded into what is true now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from etcdtui.procedures.procedure import (
    Choice,
    Event,
    Finished,
    Gate,
    Output,
    Procedure,
    Progress,
    Step,
    StepChanged,
    StepState,
)
from etcdtui.text import age, clean, clean_lines, size
from etcdtui.ui.looks import Line, Role, Span, width_of
from etcdtui.ui.ports import EngineHandle
from etcdtui.ui.words import STEP, sign_of

KEPT = 1000  # lines of output of one step
ACTIVE = frozenset({StepState.WAITING, StepState.RUNNING, StepState.VERIFYING})


@dataclass
class StepRecord:
    """What a step has come to."""

    state: StepState = StepState.TO_COME
    sentence: str = ""
    choices: tuple[Choice, ...] = ()
    output: list[tuple[str, bool]] = field(default_factory=list)  # line, from stderr
    open_line: bool = False  # the last line has not ended yet
    elapsed: float = 0.0  # seconds, of what it does now; once it has ended, of all it did
    ran: float = 0.0  # seconds that it ran before its proof was waited for
    told: float = 0.0  # when ``elapsed`` was told, by our clock
    measured: int | None = None
    total: int | None = None  # bytes there are to be measured
    rate: float | None = None  # bytes per second
    left: float | None = None  # seconds
    awaiting: str = ""
    asked: float = 0.0  # when it began to wait for an answer, by our clock
    answered: bool = False

    @property
    def checked(self) -> bool:
        """It has not begun: what must be true before it is being read, for the first time, or once more
        after a question that was answered."""
        asked = self.state is StepState.WAITING and self.answered
        return asked or (self.state is StepState.TO_COME and self.awaiting != "")


class Run:
    """One procedure: planned, running, or at its end. ``clock`` counts seconds. ``resumed``: an earlier
    run of it was interrupted, and may have done much already."""

    def __init__(self, procedure: Procedure, clock: Callable[[], float], *, resumed: bool = False) -> None:
        self.procedure = procedure
        self.resumed = resumed  # it goes on where an earlier run of it was
        self.clock = clock
        self.handle: EngineHandle | None = None
        self.finished: Finished | None = None
        self.changed: tuple[str, ...] | None = None  # what it leaves changed, once that was asked
        self.cancelling = False
        self.consented: str | None = None  # the step whose cancelling the user agreed to
        self.began: float | None = None
        self.ended: float | None = None
        self.records = {step.key: StepRecord() for step in procedure.steps}

    @property
    def started(self) -> bool:
        return self.began is not None

    @property
    def running(self) -> bool:
        return self.started and self.finished is None

    @property
    def current(self) -> Step | None:
        """The step that is at work, is checked before it runs, or waits; else the one that was last."""
        records = self.records
        begun = [s for s in self.procedure.steps if records[s.key].state is not StepState.TO_COME]
        checked = [s for s in self.procedure.steps if records[s.key].checked]
        for step in reversed((*begun, *checked)):
            record = records[step.key]
            if record.state in ACTIVE or record.choices or record.checked:
                return step
        return begun[-1] if begun else None

    def number(self, step: Step) -> int:
        return self.procedure.steps.index(step) + 1

    @property
    def ahead(self) -> Gate:
        """What the current step will ask once its checks have ended, as far as that is known by now."""
        step = self.current
        if step is None or not self.running or step.ask is not None:
            return Gate()
        record = self.records[step.key]
        return step.gate if record.checked and record.state is StepState.TO_COME else Gate()

    @property
    def elapsed(self) -> float:
        if self.began is None:
            return 0.0
        return (self.ended if self.ended is not None else self.clock()) - self.began

    def elapsed_of(self, step: Step) -> float:
        """Seconds the step has taken, counted on between two reports."""
        record = self.records[step.key]
        counts = record.state in ACTIVE and self.running
        return record.elapsed + (self.clock() - record.told if counts and record.told else 0.0)

    def choices(self) -> tuple[Choice, ...]:
        """What may be answered now."""
        step = self.current
        if step is None or not self.running or self.records[step.key].answered:
            return ()
        return self.records[step.key].choices

    def start(self, handle: EngineHandle | None = None) -> None:
        self.began = self.clock()
        self.handle = handle

    def apply(self, event: Event) -> None:
        """Fold one event in. Events of steps that are not in the plan are left out."""
        if isinstance(event, Finished):
            self.finished = event
            self.ended = self.clock()
            return
        record = self.records.get(event.step)
        if record is None:
            return
        if isinstance(event, StepChanged):
            self._change(record, event)
        elif isinstance(event, Output):
            self._print(record, event)
        elif isinstance(event, Progress):
            record.elapsed, record.told = event.elapsed, self.clock()
            record.measured = event.measured if event.measured is not None else record.measured
            record.total, record.rate, record.left = event.total, event.rate, event.left
            record.awaiting = event.awaiting

    def _change(self, record: StepRecord, event: StepChanged) -> None:
        so_far = record.elapsed + (self.clock() - record.told if record.told else 0.0)
        if record.state is StepState.RUNNING:
            record.ran += so_far
            record.elapsed, record.told, so_far = 0.0, self.clock(), 0.0
        asks = event.state is StepState.WAITING and record.state is StepState.TO_COME
        if asks or event.state in {StepState.RUNNING, StepState.VERIFYING}:
            record.elapsed, record.told = 0.0, self.clock()
        elif event.state in {StepState.DONE, StepState.FAILED, StepState.SKIPPED, StepState.CANCELLED}:
            record.elapsed, record.told, record.ran = record.ran + so_far, 0.0, 0.0
        record.state, record.sentence, record.choices = event.state, event.sentence, event.choices
        record.awaiting = ""
        record.asked, record.answered = self.clock(), False

    def _print(self, record: StepRecord, event: Output) -> None:
        lines = clean_lines(event.text)
        ended = lines[-1] == ""
        if ended:
            lines.pop()
        if record.open_line and lines and record.output and record.output[-1][1] == event.stderr:
            before, _ = record.output.pop()
            lines[0] = before + lines[0]
        record.output += [(line, event.stderr) for line in lines]
        record.open_line = not ended
        del record.output[:-KEPT]

    def line(self, width: int) -> Line:
        """The run in one line of at most ``width`` cells, the least important left out."""
        if self.finished is not None:
            sign, role = sign_of(self.finished)
            said: Line = ((clean(self.finished.sentence), Role.PLAIN),)
            return self._short((f"{sign} ", role), said, (), width)
        step = self.current
        if step is None:
            return self._short(("● ", Role.ADVICE), (("starting", Role.PLAIN),), (), width)
        record = self.records[step.key]
        sign, role = STEP[record.state]
        facts = [record.state.value, age(self.elapsed_of(step)) if record.elapsed or record.told else ""]
        facts.append(size(record.measured) if record.measured is not None else "")
        words = "  ".join(part for part in facts if part)
        state: Line = (
            (f"step {self.number(step)} of {len(self.procedure.steps)} · ", Role.PLAIN),
            (words, role if record.state is StepState.WAITING else Role.STRONG),
        )
        return self._short((f"{sign} ", role), state, ((f"{clean(step.title)} · ", Role.PLAIN),), width)

    def _short(self, sign: Span, state: Line, place: Line, width: int) -> Line:
        title: Span = (f"{clean(self.procedure.title, 60)} · ", Role.PLAIN)
        hint: Span = ("  (b shows it)", Role.MUTED)
        for line in ((sign, title, *place, *state, hint), (sign, title, *state, hint), (sign, *state, hint)):
            if width_of(line) <= width:
                return line
        return sign, *state
