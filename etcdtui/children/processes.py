"""Processes of ours: started in a group of their own, found again through ps, signalled as a family."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

MARK = "ETCDTUI_LAB"


def python_environment() -> dict[str, str]:
    """Our own environment, with which a Python child finds this package again."""
    package = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{known}" if known else package}


def module(name: str, *words: str) -> list[str]:
    """The words that run a module of this package."""
    return [sys.executable, "-m", name, *words]


def signal_group(group: int, number: int) -> None:
    """Send a signal to a process group; that it is gone already is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def signal_all(pids: Iterable[int], number: int) -> None:
    """Send a signal to each process; that one is gone already is no error."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def family(roots: Iterable[int]) -> list[int]:
    """``roots`` and all their descendants, parents first."""
    children: dict[int, list[int]] = {}
    for line in _ps("-axo", "pid=,ppid=").splitlines():
        words = line.split()
        if len(words) == 2:
            children.setdefault(int(words[1]), []).append(int(words[0]))
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop(0)
        if pid not in found:
            found.append(pid)
            waiting.extend(children.get(pid, []))
    return found


def marked(identity: str, folder: str = "") -> list[int]:
    """Processes that carry our mark in their environment: what SSH sessions of the lab left running, and what
    a rehearsal began.

    With ``folder``: those of them only whose home is below it.
    """
    word = f"{MARK}={identity}"
    show = (
        ("-axww", "-E", "-o", "pid=,command=") if sys.platform == "darwin" else ("axeww", "-o", "pid=,args=")
    )
    found = []
    for line in _ps(*show).splitlines():
        pid, _, rest = line.strip().partition(" ")
        words = rest.split()
        here = not folder or any(w.startswith(f"HOME={folder}/") for w in words)
        if word in words and here and pid.isdigit() and int(pid) != os.getpid():
            found.append(int(pid))
    return found


def end_marked(identity: str, folder: str) -> None:
    """End the lab's processes whose environment names ``folder``: those that a host's sessions left."""
    signal_all(marked(identity, folder), signal.SIGKILL)


def stop(process: subprocess.Popen[bytes], grace: float) -> int:
    """Ask a process group to end, insist after ``grace`` seconds; its exit code."""
    if process.poll() is None:
        signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    signal_group(process.pid, signal.SIGKILL)
    return process.wait()


def start(
    words: list[str], *, env: Mapping[str, str], log: Path, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start ``words`` in a session of its own (a terminal's Ctrl-C does not reach it), output to ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            words,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def wait_gone(pids: Iterable[int], patience: float) -> bool:
    """Wait until none of ``pids`` runs; what only waits to be collected by its parent is gone."""
    deadline = time.monotonic() + patience
    wanted = {str(pid) for pid in pids}
    while True:
        lines = (line.split() for line in _ps("-axo", "pid=,stat=").splitlines())
        left = [words for words in lines if words[0] in wanted and not words[-1].startswith("Z")]
        if not left or time.monotonic() > deadline:
            return not left
        time.sleep(0.05)


def _ps(*words: str) -> str:
    done = subprocess.run(["ps", *words], capture_output=True, check=False)
    return done.stdout.decode("utf-8", "replace")
