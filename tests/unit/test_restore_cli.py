"""etcdtui restore --dry-run: what it prints, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from etcdtui.cli import main as cli
from etcdtui.cli import restore as cli_restore
from etcdtui.cluster import Cluster
from etcdtui.config import ClusterConfig, from_ssh
from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.platforms.restore_scripts import HostReport
from etcdtui.procedures import restore_look
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.restore_look import Looked
from tests.procedures import FakeWorld
from tests.unit.test_restore_etcd_alone import BESIDE, SCRIPT
from tests.unit.test_restore_plan import looked, placed, report, survivors


def config() -> ClusterConfig:
    return from_ssh("core@masternode1").cluster(None)


def dry_run(
    seen: Looked,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    as_json: bool = False,
    quorum: bool = False,
    **wanted: str | None,
) -> int:
    @contextmanager
    def opened(chosen: ClusterConfig) -> Iterator[tuple[Any, Operations]]:
        world = FakeWorld(seen.view)
        world.name, world.read_only = "prod", False  # type: ignore[attr-defined]
        yield world, Operations(cast(Cluster, world), tmp_path)

    monkeypatch.setattr("etcdtui.cli.working.opened", opened)
    monkeypatch.setattr(restore_look, "look", lambda world, hear: seen)
    arguments: dict[str, Any] = {"backup": None, "host": None, **wanted}
    return cli_restore.dry_run(config(), as_json=as_json, quorum=quorum, **arguments)


def stands() -> Looked:
    return looked(placed(), found=survivors(700, 700, 700))


def test_a_plan_that_stands_is_shown_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dry_run(stands(), monkeypatch, tmp_path) == 0
    said = capsys.readouterr().out
    assert "Nothing has been executed." in said
    command = "$ sudo -n env ETCD_ETCDCTL_RESTORE_ENABLE_BUMP=true /usr/local/bin/cluster-restore.sh"
    assert f"{command} /home/core/backup/restore-" in said
    assert "asks: Type" not in said.split(" 1. ")[0] and "to restore." in said
    assert "Whose data is the newest" in said and "masternode2" in said
    assert "set -eu" not in said  # a script of ours is named, not printed


def test_what_has_to_be_typed_and_what_is_refused_have_codes_of_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        dry_run(looked(placed(version="4.16.2"), found=survivors(700, 700, 700)), monkeypatch, tmp_path) == 1
    )
    assert "accept 4.16.2 on 4.16.3" in capsys.readouterr().out
    assert dry_run(looked(), monkeypatch, tmp_path) == 2
    said = capsys.readouterr().out
    assert "refused   There is no proven backup of prod" in said and "Instead of a restore" in said


def test_json_holds_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dry_run(looked(placed()), monkeypatch, tmp_path, as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["refused"] is None and told["first"].startswith("masternode1's own data is newer")
    assert [s["name"] for s in told["survivors"]] == ["masternode1", "masternode2", "masternode3"]
    steps = told["plan"]["steps"]
    assert steps[0]["key"] == "check" and all(step["seconds"] > 0 for step in steps)
    assert told["plan"]["accept"][0]["phrase"] == "lose 100 revisions"
    assert dry_run(looked(placed()), monkeypatch, tmp_path, as_json=True, host="elsewhere") == 2
    told = json.loads(capsys.readouterr().out)
    assert told["plan"] is None and "elsewhere is no host of prod" in told["refused"]


def test_the_restore_itself_is_not_run_without_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["restore", "--ssh", "core@masternode1"]) == cli.USAGE
    assert "not run without the screen" in capsys.readouterr().err


def test_a_second_restore_waits_until_the_first_one_is_dealt_with(tmp_path: Path) -> None:
    world = FakeWorld(stands().view)
    world.name, world.read_only = "prod", False  # type: ignore[attr-defined]
    operations = Operations(cast(Cluster, world), tmp_path)
    made = operations.plan_restore(stands())
    record, _ = Journal(tmp_path / "journal").begin(made, world.now())
    record.close()
    with pytest.raises(Refusal, match="was begun and is not finished"):
        operations.plan_restore(stands())
    with pytest.raises(Refusal, match="is not finished, and holds"):
        operations.plan_restore_undo(made.id)
    world.read_only = True  # type: ignore[attr-defined]
    with pytest.raises(Refusal, match="read-only"):
        operations.plan_restore_undo(made.id)


def test_a_quorum_restore_is_shown_without_a_backup(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports: dict[int, HostReport | str] = {n: report(n, script=SCRIPT, beside=BESIDE) for n in (1, 2, 3)}
    seen = looked(reports=reports, found=survivors(900, 950, 900, running=frozenset()))
    assert dry_run(seen, monkeypatch, tmp_path, quorum=True) == 0
    said = capsys.readouterr().out
    assert "Restore the quorum of prod from the data of masternode2" in said
    assert "$ sudo -n /usr/local/bin/quorum-restore.sh" in said and "Nothing has been executed." in said
    assert dry_run(seen, monkeypatch, tmp_path, quorum=True, as_json=True, host="masternode1") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["plan"]["backup"] is None and told["plan"]["accept"][0]["phrase"] == "lose 50 revisions"
    assert dry_run(looked(placed()), monkeypatch, tmp_path, quorum=True) == 2
    assert "no quorum-restore.sh" in capsys.readouterr().out


def test_a_quorum_restore_takes_no_backup(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["restore", "--ssh", "core@masternode1", "--dry-run", "--quorum", "--backup", "x"]
    assert cli.main(words) == cli.USAGE
    assert "needs no backup" in capsys.readouterr().err
