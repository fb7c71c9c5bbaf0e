"""What is written through the Kubernetes API: the operator's guard, secrets, a new rollout. Read back always.

Each step shows the ``oc`` command that would do the same. While the API does not answer, a step waits and
says so: nothing here is in a hurry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from etcdtui.errors import Cancelled, Conflict, EtcdTuiError, NotFound, Unreachable
from etcdtui.model.quorum import Verdict
from etcdtui.platforms import guard, oc, operators
from etcdtui.platforms.objects import ETCD, NAMESPACE
from etcdtui.procedures.procedure import (
    Action,
    Ask,
    Check,
    Context,
    Gate,
    GateKind,
    Objects,
    Reporter,
    Step,
    Work,
)
from etcdtui.procedures.replace_decided import Decided
from etcdtui.text import clean, counted, listed

PAUSE = 2.0  # seconds between two tries

GUARD_OFF = "guard off"
GUARD_ON = "guard on"

T = TypeVar("T")


def unless(done: Check, gate: Gate) -> Ask:
    """Nobody is asked about what an interrupted run has done already."""

    def ask(world: Context) -> Gate:
        try:
            return Gate() if done(world).allowed else gate
        except EtcdTuiError:
            return gate

    return ask


def patiently(report: Reporter, call: Callable[[], T]) -> T:
    """``call``, again and again while the API does not answer, which is said once. Raises Cancelled."""
    said = False
    while True:
        try:
            return call()
        except Unreachable as exc:
            if not said:
                report.say(f"{exc.message} Waiting for the API; nothing is lost by that.")
                said = True
        if report.cancelled.wait(PAUSE):
            raise Cancelled("Stopped while the API did not answer.")
    raise AssertionError("unreachable")


# -- the guard


def guard_off(decided: Decided) -> Step:
    body = guard.off()
    gate = Gate(GateKind.CONFIRM, prompt="Take the guard off until the cluster is whole again?")
    return Step(
        key=GUARD_OFF,
        title="Take the operator's guard off",
        why="With one voter less the operator would refuse to roll out what the new member needs. It is put "
        "on again at the end; until then it is a debt that the journal remembers, also after an abort.",
        action=Action.WORK,
        argv=oc.command("patch", ETCD, body),
        gate=gate,
        ask=unless(_guard_is(off=True), gate),
        done=_guard_is(off=True),
        work=_set_guard(body, off=True),
        cancel="Ends here; once the guard is off it stays off: a debt, of which every start reminds.",
        skippable=False,
    )


def guard_on(overrides: Any) -> Step:
    """``overrides`` is what was there before; other overrides of the cluster's owner are left alone."""
    body = guard.on(overrides)
    return Step(
        key=GUARD_ON,
        title="Put the operator's guard on again",
        why="Without it the operator would roll out changes that take the quorum away. This pays the debt.",
        action=Action.WORK,
        argv=oc.command("patch", ETCD, body),
        done=_guard_is(off=False),
        work=_set_guard(body, off=False),
        cancel="The guard stays OFF. It stays a debt, and every start of etcdtui reminds of it.",
        skippable=False,
    )


def _guard_is(*, off: bool) -> Check:
    def check(world: Context) -> Verdict:
        return _guard_verdict(world.objects().get(ETCD), off=off)

    return check


def _guard_verdict(etcd: Mapping[str, Any], *, off: bool) -> Verdict:
    is_off = guard.is_off(etcd)
    return Verdict(is_off is off, f"The operator's guard is {'off' if is_off else 'on'}.")


def _set_guard(body: Mapping[str, Any], *, off: bool) -> Work:
    def work(world: Context, report: Reporter) -> Verdict:
        api = patiently(report, lambda: world.objects())
        if not _guard_verdict(patiently(report, lambda: api.get(ETCD)), off=off).allowed:
            patiently(report, lambda: api.patch(ETCD, body))
        return _guard_verdict(patiently(report, lambda: api.get(ETCD)), off=off)

    return work


# -- secrets


def secrets(decided: Decided) -> Step:
    names = tuple(decided.platform.secrets)
    gate = Gate(GateKind.CONFIRM, prompt=f"Delete {listed(names)}?")
    return Step(
        key="secrets",
        title=f"Delete the {counted(len(names), 'secret')} of {decided.name}",
        why="They hold the certificates of the member that is gone. Left there, the operator would give "
        f"them to the new one, which they do not fit: {listed(names)}.",
        action=Action.WORK,
        argv=("oc", "delete", "secret", "-n", NAMESPACE, *names),
        gate=gate,
        ask=unless(_secrets_gone(decided), gate),
        done=_secrets_gone(decided),
        work=_delete_secrets(decided),
        cancel="Those already deleted stay so; the operator makes new ones.",
    )


def _secrets_gone(decided: Decided) -> Check:
    def check(world: Context) -> Verdict:
        api = world.objects()
        left = [
            name
            for name, uid in decided.platform.secrets.items()
            if uid_of(api, operators.secret_path(name)) == uid
        ]
        if left:
            return Verdict(False, f"{listed(left)} {'is' if len(left) == 1 else 'are'} still there.")
        return Verdict(True, f"The old secrets of {decided.name} are gone.")

    return check


def _delete_secrets(decided: Decided) -> Work:
    def work(world: Context, report: Reporter) -> Verdict:
        api = patiently(report, lambda: world.objects())
        for name, uid in decided.platform.secrets.items():
            delete_exactly(api, operators.secret_path(name), uid, report)
            report.say(f"{name}: deleted")
        return patiently(report, lambda: _secrets_gone(decided)(world))

    return work


def uid_of(api: Objects, path: str) -> str:
    """The object's UID; empty when there is none."""
    try:
        meta = api.get(path).get("metadata")
    except NotFound:
        return ""
    return str(meta.get("uid") or "") if isinstance(meta, dict) else ""


def delete_exactly(api: Objects, path: str, uid: str, report: Reporter) -> None:
    """Delete the object only while it is that one: a new one of the same name stays."""

    def once() -> None:
        if uid_of(api, path) != uid:
            return
        try:
            api.delete(path, {"preconditions": {"uid": uid}} if uid else None)
        except (NotFound, Conflict):
            return

    patiently(report, once)


# -- a new rollout


def redeploy(decided: Decided) -> Step:
    reason = f"single-master-recovery-{decided.stamp}"
    body = operators.redeployment(reason)
    gate = Gate(GateKind.CONFIRM, prompt="Have the operator roll etcd out anew?")

    def asked(world: Context) -> Verdict:
        told = operators.redeployment_reason(world.objects().get(ETCD))
        if told == reason:
            return Verdict(True, f"The operator was asked to roll etcd out anew ({reason}).")
        return Verdict(False, f"forceRedeploymentReason is {clean(told, 80)!r}.")

    def work(world: Context, report: Reporter) -> Verdict:
        api = patiently(report, lambda: world.objects())
        patiently(report, lambda: api.patch(ETCD, body))
        return patiently(report, lambda: asked(world))

    return Step(
        key="redeploy",
        title="Have etcd rolled out anew",
        why=f"The host of {decided.name} stays, so the operator sees no reason of its own to put etcd's "
        "static pod there again. A new reason makes it do so, on one host after another.",
        action=Action.WORK,
        argv=oc.command("patch", ETCD, body),
        gate=gate,
        ask=unless(asked, gate),
        done=asked,
        work=work,
        cancel="Ends here; once the operator was asked, it rolls etcd out all the same.",
    )
