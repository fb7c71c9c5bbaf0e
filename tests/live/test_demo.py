"""The demo and a drill as a newcomer starts them, in a terminal: opened, left, and nothing stays behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench.program import environment
from tests.bench.terminal import Program

pytestmark = pytest.mark.live


def test_a_drill_from_its_story_to_its_debrief(tmp_path: Path) -> None:
    home = {**environment(tmp_path), "TMPDIR": str(tmp_path)}
    words = [sys.executable, "-m", "etcdtui", "demo", "--era", "4.12", "--drill", "refused-tokens"]
    with Program(words, home, columns=80, lines=24) as program:
        assert program.when("Press enter", timeout=60), program.last_words()
        program.send("\n")
        assert program.when("OpenShift 4.12", "HEALTHY", "masternode3: its clock", timeout=30), (
            program.last_words()
        )
        program.send("q")
        assert program.when("drill>", timeout=20), program.last_words()
        asked = program.place()
        program.send("clock-right masternode3\n")
        assert program.when("drill>", timeout=20, since=asked), program.last_words()
        program.send("\n")  # back to the program, and out again: the goal is looked at anew
        assert program.when("1 Members", timeout=20, since=asked), program.last_words()
        program.send("q")
        assert program.ended(40), program.last_words()
        assert program.process.returncode == 0, program.text()[-2000:]
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith("etcdtui-")]
    assert not left, "the folder of the lab is gone"
