"""What a procedure is: steps as data, gates, answers and events. The engine runs them, screens show them.

A plan is made once, from a view, by a pure function; its ``parameters`` hold every decision taken then
(host, folder, stamp), so that ``kind`` and ``parameters`` from the journal rebuild the same steps after
a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from etcdtui.etcd.commands import ClientAccess
from etcdtui.landing import Cancel, Moved
from etcdtui.model.probe import Probe
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import ClusterView
from etcdtui.offsite.keeping import Keeping
from etcdtui.platforms.layout import Layout
from etcdtui.reach.runner import Runner

if TYPE_CHECKING:
    from etcdtui.procedures.history import History


class Objects(Protocol):
    """The Kubernetes API as steps use it; ``reach.api.Api`` is one. Paths are whole, bodies raw JSON.

    Raises Unreachable and its kin, AuthFailed, Forbidden, NotFound, and as the methods of ``Api`` say.
    """

    def get(self, path: str) -> dict[str, Any]: ...
    def get_list(self, path: str) -> list[dict[str, Any]]: ...
    def watch(self, path: str, since: int, seconds: int) -> list[dict[str, Any]]: ...
    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]: ...
    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]: ...
    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]: ...
    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]: ...


class World(Protocol):
    """What a step may see and touch. ``cluster.Cluster`` is one."""

    def view(self) -> ClusterView:
        """The newest view; never blocks."""

    def look_again(self, timeout: float) -> ClusterView:
        """Ask every source anew and wait, at most ``timeout`` seconds, for their answers."""

    @property
    def keeping(self) -> Keeping:
        """Where this cluster's backups are kept besides on its hosts."""

    def look_at_places(self, timeout: float) -> ClusterView:
        """List the backups of every place anew and wait, at most ``timeout`` seconds, for the lists."""

    def layout_of(self, host: str) -> Layout:
        """Where things are on a host."""

    def runner(self, host: str) -> Runner:
        """The way to a host. Raises Unreachable and its kin when used, ConfigError for an unknown name."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def etcdctl(self, avoid: str = "") -> tuple[str, ClientAccess]:
        """A host on which etcdctl can be run, not ``avoid``, and how, also later. Raises Unreachable."""

    def objects(self) -> Objects:
        """The Kubernetes API, logged in. Raises ConfigError where none is configured, Unreachable."""

    def examine(self, member_id: int, hear: Callable[[Probe], None]) -> Probe:
        """Ask about one member from every host, and its own host; takes a few seconds at most."""


class Context(World, Protocol):
    """The world as a step of a running procedure sees it: with what earlier commands printed."""

    def said(self, step: str) -> str:
        """The end of what that step's command printed, standard output first; empty when it never ran."""

    def found(self, step: str) -> str:
        """The sentence that an earlier step of this run ended with, also before a resume; else empty."""


class Reporter(Protocol):
    """What a piece of work tells while it goes on, and how it learns that it is to stop."""

    @property
    def cancelled(self) -> Cancel:
        """Set once the work is to stop; it then raises Cancelled and leaves what it has done resumable."""

    def moved(self, moved: Moved) -> None:
        """Bytes that went, and how fast."""

    def say(self, line: str) -> None:
        """One line for whoever watches."""


LAST_KNOWN = "The last thing known:"
"""Begins what is said of an interrupted run where nobody looked anew."""

Check = Callable[[Context], Verdict]  # a function of a plain World is one too
Work = Callable[[Context, Reporter], Verdict]
"""Done by etcdtui itself; safe to cut and to repeat: what is done already is found and not done again."""
Ask = Callable[[Context], "Gate"]
Watch = Callable[[Context, str, float], "Sight"]
"""While a job runs: the end of what it printed, and the seconds since it printed anything -> what it does.
Called every few seconds; may ask the host."""
Explain = Callable[[int, str], str]  # exit code and output of a failed command -> a sentence, or ""


class GateKind(StrEnum):
    NONE = "none"
    CONFIRM = "confirm"  # enter
    PHRASE = "phrase"  # the phrase typed letter by letter


@dataclass(frozen=True, slots=True)
class Gate:
    """What a human must do before the step runs. ``optional``: saying no passes over the step."""

    kind: GateKind = GateKind.NONE
    phrase: str = ""
    prompt: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """What a job does now, for a person. ``alarm``: why that is not as usual, and the ways out; told and
    recorded once about the same thing, which ``about`` names."""

    sentence: str
    alarm: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """A folder and a name prefix on the host: the sum of those files' bytes is the step's progress."""

    directory: str
    prefix: str


