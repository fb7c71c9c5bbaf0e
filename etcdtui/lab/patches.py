"""The patches of the Kubernetes API: RFC 7386 (merge), RFC 6902 (JSON), and what the strategic one adds."""

from __future__ import annotations

import copy
from typing import Any

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


def patched(document: Any, patch: Any, kind: str) -> Any:
    """``document`` after ``patch``; both stay as they are. Raises ValueError with the API's words."""
    if kind == JSON:
        return _operations(copy.deepcopy(document), patch)
    if not isinstance(patch, dict):
        raise ValueError("a merge patch must be an object")
    return _merged(document, patch, by_key=kind == STRATEGIC)


def _merged(document: Any, patch: Any, *, by_key: bool) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif by_key and key == "conditions" and isinstance(value, list):
            result[key] = _by_type(result.get(key) or [], value)
        else:
            result[key] = _merged(result.get(key), value, by_key=by_key)
    return result


def _by_type(known: list[Any], patch: list[Any]) -> list[Any]:
    # The one list with a merge key among the objects of a lab.
    merged = {item["type"]: item for item in known}
    for item in patch:
        if not isinstance(item, dict) or "type" not in item:
            raise ValueError("map: map[] does not contain declared merge key: type")
        merged[item["type"]] = _merged(merged.get(item["type"]), item, by_key=True)
    return list(merged.values())


def _operations(document: Any, operations: Any) -> Any:
    if not isinstance(operations, list):
        raise ValueError("a JSON patch must be a list of operations")
    holder = {"": document}
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise ValueError("an operation of a JSON patch needs op and path")
        _apply(holder, operation)
    return holder[""]


def _apply(holder: dict[str, Any], operation: dict[str, Any]) -> None:
    op, path = operation.get("op"), operation["path"]
    if op in ("move", "copy"):
        source = operation.get("from")
        if not isinstance(source, str):
            raise ValueError(f"{op} needs from")
        value = copy.deepcopy(_take(holder, source, remove=op == "move"))
        _put(holder, path, value, "add")
    elif op in ("add", "replace"):
        if "value" not in operation:
            raise ValueError(f"{op} needs a value")
        _put(holder, path, copy.deepcopy(operation["value"]), op)
    elif op == "remove":
        _take(holder, path, remove=True)
    elif op == "test":
        if _take(holder, path, remove=False) != operation.get("value"):
            raise ValueError(f"testing path {path} failed")
    else:
        raise ValueError(f"unexpected kind: {op}")


def _walk(holder: Any, path: str) -> tuple[Any, str]:
    if path and not path.startswith("/"):
        raise ValueError(f"the path {path!r} does not begin with /")
    words = [word.replace("~1", "/").replace("~0", "~") for word in path.split("/")]
    for word in words[:-1]:
        holder = _child(holder, word, path)
    return holder, words[-1]


def _child(holder: Any, word: str, path: str) -> Any:
    if isinstance(holder, dict) and word in holder:
        return holder[word]
    if isinstance(holder, list) and word.isdigit() and int(word) < len(holder):
        return holder[int(word)]
    raise ValueError(f"doc is missing path: {path}: missing value")


def _take(holder: Any, path: str, *, remove: bool) -> Any:
    parent, word = _walk(holder, path)
    value = _child(parent, word, path)
    if remove:
        del parent[int(word) if isinstance(parent, list) else word]
    return value


def _put(holder: Any, path: str, value: Any, op: str) -> None:
    parent, word = _walk(holder, path)
    if op == "replace":
        _child(parent, word, path)
    if isinstance(parent, list):
        if op == "replace":
            parent[int(word)] = value
        elif word == "-" or (word.isdigit() and int(word) <= len(parent)):
            parent.insert(len(parent) if word == "-" else int(word), value)
        else:
            raise ValueError(f"doc is missing path: {path}: missing value")
    elif isinstance(parent, dict):
        parent[word] = value
    else:
        raise ValueError(f"doc is missing path: {path}: missing value")
