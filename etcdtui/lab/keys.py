"""What users have in etcd: remembered before a trouble, compared after it, and more of it written."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

from etcdtui.errors import CommandFailed, Refusal
from etcdtui.lab.registry import On, action
from etcdtui.lab.renewals import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from etcdtui.lab.supervisor import Supervisor

_PAGE = 500
_MORE = 40
_OF_THE_CLUSTER = PREFIX.encode()  # it renews these all the time


@dataclass(frozen=True, slots=True)
class Difference:
    """Of the keys remembered: how many are missing now, how many hold something else. ``before`` and
    ``now`` are digests of what these keys held and hold.
    """

    keys: int
    missing: int
    changed: int
    before: str
    now: str


def compare(before: Mapping[bytes, bytes], now: Mapping[bytes, bytes]) -> Difference:
    """Keys that came later do not count."""
    same = {key: now[key] for key in before if key in now}
    return Difference(
        keys=len(before),
        missing=len(before) - len(same),
        changed=sum(1 for key, value in same.items() if value != before[key]),
        before=digest(before),
        now=digest(same),
    )


def digest(keys: Mapping[bytes, bytes]) -> str:
    """One sha256 in hex over all keys and what they hold."""
    whole = hashlib.sha256()
    for key in sorted(keys):
        whole.update(hashlib.sha256(key).digest() + keys[key])
    return whole.hexdigest()


@action("remember-keys", On.LAB)
def remember_keys(lab: Supervisor) -> str:
    """Remember every key of users, and what it holds."""
    lab.remembered = dict(_held(_asked(lab)))
    return f"{len(lab.remembered)} keys are remembered."


@action("compare-keys", On.LAB, looks=True)
def compare_keys(lab: Supervisor) -> str:
    """Compare the keys of users with those remembered, as JSON."""
    return json.dumps(asdict(compare(lab.remembered, dict(_held(_asked(lab))))))


@action("more-keys", On.LAB)
def more_keys(lab: Supervisor) -> str:
    """Write some more keys, as users do."""
    post = _asked(lab)
    for number in range(_MORE):
        key = f"/kubernetes.io/configmaps/shop-production/late-order-{number:03d}"
        _answer(post, "/v3/kv/put", {"key": _b64(key.encode()), "value": _b64(f"order {number}".encode())})
    return f"{_MORE} keys were written."


def _held(post: Callable[[str, dict[str, Any]], dict[str, Any]]) -> Iterator[tuple[bytes, bytes]]:
    """Every key of users and a digest of its value, from one revision."""
    start, revision = b"\0", 0
    while True:
        wanted = {"key": _b64(start), "range_end": _b64(b"\0"), "limit": _PAGE, "revision": revision}
        page = _answer(post, "/v3/kv/range", wanted)
        revision = revision or int(page["header"]["revision"])
        found: Iterable[dict[str, str]] = page.get("kvs", [])
        key = b""
        for one in found:
            key = base64.b64decode(one["key"])
            if not key.startswith(_OF_THE_CLUSTER):
                yield key, hashlib.sha256(base64.b64decode(one.get("value", ""))).digest()
        if not page.get("more") or not key:
            return
        start = key + b"\0"


def _asked(lab: Supervisor) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    well = [node.name for node in lab.operator.plan().nodes if lab.monitor.healthy(node.name)]
    if not well:
        raise Refusal("No member of this lab serves reads and writes now.")
    return partial(lab.monitor.post, well[0])


def _answer(
    post: Callable[[str, dict[str, Any]], dict[str, Any]], path: str, body: dict[str, Any]
) -> dict[str, Any]:
    try:
        return post(path, body)
    except OSError as exc:
        raise CommandFailed(f"etcd did not answer: {exc}.") from exc


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
