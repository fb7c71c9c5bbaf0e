"""The leadership is moved to one that is fit for it, by the one that leads, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.cluster.board import Board, Constants
from etcdtui.cluster.speaker import Speaker
from etcdtui.errors import Refusal, Unreachable
from etcdtui.etcd.commands import ClientAccess
from etcdtui.journal import Journal
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.platforms.openshift import HostAccess
from etcdtui.procedures import leadership
from etcdtui.procedures.procedure import Answer as Reply
from etcdtui.procedures.procedure import Choice, Ending, Procedure, StepState
from etcdtui.procedures.registry import resume
from tests.procedures import FakeRunner, FakeWorld, Human, run
from tests.views import NOW, endpoint, gone, healthy, leaderless, status

ID = "leadership-20260921-101112-ab12"
ONE, TWO, THREE = 0xA1, 0xA2, 0xA3
ACCESS = ClientAccess("/ca", "/cert", "/key", etcdctl="/usr/bin/etcdctl")


def led_by(number: int) -> ClusterView:
    told = [Reading(status(n, leader_id=0xA0 + number), NOW - 0.5) for n in (1, 2, 3)]
    return healthy(endpoints=tuple(endpoint(n, status=s) for n, s in enumerate(told, 1)))


def without(number: int) -> ClusterView:
    view = led_by(1)
    return replace(
        view, endpoints=tuple(gone(number) if e.member_id == 0xA0 + number else e for e in view.endpoints)
    )


def behind(*numbers: int) -> ClusterView:
    """These are far behind the leader."""
    applied = {n: 1 if n in numbers else 90_000 for n in (1, 2, 3)}
    told = {n: status(n, leader_id=ONE, raft_index=90_000, raft_applied=a) for n, a in applied.items()}
    return healthy(endpoints=tuple(endpoint(n, status=Reading(s, NOW - 0.5)) for n, s in told.items()))


def plan(member: int, view: ClusterView | None = None) -> Procedure:
    return leadership.plan(view or led_by(1), member, lambda: ("masternode2", ACCESS), procedure_id=ID)


def test_a_follower_that_is_chosen_gets_it(tmp_path: Path) -> None:
    made = plan(THREE)
    move = made.step("move")
    assert move.argv[-2:] == ("move-leader", "a3") and move.host == "masternode2"
    assert "--endpoints=https://192.168.50.10:2379" in move.argv, "only the leader hands over"
    world = FakeWorld(led_by(1), FakeRunner())
    runner = world.runners["masternode2"]

    def moved() -> None:
        world.shown = led_by(3)

    runner.on("move-leader", out="Leadership transferred from a1 to a3\n", does=moved)  # type: ignore[attr-defined]
    finished, human = run(made, Journal(tmp_path), world=world, human=Human(Reply(Choice.GO)))
    assert finished.ending is Ending.DONE, finished.sentence
    assert runner.ran == [move.argv]  # type: ignore[attr-defined]
    assert "masternode3 leads now." in finished.sentence
    assert ("move", StepState.DONE) in human.states


def test_the_leader_itself_hands_over_to_the_fittest() -> None:
    assert plan(ONE).step("move").argv[-1] == "a2"
    assert "fittest" in plan(ONE).reasons[-1]


def test_nothing_runs_when_another_leads_meanwhile(tmp_path: Path) -> None:
    world = FakeWorld(led_by(2), FakeRunner())
    finished, _ = run(plan(THREE), Journal(tmp_path), world=world, human=Human(Reply(Choice.GO)))
    assert finished.ending is not Ending.DONE
    assert "masternode2 leads now, no longer masternode1" in finished.sentence
    assert world.runners["masternode2"].ran == []  # type: ignore[attr-defined]


def test_what_is_so_already_is_not_done_again(tmp_path: Path) -> None:
    world = FakeWorld(led_by(3), FakeRunner())
    finished, _ = run(plan(THREE), Journal(tmp_path), world=world, human=Human())
    assert finished.ending is Ending.DONE
    assert world.runners["masternode2"].ran == []  # type: ignore[attr-defined]


def test_an_interrupted_one_is_made_again_from_its_record(tmp_path: Path) -> None:
    made, journal = plan(THREE), Journal(tmp_path)
    human = Human()
    human.on.append((lambda event: True, lambda engine: engine.leave()))
    run(made, journal, world=FakeWorld(led_by(1), FakeRunner()), human=human)
    assert resume(journal.read(ID)).steps[0].argv == made.steps[0].argv


@pytest.mark.parametrize(
    ("view", "member", "words"),
    [
        (led_by(1), 0xFF, "has no member ff"),
        (healthy(read_only=True), TWO, "read-only"),
        (without(3), THREE, "masternode3 is down, it cannot be made the leader"),
        (healthy(endpoints=tuple(leaderless(n) for n in (1, 2, 3))), TWO, "No member is known to lead"),
        (behind(2, 3), ONE, "masternode1 must go on"),
    ],
)
def test_refusals_are_sentences(view: ClusterView, member: int, words: str) -> None:
    with pytest.raises(Refusal) as told:
        plan(member, view)
    assert words in told.value.message


def test_no_host_with_etcdctl_is_a_refusal() -> None:
    def nowhere() -> tuple[str, ClientAccess]:
        raise Unreachable("No control plane host can be reached.", "Look at the findings.")

    with pytest.raises(Refusal, match="No control plane host can be reached"):
        leadership.plan(led_by(1), TWO, nowhere, procedure_id=ID)


def test_a_rollout_after_the_plan_does_no_harm() -> None:
    """Every rollout gives the etcdctl container another ID: the command looks for it when it runs."""
    speaker = Speaker(Board(Constants("prod", False, False), lambda: NOW), lambda: None)
    speaker.able("masternode1", FakeRunner(), HostAccess(container="4f2a"), ("sudo", "-n"))
    made = leadership.plan(led_by(1), TWO, speaker.etcdctl, procedure_id=ID)
    assert not [word for word in made.steps[0].argv if "4f2a" in word]
    assert "for name in etcdctl etcd" in " ".join(made.steps[0].argv)
    assert "4f2a" not in "".join(made.parameters.values())


def test_one_far_behind_is_refused() -> None:
    with pytest.raises(Refusal, match="masternode3 is too far behind"):
        plan(THREE, behind(3))
