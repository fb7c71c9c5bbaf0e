"""The procedure screen: gates, choices, leaving, cancelling; one engine, played by the test."""

from __future__ import annotations

import re
from dataclasses import replace

import fakes
from driving import Driven, driven

from etcdtui.procedures.procedure import (
    Answer,
    Choice,
    Ending,
    Event,
    Finished,
    Progress,
    Step,
    StepChanged,
    StepState,
)
from etcdtui.ui.parts.listing import Listing


async def opened(it: Driven) -> None:
    await it.press("b")
    await it.until(lambda: it.screen_name == "ProcedureScreen")


async def at_the_gate(it: Driven) -> None:
    await opened(it)
    await it.press("enter")
    await it.emit(fakes.to_the_gate())
    it.time[0] += 2


def answers(it: Driven) -> list[Answer]:
    assert it.procedures.handle is not None
    return it.procedures.handle.answers


async def test_the_plan_is_shown_and_nothing_runs() -> None:
    async with driven(size=(120, 36)) as it:
        await opened(it)
        assert "sudo -n /usr/local/bin/cluster-backup.sh /home/core/assets/backup" in it.text
        assert "masternode2 is a follower" in it.text
        await it.press("escape")
        assert it.screen_name == "DashboardScreen"
        assert not it.procedures.ran


async def test_enter_starts_once() -> None:
    async with driven() as it:
        await opened(it)
        await it.press("enter", "enter", "enter")
        await it.until(lambda: it.procedures.ran)
        assert len(it.procedures.ran) == 1


async def test_a_confirmation_is_not_passed_by_the_same_keystroke() -> None:
    async with driven() as it:
        await opened(it)
        await it.press("enter")
        await it.emit(fakes.to_the_gate())
        await it.press("enter")
        assert answers(it) == []
        it.time[0] += 1
        await it.press("enter")
        assert answers(it) == [Answer(Choice.GO, "", "take")]
        await it.press("enter")
        assert len(answers(it)) == 1, "one answer for one question"


async def test_a_wrong_phrase_is_never_sent() -> None:
    async with driven(procedures=fakes.FakeProcedures(fakes.backup_plan(phrase=True))) as it:
        await at_the_gate(it)
        await it.press("enter")
        await it.press(*"Prod", "enter")
        assert answers(it) == []
        assert "Not sent: “prod” is asked for. Nothing has been done." in it.text
        # What was wrong is read once more, and what is typed next takes its place.
        assert it.app.screen.query_one("#typed").value == "Prod"  # type: ignore[attr-defined]
        await it.press(*"prod", "enter")
        assert answers(it) == [Answer(Choice.GO, "prod", "take")]


async def test_what_is_to_be_typed_is_told_where_the_question_is_too_long_for_its_lines() -> None:
    async with driven(procedures=fakes.FakeProcedures(fakes.backup_plan(phrase=True))) as it:
        await opened(it)
        await it.press("enter")
        long = "A sentence that goes on and on. " * 15 + "Type prod to remove it."
        asked = StepChanged("take", StepState.WAITING, long, (Choice.GO, Choice.STOP))
        await it.emit([*fakes.to_the_gate()[:-1], asked])
        assert it.app.screen.query_one("#typed").placeholder == "type prod here"  # type: ignore[attr-defined]


async def test_how_long_a_question_waits_is_counted_on() -> None:
    async with driven() as it:
        await at_the_gate(it)
        it.time[0] += 93
        await it.press("down", "up")
        assert re.search(r"waiting for you +1 min", it.text), it.text


async def test_a_name_that_is_typed_fast_is_not_dropped() -> None:
    async with driven(procedures=fakes.FakeProcedures(fakes.backup_plan(phrase=True))) as it:
        await opened(it)
        await it.press("enter")
        await it.emit(fakes.to_the_gate())
        await it.press(*"prod", "enter")
        assert answers(it) == [Answer(Choice.GO, "prod", "take")]


def typed(it: Driven) -> str:
    field = it.app.screen.query_one("#typed")
    return field.value if field.display else "nothing is asked for"  # type: ignore[attr-defined, no-any-return]


def checked() -> list[Event]:
    """Its gate comes after checks, which take some seconds."""
    return [*fakes.to_the_gate()[:2], Progress("take", 1.0, None, "every source to answer anew")]


