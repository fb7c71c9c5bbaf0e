"""What a restore never does: each refusal as the whole of it gives it, with nothing run on any host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from etcdtui.cluster import Cluster
from etcdtui.errors import Refusal, Unreachable
from etcdtui.journal import Journal
from etcdtui.model.places import PlacedSet
from etcdtui.model.quorum import Verdict
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.platforms.layout import Layout
from etcdtui.procedures import restore_etcd_alone
from etcdtui.procedures.operations import Interruption, Operations
from etcdtui.procedures.procedure import Choice, Context, Ending, Procedure, StepChanged, StepState
from etcdtui.procedures.restore_decided import Decided
from etcdtui.procedures.restore_stop import off_steps, still_lost, stop_steps
from etcdtui.reach import lock
from etcdtui.reach.local import LocalRunner
from etcdtui.reach.lock import Claim
from tests.procedures import Answer, FakeRunner, FakeWorld, Human, check_step, command_step, go, run
from tests.procedures import procedure as plain
from tests.restoring import Restoring
from tests.unit.test_restore_plan import GIB, decided, looked, lost, member, placed, plan, report, survivors
from tests.unit.test_restore_steps import Place, place
from tests.views import endpoint, gone, healthy

__all__ = ["place"]

FOREIGN = placed(name="other", members=(member(9, peer_urls=(), client_urls=()),))
FULL = {name: (GIB >> 4, "/dev/sda4") for name in ("data", "parent", "folder")}


@pytest.mark.parametrize(
    ("backup", "said"),
    [
        (placed(manifest=False), "never proven"),
        (placed(only=1), "no whole backup"),
        (FOREIGN, "of another cluster"),
    ],
    ids=["unproven", "incomplete", "foreign"],
)
def test_a_backup_that_must_not_be_restored_has_no_plan(backup: PlacedSet, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        plan(looked(backup), backup=backup.set.stamp)


def test_too_little_disk_has_no_plan() -> None:
    full = {n: report(n, disks=FULL) for n in (1, 2, 3)}
    with pytest.raises(Refusal, match="are needed"):
        plan(looked(placed(), reports=full))


def test_read_only_has_no_plan_and_goes_on_with_none(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="opened read-only"):
        plan(looked(placed(), view=lost(read_only=True)))

    class ReadOnly:
        name, read_only = "prod", True

        def now(self) -> float:
            return 1.0

    Restoring(tmp_path / "journal").run()
    operations = Operations(cast(Cluster, ReadOnly()), tmp_path)
    with pytest.raises(Refusal, match="nothing is resumed"):
        operations.resume(Interruption("restore-1", "", ""))
    with pytest.raises(Refusal, match="nothing is put back"):
        operations.plan_restore_undo("restore-1")


# -- what has to be typed


def typed(made: Procedure, key: str, text: str, tmp_path: Path) -> tuple[Ending, list[str]]:
    """The one step alone, with ``text`` typed and then no more."""
    human = Human(go(text), Answer(Choice.STOP))
    ran: list[str] = []
    after = check_step(key="after", prechecks=(lambda world: ran.append("after") or Verdict(True, "So."),))
    alone = plain(made.step(key), after, id_=f"typed-{len(list(tmp_path.iterdir()))}")
    finished, human = run(alone, Journal(tmp_path), human=human, world=FakeWorld(lost()))
    return finished.ending, [*ran, *(q.sentence for q in human.questions)]


@pytest.mark.parametrize(
    ("key", "phrase", "changes"),
    [
        ("accept release", "accept 4.16.2 on 4.16.3", {"version": "4.16.2"}),
        ("accept newer", "lose 100 revisions", {}),
    ],
    ids=["other z-stream", "older than living data"],
)
def test_what_may_go_wrong_goes_on_only_when_it_is_typed_exactly(
    key: str, phrase: str, changes: dict[str, str], tmp_path: Path
) -> None:
    seen = looked(placed(**changes), found=survivors(900, 900, 900, running=frozenset({1})))  # type: ignore[arg-type]
    made = plan(seen)
    assert made.step(key).gate.phrase == phrase and not made.step(key).skippable
    for wrong in ("yes", phrase.upper(), phrase[:-1], ""):
        ending, said = typed(made, key, wrong, tmp_path)
        assert ending is Ending.CANCELLED and "after" not in said, wrong
        assert any("it has not been run" in sentence for sentence in said), wrong
    ending, said = typed(made, key, phrase, tmp_path)
    assert ending is Ending.DONE and "after" in said


# -- a host that is said to be off


@pytest.mark.parametrize("running", [True, False])
def test_a_host_whose_etcd_runs_is_not_off_by_being_typed_so(
    place: Place, tmp_path: Path, running: bool
) -> None:
    url = healthy().endpoints[1].url
    silent = replace(place.other, reached=False, client_url=url)
    place.decided = replace(place.decided, others=(silent,))
    runner = FakeRunner("masternode2")
    runner.on("true", raises=Unreachable("masternode2: no route to host."))
    view = healthy() if running else healthy(endpoints=(endpoint(1), gone(2), endpoint(3)))
    (step,) = off_steps(place.decided)
    human = Human(go("masternode2 is off"))
    finished, human = run(plain(step), Journal(tmp_path / "j"), human=human, world=FakeWorld(view, runner))
    if running:
        assert finished.ending is Ending.REFUSED and "it runs, whatever is said" in finished.sentence
        assert not human.questions  # it is not even asked
    else:
        assert finished.ending is Ending.DONE


# -- a quorum that came back


def test_a_quorum_that_came_back_after_the_plan_is_not_taken_down() -> None:
    dead = survivors(700, 700, 700, running=frozenset())
    made = decided(looked(placed(), found=dead))

    def told(view: ClusterView, of: Decided = made) -> tuple[bool, str]:
        verdict = still_lost(of)(cast(Context, FakeWorld(view)))
        return verdict.allowed, verdict.reason

    assert told(lost())[0]
    for view in (healthy(), healthy(endpoints=(endpoint(1), gone(2), gone(3)))):
        allowed, said = told(view)
        assert not allowed and "is there again" in said and "plan again" in said
    allowed, said = told(healthy(endpoints=(), api=Reading()))
    assert not allowed and "nobody can tell now" in said and "plan again" in said
    # Typed for the plan itself: what is well is taken back.
    accepted = decided(looked(placed(), view=healthy(), found=dead))
    assert told(healthy(), accepted)[0]


def test_the_quorum_is_read_again_with_hosts_and_scripts(tmp_path: Path) -> None:
    dead = survivors(700, 700, 700, running=frozenset())
    step = plan(looked(placed(), found=dead)).step("check")
    runners = [FakeRunner(f"masternode{n}") for n in (1, 2, 3)]
    for runner in runners:
        runner.on("true")
    finished, _ = run(plain(step), Journal(tmp_path), world=FakeWorld(healthy(), *runners))
    assert finished.ending is Ending.REFUSED and "is there again" in finished.sentence


def test_a_plan_that_waited_until_the_members_were_back_stops_nothing(tmp_path: Path) -> None:
    hosts = Restoring(tmp_path)
    hosts.world.shown = healthy()
    finished, _ = hosts.run()
    assert finished.ending is Ending.REFUSED and "is there again" in finished.sentence
    assert hosts.old and not hosts.one.did and not hosts.two.did


def test_where_no_other_host_is_reached_it_is_asked_all_the_same(place: Place) -> None:
    """Its own etcd, and with it all that there is, goes down, too."""
    silent = replace(place.other, reached=False)
    for others in ((), (silent,)):
        told = replace(place.decided, others=others)
        for steps in (stop_steps(told), restore_etcd_alone.stop(told)):
            (begin,) = steps
            assert begin.key == "begin" and begin.gate.phrase == "prod" and not begin.skippable
            assert "masternode1" in begin.gate.prompt and "masternode2" not in begin.gate.prompt


# -- another operator at work


def test_another_operator_at_work_refuses_before_anything_is_done(place: Place, tmp_path: Path) -> None:
    layout = Layout(root=str(tmp_path / "lock"), sudo=())
    place.world.layout = layout
    runner = LocalRunner("masternode1")
    claim = Claim("replace-of-john", "john@desk", "Replace masternode2", "prod")
    lock.take(runner, layout.at(layout.jobs), claim, 10.0)
    change = command_step(host="masternode1", argv=("touch", str(tmp_path / "touched")))
    made = replace(plain(change), locks=True, kind="restore")
    place.world.shown = healthy(hosts=tuple(h for h in healthy().hosts if h.name == "masternode1"))
    finished, human = run(made, Journal(tmp_path / "j"), world=place.world)
    assert finished.ending is Ending.REFUSED, human.questions
    assert "john@desk" in finished.sentence and not (tmp_path / "touched").exists()


def test_a_restore_locks_the_hosts() -> None:
    assert plan(looked(placed())).locks


# -- the whole


def test_a_host_that_was_started_again_meanwhile_stops_the_script(tmp_path: Path) -> None:
    """Somebody puts etcd's manifest back on another host while the copy is being made."""
    hosts = Restoring(tmp_path)
    made = hosts.procedure

    class Meddling(Human):
        def __call__(self, event: object) -> None:
            if isinstance(event, StepChanged) and (event.step, event.state) == ("safe", StepState.DONE):
                hosts.two.paths["/etc/kubernetes/manifests/etcd-pod.yaml"] = "again"
            super().__call__(event)  # type: ignore[arg-type]

    phrases = [s.gate.phrase for s in made.steps if s.gate.phrase]
    human = Meddling(go(phrases[0]), Answer(Choice.STOP))
    finished, human = hosts.run(made, human=human)  # type: ignore[arg-type]
    assert finished.ending is Ending.STOPPED and ("cluster-restore.sh",) not in hosts.one.did
    assert "masternode2" in finished.sentence and "put it back" in finished.sentence
