"""The keys of a real etcd, listed in pages by both ways, and compared with a snapshot of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from etcdtui.cluster.live_keys import LiveKeys
from etcdtui.cluster.speaker import Voice
from etcdtui.errors import Cancelled, EtcdTuiError, Refusal
from etcdtui.etcd.comparing import compare_live
from etcdtui.etcd.contents import Contents
from etcdtui.etcd.listing import Compacted, LiveKey
from etcdtui.model.contents import Change
from etcdtui.platforms.host_answers import HostAccess
from etcdtui.reach.local import LocalRunner
from tests.data.record import Trio, found_binaries, trio

pytestmark = pytest.mark.live
COUNT = 45
WAYS = ["pipe", "etcdctl"]


@pytest.fixture(scope="module", params=found_binaries().items(), ids=lambda item: str(item[0]))
def cluster(request: pytest.FixtureRequest) -> Iterator[Trio]:
    _, binaries = request.param
    with trio(binaries, members=1) as one:
        for number in range(COUNT):
            put(one, f"/kubernetes.io/pods/prod/web-{number:03}")
        put(one, "-begins/with a dash")
        yield one


@pytest.fixture
def runner() -> Iterator[LocalRunner]:
    local = LocalRunner("here")
    yield local
    local.close()


def etcdctl(cluster: Trio, *words: str) -> None:
    subprocess.run(cluster.etcdctl(*words), check=True, capture_output=True, env={"ETCDCTL_API": "3"})


def put(cluster: Trio, key: str) -> None:
    etcdctl(cluster, "put", "--", key, "value")


def listed(cluster: Trio, runner: LocalRunner, way: str, *, page: int = 10, stop: bool = False) -> LiveKeys:
    certificate, key = cluster.client
    access = HostAccess(
        ca=str(cluster.authority.ca),
        certificate=str(certificate),
        key=str(key),
        openssl="openssl" if way == "pipe" else "",
        etcdctl=str(cluster.binaries / "etcdctl"),
    )
    return LiveKeys(Voice("here", runner, access, (), 1), cluster.endpoints[0], lambda: stop, page)


@pytest.mark.parametrize("way", WAYS)
def test_every_key_comes_once_in_pages_of_one_revision(cluster: Trio, runner: LocalRunner, way: str) -> None:
    keys = listed(cluster, runner, way)
    found: list[LiveKey] = []
    for key in keys:
        found.append(key)
        if len(found) == 5:
            put(cluster, f"/kubernetes.io/pods/prod/zz-later-{way}")
    names = [key.key for key in found]
    assert names == sorted(set(names)) and f"/kubernetes.io/pods/prod/zz-later-{way}".encode() not in names
    assert sum(name.startswith(b"/kubernetes.io/pods/prod/web-") for name in names) == COUNT
    assert b"-begins/with a dash" in names
    assert keys.total == keys.read == len(names)
    assert max(key.revision for key in found) == keys.revision


@pytest.mark.parametrize("way", WAYS)
def test_what_differs_from_a_snapshot(cluster: Trio, runner: LocalRunner, way: str, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot.db"
    etcdctl(cluster, "put", f"/kubernetes.io/pods/{way}/gone", "x")
    etcdctl(cluster, "snapshot", "save", str(snapshot))
    etcdctl(cluster, "del", f"/kubernetes.io/pods/{way}/gone")
    put(cluster, "/kubernetes.io/pods/prod/web-007")
    put(cluster, f"/kubernetes.io/pods/{way}/new")
    with Contents(snapshot) as before:
        found = compare_live(before, listed(cluster, runner, way))
        assert [c.key for c in found.added] == [f"/kubernetes.io/pods/{way}/new"]
        assert [c.key for c in found.changed] == ["/kubernetes.io/pods/prod/web-007"]
        assert [c.key for c in found.removed] == [f"/kubernetes.io/pods/{way}/gone"]
        (changed,) = found.changed
        assert isinstance(changed, Change) and changed.before and changed.after
        assert changed.before[0] < changed.after[0]
        assert found.unchanged >= COUNT - 1
        with pytest.raises(Refusal, match="More than 2 keys differ"):
            compare_live(before, listed(cluster, runner, way), most=2)


@pytest.mark.parametrize("way", WAYS)
def test_a_revision_that_is_compacted_meanwhile(cluster: Trio, runner: LocalRunner, way: str) -> None:
    keys = listed(cluster, runner, way)
    with pytest.raises(Compacted, match=r"etcd compacted revision \d+ away while its keys were listed"):
        for number, _ in enumerate(keys):
            if number == 5:
                put(cluster, "more")
                put(cluster, "more")
                etcdctl(cluster, "compact", str(keys.revision + 2))


def test_stopped_and_unreachable(cluster: Trio, runner: LocalRunner) -> None:
    with pytest.raises(Cancelled):
        list(listed(cluster, runner, "pipe", stop=True))
    for way in WAYS:
        keys = listed(cluster, runner, way)
        keys.url = keys.url.replace("127.0.0.1", "127.0.0.2")
        with pytest.raises(EtcdTuiError, match=r"127\.0\.0\.2"):
            list(keys)
