"""What a run has already done, folded from its record: this is what a resume goes by."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from etcdtui.procedures.procedure import StepState
from etcdtui.records import Entry


@dataclass(slots=True)
class Past:
    """One step. ``announced``: its command was about to run; ``confirmed``: its job was seen on the host."""

    state: StepState | None = None
    sentence: str = ""
    attempt: int = 1
    announced: bool = False
    confirmed: bool = False
    cancelling: bool = False
    status: int | None = None
    said: str = ""
    statuses: list[int] = field(default_factory=list)  # of all attempts that ended
    printed: str = ""  # by all of them
    baseline: int = 0  # bytes measured before the command began

    @property
    def settled(self) -> bool:
        return self.state in {StepState.DONE, StepState.SKIPPED}

    @property
    def begun(self) -> bool:
        """Its command was about to run, in this attempt or in an earlier one."""
        return self.announced or self.attempt > 1

    def again(self, attempt: int) -> None:
        """Forget the last attempt; the next one is a new command."""
        self.attempt = attempt
        self.announced = self.confirmed = self.cancelling = False
        self.status = None


@dataclass(slots=True)
class History:
    """All steps of a run."""

    steps: dict[str, Past] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)  # hosts that were to be locked

    def of(self, key: str) -> Past:
        return self.steps.setdefault(key, Past())

    @property
    def touched(self) -> bool:
        """Has any command of this run been about to run?"""
        return any(past.begun for past in self.steps.values())

    def fold(self, entry: Entry) -> None:
        """Take one more line into account."""
        if entry.kind == "lock" and isinstance(entry.facts.get("hosts"), list):
            self.locked |= set(map(str, entry.facts["hosts"]))
        if not entry.step:
            return
        past = self.of(entry.step)
        match entry.kind:
            case "state":
                with suppress(ValueError):
                    past.state = StepState(entry.text("state"))
                    past.sentence = entry.text("sentence")
            case "command":
                past.announced = True
                baseline = entry.facts.get("baseline")
                past.baseline = baseline if isinstance(baseline, int) else 0
            case "work":
                past.announced = True
            case "started":
                past.confirmed = True
            case "cancelling":
                past.cancelling = True
            case "ended":
                status = entry.facts.get("status")
                past.status = status if isinstance(status, int) else -1
                past.statuses.append(past.status)
                past.said = entry.text("stdout") + entry.text("stderr")
                past.printed += past.said
            case "attempt":
                number = entry.facts.get("number")
                past.again(number if isinstance(number, int) else past.attempt + 1)


def history_of(entries: Iterable[Entry]) -> History:
    history = History()
    for entry in entries:
        history.fold(entry)
    return history
