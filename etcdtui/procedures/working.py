"""Runs a piece of work that etcdtui does itself: watched, told about, stopped when the human wants it."""

from __future__ import annotations

import threading

from etcdtui.errors import Cancelled
from etcdtui.landing import Moved
from etcdtui.model.quorum import Verdict
from etcdtui.procedures.checking import Scene
from etcdtui.procedures.desk import CancelAsked, Desk, Leave
from etcdtui.procedures.procedure import Step

LETTING_GO = 5.0  # seconds a stopped piece of work has to close its files


class Worker:
    """One piece of work; the Reporter that it is given."""

    def __init__(self, desk: Desk, scene: Scene, step: Step) -> None:
        self._desk, self._scene, self._step = desk, scene, step
        self._stop = threading.Event()
        self._moved: Moved | None = None
        self._said = ""  # the last line

    @property
    def cancelled(self) -> threading.Event:
        return self._stop

    def moved(self, moved: Moved) -> None:
        self._moved = moved

    def say(self, line: str) -> None:
        self._said = line
        self._desk.output(self._step, f"{line}\n", stderr=False)

    def _progress(self) -> None:
        if self._moved is None and self._said:
            self._desk.progress(self._step, f"its end; seen last: {self._said}")
        else:
            self._desk.moved(self._step, self._moved)

    def run(self) -> Verdict:
        """Its verdict. Raises what the work raises, Leave, and CancelAsked; the last two after it stopped."""
        work = self._step.work
        assert work is not None
        ended = threading.Event()

        def call() -> Verdict:
            try:
                return work(self._scene, self)
            finally:
                ended.set()

        try:
            return self._desk.during(self._step, call, self._progress)
        except (Leave, CancelAsked):
            self._stop.set()
            ended.wait(LETTING_GO)
            raise
        except Cancelled as exc:
            raise CancelAsked from exc
