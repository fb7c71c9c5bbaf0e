"""The lock of a procedure on the hosts: taken before its first change, kept alive, lifted at its end.

A run that stops, fails or is killed half-way leaves it: others should know. Going on, it knows it again.
Hosts are asked in one order by everybody, so that of two one gets them all. A host that cannot be asked is
passed over, for a dead one must not keep the others from being repaired.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from etcdtui.errors import EtcdTuiError
from etcdtui.journal import Journal
from etcdtui.model.lock import Lock
from etcdtui.procedures.desk import Desk
from etcdtui.procedures.history import history_of
from etcdtui.procedures.left import over
from etcdtui.procedures.procedure import (
    Action,
    Choice,
    Ending,
    Finished,
    Procedure,
    Step,
    StepState,
    World,
)
from etcdtui.procedures.turns import Again, End
from etcdtui.reach import lock
from etcdtui.reach.lock import Answer, Claim, Word
from etcdtui.records import JournalError, Run, myself
from etcdtui.text import clean, listed

LIFT = 5.0  # seconds for taking the lock off one host


def lift_left(run: Run, world: World) -> dict[str, str]:
    """Take the lock of a run that nobody goes on with off its hosts; where that cannot be done now, and why.

    Blocks some seconds at most. A lock that stays is lifted by the next run of this journal that needs it.
    """
    return _lift(world, run.id, sorted(history_of(run.entries).locked))


@dataclass(frozen=True, slots=True)
class _Tried:
    """``other`` holds the lock of ``host``; ``missing`` are hosts that could not be locked, and why."""

    host: str = ""
    other: Lock | None = None
    missing: dict[str, str] = field(default_factory=dict)


class Locks:
    """The locks of one run. Does nothing for a procedure that wants none."""

    def __init__(self, procedure: Procedure, world: World, desk: Desk, journal: Journal) -> None:
        self._procedure, self._world, self._desk, self._journal = procedure, world, desk, journal
        self._mine: set[str] = set()
        self._missing: dict[str, str] = {}
        self._hosts = threading.Lock()  # one question to the hosts at a time
        self._over = threading.Event()
        self._heart: threading.Thread | None = None

    def hold(self, step: Step) -> None:
        """Have the lock before a step that changes anything: take it, or see that it is still ours.

        Raises a Turn when another has it, or nobody can be asked.
        """
        if not self._procedure.locks or step.action in {Action.CHECK, Action.HUMAN}:
            return
        desk, names = self._desk, self._names()
        if set(names) - desk.history.locked:
            desk.note("lock", hosts=sorted(names))  # on the record before it is on a host
        tried = desk.during(step, lambda: self._take_all(names), "the lock on the hosts", cut=False)
        if tried.other is not None:
            self._refused(step, tried.host, tried.other)
        if not self._mine:
            told = " ".join(tried.missing.values()) or "None is known."
            sentence = f"No host could be locked against a second operator. {told}"
            self._asked(step, sentence, (Choice.RETRY, Choice.STOP))
        if tried.missing != self._missing:
            self._missing = tried.missing
            for host, why in tried.missing.items():
                desk.output(step, f"{clean(host)} is not locked: {why}\n", stderr=True)
        if self._heart is None:
            self._heart = threading.Thread(target=self._live, name="lock", daemon=True)
            self._heart.start()

    def release(self, finished: Finished) -> Finished:
        """The run ended: lift the lock, unless it ended half-way. Says what could not be lifted."""
        self._over.set()
        hosts = sorted(self._mine | self._desk.history.locked)
        if not hosts:
            return finished
        if finished.ending in {Ending.STOPPED, Ending.FAILED} and self._desk.history.touched:
            stays = "Its lock stays on the hosts until it is gone on with or abandoned."
            return replace(finished, sentence=f"{finished.sentence} {stays}")
        left, end = self._lift_all(hosts), time.monotonic() + self._desk.pace.lift
        while left and time.monotonic() < end:
            time.sleep(min(1.0, self._desk.pace.lift / 4))
            left = self._lift_all(sorted(left))
        with suppress(JournalError):
            self._desk.note("unlock", left=left)
        if not left:
            return finished
        told = f"The lock on {listed(sorted(left))} could not be lifted: {' '.join(left.values())}"
        return replace(finished, sentence=f"{finished.sentence} {told}")

    # -- asking the hosts

    def _names(self) -> list[str]:
        """Every host that can be reached; all of them when none seems to be."""
        hosts = self._world.view().hosts
        reached = [host.name for host in hosts if host.link.problem is None]
        return sorted(reached or [host.name for host in hosts])

    def _take_all(self, names: Sequence[str]) -> _Tried:
        fresh: list[str] = []
        missing: dict[str, str] = {}
        for name in names:
            try:
                answer = self._take(name)
            except EtcdTuiError as exc:
                missing[name] = exc.message
                continue
            if answer.word is Word.HELD:
                self._lift_all(fresh)
                self._mine.difference_update(fresh)
                self._mine.discard(name)
                unknown = Lock("", "", "", "", 0.0, 0.0)
                return _Tried(name, answer.lock or unknown)
            if answer.word is Word.TAKEN:
                fresh.append(name)
            self._mine.add(name)
        return _Tried(missing=missing)

    def _take(self, name: str) -> Answer:
        with self._hosts:
            timeout = self._desk.pace.answer
            runner, folder = self._world.runner(name), self._folder(name)
            answer = lock.take(runner, folder, self._claim, timeout)
            if answer.word is Word.HELD and answer.lock and self._is_left_over(answer.lock):
                lock.lift(runner, folder, answer.lock.run, timeout)
                answer = lock.take(runner, folder, self._claim, timeout)
            return answer

    def _is_left_over(self, other: Lock) -> bool:
        """Of a run of our own that is over, and could not lift it then."""
        with suppress(JournalError):
            run = self._journal.read(other.run)
            gone_on_with = run.ending in {None, Ending.STOPPED} or run.retriable
            return bool(run.abandoned) or not gone_on_with
        return False

    def _live(self) -> None:
        while not self._over.wait(self._desk.pace.alive):
            for name in sorted(self._mine):
                with suppress(EtcdTuiError), self._hosts:
                    self._show_life(name)

    def _show_life(self, name: str) -> None:
        if self._over.is_set():
            return
        runner, folder, timeout = self._world.runner(name), self._folder(name), self._desk.pace.answer
        if lock.refresh(runner, folder, self._procedure.id, timeout).word is Word.GONE:
            lock.take(runner, folder, self._claim, timeout)  # removed by hand, and we are still at it

    def _lift_all(self, names: Sequence[str]) -> dict[str, str]:
        with self._hosts:
            return _lift(self._world, self._procedure.id, names)

    def _folder(self, name: str) -> str:
        return _folder(self._world, name)

    @property
    def _claim(self) -> Claim:
        procedure = self._procedure
        return Claim(procedure.id, str(myself()), procedure.title, procedure.cluster)

    # -- when another has it

    def _refused(self, step: Step, host: str, other: Lock) -> None:
        """Say who is at work, and let a lock without life be broken with a reason. Always raises a Turn."""
        other = replace(other, over=over(self._journal, other.run) if other.run else "")
        sentence = f"{other.sentence} Its lock lies on {clean(host)}. {self._advice(other)}"
        if not other.stale:
            self._asked(step, sentence, (Choice.RETRY, Choice.STOP))
        answer = self._desk.ask(step, StepState.FAILED, sentence, (Choice.BREAK, Choice.RETRY, Choice.STOP))
        if answer.choice is Choice.BREAK:
            self._break(step, other, answer.text.strip())
        if answer.choice is Choice.STOP:
            raise self._end(step, sentence)
        raise Again

    def _asked(self, step: Step, sentence: str, choices: tuple[Choice, ...]) -> None:
        """Always raises a Turn. While nothing has been run there is nothing to wait for: it is refused."""
        if not self._desk.history.touched:
            self._desk.change(step, StepState.FAILED, sentence)
            raise End(Ending.REFUSED, sentence)
        if self._desk.ask(step, StepState.FAILED, sentence, choices).choice is Choice.STOP:
            raise self._end(step, sentence)
        raise Again

    def _end(self, step: Step, sentence: str) -> End:
        ending = Ending.STOPPED if self._desk.history.touched else Ending.REFUSED
        return End(ending, f"Stopped before “{step.title}”: {sentence}")

    def _advice(self, other: Lock) -> str:
        with suppress(JournalError):
            run = self._journal.read(other.run)
            if run.resumable or run.retriable:
                return "It is a run of your own that was interrupted: go on with that one, or abandon it."
        if other.stale:
            return "Two at once could cost the quorum: break it only when you know that nobody is at it."
        return "Two at once could cost the quorum: wait until it has ended."

    def _break(self, step: Step, other: Lock, reason: str) -> None:
        """In place of theirs on every host where it is without life; what is left is told by the next try."""
        desk = self._desk
        told = f"Broke the lock of {other.who or 'somebody'} (“{other.title}”): {reason}"
        desk.note("lock broken", run=other.run, who=other.who, reason=reason, sentence=told)

        def broken() -> None:
            for name in self._names():
                with suppress(EtcdTuiError), self._hosts:
                    runner, folder = self._world.runner(name), self._folder(name)
                    lock.break_stale(runner, folder, self._claim, other.run, reason, desk.pace.answer)

        desk.during(step, broken, "the lock on the hosts", cut=False)


def _lift(world: World, run: str, names: Sequence[str]) -> dict[str, str]:
    """Hosts on which it could not be lifted, and why. All at once: a dead one holds up no other."""
    left: dict[str, str] = {}

    def lift(name: str) -> None:
        try:
            lock.lift(world.runner(name), _folder(world, name), run, LIFT)
        except EtcdTuiError as exc:
            left[name] = exc.message

    threads = [threading.Thread(target=lift, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return left


def _folder(world: World, name: str) -> str:
    layout = world.layout_of(name)
    return layout.at(layout.jobs)
