"""The manifest beside a proven backup: what it is of, what was proven, where its copies are.

One JSON object, schema 1; all sizes in bytes, all times ISO 8601 with a zone, all digests sha256 in hex::

    {
      "schema": 1,
      "etcdtui": "0.3.0",                       the version that wrote it
      "taken": "2026-11-23T02:00:04+00:00",     when the backup was taken
      "proven": "2026-11-23T02:01:10+00:00",    when it was proven
      "snapshot": {"name": "snapshot_….db", "size": 96468992, "sha256": "…"},
      "resources": {"name": "static_kuberesources_….tar.gz", "size": 71680, "sha256": "…"},   or null
      "cluster": {
        "name": "prod",                         as the configuration calls it
        "cluster_id": "ead669ce1fbfb346",       etcd's, hex; "" when not known
        "openshift_id": "8c1f…",                ClusterVersion's clusterID; "" when not known
        "members": [{"id": "6fc1e7c9db35841d", "name": "masternode1", "peer_urls": ["https://…"],
                     "client_urls": ["https://…"], "learner": false}]
      },
      "versions": {"openshift": "4.16.3", "etcd": "3.5.14", "storage": ""},
      "taken_on": {"member": "masternode1", "host": "core@masternode1"},
      "revision": 18442107,                     of the last key
      "keys": {"live": 7312, "entries": 9120, "revisions": 9001},
      "resource_revisions": {"etcd": 9, "kube-apiserver": 12},
      "checks": [{"name": "digest", "outcome": "ok", "sentence": "The sha256 …"}],
      "copies": [{"place": "nexus", "location": "https://…", "time": "2026-…", "verified": "sha256 …",
                  "encrypted": [{"name": "snapshot_….db.age", "size": 96492744, "sha256": "…"}]}]
    }

``encrypted``, where it is there, are the files as they lie in that place; ``snapshot`` and ``resources`` are
what they hold.

A check ``restored`` is of a rehearsal; its ``details`` are when it was and which etcd restored it.

``entries`` counts as etcdctl up to 3.5 does, ``live`` as 3.6 and newer. Keys that are not known are an error:
a manifest decides what is restored, so it is read strictly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from etcdtui.errors import EtcdTuiError
from etcdtui.model.members import Member
from etcdtui.model.proof import Check, Outcome
from etcdtui.text import clean

SCHEMA: Final = 1
SUFFIX: Final = ".manifest.json"
_T = TypeVar("_T")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_HEX = re.compile(r"[0-9a-f]{1,16}\Z")


class BadManifest(EtcdTuiError):
    """A manifest that cannot be believed; the message says where it is wrong."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of the backup. ``size`` in bytes, ``sha256`` in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that was made. ``verified`` says how it was compared with the original, empty: not at all.

    ``encrypted`` are the files as they lie there, when they are not as they are here.
    """

    place: str
    location: str
    time: datetime
    verified: str = ""
    encrypted: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is written beside a backup. Times have a zone."""

    etcdtui: str
    taken: datetime
    proven: datetime
    snapshot: File
    resources: File | None
    cluster: str
    members: tuple[Member, ...]
    revision: int
    live_keys: int
    entries: int
    revisions: int
    checks: tuple[Check, ...]
    cluster_id: str = ""
    openshift_id: str = ""
    openshift_version: str = ""
    etcd_version: str = ""
    storage_version: str = ""
    member: str = ""
    host: str = ""
    resource_revisions: tuple[tuple[str, int], ...] = ()
    copies: tuple[Copy, ...] = ()

    @property
    def good(self) -> bool:
        """Whether everything was checked and passed, when it was written. Whose it is may be open."""
        return bool(self.checks) and all(check.ok or check.whose_unknown for check in self.checks)

    @property
    def identified(self) -> bool:
        """Whose it is was known when it was proven."""
        return not any(check.whose_unknown for check in self.checks)

    @property
    def z_stream(self) -> str:
        """What a restore demands to be the same: the whole version of OpenShift, 4.16.3."""
        return self.openshift_version