async def test_letters_typed_while_the_checks_run_stay_and_confirm_nothing_before_they_have_ended() -> None:
    async with driven(procedures=fakes.FakeProcedures(fakes.backup_plan(phrase=True))) as it:
        await opened(it)
        await it.press("enter")
        await it.emit(checked())
        assert "which may be typed now" in it.text and "The checks are running" in it.text
        await it.press(*"prod")
        await it.emit([Progress("take", 2.0, None, "the checks before this step")])
        assert typed(it) == "prod"
        await it.press("enter")
        assert "still running: nothing has been confirmed" in it.text
        await it.emit(fakes.to_the_gate()[2:])
        assert typed(it) == "prod" and "still running" not in it.text
        assert answers(it) == [], "neither by the key of before"
        await it.press("enter")
        assert answers(it) == [], "nor by one that was on its way when they ended"
        assert "have just ended" in it.text
        it.time[0] += 1
        await it.press("enter")
        assert answers(it) == [Answer(Choice.GO, "prod", "take")]


async def test_what_was_typed_for_a_step_that_is_refused_is_not_there_when_it_asks_again() -> None:
    async with driven(procedures=fakes.FakeProcedures(fakes.backup_plan(phrase=True))) as it:
        await opened(it)
        await it.press("enter")
        await it.emit(checked())
        await it.press(*"prod")
        ways = (Choice.RETRY, Choice.STOP)
        await it.emit([StepChanged("take", StepState.FAILED, "masternode3 is down.", ways)])
        assert typed(it) == "nothing is asked for"
        await it.emit(fakes.to_the_gate()[2:])
        assert typed(it) == ""


async def test_what_will_be_confirmed_is_told_while_the_checks_run_and_enter_says_that_they_do() -> None:
    plan = fakes.backup_plan()
    take = plan.step("take")
    optional = replace(take, gate=replace(take.gate, optional=True, prompt="Take it now?"))
    steps = tuple(optional if step is take else step for step in plan.steps)
    for key in ("enter", "n"):
        async with driven(procedures=fakes.FakeProcedures(replace(plan, steps=steps))) as it:
            await opened(it)
            await it.press("enter")
            await it.emit(checked())
            assert "Take it now? The checks are running" in " ".join(it.text.split())
            await it.press(key)
            assert "still running: nothing has been confirmed" in it.text
            it.time[0] += 1
            await it.emit([StepChanged("take", StepState.WAITING, "", (Choice.GO, Choice.NO, Choice.STOP))])
            it.time[0] += 1
            await it.press("r")
            assert answers(it) == []


async def test_nothing_is_asked_ahead_where_the_question_depends_on_the_checks() -> None:
    plan = fakes.backup_plan(phrase=True)
    take = plan.step("take")
    asks = replace(take, ask=lambda world: take.gate)
    steps = tuple(asks if step is take else step for step in plan.steps)
    async with driven(procedures=fakes.FakeProcedures(replace(plan, steps=steps))) as it:
        await opened(it)
        await it.press("enter")
        await it.emit(checked())
        assert typed(it) == "nothing is asked for" and "c cancels" in it.text


async def test_the_pane_says_how_to_read_on_where_there_is_more() -> None:
    plan = fakes.backup_plan()
    async with driven(size=(80, 24), procedures=fakes.FakeProcedures(plan)) as it:
        await opened(it)
        assert "tab, then pgdn: more" in it.text
        about = it.app.screen.query_one("#about")
        assert about.scroll_offset.y == 0
        await it.press("tab", "pagedown")
        assert about.scroll_offset.y > 0
    async with driven(size=(120, 60), procedures=fakes.FakeProcedures(plan)) as it:
        await opened(it)
        assert "tab, then" not in it.text, "all of it is in sight"


async def test_what_is_done_and_has_left_something_is_not_shown_as_whole() -> None:
    async with driven() as it:
        await at_the_gate(it)
        await it.emit([Finished(Ending.DONE, "prod is restored.", "2 masters are missing")])
        assert "▲ done, 2 masters are missing" in it.text and "✓ done" not in it.text
        gate = it.app.screen.query_one("#gate")
        assert gate.has_class("-waiting") and not gate.has_class("-done")
    async with driven() as it:
        await at_the_gate(it)
        await it.press("escape")
        await it.emit([Finished(Ending.DONE, "prod is restored.", "2 masters are missing")])
        (line,) = [line for line in it.text.splitlines() if "prod is restored." in line]
        assert "▲" in line and "✓" not in line


