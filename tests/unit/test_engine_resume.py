"""Killed at every line of its record, a procedure reaches the same end, and nothing runs twice."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.model.quorum import Verdict
from etcdtui.procedures.following import job_of
from etcdtui.procedures.procedure import Answer, Choice, Ending, Procedure, StepChanged, StepState
from etcdtui.procedures.registry import KINDS, rebuild_of, resume
from tests.procedures import (
    CONFIRM,
    CutJournal,
    FakeJobs,
    FakeRunner,
    FakeWorld,
    Human,
    Killed,
    check_step,
    command_step,
    dropped,
    go,
    job_step,
    procedure,
    run,
    yes,
)

LINES = 40  # more than an uninterrupted run writes


@dataclass
class Host:
    """What lasts when etcdtui is killed: the host with its jobs, and what was done to it."""

    jobs: FakeJobs = field(default_factory=lambda: FakeJobs(needs=2))
    done: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.jobs.on_end = lambda: self.done.append("long")

    def world(self) -> FakeWorld:
        runner = FakeRunner()
        runner.on("short-thing", does=lambda: self.done.append("short"), out="member 41\n")
        return FakeWorld(None, runner)

    def plan(self) -> Procedure:
        return procedure(
            check_step(prechecks=(yes(),)),
            job_step(
                gate=CONFIRM, prechecks=(yes(),), verify=lambda w: Verdict("long" in self.done, "files")
            ),
            command_step(done=lambda w: Verdict("short" in self.done, "moved")),
            check_step(
                key="last",
                verify=lambda w: Verdict(w.said("long").startswith("one"), "the long thing said one"),
                patience=0.5,
            ),
        )

    def once(self, journal: Journal) -> bool:
        """One life of etcdtui; False when it was killed."""
        try:
            finished, _human = run(self.plan(), journal, *([go()] * 9), world=self.world(), jobs=self.jobs)
        except Killed:
            return False
        assert finished.ending is Ending.DONE, finished
        assert finished.sentence == "the long thing said one"
        return True

    def check(self) -> None:
        assert self.jobs.begun == ["test-1-long"]
        assert sorted(self.done) == ["long", "short"]


@pytest.mark.parametrize("how", ["before", "torn", "after"])
@pytest.mark.parametrize("cut", range(1, LINES))
def test_killed_at_each_line(tmp_path: Path, cut: int, how: str) -> None:
    host = Host()
    ended = host.once(CutJournal(tmp_path, cut, how))
    journal = Journal(tmp_path)
    if not ended:
        assert all(r.unfinished or r.ending is Ending.DONE for r in journal.runs())
        assert not any(r.alive for r in journal.runs() if r.who.pid == 0)
        assert host.once(journal)
    host.check()
    assert journal.read("test-1").ending is Ending.DONE


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 25), st.sampled_from(["before", "torn", "after"])), max_size=5))
def test_killed_again_and_again(cuts: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        host = Host()
        for cut, how in cuts:
            host.once(CutJournal(Path(folder), cut, how))
        assert host.once(Journal(Path(folder)))
        host.check()


def test_an_uninterrupted_run_is_shorter_than_the_cuts(tmp_path: Path) -> None:
    host = Host()
    assert host.once(Journal(tmp_path))
    assert len(Journal(tmp_path).read("test-1").entries) < LINES - 1


def test_a_resumed_run_shows_its_output_from_the_beginning(tmp_path: Path) -> None:
    jobs = FakeJobs(endless=True)
    human = Human()
    human.on.append((lambda e: human.output.startswith("one"), lambda engine: engine.leave()))
    first, _ = run(procedure(job_step()), Journal(tmp_path), human=human, jobs=jobs)
    assert first.ending is Ending.STOPPED
    jobs.endless = False
    finished, again = run(procedure(job_step()), Journal(tmp_path), jobs=jobs)
    assert finished.ending is Ending.DONE
    assert again.output == "one\ntwo\nthree\n" and jobs.begun == ["test-1-long"]
    assert any(isinstance(e, StepChanged) and "found again" in e.sentence for e in again.events)


def test_a_resumed_run_waits_for_its_host(tmp_path: Path) -> None:
    host = Host()
    assert not host.once(CutJournal(tmp_path, 9, "after"))
    host.jobs.trouble["look"] = [dropped()] * 4
    assert host.once(Journal(tmp_path))
    host.check()


def test_a_cancel_cut_in_the_middle_is_finished(tmp_path: Path) -> None:
    jobs = FakeJobs(endless=True)

    class Cut(CutJournal):
        pass

    human = Human(Answer(Choice.STOP))
    human.on.append(
        (
            lambda e: isinstance(e, StepChanged) and e.state is StepState.RUNNING,
            lambda engine: engine.cancel(),
        )
    )
    plan = procedure(job_step())
    # header, running, command, started, question, answer, cancelling
    with pytest.raises(Killed):
        run(plan, CutJournal(tmp_path, 7, "after"), human=human, jobs=jobs)
    assert not jobs.cancelled
    finished, _ = run(plan, Journal(tmp_path), jobs=jobs)
    assert finished.ending is Ending.CANCELLED and jobs.cancelled == ["test-1-long"]


def test_a_command_without_a_way_to_tell_is_asked_about(tmp_path: Path) -> None:
    runner = FakeRunner()
    runner.on("short-thing")
    world = FakeWorld(None, runner)
    plan = procedure(command_step())
    with pytest.raises(Killed):
        run(plan, CutJournal(tmp_path, 3, "after"), world=world)  # header, running, command
    finished, human = run(plan, Journal(tmp_path), Answer(Choice.RETRY), world=world)
    assert "Whether it ran is not known" in human.questions[0].sentence
    assert finished.ending is Ending.DONE and len(runner.ran) == 1


def test_a_job_whose_record_is_gone_does_not_begin_again(tmp_path: Path) -> None:
    jobs = FakeJobs(endless=True)
    human = Human()
    human.on.append((lambda e: bool(human.awaited), lambda engine: engine.leave()))
    run(procedure(job_step()), Journal(tmp_path), human=human, jobs=jobs)
    jobs.lying.clear()
    _finished, again = run(procedure(job_step()), Journal(tmp_path), Answer(Choice.STOP), jobs=jobs)
    assert "no longer has a record" in again.questions[0].sentence
    assert jobs.begun == ["test-1-long"]


class TestRebuild:
    def test_the_plan_comes_back(self, tmp_path: Path) -> None:
        host = Host()
        host.once(CutJournal(tmp_path, 5, "after"))
        found = Journal(tmp_path).read("test-1")
        again = resume(found, {"test": lambda kind, id_, cluster, parameters: host.plan()})
        assert again.id == "test-1"

    def test_an_unknown_kind(self, tmp_path: Path) -> None:
        Host().once(CutJournal(tmp_path, 5, "after"))
        with pytest.raises(Refusal, match="does not know"):
            resume(Journal(tmp_path).read("test-1"), {})

    def test_other_steps_than_planned(self, tmp_path: Path) -> None:
        Host().once(CutJournal(tmp_path, 5, "after"))
        other = procedure(command_step(argv=("something", "else")))
        with pytest.raises(Refusal, match="other steps"):
            resume(Journal(tmp_path).read("test-1"), {"test": lambda *args: other})

    def test_missing_parameters(self, tmp_path: Path) -> None:
        Host().once(CutJournal(tmp_path, 5, "after"))

        def rebuild(*args: object) -> Procedure:
            raise KeyError("folder")

        with pytest.raises(Refusal, match="folder"):
            resume(Journal(tmp_path).read("test-1"), {"test": rebuild})


def test_each_kind_is_planned_by_its_module() -> None:
    from importlib import import_module

    for kind, module in KINDS.items():
        found = import_module(f"etcdtui.procedures.{module}")
        assert kind == found.KIND
        assert rebuild_of(kind) is found.rebuild
    assert rebuild_of("unheard of") is None


def test_a_job_that_was_still_on_its_way_is_not_refused_for_its_own_work(tmp_path: Path) -> None:
    host = Host()
    host.jobs.trouble["before start"] = [Killed()]
    assert not host.once(Journal(tmp_path))

    def late(context: object) -> Verdict:
        if not host.jobs.begun:
            host.jobs.start(FakeRunner(), job_of("test-1", step, 1), 1.0)
        return Verdict(False, "the old data is in the way")

    plan = host.plan()
    step = plan.step("long")
    again = replace(plan, steps=tuple(replace(s, prechecks=(late,)) if s is step else s for s in plan.steps))
    finished, human = run(again, Journal(tmp_path), *([go()] * 9), world=host.world(), jobs=host.jobs)
    assert finished.ending is Ending.DONE, finished
    assert not [q for q in human.questions if q.state is StepState.FAILED]
    host.check()
