"""The Kubernetes API of the lab: HTTPS, a bearer token, the objects that an etcd keeper reads and writes."""

from __future__ import annotations

import contextlib
import http.server
import json
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from etcdtui.lab import configmaps, places, watches, writes
from etcdtui.lab.resources import BY_PATH, Resource
from etcdtui.lab.selectors import selected
from etcdtui.lab.store import ApiRefusal
from etcdtui.lab.watches import Watches

if TYPE_CHECKING:
    from etcdtui.lab.configmaps import Asked
    from etcdtui.lab.documents import Document
    from etcdtui.lab.eras import Era
    from etcdtui.lab.objects import World

# How long the API waits for etcd before it says that it cannot.
PATIENCE = 3.0
_BODY = 3 * 1024 * 1024  # bytes that it takes, as the real one


class ApiServer:
    """Serves a World on one port; can be taken down and put up again."""

    def __init__(self, world: World, port: int, token: str, certificate: Path, key: Path) -> None:
        self.world = world
        self._address = (places.LOOPBACK, port)
        self.token = token
        self.watches = Watches(world)
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
                self.watches.begin()
                self._server = _Server(self._address, self, self._context)
                threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def begin_anew(self) -> None:
        """Forget what is remembered of etcd, as a kube-apiserver that was started anew; all watches end."""
        with self._lock:
            if self._server is not None:
                self.watches.begin()

    def stop(self) -> None:
        """Close the port and every connection."""
        with self._lock:
            server, self._server = self._server, None
            self.watches.end()
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
        self._answer(self._read)

    def do_POST(self) -> None:
        self._answer(self._write)

    do_PUT = do_PATCH = do_DELETE = do_POST

    def _answer(self, act: Callable[[str, dict[str, str], Any], None]) -> None:
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        try:
            body = self._body()
            if self.headers.get("Authorization") != f"Bearer {self.server.owner.token}":
                raise ApiRefusal(HTTPStatus.UNAUTHORIZED, "Unauthorized", "Unauthorized")
            act(url.path.rstrip("/"), query, body)
        except ApiRefusal as exc:
            again = str(exc.details.get("retryAfterSeconds", ""))
            self._json(exc.code, exc.document(), {"Retry-After": again} if again else {})

    def _body(self) -> Any:
        length = self.headers.get("Content-Length") or "0"
        if not length.isdigit() or int(length) > _BODY:
            self.close_connection = True
            text = "Request entity too large: limit is 3145728"
            raise ApiRefusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestEntityTooLarge", text)
        data = self.rfile.read(int(length))
        try:
            return json.loads(data) if data else None
        except ValueError as exc:
            text = f"the object provided is unrecognized: {exc}"
            raise ApiRefusal(HTTPStatus.BAD_REQUEST, "BadRequest", text) from exc

    def _read(self, path: str, query: dict[str, str], body: Any) -> None:
        if path in ("/healthz", "/livez"):
            self._send(HTTPStatus.OK, b"ok", "text/plain; charset=utf-8")
        elif path == "/readyz":
            ready = self.server.owner.world.monitor.wait_for_quorum(1.0)
            text = b"ok" if ready else b"[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"
            code = HTTPStatus.OK if ready else HTTPStatus.INTERNAL_SERVER_ERROR
            self._send(code, text, "text/plain; charset=utf-8")
        elif path == "/version":
            version = self.server.owner.world.plan.era.kubernetes
            major, minor, _ = version.lstrip("v").split(".")
            self._json(HTTPStatus.OK, {"major": major, "minor": minor, "gitVersion": version})
        elif wanted := configmaps.asked(path):
            self._of_etcd(wanted, query)
        else:
            self._objects(path, query)

    def _of_etcd(self, wanted: Asked, query: dict[str, str]) -> None:
        known = self.server.owner.watches

        def fits(item: Document) -> bool:
            return wanted.fits(item) and selected(item, query)

        if watches.watching(query):
            with known.slot():
                self._stream(watches.begun(known.cache(), query, fits))
        else:
            self._json(HTTPStatus.OK, known.one(wanted) if wanted.name else known.listed(query, fits))

    def _objects(self, path: str, query: dict[str, str]) -> None:
        resource, name, _ = _route(path, self.server.owner.world.plan.era)
        world = self._world()
        if name:
            found = writes.find(world, resource, name)
            document = {"kind": resource.kind, "apiVersion": resource.version, **found}
        else:
            # As the real one: only custom resources say of each item what it is.
            kind = {"kind": resource.kind, "apiVersion": resource.version} if resource.custom else {}
            document = {
                "kind": f"{resource.kind}List",
                "apiVersion": resource.version,
                "metadata": {"resourceVersion": world.store.version},
                "items": [{**kind, **item} for item in resource.made(world) if selected(item, query)],
            }
        self._json(HTTPStatus.OK, document)

    def _write(self, path: str, query: dict[str, str], body: Any) -> None:
        if configmaps.asked(path):
            raise _not_allowed()
        resource, name, part = _route(path, self.server.owner.world.plan.era)
        world, dry = self._world(), query.get("dryRun") == "All"
        if self.command == "POST" and not name:
            made = writes.create(world, resource, body, dry=dry)
            self._json(HTTPStatus.CREATED, {"kind": resource.kind, "apiVersion": resource.version, **made})
        elif self.command in ("PUT", "PATCH") and name:
            # The kinds of patches are told apart by their type, which may come with a character set.
            kind = self.headers.get("Content-Type", "").partition(";")[0].strip()
            media = kind if self.command == "PATCH" else None
            made = writes.change(world, resource, name, part, body, media, dry=dry)
            self._json(HTTPStatus.OK, {"kind": resource.kind, "apiVersion": resource.version, **made})
        elif self.command == "DELETE" and name and not part:
            self._json(HTTPStatus.OK, writes.delete(world, resource, name, body, dry=dry))
        else:
            raise _not_allowed()

    def _world(self) -> World:
        world = self.server.owner.world
        if not world.monitor.wait_for_quorum(PATIENCE):
            text = "etcdserver: request timed out"
            raise ApiRefusal(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", text)
        return world

    def _stream(self, events: Iterator[Document | None]) -> None:
        """A watch: one line for each event, in a chunk of its own."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            if event is not None:
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            elif _gone(self.connection):
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    def _json(
        self, code: HTTPStatus, document: dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        self._send(code, json.dumps(document).encode(), "application/json", headers)

    def _send(
        self, code: HTTPStatus, body: bytes, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The lab keeps no access log."""


def _gone(connection: socket.socket) -> bool:
    """Whether who listens to a watch has hung up: there is nothing else that it could have sent."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _not_allowed() -> ApiRefusal:
    text = "the server does not allow this method on the requested resource"
    return ApiRefusal(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", text)


def _route(path: str, era: Era) -> tuple[Resource, str, str]:
    """The collection, the name of an object in it, and a part of that. Raises ApiRefusal."""
    parent, _, last = path.rpartition("/")
    above, _, name = parent.rpartition("/")
    for collection, found in ((path, ("", "")), (parent, (last, "")), (above, (name, last))):
        if collection in BY_PATH and BY_PATH[collection].served(era):
            return BY_PATH[collection], *found
    text = "the server could not find the requested resource"
    raise ApiRefusal(HTTPStatus.NOT_FOUND, "NotFound", text)
