"""An incident as Markdown, to be sent to others: when which finding came and went, what ran and what it
answered, what was done, and how everything is now. Pure text but for ``keep``; secrets are left out.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from etcdtui import __version__
from etcdtui.errors import EtcdTuiError
from etcdtui.journal import without_secrets
from etcdtui.journal_text import in_full
from etcdtui.model.finding import Finding
from etcdtui.model.health import ClusterHealth, MemberHealth
from etcdtui.model.view import ClusterView
from etcdtui.records import Run, words
from etcdtui.text import age, clean, clean_lines, counted, grouped, size

KEPT = 1000  # comings and goings of findings that are remembered
BACK = 24 * 3600.0  # seconds; procedures that were at work within them belong to an incident
RUNS = 20  # procedures told at most, the newest
ROOM = 300  # characters of a cell or a sentence


@dataclass(frozen=True, slots=True)
class Happening:
    """A finding came, or went. ``at`` is epoch seconds."""

    at: float
    came: bool
    finding: Finding


class Timeline:
    """The comings and goings of findings while the program runs; the oldest are forgotten."""

    def __init__(self, kept: int = KEPT) -> None:
        self._happenings: deque[Happening] = deque(maxlen=kept)
        self._there: dict[str, Finding] = {}
        self.since: float | None = None  # epoch seconds of the first look
        self.forgotten = 0

    @property
    def happenings(self) -> tuple[Happening, ...]:
        """Oldest first."""
        return tuple(self._happenings)

    def take(self, at: float, findings: Sequence[Finding]) -> None:
        """What is found now. One that became graver or milder came anew."""
        if self.since is None:
            self.since = at
        now = {finding.key: finding for finding in findings}
        for key, finding in self._there.items():
            if key not in now:
                self._add(Happening(at, False, finding))
        for key, finding in now.items():
            before = self._there.get(key)
            if before is None or before.severity is not finding.severity:
                self._add(Happening(at, True, finding))
        self._there = now

    def _add(self, happening: Happening) -> None:
        self.forgotten += len(self._happenings) == self._happenings.maxlen
        self._happenings.append(happening)


class Command(Protocol):
    """A command that ran on a host, as the command log has it."""

    @property
    def at(self) -> float: ...
    @property
    def host(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def status(self) -> int | None: ...
    @property
    def seconds(self) -> float | None: ...
    @property
    def error(self) -> str: ...
    @property
    def times(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Incident:
    """Everything that is told, as known at one instant; ``since`` is when etcdtui began to look."""

    view: ClusterView
    health: ClusterHealth
    findings: Sequence[Finding]
    happenings: Sequence[Happening]
    commands: Sequence[Command]
    since: float
    forgotten: int = 0


def markdown(incident: Incident, runs: Iterable[Run]) -> str:
    """The whole text. ``runs`` are those of the journal, newest first."""
    view = incident.view
    told = [run for run in runs if view.now - run.last <= BACK][:RUNS]
    lines = [
        f"# Incident on {_words(view.name)}",
        "",
        f"Written {_clock(view.now)} by etcdtui {__version__}, which has looked at the cluster since "
        f"{_clock(incident.since)}.",
        "",
        *_state(incident),
        *_timeline(incident),
        *_procedures(told, view.now),
        *_commands(incident.commands),
    ]
    return "\n".join(lines) + "\n"


def keep(
    directory: Path, cluster: str, text: str, now: float, *, what: str = "incident", suffix: str = "md"
) -> Path:
    """Write it where only its owner can read it; its path. Raises EtcdTuiError."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", cluster)[:60].strip("-") or "cluster"
    name = f"{stem}-{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        path, descriptor = _new(directory, name, suffix)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as exc:
        raise EtcdTuiError(
            f"The {what} cannot be written into {directory} on this machine: {words(exc)}.",
            "Make room there, or give etcdtui a folder it may write to (XDG_STATE_HOME).",
        ) from exc
    return path


def _new(directory: Path, name: str, suffix: str) -> tuple[Path, int]:
    """A file that was not there before."""
    number = 1
    while True:
        path = directory / (f"{name}.{suffix}" if number == 1 else f"{name}-{number}.{suffix}")
        try:
            return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            number += 1


def _state(incident: Incident) -> Iterator[str]:
    view, health = incident.view, incident.health
    yield from ("## How it is now", "", f"**{health.level.word}.** {_words(health.sentence)}", "")
    yield from (
        "| Member | ID | State | Role | Database / in use | Lag | etcd |",
        "|---|---|---|---|---|---|---|",
    )
    yield from (_member(row, view.now) for row in health.members)
    api = view.api.value
    if api is not None and api.version:
        problem = view.api.problem
        old = f", but the API: {_words(problem.message)}" if problem else ""
        yield from ("", f"OpenShift {_words(api.version)}{old}.")
    yield ""
    for finding in incident.findings:
        told = " ".join(part for part in (finding.sentence, finding.evidence) if part)
        yield f"- **{finding.severity.value}**: {_words(told, 1000)}"
    yield ""


def _member(row: MemberHealth, now: float) -> str:
    status = row.status
    state = row.state.value + (f" for {age(now - row.since)}" if row.problem and row.since else "")
    cells = (
        row.member.label,
        row.member.hex_id,
        state,
        row.role or "–",
        f"{size(status.db_size)} / {size(status.db_in_use)}" if status else "–",
        grouped(row.lag),
        status.version if status else "–",
    )
    return f"| {' | '.join(_words(cell) for cell in cells)} |"


def _timeline(incident: Incident) -> Iterator[str]:
    yield from ("## Findings, as they came and went", "")
    if incident.forgotten:
        yield from (f"({counted(incident.forgotten, 'older line')} forgotten.)", "")
    for happening in incident.happenings:
        finding = happening.finding
        how = f"**{finding.severity.value}**" if happening.came else "over"
        told = finding.sentence
        if happening.came and finding.evidence:
            told = f"{told} {finding.evidence}"
        yield f"- {_clock(happening.at)}  {how}: {_words(told, 1000)}"
    if not incident.happenings:
        yield "Nothing was found."
    yield ""


def _procedures(runs: Sequence[Run], now: float) -> Iterator[str]:
    yield from ("## What was done", "")
    if not runs:
        yield from (f"No procedure was at work in the last {age(BACK)}.", "")
    for run in reversed(runs):
        yield from (f"### {_words(run.title)}", "", *_fenced(in_full(run)), "")


def _commands(commands: Sequence[Command]) -> Iterator[str]:
    yield from (f"## The last {counted(len(commands), 'command')} on hosts", "")
    yield from _fenced([_command(command) for command in commands]) if commands else ("None ran.",)


def _command(command: Command) -> str:
    if command.seconds is None:
        how = "runs on"
    else:
        code = "no exit code" if command.status is None else f"exit {command.status}"
        how = f"{code} after {command.seconds:.1f} s"
    times = f", {command.times} times" if command.times > 1 else ""
    error = f": {clean(command.error)}" if command.error else ""
    head = f"{_clock(command.at)}  {clean(command.host, 60)} $ {clean(command.title, 2000)}"
    return f"{head}  [{how}{times}{error}]"


def _fenced(lines: Iterable[str]) -> list[str]:
    """Text as it is, but for secrets; the fence is longer than any in it."""
    told = clean_lines(without_secrets("\n".join(lines)), 4000)
    longest = max((len(run) for line in told for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *told, fence]


def _words(foreign: str, limit: int = ROOM) -> str:
    """Foreign text in a line of Markdown: never markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", clean(without_secrets(foreign), limit))


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at))
