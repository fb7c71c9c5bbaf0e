"""The host through which etcd is asked: chosen among those that answer, changed when it falls silent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container
from dataclasses import dataclass

from etcdtui.cluster.board import Board
from etcdtui.errors import Unreachable
from etcdtui.etcd.commands import ClientAccess
from etcdtui.model.health import judge
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

    def voices(self) -> tuple[Voice, ...]:
        """Every host through which etcd can be asked now."""
        with self._lock:
            return tuple(Voice(host, *self._able[host], self._turn) for host in self._ranked())

    def etcdctl(self, avoid: str = "") -> tuple[str, ClientAccess]:
        """A host with an etcdctl, and how it is run there; never ``avoid``. Where its member is well is taken
        first, for etcdctl runs in that container; of these the chosen one.

        For commands that are shown now and run later: no ID of a container is in them, which a rollout ends.
        Raises Unreachable while there is none.
        """
        well = {row.host.name for row in judge(self._board.view()).members if row.well and row.host}
        with self._lock:
            chosen = self._voice.host if self._voice else ""
            for host in sorted(self._ranked(), key=lambda name: (name not in well, name != chosen)):
                _, access, sudo = self._able[host]
                if access.can_etcdctl and host != avoid:
                    return host, access.client(sudo).lasting
        raise Unreachable(
            "No control plane host with an etcdctl can be reached.", "See the findings on each host."
        )

    def able(self, host: str, runner: Runner, access: HostAccess, sudo: tuple[str, ...]) -> None:
        """``host`` answers and knows how to ask etcd."""
        with self._lock:
            self._able[host] = (runner, access, sudo)
            stays = self._voice is not None and not (
                self._voice.host == host and self._voice.access != access
            )
            if stays and self._voice is not None:
                self._board.speak(self._voice.host, len(self._able))
        if not stays:
            self._choose()

    def unable(self, host: str) -> None:
        """``host`` fell silent or cannot ask etcd."""
        with self._lock:
            self._able.pop(host, None)
            mine = self._voice is not None and self._voice.host == host
        if mine:
            self._choose()

    def another(self, seen: Container[str]) -> bool:
        """Look from a host that is not in ``seen``. False when there is none."""
        with self._lock:
            unseen = [host for host in self._ranked() if host not in seen]
            if not unseen:
                return False
            self._preferred = unseen[0]
        self._choose()
        return True

    def _ranked(self) -> list[str]:
        """The able hosts, those with a warm pipe before those with etcdctl alone."""
        return sorted(self._able, key=lambda host: (not self._able[host][1].can_pipe, host))

    def _choose(self) -> None:
        with self._lock:
            if not self._able:
                self._voice = None
            else:
                host = self._preferred if self._preferred in self._able else self._ranked()[0]
                self._turn += 1
                self._voice = Voice(host, *self._able[host], self._turn)
            # Under the lock, so that what is shown is never an older choice.
            self._board.speak(self._voice.host if self._voice else "", len(self._able))
        self._on_change()
