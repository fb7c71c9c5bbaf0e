"""Every key does what the help says."""

from __future__ import annotations

import fakes
import pytest
from driving import driven
from frames import frame
from textual import events

from etcdtui.errors import HostKeyUnknown, Refusal
from etcdtui.model.findings import Finding, Severity
from etcdtui.ui.app import EtcdTui
from etcdtui.ui.commands import find_verb, unknown
from etcdtui.ui.keys import DASHBOARD, shown


async def test_digits_choose_panes_and_members_stay() -> None:
    async with driven() as it:
        for key, pane in (("2", "latency"), ("3", "backups"), ("4", "findings"), ("1", "members")):
            await it.press(key)
            assert it.app.focused is not None
            assert it.app.focused.id == pane
            assert it.app.dashboard.members.display, "the members are always there"
            assert "HEALTHY" in it.text


async def test_the_worst_finding_shows_while_the_backups_do() -> None:
    async with driven(fakes.one_down()) as it:
        await it.press("3")
        assert not it.app.dashboard.findings.display
        assert "its etcd is not running as it should" in it.text


async def test_tab_goes_round() -> None:
    async with driven(size=(120, 36)) as it:
        seen = []
        for _ in range(4):
            seen.append(it.app.focused.id)  # type: ignore[union-attr]
            await it.press("tab")
        assert seen == ["members", "latency", "backups", "findings"]
        await it.press("shift+tab")
        assert it.app.focused.id == "findings"  # type: ignore[union-attr]


async def test_moving_in_a_table() -> None:
    async with driven() as it:
        table = it.app.dashboard.members
        for key, row in (
            ("j", 1),
            ("down", 2),
            ("k", 1),
            ("up", 0),
            ("G", 2),
            ("g", 0),
            ("end", 2),
            ("home", 0),
        ):
            await it.press(key)
            assert table.cursor == row, key


async def test_the_cursor_stays_with_its_member() -> None:
    async with driven() as it:
        await it.press("G")
        table = it.app.dashboard.members
        before = table.cursor_key
        await it.look(fakes.healthy(("masternode1", "masternode2", "masternode3", "zzz", "yyy")))
        assert table.cursor_key == before
        assert table.count == (5, 5)
        await it.press("greater_than_sign", "S")
        assert table.keys[0].endswith("a4"), "sorted by name, turned"
        assert table.cursor_key == before


async def test_sorting_shows_its_column() -> None:
    async with driven() as it:
        await it.press("s")
        assert "NAME↑" in it.text
        await it.press("S")
        assert "NAME↓" in it.text
        await it.press("greater_than_sign")
        assert "STATE↑" in it.text
        await it.press("less_than_sign", "less_than_sign")
        assert not {"↑", "↓"} & set(it.text), "the given order again"


async def test_filter_and_escape() -> None:
    async with driven() as it:
        await it.press("slash", *"node2")
        assert it.app.dashboard.members.count == (1, 3)
        assert "1 of 3" in it.text
        await it.press("enter")
        assert it.app.focused is it.app.dashboard.members
        assert it.app.dashboard.members.count == (1, 3)
        await it.press("escape")
        assert it.app.dashboard.members.count == (3, 3)
        await it.press("slash", *"[/nothing", "enter")
        assert "Nothing here contains" in it.text
        await it.press("slash", "escape")
        assert it.app.dashboard.members.count == (3, 3)


async def test_maximise_and_back() -> None:
    async with driven() as it:
        await it.press("3", "f")
        assert not it.app.dashboard.members.display
        assert "HEALTHY" in it.text
        await it.press("escape")
        assert it.app.dashboard.members.display
        assert it.app.focused is it.app.dashboard.backups


async def test_pause_holds_the_picture_and_says_so() -> None:
    async with driven() as it:
        await it.press("p")
        assert "PAUSED" in it.text
        await it.look(fakes.one_down())
        assert "DEGRADED" not in it.text
        it.time[0] += 40
        it.app.take_picture()
        await it.settle()
        assert "PAUSED 41 s" in it.text
        await it.press("p")
        assert "PAUSED" not in it.text
        assert "DEGRADED" in it.text


