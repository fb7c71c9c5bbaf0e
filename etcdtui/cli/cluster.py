"""Which cluster the options mean, and that cluster."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from etcdtui.errors import ConfigError

if TYPE_CHECKING:
    from etcdtui.cluster import Cluster
    from etcdtui.config import ClusterConfig, Config


def _configuration(options: argparse.Namespace) -> Config:
    from etcdtui import config

    given = vars(options)
    ways = [way for way in ("config", "ssh", "kubeconfig") if way in given]
    if "config" in ways and len(ways) > 1:
        raise ConfigError(f"--config and --{ways[1]} both say which cluster: give one of them.")
    if "config" in given and "context" in given:
        raise ConfigError(
            "--context is of a kubeconfig, and --config names no kubeconfig.",
            "Write context beside kubeconfig in that file, or name the cluster with --cluster.",
        )
    changes = {"read_only": True} if given.get("read_only") else {}
    if "ssh" in given:
        api = {key: given[key] for key in ("kubeconfig", "context") if key in given}
        if api:  # a context alone is one of the kubeconfig that oc would take
            api.setdefault("kubeconfig", "")
        return config.from_ssh(given["ssh"], **api, **changes)
    if "config" in given:
        return config.load(given["config"])
    if "kubeconfig" in given or "context" in given:
        return config.from_kubeconfig(given.get("kubeconfig"), given.get("context"), **changes)
    path = config.default_path()
    if path.exists():
        return config.load(path)
    if os.environ.get("KUBECONFIG") or (Path.home() / ".kube" / "config").exists():
        return config.from_kubeconfig(None, None, **changes)
    raise ConfigError(
        f"There is no cluster to look at: no {path}, no kubeconfig, and no --ssh.",
        "Try: etcdtui --ssh core@masternode1, or etcdtui demo.",
    )


def cluster_config(options: argparse.Namespace) -> ClusterConfig:
    """Raises ConfigError."""
    from dataclasses import replace

    chosen = _configuration(options).cluster(vars(options).get("cluster"))
    return replace(chosen, read_only=True) if vars(options).get("read_only") else chosen


def cluster_of(config: ClusterConfig) -> Cluster:
    """The cluster, not yet watched, which knows what the journal of this machine tells of locks on hosts."""
    from etcdtui.cluster import Cluster
    from etcdtui.config import state_directory

    state = state_directory()

    def over(run: str) -> str:
        from etcdtui.journal import Journal
        from etcdtui.procedures import left

        return left.over(Journal(state / "journal"), run)

    return Cluster(config, state, over=over)
