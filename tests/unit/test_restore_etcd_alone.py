"""The restore of OpenShift 4.18 and newer: etcd alone is stopped, and rolls out by itself."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from etcdtui.lab import tree
from etcdtui.lab.eras import ERAS
from etcdtui.model.quorum import Verdict
from etcdtui.platforms.guard import GUARD
from etcdtui.platforms.objects import ETCD, OPERATORS
from etcdtui.procedures import restore, restore_etcd_alone
from etcdtui.procedures.procedure import Action, Context, Procedure, Reporter, Step
from etcdtui.procedures.restore_decided import Decided
from etcdtui.procedures.restore_look import Looked
from etcdtui.procedures.restore_state import all_stopped
from etcdtui.procedures.restore_words import heard
from tests.procedures import FakeWorld
from tests.unit.test_restore_plan import keys, looked, placed, plan, report, step_of, survivors
from tests.unit.test_restore_steps import Host, Place, Quiet, place
from tests.views import endpoint, gone, healthy

__all__ = ["place"]

NEWEST = ERAS["newest"]
SCRIPT = tree.script(NEWEST, NEWEST.scripts["cluster-restore.sh"])
BESIDE = frozenset({"disable-etcd.sh", "quorum-restore.sh", "quorum-restore-pod.yaml"})
NODES = ("masternode1", "masternode2", "masternode3")


def seen(*, beside: frozenset[str] = BESIDE, **changes: Any) -> Looked:
    reports = {n: report(n, script=SCRIPT, beside=beside) for n in (1, 2, 3)}
    return looked(placed(), reports=reports, found=survivors(900, 900, 900, running=frozenset({3})))


def made() -> Procedure:
    return plan(seen())


def decided() -> Decided:
    return restore.decided_of(made())


# -- the plan


def test_etcd_alone_is_stopped_by_the_hosts_own_script() -> None:
    steps = [key for key in keys(made()) if not key.startswith("accept")]
    assert steps[:5] == ["check", "prove", "deliver", "fresh", "without"]
    assert steps[5:] == [
        "begin",
        *("stop etcd masternode1", "aside masternode1", "stop etcd masternode2", "aside masternode2"),
        *("stop etcd masternode3", "safe", "restore", "etcd", "keys", "api"),
        *("asking", "approve client", "nodes", "approve serving"),
        *("redeploy etcd", "members", "stable", "approve late", "whole", "write", "past", "watchers"),
        *("take", "verify", "bring", "prove anew", "manifest", "report"),
    ]
    stop = step_of(made(), "stop etcd masternode1")
    assert stop.action is Action.JOB and stop.argv == ("sudo", "-n", "/usr/local/bin/disable-etcd.sh")
    assert "/home/core/assets/manifests-stopped/etcd-pod.yaml" in stop.cancel
    assert not stop.skippable and not step_of(made(), "aside masternode1").skippable


def test_where_the_script_is_missing_its_manifest_is_moved_by_us() -> None:
    stop = plan(seen(beside=frozenset())).step("stop etcd masternode1")
    assert stop.action is Action.COMMAND and "mv -n" in " ".join(stop.argv)


def test_one_host_that_is_updated_already_does_not_change_the_way_of_the_recovery_host() -> None:
    reports = {n: report(n, **({"script": SCRIPT, "beside": BESIDE} if n == 1 else {})) for n in (1, 2, 3)}
    found = survivors(900, 900, 900, running=frozenset({3}))
    told = restore.decided_of(plan(looked(placed(), reports=reports, found=found), host="masternode3"))
    assert not told.alone and not any(m.disabled for m in told.others)
    assert not decided().recovery.disabled and all(m.disabled for m in decided().others)


def test_it_is_made_again_from_its_record_step_by_step() -> None:
    first = made()
    again = restore.rebuild("restore", first.id, "prod", dict(first.parameters))
    assert [(s.key, s.host, s.argv, s.gate) for s in again.steps] == [
        (s.key, s.host, s.argv, s.gate) for s in first.steps
    ]
    assert restore.decided_of(again) == restore.decided_of(first)


def test_every_step_has_an_estimate_and_the_patch_is_shown() -> None:
    assert all(restore.seconds(step, decided()) > 0 for step in made().steps)
    assert "forceRedeploymentReason" in " ".join(step_of(made(), "redeploy etcd").argv)


# -- what the scripts print and do


def test_the_box_is_understood() -> None:
    before = "...stopping etcd-pod.yaml\nWaiting for container etcd to stop\n..complete\n"
    moved = f"{before}Moving etcd data-dir /var/lib/etcd/member to /var/lib/etcd-backup\n"
    told = heard(f"{moved}starting restore-etcd static pod\n##\n#  SNAPSHOT RESTORE COMPLETED  #\n##\n")
    assert told.completed and told.restoring and not told.trouble
    assert "calls the restore completed" in told.sentence
    full = heard(f"{moved}folder /var/lib/etcd is not empty, please review and remove all files in it\n")
    assert "other things" in full.trouble and full.destroyed and not full.completed


@pytest.fixture
def newest(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The two hosts with the scripts of that release, as a lab has them."""
    monkeypatch.setenv("LAB_SUDO", "yes")
    for host in (place.one, place.two):
        scripts = {"/usr/local/bin/disable-etcd.sh": "disable-etcd.sh"}
        folder = "/etc/kubernetes/static-pod-resources/etcd-certs/configmaps/etcd-scripts"
        for path, name in {**scripts, f"{folder}/etcd-common-tools": "etcd-common-tools"}.items():
            host.at(path).write_text(tree.script(NEWEST, name).replace("@ROOT@", str(host.root)))
            host.at(path).chmod(0o755)
        host.at(f"{folder}/etcd.env").write_text('export ETCDCTL_API="3"\n')
    other = replace(place.other, disabled=stopped_by(place.two))
    place.decided = replace(place.decided, others=(other,), alone=True, waits=("etcd", "etcdctl", "etcd-rev"))
    return place


