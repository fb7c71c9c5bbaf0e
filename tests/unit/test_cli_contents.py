"""What is in a snapshot, told without the screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etcdtui.cli import main as cli
from etcdtui.cli.contents import lines
from etcdtui.errors import EtcdTuiError
from etcdtui.model.contents import MOST, Summary, Tally
from tests.recorded import VERSIONS
from tests.shelved import placed
from tests.snapshotfiles import REAL

OLD, NEW = VERSIONS
STAMP = "2026-11-23_020000"
SNAPSHOT, MANIFEST = f"snapshot_{STAMP}.db", f"snapshot_{STAMP}.manifest.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(placed(tmp_path, STAMP, OLD).set.directory)


def test_it_is_told_when_it_is_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", "--contents", str(folder)]) == 0
    told = capsys.readouterr().out
    assert cli.main(["verify", str(folder)]) == 0
    as_ever = capsys.readouterr().out.splitlines()
    more = [line.strip() for line in told.splitlines() if line not in as_ever]
    assert [line for line in told.splitlines() if line in as_ever] == as_ever
    assert more[:2] == ["· what is in it", "Live keys: 74, 10K of values"]
    assert "Newest change: plain, revision 8" in more and "Tombstones: 1" in more
    for title, row in (
        ("By API group and kind", "1     74B  config.openshift.io/clusterversions"),
        ("By namespace", "2     95B  prod"),
        ("Largest prefixes", "69     10K  /kubernetes.io/configmaps"),
    ):
        assert more.index(f"KEYS    SIZE  {title}") < more.index(row)


def test_as_json_all_of_it_and_only_when_it_is_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", "--json", str(folder)]) == 0
    assert all("contents" not in file for file in json.loads(capsys.readouterr().out)["files"])
    assert cli.main(["verify", "--json", "--contents", str(folder)]) == 0
    snapshot, packed = json.loads(capsys.readouterr().out)["files"]
    found = snapshot["contents"]
    assert packed["contents"] is None
    assert (found["keys"], found["tombstones"]) == (74, 1)
    assert found["newest"] == {"key": "plain", "revision": 8}
    assert found["kinds"][0] == {"name": "configmaps", "keys": 69, "size": 10350}
    for title in ("kinds", "prefixes"):
        assert sum(each["keys"] for each in found[title]) == 74
        assert sum(each["size"] for each in found[title]) == found["size"]
    assert {"name": "prod", "keys": 2, "size": 95} in found["namespaces"]


def test_of_a_broken_snapshot_nothing_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / SNAPSHOT).write_bytes(REAL[OLD][:-1] + b"?")
    assert cli.main(["verify", "--json", "--contents", str(folder / SNAPSHOT)]) == 1
    (snapshot,) = json.loads(capsys.readouterr().out)["files"]
    assert snapshot["facts"] is not None and snapshot["contents"] is None


def test_of_another_file_under_that_name_it_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is whole; what is in it helps to find out whose it is."""
    (folder / SNAPSHOT).write_bytes(REAL[NEW])
    assert cli.main(["verify", "--contents", str(folder / SNAPSHOT)]) == 1
    told = capsys.readouterr().out
    assert "is NOT good" in told and "Live keys: 74" in told


def test_what_cannot_be_looked_into_any_more_keeps_its_proof(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: object) -> Summary:
        raise EtcdTuiError("The disk is gone.")

    monkeypatch.setattr("etcdtui.procedures.looking.summary_of", gone)
    assert cli.main(["verify", "--contents", str(folder)]) == 2
    assert "is good: digest and structure hold" in (told := capsys.readouterr().out)
    assert "members m1. What is in it could not be told: The disk is gone." in told
    (folder / MANIFEST).write_text((folder / MANIFEST).read_text().replace('"live": 74', '"live": 7'))
    assert cli.main(["verify", "--contents", str(folder)]) == 1  # not good stays not good


def test_long_lists_are_cut_for_people_and_foreign_names_are_harmless() -> None:
    kinds = (Tally("\x1b[2Jpods", 5, 2048), *(Tally(f"kind{n}", 2, 10) for n in range(MOST + 2)))
    told = list(lines(Summary(9, 99, kinds, (), (), "a\nb", 7, 0)))
    assert "        5    2.0K  \\x1b[2Jpods" in told and "        6     30B  3 more" in told
    assert "Newest change: a b, revision 7" in told
    assert len([line for line in told if "kind1" in line]) == 2  # kind1 and kind10


def test_an_empty_database_has_no_newest_change() -> None:
    told = list(lines(Summary(0, 0, (), (), (), "", 0, 0)))
    assert "Newest change: none" in told
