"""The store of kind s3, against moto's S3 server: over HTTP, over TLS, and behind servers that fail."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

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
    UnexpectedOutput,
)
from etcdtui.landing import BLOCK, Moved
from etcdtui.offsite.fetching import fetch
from etcdtui.offsite.s3 import PART_SIZE, S3Store
from etcdtui.offsite.store import Item, StoreFault, StoreFull, WrongDigest, shelve
from tests.live.storing import free_port, make_certificate

pytest.importorskip("boto3", reason="boto3 is not installed")
moto_server = pytest.importorskip("moto.server", reason="moto[server] is not installed")
serving = pytest.importorskip("werkzeug.serving", reason="moto[server] is not installed")

pytestmark = pytest.mark.live

SMALL = os.urandom(BLOCK + 7)
LARGE = os.urandom(2 * PART_SIZE + 4321)
S3 = "http://s3.amazonaws.com/doc/2006-03-01/"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path_factory):
    """Credentials as boto finds them, and nothing else of this machine."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower() in ("http_proxy", "https_proxy", "no_proxy"):
            monkeypatch.delenv(name)
    empty = tmp_path_factory.mktemp("aws")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(empty / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(empty / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")


class Between:
    """In front of moto: answers itself where ``faults`` says so, and notes what was asked."""

    def __init__(self):
        self.app = moto_server.DomainDispatcherApplication(moto_server.create_backend_app)
        self.faults: dict[str, object] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def __call__(self, environ, start_response):
        query, method = environ.get("QUERY_STRING", ""), environ["REQUEST_METHOD"]
        self.asked.append((method, query, dict(environ)))
        if said := self.faults.get(method):
            status, code = said
            body = f"<Error><Code>{code}</Code><Message>no more</Message></Error>"
            if not code:
                body = "<html><p>not here</p></html>"
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response(f"{status} Said", [("Content-Type", "application/xml")])
            return [body.encode()]
        if "lie" in self.faults and method == "GET" and "list-type" not in query:
            content = b"x" + b"".join(self.app(environ, lambda *_: None))[1:]
            start_response("200 OK", [("Content-Length", str(len(content)))])
            return [content]
        if "claim" in self.faults and method == "HEAD":
            claim = str(self.faults["claim"])

            def claimed(status, headers, *rest):
                kept = [(name, value) for name, value in headers if "checksum" not in name.lower()]
                return start_response(status, [*kept, ("x-amz-checksum-sha256", claim)], *rest)

            return self.app(environ, claimed)
        if "unconditional" in self.faults and environ.get("HTTP_IF_NONE_MATCH"):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("501 Not Implemented", [])
            return [b"<Error><Code>NotImplemented</Code></Error>"]
        return self.app(environ, start_response)


@contextlib.contextmanager
def served(context=None):
    between = Between()
    server = serving.make_server("127.0.0.1", 0, between, threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield between, f"{'https' if context else 'http'}://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def server():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with served() as running:
        yield running


@pytest.fixture
def moto(server):
    between, url = server
    between.faults.clear()
    between.asked.clear()
    import boto3

    fields = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=url, **fields)
    client.create_bucket(Bucket="etcd")
    while kept := client.list_objects_v2(Bucket="etcd").get("Contents"):
        client.delete_objects(Bucket="etcd", Delete={"Objects": [{"Key": each["Key"]} for each in kept]})
    between.asked.clear()
    yield between, url, client
    client.close()


def at(url, **changes):
    fields = {"bucket": "etcd", "prefix": "prod", "endpoint": url, "plain": True, "silence": 2.0} | changes
    return S3Store("minio", **fields)


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(SMALL)
    return Item(path, "a/small", digest(SMALL))


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(LARGE)
    return Item(path, "a/large", digest(LARGE))


# --- what is sent, and what is there then -----------------------------------------------------------------


def test_a_small_file_goes_in_one_request_and_the_store_tells_its_digest(moto, small):
    between, url, client = moto
    store, told = at(url), []
    (done,) = shelve(store, [small], told.append)
    assert (done.sha256, done.how) == (small.sha256, "the store's SHA-256")
    assert client.get_object(Bucket="etcd", Key="prod/a/small")["Body"].read() == SMALL
    assert isinstance(told[-1], Moved) and told[-1].done == len(SMALL)
    found = store.stat("a/small")
    assert found and (found.size, found.digest) == (len(SMALL), small.sha256)
    assert abs((found.modified or 0) - time.time()) < 60
    between.asked.clear()
    assert shelve(store, [small])[0].sha256 == small.sha256
    assert {method for method, *_ in between.asked} == {"HEAD"}  # nothing is sent again
    store.delete("a/small")
    store.delete("a/small")
    assert store.stat("a/small") is None and store.list() == []


def test_a_large_file_goes_in_parts_and_is_read_back(moto, large):
    between, url, client = moto
    store, told = at(url), []
    assert shelve(store, [large], told.append)[0].how == "read back"
    parts = [asked for asked in between.asked if "partNumber" in asked[1]]
    assert len(parts) == 3 and all(int(asked[2]["CONTENT_LENGTH"]) <= PART_SIZE for asked in parts)
    assert client.get_object(Bucket="etcd", Key="prod/a/large")["Body"].read() == LARGE
    sent = [moved.done for moved in told if moved.name == "a/large"]
    assert sent == sorted(sent) and sent[-1] == len(LARGE)
    with store.read_back("a/large") as blocks:
        assert digest(b"".join(blocks)) == large.sha256
    with (
        pytest.raises(NotFound, match=r"nothing cannot be read from minio.*NoSuchKey"),
        store.read_back("nothing"),
    ):
        pass


def test_what_is_fetched_goes_on_in_the_middle(moto, large, tmp_path):
    between, url, _ = moto
    shelve(at(url), [large])
    (tmp_path / "here.part").write_bytes(LARGE[: BLOCK + 9])
    between.asked.clear()
    made = fetch(at(url), "a/large", tmp_path / "here", size=len(LARGE), sha256=digest(LARGE))
    assert made.sha256 == digest(LARGE) and (tmp_path / "here").read_bytes() == LARGE
    assert [asked[2].get("HTTP_RANGE") for asked in between.asked][-1] == f"bytes={BLOCK + 9}-"


def test_an_empty_file(moto, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    shelve(at(moto[1]), [Item(tmp_path / "empty", "empty", digest(b""))])
    assert at(moto[1]).stat("empty").size == 0


def test_the_list_is_of_the_prefix_alone_and_complete(moto, monkeypatch):
    between, url, client = moto
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "7")
    keys = [f"prod/x/{i:04}" for i in range(20)] + ["test/y", "prod/odd name", "prod2", "prod/xy/z"]
    for key in keys:
        client.put_object(Bucket="etcd", Key=key, Body=b"12")
    between.asked.clear()
    listed = at(url).list("x")
    assert len(between.asked) > 2  # in pages
    assert [(s.name, s.size) for s in listed] == [(f"x/{i:04}", 2) for i in range(20)]
    assert at(url).list() == [*listed, at(url).stat("xy/z")]
    assert at(url, prefix="").stat("test/y") is not None


@pytest.mark.parametrize("file", ["small", "large"])
def test_nothing_is_overwritten(moto, file, request, monkeypatch):
    item, (_, url, client) = request.getfixturevalue(file), moto
    store = at(url)
    client.put_object(Bucket="etcd", Key=f"prod/{item.name}", Body=b"mine")
    with pytest.raises(Refusal, match=f"minio has another object called {item.name}; it is not overwritten"):
        shelve(store, [item])
    with pytest.raises(Refusal, match="not overwritten"):
        store.put(item.path, item.name, item.sha256)
    # It came between our question and our upload: the server itself refuses.
    stat, asked = store.stat, []
    monkeypatch.setattr(store, "stat", lambda name: stat(name) if asked else asked.append(name))
    with pytest.raises(Refusal, match="not overwritten"):
        store.put(item.path, item.name, item.sha256)
    assert client.get_object(Bucket="etcd", Key=f"prod/{item.name}")["Body"].read() == b"mine"
    assert "Uploads" not in client.list_multipart_uploads(Bucket="etcd")


@pytest.mark.parametrize("file", ["small", "large"])
def test_the_same_content_is_already_there(moto, file, request):
    item, (between, url, _) = request.getfixturevalue(file), moto
    store = at(url)
    store.put(item.path, item.name, item.sha256)
    between.asked.clear()
    store.put(item.path, item.name, item.sha256)
    assert "PUT" not in {method for method, *_ in between.asked}


@pytest.mark.parametrize("file", ["small", "large"])
def test_a_server_that_knows_no_conditions(moto, file, request):
    item, (between, url, _) = request.getfixturevalue(file), moto
    between.faults["unconditional"] = True
    assert shelve(at(url), [item])[0].sha256 == item.sha256


@pytest.mark.parametrize("file", ["small", "large"])
def test_a_cancel_leaves_nothing(moto, file, request):
    item, (_, url, client) = request.getfixturevalue(file), moto
    stop = threading.Event()
    with pytest.raises(Cancelled, match=f"Bringing {item.name} to minio was stopped"):
        at(url).put(item.path, item.name, item.sha256, lambda _: stop.set(), stop)
    assert "Contents" not in client.list_objects_v2(Bucket="etcd")
    assert "Uploads" not in client.list_multipart_uploads(Bucket="etcd")


# --- stores that lie and fail -----------------------------------------------------------------------------


def test_a_store_that_keeps_something_else(moto, large):
    between, url, client = moto
    between.faults["lie"] = True
    with pytest.raises(WrongDigest, match=r"a/large is not the same in minio.*read back"):
        shelve(at(url), [large])
    assert "Contents" not in client.list_objects_v2(Bucket="etcd")


def test_a_store_that_tells_another_digest(moto, small):
    between, url, client = moto
    between.faults["claim"] = base64.b64encode(bytes(32)).decode()
    with pytest.raises(WrongDigest, match=r"is 0000000000000000… there .*the store's SHA-256"):
        shelve(at(url), [small])
    assert "Contents" not in client.list_objects_v2(Bucket="etcd")


@pytest.mark.parametrize("claim", ["nonsense", "AAAA", base64.b64encode(bytes(32)).decode() + "-3"])
def test_a_digest_that_is_none_of_the_whole_is_not_believed(moto, small, claim):
    between, url, _ = moto
    between.faults["claim"] = claim
    assert shelve(at(url), [small])[0].how == "read back"


@pytest.mark.parametrize(
    ("status", "code", "kind", "says"),
    [
        (403, "AccessDenied", Forbidden, "answers 403 (AccessDenied: no more)"),
        (403, "InvalidAccessKeyId", AuthFailed, "does not know this access key"),
        (403, "SignatureDoesNotMatch", AuthFailed, "secret key does not belong"),
        (403, "RequestTimeTooSkewed", AuthFailed, "clock of this machine is wrong"),
        (400, "ExpiredToken", AuthFailed, "log in again"),
        (401, "Unauthorized", AuthFailed, "answers 401"),
        (404, "NoSuchBucket", NotFound, "etcdtui makes no bucket"),
        (400, "EntityTooLarge", StoreFull, "no object so large"),
        (413, "TooMuch", StoreFull, "no object so large"),
        (403, "QuotaExceeded", StoreFull, "It is full"),
        (507, "XMinioStorageFull", StoreFull, "It is full"),
        (507, "", StoreFull, "It is full"),
        (301, "PermanentRedirect", ConfigError, "Check region and endpoint"),
        (400, "AuthorizationHeaderMalformed", ConfigError, "Check region and endpoint"),
        (400, "BadDigest", WrongDigest, "not what was sent"),
        (500, "InternalError", StoreFault, "answers 500"),
        (503, "SlowDown", StoreFault, "answers 503 (SlowDown"),
        (404, "", NotFound, "Check endpoint and bucket"),
        (502, "", StoreFault, "or it is no S3"),
    ],
)
def test_what_s3_refuses(moto, small, status, code, kind, says):
    between, url, _ = moto
    between.faults["PUT"] = (status, code)
    with pytest.raises(kind) as refused:
        at(url).put(small.path, small.name, small.sha256)
    assert says in str(refused.value) and "<html>" not in str(refused.value)
    assert str(refused.value).startswith("a/small cannot be brought to minio: ")
    assert small.path.read_bytes() == SMALL


def test_the_region_that_s3_names_is_passed_on():
    from etcdtui.offsite.s3_faults import client_fault

    said = client_fault(
        "minio",
        "x cannot be brought",
        {
            "Error": {
                "Code": "AuthorizationHeaderMalformed",
                "Message": "the region\x1b[2J is wrong",
                "Region": "eu",
            },
            "ResponseMetadata": {"HTTPStatusCode": 400},
        },
    )
    assert "Name region = 'eu'." in str(said) and "\x1b" not in str(said)
    head = {"Error": {"Code": "301"}, "ResponseMetadata": {"HTTPStatusCode": 301}}
    head["ResponseMetadata"]["HTTPHeaders"] = {"x-amz-bucket-region": "us-west-2"}
    assert client_fault("minio", "x", head).hint == "Name region = 'us-west-2'."


def test_a_part_that_is_refused_ends_the_upload(moto, large):
    between, url, client = moto
    between.faults["PUT"] = (403, "QuotaExceeded")
    with pytest.raises(StoreFull, match="QuotaExceeded"):
        at(url).put(large.path, large.name, large.sha256)
    assert "Uploads" not in client.list_multipart_uploads(Bucket="etcd")


def test_another_bucket_and_no_right_to_look(moto, small):
    between, url, _ = moto
    with pytest.raises(NotFound, match=r"NoSuchBucket.*etcdtui makes no bucket"):
        at(url, bucket="nothing").put(small.path, small.name, small.sha256)
    with pytest.raises(NotFound, match="The backups in minio cannot be listed: minio answers 404"):
        at(url, bucket="nothing").list()
    between.faults["HEAD"] = (403, "AccessDenied")
    with pytest.raises(Forbidden, match="without it S3 answers 403 for what is not there"):
        at(url).stat("x")


def test_what_is_no_s3_is_not_taken_for_an_empty_bucket(moto):
    between, url, _ = moto
    between.faults["GET"] = (200, "")
    with pytest.raises(UnexpectedOutput, match="does not answer as S3 does"):
        at(url).list()


# --- credentials, TLS, the way there ----------------------------------------------------------------------


def test_credentials_are_found_as_boto_finds_them(moto, monkeypatch, tmp_path):
    between, url, _ = moto
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AuthFailed, match="no credentials for minio are found"):
        at(url).list()
    with pytest.raises(ConfigError, match="backups"):
        at(url, profile="backups").list()
    (tmp_path / "shared").write_text("[backups]\naws_access_key_id = FROMFILE\naws_secret_access_key = y\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "shared"))
    at(url, profile="backups", region="eu-central-1").list()
    assert "FROMFILE" in between.asked[-1][2]["HTTP_AUTHORIZATION"]
    assert "eu-central-1" in between.asked[-1][2]["HTTP_AUTHORIZATION"]


def test_tls_with_an_authority_of_its_own(small, large, tmp_path):
    make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    with served(context) as (_, url):
        store = at(url, plain=False, ca=str(tmp_path / "crt"))
        store._client.create_bucket(Bucket="etcd")
        assert [done.sha256 for done in shelve(store, [small, large])] == [small.sha256, large.sha256]
        with pytest.raises(TlsFailed, match=r"certificate of 127\.0\.0\.1 does not fit: self-signed"):
            at(url).stat("x")
        with pytest.raises(TlsFailed, match=r"localhost"):
            at(url.replace("127.0.0.1", "localhost"), ca=str(tmp_path / "crt")).stat("x")
        with pytest.raises((Dropped, UnexpectedOutput)):
            at(url.replace("https", "http")).stat("x")


def test_nobody_there():
    with pytest.raises(Refused, match=r"127\.0\.0\.1 cannot be connected to: Connection refused"):
        at(f"http://127.0.0.1:{free_port()}").stat("x")
    with pytest.raises(NameUnknown, match=r"no-such-host\.invalid has no address"):
        at("http://no-such-host.invalid").stat("x")


class Failing:
    """A way to moto that lets ``limit`` bytes of each connection through, ``times`` times, then fails."""

    def __init__(self, url: str, how: str, limit: int, times: int = 99) -> None:
        self.to, self.how, self.limit, self.times = urlsplit(url), how, limit, times
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self) -> None:
        while not self.ended.is_set():
            if select.select([self.listener], [], [], 0.02)[0]:
                near, _ = self.listener.accept()
                self.threads.append(threading.Thread(target=self.carry, args=(near,)))
                self.threads[-1].start()

    def carry(self, near: socket.socket) -> None:
        with near, socket.create_connection((self.to.hostname, self.to.port)) as far:
            let, pairs = 0, {near: far, far: near}
            while not self.ended.is_set():
                for ready in select.select(list(pairs), [], [], 0.02)[0]:
                    with contextlib.suppress(OSError):
                        if block := ready.recv(65536):
                            pairs[ready].sendall(block)
                            let += len(block) if ready is near else 0
                            continue
                    return
                if let > self.limit and self.times > 0:
                    self.times -= 1
                    if self.how == "stall":
                        self.ended.wait()
                    return

    def close(self) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()
        self.listener.close()


@pytest.fixture
def failing(moto):
    made: list[Failing] = []

    def make(how: str, limit: int, times: int = 99) -> str:
        made.append(Failing(moto[1], how, limit, times))
        return made[-1].url

    yield make
    for each in made:
        each.close()


def test_a_store_that_closes_early(failing, large):
    with pytest.raises(Dropped, match="closed the connection early"):
        at(failing("close", BLOCK)).put(large.path, large.name, large.sha256)


def test_a_store_that_stalls(failing, large):
    with pytest.raises(TimedOut, match=r"127\.0\.0\.1 (does not answer|takes no more)"):
        at(failing("stall", 3 * BLOCK), silence=0.4).put(large.path, large.name, large.sha256)


def test_a_part_that_fails_once_is_sent_again(moto, failing, large):
    told: list[Moved] = []
    store = at(failing("close", 3 * BLOCK, times=1))
    store.put(large.path, large.name, large.sha256, told.append)
    assert shelve(at(moto[1]), [large])[0].sha256 == large.sha256
    assert max(moved.done for moved in told) == len(LARGE)


def test_memory_stays_bounded(moto, tmp_path):
    """A file eight times as large takes no more of it; the server is in another process."""
    code = """
import resource, sys
from pathlib import Path
from etcdtui.offsite.s3 import S3Store
store, peaks = S3Store("m", "etcd", endpoint=sys.argv[1], plain=True), []
for name in ("one", "eight"):
    path = Path(sys.argv[2], name)
    store.put(path, name, '0' * 64)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peaks[1] - peaks[0])
"""
    for name, times in (("one", 2), ("eight", 16)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(times * PART_SIZE)
    done = subprocess.run(
        [sys.executable, "-c", code, moto[1], tmp_path], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 3 * PART_SIZE / 1024
