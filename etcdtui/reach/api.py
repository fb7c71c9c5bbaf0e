"""The Kubernetes API, as raw JSON. Optional, imported only when used: everything else works without it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from kubernetes import client, config
from urllib3 import exceptions as http
from yaml import YAMLError

from etcdtui.errors import ConfigError, EtcdTuiError, Refusal, TimedOut, UnexpectedOutput, Unreachable
from etcdtui.platforms import oc
from etcdtui.reach import api_words as words
from etcdtui.reach import kubeconfig as kube
from etcdtui.reach.api_words import Request
from etcdtui.reach.login import LoginProgram
from etcdtui.text import reason

PAGE = 500
"""Objects asked for at a time."""

ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes of one answer; more is not read."""

READ, WRITE = (3.0, 10.0), (3.0, 20.0)
"""Seconds to connect, and for the whole answer: a write passes webhooks and the quorum."""

MERGE = "application/merge-patch+json"


class WriteLog(Protocol):
    """Hears of every write, as the command that a human would type for it."""

    def began(self, host: str, argv: Sequence[str]) -> int: ...
    def ended(self, number: int, status: int | None, error: str = "") -> None: ...


class Api:
    """One API server, with the credentials of a kubeconfig. All methods may be called from any thread.

    Looks for configuration in this order: ``kubeconfig``, KUBECONFIG (a list), ~/.kube/config, the service
    account of the pod it runs in. Nothing is read before ``load``. ``log`` hears of every write;
    ``read_only`` refuses them all, whoever asks.
    """

    def __init__(
        self,
        kubeconfig: str | None = None,
        context: str | None = None,
        log: WriteLog | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        self._kubeconfig, self._context, self._log = kubeconfig, context, log
        self._read_only = read_only
        self._lock = threading.Lock()
        self._closed = False
        self._client: Any = None
        self._source = ""
        self._read: kube.Stamps = ()
        self._program = LoginProgram()

    @property
    def server(self) -> str:
        """``host:port`` of the API server, for sentences; empty before ``load``."""
        if self._client is None:
            return ""
        parts = urlsplit(self._client.configuration.host)
        return f"{parts.hostname}:{parts.port or (80 if parts.scheme == 'http' else 443)}"

    @property
    def source(self) -> str:
        """Where the credentials come from, for sentences."""
        return self._source

    @property
    def authenticated(self) -> bool:
        """The server proves who it is: it speaks TLS, and its certificate is verified."""
        settings = self._client.configuration
        return bool(settings.verify_ssl) and str(settings.host).startswith("https:")

    @property
    def changed(self) -> bool:
        """The kubeconfig is not the one that was read last."""
        return self._read != kube.stamps(self._kubeconfig)

    def load(self) -> None:
        """Read the configuration (anew), and log in where a login program is used: that may take its time.

        Raises ConfigError or AuthFailed.
        """
        settings = client.Configuration()
        self._read = kube.stamps(self._kubeconfig)
        try:
            self._source = kube.load(settings, self._kubeconfig, self._context, self._program)
        except EtcdTuiError:
            raise
        except (config.ConfigException, YAMLError, OSError, KeyError, TypeError, ValueError) as exc:
            which = self._kubeconfig or kube.found()
            if isinstance(exc, KeyError | TypeError):  # of what reads it: they say nothing of the file
                why = "it is not written as a kubeconfig is"
            else:
                why = reason(exc)
            raise ConfigError(
                f"The kubeconfig{f' {which}' if which else ''} cannot be used: {why}.",
                "Check it with: kubectl config view.",
            ) from exc
        # urllib3 would try three times, each with the full time limit.
        settings.retries = False
        fresh = client.ApiClient(configuration=settings)
        with self._lock:
            old, self._client = self._client, fresh
        if old is not None:
            old.rest_client.pool_manager.clear()

    def get(
        self, path: str, query: Sequence[tuple[str, str]] = (), timeout: tuple[float, float] = READ
    ) -> dict[str, Any]:
        """The object at ``path``. ``timeout`` is (connect, whole answer) in seconds.

        Raises Unreachable (and its kin), TlsFailed, AuthFailed, Forbidden, NotFound, UnexpectedOutput.
        """
        return self._request("GET", Request("get", path, timeout), query)

    def watch(self, path: str, since: int, seconds: int) -> list[dict[str, Any]]:
        """What a watch of the collection at ``path`` that goes on after revision ``since`` is told within
        ``seconds``: its events; an answer 410 as the event that it stands for. Raises as ``get``.
        """
        query = [("watch", "1"), ("resourceVersion", str(since)), ("timeoutSeconds", str(seconds))]
        request = Request("get", path, (READ[0], seconds + READ[0]))
        try:
            body = self._body("GET", request, query)
        except words.Expired as exc:
            return [{"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": exc.message}}]
        return [self._object(request, line) for line in body.splitlines() if line.strip()]

    def create(
        self, path: str, body: Mapping[str, Any], *, dry: bool = False, timeout: tuple[float, float] = WRITE
    ) -> dict[str, Any]:
        """Make an object in the collection at ``path``; what was made. ``dry``: the server only tries it.

        Raises as ``get``; Exists, Conflict and Invalid; Unsure when it was sent and the answer is lost;
        Refusal when this is read-only. The other writes raise the same.
        """
        return self._write("POST", Request("create", path, timeout, body, dry))

    def patch(
        self, path: str, body: Mapping[str, Any], *, dry: bool = False, timeout: tuple[float, float] = WRITE
    ) -> dict[str, Any]:
        """Merge ``body`` (RFC 7386: null removes) into the object; the object afterwards."""
        return self._write("PATCH", Request("patch", path, timeout, body, dry), MERGE)

    def put(
        self, path: str, body: Mapping[str, Any], *, dry: bool = False, timeout: tuple[float, float] = WRITE
    ) -> dict[str, Any]:
        """Replace the object, or a part of it (``…/approval``), with the whole of ``body``.

        Its ``resourceVersion`` makes it a Conflict when somebody was faster.
        """
        return self._write("PUT", Request("replace", path, timeout, body, dry))

    def delete(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        dry: bool = False,
        timeout: tuple[float, float] = WRITE,
    ) -> dict[str, Any]:
        """Have the object deleted; finalizers may hold it for a while. ``body`` holds DeleteOptions:
        with ``preconditions.uid`` a new object of the same name is left alone, which is a Conflict.
        """
        options = {"kind": "DeleteOptions", "apiVersion": "v1", **body} if body else None
        return self._write("DELETE", Request("delete", path, timeout, options, dry))

    def get_list(
        self, path: str, query: Sequence[tuple[str, str]] = (), timeout: tuple[float, float] = READ
    ) -> list[dict[str, Any]]:
        """All items of the list at ``path``, page after page; ``timeout`` is for each. Raises as ``get``."""
        for _ in range(2):
            items: list[dict[str, Any]] = []
            more = ""
            while True:
                page = [("limit", str(PAGE)), *([("continue", more)] if more else [])]
                try:
                    answer = self.get(path, [*query, *page], timeout)
                except words.Expired:
                    break  # the list changed too much while we read it: once more from the start
                found = answer.get("items")
                if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
                    raise UnexpectedOutput(f"The API {self.server} answered {path} without a list of items.")
                items += found
                metadata = answer.get("metadata")
                more = str(metadata.get("continue") or "") if isinstance(metadata, dict) else ""
                if not more:
                    return items
        raise Unreachable(f"The API {self.server} could not finish the list {path}: it changes too fast.")

    def close(self) -> None:
        """No further calls; one under way ends with its own time limit, a login program at once.

        Safe from any thread, and twice.
        """
        self._closed = True
        self._program.close()
        with self._lock:
            api = self._client
        if api is not None:
            api.rest_client.pool_manager.clear()

    def _write(self, method: str, request: Request, media: str = "application/json") -> dict[str, Any]:
        if self._read_only:
            raise Refusal(
                f"The cluster of the API {self.server} is opened read-only: {request.doing} is refused.",
                "Nothing was written.",
            )
        query = [("dryRun", "All")] if request.dry else []
        if self._log is None:
            return self._request(method, request, query, media)
        argv = oc.command(request.verb, request.path, request.body, dry=request.dry)
        number = self._log.began(self.server or "the API", argv)
        try:
            answer = self._request(method, request, query, media)
        except BaseException as exc:
            error = exc.message if isinstance(exc, EtcdTuiError) else type(exc).__name__
            self._log.ended(number, None, error)
            raise
        self._log.ended(number, 0)
        return answer

    def _request(
        self, method: str, request: Request, query: Sequence[tuple[str, str]], media: str = ""
    ) -> dict[str, Any]:
        return self._object(request, self._body(method, request, query, media))

    def _body(
        self, method: str, request: Request, query: Sequence[tuple[str, str]], media: str = ""
    ) -> bytes:
        if self._closed:
            raise Unreachable(f"The connection to the API {self.server} was closed.")
        status, body = self._ask(method, request, query, media)
        if not 200 <= status <= 299:
            raise words.refusal(self.server, self._source, request, status, body)
        return body

    def _object(self, request: Request, body: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(body)
        except ValueError as exc:
            raise words.unreadable(self.server, request, "something that is no JSON", body) from exc
        if not isinstance(answer, dict):
            raise words.unreadable(self.server, request, "no object", body)
        return answer

    def _ask(
        self, method: str, request: Request, query: Sequence[tuple[str, str]], media: str
    ) -> tuple[int, bytes]:
        connect, whole = request.timeout
        deadline = time.monotonic() + connect + whole
        with self._lock:
            api = self._client
        body = bytearray()
        headers = {"Accept": "application/json"} | ({"Content-Type": media} if media else {})
        try:
            with _insecure_quietly(api.configuration):
                prepared = api.param_serialize(
                    method,
                    request.path,
                    query_params=list(query),
                    header_params=headers,
                    body=request.body,
                    auth_settings=["BearerToken"],
                )
                response = api.call_api(*prepared, _request_timeout=request.timeout).response
                try:
                    # read1 returns with what is there, so that the deadline holds for a server that drips.
                    while block := response.read1(65536, decode_content=True):
                        body += block
                        if time.monotonic() > deadline:
                            raise self._endless(request)
                        if len(body) > ANSWER_LIMIT:
                            raise UnexpectedOutput(
                                f"The API {self.server} answers {request.path} without end."
                            )
                    return int(response.status), bytes(body)
                finally:
                    # An answer not read to its end must not be taken for the next one.
                    response.release_conn() if response.closed else response.close()
        except EtcdTuiError:
            raise
        except (http.HTTPError, client.ApiException, OSError, ValueError) as exc:
            raise words.unreachable(self.server, request, exc) from exc

    def _endless(self, request: Request) -> EtcdTuiError:
        if request.writes:
            return words.unsure(self.server, request, "did not finish its answer")
        return TimedOut(f"The API {self.server} did not finish its answer to {request.path}.")


@contextlib.contextmanager
def _insecure_quietly(settings: Any) -> Iterator[None]:
    """Without urllib3's warning where the user's own kubeconfig says insecure-skip-tls-verify."""
    if settings.verify_ssl:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", http.InsecureRequestWarning)
        yield
