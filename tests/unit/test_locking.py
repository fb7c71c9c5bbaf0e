"""Two operators at one cluster: locks of procedures on real folders, with real shells."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from etcdtui import config
from etcdtui.cluster.board import Board, Constants
from etcdtui.cluster.hosts import HostWatcher
from etcdtui.cluster.speaker import Speaker
from etcdtui.errors import Unreachable
from etcdtui.journal import Journal
from etcdtui.journal_text import in_full
from etcdtui.model.lock import STALE, Lock
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.quorum import Verdict
from etcdtui.model.readings import Reading
from etcdtui.platforms.layout import Layout
from etcdtui.procedures.engine import Engine
from etcdtui.procedures.left import over
from etcdtui.procedures.locking import lift_left
from etcdtui.procedures.operations import Interruption, Operations
from etcdtui.procedures.procedure import (
    Answer,
    Choice,
    Context,
    Ending,
    Procedure,
    Step,
    StepChanged,
    StepState,
)
from etcdtui.reach import lock
from etcdtui.reach.local import LocalRunner
from etcdtui.reach.lock import Claim
from etcdtui.reach.runner import Completed
from tests.procedures import (
    CONFIRM,
    QUICK,
    CutJournal,
    FakeWorld,
    Human,
    Killed,
    check_step,
    command_step,
    go,
    run,
)
from tests.procedures import procedure as plain
from tests.views import NAMES, NOW, healthy

OTHER = Claim("replace-of-john", "john@desk", "Replace masternode2", "prod")
PACE = replace(QUICK, answer=10.0)

ROOT = Path(__file__).parents[2]
AT_THE_GATE = """
import sys
from pathlib import Path
from etcdtui.journal import Journal
from tests.procedures import CONFIRM, Human, run
from tests.unit.test_locking import PACE, Hosts, change, locking

folder = Path(sys.argv[1])
world = Hosts(folder)
planned = locking(change(world), change(world, "second", gate=CONFIRM))
human = Human(lambda: print("at the gate", flush=True))
run(planned, Journal(folder / "journal"), human=human, world=world, pace=PACE)
"""


class Host(LocalRunner):
    """A folder of this machine as a host that can go away."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.down = False

    def run(
        self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"", limit: int = 1 << 20
    ) -> Completed:
        if self.down:
            raise Unreachable(f"{self.host} does not answer.")
        return super().run(argv, timeout=timeout, stdin=stdin, limit=limit)


class Hosts(FakeWorld):
    """Three of them, and what commands wrote."""

    def __init__(self, folder: Path) -> None:
        super().__init__(healthy())
        self.folder = folder
        self.hosts = {name: Host(name) for name in NAMES}

    def runner(self, host: str) -> Host:
        return self.hosts[host]

    def layout_of(self, host: str) -> Layout:
        return Layout(root=str(self.folder / host), sudo=())

    def lock_of(self, host: str) -> Path:
        return self.folder / host / "var/tmp/etcdtui/lock"

    def claim(self, host: str, claim: Claim = OTHER, silent: float = 0.0) -> None:
        """Somebody else's lock."""
        lock.take(self.runner(host), str(self.lock_of(host).parent), claim, 10.0)
        then = time.time() - silent
        os.utime(self.lock_of(host), (then, then))

    @property
    def locked(self) -> list[str]:
        return [name for name in NAMES if self.lock_of(name).exists()]

    @property
    def ran(self) -> list[str]:
        done = self.folder / "done"
        return done.read_text().split() if done.exists() else []


@pytest.fixture
def world(tmp_path: Path):
    made = Hosts(tmp_path)
    yield made
    for host in made.hosts.values():
        host.close()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def change(world: Hosts, key: str = "first", **changes: object) -> Step:
    """A command that notes that it ran."""
    argv = ("sh", "-c", f"echo {key} >>{world.folder}/done")
    return command_step(**({"key": key, "title": f"Do the {key}", "argv": argv} | changes))


def locking(*steps: Step, id_: str = "replace-of-jane") -> Procedure:
    return replace(plain(*steps, id_=id_), title="Replace masternode3", locks=True)


def seen(world: Hosts) -> Step:
    """A check that remembers on which hosts a lock lies when it is made."""

    def check(context: Context) -> Verdict:
        return Verdict(True, f"Locked: {' '.join(world.locked) or 'none'}.")

    return check_step(key="look", done=check)


