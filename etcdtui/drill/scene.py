"""A drill on a real lab: brought about, watched, and in the end looked at."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etcdtui.drill import record
from etcdtui.drill.drills import HANDS, Do, Drill
from etcdtui.drill.facts import Examined, Facts, State
from etcdtui.errors import CommandFailed, EtcdTuiError, Refusal
from etcdtui.journal import Journal
from etcdtui.model.health import Level, judge
from etcdtui.model.view import ClusterView
from etcdtui.platforms.layout import Layout

if TYPE_CHECKING:
    from etcdtui.config import ClusterConfig
    from etcdtui.lab.demo import Lab

EVERY = 2.0  # seconds between two looks at the lab
SETTLING = 15.0  # seconds that the lab has for what etcdtui said is done
READY = 60.0  # seconds for the cluster to be well before it is hurt
PLACES = 20.0
Say = Callable[[str], None]


class Scene:
    """One drill. ``state`` is the folder that holds etcdtui's journal."""

    def __init__(self, drill: Drill, lab: Lab, config: ClusterConfig, state: Path) -> None:
        self.drill, self._lab, self._config, self._state = drill, lab, config, state
        self._before: dict[str, str] = {}
        self._began = self._hurt = 0.0
        self._reached: float | None = None
        self.examined: list[Examined] = []
        self._ending = threading.Event()
        self._watching: threading.Thread | None = None

    def set(self, say: Say) -> None:
        """Bring it about. Raises EtcdTuiError."""
        self._before = record.members_of(self._when(lambda told: len(record.members_of(told)) > 0))
        if self.drill.backup:
            say("taking last night's backup")
            _backup(self._config, self._state)
        for do in self.drill.since:
            self._patiently(do)
        self._patiently(Do("remember-keys"))
        for do in self.drill.hurt:
            self._patiently(do)
        self._hurt = time.time()

    def begin(self) -> None:
        """From now on the time counts, and it is noticed when the goal is reached."""
        self._began = time.time()
        self._watching = threading.Thread(target=self._watch, name="drill", daemon=True)
        self._watching.start()

    def close(self) -> None:
        """Watch no more."""
        self._ending.set()
        if self._watching is not None:
            self._watching.join(10)

    def noted(self, seen: Examined) -> None:
        """A member was examined."""
        self.examined.append(seen)

    def hand(self, words: str) -> str:
        """Somebody on the machines does something, ``action node``; what came of it. Raises EtcdTuiError."""
        action, _, node = words.strip().partition(" ")
        if action not in HANDS:
            raise Refusal(f"Nobody on the machines knows {action!r}.", f"They know: {', '.join(HANDS)}.")
        return self._lab.do(action, node.strip() or None)

    def state(self, *, keys: bool = True) -> State:
        """How the lab is now. Raises EtcdTuiError."""
        return record.state_of(self._status(), self._locks(), self._compared() if keys else None)

    def settled(self) -> State:
        """How it is when it had its time to settle. Raises EtcdTuiError."""
        end = time.monotonic() + SETTLING
        while (found := self.state()).lacks(self.drill.nodes) and time.monotonic() < end:
            time.sleep(1)
        return found

    def facts(self) -> Facts:
        """Everything that is to be judged. Raises EtcdTuiError."""
        runs = Journal(self._state / "journal").runs(self._config.name)
        state, told = self.settled(), self._status()
        well = not state.lacks(self.drill.nodes)
        return Facts(
            began=self._began,
            ended=time.time(),
            reached=(self._reached or time.time()) if well else None,
            state=state,
            examined=tuple(self.examined),
            deeds=record.deeds_of(runs, self._hurt),
            hands=record.hands_of(told, self._hurt),
            gone=record.gone(self._before, record.members_of(told)),
        )

    def _watch(self) -> None:
        while not self._ending.wait(EVERY):
            try:
                well = not self.state(keys=False).lacks_but_keys(self.drill.nodes)
                if well and self._reached is None:
                    well = not self.state().lacks(self.drill.nodes)
            except EtcdTuiError:
                continue
            self._reached = (self._reached or time.time()) if well else None

    def _status(self) -> dict[str, Any]:
        return dict(json.loads(self._lab.do("status")))

    def _compared(self) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self._lab.do("compare-keys")))
        except EtcdTuiError:
            return None

    def _locks(self) -> tuple[str, ...]:
        nodes = self._lab.directory / "nodes"
        found = nodes.glob(f"*{Layout().jobs}/lock") if nodes.is_dir() else ()
        return tuple(sorted(path.relative_to(nodes).parts[0] for path in found))

    def _when(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end = time.monotonic() + READY
        while not true(told := self._status()):
            if time.monotonic() > end:
                raise CommandFailed("The lab's members did not become well.")
            time.sleep(0.3)
        return told

    def _patiently(self, do: Do) -> None:
        """What members must serve first may need another leader, or a moment."""
        end = time.monotonic() + READY
        while True:
            try:
                self._lab.do(do.action, do.node or None)
                return
            except EtcdTuiError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)


def _backup(config: ClusterConfig, state: Path) -> None:
    """As somebody took it last night: every question answered with yes. Raises CommandFailed."""
    from etcdtui.cluster import Cluster
    from etcdtui.procedures.engine import Engine
    from etcdtui.procedures.operations import Operations
    from etcdtui.procedures.procedure import Answer, Choice, Ending, Event, StepChanged

    cluster = Cluster(replace(config, read_only=False), state)
    cluster.start()
    try:
        cluster.wait(_well, READY)
        cluster.look_at_places(PLACES)
        made = Operations(cluster, state).plan_backup(cluster.view())

        def answer(event: Event) -> None:
            if isinstance(event, StepChanged) and event.choices:
                choice = Choice.GO if Choice.GO in event.choices else Choice.STOP
                engine.answer(Answer(choice, step=event.step))

        engine = Engine(made, cluster, Journal(state / "journal"), answer)
        finished = engine.run()
        if finished.ending is not Ending.DONE:
            raise CommandFailed(f"Last night's backup could not be taken: {finished.sentence}")
    finally:
        cluster.close()


def _well(view: ClusterView) -> bool:
    health = judge(view)
    return health.level is Level.HEALTHY and all(host.facts.value is not None for host in view.hosts)
