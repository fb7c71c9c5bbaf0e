"""Snapshot files for tests: real small ones, and what can be done to them."""

from __future__ import annotations

import hashlib
import random
import struct
from pathlib import Path

from etcdtui.etcd.bbolt import fnv64a
from tests.recorded import DATA, VERSIONS

PAGE = 4096
REAL = {version: (DATA / "snapshots" / f"{version}.db").read_bytes() for version in VERSIONS}

RAISED = (DATA / "snapshots" / "3.5.16-raised.db").read_bytes()
"""After a restore that raised the revision by a thousand million."""


def sealed(database: bytes) -> bytes:
    """With the digest behind it that fits."""
    return database + hashlib.sha256(database).digest()


def resealed(snapshot: bytes) -> bytes:
    """The same with a digest that fits whatever was done to it."""
    return sealed(snapshot[:-32])


def with_page(snapshot: bytes, number: int, content: bytes, at: int = 0) -> bytes:
    """``content`` written over page ``number`` from byte ``at`` of it on, with a digest that fits."""
    begin = number * PAGE + at
    return resealed(snapshot[:begin] + content + snapshot[begin + len(content) :])


def with_meta(snapshot: bytes, **fields: int) -> bytes:
    """Both meta pages changed, with checksums that fit."""
    places = {"page_size": (8, "<I"), "root": (16, "<Q"), "freelist": (32, "<Q"), "high_water": (40, "<Q")}
    for number in (0, 1):
        begin = number * PAGE + 16
        meta = bytearray(snapshot[begin : begin + 64])
        for name, value in fields.items():
            at, layout = places[name]
            struct.pack_into(layout, meta, at, value)
        struct.pack_into("<Q", meta, 56, fnv64a(bytes(meta[:56])))
        snapshot = snapshot[:begin] + bytes(meta) + snapshot[begin + 64 :]
    return resealed(snapshot)


def header(snapshot: bytes, number: int) -> tuple[int, int, int, int]:
    """Number, type, count and overflow as the page says."""
    found: tuple[int, int, int, int] = struct.unpack_from("<QHHI", snapshot, number * PAGE)
    return found


def mutated(data: bytes, pick: random.Random) -> bytes:
    """Damage of one of the kinds that files meet."""
    pages = len(data) // PAGE
    one, other, at = pick.randrange(pages), pick.randrange(pages), pick.randrange(len(data))
    first, second = (data[n * PAGE : (n + 1) * PAGE] for n in (one, other))
    kind = pick.choice(("flip", "flip", "byte", "word", "truncate", "zero", "duplicate", "swap", "append"))
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ 1 << pick.randrange(8)]) + data[at + 1 :]
    if kind == "byte":
        return data[:at] + pick.randbytes(1) + data[at + 1 :]
    if kind == "word":  # in the head of a page, where the numbers are
        at = one * PAGE + 4 * pick.randrange(40)
        word = pick.choice(
            (0, 1, 2, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, pages, pages + 1, one, pick.randrange(64))
        )
        return data[:at] + struct.pack("<I", word) + data[at + 4 :]
    if kind == "truncate":
        return data[: pick.choice((at, one * PAGE, one * PAGE + 32))]
    if kind == "zero":
        length = pick.choice((1, 16, 512, PAGE))
        return data[:at] + bytes(length) + data[at + length :]
    if kind == "append":
        return data + pick.randbytes(pick.choice((1, 32, PAGE)))
    low, high = min(one, other), max(one, other)
    if kind == "duplicate":
        return data[: high * PAGE] + (first if low == one else second) + data[(high + 1) * PAGE :]
    if low == high:
        return data
    left, right = data[low * PAGE : (low + 1) * PAGE], data[high * PAGE : (high + 1) * PAGE]
    return (
        data[: low * PAGE] + right + data[(low + 1) * PAGE : high * PAGE] + left + data[(high + 1) * PAGE :]
    )


def with_entry(
    data: bytes, revision: int, *, size: int = -1, at: int = 0, content: bytes = b"", mark: bytes = b""
) -> bytes:
    """The value of that revision's first entry shortened to ``size``, or ``content`` written over entry and
    value from ``at`` on, with a digest that fits. ``mark`` is ``t`` for a tombstone.

    In every page that has it, for old ones lie about.
    """
    name = revision.to_bytes(8, "big") + b"_" + bytes(8) + mark
    changed, found = bytearray(data), -1
    while (found := data.find(name, found + 1)) >= 0:
        for element in range(found - 16, max(found - PAGE, 0), -1):
            if struct.unpack_from("<III", data, element) == (0, found - element, len(name)):
                if size >= 0:
                    struct.pack_into("<I", changed, element + 12, size)
                changed[found + at : found + at + len(content)] = content
    return resealed(bytes(changed))


def written(folder: Path, data: bytes, name: str = "snapshot.db") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path
