"""The pages of a bbolt database taken apart: elements of leaves, children of branches, headers of buckets.

An element of a leaf: flags (1: it is a bucket), position, size of the key, size of the value, 4 bytes each;
of a branch: position, size of the key, 4 bytes each, and the child's number in 8. Positions count from the
element itself. Keys and values lie behind the elements, one behind the other.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import add, lt
from typing import Final

from etcdtui.etcd.bbolt import HEADER, LEAF, PAGE_FORMAT, Damaged, Page, Pages

HEAD: Final = 512  # bytes of a value that are read with its key
_BUCKET = struct.Struct("<QQ")


class Leaf:
    """The elements of a leaf page.

    ``data`` holds them where ``starts`` says; of a very large page it holds copies of the keys and the
    beginnings of the values, and ``whole`` is False. ``value_sizes`` are always the true ones.
    """

    __slots__ = ("data", "edges", "ends", "flags", "key_sizes", "keys", "starts", "value_sizes", "whole")

    def __init__(
        self, data: bytes, flags: Sequence[int], starts: list[int], key_sizes: Sequence[int]
    ) -> None:
        self.data, self.flags, self.starts, self.key_sizes = data, flags, starts, key_sizes
        self.value_sizes: Sequence[int] = ()
        self.ends: list[int] = []
        self.edges: list[int] = []  # of several pages joined: where in ``keys`` each page ends
        self.whole = True
        self.keys: list[bytes] = []

    @property
    def values_at(self) -> list[int]:
        """Where in ``data`` each value begins."""
        return list(map(add, self.starts, self.key_sizes))


@lru_cache(maxsize=4096)
def _elements(count: int) -> tuple[struct.Struct, range]:
    return struct.Struct(f"<{4 * count}I"), range(HEADER, HEADER + HEADER * count, HEADER)


def _first_out_of_bounds(first: int, limit: int, starts: list[int], ends: list[int]) -> int | None:
    for at, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if start < first or end > limit:
            return at
    return None


def leaf(file: Pages | None, header: Page, data: bytes, number: int = 0) -> Leaf:
    """The elements of a leaf page whose bytes begin in ``data``; ``file`` is None for an inline page."""
    count = header.elements
    where = f"page {number}" if file is not None else "an inline bucket"
    page_size = file.page_size if file is not None else len(data)
    total = (header.overflow + 1) * page_size if file is not None else len(data)
    table = HEADER + HEADER * count
    if table > total:
        raise Damaged(f"{where} claims {count} elements, more than fit into it.")
    if table > len(data) and file is not None:
        data = file.read(number * page_size, table)
    if count == 0:
        return Leaf(data, (), [], ())
    layout, bases = _elements(count)
    fields = layout.unpack_from(data, HEADER)
    key_sizes, value_sizes = fields[2::4], fields[3::4]
    starts = list(map(add, fields[1::4], bases))
    ends = list(map(add, map(add, starts, key_sizes), value_sizes))
    # Written in one go, elements lie one behind the other; the slow look is for a page that is different.
    if not (starts[0] == table and starts[1:] == ends[:-1] and ends[-1] <= total):
        bad = _first_out_of_bounds(table, total, starts, ends)
        if bad is not None:
            raise Damaged(f"element {bad} of {where} lies outside the page.")
    if file is None or len(data) >= total:
        found = Leaf(data, fields[0::4], starts, key_sizes)
        found.ends = ends
        found.keys = [data[s : s + k] for s, k in zip(starts, key_sizes, strict=True)]
    else:
        found = _sparse(file, number * page_size, data, fields[0::4], starts, key_sizes, value_sizes)
    found.value_sizes = value_sizes
    return found


def joined(pages: Sequence[tuple[int, bytes]], page_size: int) -> Leaf | None:
    """Many plain leaf pages, each (count of elements, bytes), as if they were one.

    A page holds a dozen elements; what must be done for each page takes longer than for each element, so
    as much as possible is done for all at once. None where anything is unusual: look at each alone then.
    """
    fields: list[int] = []
    bases: list[int] = []
    tables: list[int] = []
    edges: list[int] = []
    for at, (count, data) in enumerate(pages):
        if HEADER + HEADER * count > page_size:
            return None
        fields += _elements(count)[0].unpack_from(data, HEADER)
        first = at * page_size + HEADER
        tables.append(first + HEADER * count)
        bases += range(first, tables[-1], HEADER)
        edges.append(len(bases))
    key_sizes, value_sizes = fields[2::4], fields[3::4]
    starts = list(map(add, fields[1::4], bases))
    ends = list(map(add, map(add, starts, key_sizes), value_sizes))
    expected = [0, *ends]  # every element begins where the one before it ends,
    for edge, table in zip([0, *edges], tables, strict=False):
        expected[edge] = table  # the first of a page behind the table of elements
    expected.pop()
    if starts != expected or any(
        ends[edge - 1] > limit
        for edge, limit in zip(edges, range(page_size, sys.maxsize, page_size), strict=False)
    ):
        return None
    data = b"".join([page for _, page in pages])
    found = Leaf(data, fields[0::4], starts, key_sizes)
    found.value_sizes, found.ends, found.edges = value_sizes, ends, edges
    found.keys = [data[s : s + k] for s, k in zip(starts, key_sizes, strict=True)]
    return found


def _sparse(
    file: Pages,
    base: int,
    data: bytes,
    flags: Sequence[int],
    starts: list[int],
    key_sizes: Sequence[int],
    value_sizes: Sequence[int],
) -> Leaf:
    """Keys and heads of values of a page that is too large to be read."""
    pieces, places, at = [], [], 0
    for start, key, value in zip(starts, key_sizes, value_sizes, strict=True):
        length = key + min(value, HEAD)
        end = start + length
        piece = data[start:end] if end <= len(data) else file.read(base + start, length)
        if value > HEAD and (needed := user_key_end(piece, key)) > length:
            # The user's key is longer than what was read of the value.
            piece = file.read(base + start, key + min(value, needed - key))
        pieces.append(piece)
        places.append(at)
        at += len(piece)
    found = Leaf(b"".join(pieces), flags, places, key_sizes)
    found.whole = False
    found.keys = [p[:k] for p, k in zip(pieces, key_sizes, strict=True)]
    return found


def spans(file: Pages, number: int) -> Iterator[tuple[int, int]]:
    """Where in the file the keys and values of a leaf page lie, in their order: offset and length."""
    base = number * file.page_size
    header = file.header(number)
    if header.flags != LEAF or not header.elements:
        return
    layout, bases = _elements(header.elements)
    fields = layout.unpack(file.read(base + HEADER, layout.size))
    starts = list(map(add, fields[1::4], bases))
    ends = list(map(add, map(add, starts, fields[2::4]), fields[3::4]))
    if starts[1:] == ends[:-1]:
        yield base + starts[0], ends[-1] - starts[0]
        return
    for start, end in zip(starts, ends, strict=True):
        yield base + start, end - start


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A protobuf number and where it ends."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Damaged("a stored value ends in the middle of a number.")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def user_key_end(data: bytes, at: int) -> int:
    """Where the user's key ends that begins a stored KeyValue (protobuf field 1) at ``at``."""
    if at >= len(data) or data[at] != 0x0A:
        return at
    length, at = varint(data, at + 1)
    return at + length


