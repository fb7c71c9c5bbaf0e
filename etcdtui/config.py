"""clusters.toml to a frozen configuration. A wrong key is an error that names file, key and nearest match."""

from __future__ import annotations

import getpass
import os
import re
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from etcdtui.config_stores import BackupsConfig, StoreConfig, backups_of, stores_of
from etcdtui.config_tables import (
    file_of,
    flag_of,
    known_keys,
    nearest_of,
    no_nul,
    port_of,
    table_of,
    text_of,
)
from etcdtui.errors import ConfigError
from etcdtui.model.file_names import safe
from etcdtui.platforms.layout import PATH_FIELDS, Layout
from etcdtui.text import reason

_CLUSTER_KEYS = {
    "hosts",
    "ssh",
    "layout",
    "kubeconfig",
    "context",
    "colour",
    "read_only",
    "backups",
    "stores",
}
COLOURS = ("", "red", "orange", "yellow", "green", "blue", "purple", "grey")


@dataclass(frozen=True, slots=True)
class Host:
    """A control plane host as the configuration names it. ``address`` is what SSH connects to."""

    name: str
    address: str
    port: int | None = None
    user: str | None = None
    layout: Layout = field(default_factory=Layout)


@dataclass(frozen=True, slots=True)
class SshOptions:
    """How to log in where ssh_config does not say. ``config`` "none" reads no ssh_config at all."""

    user: str | None = None
    port: int | None = None
    identity: str | None = None
    known_hosts: str | None = None
    config: str | None = None


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """One cluster. ``discover`` adds the hosts that the API and the member list name.

    ``backups.directory`` is filled in where the configuration names none.
    """

    name: str
    hosts: tuple[Host, ...] = ()
    discover: bool = False
    ssh: SshOptions = field(default_factory=SshOptions)
    layout: Layout = field(default_factory=Layout)
    kubeconfig: str | None = None
    context: str | None = None
    colour: str = ""
    read_only: bool = False
    backups: BackupsConfig = field(default_factory=BackupsConfig)
    stores: tuple[StoreConfig, ...] = ()

    def __post_init__(self) -> None:
        if not self.backups.directory.parts:
            filled = replace(self.backups, directory=backups_directory(self.name))
            object.__setattr__(self, "backups", filled)


@dataclass(frozen=True, slots=True)
class Config:
    """All clusters, in the order of the file."""

    clusters: tuple[ClusterConfig, ...]
    path: Path | None = None

    def cluster(self, name: str | None) -> ClusterConfig:
        """The cluster called ``name``, or the first. Raises ConfigError."""
        if name is None:
            return self.clusters[0]
        for cluster in self.clusters:
            if cluster.name == name:
                return cluster
        names = [c.name for c in self.clusters]
        raise ConfigError(f"There is no cluster {name!r}{_in(self.path)}.", nearest_of(name, names))


def default_path() -> Path:
    """``~/.config/etcdtui/clusters.toml``, XDG_CONFIG_HOME respected."""
    return _xdg("XDG_CONFIG_HOME", ".config") / "clusters.toml"


def from_kubeconfig(kubeconfig: str | None, context: str | None, **changes: Any) -> Config:
    """A kubeconfig alone: the control plane nodes are found through the API, and logged in to as core.

    The cluster is called after its API server, for every OpenShift's context is called admin.
    """
    name = _server_of(kubeconfig, context) or context or "cluster"
    cluster = ClusterConfig(
        name, discover=True, ssh=SshOptions(user="core"), kubeconfig=kubeconfig or "", context=context
    )
    return Config((replace(cluster, **changes),))


def _server_of(kubeconfig: str | None, context: str | None) -> str:
    """The name of the API server; empty when it cannot be found here (the API's own errors tell why)."""
    import yaml

    listed = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    try:
        raw = yaml.safe_load(
            Path(os.path.expanduser(listed.split(os.pathsep)[0])).read_text(encoding="utf-8")
        )
        wanted = context or raw["current-context"]
        chosen = next(c["context"]["cluster"] for c in raw["contexts"] if c["name"] == wanted)
        server = next(c["cluster"]["server"] for c in raw["clusters"] if c["name"] == chosen)
        return (urlsplit(str(server)).hostname or "").removeprefix("api.")
    except (OSError, ValueError, KeyError, TypeError, StopIteration, yaml.YAMLError):
        return ""


def user_name() -> str:
    """Who runs etcdtui; the number of one without a name, as in a pod of OpenShift."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def state_directory() -> Path:
    """``~/.local/state/etcdtui``: journals and the last known inventory. XDG_STATE_HOME respected."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def backups_directory(cluster: str) -> Path:
    """``~/.local/share/etcdtui/backups/CLUSTER``: copies of backups. XDG_DATA_HOME respected."""
    folder = re.sub(r"^\.", "_", safe(cluster)) or "_"
    return _xdg("XDG_DATA_HOME", ".local/share") / "backups" / folder


