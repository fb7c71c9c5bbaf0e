"""The pages of a restore: the look, the advice, the backup, the host, the plan; and the way back."""

from __future__ import annotations

import stat
import threading
import time
from dataclasses import replace
from pathlib import Path

import fakes
import pytest
from driving import Driven, driven
from frames import assert_frame
from shelf import ShelfCluster

from etcdtui.errors import Refusal, Unreachable
from etcdtui.model.places import Place, PlaceKind
from etcdtui.model.readings import Reading
from etcdtui.model.survivors import Position, Survivor
from etcdtui.procedures.procedure import Ending, Finished
from etcdtui.procedures.restore_look import Looked
from etcdtui.procedures.restore_survivors import Seen
from etcdtui.records import Run, Who
from tests import views
from tests.unit import test_restore_quorum
from tests.unit.test_restore_plan import looked, placed, stamp_of, survivors

SIZES = [(80, 24), (120, 36)]


def no_quorum() -> Looked:
    """One master answers, one is stopped, one cannot be reached; backups of every sort."""
    return looked(
        placed(),
        placed(ago=90000, revision=300),
        placed(ago=60, manifest=False),
        placed(Place(PlaceKind.STORE, "nexus"), ago=200000, revision=200),
        found=_found(),
        reports={3: "masternode3 does not answer: no route to host."},
    )


def _found() -> tuple[Survivor, ...]:
    one, two, _ = survivors(900, 850, 1, running=frozenset({1}))
    return one, two, Survivor("masternode3", "masternode3", trouble="masternode3 does not answer.")


def healthy() -> Looked:
    return looked(placed(), view=views.healthy(), found=survivors(900, 900, 900))


def unproven() -> Looked:
    return looked(placed(manifest=False), view=views.healthy(), found=survivors(900, 900, 900))


SITUATIONS = {"no-quorum": no_quorum, "healthy": healthy, "refused": unproven}


async def advised(it: Driven) -> None:
    await it.press("R")
    await it.until(lambda: "What is true" in it.text)


async def planned(it: Driven) -> None:
    """To the last page, by the proposals."""
    await advised(it)
    await it.press("enter", "enter", "enter")
    await it.until(lambda: "typed on the way" in it.text or "There is no plan" in it.text)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("situation", SITUATIONS)
async def test_pages(situation: str, size: tuple[int, int]) -> None:
    room = f"{size[0]}x{size[1]}"
    procedures = fakes.FakeProcedures(found=SITUATIONS[situation]())
    async with driven(size=size, procedures=procedures) as it:
        await advised(it)
        assert_frame(it.app, f"restore-advice-{situation}-{room}")
        await it.press("enter")
        assert_frame(it.app, f"restore-backup-{situation}-{room}")
        await it.press("enter")
        if situation == "refused":
            assert it.screen_name == "RestoreBackupScreen"
            assert "Not this one" in it.text and "was never proven" in it.text
            return
        assert_frame(it.app, f"restore-host-{situation}-{room}")
        await it.press("enter")
        await it.until(lambda: "typed on the way" in it.text)
        assert_frame(it.app, f"restore-plan-{situation}-{room}")


async def test_a_wide_screen_shows_beside_the_list_what_is_known_of_the_backup() -> None:
    async with driven(size=(160, 50), procedures=fakes.FakeProcedures(found=no_quorum())) as it:
        await advised(it)
        await it.press("enter")
        assert_frame(it.app, "restore-backup-no-quorum-160x50")
        assert "behind: revision 800, live 900" in it.text and "What was proven" in it.text
        await it.press("j", "j")
        assert "behind: revision 300, live 900" in it.text, "it follows the cursor"


async def test_while_it_looks_it_says_how_far_it_is_and_can_be_left() -> None:
    hang = threading.Event()
    seen = [
        Seen("", "The backups of all places are listed.", over=True),
        Seen("masternode1", "Its data is at revision 900."),
        Seen("masternode2", "masternode2 does not answer: no route to host.", over=True, trouble=True),
    ]
    procedures = fakes.FakeProcedures(found=no_quorum(), seen=seen, hang=hang)
    async with driven(procedures=procedures) as it:
        await it.press("R")
        await it.until(lambda: "revision 900" in it.text)
        assert_frame(it.app, "restore-looking-80x24")
        await it.press("enter", "r", "y")
        assert it.screen_name == "RestoreScreen" and len(procedures.asked) == 1, (
            "there is nothing to go on with"
        )
        await it.press("escape")
        assert it.screen_name == "DashboardScreen"
        hang.set()
        await it.settle()
        assert it.screen_name == "DashboardScreen", "what comes in later is dropped"


