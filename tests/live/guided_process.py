"""The guide in a process of its own, so that it can be killed: goes on with what was interrupted, or begins.

Every change of a step is a line of JSON on standard output.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from etcdtui import config
from etcdtui.cluster import Cluster
from etcdtui.journal import Journal
from etcdtui.procedures.engine import Engine
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import Choice, Event, Finished, StepChanged
from tests.live.guiding import looks_dead, plan_of, willing
from tests.live.watched import Watched


def main(configuration: Path, state: Path, name: str) -> None:
    """One life."""
    cluster = Cluster(config.load(configuration).cluster(None), state)
    cluster.start()
    operations = Operations(cluster, state)
    earlier = operations.interrupted(look=False)
    if earlier:
        print(json.dumps({"resumed": earlier[0].sentence}), flush=True)
        made = operations.resume(earlier[0])
    else:
        watch = Watched(None, cluster, state)  # type: ignore[arg-type]  # it only looks
        seen = watch.within(60, lambda seen: _known(watch, seen.view.members.value is not None, name))
        made = plan_of(watch, operations, seen.member(name).member.id)
    tries = 0

    def emit(event: Event) -> None:
        nonlocal tries
        if isinstance(event, StepChanged | Finished):
            print(json.dumps(asdict(event)), flush=True)
        if isinstance(event, StepChanged) and event.choices:
            tries += Choice.RETRY in event.choices
            engine.answer(willing(made, event, tries))

    engine = Engine(made, cluster, Journal(state / "journal"), emit)
    engine.run()
    cluster.close()


def _known(watch: Watched, listed: bool, name: str) -> bool:
    rows = watch.look().health.members if listed else ()
    found = next((row.member for row in rows if row.member.name == name), None)
    return found is not None and looks_dead(watch, found.id)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
