"""The journal, the incident, the hashes of the keys, and what is owed."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import fakes
import pytest
from driving import driven
from frames import assert_frame

from etcdtui.errors import EtcdTuiError, Unreachable
from etcdtui.journal import JournalError
from etcdtui.model.hashes import HashAnswer, compare
from etcdtui.procedures.debts import Debt
from etcdtui.procedures.procedure import Ending, Finished
from etcdtui.records import Run, read


def recorded(folder: Path, number: int, title: str, *lines: dict[str, object], ago: float = 600) -> Run:
    at = fakes.NOW - ago
    header = {
        "at": at,
        "kind": "header",
        "procedure": "backup",
        "cluster": "prod",
        "title": title,
        "parameters": {},
        "steps": [{"key": "take", "title": "Take the backup", "host": "masternode2", "argv": ["true"]}],
        "user": "alice",
        "host": "bastion",
        "pid": 1,
        "started": "",
        "version": "0.4",
    }
    path = folder / f"backup-{number}.jsonl"
    path.write_text("".join(json.dumps({"at": at, **line}) + "\n" for line in (header, *lines)))
    found = read(path)
    assert found is not None
    return found


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Newest first."""
    done = {"kind": "finished", "ending": "done", "sentence": "Two files, 92M."}
    said = {"kind": "ended", "step": "take", "status": 1, "stdout": "[/red] \x1b[2J\n", "stderr": ""}
    failed = {"kind": "finished", "ending": "failed", "sentence": "The script [/red] \x1b[2J failed."}
    left = {"kind": "abandoned", "reason": "Wrong cluster.", "user": "bob", "host": "bastion"}
    return [
        recorded(tmp_path, 4, "Backup of prod", done, ago=600),
        recorded(tmp_path, 3, "Backup [/red] \x1b[2J of prod", said, failed, ago=4000),
        recorded(tmp_path, 2, "Maintenance of masternode3", left, ago=7200),
        recorded(tmp_path, 1, "Replace masternode3 in prod", ago=90_000),
    ]


async def test_the_journal(runs: list[Run]) -> None:
    async with driven(procedures=fakes.FakeProcedures(journal=runs)) as it:
        await it.press("J")
        await it.until(lambda: "4 runs" in it.text)
        assert_frame(it.app, "journal-80x24")
        await it.press("j")
        assert "The script [/red] \\x1b[2J failed." in it.text
        await it.press("enter")
        assert_frame(it.app, "journal-run-80x24")
        await it.press("escape", "j")
        assert "Wrong cluster." in it.text
        await it.press("escape")
        assert it.screen_name == "DashboardScreen"


async def test_the_journal_with_more_room(runs: list[Run]) -> None:
    async with driven(size=(160, 50), procedures=fakes.FakeProcedures(journal=runs)) as it:
        await it.press("colon", *"journal", "enter")
        await it.until(lambda: "4 runs" in it.text)
        assert "alice@bastion" in it.text
        it.procedures.journal = runs[:1]
        await it.press("r")
        await it.until(lambda: "1 run" in it.text and "4 runs" not in it.text)


async def test_a_journal_that_cannot_be_read_is_told() -> None:
    procedures = fakes.FakeProcedures(journal=JournalError("The journal /s cannot be read."))
    async with driven(procedures=procedures) as it:
        await it.press("J")
        await it.until(lambda: it.screen_name == "Notice")
        assert "The journal /s cannot be read." in it.text


async def test_an_empty_journal_says_so() -> None:
    async with driven() as it:
        await it.press("J")
        await it.until(lambda: "0 runs" in it.text)
        assert "Nothing was done on this cluster yet." in it.text


def written(folder: Path) -> Path:
    (path,) = folder.glob("*.md")
    return path