async def test_refresh_asks_the_cluster() -> None:
    async with driven() as it:
        await it.press("r")
        assert "refresh" in it.cluster.calls


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        (("y",), "masternode1"),
        (("3", "y"), "2026-11-23 02:00"),
        (("4", "y"), "The last backup is 5 h old"),
        (("2", "y"), "fsync p99"),
    ],
)
async def test_copy(keys: tuple[str, ...], part: str) -> None:
    async with driven() as it:
        await it.press(*keys)
        assert part in it.app.clipboard
        assert "Copied" in it.text


async def test_screens_open_once_and_escape_goes_back() -> None:
    async with driven() as it:
        for key, name in (("H", "HealthScreen"), ("at", "LogScreen"), ("question_mark", "HelpScreen")):
            await it.press(key, key)
            assert it.screen_name == name
            assert len(it.app.screen_stack) == 2
            await it.press("escape")
            assert it.screen_name == "DashboardScreen"
        await it.press("escape", "escape")
        assert it.app.is_running, "escape never ends anything"


async def test_command_line() -> None:
    async with driven() as it:
        await it.press("colon", *"heath", "enter")
        assert "Did you mean :health?" in it.text
        await it.press("escape", "colon", *"back", "enter")
        assert "could be backups or backup" in it.text
        await it.press("escape", "colon", *"backups", "enter")
        assert it.app.focused is it.app.dashboard.backups
        await it.press("colon", *"lo", "tab", "enter")
        assert it.screen_name == "LogScreen"
        await it.press("colon", *"members", "enter")
        assert it.app.focused is it.app.dashboard.members
        await it.press("colon", *"[/red]", "enter")
        assert "There is no command '[/red]'" in it.text


async def test_colon_q_leaves() -> None:
    async with driven() as it:
        await it.press("colon", "q", "enter")
        await it.until(lambda: it.app.return_code is not None or not it.app.is_running)


def test_verbs_are_found() -> None:
    assert find_verb("q").name == "quit"  # type: ignore[union-attr]
    assert find_verb(":mem").name == "members"  # type: ignore[union-attr]
    assert find_verb("backup").name == "backup"  # type: ignore[union-attr]
    assert find_verb("") is None
    assert "There are:" in unknown("zzzz")


async def test_palette_has_the_verbs() -> None:
    async with driven() as it:
        await it.press("ctrl+p")
        await it.press(*"command that ran")
        await it.until(lambda: "Every command that ran" in it.text)
        await it.press("enter")
        await it.until(lambda: it.screen_name == "LogScreen")


async def test_the_real_findings_are_shown() -> None:
    app = EtcdTui(fakes.FakeCluster(fakes.one_down()))
    async with app.run_test(size=(120, 36), notifications=True, tooltips=True) as pilot:
        await pilot.pause(0.1)
        assert len(app.dashboard.findings.items) > 1
        assert "masternode3" in str(app.dashboard.findings.items[0])


async def test_themes_can_be_switched() -> None:
    async with driven() as it:
        for theme in ("textual-light", "ansi-dark", "etcdtui"):
            it.app.theme = theme
            await it.settle()
            assert "masternode1" in it.text


async def test_read_only_takes_backup_away() -> None:
    cluster = fakes.FakeCluster(fakes.healthy(), read_only=True)
    async with driven(cluster=cluster) as it:
        assert "READ-ONLY" in it.text
        assert "b Backup" not in it.text
        await it.press("b")
        assert it.screen_name == "DashboardScreen"
        await it.press("colon", *"backup", "enter")
        assert "read-only" in it.text
        assert it.procedures.handle is None


