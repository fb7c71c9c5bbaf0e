"""Saying something to whoever reads us, who may have gone: that ends no work."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO


def say(line: str, stream: TextIO | None = None, end: str = "\n") -> None:
    """Print at once, on standard output unless told. A stream that fails is left alone from then on."""
    out = sys.stdout if stream is None else stream
    try:
        out.write(line + end)
        out.flush()
    except (OSError, ValueError, AttributeError):  # gone, full, closed, never there
        silence(out)


class Ticker:
    """One line on a terminal that is written over, and lines that stay. Elsewhere there are only these."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._open = False

    def over(self, line: str) -> None:
        if self._stream.isatty():
            say(f"\r\x1b[K{line}", self._stream, end="")
            self._open = True

    def stay(self, line: str) -> None:
        say(self._wiped() + line, self._stream)

    def wipe(self) -> None:
        """Nothing of it is left."""
        if wiped := self._wiped():
            say(wiped, self._stream, end="")

    def _wiped(self) -> str:
        wiped, self._open = ("\r\x1b[K" if self._open else ""), False
        return wiped


def silence(stream: TextIO | None) -> None:
    """What is written to it from now on, and what it still holds, goes nowhere."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        finally:
            os.close(nowhere)