@pytest.mark.parametrize("by", [("E",), ("colon", *"export", "enter"), ("J", "E")])
async def test_an_incident_is_written_and_shown(tmp_path: Path, runs: list[Run], by: tuple[str, ...]) -> None:
    folder = tmp_path / "incidents"
    procedures = fakes.FakeProcedures(journal=runs, folder=folder)
    async with driven(procedures=procedures, size=(120, 36)) as it:
        await it.look(fakes.one_down())
        await it.look(fakes.healthy())
        await it.press(*by)
        await it.until(lambda: it.screen_name == "DocumentScreen")
        path = written(folder)
        assert str(path) in "".join(it.text.split()) or path.name in it.text
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        text = path.read_text()
        assert "**critical**: masternode3: down" in text
        assert "over: masternode3: down" in text
        assert "### Backup of prod" in text


async def test_a_held_picture_holds_no_timeline(tmp_path: Path) -> None:
    """What comes and goes while the picture is held belongs to the incident too."""
    procedures = fakes.FakeProcedures(folder=tmp_path)
    async with driven(procedures=procedures) as it:
        await it.press("p")
        await it.look(fakes.one_down())
        assert "masternode3: down" not in it.text
        await it.press("E")
        await it.until(lambda: it.screen_name == "DocumentScreen")
        assert "**critical**: masternode3: down" in written(tmp_path).read_text()


async def test_an_incident_that_cannot_be_written_is_told() -> None:
    async with driven() as it:
        await it.press("E")
        await it.until(lambda: it.screen_name == "Notice")
        await it.until(lambda: "this machine: full." in it.text)


