"""The Kubernetes API over TLS on loopback, as it answers and as it fails."""

from __future__ import annotations

import base64
import datetime
import http.server
import ipaddress
import json
import socket
import ssl
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from etcdtui.errors import (
    AuthFailed,
    ConfigError,
    Forbidden,
    NameUnknown,
    NotFound,
    Refused,
    TimedOut,
    TlsFailed,
    UnexpectedOutput,
    Unreachable,
)
from etcdtui.reach.api import Api
from etcdtui.reach.login import LoginProgram

QUICK = (1.0, 0.5)


def logged_in(*words: str | None) -> Api:
    api = Api(*words)
    api.load()
    return api


def authority(name: str):
    key = ec.generate_private_key(ec.SECP256R1())
    return key, certificate(name, key, name, key, ca=True)


def certificate(name, key, issuer, issuer_key, *, ca=False, days=2):
    now = datetime.datetime.now(datetime.UTC)

    def called(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(called(name))
        .issuer_name(called(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=4))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    if ca:
        usage = {"key_cert_sign": True, "crl_sign": True, "digital_signature": True}
        others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
        names = (*others, "encipher_only", "decipher_only")
        builder = builder.add_extension(x509.KeyUsage(**usage, **dict.fromkeys(names, False)), critical=True)
    else:
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def pem(thing) -> bytes:
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM)
    return thing.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Server:
    """Answers as ``pages`` says: path to (status, body)."""

    def __init__(self, folder: Path, *, days: int = 2) -> None:
        self.pages: dict[str, tuple[int, bytes]] = {}
        self.seen: list[tuple[str, dict[str, list[str]], str]] = []
        self.hang = threading.Event()
        ca_key, self.ca = authority("ca")
        key = ec.generate_private_key(ec.SECP256R1())
        (folder / "server.pem").write_bytes(pem(key) + pem(certificate("api", key, "ca", ca_key, days=days)))
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                url = urlsplit(self.path)
                query = parse_qs(url.query)
                outer.seen.append((url.path, query, self.headers.get("Authorization", "")))
                if url.path == "/hang":
                    outer.hang.wait(10)
                    self.close_connection = True
                    return
                if url.path == "/drip":
                    self.send_response(200)
                    self.send_header("Content-Length", "1000")
                    self.end_headers()
                    while not outer.hang.wait(0.2):
                        try:
                            self.wfile.write(b" ")
                        except OSError:
                            break
                    self.close_connection = True
                    return
                status, body = outer.pages.get(url.path + "?" + "".join(query.get("continue", [])), (0, b""))
                if not status:
                    status, body = outer.pages.get(url.path, (404, b'{"message": "no such page"}'))
                self.send_response(status)
                if url.path == "/chunks":
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for start in range(0, len(body), 1000):
                        part = body[start : start + 1000]
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.write(b"0\r\n\r\n")
                    return
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # broken handshakes are what some tests are about

        self.http = Quiet(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        self.http.socket = context.wrap_socket(
            self.http.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self.http.server_address[1]
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.hang.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def kubeconfig(
    folder: Path, server: str, ca: x509.Certificate | None, *, name="config", user=None, context="a"
):
    cluster = {"server": server}
    if ca is not None:
        cluster["certificate-authority-data"] = base64.b64encode(pem(ca)).decode()
    text = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": f"c-{context}", "cluster": cluster}],
        "users": [{"name": f"u-{context}", "user": {"token": f"secret-{context}"} if user is None else user}],
        "contexts": [{"name": context, "context": {"cluster": f"c-{context}", "user": f"u-{context}"}}],
    }
    path = folder / name
    path.write_text(json.dumps(text))
    return str(path)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("api"))
    yield server
    server.stop()


@pytest.fixture
def api(server, tmp_path):
    api = logged_in(kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}", server.ca))
    server.seen.clear()
    server.pages.clear()
    yield api
    api.close()


def test_an_object_comes_as_it_is(api, server):
    server.pages["/version"] = (200, b'{"major": "1", "unknown": null}')
    assert api.get("/version", [("a", "b c")]) == {"major": "1", "unknown": None}
    assert server.seen == [("/version", {"a": ["b c"]}, "Bearer secret-a")]
    assert api.server == f"127.0.0.1:{server.port}"
    assert api.source.endswith("/config")


def test_a_large_answer_in_chunks(api, server):
    big = {"text": "x" * 3_000_000}
    server.pages["/chunks"] = (200, json.dumps(big).encode())
    assert api.get("/chunks") == big
    assert api.get("/chunks") == big


