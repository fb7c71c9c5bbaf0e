"""The jobs of a run whose end is not in its record, and what their hosts say became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etcdtui.errors import ConfigError, EtcdTuiError
from etcdtui.model.quorum import Verdict
from etcdtui.procedures.procedure import Check, Context
from etcdtui.reach import jobs
from etcdtui.reach.jobs import Job
from etcdtui.reach.runner import Runner
from etcdtui.records import Entry

ASK = 20.0  # seconds for one question to a host
RunnerOf = Callable[[str], Runner]


@dataclass(frozen=True, slots=True)
class Unended:
    """One job, of one attempt at a step."""

    step: str
    host: str
    job: Job

    def parameters(self) -> dict[str, Any]:
        """All of it, for a record."""
        job = self.job
        told = {"id": job.id, "directory": job.directory, "argv": list(job.argv)}
        return {"step": self.step, "host": self.host, **told}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Unended:
        """Raises KeyError and ValueError."""
        try:
            job = Job(str(told["id"]), str(told["directory"]), tuple(map(str, told["argv"])))
        except (ConfigError, TypeError) as exc:
            raise ValueError(f"a job cannot be read: {exc}") from exc
        return cls(str(told["step"]), str(told["host"]), job)


def unended(entries: Iterable[Entry]) -> tuple[Unended, ...]:
    """Of every attempt: one that ended says nothing of another one."""
    found: dict[str, Unended] = {}
    last: dict[str, str] = {}  # step -> the job that was announced for it last
    for entry in entries:
        if entry.kind == "command" and entry.text("job"):
            told = {**entry.facts, "id": entry.text("job"), "step": entry.step}
            try:
                one = Unended.of(told)
            except (KeyError, ValueError):
                continue  # a record of another version
            found[one.job.id] = one
            last[entry.step] = one.job.id
        elif entry.kind == "ended":
            found.pop(last.get(entry.step, ""), None)
    return tuple(found.values())


def living(runner_of: RunnerOf, told: Sequence[Unended]) -> str:
    """Which of them runs now, in a sentence; empty for none. Raises Unreachable and its kin, and
    CommandFailed."""
    for one in told:
        if jobs.look(runner_of(one.host), one.job, timeout=ASK).state == "running":
            return f"The command of “{one.step}” still runs on {one.host}, as the job {one.job.id}."
    return ""


def known_living(runner_of: RunnerOf, told: Sequence[Unended]) -> str:
    """The same, where a host that does not answer proves nothing."""
    for one in told:
        try:
            said = living(runner_of, (one,))
        except EtcdTuiError:
            continue
        if said:
            return said
    return ""


def none_runs(told: Sequence[Unended]) -> Check:
    """Each is gone or has ended: its host says so."""

    def check(world: Context) -> Verdict:
        said = living(world.runner, told)
        if said:
            return Verdict(False, f"{said} Wait for its end, or end it there.")
        return Verdict(True, "No command of the restore runs any more.")

    return check