def branch(file: Pages, header: Page, data: bytes, number: int) -> tuple[list[bytes], list[int]]:
    """Separators and page numbers of a branch page."""
    count, total = header.elements, (header.overflow + 1) * file.page_size
    table = HEADER + HEADER * count
    if count == 0:
        raise Damaged(f"page {number} is a branch without children.")
    if table > total:
        raise Damaged(f"page {number} claims {count} elements, more than fit into it.")
    if len(data) < total:
        data = file.read(number * file.page_size, total)
    positions, sizes, children = [], [], []
    for position, size, child in struct.iter_unpack("<IIQ", data[HEADER:table]):
        positions.append(position)
        sizes.append(size)
        children.append(child)
    starts = list(map(add, positions, range(HEADER, table, HEADER)))
    ends = list(map(add, starts, sizes))
    bad = _first_out_of_bounds(table, total, starts, ends)
    if bad is not None:
        raise Damaged(f"element {bad} of page {number} lies outside the page.")
    return [data[start:end] for start, end in zip(starts, ends, strict=True)], children


def ascending(keys: Sequence[bytes]) -> bool:
    """Whether each key is greater than the one before it."""
    return all(map(lt, keys, keys[1:]))


def first_disorder(keys: Sequence[bytes]) -> int:
    """The element that is not greater than the one before it."""
    return next(at for at, pair in enumerate(pairwise(keys), 1) if not pair[0] < pair[1])


def bucket_header(value: bytes) -> tuple[int, int]:
    """Root page (0: the bucket's only page follows in the value) and sequence of a bucket."""
    if len(value) < HEADER:
        raise Damaged("the header of a bucket is cut off.")
    root, sequence = _BUCKET.unpack_from(value)
    return root, sequence


def inline_leaf(value: bytes) -> Leaf:
    """The page of a small bucket, which lies in the value behind the bucket's header."""
    page = value[HEADER:]
    if len(page) < HEADER:
        raise Damaged("an inline bucket is cut off.")
    header = Page._make(PAGE_FORMAT.unpack_from(page))
    if header.flags != LEAF or header.overflow:
        raise Damaged(f"an inline bucket is {header.kind}, not a leaf page.")
    return leaf(None, header, page)
