"""A proven backup before anything is changed: taken within the guide, or waited for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from etcdtui.errors import EtcdTuiError
from etcdtui.model.quorum import Verdict
from etcdtui.procedures import backup
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Step
from etcdtui.procedures.replace_checks import fresh_backup

REMIND = 300.0  # seconds after which a waiting step says once more what it waits for
_PARTS = ("take", "verify", "bring", "prove", "manifest")  # and every "store …"


def steps(procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> tuple[Step, ...]:
    """The steps of a backup within the guide, each of them to be passed over; none without a plan for it."""
    prompt = "Take a backup first? Whatever goes wrong later, it is the way back."
    made = taken(procedure_id, cluster, parameters, prompt, done=fresh_backup) if parameters else ()
    return (*made, _proven(bool(made)))


def taken(
    procedure_id: str, cluster: str, parameters: Mapping[str, str], prompt: str, *, done: Check | None
) -> tuple[Step, ...]:
    """The steps of a backup from ``parameters`` of one, each to be passed over; ``prompt`` offers it, unless
    ``done`` says that there is one already."""
    made = backup.rebuild(backup.KIND, procedure_id, cluster, parameters)
    chosen = [s for s in made.steps if s.key in _PARTS or s.key.startswith("store ")]
    return tuple(_offered(s, prompt, done) if s.key == "take" else _only_if_taken(s) for s in chosen)


def _offered(step: Step, offer: str, done: Check | None) -> Step:
    """Taking it is offered; that it cannot be taken now is no reason to be stuck here."""

    def ask(world: Context) -> Gate:
        refusals = [why for check in step.prechecks if (why := _refusal(check, world))]
        asked = step.ask(world).prompt if step.ask else ""
        words = " ".join(("It does not look as if one could be taken now:", *refusals)) if refusals else asked
        return Gate(GateKind.CONFIRM, prompt=f"{words} {offer}".strip(), optional=True)

    gate = Gate(GateKind.CONFIRM, prompt=offer, optional=True)
    return replace(step, prechecks=(), gate=gate, ask=ask, done=done, skippable=True)


def _refusal(check: Check, world: Context) -> str:
    try:
        verdict = check(world)
    except EtcdTuiError as exc:
        return str(exc)
    return "" if verdict.allowed else verdict.reason


def _only_if_taken(step: Step) -> Step:
    def nothing(world: Context) -> Verdict:
        if world.said("take"):
            return Verdict(False, "A backup was taken in this run.")
        return Verdict(True, "no backup was taken in this run.")

    return replace(step, needless=nothing, skippable=True)


def _proven(offered: bool) -> Step:
    how = "" if offered else "Take one now, in another window: etcdtui backup. "
    return Step(
        key="backup",
        title="A proven backup off the cluster",
        why=f"What follows cannot be undone by a command. {how}This goes on by itself as soon as a proven "
        "backup off the cluster is less than an hour old. To go on without one, skip this and say why.",
        action=Action.HUMAN,
        done=fresh_backup,
        verify=fresh_backup,
        patience=REMIND,
        cancel="Nothing has been changed.",
    )
