"""What etcd keeps beside the keys of users: raft's position, members, version, alarms, users.

Source: etcd's mvcc/buckets, etcdserver/api/membership and schema. Values: numbers of 8 bytes big endian,
JSON, plain text, or protobuf.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, TypeVar

from etcdtui.etcd.bbolt import Damaged, Meta
from etcdtui.etcd.bbolt_check import Structure
from etcdtui.etcd.bbolt_pages import HEAD, Leaf, varint
from etcdtui.etcd.revisions import LiveCounter, misplaced, revision
from etcdtui.model.members import Member
from etcdtui.model.proof import Alarm, SnapshotFacts
from etcdtui.text import clean

KEYS: Final = b"key"
READ: Final = (b"meta", b"members", b"members_removed", b"cluster", b"alarm", b"auth")  # buckets read whole
_T = TypeVar("_T")
MOST: Final = 10_000  # entries of such a bucket
_ALARMS: Final = {1: "NOSPACE", 2: "CORRUPT"}


class Collected:
    """What the walk notes: the entries of the small buckets, and which keys live."""

    def __init__(self) -> None:
        self.entries: dict[bytes, dict[bytes, bytes]] = {}
        self.counter = LiveCounter()
        self.last = b""  # name of the last revision

    def visitors(self) -> dict[bytes, Callable[[Leaf], None]]:
        """What is given the pages of each bucket."""
        return {name: self._reader(name) for name in READ} | {KEYS: self._keys}

    def _keys(self, found: Leaf) -> None:
        self.counter.page(found)
        if found.keys:
            self.last = found.keys[-1]

    def _reader(self, bucket: bytes) -> Callable[[Leaf], None]:
        content = self.entries.setdefault(bucket, {})

        def page(found: Leaf) -> None:
            if len(content) + len(found.keys) > MOST:
                raise Damaged(f"more than {MOST} entries are no longer believable here.")
            for at, key in enumerate(found.keys):
                begin, size = found.starts[at] + found.key_sizes[at], found.value_sizes[at]
                if not found.whole and size > HEAD:
                    raise Damaged(f"an entry of {size} bytes is no longer believable here.")
                content[key] = found.data[begin : begin + size]

        return page

    def of(self, bucket: bytes) -> dict[bytes, bytes]:
        return self.entries.get(bucket, {})


def facts(
    meta: Meta, structure: Structure, collected: Collected, live: int
) -> tuple[SnapshotFacts, list[str]]:
    """What the file says about its cluster, and sentences about what of it cannot be read."""
    unreadable: list[str] = []

    def read(value: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return value()
        except Damaged as damage:
            unreadable.append(damage.message)
            return otherwise

    def entries(bucket: bytes) -> int:
        found = structure.buckets.get(bucket)
        return found.entries if found is not None else 0

    raft, last = collected.of(b"meta"), collected.last
    none: tuple[int, ...] = ()
    voters, learners = read(lambda: raft_members(raft), (none, none))
    compacted = read(lambda: compaction(raft, b"finishedCompactRev"), None)
    scheduled = read(lambda: compaction(raft, b"scheduledCompactRev"), None)
    unreadable += misplaced(collected.counter.marks, compacted, scheduled)
    told = SnapshotFacts(
        revision=read(lambda: revision(last)[0] if last else 0, 0),
        entries=structure.entries,
        live_keys=live,
        size=meta.size,
        page_size=meta.page_size,
        pages=meta.high_water,
        free_pages=structure.free,
        revisions=entries(KEYS),
        tombstones=collected.counter.tombstones,
        raised=collected.counter.raised,
        compacted=compacted,
        compacting=scheduled if scheduled != compacted else None,
        consistent_index=read(lambda: number(raft, b"consistent_index"), None),
        term=read(lambda: number(raft, b"term"), None),
        voters=voters,
        learners=learners,
        members=read(lambda: members(collected.of(b"members")), ()),
        removed=read(lambda: removed(collected.of(b"members_removed")), none),
        cluster_version=text(collected.of(b"cluster"), b"clusterVersion"),
        storage_version=text(raft, b"storageVersion"),
        leases=entries(b"lease"),
        alarms=read(lambda: alarms(collected.of(b"alarm")), ()),
        auth=collected.of(b"auth").get(b"authEnabled") == b"\x01",
        users=entries(b"authUsers"),
        roles=entries(b"authRoles"),
    )
    return told, unreadable


def number(content: dict[bytes, bytes], name: bytes) -> int | None:
    """A number of 8 bytes; None when it is not there."""
    value = content.get(name)
    if value is None:
        return None
    if len(value) != 8:
        raise Damaged(f"{name.decode()} has {len(value)} bytes instead of 8.")
    return int.from_bytes(value, "big")


def compaction(content: dict[bytes, bytes], name: bytes) -> int | None:
    value = content.get(name)
    return None if value is None else revision(value)[0]


def raft_members(content: dict[bytes, bytes]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Voters and learners of raft's configuration (etcd 3.5 and newer)."""
    value = content.get(b"confState")
    if value is None:
        return (), ()
    told = _json(value, "the raft configuration")
    return _ids(told.get("voters")), _ids(told.get("learners"))


def members(content: dict[bytes, bytes]) -> tuple[Member, ...]:
    """In the order of their names, as etcdctl lists them."""
    found = []
    for key, value in content.items():
        hexadecimal = clean(key.decode("ascii", "backslashreplace"), 40)
        told = _json(value, f"member {hexadecimal}")
        identity = told.get("id")
        if type(identity) is not int or not 0 <= identity < 1 << 64 or _hex(key) != identity:
            raise Damaged(f"member {hexadecimal} says its ID is {clean(str(identity), 40)}.")
        name = told.get("name", "")
        if not isinstance(name, str):
            raise Damaged(f"member {hexadecimal} has no readable name.")
        urls = _strings(told.get("peerURLs")), _strings(told.get("clientURLs"))
        found.append(Member(identity, clean(name), *urls, learner=told.get("isLearner") is True))
    return tuple(sorted(found, key=lambda member: (member.name, member.id)))


def removed(content: dict[bytes, bytes]) -> tuple[int, ...]:
    return tuple(sorted(_hex(key) for key in content))


def alarms(content: dict[bytes, bytes]) -> tuple[Alarm, ...]:
    """The key of an alarm is a protobuf AlarmMember: 1 member ID, 2 kind."""
    found = []
    for key in content:
        fields, at = {1: 0, 2: 0}, 0
        while at < len(key):
            tag, at = varint(key, at)
            if tag & 7:
                raise Damaged("an alarm is not readable.")
            fields[tag >> 3], at = varint(key, at)
        if fields[2]:
            found.append(Alarm(fields[1], _ALARMS.get(fields[2], f"alarm {fields[2]}")))
    return tuple(found)


def text(content: dict[bytes, bytes], name: bytes) -> str:
    return clean(content.get(name, b"").decode("utf-8", "backslashreplace"), 40)


def _hex(key: bytes) -> int:
    try:
        return int(key.decode("ascii"), 16)
    except ValueError as exc:
        raise Damaged(f"{clean(repr(key), 40)} is no member ID.") from exc


def _json(value: bytes, what: str) -> dict[str, object]:
    try:
        told = json.loads(value)
    except (ValueError, RecursionError) as exc:
        raise Damaged(f"{what} is not readable.") from exc
    if not isinstance(told, dict):
        raise Damaged(f"{what} is not readable.")
    return told


def _strings(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Damaged("the URLs of a member are not readable.")
    return tuple(clean(item) for item in value)


def _ids(value: object) -> tuple[int, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise Damaged("the raft configuration is not readable.")
    return tuple(value)
