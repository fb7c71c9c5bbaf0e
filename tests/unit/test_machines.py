"""Machines: whose they are, how they are, and what a new one is made of."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from etcdtui.platforms import machines

OLD: dict[str, Any] = {
    "apiVersion": "machine.openshift.io/v1beta1",
    "kind": "Machine",
    "metadata": {
        "name": "prod-8qw5l-master-2",
        "namespace": "openshift-machine-api",
        "uid": "u-2",
        "resourceVersion": "77",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {"machine.openshift.io/instance-state": "running"},
        "finalizers": ["machine.machine.openshift.io"],
        "ownerReferences": [{"kind": "ControlPlaneMachineSet"}],
        "managedFields": [{}],
        "selfLink": "/x",
        "labels": {"machine.openshift.io/cluster-api-machine-role": "master"},
    },
    "spec": {
        "lifecycleHooks": {"preDrain": [{"name": "EtcdQuorumOperator", "owner": "clusteroperator/etcd"}]},
        "providerID": "aws:///a/i-0",
        "providerSpec": {"value": {"instanceType": "m6i.xlarge", "tags": [{"name": "a"}]}},
        "taints": [],
    },
    "status": {
        "phase": "Running",
        "nodeRef": {"name": "masternode3"},
        "providerStatus": {"instanceState": "terminated"},
        "addresses": [
            {"type": "InternalIP", "address": "10.0.0.3"},
            {"type": "InternalDNS", "address": "masternode3"},
            {"type": "Hostname", "address": "masternode3"},
        ],
    },
}


def other(name: str, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {}, "status": status}


def test_a_new_machine_is_the_old_one_without_its_own() -> None:
    before = copy.deepcopy(OLD)
    new = machines.successor(OLD, ["prod-8qw5l-master-0", "prod-8qw5l-master-1"])
    assert new == {
        "apiVersion": "machine.openshift.io/v1beta1",
        "kind": "Machine",
        "metadata": {
            "name": "prod-8qw5l-master-3",
            "namespace": "openshift-machine-api",
            "labels": {"machine.openshift.io/cluster-api-machine-role": "master"},
        },
        "spec": {
            "providerSpec": {"value": {"instanceType": "m6i.xlarge", "tags": [{"name": "a"}]}},
            "taints": [],
        },
    }
    new["spec"]["providerSpec"]["value"]["tags"].append("x")
    assert before == OLD


@pytest.mark.parametrize(
    ("name", "names", "new"),
    [
        ("a-master-0", ["a-master-1", "a-master-2", "a-worker-9"], "a-master-3"),
        ("a-master-2", ["a-master-10"], "a-master-11"),
        ("a-master", [], "a-master-0"),
        ("a.b-master-1", ["aXb-master-7"], "a.b-master-2"),
        ("a-master-x7k2p-0", ["a-master-1"], "a-master-x7k2p-1"),
    ],
)
def test_the_next_free_name(name: str, names: list[str], new: str) -> None:
    assert machines.next_name(name, names) == new


def test_what_is_shown_is_what_is_made() -> None:
    new = machines.successor(OLD, [])
    text = machines.as_yaml(new)
    assert yaml.safe_load(text) == new
    assert text.splitlines()[:2] == ["apiVersion: machine.openshift.io/v1beta1", "kind: Machine"]


def test_the_machine_of_a_node() -> None:
    others = [other("a", nodeRef={"name": "masternode1"}), other("b")]
    assert machines.of_node([*others, OLD], "masternode3") is OLD
    assert machines.of_node(others, "masternode3") is None
    assert machines.of_node([OLD], "") is None


def test_the_machine_of_a_node_that_is_gone() -> None:
    lost = other("m2", addresses=[{"type": "InternalDNS", "address": "masternode3"}])
    assert machines.of_node([other("b"), lost], "masternode3") is lost


def test_a_name_that_went_over_to_another_node_is_not_mistaken() -> None:
    moved = other("m2", nodeRef={"name": "other"}, addresses=[{"type": "Hostname", "address": "masternode3"}])
    assert machines.of_node([moved], "masternode3") is None
    lost = other("m3", addresses=[{"type": "Hostname", "address": "masternode3"}])
    assert machines.of_node([lost, copy.deepcopy(lost)], "masternode3") is None


@pytest.mark.parametrize(
    ("state", "active"), [("Active", True), ("Inactive", False), (None, False), ("active", False)]
)
def test_only_an_active_machine_set_counts(state: Any, active: bool) -> None:
    one = {"metadata": {"name": "cluster"}, "spec": {"state": state, "replicas": 3}}
    assert machines.set_active([one]) is active
    found = machines.parse_machine_set(one)
    assert found is not None and (found.replicas, found.ready) == (3, 0)


def test_no_machine_set() -> None:
    assert not machines.set_active([])
    assert not machines.set_active([{}])


def test_a_machine_in_facts() -> None:
    found = machines.parse_machine(OLD)
    assert found is not None
    assert (found.uid, found.phase, found.node) == ("u-2", machines.Phase.RUNNING, "masternode3")
    assert (found.names, found.addresses) == (("masternode3",), ("10.0.0.3",))
    assert (found.hooks, found.control_plane) == (("clusteroperator/etcd",), True)
    assert found.sentence == (
        "The machine prod-8qw5l-master-2 runs as node masternode3; its instance is terminated."
    )


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ({}, "has not been looked at"),
        ({"phase": "Provisioning"}, "is being made"),
        ({"phase": "Provisioned"}, "has not become a node yet"),
        ({"phase": "Running"}, "runs."),
        ({"phase": "Failed", "errorMessage": "no quota\x1b[2J"}, "failed: no quota"),
        ({"phase": "Dreaming"}, "not known here"),
    ],
)
def test_phases_in_words(status: dict[str, Any], says: str) -> None:
    found = machines.parse_machine(other("m3", **status))
    assert found is not None
    assert says in found.sentence and "\x1b" not in found.sentence


def test_who_holds_a_deletion() -> None:
    document = copy.deepcopy(OLD)
    document["metadata"]["deletionTimestamp"] = "2026-11-24T00:00:00Z"
    found = machines.parse_machine(document)
    assert found is not None
    assert "is being deleted; clusteroperator/etcd still holds the deletion" in found.sentence


@pytest.mark.parametrize("odd", [{}, {"metadata": None}, {"metadata": {"name": 7}}])
def test_what_is_no_machine(odd: dict[str, Any]) -> None:
    assert machines.parse_machine(odd) is None
    assert machines.of_node([odd], "masternode3") is None


@pytest.mark.parametrize("odd", [None, [], "x", 7])
def test_odd_parts_are_passed_over(odd: Any) -> None:
    found = machines.parse_machine({"metadata": {"name": "m"}, "spec": odd, "status": odd})
    assert found is not None and found.phase is machines.Phase.NONE
