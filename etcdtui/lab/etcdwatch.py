"""etcd's own watch, through the JSON gateway of one member: what changed since a revision."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etcdtui.lab import places
from etcdtui.lab.members import access

if TYPE_CHECKING:
    from etcdtui.lab.places import Node

_DEADLINE = 2.0  # seconds, until it is connected


@dataclass(frozen=True, slots=True)
class Change:
    """A key that was written, or deleted where ``value`` is None."""

    key: bytes
    value: bytes | None
    revision: int


@dataclass(frozen=True, slots=True)
class Told:
    """One answer. ``cancelled``: why etcd ends the watch, as it does where the revision is compacted."""

    changes: tuple[Change, ...]
    cancelled: str = ""


def told(line: bytes) -> Told:
    """Read one line of the gateway. Raises OSError where it is none."""
    try:
        document = json.loads(line)
        if "error" in document:
            raise OSError(str(document["error"]))
        result = document["result"]
        changes = tuple(_change(event) for event in result.get("events", []))
    except (ValueError, KeyError, TypeError) as exc:
        raise OSError(f"etcd's watch said what is not understood: {exc!r}") from exc
    if not result.get("canceled"):
        return Told(changes)
    compacted = result.get("compact_revision", "0")
    return Told(changes, result.get("cancel_reason") or f"compacted at revision {compacted}")


def _change(event: dict[str, Any]) -> Change:
    kv = event["kv"]
    deleted = event.get("type") == "DELETE"  # a PUT is the default, and left out
    value = None if deleted else base64.b64decode(kv.get("value", ""))
    return Change(base64.b64decode(kv["key"]), value, int(kv["mod_revision"]))


def watch(node: Node, key: bytes, end: bytes, start: int, silence: float) -> Iterator[Told | None]:
    """Every change of the keys in [``key``, ``end``) from revision ``start`` on; one above etcd's own is
    waited for. None after each ``silence`` seconds without one. Raises OSError when the connection ends.
    """
    wanted = {"key": _b64(key), "range_end": _b64(end), "start_revision": str(start)}
    body = json.dumps({"create_request": wanted}).encode()
    # HTTP/1.0 has no chunks: what comes is lines, until the end.
    head = f"POST /v3/watch HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    plain = socket.create_connection((places.LOOPBACK, node.client), _DEADLINE)
    with plain, access(node).wrap_socket(plain, server_hostname=places.LOOPBACK) as connection:
        connection.sendall(head.encode() + body)
        connection.settimeout(silence)
        lines = _lines(connection)
        status = next((line for line in lines if line is not None), b"")
        if status.split()[1:2] != [b"200"]:
            raise OSError(f"etcd of {node.name} gives no watch: {status.decode(errors='replace')}")
        for line in lines:
            if line == b"":
                break  # the end of the header
        for line in lines:
            if line is None:
                yield None
            elif line:
                yield told(line)


def _lines(connection: socket.socket) -> Iterator[bytes | None]:
    rest = b""
    while True:
        try:
            data = connection.recv(65536)
        except TimeoutError:
            yield None
            continue
        if not data:
            raise OSError("etcd ended the connection of the watch")
        *lines, rest = (rest + data).split(b"\n")
        yield from (line.rstrip(b"\r") for line in lines)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
