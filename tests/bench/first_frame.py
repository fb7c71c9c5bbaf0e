"""The dashboard, ended the moment it begins to look at its cluster: what had been imported by then?

``python -m tests.bench.first_frame CONFIG FILE`` writes the names of all loaded modules to FILE.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from etcdtui.cli import main as cli
from etcdtui.cluster import cluster


def main(config: str, told: Path) -> None:
    def start(self: cluster.Cluster, on_change: Callable[[], None]) -> None:
        told.write_text("\n".join(sorted(sys.modules)))
        os._exit(0)

    cluster.Cluster.start = start  # type: ignore[method-assign,assignment]
    cli.main(["--config", config])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
