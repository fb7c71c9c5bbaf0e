"""From what is written down to facts: the journal's runs, the lab's own word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etcdtui.drill.facts import Deed, HandDone, Keys, State
from etcdtui.procedures.procedure import StepState
from etcdtui.records import Run

_SAID_NO = "Skipped: you said no."  # at an optional gate: that is an answer, no step passed over
_RAN = frozenset({"command", "work", "job", "started"})


def deeds_of(runs: Iterable[Run], since: float) -> tuple[Deed, ...]:
    """What was begun after ``since`` (epoch seconds), oldest first."""
    return tuple(_deed(run) for run in sorted(runs, key=lambda r: r.began) if run.began >= since)


def _deed(run: Run) -> Deed:
    ending = run.ending.value if run.ending else "interrupted"
    return Deed(
        at=run.began,
        kind=run.kind,
        title=run.title,
        ending="abandoned" if run.abandoned else ending,
        changed=any(entry.kind in _RAN for entry in run.entries),
        skipped=_skipped(run),
    )


def _skipped(run: Run) -> tuple[tuple[str, str], ...]:
    """Steps passed over with a reason, whatever it was."""
    titles = {step.key: step.title for step in run.steps}
    passed = {
        entry.step: titles.get(entry.step, entry.step)
        for entry in run.entries
        if entry.kind == "state"
        and entry.text("state") == StepState.SKIPPED.value
        and entry.text("sentence").startswith("Skipped: ")
        and entry.text("sentence") != _SAID_NO
    }
    return tuple(passed.items())


def hands_of(status: Mapping[str, Any], since: float) -> tuple[HandDone, ...]:
    """What the lab was told to do after ``since``, by people beside etcdtui."""
    return tuple(
        HandDone(float(order["at"]), str(order["action"]), str(order["node"] or ""))
        for order in status["orders"]
        if float(order["at"]) > since
    )


def members_of(status: Mapping[str, Any]) -> dict[str, str]:
    """ID to name; empty while nobody can tell the list."""
    return {str(member["id"]): str(member["name"]) for member in status["members"]}


def gone(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Names of members of ``before`` that are not in the list any more; none while the list is not known."""
    return tuple(name for number, name in before.items() if number not in after) if after else ()


def state_of(status: Mapping[str, Any], locks: Sequence[str], keys: Mapping[str, Any] | None) -> State:
    """``keys`` is what compare-keys told, or None where it could not be asked."""
    voters = [member for member in status["members"] if not member["learner"]]
    alarms = status["alarms"]
    return State(
        voters=len(voters),
        well=sum(1 for member in voters if member["healthy"]),
        guard=status["guard"] == "on",
        alarms=None if alarms is None else tuple(str(alarm) for alarm in alarms),
        locks=tuple(locks),
        wounds=tuple(_wounds(status["nodes"])),
        keys=None
        if keys is None
        else Keys(int(keys["keys"]), int(keys["missing"]), int(keys["changed"]), str(keys["now"])),
    )


def _wounds(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    told = []
    for name, host in nodes.items():
        if host["power"] != "on":
            continue
        if "disk-full" in host["marks"]:
            told.append(f"the disk of {name} is full")
        if host["clock_off"]:
            told.append(f"the clock of {name} is wrong")
        if host["slow"]:
            told.append(f"{name} is slow")
    return told