async def test_no_key_waits_while_it_looks() -> None:
    hang = threading.Event()
    procedures = fakes.FakeProcedures(found=no_quorum(), hang=hang)
    async with driven(procedures=procedures) as it:
        await it.press("R")
        began = time.monotonic()
        await it.press("question_mark")
        assert it.screen_name == "HelpScreen"
        await it.press("escape", "escape")
        assert it.screen_name == "DashboardScreen" and time.monotonic() - began < 20
        hang.set()


async def test_it_looks_again_by_r() -> None:
    procedures = fakes.FakeProcedures(found=no_quorum())
    async with driven(procedures=procedures) as it:
        await advised(it)
        it.time[0] += 120
        await it.until(lambda: True)
        procedures.found = healthy()
        await it.press("r")
        await it.until(lambda: "HEALTHY" in it.text)
        assert procedures.asked.count("look for a restore") == 2


async def test_a_look_that_fails_is_told_in_place_and_can_be_tried_again() -> None:
    procedures = fakes.FakeProcedures(found=Unreachable("No host answers.", "Look at the network."))
    async with driven(procedures=procedures) as it:
        await it.press("R")
        await it.until(lambda: "No host answers." in it.text)
        assert "Look at the network." in it.text and it.screen_name == "RestoreScreen"
        procedures.found = no_quorum()
        await it.press("r")
        await it.until(lambda: "What is true" in it.text)


async def test_newer_data_than_any_backup_comes_first_and_the_last_resort_is_called_so() -> None:
    async with driven(procedures=fakes.FakeProcedures(found=healthy())) as it:
        await advised(it)
        said = " ".join(it.text.split())
        first = said.index("own data is newer than any backup")
        assert first < said.index("it is the last resort.") < said.index("What is true")
        assert said.count("it is the last resort.") == 1


async def test_the_whole_advice_is_copied() -> None:
    async with driven(procedures=fakes.FakeProcedures(found=no_quorum())) as it:
        await advised(it)
        await it.press("y")
        assert "Whose data is the newest\n  masternode1 (answers): revision" in it.app.clipboard
        assert "backup " in it.app.clipboard.splitlines()[-1]


async def test_what_else_would_do_is_opened_by_its_key() -> None:
    one_down = views.with_endpoints(views.endpoint(1), views.endpoint(2), views.gone(3))
    procedures = fakes.FakeProcedures(found=looked(placed(), view=one_down, found=survivors(900, 900, 900)))
    async with driven(procedures=procedures) as it:
        await advised(it)
        assert "X masternode3 is down: replace that member." in " ".join(it.text.split())
        await it.press("X")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert procedures.asked[-1] == "replace a3 of a3"
        await it.press("escape")
        assert it.screen_name == "RestoreScreen"


async def test_a_stopped_member_whose_data_is_there_is_looked_at() -> None:
    async with driven(procedures=fakes.FakeProcedures(found=no_quorum())) as it:
        await advised(it)
        assert "X" not in it.text.splitlines()[-1] and "s Start…" in it.text
        await it.press("s")
        assert it.screen_name == "MemberScreen"
        assert it.cluster.calls[-1].startswith("examine ")


async def test_a_quorum_restore_is_planned_by_its_key_where_the_host_has_the_script() -> None:
    async with driven(procedures=fakes.FakeProcedures(found=no_quorum())) as it:
        await advised(it)
        assert "Q Quorum" not in it.text.splitlines()[-1], "no host has quorum-restore.sh"
        await it.press("Q")
        assert it.screen_name == "RestoreScreen"
        it.procedures.found = test_restore_quorum.seen(900, 950, 900)
        await it.press("r")
        await it.until(lambda: "Q Quorum" in it.text.splitlines()[-1])
        await it.press("Q")
        await it.until(lambda: "Nothing is lost that masternode2 has" in " ".join(it.text.split()))
        await it.press("enter")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert it.procedures.ran == [] and it.procedures.asked[-1] == "quorum restore on None"


