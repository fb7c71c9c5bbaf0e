"""A restore on a living control plane, from the adviser to the last look."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from etcdtui.errors import Unreachable
from etcdtui.etcd.commands import etcdctl
from etcdtui.journal import Journal
from etcdtui.lab.demo import Lab
from etcdtui.model.health import Level
from etcdtui.model.restore_advice import advise
from etcdtui.platforms.host_answers import parse_access
from etcdtui.platforms.host_scripts import access_script
from etcdtui.procedures import restore, restore_undo
from etcdtui.procedures.engine import Engine, Pace
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import (
    Answer,
    Choice,
    Ending,
    Event,
    Finished,
    GateKind,
    Procedure,
    StepChanged,
    StepState,
)
from etcdtui.procedures.registry import resume
from etcdtui.procedures.restore_look import look
from etcdtui.reach.remote_db import read_position
from tests.live.watched import Watched, watched

pytestmark = [pytest.mark.live, pytest.mark.drill]
NUMBERS = count(1)
OLD = Path("/usr/bin")  # etcd 3.4


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(keys=300, pace=0.2) as running:
        yield running


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with watched(lab, tmp_path) as watch:
        yield watch


class Typing:
    """A human who types what is asked for, and notes it."""

    def __init__(
        self,
        watch: Watched,
        procedure: Procedure,
        journal: Journal,
        left: set[str] | None = None,
        stop: str = "",
    ) -> None:
        self.procedure, self.left, self.stop = procedure, left, stop
        self.engine = Engine(procedure, watch.cluster, journal, self._emit, pace=Pace(again=2.0))
        self.events: list[Event] = []
        self.typed: list[str] = []
        self.stuck: list[str] = []

    def run(self) -> Finished:
        return self.engine.run()

    def _emit(self, event: Event) -> None:
        self.events.append(event)
        if not isinstance(event, StepChanged):
            return
        if self.left is not None and event.state is StepState.RUNNING and event.step not in self.left:
            # The laptop is closed, once in the middle of every step that runs something.
            self.left.add(event.step)
            self.engine.leave()
            return
        if event.step == self.stop:
            self.engine.leave()
            return
        if not event.choices:
            return
        step = self.procedure.step(event.step)
        if Choice.GO in event.choices and event.state is StepState.WAITING:
            text = step.gate.phrase if step.gate.kind is GateKind.PHRASE else ""
            self.typed.append(text)
            self.engine.answer(Answer(Choice.GO, text, step.key))
        elif event.state is StepState.FAILED or step.action.value != "human":
            self.stuck.append(f"{event.step}: {event.sentence}")
            self.engine.answer(Answer(Choice.STOP, "", step.key))

    def sentence(self, step: str) -> str:
        return next(
            e.sentence for e in reversed(self.events) if isinstance(e, StepChanged) and e.step == step
        )


def on_etcd(watch: Watched, *words: str) -> str:
    """By an etcdctl that is there now: after a rollout the container of before is gone."""
    for name in ("masternode1", "masternode2", "masternode3"):
        layout, runner = watch.cluster.layout_of(name), watch.cluster.runner(name)
        try:
            done = runner.run(access_script(layout), timeout=20)
            access = parse_access(done.stdout, name).client(layout.sudo)
            done = runner.run(etcdctl(access, *words, timeout="10s"), timeout=20)
        except Unreachable:
            continue
        if done.ok:
            return done.out()
    raise AssertionError(done.err())


def backed_up(watch: Watched, state: Path) -> None:
    view = watch.healthy().view
    made = Operations(watch.cluster, state).plan_backup(view)
    ended = Typing(watch, made, Journal(state / "journal")).run()
    assert ended.ending is Ending.DONE, ended.sentence
    watch.cluster.look_at_places(20)


def planned(watch: Watched, **wanted: str) -> Procedure:
    number = next(NUMBERS)
    return restore.plan(
        look(watch.cluster),
        watch.cluster.layout_of,
        procedure_id=f"restore-live-{number}",
        stamp=f"live-{number}",
        **wanted,  # type: ignore[arg-type]
    )


def keys(watch: Watched) -> set[str]:
    return set(on_etcd(watch, "get", "--prefix", "--keys-only", "/wanted/").split())


def test_what_the_backup_had_is_back_and_what_came_later_is_gone(cluster: Watched, tmp_path: Path) -> None:
    cluster.healthy()
    on_etcd(cluster, "put", "/wanted/before", "1")
    backed_up(cluster, tmp_path)
    on_etcd(cluster, "put", "/wanted/after", "2")
    on_etcd(cluster, "del", "/wanted/before")
    made = planned(cluster)
    run = Typing(cluster, made, Journal(tmp_path / "journal"))
    finished = run.run()
    assert finished.ending is Ending.DONE, (finished.sentence, run.stuck, run.events[-3:])
    decided = restore.decided_of(made)
    assert decided.phrase in run.typed and "lab" in run.typed and "take lab back" in run.typed
    assert "keys of the backup" in run.sentence("etcd") and "as they were" in run.sentence("keys")
    assert "its checksum is right" in run.sentence("fresh")
    assert "written, read and deleted" in run.sentence("write")
    assert "must look at it" in finished.sentence and list((tmp_path / "state").rglob("restore-lab-*.md"))
    seen = cluster.within(60, lambda s: s.health.level is Level.HEALTHY and len(s.health.members) == 3)
    assert keys(cluster) == {"/wanted/before"}
    # What was there before is kept, on every host.
    layout = cluster.cluster.layout_of(decided.recovery.host)
    kept = read_position(cluster.cluster.runner(decided.recovery.host), layout.sudo, decided.safe)
    assert kept.position.revision > decided.backup.revision
    for master in decided.others:
        words = (*master.layout.sudo, "test", "-d", decided.data_aside(master))
        assert cluster.cluster.runner(master.host).run(words, timeout=10).ok
    assert seen.view.members.value is not None


@pytest.mark.parametrize("stop", ["safe", "kubelet masternode1"], ids=["before the script", "after it"])
def test_the_way_back_leads_to_what_was_before_the_restore(
    cluster: Watched, tmp_path: Path, stop: str
) -> None:
    cluster.healthy()
    backed_up(cluster, tmp_path)
    wanted = f"/wanted/before-it-was-stopped-at-{stop.partition(' ')[0]}"  # the cluster is the same for both
    on_etcd(cluster, "put", wanted, "1")
    before = keys(cluster)
    made, journal = planned(cluster), Journal(tmp_path / "journal")
    # Stopped where nothing runs: before the script, or when it is done and the rest was not begun.
    run = Typing(cluster, made, journal, stop=stop)
    finished = run.run()
    assert finished.ending is Ending.STOPPED and "The way back" in finished.sentence
    if stop != "safe":
        assert wanted not in keys(cluster)
    operations = Operations(cluster.cluster, tmp_path)
    operations.abandon(operations.interruption(made.id), "Everything is put back.")
    time.sleep(3)  # its lock is lifted meanwhile
    back = restore_undo.plan(
        journal.read(made.id), procedure_id=f"undo-{made.id}", stamp=f"undo-{next(NUMBERS)}"
    )
    undo = Typing(cluster, back, journal)
    finished = undo.run()
    assert finished.ending is Ending.DONE, (finished.sentence, undo.stuck)
    assert "put lab back" in undo.typed
    cluster.within(90, lambda s: s.health.level is Level.HEALTHY and len(s.health.members) == 3)
    assert keys(cluster) == before


def test_left_in_the_middle_of_every_step_it_comes_to_the_same_end(cluster: Watched, tmp_path: Path) -> None:
    cluster.healthy()
    on_etcd(cluster, "put", "/wanted/again", "1")
    backed_up(cluster, tmp_path)
    on_etcd(cluster, "put", "/wanted/later", "2")
    before = keys(cluster)
    made = planned(cluster)
    journal, left = Journal(tmp_path / "journal"), set[str]()
    procedure = made
    for _ in range(2 * len(made.steps)):
        run = Typing(cluster, procedure, journal, left)
        finished = run.run()
        if finished.ending is not Ending.STOPPED:
            break
        assert not run.stuck, run.stuck
        procedure = resume(journal.read(made.id))
    assert finished.ending is Ending.DONE, (finished.sentence, run.stuck)
    assert {"prove", "deliver", "safe", "restore", "redeploy etcd"} <= left
    started = [e.step for e in journal.read(made.id).entries if e.kind == "started"]
    assert sorted(started) == ["fresh", "restore", "safe", "take"], started  # each once, whatever was left
    cluster.within(60, lambda s: s.health.level is Level.HEALTHY and len(s.health.members) == 3)
    assert keys(cluster) == before - {"/wanted/later"}


def test_data_of_stopped_members_is_ranked_from_their_disks(cluster: Watched, tmp_path: Path) -> None:
    cluster.healthy()
    backed_up(cluster, tmp_path)
    cluster.lab.do("stop", "masternode1")
    for number in range(20):
        on_etcd(cluster, "put", f"/newer/{number}", "x")
    for name in ("masternode2", "masternode3"):
        cluster.lab.do("stop", name)
    try:
        cluster.within(20, lambda s: all(e.status.problem is not None for e in s.view.endpoints))
        seen = look(cluster.cluster)
        told = advise(seen.view, seen.survivors, seen.view.known_backups)
        assert not any(s.running for s in told.ranked) and all(s.usable for s in told.ranked)
        assert told.newest is not None and told.newest.name in ("masternode2", "masternode3")
        last = told.ranked[-1]
        assert last.name == "masternode1" and "Going on with it loses" in told.survivors[-1]
        assert told.first.startswith(f"{told.newest.name}'s own data is newer than any backup: backup ")
        assert any("start etcd there again, and nothing is lost at all" in said for said in told.instead)
    finally:
        for name in ("masternode1", "masternode2", "masternode3"):
            cluster.lab.do("start", name)


@pytest.mark.parametrize("folder", [None, OLD], ids=["new", "old"])
def test_with_two_masters_off_the_third_is_restored_alone(
    folder: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Lab(keys=300, pace=0.2, etcd_dir=folder) as own, watched(own, tmp_path) as watch:
        two_masters_off(watch, tmp_path)


def two_masters_off(cluster: Watched, tmp_path: Path) -> None:
    cluster.healthy()
    on_etcd(cluster, "put", "/wanted/last", "1")
    backed_up(cluster, tmp_path)
    before = keys(cluster)
    cluster.lab.do("quorum-loss")
    cluster.within(30, lambda s: s.health.level is Level.NO_QUORUM)
    cluster.within(30, lambda s: sum(h.link.problem is not None for h in s.view.hosts) == 2)
    made = planned(cluster)
    decided = restore.decided_of(made)
    assert decided.recovery.host == "masternode1" and len(decided.off) == 2 and not decided.reached
    run = Typing(cluster, made, Journal(tmp_path / "journal"))
    finished = run.run()
    assert finished.ending is Ending.DONE, (finished.sentence, run.stuck)
    assert {"masternode2 is off", "masternode3 is off"} <= set(run.typed)
    assert "must stay off until built anew" in finished.sentence
    assert keys(cluster) == before
    assert len(cluster.look().health.members) == 1
