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


def silence(stream: TextIO | None) -> None:
    """What is written to it from now on, and what it still holds, goes nowhere."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        finally:
            os.close(nowhere)
