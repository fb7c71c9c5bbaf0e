"""The certificate requests of a new host: listed, judged, approved after a look. Others are left alone."""

from __future__ import annotations

from collections.abc import Sequence

from etcdtui.errors import Conflict, EtcdTuiError, NotFound
from etcdtui.model.quorum import Verdict
from etcdtui.platforms import csrs
from etcdtui.platforms.csrs import Request, State
from etcdtui.platforms.machines import MACHINES, parse_machine
from etcdtui.platforms.objects import NODES
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Objects, Reporter, Step
from etcdtui.procedures.replace_api import patiently
from etcdtui.procedures.replace_decided import Decided
from etcdtui.records import myself
from etcdtui.text import clean, counted, listed


def step(decided: Decided, key: str, title: str) -> Step:
    """Approve what may be approved, after a look; passed over where nobody waits for that."""

    def nothing(world: Context) -> Verdict:
        waiting = approvable(decided, world.objects())
        if waiting:
            return Verdict(False, f"{counted(len(waiting), 'request')} may be approved.")
        return Verdict(True, f"No request of the new host waits for approval.{_others(decided, world)}")

    def ask(world: Context) -> Gate:
        try:
            waiting = approvable(decided, world.objects())
        except EtcdTuiError as exc:
            return Gate(GateKind.CONFIRM, prompt=f"{exc} Try to approve them?")
        if not waiting:
            return Gate()
        shown = " ".join(request.sentence(world.now()) for request in waiting)
        return Gate(GateKind.CONFIRM, prompt=f"{shown} Is that the new host, and nobody else? Approve?")

    def work(world: Context, report: Reporter) -> Verdict:
        api = patiently(report, world.objects)
        done = []
        for request in patiently(report, lambda: approvable(decided, api)):
            if patiently(report, lambda name=request.name: _approve(decided, api, name, world.now())):  # type: ignore[misc]
                report.say(f"approved: {request.sentence(world.now())}")
                done.append(clean(request.name))
        return Verdict(True, f"Approved: {listed(done)}." if done else "Nothing was left to approve.")

    return Step(
        key=key,
        title=title,
        why="Whose request is approved becomes a part of the cluster. Only those that fit in everything are "
        "offered here: asked for by the new host, in its own name, for what a kubelet needs. Others are left "
        "to you and oc.",
        action=Action.WORK,
        argv=("oc", "adm", "certificate", "approve", "…"),
        gate=Gate(GateKind.CONFIRM, prompt="What is asked for is shown when it is there."),
        ask=ask,
        done=nothing,
        work=work,
        cancel="Nothing more is approved.",
    )


def approvable(decided: Decided, api: Objects) -> list[Request]:
    """Pending requests of the new host that fit in everything, oldest first. Raises what the API raises."""
    requests = csrs.parse_all(api.get_list(_path(decided)))
    pending = [r for r in requests if r.state is State.PENDING]
    if not pending:
        return []
    awaited = awaited_nodes(decided, api)
    return [r for r in pending if csrs.may_approve(r, awaited).allowed]


def awaited_nodes(decided: Decided, api: Objects) -> dict[str, set[str]]:
    """The node that is to come, with the names and addresses known of it: its machine's, its own."""
    known = {m.name for m in decided.remaining}
    found: dict[str, set[str]] = {}
    new = decided.platform.successor.get("metadata")
    names = {str(new.get("name"))} if isinstance(new, dict) else set()
    for document in _list(api, MACHINES):
        machine = parse_machine(document)
        if machine is None or not machine.control_plane or machine.name == decided.platform.machine:
            continue
        if names and machine.name not in names:
            continue
        nodes = {machine.node} if machine.node else set(machine.names)
        for node in nodes - known:
            found.setdefault(node, set()).update(machine.names, machine.addresses)
    if not found and decided.target.name:
        hosts = {url.partition("://")[2].rpartition(":")[0] for url in decided.target.peer_urls}
        found[decided.target.name] = hosts
    for document in _list(api, NODES):
        meta, status = document.get("metadata"), document.get("status")
        node = str(meta.get("name") or "") if isinstance(meta, dict) else ""
        if node in found and isinstance(status, dict):
            told = status.get("addresses") or ()
            found[node].update(str(a.get("address")) for a in told if isinstance(a, dict))
    return found


def unapproved(decided: Decided, api: Objects) -> list[str]:
    """Sentences about pending requests that are not approved here."""
    awaited = awaited_nodes(decided, api)
    pending = [r for r in csrs.parse_all(api.get_list(_path(decided))) if r.state is State.PENDING]
    verdicts = [csrs.may_approve(r, awaited) for r in pending]
    return [verdict.reason for verdict in verdicts if not verdict.allowed]


def waits(decided: Decided) -> Check:
    """Does a request of the new host wait for approval?"""

    def check(world: Context) -> Verdict:
        found = approvable(decided, world.objects())
        if found:
            return Verdict(True, found[0].sentence(world.now()))
        return Verdict(False, "No request of the new host waits.")

    return check


def _approve(decided: Decided, api: Objects, name: str, now: float) -> bool:
    """Whether we approved it: one that changed since it was looked at is looked at anew by the next try."""
    path = _path(decided)
    try:
        document = api.get(f"{path}/{name}")
        request = csrs.parse(document)
        if request is None or not csrs.may_approve(request, awaited_nodes(decided, api)).allowed:
            return False
        api.put(csrs.approval_path(path, name), csrs.approval(document, now, str(myself())))
    except (NotFound, Conflict):
        return False
    return True


def _others(decided: Decided, world: Context) -> str:
    try:
        left = unapproved(decided, world.objects())
    except EtcdTuiError:
        return ""
    return f" Left alone: {' '.join(left[:3])}" if left else ""


def _path(decided: Decided) -> str:
    return decided.platform.csrs or csrs.V1


def _list(api: Objects, path: str) -> Sequence[dict[str, object]]:
    try:
        return api.get_list(path)
    except NotFound:
        return ()
