"""The digest of a file while it comes, and the one that a snapshot carries at its own end."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

SEAL: Final = 32  # bytes at the end of a snapshot: the SHA-256 of all before


class Sums:
    """The SHA-256 of a file of ``size`` bytes as it comes; ``digest`` has seen the first ``at`` of them.

    Made in a thread of its own, one block behind what comes: the next is received and written meanwhile.
    """

    def __init__(self, digest: hashlib._Hash, at: int, size: int) -> None:
        self._whole, self._at, self._edge = digest, at, size - SEAL
        self._body, self._seal = b"", b""
        self._thread = ThreadPoolExecutor(1, "sha256")
        self._behind: Future[None] | None = None

    def __enter__(self) -> Sums:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def update(self, block: bytes) -> None:
        self._catch_up()
        self._behind = self._thread.submit(self._take, block)

    def _catch_up(self) -> None:
        if self._behind is not None:
            self._behind.result()

    def _take(self, block: bytes) -> None:
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
        self._catch_up()
        return self._whole.hexdigest()

    @property
    def sealed(self) -> bool:
        """Whether the file ends with the digest of all before; False also where that was not seen."""
        self._catch_up()
        return len(self._body) == SEAL and self._body == self._seal
