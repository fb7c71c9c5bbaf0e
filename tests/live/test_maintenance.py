"""The maintenance of a real member: the leader hands over, goes away, comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etcdtui.journal import Journal
from etcdtui.lab.demo import Lab
from etcdtui.model.file_names import folder_name
from etcdtui.model.health import judge
from etcdtui.model.maintenance import Weight, may_take_down, safe_to_take_one_down
from etcdtui.model.manifest import File, Manifest
from etcdtui.model.proof import Check, Outcome
from etcdtui.procedures.engine import Engine
from etcdtui.procedures.manifests import content
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import (
    Answer,
    Choice,
    Ending,
    Event,
    Procedure,
    Progress,
    StepChanged,
    StepState,
)
from tests.live.watched import Seen, Watched, watched

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(keys=500) as running:
        yield running


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with watched(lab, tmp_path) as watch:
        yield watch
        watch.heal()


def backed_up(watch: Watched) -> None:
    """A proven backup of this cluster is here."""
    view = watch.healthy().view
    assert view.members.value is not None
    taken = datetime.now(UTC)
    stamp = taken.strftime("%Y-%m-%d_%H%M%S")
    folder = watch.cluster.keeping.folder / folder_name(stamp, "masternode2")
    folder.mkdir(mode=0o700, parents=True)
    files = []
    for name, size in ((f"snapshot_{stamp}.db", 512 + 32), (f"static_kuberesources_{stamp}.tar.gz", 100)):
        (folder / name).write_bytes(bytes(size))
        files.append(File(name, size, "ab" * 32))
    members = view.members.value.members
    checks = (Check("all", Outcome.OK, "Good."),)
    told = Manifest("1", taken, taken, *files, view.name, members, 1, 1, 1, 1, checks)
    (folder / f"snapshot_{stamp}.manifest.json").write_bytes(content(told))


def leader_of(seen: Seen) -> str:
    return seen.health.leader.member.name if seen.health.leader else ""


class Watch:
    """A run, and what is done to the lab when something happens."""

    def __init__(self, watch: Watched, procedure: Procedure, journal: Journal) -> None:
        self.engine = Engine(procedure, watch.cluster, journal, self._emit)
        self.events: list[Event] = []
        self.when: list[tuple[Callable[[Event], bool], Callable[[], object]]] = []

    def _emit(self, event: Event) -> None:
        self.events.append(event)
        for happens, act in list(self.when):
            if happens(event):
                self.when.remove((happens, act))
                act()
        if isinstance(event, StepChanged) and Choice.GO in event.choices:
            self.engine.answer(Answer(Choice.GO, step=event.step))

    def states(self, step: str) -> list[StepState]:
        return [e.state for e in self.events if isinstance(e, StepChanged) and e.step == step]

    @property
    def awaited(self) -> list[str]:
        return [e.awaiting for e in self.events if isinstance(e, Progress)]


def test_the_leader_hands_over_goes_and_comes_back(cluster: Watched, tmp_path: Path) -> None:
    leader = leader_of(cluster.healthy())
    member = cluster.healthy().member(leader).member.id
    bare = may_take_down(cluster.look().view, member)
    assert not bare.allowed and "No proven backup off the cluster" in bare.of(Weight.NO)[0]
    backed_up(cluster)
    seen = cluster.within(20, lambda seen: may_take_down(seen.view, member).allowed)

    made = Operations(cluster.cluster, tmp_path).plan_maintenance(seen.view, member)
    assert any("leads" in reason for reason in made.reasons)
    journal = Journal(tmp_path / "journal")
    run = Watch(cluster, made, journal)
    went: list[float] = []

    def waits(step: str) -> Callable[[Event], bool]:
        return lambda e: isinstance(e, StepChanged) and e.step == step and e.state is StepState.WAITING

    def take_down() -> None:
        # The leadership has moved before the member goes.
        assert leader_of(cluster.look()) not in {"", leader}
        cluster.lab.do("stop", leader)
        went.append(time.monotonic())

    def bring_back() -> None:
        now = cluster.look()
        assert not safe_to_take_one_down(now.view).allowed
        assert all(not may_take_down(now.view, row.member.id).allowed for row in now.health.members)
        cluster.lab.do("start", leader)

    run.when.append((waits("down"), take_down))
    run.when.append(
        (lambda e: isinstance(e, Progress) and e.step == "back" and "went away" in e.awaiting, bring_back)
    )
    finished = run.engine.run()
    assert finished.ending is Ending.DONE, (finished.sentence, run.awaited[-3:])
    assert run.when == [] and run.states("move")[-1] is StepState.DONE
    assert finished.sentence.startswith(f"{leader} is back after ")
    back = next(
        e for e in run.events if isinstance(e, StepChanged) and e.step == "back" and e.state is StepState.DONE
    )
    assert "pod 4/4" in back.sentence and "node Ready" in back.sentence and "It was away for" in back.sentence
    after = judge(cluster.look().view)
    assert after.leader is not None and after.leader.member.name != leader
    command = next(e for e in journal.read(made.id).entries if e.kind == "command")
    assert command.facts["argv"][-2] == "move-leader"


def test_a_follower_must_not_go_while_another_is_down(cluster: Watched, tmp_path: Path) -> None:
    backed_up(cluster)
    seen = cluster.healthy()
    first, second = (row for row in seen.health.members if row.role == "follower")
    cluster.within(20, lambda seen: may_take_down(seen.view, first.member.id).allowed)
    cluster.lab.do("stop", second.member.name)
    cluster.within(10, lambda seen: not seen.member(second.member.name).well)
    view = cluster.look().view
    made = Operations(cluster.cluster, tmp_path).plan_maintenance(view, first.member.id)
    finished = Watch(cluster, made, Journal(tmp_path / "journal")).engine.run()
    assert finished.ending is Ending.REFUSED
    assert finished.sentence.startswith(
        f"Do not take {first.member.name} down: without {first.member.name} 1 of 3"
    )
    assert second.member.name in finished.sentence
