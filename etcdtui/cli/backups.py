"""The commands about backups, made for people in a hurry, cron, systemd timers and pipelines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etcdtui.cli.cluster import cluster_of
from etcdtui.cli.measuring import MetricsFile
from etcdtui.errors import ConfigError, Refusal
from etcdtui.streams import say
from etcdtui.text import age, clean, grouped, listed, size

if TYPE_CHECKING:
    from etcdtui.cluster import Cluster
    from etcdtui.config import ClusterConfig
    from etcdtui.model.places import Backup, Place
    from etcdtui.model.readings import Reading
    from etcdtui.model.retention import Rule
    from etcdtui.model.view import ClusterView
    from etcdtui.procedures.operations import Operations
    from etcdtui.procedures.procedure import Procedure

GOOD, SHORT, NONE, UNKNOWN = 0, 1, 2, 3
SETTLE = 10.0  # seconds for every source to speak
PLACES = 60.0  # seconds for every store to be listed


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

    _known("store", stores or (), [store.name for store in config.stores])
    with opened(config) as (cluster, operations):
        code = NONE
        try:
            _mention(operations)
            hosts = [found.name for found in cluster.view().hosts]
            _known("host", [host] if host and hosts else (), hosts)
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
    from etcdtui.model.known_backups import last_proven
    from etcdtui.model.places import PlaceKind

    with opened(config) as (cluster, _):
        view = cluster.look_at_places(PLACES)
        if metrics is not None:
            MetricsFile(metrics, "").write(metricsfile.text(view))
        if as_json:
            print(json.dumps(_as_json(view), indent=2))
        else:
            for line in _table(view):
                print(line)
        last = last_proven(view)
        good = (
            last is not None
            and last.off_cluster
            and last.taken is not None
            and view.now - last.taken <= cluster.keeping.max_age
        )
        could_have = any(place.kind is not PlaceKind.HOST for place, _ in _silent(view))
        return GOOD if good else UNKNOWN if could_have else SHORT


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


def prune(config: ClusterConfig, *, yes: bool, as_json: bool) -> int:
    """0: what may go is gone; 1: something may go, and --yes was not given; 2: not all could be removed, or a
    place with a rule could not be listed."""
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
        silent = [said for place, said in _silent(cluster.view()) if not rule_of(place).empty]
        for said in silent:
            say(f"etcdtui: {said} Nothing was removed there.", sys.stderr)
        if finished.ending is Ending.DONE:
            return NONE if silent else GOOD
        return SHORT if finished.ending is Ending.CANCELLED and not yes else NONE


def _silent(view: ClusterView) -> Iterator[tuple[Place, str]]:
    """Each place whose backups are not known now, with a sentence."""
    from etcdtui.model.places import Place, PlaceKind

    readings: list[tuple[Place, Reading[Any]]] = [
        (Place(PlaceKind.HOST, host.name), host.facts if host.link.problem is None else host.link)
        for host in view.hosts
    ]
    # Of a host only the manifests are told there.
    readings += [(seen.place, seen.sets) for seen in view.places if seen.place.kind is not PlaceKind.HOST]
    for place, reading in readings:
        if reading.problem is not None or reading.value is None:
            why = reading.problem.message if reading.problem else "it has not answered yet"
            yield place, f"{clean(place.label)} could not be listed: {clean(why.rstrip('.'), 1000)}."


def _known(kind: str, asked: Iterable[str], names: Sequence[str]) -> None:
    """Raises ConfigError for one that nobody knows."""
    for name in asked:
        if name not in names:
            known = f"known are {listed([clean(each) for each in names])}" if names else "none is configured"
            raise ConfigError(f"There is no {kind} {clean(name)}: {known}.", f"Name another {kind}, or none.")


def _rules(config: ClusterConfig) -> Iterator[Rule]:
    yield from (config.backups.keep, config.backups.keep_on_hosts)
    yield from (store.keep for store in config.stores)


@contextmanager
def opened(config: ClusterConfig) -> Iterator[tuple[Cluster, Operations]]:
    """The cluster, once its sources have spoken."""
    from etcdtui.cluster.settled import settled
    from etcdtui.config import state_directory
    from etcdtui.procedures.operations import Operations

    cluster = cluster_of(config)
    operations = Operations(cluster, state_directory())
    cluster.start()
    try:
        cluster.wait(settled, SETTLE)
        yield cluster, operations
    finally:
        operations.close()
        cluster.close()


def followed(procedure: Procedure, operations: Operations, *, yes: bool, as_json: bool) -> int:
    """Run it to its end. 0: done; 1: done, and a step was passed over; 2: not done."""
    from etcdtui.procedures.procedure import Ending
    from etcdtui.unattended import Console, run

    console = Console(procedure, yes=yes, shape="json" if as_json else "lines")
    finished = run(console, operations.run)
    if finished.ending is Ending.DONE:
        # What the rules let go may stay, where that was the answer: nothing is missing then.
        fine = {"thin"}.intersection(console.declined)
        return SHORT if set(console.skipped) - fine else GOOD
    if operations.may_go_on(procedure.id):
        say(f"etcdtui: it can be gone on with: etcdtui resume {procedure.id}", sys.stderr)
    return NONE


def _mention(operations: Operations) -> None:
    """An earlier run that was interrupted must not be forgotten over a new one."""
    left = operations.interrupted(look=False)
    if left:
        more = f" {len(left) - 1} more: etcdtui resume." if len(left) > 1 else ""
        say(f"etcdtui: {left[0].sentence} Go on: etcdtui resume {left[0].id}{more}", sys.stderr)


def refused(refusal: Refusal, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"event": "refused", "sentence": refusal.message, "hint": refusal.hint}))
    else:
        print(f"refused   {clean(str(refusal), 4000)}")


def _say(sentence: str, as_json: bool, *, allowed: bool, reasons: list[dict[str, str]]) -> None:
    if as_json:
        print(json.dumps({"allowed": allowed, "sentence": sentence, "reasons": reasons}, indent=2))
        return
    print(clean(sentence, 2000))
    for reason in reasons:
        sign = {"ok": "●", "warning": "▲"}.get(reason["weight"], "✗")
        print(f"  {sign} {clean(reason['sentence'], 2000)}")


def _as_json(view: ClusterView) -> dict[str, Any]:
    return {
        "cluster": view.name,
        "at": view.now,
        "places": [
            {
                "place": seen.place.label,
                "kind": seen.place.kind.value,
                "listed": seen.listed,
                "problem": seen.sets.problem.message if seen.sets.problem else None,
            }
            for seen in view.places
        ],
        "backups": [_backup_json(found, view) for found in view.known_backups],
    }


def _backup_json(found: Backup, view: ClusterView) -> dict[str, Any]:
    from etcdtui.model.known_backups import foreign_to

    return {
        "stamp": found.stamp,
        "taken": found.taken,
        "size": found.size,
        "revision": found.revision,
        "proven": found.proven,
        "complete": found.complete,
        "possibly_dirty": found.dirty,
        "off_cluster": found.off_cluster,
        "foreign": foreign_to(view, found),
        "cluster": found.manifest.cluster if found.manifest else None,
        "copies": [
            {
                "place": copy.place.label,
                "kind": copy.place.kind.value,
                "location": copy.set.directory,
                "state": copy.set.completeness.value,
                "proven": copy.proven,
                "encrypted": copy.encrypted,
                "trouble": copy.trouble or None,
            }
            for copy in found.copies
        ],
    }


def _table(view: ClusterView) -> Iterator[str]:
    from etcdtui.model.known_backups import foreign_to
    from etcdtui.ui.backup_words import verdict

    silent = [said for _, said in _silent(view)]
    if not view.known_backups and silent:
        yield f"Where the backups of {clean(view.name)} could be listed, there is none."
    elif not view.known_backups:
        yield f"No backup of {clean(view.name)} is known."
    else:
        yield f"{'TAKEN':<18} {'AGE':>14} {'SIZE':>6} {'REVISION':>12}  {'PROVEN':<15} WHERE"
    for found in view.known_backups:
        old = found.age(view.now)
        ago = "?" if old is None else f"{age(old)}, old" if old > view.max_backup_age else age(old)
        revision = grouped(found.revision) if found.revision is not None else ""
        state, _ = verdict(found, foreign_to(view, found))
        where = ", ".join(clean(label, 60) for label in found.places)
        yield f"{found.stamp:<18} {ago:>14} {size(found.size):>6} {revision:>12}  {state:<15} {where}"
    yield from silent
