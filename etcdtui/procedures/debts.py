"""What a replacement took away for a while and must give back: read from the journal alone.

The operator's guard is one. That it will be taken off stands in the record before it is, so that neither an
abort nor kill -9 can make anybody forget it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from etcdtui.procedures.procedure import Procedure, StepState
from etcdtui.procedures.replace_api import GUARD_OFF, GUARD_ON, guard_on
from etcdtui.records import Entry, Run
from etcdtui.text import age, clean

KIND = "debt"


@dataclass(frozen=True, slots=True)
class Debt:
    """The guard is off, or may be. ``since`` is epoch seconds, ``overrides`` what was there before."""

    run: str
    cluster: str
    title: str
    who: str
    since: float
    overrides: Any = None

    def sentence(self, now: float) -> str:
        return (
            f"The operator's guard of {clean(self.cluster)} may be OFF, since {age(now - self.since)}: "
            f"“{clean(self.title)}” of {clean(self.who)} took it off and never put it on again. Without "
            "it the operator may roll out changes that take the quorum away."
        )


def owed(runs: Iterable[Run]) -> tuple[Debt, ...]:
    """What is still owed, by the runs of one cluster that nobody runs now; newest first.

    A debt is paid by the run itself, or by any later one that put the guard on.
    """
    ordered = sorted(runs, key=lambda run: run.began, reverse=True)
    found = []
    for run in ordered:
        since = _open(run)
        if since is None or run.alive or any(_paid(other, since) for other in ordered if other is not run):
            continue
        found.append(Debt(run.id, run.cluster, run.title, str(run.who), since, _before(run)))
    return tuple(found)


def _open(run: Run) -> float | None:
    """When the run began to take the guard off, unless it has put it on again since; epoch seconds."""
    since = None
    for entry in run.entries:
        if entry.kind == "work" and entry.step == GUARD_OFF:
            since = entry.at
        elif _put_on(entry):
            since = None
    return since


def _paid(run: Run, since: float) -> bool:
    return any(_put_on(entry) and entry.at >= since for entry in run.entries)


def _put_on(entry: Entry) -> bool:
    done = entry.text("state") == StepState.DONE.value
    return entry.kind == "state" and entry.step == GUARD_ON and done


def _before(run: Run) -> Any:
    """The overrides there were before the guard was taken off."""
    try:
        told = json.loads(run.parameters.get("decided") or "{}")
        return told.get("platform", {}).get("overrides")
    except (ValueError, AttributeError):
        return None


def plan(debt: Debt, *, procedure_id: str) -> Procedure:
    """Put the guard on again."""
    return _procedure(procedure_id, debt.cluster, debt.overrides)


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, from its record. Raises KeyError and ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} is no debt")
    return _procedure(procedure_id, cluster, json.loads(parameters["overrides"]))


def _procedure(procedure_id: str, cluster: str, overrides: Any) -> Procedure:
    return Procedure(
        KIND,
        procedure_id,
        cluster,
        f"Put the operator's guard of {cluster} on again",
        {"overrides": json.dumps(overrides)},
        (guard_on(overrides),),
        locks=True,
    )
