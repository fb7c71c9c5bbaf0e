"""One process that goes on with a restore of the journal, typing what is asked for: made to be killed.

Arguments: the configuration of the lab, the folder of the state, the run. Every change of a step is one line
of JSON on standard output, and so is the end.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from etcdtui import config
from etcdtui.cluster import Cluster
from etcdtui.journal import Journal
from etcdtui.procedures.engine import Engine, Pace
from etcdtui.procedures.procedure import Answer, Choice, Event, GateKind, StepChanged, StepState
from etcdtui.procedures.registry import resume

REACHED = 20.0  # seconds for the first look at the hosts


def main(configuration: str, state: str, run: str) -> None:
    journal = Journal(Path(state) / "journal")
    procedure = resume(journal.read(run))
    cluster = Cluster(config.load(Path(configuration)).cluster(None), Path(state) / "etcdtui")
    cluster.start()
    cluster.wait(
        lambda view: all(h.link.at or h.link.problem for h in view.hosts) and bool(view.hosts), REACHED
    )

    def emit(event: Event) -> None:
        if not isinstance(event, StepChanged):
            return
        say({"step": event.step, "state": event.state.value, "sentence": event.sentence})
        if not event.choices:
            return
        step = procedure.step(event.step)
        if Choice.GO in event.choices and event.state is StepState.WAITING:
            text = step.gate.phrase if step.gate.kind is GateKind.PHRASE else ""
            engine.answer(Answer(Choice.GO, text, step.key))
        elif Choice.WAIT in event.choices or Choice.RETRY in event.choices:
            # A human who sees what is said and gives it time.
            patient = Choice.WAIT if Choice.WAIT in event.choices else Choice.RETRY
            engine.answer(Answer(patient, "", step.key))

    engine = Engine(procedure, cluster, journal, emit, pace=Pace(again=2.0))
    finished = engine.run()
    say({"ending": finished.ending.value, "sentence": finished.sentence})
    cluster.close()


def say(told: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
