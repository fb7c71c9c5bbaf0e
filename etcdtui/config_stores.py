"""Where a cluster's backups are kept, here and in stores, and for how long: the part of clusters.toml on it.

::

    [clusters.prod.backups]           # copies on this machine
    directory = "/srv/backups/prod"   # default ~/.local/share/etcdtui/backups/prod; mode 0700
    keep = {last = 7, days = 30}      # what stays here; nothing named: everything stays
    keep_on_hosts = {last = 2}        # what stays in the backup folders of the hosts
    max_age = 26                      # hours; a last proven backup older than this is a finding (default 24)
    age_identity = "~/.age/mine"      # opens what comes back encrypted from a store; see there

    [[clusters.prod.stores]]          # as many as wanted
    kind = "directory"                # directory, nexus or s3
    name = "nas"                      # what it is called everywhere; letters, digits, '.', '_', '-'
    path = "/mnt/nas/etcd"            # must exist
    mounted = "/mnt/nas"              # refuse it while nothing is mounted there; true: at path itself
    keep = {days = 30, daily = 7, weekly = 4, monthly = 6}
    age_recipients = ["age1…"]        # encrypt both files to these; also ssh-ed25519 … and ssh-rsa …
    age_recipients_file = "~/.age/team"   # and to those in this file, one in a line
    age_identity = "~/.age/mine"      # opens them when a backup comes back; default: that of backups

    [[clusters.prod.stores]]
    kind = "nexus"                    # a raw repository, or another server that takes HTTP PUT
    name = "nexus"
    url = "https://nexus.example.com/repository/etcd"
    prefix = "prod"                   # a folder in it
    ca = "~/nexus-ca.pem"             # its own authority
    user = "backup"                   # password: variable, keyring "etcdtui nexus", netrc; in this order
    user_env = "NEXUS_USER"           # the environment variables that hold them
    password_env = "NEXUS_PASSWORD"
    netrc = "~/.netrc"                # default $NETRC, then ~/.netrc
    plain = false                     # true allows http without TLS

    [[clusters.prod.stores]]
    kind = "s3"
    name = "minio"
    bucket = "etcd"                   # must exist
    prefix = "prod"
    endpoint = "https://minio.example.com"   # default: Amazon's
    region = "eu-central-1"
    profile = "backup"                # of ~/.aws; the credentials are found as boto finds them
    ca = "~/minio-ca.pem"
    plain = false

A ``keep`` has any of ``last`` (the newest so many), ``days`` (all younger ones), ``daily``, ``weekly`` and
``monthly`` (the newest of each of so many days, weeks, months); a backup stays when any of them wants it.
No secret belongs in the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etcdtui.config_tables import (
    absolute_of,
    file_of,
    flag_of,
    known_keys,
    nearest_of,
    number_of,
    table_of,
    text_of,
    words_of,
)
from etcdtui.errors import ConfigError
from etcdtui.model.retention import Rule

MAX_AGE = 24.0  # hours

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_COMMON = {"kind", "name", "keep", "age_recipients", "age_recipients_file", "age_identity"}
_KEYS = {
    "directory": {"path", "mounted"},
    "nexus": {"url", "prefix", "ca", "user", "user_env", "password_env", "netrc", "plain"},
    "s3": {"bucket", "prefix", "endpoint", "region", "profile", "ca", "plain"},
}
_SECRETS = {
    "password": "Name the environment variable that holds it with password_env, or use the keyring or netrc.",
    "access_key": "Use AWS_ACCESS_KEY_ID, or a profile of ~/.aws/credentials.",
    "secret_key": "Use AWS_SECRET_ACCESS_KEY, or a profile of ~/.aws/credentials.",
    "aws_access_key_id": "Use AWS_ACCESS_KEY_ID, or a profile of ~/.aws/credentials.",
    "aws_secret_access_key": "Use AWS_SECRET_ACCESS_KEY, or a profile of ~/.aws/credentials.",
}


@dataclass(frozen=True, slots=True)
class BackupsConfig:
    """Copies on this machine. ``max_age`` in hours; an empty rule keeps everything.

    ``age_identity`` is the file with what opens a backup from a store that names none.
    """

    directory: Path = Path()
    keep: Rule = field(default_factory=Rule)
    keep_on_hosts: Rule = field(default_factory=Rule)
    max_age: float = MAX_AGE
    age_identity: str | None = None


@dataclass(frozen=True, slots=True)
class DirectoryPlace:
    """A folder. ``mounted`` is it or a folder above it: it counts only while something is mounted there."""

    path: Path
    mounted: Path | None = None


@dataclass(frozen=True, slots=True)
class NexusPlace:
    """A raw repository. The variables are names of environment variables, ``netrc`` is a file."""

    url: str
    prefix: str = ""
    ca: str | None = None
    user: str | None = None
    user_env: str | None = None
    password_env: str | None = None
    netrc: str | None = None
    plain: bool = False


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket. ``endpoint`` None is Amazon's."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    ca: str | None = None
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Encryption:
    """Whom to encrypt to with age, and the file with what opens it again."""

    recipients: tuple[str, ...] = ()
    recipients_file: str | None = None
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """One store. ``encryption`` None sends the files as they are."""

    name: str
    place: DirectoryPlace | NexusPlace | S3Place
    keep: Rule = field(default_factory=Rule)
    encryption: Encryption | None = None


def backups_of(raw: Any, path: Path, where: str) -> BackupsConfig:
    """``[clusters.NAME.backups]``. Raises ConfigError."""
    table = table_of(raw, path, where)
    known_keys(table, set(BackupsConfig.__dataclass_fields__), path, where)
    max_age = number_of(table, "max_age", path, where, whole=False)
    if max_age == 0:
        raise ConfigError(f"max_age in {where} of {path} must be more than 0 hours.")
    return BackupsConfig(
        directory=absolute_of(table, "directory", path, where) or Path(),
        keep=_rule(table, "keep", path, where),
        keep_on_hosts=_rule(table, "keep_on_hosts", path, where),
        max_age=MAX_AGE if max_age is None else float(max_age),
        age_identity=file_of(table, "age_identity", path, where),
    )


def stores_of(raw: Any, path: Path, where: str) -> tuple[StoreConfig, ...]:
    """``[[clusters.NAME.stores]]``. Raises ConfigError."""
    if not isinstance(raw, list):
        raise ConfigError(f"stores of {path} must be {where} tables.")
    stores = tuple(_store(item, path, where) for item in raw)
    names = [store.name for store in stores]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"Two stores in {where} of {path} are called {name!r}.", "Call one otherwise.")
    return stores


def _store(raw: Any, path: Path, where: str) -> StoreConfig:
    table = table_of(raw, path, where)
    name = text_of(table, "name", path, where)
    if not name:
        raise ConfigError(f"A store in {where} of {path} has no name.", 'Give it one, like name = "nas".')
    if not _NAME.fullmatch(name) or name == "here":
        raise ConfigError(
            f"{name!r} in {where} of {path} cannot be the name of a store.",
            "Only letters, digits, '.', '_' and '-'; \"here\" is this machine.",
        )
    where = f"{where} {name}"
    kind = text_of(table, "kind", path, where) or ""
    if kind not in _KEYS:
        raise ConfigError(
            f"kind = {kind!r} in {where} of {path} is no kind of store."
            if kind
            else f"{where} of {path} has no kind.",
            nearest_of(kind, list(_KEYS)),
        )
    for key in table:
        if key in _SECRETS:
            raise ConfigError(f"{key} in {where} of {path}: no secret belongs in this file.", _SECRETS[key])
    known_keys(table, _COMMON | _KEYS[kind], path, where)
    return StoreConfig(
        name, _place(kind, table, path, where), _rule(table, "keep", path, where), _age(table, path, where)
    )


def _place(
    kind: str, table: Mapping[str, Any], path: Path, where: str
) -> DirectoryPlace | NexusPlace | S3Place:
    def text(key: str) -> str | None:
        return text_of(table, key, path, where)

    def file(key: str) -> str | None:
        return file_of(table, key, path, where)

    def flag(key: str) -> bool:
        return flag_of(table, key, path, where)

    main = {"directory": "path", "nexus": "url", "s3": "bucket"}[kind]
    value = text(main)
    if not value:
        raise ConfigError(f"{where} of {path} has no {main}.", f"A store of kind {kind} needs one.")
    if kind == "directory":
        folder = absolute_of(table, "path", path, where)
        assert folder is not None
        return DirectoryPlace(folder, _mount_point(table, folder, path, where))
    if kind == "nexus":
        return NexusPlace(
            value,
            prefix=text("prefix") or "",
            ca=file("ca"),
            user=text("user"),
            user_env=text("user_env"),
            password_env=text("password_env"),
            netrc=file("netrc"),
            plain=flag("plain"),
        )
    return S3Place(
        value,
        prefix=text("prefix") or "",
        endpoint=text("endpoint"),
        region=text("region"),
        profile=text("profile"),
        ca=file("ca"),
        plain=flag("plain"),
    )


def _age(table: Mapping[str, Any], path: Path, where: str) -> Encryption | None:
    recipients = words_of(table, "age_recipients", path, where, '["age1…"]')
    listed = file_of(table, "age_recipients_file", path, where)
    identity = file_of(table, "age_identity", path, where)
    if not recipients and not listed:
        if "age_recipients" in table or identity:
            # Left empty by mistake it would send every secret of the cluster as it is.
            raise ConfigError(
                f"{where} of {path} is to be encrypted, and names no recipient.",
                'Name one, like age_recipients = ["age1…"], or take the keys of age out.',
            )
        return None
    return Encryption(recipients, listed, identity)


def _mount_point(table: Mapping[str, Any], folder: Path, path: Path, where: str) -> Path | None:
    value = table.get("mounted", False)
    if isinstance(value, bool):
        return folder if value else None
    if not isinstance(value, str) or not value:
        raise ConfigError(
            f"mounted in {where} of {path} must be true, false or the folder where it is mounted.",
            "true means that path itself is a mount point.",
        )
    point = absolute_of(table, "mounted", path, where)
    if point == Path("/"):
        raise ConfigError(
            f"mounted in {where} of {path}: / is always mounted, so it shows nothing.",
            "Name the folder where the share is mounted.",
        )
    return point


def _rule(table: Mapping[str, Any], key: str, path: Path, where: str) -> Rule:
    at = f"{key} in {where}"
    keep = table_of(table.get(key, {}), path, at)
    known_keys(keep, {"last", "days", "daily", "weekly", "monthly"}, path, at)
    counts = {
        name: int(number_of(keep, name, path, at, whole=True) or 0)
        for name in ("last", "daily", "weekly", "monthly")
    }
    days = number_of(keep, "days", path, at, whole=False)
    return Rule(counts.pop("last") or None, days or None, **counts)