async def test_a_refusal_is_read_in_full() -> None:
    words = "A backup now would be taken from a member without a leader [/red]. " * 6
    procedures = fakes.FakeProcedures(refusal=Refusal(words, "Wait for a leader."))
    async with driven(procedures=procedures) as it:
        await it.press("b")
        await it.until(lambda: it.screen_name == "Notice")
        assert it.text.count("[/red]") == 6
        assert "Wait for a leader." in it.text
        await it.press("escape")
        assert it.screen_name == "DashboardScreen"


async def test_unknown_host_key_is_trusted_only_by_word_and_button() -> None:
    key = HostKeyUnknown("masternode1[/red]", 22, "ssh-ed25519", "SHA256:abc", "line")
    cluster = fakes.FakeCluster(fakes.healthy(), keys=[key])
    async with driven(cluster=cluster) as it:
        await it.until(lambda: it.screen_name == "HostKeyScreen")
        assert "SHA256:abc" in it.text
        assert it.app.focused.id == "cancel"  # type: ignore[union-attr]
        await it.press("escape")
        await it.look(fakes.healthy())
        assert it.screen_name == "DashboardScreen", "asked once, not again and again"
        assert not [call for call in cluster.calls if call.startswith("trust")]


def _at_a_stranger() -> tuple[fakes.FakeCluster, HostKeyUnknown]:
    key = HostKeyUnknown("masternode1", 22, "ssh-ed25519", "SHA256:abc", "line")
    return fakes.FakeCluster(fakes.unknown_key(key), keys=[key]), key


async def test_a_host_key_put_off_comes_back_by_command() -> None:
    cluster, key = _at_a_stranger()
    cluster.keys.append(HostKeyUnknown("masternode2", 22, "ssh-ed25519", "SHA256:def", "line 2"))
    async with driven(cluster=cluster) as it:
        await it.press("escape")
        await it.look(cluster.shown)
        await it.press("escape", "colon", *"trust", "enter")
        await it.until(lambda: it.screen_name == "HostKeyScreen")
        assert key.fingerprint in it.text
        await it.press("escape")
        await it.look(cluster.shown)
        assert "SHA256:def" in it.text, "the next one follows"
        await it.press("escape")
        await it.look(cluster.shown)
        assert it.screen_name == "DashboardScreen"


async def test_a_host_key_put_off_comes_back_by_palette() -> None:
    cluster, key = _at_a_stranger()
    async with driven(cluster=cluster) as it:
        await it.press("escape", "ctrl+p", *"host keys")
        await it.until(lambda: "no known_hosts file" in it.text)
        await it.press("enter")
        await it.until(lambda: it.screen_name == "HostKeyScreen")
        assert key.fingerprint in it.text


async def test_a_host_key_put_off_comes_back_from_its_finding() -> None:
    cluster, key = _at_a_stranger()
    app = EtcdTui(cluster, clock=lambda: 1000.0)
    async with app.run_test(size=(80, 40), notifications=True) as pilot:
        await pilot.pause(0.1)
        await pilot.press("escape", "4")
        place = next(n for n, i in enumerate(app.dashboard.findings.items) if ":trust" in str(i.paragraphs))
        await pilot.press("g", *"j" * place, "enter")
        await pilot.pause(0.05)
        assert key.fingerprint in frame(app)  # type: ignore[arg-type]
        assert type(app.screen).__name__ == "HostKeyScreen"
        await pilot.press("escape")
        cluster.keys.clear()
        await pilot.press("enter")
        await pilot.pause(0.05)
        assert type(app.screen).__name__ == "DocumentScreen", "decided elsewhere: an ordinary finding"


async def test_trust_says_when_there_is_nothing_to_decide() -> None:
    async with driven() as it:
        await it.press("colon", *"trust", "enter")
        assert "No SSH host key waits" in it.text


