"""What is known of the files that were verified, as lines and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etcdtui.cli import contents as inside
from etcdtui.text import clean

if TYPE_CHECKING:
    from etcdtui.model.contents import Summary
    from etcdtui.model.proof import Check, SnapshotFacts

_SIGNS = {"ok": "✓", "failed": "✗"}


@dataclass(frozen=True, slots=True)
class Verified:
    """What is known of one file. ``good`` is None when it could not be read, or not be compared."""

    path: Path
    good: bool | None
    verdict: str
    sha256: str = ""
    checks: tuple[Check, ...] = ()
    facts: SnapshotFacts | None = None
    contents: Summary | None = None


def lines(each: Verified) -> Iterator[str]:
    """For people; the verdict last."""
    yield clean(str(each.path), 4000)
    for check in each.checks:
        yield f"  {_SIGNS.get(check.outcome.value, '·')} {check.name}: {clean(check.sentence, 2000)}"
        for detail in check.details:
            yield f"      {clean(detail, 2000)}"
    for title, said in each.facts.sentences if each.facts else ():
        yield f"  · {title}: {clean(said, 2000)}"
    if each.contents is not None:
        yield "  · what is in it"
        for line in inside.lines(each.contents):
            yield f"      {line}"
    yield f"  {clean(each.verdict, 2000)}"


def as_json(each: Verified, *, contents: bool) -> dict[str, Any]:
    """``contents``: whether they were asked for."""
    asked = {"contents": inside.as_json(each.contents) if each.contents else None} if contents else {}
    return {
        "file": str(each.path),
        "good": each.good,
        "sha256": each.sha256 or None,
        "verdict": each.verdict,
        "checks": [
            {
                "name": c.name,
                "outcome": c.outcome.value,
                "sentence": c.sentence,
                "details": [clean(detail, 2000) for detail in c.details],
            }
            for c in each.checks
        ],
        "facts": _facts(each.facts) if each.facts else None,
        **asked,
    }


def _facts(facts: SnapshotFacts) -> dict[str, Any]:
    """All that the snapshot tells; IDs and hash in hex, as etcdctl prints them."""

    def ids(found: Iterable[int]) -> list[str]:
        return [f"{one:x}" for one in found]

    return {
        "revision": facts.revision,
        "last_revision": facts.last_revision,
        "keys": {"live": facts.live_keys, "entries": facts.entries, "revisions": facts.revisions},
        "tombstones": facts.tombstones,
        "compacted": facts.compacted,
        "compacting": facts.compacting,
        "consistent_index": facts.consistent_index,
        "term": facts.term,
        "voters": ids(facts.voters),
        "learners": ids(facts.learners),
        "members": [{"id": m.hex_id, "name": m.name, "learner": m.learner} for m in facts.members],
        "removed": ids(facts.removed),
        "cluster_version": facts.cluster_version or None,
        "storage_version": facts.storage_version or None,
        "leases": facts.leases,
        "alarms": [{"member": f"{a.member_id:x}", "kind": a.kind} for a in facts.alarms],
        "auth": {"enabled": facts.auth, "users": facts.users, "roles": facts.roles},
        "etcd_hash": f"{facts.etcd_hash:x}" if facts.etcd_hash is not None else None,
    }
