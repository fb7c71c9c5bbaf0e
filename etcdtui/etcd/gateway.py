"""etcd's gRPC gateway: what to ask it over HTTP/1.1, and what its answers mean.

It lies on the client port, unless ``--listen-client-http-urls`` moves it to another.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from etcdtui.errors import EtcdTuiError, UnexpectedOutput
from etcdtui.etcd import shapes
from etcdtui.etcd.http import NoGateway, Request, Response, ResponseParser, encode
from etcdtui.model.members import EndpointStatus, MemberList
from etcdtui.model.problems import Fault, Problem
from etcdtui.text import clean

__all__ = [
    "GatewayError",
    "NoGateway",
    "Request",
    "Response",
    "ResponseParser",
    "check_read",
    "encode",
    "linearizable_read",
    "member_list",
    "metrics",
    "parse_member_list",
    "parse_metrics",
    "parse_status",
    "serializable_read",
    "status",
    "version",
]

_GRPC = {2: "unknown", 4: "deadline exceeded", 8: "resource exhausted", 14: "unavailable"}
_NOT_SERVED = frozenset({404, 405, 415, 426})


class GatewayError(EtcdTuiError):
    """etcd answered that it cannot: HTTP ``status``, gRPC ``code``, and its words as ``said``."""

    def __init__(self, what: str, status: int, code: int, said: str) -> None:
        words = clean(said.strip(), 200) or _GRPC.get(code, "no reason given")
        super().__init__(f"etcd answered {what} with {status}: {words}.")
        self.status, self.code, self.said = status, code, said

    @property
    def fault(self) -> Fault:
        """What kind of trouble the words tell of."""
        said = self.said.lower()
        if "no leader" in said or "leader changed" in said:
            return Fault.NO_LEADER
        if "timed out" in said or "deadline" in said or self.code == 4:
            return Fault.NO_QUORUM_READ
        return Fault.ODD

    @property
    def problem(self) -> Problem:
        return Problem(self.fault, self.message, self.hint)


def status() -> Request:
    """What the member says of itself; answered without a quorum."""
    return _post("/v3/maintenance/status", {})


def member_list(linearizable: bool = False) -> Request:
    """The member list: as this member knows it, or as the quorum confirms it (3.5 and newer)."""
    return _post("/v3/cluster/member/list", {"linearizable": True} if linearizable else {})


def linearizable_read(key: bytes = b"health") -> Request:
    """A read that the quorum confirms; the key need not exist. The same that ``endpoint health`` asks."""
    return _range(key, serializable=False)


def serializable_read(key: bytes = b"health") -> Request:
    """A read of this member's own data, whatever the others say."""
    return _range(key, serializable=True)


def version() -> Request:
    """The cheapest proof of life; answered without a quorum."""
    return Request("GET", "/version")


def metrics() -> Request:
    """The metrics page."""
    return Request("GET", "/metrics")


def parse_status(response: Response) -> EndpointStatus:
    """Raises GatewayError, NoGateway, UnexpectedOutput; so do all parsers here."""
    return shapes.endpoint_status(json_of(response, "the status request"))


def parse_member_list(response: Response) -> MemberList:
    return shapes.member_list(json_of(response, "the member list request"))


def check_read(response: Response) -> None:
    """Returns when the read was answered with data (none is data too), else raises.

    "Permission denied" counts as answered, as it does for ``etcdctl endpoint health``: the quorum was asked.
    """
    if response.status == 403 and b"permission denied" in response.body:
        return
    answer = shapes.table(json_of(response, "the read"), "The answer to the read")
    if "header" not in answer:
        raise UnexpectedOutput("The answer to the read has no header.")


def parse_metrics(response: Response) -> bytes:
    """The body of the metrics page, for ``metrics.scrape``."""
    if response.status != 200:
        raise _refusal(response, "the metrics page")
    return response.body


def _post(path: str, body: Mapping[str, Any]) -> Request:
    return Request("POST", path, json.dumps(body, separators=(",", ":")).encode())


def _range(key: bytes, *, serializable: bool) -> Request:
    body: dict[str, Any] = {"key": base64.b64encode(key).decode(), "limit": "1", "keys_only": True}
    if serializable:
        body["serializable"] = True
    return _post("/v3/kv/range", body)


def json_of(response: Response, what: str) -> Any:
    """The JSON of an answer to ``what``. Raises GatewayError, NoGateway, UnexpectedOutput."""
    if response.status != 200:
        raise _refusal(response, what)
    return shapes.load(response.body, what)


def _refusal(response: Response, what: str) -> EtcdTuiError:
    """The error for an answer that is none: etcd's own words where the body has them."""
    try:
        body = json.loads(response.body)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        said = next((body[key] for key in ("error", "message") if isinstance(body.get(key), str)), "")
        code = body.get("code")
        # etcd's own "not found" begins with "etcdserver:"; this one is the router's (3.6 and newer).
        unrouted = response.status == 404 and said == "Not Found"
        if (said or isinstance(code, int)) and not unrouted:
            return GatewayError(what, response.status, code if type(code) is int else 0, said)
    said = clean(response.body[:400].decode("utf-8", "replace").strip(), 120)
    if response.status in _NOT_SERVED:
        return NoGateway(
            f"{what[0].upper()}{what[1:]} is not served there: {response.status} {said}.",
            "etcd may serve HTTP on another port, or have its gateway switched off.",
        )
    return UnexpectedOutput(f"{what[0].upper()}{what[1:]} was answered with {response.status}: {said}.")
