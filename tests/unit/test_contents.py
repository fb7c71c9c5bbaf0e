"""What is in a snapshot, and what differs between two."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from etcdtui.errors import Cancelled, Refusal
from etcdtui.etcd.bbolt import Damaged
from etcdtui.etcd.comparing import compare, compare_entries
from etcdtui.etcd.contents import Contents, Entry
from etcdtui.etcd.samples import sampled
from etcdtui.model.contents import KeyName, key_name, singular
from tests.recorded import VERSIONS
from tests.snapshotfiles import RAISED, REAL, with_page, written


@pytest.fixture(params=VERSIONS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return written(tmp_path, REAL[request.param])


def test_live_keys_come_once_in_the_order_of_their_changes(path: Path) -> None:
    with Contents(path) as contents:
        entries = list(contents.live())
    assert [entry.revision for entry in entries] == sorted(entry.revision for entry in entries)
    assert max(Counter(entry.key for entry in entries).values()) == 1
    assert len(entries) == 74
    assert b"/kubernetes.io/configmaps/space-1/name-00008" not in {entry.key for entry in entries}
    with Contents(path, limit=10) as contents:
        assert list(contents.live()) == entries


def test_the_mark_of_a_raised_revision_is_no_key(tmp_path: Path) -> None:
    path = written(tmp_path, RAISED)
    with Contents(path) as contents:
        assert [entry.text for entry in contents.live()] == ["/k/1", "/k/3", "/k/4", "/k/5"]
        assert contents.summary().keys == 4
    with Contents(path, limit=1) as contents:  # in shares
        assert len(list(contents.live())) == 4
    assert [sample.text for sample in sampled(path, 10)] == ["/k/1", "/k/3", "/k/4", "/k/5"]


def test_summary(path: Path) -> None:
    with Contents(path) as contents:
        summary = contents.summary()
    assert (summary.keys, summary.tombstones) == (74, 1)
    assert {tally.name: tally.keys for tally in summary.kinds} == {
        "configmaps": 69,
        "namespaces": 2,
        "deployments": 1,
        "config.openshift.io/clusterversions": 1,
        "": 1,
    }
    assert {tally.name: tally.keys for tally in summary.namespaces}["prod"] == 2
    assert summary.prefixes[0].name == "/kubernetes.io/configmaps"
    assert summary.newest_key == "plain" and summary.newest_revision == 8
    assert summary.size == sum(tally.size for tally in summary.kinds)


@pytest.mark.parametrize(
    "wanted",
    ["deployment prod/web", "deploy prod/web", "Deployments web", "/kubernetes.io/deployments/prod/web"],
)
def test_find(path: Path, wanted: str) -> None:
    with Contents(path) as contents:
        (found,) = contents.find(wanted)
        assert found.text == "/kubernetes.io/deployments/prod/web"
        assert not contents.find("deployment stage/web")
        assert not contents.find("pod prod/web")
        assert not contents.find("")
        assert [e.text for e in contents.find("ns prod")] == ["/kubernetes.io/namespaces/prod"]


def test_compare(path: Path) -> None:
    assert compare(path, path).same and compare(path, path).unchanged == 74
    before = [Entry(b"a", (2, 0), 1), Entry(b"b", (3, 0), 1), Entry(b"c", (4, 0), 1), Entry(b"d", (5, 0), 1)]
    after = [Entry(b"a", (2, 0), 1), Entry(b"x", (3, 0), 1), Entry(b"d", (5, 1), 1), Entry(b"c", (9, 0), 1)]
    found = compare_entries(before, after)
    assert [change.key for change in found.added] == ["x"]
    assert [(c.key, c.before, c.after) for c in found.changed] == [
        ("c", (4, 0), (9, 0)),
        ("d", (5, 0), (5, 1)),
    ]
    assert [change.key for change in found.removed] == ["b"]  # another key at the same revision
    assert found.unchanged == 1 and not found.same
    with pytest.raises(Refusal, match="More than 3 keys differ"):
        compare_entries(before, after, most=3)


def test_cancelled_and_damaged(path: Path) -> None:
    with Contents(path, cancelled=lambda: True) as contents, pytest.raises(Cancelled):
        contents.summary()
    path.write_bytes(b"nothing")
    with pytest.raises(Damaged):
        Contents(path)
    path.write_bytes(with_page(REAL[VERSIONS[0]].replace(b"key", b"kez"), 3, b""))
    with pytest.raises(Damaged, match="bucket of keys"):
        Contents(path)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("/kubernetes.io/pods/prod/web-1", KeyName("", "pods", "prod", "web-1")),
        ("/registry/namespaces/prod", KeyName("", "namespaces", "prod", "prod")),
        ("/registry/minions/masternode1", KeyName("", "nodes", "", "masternode1")),
        ("/registry/services/specs/prod/web", KeyName("", "services", "prod", "web")),
        ("/registry/services/endpoints/prod/web", KeyName("", "endpoints", "prod", "web")),
        ("/registry/ranges/serviceips", KeyName("", "ranges", "", "serviceips")),
        ("/kubernetes.io/operator.openshift.io/etcds/cluster",
         KeyName("operator.openshift.io", "etcds", "", "cluster")),
        ("/kubernetes.io/machine.openshift.io/machines/openshift-machine-api/m-0",
         KeyName("machine.openshift.io", "machines", "openshift-machine-api", "m-0")),
        ("/openshift.io/routes/prod/web", KeyName("", "routes", "prod", "web")),
        ("/openshift.io/oauth/clients/console", KeyName("oauth", "clients", "", "console")),
        ("compact_rev_key", KeyName("", "", "", "compact_rev_key")),
        ("/calico/ipam/v2/x", KeyName("", "calico", "", "ipam/v2/x")),
        ("/", KeyName("", "", "", "")),
    ],
)  # fmt: skip
def test_names_of_keys(key: str, name: KeyName) -> None:
    assert key_name(key) == name


def test_kinds_in_one_and_many() -> None:
    for one, many in {
        "pod": "pods", "ingress": "ingresses", "networkpolicy": "networkpolicies",
        "storageclass": "storageclasses", "endpoints": "endpoints",
    }.items():  # fmt: skip
        assert singular(one) == singular(many)
    assert str(key_name("/registry/pods/prod/\x1b[31m")) == "pods prod/\\x1b[31m"


@pytest.mark.parametrize("version", REAL)
def test_samples_are_what_is_stored_at_the_last_change_of_their_keys(version: str, tmp_path: Path) -> None:
    path = written(tmp_path, REAL[version])
    with Contents(path) as contents:
        live = {entry.key: entry.revision[0] for entry in contents.live()}
    everything = sampled(path, 10_000)
    assert {sample.key: sample.modified for sample in everything} == live
    assert [sample.key for sample in everything] == sorted(live)
    assert all(0 < sample.created <= sample.modified and sample.version for sample in everything)
    some = sampled(path, 5, seed=3)
    assert 5 <= len(some) <= 8 and set(some) <= set(everything)
    assert {min(live), max(live), max(live, key=lambda key: live[key])} & {s.key for s in some} >= {
        min(live),
        max(live),
    }
