"""The file format of bbolt, etcd's database: meta pages, branch pages, leaf pages, elements.

A page begins with 16 bytes: its own number (u64), type (u16: 1 branch, 2 leaf, 4 meta, 16 free list), the
number of its elements (u16), how many further pages it runs over (u32); little endian throughout. Source:
bbolt's page.go, node.go and bucket.go, versions 1.3.3 to 1.4.

The file is read with ``pread``, never mapped: a file that shrinks under a map kills the process, and pages
of a map count as our memory. Whatever bytes come, only ``Damaged`` goes out, and ``Unreadable`` of the disk.
"""

from __future__ import annotations

import itertools
import os
import stat
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import FileIO
from operator import add, lt
from pathlib import Path
from types import TracebackType
from typing import Final

from etcdtui.errors import EtcdTuiError

BRANCH: Final = 1
LEAF: Final = 2
META: Final = 4
FREELIST: Final = 16
KINDS: Final = {BRANCH: "a branch page", LEAF: "a leaf page", META: "a meta page", FREELIST: "a free list"}

HEADER: Final = 16  # bytes of a page header, of an element, and of the header of a bucket
NO_FREELIST: Final = 0xFFFFFFFFFFFFFFFF  # etcd does not store its free list (NoFreelistSync)
MAGIC: Final = 0xED0CDAED
VERSION: Final = 2
META_FORMAT: Final = struct.Struct("<IIIIQQQQQQ")  # ends with the checksum
SMALLEST_PAGE, LARGEST_PAGE = 512, 1 << 20
WHOLE: Final = 1 << 16  # pages up to so many bytes are read at once, of larger ones only what is needed
HEAD: Final = 512  # bytes of a value that are read with its key

_PAGE = struct.Struct("<QHHI")
_BUCKET = struct.Struct("<QQ")


class Damaged(EtcdTuiError):
    """The file is not what it should be; the message is a sentence."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message[:1].upper() + message[1:], hint)


@dataclass(frozen=True, slots=True)
class Meta:
    """What a meta page says. ``high_water`` is the number of pages of the database."""

    page: int
    page_size: int  # bytes
    root: int
    freelist: int
    high_water: int
    txid: int

    @property
    def size(self) -> int:
        """Bytes of the database, without the digest behind it."""
        return self.high_water * self.page_size


@dataclass(frozen=True, slots=True)
class Page:
    """The header of a page as the page itself tells it."""

    id: int
    flags: int
    count: int
    overflow: int  # further pages it takes

    @property
    def kind(self) -> str:
        return KINDS.get(self.flags, f"of the unknown type 0x{self.flags:x}")


class Unreadable(EtcdTuiError):
    """The file cannot be opened or read at all."""


class PagedFile:
    """A file read in pieces, with the size it had when it was opened. Raises ``Unreadable``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # a pipe would keep us waiting for ever
                raise Unreadable(f"{path} is not a file.")
            self._file = FileIO(path)
        except (OSError, ValueError) as exc:
            raise Unreadable(f"{path} cannot be read: {getattr(exc, 'strerror', None) or exc}.") from exc
        self._fd = self._file.fileno()
        self._seen = self._stamp()
        self.size = self._seen[0]
        self.page_size = 4096  # until a meta page has told it

    def __enter__(self) -> PagedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _stamp(self) -> tuple[int, int]:
        status = os.fstat(self._fd)
        return status.st_size, status.st_mtime_ns

    @property
    def changed(self) -> bool:
        """Whether somebody wrote to it since it was opened, as far as size and time tell."""
        return self._stamp() != self._seen

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise Damaged(f"The file ends at byte {self.size}, but byte {offset + length} is needed.")
        try:
            data = os.pread(self._fd, length, offset)
            while len(data) < length:  # a signal, or a file that shrank
                more = os.pread(self._fd, length - len(data), offset + len(data))
                if not more:
                    raise Damaged(f"The file became shorter than {self.size} bytes while it was read.")
                data += more
        except OSError as exc:
            raise self._broken(offset, exc) from exc
        return data

    def _broken(self, offset: int, exc: OSError) -> Unreadable:
        return Unreadable(f"{self.path} cannot be read at byte {offset}: {exc.strerror}.")

    def chunks(self, length: int, chunk: int = 1 << 20) -> Iterator[memoryview]:
        """The first ``length`` bytes in order, in a buffer that is used again and again."""
        buffer = memoryview(bytearray(min(chunk, max(1, length))))
        self._file.seek(0)
        while length:
            try:
                count = self._file.readinto(buffer[: min(length, len(buffer))])
            except OSError as exc:
                raise self._broken(self._file.tell(), exc) from exc
            if not count:
                raise Damaged(f"The file became shorter than {self.size} bytes while it was read.")
            yield buffer[:count]
            length -= count

    def page(self, number: int) -> tuple[Page, bytes]:
        """The header of a page, and its bytes: all, or the first single page of a very large one."""
        offset = number * self.page_size
        data = self.read(offset, self.page_size)
        header = Page(*_PAGE.unpack_from(data))
        length = (header.overflow + 1) * self.page_size
        if self.page_size < length <= WHOLE and offset + length <= self.size:
            data += self.read(offset + self.page_size, length - self.page_size)
        return header, data

    def header(self, number: int) -> Page:
        return Page(*_PAGE.unpack(self.read(number * self.page_size, HEADER)))