def to_json(manifest: Manifest) -> dict[str, Any]:
    """As the object that is documented above."""
    return {
        "schema": SCHEMA,
        "etcdtui": manifest.etcdtui,
        "taken": manifest.taken.isoformat(),
        "proven": manifest.proven.isoformat(),
        "snapshot": _file_json(manifest.snapshot),
        "resources": _file_json(manifest.resources) if manifest.resources is not None else None,
        "cluster": {
            "name": manifest.cluster,
            "cluster_id": manifest.cluster_id,
            "openshift_id": manifest.openshift_id,
            "members": [_member_json(member) for member in manifest.members],
        },
        "versions": {
            "openshift": manifest.openshift_version,
            "etcd": manifest.etcd_version,
            "storage": manifest.storage_version,
        },
        "taken_on": {"member": manifest.member, "host": manifest.host},
        "revision": manifest.revision,
        "keys": {"live": manifest.live_keys, "entries": manifest.entries, "revisions": manifest.revisions},
        "resource_revisions": dict(manifest.resource_revisions),
        "checks": [
            {
                "name": check.name,
                "outcome": check.outcome.value,
                "sentence": check.sentence,
                **({"details": list(check.details)} if check.details else {}),
            }
            for check in manifest.checks
        ],
        "copies": [
            {
                "place": copy.place,
                "location": copy.location,
                "time": copy.time.isoformat(),
                "verified": copy.verified,
                **({"encrypted": [_file_json(file) for file in copy.encrypted]} if copy.encrypted else {}),
            }
            for copy in manifest.copies
        ],
    }


def _file_json(file: File) -> dict[str, Any]:
    return {"name": file.name, "size": file.size, "sha256": file.sha256}


def _member_json(member: Member) -> dict[str, Any]:
    return {
        "id": member.hex_id,
        "name": member.name,
        "peer_urls": list(member.peer_urls),
        "client_urls": list(member.client_urls),
        "learner": member.learner,
    }


def from_json(data: object) -> Manifest:
    """Read it strictly. Raises ``BadManifest`` with a sentence that names the place."""
    if isinstance(data, dict) and type(data.get("schema")) is int and data["schema"] != SCHEMA:
        raise BadManifest(
            f"The manifest has schema {data['schema']}, this etcdtui knows {SCHEMA}.",
            "Read it with the etcdtui that wrote it, or a newer one.",
        )
    top = _Table(data, "")
    top.take("schema", _number)
    cluster, versions = top.take("cluster", _Table), top.take("versions", _Table)
    taken_on, keys = top.take("taken_on", _Table), top.take("keys", _Table)
    manifest = Manifest(
        etcdtui=top.take("etcdtui", _text),
        taken=top.take("taken", _time),
        proven=top.take("proven", _time),
        snapshot=top.take("snapshot", _file),
        resources=top.take("resources", lambda value, at: None if value is None else _file(value, at)),
        cluster=cluster.take("name", _text),
        members=cluster.take("members", _each(_member)),
        cluster_id=cluster.take("cluster_id", _hex),
        openshift_id=cluster.take("openshift_id", _text),
        openshift_version=versions.take("openshift", _text),
        etcd_version=versions.take("etcd", _text),
        storage_version=versions.take("storage", _text),
        member=taken_on.take("member", _text),
        host=taken_on.take("host", _text),
        revision=top.take("revision", _number),
        live_keys=keys.take("live", _number),
        entries=keys.take("entries", _number),
        revisions=keys.take("revisions", _number),
        resource_revisions=top.take("resource_revisions", _numbers),
        checks=top.take("checks", _each(_check)),
        copies=top.take("copies", _each(_copy)),
    )
    for table in (top, cluster, versions, taken_on, keys):
        table.end()
    return manifest