def test_a_list_comes_page_after_page(api, server):
    def page(names, more):
        return 200, json.dumps({"items": [{"n": n} for n in names], "metadata": {"continue": more}}).encode()

    server.pages["/api/v1/nodes"] = page("ab", "t1")
    server.pages["/api/v1/nodes?t1"] = page("cd", "t2")
    server.pages["/api/v1/nodes?t2"] = page("e", None)
    items = api.get_list("/api/v1/nodes", [("labelSelector", "x=")])
    assert "".join(item["n"] for item in items) == "abcde"
    assert [query.get("limit") for _, query, _ in server.seen] == [["500"]] * 3


def test_a_watch_brings_its_events_and_a_410_is_the_one_it_stands_for(api, server):
    lines = b'{"type": "ADDED", "object": {}}\n{"type": "ERROR", "object": {"code": 410}}\n'
    server.pages["/w"] = (200, lines)
    assert api.watch("/w", 305, 3) == [
        {"type": "ADDED", "object": {}},
        {"type": "ERROR", "object": {"code": 410}},
    ]
    assert server.seen[-1][1] == {"watch": ["1"], "resourceVersion": ["305"], "timeoutSeconds": ["3"]}
    server.pages["/w"] = (200, b"")
    assert api.watch("/w", 305, 3) == []
    server.pages["/w"] = (410, b'{"kind": "Status", "message": "too old resource version", "code": 410}')
    (event,) = api.watch("/w", 305, 3)
    assert event["type"] == "ERROR" and event["object"]["code"] == 410
    server.pages["/w"] = (403, b'{"message": "no"}')
    with pytest.raises(Forbidden):
        api.watch("/w", 305, 3)
    server.pages["/w"] = (200, b'{"type": "ADD')
    with pytest.raises(UnexpectedOutput):
        api.watch("/w", 305, 3)


def test_a_list_that_keeps_expiring_is_given_up(api, server):
    server.pages["/l"] = (200, b'{"items": [], "metadata": {"continue": "old"}}')
    server.pages["/l?old"] = (410, b'{"message": "expired"}')
    with pytest.raises(Unreachable, match="changes too fast"):
        api.get_list("/l")
    assert len(server.seen) == 4


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, AuthFailed, "does not accept the credentials of .*config: why"),
        (403, Forbidden, "does not let us get /x: why"),
        (404, NotFound, "has no /x: why"),
        (500, Unreachable, "answers /x with error 500: why"),
        (503, Unreachable, "error 503"),
        (429, Unreachable, "error 429"),
        (302, UnexpectedOutput, "status 302"),
    ],
)
def test_refusals_are_told_apart(api, server, status, error, words):
    server.pages["/x"] = (status, b'{"kind": "Status", "message": "why."}')
    with pytest.raises(error, match=words):
        api.get("/x")
    assert len(server.seen) == 1


def test_a_refusal_without_a_status_object(api, server):
    server.pages["/x"] = (502, b"<html>bad gateway</html>")
    with pytest.raises(Unreachable, match="error 502: <html>bad gateway"):
        api.get("/x")
    server.pages["/x"] = (500, b"")
    with pytest.raises(Unreachable, match="without a word"):
        api.get("/x")


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[1]", b"null", b""])
def test_garbage_is_not_an_answer(api, server, body):
    server.pages["/x"] = (200, body)
    with pytest.raises(UnexpectedOutput):
        api.get("/x")
    server.pages["/x"] = (200, b'{"items": [1]}')
    with pytest.raises(UnexpectedOutput):
        api.get_list("/x")


@pytest.mark.parametrize(("path", "most"), [("/hang", 1.5), ("/drip", 2.5)])
def test_a_server_that_does_not_finish(api, server, path, most):
    started = time.monotonic()
    with pytest.raises(TimedOut):
        api.get(path, timeout=QUICK)
    assert time.monotonic() - started < most
    server.pages["/x"] = (200, b"{}")
    assert api.get("/x") == {}


