"""A member replaced in every case, from the plan to the report, with hosts and API played."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.model.hashes import HashAnswer, compare
from etcdtui.model.members import MemberList
from etcdtui.model.quorum import Verdict
from etcdtui.model.readings import Reading
from etcdtui.model.view import EndpointView
from etcdtui.platforms.objects import ETCD
from etcdtui.procedures.moving import move
from etcdtui.procedures.procedure import Answer, Choice, Ending, Finished, StepChanged, StepState
from tests.procedures import Human, run
from tests.replacing import FakeApi, Situation, Willing, one_down
from tests.views import NOW, endpoint, gone, member


def walk(world: Situation, journal: Journal) -> tuple[Finished, Human]:
    return run(world.plan(), journal, world=world, human=Willing())


def steps_done(human: Human) -> list[str]:
    return [step for step, state in human.states if state is StepState.DONE]


def said(human: Human, step: str) -> str:
    return next(
        e.sentence
        for e in reversed(human.events)
        if isinstance(e, StepChanged) and e.step == step and e.state is StepState.DONE
    )


def verbs(world: Situation) -> list[str]:
    """What was changed on hosts and in the member list, in order."""
    words = ("remove", "add", "promote")
    return [next((w for w in words if w in argv), argv[-1].rpartition("/")[2]) for argv in world.ran]


def test_a_machine_that_is_gone(tmp_path: Path) -> None:
    world = Situation()
    finished, human = walk(world, Journal(tmp_path))
    assert finished.ending is Ending.DONE, finished.sentence
    assert steps_done(human) == [
        "state",
        *("right one", "guard off", "remove", "secrets"),
        *("machine old", "machine shown", "machine new"),
        *("host", "csr client", "registers", "csr serving", "node"),
        *("scale", "csr late", "guard on", "whole", "hash"),
        "report",
    ]
    assert verbs(world) == ["remove"]
    assert [w for w in world.api_.wrote if w[0] != "patch"] == [
        ("delete", "etcd-peer-masternode3"),
        ("delete", "etcd-serving-masternode3"),
        ("delete", "etcd-serving-metrics-masternode3"),
        ("delete", "prod-master-2"),
        ("create", "prod-master-3"),
    ]
    assert not world.api_.guard_off
    assert "masternode3 (a3) is replaced by masternode4 (b4)" in finished.sentence
    assert "asked masternode1 and masternode2, one by one" in said(human, "remove")
    assert "can lose 1 member again" in said(human, "whole")
    assert said(human, "hash") == "All 3 voters hold identical keys at revision 900."
    assert "m6i.xlarge" in human.output and "providerID" not in human.output
    asked = next(q.sentence for q in human.questions if q.step == "machine new")
    assert "the step before this one shows it in full" in asked, "nobody agrees to what went by unseen"
    record = Journal(tmp_path).read("replace-1")
    skipped = next(e for e in record.entries if e.step == "backup" and e.text("state") == "skipped")
    assert skipped.text("sentence") == "Skipped: the last one is good enough"
    assert "# masternode3 was replaced: the node is not ready\n- removed: masternode3, ID a3" in human.output
    assert "- machine deleted: prod-master-2\n- machine made: prod-master-3\n" in human.output


def test_the_name_is_asked_with_the_arithmetic(tmp_path: Path) -> None:
    _, human = walk(Situation(), Journal(tmp_path))
    asked = next(q for q in human.questions if q.step == "remove")
    assert "2 of 2 voters well, quorum 2 (now 2 of 3, quorum 2)" in asked.sentence
    assert "Type masternode3" in asked.sentence


def test_a_crash_loop_on_a_host_that_answers(tmp_path: Path) -> None:
    world = Situation(one_down(crashing=True))
    finished, human = walk(world, Journal(tmp_path))
    assert finished.ending is Ending.DONE, finished.sentence
    order = steps_done(human)
    assert order.index("stop") < order.index("aside") < order.index("guard off") < order.index("remove")
    assert "host" not in order and order.index("secrets") < order.index("redeploy") < order.index("scale")
    manifest, data, removal = world.ran
    assert manifest == move(("sudo", "-n"), *manifest[-2:])
    assert manifest[-2] == "/etc/kubernetes/manifests/etcd-pod.yaml"
    assert manifest[-1].startswith("/etc/kubernetes/etcd-pod.replaced-20")
    assert data[-1].startswith("/var/lib/etcd/member-replaced-20") and removal[-1] == "a3"
    reason = world.api_.objects[ETCD]["spec"]["forceRedeploymentReason"]
    assert reason.startswith("single-master-recovery-20")


def test_wiped_data_needs_no_moving(tmp_path: Path) -> None:
    world = Situation(one_down(crashing=True))
    world.lying = {"manifest"}
    finished, human = walk(world, Journal(tmp_path))
    assert finished.ending is Ending.DONE and verbs(world)[-1] == "remove" and len(world.ran) == 2
    assert said(human, "aside") == "There is no data of etcd on masternode3."


def test_a_machine_set_makes_the_new_machine_itself(tmp_path: Path) -> None:
    world = Situation(objects=FakeApi.openshift(sets=True))
    finished, human = walk(world, Journal(tmp_path))
    assert finished.ending is Ending.DONE, finished.sentence
    assert "machine old" in steps_done(human) and "machine new" not in steps_done(human)
    assert ("delete", "prod-master-2") in world.api_.wrote
    assert not any(verb == "create" for verb, _ in world.api_.wrote)


def test_bare_metal_is_rebuilt_by_a_human(tmp_path: Path) -> None:
    world = Situation(objects=FakeApi.openshift(machines=False))
    human = Willing()
    human.on.append(
        (lambda e: isinstance(e, StepChanged) and e.step == "host", lambda engine: world.joined(4))
    )
    made = world.plan()
    assert "by BMC, PXE or ISO" in made.step("host").why
    finished, _ = run(made, Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.DONE, finished.sentence
    assert not any(name.startswith("prod-master") for _, name in world.api_.wrote)


def test_without_an_operator_the_guide_adds_and_promotes(tmp_path: Path) -> None:
    world = Situation(one_down(crashing=True), FakeApi())
    human = Willing()

    def start(engine: object) -> None:
        world.joined(3)
        *rest, new = world.members
        world.set_members([*rest, replace(new, learner=True)])

    human.on.append((lambda e: isinstance(e, StepChanged) and e.step == "start", start))
    made = world.plan()
    assert (
        "ETCD_INITIAL_CLUSTER=masternode1=https://192.168.50.10:2380,masternode2=" in made.step("start").why
    )
    assert (
        "masternode3=https://192.168.50.12:2380 ETCD_INITIAL_CLUSTER_STATE=existing" in made.step("start").why
    )
    finished, _ = run(made, Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.DONE, finished.sentence
    assert verbs(world)[2:] == ["remove", "add", "promote"]
    assert not world.api_.wrote


@pytest.mark.parametrize(("version", "guarded"), [("4.9.33", False), ("4.10.0", True), ("4.20.1", True)])
def test_the_guard_by_version(version: str, guarded: bool) -> None:
    keys = [s.key for s in Situation(objects=FakeApi.openshift(version)).plan().steps]
    assert ("guard off" in keys) is guarded and ("guard on" in keys) is guarded


def test_a_guard_that_was_off_before_stays_off(tmp_path: Path) -> None:
    objects = FakeApi.openshift()
    overrides = {"useUnsupportedUnsafeNonHANonProductionUnstableEtcd": True}
    objects.objects[ETCD]["spec"]["unsupportedConfigOverrides"] = dict(overrides)
    world = Situation(objects=objects)
    finished, _ = walk(world, Journal(tmp_path))
    assert finished.ending is Ending.DONE and world.api_.guard_off


def test_other_overrides_survive(tmp_path: Path) -> None:
    objects = FakeApi.openshift()
    objects.objects[ETCD]["spec"]["unsupportedConfigOverrides"] = {"other": 1}
    world = Situation(objects=objects)
    walk(world, Journal(tmp_path))
    assert world.api_.objects[ETCD]["spec"]["unsupportedConfigOverrides"] == {"other": 1}


def test_the_api_that_falls_silent_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etcdtui.procedures.replace_api.PAUSE", 0.01)
    world = Situation()
    human = Willing()

    def silence(engine: object) -> None:
        world.api_.silent = 5

    human.on.append(
        (
            lambda e: isinstance(e, StepChanged) and e.step == "guard off" and e.state is StepState.RUNNING,
            silence,
        )
    )
    finished, _ = run(world.plan(), Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.DONE and "Waiting for the API" in human.output


def test_different_keys_are_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = Situation()
    odd = compare(9, [HashAnswer("a", 1), HashAnswer("b", 2)])
    monkeypatch.setattr("etcdtui.procedures.replace_return.compare_hashes", lambda world, without: odd)
    finished, human = walk(world, Journal(tmp_path))
    assert finished.ending is Ending.FAILED and "The keys DIFFER" in finished.sentence
    assert human.questions[-1].step == "hash"


def test_a_young_backup_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    young = lambda world: Verdict(True, "A proven backup off the cluster is 4 min old.")  # noqa: E731
    monkeypatch.setattr("etcdtui.procedures.replace_backup.fresh_backup", young)
    _, human = walk(Situation(), Journal(tmp_path))
    assert not [q for q in human.questions if q.step in {"take", "backup"}]


def test_without_a_backup_it_waits_and_a_reason_is_wanted(tmp_path: Path) -> None:
    answers = [Answer(Choice.NO), Answer(Choice.SKIP, " "), Answer(Choice.STOP)]
    finished, human = run(Situation().plan(), Journal(tmp_path), *answers, world=Situation())
    assert finished.ending is Ending.CANCELLED
    assert [q.step for q in human.questions] == ["take", "backup", "backup"]
    assert "say in a few words why" in human.questions[2].sentence


def test_what_a_backup_would_need_is_passed_over_without_one(tmp_path: Path) -> None:
    _, human = walk(Situation(), Journal(tmp_path))
    passed = {
        e.step: e.sentence
        for e in human.events
        if isinstance(e, StepChanged) and e.state is StepState.SKIPPED
    }
    assert passed.pop("take") == "Skipped: you said no."
    assert passed.pop("backup").startswith("Skipped: the last one")
    assert set(passed) == {"verify", "bring", "prove", "manifest"}
    assert set(passed.values()) == {"Passed over: no backup was taken in this run."}


def test_a_removal_that_etcd_refuses_is_explained(tmp_path: Path) -> None:
    world = Situation()
    world.refuses = {"remove": "etcdserver: unhealthy cluster"}
    human = Willing()
    finished, _ = run(world.plan(), Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.FAILED and "Wait a few seconds and try again" in finished.sentence
    assert world.ran == [] and world.api_.guard_off


def test_the_plan_names_the_case_and_the_arithmetic() -> None:
    reasons = " ".join(Situation().plan().reasons)
    assert "The case: the node is not ready." in reasons and "2 of 2 voters well" in reasons
    assert "prod-master-2 is deleted and made anew" in reasons


def test_of_two_that_failed_one_is_made_whole_first(tmp_path: Path) -> None:
    """Five members, two dead, an etcd that adds all the same: the second is left for its own turn."""
    told = (endpoint(1), endpoint(2), gone(3), endpoint(4), gone(5))
    view = one_down(
        crashing=True,
        members=Reading(MemberList(0xC1, tuple(member(n) for n in range(1, 6)), 0xA1), NOW - 1),
        endpoints=tuple(in_version(one, "3.5.30") for one in told),
        api=Reading(),
        api_configured=False,
    )
    world, human = Situation(view, FakeApi()), Willing()

    def start(engine: object) -> None:
        world.joined(3)
        *rest, made = world.members
        world.set_members([*rest, replace(made, learner=True)])

    human.on.append((lambda e: isinstance(e, StepChanged) and e.step == "start", start))
    with pytest.raises(Refusal, match="masternode5 comes after masternode3"):
        world.plan(0xA5, marked=[0xA3, 0xA5])
    finished, _ = run(world.plan(marked=[0xA3, 0xA5]), Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.DONE, finished.sentence
    assert verbs(world)[2:] == ["remove", "add", "promote"]
    assert "asked masternode1, masternode2 and masternode4" in said(human, "remove")
    assert "1 other member failed before" in said(human, "whole")
    assert "All 4 voters hold identical keys" in said(human, "hash")


def in_version(told: EndpointView, version: str) -> EndpointView:
    assert told.status.value is not None
    return replace(told, status=replace(told.status, value=replace(told.status.value, version=version)))


def test_what_the_examination_advises_instead_comes_first_in_the_plan() -> None:
    """A node that may be rebooting only."""
    first = Situation(objects=FakeApi.openshift()).plan().reasons[0]
    assert first.startswith("Mind: examined just now, something else is advised. masternode3's node is down")
    assert "it may be rebooting" in first


def test_what_cancelling_does_is_true_before_and_after_the_command_has_run() -> None:
    steps = {step.key: step for step in Situation().plan().steps}
    for key in ("remove", "guard off", "machine old", "machine new"):
        words = steps[key].cancel
        assert words.startswith("Ends here; ") and "once " in words, f"{key}: {words}"
    assert "stays in the list." not in steps["remove"].cancel
