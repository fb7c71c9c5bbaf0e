"""The ways out of this machine that are opened when they are needed: to a host, and to the Kubernetes API."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from etcdtui.cluster.command_log import CommandLog
from etcdtui.config import ClusterConfig, Host, SshOptions
from etcdtui.errors import ConfigError
from etcdtui.reach.runner import Runner

if TYPE_CHECKING:
    from etcdtui.reach.api import Api

Connect = Callable[[Host, SshOptions], Runner]


def is_local(host: Host) -> bool:
    """``host`` is the very machine on which this runs."""
    return host.address == "local"


def connect(host: Host, options: SshOptions) -> Runner:
    """The way to a host: SSH, or none needed when its address is "local". Nothing is opened yet."""
    if is_local(host):
        from etcdtui.reach.local import LocalRunner

        return LocalRunner(host.name)
    from etcdtui.reach.ssh import SshRunner
    from etcdtui.reach.ssh_config import resolve

    return SshRunner(resolve(host, options))


class ApiWay:
    """The API for who asks it now and then; it logs in when first asked, and anew when its file changed."""

    def __init__(self, config: ClusterConfig, log: CommandLog) -> None:
        self._config, self._log = config, log
        self._lock = threading.Lock()
        self._api: Api | None = None

    def get(self) -> Api:
        """Raises ConfigError where none is configured, and as ``Api.load``."""
        if self._config.kubeconfig is None:
            raise ConfigError(
                f"No API is configured for {self._config.name}.", "Name its kubeconfig in clusters.toml."
            )
        from etcdtui.reach.api import Api  # kubernetes is slow to import, and may not be needed

        with self._lock:
            if self._api is None:
                self._api = Api(
                    self._config.kubeconfig or None,
                    self._config.context,
                    self._log,
                    read_only=self._config.read_only,
                )
            if self._api.changed or not self._api.server:
                self._api.load()
            return self._api

    def close(self) -> None:
        """Safe before the first use, and twice."""
        api = self._api
        if api is not None:
            api.close()
