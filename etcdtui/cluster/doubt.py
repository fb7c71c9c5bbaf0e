"""Before a quorum is called lost for want of answers, others are asked to look: the host may be cut off."""

from __future__ import annotations

import time

from etcdtui.cluster.board import Board
from etcdtui.cluster.speaker import Speaker
from etcdtui.cluster.watcher import Watcher
from etcdtui.errors import EtcdTuiError
from etcdtui.model.health import Level, judge
from etcdtui.model.problems import Fault
from etcdtui.model.view import ClusterView

LOOK = 1.4  # seconds that one host is looked from


class DoubtWatcher(Watcher):
    """While the verdict is open although members were asked, looks from one host after the other."""

    period = 0.4

    def __init__(self, board: Board, speaker: Speaker) -> None:
        super().__init__("doubt", board)
        self._speaker = speaker
        self._from = ""
        self._since = 0.0

    def round(self) -> None:
        view = self.board.view()
        if not _open(view):
            self._from = ""
            if judge(view).level is not Level.NO_QUORUM:
                self.board.seen_from(())
            return
        if view.speaking != self._from:
            self._from, self._since = view.speaking, time.monotonic()
        if time.monotonic() - self._since < LOOK or view.speaking in view.seen_from:
            return
        seen = (*view.seen_from, view.speaking)
        self.board.seen_from(seen)
        self._speaker.another(seen)

    def failed(self, error: EtcdTuiError) -> None:
        """It reads the board alone: there is nothing that could fail."""


def _open(view: ClusterView) -> bool:
    health = judge(view)
    asked = [row for row in health.members if row.problem and row.problem.fault is not Fault.NOT_ASKED]
    return bool(view.speaking and asked) and health.level is Level.UNKNOWN
