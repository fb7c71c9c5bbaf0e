"""What a journal holds, read back: runs, their steps, who ran them and whether they still do."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etcdtui.config import user_name
from etcdtui.errors import EtcdTuiError
from etcdtui.procedures.procedure import Ending, StepState

TAIL = 16 * 1024  # characters of output kept of one command
HALVES = frozenset({"quorum-restore", "replace", "restore", "restore-undone"})
"""Kinds of procedures that leave a cluster half changed when they fail."""


class JournalError(EtcdTuiError):
    """The record cannot be written or read."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who runs a procedure, and which process: ``started`` tells a process from a later one of its number."""

    user: str
    host: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.user}@{self.host}"

    @property
    def alive(self) -> bool | None:
        """Whether that process still runs; None when it was on another machine."""
        if self.host != socket.gethostname():
            return None
        return process_start(self.pid) == self.started if self.started else _exists(self.pid)


def myself() -> Who:
    """This process."""
    return Who(user_name(), socket.gethostname(), os.getpid(), process_start(os.getpid()))


def process_start(pid: int) -> str:
    """When a process began, in words only this machine understands; empty when it is gone or unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    state, ticks = fields.split()[0], fields.split()[19]
    return "" if state in "ZX" else f"{boot}/{ticks}"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. ``kind`` says which of the other facts it holds."""

    run: str
    at: float
    kind: str
    step: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def text(self, key: str) -> str:
        value = self.facts.get(key, "")
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step as it was planned when the run began."""

    key: str
    title: str
    host: str = ""
    argv: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a procedure, as its file tells."""

    id: str
    kind: str
    cluster: str
    title: str
    parameters: Mapping[str, str]
    steps: tuple[PlannedStep, ...]
    began: float
    who: Who
    version: str
    entries: tuple[Entry, ...]
    path: Path
    torn: int = 0  # lines that could not be read

    @property
    def ending(self) -> Ending | None:
        """How it ended; None while it has not."""
        for entry in reversed(self.entries):
            if entry.kind == "finished":
                with suppress(ValueError):
                    return Ending(entry.text("ending"))
            if entry.kind == "resumed":
                return None
        return None

    @property
    def sentence(self) -> str:
        """The last sentence of its end, or of its last step; no question that was answered."""
        answered = set()
        for entry in reversed(self.entries):
            sentence = entry.text("sentence") if entry.kind in {"finished", "state"} else ""
            if entry.kind == "answer":
                answered.add(entry.step)
            elif sentence and not (entry.step in answered and entry.text("state") == StepState.WAITING):
                return sentence
        return ""

    @property
    def abandoned(self) -> str:
        """The reason given for leaving it for good; empty when nobody did."""
        return next((e.text("reason") for e in reversed(self.entries) if e.kind == "abandoned"), "")

    @property
    def tidied(self) -> bool:
        """Nothing of an abandoned run lies on hosts any more."""
        return any(entry.kind == "tidied" for entry in self.entries)

    @property
    def unfinished(self) -> bool:
        """It began and never ended: interrupted, or still running (see ``alive``)."""
        return self.ending is None and not self.abandoned

    @property
    def resumable(self) -> bool:
        """It was interrupted or stopped, and nobody runs it now."""
        left = self.unfinished or (self.ending is Ending.STOPPED and not self.abandoned)
        return left and not self.alive

    @property
    def retriable(self) -> bool:
        """It failed where it can be tried again: in work of etcdtui's own, which finds what it has done
        already, or in the middle of what must not be left half done."""
        step = self.last_step
        worked = {entry.step for entry in self.entries if entry.kind == "work"}
        failed = self.ending is Ending.FAILED and not self.abandoned
        return failed and step is not None and (step.key in worked or self.kind in HALVES)

    @property
    def alive(self) -> bool:
        """Does the process that runs it still live? Its lock on the file says so, else its number."""
        if not self.unfinished:
            return False
        locked = _locked(self.path)
        return bool(self.who.alive) if locked is None else locked

    @property
    def states(self) -> Mapping[str, StepState]:
        """The last state of each step that began."""
        states: dict[str, StepState] = {}
        for entry in self.entries:
            if entry.kind == "state":
                with suppress(ValueError):
                    states[entry.step] = StepState(entry.text("state"))
        return states

    @property
    def last_step(self) -> PlannedStep | None:
        """The step it was at, last."""
        key = next((e.step for e in reversed(self.entries) if e.step), "")
        return next((step for step in self.steps if step.key == key), None)

    def number(self, key: str) -> int:
        """The place of a step, counted from 1; 0 for none."""
        return next((n for n, step in enumerate(self.steps, 1) if step.key == key), 0)

    @property
    def last(self) -> float:
        """When anything was written last, epoch seconds."""
        return self.entries[-1].at if self.entries else self.began


def read(path: Path) -> Run | None:
    """The run a file holds; None when it has no header. Raises JournalError."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError as exc:
        raise JournalError(
            f"There is no record {path.stem} in {path.parent}.", "See `etcdtui journal` for those there are."
        ) from exc
    except OSError as exc:
        raise JournalError(f"The record {path} cannot be read: {words(exc)}.") from exc
    entries: list[Entry] = []
    torn = 0
    for line in lines:
        if not line.strip():
            continue
        entry = _entry(path.stem, line)
        if entry is None:
            torn += 1
        else:
            entries.append(entry)
    header = next((e for e in entries if e.kind == "header"), None)
    if header is None:
        return None
    latest = next(e for e in reversed(entries) if e.kind in {"header", "resumed"})
    try:
        return Run(
            path.stem,
            str(header.facts["procedure"]),
            str(header.facts["cluster"]),
            str(header.facts["title"]),
            {str(k): str(v) for k, v in header.facts["parameters"].items()},
            tuple(
                PlannedStep(str(s["key"]), str(s["title"]), str(s["host"]), tuple(map(str, s["argv"])))
                for s in header.facts["steps"]
            ),
            header.at,
            Who(
                latest.text("user"),
                latest.text("host"),
                int(latest.facts.get("pid", 0)),
                latest.text("started"),
            ),
            header.text("version"),
            tuple(entries),
            path,
            torn,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _entry(run: str, line: bytes) -> Entry | None:
    try:
        raw = json.loads(line)
        facts = {k: v for k, v in raw.items() if k not in {"at", "kind", "step"}}
        return Entry(run, float(raw["at"]), str(raw["kind"]), str(raw.get("step", "")), facts)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _locked(path: Path) -> bool | None:
    """Somebody holds the lock of a record that is being written; None where there are no locks."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False


def words(exc: OSError) -> str:
    """What the machine said, without number and path."""
    return exc.strerror or str(exc)
