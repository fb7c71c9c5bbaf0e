"""Looking into backups that are here: what they hold, whether they are still whole, what differs, where an
object is. Everything in here blocks, tells how far it is, and ends when it is asked to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from etcdtui.errors import Cancelled, EtcdTuiError, Refusal
from etcdtui.etcd.comparing import compare_entries, compare_live
from etcdtui.etcd.contents import Contents, Entry
from etcdtui.etcd.listing import LiveKey
from etcdtui.etcd.resources import prove_resources
from etcdtui.etcd.snapshot import prove
from etcdtui.model.against import resources_against, snapshot_against
from etcdtui.model.changes import Differences, differences
from etcdtui.model.contents import Summary
from etcdtui.model.file_names import manifest_name
from etcdtui.model.manifest import Manifest
from etcdtui.model.places import HERE, Backup, PlacedSet
from etcdtui.model.proof import Check, Outcome, Proof, ResourcesProof
from etcdtui.procedures.manifests import refute

if TYPE_CHECKING:
    from etcdtui.procedures.rehearsal import Rehearsed

PASSES = 2  # over the keys of a snapshot: which of them live, and then these


class Look:
    """How far a look is, and the wish to end it: shared by the thread that looks and the one that waits."""

    def __init__(self) -> None:
        self.what = ""
        self.done = self.total = 0  # total 0: not known
        self._stop = threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def stopped(self) -> bool:
        return self._stop.is_set()

    def at(self, what: str, done: int = 0, total: int = 0) -> None:
        self.what, self.done, self.total = what, min(done, total), total


class LiveKeys(Protocol):
    """The keys of a running cluster at one revision; that and the total are 0 before the first is told."""

    @property
    def revision(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def read(self) -> int: ...

    def __iter__(self) -> Iterator[LiveKey]: ...


@dataclass(frozen=True, slots=True)
class Again:
    """What a new proof of the files here has found. ``against`` compares them with their manifest."""

    snapshot: Proof
    resources: ResourcesProof | None
    against: tuple[Check, ...] = ()

    @property
    def checks(self) -> tuple[Check, ...]:
        return (*self.snapshot.checks, *(self.resources.checks if self.resources else ()), *self.against)

    @property
    def good(self) -> bool:
        """Both files are there, and every check was made and passed."""
        return self.resources is not None and all(check.ok for check in self.checks)


@dataclass(frozen=True, slots=True)
class Found:
    """What one backup says of the object that is looked for; ``trouble`` why it cannot be asked."""

    backup: Backup
    entries: tuple[Entry, ...] = ()
    trouble: str = ""


def copy_here(backup: Backup) -> PlacedSet | None:
    """The copy on this machine whose snapshot can be read, if there is one."""
    there = [c for c in backup.copies if c.place == HERE and c.set.snapshot is not None and not c.encrypted]
    return next((c for c in there if c.proven), there[0] if there else None)


def snapshot_here(backup: Backup) -> Path:
    """Raises Refusal when no copy is here."""
    copy = copy_here(backup)
    if copy is None or copy.set.snapshot is None:
        raise Refusal(
            f"The backup {backup.stamp} is not on this machine, so nothing can be looked up in it.",
            "Bring it here first.",
        )
    return Path(copy.set.directory) / copy.set.snapshot.name


def contents(backup: Backup, look: Look) -> Summary:
    """What lives in it. Raises Refusal, Damaged, Unreadable, Cancelled."""
    with _opened(backup, look, PASSES + 1) as opened:
        return opened.summary()


def summary_of(path: Path, progress: Callable[[int, int], None]) -> Summary:
    """What lives in a snapshot that was proven. ``progress``: pages that were read, and all of them.

    Raises Damaged, Unreadable.
    """
    with _watched(path, PASSES + 1, progress, lambda: False) as opened:
        return opened.summary()


def prove_again(backup: Backup, look: Look) -> Again:
    """Read both files here from beginning to end. Raises Refusal, Unreadable, Cancelled, LocalFault.

    Where that shows them to be bad, their manifest is put aside: nobody is to rely on this copy any longer.
    """
    path, copy = snapshot_here(backup), copy_here(backup)
    look.at(path.name)
    proof = prove(path, progress=lambda d, t: look.at(path.name, d, t), cancelled=look.stopped)
    packed = copy.set.resources if copy else None
    resources = None
    if packed is not None:
        look.at(packed.name)
        resources = prove_resources(path.parent / packed.name, cancelled=look.stopped)
    told = copy.manifest if copy else None
    again = Again(proof, resources, _against(told, proof, resources) if told else ())
    if copy is None or told is None or again.good:
        return again
    put_aside = refute(path.with_name(manifest_name(copy.set)))
    said = put_aside or "Its manifest is gone already: it does not count as proven."
    return replace(again, against=(*again.against, Check("manifest", Outcome.FAILED, said)))


def rehearse_here(backup: Backup, look: Look) -> Rehearsed:
    """Restore the copy here into a throw-away etcd on this machine. Raises Refusal, Cancelled."""
    from etcdtui.children import binaries
    from etcdtui.procedures.rehearsal import rehearse

    return rehearse(snapshot_here(backup), binaries.find, look.at, look.stopped)


def compare(before: Backup, after: Backup, look: Look) -> Differences:
    """What differs between two that are here. Raises Refusal, Damaged, Unreadable, Cancelled."""
    with _opened(before, look, PASSES) as old, _opened(after, look, PASSES) as new:
        return differences(compare_entries(old.live(), new.live()))


def compare_with_live(before: Backup, live: LiveKeys, look: Look) -> Differences:
    """What differs between one that is here and the running cluster.

    Raises as ``compare``, and Compacted and what the way to etcd raises.
    """

    def told() -> Iterable[LiveKey]:
        for key in live:
            if live.read and look.done != live.read:
                look.at("the keys of the cluster", live.read, live.total)
            yield key

    with _opened(before, look, PASSES) as old:
        found = differences(compare_live(old, told()))
        return replace(found, revision=live.revision)


def search(backups: Sequence[Backup], wanted: str, look: Look, tell: Callable[[Found], None]) -> None:
    """Look for an object in every backup that is here, the first one first. Raises Cancelled."""
    for backup in backups:
        try:
            with _opened(backup, look, PASSES) as opened:
                tell(Found(backup, opened.find(wanted)))
        except Cancelled:
            raise
        except EtcdTuiError as error:
            tell(Found(backup, trouble=error.message))


def _opened(backup: Backup, look: Look, passes: int) -> Contents:
    path = snapshot_here(backup)
    look.at(path.name)
    return _watched(path, passes, lambda d, t: look.at(path.name, d, t), look.stopped)


def _watched(
    path: Path, passes: int, progress: Callable[[int, int], None], stopped: Callable[[], bool]
) -> Contents:
    opened: Contents | None = None

    def cancelled() -> bool:
        if opened is not None:
            progress(opened.read, passes * opened.pages)
        return stopped()

    opened = Contents(path, cancelled=cancelled)
    return opened


def _against(told: Manifest, proof: Proof, resources: ResourcesProof | None) -> tuple[Check, ...]:
    """Whether they are still the files that were proven then, and hold what was written of them."""
    if told.resources is None:
        return (snapshot_against(told, proof),)
    if resources is None:
        said = f"{told.resources.name}, which the manifest names, is not here."
        return snapshot_against(told, proof), Check("manifest", Outcome.FAILED, said)
    return snapshot_against(told, proof), resources_against(told, resources)