def test_a_server_that_accepts_and_is_silent(server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        api = logged_in(kubeconfig(tmp_path, f"https://127.0.0.1:{silent.getsockname()[1]}", server.ca))
        started = time.monotonic()
        with pytest.raises(TimedOut):
            api.get("/x", timeout=(0.3, 0.5))
        assert time.monotonic() - started < 1.5
        api.close()


def test_nothing_listens(server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    api = logged_in(kubeconfig(tmp_path, f"https://127.0.0.1:{port}", server.ca))
    with pytest.raises(Refused, match=f"127.0.0.1:{port} refuses the connection"):
        api.get("/x", timeout=QUICK)
    api.close()


def test_the_name_is_unknown(server, tmp_path):
    api = logged_in(kubeconfig(tmp_path, "https://api.no-such.invalid:6443", server.ca))
    with pytest.raises(NameUnknown, match=r"api\.no-such\.invalid:6443"):
        api.get("/x", timeout=QUICK)
    api.close()


def test_another_authority(server, tmp_path):
    _, other = authority("other")
    api = logged_in(kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}", other))
    with pytest.raises(TlsFailed, match="certificate verify failed: ") as caught:
        api.get("/x", timeout=QUICK)
    assert "_ssl.c" not in caught.value.message and "[SSL" not in caught.value.message
    assert "certificate-authority-data" in caught.value.hint
    api.close()


def test_a_client_certificate_that_is_none(server, tmp_path):
    user = {"client-certificate-data": "bm9uZQ==", "client-key-data": "bm9uZQ=="}
    api = logged_in(kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}", server.ca, user=user))
    with pytest.raises(TlsFailed) as caught:
        api.get("/x", timeout=QUICK)
    assert "_ssl.c" not in caught.value.message
    assert "client certificate" in caught.value.hint
    api.close()


def test_an_expired_certificate_and_a_wrong_name(server, tmp_path):
    old = Server(tmp_path, days=-1)
    api = logged_in(kubeconfig(tmp_path, f"https://127.0.0.1:{old.port}", old.ca))
    with pytest.raises(TlsFailed, match="expired"):
        api.get("/x", timeout=QUICK)
    api.close()
    old.stop()
    api = logged_in(kubeconfig(tmp_path, f"https://localhost:{server.port}", server.ca))
    with pytest.raises(TlsFailed, match=r"[Hh]ostname"):
        api.get("/x", timeout=QUICK)
    api.close()


def test_a_server_that_speaks_no_tls(server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer():
            sock, _ = plain.accept()
            with sock:
                sock.recv(1000)
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        api = logged_in(kubeconfig(tmp_path, f"https://127.0.0.1:{plain.getsockname()[1]}", server.ca))
        with pytest.raises(TlsFailed):
            api.get("/x", timeout=QUICK)
        thread.join()
        api.close()


def test_after_close_nothing_is_asked(api, server):
    api.close()
    api.close()
    with pytest.raises(Unreachable, match="was closed"):
        api.get("/x")
    assert server.seen == []


# --- configuration ----------------------------------------------------------------------------------------


def test_the_first_file_of_the_list_names_the_context(server, tmp_path, monkeypatch, capfd):
    address = f"https://127.0.0.1:{server.port}"
    one = kubeconfig(tmp_path, address, server.ca, name="one", context="one")
    two = kubeconfig(tmp_path, address, server.ca, name="two", context="two")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/none:{one}:{two}")
    server.pages["/x"] = (200, b"{}")
    for context, token in ((None, "one"), ("two", "two")):
        server.seen.clear()
        api = logged_in(None, context)
        api.get("/x")
        assert server.seen[0][2] == f"Bearer secret-{token}"
        api.close()
    assert capfd.readouterr() == ("", "")


def test_no_configuration_at_all(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigError, match="There is no kubeconfig"):
        logged_in()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "a: b", "current-context: x\nclusters: []\ncontexts: []\nusers: []"]
)
def test_a_kubeconfig_that_cannot_be_used(tmp_path, text):
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError, match=str(path)) as told:
        logged_in(str(path))
    assert "\n" not in told.value.message and "indices" not in told.value.message


def test_a_kubeconfig_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="no kubeconfig /nonexistent"):
        logged_in("/nonexistent/config")


def test_an_unknown_context(server, tmp_path):
    path = kubeconfig(tmp_path, "https://127.0.0.1:1", server.ca)
    with pytest.raises(ConfigError, match="nowhere"):
        logged_in(path, "nowhere")


def plugin(folder: Path, script: str) -> dict[str, object]:
    path = folder / "plugin"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path), "args": []}}


def credential(**status: str) -> str:
    body = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return f"echo x >>\"$0.count\"; echo '{json.dumps(body)}'\n"


def test_a_login_program_is_asked_once(server, tmp_path):
    user = plugin(tmp_path, credential(token="from-plugin", expirationTimestamp="2999-01-01T00:00:00Z"))
    api = logged_in(kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}", server.ca, user=user))
    server.seen.clear()
    server.pages["/x"] = (200, b"{}")
    api.get("/x")
    api.get("/x")
    assert {seen[2] for seen in server.seen} == {"Bearer from-plugin"}
    assert (tmp_path / "plugin.count").read_text() == "x\n"
    api.load()
    assert (tmp_path / "plugin.count").read_text() == "x\nx\n"
    api.close()


def test_an_expired_login_is_not_renewed_behind_the_screen(server, tmp_path):
    user = plugin(tmp_path, credential(token="old", expirationTimestamp="2001-01-01T00:00:00Z"))
    api = logged_in(kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}", server.ca, user=user))
    with pytest.raises(AuthFailed, match="has expired"):
        api.get("/x")
    assert (tmp_path / "plugin.count").read_text() == "x\n"
    api.close()


