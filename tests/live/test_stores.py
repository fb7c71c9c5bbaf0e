"""Stores with real servers: nginx with PUT, TLS and passwords, and what Nexus says beyond that."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time

import pytest

from etcdtui.errors import (
    AuthFailed,
    Cancelled,
    ConfigError,
    Dropped,
    Forbidden,
    NameUnknown,
    NotFound,
    Refusal,
    Refused,
    TimedOut,
    TlsFailed,
    Unreachable,
)
from etcdtui.landing import BLOCK, Moved
from etcdtui.offsite.nexus import NexusStore
from etcdtui.offsite.store import Item, StoreFault, StoreFull, WrongDigest, shelve
from tests.live.storing import LOGIN, NGINX, free_port, make_certificate, nexus_serving, nginx_serving

pytestmark = pytest.mark.live

DATA = os.urandom(5 * BLOCK + 3)
SUM = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def local(tmp_path):
    path = tmp_path / "snapshot.db"
    path.write_bytes(DATA)
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


# --- nginx ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nginx(tmp_path_factory, certificate):
    if not NGINX:
        pytest.skip("no nginx on this machine: apt-get install nginx-light")
    with nginx_serving(tmp_path_factory.mktemp("nginx"), certificate) as serving:
        yield serving


def at(server, certificate, **changes):
    fields = {"login": LOGIN, "ca": str(certificate / "crt"), "silence": 2.0} | changes
    return NexusStore("nexus", fields.pop("url", server), **fields)


def test_nginx_takes_and_gives_back(nginx, certificate, local):
    folder, url = nginx
    store, told = at(url, certificate, prefix="prod/2026"), []
    done = shelve(store, [Item(local, "snapshot.db", SUM)], told.append)
    assert (done[0].sha256, done[0].how) == (SUM, "read back")
    assert (folder / "data/repository/etcd/prod/2026/snapshot.db").read_bytes() == DATA
    assert isinstance(told[0], Moved) and told[-1].done == len(DATA)
    found = store.stat("snapshot.db")
    assert found and found.size == len(DATA) and abs((found.modified or 0) - time.time()) < 60
    with pytest.raises(StoreFault, match="does not answer as Nexus does"):
        store.list()
    store.delete("snapshot.db")
    store.delete("snapshot.db")
    assert store.stat("snapshot.db") is None
    with (
        pytest.raises(NotFound, match=r"snapshot\.db cannot be read from nexus"),
        store.read_back("snapshot.db"),
    ):
        pass
    log = (folder / "access.log").read_text() + (folder / "error.log").read_text()
    assert LOGIN[1] not in log


def test_nginx_keeps_another_file(nginx, certificate, local):
    folder, url = nginx
    (folder / "data/repository/etcd/mine").write_bytes(b"mine")
    with pytest.raises(Refusal, match="nexus has another object called mine; it is not overwritten"):
        shelve(at(url, certificate), [Item(local, "mine", SUM)])
    assert (folder / "data/repository/etcd/mine").read_bytes() == b"mine"


def test_nginx_takes_nothing_so_large(nginx, certificate, local):
    local.write_bytes(DATA * 2)
    with pytest.raises(StoreFull, match="answers 413") as large:
        at(nginx[1], certificate).put(local, "large", "")
    assert "no object so large" in large.value.hint and not large.value.again


def test_a_wrong_password_a_closed_door_and_no_repository(nginx, certificate, local):
    for login in (None, ("backup", "wrong")):
        with pytest.raises(AuthFailed, match="answers 401"):
            at(nginx[1], certificate, login=login).put(local, "x", SUM)
    with pytest.raises(Forbidden, match="answers 403"):
        at(nginx[1].replace("/etcd/", "/closed/"), certificate).put(local, "x", SUM)
    with pytest.raises(NotFound, match="answers 404"):
        at(nginx[1].replace("/repository/etcd", "/nothing"), certificate).put(local, "x", SUM)


def test_a_cancel_leaves_nothing_at_nginx(nginx, certificate, local):
    stop = threading.Event()
    with pytest.raises(Cancelled, match="Bringing x to nexus was stopped"):
        at(nginx[1], certificate).put(local, "x", SUM, lambda m: stop.set(), stop)
    assert at(nginx[1], certificate).stat("x") is None


def test_certificates_that_do_not_fit(nginx, certificate, tmp_path):
    with pytest.raises(TlsFailed, match=r"certificate of 127\.0\.0\.1 does not fit: self-signed certificate"):
        at(nginx[1], certificate, ca=None).stat("x")
    with pytest.raises(TlsFailed, match=r"Hostname mismatch|hostname"):
        at(nginx[1].replace("127.0.0.1", "localhost"), certificate).stat("x")
    with pytest.raises(ConfigError, match=r"authority .* cannot be read"):
        at(nginx[1], certificate, ca=str(tmp_path / "none"))


def test_nobody_there(certificate):
    with pytest.raises(Refused, match="Connection refused"):
        at(f"https://127.0.0.1:{free_port()}/repository/x", certificate).stat("x")
    with pytest.raises(NameUnknown, match=r"no-such-host\.invalid has no address"):
        at("https://no-such-host.invalid/repository/x", certificate).stat("x")


def test_a_proxy_of_the_environment(nginx, certificate, monkeypatch):
    monkeypatch.setenv("https_proxy", f"http://user:word@127.0.0.1:{free_port()}")
    with pytest.raises(Unreachable, match="the proxy does not let us through: Connection refused"):
        at(nginx[1], certificate).stat("x")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert at(nginx[1], certificate).stat("x") is None


# --- what Nexus says --------------------------------------------------------------------------------------


@pytest.fixture
def nexus(certificate):
    with nexus_serving(certificate) as (url, handler):
        handler.size = len(DATA)
        yield at(url, certificate, prefix="prod"), handler


def test_nexus_tells_the_digest(nexus, local):
    store, handler = nexus
    done = shelve(store, [Item(local, "a/x.db", SUM)])
    assert done[0].how == "the store's SHA-256"
    assert handler.objects == {"prod/a/x.db": DATA}


def test_a_search_that_is_late_is_waited_for_or_done_without(nexus, local):
    store, handler = nexus
    handler.faults["late"] = 2
    assert shelve(store, [Item(local, "x", SUM)])[0].how == "the store's SHA-256"
    handler.faults["late"] = 99
    assert shelve(store, [Item(local, "y", SUM)])[0].how == "read back"


def test_nexus_lists_by_pages(nexus, local):
    store, handler = nexus
    handler.objects |= {f"prod/b{i}": b"x" * i for i in range(5)} | {"test/x": b"", "prod/odd name": b""}
    assert [(s.name, s.size) for s in store.list()] == [(f"b{i}", i) for i in range(5)]
    assert store.list()[1].digest == hashlib.sha256(b"x").hexdigest()
    handler.objects |= {"prod/us/x": b"x", "prod/usual/x": b"x"}
    assert [s.name for s in store.list("us")] == ["us/x"]
    store.delete("b1")
    assert "prod/b1" not in handler.objects


def test_a_store_that_lies_is_found_out(nexus, local):
    store, handler = nexus
    handler.faults["lie"] = True
    with pytest.raises(WrongDigest, match="is not the same in nexus"):
        shelve(store, [Item(local, "x", SUM)])
    assert handler.objects == {}


@pytest.mark.parametrize(
    ("status", "reason", "kind", "says"),
    [
        (
            400,
            "Repository does not allow updating assets: etcd",
            StoreFault,
            "does not allow updating assets",
        ),
        (401, "", AuthFailed, "answers 401"),
        (403, "", Forbidden, "answers 403"),
        (404, "", NotFound, "answers 404"),
        (412, "", Refusal, "not overwritten"),
        (413, "", StoreFull, "answers 413"),
        (500, "", StoreFault, "answers 500"),
        (503, "", StoreFault, "answers 503"),
        (507, "", StoreFull, "answers 507"),
        (302, "", ConfigError, "answers 302"),
    ],
)
def test_what_nexus_refuses(nexus, local, status, reason, kind, says):
    store, handler = nexus
    handler.faults |= {"status": status, "reason": reason}
    with pytest.raises(kind, match=says) as refused:
        store.put(local, "x", SUM)
    assert "<html>" not in str(refused.value)
    assert local.read_bytes() == DATA


def test_a_store_that_stalls_and_one_that_closes_early(nexus, local):
    store, handler = nexus
    handler.faults["close"] = True
    with pytest.raises(Dropped, match="closed the connection early"):
        store.put(local, "x", SUM)
    del handler.faults["close"]
    handler.faults["stall"] = True
    with pytest.raises(TimedOut, match=r"127\.0\.0\.1 (does not answer|takes no more)"):
        store.put(local, "x", SUM)
    with contextlib.suppress(KeyError):
        del handler.objects["prod/x"]
