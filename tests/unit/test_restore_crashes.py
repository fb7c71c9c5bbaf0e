"""A restore that is ended at every step, in whatever way: gone on with to the same end, or put back whole."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.procedures import restore_run, restore_undo
from etcdtui.procedures.history import history_of
from etcdtui.procedures.procedure import (
    Answer,
    Choice,
    Context,
    Ending,
    Event,
    Procedure,
    StepChanged,
    StepState,
)
from etcdtui.procedures.restore_changes import Change, changes, in_short
from etcdtui.procedures.restore_decided import PODS, Master
from etcdtui.procedures.restore_stop import may_stop
from tests.procedures import CutJournal, Killed
from tests.restoring import OLD, Node, Restoring, Typist, decided
from tests.views import healthy

STEPS = [
    *(f"stop {pod} masternode2" for pod in PODS),
    "aside masternode2",
    "stop etcd masternode1",
    "safe",
    "restore",
]


@pytest.fixture(autouse=True)
def digest(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = {f"{decided().folder}/{f.name}": f.sha256 for f in decided().backup.files}
    monkeypatch.setattr(restore_run, "host_digest", lambda runner, sudo, path: sums[path])
    # Thousands of lines: that each is on the disk is a matter of the journal's own tests.
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def hosts(tmp_path: Path) -> Restoring:
    return Restoring(tmp_path)


def lines_of(hosts: Restoring) -> list[tuple[str, str]]:
    """What a whole run writes, line by line: kind and step."""
    finished, _ = hosts.run()
    assert finished.ending is Ending.DONE and hosts.restored, finished.sentence
    return [(e.kind, e.step) for e in hosts.journal.read("restore-1").entries]


def cuts(lines: list[tuple[str, str]]) -> Iterator[tuple[int, str]]:
    """Where kill -9 hurts most: around the line that announces a command, and around the one of its end."""
    for number, (kind, _) in enumerate(lines, 1):
        if kind in ("command", "started", "ended"):
            yield from ((number, how) for how in ("torn", "after"))


def test_killed_around_every_command_it_comes_to_the_same_end_and_nothing_runs_twice(
    hosts: Restoring, tmp_path: Path
) -> None:
    at = list(cuts(lines_of(hosts)))
    assert len(at) >= 2 * (2 * 6 + 3 * 2)  # six commands with two lines, two jobs with three
    for number, how in at:
        again = Restoring(tmp_path / f"{number}-{how}")
        with pytest.raises(Killed):
            again.run(journal=CutJournal(again.directory, number, how))
        finished, human = again.run()
        assert finished.ending is Ending.DONE, (number, how, finished.sentence, human.questions)
        assert again.restored and again.twice == [], (number, how, again.twice)
        assert len(again.jobs.began) == 2, (number, how, again.jobs.began)


@pytest.mark.parametrize(
    ("shown", "word"),
    [(healthy(), "is there again"), (healthy(endpoints=(), api=Reading()), "nobody can tell")],
)
def test_a_quorum_that_came_back_while_nobody_watched_is_not_stopped_by_a_resume(
    hosts: Restoring, tmp_path: Path, shown: ClusterView, word: str
) -> None:
    first = "stop etcd masternode2"
    began = lines_of(hosts).index(("command", first)) + 1
    again = Restoring(tmp_path / "again")
    with pytest.raises(Killed):
        again.run(journal=CutJournal(again.directory, began, "before"))
    again.world.shown = shown
    finished, _ = again.run()
    assert finished.ending is Ending.REFUSED and word in finished.sentence
    assert again.one.did == again.two.did == [] and again.jobs.began == []
    again.world.shown = hosts.world.shown
    finished, _ = again.run()  # nothing was passed over by that
    assert finished.ending is Ending.DONE and again.restored


def test_what_is_begun_on_the_first_host_is_ended_and_a_known_quorum_stops_the_next() -> None:
    told, world = decided(), Restoring(Path("/nowhere")).world
    (other,) = told.reached

    def may(master: Master) -> tuple[bool, str]:
        verdict = may_stop(told, master)(cast(Context, world))
        return verdict.allowed, verdict.reason

    world.shown = healthy(endpoints=(), api=Reading())
    assert not may(other)[0] and may(told.recovery)[0]  # by then hardly anybody can tell any more
    world.shown = healthy()
    assert not may(other)[0]
    allowed, said = may(told.recovery)
    assert not allowed and "Nothing more has to be stopped" in said
    node = world.runners["masternode2"]
    assert isinstance(node, Node)
    del node.paths[other.manifest("etcd")]
    assert may(other)[0]


def test_dropped_connections_at_every_step_lead_to_the_same_end(hosts: Restoring, tmp_path: Path) -> None:
    for key in STEPS:
        for how in ("dropped", "silent"):
            again = Restoring(tmp_path / f"{key}-{how}".replace(" ", "-"))
            made = again.procedure
            node = again.one if made.step(key).host == "masternode1" else again.two
            human = Typist(made)

            def drop(engine: object, node: Node = node, how: str = how) -> None:
                setattr(node, how, 2)

            human.on.append((_runs(key), drop))
            finished, _ = again.run(made, human=human)
            assert finished.ending is Ending.DONE, (key, how, finished.sentence, human.stuck)
            assert again.restored and again.twice == [], (key, how, again.twice)


def _runs(key: str) -> Callable[[Event], bool]:
    """The first time that the step runs."""
    told = False

    def fits(event: Event) -> bool:
        nonlocal told
        here = isinstance(event, StepChanged) and event.step == key and event.state is StepState.RUNNING
        found, told = here and not told, told or here
        return found

    return fits


@pytest.mark.parametrize("key", STEPS)
def test_after_an_abort_at_any_step_the_journal_tells_the_commands_that_put_it_back(
    hosts: Restoring, key: str
) -> None:
    """By hand, host by host, as the journal says; for the time after the script see the way back itself."""
    made = hosts.procedure
    finished, _ = hosts.run(made, human=Typist(made, lambda e: e.step == key))
    assert finished.ending is Ending.STOPPED
    run = hosts.journal.read(made.id)
    found = changes(run)
    assert {one.host for one in found} == {
        node.host for node in (hosts.one, hosts.two) if any(what[0] == "mv" for what in node.did)
    }
    assert finished.sentence.endswith(in_short(made, history_of(run.entries)))
    for one in found:
        assert f"On {one.host}: " in finished.sentence and (one.kept or one.clause) in finished.sentence
    for one in backwards(found):
        node = hosts.one if one.host == "masternode1" else hosts.two
        assert node.run(shlex.split(one.back), timeout=1).ok, one.back
    assert hosts.old


def backwards(found: Sequence[Change]) -> list[Change]:
    """What is put back, in the order in which that is done."""
    return sorted((one for one in found if one.back), key=lambda one: one.turn)


@pytest.mark.parametrize(("fail", "data"), [("manifests", False), ("data", True)])
def test_a_script_that_ends_half_way_is_put_back_by_what_the_journal_says(
    hosts: Restoring, fail: str, data: bool
) -> None:
    hosts.jobs.fail = fail
    made = hosts.procedure
    human = Typist(made)
    human.stuck = ["", "", "", ""]  # no second try: the script ended half-way
    finished, _ = hosts.run(made, human=human)
    assert finished.ending is Ending.FAILED
    told = finished.sentence.partition("On masternode1: ")[2]
    assert ("/var/lib/etcd-backup/member" in told) is data
    assert ("it has moved the old data away" in told) is data
    assert hosts.one.now == ({} if data else {"/var/lib/etcd/member": OLD})
    for one in backwards(changes(hosts.journal.read(made.id))):
        node = hosts.one if one.host == "masternode1" else hosts.two
        node.run(shlex.split(one.back), timeout=1)
    assert hosts.old


def aborted(hosts: Restoring, key: str) -> None:
    made = hosts.procedure
    hosts.run(made, human=Typist(made, lambda e: e.step == key))
    hosts.journal.abandon(made.id, "Everything is put back.", 1.0)


def undo(hosts: Restoring) -> Procedure:
    made = restore_undo.plan(hosts.journal.read("restore-1"), procedure_id="undo-1", stamp="20260921-160000")
    return replace(made, steps=tuple(s for s in made.steps if s.key != "quorum"), locks=False)


@pytest.mark.parametrize("key", STEPS)
def test_the_way_back_after_an_abort_at_every_step(hosts: Restoring, key: str) -> None:
    aborted(hosts, key)
    began = [what for node in (hosts.one, hosts.two) for what in node.did]
    if not began:
        with pytest.raises(Refusal, match="nothing to be put back"):
            undo(hosts)
        return
    if key == "restore" and hosts.jobs.began[-1].endswith("restore"):
        with pytest.raises(Refusal, match="may still run"):
            undo(hosts)
        return
    finished, human = hosts.run(undo(hosts))
    assert finished.ending is Ending.DONE, (finished.sentence, human.questions)
    assert hosts.old


@pytest.mark.parametrize("fail", ["", "manifests", "data"])
def test_the_way_back_after_the_script(hosts: Restoring, fail: str) -> None:
    hosts.jobs.fail = fail
    made = hosts.procedure
    human = Typist(made)
    human.stuck = ["", "", "", ""]
    hosts.run(made, human=human)
    run = hosts.journal.read(made.id)
    if run.ending is not Ending.DONE:
        hosts.journal.abandon(made.id, "Everything is put back.", 1.0)
    finished, _ = hosts.run(undo(hosts))
    assert finished.ending is Ending.DONE and hosts.old, finished.sentence


@pytest.mark.drill  # it takes a while: fifty ends
def test_the_way_back_killed_around_every_command_comes_to_its_end(tmp_path: Path) -> None:
    first = Restoring(tmp_path / "first")
    first.run()
    shutil.copytree(first.directory, tmp_path / "kept")
    kept = [dict(node.paths) for node in (first.one, first.two)]
    first.run(undo(first))
    lines = [(e.kind, e.step) for e in first.journal.read("undo-1").entries]
    for number, how in cuts(lines):
        shutil.copytree(tmp_path / "kept", tmp_path / f"{number}-{how}")
        again = Restoring(tmp_path / f"{number}-{how}")
        again.one.paths, again.two.paths = map(dict, kept)
        with pytest.raises(Killed):
            again.run(undo(again), journal=CutJournal(again.directory, number, how))
        finished, human = again.run(undo(again))
        assert finished.ending is Ending.DONE, (number, how, finished.sentence, human.questions)
        assert again.old and again.twice == [], (number, how, again.twice)


def test_the_phrase_of_the_script_has_to_be_typed_exactly(tmp_path: Path) -> None:
    hosts = Restoring(tmp_path)
    made = hosts.procedure
    typed: list[str] = []

    class Wrong(Typist):
        def __call__(self, event: Event) -> None:
            if isinstance(event, StepChanged) and event.step == "restore" and event.choices:
                self.events.append(event)
                assert self.engine is not None
                text = ["prod", "prod 2026-09-21", "PROD 2026-09-21 02:00"][len(typed) :][:1]
                typed.extend(text or ["stopped"])
                choice = Choice.GO if text else Choice.STOP
                self.engine.answer(Answer(choice, "".join(text), "restore"))
                return
            super().__call__(event)

    finished, human = hosts.run(made, human=Wrong(made))
    assert finished.ending is Ending.STOPPED and len(typed) == 4
    assert ("cluster-restore.sh",) not in hosts.one.did
    assert any("is not “prod 2026-09-21 02:00”" in q.sentence for q in human.questions)
    assert Journal(tmp_path).read(made.id).resumable
