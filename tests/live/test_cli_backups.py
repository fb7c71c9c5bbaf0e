"""The commands about backups against a living lab: what each says, and its exit code. In this order."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from etcdtui.lab.demo import Lab
from tests.live.backing import HOST, ROOT, Ground

pytestmark = pytest.mark.live

SHELF = """
[[clusters.lab.stores]]
kind = "directory"
name = "shelf"
path = "{path}"
keep = {{last = 1}}
"""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("ground")
    (folder / "shelf").mkdir(mode=0o700)
    with Lab(keys=500) as lab:
        ground = Ground(lab, folder, SHELF.format(path=folder / "shelf"))
        ground.cluster.close()  # the command line looks for itself
        yield ground


def well(ground: Ground) -> AbstractContextManager[None]:
    return nullcontext()


@contextmanager
def shelf_gone(ground: Ground) -> Iterator[None]:
    shelf = ground.folder / "shelf"
    aside = shelf.rename(shelf.with_name("aside"))
    try:
        yield
    finally:
        aside.rename(shelf)


@contextmanager
def half_here(ground: Ground) -> Iterator[None]:
    """The second file of the backup here is not there."""
    (packed,) = ground.here.glob("*/static_kuberesources_*")
    aside = packed.rename(ground.folder / packed.name)
    try:
        yield
    finally:
        aside.rename(packed)


@contextmanager
def not_here(ground: Ground) -> Iterator[None]:
    """The backup is only elsewhere; what comes is taken away again."""
    folder = Path(kept(ground))
    aside = folder.rename(ground.folder / folder.name)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)


@contextmanager
def member_down(ground: Ground) -> Iterator[None]:
    ground.lab.do("stop", "masternode3")
    try:
        yield
    finally:
        ground.lab.do("start", "masternode3")


def kept(ground: Ground) -> str:
    """The folder of the backup here, which is put for FOLDER."""
    return str(next(path for path in sorted(ground.here.iterdir()) if path.is_dir()))


@pytest.mark.parametrize(
    ("situation", "command", "code", "sentence"),
    [
        (well, "backups", 1, ""),
        (well, "prune --yes", 0, "No backup had to go."),
        (well, "backup --store nosuch", 64, "There is no store nosuch: known are outside and shelf."),
        (well, "backup --host nosuch", 64, "There is no host nosuch: known are masternode1"),
        (well, f"backup --host {HOST}", 0, "is proven and lies on"),
        (well, "backups", 0, "✓ 2 files"),
        (well, "verify FOLDER", 0, "is good"),
        (well, "verify STAMP", 0, "is good"),
        (well, "fetch STAMP", 0, "is on this machine already, and proven."),
        (well, "fetch 2020-01-01_000000", 2, "No backup is called 2020-01-01_000000."),
        (well, "fetch --store nosuch STAMP", 64, "There is no store nosuch: known are outside and shelf."),
        (not_here, "fetch --store shelf STAMP", 0, "Both lie in"),
        (well, "rehearse STAMP", 0, "it is what was proven"),
        (well, "rehearse last", 0, "That is written into snapshot_"),
        (well, "maintenance masternode1", 0, "masternode1"),
        (well, "maintenance nosuch", 64, "No member is called nosuch"),
        (well, "resume", 0, "Nothing on lab was interrupted."),
        (well, "resume nosuch-1", 2, "nosuch-1"),
        (well, "prune", 0, "No backup had to go."),
        (half_here, "verify STAMP", 1, "The second file of"),
        (shelf_gone, "backups", 0, "shelf could not be listed"),
        (shelf_gone, "prune --yes", 2, "shelf could not be listed"),
        (shelf_gone, f"backup --host {HOST}", 1, "shelf"),
        (well, "prune", 1, "may go"),
        (well, "prune --yes", 0, "removed"),
        (well, "prune --yes", 0, "No backup had to go."),
        (member_down, "maintenance masternode1", 1, "masternode3"),
    ],
)
def test_what_it_says_and_how_it_ends(
    ground: Ground,
    situation: Callable[[Ground], AbstractContextManager[None]],
    command: str,
    code: int,
    sentence: str,
) -> None:
    words = command.split()
    if words[-1] in ("FOLDER", "STAMP"):
        folder = Path(kept(ground))
        words[-1] = str(folder) if words[-1] == "FOLDER" else folder.name.removesuffix(f"-{HOST}")
    with situation(ground):
        done = ground.etcdtui(*words)
    assert done.returncode == code, done.stdout + done.stderr
    assert sentence in done.stdout + done.stderr
    assert "defect" not in done.stderr


@pytest.mark.parametrize("unread", ["> /dev/full", ">&-", "2>&1 >&- 2>&-", "| true"])
def test_a_run_ends_as_it_ends_though_nobody_reads_it(ground: Ground, unread: str) -> None:
    shell = f'"$@" {unread}; exit "${{PIPESTATUS[0]}}"'
    words = ["bash", "-c", shell, "bash", *ground.words("prune", "--yes")]
    done = subprocess.run(words, env=ground.environment, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0
