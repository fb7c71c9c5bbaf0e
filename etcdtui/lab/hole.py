"""A host that is switched off: its ports say neither yes nor no."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable

from etcdtui.lab import places


class Hole:
    """Holds ports so that whoever connects hears nothing, as from a host without power.

    A closed port would refuse at once, which only a living host does. Here a queue of length nought is
    filled; Linux drops what comes after. Elsewhere, and for a port that is taken, it stays a refusal.
    """

    def __init__(self, ports: Iterable[int]) -> None:
        self._sockets: list[socket.socket] = []
        for port in ports:
            with contextlib.suppress(OSError):
                self._hold(port)

    def _hold(self, port: int) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((places.LOOPBACK, port))
        except OSError:
            listener.close()
            raise
        listener.listen(0)
        self._sockets.append(listener)
        for _ in range(2):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect((places.LOOPBACK, port))
            self._sockets.append(filler)

    def close(self) -> None:
        """Let go of the ports."""
        for held in self._sockets:
            # A connection of ours that lingers would keep the port from its owner.
            with contextlib.suppress(OSError):
                held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            held.close()
        self._sockets.clear()
