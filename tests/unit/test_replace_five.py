"""Two of five failed: both leave the list before anybody is added, and come back one after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.model.members import MemberList
from etcdtui.model.platform import Condition, NodeFacts, OperatorWord, PodFacts
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.removal import adds_nobody_beside_failed
from etcdtui.model.view import ClusterView
from etcdtui.platforms.machines import MACHINES
from etcdtui.platforms.operators import SECRETS
from etcdtui.procedures import debts
from etcdtui.procedures.procedure import Ending, StepChanged, StepState
from etcdtui.procedures.registry import resume
from etcdtui.procedures.replace_decided import DECIDED, Decided
from tests.procedures import CutJournal, Killed, run
from tests.replacing import FakeApi, Situation, Willing, machine, reply
from tests.views import NOW, api, endpoint, gone, healthy, host, member, status

FOUR, FIVE = 0xA4, 0xA5
NAMES = tuple(f"masternode{n}" for n in range(1, 6))
PHRASES = {
    "remove": "masternode4",
    "remove 2": "masternode5",
    "machine old": "prod-master-3",
    "machine old 2": "prod-master-4",
}


def two_down(**changes: object) -> ClusterView:
    off = Problem(Fault.SILENT, "no answer on port 22 within 3 s.")
    away = Reading(0.001, NOW - 60, off, NOW - 50)
    told = "3 of 5 members are available, masternode4 is unhealthy, masternode5 is unhealthy"
    base = healthy(
        members=Reading(MemberList(0xC1, tuple(member(n) for n in range(1, 6)), 0xA1), NOW - 1),
        endpoints=(*(endpoint(n) for n in (1, 2, 3)), gone(4), gone(5)),
        hosts=(*(host(n) for n in (1, 2, 3)), *(host(n, link=away) for n in (4, 5))),
        api=api(
            nodes=tuple(NodeFacts(n, "192.168.50.1", n in NAMES[:3]) for n in NAMES),
            pods=tuple(PodFacts(f"etcd-{n}", n, 4, 4, "Running") for n in NAMES[:3]),
            word=OperatorWord(3, 5, told, NOW - 60),
        ),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


class Five(Situation):
    """The operator adds whoever has a machine, once all members of the list are well; never before."""

    def __init__(self) -> None:
        super().__init__(two_down())
        self.api_.objects = {k: v for k, v in self.api_.objects.items() if not k.startswith(SECRETS)}
        for number in (3, 4):
            self.api_.objects[f"{MACHINES}/prod-master-{number}"] = machine(number)

    def joined(self, number: int) -> None:
        assert not {FOUR, FIVE} & {m.id for m in self.members}, "nobody is added while one is not well"
        made = member(number, id=0xB0 + number)
        self.set_members([*self.members, made])
        told = Reading(status(number, member_id=made.id), NOW - 0.5)
        new = endpoint(number, member_id=made.id, status=told)
        names = [m.name for m in self.members]
        facts = api(
            nodes=tuple(NodeFacts(n, "192.168.50.1", True) for n in names),
            pods=tuple(PodFacts(f"etcd-{n}", n, 4, 4, "Running") for n in names),
            word=OperatorWord(len(names), len(names), f"{len(names)} members are available", NOW),
            conditions=(Condition("NodeInstallerProgressing", "False", "AllNodesAtLatestRevision"),),
        )
        self.shown = replace(self.shown, endpoints=(*self.shown.endpoints, new), api=facts)

    def _operate(self, verb: str, path: str) -> None:
        if verb == "create" and path.startswith(MACHINES):
            self.joined(int(path.rpartition("-")[2]) + 1)


class Agrees(Willing):
    def __call__(self, event: object) -> None:
        if isinstance(event, StepChanged) and event.choices and self.engine is not None:
            self.events.append(event)
            self.engine.answer(reply(event, PHRASES))
        else:
            super().__call__(event)  # type: ignore[arg-type]


def removals(world: Situation) -> list[str]:
    return [argv[-1] for argv in world.ran if "remove" in argv]


def test_both_leave_before_one_comes_and_the_second_only_after_the_first(tmp_path: Path) -> None:
    world, human = Five(), Agrees()
    made = world.plan(FOUR, marked=[FOUR, FIVE])
    assert made.title == "Replace masternode4 and masternode5 in prod"
    assert any("leave the list one after the other" in reason for reason in made.reasons)
    reasons = " ".join(made.reasons)
    assert "Removing masternode5 would leave 3 of 3 voters well, quorum 2 (now 3 of 4, quorum 3)" in reasons
    assert made.step("scale 2").title == "The operator scales etcd up (masternode5)"
    keys = [step.key for step in made.steps]
    assert len(set(keys)) == len(keys)
    order = ["remove", "right one 2", "remove 2", "machine new", "scale", "machine new 2", "scale 2", "whole"]
    assert [key for key in keys if key in order] == order
    finished, _ = run(made, Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.DONE, finished.sentence
    assert removals(world) == ["a4", "a5"] and not world.api_.guard_off and not world.locked
    assert {m.id for m in world.members} == {0xA1, 0xA2, 0xA3, 0xB6, 0xB7}
    done = {
        e.step: e.sentence for e in human.events if isinstance(e, StepChanged) and e.state is StepState.DONE
    }
    assert "masternode6" in done["scale"] and "masternode7" in done["scale 2"]
    assert "masternode6" in done["node"] and "masternode7" in done["node 2"]
    assert "All 5 voters are well, no alarm, the cluster can lose 2 members again." in done["whole"]
    assert "masternode4 (a4) and masternode5 (a5) are replaced by" in finished.sentence


@pytest.mark.parametrize("cut", range(1, 200, 7))
def test_killed_at_any_line_it_goes_on(tmp_path: Path, cut: int) -> None:
    world = Five()
    made = world.plan(FOUR, marked=[FOUR, FIVE])
    try:
        finished, _ = run(made, CutJournal(tmp_path, cut, "after"), world=world, human=Agrees())
    except Killed:
        runs = Journal(tmp_path).runs("prod")
        assert bool(debts.owed(runs)) or not world.api_.guard_off
        again = resume(runs[0]) if runs else made
        finished, _ = run(again, Journal(tmp_path), world=world, human=Agrees())
    assert finished.ending is Ending.DONE, finished.sentence
    assert removals(world) == ["a4", "a5"] and not world.api_.guard_off and not world.locked


def test_what_was_decided_comes_back_from_the_record() -> None:
    made = Five().plan(FOUR, marked=[FOUR, FIVE])
    first, second = Decided.of(made.parameters), Decided.of(made.parameters, f"{DECIDED} 2")
    assert [m.id for m in first.together] == [m.id for m in second.together] == [FOUR, FIVE]
    assert (first.before, [m.id for m in first.after]) == ((), [FIVE])
    assert ([m.id for m in second.before], second.after) == ([FOUR], ())
    assert FOUR not in {m.id for m in second.members} and second.voters == 5 and second.tolerance == 2
    names = {str(d.platform.successor["metadata"]["name"]) for d in (first, second)}
    assert names == {"prod-master-5", "prod-master-6"} and first.stamp != second.stamp
    assert "masternode5=" not in first.initial_cluster
    assert {"masternode4=", "masternode5="} <= {
        w.partition("h")[0] for w in second.initial_cluster.split(",")
    }


def test_the_second_that_failed_must_be_marked_too() -> None:
    with pytest.raises(Refusal, match="masternode5 is not well either, and etcd's operator adds nobody"):
        Five().plan(FOUR, marked=[FOUR])


def test_where_etcd_adds_although_one_is_away_the_second_waits_for_its_own_guide() -> None:
    told = tuple(
        replace(e, status=replace(e.status, value=replace(e.status.value, version="3.5.30")))  # type: ignore[type-var]
        for e in two_down().endpoints
    )
    world = Situation(two_down(endpoints=told), FakeApi())
    assert adds_nobody_beside_failed(world.shown, operator=False) == ""
    made = world.plan(FOUR, marked=[FOUR, FIVE])
    assert [step.key for step in made.steps if step.key.startswith("remove")] == ["remove"]
    old = Situation(two_down(), FakeApi())
    assert adds_nobody_beside_failed(old.shown, operator=False) == "etcd 3.5.14"
    keys = [step.key for step in old.plan(FOUR, marked=[FOUR, FIVE]).steps]
    assert keys.index("remove 2") < keys.index("add") < keys.index("add 2")
