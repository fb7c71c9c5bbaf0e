"""Once it runs: what it costs to watch nine members, and whether keys are heard when hosts are frozen."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

from etcdtui.errors import EtcdTuiError
from etcdtui.lab.demo import Lab
from tests.bench import processes
from tests.bench.crowd import crowd
from tests.bench.program import PANES, dashboard, environment
from tests.bench.report import Result, load, median, milliseconds, p95
from tests.bench.start import VERDICT
from tests.bench.terminal import Program

SETTLE = 12.0  # seconds
NAME = "7 key to screen while every SSH server is frozen"
GOAL = "< 100 ms, < 1 s"


def measure_crowd(folder: Path, nodes: int, quick: bool) -> Iterator[Result]:
    """Goal 6."""
    name, goal = f"6 watching {nodes} members each second, 160×50", "≤ 6 % of a core, ≤ 110 MB"
    try:
        with (
            crowd(nodes) as lab,
            dashboard(lab.config, environment(folder), columns=160, lines=50) as program,
        ):
            shown = program.when("HEALTHY", f"{nodes}/{nodes} voters", timeout=60)
            time.sleep(SETTLE)
            before, written, began = processes.seconds(program.pid), program.written, time.monotonic()
            time.sleep(10 if quick else 40)
            after, took = processes.seconds(program.pid), time.monotonic() - began
            megabytes = processes.resident(program.pid)
            output = (program.written - written) / took
    except EtcdTuiError as error:
        yield Result(name, f"not measured: {error}", goal, None)
        return
    if before is None or after is None or megabytes is None:
        yield Result(name, "not measured: the program is gone, or there is no /proc", goal, None)
        return
    share = (after - before) / took
    yield Result(
        name,
        f"{share * 100:.1f} % of a core, {megabytes:.0f} MB",
        goal,
        share <= 0.06 and megabytes <= 110,
        [
            f"over {took:.0f} s; {output / 1000:.1f} kB/s to the terminal; "
            f"{'all were healthy before' if shown else 'never were all of them healthy'}",
            load(),
        ],
    )


def measure_keys(lab: Lab, folder: Path, quick: bool) -> Iterator[Result]:
    """Goal 7. A pane that gets the focus has its title painted anew; nothing else does that."""
    nodes = [f"masternode{n}" for n in (1, 2, 3)]
    with dashboard(lab.config, environment(folder)) as program:
        healthy = program.when(*VERDICT, timeout=20)
        if healthy is None:
            yield Result(NAME, f"no verdict: {program.last_words()}", GOAL, None)
            return
        before = _press(program, 10 if quick else 30)
        try:
            for node in nodes:
                lab.do("freeze-ssh", node)
            frozen = time.monotonic()
            time.sleep(1.0)
            keys = _press(program, 25 if quick else 80)
            lasted = time.monotonic() - frozen
            pressed = program.send("q")
            end = program.ended(15)
        finally:
            for node in nodes:
                lab.do("thaw-ssh", node)
    heard = [key for key in keys if key is not None]
    good = [key for key in before if key is not None]
    if not heard or not good:
        yield Result(NAME, "never seen", GOAL, None)
        return
    leaving = end - pressed if end else None
    yield Result(
        NAME,
        f"median {median(heard) * 1e3:.0f} ms, p95 {p95(heard) * 1e3:.0f} ms "
        f"({p95(heard) / p95(good):.1f} × the p95 before); "
        f"q to the end {f'{leaving:.2f} s' if leaving else 'never'}",
        GOAL,
        p95(heard) < 0.1 and leaving is not None and leaving < 1.0 and len(heard) == len(keys),
        [
            milliseconds("frozen", heard) + f"; not seen within 2 s: {len(keys) - len(heard)}",
            milliseconds("before", good) + f"; frozen for {lasted:.1f} s",
            load(),
        ],
    )


def _press(program: Program, times: int) -> list[float | None]:
    found: list[float | None] = []
    for number in itertools.islice(itertools.cycle((2, 3, 4, 1)), times):
        since = program.place()
        pressed = program.send(str(number))
        seen = program.when(PANES[number - 1], timeout=2, since=since)
        found.append(None if seen is None else seen - pressed)
        time.sleep(0.137)  # no multiple of a second: every place between two pictures is met
    return found
