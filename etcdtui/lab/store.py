"""What the lab's API server keeps: objects by resource and name, each with a version that only grows."""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable
from http import HTTPStatus

from etcdtui.lab.documents import Document, now

# The resources that are stored, by the name the API calls them in its messages.
CSRS = "certificatesigningrequests.certificates.k8s.io"
ETCDS = "etcds.operator.openshift.io"
MACHINES = "machines.machine.openshift.io"
MACHINE_SETS = "controlplanemachinesets.machine.openshift.io"
NODES = "nodes"
SECRETS = "secrets"


def operator_resource(plural: str) -> str:
    """etcds, kubeapiservers and the like, as they are stored."""
    return f"{plural}.operator.openshift.io"


class ApiRefusal(Exception):
    """An answer of the API that is not a success."""

    def __init__(self, code: HTTPStatus, reason: str, message: str, details: Document | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details or {}

    def document(self) -> Document:
        """The Status that tells it."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            **({"details": self.details} if self.details else {}),
            "code": int(self.code),
        }


def not_found(resource: str, name: str) -> ApiRefusal:
    """There is no such object."""
    return ApiRefusal(HTTPStatus.NOT_FOUND, "NotFound", f'{resource} "{name}" not found')


def retry_later(why: str) -> ApiRefusal:
    """It cannot be done now, and soon can."""
    return ApiRefusal(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests", why, {"retryAfterSeconds": 1})


def conflict(resource: str, name: str, why: str) -> ApiRefusal:
    """The object is not as the writer believes."""
    text = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return ApiRefusal(HTTPStatus.CONFLICT, "Conflict", text)


def invalid(kind: str, name: str, why: str) -> ApiRefusal:
    """The object would not be a sound one."""
    text = f'{kind} "{name}" is invalid: {why}'
    return ApiRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", text)


class Store:
    """Safe from any thread. What it gives and takes are copies."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._objects: dict[str, dict[str, Document]] = {}
        self._version = 1000

    @property
    def version(self) -> str:
        """The version of the last change."""
        return str(self._version)

    def list(self, resource: str) -> list[Document]:
        """All objects of a resource, in the order in which they were made."""
        with self._lock:
            return copy.deepcopy(list(self._objects.get(resource, {}).values()))

    def names(self, resource: str) -> tuple[str, ...]:
        """The names of all objects of a resource."""
        with self._lock:
            return tuple(self._objects.get(resource, {}))

    def find(self, resource: str, name: str) -> Document | None:
        """One object, if it is there."""
        with self._lock:
            return copy.deepcopy(self._objects.get(resource, {}).get(name))

    def create(self, resource: str, document: Document) -> Document:
        """Keep a new object; it gets what a server gives to its metadata. Raises ApiRefusal."""
        with self._lock:
            meta = dict(document["metadata"])
            name = meta["name"]
            if name in self._objects.get(resource, {}):
                text = f'{resource} "{name}" already exists'
                raise ApiRefusal(HTTPStatus.CONFLICT, "AlreadyExists", text)
            self._version += 1
            meta.setdefault("uid", str(uuid.uuid4()))
            meta.setdefault("creationTimestamp", now())
            meta.setdefault("labels", {})
            meta.update(resourceVersion=self.version, generation=1)
            made = copy.deepcopy({**document, "metadata": meta})
            self._objects.setdefault(resource, {})[name] = made
            return copy.deepcopy(made)

    def change(self, resource: str, name: str, how: Callable[[Document], Document]) -> Document:
        """Replace an object by what ``how`` makes of it, in one step; nothing happens where that is the same.

        Raises ApiRefusal.
        """
        with self._lock:
            known = self._objects.get(resource, {}).get(name)
            if known is None:
                raise not_found(resource, name)
            changed = copy.deepcopy(how(copy.deepcopy(known)))
            meta = changed["metadata"]
            for kept in ("name", "namespace", "uid", "creationTimestamp", "resourceVersion", "generation"):
                if kept in known["metadata"]:
                    meta[kept] = known["metadata"][kept]
            if changed != known:
                self._version += 1
                meta["resourceVersion"] = self.version
                if changed.get("spec") != known.get("spec"):
                    meta["generation"] = known["metadata"].get("generation", 1) + 1
                self._objects[resource][name] = changed
            return copy.deepcopy(changed)

    def delete(self, resource: str, name: str) -> Document:
        """Take an object away. Raises ApiRefusal."""
        with self._lock:
            found = self._objects.get(resource, {}).pop(name, None)
            if found is None:
                raise not_found(resource, name)
            self._version += 1
            return found
