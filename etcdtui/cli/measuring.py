"""The file of metrics that a run without the screen leaves, however it ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from etcdtui.streams import say
from etcdtui.text import clean

if TYPE_CHECKING:
    from typing import Self


class MetricsFile:
    """Where the metrics go, if anywhere. ``failed`` is written where a run ended before it told anything: the
    file must not go on to tell of an earlier one."""

    def __init__(self, path: Path | None, failed: str) -> None:
        self.path = path
        self._failed = failed
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._told:
            self.write(self._failed)

    def write(self, content: str) -> None:
        """That it cannot be written changes nothing about how it went."""
        from etcdtui import metricsfile
        from etcdtui.landing import LocalFault

        self._told = True
        if self.path is None:
            return
        try:
            metricsfile.write(self.path, content)
        except LocalFault as fault:
            say(f"etcdtui: {clean(str(fault), 4000)}", sys.stderr)
