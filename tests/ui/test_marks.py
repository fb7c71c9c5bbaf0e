"""A mark removes nothing; beside it stands, live, whether the member may go."""

from __future__ import annotations

from dataclasses import replace

import fakes
import pytest
from driving import Driven, driven
from frames import assert_frame

from etcdtui.errors import Refusal
from etcdtui.model.members import MemberList
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.ui.looks import as_text
from etcdtui.ui.marks import Marks, foot, in_turn
from tests.views import NOW, endpoint, gone, member

THIRD = 0xA3


def marked(view: ClusterView, *ids: int) -> Marks:
    marks = Marks()
    for one in ids:
        marks.turn(one, next(m.label for m in view.members.value.members if m.id == one))  # type: ignore[union-attr]
    return marks


def without(view: ClusterView, *ids: int) -> ClusterView:
    told = view.members.value
    assert told is not None
    left = tuple(m for m in told.members if m.id not in ids)
    return replace(
        view,
        members=Reading(MemberList(told.cluster_id, left, left[0].id), view.now),
        endpoints=tuple(e for e in view.endpoints if e.member_id not in ids),
    )


async def mark_the_third(it: Driven, key: str = "x") -> None:
    await it.press("G", key)


@pytest.mark.parametrize("key", ["x", "space"])
async def test_the_same_key_marks_and_unmarks(key: str) -> None:
    async with driven(fakes.one_down()) as it:
        await mark_the_third(it, key)
        assert "▸x masternode3" in it.text
        assert "would leave 2 of 2 voters well, quorum 2" in it.text
        assert "allowed" in it.text
        await it.press("escape", "escape")
        assert "would leave" in it.text, "escape takes no mark away"
        await it.press(key)
        assert "would leave" not in it.text
        assert it.procedures.asked == [], "a mark plans nothing"


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_mark_and_verdict_at_every_size(size: tuple[int, int]) -> None:
    async with driven(fakes.one_down(), size) as it:
        await mark_the_third(it)
        assert_frame(it.app, f"marked-{size[0]}x{size[1]}")


async def test_a_refusal_is_read_in_full() -> None:
    async with driven(fakes.one_down()) as it:
        await it.press("x")
        words = " ".join(it.text.replace("│", " ").split())
        assert "Removing masternode1 would leave 1 of 2 voters well" in words
        assert "Not well beside it: masternode3 is down." in words
        assert_frame(it.app, "marked-refused-80x24")


async def test_the_verdict_is_live() -> None:
    async with driven(fakes.one_down()) as it:
        await mark_the_third(it)
        assert "allowed" in it.text
        await it.look(fakes.silenced(fakes.one_down(), 1))
        assert "no quorum" in it.text
        assert "allowed" not in it.text


async def test_a_held_picture_grows_too_old_to_allow_anything() -> None:
    async with driven(fakes.one_down()) as it:
        await mark_the_third(it)
        await it.press("p")
        it.time[0] += 20
        it.app.take_picture()
        await it.settle()
        assert "old, look again first" in " ".join(it.text.split())


async def test_a_mark_goes_with_its_member_and_that_is_said() -> None:
    async with driven(fakes.one_down()) as it:
        await mark_the_third(it)
        await it.look(without(fakes.one_down(), THIRD))
        assert "masternode3 is no member any more" in it.text
        await it.look(fakes.one_down())
        assert it.app.picture is not None
        assert it.app.picture.marks == (), "it does not come back with the member"


async def test_a_list_that_is_not_known_takes_no_mark_away() -> None:
    async with driven(fakes.one_down()) as it:
        await mark_the_third(it)
        await it.look(replace(fakes.one_down(), members=Reading()))
        await it.look(fakes.one_down())
        assert "would leave 2 of 2" in it.text


async def test_several_are_marked_and_one_goes_first() -> None:
    async with driven(fakes.one_down()) as it:
        await it.press("x")  # well, so that it may not go while the third is down
        await mark_the_third(it)
        assert_frame(it.app, "marked-two-80x24")
        await it.press("X")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert it.procedures.asked == ["replace a3 of a3 a1"]
        said = it.app.control.run.procedure.reasons[-1]  # type: ignore[union-attr]
        assert said == "One at a time: masternode1 waits until masternode3 is whole again."


async def test_the_guide_by_its_command() -> None:
    async with driven(fakes.one_down()) as it:
        await it.press("colon", *"mark masternode3", "enter")
        assert "would leave 2 of 2" in it.text
        await it.press("colon", *"replace", "enter")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert it.procedures.asked == ["replace a3 of a3"]


async def test_nobody_is_replaced_who_is_not_marked() -> None:
    async with driven(fakes.one_down()) as it:
        await it.press("X")
        assert "No member is marked for removal." in it.text
        assert "press x" in it.text
        assert it.procedures.asked == []


async def test_what_the_guide_refuses_is_told() -> None:
    procedures = fakes.FakeProcedures(refusal=Refusal("masternode3 answers after all.", "Examine it."))
    async with driven(fakes.one_down(), procedures=procedures) as it:
        await mark_the_third(it)
        await it.press("X")
        await it.until(lambda: it.screen_name == "Notice")
        assert "masternode3 answers after all." in it.text


async def test_an_unknown_name_is_refused() -> None:
    async with driven() as it:
        await it.press("colon", *"mark [/red]", "enter")
        assert "No member is called '[/red]'" in it.text
        assert "masternode1, masternode2, masternode3" in " ".join(it.text.split())


