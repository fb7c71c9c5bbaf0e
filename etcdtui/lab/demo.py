"""A lab in a process of its own, that ends when we do: what `etcdtui demo` and the live tests use."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from etcdtui.children import processes
from etcdtui.errors import CommandFailed, ConfigError
from etcdtui.lab import control
from etcdtui.lab.eras import DEFAULT, ERAS


class Lab:
    """A context manager: inside it, a control plane runs. Raises ConfigError for an unknown era.

    The child holds our end of a pipe: however we end, it sees the pipe close and takes everything away.
    """

    def __init__(
        self,
        *,
        nodes: int = 3,
        etcd_dir: Path | None = None,
        ssh: str = "auto",
        keys: int = 3000,
        pace: float = 1.0,
        era: str = DEFAULT.name,
        directory: Path | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        if era not in ERAS:
            raise ConfigError(f"There is no lab of {era}.", f"Known: {', '.join(ERAS)}.")
        self._wanted = directory
        self._words = ["--nodes", str(nodes), "--ssh", ssh, "--keys", str(keys)]
        self._words += ["--pace", str(pace), "--era", era, "--until-stdin-closes"]
        if etcd_dir is not None:
            self._words += ["--etcd-dir", str(etcd_dir)]
        self._progress = progress or (lambda line: None)
        self._process: subprocess.Popen[str] | None = None
        self._drain: threading.Thread | None = None
        self.directory = Path()
        self.config = Path()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The supervising process, 0 before the start."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Bring it up; returns when it is usable. Raises CommandFailed with what it said."""
        # Short: paths of sockets and command lines have limits, and people read them.
        self.directory = self._wanted or Path(tempfile.gettempdir()) / f"etcdtui-{secrets.token_hex(4)}"
        self._process = subprocess.Popen(
            processes.module("etcdtui.lab", "up", str(self.directory), *self._words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=processes.python_environment(),
            # A terminal's Ctrl-C is for us alone; the child ends after us.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        wanted = str(self.directory / "clusters.toml")
        last = ""
        for line in self._process.stdout:
            last = line.rstrip("\n")
            if last == wanted:
                self.config = Path(last)
                self._drain = threading.Thread(target=_read_away, args=(self._process.stdout,), daemon=True)
                self._drain.start()
                return
            self._progress(last)
        self.close()
        raise CommandFailed("The lab did not come up.", last)

    def do(self, action: str, node: str | None = None) -> str:
        """Have the lab do something. Raises EtcdTuiError."""
        return control.send(self.directory, action, node)

    def close(self) -> None:
        """Take everything away; returns when it is gone. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            # The reaper cleans up after it.
            process.kill()
            process.wait()
        if self._drain is not None:
            self._drain.join(5)
        process.stdout.close()


def _read_away(pipe: IO[str]) -> None:
    # A full pipe would stop the lab in the middle of a word.
    with contextlib.suppress(OSError, ValueError):
        for _ in pipe:
            pass