async def test_a_space_that_nobody_sees_makes_no_phrase_wrong() -> None:
    async with driven(procedures=fakes.FakeProcedures(fakes.backup_plan(phrase=True))) as it:
        await at_the_gate(it)
        await it.press("space", *"prod", "space", "enter")
        assert answers(it) == [Answer(Choice.GO, "prod", "take")]


async def test_the_step_that_asks_stays_in_sight_where_its_question_takes_lines_from_the_list() -> None:
    async with driven(size=(80, 24), procedures=fakes.FakeProcedures(fakes.backup_plan(phrase=True))) as it:
        await opened(it)
        await it.press("enter")
        steps = it.app.screen.query_one(Listing)
        before = steps.size.height
        steps.point_at(steps.items[-1].key)
        await it.press()
        await it.emit(fakes.to_the_gate())
        await it.press()
        assert steps.size.height < before
        rows = [
            row for row, (number, _) in enumerate(steps._wrapped) if steps._place_of[number] == steps.cursor
        ]
        top = steps.scroll_offset.y
        assert top <= rows[0] and rows[-1] < top + steps.size.height


async def test_a_phrase_may_hold_every_letter() -> None:
    """Keys of the screen must not act while a name is typed."""
    async with driven(procedures=fakes.FakeProcedures(fakes.backup_plan(phrase=True))) as it:
        await at_the_gate(it)
        await it.press(*"crwxsqyjk")
        assert it.app.screen.query_one("#typed").value == "crwxsqyjk"  # type: ignore[attr-defined]
        assert it.screen_name == "ProcedureScreen"
        assert answers(it) == []


async def stuck(it: Driven) -> None:
    await at_the_gate(it)
    await it.emit([fakes.done()[0], *fakes.stuck()])
    it.time[0] += 2


async def test_a_step_before_which_it_was_stopped_is_not_shown_at_work() -> None:
    async with driven() as it:
        await at_the_gate(it)
        await it.press("s")
        assert answers(it) == [Answer(Choice.STOP, "", "take")]
        await it.emit([Finished(Ending.STOPPED, "Stopped before “Take the backup”.")])
        assert "not run: it ended here" in it.text and "checked before it runs" not in it.text


async def test_retry_wait_and_stop() -> None:
    for key, choice in (("r", Choice.RETRY), ("w", Choice.WAIT), ("s", Choice.STOP)):
        async with driven() as it:
            await stuck(it)
            await it.press(key)
            assert answers(it) == [Answer(choice, "", "verify")]


async def test_skipping_needs_a_reason() -> None:
    async with driven() as it:
        await stuck(it)
        await it.press("x", "enter")
        assert answers(it) == []
        assert "A reason is needed" in it.text
        await it.press("escape", "x", *"seen by eye", "enter")
        assert answers(it) == [Answer(Choice.SKIP, "seen by eye", "verify")]


async def test_breaking_the_lock_of_another_needs_a_reason() -> None:
    async with driven() as it:
        await at_the_gate(it)
        said = "john@desk began to work on prod 9 min ago; last sign of life 6 min ago."
        ways = (Choice.BREAK, Choice.RETRY, Choice.STOP)
        await it.emit([StepChanged("take", StepState.FAILED, said, ways)])
        it.time[0] += 2
        assert "last sign of life 6 min ago" in it.text and "Break the lock" in it.text
        await it.press("b", "enter")
        assert "Why is this lock broken?" in it.text
        assert answers(it) == []
        await it.press(*"his laptop died", "enter")
        assert answers(it) == [Answer(Choice.BREAK, "his laptop died", "take")]


async def test_choices_that_are_not_offered_do_nothing() -> None:
    async with driven() as it:
        await at_the_gate(it)
        await it.emit(fakes.at_work())
        await it.press("r", "w", "x", "s", "enter")
        assert answers(it) == []


