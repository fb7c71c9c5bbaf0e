"""``python -m tests.bench [refresh start crowd keys] [--quick]``: measure, print, end with 0."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from etcdtui.lab.demo import Lab
from tests.bench import refresh, start, steady
from tests.bench.report import Result, load

PARTS = ("refresh", "start", "keys", "crowd")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all unless told")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see whether it runs")
    parser.add_argument("--nodes", type=int, default=9, help="members of the crowd")
    options = parser.parse_args()
    wanted = options.parts or PARTS
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    print(f"Python {sys.version.split()[0]}, {load()}", flush=True)
    results = []
    for result in _measure(wanted, options.nodes, options.quick):
        results.append(result)
        print("\n".join(result.lines()), flush=True)
    print(f"\n{sum(r.met is True for r in results)} of {len(results)} goals met; {load()}")
    return 0


def _measure(wanted: Sequence[str], nodes: int, quick: bool) -> Iterator[Result]:
    with tempfile.TemporaryDirectory(prefix="etcdtui-bench-") as name:
        folder = Path(name)
        if set(wanted) - {"crowd"}:
            with Lab() as lab:
                if "refresh" in wanted:
                    yield from refresh.measure(lab, quick)
                if "start" in wanted:
                    yield from start.measure(lab, folder, quick)
                if "keys" in wanted:
                    yield from steady.measure_keys(lab, folder, quick)
        if "crowd" in wanted:
            yield from steady.measure_crowd(folder, nodes, quick)


if __name__ == "__main__":
    sys.exit(main())