def test_a_login_may_be_a_certificate(server, tmp_path):
    pair = {
        "clientCertificateData": pem(server.ca).decode(),
        "clientKeyData": pem(authority("x")[0]).decode(),
    }
    api = logged_in(
        kubeconfig(
            tmp_path,
            f"https://127.0.0.1:{server.port}",
            server.ca,
            user=plugin(tmp_path, credential(**pair).replace("\\n", "\\\\n")),
        )
    )
    with pytest.raises(TlsFailed, match=r"values mismatch|KEY_VALUES"):  # it is used: the key is another's
        api.get("/x", timeout=QUICK)
    api.close()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo please log in >&2; exit 3\n", "plugin failed with exit 3: please log in"),
        ("exit 4\n", "exit 4: it said nothing"),
        ("echo secret-token\n", "something that is no JSON"),
        ("echo '{}'\n", "without a login"),
        (credential(other="x"), "neither a token nor a certificate"),
        (credential(clientCertificateData="x"), "neither a token nor a certificate"),
        (credential(token="x").replace("io/v1", "io/v9"), "another version"),
    ],
)
def test_a_login_program_that_fails_is_told_and_prints_nothing(server, tmp_path, capfd, script, words):
    user = plugin(tmp_path, script)
    with pytest.raises(AuthFailed, match=words) as caught:
        logged_in(kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}", server.ca, user=user))
    assert "secret" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_login_program_that_is_not_there(server, tmp_path):
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-login"}}
    with pytest.raises(AuthFailed, match=r"no-such-login .* cannot be started: No such file"):
        logged_in(kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}", server.ca, user=user))


def test_a_login_program_has_no_terminal_and_knows_it(server, tmp_path):
    script = (
        'printf "%s" "$KUBERNETES_EXEC_INFO" >"$0.info"; cat >"$0.input"; '
        'if ( : </dev/tty ) 2>/dev/null; then touch "$0.tty"; fi\n' + credential(token="t")
    )
    logged_in(
        kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}", server.ca, user=plugin(tmp_path, script))
    ).close()
    assert json.loads((tmp_path / "plugin.info").read_text())["spec"] == {"interactive": False}
    assert (tmp_path / "plugin.input").read_bytes() == b""
    assert not (tmp_path / "plugin.tty").exists()


def test_a_login_program_that_hangs_is_ended_with_what_it_started(tmp_path):
    user = plugin(tmp_path, 'sleep 60 & echo $! >"$0.child"; wait\n')
    with pytest.raises(AuthFailed, match="did not end within"):
        LoginProgram().run(user["exec"], {}, patience=0.5)
    child = int((tmp_path / "plugin.child").read_text())
    assert gone(child)


def test_closing_ends_a_login_program(server, tmp_path):
    user = plugin(tmp_path, 'echo $$ >"$0.pid"; sleep 60\n')
    api = Api(kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}", server.ca, user=user))
    failed = []

    def load():
        try:
            api.load()
        except AuthFailed as exc:
            failed.append(exc)

    thread = threading.Thread(target=load)
    thread.start()
    pid = tmp_path / "plugin.pid"
    while not (pid.exists() and pid.read_text().strip()):
        time.sleep(0.01)
    api.close()
    thread.join(10)
    assert failed and not thread.is_alive()
    assert gone(int(pid.read_text()))


def gone(pid: int) -> bool:
    """The process has ended, or is about to be collected."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_a_kubeconfig_that_changed_is_noticed_and_read_anew(server, tmp_path):
    address = f"https://127.0.0.1:{server.port}"
    api = logged_in(kubeconfig(tmp_path, address, server.ca))
    server.pages["/x"] = (200, b"{}")
    assert not api.changed
    kubeconfig(tmp_path, address, server.ca, user={"token": "a-newer-one"})
    assert api.changed
    api.load()
    assert not api.changed
    server.seen.clear()
    api.get("/x")
    assert server.seen[0][2] == "Bearer a-newer-one"
    api.close()


def test_whether_the_server_proves_who_it_is(server, tmp_path):
    address = f"https://127.0.0.1:{server.port}"
    api = logged_in(kubeconfig(tmp_path, address, server.ca))
    assert api.authenticated
    path = Path(kubeconfig(tmp_path, address, None))
    text = json.loads(path.read_text())
    text["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    path.write_text(json.dumps(text))
    api.load()
    assert not api.authenticated
    api.close()
    assert not logged_in(kubeconfig(tmp_path, "http://127.0.0.1:1", None)).authenticated
