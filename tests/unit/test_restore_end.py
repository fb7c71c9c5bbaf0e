"""The end of a restore: sampled keys, pods and operators, a write, who watches the past, the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from etcdtui.etcd.commands import ClientAccess
from etcdtui.etcd.contents import Contents
from etcdtui.model.platform import OPERATORS, OperatorFacts, PodFacts
from etcdtui.model.quorum import Verdict
from etcdtui.model.readings import Reading
from etcdtui.procedures import restore_end, restore_etcd, restore_keys, restore_past, restore_report
from etcdtui.procedures.procedure import Context, Gate, GateKind, Reporter, Step
from etcdtui.procedures.restore_decided import Ack, Decided, Standstill
from etcdtui.text import grouped
from tests.procedures import FakeRunner, FakeWorld
from tests.snapshotfiles import REAL
from tests.unit.test_restore_back import RAISED, decided, raised
from tests.unit.test_restore_quorum import decided as quorum
from tests.unit.test_restore_quorum import seen
from tests.unit.test_restore_steps import Quiet
from tests.views import NAMES, NOW, api, healthy


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Decided, FakeRunner, FakeWorld]:
    told = decided()
    (tmp_path / told.backup.snapshot.name).write_bytes(REAL["3.5.1"])
    told = replace(told, backup=replace(told.backup, host="", directory=str(tmp_path)))
    runner = FakeRunner(told.recovery.host)
    for module in (restore_etcd, restore_keys, restore_end):
        monkeypatch.setattr(module, "access_of", lambda decided, world: ClientAccess())
    return told, runner, FakeWorld(healthy(), runner)


def work(step: Step, world: FakeWorld) -> tuple[Verdict, list[str]]:
    assert step.work is not None
    quiet = Quiet()
    return step.work(cast(Context, world), cast(Reporter, quiet)), quiet.said


# -- sampled keys


def entries(told: Decided) -> list[Any]:
    with Contents(Path(told.backup.directory) / told.backup.snapshot.name) as contents:
        return list(contents.live())


def answering(
    runner: FakeRunner, told: Decided, *, off: int = 0, without: bool = False, many: int = 99
) -> None:
    """``many`` of them are ``off``, or not there."""
    runner.on("get", "--limit=1", out=json.dumps({"header": {}, "kvs": [], "count": told.backup.live_keys}))
    for number, entry in enumerate(entries(told)):
        other = number < many
        revision = entry.revision[0] + (off if other else 0)
        kvs = [] if without and other else [{"key": "eA==", "mod_revision": revision, "version": 1}]
        runner.on("get", entry.text, out=json.dumps({"header": {}, "kvs": kvs, "count": len(kvs)}))


def test_sampled_keys_of_the_snapshot_are_looked_up_without_their_values(
    asked: tuple[Decided, FakeRunner, FakeWorld],
) -> None:
    told, runner, world = asked
    living = entries(told)
    told = replace(told, backup=replace(told.backup, live_keys=len(living)))
    answering(runner, told)
    found, _ = work(restore_keys.keys_step(told), world)
    chosen = restore_keys.samples(living, total=len(living))
    assert found.allowed and f"{len(chosen)} keys of the backup" in found.reason
    assert len(runner.ran) == len(chosen) + 1 > 2
    assert all("--keys-only" in argv and "--rev=800" in argv for argv in runner.ran)


def test_a_key_that_is_not_there_or_another_one_is_not_the_backup(
    asked: tuple[Decided, FakeRunner, FakeWorld],
) -> None:
    told, runner, world = asked
    answering(runner, told, without=True)
    found, _ = work(restore_keys.keys_step(told), world)
    assert not found.allowed and "is in the backup, and not in etcd" in found.reason
    answering(runner, told, off=1)
    found, _ = work(restore_keys.keys_step(told), world)
    assert not found.allowed and "that is not the backup" in found.reason


def test_where_the_revision_was_raised_they_are_looked_up_at_the_raised_one(
    asked: tuple[Decided, FakeRunner, FakeWorld],
) -> None:
    told, runner, world = asked
    living = len(entries(told))
    told = replace(told, backup=replace(told.backup, live_keys=living))
    answering(runner, told)
    raised(told, runner, living)
    found, _ = work(restore_keys.keys_step(told), world)
    looked_up = [argv for argv in runner.ran if "get" in argv and "--limit=1" not in argv]
    assert found.allowed and "as they were" in found.reason
    assert looked_up and all(f"--rev={RAISED}" in argv for argv in looked_up)
    answering(runner, told, off=1, many=1)
    raised(told, runner, living)
    found, _ = work(restore_keys.keys_step(told), world)
    assert not found.allowed and "that is not the backup" in found.reason


def test_what_may_have_been_written_since_is_no_proof_against_the_backup_unless_it_is_all(
    asked: tuple[Decided, FakeRunner, FakeWorld],
) -> None:
    told, runner, world = asked
    living = len(entries(told))
    told = replace(told, bump=False, alone=True, backup=replace(told.backup, live_keys=living))
    answering(runner, told, off=1, many=1)
    raised(told, runner, living, to=15_000)
    found, _ = work(restore_keys.keys_step(told), world)
    assert found.allowed and "1 of them may have been changed since" in found.reason
    answering(runner, told, without=True)
    raised(told, runner, living, to=15_000)
    found, _ = work(restore_keys.keys_step(told), world)
    assert not found.allowed and "Not one key of the backup is as it was" in found.reason


def test_samples_are_spread_over_the_whole_snapshot() -> None:
    from etcdtui.etcd.contents import Entry

    many = [Entry(f"/k/{n:04}".encode(), (n, 0), 1) for n in range(1000)]
    chosen = restore_keys.samples(many, total=1000)
    assert len(chosen) == restore_keys.SAMPLES
    assert chosen[0] is many[0] and chosen[-1] is many[-1] and many[400] < chosen[4] < many[700]
    assert restore_keys.samples(many[:3], total=3) == many[:3]
    assert restore_keys.samples([Entry(b"\xff\x00", (1, 0), 1)], total=1) == []


# -- a write


def test_a_key_is_written_read_and_deleted(asked: tuple[Decided, FakeRunner, FakeWorld]) -> None:
    told, runner, world = asked
    (step,) = [s for s in restore_end.end_steps(told) if s.key == "write"]
    runner.on("put", out="{}")
    runner.on("get", out='{"count":1}')
    runner.on("del", out='{"deleted":1}')
    found, said = work(step, world)
    assert found.allowed and [line.split()[0] for line in said] == ["put", "get", "del"]
    runner.on("put", status=1, err="Error: etcdserver: mvcc: database space exceeded\n")
    found, _ = work(step, world)
    assert not found.allowed and "does not put" in found.reason
    runner.on("put", out="{}")
    runner.on("get", out="{}")
    found, _ = work(step, world)
    assert not found.allowed and "and is not found there" in found.reason


# -- pods and operators


def test_pods_that_are_not_ready_and_operators_at_work_are_named() -> None:
    told = decided()
    pods = tuple(PodFacts(f"etcd-{n}", n, 4, 4, "Running") for n in NAMES)
    calm = tuple(
        OperatorFacts(n, True, False, False)
        for n in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    )
    well = healthy(api=api(pods=pods, operators=calm))
    assert restore_end.unsettled(told, well) == ""
    short = replace(pods[1], ready=3)
    said = restore_end.unsettled(told, healthy(api=api(pods=(pods[0], short, pods[2]), operators=calm)))
    assert said == "etcd pods not ready: masternode2 3/4."
    busy = (replace(calm[0], progressing=True), *calm[1:3], replace(calm[3], available=False))
    said = restore_end.unsettled(told, healthy(api=api(pods=pods, operators=busy)))
    assert said == "Operators are not settled: etcd is at work and kube-scheduler is not available."


def test_a_cluster_of_one_voter_is_whole_as_far_as_it_goes_while_the_other_hosts_are_off(
    asked: tuple[Decided, FakeRunner, FakeWorld],
) -> None:
    told, runner, world = asked
    told = replace(told, others=tuple(replace(one, reached=False) for one in told.others))
    members = healthy().members.value
    assert members is not None
    alone = tuple(m for m in members.members if m.name == told.recovery.node)
    calm = tuple(OperatorFacts(n, True, False, False) for n in OPERATORS)
    pods = (PodFacts("etcd-one", told.recovery.node, 4, 4, "Running"),)
    world.shown = healthy(
        members=Reading(replace(members, members=alone), NOW - 1), api=api(pods=pods, operators=calm)
    )
    runner.on("alarm", out=json.dumps({"header": {}}))
    (step,) = [s for s in restore_end.end_steps(told) if s.key == "whole"]
    assert step.verify is not None
    verdict = step.verify(cast(Context, world))
    assert verdict.allowed, verdict.reason
    assert "the control plane has 3 nodes" in verdict.reason
    everybody = replace(told, others=tuple(replace(one, reached=True) for one in told.others))
    (step,) = [s for s in restore_end.end_steps(everybody) if s.key == "whole"]
    assert step.verify is not None and not step.verify(cast(Context, world)).allowed


def test_an_operator_that_misses_a_host_that_is_off_holds_nothing_up() -> None:
    told = decided()
    told = replace(told, others=(replace(told.others[0], reached=False), *told.others[1:]))
    pods = tuple(PodFacts(f"etcd-{n}", n, 4, 4, "Running") for n in NAMES)
    at_work = OperatorFacts("etcd", True, True, True)
    assert restore_end.unsettled(told, healthy(api=api(pods=pods, operators=(at_work,)))) == ""
    away = replace(at_work, available=False)
    said = restore_end.unsettled(told, healthy(api=api(pods=pods, operators=(away,))))
    assert said == "Operators are not settled: etcd is not available."


# -- who watches the past


class Found(FakeWorld):
    """With what the steps before have found."""

    def __init__(self, *, etcd: int = 0, safe: int = 0) -> None:
        super().__init__(healthy())
        self.told = {
            "etcd": f"etcd of masternode1 is healthy and alone, revision {grouped(etcd)}, all 9 keys."
            if etcd
            else "",
            "safe": f"The data of masternode1 is kept in /safe, revision {grouped(safe)}." if safe else "",
        }


def watchers(told: Standstill, world: FakeWorld) -> tuple[Gate, str]:
    (step,) = [s for s in restore_end.end_steps(told) if s.key == "watchers"]
    assert step.ask is not None
    return step.ask(cast(Context, world)), step.prechecks[0](cast(Context, world)).reason


def test_without_a_bump_whoever_watches_has_to_be_restarted_whatever_was_written_since() -> None:
    told = replace(decided(), seen=10_000)
    world = Found(etcd=told.backup.revision + 3, safe=10_400)
    assert max(e.status.value.revision for e in world.view().endpoints if e.status.value) < 10_000
    for planned in (10_000, 10):  # rollouts have written past what was seen when it was planned
        gate, said = watchers(replace(told, seen=planned), world)
        assert gate.kind is GateKind.CONFIRM and "10 400" in gate.prompt.replace("\u202f", " ")
        assert "not raised" in said and said.startswith("etcd began again at revision ")
        assert "the kubelets" in gate.prompt, "what is meant stands in the question, not above it"
    left = " ".join(restore_end.what_is_left(told, cast(Context, world)))
    assert "Restart the operators" in left


def test_a_quorum_restore_ends_with_how_it_ended_and_says_of_numbers_above_that_they_are_above() -> None:
    told = quorum(seen(900, 950, 900))
    told = replace(told, accept=(Ack("unknown", "", "", "go on"),))
    world = Found(etcd=1017, safe=950)
    (step,) = [s for s in restore_end.end_steps(told, last=True) if s.key == "watchers"]
    said = step.prechecks[0](cast(Context, world)).reason
    assert said.startswith(f"{told.cluster} goes on with the data of {told.recovery.host}. All 3 voters")
    assert "numbers that other writes had before" in said and "not raised" not in said
    assert "Restart the operators" in said


def test_a_bump_right_after_the_restore_makes_watchers_list_anew() -> None:
    told = replace(decided(), seen=10_000)
    gate, said = watchers(told, Found(etcd=told.backup.revision + 1_000_000, safe=10_400))
    assert gate.kind is GateKind.NONE and restore_past.RELIST in said


def test_a_revision_that_nobody_saw_right_after_the_restore_is_no_relist() -> None:
    gate, said = watchers(replace(decided(), seen=10_000), Found(safe=10_400))
    assert gate.kind is GateKind.CONFIRM and "not known" in said


def test_the_newest_survivor_goes_on_where_everybody_was() -> None:
    told = quorum(seen(900, 950, 900))
    gate, _ = watchers(told, Found(etcd=951, safe=950))
    assert gate.kind is GateKind.NONE
    gate, _ = watchers(replace(told, seen=980), Found(etcd=951, safe=950))
    assert gate.kind is GateKind.CONFIRM


def test_the_revision_is_read_from_the_sentence_of_the_step_itself() -> None:
    for number in (7, 1234, 1_000_000_950):
        assert restore_etcd.revision_in(f"It is alone, revision {grouped(number)}, all 12 keys") == number
        assert restore_etcd.revision_in(f"kept in /a, revision {grouped(number)}.") == number
    assert restore_etcd.revision_in("etcd answers, and has 3 members already.") == 0


# -- the report


def test_the_report_is_kept_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    told = replace(decided(), seen=10_000)
    step = restore_report.report_steps("restore-1", told)[-1]
    found, _ = work(step, Found())
    (path,) = tmp_path.rglob("restore-prod-*.md")
    assert found.allowed and str(path) in found.reason and "must look at it" in found.reason
    assert path.stat().st_mode & 0o077 == 0 and path.parent.stat().st_mode & 0o077 == 0
    text = path.read_text()
    assert told.safe in text and all(told.data_aside(m) in text for m in told.reached)
    assert text.count("- [ ] ") == len(restore_report.OWNERS)


def test_a_new_backup_is_offered_on_the_recovery_host_and_goes_into_every_store() -> None:
    told = replace(decided(), stores=("nexus",), newest="2026-09-21_020000")
    steps = restore_report.report_steps("restore-1", told)
    assert [s.key for s in steps] == [
        *("take", "verify", "bring", "prove anew", "store nexus", "manifest"),
        "report",
    ]
    assert steps[0].host == told.recovery.host and steps[0].done is None and steps[0].gate.optional


def test_no_backup_is_offered_that_would_be_refused_while_a_host_is_off() -> None:
    told = decided()
    told = replace(told, others=(replace(told.others[0], reached=False), *told.others[1:]))
    assert [s.key for s in restore_report.report_steps("restore-1", told)] == ["report"]
    left = " ".join(restore_end.what_is_left(told, cast(Context, Found())))
    assert "masternode2 is missing, and must stay off until built anew with empty disks" in left
    assert "then it joins by itself" in left and "Take a backup after that" in left
