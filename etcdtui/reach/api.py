"""The Kubernetes API, as raw JSON. Optional, imported only when used: everything else works without it."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from kubernetes import client, config
from urllib3 import exceptions as http
from yaml import YAMLError

from etcdtui.errors import (
    AuthFailed,
    ConfigError,
    EtcdTuiError,
    Forbidden,
    NameUnknown,
    NotFound,
    Refused,
    TimedOut,
    TlsFailed,
    UnexpectedOutput,
    Unreachable,
)
from etcdtui.reach import kubeconfig as kube
from etcdtui.reach.login import LoginProgram

PAGE = 500
"""Objects asked for at a time."""

ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes of one answer; more is not read."""


class Api:
    """One API server, with the credentials of a kubeconfig. All methods may be called from any thread.

    Looks for configuration in this order: ``kubeconfig``, KUBECONFIG (a list), ~/.kube/config, the service
    account of the pod it runs in. Nothing is read before ``load``.
    """

    def __init__(self, kubeconfig: str | None = None, context: str | None = None) -> None:
        self._kubeconfig, self._context = kubeconfig, context
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
            raise ConfigError(
                f"The kubeconfig {self._kubeconfig or kube.found() or ''} cannot be used: {exc}.".replace(
                    "  ", " "
                ),
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
        self, path: str, query: Sequence[tuple[str, str]] = (), timeout: tuple[float, float] = (3.0, 10.0)
    ) -> dict[str, Any]:
        """The object at ``path``. ``timeout`` is (connect, whole answer) in seconds.

        Raises Unreachable (and its kin), TlsFailed, AuthFailed, Forbidden, NotFound, UnexpectedOutput.
        """
        if self._closed:
            raise Unreachable(f"The connection to the API {self.server} was closed.")
        status, body = self._ask(path, query, timeout)
        if not 200 <= status <= 299:
            raise self._refusal(path, status, body)
        try:
            answer = json.loads(body)
        except ValueError as exc:
            raise UnexpectedOutput(
                f"The API {self.server} answered {path} with something that is no JSON: {body[:80]!r}."
            ) from exc
        if not isinstance(answer, dict):
            raise UnexpectedOutput(f"The API {self.server} answered {path} with no object: {body[:80]!r}.")
        return answer

    def get_list(
        self, path: str, query: Sequence[tuple[str, str]] = (), timeout: tuple[float, float] = (3.0, 10.0)
    ) -> list[dict[str, Any]]:
        """All items of the list at ``path``, page after page; ``timeout`` is for each. Raises as ``get``."""
        for _ in range(2):
            items: list[dict[str, Any]] = []
            more = ""
            while True:
                page = [("limit", str(PAGE)), *([("continue", more)] if more else [])]
                try:
                    answer = self.get(path, [*query, *page], timeout)
                except _Expired:
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

    def _ask(
        self, path: str, query: Sequence[tuple[str, str]], timeout: tuple[float, float]
    ) -> tuple[int, bytes]:
        connect, whole = timeout
        deadline = time.monotonic() + connect + whole
        with self._lock:
            api = self._client
        body = bytearray()
        try:
            with _insecure_quietly(api.configuration):
                request = api.param_serialize(
                    "GET",
                    path,
                    query_params=list(query),
                    header_params={"Accept": "application/json"},
                    auth_settings=["BearerToken"],
                )
                response = api.call_api(*request, _request_timeout=(connect, whole)).response
                try:
                    # read1 returns with what is there, so that the deadline holds for a server that drips.
                    while block := response.read1(65536, decode_content=True):
                        body += block
                        if time.monotonic() > deadline:
                            raise TimedOut(f"The API {self.server} did not finish its answer to {path}.")
                        if len(body) > ANSWER_LIMIT:
                            raise UnexpectedOutput(f"The API {self.server} answers {path} without end.")
                    return int(response.status), bytes(body)
                finally:
                    # An answer not read to its end must not be taken for the next one.
                    response.release_conn() if response.closed else response.close()
        except EtcdTuiError:
            raise
        except (http.HTTPError, client.ApiException, OSError, ValueError) as exc:
            raise self._unreachable(path, exc, timeout) from exc

    def _unreachable(self, path: str, exc: Exception, timeout: tuple[float, float]) -> EtcdTuiError:
        name = f"The API {self.server}"
        said = _innermost(exc)
        if isinstance(exc, http.NameResolutionError):
            return NameUnknown(f"{name} has a name without an address.", "Check the kubeconfig and DNS.")
        if isinstance(said, ConnectionRefusedError):
            return Refused(f"{name} refuses the connection: nothing listens there.", "Is the API server up?")
        if isinstance(exc, http.ConnectTimeoutError) and not isinstance(exc, http.NewConnectionError):
            return TimedOut(
                f"{name} does not answer: no connection within {timeout[0]:g} s.",
                "The host may be down, or a firewall drops the packets.",
            )
        if isinstance(exc, http.ReadTimeoutError):
            return TimedOut(
                f"{name} accepts connections but gave no answer to {path} within {timeout[1]:g} s."
            )
        if isinstance(exc, client.ApiException) or "CERTIFICATE" in str(exc) or "SSL" in str(exc):
            ours = "PEM" in str(exc) or "MISMATCH]" in str(exc) or "alert" in str(exc)
            return TlsFailed(
                f"{name} and we do not agree on TLS: {_reason(getattr(exc, 'reason', None) or exc)}.",
                "Look at the client certificate and key of the kubeconfig."
                if ours
                else "Does certificate-authority-data of the kubeconfig belong to this cluster?",
            )
        return Unreachable(f"{name} cannot be reached: {_reason(said)}.")

    def _refusal(self, path: str, status: int, body: bytes) -> EtcdTuiError:
        said = _message(body)
        if status == 401:
            return AuthFailed(
                f"The API {self.server} does not accept the credentials of {self._source}: {said}.",
                "They may have expired: log in again (oc login).",
            )
        if status == 403:
            return Forbidden(f"The API {self.server} does not let us get {path}: {said}.")
        if status == 404:
            return NotFound(f"The API {self.server} has no {path}: {said}.")
        if status == 410:
            return _Expired(f"The API {self.server} forgot the rest of the list {path}.")
        if status >= 500 or status == 429:
            return Unreachable(
                f"The API {self.server} answers {path} with error {status}: {said}.",
                "It runs but is not well; etcd behind it may be the cause.",
            )
        return UnexpectedOutput(f"The API {self.server} answers {path} with status {status}: {said}.")


class _Expired(Unreachable):
    """The continue token of a list is too old."""


@contextlib.contextmanager
def _insecure_quietly(settings: Any) -> Iterator[None]:
    """Without urllib3's warning where the user's own kubeconfig says insecure-skip-tls-verify."""
    if settings.verify_ssl:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", http.InsecureRequestWarning)
        yield


def _reason(exc: object) -> str:
    """What went wrong, without the library's own marks: its kind in brackets, its line of C."""
    words = str(exc).strip().splitlines()
    said = re.sub(r"\s*\(_ssl\.c:\d+\)|\[SSL(: \w+)?\]\s*", "", words[-1] if words else type(exc).__name__)
    return said.strip().rstrip(".")


def _innermost(exc: BaseException) -> BaseException:
    while (cause := exc.__cause__ or exc.__context__) is not None:
        exc = cause
    return exc


def _message(body: bytes) -> str:
    """The message of a Status object, or the beginning of whatever came."""
    with contextlib.suppress(ValueError):
        status = json.loads(body)
        if isinstance(status, dict) and isinstance(status.get("message"), str):
            return str(status["message"]).strip().rstrip(".")
    return body[:120].decode("utf-8", "replace").strip() or "without a word"