def stopped_by(host: Host) -> str:
    return str(host.root / "home/core/assets/manifests-stopped")


def stop_of(place: Place) -> Step:
    return next(s for s in restore_etcd_alone.stop(place.decided) if s.key == "stop etcd masternode2")


def test_the_real_script_stops_etcd_and_leaves_the_rest(newest: Place) -> None:
    stop = stop_of(newest)
    assert stop.verify is not None
    assert not stop.verify(newest.context).allowed
    newest.runs()
    said = subprocess.run(stop.argv, capture_output=True, text=True, check=True).stdout
    assert heard(said).stopped == ("etcd",) and "etcd-rev" in heard(said).ended
    assert Path(stopped_by(newest.two), "etcd-pod.yaml").read_text() == "etcd"
    assert newest.two.at("/etc/kubernetes/manifests/kube-apiserver-pod.yaml").exists()
    found = stop.verify(newest.context)
    assert found.allowed and f"its manifest is {stopped_by(newest.two)}/etcd-pod.yaml" in found.reason
    subprocess.run(stop.argv, capture_output=True, check=True)  # twice does no harm
    newest.runs("etcd-rev")
    assert "etcd-rev still runs" in stop.verify(newest.context).reason
    newest.runs()
    newest.do("aside masternode2")
    assert all_stopped(newest.decided)(newest.context).allowed


def test_the_revision_stays_where_the_script_takes_it_from(newest: Place) -> None:
    newest.runs()
    newest.do("stop etcd masternode1")
    newest.one.at("/var/lib/etcd/revision.json").write_text('{"maxRaftIndex": 900}')
    newest.one.at("/var/lib/etcd/member-removed-archive-1/db").write_text("old")
    for _ in range(2):
        newest.do("safe")
        assert newest.is_so("safe")[0], newest.is_so("safe")
    data = newest.one.at("/var/lib/etcd/member").parent
    assert {p.name for p in data.iterdir()} == {"member", "revision.json"}
    assert Path(newest.decided.safe, "revision.json").read_text() == '{"maxRaftIndex": 900}'


# -- the rollout


