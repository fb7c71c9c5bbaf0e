"""Starts a job on a host and follows it to its end, over dropped connections and over our own death."""

from __future__ import annotations

import codecs
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from etcdtui.errors import EtcdTuiError, Unreachable
from etcdtui.procedures.desk import CancelAsked, Desk, Leave
from etcdtui.procedures.procedure import Choice, Context, Step, StepChanged, StepState
from etcdtui.reach.jobs import Job, JobState
from etcdtui.reach.runner import Runner
from etcdtui.records import TAIL
from etcdtui.text import clean

LINE = 4096  # characters after which an unfinished line is passed on all the same


class Jobs(Protocol):
    """What ``reach.jobs`` does."""

    def start(self, runner: Runner, job: Job, timeout: float) -> str: ...

    def look(
        self,
        runner: Runner,
        job: Job,
        offset_out: int = 0,
        offset_err: int = 0,
        measure: str | None = None,
        timeout: float = 10.0,
    ) -> JobState: ...

    def cancel(self, runner: Runner, job: Job, timeout: float) -> JobState: ...

    def forget(self, runner: Runner, job: Job, timeout: float) -> None: ...


def job_of(procedure: str, step: Step, attempt: int) -> Job:
    """Always the same job for the same attempt at the same step, so that it never runs twice."""
    suffix = "" if attempt == 1 else f"-{attempt}"
    name = re.sub(r"[^a-z0-9]+", "-", f"{procedure}-{step.key}".lower()).strip("-")
    return Job(f"{name}{suffix}", step.directory, step.argv)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended; ``said`` is the end of its output. ``cancelled``: because we cancelled it."""

    status: int
    said: str = ""
    cancelled: bool = False


class Lost(Exception):
    """A job that neither runs nor ended, or that never began (``begun`` false). The message is a sentence."""

    def __init__(self, sentence: str, *, begun: bool) -> None:
        super().__init__(sentence)
        self.begun = begun


class Voice:
    """One output of a command: bytes in, whole lines out, the end of it kept."""

    def __init__(self, desk: Desk, step: Step, *, stderr: bool) -> None:
        self._desk, self._step, self._stderr = desk, step, stderr
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._line = ""
        self.tail = ""

    def hear(self, data: bytes, *, final: bool = False) -> None:
        text = self._decode(data, final)
        self.tail = (self.tail + text)[-TAIL:]
        self._line += text
        cut = len(self._line) if final or len(self._line) > LINE else self._line.rfind("\n") + 1
        if cut:
            self._desk.output(self._step, self._line[:cut], stderr=self._stderr)
            self._line = self._line[cut:]


class _Watching:
    """Says now and then what a job does, and raises an alarm once when that is not as usual."""

    def __init__(self, desk: Desk, step: Step, scene: Context) -> None:
        self._desk, self._step, self._scene = desk, step, scene
        self._heard, self._since = "", time.monotonic()
        self._next = 0.0
        self._about: str | None = None
        self.seen = ""

    def look(self, said: str) -> None:
        """``said`` is all that it has printed, or the end of that."""
        now = time.monotonic()
        if said != self._heard:
            self._heard, self._since = said, now
        watch = self._step.watch
        if now < self._next or watch is None:
            return
        self._next = now + self._desk.pace.watch
        try:
            sight = self._desk.during(
                self._step, lambda: watch(self._scene, said, now - self._since), self.seen, cut=False
            )
        except EtcdTuiError:
            return  # the follower itself says that the host does not answer
        self.seen = sight.sentence
        if sight.alarm and sight.about != self._about:
            self._about = sight.about
            self._desk.note("trouble", self._step, sentence=sight.alarm)
            self._desk.tell(StepChanged(self._step.key, StepState.RUNNING, sight.alarm))


class Follower:
    """Follows one job."""

    def __init__(
        self, desk: Desk, jobs: Jobs, runner: Runner, step: Step, job: Job, scene: Context | None = None
    ) -> None:
        self._desk, self._jobs, self._runner = desk, jobs, runner
        self._step, self._job = step, job
        self._watch = _Watching(desk, step, scene) if step.watch and scene else None
        self._out, self._err = Voice(desk, step, stderr=False), Voice(desk, step, stderr=True)
        self._offset_out = self._offset_err = 0
        self._measured: int | None = None
        self._trouble: EtcdTuiError | None = None
        self._pause = desk.pace.look
        self._asking = self._cancelling = False

    # -- beginning

    def found(self) -> JobState:
        """What the host knows of it, without its output; waits for the host as long as it takes."""
        return self._reach(lambda: self._look(measure_only=True), "what became of the command")

    def start(self) -> None:
        """Announce, start, and make sure that it has begun. Raises Lost when it has not, EtcdTuiError."""
        step, desk = self._step, self._desk
        baseline = self._baseline() if step.measure else 0
        where = {"job": self._job.id, "directory": self._job.directory}
        desk.note("command", step, host=step.host, argv=list(step.argv), baseline=baseline, **where)
        desk.begin()
        try:
            self._start()
        except Unreachable:
            desk.progress(step, f"the connection to {step.host} dropped while the command was being started")
            if self.found().state == "absent":
                raise Lost(
                    f"The connection to {step.host} dropped before the command had begun. It did not run.",
                    begun=False,
                ) from None
        desk.note("started", step, job=self._job.id)

    def _baseline(self) -> int:
        """What is measured before it begins: older files that begin with the same name."""
        look = partial(self._look, measure_only=True)
        return self._desk.during(self._step, look, "the state before", cut=False).measured or 0

    def _start(self) -> None:
        timeout = self._desk.pace.answer
        self._desk.during(
            self._step, lambda: self._jobs.start(self._runner, self._job, timeout), "the start", cut=False
        )

    # -- following

    def to_the_end(self, first: JobState | None = None) -> Ended:
        """Follow it until it has ended. Raises Lost, Leave."""
        if first is not None and first.elapsed is not None:
            self._desk.begin(first.elapsed)
        while True:
            state = self._one_look()
            if state is not None:
                self._hear(state)
                if self._watch and state.state == "running":
                    self._watch.look(self._out.tail)
                if state.state == "ended" and not state.more:
                    if self._asking:
                        self._desk.mail.cancel()  # the wish to end it holds for what comes after
                    return self._ended(state.status)
                if state.state in {"vanished", "absent"} and not state.more:
                    raise Lost(self._lost_words(state), begun=True)
                if state.more:
                    continue
            if self._asked_to_cancel():
                return self._cancel()

    def _one_look(self) -> JobState | None:
        desk = self._desk
        try:
            state = desk.during(self._step, self._look, self._awaiting(), cut=False)
        except EtcdTuiError as exc:
            self._trouble = exc
            if not isinstance(exc, Unreachable):
                self._ask_about(exc)
            self._pause = min(desk.pace.backoff, self._pause * 2)
            desk.progress(self._step, self._awaiting(), self._measured)
            return None
        self._trouble, self._pause = None, desk.pace.look
        if state.measured is not None:
            written = state.measured - desk.history.of(self._step.key).baseline
            # What is whole gets another name and is not seen any more: nothing was unwritten by that.
            self._measured = max(0, written, self._measured or 0)
        desk.progress(self._step, self._awaiting(), self._measured)
        return state

    def _look(self, *, measure_only: bool = False) -> JobState:
        measure = self._step.measure
        prefix = f"{measure.directory.rstrip('/')}/{measure.prefix}" if measure else None
        big = 1 << 62
        return self._jobs.look(
            self._runner,
            self._job,
            big if measure_only else self._offset_out,
            big if measure_only else self._offset_err,
            measure=prefix,
            timeout=self._desk.pace.answer,
        )

    def _hear(self, state: JobState) -> None:
        self._offset_out, self._offset_err = state.offset_out, state.offset_err
        self._out.hear(state.stdout)
        self._err.hear(state.stderr)

    def _ended(self, status: int | None, *, cancelled: bool = False) -> Ended:
        self._out.hear(b"", final=True)
        self._err.hear(b"", final=True)
        code = -1 if status is None else status
        self._desk.note(
            "ended", self._step, status=code, stdout=self._out.tail, stderr=self._err.tail, cut=cancelled
        )
        return Ended(code, self._out.tail + self._err.tail, cancelled)

    def _awaiting(self) -> str:
        host = self._step.host
        if self._trouble is None:
            seen = f"; {self._watch.seen}" if self._watch and self._watch.seen else ""
            return f"the end of the command on {host}{seen}"
        if isinstance(self._trouble, Unreachable):
            return f"the connection to {host} dropped; the command goes on there ({self._trouble.message})"
        return f"{host} cannot be asked about the command, which goes on there ({self._trouble.message})"

    def _lost_words(self, state: JobState) -> str:
        host = self._step.host
        if state.state == "absent":
            return f"{host} no longer has a record of the command; whether it ended well is not known."
        return (
            f"The command on {host} is gone and left no exit code: it was killed, or {host} was restarted. "
            "Whether it did its work is not known."
        )

    def _ask_about(self, exc: EtcdTuiError) -> None:
        """Something that waiting alone will not mend, such as a changed host key."""
        desk, step = self._desk, self._step
        sentence = f"The command on {step.host} goes on, but cannot be followed: {exc}"
        try:
            answer = desk.ask(step, StepState.WAITING, sentence, (Choice.RETRY, Choice.STOP))
        except CancelAsked:
            raise Leave from exc
        if answer.choice is Choice.STOP:
            raise Leave from exc
        desk.change(step, StepState.RUNNING, f"Asking {step.host} again.")

    # -- cancelling

    def _asked_to_cancel(self) -> bool:
        """Listen for the rest of the pause; put the question when a cancel was wished."""
        desk, step = self._desk, self._step
        answer = desk.listen(step, self._pause)
        if desk.mail.take_cancel() and not self._asking:
            self._asking = True
            desk.offer(step, StepState.WAITING, f"{step.cancel} Cancel it?", (Choice.STOP, Choice.WAIT))
            return False
        if answer is None or not self._asking:
            return False
        if not desk.acceptable(step, StepState.WAITING, answer, (Choice.STOP, Choice.WAIT)):
            return False
        self._asking = False
        if answer.choice is Choice.STOP:
            return True
        desk.change(step, StepState.RUNNING, "It goes on.")
        return False

    def cancel_again(self) -> Ended:
        """A cancel was under way when we were interrupted: finish it."""
        return self._cancel()

    def _cancel(self) -> Ended:
        desk, step = self._desk, self._step
        self._cancelling = True
        desk.note("cancelling", step)
        desk.change(step, StepState.RUNNING, f"Ending the command on {step.host} …")
        self._reach(
            lambda: self._jobs.cancel(self._runner, self._job, desk.pace.end), "the end of the command"
        )
        state = self._reach(self._look, "its last words")
        self._hear(state)
        while state.more:
            state = self._reach(self._look, "its last words")
            self._hear(state)
        if state.state == "running":
            raise EtcdTuiError(f"The command on {step.host} was told to end and still runs.")
        return self._ended(state.status, cancelled=state.status != 0)

    def _reach(self, call: Callable[[], JobState], awaiting: str) -> JobState:
        """``call`` as often as needed until the host answers. Raises Leave, and what is not Unreachable."""
        desk, pause = self._desk, self._desk.pace.look
        words = awaiting
        while True:
            try:
                return desk.during(self._step, call, words, cut=False)
            except Unreachable as exc:
                host = self._step.host
                words = f"{awaiting}; the connection to {host} dropped ({exc.message})"
                desk.progress(self._step, words, self._measured)
                pause = min(desk.pace.backoff, pause * 2)
                desk.listen(self._step, pause)
                if desk.mail.cancelling and not self._cancelling:
                    raise CancelAsked from exc
                desk.mail.take_cancel()


def failure(step: Step, ended: Ended) -> str:
    """What a failed command said, in a sentence."""
    explained = step.explain(ended.status, ended.said) if step.explain else ""
    if explained:
        return explained
    lines = [line for line in ended.said.splitlines() if line.strip()]
    said = f": {clean(' / '.join(lines[-3:]))}" if lines else ", and said nothing"
    return f"{step.title}: the command on {step.host} ended with exit code {ended.status}{said}"
