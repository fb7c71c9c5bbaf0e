"""The hosts of a cluster, configured and found, and which of them are one machine."""

from __future__ import annotations

import threading

from etcdtui.cluster.discovery import Identity, Known, found_host, identity_of, twins
from etcdtui.config import ClusterConfig, Host
from etcdtui.platforms.openshift import HostAccess


class Roster:
    """Safe from any thread. What turned out to be one machine stays one until the program ends."""

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._configured = frozenset(host.name for host in config.hosts)
        self._lock = threading.Lock()
        self._hosts: dict[str, Host] = {}
        self._identities: dict[str, Identity] = {}
        self._twins: dict[str, str] = {}  # a name that was found to the name of the host that it is

    def add(self, host: Host) -> None:
        with self._lock:
            self._hosts[host.name] = host

    def kept(self, name: str) -> str:
        """The name under which we know the host that is called ``name``."""
        with self._lock:
            return self._twins.get(name, name)

    def host(self, name: str) -> Host | None:
        with self._lock:
            return self._hosts.get(self._twins.get(name, name))

    def hosts(self) -> tuple[Host, ...]:
        with self._lock:
            return tuple(self._hosts.values())

    def find(self, name: str, address: str) -> Host | str | None:
        """What a name is that nobody configured: a new host, or the name of the one that it is.

        None when that was found before, or is reached where another host is. Raises UnexpectedOutput for
        what cannot be a host's name.
        """
        host = found_host(name, address, self._config)
        with self._lock:
            if name in self._hosts or name in self._twins:
                return None
            known = self._known()
            same = twins([*known, Known(name, host.address, True)]).get(name)
            if same is None:
                return None if any(other.has(host.address) for other in known) else host
            self._twins[name] = same
            return same

    def identified(self, name: str, access: HostAccess) -> dict[str, str]:
        """A host told what it is. Found hosts that are therefore another one, and which; they are no more."""
        with self._lock:
            if name not in self._hosts:
                return {}
            self._identities[name] = identity_of(access)
            same = twins(self._known())
            self._twins.update(same)
            for gone in same:
                del self._hosts[gone]
            return same

    def _known(self) -> list[Known]:
        return [
            Known(host.name, host.address, host.name not in self._configured, self._identities.get(host.name))
            for host in self._hosts.values()
        ]
