"""Watching the Kubernetes API, every ten seconds. Everything else goes on without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from etcdtui.cluster.board import Board
from etcdtui.cluster.problems import problem_of
from etcdtui.cluster.watcher import Watcher
from etcdtui.errors import EtcdTuiError
from etcdtui.model.platform import ApiFacts

if TYPE_CHECKING:
    from etcdtui.reach.api import Api


class ApiWatcher(Watcher):
    """``on_facts`` hears every good answer: it may name hosts that were not known."""

    period = 10.0

    def __init__(
        self, kubeconfig: str | None, context: str | None, board: Board, on_facts: Callable[[ApiFacts], None]
    ) -> None:
        super().__init__("api", board)
        self._kubeconfig = kubeconfig
        self._context = context
        self._on_facts = on_facts
        self._api: Api | None = None

    def round(self) -> None:
        from etcdtui.platforms.openshift import collect

        if self._api is None:
            from etcdtui.reach.api import Api  # kubernetes is slow to import, and may not be needed

            self._api = Api(self._kubeconfig, self._context)
            self._api.load()
        facts = collect(self._api.get_list, self._api.get)
        self.board.api(facts)
        self._on_facts(facts)

    def failed(self, error: EtcdTuiError) -> None:
        self.board.api_failed(problem_of(error))

    def release(self) -> None:
        if self._api is not None:
            self._api.close()
