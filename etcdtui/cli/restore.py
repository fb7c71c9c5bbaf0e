"""The plan of a restore without the screen: what is true, what would be done. Nothing is executed."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from etcdtui.cli.cluster import cluster_config
from etcdtui.cli.options import Shared
from etcdtui.errors import ConfigError, Refusal

if TYPE_CHECKING:
    from etcdtui.config import ClusterConfig
    from etcdtui.model.restore_advice import Advice
    from etcdtui.procedures.procedure import Procedure

STANDS, ACCEPT, REFUSED = 0, 1, 2


def register(commands: Any, shared: Shared) -> None:
    """``etcdtui restore``."""
    command = commands.add_parser(
        "restore",
        parents=[shared.where, shared.json],
        help="should it be restored, and how: the plan",
        description="Shows whose data is the newest, what else would do, and every step. Exit codes: 0 the "
        "plan stands, 1 something has to be accepted by typing it, 2 no restore can be planned, 64 bad "
        "arguments or configuration, 70 etcdtui itself failed.",
    )
    command.add_argument("--dry-run", action="store_true", help="show the plan; nothing is executed")
    command.add_argument(
        "--backup", metavar="STAMP", help="as etcdtui backups shows it; else the newest proven"
    )
    command.add_argument("--host", metavar="NAME", help="run it there instead of on the best host")
    command.add_argument(
        "--quorum",
        action="store_true",
        help="without a backup: go on with a survivor's data (quorum-restore.sh, OpenShift 4.18 and newer)",
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if not options.dry_run:
        raise ConfigError(
            "A restore is not run without the screen: nobody would be there to read and to type.",
            "The plan alone: etcdtui restore --dry-run.",
        )
    if options.quorum and options.backup:
        raise ConfigError(
            "A quorum restore needs no backup: it goes on with what a survivor has.",
            "Either --quorum or --backup.",
        )
    return dry_run(
        cluster_config(options),
        backup=options.backup,
        host=options.host,
        as_json=options.json,
        quorum=options.quorum,
    )


def dry_run(
    config: ClusterConfig, *, backup: str | None, host: str | None, as_json: bool, quorum: bool = False
) -> int:
    """0: the plan stands; 1: something has to be accepted by typing it; 2: there is none, and why."""
    from etcdtui.cli.working import opened
    from etcdtui.model.restore_advice import advise
    from etcdtui.procedures import restore_text

    with opened(config) as (_, operations):
        looked = operations.look_for_restore()
        advice = advise(looked.view, looked.survivors, looked.view.known_backups, looked.quorum_hosts)
        try:
            if quorum:
                made = operations.plan_quorum_restore(looked, host=host)
            else:
                made = operations.plan_restore(looked, backup=backup, host=host)
        except Refusal as refusal:
            _refused(advice, refusal, as_json)
            return REFUSED
        if as_json:
            print(json.dumps(_as_json(advice, made), indent=2))
        else:
            for told in restore_text.whole(made, advice):
                print(told.line)
        return ACCEPT if restore_text.decided_of(made).accept else STANDS


def _refused(advice: Advice, refusal: Refusal, as_json: bool) -> None:
    from etcdtui.procedures.restore_text import Told, advice_lines, refused_lines

    if as_json:
        told = {"plan": None, "refused": refusal.message, "hint": refusal.hint, **_advice_json(advice)}
        print(json.dumps(told, indent=2))
        return
    for line in (*advice_lines(advice), Told(), *refused_lines(refusal)):
        print(line.line)


def _advice_json(advice: Advice) -> dict[str, Any]:
    return {
        "first": advice.first,
        "truth": list(advice.truth),
        "instead": list(advice.instead),
        "survivors": [
            {
                "name": s.name,
                "host": s.host,
                "running": s.running,
                "term": s.position.term if s.position else None,
                "index": s.position.index if s.position else None,
                "revision": s.position.revision if s.position else None,
                "written": s.written,
                "foreign": s.foreign,
                "trouble": s.trouble or None,
                "sentence": sentence,
            }
            for s, sentence in zip(advice.ranked, advice.survivors, strict=True)
        ],
        "backups": [
            {"stamp": g.stamp, "seconds": g.seconds, "revisions": g.revisions, "sentence": g.sentence}
            for g in advice.gaps
        ],
    }


def _as_json(advice: Advice, made: Procedure) -> dict[str, Any]:
    from etcdtui.procedures.restore import seconds
    from etcdtui.procedures.restore_text import decided_of

    decided = decided_of(made)
    steps = [
        {
            "key": step.key,
            "title": step.title,
            "why": step.why,
            "action": step.action.value,
            "host": step.host,
            "argv": list(step.argv),
            "gate": step.gate.kind.value,
            "phrase": step.gate.phrase,
            "seconds": seconds(step, decided),
        }
        for step in made.steps
    ]
    plan = {
        "title": made.title,
        "backup": made.parameters.get("backup"),
        "host": decided.recovery.host,
        "reasons": list(made.reasons),
        "accept": [{"key": a.key, "sentence": a.sentence, "phrase": a.phrase} for a in decided.accept],
        "lost": decided.lost,
        "steps": steps,
    }
    return {"plan": plan, "refused": None, **_advice_json(advice)}
