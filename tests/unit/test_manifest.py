"""The manifest: there and back, and strictly read."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdtui.model.manifest import BadManifest, Copy, File, Manifest, from_json, to_json
from etcdtui.model.members import Member
from etcdtui.model.proof import Check, Outcome

WHEN = datetime(2026, 11, 23, 2, 0, 4, tzinfo=UTC)
FULL = Manifest(
    etcdtui="0.3.0",
    taken=WHEN,
    proven=WHEN,
    snapshot=File("snapshot_2026-11-23_020004.db", 96468992, "a" * 64),
    resources=File("static_kuberesources_2026-11-23_020004.tar.gz", 71680, "b" * 64),
    cluster="prod",
    members=(Member(0x6FC1E7C9DB35841D, "masternode1", ("https://m1:2380",), ("https://m1:2379",), True),),
    revision=18442107,
    live_keys=7312,
    entries=9120,
    revisions=9001,
    checks=(Check("digest", Outcome.OK, "It holds."), Check("structure", Outcome.OK, "Sound.", ("More.",))),
    cluster_id="ead669ce1fbfb346",
    openshift_id="8c1f",
    openshift_version="4.16.3",
    etcd_version="3.5.14",
    member="masternode1",
    host="core@masternode1",
    resource_revisions=(("etcd", 9),),
    copies=(
        Copy("nexus", "https://nexus/x.db", WHEN, "sha256"),
        Copy("minio", "prod", WHEN, "sha256", (File("x.db.age", 96492744, "c" * 64),)),
    ),
)


def test_there_and_back() -> None:
    told = json.loads(json.dumps(to_json(FULL)))
    assert from_json(told) == FULL
    assert told["schema"] == 1 and told["cluster"]["members"][0]["id"] == "6fc1e7c9db35841d"
    assert FULL.good and FULL.z_stream == "4.16.3"
    bare = Manifest("0", WHEN, WHEN, FULL.snapshot, None, "", (), 0, 0, 0, 0, ())
    assert from_json(json.loads(json.dumps(to_json(bare)))) == bare and not bare.good


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (["schema"], 2, "has schema 2"),
        (["schema"], "1", "schema must be a whole number"),
        (["taken"], "yesterday", "taken must be a time"),
        (["taken"], "2026-11-23T02:00:04", "taken must name its time zone"),
        (["snapshot", "sha256"], "A" * 64, "snapshot.sha256 must be 64 hexadecimal digits"),
        (["snapshot", "size"], -1, "snapshot.size must be a whole number"),
        (["snapshot", "size"], True, "snapshot.size must be a whole number"),
        (["snapshot", "name"], "../x", "snapshot.name must be the name of a file"),
        (["snapshot"], None, "snapshot must be an object"),
        (["cluster", "members"], {}, "cluster.members must be a list"),
        (["cluster", "members", 0, "id"], "", "cluster.members[0].id is empty"),
        (["cluster", "members", 0, "learner"], 1, "cluster.members[0].learner must be true or false"),
        (["cluster", "cluster_id"], "xyz", "cluster.cluster_id must be up to 16 hexadecimal digits"),
        (["checks", 0, "outcome"], "good", "checks[0].outcome must be one of ok, failed"),
        (["resource_revisions", "etcd"], "9", "resource_revisions.etcd must be a whole number"),
        (["versions", "etcd"], 3.5, "versions.etcd must be text"),
        (["copies", 1, "encrypted"], {}, "copies[1].encrypted must be a list"),
        (["copies", 1, "encrypted", 0, "sha256"], "x", "copies[1].encrypted[0].sha256 must be 64"),
        (["surprise"], 1, "surprise is not known"),
        (["keys", "dead"], 1, "keys.dead is not known"),
    ],
)
def test_what_is_wrong_is_named(place: list[str | int], value: object, said: str) -> None:
    told = copy.deepcopy(to_json(FULL))
    at: Any = told
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    with pytest.raises(BadManifest) as error:
        from_json(told)
    assert said in error.value.message


def test_missing() -> None:
    told = to_json(FULL)
    for key in told:
        with pytest.raises(BadManifest, match=f"{key} is missing"):
            from_json({name: value for name, value in told.items() if name != key})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(key=st.sampled_from(sorted(to_json(FULL))), value=_JSON, whole=st.booleans())
@settings(max_examples=200, deadline=None)
def test_nothing_but_our_error_comes_out(key: str, value: object, whole: bool) -> None:
    try:
        from_json(value if whole else {**to_json(FULL), key: value})
    except BadManifest as error:
        assert error.message.endswith(".")
