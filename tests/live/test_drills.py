"""Every drill on a real lab: its cause is named in time, its goal can be reached, with every key there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from etcdtui import config
from etcdtui.cluster import Cluster
from etcdtui.drill.catalogue import DRILLS, M2, M3, drill_of
from etcdtui.drill.debrief import debrief
from etcdtui.drill.drills import Danger, Drill
from etcdtui.drill.scene import Scene
from etcdtui.drill.witness import Witness
from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.lab.demo import Lab
from etcdtui.model.causes import Cause
from etcdtui.model.health import Level, judge
from etcdtui.model.removal import mark_verdict
from etcdtui.model.view import ClusterView
from etcdtui.procedures.engine import Engine
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import (
    Action,
    Answer,
    Choice,
    Ending,
    Event,
    Finished,
    Procedure,
    StepChanged,
)
from etcdtui.procedures.replace_evidence import signs_of
from tests.live.guiding import TRIES, willing

pytestmark = pytest.mark.live

LIMIT = 5.0  # seconds in which an examination names the cause
VISIBLE = 90.0  # seconds in which it must come to that
OLD = Path("/usr/bin")
FOLDERS = pytest.mark.parametrize("folder", [None, OLD], ids=["etcd 3.5", "etcd 3.4"])


class Played:
    """A drill brought about, and a cluster that looks at it as the program would."""

    def __init__(self, scene: Scene, cluster: Cluster, state: Path) -> None:
        self.scene, self.cluster = scene, cluster
        self.drill = scene.drill
        self.operations = Operations(cluster, state)
        self.journal = Journal(state / "journal")
        self.witness = Witness(cluster, scene.noted)

    def within(self, seconds: float, true: Callable[[ClusterView], bool]) -> ClusterView:
        view = self.cluster.wait(true, seconds)
        assert true(view), (judge(view).sentence, [r.state for r in judge(view).members])
        return view

    def member(self, name: str) -> int:
        return next(r.member.id for r in judge(self.cluster.view()).members if r.member.name == name)

    def cause(self, name: str) -> None:
        """Ask until the right cause is named; each answer comes in time."""
        wanted, end = self.drill.causes[name], time.monotonic() + VISIBLE
        self.within(30, lambda view: any(r.member.name == name for r in judge(view).members))
        while True:
            began = time.monotonic()
            self.witness.examine(self.member(name), lambda probe: None)
            found = self.scene.examined[-1]
            assert time.monotonic() - began < LIMIT + 1
            if found.cause in wanted:
                return
            assert time.monotonic() < end, (name, found)
            time.sleep(1)

    def well(self, nodes: int) -> None:
        def true(view: ClusterView) -> bool:
            health = judge(view)
            return health.level is Level.HEALTHY and health.quorum.voters == nodes

        self.within(120, true)

    def replace(self, *names: str) -> None:
        """Wait until two sources call them dead, then walk the guide for the first of them to its end."""
        ids = [self.member(name) for name in names]
        self.within(90, lambda view: all(_dead(view, one) for one in ids))
        finished = self.walk(self._planned(ids))
        assert finished.ending is Ending.DONE, finished.sentence

    def _planned(self, ids: Sequence[int]) -> Procedure:
        for _ in range(TRIES):
            try:
                return self.operations.plan_replace(self.cluster.look_again(10), ids[0], ids)
            except Refusal as refusal:
                if "look again first" not in refusal.message:
                    raise
        raise AssertionError("what is known is always too old")

    def walk(self, made: Procedure) -> Finished:
        """Answer as somebody who reads, types what is asked, and has hands on the machines."""
        tries = count(1)

        def answer(event: Event) -> None:
            if not isinstance(event, StepChanged):
                return
            step = made.step(event.step)
            if step.action is Action.HUMAN and step.key == "host" and "build-node" in self.drill.hands:
                with suppress(Refusal):  # it is built already
                    self.scene.hand(f"build-node {M3}")
            by_itself = (
                step.action is Action.HUMAN and step.key != "backup" and Choice.GO not in event.choices
            )
            if not event.choices or (by_itself and Choice.WAIT not in event.choices):
                return
            said = willing(made, event, next(tries) if Choice.RETRY in event.choices else 0)
            if said.choice is Choice.NO and made.kind != "replace":
                said = Answer(Choice.GO, step.gate.phrase, event.step)
            if said.choice is Choice.RETRY:
                time.sleep(1)
            engine.answer(said)

        engine = Engine(made, self.cluster, self.journal, answer)
        return engine.run()

    def end(self) -> None:
        """The goal, judged as the program judges it."""
        facts = self.scene.facts()
        told = debrief(self.drill, facts)
        assert told.reached, (told.outcome, facts)
        # The guide was walked in haste, without its backup: that is told, and nothing else.
        hasty = {Danger.NO_BACKUP} if "replace" in self.drill.needs else set()
        assert set(told.walked_into) == hasty and not told.needless, told
        assert facts.state.keys is not None and facts.state.keys.same


def _dead(view: ClusterView, target: int) -> bool:
    row = judge(view).member(target)
    signs = signs_of(view, row.member) if row else ()
    return len({sign.source for sign in signs}) >= 2 and all(sign.dead for sign in signs)


@contextmanager
def played(
    drill: Drill, folder: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Played]:
    if folder is not None and not (folder / "etcdctl").exists():
        pytest.skip("Debian's etcd 3.4 is not installed (etcd-server, etcd-client)")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    state = tmp_path / "etcdtui"
    with Lab(nodes=drill.nodes, keys=300, pace=0.3, etcd_dir=folder) as lab:
        chosen = config.load(lab.config).cluster(None)
        scene = Scene(drill, lab, chosen, state)
        scene.set(lambda line: None)
        scene.begin()
        cluster = Cluster(chosen, state)
        cluster.start()
        try:
            yield Played(scene, cluster, state)
        finally:
            scene.close()
            cluster.close()


def walked(play: Played) -> None:
    """From the causes to the goal, by the drill's own right way."""
    for name in play.drill.causes:
        play.cause(name)
    WAYS[play.drill.name](play)
    play.end()