async def test_every_backup_says_why_not_and_the_newest_proven_one_is_proposed() -> None:
    async with driven(procedures=fakes.FakeProcedures(found=no_quorum()), size=(120, 36)) as it:
        await advised(it)
        await it.press("enter")
        table = it.app.screen.query_one("#offers")
        assert table.current.proposed  # type: ignore[attr-defined]
        assert "100 revisions behind" in it.text and "“lose 100 revisions”" in it.text
        for key, words in (
            ("k", "was never proven"),
            ("G", "is only in nexus"),
            ("k", "“lose 600 revisions”"),
        ):
            await it.press(key)
            assert words in " ".join(it.text.split()), key


async def test_a_refused_backup_is_not_chosen_and_another_one_can_be() -> None:
    async with driven(procedures=fakes.FakeProcedures(found=no_quorum())) as it:
        await advised(it)
        await it.press("enter", "k", "enter")
        assert it.screen_name == "RestoreBackupScreen" and "Not this one" in it.text
        await it.press("j", "enter")
        assert it.screen_name == "RestoreHostScreen"


async def test_without_any_backup_there_is_nothing_to_choose() -> None:
    seen = looked()
    bare = tuple(
        replace(host, facts=Reading(replace(host.facts.value, backups=()), views.NOW))
        for host in seen.view.hosts
        if host.facts.value is not None
    )
    found = Looked(replace(seen.view, hosts=bare), seen.survivors, seen.reports)
    async with driven(procedures=fakes.FakeProcedures(found=found)) as it:
        await advised(it)
        assert "no backup of this cluster is known" in " ".join(it.text.split())
        await it.press("enter", "enter")
        assert it.screen_name == "RestoreBackupScreen" and "Without a backup" in it.text


async def test_a_backup_is_compared_with_the_cluster_and_its_details_are_a_key_away() -> None:
    cluster = ShelfCluster(fakes.healthy())
    async with driven(cluster=cluster, procedures=fakes.FakeProcedures(found=no_quorum())) as it:
        await advised(it)
        await it.press("enter", "d")
        await it.until(lambda: it.screen_name == "BackupScreen")
        await it.press("escape", "c")
        await it.until(lambda: it.screen_name == "CompareScreen" and cluster.calls[-1] == "live keys")
        await it.press("escape")
        assert it.screen_name == "RestoreBackupScreen"
        await it.press("G", "c")
        await it.until(lambda: it.screen_name == "Notice")
        assert "is not on this machine" in it.text


async def test_a_host_that_cannot_take_it_is_not_chosen() -> None:
    async with driven(procedures=fakes.FakeProcedures(found=no_quorum())) as it:
        await advised(it)
        await it.press("enter", "enter", "G", "enter")
        assert it.screen_name == "RestoreHostScreen"
        assert "masternode3: It cannot be looked at" in " ".join(it.text.split())
        await it.press("g", "j", "enter")
        await it.until(lambda: it.procedures.asked[-1].startswith("restore "))
        assert it.procedures.asked[-1] == f"restore {stamp_of(views.NOW - 7200)} on masternode2"


async def test_a_refused_plan_is_told_in_place_and_one_can_go_back() -> None:
    refusal = Refusal("masternode4 is in the member list, and no host is known for it.", "Name every host.")
    procedures = fakes.FakeProcedures(found=no_quorum(), refusal=refusal)
    async with driven(procedures=procedures) as it:
        await planned(it)
        said = " ".join(it.text.split())
        assert "✗ masternode4 is in the member list" in said and "→ Name every host." in said
        await it.press("enter", "e")
        assert it.screen_name == "RestorePlanScreen", "there is no plan to go on with"
        procedures.refusal = None
        await it.press("escape", "enter")
        await it.until(lambda: "typed on the way" in it.text)


async def test_escape_goes_one_step_back_and_changes_nothing() -> None:
    async with driven(procedures=fakes.FakeProcedures(found=no_quorum())) as it:
        await planned(it)
        for name in ("RestoreHostScreen", "RestoreBackupScreen", "RestoreScreen", "DashboardScreen"):
            await it.press("escape")
            assert it.screen_name == name
        assert it.procedures.ran == []


async def test_the_plan_says_what_is_lost_and_what_has_to_be_typed() -> None:
    async with driven(procedures=fakes.FakeProcedures(found=no_quorum()), size=(120, 36)) as it:
        await planned(it)
        said = " ".join(it.text.split())
        assert "100 revisions." in said and "phrases to be typed on the way" in said
        assert "lose 100 revisions (Living data is newer)" in said
        await it.press("y")
        command = "$ sudo -n env ETCD_ETCDCTL_RESTORE_ENABLE_BUMP=true /usr/local/bin/cluster-restore.sh"
        assert f"{command} /home/core/backup/restore-" in it.app.clipboard
        assert it.app.clipboard.splitlines()[0].startswith("▲ masternode1's own data is newer")


