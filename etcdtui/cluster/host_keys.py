"""Host keys that no known_hosts file names, until the user has compared them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from etcdtui.config import Host, SshOptions
from etcdtui.errors import HostKeyUnknown


class HostKeys:
    """Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unknown: dict[str, HostKeyUnknown] = {}  # by the name of the host

    def unknown(self) -> Sequence[HostKeyUnknown]:
        with self._lock:
            return tuple(self._unknown.values())

    def heard(self, host: str, key: HostKeyUnknown | None) -> None:
        """``host`` showed a key that is not known; None: it is known now, or the host is no more."""
        with self._lock:
            if key is None:
                self._unknown.pop(host, None)
            else:
                self._unknown[host] = key

    def trust(self, key: HostKeyUnknown, host_of: Callable[[str], Host | None], options: SshOptions) -> None:
        """Write it where it will be read: into the first file that ssh_config, or ours, names for that host.

        Raises ConfigError.
        """
        from etcdtui.reach.known_hosts import trust
        from etcdtui.reach.ssh_config import resolve

        with self._lock:
            named = [name for name, k in self._unknown.items() if k.line == key.line]
        host = host_of(named[0]) if named else None
        files = resolve(host, options).known_hosts if host else ()
        trust(key, Path(files[0] if files else "~/.ssh/known_hosts").expanduser())
        with self._lock:
            self._unknown = {name: k for name, k in self._unknown.items() if k.line != key.line}
