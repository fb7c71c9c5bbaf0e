"""CRC-32C (Castagnoli) with nothing but the standard library, at 100 MB/s and more.

etcd's own hash of a snapshot is this checksum. A table in pure Python does about 15 MB/s; here long input is
first *folded*: read as a polynomial over GF(2), a block may be replaced by any shorter one that leaves the
same remainder, and Python shifts and xors integers of megabytes at the speed of memory.

The fold rests on x^6777 + x^484 + x^100 + 1 being a multiple of the polynomial (found by search; a test
checks it). So is each of its squares, in which all exponents double. Whatever stands 2^i * 6777 places up
may therefore be moved down to 2^i * 484, 2^i * 100 and 0.
"""

from __future__ import annotations

from typing import Final

POLYNOMIAL: Final = 0x82F63B78  # reflected, without its highest term
FOLD: Final = (6777, 484, 100)
BLOCK: Final = 1 << 20  # bytes folded at once
_SMALLEST: Final = 3  # eightfold exponents: everything stays on byte borders


def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        rest = byte
        for _ in range(8):
            rest = rest >> 1 ^ (POLYNOMIAL if rest & 1 else 0)
        entries.append(rest)
    return tuple(entries)


_TABLE: Final = _table()


class Crc32c:
    """The checksum of what ``update`` was given so far. Small pieces are collected before they are folded."""

    def __init__(self) -> None:
        self._state = 0xFFFFFFFF
        self._waiting: list[bytes] = []
        self._length = 0

    def update(self, data: bytes) -> None:
        self._waiting.append(data)
        self._length += len(data)
        if self._length >= BLOCK:
            self._flush()

    def value(self) -> int:
        self._flush()
        return self._state ^ 0xFFFFFFFF

    def _flush(self) -> None:
        data = b"".join(self._waiting)
        self._waiting, self._length = [], 0
        for at in range(0, len(data), BLOCK):
            self._state = _through(self._state, data[at : at + BLOCK])


def crc32c(data: bytes) -> int:
    """Of all of ``data`` at once."""
    checksum = Crc32c()
    checksum.update(data)
    return checksum.value()


def _through(state: int, data: bytes) -> int:
    if len(data) > 4096:
        # The state belongs to the first four bytes; then the whole is one polynomial.
        head = int.from_bytes(data[:4], "little") ^ state
        data, state = _folded(head.to_bytes(4, "little") + data[4:]), 0
    for byte in data:
        state = state >> 8 ^ _TABLE[(state ^ byte) & 0xFF]
    return state


def _folded(data: bytes) -> bytes:
    """A shorter input with the same remainder.

    Bit 0 of the first byte is the highest term, so the terms to be moved *down* are the low bits of the
    little-endian number, and moving them down is a shift to the left.
    """
    bits = len(data) * 8
    number = int.from_bytes(data, "little")
    power = 20
    while power >= _SMALLEST:
        a, b, c = (exponent << power for exponent in FOLD)
        if bits <= a:
            power -= 1
            continue
        high = bits - a  # how many terms lie at x^a and above
        # Fold no more at once than leaves the moved terms clear of those that are moved.
        high = min(high, a - b)
        moved = number & ((1 << high) - 1)
        # The terms at x^(bits-high) and above go; each comes back a - b, a - c and a places lower.
        number = (number >> high) ^ (moved << (a - b - high)) ^ (moved << (a - c - high))
        number ^= moved << (a - high)
        bits -= high
    return number.to_bytes(bits // 8, "little")