def by_hand(*words: str) -> Callable[[Played], None]:
    def way(play: Played) -> None:
        for word in words:
            play.scene.hand(word)
        play.well(play.drill.nodes)

    return way


def by_the_guide(play: Played) -> None:
    play.replace(*sorted(play.drill.lost))


def the_slow_one_stays(play: Played) -> None:
    slow = play.member(M2)
    assert not mark_verdict(play.cluster.view(), slow, (slow,)).allowed
    by_hand(f"start {M3}", f"fast {M2}")(play)


def by_a_restore(play: Played) -> None:
    looked = play.operations.look_for_restore()
    finished = play.walk(play.operations.plan_restore(looked))
    assert finished.ending is Ending.DONE, finished.sentence


def by_a_restore_and_new_masters(play: Played) -> None:
    by_a_restore(play)
    for name in (M2, M3):
        play.scene.hand(f"build-node {name}")
    end = time.monotonic() + 240
    while play.scene.state(keys=False).lacks_but_keys(3):
        assert time.monotonic() < end, play.scene.state()
        play.scene.hand("approve-csrs")
        time.sleep(2)


WAYS: dict[str, Callable[[Played], None]] = {
    "member-down": by_hand(f"start {M3}"),
    "crash-loop": by_the_guide,
    "pod-not-up": by_the_guide,
    "slow-api": by_hand(f"right-cert {M3}"),
    "silent-logs": by_hand(f"free-disk {M3}"),
    "refused-tokens": by_hand(f"clock-right {M3}"),
    "no-answer": by_the_guide,
    "bare-metal": by_the_guide,
    "ssh-is-back": by_the_guide,
    "two-failed": by_the_guide,
    "second-trouble": the_slow_one_stays,
    "quorum-lost": by_a_restore_and_new_masters,
    "no-writes": by_hand(f"start {M3}", f"power-on {M2}"),
    "namespace-deleted": by_a_restore,
}


@pytest.mark.drill
@FOLDERS
@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_the_cause_is_named_and_the_goal_is_reached(
    drill: Drill, folder: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with played(drill, folder, tmp_path, monkeypatch) as play:
        walked(play)


@pytest.mark.drill
def test_a_drill_that_is_given_up_is_told_by_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for the wrong member to be replaced is refused, and gives up."""
    with played(drill_of("second-trouble"), None, tmp_path, monkeypatch) as play:
        play.cause(M3)
        with pytest.raises(Refusal):
            play.operations.plan_replace(play.cluster.view(), play.member(M2))
        told = debrief(play.drill, play.scene.facts())
        assert not told.reached and "2 of 3 voters well" in told.outcome
        assert any(Cause.PROCESS_ENDED.value in line for line in told.causes)