class Leaf:
    """The elements of a leaf page.

    ``data`` holds them where ``starts`` says; of a very large page it holds copies of the keys and the
    beginnings of the values, and ``whole`` is False. ``value_sizes`` are always the true ones.
    """

    __slots__ = ("data", "ends", "flags", "key_sizes", "keys", "starts", "value_sizes", "whole")

    def __init__(
        self, data: bytes, flags: Sequence[int], starts: list[int], key_sizes: Sequence[int]
    ) -> None:
        self.data, self.flags, self.starts, self.key_sizes = data, flags, starts, key_sizes
        self.value_sizes: Sequence[int] = ()
        self.ends: list[int] = []
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


def leaf(file: PagedFile | None, header: Page, data: bytes, number: int = 0) -> Leaf:
    """The elements of a leaf page whose bytes begin in ``data``; ``file`` is None for an inline page."""
    count = header.count
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


def _sparse(
    file: PagedFile,
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


def spans(file: PagedFile, number: int) -> Iterator[tuple[int, int]]:
    """Where in the file the keys and values of a leaf page lie, in their order: offset and length."""
    base = number * file.page_size
    header = file.header(number)
    if header.flags != LEAF or not header.count:
        return
    layout, bases = _elements(header.count)
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


def branch(file: PagedFile, header: Page, data: bytes, number: int) -> tuple[list[bytes], list[int]]:
    """Separators and page numbers of a branch page."""
    count, total = header.count, (header.overflow + 1) * file.page_size
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
    return next(at for at, pair in enumerate(itertools.pairwise(keys), 1) if not pair[0] < pair[1])


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
    header = Page(*_PAGE.unpack_from(page))
    if header.flags != LEAF or header.overflow:
        raise Damaged(f"an inline bucket is {header.kind}, not a leaf page.")
    return leaf(None, header, page)


def fnv64a(data: bytes) -> int:
    """FNV-1a, 64 bits: the checksum of a meta page."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def _meta(file: PagedFile, page: int, page_size: int | None) -> Meta:
    """One meta page. Without ``page_size`` the page's own word is taken."""
    where = f"meta page {page}"
    data = file.read(page * (page_size or 0), HEADER + META_FORMAT.size)
    header = Page(*_PAGE.unpack_from(data))
    magic, version, size, _flags, root, _sequence, freelist, high_water, txid, checksum = (
        META_FORMAT.unpack_from(data, HEADER)
    )
    if not any(data):
        raise Damaged(f"{where} is all zeros.")
    if magic != MAGIC:
        raise Damaged(f"{where} does not begin as a bbolt database does.")
    if version != VERSION:
        raise Damaged(f"{where} says bbolt format {version}; only {VERSION} is known.")
    if checksum != fnv64a(data[HEADER : HEADER + META_FORMAT.size - 8]):
        raise Damaged(f"{where} does not fit its checksum: it was changed.")
    if header.id != page or header.flags != META:
        raise Damaged(f"{where} says it is page {header.id}, {header.kind}.")
    if not SMALLEST_PAGE <= size <= LARGEST_PAGE or size & (size - 1):
        raise Damaged(f"{where} says a page has {size} bytes.")
    if high_water < 3 or not 2 <= root < high_water:
        raise Damaged(f"{where} puts the root at page {root} of {high_water}.")
    if freelist != NO_FREELIST and not 2 <= freelist < high_water:
        raise Damaged(f"{where} puts the free list at page {freelist} of {high_water}.")
    return Meta(page, size, root, freelist, high_water, txid)


def metas(file: PagedFile) -> tuple[list[Meta], list[str]]:
    """The meta pages that are valid, the newer first, and sentences about the others.

    Sets the file's page size. With page 0 destroyed the other one is looked for at every size bbolt knows.
    """
    found: list[Meta] = []
    problems: list[str] = []
    sizes = [1 << power for power in range(9, 21)]
    try:
        found.append(_meta(file, 0, None))
        sizes = [found[0].page_size]
    except Damaged as damage:
        problems.append(damage.message)
    said = ""
    for size in sizes:
        try:
            second = _meta(file, 1, size)
        except Damaged as damage:
            if not said or size == 4096:
                said = damage.message
            continue
        if second.page_size != size:
            said = f"meta page 1 says a page has {second.page_size} bytes, page 0 says {size}."
            continue
        found.append(second)
        break
    else:
        problems.append(said)
    found.sort(key=lambda meta: meta.txid, reverse=True)
    if found:
        file.page_size = found[0].page_size
    return found, problems
