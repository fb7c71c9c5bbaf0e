"""What the API tells those who go on watching from a revision of before. Pure.

Who watches names the revision that it saw last. The API answers 410 Gone where it knows nothing of what came
after that: then everything is listed anew. A revision that is yet to come is waited for in silence. Source:
kube-apiserver's watch cache, which tells 410 as an event of the type ERROR; without it it is a status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from etcdtui.errors import UnexpectedOutput
from etcdtui.platforms.objects import NAMESPACE
from etcdtui.text import clean

PATH: Final = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
"""A small collection that every cluster has, and that changes only while etcd is rolled out."""

GONE: Final = 410


class Answer(StrEnum):
    """What came of it; the value says it after “a watch from there”."""

    GONE = "was answered with 410 Gone"
    SILENT = "stayed silent"
    CHANGES = "was told of changes, and not to list anew"
    ERROR = "was answered with an error"
    UNTRIED = "was not tried out"

    @property
    def untold(self) -> bool:
        """Who watches is not told that there is anything to be listed anew."""
        return self in (Answer.SILENT, Answer.CHANGES, Answer.ERROR)


def answer(events: Sequence[Mapping[str, Any]]) -> tuple[Answer, str]:
    """What a watch was told, and the words of an error. Raises UnexpectedOutput where it was no watch."""
    for event in events:
        kind, found = event.get("type"), event.get("object")
        if not isinstance(kind, str) or not isinstance(found, Mapping):
            raise UnexpectedOutput(f"The API answered {PATH} with something that is no watch.")
        if kind == "ERROR":
            code = found.get("code")
            if code == GONE:
                return Answer.GONE, ""
            return Answer.ERROR, clean(f"{code}: {found.get('message') or 'without a word'}", 200)
    return (Answer.CHANGES if events else Answer.SILENT), ""
