"""A manifest that does not tell the truth of the files beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etcdtui.cli import main as cli
from etcdtui.model.copies import join_places
from etcdtui.model.places import HERE, PlacedSet
from etcdtui.procedures.looking import Look, prove_again
from etcdtui.procedures.manifests import parsed
from tests.recorded import VERSIONS
from tests.shelved import placed
from tests.snapshotfiles import REAL

OLD, NEW = VERSIONS
STAMP = "2026-11-23_020000"
SNAPSHOT, PACKED = f"snapshot_{STAMP}.db", f"static_kuberesources_{STAMP}.tar.gz"
EDITED = "it was edited or belongs to another file."
M1 = "c625814d041b68d2"
Edit = Callable[[dict[str, Any]], object]


def edited(folder: Path, edit: Edit) -> Path:
    path = folder / f"snapshot_{STAMP}.manifest.json"
    told = json.loads(path.read_text())
    edit(told)
    path.write_text(json.dumps(told))
    return path


def member(**changes: object) -> Edit:
    return lambda told: told["cluster"]["members"][0].update(changes)


def without_second_file(told: dict[str, Any]) -> None:
    told["resources"] = None


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda told: told.update(revision=120), "The manifest says revision 120, the snapshot holds 9"),
        (lambda told: told["keys"].update(live=7), "The manifest says 7 live keys, the snapshot holds 74"),
        (lambda told: told["keys"].update(entries=1), "The manifest says 1 entry, the snapshot holds 90"),
        (lambda told: told["keys"].update(revisions=1), "says 1 revision of keys, the snapshot holds 86"),
        (lambda told: told["snapshot"].update(size=5), "The manifest says 5 bytes, the snapshot holds 49"),
        (
            lambda told: told["versions"].update(storage="3.6"),
            "says storage version 3.6, the snapshot holds none",
        ),
        (
            member(id="1f"),
            f"The manifest says members m1 (1f), the snapshot holds m1 ({M1})",
        ),
        (member(name="m7"), f"The manifest says name m7 of member {M1}, the snapshot holds m1"),
        (member(peer_urls=["http://x"]), f"says peer URLs http://x of member {M1}, the snapshot holds http"),
        (member(client_urls=[]), f"says client URLs none of member {M1}, the snapshot holds http"),
        (member(learner=True), f"says role learner of member {M1}, the snapshot holds voter"),
        (
            lambda told: told["cluster"]["members"].clear(),
            f"The manifest says members none, the snapshot holds m1 ({M1})",
        ),
        (
            lambda told: told.update(revision=120, keys={"live": 1, "entries": 2, "revisions": 3}),
            "says revision 120, 1 live key, 2 entries and 3 revisions of keys, the snapshot holds 9, 74",
        ),
        (
            lambda told: told["snapshot"].update(name="snapshot_2026-11-24_020000.db"),
            f"The manifest says it is of snapshot_2026-11-24_020000.db, and not of {SNAPSHOT}",
        ),
        (
            lambda told: told["resource_revisions"].update(etcd=8),
            "The manifest says revision 8 of etcd, the second file holds 9",
        ),
        (
            lambda told: told["resource_revisions"].update(oauth=8),
            "The manifest says revision 8 of oauth, the second file holds none",
        ),
        (lambda told: told["resources"].update(size=5), "The manifest says 5 bytes, the second file holds"),
    ],
)
def test_a_manifest_that_was_edited_is_named_and_its_backup_not_called_good(
    edit: Edit, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = placed(tmp_path, STAMP, OLD)
    folder = Path(copy.set.directory)
    manifest = edited(folder, edit)
    assert cli.main(["verify", str(folder)]) == 1
    (said,) = [line for line in capsys.readouterr().out.splitlines() if "is NOT good: " in line]
    assert sentence in said and said.endswith(EDITED) and said.count(". ") == 0
    assert cli.main(["verify", "--json", str(folder)]) == 1
    files = json.loads(capsys.readouterr().out)["files"]
    (bad,) = [check for file in files for check in file["checks"] if check["outcome"] == "failed"]
    assert bad["name"] == "manifest" and sentence in bad["sentence"]
    # The same look from the screen: nobody is to rely on it any longer.
    told = parsed(manifest.read_bytes(), "")
    (backup,) = join_places([PlacedSet(HERE, copy.set, told)])
    again = prove_again(backup, Look())
    assert not again.good and sentence in " ".join(check.sentence for check in again.against)
    assert not manifest.exists()


def test_another_file_of_that_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The digest first, then what tells which one it is."""
    folder = Path(placed(tmp_path, STAMP, OLD).set.directory)
    (folder / SNAPSHOT).write_bytes(REAL[NEW])
    assert cli.main(["verify", str(folder / SNAPSHOT)]) == 1
    said = capsys.readouterr().out.splitlines()[-1]
    assert f"{SNAPSHOT} is NOT good: {SNAPSHOT} is not the file that was proven then: its SHA-256 is" in said
    assert f"members m1 ({M1}), the snapshot holds 92 and m1 (" in said


def test_of_much_that_differs_the_first_is_named_and_the_rest_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(placed(tmp_path, STAMP, OLD).set.directory)

    def much(told: dict[str, Any]) -> None:
        told.update(revision=120, keys={"live": 1, "entries": 2, "revisions": 3})
        told["cluster"]["members"].clear()

    edited(folder, much)
    assert cli.main(["verify", str(folder / SNAPSHOT)]) == 1
    said = capsys.readouterr().out
    assert "and 3 revisions of keys, the snapshot holds 9, 74, 90 and 86 (and 1 more difference): it" in said


def test_a_file_that_the_manifest_does_not_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(placed(tmp_path, STAMP, OLD).set.directory)
    edited(folder, without_second_file)
    assert cli.main(["verify", str(folder)]) == 1
    assert f"The manifest does not name {PACKED}" in capsys.readouterr().out


def test_a_second_file_that_is_gone_is_not_what_was_proven(tmp_path: Path) -> None:
    copy = placed(tmp_path, STAMP, OLD)
    (tmp_path / "half").mkdir()
    half = placed(tmp_path / "half", STAMP, OLD, resources=False)
    (backup,) = join_places([PlacedSet(HERE, half.set, copy.manifest)])
    again = prove_again(backup, Look())
    assert f"{PACKED}, which the manifest names, is not here." in [check.sentence for check in again.against]


@pytest.mark.parametrize("version", VERSIONS)
def test_one_that_tells_the_truth_is_told_to_fit(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(placed(tmp_path, STAMP, version).set.directory)
    assert cli.main(["verify", str(folder)]) == 0
    said = capsys.readouterr().out
    assert said.count("✓ manifest: ") == 2 and said.count("is still the file that was proven then.") == 2
