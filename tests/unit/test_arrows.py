"""The rooms of the house keep their arrows, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("textual", "rich", "paramiko", "kubernetes")


def test_the_import_contracts_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import etcdtui", HEAVY),
        ("import etcdtui.cli", HEAVY),
        ("import etcdtui.model.findings, etcdtui.etcd.gateway, etcdtui.etcd.answers", (*HEAVY, "yaml")),
        ("import etcdtui.config, etcdtui.journal, etcdtui.status", HEAVY),
        ("import etcdtui.cluster, etcdtui.procedures.operations", HEAVY),
        ("import etcdtui.ui.app", ("paramiko", "kubernetes")),
        ("import etcdtui.reach.ssh", ("textual", "rich", "kubernetes")),
        ("import etcdtui.reach.api", ("textual", "paramiko")),
        ("import etcdtui.lab.up", ("textual", "rich", "kubernetes")),
    ],
)
def test_what_an_import_does_not_bring(code: str, forbidden: tuple[str, ...]) -> None:
    check = f"{code}\nimport sys\nprint([m for m in {forbidden!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["status", "--help"]])
def test_the_quick_commands_need_nothing_heavy(arguments: list[str]) -> None:
    check = (
        "import sys\nfrom etcdtui.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    assert not end.code\n"
        f"assert not [m for m in {HEAVY!r} if m in sys.modules]"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "etcdtui" in done.stdout
