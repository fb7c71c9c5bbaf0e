"""Thinning out by itself: what the rules of a cluster let go, shown, asked about, removed."""

from __future__ import annotations

from collections.abc import Mapping

from etcdtui.errors import Refusal
from etcdtui.model.view import ClusterView
from etcdtui.offsite.keeping import Keeping
from etcdtui.procedures.procedure import Action, Procedure, Step
from etcdtui.procedures.thinning import Thinning, sure_of_the_time, written

KIND = "prune"


def plan(view: ClusterView, keeping: Keeping, *, procedure_id: str) -> Procedure:
    """Thin out all places that have a rule. Raises Refusal when there is none, when nothing may be changed,
    and when days cannot be counted."""
    if view.read_only:
        raise Refusal(
            f"{view.name} is opened read-only: no backup is removed.", "Open it without --read-only."
        )
    rules = (keeping.rule, keeping.rule_on_hosts, *(shelf.rule for shelf in keeping.shelves))
    if all(rule.empty for rule in rules):
        raise Refusal(
            f"{view.name} has no rule for which backups to keep, so none is removed.",
            "Set keep in clusters.toml, or give --keep.",
        )
    sure_of_the_time(view, keeping)
    return _procedure(procedure_id, view.name, written(keeping))


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, by the rules in its record. Raises ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} is no thinning out")
    return _procedure(procedure_id, cluster, parameters.get("rules", ""))


def _procedure(procedure_id: str, cluster: str, rules: str) -> Procedure:
    thinning = Thinning(rules, optional=False)
    thin = Step(
        key="thin",
        title=f"Thin out the backups of {cluster}",
        why="By the rules that were given, in every place that can be listed. The last proven backup never "
        "goes, nor one of another cluster, nor anything that is not known.",
        action=Action.WORK,
        ask=thinning.ask,
        work=thinning.work,
        cancel="Stops. What is removed stays removed, the rest stays.",
        skippable=False,
    )
    title = f"Thin out the backups of {cluster}"
    return Procedure(KIND, procedure_id, cluster, title, {"rules": rules}, (thin,))
