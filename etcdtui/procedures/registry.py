"""The kinds of procedures there are, and how an interrupted one is made again from its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from etcdtui.errors import Refusal
from etcdtui.procedures.procedure import Procedure
from etcdtui.records import Run

Rebuild = Callable[[str, str, str, Mapping[str, str]], Procedure]
"""kind, id, cluster, parameters -> the same procedure again."""

KINDS: Mapping[str, str] = {
    "backup": "backup",
    "bring": "bring",
    "debt": "debts",
    "fetch": "fetch",
    "leadership": "leadership",
    "maintenance": "maintenance",
    "prune": "prune",
    "quorum-restore": "restore_quorum",
    "replace": "replace",
    "requests": "node_requests",
    "restore": "restore",
    "restore-undone": "restore_undo",
    "upload": "upload",
}
"""Each kind and the module that plans it: imported when it is needed, for most starts plan nothing."""


def rebuild_of(kind: str) -> Rebuild | None:
    """What makes procedures of this kind again; None for one that is not known here."""
    if kind not in KINDS:
        return None
    rebuild: Rebuild = import_module(f"{__package__}.{KINDS[kind]}").rebuild
    return rebuild


def resume(run: Run, registry: Mapping[str, Rebuild] | None = None) -> Procedure:
    """The procedure of an interrupted run, as it was planned. Raises Refusal when that cannot be had."""
    rebuild = rebuild_of(run.kind) if registry is None else registry.get(run.kind)
    if rebuild is None:
        raise Refusal(
            f"The interrupted procedure {run.title!r} is of the kind {run.kind!r}, which this etcdtui does "
            "not know.",
            f"It was begun with etcdtui {run.version}: use that one, or abandon it.",
        )
    try:
        procedure = rebuild(run.kind, run.id, run.cluster, run.parameters)
    except (KeyError, ValueError) as exc:
        raise Refusal(
            f"The record of {run.title!r} does not hold all that is needed to go on: {exc}.",
            "Abandon it, and look at the hosts yourself.",
        ) from exc
    planned = [(s.key, s.host, s.argv) for s in run.steps]
    if planned != [(s.key, s.host, s.argv) for s in procedure.steps]:
        raise Refusal(
            f"{run.title!r} was planned by etcdtui {run.version} with other steps than this version has.",
            f"Go on with etcdtui {run.version}, or abandon it.",
        )
    return procedure