def load(path: Path) -> Config:
    """Read a clusters.toml. Raises ConfigError."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(
            f"There is no configuration file {path}.", "Name one with --config, or a host with --ssh."
        ) from exc
    except OSError as exc:
        raise ConfigError(f"The configuration file {path} cannot be read: {reason(exc)}.") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"The configuration file {path} cannot be read: it is not UTF-8.") from exc
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}.") from exc
    except ValueError as exc:  # the only one beside: Python reads no number of more than 4300 digits
        raise ConfigError(
            f"{path} holds a number of thousands of digits.", "Take it out; no key needs such a one."
        ) from exc
    no_nul(raw, path)
    known_keys(raw, {"clusters"}, path, "the file")
    tables = raw.get("clusters")
    if not isinstance(tables, dict) or not tables:
        raise ConfigError(f"{path} names no cluster.", "It needs at least one [clusters.NAME] table.")
    return Config(tuple(_cluster(name, table, path) for name, table in tables.items()), path)


def from_ssh(target: str, **changes: Any) -> Config:
    """``core@masternode1`` or ``core@masternode1:2222`` without any configuration. Raises ConfigError."""
    user, _, rest = target.rpartition("@")
    address, port = rest, None
    if rest.startswith("["):
        address, closed, after = rest[1:].partition("]")
        text = after.removeprefix(":")
        if not closed:
            raise ConfigError(
                f"--ssh {target!r} opens a bracket and does not close it.", "As in core@[fd00::1]."
            )
    else:
        address, _, text = rest.partition(":") if rest.count(":") == 1 else (rest, "", "")
    if text:
        port = port_of(text, f"--ssh {target}")
    if not address or address.startswith("-"):
        raise ConfigError(f"--ssh {target!r} names no host.", "Write it as core@masternode1.")
    host = Host(address, address, port, user or None)
    return Config((replace(ClusterConfig(name=address, hosts=(host,), discover=True), **changes),))


def _cluster(name: str, table: Any, path: Path) -> ClusterConfig:
    where = f"[clusters.{name}]"
    table_of(table, path, where)
    known_keys(table, _CLUSTER_KEYS, path, where)
    ssh_table = table_of(table.get("ssh", {}), path, f"[clusters.{name}.ssh]")
    known_keys(ssh_table, set(SshOptions.__dataclass_fields__), path, f"[clusters.{name}.ssh]")
    ssh = SshOptions(
        user=text_of(ssh_table, "user", path, where),
        port=port_of(ssh_table["port"], f"port in [clusters.{name}.ssh] of {path}")
        if "port" in ssh_table
        else None,
        identity=file_of(ssh_table, "identity", path, where),
        known_hosts=file_of(ssh_table, "known_hosts", path, where),
        config=file_of(ssh_table, "config", path, where),
    )
    layout = _layout(Layout(), table.get("layout", {}), path, f"[clusters.{name}.layout]")
    colour = text_of(table, "colour", path, where) or ""
    if colour not in COLOURS:
        raise ConfigError(
            f"colour = {colour!r} in {where} of {path} is not one of {', '.join(COLOURS[1:])}.",
            nearest_of(colour, COLOURS),
        )
    hosts = table.get("hosts", [])
    if not isinstance(hosts, list):
        raise ConfigError(f"hosts in {where} of {path} must be [[clusters.{name}.hosts]] tables or names.")
    return ClusterConfig(
        name=name,
        hosts=tuple(_host(item, layout, path, f"[[clusters.{name}.hosts]]") for item in hosts),
        discover=not hosts,
        ssh=ssh,
        layout=layout,
        kubeconfig=file_of(table, "kubeconfig", path, where),
        context=text_of(table, "context", path, where),
        colour=colour,
        read_only=flag_of(table, "read_only", path, where),
        backups=backups_of(table.get("backups", {}), path, f"[clusters.{name}.backups]"),
        stores=stores_of(table.get("stores", []), path, f"[[clusters.{name}.stores]]"),
    )


def _host(item: Any, layout: Layout, path: Path, where: str) -> Host:
    if isinstance(item, str):
        return Host(item, item, layout=layout)
    table_of(item, path, where)
    known_keys(item, {"name", "address", "port", "user", "layout"}, path, where)
    name = text_of(item, "name", path, where) or text_of(item, "address", path, where)
    if not name:
        raise ConfigError(f"A host in {where} of {path} has neither name nor address.")
    return Host(
        name=name,
        address=text_of(item, "address", path, where) or name,
        port=port_of(item["port"], f"port of {name} in {path}") if "port" in item else None,
        user=text_of(item, "user", path, where),
        layout=_layout(layout, item.get("layout", {}), path, where.replace("hosts", "hosts.layout")),
    )


def _layout(base: Layout, table: Any, path: Path, where: str) -> Layout:
    table_of(table, path, where)
    known_keys(table, {*PATH_FIELDS, "sudo"}, path, where)
    changes: dict[str, Any] = {key: text_of(table, key, path, where) for key in table if key != "sudo"}
    for key, value in changes.items():
        if value and not value.startswith("/"):
            raise ConfigError(f"{key} = {value!r} in {where} of {path} must be an absolute path.")
    if "sudo" in table:
        words = table["sudo"]
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ConfigError(f'sudo in {where} of {path} must be a list of words, like ["sudo", "-n"].')
        changes["sudo"] = tuple(words)
    return replace(base, **changes)


def _in(path: Path | None) -> str:
    return f" in {path}" if path else ""


def _xdg(variable: str, fallback: str) -> Path:
    base = os.environ.get(variable)
    return (Path(base) if base and os.path.isabs(base) else Path.home() / fallback) / "etcdtui"
