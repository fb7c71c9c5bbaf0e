"""The operators' guard, secrets and rollouts."""

from __future__ import annotations

from typing import Any

import pytest

from etcdtui.platforms import guard, operators
from etcdtui.platforms.guard import GUARD
from etcdtui.platforms.operators import NodeRevision, parse_rollout


def etcd(
    message: str, *nodes: tuple[str, int, int], latest: int = 7, done: bool = False, **more: Any
) -> dict[str, Any]:
    reason = "AllNodesAtLatestRevision" if done else ""
    told = {"type": "NodeInstallerProgressing", "status": str(not done), "reason": reason, "message": message}
    statuses = [{"nodeName": n, "currentRevision": c, "targetRevision": t, **more} for n, c, t in nodes]
    return {
        "status": {"conditions": [told], "nodeStatuses": statuses, "latestAvailableRevision": latest},
        "spec": {},
    }


def test_the_guard_off_and_on_again() -> None:
    assert guard.off() == {"spec": {"unsupportedConfigOverrides": {GUARD: True}}}
    assert guard.on(None) == {"spec": {"unsupportedConfigOverrides": None}}
    assert guard.on({GUARD: True}) == {"spec": {"unsupportedConfigOverrides": None}}


def test_overrides_of_others_stay() -> None:
    before = {"controllers": ["a"], GUARD: True}
    assert guard.on(before) == {"spec": {"unsupportedConfigOverrides": {GUARD: None}}}


@pytest.mark.parametrize(
    ("overrides", "off"),
    [(None, False), ({}, False), ({GUARD: False}, False), ({GUARD: True}, True), ({GUARD: "true"}, True)],
)
def test_whether_the_guard_is_off(overrides: Any, off: bool) -> None:
    assert guard.is_off({"spec": {"unsupportedConfigOverrides": overrides}}) is off


def test_a_resource_without_a_spec_has_its_guard_on() -> None:
    assert not guard.is_off({})


def test_the_secrets_of_a_node() -> None:
    assert operators.secret_names("n1") == ("etcd-peer-n1", "etcd-serving-n1", "etcd-serving-metrics-n1")
    assert operators.secret_path("x") == "/api/v1/namespaces/openshift-etcd/secrets/x"


def test_a_reason_is_never_given_twice() -> None:
    first, second = (operators.reason_at("recovery", at) for at in (1764000000.0, 1764000000.00001))
    assert first == "recovery-2025-11-24T16:00:00.000000Z"
    assert first != second
    patch = operators.redeployment(first)
    assert operators.redeployment_reason(patch) == first
    assert operators.redeployment_reason({"spec": None}) == ""


@pytest.mark.parametrize(
    ("message", "counted"),
    [
        ("3 nodes are at revision 7", {7: 3}),
        ("2 nodes are at revision 6; 1 nodes are at revision 7", {6: 2, 7: 1}),
        (
            "1 nodes are at revision 0; 2 nodes are at revision 6; 0 nodes have achieved new revision 7",
            {0: 1, 6: 2, 7: 0},
        ),
        ("", {}),
        ("something new", {}),
    ],
)
def test_the_operators_words_in_numbers(message: str, counted: dict[int, int]) -> None:
    assert operators.revisions(message) == counted


def test_a_finished_rollout() -> None:
    nodes = (("m1", 7, 0), ("m2", 7, 7), ("m3", 7, 0))
    rollout = parse_rollout(etcd("3 nodes are at revision 7", *nodes, done=True))
    assert rollout.done and rollout.done_since(6) and not rollout.done_since(7)
    assert rollout.sentence == "All 3 nodes are at revision 7."


def test_a_rollout_on_its_way() -> None:
    words = "2 nodes are at revision 6; 1 nodes are at revision 7"
    rollout = parse_rollout(etcd(words, ("m1", 7, 0), ("m2", 6, 7), ("m3", 6, 0)))
    assert not rollout.done
    assert rollout.nodes[1] == NodeRevision("m2", 6, 7)
    assert rollout.sentence == "1 of 3 nodes at revision 7; m2 goes from 6 to 7 and m3 is at 6."


@pytest.mark.parametrize(
    "resource",
    [
        etcd("3 nodes are at revision 6", ("m1", 7, 0), done=True),  # words behind the numbers
        etcd("1 nodes are at revision 7", ("m1", 6, 0), done=True),  # numbers behind the words
        etcd("1 nodes are at revision 7", ("m1", 7, 8), done=True),  # the next one has begun
        etcd("1 nodes are at revision 7", ("m1", 7, 0), done=False),
        etcd("", done=True),
        {"status": {"latestAvailableRevision": 7}},
        {},
    ],
)
def test_a_rollout_is_done_only_when_every_source_says_so(resource: dict[str, Any]) -> None:
    assert not parse_rollout(resource).done
    assert parse_rollout(resource).sentence


def test_a_revision_that_failed_is_told() -> None:
    failed = {"lastFailedRevision": 7, "lastFailedRevisionErrors": ["no\x1b[31m certificate"]}
    sentence = parse_rollout(etcd("1 nodes are at revision 6", ("m1", 6, 7), **failed)).sentence
    assert "On m1 it failed: no" in sentence and "\x1b" not in sentence


def test_an_old_failure_is_history() -> None:
    failed = {"lastFailedRevision": 5, "lastFailedRevisionErrors": ["x"]}
    assert parse_rollout(etcd("", ("m1", 6, 7), **failed)).nodes[0].failed == ""
