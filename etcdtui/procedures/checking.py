"""Looks at the world before a step and after it, and waits until what the step wanted has come true."""

from __future__ import annotations

import time
from collections.abc import Callable

from etcdtui.errors import EtcdTuiError
from etcdtui.etcd.commands import ClientAccess
from etcdtui.model.probe import Probe
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import ClusterView
from etcdtui.offsite.keeping import Keeping
from etcdtui.platforms.layout import Layout
from etcdtui.procedures.desk import CancelAsked, Desk
from etcdtui.procedures.history import History
from etcdtui.procedures.procedure import (
    Action,
    Check,
    Choice,
    Ending,
    Gate,
    Objects,
    Step,
    StepState,
    World,
)
from etcdtui.procedures.turns import Needless, choices_of, turn
from etcdtui.reach.runner import Runner
from etcdtui.text import age


class Scene:
    """The world, and what earlier commands of this run printed: the Context that checks are given."""

    def __init__(self, world: World, history: History) -> None:
        self._world, self._history = world, history

    def view(self) -> ClusterView:
        return self._world.view()

    def look_again(self, timeout: float) -> ClusterView:
        return self._world.look_again(timeout)

    @property
    def keeping(self) -> Keeping:
        return self._world.keeping

    def look_at_places(self, timeout: float) -> ClusterView:
        return self._world.look_at_places(timeout)

    def layout_of(self, host: str) -> Layout:
        return self._world.layout_of(host)

    def runner(self, host: str) -> Runner:
        return self._world.runner(host)

    def now(self) -> float:
        return self._world.now()

    def etcdctl(self, avoid: str = "") -> tuple[str, ClientAccess]:
        return self._world.etcdctl(avoid)

    def objects(self) -> Objects:
        return self._world.objects()

    def examine(self, member_id: int, hear: Callable[[Probe], None]) -> Probe:
        return self._world.examine(member_id, hear)

    def said(self, step: str) -> str:
        return self._history.of(step).said

    def found(self, step: str) -> str:
        past = self._history.of(step)
        return past.sentence if past.settled else ""


class Checker:
    """Asks checks, anew and on the record."""

    def __init__(self, desk: Desk, scene: Scene) -> None:
        self._desk, self.scene = desk, scene
        self.found = ""  # what the last prechecks that all agreed have said
        self._looked: tuple[str, float] = ("", 0.0)  # for which step a look ended last, and when

    def already(self, step: Step) -> str | None:
        """The sentence when what the step wants is so already; None when it is not, or nobody can tell."""
        if step.done is None:
            return None
        self.look_again(step)
        self._looked = (step.key, time.monotonic())
        verdict = self.check(step, step.done, "whether this is so already")
        self._note(step, "done", verdict)
        return verdict.reason if verdict.allowed else None

    def pass_over(self, step: Step) -> None:
        """Raises Needless when nothing is left to do here, after what this run did before."""
        if step.needless is None:
            return
        verdict = self.check(step, step.needless, "whether it is needed")
        self._note(step, "needless", verdict)
        if verdict.allowed:
            raise Needless(verdict.reason)

    def more(self, step: Step) -> bool:
        """Is the step to be taken once more, for what has come up meanwhile?"""
        if step.again is None:
            return False
        verdict = self.check(step, step.again, "whether more is to be asked about")
        self._note(step, "again", verdict)
        return verdict.allowed

    def gate(self, step: Step) -> Gate:
        """What the human must do before it runs, as things are now. Raises what reading them raises."""
        if step.ask is None:
            return step.gate
        ask = step.ask
        return self._desk.during(step, lambda: ask(self.scene), "what there is to ask about")

    def refusal(self, step: Step) -> str | None:
        """Read everything now; the sentence of the first precheck that refuses, or None."""
        self.found = ""
        if not step.prechecks:
            return None
        if not self._just_looked(step):
            self.look_again(step)
        reasons: list[str] = []
        for check in step.prechecks:
            verdict = self.check(step, check, "the checks before this step")
            self._note(step, "precheck", verdict)
            if not verdict.allowed:
                return verdict.reason
            reasons.append(verdict.reason)
        self.found = " ".join(reasons)
        return None

    def _just_looked(self, step: Step) -> bool:
        """Was every source asked anew for this very step, a moment ago, to see whether it is so already?
        Nothing has run and nobody was asked since; asked once more where a host is off, each of them would
        take seconds. A look counts once: whoever tries again wants to know what is true then."""
        (key, ended), self._looked = self._looked, ("", 0.0)
        return key == step.key and time.monotonic() - ended <= self._desk.pace.stale

    def afterwards(self, step: Step) -> str:
        """What is true after the step was cancelled."""
        if step.after_cancel is None:
            return ""
        verdict = self.check(step, step.after_cancel, "what was left behind", cut=False)
        self._note(step, "after cancel", verdict)
        return verdict.reason

    def verify(self, step: Step) -> str:
        """Wait until the step's aim is reached and return the sentence. Raises a Turn, Leave, CancelAsked."""
        if step.verify is None:
            return ""
        return _Wait(self, self._desk, step, step.verify).until_true()

    def look_again(self, step: Step, awaiting: str = "every source to answer anew") -> None:
        desk = self._desk
        timeout = desk.pace.again
        desk.progress(step, awaiting)  # at once: from now on it may be read, and typed, what the step asks
        try:
            desk.during(step, lambda: self.scene.look_again(timeout), awaiting)
        except EtcdTuiError as exc:
            desk.note("trouble", step, sentence=str(exc))  # the checks judge by the age of what they see

    def check(self, step: Step, check: Check, awaiting: str, *, cut: bool = True) -> Verdict:
        """The verdict; an error in getting it is a no, in the error's own words."""
        try:
            return self._desk.during(step, lambda: check(self.scene), awaiting, cut=cut)
        except EtcdTuiError as exc:
            return Verdict(False, str(exc))

    def _note(self, step: Step, what: str, verdict: Verdict) -> None:
        self._desk.note("verdict", step, check=what, allowed=verdict.allowed, reason=verdict.reason)


