"""Golden frames: what each situation looks like."""

from __future__ import annotations

import shlex

import fakes
import pytest
from driving import driven
from frames import assert_frame

from etcdtui.cluster.command_log import CommandRecord
from etcdtui.errors import HostKeyUnknown

SITUATIONS = {
    "healthy": fakes.healthy,
    "one-down": fakes.one_down,
    "slow": fakes.slow,
    "no-quorum": fakes.no_quorum,
    "only-api": fakes.only_api,
    "just-started": fakes.just_started,
    "old-news": fakes.old_news,
    "by-etcdctl": fakes.by_etcdctl,
    "nasty": fakes.nasty,
}


@pytest.mark.parametrize("situation", SITUATIONS)
async def test_dashboard_at_80x24(situation: str) -> None:
    async with driven(SITUATIONS[situation]()) as it:
        assert_frame(it.app, f"{situation}-80x24")


@pytest.mark.parametrize("situation", ["healthy", "slow", "nasty", "by-etcdctl"])
@pytest.mark.parametrize("size", [(120, 36), (160, 50)])
async def test_dashboard_with_more_room(situation: str, size: tuple[int, int]) -> None:
    async with driven(SITUATIONS[situation](), size) as it:
        assert_frame(it.app, f"{situation}-{size[0]}x{size[1]}")


async def test_backups_at_80x24() -> None:
    async with driven() as it:
        await it.press("3")
        assert_frame(it.app, "healthy-backups-80x24")


async def test_nine_members_at_80x24() -> None:
    names = [f"master-{n}.ocp4.example.com" for n in range(9)]
    async with driven(fakes.healthy(names)) as it:
        assert_frame(it.app, "nine-members-80x24")


@pytest.mark.parametrize("situation", ["healthy", "one-down", "nasty", "by-etcdctl"])
async def test_member_details(situation: str) -> None:
    async with driven(SITUATIONS[situation](), (80, 84)) as it:
        await it.press("j", "j", "enter")
        assert it.screen_name == "MemberScreen"
        await it.until(lambda: "examined" in it.text)
        assert_frame(it.app, f"member-{situation}-80x84")


async def test_latency_details() -> None:
    async with driven(fakes.slow(), (80, 40)) as it:
        await it.press("2", "enter")
        assert_frame(it.app, "latency-details-80x40")


async def test_backup_details() -> None:
    async with driven() as it:
        await it.press("3", "enter")
        assert_frame(it.app, "backup-details-80x24")


async def test_finding_details() -> None:
    async with driven(fakes.one_down()) as it:
        await it.press("4", "enter")
        assert_frame(it.app, "finding-details-80x24")


async def test_unknown_host_key() -> None:
    key = HostKeyUnknown("192.168.50.10", 22, "ssh-ed25519", f"SHA256:{'k' * 43}", "line")
    cluster = fakes.FakeCluster(fakes.unknown_key(key), keys=[key])
    async with driven(cluster=cluster) as it:
        await it.until(lambda: it.screen_name == "HostKeyScreen")
        assert_frame(it.app, "host-key-80x24")


async def test_help() -> None:
    async with driven(size=(80, 60)) as it:
        await it.press("question_mark")
        assert_frame(it.app, "help-80x60")


async def test_health_command() -> None:
    async with driven() as it:
        await it.press("H")
        await it.until(lambda: "exit 1" in it.text)
        assert_frame(it.app, "health-80x24")


SCRIPT = "umask 077\nprintf 'etcdtui look [/red]\\n'\ndate +%s\n"
LOG = [
    CommandRecord(1, fakes.NOW - 60, "masternode1", "cat", "cat"),
    CommandRecord(
        2,
        fakes.NOW - 50,
        "masternode1",
        *["sudo -n etcdctl member list -w json"] * 2,
        status=0,
        seconds=0.034,
    ),
    CommandRecord(
        3,
        fakes.NOW - 40,
        "masternode3",
        "sudo -n etcdtui-look /var/lib/etcd /home/core/assets/backup",
        f"sudo -n sh -c {shlex.quote(SCRIPT)} etcdtui-look /var/lib/etcd /home/core/assets/backup",
        status=None,
        seconds=10.0,
        error="The SSH connection to masternode3 broke while a command was running (EOF).",
        times=12,
    ),
    CommandRecord(
        4,
        fakes.NOW - 30,
        "masternode2",
        *["sudo -n cat '/etc/[/red] \x1b[2J'"] * 2,
        status=1,
        seconds=1.5,
        error="cat: '/etc/[/red] \x1b[2J': No such file or directory",
    ),
]


async def test_command_log() -> None:
    async with driven() as it:
        it.cluster.log = LOG
        await it.press("at")
        assert_frame(it.app, "command-log-80x24")
        await it.press("j")
        assert "broke while a command was running" in it.text
        await it.press("enter")
        assert_frame(it.app, "command-log-script-80x24")
        await it.press("escape", "G")
        assert "✗" not in it.text.splitlines()[-2], "nothing is wrong with the last"


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_procedure(size: tuple[int, int]) -> None:
    """The plan, the gate, at work, stuck, and the end."""
    room = f"{size[0]}x{size[1]}"
    procedures = fakes.FakeProcedures(fakes.backup_plan(phrase=True))
    async with driven(size=size, procedures=procedures) as it:
        await it.press("b")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert_frame(it.app, f"procedure-plan-{room}")
        await it.press("enter")
        await it.emit(fakes.to_the_gate())
        assert_frame(it.app, f"procedure-gate-{room}")
        it.time[0] += 2
        await it.press(*"prod", "enter")
        await it.emit(fakes.at_work())
        assert_frame(it.app, f"procedure-running-{room}")
        await it.emit([fakes.done()[0], *fakes.stuck()])
        assert_frame(it.app, f"procedure-failed-{room}")
        await it.emit(fakes.done())
        assert_frame(it.app, f"procedure-done-{room}")


async def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words and signs, and no colour at all."""
    monkeypatch.setenv("NO_COLOR", "")
    async with driven(fakes.slow()) as it:
        assert_frame(it.app, "no-color-80x24")
        strips = it.app.screen._compositor.render_strips()
        styles = [segment.style for strip in strips for segment in strip if segment.style]
        assert styles
        assert not [s for s in styles if s.color is not None and not s.color.is_default]
        assert not [s for s in styles if s.bgcolor is not None and not s.bgcolor.is_default]
        assert any(style.reverse for style in styles), "the cursor must be seen without colour"
