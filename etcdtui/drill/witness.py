"""A cluster as the screen uses it, and a note of which member was examined when, and what was seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from etcdtui.drill.facts import Examined
from etcdtui.model.examination import examine

if TYPE_CHECKING:
    from etcdtui.cluster import Cluster
    from etcdtui.cluster.command_log import CommandRecord
    from etcdtui.cluster.live_keys import LiveKeys
    from etcdtui.errors import HostKeyUnknown
    from etcdtui.model.probe import Probe
    from etcdtui.model.view import ClusterView


class Witness:
    """Delegates everything; ``hear`` is told of every examination that came to its end."""

    def __init__(self, cluster: Cluster, hear: Callable[[Examined], None]) -> None:
        self._cluster, self._hear = cluster, hear
        self._lock = threading.Lock()

    def examine(self, member_id: int, hear: Callable[[Probe], None], /) -> Probe:
        probe = self._cluster.examine(member_id, hear)
        seen = examine(self._cluster.view(), member_id, probe)
        with self._lock:
            self._hear(Examined(self._cluster.now(), seen.name, seen.cause))
        return probe

    @property
    def name(self) -> str:
        return self._cluster.name

    @property
    def colour(self) -> str:
        return self._cluster.colour

    @property
    def read_only(self) -> bool:
        return self._cluster.read_only

    def start(self, on_change: Callable[[], None]) -> None:
        self._cluster.start(on_change)

    def view(self) -> ClusterView:
        return self._cluster.view()

    def refresh(self) -> None:
        self._cluster.refresh()

    def canonical_health(self) -> tuple[str, str, str]:
        return self._cluster.canonical_health()

    def live_keys(self, cancelled: Callable[[], bool], /) -> LiveKeys:
        return self._cluster.live_keys(cancelled)

    def command_log(self) -> Sequence[CommandRecord]:
        return self._cluster.command_log()

    def unknown_host_keys(self) -> Sequence[HostKeyUnknown]:
        return self._cluster.unknown_host_keys()

    def trust(self, key: HostKeyUnknown) -> None:
        self._cluster.trust(key)

    def close(self) -> None:
        self._cluster.close()
