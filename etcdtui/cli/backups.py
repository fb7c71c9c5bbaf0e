"""The commands about backups, made for people in a hurry, cron, systemd timers and pipelines."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etcdtui.cli.cluster import cluster_config
from etcdtui.cli.measuring import MetricsFile
from etcdtui.cli.options import Shared
from etcdtui.cli.working import GOOD, NONE, PLACES, SHORT, UNKNOWN, followed, known, opened, refused
from etcdtui.errors import ConfigError, Refusal
from etcdtui.streams import say

if TYPE_CHECKING:
    from etcdtui.config import ClusterConfig
    from etcdtui.model.retention import Rule
    from etcdtui.procedures.operations import Operations


def register(commands: Any, shared: Shared) -> None:
    """``etcdtui backup``, ``backups`` and ``prune``."""
    take = commands.add_parser(
        "backup",
        parents=[shared.where, shared.events, shared.metrics, shared.keep],
        help="take, prove and bring off a backup",
        description="Exit codes: 0 proven and in every place, 1 proven but not in every place, or old ones "
        "could not be thinned out, 2 no proven backup, or it could not be done, 64 bad arguments or "
        "configuration, 70 etcdtui itself failed.",
    )
    take.add_argument("--store", action="append", metavar="NAME", help="only this store; may be repeated")
    take.add_argument("--host", metavar="NAME", help="take it there instead of on the best host")
    take.set_defaults(run=_backup)

    listed = commands.add_parser(
        "backups",
        parents=[shared.where, shared.json, shared.metrics],
        help="the backups in every place",
        description="Exit codes: 0 the last proven backup is off the cluster and young enough, 1 it is not, "
        "3 that is not known, for a place does not answer, 64 bad arguments or configuration, 70 etcdtui "
        "itself failed.",
    )
    listed.set_defaults(run=_backups, could_not=UNKNOWN)

    thin = commands.add_parser(
        "prune",
        parents=[shared.where, shared.events, shared.keep],
        help="remove what the rules let go",
        description="Shows the list; removes it with --yes only. Exit codes: 0 nothing is left that may go, "
        "1 something may go and --yes was not given, 2 not all of it could be removed, or a place was not "
        "listed, 64 bad arguments or configuration, 70 etcdtui itself failed.",
    )
    thin.set_defaults(run=_prune)


def _backup(options: argparse.Namespace) -> int:
    import time

    from etcdtui import metricsfile

    failed = metricsfile.failed(vars(options).get("cluster", ""), time.time())
    with MetricsFile(options.metrics_file, failed) as metrics:
        return backup(
            _kept_by(cluster_config(options), options.keep),
            host=options.host,
            stores=options.store,
            yes=options.yes,
            as_json=options.json,
            metrics=metrics,
        )


def _backups(options: argparse.Namespace) -> int:
    return backups(cluster_config(options), as_json=options.json, metrics=options.metrics_file)


def _prune(options: argparse.Namespace) -> int:
    chosen = _kept_by(cluster_config(options), options.keep)
    return prune(chosen, yes=options.yes, as_json=options.json)


def _kept_by(config: ClusterConfig, rule: Rule | None) -> ClusterConfig:
    """The same cluster with this rule, where one is given: here, and in every place that has a rule."""
    from dataclasses import replace

    if rule is None:
        return config
    stores = tuple(store if store.keep.empty else replace(store, keep=rule) for store in config.stores)
    on_hosts = config.backups.keep_on_hosts if config.backups.keep_on_hosts.empty else rule
    return replace(config, backups=replace(config.backups, keep=rule, keep_on_hosts=on_hosts), stores=stores)


def backup(
    config: ClusterConfig,
    *,
    host: str | None,
    stores: list[str] | None,
    yes: bool,
    as_json: bool,
    metrics: MetricsFile,
) -> int:
    """0: proven and in every place; 1: proven, and a step after that failed; 2: no proven backup."""
    from etcdtui import metricsfile

    known("store", stores or (), [store.name for store in config.stores])
    with opened(config) as (cluster, operations):
        code = NONE
        try:
            _mention(operations)
            hosts = [found.name for found in cluster.view().hosts]
            known("host", [host] if host and hosts else (), hosts)
            procedure = operations.plan_backup(cluster.view(), host=host, stores=stores)
            code = followed(procedure, operations, yes=yes, as_json=as_json)
        except Refusal as refusal:
            refused(refusal, as_json)
        finally:  # whatever happened: the file must not go on to tell of an earlier run
            if metrics.path is not None:
                metrics.write(metricsfile.text(cluster.look_at_places(PLACES), success=code == GOOD))
        return code


def backups(config: ClusterConfig, *, as_json: bool, metrics: Path | None) -> int:
    """0: the last proven backup is off the cluster and young enough; 1: not; 3: a place that does not answer
    could have one."""
    from etcdtui import metricsfile
    from etcdtui.cli import listing
    from etcdtui.model.known_backups import last_proven
    from etcdtui.model.places import PlaceKind

    with opened(config) as (cluster, _):
        view = cluster.look_at_places(PLACES)
        if metrics is not None:
            MetricsFile(metrics, "").write(metricsfile.text(view))
        if as_json:
            print(json.dumps(listing.as_json(view), indent=2))
        else:
            for line in listing.table(view):
                print(line)
        last = last_proven(view)
        good = (
            last is not None
            and last.off_cluster
            and last.taken is not None
            and view.now - last.taken <= cluster.keeping.max_age
        )
        could_have = any(place.kind is not PlaceKind.HOST for place, _ in listing.silent(view))
        return GOOD if good else UNKNOWN if could_have else SHORT


def prune(config: ClusterConfig, *, yes: bool, as_json: bool) -> int:
    """0: what may go is gone; 1: something may go, and --yes was not given; 2: not all could be removed, or a
    place with a rule could not be listed."""
    from etcdtui.cli import listing
    from etcdtui.procedures.procedure import Ending
    from etcdtui.procedures.thinning import rules_of
    from etcdtui.unattended import Console, run

    if all(rule.empty for rule in _rules(config)):
        said = f"{config.name} has no rule for which backups to keep, so none is removed."
        raise ConfigError(said, "Set keep in clusters.toml, or give --keep.")
    with opened(config) as (cluster, operations):
        cluster.look_at_places(PLACES)
        try:
            procedure = operations.plan_prune(cluster.view())
        except Refusal as refusal:
            refused(refusal, as_json)
            return NONE
        console = Console(procedure, yes=yes, shape="json" if as_json else "lines")
        finished = run(console, operations.run)
        rule_of = rules_of(cluster.keeping)
        silent = [said for place, said in listing.silent(cluster.view()) if not rule_of(place).empty]
        for said in silent:
            say(f"etcdtui: {said} Nothing was removed there.", sys.stderr)
        if finished.ending is Ending.DONE:
            return NONE if silent else GOOD
        return SHORT if finished.ending is Ending.CANCELLED and not yes else NONE


def _rules(config: ClusterConfig) -> Iterator[Rule]:
    yield from (config.backups.keep, config.backups.keep_on_hosts)
    yield from (store.keep for store in config.stores)


def _mention(operations: Operations) -> None:
    """An earlier run that was interrupted must not be forgotten over a new one."""
    left = operations.interrupted(look=False)
    if left:
        more = f" {len(left) - 1} more: etcdtui resume." if len(left) > 1 else ""
        say(f"etcdtui: {left[0].sentence} Go on: etcdtui resume {left[0].id}{more}", sys.stderr)
