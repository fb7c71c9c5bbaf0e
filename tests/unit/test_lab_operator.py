"""What the lab's operators decide: when a revision is made, where it goes first, when nothing may move."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etcdtui.lab import guard, machineset, places
from etcdtui.lab.members import Member
from etcdtui.lab.pace import Pace
from etcdtui.lab.rollout import Rollout, Ways, told
from etcdtui.lab.store import MACHINE_SETS, MACHINES, Store

M = [Member(id, f"masternode{id}", f"https://127.0.0.1:{id}", False) for id in ("1", "2", "3")]


@pytest.mark.parametrize(
    ("current", "latest", "said"),
    [
        ({"a": 7, "b": 7}, 7, "2 nodes are at revision 7"),
        ({"a": 7, "b": 7}, 8, "2 nodes are at revision 7; 0 nodes have achieved new revision 8"),
        ({"a": 7, "b": 8, "c": 7}, 8, "2 nodes are at revision 7; 1 nodes are at revision 8"),
        ({"a": 0, "b": 8}, 8, "1 nodes are at revision 0; 1 nodes are at revision 8"),
    ],
)
def test_how_many_nodes_are_where(current: dict[str, int], latest: int, said: str) -> None:
    assert told(current, latest) == said


@pytest.mark.parametrize(
    ("members", "healthy", "said"),
    [
        (M, "123", ""),
        (M, "12", "quorum of 2 and 2 healthy members which is not fault tolerant"),
        (M[:2], "12", "quorum of 2 which is not fault tolerant"),
        (M[:1], "1", "quorum of 1 which is not fault tolerant"),
        ([*M[:2], Member("3", "", "https://x", True)], "12", "quorum of 2 and 2 healthy members"),
    ],
)
def test_the_guard_counts_what_one_more_loss_would_leave(
    members: list[Member], healthy: str, said: str
) -> None:
    why = guard.intolerant(members, lambda name: name[-1] in healthy)
    assert said in why if said else not why


@pytest.mark.parametrize(
    ("spec", "off"),
    [
        ({}, False),
        ({"unsupportedConfigOverrides": None}, False),
        ({"unsupportedConfigOverrides": {guard.OVERRIDE: False}}, False),
        ({"unsupportedConfigOverrides": {guard.OVERRIDE: True}}, True),
        ({"unsupportedConfigOverrides": {guard.OVERRIDE: "true"}}, True),
        ({"unsupportedConfigOverrides": {"another": True}}, False),
    ],
)
def test_the_guard_is_off_by_its_own_word_only(spec: dict[str, Any], off: bool) -> None:
    assert guard.overridden(spec) is off


class Cluster:
    """Three hosts and one kind of pod, whose installer works at once."""

    def __init__(self) -> None:
        made = places.plan(Path("/lab"), nodes=3, identity="x", user="core", version="3.5.1")
        self.plan = made
        self.ready = {node.name: True for node in made.nodes}
        self.well = {node.name: 7 for node in made.nodes}
        self.wanted: Any = "a"
        self.why = ""
        self.heals = True
        self.done: list[tuple[str, int]] = []
        fleet: Any = SimpleNamespace(
            find=lambda name: SimpleNamespace(
                ready=self.ready[name], node=next(n for n in made.nodes if n.name == name)
            )
        )
        ways = Ways(
            lambda: self.wanted,
            lambda: self.why,
            lambda applied, node: True,
            self.install,
            lambda node, revision: self.well.get(node.name) == revision,
        )
        self.rollout = Rollout(fleet, lambda: self.plan, Pace().scaled(0), 7, ways)

    def install(self, node: places.Node, revision: int) -> None:
        self.done.append((node.name, revision))
        if self.heals:
            self.well[node.name] = revision

    def run(self) -> list[str]:
        for _ in range(20):
            self.rollout.step()
        return [name for name, _ in self.done]


def test_a_change_goes_from_node_to_node() -> None:
    cluster = Cluster()
    assert cluster.run() == []
    cluster.wanted = "b"
    assert cluster.run() == ["masternode1", "masternode2", "masternode3"]
    assert cluster.rollout.message == "3 nodes are at revision 8" and cluster.rollout.done


def test_what_runs_badly_comes_first_and_what_is_gone_waits() -> None:
    cluster = Cluster()
    cluster.wanted, cluster.well["masternode3"], cluster.ready["masternode1"] = "b", 0, False
    assert cluster.run() == ["masternode3", "masternode2"]
    assert cluster.rollout.message == "1 nodes are at revision 7; 2 nodes are at revision 8"
    cluster.ready["masternode1"] = True
    assert cluster.run()[-1] == "masternode1"


def test_one_that_does_not_become_well_holds_up_the_others() -> None:
    cluster = Cluster()
    cluster.wanted, cluster.heals = "b", False
    assert cluster.run() == ["masternode1"]
    assert cluster.rollout.targets == {"masternode1": 8} and not cluster.rollout.done


def test_the_guard_keeps_a_revision_from_being_made() -> None:
    cluster = Cluster()
    cluster.wanted, cluster.why = "b", "not now"
    assert cluster.run() == [] and cluster.rollout.blocked == "not now"
    assert cluster.rollout.latest == 7
    cluster.why = ""
    assert len(cluster.run()) == 3 and not cluster.rollout.blocked


def test_a_machine_set_replaces_what_is_deleted_once() -> None:
    store = Store()
    labels = {"machine.openshift.io/cluster-api-cluster": "lab"}
    for number in range(3):
        meta = {"name": f"lab-master-{number}", "labels": labels}
        store.create(MACHINES, {"metadata": meta, "spec": {"providerID": "x", "providerSpec": {}}})
    assert machineset.replacement(store) is None
    going = {"deletionTimestamp": "now"}
    store.change(MACHINES, "lab-master-1", lambda m: {**m, "metadata": {**m["metadata"], **going}})
    assert machineset.replacement(store) is None, "there is no set"
    machineset.make(store, "openshift-machine-api", 3)
    wanted = machineset.replacement(store)
    assert wanted is not None
    name, spec = wanted
    assert name.startswith("lab-master-") and name.endswith("-1") and spec == {"providerSpec": {}}
    store.create(MACHINES, {"metadata": {"name": name, "labels": labels}, "spec": spec})
    assert machineset.replacement(store) is None
    assert store.names(MACHINE_SETS) == ("cluster",)
