"""What the Kubernetes API or the way to it says against a request, as our errors. Pure.

Of a write always one thing more: was it done, was it not, or is that unknown.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubernetes import client
from urllib3 import exceptions as http

from etcdtui.errors import (
    AuthFailed,
    Conflict,
    EtcdTuiError,
    Exists,
    Forbidden,
    Invalid,
    NameUnknown,
    NotFound,
    Refused,
    TimedOut,
    TlsFailed,
    UnexpectedOutput,
    Unreachable,
    Unsure,
)
from etcdtui.platforms import oc

_LACKING = re.compile(
    r'User "(?P<user>[^"]+)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)"'
    r' in API group "(?P<group>[^"]*)"(?: in the namespace "(?P<namespace>[^"]+)")?'
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``timeout`` is (connect, whole answer) in seconds; ``dry``: the server only tries it."""

    verb: oc.Verb
    path: str
    timeout: tuple[float, float]
    body: Mapping[str, Any] | None = None
    dry: bool = False

    @property
    def writes(self) -> bool:
        return self.verb != "get"

    @property
    def doing(self) -> str:
        """For sentences: ``patch etcd/cluster``."""
        if not self.writes:
            return f"get {self.path}"
        if oc.target(self.path).part == "approval":
            return f"decide on csr/{oc.target(self.path).name}"
        return f"{self.verb} {oc.named(self.path, self.body)}"


class Expired(Unreachable):
    """The continue token of a list is too old."""


def unsure(server: str, request: Request, said: str) -> Unsure:
    """A write whose answer is lost."""
    return Unsure(
        f"The API {server} was asked to {request.doing}, and {said}. Whether it was done is not known.",
        "It is read back before it is tried again.",
    )


def unreachable(server: str, request: Request, exc: Exception) -> EtcdTuiError:
    """A request that broke on its way there or back."""
    name = f"The API {server}"
    said = _innermost(exc)
    sent = request.writes and not _never_arrived(exc, said)
    nothing = " Nothing was written." if request.writes else ""
    connect, whole = request.timeout
    if isinstance(exc, http.NameResolutionError):
        return NameUnknown(f"{name} has a name without an address.{nothing}", "Check the kubeconfig and DNS.")
    if isinstance(said, ConnectionRefusedError):
        return Refused(
            f"{name} refuses the connection: nothing listens there.{nothing}", "Is the API server up?"
        )
    if isinstance(exc, http.ConnectTimeoutError) and not isinstance(exc, http.NewConnectionError):
        return TimedOut(
            f"{name} does not answer: no connection within {connect:g} s.{nothing}",
            "The host may be down, or a firewall drops the packets.",
        )
    if isinstance(exc, http.ReadTimeoutError):
        if sent:
            return unsure(server, request, f"gave no answer within {whole:g} s")
        return TimedOut(
            f"{name} accepts connections but gave no answer to {request.path} within {whole:g} s."
        )
    if isinstance(exc, client.ApiException) or "CERTIFICATE" in str(exc) or "SSL" in str(exc):
        why = _reason(getattr(exc, "reason", None) or exc)
        if sent:
            return unsure(server, request, f"the connection broke: {why}")
        ours = "PEM" in str(exc) or "MISMATCH]" in str(exc) or "alert" in str(exc)
        return TlsFailed(
            f"{name} and we do not agree on TLS: {why}.{nothing}",
            "Look at the client certificate and key of the kubeconfig."
            if ours
            else "Does certificate-authority-data of the kubeconfig belong to this cluster?",
        )
    if sent:
        return unsure(server, request, f"the connection broke: {_reason(said)}")
    return Unreachable(f"{name} cannot be reached: {_reason(said)}.{nothing}")


def refusal(server: str, source: str, request: Request, status: int, body: bytes) -> EtcdTuiError:
    """An answer that is no success. ``source`` is where the credentials came from."""
    said, path = _message(body), request.path
    if status == 401:
        nothing = " Nothing was written." if request.writes else ""
        return AuthFailed(
            f"The API {server} does not accept the credentials of {source}: {said}.{nothing}",
            "They may have expired: log in again (oc login).",
        )
    if status == 403:
        return _forbidden(server, request, said)
    if status == 404:
        what = oc.named(path, request.body) if request.writes else path
        return NotFound(f"The API {server} has no {what}: {said}.")
    if not request.writes:
        return _no_read(server, path, status, said)
    if status == 409 and _status_reason(body) == "AlreadyExists":
        return Exists(
            f"The API {server} did not {request.doing}: {said}.", "Look at what is there, and whose it is."
        )
    if status == 409:
        return Conflict(
            f"The API {server} did not {request.doing}, for it is not what it was: {said}.",
            "Somebody else changes it too. Look at it anew, then decide.",
        )
    if status == 429:
        return Unreachable(f"The API {server} is too busy to {request.doing}: {said}. Nothing was written.")
    if status >= 500:
        return unsure(server, request, f"answers with error {status}: {said}")
    return Invalid(f"The API {server} refuses to {request.doing}: {said}.", "Nothing was written.")


def unreadable(server: str, request: Request, what: str, body: bytes) -> UnexpectedOutput:
    """A success that cannot be read."""
    done = " By its status it was done." if request.writes else ""
    asked = f"to {request.doing} " if request.writes else f"{request.path} "
    return UnexpectedOutput(f"The API {server} answered {asked}with {what}: {body[:80]!r}.{done}")


def _no_read(server: str, path: str, status: int, said: str) -> EtcdTuiError:
    if status == 410:
        return Expired(f"The API {server} forgot the rest of the list {path}.")
    if status >= 500 or status == 429:
        return Unreachable(
            f"The API {server} answers {path} with error {status}: {said}.",
            "It runs but is not well; etcd behind it may be the cause.",
        )
    return UnexpectedOutput(f"The API {server} answers {path} with status {status}: {said}.")


def _forbidden(server: str, request: Request, said: str) -> Forbidden:
    """With the right that is missing, and how to ask for it, where the API names it."""
    match = _LACKING.search(said)
    if match is None:
        return Forbidden(f"The API {server} does not let us {request.doing}: {said}.")
    what = match["resource"] + (f".{match['group']}" if match["group"] else "")
    where = f" in namespace {match['namespace']}" if match["namespace"] else ""
    asked = f" -n {match['namespace']}" if match["namespace"] else ""
    return Forbidden(
        f"The API {server} does not let us {request.doing}: {match['user']} lacks the right to "
        f"{match['verb']} {what}{where}.",
        f"Ask for it, or log in as somebody who has it: oc auth can-i {match['verb']} {what}{asked}.",
    )


def _never_arrived(exc: Exception, said: BaseException) -> bool:
    """The connection was never made, so that no request can have been read."""
    before = (http.ConnectTimeoutError, http.NewConnectionError, http.NameResolutionError, http.ProxyError)
    if isinstance(exc, before) or isinstance(said, ConnectionRefusedError):
        return True
    return any(word in str(exc) for word in ("CERTIFICATE", "alert", "PEM", "MISMATCH]"))


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
    message = _status_object(body).get("message")
    if isinstance(message, str):
        return message.strip().rstrip(".")
    return body[:120].decode("utf-8", "replace").strip() or "without a word"


def _status_reason(body: bytes) -> str:
    return str(_status_object(body).get("reason") or "")


def _status_object(body: bytes) -> Mapping[str, Any]:
    with contextlib.suppress(ValueError):
        status = json.loads(body)
        if isinstance(status, dict):
            return status
    return {}
