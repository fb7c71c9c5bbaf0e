"""The ConfigMaps of the lab: the one kind of its objects that lives in its etcd, and nowhere else.

Their values are no objects (``content`` writes what only looks like some): an object is made of its key, of
etcd's revision of its last change, and of a digest of the value, so that a change of it is seen.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etcdtui.lab.documents import Document
    from etcdtui.lab.members import Monitor
    from etcdtui.lab.places import Node

PREFIX = b"/kubernetes.io/configmaps/"
RANGE_END = PREFIX[:-1] + b"0"  # "0" is what follows "/"
KIND, VERSION = "ConfigMap", "v1"
_PATH = re.compile(r"/api/v1(?:/namespaces/([^/]+))?/configmaps(?:/([^/]+))?")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a path of the API asks for; an empty ``namespace`` is all of them, an empty ``name`` a list."""

    namespace: str
    name: str

    def fits(self, item: Document) -> bool:
        """Whether an object is among what was asked for."""
        meta = item["metadata"]
        return self.namespace in ("", meta["namespace"]) and self.name in ("", meta["name"])


def asked(path: str) -> Asked | None:
    """What a path asks for, where it asks for ConfigMaps at all."""
    match = _PATH.fullmatch(path)
    if match is None or (match[2] and not match[1]):
        return None
    return Asked(match[1] or "", match[2] or "")


def known(key: bytes) -> bool:
    """Whether a key is that of an object: a namespace and a name, and nothing else."""
    parts = key.removeprefix(PREFIX).split(b"/")
    return key.startswith(PREFIX) and len(parts) == 2 and all(parts)


def made(key: bytes, value: bytes, revision: int) -> Document:
    """The object of a key that is ``known``; ``revision`` is that of its last change."""
    namespace, name = key.removeprefix(PREFIX).decode("utf-8", "replace").split("/")
    return {
        "metadata": {"name": name, "namespace": namespace, "resourceVersion": str(revision)},
        "data": {"sha256": hashlib.sha256(value).hexdigest()},
    }


def ask(monitor: Monitor, node: Node) -> dict[str, Any]:
    """Have a member list them, as a quorum has them. Raises OSError."""
    span = {"key": _b64(PREFIX), "range_end": _b64(RANGE_END)}
    return monitor.post(node.name, "/v3/kv/range", span)


def held(answer: dict[str, Any]) -> dict[bytes, Document]:
    """The objects of an answer of etcd to a range, by their keys."""
    found = {}
    for kv in answer.get("kvs", []):
        key = base64.b64decode(kv["key"])
        if known(key):
            found[key] = made(key, base64.b64decode(kv.get("value", "")), int(kv["mod_revision"]))
    return found


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
