"""The guide walked by somebody who wants the member replaced, and what is to be true after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.model.health import Level, judge
from etcdtui.procedures.engine import Engine
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import (
    Answer,
    Choice,
    Ending,
    Event,
    Finished,
    GateKind,
    Procedure,
    Progress,
    StepChanged,
    StepState,
)
from etcdtui.procedures.replace_api import GUARD_ON
from etcdtui.procedures.replace_evidence import signs_of
from tests.live.watched import HEALED_WITHIN, Watched

GONE = "masternode3"
AGAIN = 1.0  # seconds before it is tried again
TRIES = 20  # what a starved machine was late with is tried again

Deed = Callable[[], object]


def willing(made: Procedure, asked: StepChanged, tries: int) -> Answer:
    """What that person answers: yes to all but a backup, which is skipped with a reason."""
    if Choice.NO in asked.choices:
        return Answer(Choice.NO, step=asked.step)
    if asked.step == "backup":
        return Answer(Choice.SKIP, "only a test", asked.step)
    if Choice.GO in asked.choices:
        gate = made.step(asked.step).gate
        return Answer(Choice.GO, gate.phrase if gate.kind is GateKind.PHRASE else "", asked.step)
    again = Choice.RETRY in asked.choices and tries < TRIES
    wait = Choice.WAIT in asked.choices and tries < TRIES
    choice = Choice.RETRY if again else Choice.WAIT if wait else Choice.STOP
    return Answer(choice, step=asked.step)


class Guided:
    """One run. ``deeds`` are done when a step reaches a state for the first time, before it goes on."""

    def __init__(
        self,
        watch: Watched,
        made: Procedure,
        journal: Journal,
        deeds: Mapping[tuple[str, StepState], Deed] | None = None,
    ) -> None:
        self.watch, self.made = watch, made
        self.events: list[Event] = []
        self.tries = 0
        self._deeds = dict(deeds or {})
        self.engine = Engine(made, watch.cluster, journal, self._emit)

    def run(self) -> Finished:
        return self.engine.run()

    def _emit(self, event: Event) -> None:
        self.events.append(event)
        if not isinstance(event, StepChanged):
            return
        deed = self._deeds.pop((event.step, event.state), None)
        if deed is not None:
            deed()
        # While a human is waited for, the guide goes on by itself once it is so.
        if event.choices and not self._by_itself(event):
            self.tries += Choice.RETRY in event.choices
            answer = willing(self.made, event, self.tries)
            if answer.choice is Choice.RETRY:
                time.sleep(AGAIN)
            self.engine.answer(answer)

    @property
    def left(self) -> list[tuple[str, StepState]]:
        """Deeds that were not done."""
        return list(self._deeds)

    def _by_itself(self, asked: StepChanged) -> bool:
        return Choice.WAIT not in asked.choices and self.made.step(asked.step).key in {"host", "start"}

    def done(self, step: str) -> str:
        return next(
            e.sentence
            for e in reversed(self.events)
            if isinstance(e, StepChanged) and e.step == step and e.state is StepState.DONE
        )

    @property
    def awaited(self) -> list[str]:
        """Every reason to wait that was shown, once each, in their order."""
        return list(dict.fromkeys(e.awaiting for e in self.events if isinstance(e, Progress)))

    @property
    def told(self) -> str:
        """Every sentence that was shown."""
        return " ".join(e.sentence for e in self.events if isinstance(e, StepChanged))


def keys_of(watch: Watched) -> set[tuple[bytes, int]]:
    """All keys and when each was changed last, but those that the cluster itself renews all the time."""
    found = watch.cluster.live_keys(lambda: False)
    return {(one.key, one.revision) for one in found if b"/leases/" not in one.key}


def looks_dead(watch: Watched, member: int) -> bool:
    """Two sources say so, and none says otherwise."""
    view = watch.look().view
    row = judge(view).member(member)
    signs = signs_of(view, row.member) if row else ()
    return len({sign.source for sign in signs}) >= 2 and all(sign.dead for sign in signs)


def planned(watch: Watched, operations: Operations, name: str = GONE, *marked: str) -> Procedure:
    """Wait until two sources call it dead, then plan its replacement."""
    ids = [watch.look().member(one).member.id for one in (name, *marked)]
    watch.within(60, lambda seen: looks_dead(watch, ids[0]))
    return plan_of(watch, operations, *ids)


def plan_of(watch: Watched, operations: Operations, *ids: int) -> Procedure:
    """Of the first of these, all marked. Raises Refusal, unless only a starved machine was late to look."""
    for _ in range(TRIES):
        try:
            return operations.plan_replace(watch.cluster.look_again(10), ids[0], ids)
        except Refusal as refusal:
            if "look again first" not in refusal.message:
                raise
    raise AssertionError("what is known is always too old")


def replaced(
    watch: Watched,
    state: Path,
    deeds: Mapping[tuple[str, StepState], Deed] | None = None,
    *,
    name: str = GONE,
    voters: int = 3,
    guard: bool = True,
) -> Guided:
    """The guide walked to its end; the cluster is whole after it."""
    operations = Operations(watch.cluster, state)
    target = watch.look().member(name).member.id
    guided = Guided(watch, planned(watch, operations, name), Journal(state / "journal"), deeds)
    finished = guided.run()
    assert finished.ending is Ending.DONE, (finished.sentence, guided.awaited[-3:])
    whole(watch, operations, target, voters)
    assert "identical keys" in guided.done("hash")
    assert not guard or "guard is on" in guided.done(GUARD_ON)
    return guided


def whole(watch: Watched, operations: Operations, gone: int, voters: int = 3) -> None:
    """Every voter is well, the one that failed is not among them, and nothing is owed.

    A host that was destroyed for good stays among those of the configuration: it is not waited for.
    """
    assert operations.debts() == ()
    after = watch.within(HEALED_WITHIN, lambda seen: seen.health.level is Level.HEALTHY).health
    assert after.quorum.voters == voters, after.sentence
    assert after.member(gone) is None
