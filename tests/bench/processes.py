"""CPU time and memory of processes, read from /proc. Where there is none, there is no answer (None)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Times:
    """CPU seconds: its own, and those of its children that ended and were waited for."""

    parent: int
    own: float
    reaped: float


def times(pid: int) -> Times | None:
    """None for a process that is gone, or without /proc."""
    try:
        # The name may have blanks and brackets in it; the numbers begin after its last bracket.
        words = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    user, system, child_user, child_system = (int(word) / TICK for word in words[11:15])
    return Times(int(words[1]), user + system, child_user + child_system)


def seconds(pid: int) -> float | None:
    """CPU seconds of one process, all its threads."""
    found = times(pid)
    return None if found is None else found.own


def family(roots: Iterable[int]) -> set[int]:
    """``roots`` and all that descends from them."""
    children: dict[int, list[int]] = {}
    for name in os.listdir(PROC) if PROC.is_dir() else ():
        if name.isdigit() and (found := times(int(name))):
            children.setdefault(found.parent, []).append(int(name))
    known, waiting = set[int](), list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in known:
            known.add(pid)
            waiting.extend(children.get(pid, ()))
    return known


def family_seconds(roots: Iterable[int]) -> float | None:
    """CPU seconds of whole families, also of members that have ended. For families of single threads.

    The scheduler's own count is in nanoseconds where the kernel tells it; the usual one is in ticks of
    10 ms, which would hide a refresh.
    """
    total = 0.0
    for pid in family(roots):
        found = times(pid)
        if found is not None:
            total += (_scheduled(pid) or found.own) + found.reaped
    return total or None


def listeners(under: Path) -> list[int]:
    """The sshd servers whose configuration lies ``under`` this folder; not their sessions."""
    found = []
    for name in os.listdir(PROC) if PROC.is_dir() else ():
        if name.isdigit():
            try:
                words = (PROC / name / "cmdline").read_text(errors="replace").replace("\0", " ")
            except OSError:
                continue
            if str(under) in words and "sshd" in words and "-f" in words:
                found.append(int(name))
    return found


def resident(pid: int) -> float | None:
    """Megabytes of memory in use (VmRSS)."""
    try:
        text = (PROC / str(pid) / "status").read_text()
    except OSError:
        return None
    line = next((line for line in text.splitlines() if line.startswith("VmRSS:")), "")
    return int(line.split()[1]) / 1024 if line else None


def _scheduled(pid: int) -> float | None:
    try:
        return int((PROC / str(pid) / "schedstat").read_text().split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return None
