"""What the commands that work on a cluster share: it is opened, a procedure followed, a refusal told."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etcdtui.cli.cluster import cluster_of
from etcdtui.errors import ConfigError, Refusal
from etcdtui.streams import say
from etcdtui.text import clean, listed

if TYPE_CHECKING:
    from etcdtui.cluster import Cluster
    from etcdtui.config import ClusterConfig
    from etcdtui.procedures.operations import Operations
    from etcdtui.procedures.procedure import Procedure

GOOD, SHORT, NONE, UNKNOWN = 0, 1, 2, 3
SETTLE = 10.0  # seconds for every source to speak
PLACES = 60.0  # seconds for every store to be listed


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


def refused(refusal: Refusal, as_json: bool) -> None:
    """Say it on standard output, as an event where the events are JSON."""
    if as_json:
        print(json.dumps({"event": "refused", "sentence": refusal.message, "hint": refusal.hint}))
    else:
        print(f"refused   {clean(str(refusal), 4000)}")


def known(kind: str, asked: Iterable[str], names: Sequence[str]) -> None:
    """Raises ConfigError for one that nobody knows."""
    for name in asked:
        if name not in names:
            there = f"known are {listed([clean(each) for each in names])}" if names else "none is configured"
            raise ConfigError(f"There is no {kind} {clean(name)}: {there}.", f"Name another {kind}, or none.")
