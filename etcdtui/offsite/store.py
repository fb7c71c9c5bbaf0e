"""What every store can do, and how files are shelved: uploaded, asked for again, compared."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from etcdtui.errors import Cancelled, ConfigError, EtcdTuiError, Refusal
from etcdtui.landing import BLOCK, Cancel, Meter, Progress, sha256_of
from etcdtui.model.manifest import File
from etcdtui.text import clean

SILENCE = 60.0
"""Seconds without a byte from a store until it counts as stalled."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


class StoreFault(EtcdTuiError):
    """A store did not do what it was asked. ``again`` tells whether the same upload may work later."""

    def __init__(self, message: str, hint: str = "", *, again: bool = True) -> None:
        super().__init__(message, hint)
        self.again = again


class StoreFull(StoreFault):
    """A store has no room for the object, or does not take any so large."""


class WrongDigest(StoreFault):
    """What a store holds is not what was sent."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in a store. ``size`` in bytes, ``modified`` in epoch seconds, ``digest`` its SHA-256 in hex.

    ``digest`` is what the store says, None when it says none; the same for ``modified``.
    """

    name: str
    size: int
    modified: float | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A local file to be shelved as ``name``. ``sha256`` in hex is what it is known to have."""

    path: Path
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Shelved:
    """A file that is in the store now. ``how`` tells in a few words what showed that it is the same."""

    name: str
    size: int
    sha256: str
    how: str


class Store(Protocol):
    """A place outside the cluster. Names are relative, with ``/`` between parts (``check_name``).

    Every method raises StoreFault and its kin, AuthFailed, Forbidden, NotFound, TlsFailed, Unreachable and
    its kin; those with ``cancelled`` also Cancelled. No method may be called by two threads at once.
    """

    @property
    def name(self) -> str:
        """What the configuration calls it."""

    def put(
        self,
        file: Path,
        name: str,
        digest: str,
        progress: Progress | None = None,
        cancelled: Cancel | None = None,
    ) -> None:
        """Upload all of ``file`` or nothing; never over another object (then Refusal)."""

    def list(self, under: str = "") -> Sequence[Stored]:
        """All objects below the place that the configuration names, or only those of the folder ``under``."""

    def stat(self, name: str) -> Stored | None:
        """One object, None when there is none."""

    def read_back(self, name: str) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes of an object, in blocks. Raises NotFound."""

    def read_on(self, name: str, begin: int) -> AbstractContextManager[tuple[int, Iterator[bytes]]]:
        """The bytes of an object from ``begin`` (less than its size) on, in blocks, and where they really
        begin: at 0 when the store cannot begin elsewhere. Raises NotFound."""

    def delete(self, name: str) -> None:
        """Take one object away; no error when there is none."""


def shelve(
    store: Store,
    items: Sequence[Item],
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
) -> tuple[Shelved, ...]:
    """Bring ``items`` into ``store`` in this order; the last (the manifest) shows that all are there.

    What the store has already is compared and not sent again. After an upload the store is asked again;
    where it tells no digest, the object is read back. An object shown to be wrong that we have just sent is
    taken away. Raises Refusal when another object has a name, WrongDigest, and what the store raises.
    """
    done: list[Shelved] = []
    for item in items:
        check_name(item.name)
        if sha256_of(item.path, cancelled) != item.sha256:
            raise Refusal(
                f"{item.path} is not what was proven: its SHA-256 is another. "
                f"It is not sent to {store.name}.",
                "Bring the backup off the cluster again.",
            )
        before = store.stat(item.name)
        if before is None:
            store.put(item.path, item.name, item.sha256, progress, cancelled)
        found = store.stat(item.name)
        size = item.path.stat().st_size
        try:
            how = _compared(store, item, size, found, progress, cancelled)
        except WrongDigest as exc:
            if before is not None:
                raise taken(store.name, item.name) from exc
            raise WrongDigest(exc.message, _taken_away(store, item.name)) from exc
        done.append(Shelved(item.name, size, item.sha256, how))
    return tuple(done)


