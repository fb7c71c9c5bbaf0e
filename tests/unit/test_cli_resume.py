"""Going on without the screen: which run, and what is said when it is not clear."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from etcdtui.cli import resume as cli_resume
from etcdtui.config import ClusterConfig
from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.model.quorum import Verdict
from etcdtui.procedures.operations import Interruption
from etcdtui.procedures.procedure import Answer, Choice, Ending
from tests.procedures import procedure, run
from tests.unit.test_engine_work import work_step

FIRST = Interruption("backup-1", "“Back up” was interrupted 14 min ago at step 4 of 9.", "It has ended well.")
SECOND = Interruption("prune-2", "“Thin out” was interrupted 2 h ago.", "")


class Past:
    """Operations, as far as they are asked here."""

    def __init__(self, *found: Interruption) -> None:
        self.found = found

    def interrupted(self) -> Sequence[Interruption]:
        return self.found

    def interruption(self, run_id: str) -> Interruption:
        raise Refusal(f"{run_id} is done: it lies everywhere.", "Begin it anew.")


def resume(monkeypatch: pytest.MonkeyPatch, past: Past, *words: str, as_json: bool = False) -> int:
    @contextmanager
    def opened(config: ClusterConfig) -> Iterator[Any]:
        yield None, past

    monkeypatch.setattr(cli_resume, "opened", opened)
    return cli_resume.resume(ClusterConfig("prod"), *(words or (None,)), yes=False, as_json=as_json)


def test_nothing_was_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert resume(monkeypatch, Past()) == 0
    assert capsys.readouterr().out == "Nothing on prod was interrupted.\n"
    assert resume(monkeypatch, Past(), as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"event": "interrupted", "runs": []}


def test_several_were_and_one_must_be_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert resume(monkeypatch, Past(FIRST, SECOND)) == 3
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"backup-1  {FIRST.sentence} It has ended well." and said[1].startswith("prune-2")
    assert "etcdtui resume ID" in said[-1]
    assert resume(monkeypatch, Past(FIRST, SECOND), as_json=True) == 3
    assert [each["id"] for each in json.loads(capsys.readouterr().out)["runs"]] == ["backup-1", "prune-2"]


def test_one_that_cannot_be_gone_on_with(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert resume(monkeypatch, Past(FIRST), "backup-0") == 2
    assert capsys.readouterr().out == "refused   backup-0 is done: it lies everywhere. Begin it anew.\n"


@pytest.mark.parametrize("may", [True, False])
def test_work_that_failed_may_be_tried_again(tmp_path: Path, may: bool) -> None:
    """Not so what was refused before it began."""
    checks = () if may else (lambda world: Verdict(False, "Not now."),)
    step = work_step(lambda world, report: Verdict(False, "The disk is full."), prechecks=checks)
    journal, made = Journal(tmp_path), procedure(step)
    run(made, journal, Answer(Choice.STOP))
    found = journal.read(made.id)
    assert found.ending is (Ending.FAILED if may else Ending.REFUSED)
    assert found.retriable is may and not found.resumable
    if may:
        journal.abandon(made.id, "not wanted", 0.0)
        assert not journal.read(made.id).retriable
