"""What a drill is: a situation, what is told of it, and by what it is judged. Nouns only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from etcdtui.model.causes import Cause


class Danger(StrEnum):
    """What makes a bad night worse."""

    HEALTHY_REMOVED = "removing a member that is well"
    PAST_QUORUM = "removing past the quorum"
    NEEDLESSLY_REPLACED = "replacing what could be repaired"
    NO_BACKUP = "changing members without a fresh backup"
    UNVERIFIED = "passing over a verification"
    RESTORED = "restoring where nothing asks for it"
    DATA_LOST = "losing what was written"
    GUARD_LEFT = "leaving the operator's guard off"


@dataclass(frozen=True, slots=True)
class Do:
    """Something done to the lab: one of its actions, to one of its nodes or to the whole."""

    action: str
    node: str = ""

    def __str__(self) -> str:
        return f"{self.action} {self.node}".strip()


@dataclass(frozen=True, slots=True)
class Drill:
    """One situation.

    ``name``, ``title`` and ``story`` are what is told at the beginning, symptoms alone, as whoever is on call
    gets to know them: the cause is to be found. ``cure`` is what was to be done, told at the end.
    ``causes`` are, by member, what its examination may say. Members that are ``down`` do not vote when it
    begins; those that are ``lost`` cannot be kept. ``needs`` are kinds of procedures it may take, ``hands``
    the deeds of people on the machines. ``backup``: one was taken last night; ``since`` is what happened
    between that and the trouble.
    """

    name: str
    title: str
    story: str
    goal: str
    hurt: tuple[Do, ...]
    causes: Mapping[str, tuple[Cause, ...]]
    cure: str
    practise: str
    dangers: Mapping[Danger, str]
    down: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    hands: frozenset[str] = frozenset()
    nodes: int = 3
    backup: bool = False
    since: tuple[Do, ...] = field(default=())


HANDS: Mapping[str, str] = {
    "start": "start the kubelet of a host, which starts etcd",
    "power-on": "switch a machine on",
    "free-disk": "free space on the disk of a host",
    "clock-right": "set the clock of a host right",
    "right-cert": "renew etcd's certificates on a host",
    "fast": "find and end what slows the disk of a host",
    "build-node": "install a new host of that name on empty disks",
    "approve-csrs": "approve every certificate request that waits",
}
"""What people on the machines can do while somebody else sits before etcdtui."""
