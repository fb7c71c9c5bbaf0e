"""A real member replaced on a living control plane: its machine gone, or its etcd crash-looping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etcdtui.journal import Journal
from etcdtui.lab.demo import Lab
from etcdtui.model.health import Level, judge
from etcdtui.procedures.engine import Engine
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import (
    Answer,
    Choice,
    Ending,
    Event,
    Finished,
    Procedure,
    Progress,
    StepChanged,
    StepState,
)
from etcdtui.procedures.replace_api import GUARD_ON
from etcdtui.procedures.replace_evidence import signs_of
from tests.live.watched import Watched, watched

pytestmark = [pytest.mark.live, pytest.mark.drill]

KEYS = 300
GONE = "masternode3"


@pytest.fixture
def cluster(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watched]:
    """A control plane of its own for each test, with the etcd in the folder of the parameter."""
    folder: Path | None = getattr(request, "param", None)
    if folder is not None and not (folder / "etcdctl").exists():
        pytest.skip("Debian's etcd 3.4 is not installed (etcd-server, etcd-client)")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with Lab(keys=KEYS, pace=0.3, etcd_dir=folder) as lab, watched(lab, tmp_path) as watch:
        yield watch


class Guided:
    """Runs the guide and answers as somebody who wants the member replaced."""

    def __init__(self, watch: Watched, made: Procedure, journal: Journal) -> None:
        self.watch, self.made = watch, made
        self.events: list[Event] = []
        self.tries = 0
        self.engine = Engine(made, watch.cluster, journal, self._emit)

    def run(self) -> Finished:
        return self.engine.run()

    def _emit(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, StepChanged) and event.choices:
            self.engine.answer(self._answer(event))

    def _answer(self, asked: StepChanged) -> Answer:
        if Choice.NO in asked.choices:
            return Answer(Choice.NO, step=asked.step)
        if asked.step == "backup":
            return Answer(Choice.SKIP, "only a test", asked.step)
        if Choice.GO in asked.choices:
            phrase = GONE if asked.step == "remove" else self.made.step(asked.step).gate.phrase
            return Answer(Choice.GO, phrase, asked.step)
        self.tries += 1
        # What a starved machine was late with is tried again.
        again = Choice.RETRY in asked.choices and self.tries < 8
        return Answer(Choice.RETRY if again else Choice.STOP, step=asked.step)

    def done(self, step: str) -> str:
        return next(
            e.sentence
            for e in reversed(self.events)
            if isinstance(e, StepChanged) and e.step == step and e.state is StepState.DONE
        )

    @property
    def last_words(self) -> list[str]:
        return [e.awaiting for e in self.events if isinstance(e, Progress)][-3:]


def keys_of(watch: Watched) -> set[tuple[bytes, int]]:
    """All keys and when each was changed last, but those that the cluster itself renews all the time."""
    found = watch.cluster.live_keys(lambda: False)
    return {(one.key, one.revision) for one in found if b"/leases/" not in one.key}


def replaced(watch: Watched, tmp_path: Path) -> Guided:
    """Wait until two sources call it dead, then walk the guide to its end."""
    target = watch.look().member(GONE).member
    watch.within(60, lambda seen: _dead(watch, target.id))
    operations = Operations(watch.cluster, tmp_path)
    made = operations.plan_replace(watch.look().view, target.id)
    guided = Guided(watch, made, Journal(tmp_path / "journal"))
    finished = guided.run()
    assert finished.ending is Ending.DONE, (finished.sentence, guided.last_words)
    assert operations.debts() == ()
    after = judge(watch.look().view)
    assert after.level is Level.HEALTHY and after.quorum.voters == 3
    assert after.member(target.id) is None
    assert "identical keys" in guided.done("hash") and "guard is on" in guided.done(GUARD_ON)
    return guided


def _dead(watch: Watched, member: int) -> bool:
    view = watch.look().view
    row = judge(view).member(member)
    signs = signs_of(view, row.member) if row else ()
    return len({sign.source for sign in signs}) >= 2 and all(sign.dead for sign in signs)


@pytest.mark.parametrize("cluster", [Path("/usr/bin")], indirect=True, ids=["etcd 3.4"])
def test_a_machine_that_is_gone(cluster: Watched, tmp_path: Path) -> None:
    cluster.healthy()
    before = keys_of(cluster)
    cluster.lab.do("destroy-node", GONE)
    guided = replaced(cluster, tmp_path)
    assert "Approved: csr-" in guided.done("csr client")
    assert "masternode4" in guided.done("node")
    assert before <= keys_of(cluster)


def test_a_crash_loop_on_damaged_data(cluster: Watched, tmp_path: Path) -> None:
    cluster.healthy()
    before = keys_of(cluster)
    cluster.lab.do("damage-data", GONE)
    guided = replaced(cluster, tmp_path)
    kept = guided.done("aside")
    assert "member-replaced-20" in kept and Path(kept.split(" ")[6]).is_dir()
    assert {row.member.name for row in cluster.look().health.members} == {f"masternode{n}" for n in (1, 2, 3)}
    assert before <= keys_of(cluster)
