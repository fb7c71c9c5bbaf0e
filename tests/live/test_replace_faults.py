"""The ground moves while a member is replaced: the API, the leader, the host that is spoken through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etcdtui.etcd.commands import move_leader
from etcdtui.journal import Journal
from etcdtui.lab.demo import Lab
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import Ending, Output, Procedure, StepState
from tests.live.guiding import GONE, Guided, keys_of, planned, whole
from tests.live.watched import Watched, watched

pytestmark = [pytest.mark.live, pytest.mark.drill]

AWAY = 8.0  # seconds for which something is away
LONG = 30.0  # seconds: longer than a frozen host is waited for without a word


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with Lab(keys=200, pace=0.3) as lab, watched(lab, tmp_path) as watch:
        yield watch


class Fault:
    """Something that is taken away for a while, and comes back by itself."""

    def __init__(self, begin: Callable[[], object], end: Callable[[], object], seconds: float = AWAY) -> None:
        self._begin, self._end, self._seconds = begin, end, seconds
        self._timer: threading.Timer | None = None

    def __call__(self) -> None:
        self._begin()
        self._timer = threading.Timer(self._seconds, self._end)
        self._timer.start()

    def over(self) -> None:
        """Wait until it is."""
        assert self._timer is not None, "it never happened"
        self._timer.join()


Deeds = dict[tuple[str, StepState], Callable[[], object]]


def walked(cluster: Watched, state: Path, deeds_of: Deeds | Callable[[Procedure], Deeds]) -> Guided:
    """masternode3 is destroyed and replaced, to the end, while deeds are done; no key is lost."""
    cluster.healthy()
    before = keys_of(cluster)
    target = cluster.look().member(GONE).member.id
    cluster.lab.do("destroy-node", GONE)
    operations = Operations(cluster.cluster, state)
    made = planned(cluster, operations)
    deeds = deeds_of(made) if callable(deeds_of) else deeds_of
    guided = Guided(cluster, made, Journal(state / "journal"), deeds)
    finished = guided.run()
    assert finished.ending is Ending.DONE, (finished.sentence, guided.told, guided.awaited[-3:])
    assert not guided.left, "everything happened that was to happen"
    for deed in deeds.values():
        if isinstance(deed, Fault):
            deed.over()
    whole(cluster, operations, target)
    removals = [e for e in Journal(state / "journal").read(made.id).entries if e.kind == "ended"]
    assert [e.facts["status"] for e in removals if e.step == "remove"] == [0]
    assert before <= keys_of(cluster)
    return guided


def test_the_api_is_down_in_the_middle(cluster: Watched, tmp_path: Path) -> None:
    """Once where it is written to, once where it is watched through: both wait, and say for what."""
    writing, watching = (
        Fault(lambda: cluster.lab.do("api-down"), lambda: cluster.lab.do("api-up")) for _ in range(2)
    )
    deeds = {("remove", StepState.DONE): writing, ("scale", StepState.VERIFYING): watching}
    guided = walked(cluster, tmp_path, deeds)
    said = [e.text for e in guided.events if isinstance(e, Output) and e.step == "secrets"]
    assert any("Waiting for the API; nothing is lost by that." in line for line in said), said
    assert any("The API does not answer now; it goes on being asked." in why for why in guided.awaited)


def test_the_leader_changes_in_the_middle(cluster: Watched, tmp_path: Path) -> None:
    """It hands over just before the removal, and is killed while the new member catches up."""
    led: list[str] = []

    def hand_over() -> None:
        leader, other = sides(cluster)
        led.append(leader)
        member = cluster.look().member(other).member
        url = cluster.look().member(leader).member.client_urls[0]
        host, access = cluster.cluster.etcdctl(GONE)
        done = cluster.cluster.runner(host).run(move_leader(access, member.id, url), timeout=20)
        assert done.ok, done.err()
        led.append(other)

    def kill_it() -> None:
        leader, _ = sides(cluster)
        led.append(leader)
        cluster.lab.do("crash", leader)

    deeds = {("guard off", StepState.DONE): hand_over, ("scale", StepState.VERIFYING): kill_it}
    guided = walked(cluster, tmp_path, deeds)
    assert len(led) == 3 and led[0] != led[1] and led[2] in led[:2]
    assert "in nobody's list any more" in guided.done("remove")


def sides(cluster: Watched) -> tuple[str, str]:
    """Who leads, and another voter that is well."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        rows = [row for row in cluster.look().health.members if row.well and not row.member.learner]
        leaders = [row.member.name for row in rows if row.role == "leader"]
        others = [row.member.name for row in rows if row.role == "follower"]
        if leaders and others:
            return leaders[0], others[0]
        time.sleep(0.2)
    raise AssertionError("nobody leads")


def test_the_host_that_is_spoken_through_dies_for_good(cluster: Watched, tmp_path: Path) -> None:
    """After the removal: the guide goes on through the other one."""
    spoken: list[str] = []

    def die() -> None:
        spoken.append(cluster.cluster.view().speaking)
        cluster.lab.do("stop-ssh", spoken[0])

    def back() -> None:
        spoken.append(cluster.cluster.view().speaking)
        cluster.lab.do("start-ssh", spoken[0])
        cluster.cluster.refresh()

    walked(cluster, tmp_path, {("remove", StepState.DONE): die, ("report", StepState.DONE): back})
    assert spoken[0] and spoken[1] and spoken[0] != spoken[1]


@pytest.mark.parametrize(("away", "back"), [("stop-ssh", "start-ssh"), ("freeze-ssh", "thaw-ssh")])
def test_the_host_of_the_removal_dies_just_before_it(
    cluster: Watched, tmp_path: Path, away: str, back: str
) -> None:
    """It waits for that host, says so, and names the other way."""
    host: list[str] = []

    def deeds(made: Procedure) -> Deeds:
        host.append(made.step("remove").host)
        return {
            ("guard off", StepState.DONE): Fault(
                lambda: cluster.lab.do(away, host[0]),
                lambda: (cluster.lab.do(back, host[0]), cluster.cluster.refresh()),
                LONG,
            )
        }

    guided = walked(cluster, tmp_path, deeds)
    assert f"{host[0]}, on which this runs, does not answer" in guided.told, guided.told
