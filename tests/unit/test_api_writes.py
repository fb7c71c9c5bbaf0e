"""Writing through the Kubernetes API: what goes over the wire, what is logged, how it may fail."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from etcdtui.cluster.command_log import CommandLog
from etcdtui.errors import (
    AuthFailed,
    Conflict,
    EtcdTuiError,
    Exists,
    Forbidden,
    Invalid,
    NotFound,
    Refusal,
    Refused,
    UnexpectedOutput,
    Unreachable,
    Unsure,
)
from etcdtui.platforms import oc
from etcdtui.reach.api import Api

ETCD = "/apis/operator.openshift.io/v1/etcds/cluster"
SECRET = "/api/v1/namespaces/openshift-etcd/secrets/etcd-peer-masternode3"
MACHINES = "/apis/machine.openshift.io/v1beta1/namespaces/openshift-machine-api/machines"
APPROVAL = "/apis/certificates.k8s.io/v1/certificatesigningrequests/csr-x/approval"
GUARD_OFF = {"spec": {"unsupportedConfigOverrides": {"useUnsupported": True, "other": None}}}


class Server:
    """Answers every request with ``answer`` (status and body), or breaks off after reading it."""

    def __init__(self) -> None:
        self.answer: tuple[int, bytes] = (200, b"{}")
        self.seen: list[tuple[str, str, str, Any]] = []
        self.manner = "answer"
        self.over = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                media = self.headers.get("Content-Type", "")
                outer.seen.append((self.command, self.path, media, json.loads(data) if data else None))
                self.close_connection = outer.manner != "answer"
                if outer.manner == "hang":
                    outer.over.wait(5)
                if outer.manner in {"hang", "break"}:
                    return
                status, body = outer.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) + (outer.manner == "cut") * 9))
                self.end_headers()
                self.wfile.write(body)

            do_PUT = do_PATCH = do_DELETE = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.where = f"127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.over.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def status(code: int, message: str, reason: str = "") -> tuple[int, bytes]:
    return code, json.dumps({"kind": "Status", "message": message, "reason": reason}).encode()


def client(folder: Path, where: str, log: CommandLog, *, read_only: bool = False) -> Api:
    path = folder / "config"
    text = {
        "current-context": "a",
        "clusters": [{"name": "c", "cluster": {"server": f"http://{where}"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(json.dumps(text))
    api = Api(str(path), log=log, read_only=read_only)
    api.load()
    return api


@pytest.fixture
def server():
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def log() -> CommandLog:
    return CommandLog()


@pytest.fixture
def api(server: Server, tmp_path: Path, log: CommandLog):
    made = client(tmp_path, server.where, log)
    yield made
    made.close()


def test_a_merge_patch_with_its_nulls(api: Api, server: Server) -> None:
    server.answer = 200, b'{"spec": {"x": 1}}'
    assert api.patch(ETCD, GUARD_OFF) == {"spec": {"x": 1}}
    assert server.seen == [("PATCH", ETCD, "application/merge-patch+json", GUARD_OFF)]


def test_create_and_replace(api: Api, server: Server) -> None:
    body = {"kind": "Machine", "metadata": {"name": "prod-master-3"}, "spec": {}}
    server.answer = 201, json.dumps(body).encode()
    assert api.create(MACHINES, body) == body
    assert api.put(f"{MACHINES}/prod-master-3", body) == body
    assert [(how, url, sent) for how, url, _, sent in server.seen] == [
        ("POST", MACHINES, body),
        ("PUT", f"{MACHINES}/prod-master-3", body),
    ]
    assert {media for _, _, media, _ in server.seen} == {"application/json"}


def test_delete_alone_and_only_that_very_object(api: Api, server: Server) -> None:
    api.delete(SECRET)
    api.delete(SECRET, {"preconditions": {"uid": "u-1"}})
    assert server.seen[0][::3] == ("DELETE", None)
    assert server.seen[1][3] == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "preconditions": {"uid": "u-1"},
    }


def test_a_trial_says_so_to_the_server(api: Api, server: Server, log: CommandLog) -> None:
    api.patch(ETCD, GUARD_OFF, dry=True)
    assert urlsplit(server.seen[0][1]).query == "dryRun=All"
    assert log.records()[0].command.endswith("--dry-run=server")


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (status(401, "Unauthorized"), AuthFailed, "does not accept the credentials.*Nothing was written"),
        (status(404, "no such"), NotFound, "has no etcd/cluster: no such"),
        (status(409, "modified", "Conflict"), Conflict, "did not patch etcd/cluster.*modified"),
        (status(409, "is there", "AlreadyExists"), Exists, "is there"),
        (status(422, 'spec.x: Invalid value: "7"'), Invalid, 'refuses to patch etcd/cluster: spec.x: .*"7"'),
        (status(400, "bad"), Invalid, "bad"),
        (status(429, "slow down"), Unreachable, "too busy.*Nothing was written"),
        (status(500, "etcdserver: request timed out"), Unsure, "request timed out.*not known"),
        ((502, b"<html>"), Unsure, "error 502: <html>.*not known"),
        ((200, b"gone well"), UnexpectedOutput, "no JSON.*By its status it was done"),
    ],
)
def test_refusals_say_whether_it_was_done(
    api: Api,
    server: Server,
    log: CommandLog,
    answer: tuple[int, bytes],
    error: type[EtcdTuiError],
    says: str,
) -> None:
    server.answer = answer
    with pytest.raises(error, match=says) as caught:
        api.patch(ETCD, GUARD_OFF)
    assert len(server.seen) == 1  # a write is never repeated by itself
    assert log.records()[0].error == caught.value.message


def test_a_refused_write_is_not_taken_for_an_unknown_one(api: Api, server: Server) -> None:
    server.answer = status(429, "slow down")
    with pytest.raises(Unreachable) as caught:
        api.delete(SECRET)
    assert not isinstance(caught.value, Unsure)


def test_the_missing_right_is_named(api: Api, server: Server) -> None:
    told = (
        'secrets "etcd-peer-masternode3" is forbidden: User "jane" cannot delete resource "secrets" in API '
        'group "" in the namespace "openshift-etcd"'
    )
    server.answer = status(403, told, "Forbidden")
    with pytest.raises(Forbidden, match="jane lacks the right to delete secrets in namespace openshift-etcd"):
        api.delete(SECRET)
    told = (
        'etcds.operator.openshift.io "cluster" is forbidden: User "jane" cannot patch resource "etcds" in '
        'API group "operator.openshift.io" at the cluster scope'
    )
    server.answer = status(403, told, "Forbidden")
    with pytest.raises(Forbidden, match=r"to patch etcds\.operator\.openshift\.io\.") as caught:
        api.patch(ETCD, {})
    assert caught.value.hint.endswith("oc auth can-i patch etcds.operator.openshift.io.")


@pytest.mark.parametrize("manner", ["break", "cut", "hang"])
def test_an_api_that_goes_away_in_the_middle(api: Api, server: Server, manner: str) -> None:
    server.manner = manner
    with pytest.raises(Unsure, match=r"was asked to patch etcd/cluster.*Whether it was done is not known"):
        api.patch(ETCD, GUARD_OFF, timeout=(1.0, 0.4))
    assert len(server.seen) == 1


def test_an_api_that_was_not_there(tmp_path: Path, log: CommandLog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        where = f"127.0.0.1:{gone.getsockname()[1]}"
    api = client(tmp_path, where, log)
    with pytest.raises(Refused, match="Nothing was written"):
        api.patch(ETCD, GUARD_OFF)
    api.close()


def test_read_only_nothing_is_sent(tmp_path: Path, server: Server, log: CommandLog) -> None:
    api = client(tmp_path, server.where, log, read_only=True)
    for write in (
        lambda: api.patch(ETCD, GUARD_OFF),
        lambda: api.delete(SECRET),
        lambda: api.create(MACHINES, {}),
        lambda: api.put(APPROVAL, {}),
    ):
        with pytest.raises(Refusal, match="opened read-only"):
            write()
    assert (server.seen, log.records()) == ([], ())
    api.close()


def test_every_write_is_in_the_log_as_one_would_type_it(api: Api, server: Server, log: CommandLog) -> None:
    api.patch(ETCD, {"spec": {"a": None}})
    api.delete(SECRET)
    api.create(MACHINES, {"metadata": {"name": "m-3"}})
    api.put(APPROVAL, {"status": {"conditions": [{"type": "Approved"}]}})
    assert [(r.host, r.status, r.command) for r in log.records()] == [
        (server.where, 0, """oc patch etcd/cluster --type=merge -p '{"spec": {"a": null}}'"""),
        (
            server.where,
            0,
            "oc delete secret -n openshift-etcd etcd-peer-masternode3 --wait=false",
        ),
        (server.where, 0, "oc create -n openshift-machine-api -f m-3.yaml"),
        (server.where, 0, "oc adm certificate approve csr-x"),
    ]


@pytest.mark.parametrize(
    ("verb", "path", "body", "command"),
    [
        ("patch", SECRET, {"data": {"tls.key": "hush"}}, "secret/etcd-peer-masternode3"),
        ("get", "/apis/a.io/v1/things", None, "oc get things.a.io -o json"),
        ("delete", "/api/v1/nodes/n1", None, "oc delete node n1 --wait=false"),
        ("replace", APPROVAL, {"status": {"conditions": [{"type": "Denied"}]}}, "deny csr-x"),
    ],
)
def test_requests_as_commands(verb: Any, path: str, body: Any, command: str) -> None:
    line = " ".join(oc.command(verb, path, body))
    assert command in line
    assert "hush" not in line
