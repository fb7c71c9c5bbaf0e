"""The lab's API when it is written to: patches, versions, and what a server refuses."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import pytest

from etcdtui.lab import patches, resources, writes
from etcdtui.lab.documents import Document
from etcdtui.lab.machines import FINALIZER
from etcdtui.lab.store import ApiRefusal, Store


def served(path: str) -> resources.Resource:
    """A resource without the state that only a running lab has."""
    resource = resources.BY_PATH[path]
    return replace(resource, made=partial(resources.stored, resource.name))


ETCDS = served("/apis/operator.openshift.io/v1/etcds")
NODES = served("/api/v1/nodes")
SECRETS = served("/api/v1/namespaces/openshift-etcd/secrets")
PODS = resources.BY_PATH["/api/v1/namespaces/openshift-etcd/pods"]
MACHINES = served("/apis/machine.openshift.io/v1beta1/namespaces/openshift-machine-api/machines")
CSRS = served("/apis/certificates.k8s.io/v1/certificatesigningrequests")


@pytest.fixture
def world() -> Any:
    store = Store()
    store.create(ETCDS.name, {"metadata": {"name": "cluster"}, "spec": {"forceRedeploymentReason": ""}})
    store.create(NODES.name, {"metadata": {"name": "masternode1"}, "spec": {"taints": []}})
    store.create(SECRETS.name, {"metadata": {"name": "etcd-peer-masternode1"}, "data": {}})
    store.create(CSRS.name, {"metadata": {"name": "csr-1"}, "spec": {"signerName": "x"}, "status": {}})
    return SimpleNamespace(store=store)


def machine(name: str = "lab-master-3", **metadata: Any) -> Document:
    role = {"machine.openshift.io/cluster-api-machine-role": "master"}
    return {
        "kind": "Machine",
        "apiVersion": "machine.openshift.io/v1beta1",
        "metadata": {"name": name, "labels": role, **metadata},
        "spec": {"providerSpec": {"value": {"kind": "AWSMachineProviderConfig"}}},
    }


def change(world: Any, resource: resources.Resource, name: str, body: Any, **more: Any) -> Document:
    options = {"part": "", "media": patches.MERGE, "dry": False, **more}
    return writes.change(world, resource, name, options["part"], body, options["media"], dry=options["dry"])


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ({"a": 1, "b": {"c": 2}}, {"b": {"d": 3}}, {"a": 1, "b": {"c": 2, "d": 3}}),
        ({"a": {"b": 1}}, {"a": None}, {}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}),
    ],
)
def test_merge_patches(before: Any, patch: Any, after: Any) -> None:
    assert patches.patched(before, patch, patches.MERGE) == after


@pytest.mark.parametrize(
    ("operations", "after"),
    [
        ([{"op": "add", "path": "/spec/x", "value": 1}], {"spec": {"a": [1, 2], "x": 1}}),
        ([{"op": "replace", "path": "/spec/a/0", "value": 9}], {"spec": {"a": [9, 2]}}),
        ([{"op": "add", "path": "/spec/a/-", "value": 3}], {"spec": {"a": [1, 2, 3]}}),
        ([{"op": "remove", "path": "/spec/a"}], {"spec": {}}),
        ([{"op": "move", "from": "/spec/a", "path": "/b~1c"}], {"spec": {}, "b/c": [1, 2]}),
        ([{"op": "test", "path": "/spec/a", "value": [1, 2]}], {"spec": {"a": [1, 2]}}),
    ],
)
def test_json_patches(operations: Any, after: Any) -> None:
    before = {"spec": {"a": [1, 2]}}
    assert patches.patched(before, operations, patches.JSON) == after
    assert before == {"spec": {"a": [1, 2]}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/nothing"},
        {"op": "replace", "path": "/spec/b", "value": 1},
        {"op": "test", "path": "/spec/a", "value": 1},
        {"op": "add", "path": "/spec/a/7", "value": 1},
        {"op": "explode", "path": "/spec"},
        {"path": 5},
    ],
)
def test_a_json_patch_that_does_not_fit_is_invalid(world: Any, operation: Any) -> None:
    with pytest.raises(ApiRefusal) as refused:
        change(world, ETCDS, "cluster", [operation], media=patches.JSON)
    assert refused.value.code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_a_strategic_patch_merges_conditions_by_their_type() -> None:
    before = {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Disk", "status": "False"}]}
    after = patches.patched(before, {"conditions": [{"type": "Ready", "status": "False"}]}, patches.STRATEGIC)
    assert after["conditions"] == [
        {"type": "Ready", "status": "False"},
        {"type": "Disk", "status": "False"},
    ]


def test_the_guard_goes_off_and_on_again(world: Any) -> None:
    off = {
        "spec": {"unsupportedConfigOverrides": {"useUnsupportedUnsafeNonHANonProductionUnstableEtcd": True}}
    }
    first = change(world, ETCDS, "cluster", off)
    assert first["spec"]["unsupportedConfigOverrides"] and first["spec"]["forceRedeploymentReason"] == ""
    second = change(world, ETCDS, "cluster", {"spec": {"unsupportedConfigOverrides": None}})
    assert "unsupportedConfigOverrides" not in second["spec"]
    versions = [int(d["metadata"]["resourceVersion"]) for d in (first, second)]
    assert versions[0] < versions[1]
    assert second["metadata"]["generation"] == 3


def test_what_changes_nothing_makes_no_version(world: Any) -> None:
    before = writes.find(world, ETCDS, "cluster")["metadata"]
    after = change(world, ETCDS, "cluster", {"spec": {"forceRedeploymentReason": ""}})["metadata"]
    assert before == after


def test_a_dry_run_changes_nothing(world: Any) -> None:
    told = change(world, ETCDS, "cluster", {"spec": {"forceRedeploymentReason": "x"}}, dry=True)
    assert told["spec"]["forceRedeploymentReason"] == "x"
    assert writes.find(world, ETCDS, "cluster")["spec"]["forceRedeploymentReason"] == ""
    writes.create(world, MACHINES, machine(), dry=True)
    writes.delete(world, SECRETS, "etcd-peer-masternode1", None, dry=True)
    assert world.store.names(MACHINES.name) == () and len(world.store.names(SECRETS.name)) == 1


@pytest.mark.parametrize(
    ("resource", "name", "body", "media", "code", "words"),
    [
        (ETCDS, "other", {}, patches.MERGE, 404, 'etcds.operator.openshift.io "other" not found'),
        (ETCDS, "cluster", {"spec": {}}, patches.STRATEGIC, 415, "accepted media types include"),
        (ETCDS, "cluster", {"spec": {}}, "application/json", 415, "accepted media types include"),
        (ETCDS, "cluster", {"metadata": {"resourceVersion": "7"}}, patches.MERGE, 409, "has been modified"),
        (ETCDS, "cluster", {"spec": {"forceRedeploymentReason": 5}}, patches.MERGE, 422, "of type string"),
        (ETCDS, "cluster", {"spec": {"unsupportedConfigOverrides": "x"}}, patches.MERGE, 422, "object"),
        (ETCDS, "cluster", {"metadata": {"name": "x"}}, patches.MERGE, 400, "does not match the name"),
        (ETCDS, "cluster", [], patches.MERGE, 400, "must be an object"),
        (PODS, "etcd-masternode1", {}, patches.MERGE, 405, "does not allow this method"),
    ],
)
def test_changes_that_are_refused(
    world: Any, resource: Any, name: str, body: Any, media: str, code: int, words: str
) -> None:
    with pytest.raises(ApiRefusal, match=words) as refused:
        change(world, resource, name, body, media=media)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (machine() | {"spec": {}}, 422, "spec.providerSpec.value: Required value"),
        (machine(""), 422, "metadata.name: Required value"),
        (machine(resourceVersion="5"), 400, "resourceVersion should not be set"),
        (machine() | {"kind": "Node"}, 400, "cannot be handled as a Machine"),
        ("text", 400, "unrecognized"),
    ],
)
def test_machines_that_are_refused(world: Any, body: Any, code: int, words: str) -> None:
    with pytest.raises(ApiRefusal, match=words) as refused:
        writes.create(world, MACHINES, body, dry=False)
    assert refused.value.code == code


def test_a_machine_is_made_once_and_stays_until_its_finalizer_goes(world: Any) -> None:
    made = writes.create(world, MACHINES, machine() | {"status": {"phase": "Running"}}, dry=False)
    assert made["metadata"]["finalizers"] == [FINALIZER] and "status" not in made
    with pytest.raises(ApiRefusal, match="already exists") as refused:
        writes.create(world, MACHINES, machine(), dry=False)
    assert refused.value.code == HTTPStatus.CONFLICT
    told = writes.delete(world, MACHINES, "lab-master-3", None, dry=False)
    assert told["kind"] == "Machine" and told["metadata"]["deletionTimestamp"]
    assert world.store.names(MACHINES.name) == ("lab-master-3",)


def test_a_secret_goes_at_once_unless_it_is_another(world: Any) -> None:
    with pytest.raises(ApiRefusal, match="Precondition failed") as refused:
        writes.delete(world, SECRETS, "etcd-peer-masternode1", {"preconditions": {"uid": "x"}}, dry=False)
    assert refused.value.code == HTTPStatus.CONFLICT
    told = writes.delete(world, SECRETS, "etcd-peer-masternode1", {"kind": "DeleteOptions"}, dry=False)
    assert (told["kind"], told["status"]) == ("Status", "Success")
    with pytest.raises(ApiRefusal, match="not found"):
        writes.delete(world, SECRETS, "etcd-peer-masternode1", None, dry=False)


def test_a_node_keeps_only_the_taints_that_were_given_to_it(world: Any) -> None:
    given = [{"key": "mine", "effect": "NoSchedule"}]
    told = [*given, {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]
    change(
        world,
        NODES,
        "masternode1",
        {"spec": {"unschedulable": True, "taints": told}},
        media=patches.STRATEGIC,
    )
    assert writes.find(world, NODES, "masternode1")["spec"] == {"unschedulable": True, "taints": given}


def test_a_csr_is_approved_under_its_own_path_only(world: Any) -> None:
    approved = {"type": "Approved", "status": "True", "reason": "seen", "message": ""}
    csr = writes.find(world, CSRS, "csr-1")
    csr["status"] = {"conditions": [approved], "certificate": "forged"}
    with pytest.raises(ApiRefusal, match="does not allow this method"):
        change(world, CSRS, "csr-1", csr, media=None)
    told = change(world, CSRS, "csr-1", csr, media=None, part="approval")
    assert "certificate" not in told["status"]
    assert told["status"]["conditions"][0]["type"] == "Approved"
    with pytest.raises(ApiRefusal, match="mutually exclusive"):
        both = {"status": {"conditions": [approved, {**approved, "type": "Denied"}]}}
        change(world, CSRS, "csr-1", both, part="approval", media=patches.STRATEGIC)
    with pytest.raises(ApiRefusal, match="could not find"):
        change(world, CSRS, "csr-1", csr, media=None, part="status")
