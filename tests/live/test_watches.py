"""The lab's API is watched: events of what really is in its etcd, and what who watches the past is told."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from etcdtui.lab import places
from etcdtui.lab.demo import Lab
from etcdtui.lab.members import Gateway
from tests.live.lab_client import LabClient, until
from tests.live.reflector import CONFIGMAPS, Reflector, Wire, fresh, key_of

pytestmark = pytest.mark.live

OLD = Path("/usr/bin")
NODE = "masternode1"
PLACE = "/kubernetes.io/configmaps"
API_SERVERS = "/apis/operator.openshift.io/v1/kubeapiservers/cluster"


BOTH = pytest.mark.parametrize("lab", ["etcd 3.5", "etcd 3.4"], indirect=True)
NEW = pytest.mark.parametrize("lab", ["etcd 3.5"], indirect=True)


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Of one member and without keys: nothing is written but by the tests."""
    old = "3.4" in request.param
    if old and not (OLD / "etcd").exists():
        pytest.skip("Debian's etcd 3.4 is not installed (etcd-server, etcd-client)")
    with Lab(nodes=1, keys=0, pace=0.2, etcd_dir=OLD if old else None) as running, Reflector(running):
        yield running
        # Who still watches holds nobody up.
        began = time.monotonic()
        running.close()
        assert time.monotonic() - began < 5


@pytest.fixture
def wire(lab: Lab) -> Iterator[Wire]:
    made = Wire(lab)
    yield made
    made.close()


class Etcd:
    """The one member, written to by its own gateway: ssh and etcdctl would take longer than all the rest."""

    def __init__(self, lab: Lab) -> None:
        ports = json.loads(lab.do("status"))["nodes"][NODE]
        node = places.numbered(lab.directory, 1, (ports["client_port"], 0, 0, ports["ssh_port"]))
        self._gateway = Gateway(node, 5.0)

    def put(self, key: str, value: str = "1") -> int:
        return self._revision("put", {"key": _b64(key), "value": _b64(value)})

    def delete(self, key: str) -> int:
        return self._revision("deleterange", {"key": _b64(key)})

    def compact(self, revision: int) -> None:
        self._gateway.post("/v3/kv/compaction", {"revision": str(revision)})

    def _revision(self, what: str, body: dict[str, Any]) -> int:
        return int(self._gateway.post(f"/v3/kv/{what}", body)["header"]["revision"])

    def close(self) -> None:
        self._gateway.close()


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def etcd(lab: Lab) -> Iterator[Etcd]:
    made = Etcd(lab)
    yield made
    made.close()


def revision(wire: Wire) -> int:
    status, answer = wire.asked(CONFIGMAPS)
    assert status == 200, answer
    return int(answer["metadata"]["resourceVersion"])


def first(count: int, lab: Lab, path: str, **query: int) -> list[Any]:
    """The first events of a watch that is hung up then."""
    wire = Wire(lab)
    events = list(itertools.islice(wire.watch(path, **query), count))
    wire.close()
    return events


