"""A backup brought back from a store, without the screen."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etcdtui.cli.cluster import cluster_config
from etcdtui.cli.options import Shared, local_path
from etcdtui.errors import Refusal
from etcdtui.text import clean

if TYPE_CHECKING:
    from etcdtui.config import ClusterConfig

HERE, NOT_HERE = 0, 2


def register(commands: Any, shared: Shared) -> None:
    """``etcdtui fetch``."""
    command = commands.add_parser(
        "fetch",
        parents=[shared.where, shared.events],
        help="bring a backup back from a store",
        description="To this machine, opened where it is encrypted, compared with its manifest, proven "
        "again. Exit codes: 0 it is here and proven, 2 it is not, 64 bad arguments or configuration, 70 "
        "etcdtui itself failed.",
    )
    command.add_argument("stamp", metavar="STAMP", help="a time stamp as etcdtui backups shows it")
    command.add_argument("--store", metavar="NAME", help="from there, not from the best one that has it")
    command.add_argument(
        "--identity",
        type=local_path,
        metavar="FILE",
        help="what opens it, instead of the configured age_identity",
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    identity = options.identity.absolute() if options.identity else None
    return fetch(cluster_config(options), options.stamp, options.store, identity, as_json=options.json)


def fetch(
    config: ClusterConfig, stamp: str, store: str | None, identity: Path | None, *, as_json: bool
) -> int:
    """0: it is here, proven; 2: it is not."""
    from etcdtui.cli import working
    from etcdtui.model import places

    working.known("store", () if store is None else (store,), [each.name for each in config.stores])
    with working.opened(config) as (cluster, operations):
        view = cluster.look_at_places(working.PLACES)
        copies = [found.copy_in(places.HERE) for found in view.known_backups if found.stamp == stamp]
        if any(copy is not None and copy.proven and not copy.encrypted for copy in copies):
            said = f"The backup {clean(stamp, 40)} is on this machine already, and proven."
            print(json.dumps({"event": "finished", "ending": "done", "sentence": said}) if as_json else said)
            return HERE
        try:
            procedure = operations.plan_fetch(view, stamp, store, identity=identity)
        except Refusal as refusal:
            working.refused(refusal, as_json)
            return NOT_HERE
        return working.followed(procedure, operations, yes=False, as_json=as_json)
