"""The Kubernetes API of the lab: HTTPS, a bearer token, reads of the objects an etcd keeper uses."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from etcdtui.lab import objects, places

if TYPE_CHECKING:
    from etcdtui.lab.objects import Document, World

Maker = Callable[["World"], "list[Document] | Document | None"]

# How long the API waits for etcd before it says that it cannot.
PATIENCE = 3.0

# path -> kind, group and version, what makes it. A list is served under its path, its items below it.
_CONFIG, _OPERATOR = "config.openshift.io/v1", "operator.openshift.io/v1"
_ROUTES: dict[str, tuple[str, str, Maker]] = {
    "/api/v1/nodes": ("Node", "v1", objects.nodes),
    "/api/v1/namespaces/openshift-etcd/pods": ("Pod", "v1", objects.pods),
    f"/apis/{_OPERATOR}/etcds": ("Etcd", _OPERATOR, lambda world: [objects.etcd_resource(world)]),
    **{
        f"/apis/{_OPERATOR}/{plural}": (
            kind,
            _OPERATOR,
            lambda world, plural=plural: [objects.other_operator(world, plural)],  # type: ignore[misc]
        )
        for plural, kind in (
            ("kubeapiservers", "KubeAPIServer"),
            ("kubecontrollermanagers", "KubeControllerManager"),
            ("kubeschedulers", "KubeScheduler"),
        )
    },
    f"/apis/{_CONFIG}/clusteroperators": ("ClusterOperator", _CONFIG, objects.cluster_operators),
    f"/apis/{_CONFIG}/clusterversions": (
        "ClusterVersion",
        _CONFIG,
        lambda world: [objects.cluster_version(world)],
    ),
    f"/apis/{_CONFIG}/infrastructures": (
        "Infrastructure",
        _CONFIG,
        lambda world: [objects.infrastructure(world)],
    ),
    "/apis/machine.openshift.io/v1beta1/namespaces/openshift-machine-api/machines": (
        "Machine",
        "machine.openshift.io/v1beta1",
        lambda world: [],
    ),
    "/apis/certificates.k8s.io/v1/certificatesigningrequests": (
        "CertificateSigningRequest",
        "certificates.k8s.io/v1",
        lambda world: [],
    ),
}


class ApiServer:
    """Serves a World on one port; can be taken down and put up again."""

    def __init__(self, world: World, token: str, certificate: Path, key: Path) -> None:
        self.world = world
        self.token = token
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._server: _Server | None = None
        self._lock = threading.Lock()

    @property
    def up(self) -> bool:
        return self._server is not None

    def start(self) -> None:
        """Listen, unless it does already."""
        with self._lock:
            if self._server is None:
                address = (places.LOOPBACK, self.world.plan.api_port)
                self._server = _Server(address, self, self._context)
                threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def stop(self) -> None:
        """Close the port and every connection."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.hang_up()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], owner: ApiServer, context: ssl.SSLContext) -> None:
        self.owner = owner
        self._context = context
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        # The handshake happens here and not in accept(): one silent client must not hold up the others.
        try:
            request.settimeout(30)
            wrapped = self._context.wrap_socket(request, server_side=True)
        except OSError:
            self.shutdown_request(request)
            return
        self._open.add(wrapped)
        try:
            super().process_request_thread(wrapped, client_address)
        finally:
            self._open.discard(wrapped)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""

    def hang_up(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        if self.headers.get("Authorization") != f"Bearer {self.server.owner.token}":
            self._status(HTTPStatus.UNAUTHORIZED, "Unauthorized", "Unauthorized")
            return
        path = url.path.rstrip("/")
        if path in ("/healthz", "/livez"):
            self._send(HTTPStatus.OK, b"ok", "text/plain; charset=utf-8")
        elif path == "/readyz":
            ready = self.server.owner.world.monitor.wait_for_quorum(1.0)
            text = b"ok" if ready else b"[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"
            code = HTTPStatus.OK if ready else HTTPStatus.INTERNAL_SERVER_ERROR
            self._send(code, text, "text/plain; charset=utf-8")
        elif path == "/version":
            major, minor, _ = objects.KUBERNETES.lstrip("v").split(".")
            self._json(HTTPStatus.OK, {"major": major, "minor": minor, "gitVersion": objects.KUBERNETES})
        else:
            self._object(path, query)

    def _refuse(self) -> None:
        self._status(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", "this lab's API is for reading only")

    do_POST = do_PUT = do_PATCH = do_DELETE = _refuse

    def _object(self, path: str, query: dict[str, str]) -> None:
        parent, _, name = path.rpartition("/")
        route = _ROUTES.get(path) or _ROUTES.get(parent)
        if route is None:
            self._status(HTTPStatus.NOT_FOUND, "NotFound", "the server could not find the requested resource")
            return
        world = self.server.owner.world
        if not world.monitor.wait_for_quorum(PATIENCE):
            self._status(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", "etcdserver: request timed out")
            return
        kind, version, make = route
        made = make(world)
        items = made if isinstance(made, list) else []
        if path in _ROUTES:
            chosen = [item for item in items if selected(item, query)]
            meta = {"resourceVersion": "1"}
            self._json(
                HTTPStatus.OK,
                {"kind": f"{kind}List", "apiVersion": version, "metadata": meta, "items": chosen},
            )
            return
        for item in items:
            if item["metadata"]["name"] == name:
                self._json(HTTPStatus.OK, {"kind": kind, "apiVersion": version, **item})
                return
        plural = parent.rpartition("/")[2]
        group = version.partition("/")[0] if "/" in version else ""
        resource = f"{plural}.{group}" if group else plural
        self._status(HTTPStatus.NOT_FOUND, "NotFound", f'{resource} "{name}" not found')

    def _status(self, code: HTTPStatus, reason: str, message: str) -> None:
        self._json(
            code,
            {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": message,
                "reason": reason,
                "code": int(code),
            },
        )

    def _json(self, code: HTTPStatus, document: dict[str, Any]) -> None:
        self._send(code, json.dumps(document).encode(), "application/json")

    def _send(self, code: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The lab keeps no access log."""


def selected(item: Document, query: dict[str, str]) -> bool:
    """Whether an object passes labelSelector and fieldSelector (equality, sets, presence)."""
    labels: dict[str, str] = item["metadata"].get("labels", {})
    for term in re.split(r",(?![^(]*\))", query.get("labelSelector", "")):
        if term.strip() and not _label_fits(labels, term.strip()):
            return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        path, _, wanted = term.replace("==", "=").partition("=")
        value: Any = item
        for part in path.split("."):
            value = value.get(part, "") if isinstance(value, dict) else ""
        if str(value) != wanted:
            return False
    return True


def _label_fits(labels: dict[str, str], term: str) -> bool:
    if match := re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", term):
        inside = labels.get(match[1]) in [word.strip() for word in match[3].split(",")]
        return inside == (match[2] == "in")
    if "!=" in term:
        key, _, value = term.partition("!=")
        return labels.get(key) != value
    if "=" in term:
        key, _, value = term.replace("==", "=").partition("=")
        return labels.get(key) == value
    return (term.lstrip("!") in labels) != term.startswith("!")