NAMES = ("masternode1", "masternode2", "master [/red] \x1b[2J")
SAME = compare(18_442_107, [HashAnswer(name, 0xABCDEF01, 18_000_000) for name in NAMES])
ODD = compare(
    18_442_107,
    [HashAnswer(name, 0xABCDEF01 + n // 2, 18_000_000) for n, name in enumerate(NAMES)],
)
PARTLY = compare(
    7,
    [HashAnswer("masternode1", 1, -1), HashAnswer("masternode2", trouble="context deadline exceeded [/red]")],
    ["masternode3"],
)


@pytest.mark.parametrize(
    ("found", "words"),
    [(SAME, "● identical"), (ODD, "✗ different"), (PARTLY, "○ could not compare")],
)
async def test_hashes_are_explained(found: object, words: str) -> None:
    procedures = fakes.FakeProcedures(hashes=found)  # type: ignore[arg-type]
    async with driven(procedures=procedures) as it:
        await it.press("colon", *"hashes", "enter")
        await it.until(lambda: words in it.text)
        assert "\x1b" not in it.text
        assert_frame(it.app, f"hashes-{words.split()[1]}-80x24")


async def test_hashes_are_asked_in_the_background() -> None:
    hang = threading.Event()
    procedures = fakes.FakeProcedures(hashes=SAME, hang=hang)
    async with driven(procedures=procedures) as it:
        await it.press("colon", *"hashes", "enter")
        assert "asking all voters" in it.text
        await it.press("r", "escape")
        assert it.screen_name == "DashboardScreen"
        hang.set()


async def test_hashes_that_cannot_be_had_are_told_and_asked_again() -> None:
    procedures = fakes.FakeProcedures(hashes=Unreachable("No host can be reached.", "Look at the findings."))
    async with driven(procedures=procedures) as it:
        await it.press("colon", *"hashes", "enter")
        await it.until(lambda: "No host can be reached." in it.text)
        it.procedures.hashes = SAME
        await it.press("r")
        await it.until(lambda: "● identical" in it.text)
        assert "No host can be reached." not in it.text


DEBT = Debt("replace-1", "prod", "Replace masternode3 [/red]", "alice@bastion", fakes.NOW - 840)


async def test_a_debt_is_told_at_the_start_and_paid() -> None:
    async with driven(procedures=fakes.FakeProcedures(owed=[DEBT])) as it:
        await it.until(lambda: it.screen_name == "AskScreen")
        assert_frame(it.app, "debt-80x24")
        it.time[0] += 2
        await it.press("p")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert it.procedures.asked == ["pay replace-1"]
        assert it.procedures.ran == [], "the plan is shown first"


async def test_a_debt_put_off_comes_back_by_command() -> None:
    async with driven(procedures=fakes.FakeProcedures(owed=[DEBT])) as it:
        await it.until(lambda: it.screen_name == "AskScreen")
        await it.press("escape")
        await it.look(fakes.healthy())
        assert it.screen_name == "DashboardScreen", "asked once, not again and again"
        assert it.procedures.asked == []
        await it.press("colon", *"debts", "enter")
        await it.until(lambda: it.screen_name == "AskScreen")
        it.time[0] += 2
        await it.press("escape")
        it.procedures.owed = []
        await it.press("colon", *"debts", "enter")
        await it.until(lambda: "Nothing is owed" in it.text)


async def test_a_debt_waits_for_the_interrupted_run() -> None:
    procedures = fakes.FakeProcedures(owed=[DEBT], earlier=[fakes.FakeInterrupted()])
    async with driven(procedures=procedures) as it:
        await it.until(lambda: it.screen_name == "AskScreen")
        assert "was interrupted" in it.text
        it.time[0] += 2
        await it.press("l")
        await it.look(fakes.healthy())
        await it.until(lambda: it.screen_name == "AskScreen")
        assert "guard" in it.text


async def test_a_debt_cannot_be_paid_in_read_only_mode() -> None:
    cluster = fakes.FakeCluster(fakes.healthy(), read_only=True)
    async with driven(cluster=cluster, procedures=fakes.FakeProcedures(owed=[DEBT])) as it:
        await it.until(lambda: it.screen_name == "AskScreen")
        assert "read-only here: it cannot be paid from here." in " ".join(it.text.split())
        assert "Pay it now" not in it.text
        it.time[0] += 2
        await it.press("p")
        assert it.procedures.asked == []


async def test_debts_that_cannot_be_read_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    procedures = fakes.FakeProcedures()

    def unreadable() -> list[Debt]:
        raise EtcdTuiError("The journal /s cannot be read.")

    monkeypatch.setattr(procedures, "debts", unreadable)
    async with driven(procedures=procedures) as it:
        await it.until(lambda: it.screen_name == "Notice")
        assert "The journal /s cannot be read." in it.text


async def test_a_run_that_is_stopped_is_asked_what_it_owes() -> None:
    async with driven() as it:
        await it.press("b")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        await it.press("enter")
        it.procedures.owed = [DEBT]
        await it.emit([*fakes.to_the_gate(), Finished(Ending.STOPPED, "Stopped.")])
        await it.look(fakes.healthy())
        assert it.screen_name == "ProcedureScreen", "how it ended is read first"
        await it.press("escape")
        await it.look(fakes.healthy())
        await it.until(lambda: it.screen_name == "AskScreen")
        assert "guard" in it.text


async def test_what_was_interrupted_comes_back_by_command() -> None:
    procedures = fakes.FakeProcedures(earlier=[fakes.FakeInterrupted()])
    async with driven(procedures=procedures) as it:
        await it.until(lambda: it.screen_name == "AskScreen")
        it.time[0] += 2
        await it.press("l", "colon", *"resume", "enter")
        await it.until(lambda: it.screen_name == "AskScreen")
        assert "was interrupted" in it.text
        it.time[0] += 2
        await it.press("l")
        it.procedures.earlier = []
        await it.press("colon", *"resume", "enter")
        await it.until(lambda: "Nothing was interrupted." in it.text)


async def test_nothing_is_resumed_in_read_only_mode() -> None:
    cluster = fakes.FakeCluster(fakes.healthy(), read_only=True)
    async with driven(cluster=cluster) as it:
        await it.press("colon", *"resume", "enter")
        assert "prod is read-only here." in it.text
