"""A thread that does one thing again and again, and can be poked, paused by nothing and ended quickly."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod

from etcdtui.cluster.board import Board
from etcdtui.errors import EtcdTuiError

log = logging.getLogger(__name__)


class Watcher(ABC):
    """One source. ``period`` in seconds between the starts of two rounds."""

    period = 1.0

    def __init__(self, name: str, board: Board) -> None:
        self.name = name
        self.board = board
        self.closed = threading.Event()
        self.poked = False  # this round was asked for, not merely due
        self._poked = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    def start(self) -> None:
        self.board.source_here(self.name)
        self._thread.start()

    def poke(self) -> None:
        """Do the next round now."""
        self._poked.set()

    def close(self) -> None:
        """End soon; calls under way are cut by ``release``."""
        self.closed.set()
        self._poked.set()
        self.release()

    @abstractmethod
    def round(self) -> None:
        """One look at the source. Errors of ours are the round's result, see ``failed``."""

    @abstractmethod
    def failed(self, error: EtcdTuiError) -> None:
        """Write the error where the value would have been written."""

    def release(self) -> None:  # noqa: B027 - most watchers hold nothing
        """Close what a blocked round waits for. Called from another thread."""

    def _loop(self) -> None:
        due = time.monotonic()
        while not self.closed.is_set():
            self.poked = self._poked.is_set()
            self._poked.clear()
            began = time.monotonic()
            try:
                self.round()
            except EtcdTuiError as error:
                if not self.closed.is_set():
                    self.failed(error)
            except Exception as error:  # a bug of ours must not silence a source for ever
                log.exception("watcher %s", self.name)
                if not self.closed.is_set():
                    self.failed(EtcdTuiError(f"{self.name}: an error in etcdtui itself: {error!r}."))
            self.board.round_done(self.name, began)
            due = max(due + self.period, time.monotonic() + 0.05)
            self._poked.wait(max(0.0, due - time.monotonic()))
            if self._poked.is_set():
                due = time.monotonic()
        self.board.source_gone(self.name)
        self.release()