async def test_the_plan_is_written_for_its_owners_eyes_alone(tmp_path: Path) -> None:
    procedures = fakes.FakeProcedures(found=no_quorum(), folder=tmp_path)
    async with driven(procedures=procedures) as it:
        await planned(it)
        await it.press("e")
        await it.until(lambda: "Written to" in it.text)
        (path,) = list(tmp_path.iterdir())  # noqa: ASYNC240
        assert path.suffix == ".txt" and stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "  1. Check hosts and scripts" in path.read_text()
        procedures.folder = None
        await it.press("e")
        await it.until(lambda: "cannot be written" in it.text)


async def test_enter_goes_to_the_procedure_and_from_there_the_pages_are_left_behind() -> None:
    async with driven(procedures=fakes.FakeProcedures(found=no_quorum())) as it:
        await planned(it)
        await it.press("enter")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert it.procedures.ran == [], "the plan comes first"
        await it.press("escape")
        assert it.screen_name == "RestorePlanScreen"
        await it.press("enter")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        await it.press("enter")
        await it.until(lambda: it.procedures.ran)
        assert it.procedures.ran[0].kind == "restore"
        await it.press("escape")
        await it.until(lambda: it.screen_name == "DashboardScreen")
        await it.press("R")
        await it.until(lambda: it.screen_name == "ProcedureScreen")


async def test_a_plan_that_rests_on_an_old_look_is_not_gone_on_with() -> None:
    async with driven(procedures=fakes.FakeProcedures(found=no_quorum())) as it:
        await planned(it)
        it.time[0] += 700
        await it.press("enter")
        assert it.screen_name == "RestorePlanScreen"
        assert "was read 11 min ago" in " ".join(it.text.split())


async def test_an_unfinished_restore_is_said_first() -> None:
    begun = "“Restore prod” was begun and is not finished."
    async with driven(procedures=fakes.FakeProcedures(found=no_quorum(), begun=begun)) as it:
        await advised(it)
        said = " ".join(it.text.split())
        assert said.index(begun) < said.index("What is true")
        assert ":putback puts everything back." in said


async def test_it_is_gone_in_read_only_mode() -> None:
    cluster = fakes.FakeCluster(fakes.healthy(), read_only=True)
    async with driven(cluster=cluster, procedures=fakes.FakeProcedures(found=no_quorum())) as it:
        assert "READ-ONLY" in it.text and "Restore" not in it.text.splitlines()[-1]
        await it.press("R")
        assert it.screen_name == "DashboardScreen" and "read-only" in it.text
        for command in ("restore", "putback"):
            await it.press("colon", *command, "enter")
            assert it.screen_name == "Notice"
            await it.press("escape")
        assert it.procedures.asked == []


async def test_the_command_opens_the_same_page() -> None:
    async with driven(procedures=fakes.FakeProcedures(found=no_quorum())) as it:
        await it.press("colon", *"restore", "enter")
        await it.until(lambda: it.screen_name == "RestoreScreen")


async def test_foreign_text_is_text_on_every_page() -> None:
    bad = "[/red]\x1b[2J" + "x" * 200
    base = no_quorum()
    view = replace(
        base.view,
        name=bad,
        hosts=tuple(replace(h, name=f"{bad}{n}", node=bad) for n, h in enumerate(base.view.hosts)),
    )
    found = tuple(
        Survivor(f"{bad}{n}", f"{bad}{n}", n == 1, Position(1000, 900 - n, 7), views.NOW - 30, trouble=bad)
        for n in range(3)
    )
    reports = {f"{bad}{n}": one for n, one in enumerate(base.reports.values())}
    nasty = Looked(view, (*found, Survivor(bad, "nowhere", trouble=bad)), reports)
    procedures = fakes.FakeProcedures(
        found=nasty, seen=[Seen(bad, bad), Seen(f"{bad}1", bad, trouble=True)], begun=bad
    )
    async with driven(procedures=procedures) as it:
        await advised(it)
        pages = [it.text]
        for key in ("enter", "enter", "enter"):
            await it.press(key)
            pages.append(it.text)
        await it.press("G")
        pages.append(it.text)
        for page in pages:
            assert "\x1b" not in page
            assert all(len(line) <= 80 for line in page.splitlines())
        assert "[/red]" in pages[0]


