"""The shapes that etcd's gateway and ``etcdctl -w json`` have in common, from JSON to the model.

Field names are the same in both; 64-bit numbers are strings in the one and numbers in the other; fields
that are zero, false or empty are left out. Everything is checked: what does not fit is UnexpectedOutput.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etcdtui.errors import UnexpectedOutput
from etcdtui.model.members import EndpointStatus, Member, MemberList
from etcdtui.model.versions import wrong_status_quota
from etcdtui.text import clean

_MOST = 1 << 64
_ALARMS = {0: "NONE", 1: "NOSPACE", 2: "CORRUPT"}


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that one member raised: NOSPACE or CORRUPT. It stops writes of the whole cluster."""

    member_id: int
    kind: str


def load(text: str | bytes, what: str) -> Any:
    """JSON of ``what``. Raises UnexpectedOutput for text that is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        said = text if isinstance(text, str) else text.decode("utf-8", "replace")
        shown = f"it begins with {clean(said.strip(), 80)!r}" if said.strip() else "it is empty"
        raise UnexpectedOutput(f"The answer to {what} is not JSON: {shown}.") from exc


def table(value: Any, what: str) -> Mapping[str, Any]:
    """``value`` as a JSON object."""
    if not isinstance(value, dict):
        raise UnexpectedOutput(f"{what} is {_kind(value)}, an object was expected.")
    return value


def rows(value: Any, what: str) -> Sequence[Any]:
    """``value`` as a JSON list; a field left out is an empty one."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise UnexpectedOutput(f"{what} is {_kind(value)}, a list was expected.")
    return value


def number(value: Any, what: str) -> int:
    """A 64-bit number, written as a number or as a string; a field left out is zero."""
    if value is None:
        return 0
    if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST:
        raise UnexpectedOutput(f"{what} is {clean(str(value)[:80], 60)!r}, a number was expected.")
    return value


def word(value: Any, what: str) -> str:
    """A text; a field left out is an empty one."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnexpectedOutput(f"{what} is {_kind(value)}, a text was expected.")
    return value


def words(value: Any, what: str) -> tuple[str, ...]:
    return tuple(word(item, what) for item in rows(value, what))


def truth(value: Any, what: str) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise UnexpectedOutput(f"{what} is {_kind(value)}, true or false was expected.")
    return value


def member(value: Any) -> Member:
    """An entry of a member list."""
    entry = table(value, "An entry of the member list")
    return Member(
        id=number(entry.get("ID"), "The ID of a member"),
        name=word(entry.get("name"), "The name of a member"),
        peer_urls=words(entry.get("peerURLs"), "peerURLs"),
        # 3.4 and 3.5 rename this key when asked for --hex.
        client_urls=words(entry.get("clientURLs", entry.get("clientURLS")), "clientURLs"),
        learner=truth(entry.get("isLearner"), "isLearner"),
    )


def member_list(value: Any) -> MemberList:
    """A member list. One without members cannot be: somebody told it."""
    answer = table(value, "The member list")
    header = table(answer.get("header") or {}, "The header of the member list")
    members = tuple(member(item) for item in rows(answer.get("members"), "members"))
    if not members:
        raise UnexpectedOutput("The member list has no members.")
    return MemberList(
        cluster_id=number(header.get("cluster_id"), "cluster_id"),
        members=members,
        told_by=number(header.get("member_id"), "member_id"),
    )


def endpoint_status(value: Any) -> EndpointStatus:
    """What a member says of itself."""
    answer = table(value, "The status")
    header = table(answer.get("header"), "The header of the status")
    version = word(answer.get("version"), "version")
    member_id = number(header.get("member_id"), "member_id")
    if not member_id or not version:
        raise UnexpectedOutput("The status tells no member ID or no version.")
    size, quota = number(answer.get("dbSize"), "dbSize"), number(answer.get("dbSizeQuota"), "dbSizeQuota")
    return EndpointStatus(
        cluster_id=number(header.get("cluster_id"), "cluster_id"),
        member_id=member_id,
        version=version,
        db_size=size,
        db_in_use=number(answer.get("dbSizeInUse"), "dbSizeInUse"),
        leader_id=number(answer.get("leader"), "leader"),
        raft_term=number(answer.get("raftTerm"), "raftTerm"),
        raft_index=number(answer.get("raftIndex"), "raftIndex"),
        raft_applied=number(answer.get("raftAppliedIndex"), "raftAppliedIndex"),
        revision=number(header.get("revision"), "revision"),
        learner=truth(answer.get("isLearner"), "isLearner"),
        errors=tuple(e.strip() for e in words(answer.get("errors"), "errors") if e.strip()),
        quota=None if wrong_status_quota(version) else quota or None,
    )


def alarms(value: Any) -> tuple[Alarm, ...]:
    """Active alarms; kinds are words in the gateway's answers and numbers in etcdctl's."""
    answer = table(value, "The alarm list")
    return tuple(_alarm(item) for item in rows(answer.get("alarms"), "alarms"))


def _alarm(value: Any) -> Alarm:
    entry = table(value, "An alarm")
    kind = entry.get("alarm")
    if not isinstance(kind, str):
        code = number(kind, "The kind of an alarm")
        kind = _ALARMS.get(code, f"alarm {code}")
    return Alarm(number(entry.get("memberID"), "memberID"), kind)


def _kind(value: Any) -> str:
    if value is None:
        return "missing"
    return {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list"}.get(
        type(value), "an object"
    )