def test_every_host_is_locked_from_the_first_change_to_the_end(world: Hosts, journal: Journal) -> None:
    before = replace(seen(world), key="before")
    finished, human = run(locking(before, change(world), seen(world)), journal, world=world, pace=PACE)
    told = {e.step: e.sentence for e in human.events if isinstance(e, StepChanged) and e.sentence}
    assert told["before"] == "Locked: none."
    assert told["look"] == "Locked: masternode1 masternode2 masternode3."
    assert (finished.ending, world.ran, world.locked) == (Ending.DONE, ["first"], [])


def test_a_procedure_that_asks_for_none_takes_none(world: Hosts, journal: Journal) -> None:
    world.claim("masternode1")
    finished, _ = run(plain(change(world), seen(world)), journal, world=world, pace=PACE)
    assert (finished.ending, finished.sentence) == (Ending.DONE, "Locked: masternode1.")


def test_a_second_operator_is_refused_and_told_who_is_at_it(world: Hosts, tmp_path: Path) -> None:
    """Two engines, on two machines, at once."""
    waiting = threading.Event()
    first = Human()
    first.on.append(
        (lambda e: isinstance(e, StepChanged) and e.state is StepState.WAITING, lambda _: waiting.set())
    )
    steps = (change(world), change(world, "second", gate=CONFIRM))
    engine = Engine(locking(*steps), world, Journal(tmp_path / "jane"), first, pace=PACE)
    first.engine = engine
    thread = threading.Thread(target=engine.run, daemon=True)
    thread.start()
    assert waiting.wait(10)
    theirs = locking(change(world, "theirs"), id_="replace-of-john")
    finished, _ = run(theirs, Journal(tmp_path / "john"), world=world, pace=PACE)
    assert finished.ending is Ending.REFUSED
    assert "is at work on prod: “Replace masternode3”" in finished.sentence
    assert "Its lock lies on masternode1. Two at once could cost the quorum" in finished.sentence
    assert len(world.locked) == 3
    engine.answer(go())
    thread.join(10)
    assert (world.ran, world.locked) == (["first", "second"], [])
    finished, _ = run(replace(theirs, id="again"), Journal(tmp_path / "john"), world=world, pace=PACE)
    assert finished.ending is Ending.DONE


def test_what_was_locked_on_the_way_to_a_refusal_is_free_again(world: Hosts, journal: Journal) -> None:
    world.claim("masternode2")
    finished, _ = run(locking(change(world)), journal, world=world, pace=PACE)
    assert finished.ending is Ending.REFUSED
    assert (world.locked, world.ran) == (["masternode2"], [])


class TestStale:
    def test_it_is_broken_only_with_a_reason(self, world: Hosts, journal: Journal) -> None:
        for name in NAMES:
            world.claim(name, silent=STALE + 60)
        answers = (Answer(Choice.BREAK), Answer(Choice.BREAK, "John's laptop died"))
        finished, human = run(locking(change(world)), journal, *answers, world=world, pace=PACE)
        assert finished.ending is Ending.DONE
        asked = human.questions[0]
        assert asked.choices == (Choice.BREAK, Choice.RETRY, Choice.STOP)
        assert "john@desk began to work on prod: “Replace masternode2”" in asked.sentence
        assert "last sign of life 6 min ago" in asked.sentence and "at work" not in asked.sentence
        assert "To break the lock, say in a few words why" in human.questions[1].sentence
        assert (world.ran, world.locked) == (["first"], [])
        told = "\n".join(in_full(journal.read("replace-of-jane")))
        assert "Broke the lock of john@desk (“Replace masternode2”): John's laptop died" in told

    def test_stopping_there_changes_nothing(self, world: Hosts, journal: Journal) -> None:
        world.claim("masternode3", silent=STALE + 60)
        finished, _ = run(locking(change(world)), journal, Answer(Choice.STOP), world=world, pace=PACE)
        assert finished.ending is Ending.REFUSED
        assert (world.ran, world.locked) == ([], ["masternode3"])

    def test_one_that_still_lives_somewhere_is_not_broken_there(self, world: Hosts, journal: Journal) -> None:
        world.claim("masternode1", silent=STALE + 60)
        world.claim("masternode3")
        answers = (Answer(Choice.BREAK, "it is old"),)
        finished, _ = run(locking(change(world)), journal, *answers, world=world, pace=PACE)
        assert finished.ending is Ending.REFUSED
        assert "lies on masternode3" in finished.sentence
        assert (world.ran, world.locked) == ([], ["masternode3"])

    def test_whose_lock_was_broken_does_not_go_on(self, world: Hosts, journal: Journal) -> None:
        """A laptop slept; meanwhile another broke its lock."""

        def broken() -> None:
            for name in NAMES:
                path = world.lock_of(name)
                os.utime(path, (0, 0))
                folder = str(path.parent)
                lock.break_stale(world.runner(name), folder, OTHER, "replace-of-jane", "nobody there", 10.0)
            assert human.engine is not None
            human.engine.answer(go())

        human = Human(broken, Answer(Choice.STOP))
        pace = replace(PACE, stale=0.0)
        steps = (change(world), change(world, "second", gate=CONFIRM))
        finished, _ = run(locking(*steps), journal, human=human, world=world, pace=pace)
        assert finished.ending is Ending.STOPPED
        assert "john@desk is at work" in finished.sentence
        assert "The lock before it was broken: nobody there." in finished.sentence
        assert world.ran == ["first"]
        assert world.locked == list(NAMES)  # john's