# -- the way back


def run(folder: Path, *, ending: str = "", abandoned: bool = False) -> Run:
    from etcdtui.records import Entry

    entries = []
    if ending:
        entries.append(Entry("restore-1", views.NOW, "finished", "", {"ending": ending, "sentence": "So."}))
    if abandoned:
        entries.append(Entry("restore-1", views.NOW, "abandoned", "", {"reason": "Wrong one."}))
    who = Who("kim", "elsewhere", 1, "")
    return Run(
        *("restore-1", "restore", "prod", "Restore prod", {}, (), views.NOW - 60, who, "1", tuple(entries)),
        folder / "restore-1.jsonl",
    )


async def test_the_way_back_is_planned_by_command(tmp_path: Path) -> None:
    procedures = fakes.FakeProcedures(put_back=run(tmp_path, ending="done"))
    async with driven(procedures=procedures) as it:
        await it.press("colon", *"putback", "enter")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert procedures.asked[-1] == "put restore-1 back" and procedures.ran == []


async def test_an_unfinished_restore_is_put_back_only_after_it_was_said_that_it_is_abandoned(
    tmp_path: Path,
) -> None:
    changed = ["What it changed, and how that is put back:", "  masternode1", "    The data was moved."]
    procedures = fakes.FakeProcedures(put_back=run(tmp_path, ending="stopped"), changed=changed)
    async with driven(procedures=procedures) as it:
        await it.press("colon", *"putback", "enter")
        await it.until(lambda: it.screen_name == "AskScreen")
        assert "it is abandoned" in it.text and "The data was moved." in it.text
        await it.press("l")
        assert procedures.asked == ["what to put back"]
        await it.press("colon", *"putback", "enter")
        await it.until(lambda: it.screen_name == "AskScreen")
        it.time[0] += 2
        await it.press("p")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert procedures.asked[-1] == "put restore-1 back, abandoned"


async def test_without_a_restore_there_is_nothing_to_be_put_back() -> None:
    async with driven() as it:
        await it.press("colon", *"putback", "enter")
        await it.until(lambda: "No restore has set anything aside" in " ".join(it.text.split()))


async def test_the_journal_offers_it_on_a_restore_alone(tmp_path: Path) -> None:
    restored = run(tmp_path, ending="done")
    other = replace(restored, id="backup-1", kind="backup", title="Back up prod")
    procedures = fakes.FakeProcedures(journal=[other, restored], put_back=restored)
    async with driven(procedures=procedures) as it:
        await it.press("J")
        await it.until(lambda: "Restore prod" in it.text)
        assert "Put back" not in it.text.splitlines()[-1]
        await it.press("j")
        assert "B Put back" in it.text.splitlines()[-1]
        await it.press("B")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert procedures.asked == ["what to put back restore-1", "put restore-1 back"]


async def test_an_interrupted_restore_can_be_put_back_from_its_question(tmp_path: Path) -> None:
    earlier = fakes.FakeInterrupted("A restore was interrupted.", id="restore-1", puts_back=True)
    procedures = fakes.FakeProcedures(earlier=[earlier], put_back=run(tmp_path, ending="stopped"))
    async with driven(procedures=procedures) as it:
        await it.until(lambda: it.screen_name == "AskScreen")
        assert "Put all back" in it.text and "r" in it.text
        it.time[0] += 2
        await it.press("p")
        await it.until(lambda: "is not finished." in it.text)
        assert procedures.asked == ["what to put back restore-1"]


async def test_how_it_is_put_back_stands_on_the_screen_once_it_was_stopped() -> None:
    changed = [
        "What it changed, and how that is put back:",
        "  masternode1",
        "    The manifest of etcd was moved to /etc/kubernetes/x.",
        "      back: sudo -n mv -n -- /etc/kubernetes/x /etc/kubernetes/manifests/etcd-pod.yaml",
    ]
    async with driven(procedures=fakes.FakeProcedures(changed=changed), size=(120, 36)) as it:
        await it.press("b")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        await it.press("enter")
        await it.emit([*fakes.to_the_gate(), Finished(Ending.STOPPED, "Stopped before “Restore”.")])
        await it.until(lambda: "What it changed" in it.text)
        assert "back: sudo -n mv -n -- /etc/kubernetes/x" in " ".join(it.text.split())
