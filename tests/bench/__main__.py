"""``python -m tests.bench [PART …] [--quick] [--keep FOLDER]``: measure, print, end with 0."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from etcdtui.lab.demo import Lab
from tests.bench import proof, refresh, shelf, start, steady, transfer
from tests.bench.report import Result, load

LAB = ("refresh", "start", "keys")  # what needs a living control plane
PARTS = (*LAB, "crowd", "transfer", "shelf", "proof")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all unless told")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see whether it runs")
    parser.add_argument("--nodes", type=int, default=9, help="members of the crowd")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where snapshots lie for another proof")
    options = parser.parse_args()
    wanted = options.parts or PARTS
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    print(f"Python {sys.version.split()[0]}, {load()}", flush=True)
    results = []
    for result in _measure(wanted, options):
        results.append(result)
        print("\n".join(result.lines()), flush=True)
    print(f"\n{sum(r.met is True for r in results)} of {len(results)} goals met; {load()}")
    return 0


def _measure(wanted: Sequence[str], options: argparse.Namespace) -> Iterator[Result]:
    with tempfile.TemporaryDirectory(prefix="etcdtui-bench-") as name:
        folder, quick = Path(name), options.quick
        if set(wanted) & set(LAB):
            with Lab() as lab:
                if "refresh" in wanted:
                    yield from refresh.measure(lab, quick)
                if "start" in wanted:
                    yield from start.measure(lab, folder, quick)
                if "keys" in wanted:
                    yield from steady.measure_keys(lab, folder, quick)
        if "crowd" in wanted:
            yield from steady.measure_crowd(folder, options.nodes, quick)
        if "transfer" in wanted:
            yield from transfer.measure(folder, quick)
        if "shelf" in wanted:
            yield from shelf.measure(folder, quick)
        if "proof" in wanted:
            yield from proof.measure(options.keep or folder / "snapshots", quick)


if __name__ == "__main__":
    sys.exit(main())
