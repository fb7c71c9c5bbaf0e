"""Commands on a host that outlive our connection: start, follow, cancel, collect.

A job is known by its id: to start it twice starts it once, so a start whose answer was lost can be repeated.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Literal

from etcdtui.config import user_name
from etcdtui.errors import CommandFailed, ConfigError, Refusal, UnexpectedOutput
from etcdtui.reach import job_scripts
from etcdtui.reach.runner import Completed, Runner
from etcdtui.reach.wrap import split_sudo
from etcdtui.text import clean

State = Literal["absent", "running", "ended", "vanished"]
"""absent: never started, or forgotten. vanished: not alive, without an end: killed, or the host restarted."""

BLOCK = 256 * 1024
"""Bytes of output that one ``look`` brings at most."""

_MARK = b"etcdtui-job 1 "
_STATES: dict[str, State] = {s: s for s in ("absent", "running", "ended", "vanished")}


@dataclass(frozen=True, slots=True)
class Job:
    """A command, and where the host keeps its record (``directory``/``id``). Id: a-z, digits, ``-``."""

    id: str
    directory: str
    argv: tuple[str, ...]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,99}", self.id):
            raise ConfigError(f"{self.id!r} is no id of a job: only a-z, 0-9 and '-'.")
        _check(self.directory)
        if not self.argv:
            raise ConfigError(f"The job {self.id} has no command.")


@dataclass(frozen=True, slots=True)
class JobState:
    """One look at a job. ``stdout`` and ``stderr`` are what is new since the offsets given.

    ``elapsed`` is in seconds by the host's clock, ``started`` in seconds since 1970. ``more``: there was
    more output than one look brings. ``status`` is the exit code of an ended job. ``measured`` is in bytes.
    """

    state: State
    status: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    offset_out: int = 0
    offset_err: int = 0
    more: bool = False
    started: float | None = None
    elapsed: float | None = None
    measured: int | None = None


def start(runner: Runner, job: Job, timeout: float, *, by: str = "") -> Literal["started", "already"]:
    """Start ``job`` unless its record exists. Raises CommandFailed, and what ``Runner.run`` raises."""
    who = " ".join((by or f"{user_name()}@{socket.gethostname()}").split())
    done = _run(runner, job_scripts.START, (job.directory, job.id, who, *job.argv), timeout)
    words = done.out().split()
    if done.ok and words and words[-1] == "started":
        return "started"
    if done.ok and words and words[-1] == "already":
        return "already"
    raise _failed(runner, f"the job {job.id} was not started in {job.directory}", done)


def look(
    runner: Runner,
    job: Job,
    offset_out: int = 0,
    offset_err: int = 0,
    measure: str | None = None,
    timeout: float = 10.0,
) -> JobState:
    """What became of ``job``, with its output from the offsets on.

    ``measure`` is the beginning of a path: the sizes of all files whose path begins so, and of those in
    folders of that name, are added up (with the job's own sudo). Raises CommandFailed, UnexpectedOutput,
    and what ``Runner.run`` raises.
    """
    arguments = (job.directory, job.id, str(offset_out), str(offset_err), str(BLOCK), measure or "")
    done = _run(runner, job_scripts.LOOK, (*arguments, *split_sudo(job.argv)[0]), timeout)
    line, body = _answer(runner, done, f"the job {job.id} cannot be looked at")
    try:
        state, status, began, now, end, out, err, more, measured = line
        stdout, stderr = body[: int(out)], body[int(out) : int(out) + int(err)]
        if len(body) != int(out) + int(err):
            raise ValueError
        begun = _number(began)
        until = _number(end) if _number(end) is not None else int(now)
        return JobState(
            state=_STATES[state],
            status=_number(status),
            stdout=stdout,
            stderr=stderr,
            offset_out=offset_out + len(stdout),
            offset_err=offset_err + len(stderr),
            more=more == "1",
            started=begun,
            elapsed=max(0, until - begun) if begun is not None and until is not None else None,
            measured=_number(measured),
        )
    except (ValueError, KeyError) as exc:
        raise _unreadable(runner, done) from exc


def cancel(runner: Runner, job: Job, timeout: float, *, patience: int = 3) -> JobState:
    """End ``job`` and what it started: politely, after ``patience`` seconds by force. The state afterwards.

    A job that is not running is left as it is. Raises CommandFailed when it lives on.
    """
    arguments = (job.directory, job.id, str(max(1, patience)), *split_sudo(job.argv)[0])
    done = _run(runner, job_scripts.CANCEL, arguments, timeout)
    (state,), _ = _answer(runner, done, f"the job {job.id} cannot be cancelled")
    if state == "running":
        raise _failed(runner, f"the job {job.id} does not end, not even by force", done)
    return look(runner, job, timeout=timeout)


def forget(runner: Runner, job: Job, timeout: float) -> None:
    """Remove the record of a job that does not run. Raises Refusal while it runs, and CommandFailed."""
    done = _run(runner, job_scripts.FORGET, (job.directory, job.id), timeout)
    (state,), _ = _answer(runner, done, f"the record of the job {job.id} cannot be removed")
    if state == "running":
        raise Refusal(f"The job {job.id} on {runner.host} still runs; its record stays.", "Cancel it first.")


def _run(runner: Runner, script: str, arguments: tuple[str, ...], timeout: float) -> Completed:
    directory, *others = arguments
    # A slash at its end would make the host look through a symbolic link instead of at it.
    return runner.run(("sh", "-c", script, "etcdtui-job", directory.rstrip("/"), *others), timeout=timeout)


def _answer(runner: Runner, done: Completed, what: str) -> tuple[list[str], bytes]:
    """The words of the marked line and the bytes after it; a talkative login shell may print before it."""
    if not done.ok:
        raise _failed(runner, what, done)
    if _MARK not in done.stdout:
        raise _unreadable(runner, done)
    line, _, body = done.stdout[done.stdout.index(_MARK) + len(_MARK) :].partition(b"\n")
    return line.decode("ascii", "replace").split(), body


def _failed(runner: Runner, what: str, done: Completed) -> CommandFailed:
    said = done.err().strip()
    last = clean(said.splitlines()[-1]).rstrip(".") if said else f"exit code {done.status}"
    foreign = done.status == job_scripts.FOREIGN
    return CommandFailed(
        f"On {runner.host} {what}: {f'the folder cannot be trusted, {last}' if foreign else last}.",
        "Somebody else could change what lies there. Look who made it and remove it, or name another folder "
        "in the configuration (jobs, in layout)."
        if foreign
        else "",
        argv=done.argv[:1],
        status=done.status,
        said=said,
    )


def _unreadable(runner: Runner, done: Completed) -> UnexpectedOutput:
    return UnexpectedOutput(f"{runner.host} answered something unreadable about a job: {done.stdout[:80]!r}.")


def _number(word: str) -> int | None:
    return None if word == "-" else int(word)


def _check(directory: str) -> None:
    if not directory.startswith("/") or directory.strip("/") == "" or ".." in directory.split("/"):
        raise ConfigError(f"{directory!r} is no directory for jobs: it must be absolute, and not the root.")
