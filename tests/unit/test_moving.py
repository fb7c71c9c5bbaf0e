"""Setting a manifest aside, with real files."""

from __future__ import annotations

import subprocess
from pathlib import Path

from etcdtui.procedures.moving import move


def moved(source: Path, target: Path) -> int:
    return subprocess.run(move((), str(source), str(target)), capture_output=True).returncode


def test_it_may_be_run_again_and_is_never_over_anything(tmp_path: Path) -> None:
    source, target = tmp_path / "etcd-pod.yaml", tmp_path / "kept"
    source.write_text("first")
    assert moved(source, target) == 0 and moved(source, target) == 0, "gone on with after it was moved"
    assert target.read_text() == "first" and not source.exists()
    source.write_text("second")
    moved(source, target)
    assert target.read_text() == "first" and source.read_text() == "second"