def told(events: Iterable[Any]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


@BOTH
def test_what_is_written_to_etcd_is_told(lab: Lab, wire: Wire, etcd: Etcd) -> None:
    began = revision(wire)
    etcd.put(f"{PLACE}/shop/one", "1")
    etcd.put(f"{PLACE}/shop/one", "2")
    etcd.put(f"{PLACE}/store/two", "1")
    etcd.delete(f"{PLACE}/shop/one")
    etcd.put(f"{PLACE}/shop/one/odd")
    etcd.put(PLACE)
    etcd.put(f"{PLACE}/shop/last")
    events = first(5, lab, CONFIGMAPS, resourceVersion=began)
    assert [(e["type"], key_of(e["object"])) for e in events] == [
        ("ADDED", "shop/one"), ("MODIFIED", "shop/one"), ("ADDED", "store/two"), ("DELETED", "shop/one"),
        ("ADDED", "shop/last"),
    ]  # fmt: skip
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == [began + 1, began + 2, began + 3, began + 4, began + 7]
    digests = [event["object"]["data"]["sha256"] for event in events]
    assert digests[0] == digests[2] != digests[1] == digests[3]
    # From nowhere it begins with what is there.
    assert told(first(1, lab, "/api/v1/namespaces/store/configmaps")) == [("ADDED", "two")]
    etcd.put("/elsewhere")
    status, listed = wire.asked("/api/v1/namespaces/store/configmaps")
    assert status == 200 and [key_of(item) for item in listed["items"]] == ["store/two"]
    assert listed["metadata"]["resourceVersion"] == str(began + 8)  # etcd's own, not that of the last change
    status, one = wire.asked("/api/v1/namespaces/store/configmaps/two")
    assert (status, one["kind"], one["data"]) == (200, "ConfigMap", {"sha256": digests[2]})
    assert wire.asked("/api/v1/namespaces/store/configmaps/one")[0] == 404
    assert LabClient(lab).ask("DELETE", "/api/v1/namespaces/store/configmaps/two")[0] == 405


@NEW
def test_a_watch_is_told_as_it_happens_and_ends_when_its_time_is_over(
    lab: Lab, wire: Wire, etcd: Etcd
) -> None:
    began = revision(wire)
    events = wire.watch(
        "/api/v1/namespaces/shop/configmaps",
        resourceVersion=began,
        timeoutSeconds=1,
        fieldSelector="metadata.name=wanted",
    )
    at = time.monotonic()
    etcd.put(f"{PLACE}/shop/unwanted")
    etcd.put(f"{PLACE}/shop/wanted")
    assert told(itertools.islice(events, 1)) == [("ADDED", "wanted")]
    assert time.monotonic() - at < 0.8
    assert list(events) == []
    assert 0.8 < time.monotonic() - at < 4


@NEW
def test_who_saw_more_than_there_is_waits_and_silently_misses_what_lies_between(
    lab: Lab, wire: Wire, etcd: Etcd
) -> None:
    above = revision(wire) + 20
    late, between = Wire(lab), Wire(lab)
    with ThreadPoolExecutor(2) as pool:
        watching = pool.submit(lambda: told(late.watch(resourceVersion=above, timeoutSeconds=2)))
        listing = pool.submit(between.asked, CONFIGMAPS, resourceVersion=above + 1000)
        time.sleep(0.5)
        assert not watching.done()  # it is not refused
        lab.do("more-keys")
        seen = watching.result()
        refused, answer = listing.result()
    assert len(fresh(lab, "/api/v1/namespaces/shop-production/configmaps")) == 40
    assert [name for _, name in seen] == [f"late-order-{number:03d}" for number in range(20, 40)]
    # A list tells what a watch does not.
    assert (refused, answer["reason"]) == (504, "Timeout")
    assert answer["message"] == f"Timeout: Too large resource version: {above + 1000}, current: {above + 20}"
    assert answer["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert answer["details"]["retryAfterSeconds"] == 1
    late.close()
    between.close()


@NEW
def test_who_watches_goes_on_when_the_api_is_back_and_nothing_was_missed(lab: Lab, etcd: Etcd) -> None:
    with Reflector(lab) as watching:
        lab.do("api-down")
        lab.do("api-up")
        until(lambda: watching.watches == 2)
        etcd.put(f"{PLACE}/shop/after-it")
        until(lambda: "shop/after-it" in watching.items)
        assert watching.relists == 0 and watching.items == fresh(lab)


@NEW
def test_what_was_written_while_the_api_was_down_needs_a_new_list(lab: Lab, etcd: Etcd) -> None:
    with Reflector(lab) as watching:
        before = watching.last_revision
        lab.do("api-down")
        etcd.put(f"{PLACE}/shop/meanwhile")
        lab.do("api-up")
        until(lambda: watching.relists == 1)
        assert "shop/meanwhile" in watching.items and watching.items == fresh(lab)
        wire = Wire(lab)
        (refused,) = wire.watch(resourceVersion=before)
        wire.close()
        said = f"too old resource version: {before} ({watching.last_revision})"
        assert refused["type"] == "ERROR" and refused["object"]["message"] == said
        assert (refused["object"]["code"], refused["object"]["reason"]) == (410, "Expired")


@BOTH
def test_what_etcd_has_compacted_meanwhile_needs_a_new_list(lab: Lab, etcd: Etcd) -> None:
    with Reflector(lab) as watching:
        for _ in range(3):
            now = etcd.put("/elsewhere")
        etcd.compact(now)
        assert watching.relists == 0  # while its own watch goes on, the API server has missed nothing
        lab.do("stop", NODE)
        lab.do("start", NODE)
        until(lambda: watching.relists == 1)
        assert watching.items == fresh(lab) and watching.last_revision == str(now)


@NEW
def test_a_rollout_of_the_api_server_hangs_up_who_watches(lab: Lab, wire: Wire, etcd: Etcd) -> None:
    with Reflector(lab) as watching:
        assert watching.watches == 1
        LabClient(lab).patch(API_SERVERS, {"forceRedeploymentReason": f"test-{time.time()}"})
        until(lambda: watching.watches == 2)
        etcd.put(f"{PLACE}/shop/rolled-out")
        until(lambda: "shop/rolled-out" in watching.items)
