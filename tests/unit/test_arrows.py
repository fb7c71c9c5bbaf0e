"""The rooms of the house keep their arrows, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("textual", "rich", "paramiko", "kubernetes")


def test_the_import_contracts_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("room", ["model", "etcd", "text.py", "errors.py"])
def test_the_nouns_and_the_parsers_know_the_standard_library_only(room: str) -> None:
    ours = {"etcdtui.model", "etcdtui.etcd", "etcdtui.text", "etcdtui.errors"}
    path = ROOT / "etcdtui" / room
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        for name in _imported(file):
            assert name.partition(".")[0] in sys.stdlib_module_names or name in ours, f"{file} imports {name}"


def _imported(file: Path) -> Iterator[str]:
    """Every module that a file imports, our own to their second part."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom) and node.module != "etcdtui":
            names = [node.module or ""]
        elif isinstance(node, ast.ImportFrom):
            names = [f"etcdtui.{name}" for name in names]
        yield from (".".join(name.split(".")[:2]) if name.startswith("etcdtui") else name for name in names)


def test_no_module_stands_outside_the_contracts() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (rooms,) = [c for c in contracts["contracts"] if c["type"] == "layers"]
    assert rooms["exhaustive"] and rooms["containers"] == ["etcdtui"]


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import etcdtui", HEAVY),
        ("import etcdtui.cli.main", HEAVY),
        ("import etcdtui.model.findings, etcdtui.etcd.gateway, etcdtui.etcd.answers", (*HEAVY, "yaml")),
        ("import etcdtui.config, etcdtui.journal_text, etcdtui.status, etcdtui.landing", HEAVY),
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
        "import sys\nfrom etcdtui.cli.main import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    assert not end.code\n"
        f"assert not [m for m in {HEAVY!r} if m in sys.modules]"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "etcdtui" in done.stdout
