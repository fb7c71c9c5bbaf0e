"""What every Kubernetes object of the lab is made of."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

NAMESPACE = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a resource; ``since`` is when its status changed."""

    type: str
    status: bool | None  # None: Unknown
    reason: str
    message: str
    since: str

    def document(self) -> dict[str, str]:
        """As the API shows it."""
        return {
            "type": self.type,
            "status": "Unknown" if self.status is None else str(self.status),
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": self.since,
        }


def condition(kind: str, status: bool | None, reason: str, message: str, since: str) -> Document:
    """A condition as the API shows it."""
    return Condition(kind, status, reason, message, since).document()


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes metadata. ``identity`` is the lab's, ``born`` the moment it began."""

    identity: str
    born: str

    def uid(self, kind: str, name: str) -> str:
        """The same for the same object of the same lab."""
        return str(uuid.uuid5(NAMESPACE, f"{self.identity}/{kind}/{name}"))

    def meta(
        self, kind: str, name: str, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Document:
        """The metadata of an object that is as old as the lab."""
        meta: Document = {
            "name": name,
            "uid": self.uid(kind, f"{namespace}/{name}"),
            "creationTimestamp": self.born,
            "resourceVersion": "1",
            "labels": dict(labels or {}),
        }
        if namespace:
            meta["namespace"] = namespace
        return meta


def now() -> str:
    """This moment, as the API writes times."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
