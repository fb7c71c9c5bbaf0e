"""Stores with real servers: nginx with PUT, TLS and passwords, and what Nexus says beyond that."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

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
from tests.live.storing import free_port, make_certificate

pytestmark = pytest.mark.live

NGINX = shutil.which("nginx", path="/usr/sbin:" + os.environ.get("PATH", ""))
DATA = os.urandom(5 * BLOCK + 3)
SUM = hashlib.sha256(DATA).hexdigest()
LOGIN = ("backup", "s3cret: ü")


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


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

CONF = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{}}
http {{
  access_log {folder}/access.log; client_body_temp_path {folder}/body; client_max_body_size 8m;
  proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {tls}/crt; ssl_certificate_key {tls}/key;
    auth_basic etcd; auth_basic_user_file {folder}/users;
    location /repository/etcd/ {{ root {folder}/data; dav_methods PUT DELETE; create_full_put_path on; }}
    location /repository/closed/ {{ return 403; }}
    location / {{ return 404; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def nginx(tmp_path_factory, certificate):
    if not NGINX:
        pytest.skip("no nginx on this machine: apt-get install nginx-light")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    (folder / "data/repository/etcd").mkdir(parents=True)
    proof = subprocess.run(
        ["openssl", "passwd", "-apr1", "-stdin"], input=LOGIN[1].encode(), check=True, capture_output=True
    )
    (folder / "users").write_text(f"{LOGIN[0]}:{proof.stdout.decode()}")
    (folder / "conf").write_text(CONF.format(folder=folder, port=port, tls=certificate))
    process = subprocess.Popen([NGINX, "-c", folder / "conf", "-e", folder / "error.log"])
    until = time.monotonic() + 10
    while not listens(port):
        assert time.monotonic() < until and process.poll() is None, (folder / "error.log").read_text()
        time.sleep(0.02)
    yield folder, f"https://127.0.0.1:{port}/repository/etcd/"
    process.kill()
    process.wait()


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


class Nexus(BaseHTTPRequestHandler):
    """A raw repository and the two questions of the REST API, with faults on request."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]
    faults: dict[str, object]

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", reason: str | None = None, **headers: str) -> None:
        self.send_response(status, reason)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @property
    def key(self) -> str:
        return urlsplit(self.path).path.removeprefix("/nexus/repository/etcd/")

    def allowed(self) -> bool:
        want = "Basic " + base64.b64encode(":".join(LOGIN).encode()).decode()
        if self.headers.get("Authorization") == want:
            return True
        self.close_connection = True
        self.answer(401, WWW_Authenticate="BASIC")
        return False

    def do_PUT(self) -> None:
        if not self.allowed():
            return
        if "stall" in self.faults:
            time.sleep(4)
        if "close" in self.faults:
            self.rfile.read(BLOCK)
            self.connection.close()
            return
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if status := self.faults.get("status"):
            self.answer(
                int(str(status)), b"<html>no</html>", reason=str(self.faults.get("reason", "")) or None
            )
            return
        self.objects[self.key] = b"lie" if "lie" in self.faults else content
        self.answer(201)

    def do_HEAD(self) -> None:
        if not self.allowed():
            return
        if self.key in self.objects:
            return self.answer(200, Content_Length=str(self.claimed(self.key)))
        self.answer(404)

    def claimed(self, key: str) -> int:
        return len(DATA) if "lie" in self.faults else len(self.objects[key])

    def do_GET(self) -> None:
        if not self.allowed():
            return
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if parts.path == "/nexus/service/rest/v1/search/assets":
            self.faults["asked"] = int(str(self.faults.get("asked", 0))) + 1
            late = int(str(self.faults.get("late", 0)))
            names = [k for k in self.objects if query["q"][0] in k]
            names = [] if int(str(self.faults["asked"])) <= late else names
            return self.page(names, None)
        if parts.path == "/nexus/service/rest/v1/assets":
            names, start = sorted(self.objects), int(query.get("continuationToken", ["0"])[0])
            return self.page(names[start : start + 2], str(start + 2) if len(names) > start + 2 else None)
        if self.key in self.objects:
            return self.answer(200, self.objects[self.key])
        self.answer(404)

    def page(self, names: list[str], token: str | None) -> None:
        items = [
            {
                "path": "/" + name,  # with a slash or without: it depends on the version
                "fileSize": len(self.objects[name]),
                "lastModified": "2026-11-23T02:00:00.000+00:00",
                "checksum": {"sha256": hashlib.sha256(self.objects[name]).hexdigest(), "md5": "0"},
            }
            for name in names
        ]
        self.answer(200, json.dumps({"items": items, "continuationToken": token}).encode())

    def do_DELETE(self) -> None:
        if self.allowed():
            self.answer(204 if self.objects.pop(self.key, None) is not None else 404)


class Quiet(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, *_: object) -> None:
        pass


@pytest.fixture
def nexus(certificate):
    handler = type("Handler", (Nexus,), {"objects": {}, "faults": {}, "timeout": 5})
    server = Quiet(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "crt", certificate / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    store = at(f"https://127.0.0.1:{server.server_port}/nexus/repository/etcd", certificate, prefix="prod")
    yield store, handler
    server.shutdown()
    server.server_close()
    thread.join()


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
