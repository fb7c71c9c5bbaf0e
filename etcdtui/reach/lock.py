"""The lock against a second operator, on one host: taken, kept alive, lifted; broken only when it is stale.

A run of a procedure is known by its id: its lock is its own, whatever process asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from etcdtui.errors import CommandFailed, ConfigError, UnexpectedOutput
from etcdtui.model.lock import STALE, Lock
from etcdtui.platforms import lock_state
from etcdtui.reach import job_scripts, lock_scripts
from etcdtui.reach.runner import Completed, Runner
from etcdtui.text import clean

_MARK = "etcdtui-lock 1 "


class Word(StrEnum):
    """What became of a lock."""

    TAKEN = "taken"  # it is ours now
    MINE = "mine"  # it was ours already, and shows a sign of life
    HELD = "held"  # it is another's
    GONE = "gone"  # there is none


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose lock it would be: the run, who runs it from where (user@machine), and what it does."""

    run: str
    who: str
    title: str
    cluster: str

    def __post_init__(self) -> None:
        if not lock_state.RUN.match(self.run):
            raise ConfigError(f"{self.run!r} is no name of a run.")


@dataclass(frozen=True, slots=True)
class Answer:
    """``lock`` is the one that lies there now."""

    word: Word
    lock: Lock | None = None


def take(runner: Runner, directory: str, claim: Claim, timeout: float) -> Answer:
    """TAKEN, MINE or HELD. Raises CommandFailed where no lock can be made, and what ``Runner.run`` raises."""
    rest = lock_state.rest(claim.who, claim.title, claim.cluster)
    return _ask(runner, lock_scripts.TAKE, (directory, claim.run, rest), timeout)


def refresh(runner: Runner, directory: str, run: str, timeout: float) -> Answer:
    """MINE, HELD or GONE. Raises as ``take``."""
    return _ask(runner, lock_scripts.REFRESH, (directory, run), timeout)


def lift(runner: Runner, directory: str, run: str, timeout: float) -> Answer:
    """Take the lock of ``run`` away: GONE, or HELD by another, which stays. Raises as ``take``."""
    return _ask(runner, lock_scripts.LIFT, (directory, run), timeout)


def break_stale(
    runner: Runner,
    directory: str,
    claim: Claim,
    theirs: str,
    reason: str,
    timeout: float,
    stale: float = STALE,
) -> Answer:
    """Take the lock in place of that of the run ``theirs``, if that is still there and still stale; why goes
    into the new one. TAKEN, MINE or HELD. Raises as ``take``.
    """
    if theirs and not lock_state.RUN.match(theirs):
        raise ConfigError(f"{theirs!r} is no name of a run.")
    rest = lock_state.rest(claim.who, claim.title, claim.cluster, reason)
    arguments = (directory, claim.run, rest, theirs, str(int(stale)))
    return _ask(runner, lock_scripts.BREAK, arguments, timeout)


def _ask(runner: Runner, script: str, arguments: tuple[str, ...], timeout: float) -> Answer:
    directory, *others = arguments
    # A slash at its end would make the host look through a symbolic link instead of at it.
    done = runner.run(("sh", "-c", script, "etcdtui-lock", directory.rstrip("/"), *others), timeout=timeout)
    if not done.ok:
        raise _failed(runner, done)
    _, marked, line = done.out().partition(_MARK)
    word, _, stamped = line.partition(" ")
    try:
        return Answer(Word(word), lock_state.parse_lock(stamped))
    except ValueError as exc:
        shown = clean(done.out().strip(), 80) if not marked else clean(word, 80)
        raise UnexpectedOutput(
            f"{runner.host} answered something unreadable about a lock: {shown!r}."
        ) from exc


def _failed(runner: Runner, done: Completed) -> CommandFailed:
    said = done.err().strip()
    last = clean(said.splitlines()[-1]).rstrip(".") if said else f"exit code {done.status}"
    foreign = done.status == job_scripts.FOREIGN
    return CommandFailed(
        f"{runner.host} cannot be locked: {f'the folder cannot be trusted, {last}' if foreign else last}.",
        "Look who made the folder and remove it, or name another in the configuration (jobs, in layout)."
        if foreign
        else "",
        argv=done.argv[:1],
        status=done.status,
        said=said,
    )
