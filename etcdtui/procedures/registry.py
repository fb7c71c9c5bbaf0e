"""The kinds of procedures there are, and how an interrupted one is made again from its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from etcdtui.errors import Refusal
from etcdtui.procedures import (
    backup,
    bring,
    debts,
    leadership,
    maintenance,
    prune,
    replace,
    restore,
    restore_undo,
    upload,
)
from etcdtui.procedures.procedure import Procedure
from etcdtui.records import Run

Rebuild = Callable[[str, str, str, Mapping[str, str]], Procedure]
"""kind, id, cluster, parameters -> the same procedure again."""

REGISTRY: Mapping[str, Rebuild] = {
    kind.KIND: kind.rebuild
    for kind in (backup, bring, debts, leadership, maintenance, prune, replace, restore, restore_undo, upload)
}


def resume(run: Run, registry: Mapping[str, Rebuild] = REGISTRY) -> Procedure:
    """The procedure of an interrupted run, as it was planned. Raises Refusal when that cannot be had."""
    rebuild = registry.get(run.kind)
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