async def test_cancelling_asks_with_the_steps_sentence() -> None:
    async with driven() as it:
        await at_the_gate(it)
        await it.emit(fakes.at_work())
        await it.press("c")
        assert it.screen_name == "AskScreen"
        assert "Stops the script on masternode2" in it.text
        await it.press("enter")
        assert it.screen_name == "ProcedureScreen"
        assert it.procedures.handle is not None
        assert not it.procedures.handle.cancelled, "the focus is on going on"
        await it.press("c", "c")
        assert it.procedures.handle.cancelled
        assert "being cancelled" in it.text


async def test_a_command_that_has_ended_is_no_more_called_written_in_part() -> None:
    async with driven() as it:
        await at_the_gate(it)
        await it.emit(fakes.at_work())
        assert "written 40M" in it.text
        await it.emit([StepChanged("take", StepState.VERIFYING)])
        assert "written 40M" not in it.text and "elapsed" in it.text, it.text


async def test_what_cancelling_does_is_never_cut_without_a_sign() -> None:
    plan = fakes.backup_plan()
    long = "Ends here; once it was moved, this is the way back: sudo mv " + "/etc/kubernetes/a-long-name " * 6
    plan = replace(plan, steps=tuple(replace(step, cancel=long) for step in plan.steps))
    async with driven(procedures=fakes.FakeProcedures(plan)) as it:
        await at_the_gate(it)
        await it.emit(fakes.at_work())
        below = it.text.splitlines()[-5:]
        assert any("c cancels: Ends here" in line for line in below), it.text
        assert any(line.rstrip().endswith("…") for line in below), it.text


async def test_it_goes_on_while_its_screen_is_closed() -> None:
    async with driven() as it:
        await at_the_gate(it)
        await it.emit(fakes.at_work())
        await it.press("escape")
        assert it.screen_name == "DashboardScreen"
        assert "running  12 s  40M" in it.text
        await it.press("b")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert "43 %" in it.text
        assert len(it.procedures.ran) == 1
        await it.press("escape")
        await it.emit(fakes.done())
        assert "Backup 2026-11-23_070000 is on masternode2" in it.text
        assert "refresh" in it.cluster.calls
        await it.press("b")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert "✓ done" in it.text
        await it.press("escape")
        assert "2026-11-23_070000" not in it.text


async def test_leaving_while_it_runs_asks() -> None:
    async with driven() as it:
        await at_the_gate(it)
        await it.press("escape", "q")
        assert it.screen_name == "AskScreen"
        await it.press("enter")
        assert it.app.is_running
        await it.press("ctrl+q", "l")
        await it.until(lambda: not it.app.is_running or it.app._exit)


async def test_looking_at_another_step() -> None:
    async with driven() as it:
        await stuck(it)
        await it.press("k", "k")
        assert "A backup of a cluster without a leader" in it.text
        await it.emit([StepChanged("verify", StepState.RUNNING, "Looking again.")])
        assert "A backup of a cluster without a leader" in it.text, "the user's choice stays"


async def test_a_failed_end_stays_to_be_read() -> None:
    async with driven() as it:
        await at_the_gate(it)
        await it.emit([Finished(Ending.FAILED, "The script ended with exit code 1 [/red].")])
        assert "exit code 1 [/red]" in it.text
        await it.press("c", "s", "enter")
        assert it.screen_name == "ProcedureScreen"


async def test_an_interrupted_run_is_asked_about() -> None:
    procedures = fakes.FakeProcedures(earlier=[fakes.FakeInterrupted()])
    async with driven(procedures=procedures) as it:
        await it.until(lambda: it.screen_name == "AskScreen")
        assert "interrupted 14 min ago at step 2 of 3" in it.text
        assert "What is true now" in it.text
        await it.press("r")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert not procedures.ran, "resuming shows the plan first"
        assert "othing has" not in it.text, "of a run that was begun that is not true"
        assert "stays done, and is not done again" in it.text


async def test_what_was_done_before_it_was_interrupted_is_shown_as_done_before_it_goes_on() -> None:
    done = [
        StepChanged("check", StepState.DONE, "All is well."),
        StepChanged("take", StepState.DONE, "Taken."),
    ]
    procedures = fakes.FakeProcedures(earlier=[fakes.FakeInterrupted()], past=done)
    async with driven(procedures=procedures) as it:
        await it.until(lambda: it.screen_name == "AskScreen")
        await it.press("r")
        await it.until(lambda: it.screen_name == "ProcedureScreen")
        assert "✓ 1" in it.text and "✓ 2" in it.text and "○ 3" in it.text
        assert not procedures.ran, "and it still waits for enter"