async def test_trusting_a_host_key() -> None:
    key = HostKeyUnknown("masternode1", 2222, "ssh-ed25519", "SHA256:abc", "line")
    cluster = fakes.FakeCluster(fakes.healthy(), keys=[key])
    async with driven(cluster=cluster) as it:
        await it.until(lambda: it.screen_name == "HostKeyScreen")
        field = it.app.screen.query_one("Input")
        field.focus()
        await it.press(*"trus", "enter")
        assert it.screen_name == "HostKeyScreen"
        assert it.app.screen.query_one("#trust").disabled
        await it.press("t", "enter", "enter")
        await it.until(lambda: "trust SHA256:abc" in cluster.calls)


def test_every_key_is_told_once_and_explained() -> None:
    keys = [shown(binding) for binding in DASHBOARD]
    assert len(keys) == len(set(keys))
    assert all(binding.tooltip for binding in DASHBOARD)
    assert sum(1 for binding in DASHBOARD if binding.show) <= 6


def _burst(app: EtcdTui, keys: str) -> None:
    """As a slow line delivers them: all at once."""
    for key in keys:
        name = {"/": "slash", ":": "colon", "\r": "enter"}.get(key, key)
        app.post_message(events.Key(name, None if key == "\r" else key))


async def test_keys_of_one_burst_follow_each_other() -> None:
    async with driven() as it:
        _burst(it.app, "2\r")
        await it.until(lambda: it.screen_name == "DocumentScreen")
        assert "linearizable read" in it.text.splitlines()[0]


@pytest.mark.parametrize(("keys", "left"), [("/b1n3b\r", 0), ("/node3\r", 1)])
async def test_a_filter_typed_at_once_is_a_filter(keys: str, left: int) -> None:
    async with driven() as it:
        _burst(it.app, keys)
        await it.until(lambda: it.app.dashboard.members.count == (left, 3))
        await it.until(lambda: it.app.focused is it.app.dashboard.members)
        assert it.screen_name == "DashboardScreen", "no letter of it acted as a key"


async def test_a_command_typed_at_once_is_a_command() -> None:
    async with driven() as it:
        _burst(it.app, ":backups\r")
        await it.until(lambda: it.app.focused is it.app.dashboard.backups)
        assert it.screen_name == "DashboardScreen"


async def test_the_worst_finding_is_in_sight_until_the_user_moves() -> None:
    async with driven() as it:
        findings = it.app.dashboard.findings
        await it.look(fakes.one_down())
        assert findings.cursor == 0
        assert "✗ masternode3" in it.text
        assert "✗ 1  ◆ 1" in it.text
        await it.press("4", "j")
        chosen = findings.cursor_key
        await it.look(fakes.slow())
        assert findings.cursor_key == chosen, "now it stays with what the user looks at"


async def test_findings_come_and_go_while_another_pane_covers_them() -> None:
    async with driven() as it:
        findings = it.app.dashboard.findings
        await it.look(fakes.slow())
        await it.press("3")
        assert not findings.size, "at 80x24 the backups stand in their place"
        some = [Finding(f"{n}", Severity.ADVICE, f"finding {n}", "seen", "look") for n in range(9)]
        for left in (9, 2, 1, 0, 2):
            findings.show(some[:left])
            await it.settle()
        await it.press("4")
        assert "finding 1" in it.text and "finding 2" not in it.text
        assert findings.cursor == 0


async def test_maintenance_is_asked_about_the_member_under_the_cursor() -> None:
    async with driven() as it:
        await it.press("1", "down", "m")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        (asked,) = it.procedures.asked
        assert asked == f"maintenance {fakes.healthy().members.value.members[1].id:x}"


async def test_read_only_may_ask_about_maintenance_but_not_thin_out() -> None:
    cluster = fakes.FakeCluster(fakes.healthy(), read_only=True)
    async with driven(cluster=cluster) as it:
        await it.press("colon", *"prune", "enter")
        assert "read-only" in it.text
        await it.press("escape", "m")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert [word.split()[0] for word in it.procedures.asked] == ["maintenance"]


async def test_the_upload_key_is_there_only_when_one_is_owed() -> None:
    async with driven() as it:
        assert "u Upload" not in it.text
        await it.press("u")
        assert it.procedures.asked == []
