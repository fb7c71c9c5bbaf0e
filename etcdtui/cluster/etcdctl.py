"""The slower way to the same facts: etcdctl itself, where the pipe cannot be had."""

from __future__ import annotations

from dataclasses import dataclass

from etcdtui.cluster.speaker import Voice
from etcdtui.errors import (
    CommandFailed,
    Dropped,
    EtcdTuiError,
    Refused,
    SudoRefused,
    TimedOut,
    TlsFailed,
    UnexpectedOutput,
    Unreachable,
)
from etcdtui.etcd import answers, commands
from etcdtui.etcd.causes import explain
from etcdtui.model.members import EndpointStatus, MemberList
from etcdtui.model.problems import Fault, Problem

TIMEOUT = 8.0  # seconds; etcdctl gives up after its own two for each command


_KINDS: dict[Fault, type[EtcdTuiError]] = {
    Fault.REFUSED: Refused,
    Fault.DROPPED: Dropped,
    Fault.SILENT: TimedOut,
    Fault.NO_QUORUM_READ: TimedOut,  # "context deadline exceeded", and nothing more telling beside it
    Fault.TLS: TlsFailed,
    Fault.LOGIN: SudoRefused,
    Fault.NO_TOOLS: CommandFailed,
}


@dataclass(frozen=True, slots=True)
class Told:
    """One look. ``took`` (seconds) includes etcdctl's own connection set-up: it is no latency."""

    status: EndpointStatus
    took: float | None
    problem: Problem | None
    members: MemberList | None


def ask_etcdctl(voice: Voice, url: str) -> Told:
    """Raises Refused, TimedOut, TlsFailed … by the cause that etcdctl tells, and as ``Runner.run``."""
    access = voice.access.client(voice.sudo)
    completed = voice.runner.run(commands.endpoint_status_json(access, [url]), timeout=TIMEOUT)
    statuses = answers.endpoint_statuses(completed.out()) if completed.stdout.strip() else {}
    status = statuses.get(url)
    if status is None:
        cause = explain(completed.err())
        kind = _KINDS.get(cause.fault, Unreachable) if cause else CommandFailed
        raise kind(
            f"etcdctl on {voice.host} got no status from {url}: "
            f"{cause.message if cause else 'no reason given'}.",
            cause.hint if cause else "",
        )
    took, problem = _health(voice, access, url) if status.leader_id and not status.learner else (None, None)
    if not status.leader_id:
        problem = Problem(Fault.NO_LEADER, "No leader: no read can be confirmed.")
    listed = voice.runner.run(commands.member_list_json(access, [url]), timeout=TIMEOUT)
    try:
        members = answers.member_list(listed.out()) if listed.ok else None
    except UnexpectedOutput:
        members = None
    return Told(status, took, problem, members)


def _health(voice: Voice, access: commands.ClientAccess, url: str) -> tuple[float | None, Problem | None]:
    completed = voice.runner.run(commands.endpoint_health_json(access, [url]), timeout=TIMEOUT)
    try:
        told = next((h for h in answers.endpoint_health(completed.out()) if h.endpoint == url), None)
    except UnexpectedOutput:
        told = None
    if told is not None and told.healthy:
        return told.took, None
    words = told.error if told and told.error else "no reason given"
    return None, explain(completed.err()) or Problem(Fault.NO_QUORUM_READ, f"endpoint health: {words}.")
