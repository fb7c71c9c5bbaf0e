"""The digest of a file while it comes, and the one that a snapshot carries at its own end."""

from __future__ import annotations

import hashlib
from typing import Final

SEAL: Final = 32  # bytes at the end of a snapshot: the SHA-256 of all before


class Sums:
    """The SHA-256 of a file of ``size`` bytes as it comes; ``digest`` has seen the first ``at`` of them."""

    def __init__(self, digest: hashlib._Hash, at: int, size: int) -> None:
        self._whole, self._at, self._edge = digest, at, size - SEAL
        self._body, self._seal = b"", b""

    def update(self, block: bytes) -> None:
        before, self._at = self._at, self._at + len(block)
        if self._at > self._edge:
            cut = max(0, self._edge - before)
            self._whole.update(block[:cut])
            if before <= self._edge:
                self._body = self._whole.digest()
            block = block[cut:]
            self._seal += block
        self._whole.update(block)

    def hexdigest(self) -> str:
        return self._whole.hexdigest()

    @property
    def sealed(self) -> bool:
        """Whether the file ends with the digest of all before; False also where that was not seen."""
        return len(self._body) == SEAL and self._body == self._seal
