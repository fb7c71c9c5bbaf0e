"""Which objects a client of the lab's API wants of a list: selectors of labels and of fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etcdtui.lab.documents import Document


def selected(item: Document, query: dict[str, str]) -> bool:
    """Whether an object passes labelSelector and fieldSelector (equality, sets, presence)."""
    labels: dict[str, str] = item["metadata"].get("labels", {})
    for term in re.split(r",(?![^(]*\))", query.get("labelSelector", "")):
        if term.strip() and not _label_fits(labels, term.strip()):
            return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        path, _, wanted = term.replace("==", "=").partition("=")
        value: Any = item
        for part in path.split("."):
            value = value.get(part, "") if isinstance(value, dict) else ""
        if str(value) != wanted:
            return False
    return True


def _label_fits(labels: dict[str, str], term: str) -> bool:
    if match := re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", term):
        inside = labels.get(match[1]) in [word.strip() for word in match[3].split(",")]
        return inside == (match[2] == "in")
    if "!=" in term:
        key, _, value = term.partition("!=")
        return labels.get(key) != value
    if "=" in term:
        key, _, value = term.replace("==", "=").partition("=")
        return labels.get(key) == value
    return (term.lstrip("!") in labels) != term.startswith("!")
