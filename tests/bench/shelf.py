"""The dashboard over a cluster that is not there, with very many backups: keys while news come.

``python -m tests.bench.shelf COUNT`` shows it. Every other second a host tells its backups anew, all of
them as other objects and one of them changed, so that every row has to be made again.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from etcdtui.model.backups import FoundFile
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.ui.app import EtcdTui
from tests.bench.program import PANES, environment
from tests.bench.report import Result, load, milliseconds
from tests.bench.terminal import Program
from tests.ui import fakes

BACKUPS, LIMIT = 5000, 0.1  # how many; seconds that no key may wait
NEWEST = datetime(2026, 11, 23, 2)
NEWS = 2.0  # seconds
KEYS = (("j", 1), ("k", 0), ("G", BACKUPS - 1), ("g", 0), ("S", 1), ("S", 1))  # and the day each paints
NAME, GOAL = f"10 key to screen with {BACKUPS} backups and news of them every {NEWS:g} s", "each ≤ 100 ms"


def shelf(count: int, turn: int = 0) -> ClusterView:
    """One host with ``count`` backups, one a day; the newest snapshot is larger in every turn."""
    view, files = fakes.healthy(), list[FoundFile]()
    for day in range(count):
        stamp = (NEWEST - timedelta(days=day)).strftime("%Y-%m-%d_%H%M%S")
        size = (92 + (turn % 8 if day == 0 else 0)) * fakes.MIB + 32
        files.append(FoundFile("masternode1", "/b", f"snapshot_{stamp}.db", size, 0.0))
        files.append(FoundFile("masternode1", "/b", f"static_kuberesources_{stamp}.tar.gz", 70_000, 0.0))
    host, *others = view.hosts
    assert host.facts.value is not None
    facts = replace(host.facts.value, backups=tuple(files))
    quiet = [replace(h, facts=Reading(fakes.host_facts(h.name), view.now)) for h in others]
    return replace(view, hosts=(replace(host, facts=Reading(facts, view.now)), *quiet))


@dataclass
class _Shelf(fakes.FakeCluster):
    count: int = 0

    def start(self, on_change: Callable[[], None]) -> None:
        super().start(on_change)
        threading.Thread(target=self._news, daemon=True).start()

    def _news(self) -> None:
        # As the cluster's own threads do it: made and joined anew each time, before the screen is told.
        for turn in itertools.count():
            view = shelf(self.count, turn)
            _ = view.known_backups
            self.shown = view
            self.on_change()
            time.sleep(NEWS)


def _shown(day: int) -> str:
    return (NEWEST - timedelta(days=day)).strftime("%Y-%m-%d %H:%M")


def measure(folder: Path, quick: bool) -> Iterator[Result]:
    """Goal 10. After every key a day must be painted that was not there, or all of them anew."""
    words = [sys.executable, "-m", "tests.bench.shelf", str(BACKUPS)]
    with Program(words, environment(folder), columns=120, lines=36) as program:
        if program.when(_shown(0), timeout=30) is None:
            yield Result(NAME, f"never shown: {program.last_words()}", GOAL, None)
            return
        time.sleep(NEWS)
        program.send("3")
        program.when(PANES[2], timeout=5)
        found: dict[str, list[float]] = {}
        missed = 0
        for _ in range(4 if quick else 25):
            for key, day in KEYS:
                took = _press(program, key, day)
                if took is None:
                    missed += 1
                else:
                    found.setdefault(key, []).append(took)
                time.sleep(0.0737)  # no part of the time between two news
    if not found:
        yield Result(NAME, "no key was ever answered", GOAL, None)
        return
    slowest = max(max(times) for times in found.values())
    yield Result(
        NAME,
        f"slowest {slowest * 1e3:.0f} ms",
        GOAL,
        slowest <= LIMIT and not missed,
        [
            *(milliseconds(key, times) for key, times in found.items()),
            f"not seen within 3 s: {missed}; {load()}",
        ],
    )


def _press(program: Program, key: str, day: int) -> float | None:
    """Seconds from the key until that day is painted."""
    since = program.place()
    pressed = program.send(key)
    seen = program.when(_shown(day), timeout=3, since=since)
    return None if seen is None else seen - pressed


if __name__ == "__main__":
    EtcdTui(_Shelf(shelf(int(sys.argv[1])), count=int(sys.argv[1]))).run()
