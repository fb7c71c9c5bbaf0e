"""etcd's revisions as they lie in the bucket ``key``: which entry is a key's newest, which keys live.

The name of an entry is the revision: 8 bytes main, ``_``, 8 bytes sub, big endian, and ``t`` behind it when
the key was deleted there (a tombstone). Its value is a protobuf KeyValue, whose first field is the user's
key. Entries therefore come in the order in which they were written. Source: etcd's mvcc/revision.go.

Where a restore raised the revision (``--bump-revision``) there is an entry with an empty value at the raised
revision: etcd's mark, which is nobody's key and which no request reads. It is no tombstone, has sub 0, and a
compaction up to it is asked for at once, which leaves but the newest mark. Any other empty value is damage.
Source: etcdutl's snapshot package.

User keys are told apart by Python's 64-bit hash of them: two of a million keys share one with a
probability of 3e-8, and a set of numbers stays small. Where it would not, the keys are counted in shares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from operator import itemgetter, le, sub
from typing import Final

from etcdtui.etcd.bbolt import Damaged
from etcdtui.etcd.bbolt_pages import Leaf, varint
from etcdtui.text import grouped

PLAIN: Final = 17  # bytes of a revision
TOMBSTONE: Final = 18
LIMIT: Final = 1 << 20  # keys remembered at once: some 80 MB
_MARK: Final = hash(b"")  # what stands for the user's key of the mark of a raised revision


def revision(name: bytes) -> tuple[int, int]:
    """Main and sub of an entry's name."""
    if len(name) not in (PLAIN, TOMBSTONE) or name[8:9] != b"_" or name[17:] not in (b"", b"t"):
        raise Damaged(f"the bucket of keys holds an entry that is no revision: {name[:24]!r}.")
    return int.from_bytes(name[:8], "big"), int.from_bytes(name[9:17], "big")


def _well_named(found: Leaf) -> bool:
    count, joined = len(found.keys), b"".join(found.keys)
    if len(joined) == PLAIN * count and found.key_sizes.count(PLAIN) == count:
        return joined[8::PLAIN] == b"_" * count
    return all(
        (len(key) == PLAIN or (len(key) == TOMBSTONE and key[17] == 0x74)) and key[8] == 0x5F
        for key in found.keys
    )


def user_keys(found: Leaf) -> list[bytes]:
    """The user's key of every entry of a page of the bucket ``key``; empty for etcd's mark of a raise."""
    if not found.keys:
        return []
    if not _well_named(found):
        revision(next(key for key in found.keys if _misnamed(key)))
    data, places, sizes = found.data, found.values_at, found.value_sizes
    if min(sizes) >= 2:
        # itemgetter reads the first bytes of all values at C speed.
        lengths = _bytes_at(data, [at + 1 for at in places])
        bounded = min(lengths) > 0 and all(map(le, lengths, map(sub, sizes, repeat(2))))
        if bounded and set(_bytes_at(data, places)) == {0x0A}:
            if max(lengths) < 0x80:
                return [data[at + 2 : at + 2 + length] for at, length in zip(places, lengths, strict=True)]
            return [
                data[at + 2 : at + 2 + length] if length < 0x80 else _user_key(name, data, at, size)
                for name, at, length, size in zip(found.keys, places, lengths, sizes, strict=True)
            ]
    return [_user_key(name, data, at, size) for name, at, size in zip(found.keys, places, sizes, strict=True)]


def _misnamed(name: bytes) -> bool:
    try:
        revision(name)
    except Damaged:
        return True
    return False


def _bytes_at(data: bytes, places: Sequence[int]) -> tuple[int, ...]:
    if len(places) == 1:
        return (data[places[0]],)
    return itemgetter(*places)(data)  # type: ignore[no-any-return]


