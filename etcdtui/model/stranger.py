"""Is the machine at a member's address still the member's? Pure.

A machine may be called otherwise than its member and be the right one all the same: its name only says
something where the machines of all other members are called like them.
"""

from __future__ import annotations

from etcdtui.model.health import ClusterHealth, MemberHealth


def stranger(health: ClusterHealth, row: MemberHealth, hostname: str) -> str:
    """How the machine at the address of ``row`` calls itself, when that is another machine; else empty."""
    name = _short(row.member.name)
    if not name or not hostname or _short(hostname) == name:
        return ""
    others = [
        (_short(other.member.name), _short(other.host.facts.value.hostname))
        for other in health.members
        if other.member.id != row.member.id and other.host is not None and other.host.facts.value is not None
    ]
    return hostname if others and all(member == machine for member, machine in others) else ""


def _short(name: str) -> str:
    return name.partition(".")[0]
