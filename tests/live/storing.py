"""Servers that stores are tested with: nginx with PUT, what Nexus says beyond that, moto's S3; a certificate
of their own, free ports."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from etcdtui.landing import BLOCK

NGINX = shutil.which("nginx", path="/usr/sbin:" + os.environ.get("PATH", ""))
LOGIN = ("backup", "s3cret: ü")

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


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def make_certificate(folder: Path) -> Path:
    """``crt`` and ``key`` of 127.0.0.1 in ``folder``; it is its own authority."""
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=store"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "crt"]
    subprocess.run(["openssl", *words.split(), *names], check=True, capture_output=True)
    return folder


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def nginx_serving(folder: Path, certificate: Path) -> Iterator[tuple[Path, str]]:
    """nginx with its files in ``folder``, and the address of its repository; LOGIN opens it."""
    assert NGINX
    port = free_port()
    (folder / "data/repository/etcd").mkdir(parents=True)
    proof = subprocess.run(
        ["openssl", "passwd", "-apr1", "-stdin"], input=LOGIN[1].encode(), check=True, capture_output=True
    )
    (folder / "users").write_text(f"{LOGIN[0]}:{proof.stdout.decode()}")
    (folder / "conf").write_text(CONF.format(folder=folder, port=port, tls=certificate))
    process = subprocess.Popen([NGINX, "-c", folder / "conf", "-e", folder / "error.log"])
    try:
        until = time.monotonic() + 10
        while not listens(port):
            assert time.monotonic() < until and process.poll() is None, (folder / "error.log").read_text()
            time.sleep(0.02)
        yield folder, f"https://127.0.0.1:{port}/repository/etcd/"
    finally:
        process.kill()
        process.wait()


class Nexus(BaseHTTPRequestHandler):
    """A raw repository and the two questions of the REST API, with faults on request."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]
    faults: dict[str, object]
    size: int = 0  # what a liar claims

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
        length = int(self.headers["Content-Length"])
        content = self.rfile.read(length)
        if len(content) < length:  # who sent it gave up
            self.close_connection = True
            return
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
        return self.size if "lie" in self.faults else len(self.objects[key])

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
            return self.give(self.objects[self.key])
        self.answer(404)

    def give(self, content: bytes) -> None:
        """An object, or the part of it that was asked for where that is known here ("ranges").

        After "cut" bytes it is no more than that, once; "hang" stands still there, "garble" sends others.
        """
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1]) if "ranges" in self.faults else 0
        self.faults.setdefault("asked for", []).append(self.headers.get("Range"))  # type: ignore[attr-defined]
        rest = bytes(len(content) - begin) if "garble" in self.faults else content[begin:]
        part = {"Content_Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"} if begin else {}
        cut = self.faults.pop("cut", None)
        if cut is None:
            return self.answer(206 if begin else 200, rest, **part)
        self.close_connection = True
        self.send_response(206 if begin else 200)
        for name, value in part.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: int(str(cut))])
        self.wfile.flush()
        if "hang" in self.faults:
            time.sleep(4)
        self.connection.close()

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


@contextmanager
def nexus_serving(certificate: Path) -> Iterator[tuple[str, type[Nexus]]]:
    """The address of a repository that is empty, and what serves it: its objects and its faults."""
    handler = type("Handler", (Nexus,), {"objects": {}, "faults": {}, "timeout": 5})
    server = Quiet(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "crt", certificate / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}/nexus/repository/etcd", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
