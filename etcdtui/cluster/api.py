"""Watching the Kubernetes API: is it there, and every ten seconds what it knows. All else goes on without."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from etcdtui.cluster.board import Board
from etcdtui.cluster.problems import problem_of
from etcdtui.cluster.watcher import Watcher
from etcdtui.errors import AuthFailed, EtcdTuiError
from etcdtui.model.platform import ApiFacts
from etcdtui.platforms.openshift import collect

if TYPE_CHECKING:
    from etcdtui.reach.api import Api

FACTS_EVERY = 10.0  # seconds
PROBE = 1.2  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 120.0  # seconds between two logins; it doubles while they fail


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
        self._login_problem: EtcdTuiError | None = None
        self._login_pause, self._login_due = FIRST_PAUSE, 0.0
        self._well = False
        self._due = 0.0

    def round(self) -> None:
        if self._api is None:
            from etcdtui.reach.api import Api  # kubernetes is slow to import, and may not be needed

            self._api = Api(self._kubeconfig, self._context)
            if self.closed.is_set():
                self._api.close()
        if self._login_problem is not None or not self._api.server:
            self._log_in(self._api)
        try:
            self._ask(self._api)
        except AuthFailed as error:
            # It was accepted once, perhaps: tokens and certificates end. Read anew what there is now.
            self._log_in(self._api, error)
            self._ask(self._api)
        self._login_pause = FIRST_PAUSE

    def _log_in(self, api: Api, refused: EtcdTuiError | None = None) -> None:
        """Read the login anew; ever more seldom while that does not help, unless somebody did something.

        Raises what it raised the last time, or ``refused``, while it is left alone.
        """
        if not (self.poked or api.changed) and time.monotonic() < self._login_due:
            raise refused or self._login_problem or AssertionError("a first login is due at once")
        try:
            api.load()
            self._login_problem = None
        except EtcdTuiError as error:
            self._login_problem = error
            raise
        finally:
            self._login_due = time.monotonic() + self._login_pause
            self._login_pause = min(LONGEST_PAUSE, self._login_pause * 2)

    def _ask(self, api: Api) -> None:
        if time.monotonic() < self._due and self._well and not self.poked:
            # The cheapest question: does it still answer?
            api.get("/version", timeout=(PROBE, PROBE))
            return
        self._well = False
        facts = replace(collect(api.get_list, api.get), authenticated=api.authenticated)
        self._well, self._due = True, time.monotonic() + FACTS_EVERY
        self.board.api(facts)
        self._on_facts(facts)

    def failed(self, error: EtcdTuiError) -> None:
        self._well = False
        self.board.api_failed(problem_of(error))

    def release(self) -> None:
        if self._api is not None:
            self._api.close()
