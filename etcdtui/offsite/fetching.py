"""Objects of a store to this machine: streamed, hashed while they flow, gone on with, compared."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

from etcdtui.errors import Cancelled, Dropped, EtcdTuiError, NotFound, Unreachable
from etcdtui.landing import Cancel, Landing, LocalFault, Meter, Progress, landed, sha256_of, taken
from etcdtui.model.manifest import File
from etcdtui.offsite.store import Store, StoreFault, WrongDigest
from etcdtui.text import clean
from etcdtui.text import size as bytes_text

PAUSES = (1.0, 3.0, 8.0)
"""Seconds before the next attempt; from the beginning again whenever bytes have come."""


def fetch(
    store: Store,
    name: str,
    target: Path,
    *,
    size: int,
    sha256: str | None,
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
    pauses: Sequence[float] = PAUSES,
) -> File:
    """Bring the object ``name`` (``size`` bytes) to ``target``, mode 0600, all of it or nothing.

    Goes on with what an earlier attempt left in ``<target>.part`` where the store can, else from zero. What
    the store says of its digest counts for nothing: ``sha256`` in hex is what the bytes must have; None
    where nobody knows. Raises WrongDigest, Refusal (another file here, another etcdtui at it), LocalFault,
    Cancelled, and what the store raises. After each the ``.part`` stays, unless it was shown to be wrong.
    """
    if landed(target):
        if sha256_of(target, cancelled) != sha256:
            raise taken(target)
        return File(target.name, target.stat().st_size, sha256)
    with Landing(target) as landing:
        flow = _Flow(store, name, size, landing, Meter(target.name, size, progress), cancelled, pauses)
        resumed = landing.length > 0
        while True:
            made = flow.to_the_end()
            if sha256 in (None, made):
                landing.sync()
                landing.settle()
                return File(target.name, size, made)
            if not resumed:
                landing.discard()
                raise WrongDigest(
                    f"{name} of {store.name} is not what was proven: its SHA-256 is {made[:16]}… as it came, "
                    f"and its manifest says {str(sha256)[:16]}…. What came was thrown away.",
                    "Fetch it again; if this repeats, take it from another place, or another backup.",
                )
            resumed = False  # what an earlier attempt left was not the beginning of this object
            landing.take_up(0)


class _Flow:
    """One object on its way, over as many attempts as it takes."""

    def __init__(
        self,
        store: Store,
        name: str,
        size: int,
        landing: Landing,
        meter: Meter,
        cancelled: Cancel | None,
        pauses: Sequence[float],
    ) -> None:
        self._store, self._name, self._size = store, name, size
        self._landing, self._meter, self._cancelled, self._pauses = landing, meter, cancelled, pauses

    def to_the_end(self) -> str:
        """Until all bytes are here; the digest made of them, in hex."""
        quiet = 0
        while True:
            before = self._landing.length
            try:
                return self._once().hexdigest()
            except LocalFault as exc:
                if not exc.full:
                    raise
                raise LocalFault(exc.message, f"{exc.hint} {self._kept}", full=True) from exc
            except (Unreachable, StoreFault) as exc:
                quiet = 0 if self._landing.length > before else quiet
                lost = isinstance(exc, StoreFault) and not exc.again
                if isinstance(exc, WrongDigest) or lost or quiet >= len(self._pauses):
                    raise self._given_up(exc) from exc
                pause = self._pauses[quiet]
                quiet += 1
                self._meter.at(
                    self._landing.length, f"{clean(exc.message, 160)} Trying again in {pause:g} s."
                )
                self._pause(pause)

    def _once(self) -> hashlib._Hash:
        landing, size = self._landing, self._size
        begin = landing.length if landing.length <= size else 0
        digest = landing.take_up(begin, self._cancelled)
        if begin == size:
            self._meter.at(size)
            return digest
        self._look()
        fault: LocalFault | None = None
        with self._store.read_on(self._name, begin) as (really, blocks):
            if really != begin:
                note = f"{self._store.name} cannot go on in the middle; it begins again from zero."
                self._meter.at(0, note)
                digest = landing.take_up(really)
            self._meter.at(landing.length)
            for block in blocks:
                if self._cancelled and self._cancelled.is_set():
                    raise self._stopped()
                if landing.length + len(block) > size:
                    raise self._other(f"sends more than the {size} bytes")
                try:
                    landing.write(block)
                except LocalFault as exc:  # it is of this machine's disk: the store has no part in it
                    fault = exc
                    break
                digest.update(block)
                self._meter.at(landing.length)
        if fault is not None:
            raise fault
        if landing.length < size:
            raise Dropped(f"{self._store.name} ended {self._name} early, after {bytes_text(landing.length)}.")
        return digest

    def _look(self) -> None:
        found = self._store.stat(self._name)
        if found is None:
            raise NotFound(
                f"{self._store.name} has no {self._name} any more.",
                "Somebody removed it: take another place, or another backup.",
            )
        if found.size != self._size:
            raise self._other(f"has {found.size} bytes instead of the {self._size}")

    def _other(self, how: str) -> WrongDigest:
        return WrongDigest(
            f"{self._name} of {self._store.name} {how} that its manifest says.",
            "It is not what was proven: take it from another place, or another backup.",
            again=False,
        )

    def _given_up(self, exc: Unreachable | StoreFault) -> EtcdTuiError:
        """The same with what is true here: its own hint speaks of uploads."""
        if isinstance(exc, WrongDigest):
            return exc
        hint = f"Check {self._store.name} and the way to it. {self._kept}"
        if isinstance(exc, StoreFault):
            return StoreFault(exc.message, hint, again=exc.again)
        return type(exc)(exc.message, hint)

    def _stopped(self) -> Cancelled:
        return Cancelled(f"Fetching {self._name} from {self._store.name} was stopped.", self._kept)

    def _pause(self, seconds: float) -> None:
        if not self._cancelled:
            time.sleep(seconds)
        elif self._cancelled.wait(seconds):
            raise self._stopped()

    @property
    def _kept(self) -> str:
        if not self._landing.length:
            return "Nothing of it is here."
        came = f"{bytes_text(self._landing.length)} of {bytes_text(self._size)}"
        return f"{came} are kept in {self._landing.part}; the next attempt goes on from there."
