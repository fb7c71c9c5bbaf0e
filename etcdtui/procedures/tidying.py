"""The records of jobs that lie on hosts, removed once the journal holds what they tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from etcdtui.errors import ConfigError, EtcdTuiError, Unreachable
from etcdtui.journal import Journal
from etcdtui.reach.jobs import Job
from etcdtui.records import Run

Forget = Callable[[str, Job], None]
"""Removes the record of a job from a host; raises EtcdTuiError where that cannot be done now."""


def tidy(journal: Journal, done: str, forget: Forget, now: Callable[[], float]) -> None:
    """Forget the jobs of the run ``done``, of every attempt, and those of abandoned runs on its cluster.

    What cannot be forgotten now stays; of an abandoned run it is tried again the next time.
    """
    run = journal.read(done)
    silent: set[str] = set()
    _forget_all(run, forget, silent)
    for left in journal.runs(run.cluster):
        if left.abandoned and not left.tidied and _forget_all(left, forget, silent):
            journal.tidied(left.id, now())


def _forget_all(run: Run, forget: Forget, silent: set[str]) -> bool:
    """True when nothing of it lies anywhere any more. A host that did not answer once is not asked again."""
    gone = True
    for host, job in _jobs(run):
        try:
            if host in silent:
                raise Unreachable(f"{host} did not answer a moment ago.")
            forget(host, job)
        except EtcdTuiError as exc:
            gone = False
            if isinstance(exc, Unreachable):
                silent.add(host)
    return gone


def _jobs(run: Run) -> Iterator[tuple[str, Job]]:
    """Every job of every attempt that was announced, and its host."""
    for entry in run.entries:
        argv = entry.facts.get("argv")
        if entry.kind != "command" or not entry.text("job") or not isinstance(argv, list):
            continue
        try:
            job = Job(entry.text("job"), entry.text("directory"), tuple(map(str, argv)))
        except ConfigError:
            continue  # a record of another version, or one that was tampered with
        yield entry.text("host"), job