class _Table:
    """An object of the JSON, of which every key must be taken."""

    def __init__(self, value: object, at: str) -> None:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise _wrong(at, "must be an object")
        self._value: Mapping[str, object] = value
        self._at = at
        self._left = set(value)

    def take(self, key: str, read: Callable[[object, str], _T]) -> _T:
        at = f"{self._at}.{key}" if self._at else key
        if key not in self._value:
            raise _wrong(at, "is missing")
        self._left.discard(key)
        return read(self._value[key], at)

    def maybe(self, key: str, read: Callable[[object, str], _T], otherwise: _T) -> _T:
        return self.take(key, read) if key in self._value else otherwise

    def end(self) -> None:
        if self._left:
            key = clean(sorted(self._left)[0], 40)
            raise _wrong(f"{self._at}.{key}" if self._at else key, "is not known")


def _wrong(at: str, what: str) -> BadManifest:
    return BadManifest(f"The manifest is not valid: {at or 'it'} {what}.")


def _text(value: object, at: str) -> str:
    if not isinstance(value, str):
        raise _wrong(at, "must be text")
    return value


def _hex(value: object, at: str) -> str:
    if value != "" and (not isinstance(value, str) or not _HEX.match(value)):
        raise _wrong(at, "must be up to 16 hexadecimal digits")
    return str(value)


def _number(value: object, at: str) -> int:
    if type(value) is not int or value < 0:
        raise _wrong(at, "must be a whole number, zero or more")
    return value


def _time(value: object, at: str) -> datetime:
    try:
        time = datetime.fromisoformat(_text(value, at))
    except ValueError as exc:
        raise _wrong(at, "must be a time like 2026-11-23T02:00:04+00:00") from exc
    if time.tzinfo is None:
        raise _wrong(at, "must name its time zone")
    return time


def _each(read: Callable[[object, str], _T]) -> Callable[[object, str], tuple[_T, ...]]:
    def every(value: object, at: str) -> tuple[_T, ...]:
        if not isinstance(value, list):
            raise _wrong(at, "must be a list")
        return tuple(read(item, f"{at}[{place}]") for place, item in enumerate(value))

    return every


def _numbers(value: object, at: str) -> tuple[tuple[str, int], ...]:
    if not isinstance(value, dict):
        raise _wrong(at, "must be an object")
    return tuple((_text(key, at), _number(number, f"{at}.{key}")) for key, number in value.items())


def _file(value: object, at: str) -> File:
    table = _Table(value, at)
    name, sha256 = table.take("name", _text), table.take("sha256", _text)
    if not name or "/" in name or "\\" in name or "\0" in name or name in (".", ".."):
        raise _wrong(f"{at}.name", "must be the name of a file, without a folder")
    if not _SHA256.match(sha256):
        raise _wrong(f"{at}.sha256", "must be 64 hexadecimal digits")
    file = File(name, table.take("size", _number), sha256)
    table.end()
    return file


def _member(value: object, at: str) -> Member:
    table = _Table(value, at)
    identity = table.take("id", _hex)
    if not identity:
        raise _wrong(f"{at}.id", "is empty")
    name, peers = table.take("name", _text), table.take("peer_urls", _each(_text))
    clients, learner = table.take("client_urls", _each(_text)), table.take("learner", _flag)
    table.end()
    return Member(int(identity, 16), name, peers, clients, learner)


def _flag(value: object, at: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(at, "must be true or false")
    return value


def _check(value: object, at: str) -> Check:
    table = _Table(value, at)
    name, said = table.take("name", _text), table.take("outcome", _text)
    try:
        outcome = Outcome(said)
    except ValueError as exc:
        raise _wrong(f"{at}.outcome", f"must be one of {', '.join(Outcome)}") from exc
    sentence = table.take("sentence", _text)
    none: tuple[str, ...] = ()
    details = table.maybe("details", _each(_text), none)
    table.end()
    return Check(name, outcome, sentence, details)


def _copy(value: object, at: str) -> Copy:
    table = _Table(value, at)
    place, location = table.take("place", _text), table.take("location", _text)
    time, verified = table.take("time", _time), table.take("verified", _text)
    none: tuple[File, ...] = ()
    encrypted = table.maybe("encrypted", _each(_file), none)
    table.end()
    return Copy(place, location, time, verified, encrypted)