class Operators:
    """The API after a restore. ``moves`` is called before each look at etcd's operator."""

    def __init__(self, moves: Callable[[Operators], None] = lambda api: None) -> None:
        self.moves, self.reason, self.guard, self.latest = moves, "", "", 7
        self.nodes = dict.fromkeys(NODES, 7)
        self.world = FakeWorld(healthy(endpoints=(endpoint(1), gone(2), gone(3))))
        self.world.objects = lambda: self  # type: ignore[method-assign, assignment, return-value]
        self.unsettled: list[str] = []

    def whole(self) -> None:
        self.latest = 8
        self.nodes = dict.fromkeys(NODES, 8)
        self.world.shown = healthy()

    def get(self, path: str) -> dict[str, Any]:
        assert path == ETCD
        self.moves(self)
        statuses = [{"nodeName": n, "currentRevision": at} for n, at in self.nodes.items()]
        told = {"type": "TargetConfigControllerDegraded", "status": "True", "message": self.guard}
        return {
            "spec": {"forceRedeploymentReason": self.reason},
            "status": {
                "latestAvailableRevision": self.latest,
                "nodeStatuses": statuses,
                "conditions": [told] if self.guard else [],
            },
        }

    def get_list(self, path: str) -> list[dict[str, Any]]:
        assert path == OPERATORS
        name = self.unsettled.pop(0) if self.unsettled else ""
        told = {"Available": "True", "Progressing": str(bool(name)), "Degraded": "False"}
        conditions = [{"type": k, "status": v, "message": "rolling"} for k, v in told.items()]
        return [{"metadata": {"name": name or "etcd"}, "status": {"conditions": conditions}}]

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.reason = body["spec"]["forceRedeploymentReason"]
        return {}


def work(api: Operators, key: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Verdict, list[str]]:
    monkeypatch.setattr(restore_etcd_alone, "PAUSE", 0.0)
    step, quiet = step_of(made(), key), Quiet()
    assert step.work is not None
    return step.work(cast(Context, api.world), cast(Reporter, quiet)), quiet.said


def clocked(api: Operators, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock takes ten seconds."""
    now = iter(range(0, 1_000_000, 10))
    monkeypatch.setattr(api.world, "now", lambda: float(next(now)))


def test_a_rollout_that_comes_by_itself_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(100))
    api = Operators(lambda api: api.whole() if next(looks) == 3 else None)
    verdict, said = work(api, "redeploy etcd", monkeypatch)
    assert verdict.allowed and api.reason == ""
    assert any("of 3 vote and are well; " in line for line in said)


def test_one_that_does_not_come_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Operators(lambda api: api.whole() if api.reason else None)
    clocked(api, monkeypatch)
    verdict, said = work(api, "redeploy etcd", monkeypatch)
    assert verdict.allowed and api.reason == f"recovery-{decided().stamp}-from-7"
    assert any("Nothing has moved for 5 minutes" in line for line in said)


def test_a_guard_that_holds_it_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Operators()
    api.guard = "etcd cluster has quorum of 1 which is not fault tolerant"
    clocked(api, monkeypatch)
    verdict, _ = work(api, "redeploy etcd", monkeypatch)
    assert not verdict.allowed and "Its guard holds it" in verdict.reason
    assert GUARD in verdict.reason and "try this step again" in verdict.reason


def test_the_operators_have_to_stay_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Operators()
    api.unsettled = ["etcd", "", "kube-apiserver"]
    clocked(api, monkeypatch)
    verdict, said = work(api, "stable", monkeypatch)
    assert verdict.allowed and "kube-apiserver is at work: rolling." in said
    assert said[-1] == "Every operator is settled, and must stay so for 60 s."


def test_an_operator_that_never_settles_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Operators()
    api.unsettled = ["network"] * 10_000
    clocked(api, monkeypatch)
    verdict, _ = work(api, "stable", monkeypatch)
    assert not verdict.allowed and "network is at work" in verdict.reason


def test_without_a_kubeconfig_the_human_waits_and_is_told_how() -> None:
    told = replace(decided(), api=False)
    steps = restore_etcd_alone.rollout(told)
    assert [s.key for s in steps] == ["by hand"]
    assert "oc adm wait-for-stable-cluster" in steps[0].why and "forceRedeploymentReason" in steps[0].why
