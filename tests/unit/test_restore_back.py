"""After the script: only an etcd that answers, alone, with the keys of the backup, is success."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from etcdtui.etcd.commands import ClientAccess
from etcdtui.model.quorum import Verdict
from etcdtui.platforms.operators import OPERATORS
from etcdtui.procedures import restore, restore_end, restore_etcd, restore_rollout
from etcdtui.procedures.procedure import Context, Reporter
from etcdtui.procedures.restore_decided import Decided
from tests.procedures import FakeRunner, FakeWorld
from tests.unit.test_restore_plan import looked, lost, placed, plan, survivors
from tests.unit.test_restore_steps import Quiet
from tests.views import NOW, endpoint, gone, healthy


def decided() -> Decided:
    found = survivors(900, 900, 900, running=frozenset({1}))
    return restore.decided_of(plan(looked(placed(revision=800), found=found)))


def member_list(*names: str) -> str:
    rows = [{"ID": n, "name": name, "clientURLs": ["https://x:2379"]} for n, name in enumerate(names, 1)]
    return json.dumps({"header": {"cluster_id": 1, "member_id": 1}, "members": rows})


def status(told: Decided, *, revision: int = 810, leader: int = 1) -> str:
    header = {"cluster_id": 1, "member_id": 1, "revision": revision, "raft_term": 2}
    row = {"header": header, "version": "3.5.1", "dbSize": 1, "leader": leader, "raftIndex": 9, "raftTerm": 2}
    return json.dumps([{"Endpoint": told.recovery.client_url, "Status": row}])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> tuple[Decided, FakeRunner, FakeWorld]:
    """The recovery host as it should be after a restore."""
    told = decided()
    runner = FakeRunner(told.recovery.host)
    monkeypatch.setattr(restore_etcd, "access_of", lambda decided, world: ClientAccess())
    runner.on("member", "list", out=member_list(told.recovery.node))
    runner.on("endpoint", "status", out=status(told))
    runner.on("get", "--limit=1", out='{"header":{},"kvs":[{"key":"YQ=="}],"more":true,"count":700}')
    return told, runner, FakeWorld(healthy(), runner)


def verdict(told: Decided, world: FakeWorld) -> Verdict:
    return restore_etcd.restored(told)(cast(Context, world))


def test_one_member_with_exactly_the_keys_of_the_backup(
    asked: tuple[Decided, FakeRunner, FakeWorld],
) -> None:
    told, runner, world = asked
    found = verdict(told, world)
    assert found.allowed and "all 700 keys of the backup" in found.reason
    assert any("--rev=800" in argv for argv in runner.ran)


def test_what_was_written_after_the_plan_was_seen_too(asked: tuple[Decided, FakeRunner, FakeWorld]) -> None:
    told, runner, world = asked
    runner.on("endpoint", "status", out=status(told, revision=1_000))
    assert "; above 900, the last that anybody saw" in verdict(told, world).reason
    world.told["safe"] = "The data of masternode1 is kept in /x, revision 1\u202f400."
    assert "the last that anybody saw" not in verdict(told, world).reason


def test_anything_else_is_not_the_backup(asked: tuple[Decided, FakeRunner, FakeWorld]) -> None:
    told, runner, world = asked
    runner.on("get", "--limit=1", out='{"header":{},"count":699}')
    assert "has 699 keys, the backup has 700: that is not the backup" in verdict(told, world).reason
    runner.on("endpoint", "status", out=status(told, revision=799))
    assert "that is not the backup" in verdict(told, world).reason
    runner.on("endpoint", "status", out=status(told, leader=0))
    assert "no leader yet" in verdict(told, world).reason
    runner.on("member", "list", out=member_list("masternode7"))
    assert "is not itself alone" in verdict(told, world).reason
    runner.on("member", "list", status=1, err="Error: context deadline exceeded\n")
    assert "does not answer yet" in verdict(told, world).reason
    assert not verdict(told, world).allowed


def test_where_the_revision_is_compacted_already_the_keys_are_not_claimed(
    asked: tuple[Decided, FakeRunner, FakeWorld],
) -> None:
    told, runner, world = asked
    runner.on("get", "--limit=1", status=1, err="etcdserver: mvcc: required revision has been compacted")
    told = replace(told, bump=False)
    found = verdict(told, world)
    assert found.allowed and "keys" not in found.reason


RAISED = 1_000_000_800
COMPACTED = "etcdserver: mvcc: required revision has been compacted"


def raised(told: Decided, runner: FakeRunner, count: int, *, to: int = RAISED) -> None:
    """What came before the raised revision is forgotten; a watch from there says up to where."""
    runner.on("endpoint", "status", out=status(told, revision=to + 12))
    runner.on("get", "--rev=800", status=1, err=COMPACTED)
    said = (
        f'{{"Header":{{"raft_term":2}},"Events":[],"CompactRevision":{to},"Canceled":true,"Created":false}}'
    )
    runner.on("watch", "--rev=800", status=1, out=said, err="Error: watch is canceled by the server\n")
    runner.on(
        "get", "--limit=1", f"--rev={to}", out=f'{{"header":{{}},"kvs":[{{"key":"YQ=="}}],"count":{count}}}'
    )


def test_where_the_revision_was_raised_the_keys_are_counted_at_the_raised_one(
    asked: tuple[Decided, FakeRunner, FakeWorld],
) -> None:
    told, runner, world = asked
    assert told.bump
    raised(told, runner, 700)
    found = verdict(told, world)
    assert found.allowed and "all 700 keys of the backup; above 900" in found.reason
    assert "revision 1\u202f000\u202f000\u202f812" in found.reason
    raised(told, runner, 699)
    found = verdict(told, world)
    assert not found.allowed and "has 699 keys, the backup has 700: that is not the backup" in found.reason


def test_by_how_much_another_script_raises_it_is_not_known_so_nothing_is_called_wrong(
    asked: tuple[Decided, FakeRunner, FakeWorld],
) -> None:
    told, runner, world = asked
    told = replace(told, bump=False, alone=True)
    raised(told, runner, 700, to=15_000)
    assert "all 700 keys of the backup" in verdict(told, world).reason
    raised(told, runner, 699, to=15_000)
    found = verdict(told, world)
    assert found.allowed and "keys" not in found.reason
    runner.on("watch", "--rev=800", status=1, err="Error: context deadline exceeded\n")
    assert verdict(told, world).allowed and "keys" not in verdict(told, world).reason


# -- rollouts


class Operator:
    """An operator's resource; ``installs`` revisions are gone through, one at each look."""

    def __init__(self, latest: int, nodes: tuple[str, ...]) -> None:
        self.reason, self.latest, self.nodes = "", latest, dict.fromkeys(nodes, latest)
        self.patched: list[str] = []

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.reason = body["spec"]["forceRedeploymentReason"]
        self.patched.append(self.reason)
        return {}

    def get(self, path: str) -> dict[str, Any]:
        assert path == OPERATORS["etcd"]
        if self.reason and self.latest == 7:
            self.latest = 8
        elif behind := [name for name, at in self.nodes.items() if at != self.latest]:
            self.nodes[behind[0]] = self.latest
        statuses = [{"nodeName": n, "currentRevision": at} for n, at in self.nodes.items()]
        return {
            "spec": {"forceRedeploymentReason": self.reason},
            "status": {"latestAvailableRevision": self.latest, "nodeStatuses": statuses},
        }


