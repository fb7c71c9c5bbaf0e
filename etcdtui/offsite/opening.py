"""From the configuration of a store to the store, and to what encrypts on the way there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from etcdtui.config_stores import DirectoryPlace, NexusPlace, S3Place, StoreConfig
from etcdtui.errors import ConfigError
from etcdtui.offsite.keeping import Sealing
from etcdtui.offsite.store import Store


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


def open_seal(config: StoreConfig) -> Sealing | None:
    """What encrypts files for this store (``age.seal``); None where they go as they are.

    Raises ConfigError: a recipient is malformed, pyrage is not installed.
    """
    wanted = config.encryption
    if wanted is None:
        return None
    from etcdtui.offsite.age import recipients_of, seal

    return partial(seal, recipients_of(config.name, wanted.recipients, wanted.recipients_file))


def _open_nexus(name: str, place: NexusPlace, environ: Mapping[str, str]) -> Store:
    from etcdtui.offsite.http import find_login
    from etcdtui.offsite.nexus import NexusStore

    if place.netrc:
        if not Path(place.netrc).is_file():
            raise ConfigError(f"{name}: there is no netrc file {place.netrc}.", "Check netrc of the store.")
        environ = {**environ, "NETRC": place.netrc}
    login = find_login(name, place.url, environ, place.user, (place.user_env, place.password_env))
    return NexusStore(name, place.url, prefix=place.prefix, login=login, ca=place.ca, plain=place.plain)
