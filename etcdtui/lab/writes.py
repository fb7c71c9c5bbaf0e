"""Writing to the lab's API, with the manners of the real one: versions, conflicts, finalizers, dry runs."""

from __future__ import annotations

import copy
import secrets
from functools import partial
from http import HTTPStatus
from typing import Any

from etcdtui.lab import patches
from etcdtui.lab.documents import Document, now
from etcdtui.lab.machines import FINALIZER
from etcdtui.lab.objects import World
from etcdtui.lab.resources import Resource
from etcdtui.lab.store import ApiRefusal, conflict, invalid, not_found

_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
_TRIES = 5
_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")


def find(world: World, resource: Resource, name: str) -> Document:
    """One object as it is served. Raises ApiRefusal."""
    for item in resource.made(world):
        if item["metadata"]["name"] == name:
            return item
    raise not_found(resource.name, name)


def create(world: World, resource: Resource, body: Any, *, dry: bool) -> Document:
    """POST. Raises ApiRefusal."""
    _allow(resource, "create")
    document = _object(resource, body)
    meta = document["metadata"]
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"] + secrets.token_hex(3)[:5]
    if not meta.get("name"):
        raise invalid(resource.kind, "", "metadata.name: Required value: name or generateName is required")
    if meta.get("resourceVersion"):
        text = "resourceVersion should not be set on objects to be created"
        raise ApiRefusal(HTTPStatus.BAD_REQUEST, "BadRequest", text)
    resource.check(document)
    for given in ("uid", "creationTimestamp", "deletionTimestamp", "generation", "managedFields"):
        meta.pop(given, None)
    meta["finalizers"] = [FINALIZER]
    document.pop("status", None)
    kept = {key: value for key, value in document.items() if key not in ("kind", "apiVersion")}
    if dry:
        if meta["name"] in world.store.names(resource.name):
            text = f'{resource.name} "{meta["name"]}" already exists'
            raise ApiRefusal(HTTPStatus.CONFLICT, "AlreadyExists", text)
        return kept
    world.store.create(resource.name, kept)
    return find(world, resource, meta["name"])


def change(
    world: World, resource: Resource, name: str, part: str, body: Any, media: str | None, *, dry: bool
) -> Document:
    """PATCH with a ``media`` type, or PUT with None, of an object or a ``part`` of it. Raises ApiRefusal."""
    if not part:
        _allow(resource, "change")
    elif part not in resource.parts:
        text = "the server could not find the requested resource"
        raise ApiRefusal(HTTPStatus.NOT_FOUND, "NotFound", text)
    tries = _TRIES if media is not None else 1
    for left in reversed(range(tries)):
        before = find(world, resource, name)
        after = _object(resource, body) if media is None else _patched(resource, before, body, media)
        _check_identity(resource, before["metadata"], after["metadata"])
        if part:
            _check_approval(resource, name, after)
        else:
            resource.check(after)
        written = partial(_written, resource, before, resource.keep(after), part)
        if dry:
            return {**before, **written(world.store.find(resource.name, name) or before)}
        try:
            world.store.change(resource.name, name, written)
        except ApiRefusal as exc:
            # Somebody wrote between our reading and our writing: a patch is made anew, as in the real one.
            if exc.reason != "Conflict" or not left:
                raise
        else:
            break
    return find(world, resource, name)


