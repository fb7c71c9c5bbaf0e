"""A procedure without the screen: its events as lines or JSON, its questions answered by rule.

Nobody is there to be asked. With ``--yes`` a gate is passed, though never one that wants a name typed, nor
one that is for people alone; else the answer is no, where that goes on without the step. A step that fails is
skipped with that reason where it may be, else the run ends there. Nobody need even read what is printed: the
run goes on, and ends as it ends.

What a person decides step by step (a restore, a member replaced) is only followed: jobs and proofs go on, and
the first question or failure ends it, with ``--yes`` too.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol, TextIO

from etcdtui.procedures.procedure import (
    Answer,
    Choice,
    Event,
    Finished,
    GateKind,
    Output,
    Procedure,
    Progress,
    StepChanged,
    StepState,
)
from etcdtui.procedures.turns import DECLINED, Skipped
from etcdtui.records import HALVES
from etcdtui.streams import Ticker, say
from etcdtui.text import age, clean, size

SKIPPED = "it failed, and nobody was there to be asked"
ON_SCREEN = "Only a person decides that: open the screen (etcdtui), and go on with it there."
WORTH_A_LINE = frozenset(
    {
        StepState.RUNNING,
        StepState.DONE,
        StepState.FAILED,
        StepState.SKIPPED,
        StepState.CANCELLED,
        StepState.WAITING,
    }
)


class Running(Protocol):
    """The engine, as far as it is spoken to."""

    def answer(self, answer: Answer) -> None: ...

    def cancel(self) -> None: ...

    def leave(self) -> None: ...


@dataclass
class Console:
    """Prints what happens and answers what is asked. ``shape`` is "lines" or "json"."""

    procedure: Procedure
    yes: bool = False
    shape: str = "lines"
    out: TextIO = field(default_factory=lambda: sys.stdout)
    engine: Running | None = None
    finished: Finished | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    skipped: list[str] = field(default_factory=list)  # keys of steps that were passed over
    declined: list[str] = field(default_factory=list)  # those of them that were answered no
    _asked: bool = False  # something that only a person answers

    def __post_init__(self) -> None:
        self._lines = Ticker(self.out)

    def __call__(self, event: Event) -> None:
        """From the engine's thread."""
        if isinstance(event, Finished) and self._asked:
            event = replace(event, sentence=f"{event.sentence} {ON_SCREEN}")
        try:
            self._tell(event)
        finally:  # whatever becomes of the line: else the run would wait for ever
            self._act(event)

    def _tell(self, event: Event) -> None:
        if self.shape == "json":
            self._json(event)
        else:
            self._line(event)

    def _act(self, event: Event) -> None:
        if isinstance(event, Finished):
            self.finished = event
            self.ended.set()
        elif isinstance(event, StepChanged):
            if event.state is StepState.SKIPPED:
                self.skipped.append(event.step)
                if event.sentence == Skipped(DECLINED).sentence:
                    self.declined.append(event.step)
            if event.choices and self.engine is not None:
                self.engine.answer(self._answer(event))

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM cancel; a second one only stops watching. So does the first of what is only
        followed: a script that would leave a cluster half changed is not ended without a question."""
        asked: list[int] = []

        def stop(number: int, frame: object) -> None:
            if self.engine is None:
                return
            asked.append(number)
            self.engine.cancel() if len(asked) == 1 and not self._followed else self.engine.leave()

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @property
    def _followed(self) -> bool:
        """Nothing in it is answered here."""
        return self.procedure.kind in HALVES

    def _answer(self, asked: StepChanged) -> Answer:
        choices = asked.choices
        if self._followed:
            self._asked = True
            return Answer(Choice.STOP, step=asked.step)
        step = self.procedure.step(asked.step)
        if Choice.GO in choices and step.for_people:
            self._asked = True
        elif Choice.GO in choices and self.yes and step.gate.kind is not GateKind.PHRASE:
            return Answer(Choice.GO, step=asked.step)
        if Choice.NO in choices:
            return Answer(Choice.NO, step=asked.step)
        if asked.state is StepState.FAILED and Choice.SKIP in choices:
            return Answer(Choice.SKIP, SKIPPED, asked.step)
        return Answer(Choice.STOP, step=asked.step)

    # -- lines

    def _line(self, event: Event) -> None:
        match event:
            case StepChanged() if event.state in WORTH_A_LINE:
                step = self.procedure.step(event.step)
                sentence = event.sentence.removeprefix(f"{step.title}: ")  # of a failure it begins with it
                said = f": {clean(sentence, 4000)}" if sentence else ""
                word = "asks" if event.state is StepState.WAITING else event.state.value
                self._lines.stay(f"{word:<9} {step.title}{said}")
            case Progress() if event.measured is not None:
                self._lines.over(self._progress(event))
            case Finished():
                self._lines.stay(f"{event.ending.value:<9} {clean(event.sentence, 4000)}")
            case Output():
                pass  # it is in the journal

    def _progress(self, event: Progress) -> str:
        words = [size(event.measured or 0)]
        if event.total:
            words.append(f"of {size(event.total)}")
        if event.rate:
            words.append(f"{size(int(event.rate))}/s")
        if event.left is not None:
            words.append(f"{age(event.left)} left")
        return f"          {' '.join(words)}  {clean(event.awaiting, 60)}"

    # -- JSON

    def _json(self, event: Event) -> None:
        match event:
            case StepChanged():
                facts = {"step": event.step, "state": event.state.value, "sentence": event.sentence}
            case Finished():
                facts = {"ending": event.ending.value, "sentence": event.sentence}
            case _:
                return
        kind = "finished" if isinstance(event, Finished) else "step"
        say(json.dumps({"event": kind, "procedure": self.procedure.id, **facts}), self.out)


def run(console: Console, begin: Callable[[Procedure, Callable[[Event], None]], Running]) -> Finished:
    """Begin the procedure and wait for its end."""
    begun = threading.Event()

    def emit(event: Event) -> None:
        begun.wait()
        console(event)

    with console.interruptible():
        console.engine = begin(console.procedure, emit)
        begun.set()
        while not console.ended.wait(0.5):
            pass
    assert console.finished is not None
    return console.finished
