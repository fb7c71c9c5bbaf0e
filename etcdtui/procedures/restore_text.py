"""A restore in lines of text: should it be at all, and the whole plan. The screen and the command line share
them. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from etcdtui.errors import Refusal
from etcdtui.model.restore_advice import Advice
from etcdtui.procedures.procedure import GateKind, Procedure, Step
from etcdtui.procedures.restore import seconds
from etcdtui.procedures.restore_decided import Standstill, decided_by
from etcdtui.text import age, clean

WIDEST = 4000  # characters of one line


class Sort(StrEnum):
    """What a line is, for whoever colours it."""

    WARNING = "warning"
    HEADING = "heading"
    SENTENCE = "sentence"
    STEP = "step"
    COMMAND = "command"
    GATE = "gate"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Told:
    """One line. ``indent`` is how far it is set in; foreign text in it is not cleaned yet."""

    text: str = ""
    sort: Sort = Sort.SENTENCE
    indent: int = 0

    @property
    def line(self) -> str:
        """As it is printed: harmless."""
        return " " * self.indent + clean(self.text, WIDEST)


def advice_lines(advice: Advice) -> Iterator[Told]:
    """What must be known first, then everything else in the order in which it counts."""
    if advice.first:
        yield Told(f"▲ {advice.first}", Sort.WARNING)
    for title, lines in (
        ("What is true", advice.truth),
        ("Instead of a restore", advice.instead),
        ("Whose data is the newest", advice.survivors),
        ("The backups beside it", advice.backups),
    ):
        yield Told()
        yield Told(title, Sort.HEADING)
        for line in lines:
            yield Told(line, indent=2)


def plan_lines(made: Procedure, advice: Advice) -> Iterator[Told]:
    """The plan from its total to its last step, without what the advice says already."""
    decided = decided_of(made)
    yield Told(
        f"{made.title}: {len(made.steps)} steps, usually about {age(total(made))}. "
        "Nothing has been executed.",
        Sort.HEADING,
    )
    for reason in made.reasons:
        if reason not in advice.lines:
            yield Told(reason, indent=2)
    phrases = typed(made)
    if phrases:
        yield Told()
        yield Told("What has to be typed on the way", Sort.HEADING)
        for step in phrases:
            yield Told(f"{step.gate.phrase}   ({step.title})", Sort.GATE, 2)
    for number, step in enumerate(made.steps, 1):
        yield Told()
        where = f" on {step.host}" if step.host and step.host not in step.title else ""
        took = age(seconds(step, decided))
        yield Told(f"{number:>3}. {step.title}{where}   about {took}", Sort.STEP)
        yield Told(step.why, indent=5)
        if step.argv:
            yield Told(f"$ {command(step)}", Sort.COMMAND, 5)
        if step.gate.prompt:
            yield Told(f"asks: {step.gate.prompt}", Sort.GATE, 5)


def refused_lines(refusal: Refusal) -> Iterator[Told]:
    yield Told(f"refused   {refusal}", Sort.REFUSED)


def whole(made: Procedure, advice: Advice) -> Iterator[Told]:
    """The dry run, from the advice to the last step."""
    yield from advice_lines(advice)
    yield Told()
    yield from plan_lines(made, advice)


def decided_of(made: Procedure) -> Standstill:
    """What was decided for a restore from a backup, or for one from a survivor's data."""
    return decided_by(made.kind, made.parameters)


def total(made: Procedure) -> float:
    """Seconds that all of it usually takes, without the human."""
    decided = decided_of(made)
    return sum(seconds(step, decided) for step in made.steps)


def typed(made: Procedure) -> Sequence[Step]:
    """The steps that want something typed, in their order."""
    return [step for step in made.steps if step.gate.kind is GateKind.PHRASE]


def command(step: Step) -> str:
    """What runs, as it would be typed; a script of ours by its name and what it is given."""
    words = list(step.argv)
    if "-c" in words and "\n" in words[words.index("-c") + 1]:
        at = words.index("-c")
        return f"{shlex.join(words[: at - 1])} {shlex.join(words[at + 2 :])}"
    return shlex.join(words)
