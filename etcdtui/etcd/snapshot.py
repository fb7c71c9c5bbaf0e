"""The proof of a snapshot file: read here, byte by byte, without any etcd program.

A snapshot is a bbolt database as of one read transaction, and 32 bytes behind it: the sha256 of all before.
``snapshot status`` of every etcd to 3.7 looks at the structure only and calls a file good whose bits were
flipped or whose digest was cut off; ``snapshot restore`` looks at the digest only. Here both count, and
the file is read twice at most. Of a file of any size only some marks and numbers are held in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Final

from etcdtui.errors import Cancelled
from etcdtui.etcd.bbolt import Damaged, Meta, PagedFile, Unreadable, metas
from etcdtui.etcd.bbolt_check import Structure, check
from etcdtui.etcd.bbolt_pages import inline_leaf, leaf, spans
from etcdtui.etcd.buckets import KEYS, Collected, facts
from etcdtui.etcd.crc32c import Crc32c
from etcdtui.etcd.revisions import LiveCounter
from etcdtui.model.proof import Check, Outcome, Proof, SnapshotFacts, counted_grouped
from etcdtui.text import counted, grouped, listed

TRAILER: Final = 32  # bytes of the sha256 behind the database
Progress = Callable[[int, int], None]  # bytes done, bytes in all


class _Watch:
    """Tells how far the work is, and ends it when that is wanted. Used by one thread only."""

    def __init__(
        self, file: PagedFile, progress: Progress | None, cancelled: Callable[[], bool] | None
    ) -> None:
        self._file, self._progress, self._cancelled = file, progress, cancelled
        self._hashed: Callable[[], int] = lambda: 0
        self._walked = self._told = 0
        self.total = 2 * file.size  # every byte is hashed and looked at

    def beside(self, hashed: Callable[[], int]) -> None:
        self._hashed = hashed

    def at(self, walked: int) -> None:
        """``walked`` bytes of the structure have been seen."""
        if self._cancelled is not None and self._cancelled():
            raise Cancelled(f"The proof of {self._file.path.name} was stopped.")
        self._walked = min(max(self._walked, walked), self._file.size)
        self._tell(self._hashed() + self._walked)

    def finished(self) -> None:
        self._tell(self.total)

    def _tell(self, done: int) -> None:
        self._told = max(self._told, done)
        if self._progress is not None:
            self._progress(self._told, self.total)


class _Hashing:
    """The sha256 in a thread of its own: hashlib lets others run meanwhile."""

    def __init__(self, file: PagedFile) -> None:
        self._file = file
        self._stop = Event()
        self._digest = hashlib.sha256()
        self._failed: Damaged | Unreadable | None = None
        self._thread = Thread(target=self._run, name="sha256", daemon=True)
        self.done = 0  # bytes

    def __enter__(self) -> _Hashing:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            for chunk in self._file.chunks(max(0, self._file.size - TRAILER)):
                if self._stop.is_set():
                    return
                self._digest.update(chunk)
                self.done += len(chunk)
        except (Damaged, Unreadable) as exc:
            self._failed = exc

    def result(self, watch: _Watch) -> tuple[bytes, bytes, str]:
        """The digest computed, the one behind the database, and that of the whole file."""
        while self._thread.is_alive():
            watch.at(0)
            self._thread.join(0.05)
        if self._failed is not None:
            raise self._failed
        length = max(0, self._file.size - TRAILER)
        trailer = self._file.read(length, self._file.size - length)
        whole = self._digest.copy()
        whole.update(trailer)
        return self._digest.digest(), trailer, whole.hexdigest()


def prove(
    path: Path,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    etcd_hash: bool = False,
) -> Proof:
    """Look at everything that can be looked at, and say what was found.

    Damage is told in the checks. Raises ``Unreadable`` when the file cannot be read, ``Cancelled`` when
    ``cancelled`` says so. ``etcd_hash`` adds the checksum that ``snapshot status`` prints, which takes
    some ten seconds for a gigabyte.
    """
    with PagedFile(path) as file, _Hashing(file) as hashing:
        watch = _Watch(file, progress, cancelled)
        watch.beside(lambda: hashing.done)
        found, problems = metas(file)
        meta = found[0] if found else None
        facts: SnapshotFacts | None = None
        if meta is None:
            why = "Not looked at: without a valid meta page nobody knows where anything is."
            later = [Check(name, Outcome.NOT_APPLICABLE, why) for name in ("structure", "cluster")]
        else:
            structure, facts, unreadable = _walk(file, meta, watch)
            later = [_structure(structure), _cluster(structure, facts, unreadable)]
            if etcd_hash and not structure.count:
                facts = replace(facts, etcd_hash=_crc(file, structure, watch))
        sha256, digest = _digest(file, meta, hashing, watch)
        checks = (_length(file, meta), digest, _metas(found, problems), *later, _unchanged(file))
        watch.finished()
        return Proof(path.name, file.size, sha256, checks, facts)


def etcd_hash(path: Path, *, cancelled: Callable[[], bool] | None = None) -> int:
    """CRC-32C over the names of all buckets and their keys and values, as ``snapshot status`` prints it.

    Raises ``Damaged`` when the structure does not allow it.
    """
    with PagedFile(path) as file:
        watch = _Watch(file, None, cancelled)
        structure = check(file, _valid_meta(file), {}, lambda _: watch.at(0))
        if structure.count:
            raise Damaged(structure.problems[0])
        return _crc(file, structure, watch)


def _valid_meta(file: PagedFile) -> Meta:
    found, problems = metas(file)
    if not found:
        raise Damaged(" ".join(problems))
    return found[0]


def _length(file: PagedFile, meta: Meta | None) -> Check:
    name = "length"
    if file.size == 0:
        return Check(name, Outcome.FAILED, "The file is empty.")
    if meta is None:
        if file.size < 1024:
            return Check(name, Outcome.FAILED, f"The file has {file.size} bytes, too few for a database.")
        return Check(name, Outcome.NOT_APPLICABLE, "Without a valid meta page nobody knows its length.")
    wanted = meta.size + TRAILER
    if file.size == wanted:
        said = (
            f"{counted_grouped(meta.high_water, 'page')} of {meta.page_size} bytes and the digest, no more."
        )
        return Check(name, Outcome.OK, said)
    if file.size == meta.size:
        return Check(name, Outcome.FAILED, "The last 32 bytes, the digest, are missing.")
    if file.size < wanted:
        missing = counted_grouped(wanted - file.size, "byte")
        return Check(name, Outcome.FAILED, f"The end of the file is missing: {missing} of {wanted}.")
    more = counted_grouped(file.size - wanted, "byte")
    return Check(name, Outcome.FAILED, f"The file has {more} more than its database and the digest.")


def _metas(found: list[Meta], problems: list[str]) -> Check:
    if problems:
        return Check("meta pages", Outcome.FAILED, problems[0], tuple(problems[1:]))
    newer, older = found
    differ = (newer.page_size, newer.high_water, newer.root) != (
        older.page_size,
        older.high_water,
        older.root,
    )
    if differ or newer.txid != older.txid + 1:
        # A snapshot writes the same page twice; only in the file of a running etcd they differ.
        said = "The two meta pages differ: this is a copy of a database file, not a snapshot."
        return Check("meta pages", Outcome.FAILED, said)
    return Check("meta pages", Outcome.OK, f"Both are valid and agree, transaction {newer.txid}.")


def _digest(file: PagedFile, meta: Meta | None, hashing: _Hashing, watch: _Watch) -> tuple[str, Check]:
    """The sha256 of the whole file, and whether the one behind the database is right."""
    name = "digest"
    try:
        computed, trailer, whole = hashing.result(watch)
    except Damaged as damage:
        return "", Check(name, Outcome.FAILED, damage.message)
    if computed == trailer:
        return whole, Check(name, Outcome.OK, f"The sha256 behind the database holds: {trailer.hex()}.")
    missing = file.size <= meta.size if meta is not None else file.size % 512 != TRAILER
    if missing:
        said = "There is no sha256 behind the database: it was cut off, or this is a copy of a database file."
    else:
        said = "The sha256 behind the database does not fit: bytes were changed after the snapshot was taken."
    return whole, Check(name, Outcome.FAILED, said)


def _walk(file: PagedFile, meta: Meta, watch: _Watch) -> tuple[Structure, SnapshotFacts, list[str]]:
    """The structure, what the file says, and sentences about what of it cannot be read."""
    collected = Collected()
    structure = check(file, meta, collected.visitors(), lambda pages: watch.at(pages * meta.page_size))
    live = _live(file, structure, collected.counter, watch)
    return structure, *facts(meta, structure, collected, live)


def _live(file: PagedFile, structure: Structure, first: LiveCounter, watch: _Watch) -> int:
    """Live keys; with more than fit into memory, the rest in further passes over the pages of keys."""
    alive, bucket = first.alive, structure.buckets.get(KEYS)
    if bucket is None or structure.count:
        return alive
    for share in range(1, first.shares):
        counter = LiveCounter(share, first.shares)
        for number in bucket.leaves:
            watch.at(0)
            counter.page(leaf(file, *file.page(number), number))
        alive += counter.alive
    return alive


def _structure(structure: Structure) -> Check:
    if structure.count:
        more = structure.count - len(structure.problems)
        details = (*structure.problems[1:], *([f"And {counted(more, 'further problem')}."] if more else []))
        return Check("structure", Outcome.FAILED, structure.problems[0], details)
    said = (
        f"{counted_grouped(structure.reached, 'page')} in use, each reached once and in order; "
        f"{counted_grouped(structure.free, 'page')} free."
    )
    return Check("structure", Outcome.OK, said)


def _cluster(structure: Structure, found: SnapshotFacts, told: list[str]) -> Check:
    """Whether it is a database of etcd, and whose."""
    name = "cluster"
    if missing := [
        bucket.decode() for bucket in (KEYS, b"meta", b"members") if bucket not in structure.buckets
    ]:
        told = [f"It has no bucket {listed(missing)}: this is no database of etcd.", *told]
    elif not found.members and not told:
        told = ["It names no member of a cluster."]
    elif found.revisions and found.consistent_index is None and not told:
        # Before the first write etcd 3.4 has not stored it.
        told = ["It does not tell raft's position (consistent_index)."]
    if told:
        if structure.count:
            return Check(name, Outcome.NOT_APPLICABLE, "Not readable: the structure is broken.", tuple(told))
        return Check(name, Outcome.FAILED, told[0], tuple(told[1:]))
    members = listed([f"{member.label} ({member.hex_id})" for member in found.members])
    version = f", cluster version {found.cluster_version}" if found.cluster_version else ""
    said = f"Members {members}{version}, revision {grouped(found.revision)}."
    active = tuple(f"The alarm {alarm} was active when it was taken." for alarm in found.alarm_sentences)
    return Check(name, Outcome.OK, said, active)


def _crc(file: PagedFile, structure: Structure, watch: _Watch) -> int:
    checksum = Crc32c()
    for name in sorted(structure.buckets):
        bucket = structure.buckets[name]
        checksum.update(name)
        if not bucket.root:
            found = inline_leaf(bucket.inline)
            for start, end in zip(found.starts, found.ends, strict=True):
                checksum.update(found.data[start:end])
        for number in bucket.leaves:
            watch.at(0)
            for offset, length in spans(file, number):
                for at in range(0, length, 1 << 20):
                    checksum.update(file.read(offset + at, min(1 << 20, length - at)))
    return checksum.value()


def _unchanged(file: PagedFile) -> Check:
    if file.changed:
        said = "Somebody wrote to the file while it was read, so nothing that was found is certain."
        return Check("unchanged", Outcome.FAILED, said)
    return Check("unchanged", Outcome.OK, "Nobody wrote to the file while it was read.")
