"""The command that sets a file aside on a host: never over anything, and safe to run twice."""

from __future__ import annotations

from collections.abc import Sequence

NAME = "etcdtui-move"  # what the script is called, by which it is told from others

# Arguments: what is moved, where it goes. Gone on with, it may have been moved already.
_MOVE = '[ ! -e "$1" ] || mv -n -- "$1" "$2"'


def move(sudo: Sequence[str], source: str, target: str) -> tuple[str, ...]:
    """The command that moves ``source`` to ``target``."""
    return (*sudo, "sh", "-c", _MOVE, NAME, source, target)