def _user_key(name: bytes, data: bytes, at: int, size: int) -> bytes:
    if size == 0 and len(name) == PLAIN and revision(name)[1] == 0:
        return b""
    if size < 2 or data[at : at + 1] != b"\x0a":
        raise Damaged("an entry of the bucket of keys does not begin with a key.")
    length, begin = varint(data, at + 1)
    if begin + length > at + size or begin + length > len(data):
        raise Damaged("the key of an entry runs beyond the entry.")
    if length == 0:
        raise Damaged("the key of an entry of the bucket of keys is empty.")
    return data[begin : begin + length]


def misplaced(marks: Sequence[int], finished: int | None, scheduled: int | None) -> list[str]:
    """Sentences about ``marks`` of a raised revision that can be none, for the compactions that were."""
    asked, done = max(finished or 0, scheduled or 0), finished or 0
    known = "etcd leaves an empty entry only where a restore raised the revision"
    if marks and marks[-1] > asked:
        return [f"The entry of revision {grouped(marks[-1])} is empty; {known}, and compacts up to there."]
    if len(marks) > 1 and marks[1] <= done:
        told = f"{grouped(marks[0])} and {grouped(marks[1])}"
        return [
            f"The entries of revisions {told} are empty; {known}, and a compaction leaves but the newest."
        ]
    return []


class LiveCounter:
    """Counts the keys that live, fed with the pages in the order of revisions.

    At more than ``limit`` keys it goes on with half of them, a quarter and so on (by their hash);
    ``shares`` then says how many passes are needed altogether, this one being the first.
    """

    def __init__(self, share: int = 0, shares: int = 1, limit: int = LIMIT) -> None:
        self.share, self.shares, self._limit = share, shares, limit
        self._alive: set[int] = set()
        self.tombstones = 0
        self.marks: list[int] = []  # revisions of the first two marks of a raise, and of the last

    def page(self, found: Leaf) -> None:
        hashes: Iterable[int] = map(hash, user_keys(found))
        if 0 in found.value_sizes:
            self.marks += [
                revision(name)[0]
                for name, size in zip(found.keys, found.value_sizes, strict=True)
                if not size
            ]
            del self.marks[2:-1]
        dead = found.key_sizes.count(TOMBSTONE)
        if dead or self.shares > 1:
            self.tombstones += dead
            mask, share, alive = self.shares - 1, self.share, self._alive
            for key, size in zip(hashes, found.key_sizes, strict=True):
                if key & mask != share:
                    continue
                if size == TOMBSTONE:
                    alive.discard(key)
                else:
                    alive.add(key)
        else:
            self._alive.update(hashes)
        if len(self._alive) > self._limit and self.share == 0:
            self.shares *= 2
            mask = self.shares - 1
            self._alive = {key for key in self._alive if not key & mask}

    @property
    def alive(self) -> int:
        """Of this share."""
        return len(self._alive) - self.raised

    @property
    def raised(self) -> bool:
        """The mark of a raised revision was met; it is in the first share."""
        return _MARK in self._alive


def live_marks(backwards: Callable[[], Iterable[Leaf]], count: int, limit: int = LIMIT) -> bytearray:
    """One byte for each entry, in the order of revisions: 1 for the newest entry of a key that lives.

    ``backwards`` yields the pages of keys, the last first, and ``count`` is the number of their entries. Read
    backwards, the first entry of a key that is met is its newest.
    """
    marks = bytearray(count)
    shares = 1
    while count // shares > limit:
        shares *= 2
    for share in range(shares):
        seen = {_MARK}
        end = count
        for found in backwards():
            hashes = list(map(hash, user_keys(found)))
            begin = end - len(hashes)
            if begin < 0:
                raise Damaged("The bucket of keys holds more entries than were counted.")
            fresh = set(hashes)
            if shares == 1 and len(fresh) == len(hashes) and fresh.isdisjoint(seen):
                # Every key for the first time: the usual page of a compacted database.
                marks[begin:end] = bytes(map(PLAIN.__eq__, found.key_sizes))
                seen |= fresh
            else:
                for place in range(len(hashes) - 1, -1, -1):
                    key = hashes[place]
                    if key & (shares - 1) == share and key not in seen:
                        seen.add(key)
                        marks[begin + place] = found.key_sizes[place] == PLAIN
            end = begin
    return marks
