"""Going on with what was interrupted, without the screen."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etcdtui.cli.cluster import cluster_config
from etcdtui.cli.options import Shared
from etcdtui.cli.working import GOOD, NONE, followed, opened, refused
from etcdtui.errors import Refusal
from etcdtui.streams import say
from etcdtui.text import clean

if TYPE_CHECKING:
    from etcdtui.config import ClusterConfig
    from etcdtui.procedures.operations import Interruption

SEVERAL = 3


def register(commands: Any, shared: Shared) -> None:
    """``etcdtui resume``."""
    command = commands.add_parser(
        "resume",
        parents=[shared.where, shared.events],
        help="go on with what was interrupted",
        description="Exit codes: 0 done, or nothing was interrupted, 1 done and a step was passed over, "
        "2 not done, 3 several were interrupted: name one, 64 bad arguments or configuration, 70 etcdtui "
        "itself failed.",
    )
    command.add_argument("id", nargs="?", metavar="ID", help="as etcdtui journal shows it")
    command.add_argument("--yes", action="store_true", help="answer yes, as with the command that began it")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    return resume(cluster_config(options), options.id, yes=options.yes, as_json=options.json)


def resume(config: ClusterConfig, run_id: str | None, *, yes: bool, as_json: bool) -> int:
    """0: done, or nothing was interrupted; 1: done, and a step was passed over; 2: not done; 3: several."""
    with opened(config) as (_, operations):
        try:
            found = [operations.interruption(run_id)] if run_id else operations.interrupted()
            if len(found) != 1:
                _list(found, config.name, as_json)
                return SEVERAL if found else GOOD
            (chosen,) = found
            procedure = operations.resume(chosen)
        except Refusal as refusal:
            refused(refusal, as_json)
            return NONE
        if not as_json:
            say(clean(f"{chosen.sentence} {chosen.truth}".strip(), 4000))
        return followed(procedure, operations, yes=yes, as_json=as_json)


def _list(found: Sequence[Interruption], cluster: str, as_json: bool) -> None:
    if as_json:
        runs = [{"id": each.id, "sentence": each.sentence, "truth": each.truth} for each in found]
        print(json.dumps({"event": "interrupted", "runs": runs}))
        return
    if not found:
        print(f"Nothing on {clean(cluster)} was interrupted.")
        return
    for each in found:
        print(clean(f"{each.id}  {each.sentence} {each.truth}".strip(), 4000))
    print("Name the one to go on with: etcdtui resume ID")
