"""The steady small writes of a living cluster: leases renewed through the API server, while it is there."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from etcdtui.lab.members import Gateway, Monitor

if TYPE_CHECKING:
    from etcdtui.lab.places import Node, Plan

PREFIX = "/kubernetes.io/leases/renewed/"
HOLDERS = 12  # keys that are written again and again, no others
INTERVAL = 0.25  # seconds between two writes
_DEADLINE = 2.0


class Renewals:
    """Writes while ``served`` says that an API server is up; through a member that is well."""

    def __init__(self, plan: Callable[[], Plan], monitor: Monitor, served: Callable[[], bool]) -> None:
        self._plan, self._monitor, self._served = plan, monitor, served
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="renewals", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write no more."""
        self._stopping.set()

    def _renew(self) -> None:
        turn = 0
        gateways: dict[Node, Gateway] = {}
        while not self._stopping.wait(INTERVAL):
            well = [node for node in self._plan().nodes if self._monitor.healthy(node.name)]
            if not well or not self._served():
                continue
            turn += 1
            key = f"{PREFIX}holder-{turn % HOLDERS:02d}".encode()
            value = f"renewed {time.time():.3f} ".encode().ljust(320, b".")
            node = well[turn % len(well)]
            try:
                gateways.setdefault(node, Gateway(node, _DEADLINE)).post(
                    "/v3/kv/put",
                    {"key": base64.b64encode(key).decode(), "value": base64.b64encode(value).decode()},
                )
            except OSError:
                continue  # a renewal that failed is made up for by the next
        for gateway in gateways.values():
            gateway.close()
