"""May this master go down now? The answer without the screen."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from etcdtui.cli.cluster import cluster_config
from etcdtui.cli.options import Shared
from etcdtui.cli.working import GOOD, PLACES, SHORT, UNKNOWN, opened
from etcdtui.errors import ConfigError
from etcdtui.text import clean, listed

if TYPE_CHECKING:
    from etcdtui.config import ClusterConfig


def register(commands: Any, shared: Shared) -> None:
    """``etcdtui maintenance``."""
    command = commands.add_parser(
        "maintenance",
        parents=[shared.where, shared.json],
        help="may this master go down now?",
        description="Exit codes: 0 it may, 1 it may not, 3 too little is known, 64 bad arguments or "
        "configuration, 70 etcdtui itself failed.",
    )
    command.add_argument("node", metavar="NODE")
    command.set_defaults(run=_run, could_not=UNKNOWN)


def _run(options: argparse.Namespace) -> int:
    return maintenance(cluster_config(options), node=options.node, as_json=options.json)


def maintenance(config: ClusterConfig, *, node: str, as_json: bool) -> int:
    """0: it may go down now; 1: it may not; 3: too little is known."""
    from etcdtui.model.maintenance import may_take_down

    with opened(config) as (cluster, _):
        view = cluster.look_at_places(PLACES)
        members = view.members.value.members if view.members.value else ()
        hosts = {host.name: host.node for host in view.hosts}
        names = {node, hosts.get(node, "")} - {""}
        member = next((m for m in members if m.name in names or m.hex_id == node), None)
        if member is None:
            known = listed([m.name for m in members if m.name])
            said = f"No member is called {clean(node)}; known are {known}."
            if not known:
                said = "No member is known now, so nobody can tell."
                _say(said, as_json, allowed=False, reasons=[])
                return UNKNOWN
            raise ConfigError(said, "Name the node, as etcdtui status shows it.")
        answer = may_take_down(view, member.id)
        reasons = [{"weight": r.weight.value, "sentence": r.sentence} for r in answer.reasons]
        _say(answer.sentence, as_json, allowed=answer.allowed, reasons=reasons)
        return GOOD if answer.allowed else SHORT


def _say(sentence: str, as_json: bool, *, allowed: bool, reasons: list[dict[str, str]]) -> None:
    if as_json:
        print(json.dumps({"allowed": allowed, "sentence": sentence, "reasons": reasons}, indent=2))
        return
    print(clean(sentence, 2000))
    for reason in reasons:
        sign = {"ok": "●", "warning": "▲"}.get(reason["weight"], "✗")
        print(f"  {sign} {clean(reason['sentence'], 2000)}")
