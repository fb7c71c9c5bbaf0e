"""Starting the real program as a user does: compiled once, in a terminal, with a folder for its state."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from etcdtui.children import processes
from tests.bench.terminal import Program

PANES = ("1 Members", "2 Latency", "3 Backups", "4 Findings")


def environment(folder: Path) -> dict[str, str]:
    """Bytecode is kept in ``folder``, as an installed package has its own; state too."""
    env = processes.python_environment()
    for name in ("PYTHONDONTWRITEBYTECODE", "NO_COLOR", "TEXTUAL_THEME", "COLUMNS", "LINES"):
        env.pop(name, None)
    state = {"XDG_STATE_HOME": str(folder / "state"), "PYTHONPYCACHEPREFIX": str(folder / "pycache")}
    return {**env, **state, "TERM": "xterm-256color", "COLORTERM": "truecolor"}


def dashboard(config: Path, env: Mapping[str, str], *, columns: int = 120, lines: int = 36) -> Program:
    words = [sys.executable, "-m", "etcdtui", "--config", str(config)]
    return Program(words, env, columns=columns, lines=lines)


def python_pass(env: Mapping[str, str]) -> float:
    """Seconds for ``python -c pass``: what every start of a Python program costs here."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], env=dict(env), cwd=os.sep, check=True)
    return time.perf_counter() - began
