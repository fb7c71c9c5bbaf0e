"""An incident as Markdown: what was found, done and answered, and when; no secrets, no foreign markup."""

from __future__ import annotations

import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.cluster.command_log import CommandRecord
from etcdtui.errors import EtcdTuiError
from etcdtui.journal import Journal
from etcdtui.model.finding import Finding, Severity
from etcdtui.model.health import judge
from etcdtui.model.view import ClusterView
from etcdtui.procedures.incident import Incident, Timeline, keep, markdown
from etcdtui.procedures.procedure import Procedure, Step
from tests.procedures import FakeWorld, run
from tests.views import NOW, healthy, member

DOWN = Finding(
    "down", Severity.CRITICAL, "masternode3 is down.", "connection refused", "Look.", "masternode3"
)
SLOW = Finding("slow", Severity.WARNING, "masternode2 is slow.")


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def incident(
    view: ClusterView | None = None, timeline: Timeline | None = None, *commands: CommandRecord
) -> Incident:
    view, timeline = view or healthy(), timeline or Timeline()
    return Incident(view, judge(view), (DOWN,), timeline.happenings, commands, NOW - 60, timeline.forgotten)


def test_findings_come_and_go() -> None:
    timeline = Timeline()
    timeline.take(NOW - 30, [DOWN])
    timeline.take(NOW - 20, [replace(DOWN, evidence="other words"), SLOW])
    timeline.take(NOW - 10, [SLOW])
    told = [(h.at - NOW, h.came, h.finding.key) for h in timeline.happenings]
    assert told == [(-30, True, "down"), (-20, True, "slow"), (-10, False, "down")]
    assert timeline.since == NOW - 30


def test_one_that_grows_graver_is_told_again() -> None:
    timeline = Timeline()
    timeline.take(NOW, [SLOW])
    timeline.take(NOW, [replace(SLOW, severity=Severity.CRITICAL)])
    assert [h.finding.severity for h in timeline.happenings] == [Severity.WARNING, Severity.CRITICAL]


def test_a_timeline_is_bounded_and_says_what_it_forgot() -> None:
    timeline = Timeline(kept=4)
    for n in range(6):
        timeline.take(NOW + n, [DOWN] if n % 2 == 0 else [])
    assert len(timeline.happenings) == 4
    assert timeline.forgotten == 2
    assert "2 older lines forgotten" in markdown(incident(None, timeline), ())


def test_all_that_is_known_is_in_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    step = Step("look", "Look at it", "To know.")
    procedure = Procedure("maintenance", "maintenance-1", "prod", "Maintenance of masternode2", {}, (step,))
    run(procedure, journal, world=FakeWorld(healthy()))
    timeline = Timeline()
    timeline.take(NOW - 30, [DOWN])
    timeline.take(NOW - 5, [])
    command = CommandRecord(
        1, NOW - 20, "masternode1", "sudo -n etcdctl member list", "…", 1, 0.5, "refused", 3
    )
    text = markdown(incident(None, timeline, command), journal.runs("prod"))
    assert text.startswith("# Incident on prod\n")
    assert "| masternode1 | 00000000000000a1 | healthy | leader |" in text or "| masternode1 |" in text
    assert "**critical**: masternode3 is down. connection refused" in text
    assert "over: masternode3 is down." in text
    assert text.index("  **critical**: masternode3 is down.") < text.index("over: masternode3 is down.")
    assert "### Maintenance of masternode2" in text
    assert "masternode1 $ sudo -n etcdctl member list  [exit 1 after 0.5 s, 3 times: refused]" in text


def test_old_procedures_are_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    procedure = Procedure("x", "x-1", "prod", "Long ago", {}, (Step("a", "A", "B"),))
    run(procedure, journal, world=FakeWorld(healthy()))
    later = replace(healthy(), now=time.time() + NOW + 90_000)
    assert "Long ago" not in markdown(incident(later), journal.runs())


def test_foreign_text_is_no_markup() -> None:
    nasty = "[x](http://evil) <script> `a` | **b** \x1b[2J # \u202egnp"
    view = healthy()
    told = view.members.value
    assert told is not None
    members = (replace(member(1), name=nasty), *told.members[1:])
    view = replace(view, name=nasty, members=replace(view.members, value=replace(told, members=members)))
    command = CommandRecord(1, NOW, "masternode1", "echo '```\n# heading'", "…", 0, 0.1)
    text = markdown(incident(view, None, command), ())
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<script>" not in text
    assert "[x](http" not in text
    assert "````text" in text, "the fence is longer than any in the text"
    assert not [line for line in text.splitlines() if line.startswith("# heading")]


def test_secrets_are_left_out() -> None:
    command = CommandRecord(
        1,
        NOW,
        "m",
        "curl -H 'Authorization: Bearer abc123' https://u:pw1@h/ --password=pw2",
        "…",
        0,
        0.1,
        "token=t0k",
    )
    timeline = Timeline()
    timeline.take(NOW, [replace(DOWN, evidence="secret_access_key=s3cr3t")])
    text = markdown(incident(None, timeline, command), ())
    assert not [word for word in ("abc123", "pw1", "pw2", "t0k", "s3cr3t") if word in text]


def test_it_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "incidents"
    first = keep(folder, "prod/../[red]", "one\n", NOW)
    second = keep(folder, "prod/../[red]", "two\n", NOW)
    assert first.parent == folder
    assert first != second, "none is written over"
    assert (first.read_text(), second.read_text()) == ("one\n", "two\n")
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_place_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EtcdTuiError, match="cannot be written"):
        keep(tmp_path / "file" / "incidents", "prod", "x", NOW)