async def test_what_was_known_when_it_was_interrupted_is_not_called_true_now() -> None:
    earlier = fakes.FakeInterrupted(truth="The last thing known: etcd has no quorum.")
    async with driven(procedures=fakes.FakeProcedures(earlier=[earlier])) as it:
        await it.until(lambda: it.screen_name == "AskScreen")
        assert "The last thing known: etcd has no quorum." in it.text and "true now" not in it.text


async def test_an_interrupted_run_can_be_left_alone() -> None:
    async with driven(procedures=fakes.FakeProcedures(earlier=[fakes.FakeInterrupted()])) as it:
        await it.until(lambda: it.screen_name == "AskScreen")
        await it.press("escape")
        assert it.screen_name == "DashboardScreen"


async def test_abandoning_needs_a_reason() -> None:
    procedures = fakes.FakeProcedures(earlier=[fakes.FakeInterrupted()])
    async with driven(procedures=procedures) as it:
        await it.until(lambda: it.screen_name == "AskScreen")
        await it.press("a")
        await it.press("enter")
        assert it.screen_name == "ReasonScreen"
        await it.press("escape")
        assert it.screen_name == "AskScreen", "asked again: nothing was decided"
        await it.press("a", *"done by hand", "enter")
        await it.until(lambda: procedures.abandoned)
        assert procedures.abandoned[0][1] == "done by hand"
    assert procedures.closed


async def test_after_an_answer_the_step_no_longer_waits_for_you() -> None:
    """What is read once more before it runs may take seconds; nobody is asked meanwhile."""
    async with driven() as it:
        await at_the_gate(it)
        assert "waiting for you" in it.text and "⏸ Take the backup" in it.text
        await it.press("enter")
        await it.emit([Progress("take", 5.0, None, "every source to answer anew")])
        assert "waiting for you" not in it.text and "⏸" not in it.text
        assert "checked before it runs" in it.text


async def test_the_step_at_work_stays_in_sight() -> None:
    """Steps above it take more lines once they are done, and the lines below the list come and go."""
    many = [Step(f"s{n}", f"Step of a longer name, number {n}", "Why.") for n in range(30)]
    plan = replace(fakes.backup_plan(), steps=tuple(many))
    async with driven(procedures=fakes.FakeProcedures(plan)) as it:
        await opened(it)
        await it.press("enter")
        for n in range(24):
            await it.emit([StepChanged(f"s{n}", StepState.RUNNING)])
            it.time[0] += 3
            await it.emit(
                [Progress(f"s{n}", 3.0, None, "the proof that it worked; seen last: " + "word " * 20)]
            )
            assert f"● {n + 1} Step" in it.text, it.text
            await it.emit([StepChanged(f"s{n}", StepState.DONE, "Done.")])


async def test_an_end_that_is_too_long_for_its_lines_stands_in_full_above() -> None:
    async with driven() as it:
        await at_the_gate(it)
        why = "masternode2 does not answer on its port, and that is said at some length here. " * 4
        await it.emit([Finished(Ending.STOPPED, f"{why}Its lock stays on the hosts.")])
        below = it.text.splitlines()[-8:]
        assert any(line.rstrip().endswith("…") for line in below), it.text
        assert any("the rest stands at the right" in line for line in below), it.text
        about = it.app.screen.query_one("#about").text  # type: ignore[attr-defined]
        assert "Its lock stays on the hosts." in about


async def test_what_is_to_be_typed_is_never_cut_off() -> None:
    plan = fakes.backup_plan(phrase=True)
    async with driven(procedures=fakes.FakeProcedures(plan)) as it:
        await at_the_gate(it)
        long = (
            "Removing masternode4 would leave 3 of 4 voters well, quorum 3 (now 3 of 5, quorum 3): allowed. "
            "One at a time: masternode5 only after it. It cannot be undone: masternode4 comes back only as "
            "a new member. Type prod to remove it."
        )
        await it.emit([StepChanged("take", StepState.WAITING, long, (Choice.GO, Choice.STOP))])
        assert "Type prod to" in it.text and "enter sends it." in it.text
