"""The host through which etcd is asked: chosen among those that answer, changed when it falls silent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from etcdtui.cluster.board import Board
from etcdtui.errors import Unreachable
from etcdtui.platforms.openshift import HostAccess
from etcdtui.reach.runner import Runner


@dataclass(frozen=True, slots=True)
class Voice:
    """The chosen host. ``turn`` grows with each change, so that old pipes are recognised."""

    host: str
    runner: Runner
    access: HostAccess
    sudo: tuple[str, ...]
    turn: int


class Speaker:
    """Keeps one voice while its host answers; ``on_change`` is called after each change."""

    def __init__(self, board: Board, on_change: Callable[[], None]) -> None:
        self._board = board
        self._on_change = on_change
        self._preferred = ""
        self._lock = threading.Lock()
        self._able: dict[str, tuple[Runner, HostAccess, tuple[str, ...]]] = {}
        self._voice: Voice | None = None
        self._turn = 0

    def prefer(self, host: str) -> None:
        """The host to choose while it is able: the one of the last time."""
        with self._lock:
            self._preferred = host

    def voice(self) -> Voice:
        """Raises Unreachable while no host can be spoken through."""
        with self._lock:
            if self._voice is None:
                raise Unreachable(
                    "No control plane host can be used to ask etcd.", "See the findings on each host."
                )
            return self._voice

    def able(self, host: str, runner: Runner, access: HostAccess, sudo: tuple[str, ...]) -> None:
        """``host`` answers and knows how to ask etcd."""
        with self._lock:
            self._able[host] = (runner, access, sudo)
            better = self._voice is None or (self._voice.host == host and self._voice.access != access)
        if better:
            self._choose()

    def unable(self, host: str) -> None:
        """``host`` fell silent or cannot ask etcd."""
        with self._lock:
            self._able.pop(host, None)
            mine = self._voice is not None and self._voice.host == host
        if mine:
            self._choose()

    def another(self) -> None:
        """Look from another host, for the present one may be the cut-off one."""
        with self._lock:
            names = sorted(self._able)
            if self._voice is None or len(names) < 2:
                return
            place = names.index(self._voice.host) if self._voice.host in names else -1
            self._preferred = names[(place + 1) % len(names)]
        self._choose()

    def _choose(self) -> None:
        with self._lock:
            if not self._able:
                self._voice = None
            else:
                host = self._preferred if self._preferred in self._able else sorted(self._able)[0]
                self._turn += 1
                self._voice = Voice(host, *self._able[host], self._turn)
            name = self._voice.host if self._voice else ""
        self._board.speak(name)
        self._on_change()
