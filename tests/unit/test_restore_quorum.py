"""The quorum restore: a survivor's own data goes on, without a backup."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from etcdtui.errors import Refusal
from etcdtui.etcd.commands import ClientAccess
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.restore_advice import advise
from etcdtui.model.survivors import Position, Survivor
from etcdtui.model.view import ClusterView
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.restore_scripts import HostReport
from etcdtui.procedures import registry, restore, restore_quorum, restore_undo
from etcdtui.procedures.procedure import Action, Context, GateKind, Procedure
from etcdtui.procedures.restore_decided import Quorum
from etcdtui.procedures.restore_look import Looked
from etcdtui.procedures.restore_run import safe_steps
from tests.procedures import FakeRunner, FakeWorld
from tests.unit.test_restore_back import member_list, status
from tests.unit.test_restore_etcd_alone import BESIDE, SCRIPT, newest, place, stopped_by
from tests.unit.test_restore_plan import keys, looked, lost, placed, report, survivors
from tests.unit.test_restore_steps import Place
from tests.unit.test_restore_undo import OLD, carry_out, mark, old_again, run_of
from tests.views import endpoint, gone, healthy, host

__all__ = ["newest", "place"]


def seen(
    *revisions: int,
    running: frozenset[int] = frozenset(),
    without: frozenset[int] = frozenset(),
    view: ClusterView | None = None,
    found: tuple[Survivor, ...] | None = None,
    reports: dict[int, HostReport | str] | None = None,
) -> Looked:
    told: dict[int, HostReport | str] = {
        n: report(n) if n in without else report(n, script=SCRIPT, beside=BESIDE) for n in (1, 2, 3)
    }
    have = found or survivors(*(revisions or (900, 900, 900)), running=running)
    return looked(view=view, reports=told | (reports or {}), found=have)


def plan(told: Looked, host: str | None = None) -> Procedure:
    return restore_quorum.plan(
        told, lambda name: Layout(), procedure_id="quorum-restore-1", stamp="20260921-143000", host=host
    )


def decided(told: Looked, host: str | None = None) -> Quorum:
    return Quorum.of(plan(told, host).parameters)


# -- what is planned


def test_the_newest_data_goes_on_and_no_backup_is_needed() -> None:
    made = plan(seen(900, 950, 900))
    told = Quorum.of(made.parameters)
    assert told.recovery.host == "masternode2" and told.revision == 950 and told.accept == ()
    assert "Nothing is lost that masternode2 has" in told.lost
    assert made.kind == "quorum-restore" and made.locks
    assert [k for k in keys(made) if not k.startswith(("stop", "aside"))] == [
        *("check", "begin", "safe", "restore", "etcd", "api"),
        *("asking", "approve client", "nodes", "approve serving"),
        *("redeploy etcd", "members", "stable", "approve late", "whole", "write", "past", "watchers"),
    ]
    assert keys(made).index("aside masternode3") < keys(made).index("stop etcd masternode2")
    run = made.step("restore")
    assert run.action is Action.JOB and run.argv == ("sudo", "-n", "/usr/local/bin/quorum-restore.sh")
    assert run.gate.kind is GateKind.PHRASE and run.gate.phrase == "prod goes on from masternode2"
    assert not run.skippable and all(restore.seconds(step, told) > 0 for step in made.steps)


def test_data_of_others_that_is_newer_has_to_be_given_up_in_so_many_words() -> None:
    told = decided(seen(900, 950, 900), "masternode1")
    assert [a.phrase for a in told.accept] == ["lose 50 revisions"] and "masternode2 has 50" in told.lost
    assert "has 1 revision that" in decided(seen(900, 901, 900), "masternode1").lost
    raised = decided(seen(900, 1_000_000_950, 900), "masternode1").lost
    assert "revisions (with those that a restore skipped) that masternode1 has not" in raised
    without = decided(seen(900, 950, 900, without=frozenset({2})))
    assert without.recovery.host in ("masternode1", "masternode3") and without.accept[0].key == "newer"


def test_data_that_nobody_sees_has_to_be_accepted_and_its_host_to_be_off() -> None:
    silent = replace(host(2), link=Reading(None, None, Problem(Fault.SILENT, "No answer."), 1.0))
    found = (
        Survivor("masternode1", "masternode1", True, Position(1000, 900, 7)),
        Survivor("masternode2", "masternode2", trouble="No answer."),
        Survivor("masternode3", "masternode3", False, Position(990, 890, 7)),
    )
    view = lost(hosts=(host(1), silent, host(3)))
    made = plan(seen(view=view, found=found, reports={2: "No answer."}))
    told = Quorum.of(made.parameters)
    assert told.recovery.host == "masternode1"
    assert [a.phrase for a in told.accept] == ["go on without masternode2"]
    assert made.step("off masternode2").gate.phrase == "masternode2 is off"
    view = lost(hosts=(host(1), silent, replace(silent, name="masternode3", address="192.168.50.13")))
    found = (found[0], found[1], Survivor("masternode3", "masternode3", trouble="No answer."))
    made = plan(seen(view=view, found=found, reports={2: "No answer.", 3: "No answer."}))
    phrases = [a.phrase for a in Quorum.of(made.parameters).accept]
    assert phrases == ["go on without masternode2 and masternode3"]
    assert made.step("redeploy etcd").title == "etcd is rolled out to every host that is not off"
    assert "Not waited for: masternode2 and masternode3." in made.step("redeploy etcd").why
    assert made.step("members").title == "The member of masternode1 is well"
    assert made.step("members").why == "It is alone until the masters that are off are built anew."


def test_no_step_speaks_of_a_backup_from_which_nothing_is_restored() -> None:
    made = plan(seen(900, 950, 900))
    told = {step.key: f"{step.why} {step.ways}".replace("etcd-backup", "") for step in made.steps}
    assert [key for key, said in told.items() if "the backup" in said or "cluster-backup" in said] == []
    assert "deletes the one before" not in told["safe"], "quorum-restore.sh keeps no copy"


def test_a_cluster_with_its_quorum_needs_none() -> None:
    with pytest.raises(Refusal, match="prod has its quorum"):
        plan(seen(view=healthy()))
    with pytest.raises(Refusal, match="read-only"):
        plan(seen(view=lost(read_only=True)))


def test_a_cluster_that_may_have_its_quorum_needs_none_either() -> None:
    """One confirmed read is a quorum, also where fewer than that are seen from here."""
    with pytest.raises(Refusal, match=r"prod has its quorum .* still reads through a quorum"):
        plan(seen(view=healthy(endpoints=(endpoint(1), gone(2), gone(3)))))
    silent = Problem(Fault.NOT_ASKED, "Nobody asked.")
    unasked = (
        endpoint(n, status=Reading(None, None, silent), reads=Reading(None, None, silent)) for n in (1, 2, 3)
    )
    with pytest.raises(Refusal, match="Nobody can tell whether prod has its quorum"):
        plan(seen(view=healthy(endpoints=tuple(unasked), api=Reading())))


def test_an_older_release_has_no_such_script_and_is_told_what_else_would_do() -> None:
    with pytest.raises(Refusal) as refused:
        plan(seen(without=frozenset({1, 2, 3})))
    assert "it has no quorum-restore.sh with its pod" in str(refused.value)
    assert "--force-new-cluster" in refused.value.hint and "restore a backup" in refused.value.hint
    with pytest.raises(Refusal, match="elsewhere is no host of prod"):
        plan(seen(), "elsewhere")


def test_a_host_without_data_of_this_cluster_does_not_go_on() -> None:
    bare = tuple(Survivor(f"masternode{n}", f"masternode{n}", trouble="There is none.") for n in (1, 2, 3))
    with pytest.raises(Refusal, match="no data of this cluster to go on with: There is none"):
        plan(seen(found=bare))


def test_it_is_made_again_from_its_record_step_by_step() -> None:
    made = plan(seen(900, 950, 940), "masternode3")
    rebuild = registry.rebuild_of("quorum-restore")
    assert rebuild is not None
    again = rebuild("quorum-restore", made.id, "prod", dict(made.parameters))
    assert [(s.key, s.host, s.argv, s.gate) for s in again.steps] == [
        (s.key, s.host, s.argv, s.gate) for s in made.steps
    ]
    with pytest.raises(ValueError, match="no quorum restore"):
        rebuild("restore", made.id, "prod", dict(made.parameters))


# -- what the adviser says


def test_the_adviser_offers_it_where_the_newest_data_has_the_script() -> None:
    def said(told: Looked) -> str:
        shown = replace(told.view, endpoints=(gone(1), gone(2), gone(3)))
        return " ".join(advise(shown, told.survivors, (), told.quorum_hosts).instead)

    assert "masternode2 has quorum-restore.sh" in said(seen(900, 950, 900))
    assert "masternode1 and masternode3 has" in said(seen(900, 950, 900, without=frozenset({2})))
    older = said(seen(900, 950, 900, without=frozenset({1, 2, 3})))
    assert "came with OpenShift 4.18" in older and "--force-new-cluster" in older


def test_before_4_18_no_quorum_restore_is_promised_first() -> None:
    told = looked(placed(), found=survivors(900, 950, 900, running=frozenset()))
    advice = advise(told.view, told.survivors, told.view.known_backups, told.quorum_hosts)
    assert "newer than any backup" in advice.first and "quorum restore" not in advice.first


# -- what is checked, and what is put back


def quorum(place: Place) -> Quorum:
    base = place.decided
    told: dict[str, Any] = {
        name: getattr(base, name)
        for name in ("cluster", "stamp", "recovery", "others", "waits", "stopped", "kept", "data_size")
    }
    return Quorum(**told, lost="Nothing is lost.", alone=True, revision=4)


def run_step(place: Place) -> list[str]:
    """What forbids the script now."""
    step = next(s for s in restore_quorum._procedure("q", quorum(place), ()).steps if s.key == "restore")
    return [v.reason for check in step.prechecks if not (v := check(place.context)).allowed]


def stopped(place: Place) -> None:
    place.runs()
    for step in restore_quorum._procedure("q", quorum(place), ()).steps:
        if step.key.startswith(("stop", "aside", "safe")):
            subprocess.run(step.argv, capture_output=True, check=True)


def test_the_script_runs_only_on_data_that_is_there(newest: Place) -> None:
    stopped(newest)
    assert run_step(newest) == []
    data = newest.one.at("/var/lib/etcd/member")
    data.rename(data.with_name("elsewhere"))
    assert any("it would begin empty" in said for said in run_step(newest))


def test_nor_while_a_host_that_is_said_to_be_off_answers(newest: Place) -> None:
    stopped(newest)
    newest.decided = replace(newest.decided, others=(replace(newest.other, reached=False),))
    said = run_step(newest)
    assert len(said) == 1 and "masternode2 answers by SSH again" in said[0]


def test_an_etcd_with_less_than_its_data_had_is_not_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    told = decided(seen(900, 950, 900))
    runner = FakeRunner("masternode2")
    monkeypatch.setattr(restore_quorum, "access_of", lambda decided, world: ClientAccess())
    runner.on("member", "list", out=member_list("masternode2"))
    step = restore_quorum._procedure("q", told, ()).step("etcd")
    assert step.verify is not None
    world = cast(Context, FakeWorld(healthy(), runner))
    runner.on("endpoint", "status", out=status(cast(Any, told), revision=960))
    assert "Nothing of it is lost" in step.verify(world).reason
    runner.on("endpoint", "status", out=status(cast(Any, told), revision=949))
    assert not step.verify(world).allowed and "that is not its data" in step.verify(world).reason
    runner.on("member", "list", out=member_list("masternode9"))
    assert "is not itself alone" in step.verify(world).reason


def test_the_way_back_knows_it_and_the_hosts_own_script(newest: Place) -> None:
    """The data as it was comes from the copy; what etcd wrote on into it is kept."""
    mark(newest)
    stopped(newest)
    assert Path(stopped_by(newest.two), "etcd-pod.yaml").exists()
    one = newest.one
    one.at("/var/lib/etcd/member/old").write_text("written on")
    one.at("/etc/kubernetes/manifests/etcd-pod.yaml").write_text("quorum restore pod")
    run = replace(
        run_of(newest, ["stop etcd masternode2", "safe", "restore"]),
        kind="quorum-restore",
        parameters=quorum(newest).parameters(),
    )
    made = restore_undo.plan(run, procedure_id="undo-1", stamp="20260921-160000")
    assert made.title.endswith("back to before the quorum restore on masternode1")
    assert not any("kube-apiserver" in step.key for step in made.steps)
    carry_out(newest, made)
    for each in (one, newest.two):
        assert each.at("/var/lib/etcd/member/old").read_text() == OLD
    old_again(newest.two)
    assert one.at("/etc/kubernetes/manifests/etcd-pod.yaml").read_text() == "etcd"
    assert one.at("/var/lib/etcd/member-restore-20260921-160000/old").read_text() == "written on"
    again = restore_undo.rebuild(restore_undo.KIND, made.id, "prod", made.parameters)
    assert [(s.key, s.argv) for s in again.steps] == [(s.key, s.argv) for s in made.steps]


def test_the_way_back_before_the_script_ran_moves_the_data_nowhere(newest: Place) -> None:
    mark(newest)
    stopped(newest)
    run = replace(
        run_of(newest, ["stop etcd masternode2", "safe"]),
        kind="quorum-restore",
        parameters=quorum(newest).parameters(),
    )
    carry_out(newest, restore_undo.plan(run, procedure_id="undo-1", stamp="20260921-160000"))
    old_again(newest.one)
    old_again(newest.two)
    assert safe_steps(quorum(newest))[1].done is not None