class Action(StrEnum):
    CHECK = "check"  # nothing runs; the prechecks are the step
    COMMAND = "command"  # short and safe to cut: run and waited for
    JOB = "job"  # outlives our connection and us
    WORK = "work"  # etcdtui itself does it, on this machine or from it
    HUMAN = "human"  # only a human can do it; verify watches until it is done


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``argv`` is what is shown and what runs, the same tuple.

    ``patience`` bounds the verification, ``timeout`` a COMMAND, both in seconds. ``usual`` is how long the
    verification takes as a rule, seconds, and ``ways`` what else than waiting would do. ``expected`` is
    how many bytes ``measure`` should reach, when that is known. ``cancel`` says what cancelling does,
    ``after_cancel`` tells what is true afterwards, ``explain`` puts known failures of the command into words.
    ``directory`` is the folder on the host where a JOB keeps its record. A step that is not ``skippable``
    can be repeated or left, never passed over. ``ask`` makes the gate when the step is reached, from what is
    true then; the plan shows ``gate``. ``work`` is what a WORK does, ``watch`` says what a JOB does
    meanwhile. ``needless`` says whether the step is passed over for what this run did before; nothing is read
    anew for that. ``for_people``: no rule answers what it asks, so without the screen the answer is no.
    ``again`` says after a WORK that went well whether more has come up to be asked about: then
    the step is taken once more, from its gate on.
    """

    key: str
    title: str
    why: str
    action: Action = Action.CHECK
    host: str = ""
    argv: tuple[str, ...] = ()
    gate: Gate = field(default_factory=Gate)
    ask: Ask | None = None
    work: Work | None = None
    prechecks: tuple[Check, ...] = ()
    done: Check | None = None
    needless: Check | None = None
    again: Check | None = None
    verify: Check | None = None
    patience: float = 30.0
    usual: float = 0.0
    ways: str = ""
    timeout: float = 30.0
    measure: Measure | None = None
    expected: int | None = None
    cancel: str = "Stops before this step runs; nothing has been changed by it."
    after_cancel: Check | None = None
    explain: Explain | None = None
    watch: Watch | None = None
    directory: str = "/var/tmp/etcdtui"
    skippable: bool = True
    for_people: bool = False


@dataclass(frozen=True, slots=True)
class Procedure:
    """A plan, ready to run. ``id`` is unique: kind, time, a few random letters. ``changed`` says what a run
    of it that ends before its time has changed, and how it is put back. ``left`` is what is not whole even
    when it is done, a clause; empty for nothing."""

    kind: str
    id: str
    cluster: str
    title: str
    parameters: Mapping[str, str]
    steps: tuple[Step, ...]
    reasons: tuple[str, ...] = ()  # why this host, this way: shown with the plan
    locks: bool = False  # nobody else may change this cluster meanwhile: the hosts are locked
    changed: Callable[[Procedure, History], str] | None = field(default=None, compare=False)
    left: str = field(default="", compare=False)

    def step(self, key: str) -> Step:
        return next(step for step in self.steps if step.key == key)


class StepState(StrEnum):
    TO_COME = "to come"
    WAITING = "waiting for you"
    RUNNING = "running"
    VERIFYING = "verifying"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class Choice(StrEnum):
    """What a human may answer, at a gate or when a step is stuck."""

    GO = "go"  # pass the gate; Answer.text holds the typed phrase where one is asked for
    RETRY = "retry"
    WAIT = "keep waiting"
    NO = "no"  # at an optional gate: goes on without the step
    SKIP = "skip"  # Answer.text holds the typed reason
    BREAK = "break the lock"  # of another who gives no sign of life; Answer.text holds the typed reason
    STOP = "stop here"


@dataclass(frozen=True, slots=True)
class Answer:
    """``step`` names the step that asked, so that a second key press never answers the next question."""

    choice: Choice
    text: str = ""
    step: str = ""


class Ending(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    STOPPED = "stopped"  # may be resumed


@dataclass(frozen=True, slots=True)
class StepChanged:
    """A step changed state; ``sentence`` says why or what is true now."""

    step: str
    state: StepState
    sentence: str = ""
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """Lines a command printed. Foreign text: to be cleaned before it is shown."""

    step: str
    text: str
    stderr: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is: seconds since it began, bytes measured, and what is awaited, in words.

    ``total`` in bytes, ``rate`` in bytes per second and ``left`` in seconds, where they are known.
    """

    step: str
    elapsed: float
    measured: int | None = None
    awaiting: str = ""
    total: int | None = None
    rate: float | None = None
    left: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of the run, with the sentence that counts. ``left``: what is not whole though it is done."""

    ending: Ending
    sentence: str
    left: str = ""

    @property
    def word(self) -> str:
        """done; done, 2 masters are missing."""
        return f"{self.ending.value}, {self.left}" if self.left else self.ending.value


Event = StepChanged | Output | Progress | Finished
