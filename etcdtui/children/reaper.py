"""The one who cleans up: a small process that outlives us by a moment, however we end.

It is told through a pipe what exists. When the pipe closes (a proper end, or kill -9), it ends all that and
removes the folder, if it was told to.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

from etcdtui.children import processes


class Reaper:
    """Our end of the pipe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            processes.module("etcdtui.children.reaper"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=processes.python_environment(),
            cwd="/",
            start_new_session=True,
        )

    def _tell(self, *words: object) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.write((" ".join(map(str, words)) + "\n").encode())
            self._process.stdin.flush()

    def family(self, pid: int) -> None:
        """This process leads a group of its own; it, its group and its descendants are ours."""
        self._tell("family", pid)

    def forget(self, pid: int) -> None:
        """That process has ended: its number may soon be somebody else's."""
        self._tell("forget", pid)

    def mark(self, identity: str) -> None:
        """Processes with this mark in their environment are ours."""
        self._tell("mark", identity)

    def remove(self, path: Path) -> None:
        """This file or folder goes at the end."""
        self._tell("remove", path)

    def finish(self, patience: float = 15.0) -> None:
        """Let it do its work now, and wait for its end."""
        with self._lock:
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)


def listen(pipe: TextIO) -> None:
    """Read what exists until the pipe closes, then make an end of it."""
    families: set[int] = set()
    marks: set[str] = set()
    paths: list[Path] = []
    for line in pipe:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "family":
            families.add(int(rest))
        elif word == "forget":
            families.discard(int(rest))
        elif word == "mark":
            marks.add(rest)
        elif word == "remove":
            paths.append(Path(rest))
    _end(families, marks)
    for path in paths:
        _remove(path)


def _end(families: set[int], marks: set[str]) -> None:
    # Before the first is killed: an orphan no longer shows whose child it was.
    everyone = processes.family(families) if families else []
    for identity in marks:
        everyone.extend(processes.marked(identity))
    for group in families:
        processes.signal_group(group, signal.SIGKILL)
    processes.signal_all((pid for pid in everyone if pid != os.getpid()), signal.SIGKILL)
    processes.wait_gone(everyone, 3.0)


def _remove(path: Path) -> None:
    for _ in range(50):
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        if not os.path.lexists(path):
            return
        time.sleep(0.1)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    listen(sys.stdin)