def _compared(
    store: Store,
    item: Item,
    size: int,
    found: Stored | None,
    progress: Progress | None,
    cancelled: Cancel | None,
) -> str:
    if found is None:
        raise StoreFault(
            f"{store.name} took {item.name} and has no such object now.",
            "Look into the store's own log; the local copy stays.",
        )
    if found.size != size:
        raise WrongDigest(f"{item.name} has {found.size} bytes in {store.name}, and {size} here.")
    how, there = "the store's SHA-256", found.digest
    if there is None:
        how, there = "read back", digest_of(store, item.name, size, progress, cancelled)
    if there.lower() != item.sha256:
        raise WrongDigest(
            f"{item.name} is not the same in {store.name}: its SHA-256 is {clean(there[:16])}… there and "
            f"{item.sha256[:16]}… here ({how})."
        )
    return how


def already_in(
    store: Store,
    name: str,
    known: Collection[File],
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
) -> Shelved | None:
    """The object ``name``, when size and SHA-256 are those of one of ``known``; else None.

    It is read back where the store tells no digest. Raises as ``Store.read_back``, and Cancelled.
    """
    there = store.stat(name)
    if there is None or there.size not in {file.size for file in known}:
        return None
    how, digest = "the store's SHA-256", there.digest
    if digest is None:
        how, digest = "read back", digest_of(store, name, there.size, progress, cancelled)
    if (there.size, digest.lower()) not in {(file.size, file.sha256) for file in known}:
        return None
    return Shelved(name, there.size, digest.lower(), how)


def digest_of(
    store: Store, name: str, size: int, progress: Progress | None = None, cancelled: Cancel | None = None
) -> str:
    """The SHA-256 of an object, by reading all of it. Raises as ``Store.read_back``, and Cancelled."""
    digest, meter, done = hashlib.sha256(), Meter(f"{name} read back", size, progress), 0
    with store.read_back(name) as blocks:
        for block in blocks:
            digest.update(block)
            done += len(block)
            meter.at(done)
            if cancelled and cancelled.is_set():
                raise stopped(name, store.name)
    return digest.hexdigest()


def blocks_of(
    file: Path, meter: Meter, stop: Cancelled, cancelled: Cancel | None
) -> Generator[bytes, None, None]:
    """A local file in blocks, telling how far it is; raises ``stop`` when it is cancelled. To be closed."""
    with file.open("rb", buffering=0) as source:
        done = 0
        meter.at(0)
        while block := source.read(BLOCK):
            if cancelled and cancelled.is_set():
                raise stop
            yield block
            done += len(block)
            meter.at(done)


def check_name(name: str) -> str:
    """``name``, when it can be one in every store. Raises ConfigError."""
    if len(name) > 900 or not _NAME.fullmatch(name):
        raise ConfigError(
            f"{clean(name)!r} cannot be the name of an object.",
            "Only letters, digits, '.', '_' and '-', with '/' between parts that begin with none of '.-'.",
        )
    return name


def stopped(name: str, store: str) -> Cancelled:
    return Cancelled(
        f"Bringing {name} to {store} was stopped.", "The local copy stays; it can be sent again."
    )


def taken(store: str, name: str) -> Refusal:
    return Refusal(
        f"{store} has another object called {name}; it is not overwritten.",
        "Look at it there, and move it away if it is not wanted.",
    )


def secret(environ: Mapping[str, str], variable: str | None, where: str) -> str | None:
    """The value of an environment variable the configuration names. Raises ConfigError when it is not set."""
    if not variable:
        return None
    value = environ.get(variable)
    if not value:
        raise ConfigError(
            f"The environment variable {variable}, which {where} logs in with, is not set.",
            "Set it where etcdtui is started; it is never written to a file.",
        )
    return value


def _taken_away(store: Store, name: str) -> str:
    """Take what we sent and is wrong away again; what is true then, and what to do."""
    stays = f"the local copy stays. If this repeats, do not rely on {store.name}."
    try:
        store.delete(name)
    except EtcdTuiError as exc:
        return f"A wrong object {name} is still there ({exc.message.rstrip('.')}): take it away; {stays}"
    return f"It was taken away there again; {stays}"
