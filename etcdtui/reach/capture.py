"""Output of a command, kept up to a limit."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from etcdtui.errors import TimedOut, UnexpectedOutput
from etcdtui.reach.runner import Completed
from etcdtui.reach.wrap import split_sudo
from etcdtui.text import clean

OUTPUT_LIMIT = 8 * 1024 * 1024
"""Bytes of standard output and error together that ``run`` keeps; for more there is ``stream``."""


class Capture:
    """Collects both outputs of one command. Raises UnexpectedOutput beyond ``limit`` bytes."""

    def __init__(self, host: str, argv: tuple[str, ...], limit: int) -> None:
        self._host, self._argv, self._limit = host, argv, limit
        self._out, self._err = bytearray(), bytearray()

    def add(self, out: bytes, err: bytes) -> None:
        self._out += out
        self._err += err
        if len(self._out) + len(self._err) > self._limit:
            raise UnexpectedOutput(
                f"{self._host}: {short(self._argv)} printed more than {self._limit} bytes and was stopped."
            )

    def completed(self, status: int) -> Completed:
        return Completed(self._argv, status, bytes(self._out), bytes(self._err))


def short(argv: Sequence[str]) -> str:
    """The command in one line for a sentence, at most 80 characters: a script of ours by its name alone."""
    words = split_sudo(argv)[1] or tuple(argv)
    if len(words) > 3 and words[1] == "-c" and "\n" in words[2]:
        return clean(words[3], 80)
    return clean(shlex.join(word.strip().partition("\n")[0] for word in words), 80)


def slow(host: str, argv: Sequence[str], timeout: float) -> TimedOut:
    """The error of a command that took longer than ``timeout`` seconds."""
    return TimedOut(
        f"On {host} {short(argv)} did not end within {timeout:g} s.",
        "Something it waits for hangs: a disk, a mount, a service. Look at that host.",
    )
