"""etcdtui restore --dry-run: what it prints, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from etcdtui import cli, cli_backups, cli_restore
from etcdtui.config import ClusterConfig, from_ssh
from etcdtui.procedures import restore_look
from etcdtui.procedures.restore_look import Looked
from tests.procedures import FakeWorld
from tests.unit.test_restore_plan import looked, placed, survivors


def config() -> ClusterConfig:
    return from_ssh("core@masternode1").cluster(None)


def dry_run(
    seen: Looked, monkeypatch: pytest.MonkeyPatch, *, as_json: bool = False, **wanted: str | None
) -> int:
    @contextmanager
    def opened(chosen: ClusterConfig) -> Iterator[tuple[Any, None]]:
        yield FakeWorld(seen.view), None

    monkeypatch.setattr(cli_backups, "opened", opened)
    monkeypatch.setattr(restore_look, "look", lambda world: seen)
    arguments: dict[str, Any] = {"backup": None, "host": None, **wanted}
    return cli_restore.dry_run(config(), as_json=as_json, **arguments)


def stands() -> Looked:
    return looked(placed(), found=survivors(700, 700, 700))


def test_a_plan_that_stands_is_shown_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dry_run(stands(), monkeypatch) == 0
    said = capsys.readouterr().out
    assert "Nothing has been executed." in said
    assert "$ sudo -n /usr/local/bin/cluster-restore.sh /home/core/backup/restore-" in said
    assert "asks: Type" not in said.split(" 1. ")[0] and "to restore." in said
    assert "Whose data is the newest" in said and "masternode2" in said
    assert "set -eu" not in said  # a script of ours is named, not printed


def test_what_has_to_be_typed_and_what_is_refused_have_codes_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dry_run(looked(placed(version="4.16.2"), found=survivors(700, 700, 700)), monkeypatch) == 1
    assert "accept 4.16.2 on 4.16.3" in capsys.readouterr().out
    assert dry_run(looked(), monkeypatch) == 2
    said = capsys.readouterr().out
    assert "refused   There is no proven backup of prod" in said and "Instead of a restore" in said


def test_json_holds_the_same(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry_run(looked(placed()), monkeypatch, as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["refused"] is None and told["first"].startswith("masternode1's own data is newer")
    assert [s["name"] for s in told["survivors"]] == ["masternode1", "masternode2", "masternode3"]
    steps = told["plan"]["steps"]
    assert steps[0]["key"] == "check" and all(step["seconds"] > 0 for step in steps)
    assert told["plan"]["accept"][0]["phrase"] == "lose 100 revisions"
    assert dry_run(looked(placed()), monkeypatch, as_json=True, host="elsewhere") == 2
    told = json.loads(capsys.readouterr().out)
    assert told["plan"] is None and "elsewhere is no host of prod" in told["refused"]


def test_the_restore_itself_is_not_run_without_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["restore", "--ssh", "core@masternode1"]) == cli.USAGE
    assert "not run without the screen" in capsys.readouterr().err
