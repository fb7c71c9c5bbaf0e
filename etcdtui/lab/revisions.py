"""What the container etcd-rev does: it writes down how far etcd has come, for a restore to go beyond it."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING

from etcdtui.lab import places
from etcdtui.lab.certificates import write_private
from etcdtui.lab.documents import now

if TYPE_CHECKING:
    from etcdtui.lab.fleet import Fleet, Host
    from etcdtui.lab.members import Monitor

FILE = f"{places.DATA}/revision.json"
INTERVAL = 5.0  # seconds; the real one takes a minute


class Revisions:
    """Keeps ``revision.json`` on every host on which that container runs, while a member answers."""

    def __init__(self, fleet: Fleet, monitor: Monitor) -> None:
        self._fleet, self._monitor = fleet, monitor
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="revisions", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write no more."""
        self._stopping.set()

    def _work(self) -> None:
        while not self._stopping.wait(INTERVAL):
            with contextlib.suppress(OSError):
                self._write()

    def _write(self) -> None:
        found, cluster = {}, ""
        for host in self._fleet.hosts:
            if self._monitor.healthy(host.node.name):
                status = self._monitor.post(host.node.name, "/v3/maintenance/status", {})
                found[host.node.client_url] = int(status.get("raftIndex", 0))
                cluster = status.get("header", {}).get("cluster_id", "")
        if not found:
            return
        told = {"clusterId": cluster, "raftIndex": found, "maxRaftIndex": max(found.values())}
        text = json.dumps({**told, "created": now()})
        for host in self._fleet.hosts:
            if _runs(host):
                write_private(host.node.at(FILE), text.encode())


def _runs(host: Host) -> bool:
    if not host.ready or host.kubelet.pid is None or not host.node.at(f"{places.DATA}/member/wal").exists():
        return False
    return any(c.name == "etcd-rev" for c in host.kubelet.containers("etcd"))
