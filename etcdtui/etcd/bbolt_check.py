"""Is a bbolt file sound? Every page that is reached, once, inside the file, and in order.

One walk over the tree of pages, iterative and in the order of the keys. It checks more than bbolt's own
``tx.Check``: that pages know their numbers, that keys ascend within pages and between them, that elements
lie inside their pages and that no leaf is empty. The pages' marks take one byte for each page.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from etcdtui.etcd.bbolt import (
    BRANCH,
    FREELIST,
    HEADER,
    KINDS,
    LEAF,
    NO_FREELIST,
    Damaged,
    Meta,
    Page,
    PagedFile,
)
from etcdtui.etcd.bbolt_pages import (
    Leaf,
    ascending,
    branch,
    bucket_header,
    first_disorder,
    inline_leaf,
    joined,
    leaf,
)
from etcdtui.text import clean, counted, listed

TOLD: Final = 20  # problems that are told one by one
BUCKETS: Final = 10_000  # etcd has about ten
_REACHED, _FREE = 1, 2
_EVERY = 256  # pages between two signs of life
_BATCH = 64  # leaves that are looked at together

Visitor = Callable[[Leaf], None]
_Place = tuple[int, bytes | None, bytes | None]  # a page, the least key it may hold, and the first beyond
_Plain = tuple[_Place, Page, bytes]


@dataclass(slots=True)
class Bucket:
    """A bucket of the top level. An inline one has no pages of its own."""

    name: bytes
    root: int
    leaves: array[int] = field(default_factory=lambda: array("Q"))
    inline: bytes = b""
    entries: int = 0


@dataclass(slots=True)
class Structure:
    """What the walk found. ``problems`` are the first of them, ``count`` is how many there were."""

    pages: int = 0
    reached: int = 0
    free: int = 0
    freelist: bool = False  # stored in the file
    count: int = 0
    problems: list[str] = field(default_factory=list)
    buckets: dict[bytes, Bucket] = field(default_factory=dict)

    @property
    def entries(self) -> int:
        """Of all buckets, the buckets themselves not counted: what etcdctl up to 3.5 calls keys."""
        return sum(bucket.entries for bucket in self.buckets.values())


def check(
    file: PagedFile, meta: Meta, visitors: Mapping[bytes, Visitor], tick: Callable[[int], None]
) -> Structure:
    """Walk the whole file. ``visitors`` are given the leaf pages of their buckets, in order.

    ``tick`` is told how many pages were reached, now and then, and may raise.
    """
    return _Walk(file, meta, visitors, tick).whole()


class _Walk:
    def __init__(
        self, file: PagedFile, meta: Meta, visitors: Mapping[bytes, Visitor], tick: Callable[[int], None]
    ) -> None:
        self._file, self._meta, self._visitors, self._tick = file, meta, visitors, tick
        self._result = Structure(pages=meta.high_water)
        # A file that was cut is walked as far as it goes; what its meta page claims costs no memory.
        self._marks = bytearray(min(meta.high_water, file.size // meta.page_size))
        self._marks[:2] = bytes([_REACHED] * len(self._marks[:2]))
        self._visited = 0

    def whole(self) -> Structure:
        result = self._result
        root = Bucket(b"", self._meta.root)
        self._tree(root, self._buckets, "the list of buckets")
        for bucket in result.buckets.values():
            name = f"bucket {clean(bucket.name.decode('utf-8', 'backslashreplace'), 40)}"
            visit = self._visitors.get(bucket.name)
            if bucket.root:
                self._tree(bucket, visit, name)
            else:
                self._inline(bucket, visit, name)
        self._freelist()
        result.reached = self._marks.count(_REACHED)
        if not result.freelist:
            result.free = len(self._marks) - result.reached
        self._tick(self._visited)
        return result

    def _problem(self, sentence: str) -> None:
        self._result.count += 1
        if len(self._result.problems) < TOLD:
            self._result.problems.append(sentence)

    def _claim(self, number: int, by: str) -> None:
        """Mark a page as reached; complain of one that cannot be."""
        if not 2 <= number < self._meta.high_water:
            raise Damaged(
                f"{by} points to page {number}, but the database has pages 2 to {self._meta.high_water - 1}."
            )
        if number >= len(self._marks):
            raise Damaged(f"Page {number} lies beyond the end of the file.")
        if self._marks[number]:
            raise Damaged(f"Page {number} is reached twice, the second time from {by}.")
        self._marks[number] = _REACHED

    def _extent(self, number: int, header: Page) -> None:
        """Claim the pages a page runs over, too."""
        first, end = number + 1, number + 1 + header.overflow
        if end > self._meta.high_water:
            raise Damaged(
                f"Page {number} claims to run over {counted(header.overflow, 'further page')}, "
                "beyond the end of the database."
            )
        if end > len(self._marks):
            raise Damaged(f"Page {number} runs beyond the end of the file.")
        if header.overflow:
            if any(taken := self._marks[first:end]):
                other = first + next(at for at, mark in enumerate(taken) if mark)
                raise Damaged(f"Page {other} belongs to page {number} and to something else.")
            self._marks[first:end] = bytes([_REACHED]) * header.overflow

    def _enter(self, number: int, allowed: tuple[int, ...]) -> tuple[Page, bytes]:
        header, data = self._file.page(number)
        if header.id != number:
            raise Damaged(f"Page {number} says it is page {header.id}: zeroed or overwritten.")
        if header.flags not in allowed:
            wanted = " or ".join(KINDS[kind] for kind in allowed)
            raise Damaged(f"Page {number} is {header.kind} where {wanted} belongs.")
        self._extent(number, header)
        self._visited += 1
        if self._visited % _EVERY == 0:
            self._tick(self._visited)
        return header, data

    def _tree(self, bucket: Bucket, visit: Visitor | None, name: str) -> None:
        """All pages of one bucket, in the order of its keys."""
        try:
            self._claim(bucket.root, name)
        except Damaged as damage:
            return self._problem(damage.message)
        waiting: list[_Place] = [(bucket.root, None, None)]
        batch: list[_Plain] = []
        while waiting:
            place = waiting.pop()
            number, low, high = place
            try:
                header, data = self._enter(number, (BRANCH, LEAF))
                if header.flags == BRANCH:
                    waiting += self._children(number, header, data, low, high)
                elif header.overflow == 0 and header.elements:
                    batch.append((place, header, data))
                    if len(batch) >= _BATCH:
                        self._batch(bucket, batch, visit, name)
                else:
                    self._batch(bucket, batch, visit, name)
                    self._one(bucket, (place, header, data), visit, name)
            except Damaged as damage:
                self._problem(damage.message)
        self._batch(bucket, batch, visit, name)

    def _children(
        self, number: int, header: Page, data: bytes, low: bytes | None, high: bytes | None
    ) -> list[_Place]:
        """The children of a branch, the last first, each with the borders of its keys."""
        keys, children = branch(self._file, header, data, number)
        _in_order(number, keys, low, high)
        found: list[_Place] = []
        by = f"page {number}"
        for child, key, border in zip(children, keys, [*keys[1:], high], strict=True):
            try:
                self._claim(child, by)
            except Damaged as damage:
                self._problem(damage.message)
            else:
                found.append((child, key, border))
        found.reverse()
        return found

    def _batch(self, bucket: Bucket, batch: list[_Plain], visit: Visitor | None, name: str) -> None:
        """Leaves that follow each other, all at once; if anything is wrong, each alone to say what."""
        if not self._together(bucket, batch, visit):
            for plain in batch:
                try:
                    self._one(bucket, plain, visit, name)
                except Damaged as damage:
                    self._problem(damage.message)
        batch.clear()

    def _together(self, bucket: Bucket, batch: list[_Plain], visit: Visitor | None) -> bool:
        if len(batch) < 2 or not bucket.name:
            return False
        found = joined([(header.elements, data) for _, header, data in batch], self._meta.page_size)
        if found is None or any(found.flags) or not ascending(found.keys):
            return False
        first = 0
        for ((_, low, high), _, _), edge in zip(batch, found.edges, strict=True):
            if low is not None and found.keys[first] < low:
                return False
            if high is not None and found.keys[edge - 1] >= high:
                return False
            first = edge
        if visit is not None:
            try:
                visit(found)
            except Damaged:
                return False
        bucket.entries += len(found.keys)
        bucket.leaves.extend(place[0] for place, _, _ in batch)
        return True

    def _one(self, bucket: Bucket, plain: _Plain, visit: Visitor | None, name: str) -> None:
        (number, low, high), header, data = plain
        found = leaf(self._file, header, data, number)
        if not found.keys and number != bucket.root:
            raise Damaged(f"Page {number} of {name} is an empty leaf.")
        _in_order(number, found.keys, low, high)
        self._leaf(bucket, found, visit, f"Page {number} of {name}")
        bucket.leaves.append(number)

    def _leaf(self, bucket: Bucket, found: Leaf, visit: Visitor | None, where: str) -> None:
        if bucket.name and any(found.flags):
            raise Damaged(f"{where} holds a bucket inside the bucket; etcd makes none.")
        if visit is not None:
            try:
                visit(found)
            except Damaged as damage:
                raise Damaged(f"{where}: {damage.message}") from damage
        bucket.entries += len(found.keys)

    def _buckets(self, found: Leaf) -> None:
        """A leaf of the top level: names of buckets and where each begins."""
        if not found.whole:
            raise Damaged("it is far too large for a list of buckets.")
        for at, name in enumerate(found.keys):
            if found.flags[at] != 1:
                raise Damaged(f"element {at} is not a bucket.")
            value = found.data[found.starts[at] + found.key_sizes[at] : found.ends[at]]
            root, _ = bucket_header(value)
            if len(self._result.buckets) >= BUCKETS:
                raise Damaged(f"it lists more than {BUCKETS} buckets.")
            self._result.buckets[name] = Bucket(name, root, inline=b"" if root else value)

    def _inline(self, bucket: Bucket, visit: Visitor | None, name: str) -> None:
        where = f"The inline {name}"
        try:
            found = inline_leaf(bucket.inline)
            if not ascending(found.keys):
                raise Damaged(f"element {first_disorder(found.keys)} is out of order.")
        except Damaged as damage:
            return self._problem(f"{where}: {damage.message}")
        try:
            self._leaf(bucket, found, visit, where)
        except Damaged as damage:
            self._problem(damage.message)

    def _freelist(self) -> None:
        """Free pages must not be in use; with a stored list nothing may be neither."""
        if self._meta.freelist == NO_FREELIST:
            return
        result, number, complete = self._result, self._meta.freelist, not self._result.count
        result.freelist = True
        try:
            self._claim(number, "the meta page")
            header, _ = self._enter(number, (FREELIST,))
            free = self._free_pages(number, header)
            if free and (free[0] < 2 or free[-1] >= self._meta.high_water):
                raise Damaged(f"The free list on page {number} names pages that do not exist.")
            result.free = len(free)
            used = [page for page in free if page < len(self._marks) and self._marks[page]]
            for page in free:
                if page < len(self._marks):
                    self._marks[page] = self._marks[page] or _FREE
        except Damaged as damage:
            return self._problem(damage.message)
        if used:
            shown = listed([str(page) for page in used[:5]])
            more = f" and {len(used) - 5} more" if len(used) > 5 else ""
            self._problem(f"The free list calls pages free that are in use: {shown}{more}.")
        if complete and (lost := self._marks.count(0)):
            # Where the walk had to leave out pages this would only say the same again.
            page = self._marks.find(0)
            self._problem(f"{counted(lost, 'page')} neither in use nor free, the first is page {page}.")

    def _free_pages(self, number: int, header: Page) -> array[int]:
        begin = number * self._file.page_size + HEADER
        room = ((header.overflow + 1) * self._file.page_size - HEADER) // 8
        count = header.elements
        if count == 0xFFFF:  # too many for the field: the first number tells
            count = int.from_bytes(self._file.read(begin, 8), "little")
            begin, room = begin + 8, room - 1
        if count > room:
            raise Damaged(f"The free list on page {number} claims {count} pages, more than fit into it.")
        free = array("Q", self._file.read(begin, 8 * count))
        if sys.byteorder == "big":
            free.byteswap()
        if free.itemsize != 8 or any(free[at] <= free[at - 1] for at in range(1, count)):
            raise Damaged(f"The free list on page {number} is not in order, or names a page twice.")
        return free


def _in_order(number: int, keys: list[bytes], low: bytes | None, high: bytes | None) -> None:
    if not ascending(keys):
        raise Damaged(f"element {first_disorder(keys)} of page {number} is out of order.")
    if keys and ((low is not None and keys[0] < low) or (high is not None and keys[-1] >= high)):
        raise Damaged(f"Page {number} holds keys that do not belong there by the page above it.")


def leaves(file: PagedFile, meta: Meta, root: int) -> array[int]:
    """The leaf pages below a page, in order, without a look into them; cycles end in ``Damaged``."""
    seen = bytearray(min(meta.high_water, file.size // meta.page_size))
    found, waiting = array("Q"), [root]
    while waiting:
        number = waiting.pop()
        if not 2 <= number < len(seen) or seen[number]:
            raise Damaged(f"Page {number} is outside the file, or reached twice.")
        seen[number] = 1
        header = file.header(number)
        if header.id != number or header.flags not in (BRANCH, LEAF):
            raise Damaged(f"Page {number} says it is page {header.id}, {header.kind}.")
        if header.flags == LEAF:
            found.append(number)
            continue
        _, data = file.page(number)
        _, children = branch(file, header, data, number)
        if len(waiting) + len(children) > len(seen):
            raise Damaged(f"Page {number} leads to more pages than there are.")
        waiting.extend(reversed(children))
    return found
