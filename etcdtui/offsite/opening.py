"""From the configuration of stores to the stores, and to what encrypts on the way there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from etcdtui.config import ClusterConfig
from etcdtui.config_stores import DirectoryPlace, NexusPlace, S3Place, StoreConfig
from etcdtui.errors import ConfigError
from etcdtui.landing import Cancel, Progress
from etcdtui.offsite.keeping import Keeping, Sealing, Shelf
from etcdtui.offsite.store import Item, Store

if TYPE_CHECKING:
    from etcdtui.offsite.age import Recipients


def open_keeping(cluster: ClusterConfig) -> Keeping:
    """Where the backups of ``cluster`` are kept. Stores and recipients are opened when they are used.

    So nothing is raised here: what is wrong with a store must not keep anybody from looking at a cluster.
    """
    backups = cluster.backups
    return Keeping(
        cluster.name,
        backups.directory,
        tuple(
            Shelf(
                store.name,
                partial(open_store, store),
                store.keep,
                _sealing(store),
                _identity(store, backups.age_identity),
            )
            for store in cluster.stores
        ),
        backups.keep,
        backups.keep_on_hosts,
        backups.max_age * 3600,
    )


def open_store(config: StoreConfig, environ: Mapping[str, str] = os.environ) -> Store:
    """The store; nothing is asked of it yet, and only what its kind needs is imported.

    Raises ConfigError: a key is wrong, a variable is not set, boto3 is not installed.
    """
    match config.place:
        case DirectoryPlace(path, mounted):
            from etcdtui.offsite.directory import DirectoryStore

            return DirectoryStore(config.name, path, mounted=mounted)
        case NexusPlace() as place:
            return _open_nexus(config.name, place, environ)
        case S3Place() as place:
            from etcdtui.offsite.s3 import S3Store

            return S3Store(
                config.name,
                place.bucket,
                prefix=place.prefix,
                endpoint=place.endpoint,
                region=place.region,
                profile=place.profile,
                ca=place.ca,
                plain=place.plain,
            )


def open_recipients(config: StoreConfig) -> Recipients | None:
    """Whom ``config`` encrypts to (see ``age.seal``); None where files go as they are.

    Raises ConfigError: a recipient is malformed, pyrage is not installed.
    """
    wanted = config.encryption
    if wanted is None:
        return None
    from etcdtui.offsite.age import recipients_of

    return recipients_of(config.name, wanted.recipients, wanted.recipients_file)


def _identity(config: StoreConfig, otherwise: str | None) -> Path | None:
    """That of the store, or the one for all of them: it may have been encrypted to formerly."""
    own = config.encryption.identity if config.encryption else None
    found = own or otherwise
    return Path(found) if found else None


def _sealing(config: StoreConfig) -> Sealing | None:
    if config.encryption is None:
        return None

    @contextmanager
    def sealing(
        items: Sequence[Item], folder: Path, progress: Progress | None, cancelled: Cancel | None
    ) -> Iterator[Sequence[Item]]:
        from etcdtui.offsite.age import seal

        recipients = open_recipients(config)
        assert recipients is not None
        with seal(recipients, items, folder, progress, cancelled) as sealed:
            yield sealed

    return sealing


def _open_nexus(name: str, place: NexusPlace, environ: Mapping[str, str]) -> Store:
    from etcdtui.offsite.http import find_login
    from etcdtui.offsite.nexus import NexusStore

    if place.netrc:
        if not Path(place.netrc).is_file():
            raise ConfigError(f"{name}: there is no netrc file {place.netrc}.", "Check netrc of the store.")
        environ = {**environ, "NETRC": place.netrc}
    login = find_login(name, place.url, environ, place.user, (place.user_env, place.password_env))
    return NexusStore(name, place.url, prefix=place.prefix, login=login, ca=place.ca, plain=place.plain)
