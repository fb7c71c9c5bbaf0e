"""Numbers of revisions where a restore may have raised the revision: not all of them were writes."""

from __future__ import annotations

from typing import Final

from etcdtui.text import counted, grouped

RAISE: Final = 1_000_000_000
"""By how much OpenShift's scripts raise it where nothing else tells them; etcd's own advice, too."""


def skipped(count: int) -> bool:
    """Whether so many hold those that a restore skipped: nobody writes as many between two looks."""
    return count >= RAISE


def in_revisions(count: int) -> str:
    """1 revision; 18 442 revisions."""
    said = counted(count, "revision").replace(str(count), grouped(count), 1)
    return f"{said} (with those that a restore skipped)" if skipped(count) else said
