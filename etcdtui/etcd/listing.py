"""The keys of a running etcd, in pages at one revision: what to ask for, and what the answers mean.

Only keys and their revisions cross the wire; values stay where they are. A page begins behind the last key of
the one before, so that nothing is asked for twice and etcd holds nothing between two pages.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from etcdtui.errors import Refusal, UnexpectedOutput
from etcdtui.etcd import commands, shapes
from etcdtui.etcd.commands import ClientAccess
from etcdtui.etcd.gateway import GatewayError, json_of
from etcdtui.etcd.http import Request, Response

FIRST: Final = b"\0"  # no key comes before it
_COMPACTED = "required revision has been compacted"


class LiveKey(NamedTuple):
    """A key of a running cluster and the revision of its last change."""

    key: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Page:
    """``revision`` is the cluster's when the page was read, ``count`` the keys from its first one on."""

    revision: int
    keys: tuple[LiveKey, ...]
    count: int
    more: bool


class Compacted(Refusal):
    """The revision that was being listed is gone."""

    def __init__(self, revision: int) -> None:
        super().__init__(
            f"etcd compacted revision {revision} away while its keys were listed, so that the list would not "
            "be of one moment.",
            "Start again: Kubernetes compacts every five minutes.",
        )


def after(key: bytes) -> bytes:
    """The next key that there can be."""
    return key + b"\0"


def page_request(start: bytes, limit: int, revision: int = 0) -> Request:
    """Keys from ``start`` on, as the asked member has them; ``revision`` 0 is the newest one."""
    body: dict[str, Any] = {
        "key": base64.b64encode(start).decode(),
        "range_end": base64.b64encode(b"\0").decode(),
        "limit": str(limit),
        "keys_only": True,
        "serializable": True,
    }
    if revision:
        body["revision"] = str(revision)
    return Request("POST", "/v3/kv/range", json.dumps(body, separators=(",", ":")).encode())


def parse_page(response: Response, revision: int = 0) -> Page:
    """Raises Compacted, and as the parsers of ``gateway``."""
    try:
        return _page(json_of(response, "the list of keys"))
    except GatewayError as error:
        if _COMPACTED in error.said:
            raise Compacted(revision) from error
        raise


def page_argv(access: ClientAccess, url: str, last: bytes, limit: int, revision: int = 0) -> tuple[str, ...]:
    """The same by etcdctl, which is given the last key it told, and tells it again; empty at first.

    Raises Refusal for a key that cannot be given to a command.
    """
    try:
        word = last.decode("utf-8")
    except UnicodeDecodeError:
        word = "\0"
    if "\0" in word:
        raise Refusal(
            f"etcdctl cannot list the keys from {last!r} on: no command can be given that key.",
            "Where openssl and etcd's HTTP gateway are to be had, etcdtui lists the keys through them.",
        )
    at = (f"--rev={revision}",) if revision else ()
    words = ("get", "--from-key", "--keys-only", f"--limit={limit}", "--consistency=s", *at, "--", word)
    return commands.etcdctl(access, *words, endpoints=(url,), json=True, timeout="20s")


def parse_printed(output: str) -> Page:
    """What etcdctl printed. Raises UnexpectedOutput."""
    return _page(shapes.load(output, "etcdctl get"))


def compacted(said: str, revision: int) -> None:
    """Raises Compacted when this is what etcdctl said."""
    if _COMPACTED in said:
        raise Compacted(revision)


def _page(value: object) -> Page:
    answer = shapes.table(value, "The list of keys")
    header = shapes.table(answer.get("header"), "The header of the list of keys")
    keys = tuple(
        _key(shapes.table(row, "A key")) for row in shapes.rows(answer.get("kvs"), "The list of keys")
    )
    return Page(
        shapes.number(header.get("revision"), "revision"),
        keys,
        shapes.number(answer.get("count"), "count"),
        answer.get("more") is True,
    )


def _key(row: Mapping[str, Any]) -> LiveKey:
    try:
        key = base64.b64decode(shapes.word(row.get("key"), "key"), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise UnexpectedOutput("The list of keys holds a key that is not base64.") from exc
    return LiveKey(key, shapes.number(row.get("mod_revision"), "mod_revision"))