async def test_all_verdicts_in_full() -> None:
    async with driven(fakes.one_down()) as it:
        await it.press("colon", *"marks", "enter")
        assert "Nobody is marked." in it.text
        await it.press("escape", "x", "colon", *"marks", "enter")
        assert "✗ refused  masternode1" in it.text


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("x", "mark a member for removal"),
        ("space", "mark a member for removal"),
        ("X", "open the guide for the marked member"),
        ("L", "let this member lead"),
        ("b", "plan a backup"),
    ],
)
async def test_read_only_by_key(key: str, words: str) -> None:
    cluster = fakes.FakeCluster(fakes.one_down(), read_only=True)
    async with driven(cluster=cluster) as it:
        assert "x Mark" not in it.text
        await it.press("G", key)
        assert "prod is read-only here." in it.text
        assert all(word in it.text for word in ("Not done:", *words.split()))
        assert it.screen_name == "DashboardScreen"
        assert "would leave" not in it.text
        assert it.procedures.asked == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("mark masternode3", "mark a member for removal"),
        ("replace", "open the guide for the marked member"),
        ("lead masternode2", "let this member lead"),
        ("requests", "approve what nodes ask for"),
        ("resume", "go on with what was interrupted"),
    ],
)
async def test_read_only_by_command(line: str, words: str) -> None:
    cluster = fakes.FakeCluster(fakes.one_down(), read_only=True)
    async with driven(cluster=cluster) as it:
        await it.press("colon", *line, "enter")
        assert it.screen_name == "Notice"
        assert "prod is read-only here." in it.text
        assert all(word in it.text for word in ("Not done:", *words.split()))
        assert it.procedures.asked == []


async def test_read_only_by_palette() -> None:
    cluster = fakes.FakeCluster(fakes.one_down(), read_only=True)
    async with driven(cluster=cluster) as it:
        for words in ("mark a member", "open the guide", "let this member"):
            await it.press("ctrl+p", *words)
            await it.pilot.pause(0.3)
            assert "for removal" not in it.text
            assert "is shown first" not in it.text
            await it.press("escape", "escape")


async def test_the_leadership_of_the_row_or_the_name() -> None:
    async with driven() as it:
        await it.press("j", "L")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert it.procedures.asked == ["leadership a2"]
    async with driven() as it:
        await it.press("colon", *"lead masternode3", "enter")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert it.procedures.asked == ["leadership a3"]


async def test_certificate_requests_by_name() -> None:
    async with driven() as it:
        await it.press("colon", *"requests", "enter")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert it.procedures.asked == ["requests"]


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_nasty_names_are_text(size: tuple[int, int]) -> None:
    async with driven(fakes.nasty(), size) as it:
        for _ in fakes.NASTY:
            await it.press("x", "j")
        assert "\x1b" not in it.text
        assert "\u202e" not in it.text
        assert "refused" in it.text
        await it.press("colon", *"marks", "enter")
        assert "[/red]" in it.text


async def test_nine_marks_at_80x24_hide_no_decision() -> None:
    names = [f"master-{n}.ocp4.example.com" for n in range(9)]
    async with driven(fakes.healthy(names)) as it:
        for _ in names:
            await it.press("x", "j")
        shown = it.text
        assert "allowed" in shown
        assert "waits: master-1" in shown
        assert ":marks tells why" in shown
        await it.press("G")
        assert "▸x master-8" in it.text, "the cursor's row is in sight above the verdicts"


async def test_little_room_cuts_no_verdict_and_hides_no_cursor() -> None:
    async with driven(fakes.no_quorum()) as it:
        await it.press("j", "x", "j", "x")
        assert "▸x masternode3" in it.text
        pane = [line.strip("│▃▅▆▇▂▁█ ") for line in it.text.splitlines() if line.startswith("│  ")]
        told = " ".join(" ".join(pane).split())
        assert "the removal itself needs the quorum; it would leave 0 of 2 voters well" in told
        assert "refused: masternode3 :marks tells why" in told


def test_the_first_that_may_go_comes_first() -> None:
    view = fakes.one_down()
    assert in_turn(view, [0xA1, 0xA3, 0xA2], view.now) == (0xA3, 0xA1, 0xA2)
    assert in_turn(view, [0xA1, 0xA2], view.now) == (0xA1, 0xA2), "nobody may go: as they were marked"


def test_where_nobody_may_go_each_is_refused_for_its_own_reason() -> None:
    view = fakes.no_quorum()
    judged = marked(view, 0xA1, 0xA2).judged(view, view.now)
    assert [mark.word for mark in judged] == ["refused", "refused"]
    assert all("no quorum" in mark.verdict.reason for mark in judged), "nobody waits for one who stays"


def test_nobody_is_asked_to_mark_whom_he_has_marked_already() -> None:
    five = [member(number) for number in range(1, 6)]
    view = replace(
        fakes.one_down(),
        now=NOW,
        members=Reading(MemberList(0xC1, tuple(five), 0xA1), NOW - 1),
        endpoints=(endpoint(1), endpoint(2), endpoint(3), gone(4), gone(5)),
    )
    (alone,) = marked(view, 0xA4).judged(view, view.now)
    assert "Mark masternode5, too" in alone.verdict.reason
    first, second = marked(view, 0xA4, 0xA5).judged(view, view.now)
    assert "Mark masternode5" not in first.verdict.reason
    assert "masternode5 leaves the list right after it" in first.verdict.reason
    assert second.word == "waits"


@pytest.mark.parametrize("width", [20, 40, 76, 200])
@pytest.mark.parametrize("most", [1, 2, 4, 9])
def test_what_decides_is_never_cut(width: int, most: int) -> None:
    view = fakes.one_down()
    lines = foot(marked(view, 0xA3).judged(view, view.now), width, most)
    assert 0 < len(lines) <= most
    assert "allowed" in " ".join(as_text(line) for line in lines).replace("\n", " ")
    assert all(len(as_text(line)) <= width for line in lines)
