"""The etcd operator's guard: nothing is rolled out while the loss of one more member would be the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from etcdtui.lab.documents import Document
from etcdtui.lab.members import Member

OVERRIDE = "useUnsupportedUnsafeNonHANonProductionUnstableEtcd"


def overridden(spec: Document) -> bool:
    """Whether the etcd resource says that its user knows better."""
    overrides = spec.get("unsupportedConfigOverrides")
    value = overrides.get(OVERRIDE) if isinstance(overrides, dict) else None
    return value is True or value == "true"


def intolerant(members: Sequence[Member], healthy: Callable[[str], bool]) -> str:
    """Why one more loss would be the end, in the operator's words; empty where it would not."""
    total = len(members)
    quorum = total // 2 + 1
    alive = sum(bool(m.name) and healthy(m.name) for m in members)
    if total - quorum < 1:
        said = f"etcd cluster has quorum of {quorum}"
    elif alive - quorum < 1:
        said = f"etcd cluster has quorum of {quorum} and {alive} healthy members"
    else:
        return ""
    told = " ".join(_health(m, bool(m.name) and healthy(m.name)) for m in members)
    return f"{said} which is not fault tolerant: [{told}]"


def _health(member: Member, healthy: bool) -> str:
    error = "<nil>" if healthy else "health check failed: context deadline exceeded"
    return (
        f'{{Member:ID:{int(member.id, 16)} name:"{member.name}" peer_urls:"{member.peer_url}" '
        f"Healthy:{str(healthy).lower()} Took: Error:{error}}}"
    )