def redeploy(told: Decided, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Verdict:
    monkeypatch.setattr(restore_rollout, "PAUSE", 0.0)
    world = FakeWorld(lost())
    world.objects = lambda: operator  # type: ignore[method-assign, assignment, return-value]
    step = next(s for s in restore_rollout.rollout_steps(told) if s.key == "redeploy etcd")
    assert step.work is not None
    return step.work(cast(Context, world), cast(Reporter, Quiet()))


NODES = ("masternode1", "masternode2", "masternode3")


def test_a_rollout_is_done_when_every_node_has_a_newer_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    told, operator = decided(), Operator(7, NODES)
    assert redeploy(told, operator, monkeypatch).allowed
    assert operator.nodes == dict.fromkeys(NODES, 8)
    assert operator.patched == [f"recovery-{told.stamp}-from-7"]


def test_it_is_asked_for_once_also_after_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    told, operator = decided(), Operator(8, NODES)
    operator.reason = f"recovery-{told.stamp}-from-7"
    assert redeploy(told, operator, monkeypatch).allowed
    assert operator.patched == []


def test_nodes_that_are_off_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    told = decided()
    told = replace(told, others=tuple(replace(m, reached=False) for m in told.others))
    operator = Operator(8, (told.recovery.node,))
    operator.reason = f"recovery-{told.stamp}-from-7"
    operator.nodes["masternode9"] = 3
    operator.get = _still(operator)  # type: ignore[method-assign]
    assert redeploy(told, operator, monkeypatch).allowed


def _still(operator: Operator) -> Any:
    def get(path: str) -> dict[str, Any]:
        statuses = [{"nodeName": n, "currentRevision": at} for n, at in operator.nodes.items()]
        return {
            "spec": {"forceRedeploymentReason": operator.reason},
            "status": {"latestAvailableRevision": 8, "nodeStatuses": statuses},
        }

    return get


# -- the end


def test_what_is_left_for_people_is_named() -> None:
    told = replace(decided(), seen=10_000)
    world = cast(Context, FakeWorld(healthy()))
    said = " ".join(restore_end.what_is_left(told, world))
    assert "Restart the operators" in said and "the routers" in said
    assert told.safe in said and all(told.data_aside(m) in said for m in told.others)
    gone_ones = tuple(replace(m, reached=False) for m in told.others)
    assert "must stay off until built anew" in " ".join(
        restore_end.what_is_left(replace(told, others=gone_ones), world)
    )


def test_it_is_not_over_while_a_member_is_missing() -> None:
    (step,) = [s for s in restore_end.end_steps(decided()) if s.key == "whole"]
    assert step.verify is not None
    world = FakeWorld(healthy(endpoints=(endpoint(1), gone(2), endpoint(3)), now=NOW))
    found = step.verify(cast(Context, world))
    assert not found.allowed and "not healthy yet" in found.reason
