"""Proving what lies on this machine: which files are meant, what they are compared with, how it ends."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from etcdtui.cli import main as cli
from tests.recorded import VERSIONS
from tests.shelved import placed
from tests.snapshotfiles import REAL
from tests.unit.test_unattended import Terminal

OLD, NEW = VERSIONS
STAMP, LATER = "2026-11-23_020000", "2026-11-24_020000"
SNAPSHOT, PACKED = f"snapshot_{STAMP}.db", f"static_kuberesources_{STAMP}.tar.gz"
MANIFEST = f"snapshot_{STAMP}.manifest.json"


def other_archive(folder: Path) -> None:
    path = folder / PACKED
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 9))


def manifest_is_a_folder(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).mkdir()


def beside(folder: Path, *, bad: bool) -> None:
    """A second backup in the same folder."""
    there = Path(placed(folder.parent / "more", LATER, NEW).set.directory)
    for file in there.iterdir():
        shutil.copy(file, folder)
    if bad:
        (folder / f"snapshot_{LATER}.db").write_bytes(REAL[OLD])


@pytest.mark.parametrize(
    ("situation", "asked", "code", "sentence"),
    [
        (lambda f: None, "", 0, "is good"),
        (lambda f: None, SNAPSHOT, 0, "is good"),
        (lambda f: (f / MANIFEST).unlink(), "", 0, "is good"),
        (lambda f: (f / SNAPSHOT).write_bytes(REAL[NEW]), "", 1, "not the file that was proven then"),
        (lambda f: (f / SNAPSHOT).write_bytes(REAL[NEW]), SNAPSHOT, 1, "not the file that was proven then"),
        (other_archive, "", 1, "not the file that was proven then"),
        (other_archive, PACKED, 1, "not the file that was proven then"),
        (lambda f: (f / PACKED).unlink(), "", 1, "The second file of 2026-11-23_020000 is not there"),
        (lambda f: (f / SNAPSHOT).unlink(), "", 1, "The snapshot of 2026-11-23_020000 is not there"),
        (lambda f: (f / PACKED).unlink(), SNAPSHOT, 0, "is good"),
        (lambda f: beside(f, bad=False), "", 0, "is good"),
        (lambda f: beside(f, bad=True), "", 1, "not the file that was proven then"),
        (lambda f: (f / MANIFEST).write_text("[" * 200_000), "", 2, "is no JSON"),
        (lambda f: (f / MANIFEST).write_bytes(b"\xff\x00"), "", 2, "is no JSON"),
        (lambda f: (f / MANIFEST).write_text("{}"), "", 2, "is not valid"),
        (manifest_is_a_folder, "", 2, "Is a directory"),
        (lambda f: None, "none", 64, "is no file, no folder with a backup"),
    ],
)
def test_how_it_ends(
    situation: Callable[[Path], object],
    asked: str,
    code: int,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "more").mkdir()
    folder = Path(placed(tmp_path, STAMP, OLD).set.directory)
    situation(folder)
    assert cli.main(["verify", str(folder / asked)]) == code
    told = capsys.readouterr()
    assert sentence in told.out + told.err
    if code == 2 and asked == "":
        assert f"{SNAPSHOT} is good" in told.out  # what was proven is told
    if not told.err:
        assert cli.main(["verify", "--json", str(folder / asked)]) == code
        assert json.loads(capsys.readouterr().out)["good"] is (code == 0)


def test_nobody_of_that_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", "~nosuch/x"]) == 64
    assert "nobody of that name" in capsys.readouterr().err


def test_an_empty_name_is_told_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    """As a script gives it whose variable is not set."""
    assert cli.main(["verify", ""]) == 64
    assert "etcdtui: An empty name is no file, no folder" in capsys.readouterr().err


def test_what_cannot_be_read_loses_no_proof(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(placed(tmp_path, STAMP, OLD).set.directory)
    (folder / PACKED).unlink()
    (folder / PACKED).mkdir()
    assert cli.main(["verify", "--json", str(folder)]) == 2
    files = json.loads(capsys.readouterr().out)["files"]
    assert [file["good"] for file in files] == [True, None]
    assert "is not a file" in files[1]["verdict"]


def test_a_stamp_means_every_folder_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "clusters.toml"
    host = '[[clusters.prod.hosts]]\nname = "m1"\naddress = "h"\n'
    config.write_text(f'[clusters.prod.backups]\ndirectory = "{tmp_path}"\n{host}')
    folder = Path(placed(tmp_path, STAMP, OLD).set.directory)
    other = shutil.copytree(folder, folder.with_name(f"{STAMP}-masternode2"))
    assert cli.main(["verify", "--config", str(config), STAMP]) == 0
    (other / SNAPSHOT).write_bytes(REAL[NEW])
    assert cli.main(["verify", "--config", str(config), STAMP]) == 1


def test_what_no_check_tells_is_told_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(placed(tmp_path, STAMP, NEW).set.directory)
    assert cli.main(["verify", str(folder / SNAPSHOT), "--hash"]) == 0
    said = capsys.readouterr().out
    for title in ("raft", "history", "leases", "auth", "alarms", "etcd's hash"):
        assert f"  · {title}: " in said
    assert cli.main(["verify", "--json", str(folder)]) == 0
    snapshot, packed = json.loads(capsys.readouterr().out)["files"]
    facts = snapshot["facts"]
    assert facts["revision"] > 0 and facts["auth"] == {"enabled": False, "users": 0, "roles": 0}
    assert facts["voters"] == [member["id"] for member in facts["members"]]
    assert facts["etcd_hash"] is None and packed["facts"] is None


@pytest.mark.parametrize("asked", [f"{SNAPSHOT}.age", "."])
def test_what_is_encrypted_is_not_called_bad(
    asked: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (SNAPSHOT, PACKED):
        (tmp_path / f"{name}.age").write_bytes(b"age-encryption.org/v1")
    for command in ("verify", "rehearse"):
        assert cli.main([command, str(tmp_path / asked)]) == 2
        said = capsys.readouterr().err
        assert "is encrypted" in said and f"etcdtui fetch {STAMP}" in said


def test_on_a_terminal_it_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", screen := Terminal())
    monkeypatch.setattr("etcdtui.cli.verify.EVERY", 0.0)
    folder = Path(placed(tmp_path, STAMP, OLD).set.directory)
    assert cli.main(["verify", str(folder)]) == 0
    assert f" of 96K  {SNAPSHOT}" in screen.getvalue() and screen.getvalue().endswith("\r\x1b[K")