class _Wait:
    """One verification: polled on, also while the human is asked whether to go on waiting."""

    def __init__(self, checker: Checker, desk: Desk, step: Step, check: Check) -> None:
        self._checker, self._desk, self._step, self._check = checker, desk, step, check
        self._choices: tuple[Choice, ...] = ()
        self._state = StepState.VERIFYING
        self._seen = ""
        self._patience_from = time.monotonic()

    def until_true(self) -> str:
        self._desk.begin()
        self._announce()
        while True:
            # What was seen last stays to be read while it is looked again.
            self._checker.look_again(self._step, self._awaiting())
            verdict = self._checker.check(self._step, self._check, self._awaiting())
            if verdict.allowed or verdict.reason != self._seen:
                self._desk.note(
                    "verdict", self._step, check="verify", allowed=verdict.allowed, reason=verdict.reason
                )
            self._seen = verdict.reason
            if verdict.allowed:
                return verdict.reason
            self._lose_patience()
            self._listen()

    def _announce(self) -> None:
        step = self._step
        self._patience_from = time.monotonic()
        if step.action is Action.HUMAN:
            self._state, self._choices = StepState.WAITING, choices_of(step)
            words = (
                f"{step.title}: this is yours to do. etcdtui watches, and goes on by itself when it is so."
            )
            self._desk.offer(step, self._state, words, self._choices)
        else:
            self._state, self._choices = StepState.VERIFYING, ()
            self._desk.change(step, self._state)

    def _lose_patience(self) -> None:
        waited = time.monotonic() - self._patience_from
        if waited < self._step.patience:
            return
        step, desk = self._step, self._desk
        if step.action is Action.HUMAN:
            self._patience_from = time.monotonic()
            words = f"Still waiting for you. Seen last: {self._seen}{self._ways()}"
            desk.offer(step, self._state, words, self._choices)
        elif step.action is Action.CHECK and not self._choices:
            self._choices = choices_of(step, Choice.WAIT)
            self._state = StepState.FAILED
            waited_for = f" Waited for {age(waited)}." if step.usual else ""
            desk.offer(step, self._state, f"{self._seen}{waited_for}{self._ways()}", self._choices)
        elif not self._choices:
            self._choices = choices_of(step, Choice.WAIT, Choice.RETRY)
            self._state = StepState.WAITING
            desk.offer(step, self._state, self._impatient(waited), self._choices)

    def _impatient(self, waited: float) -> str:
        return (
            f"The command ran, but what it was for (“{self._step.title}”) has not come true after "
            f"{age(waited)}. Seen last: {self._seen}{self._ways()}"
        )

    def _ways(self) -> str:
        """What is usual, and what else than waiting would do."""
        step = self._step
        usual = f" Usually it takes up to {age(step.usual)}." if step.usual else ""
        return f"{usual} {step.ways}".rstrip()

    def _listen(self) -> None:
        desk, step = self._desk, self._step
        end = time.monotonic() + desk.pace.poll
        while (left := end - time.monotonic()) > 0:
            desk.progress(step, self._awaiting())
            answer = desk.listen(step, min(left, desk.pace.tick))
            if desk.mail.cancelling:
                raise CancelAsked
            if answer is None or not self._choices:
                continue
            if not desk.acceptable(step, self._state, answer, self._choices):
                continue
            ending = Ending.FAILED if step.action is Action.CHECK else Ending.STOPPED
            if step.action is Action.HUMAN and not desk.history.touched:
                ending = Ending.CANCELLED  # nothing has been run: there is nothing to resume
            turn(answer, ending, f"Stopped at “{step.title}”: {self._seen}")
            self._announce()
            return

    def _awaiting(self) -> str:
        what = "you" if self._step.action is Action.HUMAN else "the proof that it worked"
        if self._step.usual:
            what += f", usually within {age(self._step.usual)}"
        return f"{what}; seen last: {self._seen}" if self._seen else what
