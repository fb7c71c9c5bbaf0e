"""From the start of the process to something on the screen, and to the verdict."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from etcdtui.lab.demo import Lab
from tests.bench.program import PANES, dashboard, environment, python_pass
from tests.bench.report import Result, load, median, milliseconds
from tests.bench.terminal import Program

VERDICT = ("HEALTHY", "3/3 voters")
HEAVY = ("paramiko", "kubernetes")


def measure(lab: Lab, folder: Path, quick: bool) -> Iterator[Result]:
    """Goals 4 and 5."""
    env = environment(folder)
    cold = None
    with dashboard(lab.config, env) as program:  # compiles; leaves an inventory behind
        cold = program.when(*VERDICT, timeout=30)
        first = f"{cold - program.began:.2f} s" if cold else f"none within 30 s: {program.last_words()}"
    frames, verdicts, nothing, missed, busy = [], [], [], 0, load()
    for _ in range(4 if quick else 12):
        nothing += [python_pass(env) for _ in range(2)]
        with dashboard(lab.config, env) as program:
            frame = program.when(*PANES, timeout=10)
            verdict = program.when(*VERDICT, timeout=10)
            missed += frame is None or verdict is None
            if frame and verdict:
                frames.append(frame - program.began)
                verdicts.append(verdict - program.began)
    if not frames:
        yield Result("4 first frame", f"never seen, {first}", "≤ 50 × python -c pass", None)
        return
    one = median(nothing)
    loaded = _loaded(lab.config, folder, env)
    ratio = median(frames) / one
    yield Result(
        "4 first frame after the start of the process",
        f"{ratio:.1f} × python -c pass; imported by then: {', '.join(loaded) or 'neither'}",
        f"≤ 50 ×, without {' and '.join(HEAVY)}",
        ratio <= 50 and not loaded,
        [milliseconds("first frame", frames), milliseconds("python -c pass", nothing), busy],
    )
    verdict_time = median(verdicts)
    yield Result(
        "5 verdict on the screen, when started again",
        f"{verdict_time:.2f} s = {verdict_time / one:.0f} × python -c pass",
        "≤ 2 s",
        verdict_time <= 2,
        [
            milliseconds("verdict", verdicts),
            f"the very first start (no inventory, nothing compiled): {first}; never seen: {missed} times",
            load(),
        ],
    )


def _loaded(config: Path, folder: Path, env: Mapping[str, str]) -> list[str]:
    """Those of the heavy modules that are there when the first frame is."""
    told = folder / "modules"
    words = [sys.executable, "-m", "tests.bench.first_frame", str(config), str(told)]
    with Program(words, env, columns=120, lines=36) as program:
        program.ended(15)
    names = set(told.read_text().split()) if told.exists() else {"nothing was told, so perhaps all"}
    return [name for name in (*HEAVY, *(n for n in names if " " in n)) if name in names]