def _written(resource: Resource, before: Document, after: Document, part: str, known: Document) -> Document:
    """``known`` with what may be changed of it."""
    meta, name = after["metadata"], known["metadata"]["name"]
    if known["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]:
        raise conflict(resource.name, name, _MODIFIED)
    if part:
        conditions = [_dated(item) for item in after["status"]["conditions"]]
        return {**known, "status": {**known.get("status", {}), "conditions": conditions}}
    merged = {key: meta[key] for key in _METADATA if key in meta}
    own = {key: value for key, value in known["metadata"].items() if key not in _METADATA}
    return {**known, "metadata": {**own, **merged}, "spec": after.get("spec") or {}}


def _check_identity(resource: Resource, before: Document, after: Document) -> None:
    name = before["name"]
    if after.get("name") != name:
        text = f"the name of the object ({after.get('name')}) does not match the name on the URL ({name})"
        raise ApiRefusal(HTTPStatus.BAD_REQUEST, "BadRequest", text)
    if after.get("resourceVersion", before["resourceVersion"]) != before["resourceVersion"]:
        raise conflict(resource.name, name, _MODIFIED)
    if after.get("uid", before["uid"]) != before["uid"]:
        raise conflict(resource.name, name, "Precondition failed: UID in precondition")


def delete(world: World, resource: Resource, name: str, body: Any, *, dry: bool) -> Document:
    """DELETE: what is answered, the object while finalizers hold it. Raises ApiRefusal."""
    _allow(resource, "delete")
    found = find(world, resource, name)
    preconditions = (body or {}).get("preconditions") or {} if isinstance(body, dict) else {}
    for key, value in preconditions.items():
        if found["metadata"].get(key) != value:
            have = found["metadata"].get(key)
            why = f"Precondition failed: {key} in precondition: {value}, {key} in object meta: {have}"
            raise conflict(resource.name, name, why)
    if found["metadata"].get("finalizers"):
        if not dry:
            world.store.change(resource.name, name, _condemned)
            found = find(world, resource, name)
        return {"kind": resource.kind, "apiVersion": resource.version, **found}
    if not dry:
        world.store.delete(resource.name, name)
    details = {"name": name, "kind": resource.plural, "uid": found["metadata"].get("uid", "")}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _condemned(document: Document) -> Document:
    document["metadata"].setdefault("deletionTimestamp", now())
    return document


def _allow(resource: Resource, verb: str) -> None:
    if verb not in resource.verbs:
        text = "the server does not allow this method on the requested resource"
        raise ApiRefusal(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", text)


def _object(resource: Resource, body: Any) -> Document:
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        text = f"the object provided is unrecognized: expected a {resource.kind}"
        raise ApiRefusal(HTTPStatus.BAD_REQUEST, "BadRequest", text)
    if (
        body.get("kind", resource.kind) != resource.kind
        or body.get("apiVersion", resource.version) != resource.version
    ):
        given, version = body.get("kind"), body.get("apiVersion")
        text = f"{given} of {version} cannot be handled as a {resource.kind} of {resource.version}"
        raise ApiRefusal(HTTPStatus.BAD_REQUEST, "BadRequest", text)
    return copy.deepcopy(body)


def _patched(resource: Resource, before: Document, body: Any, media: str) -> Document:
    known = [patches.JSON, patches.MERGE] + ([] if resource.custom else [patches.STRATEGIC])
    if media not in known:
        text = (
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(known)
        )
        raise ApiRefusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", text)
    try:
        after = patches.patched(before, body, media)
    except ValueError as exc:
        if media == patches.JSON:
            text = f"the server rejected our request due to an error in our request: {exc}"
            raise ApiRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", text) from exc
        raise ApiRefusal(HTTPStatus.BAD_REQUEST, "BadRequest", str(exc)) from exc
    return _object(resource, after)


def _check_approval(resource: Resource, name: str, after: Document) -> None:
    conditions = (after.get("status") or {}).get("conditions")
    if not isinstance(conditions, list):
        raise invalid(resource.kind, name, "status.conditions: Required value")
    kinds = [item.get("type") for item in conditions if isinstance(item, dict)]
    if "Approved" in kinds and "Denied" in kinds:
        raise invalid(
            resource.kind, name, "status.conditions: Approved and Denied conditions are mutually exclusive"
        )
    for place, item in enumerate(conditions):
        if not isinstance(item, dict) or item.get("status") != "True":
            why = f'status.conditions[{place}].status: Invalid value: must be "True" for Approved conditions'
            raise invalid(resource.kind, name, why)


def _dated(item: Document) -> Document:
    return {"lastUpdateTime": now(), "lastTransitionTime": now(), **item}