class TestInterrupted:
    @pytest.mark.parametrize(("cut", "how"), [(3, "torn"), *((cut, "after") for cut in range(2, 15))])
    def test_killed_at_any_line_it_knows_its_lock_again(
        self, world: Hosts, tmp_path: Path, cut: int, how: str
    ) -> None:
        folder = tmp_path / "journal"
        first, second = (change(world, key, done=done(world, key)) for key in ("first", "second"))
        planned = locking(first, second)
        with pytest.raises(Killed):
            run(planned, CutJournal(folder, cut, how), world=world, pace=PACE)
        # Half-way it is always locked.
        assert world.locked == list(NAMES) or (world.locked == [] and world.ran in ([], ["first", "second"]))
        finished, _ = run(planned, Journal(folder), world=world, pace=PACE)
        assert finished.ending is Ending.DONE, finished
        assert (world.ran, world.locked) == (["first", "second"], [])

    def test_a_real_kill_leaves_the_lock_to_the_run_that_goes_on(
        self, world: Hosts, journal: Journal, tmp_path: Path
    ) -> None:
        words = [sys.executable, "-c", AT_THE_GATE, str(tmp_path)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            assert process.stdout is not None and process.stdout.readline() == "at the gate\n"
        finally:
            process.kill()
            process.communicate()
        assert (world.ran, world.locked) == (["first"], list(NAMES))
        other, _ = run(
            locking(change(world, "x"), id_="other"), Journal(tmp_path / "john"), world=world, pace=PACE
        )
        assert other.ending is Ending.REFUSED
        assert "is at work on prod" in other.sentence, "of another machine's journal nothing is known"
        ours, _ = run(locking(change(world, "x"), id_="ours"), journal, world=world, pace=PACE)
        assert "Nobody works there any more: its process is gone" in ours.sentence
        assert "at work" not in ours.sentence
        planned = locking(change(world), change(world, "second", gate=CONFIRM))
        finished, _ = run(planned, journal, go(), world=world, pace=PACE)
        assert (finished.ending, world.ran, world.locked) == (Ending.DONE, ["first", "second"], [])

    def test_stopped_it_keeps_the_lock_until_it_is_gone_on_with(self, world: Hosts, journal: Journal) -> None:
        planned = locking(change(world), change(world, "second", gate=CONFIRM))
        finished, _ = run(planned, journal, Answer(Choice.STOP), world=world, pace=PACE)
        assert finished.ending is Ending.STOPPED
        assert finished.sentence.endswith(
            "Its lock stays on the hosts until it is gone on with or abandoned."
        )
        assert world.locked == list(NAMES)
        other, _ = run(locking(change(world, "x"), id_="other"), journal, world=world, pace=PACE)
        assert other.ending is Ending.REFUSED
        assert "It is a run of your own that was interrupted" in other.sentence
        assert "Nobody works there any more: it was stopped." in other.sentence
        finished, _ = run(planned, journal, go(), world=world, pace=PACE)
        assert (finished.ending, world.ran, world.locked) == (Ending.DONE, ["first", "second"], [])

    def test_failed_half_way_it_keeps_the_lock(self, world: Hosts, journal: Journal) -> None:
        steps = (change(world), change(world, "second", argv=("false",)))
        finished, _ = run(locking(*steps), journal, Answer(Choice.STOP), world=world, pace=PACE)
        assert (finished.ending, world.locked) == (Ending.FAILED, list(NAMES))
        assert "Its lock stays on the hosts" in finished.sentence

    def test_left_before_anything_ran_it_lifts_the_lock(self, world: Hosts, journal: Journal) -> None:
        human = Human(lambda: human.engine.leave() if human.engine else None)
        planned = locking(change(world, gate=CONFIRM))
        finished, _ = run(planned, journal, human=human, world=world, pace=PACE)
        assert (finished.ending, world.locked) == (Ending.STOPPED, [])

    def test_the_lock_of_an_abandoned_run_of_ours_is_no_obstacle(
        self, world: Hosts, journal: Journal
    ) -> None:
        planned = locking(change(world), change(world, "second", gate=CONFIRM))
        run(planned, journal, Answer(Choice.STOP), world=world, pace=PACE)
        journal.abandon("replace-of-jane", "Done by hand.", NOW)
        finished, _ = run(locking(change(world, "x"), id_="other"), journal, world=world, pace=PACE)
        assert (finished.ending, world.locked) == (Ending.DONE, [])

    def test_to_abandon_it_lifts_the_lock(self, world: Hosts, journal: Journal, tmp_path: Path) -> None:
        planned = locking(change(world), change(world, "second", gate=CONFIRM))
        run(planned, journal, Answer(Choice.STOP), world=world, pace=PACE)
        operations = Operations(cast(Any, world), tmp_path)
        operations.abandon(Interruption("replace-of-jane", "", ""), "Done by hand.")
        end = time.monotonic() + 10
        while world.locked and time.monotonic() < end:
            time.sleep(0.02)
        assert world.locked == []

    def test_a_run_that_is_given_up_can_be_unlocked_at_once(self, world: Hosts, journal: Journal) -> None:
        planned = locking(change(world), change(world, "second", gate=CONFIRM))
        run(planned, journal, Answer(Choice.STOP), world=world, pace=PACE)
        world.hosts["masternode1"].down = True
        left = lift_left(journal.read("replace-of-jane"), world)
        assert left == {"masternode1": "masternode1 does not answer."}
        assert world.locked == ["masternode1"]

    def test_of_what_stays_on_a_host_that_was_away_it_is_known_that_nobody_is_at_it(
        self, world: Hosts, journal: Journal
    ) -> None:
        planned = locking(change(world), change(world, "second", gate=CONFIRM))
        run(planned, journal, Answer(Choice.STOP), world=world, pace=PACE)
        assert over(journal, "replace-of-jane") == "it was stopped"
        world.hosts["masternode1"].down = True
        journal.abandon("replace-of-jane", "Done by hand.", NOW)
        lift_left(journal.read("replace-of-jane"), world)
        world.hosts["masternode1"].down = False
        seen = watched(world, "masternode1", lambda run: over(journal, run))
        assert seen is not None and seen.over == "it was abandoned"
        assert "at work" not in seen.sentence and "Nobody works there any more" in seen.sentence
        world.claim("masternode2")
        other = watched(world, "masternode2", lambda run: over(journal, run))
        assert other is not None and (other.run, other.over) == (OTHER.run, "")

    def test_one_that_runs_is_not_said_to_be_over(self, world: Hosts, journal: Journal) -> None:
        told: list[str] = []

        def at_the_gate() -> None:
            told.append(over(journal, "replace-of-jane"))
            assert human.engine is not None
            human.engine.answer(go())

        human = Human(at_the_gate)
        finished, _ = run(locking(change(world, gate=CONFIRM)), journal, human=human, world=world, pace=PACE)
        assert finished.ending is Ending.DONE and told == [""]
        assert over(journal, "replace-of-jane") == "it has ended (done)"

    def test_a_command_that_may_still_run_is_not_forgotten(self, world: Hosts, journal: Journal) -> None:
        record, _ = journal.begin(locking(change(world)), NOW)
        told = {
            "job": "take-1",
            "host": "masternode2",
            "directory": "/var/tmp/etcdtui",
            "argv": ["sleep", "9"],
        }
        record.write(NOW, "command", "first", **told)
        record.write(NOW, "finished", ending="stopped", sentence="")
        record.close()
        assert over(journal, "replace-of-jane") == (
            "it was stopped; a command of it may still run on masternode2"
        )

    def test_cancelled_before_anything_ran_it_lifts_the_lock(self, world: Hosts, journal: Journal) -> None:
        planned = locking(change(world, gate=CONFIRM))
        finished, _ = run(planned, journal, Answer(Choice.STOP), world=world, pace=PACE)
        assert (finished.ending, world.locked) == (Ending.CANCELLED, [])


def watched(world: Hosts, name: str, over: Callable[[str], str]) -> Lock | None:
    """The lock on a host as whoever watches the cluster sees it."""
    board = Board(Constants("prod", False, False))
    board.add_host(name, name)
    place = config.Host(name, name, layout=world.layout_of(name))
    speaker = Speaker(board, lambda: None)
    HostWatcher(place, world.runner(name), board, speaker, lambda host, access: None, over).round()
    facts = board.view().hosts[0].facts.value
    return facts.lock if facts else None


class TestHostGone:
    def test_a_dead_host_does_not_keep_the_others_from_being_repaired(
        self, world: Hosts, journal: Journal
    ) -> None:
        world.hosts["masternode3"].down = True
        finished, human = run(locking(change(world), seen(world)), journal, world=world, pace=PACE)
        assert finished.ending is Ending.DONE
        assert finished.sentence.startswith("Locked: masternode1 masternode2.")
        told = "".join(getattr(e, "text", "") for e in human.events)
        assert told == "masternode3 is not locked: masternode3 does not answer.\n"

    def test_a_host_that_is_known_to_be_down_is_not_waited_for(self, world: Hosts, journal: Journal) -> None:
        problem = Problem(Fault.SILENT, "masternode3 is silent.")
        hosts = [
            replace(h, link=Reading(problem=problem)) if h.name == "masternode3" else h
            for h in world.shown.hosts
        ]
        world.shown = replace(world.shown, hosts=tuple(hosts))
        finished, _ = run(locking(change(world), seen(world)), journal, world=world, pace=PACE)
        assert finished.sentence == "Locked: masternode1 masternode2."

    def test_without_any_host_nothing_is_begun(self, world: Hosts, journal: Journal) -> None:
        for host in world.hosts.values():
            host.down = True
        finished, _ = run(locking(change(world)), journal, world=world, pace=PACE)
        assert finished.ending is Ending.REFUSED
        assert "No host could be locked against a second operator. masternode1 does" in finished.sentence

    def test_a_host_that_is_away_for_a_moment_at_the_end_gives_its_lock_back_after_all(
        self, world: Hosts, journal: Journal
    ) -> None:
        host = world.hosts["masternode3"]

        def leave(context: Context) -> Verdict:
            host.down = True
            threading.Timer(0.1, lambda: setattr(host, "down", False)).start()
            return Verdict(True, "Well.")

        pace = replace(PACE, lift=5.0)
        finished, _ = run(
            locking(change(world), check_step(key="last", done=leave)), journal, world=world, pace=pace
        )
        assert (finished.sentence, world.locked) == ("Well.", [])

    def test_gone_at_the_end_it_says_so_and_the_next_run_lifts_it(
        self, world: Hosts, journal: Journal
    ) -> None:
        def leave(context: Context) -> Verdict:
            world.hosts["masternode3"].down = True
            return Verdict(True, "Well.")

        steps = (change(world), check_step(key="last", done=leave))
        finished, _ = run(locking(*steps), journal, world=world, pace=PACE)
        assert finished.sentence == (
            "Well. The lock on masternode3 could not be lifted: masternode3 does not answer."
        )
        assert (finished.ending, world.locked) == (Ending.DONE, ["masternode3"])
        world.hosts["masternode3"].down = False
        finished, _ = run(locking(change(world, "x"), id_="next"), journal, world=world, pace=PACE)
        assert (finished.ending, world.locked) == (Ending.DONE, [])


def done(world: Hosts, key: str) -> Callable[[Context], Verdict]:
    return lambda context: Verdict(key in world.ran, f"{key} is {'' if key in world.ran else 'not '}done.")


def test_it_shows_signs_of_life_while_a_human_thinks(world: Hosts, journal: Journal) -> None:
    def think() -> None:
        first, second = (world.lock_of(name) for name in NAMES[:2])
        os.utime(first, (0, 0))
        second.unlink()  # by hand; who is at work takes it again
        end = time.monotonic() + 10
        while time.monotonic() < end and (first.stat().st_mtime == 0 or not second.exists()):
            time.sleep(0.02)
        assert first.stat().st_mtime > 0 and second.exists()
        assert human.engine is not None
        human.engine.answer(go())

    human = Human(think)
    steps = (change(world), change(world, "second", gate=CONFIRM))
    pace = replace(PACE, alive=0.05)
    finished, _ = run(locking(*steps), journal, human=human, world=world, pace=pace)
    assert (finished.ending, world.locked) == (Ending.DONE, [])
