"""A procedure with nobody in front of it: what is printed, what is answered, how a signal ends it."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.landing import Moved
from etcdtui.model.quorum import Verdict
from etcdtui.procedures.engine import Engine
from etcdtui.procedures.procedure import (
    Context,
    Ending,
    Event,
    Finished,
    Gate,
    GateKind,
    Procedure,
    Reporter,
)
from etcdtui.streams import say
from etcdtui.unattended import ON_SCREEN, Console, run
from tests.procedures import QUICK, FakeJobs, FakeWorld, check_step, job_step, procedure, yes
from tests.unit.test_engine_work import work_step


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def begin(path: Path) -> Callable[[Procedure, Callable[[Event], None]], Engine]:
    def begun(plan: Procedure, emit: Callable[[Event], None]) -> Engine:
        engine = Engine(plan, FakeWorld(), Journal(path), emit, jobs=FakeJobs(), pace=QUICK)
        threading.Thread(target=engine.run, daemon=True).start()
        return engine

    return begun


def went(plan: Procedure, path: Path, **how: object) -> tuple[Finished, Console, str]:
    out = how.pop("out", None) or io.StringIO()
    console = Console(plan, out=out, **how)  # type: ignore[arg-type]
    finished = run(console, begin(path))
    return finished, console, out.getvalue()  # type: ignore[attr-defined]


def good(world: Context, report: Reporter) -> Verdict:
    report.moved(Moved("snapshot.db", 512, 1024, 256.0, 2.0))
    threading.Event().wait(0.1)
    return Verdict(True, "It is there.")


def down(world: Context, report: Reporter) -> Verdict:
    raise Refusal("nexus is down.")


def test_one_line_an_event(tmp_path: Path) -> None:
    finished, _, said = went(procedure(work_step(good)), tmp_path)
    assert finished.ending is Ending.DONE
    assert said.splitlines() == [
        "running   Bring it off",
        "done      Bring it off: It is there.",
        "done      It is there.",
    ]


def test_progress_only_on_a_terminal(tmp_path: Path) -> None:
    _, _, said = went(procedure(work_step(good)), tmp_path, out=Terminal())
    assert "512B of 1.0K 256B/s 2 s left" in said and "\r" in said


def test_json_lines(tmp_path: Path) -> None:
    _, _, said = went(procedure(work_step(good)), tmp_path, shape="json")
    events = [json.loads(line) for line in said.splitlines()]
    assert events[-1] == {
        "event": "finished",
        "procedure": "test-1",
        "ending": "done",
        "sentence": "It is there.",
    }
    assert [event.get("state") for event in events[:-1]] == ["running", "done"]


def test_what_fails_is_skipped_where_it_may_be(tmp_path: Path) -> None:
    plan = procedure(work_step(down), check_step(prechecks=(yes("All else is well."),)))
    finished, console, said = went(plan, tmp_path)
    assert finished.ending is Ending.DONE
    assert console.skipped == ["bring"]
    assert "failed    Bring it off: nexus is down." in said.splitlines(), "the step is named once"
    assert "nobody was there to be asked" in said


def test_what_may_not_be_skipped_ends_it(tmp_path: Path) -> None:
    finished, _, _ = went(procedure(work_step(down, skippable=False)), tmp_path)
    assert finished.ending is Ending.FAILED


@pytest.mark.parametrize(
    ("yes_", "optional", "ending", "sentence"),
    [
        (True, True, Ending.DONE, "It is there."),
        (False, True, Ending.DONE, "A test: done."),
        (False, False, Ending.CANCELLED, "Stopped before"),
    ],
)
def test_gates(tmp_path: Path, yes_: bool, optional: bool, ending: Ending, sentence: str) -> None:
    gate = Gate(GateKind.CONFIRM, prompt="Remove 3?", optional=optional)
    finished, _, said = went(procedure(work_step(good, ask=lambda world: gate)), tmp_path, yes=yes_)
    assert finished.ending is ending
    assert finished.sentence.startswith(sentence)
    assert "Remove 3?" in said


def test_a_typed_gate_is_never_passed(tmp_path: Path) -> None:
    gate = Gate(GateKind.PHRASE, phrase="masternode2")
    finished, _, _ = went(procedure(work_step(good, gate=gate)), tmp_path, yes=True)
    assert finished.ending is Ending.CANCELLED


def test_a_gate_for_people_alone_is_never_passed(tmp_path: Path) -> None:
    gate = Gate(GateKind.CONFIRM, prompt="It is too young. Take one all the same?")
    step = replace(work_step(good, ask=lambda world: gate), for_people=True)
    finished, _, said = went(procedure(step), tmp_path, yes=True)
    assert finished.ending is Ending.CANCELLED and "too young" in said and ON_SCREEN in said


def of_people(plan: Procedure) -> Procedure:
    return replace(plan, kind="restore")


@pytest.mark.parametrize("yes_", [True, False])
@pytest.mark.parametrize("optional", [True, False])
def test_what_people_decide_ends_at_its_first_question(tmp_path: Path, yes_: bool, optional: bool) -> None:
    gate = Gate(GateKind.CONFIRM, prompt="Are all nodes Ready?", optional=optional)
    plan = of_people(procedure(work_step(good, gate=gate), check_step()))
    finished, console, said = went(plan, tmp_path, yes=yes_)
    assert finished.ending is Ending.CANCELLED and console.skipped == []
    assert "Are all nodes Ready?" in said and said.rstrip().endswith(ON_SCREEN)


@pytest.mark.parametrize("shape", ["lines", "json"])
def test_a_proof_that_failed_is_never_passed_over_where_people_decide(tmp_path: Path, shape: str) -> None:
    def other(world: Context, report: Reporter) -> Verdict:
        return Verdict(False, "/a is another one: that is not the backup.")

    plan = of_people(procedure(work_step(other), check_step(prechecks=(yes("All else is well."),))))
    finished, console, said = went(plan, tmp_path, yes=True, shape=shape)
    assert finished.ending is Ending.FAILED and console.skipped == []
    assert "All else is well" not in said and ON_SCREEN in said.splitlines()[-1]


def test_where_nothing_is_asked_what_people_decided_is_followed_to_its_end(tmp_path: Path) -> None:
    finished, _, said = went(of_people(procedure(work_step(good))), tmp_path)
    assert finished.ending is Ending.DONE and ON_SCREEN not in said


def test_ctrl_c_leaves_the_script_of_a_restore_alone(tmp_path: Path) -> None:
    jobs, out = FakeJobs(needs=10_000), io.StringIO()

    def started(plan: Procedure, emit: Callable[[Event], None]) -> Engine:
        engine = Engine(plan, FakeWorld(), Journal(tmp_path), emit, jobs=jobs, pace=QUICK)

        def course() -> None:
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            engine.run()

        threading.Thread(target=course, daemon=True).start()
        return engine

    finished = run(Console(of_people(procedure(job_step())), out=out), started)
    assert finished.ending is Ending.STOPPED and "goes on there" in finished.sentence
    assert not jobs.cancelled


def test_ctrl_c_cancels(tmp_path: Path) -> None:
    def work(world: Context, report: Reporter) -> Verdict:
        os.kill(os.getpid(), signal.SIGINT)
        assert report.cancelled.wait(5.0)
        raise Refusal("stopped")

    finished, _, _ = went(procedure(work_step(work)), tmp_path)
    assert finished.ending is Ending.STOPPED


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("shape", ["lines", "json"])
@pytest.mark.parametrize("out", [Full(), closed(), None], ids=["full", "closed", "none"])
def test_a_run_that_nobody_reads_is_answered_and_ends(
    tmp_path: Path, out: io.StringIO | None, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    gate = Gate(GateKind.CONFIRM, prompt="Remove 3?", optional=True)
    console = Console(procedure(work_step(good, ask=lambda world: gate)), shape=shape, out=out)  # type: ignore[arg-type]
    ended: list[Finished] = []
    watch = threading.Thread(target=lambda: ended.append(_alone(console, tmp_path)), daemon=True)
    watch.start()
    watch.join(10.0)
    assert [finished.ending for finished in ended] == [Ending.DONE]
    assert console.skipped == ["bring"]


def _alone(console: Console, path: Path) -> Finished:
    """As run(), without the signals that only a main thread may catch."""
    console.engine = begin(path)(console.procedure, console)
    console.ended.wait()
    assert console.finished is not None
    return console.finished


def test_a_pipe_that_closed_takes_nothing_more_and_raises_nothing() -> None:
    reads, writes = os.pipe()
    with os.fdopen(writes, "w") as stream:
        os.close(reads)
        say("first", stream)
        say("second", stream)
