"""The file of bbolt, etcd's database: its pages and its two meta pages.

A page begins with 16 bytes: its own number (u64), type (u16: 1 branch, 2 leaf, 4 meta, 16 free list), the
number of its elements (u16), how many further pages it runs over (u32); little endian throughout. Source:
bbolt's page.go, node.go and bucket.go, versions 1.3.3 to 1.4.

``Pages`` is a database wherever its bytes lie, ``PagedFile`` one on this machine, read with ``pread``, never
mapped: a file that shrinks under a map kills the process, and pages of a map count as our memory. Whatever
bytes come, only ``Damaged`` goes out, and ``Unreadable`` of the disk.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

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

PAGE_FORMAT: Final = struct.Struct("<QHHI")


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


class Page(NamedTuple):
    """The header of a page as the page itself tells it."""

    id: int
    flags: int
    elements: int
    overflow: int  # further pages it takes

    @property
    def kind(self) -> str:
        return KINDS.get(self.flags, f"of the unknown type 0x{self.flags:x}")


class Unreadable(EtcdTuiError):
    """The file cannot be opened or read at all."""


class Pages:
    """A database of which any piece can be read. ``size`` in bytes."""

    size: int
    page_size: int = 4096  # until a meta page has told it

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. Raises ``Damaged`` beyond the end, ``Unreadable``."""
        raise NotImplementedError

    def page(self, number: int) -> tuple[Page, bytes]:
        """The header of a page, and its bytes: all, or the first single page of a very large one."""
        offset = number * self.page_size
        data = self.read(offset, self.page_size)
        header = Page._make(PAGE_FORMAT.unpack_from(data))
        length = (header.overflow + 1) * self.page_size
        if self.page_size < length <= WHOLE and offset + length <= self.size:
            data += self.read(offset + self.page_size, length - self.page_size)
        return header, data

    def header(self, number: int) -> Page:
        return Page._make(PAGE_FORMAT.unpack(self.read(number * self.page_size, HEADER)))


class PagedFile(Pages):
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


def fnv64a(data: bytes) -> int:
    """FNV-1a, 64 bits: the checksum of a meta page."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def _meta(file: Pages, page: int, page_size: int | None) -> Meta:
    """One meta page. Without ``page_size`` the page's own word is taken."""
    where = f"meta page {page}"
    data = file.read(page * (page_size or 0), HEADER + META_FORMAT.size)
    header = Page._make(PAGE_FORMAT.unpack_from(data))
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


def metas(file: Pages) -> tuple[list[Meta], list[str]]:
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
