"""Signs and roles for what the model says. A sign always stands beside its word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etcdtui import text
from etcdtui.model.findings import Severity
from etcdtui.model.health import Level, MemberHealth, MemberState
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView, Way
from etcdtui.procedures.procedure import Ending, Finished, StepState
from etcdtui.ui.looks import Role

LEVEL = {
    Level.HEALTHY: ("●", Role.GOOD),
    Level.DEGRADED: ("▲", Role.WARN),
    Level.NO_QUORUM: ("✗", Role.BAD),
    Level.UNKNOWN: ("○", Role.MUTED),
}

STATE = {
    MemberState.HEALTHY: ("●", Role.GOOD),
    MemberState.SLOW: ("▲", Role.WARN),
    MemberState.LEARNER: ("◆", Role.ADVICE),
    MemberState.ALARM: ("✗", Role.BAD),
    MemberState.NO_LEADER: ("✗", Role.BAD),
    MemberState.ISOLATED: ("✗", Role.BAD),
    MemberState.DOWN: ("✗", Role.BAD),
    MemberState.SILENT: ("✗", Role.BAD),
    MemberState.TLS: ("✗", Role.BAD),
    MemberState.UNSTARTED: ("○", Role.WARN),
    MemberState.UNKNOWN: ("○", Role.MUTED),
}

SEVERITY = {
    Severity.CRITICAL: ("✗", Role.BAD),
    Severity.WARNING: ("▲", Role.WARN),
    Severity.ADVICE: ("◆", Role.ADVICE),
    Severity.GOOD: ("●", Role.GOOD),
}

STEP = {
    StepState.TO_COME: ("○", Role.MUTED),
    StepState.WAITING: ("⏸", Role.WARN),
    StepState.RUNNING: ("●", Role.ADVICE),
    StepState.VERIFYING: ("●", Role.ADVICE),
    StepState.DONE: ("✓", Role.GOOD),
    StepState.FAILED: ("✗", Role.BAD),
    StepState.SKIPPED: ("–", Role.MUTED),
    StepState.CANCELLED: ("✗", Role.WARN),
}


def state_words(row: MemberHealth, now: float) -> str:
    """healthy; no answer 12 s; alarm NOSPACE."""
    if row.state is MemberState.ALARM and row.status is not None:
        return f"alarm {' '.join(row.status.alarms)}"
    if row.problem is not None and row.since is not None:
        return f"{row.state.value} {text.age(now - row.since)}"
    return row.state.value


def asked_through(view: ClusterView) -> str:
    """asked through masternode1; with a word about those that etcdctl must ask. Empty while nobody can be."""
    if not view.speaking:
        return ""
    short = short_names([text.clean(host.name, 100) for host in view.hosts])
    host = text.clean(view.speaking, 100)
    slowly = sum(1 for endpoint in view.endpoints if endpoint.way is Way.ETCDCTL)
    some = f" {slowly} of {len(view.endpoints)}" if slowly < len(view.endpoints) else ""
    return f"asked through {short.get(host, host)}" + (f",{some} by etcdctl" if slowly else "")


def why_etcdctl(view: ClusterView) -> str:
    """What the warm connection lacks where etcdctl has to be used instead."""
    host = next((host for host in view.hosts if host.name == view.speaking), None)
    lacking = [text.clean(sentence) for sentence in host.missing] if host else []
    return "; ".join(lacking) or "the member offers no HTTP gateway"


def aged(reading: Reading[Any], now: float, limit: float) -> str:
    """Empty while the value speaks for now, or where there is none; else how old it is: 40 s ago."""
    if reading.value is None or reading.current(now, limit) is not None:
        return ""
    return f"{text.age(reading.age(now))} ago"


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Names without the domain they all share: master-0.ocp4.example.com -> master-0."""
    tails = {name.partition(".")[2] for name in names}
    if len(names) > 1 and len(tails) == 1 and "" not in tails:
        heads = [name.partition(".")[0] for name in names]
        if len(set(heads)) == len(heads) and not any(head.isdigit() for head in heads):
            return dict(zip(names, heads, strict=True))
    return {name: name for name in names}


ENDING = {
    Ending.DONE: ("✓", Role.GOOD),
    Ending.REFUSED: ("✗", Role.WARN),
    Ending.FAILED: ("✗", Role.BAD),
    Ending.CANCELLED: ("✗", Role.WARN),
    Ending.STOPPED: ("⏸", Role.WARN),
}


def sign_of(finished: Finished) -> tuple[str, Role]:
    """How a run ended; one that is done and has left something is not shown as one that has not."""
    return ("▲", Role.WARN) if finished.left else ENDING[finished.ending]
