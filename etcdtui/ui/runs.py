"""A run as the screen knows it: every event folded into what is true now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from etcdtui.procedures.procedure import (
    Choice,
    Event,
    Finished,
    Output,
    Procedure,
    Progress,
    Step,
    StepChanged,
    StepState,
)
from etcdtui.text import age, clean_lines, size
from etcdtui.ui.looks import Line, Role
from etcdtui.ui.ports import EngineHandle
from etcdtui.ui.words import ENDING, STEP

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
    elapsed: float = 0.0
    told: float = 0.0  # when ``elapsed`` was told, by our clock
    measured: int | None = None
    awaiting: str = ""
    asked: float = 0.0  # when it began to wait for an answer, by our clock
    answered: bool = False


class Run:
    """One procedure: planned, running, or at its end. ``clock`` counts seconds."""

    def __init__(self, procedure: Procedure, clock: Callable[[], float]) -> None:
        self.procedure = procedure
        self.clock = clock
        self.handle: EngineHandle | None = None
        self.finished: Finished | None = None
        self.cancelling = False
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
        """The step that is at work or waits; else, before the end, the one that was last."""
        seen: Step | None = None
        for step in self.procedure.steps:
            state = self.records[step.key].state
            if state in ACTIVE or (state is StepState.FAILED and self.records[step.key].choices):
                return step
            if state is not StepState.TO_COME:
                seen = step
        return seen

    def number(self, step: Step) -> int:
        return self.procedure.steps.index(step) + 1

    @property
    def elapsed(self) -> float:
        if self.began is None:
            return 0.0
        return (self.ended if self.ended is not None else self.clock()) - self.began

    def elapsed_of(self, step: Step) -> float:
        """Seconds the step has taken, counted on between two reports."""
        record = self.records[step.key]
        running = record.state in {StepState.RUNNING, StepState.VERIFYING} and self.running
        return record.elapsed + (self.clock() - record.told if running and record.told else 0.0)

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
            record.awaiting = event.awaiting

    def _change(self, record: StepRecord, event: StepChanged) -> None:
        if event.state in {StepState.RUNNING, StepState.VERIFYING} and not record.told:
            record.told = self.clock()
        if event.state in {StepState.DONE, StepState.FAILED, StepState.SKIPPED, StepState.CANCELLED}:
            record.elapsed += self.clock() - record.told if record.told else 0.0
            record.told = 0.0
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

    def line(self) -> Line:
        """The run in one line: for the dashboard."""
        title = self.procedure.title
        if self.finished is not None:
            sign, role = ENDING[self.finished.ending]
            return (f"{sign} ", role), (f"{title}: {self.finished.sentence}", Role.PLAIN)
        step = self.current
        if step is None:
            return ("● ", Role.ADVICE), (f"{title}: starting", Role.PLAIN)
        record = self.records[step.key]
        sign, role = STEP[record.state]
        place = f"step {self.number(step)} of {len(self.procedure.steps)}, {step.title}"
        parts = [record.state.value, age(self.elapsed_of(step)) if record.elapsed or record.told else ""]
        parts.append(size(record.measured) if record.measured is not None else "")
        facts = "  ".join(part for part in parts if part)
        return (
            (f"{sign} ", role),
            (f"{title} · {place} · ", Role.PLAIN),
            (facts, role if record.state is StepState.WAITING else Role.STRONG),
            ("  (b shows it)", Role.MUTED),
        )
