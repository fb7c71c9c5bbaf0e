"""Watching the Kubernetes API: is it there, and every ten seconds what it knows. All else goes on without."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from etcdtui.cluster.board import Board
from etcdtui.cluster.problems import problem_of
from etcdtui.cluster.watcher import Watcher
from etcdtui.errors import EtcdTuiError
from etcdtui.model.platform import ApiFacts
from etcdtui.platforms.openshift import collect

if TYPE_CHECKING:
    from etcdtui.reach.api import Api

FACTS_EVERY = 10.0  # seconds
PROBE = 1.2  # seconds


class ApiWatcher(Watcher):
    """``on_facts`` hears every good answer: it may name hosts that were not known."""

    period = 1.5

    def __init__(
        self, kubeconfig: str | None, context: str | None, board: Board, on_facts: Callable[[ApiFacts], None]
    ) -> None:
        super().__init__("api", board)
        self._kubeconfig = kubeconfig
        self._context = context
        self._on_facts = on_facts
        self._api: Api | None = None
        self._well = False
        self._due = 0.0

    def round(self) -> None:
        if self._api is None:
            from etcdtui.reach.api import Api  # kubernetes is slow to import, and may not be needed

            self._api = Api(self._kubeconfig, self._context)
        if time.monotonic() < self._due and self._well and not self.poked:
            # The cheapest question: does it still answer?
            self._api.get("/version", timeout=(PROBE, PROBE))
            return
        self._well = False
        facts = collect(self._api.get_list, self._api.get)
        self._well, self._due = True, time.monotonic() + FACTS_EVERY
        self.board.api(facts)
        self._on_facts(facts)

    def failed(self, error: EtcdTuiError) -> None:
        self._well = False
        self.board.api_failed(problem_of(error))

    def release(self) -> None:
        if self._api is not None:
            self._api.close()
