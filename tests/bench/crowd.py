"""A lab with more members than a lab may have: for measuring what watching them costs us, not them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from etcdtui.children import processes
from etcdtui.lab import __main__, up
from etcdtui.lab.demo import Lab


@contextmanager
def crowd(nodes: int) -> Iterator[Lab]:
    """Raises as ``Lab``."""

    def module(name: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "tests.bench.crowd", *words]

    lab = Lab(nodes=nodes, keys=500)
    with mock.patch.object(processes, "module", module):
        lab.start()
    try:
        yield lab
    finally:
        lab.close()


def _any_number(directory: Path, **options: object) -> Path:
    return directory


if __name__ == "__main__":
    with mock.patch.object(up, "checked", _any_number):
        sys.exit(__main__.main(sys.argv[1:]))
