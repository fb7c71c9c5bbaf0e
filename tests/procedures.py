"""A world, a host's jobs and a human for tests of procedures. What they were not told about fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from etcdtui.errors import ConfigError, Unreachable
from etcdtui.etcd.commands import ClientAccess
from etcdtui.journal import Journal, Record
from etcdtui.model.probe import Probe
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import ClusterView
from etcdtui.offsite.keeping import Keeping
from etcdtui.platforms.layout import Layout
from etcdtui.procedures.engine import Engine, Pace
from etcdtui.procedures.procedure import (
    Action,
    Answer,
    Choice,
    Context,
    Event,
    Finished,
    Gate,
    GateKind,
    Measure,
    Objects,
    Output,
    Procedure,
    Progress,
    Step,
    StepChanged,
    StepState,
)
from etcdtui.reach.jobs import Job, JobState
from etcdtui.reach.runner import Completed, Runner, Stream
from tests.views import NOW, healthy

QUICK = Pace(
    tick=0.02, look=0.01, poll=0.01, backoff=0.05, answer=1.0, again=1.0, stale=0.5, end=1.0, lift=0.2
)
JOIN = 10.0  # seconds after which a test gives up


class Killed(BaseException):
    """kill -9, as far as one process can play it."""


class FakeRunner:
    """Answers the commands it was told about, each as often as it is asked; any other is an error."""

    def __init__(self, host: str = "masternode2") -> None:
        self._host = host
        self.ran: list[tuple[str, ...]] = []
        self._answers: list[tuple[Callable[[tuple[str, ...]], bool], Callable[[], Completed]]] = []

    @property
    def host(self) -> str:
        return self._host

    def on(
        self,
        *words: str,
        status: int = 0,
        out: str = "",
        err: str = "",
        raises: Exception | None = None,
        does: Callable[[], None] | None = None,
    ) -> None:
        """Commands that hold all these words. A later one wins."""

        def answer() -> Completed:
            if does is not None:
                does()
            if raises is not None:
                raise raises
            return Completed(words, status, out.encode(), err.encode())

        self._answers.insert(0, (lambda argv: all(w in argv for w in words), answer))

    def run(self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"") -> Completed:
        assert timeout > 0
        command = tuple(argv)
        for fits, answer in self._answers:
            if fits(command):
                self.ran.append(command)
                return answer()
        raise AssertionError(f"nobody said what {command} answers")

    def stream(self, argv: Sequence[str], *, timeout: float) -> Stream:
        raise AssertionError("no stream is expected")

    def close(self) -> None:
        pass


class FakeWorld:
    def __init__(self, view: ClusterView | None = None, *runners: FakeRunner) -> None:
        self.shown = view or healthy()
        self.runners = {r.host: r for r in runners or (FakeRunner(),)}
        self.looked = 0
        self.keeping = Keeping("prod", Path("/nowhere"))
        self.layout = Layout()
        self.told: dict[str, str] = {}  # what steps before have found, where it plays a Context

    def view(self) -> ClusterView:
        return self.shown

    def look_again(self, timeout: float) -> ClusterView:
        self.looked += 1
        return self.shown

    def look_at_places(self, timeout: float) -> ClusterView:
        return self.shown

    def layout_of(self, host: str) -> Layout:
        return self.layout

    def runner(self, host: str) -> Runner:
        return self.runners[host]

    def now(self) -> float:
        return NOW

    def etcdctl(self, avoid: str = "") -> tuple[str, ClientAccess]:
        return self.shown.speaking, ClientAccess()

    def objects(self) -> Objects:
        raise ConfigError("No API is configured.")

    def examine(self, member_id: int, hear: Callable[[Probe], None]) -> Probe:
        return Probe()

    def found(self, step: str) -> str:
        return self.told.get(step, "")


@dataclass
class Lying:
    """One job on the fake host."""

    job: Job
    looks: int = 0
    status: int | None = None
    vanished: bool = False


@dataclass
class FakeJobs:
    """Jobs that end after ``needs`` looks. ``trouble`` holds what the next calls raise (None: nothing)."""

    needs: int = 3
    status: int = 0
    out: bytes = b"one\ntwo\nthree\n"
    err: bytes = b"warning\n"
    endless: bool = False
    on_end: Callable[[], None] = lambda: None
    begun: list[str] = field(default_factory=list)
    lying: dict[str, Lying] = field(default_factory=dict)
    trouble: dict[str, list[Exception | None]] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    measured: int | None = None

    def _maybe(self, call: str) -> None:
        troubles = self.trouble.get(call, [])
        trouble = troubles.pop(0) if troubles else None
        if trouble is not None:
            raise trouble

    def start(self, runner: Runner, job: Job, timeout: float) -> str:
        self._maybe("before start")
        if job.id in self.lying:
            return "already"
        self.begun.append(job.id)
        self.lying[job.id] = Lying(job)
        self._maybe("start")
        return "started"

    def look(
        self,
        runner: Runner,
        job: Job,
        offset_out: int = 0,
        offset_err: int = 0,
        measure: str | None = None,
        timeout: float = 10.0,
    ) -> JobState:
        self._maybe("look")
        lying = self.lying.get(job.id)
        if lying is None:
            return JobState("absent", measured=self.measured if measure else None)
        lying.looks += 1
        if lying.vanished:
            return JobState("vanished", offset_out=offset_out, offset_err=offset_err)
        if lying.status is None and lying.looks > self.needs and not self.endless:
            lying.status = self.status
            self.on_end()
        share = len(self.out) if lying.status is not None else min(len(self.out), lying.looks * 2)
        out, err = self.out[offset_out:share], self.err[offset_err:] if lying.status is not None else b""
        return JobState(
            "running" if lying.status is None else "ended",
            lying.status,
            out,
            err,
            offset_out + len(out),
            offset_err + len(err),
            elapsed=float(lying.looks),
            measured=None if self.measured is None else self.measured + lying.looks * 10,
        )

    def cancel(self, runner: Runner, job: Job, timeout: float) -> JobState:
        self._maybe("cancel")
        self.cancelled.append(job.id)
        lying = self.lying[job.id]
        if lying.status is None:
            lying.status = 143
        return JobState("ended", lying.status)

    def forget(self, runner: Runner, job: Job, timeout: float) -> None:
        self.forgotten.append(job.id)


def dropped() -> Unreachable:
    return Unreachable("masternode2: the connection was reset.")


class Human:
    """Sees every event and answers questions from a list, one answer for each question."""

    def __init__(self, *answers: Answer | Callable[[], None]) -> None:
        self.events: list[Event] = []
        self.answers = list(answers)
        self.engine: Engine | None = None
        self.on: list[tuple[Callable[[Event], bool], Callable[[Engine], None]]] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        assert self.engine is not None
        for fits, act in self.on:
            if fits(event):
                act(self.engine)
        if isinstance(event, StepChanged) and event.choices and self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Answer):
                self.engine.answer(answer)
            else:
                answer()

    @property
    def states(self) -> list[tuple[str, StepState]]:
        return [(e.step, e.state) for e in self.events if isinstance(e, StepChanged)]

    @property
    def questions(self) -> list[StepChanged]:
        return [e for e in self.events if isinstance(e, StepChanged) and e.choices]

    @property
    def output(self) -> str:
        return "".join(e.text for e in self.events if isinstance(e, Output) and not e.stderr)

    @property
    def awaited(self) -> list[str]:
        return [e.awaiting for e in self.events if isinstance(e, Progress)]


def go(text: str = "") -> Answer:
    return Answer(Choice.GO, text)


def run(
    procedure: Procedure,
    journal: Journal,
    *answers: Answer | Callable[[], None],
    world: FakeWorld | None = None,
    jobs: FakeJobs | None = None,
    human: Human | None = None,
    pace: Pace = QUICK,
    within: float = JOIN,
) -> tuple[Finished, Human]:
    """Run it in a thread, so that a test that waits for ever fails instead."""
    who = human or Human(*answers)
    engine = Engine(procedure, world or FakeWorld(), journal, who, jobs=jobs or FakeJobs(), pace=pace)
    who.engine = engine
    ended: list[Finished] = []
    broke: list[BaseException] = []

    def work() -> None:
        try:
            ended.append(engine.run())
        except BaseException as exc:
            broke.append(exc)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(within)
    if thread.is_alive():
        engine.leave()
        raise AssertionError(f"it waits for ever after {who.states[-3:]}, {who.awaited[-1:]}")
    if broke:
        raise broke[0]
    return ended[0], who


def yes(reason: str = "It is so.") -> Callable[[Context], Verdict]:
    return lambda world: Verdict(True, reason)


def no(reason: str = "It is not so.") -> Callable[[Context], Verdict]:
    return lambda world: Verdict(False, reason)


def job_step(**changes: object) -> Step:
    base: dict[str, object] = {
        "key": "long",
        "title": "Do the long thing",
        "why": "Because.",
        "action": Action.JOB,
        "host": "masternode2",
        "argv": ("sudo", "-n", "long-thing"),
        "measure": Measure("/backup", "snapshot_"),
        "cancel": "The long thing would be ended.",
    }
    return Step(**(base | changes))  # type: ignore[arg-type]


def command_step(**changes: object) -> Step:
    base: dict[str, object] = {
        "key": "short",
        "title": "Do the short thing",
        "why": "Because.",
        "action": Action.COMMAND,
        "host": "masternode2",
        "argv": ("short-thing",),
    }
    return Step(**(base | changes))  # type: ignore[arg-type]


def check_step(**changes: object) -> Step:
    base: dict[str, object] = {"key": "check", "title": "Check", "why": "Because."}
    return Step(**(base | changes))  # type: ignore[arg-type]


def procedure(*steps: Step, id_: str = "test-1") -> Procedure:
    return Procedure("test", id_, "prod", "A test", {"host": "masternode2"}, steps)


CONFIRM = Gate(GateKind.CONFIRM, prompt="Do it?")
PHRASE = Gate(GateKind.PHRASE, phrase="masternode2", prompt="Type masternode2.")


class CutJournal(Journal):
    """A journal whose process is killed at line ``cut``: before it is written, torn in it, or after it."""

    def __init__(self, directory: Path, cut: int, how: str) -> None:
        super().__init__(directory)
        self.cut, self.how = cut, how

    def _open(self, path: Path, run: str, *, create: bool = True) -> Record:
        record = super()._open(path, run, create=create)
        append = record._append

        def counted(data: bytes) -> None:
            self.cut -= 1
            if self.cut != 0:
                append(data)
                return
            if self.how == "torn":
                append(data[: len(data) // 2])
            elif self.how == "after":
                append(data)
            raise Killed

        record._append = counted  # type: ignore[method-assign]
        return record
