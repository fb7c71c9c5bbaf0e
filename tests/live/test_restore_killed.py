"""kill -9 at every step of a restore, SSH dropped at every step, frozen for a minute: the same end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etcdtui.journal import Journal
from etcdtui.lab.demo import Lab
from etcdtui.model.health import Level
from etcdtui.procedures import restore
from etcdtui.procedures.procedure import Answer, Choice, Ending, Event, Procedure, StepChanged, StepState
from etcdtui.records import Run
from tests.live.test_restore import Typing, backed_up, keys, on_etcd, planned
from tests.live.watched import Watched, watched

pytestmark = [pytest.mark.live, pytest.mark.drill]

ROOT = Path(__file__).parents[2]
LIVES = 90  # more than there are moments to be killed at
LONG = {"prove": 0.2, "fresh": 1.0, "safe": 0.2, "restore": 2.0, "redeploy etcd": 4.0, "take": 1.0}
"""Steps in whose middle it is killed once more, and after how many seconds."""
FROZEN = 60.0


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Lab(keys=200, pace=0.2) as lab, watched(lab, tmp_path / "watch") as watch:
        yield watch


class Victim:
    """One restore, run by processes killed at ``mortal`` steps. ``killed``: where that was, in turn."""

    def __init__(self, watch: Watched, state: Path, made: Procedure, mortal: set[str]) -> None:
        self.watch, self.state, self.id, self.mortal = watch, state, made.id, mortal
        self.journal = Journal(state / "journal")
        record, _ = self.journal.begin(made, time.time())
        record.close()
        self.killed: list[tuple[str, str]] = []
        self.ending, self.sentence, self.said = "", "", ""

    def life(self) -> bool:
        """One process until it is killed, or to its end; whether it was killed."""
        child = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.live.restore_process"),
                *(str(self.watch.lab.config), str(self.state), self.id),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert child.stdout is not None and child.stderr is not None
        try:
            for line in child.stdout:
                told = json.loads(line)
                if "ending" in told:
                    self.ending, self.sentence = told["ending"], told["sentence"]
                    continue
                at = (told["step"], told["state"])
                self.said = f"{told['step']}: {told['sentence']}"
                middle = (told["step"], "in the middle")
                if at[0] not in self.mortal:
                    continue
                if at[0] not in {step for step, _ in self.killed}:
                    return self._kill(child, at)
                if at[1] == "running" and at[0] in LONG and middle not in self.killed:
                    time.sleep(LONG[at[0]])
                    return self._kill(child, middle)
            assert child.wait(30) == 0, child.stderr.read()
            return False
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
            child.stdout.close()
            child.stderr.close()

    def _kill(self, child: subprocess.Popen[str], at: tuple[str, str]) -> bool:
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(10) == -signal.SIGKILL
        self.killed.append(at)
        return True

    @property
    def run(self) -> Run:
        return self.journal.read(self.id)


def nothing_twice(run: Run) -> None:
    """Each job once; each move once, or announced once more because nobody knew whether it had run."""
    jobs = [e.step for e in run.entries if e.kind == "started"]
    assert len(jobs) == len(set(jobs)) and {"safe", "restore"} <= set(jobs), jobs
    moved = [e.step for e in run.entries if e.kind == "ended" and e.step.startswith(("stop ", "aside "))]
    assert len(moved) == len(set(moved)), moved


def the_backup_again(cluster: Watched, before: set[str]) -> None:
    cluster.within(90, lambda s: s.health.level is Level.HEALTHY and len(s.health.members) == 3)
    assert keys(cluster) == before
    cluster.healthy()  # the last cut of a line may not be over
    layout = cluster.cluster.layout_of("masternode1")
    lock = (*layout.sudo, "test", "-e", f"{layout.at(layout.jobs)}/lock")
    assert not cluster.cluster.runner("masternode1").run(lock, timeout=10).ok


def prepared(cluster: Watched, state: Path) -> set[str]:
    cluster.healthy()
    on_etcd(cluster, "put", "/wanted/before", "1")
    backed_up(cluster, state)
    before = keys(cluster)
    on_etcd(cluster, "put", "/wanted/after", "2")
    return before


@pytest.mark.parametrize("part", ["before the script", "from the script on"])
def test_killed_at_every_step_and_in_the_middle_of_the_long_ones(
    cluster: Watched, tmp_path: Path, part: str
) -> None:
    before = prepared(cluster, tmp_path)
    made = planned(cluster)
    steps = [step.key for step in made.steps]
    script = steps.index("restore")
    mortal = set(steps[:script] if part == "before the script" else steps[script:])
    victim = Victim(cluster, tmp_path, made, mortal)
    lives = 0
    while victim.life():
        lives += 1
        assert lives < LIVES, victim.killed[-10:]
        assert victim.run.resumable, (victim.killed[-1], victim.run.sentence)
    assert victim.ending == Ending.DONE.value, (
        victim.ending,
        victim.sentence,
        victim.said,
        victim.killed[-3:],
    )
    assert {step for step, _ in victim.killed} == mortal
    middle = {step for step, when in victim.killed if when == "in the middle"}
    assert middle >= ({"restore", "redeploy etcd"} & mortal or {"safe"})
    nothing_twice(victim.run)
    the_backup_again(cluster, before)


class Hurting(Typing):
    """A human whose line is cut at the first sign of every step that runs or watches something."""

    def __init__(
        self, watch: Watched, made: Procedure, journal: Journal, hurt: Callable[[str], None]
    ) -> None:
        super().__init__(watch, made, journal)
        self.hurt, self.hurt_at = hurt, set[str]()

    def _emit(self, event: Event) -> None:
        if (
            isinstance(event, StepChanged)
            and event.state in (StepState.RUNNING, StepState.VERIFYING)
            and event.step not in self.hurt_at
        ):
            self.hurt_at.add(event.step)
            self.hurt(event.step)
        if isinstance(event, StepChanged) and event.state is StepState.FAILED and len(self.stuck) < 60:
            # The line is back after some seconds: who reads that tries again.
            choice = next((c for c in (Choice.RETRY, Choice.WAIT) if c in event.choices), None)
            if choice is not None:
                self.events.append(event)
                self.stuck.append(f"{event.step}: {event.sentence}")
                time.sleep(1)
                self.engine.answer(Answer(choice, "", event.step))
                return
        super()._emit(event)


def test_ssh_dropped_at_every_step_and_frozen_for_a_minute_under_the_script(
    cluster: Watched, tmp_path: Path
) -> None:
    before = prepared(cluster, tmp_path)
    made = planned(cluster)
    recovery = restore.decided_of(made).recovery.host
    mending: list[threading.Thread] = []

    def hurt(step: str) -> None:
        host = made.step(step).host or recovery
        if step == "restore":
            cluster.lab.do("freeze-ssh", recovery)
            later = threading.Timer(FROZEN, lambda: cluster.lab.do("thaw-ssh", recovery))
        else:
            cluster.lab.do("stop-ssh", host)
            later = threading.Timer(2.0, lambda: cluster.lab.do("start-ssh", host))
        later.start()
        mending.append(later)

    run = Hurting(cluster, made, Journal(tmp_path / "journal"), hurt)
    finished = run.run()
    for thread in mending:
        thread.join()
    assert finished.ending is Ending.DONE, (finished.sentence, run.stuck[-3:])
    assert {"fresh", "safe", "restore", "etcd", "members", "redeploy etcd"} <= run.hurt_at
    nothing_twice(Journal(tmp_path / "journal").read(made.id))
    the_backup_again(cluster, before)
