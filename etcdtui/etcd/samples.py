"""Some keys of a snapshot with everything that etcd must say of them again after a restore."""

from __future__ import annotations

import hashlib
import heapq
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from etcdtui.etcd.bbolt import Damaged
from etcdtui.etcd.bbolt_pages import varint
from etcdtui.etcd.contents import Contents, Entry

MOST = 1 << 30  # bytes of a value that are believed


@dataclass(frozen=True, slots=True)
class Sample:
    """One key that lives: its revisions, version and lease, and the SHA-256 of its value in hex."""

    key: bytes
    created: int
    modified: int
    version: int
    lease: int
    sha256: str

    @property
    def text(self) -> str:
        return self.key.decode("utf-8", "backslashreplace")


def sampled(
    path: Path, count: int, *, seed: int = 0, cancelled: Callable[[], bool] | None = None
) -> tuple[Sample, ...]:
    """``count`` keys of all, chosen by chance (``seed``), with the first, the last and the newest of them.

    In the order of the keys. Raises Damaged, Unreadable, Cancelled.
    """
    with Contents(path, cancelled=cancelled) as contents:
        chosen = {entry.revision: entry for entry in _chosen(contents.live(), count, seed)}
        found = [sample_of(value) for value in contents.values(sorted(chosen))]
    return tuple(sorted(found, key=lambda sample: sample.key))


def _chosen(entries: Iterator[Entry], count: int, seed: int) -> list[Entry]:
    first: Entry | None = None
    last: Entry | None = None
    newest: Entry | None = None

    def noted() -> Iterator[Entry]:
        nonlocal first, last, newest
        for entry in entries:
            first = entry if first is None or entry.key < first.key else first
            last = entry if last is None or entry.key > last.key else last
            newest = entry
            yield entry

    # The smallest checksums are those of keys from everywhere, whatever the keys look like.
    some = heapq.nsmallest(count, noted(), key=lambda entry: zlib.crc32(entry.key, seed))
    return [*some, *(entry for entry in (first, last, newest) if entry is not None)]


def sample_of(value: bytes) -> Sample:
    """From a stored KeyValue: 1 key, 2 create revision, 3 mod revision, 4 version, 5 value, 6 lease."""
    numbers, texts, at = {2: 0, 3: 0, 4: 0, 6: 0}, {1: b"", 5: b""}, 0
    while at < len(value):
        tag, at = varint(value, at)
        field, kind = tag >> 3, tag & 7
        if kind == 0:
            numbers[field], at = varint(value, at)
        elif kind == 2:
            length, at = varint(value, at)
            if length > min(MOST, len(value) - at):
                raise Damaged("a value runs beyond its entry.")
            texts[field] = value[at : at + length]
            at += length
        else:
            raise Damaged("an entry of the bucket of keys is not readable.")
    digest = hashlib.sha256(texts[5]).hexdigest()
    return Sample(texts[1], numbers[2], numbers[3], numbers[4], numbers[6], digest)
