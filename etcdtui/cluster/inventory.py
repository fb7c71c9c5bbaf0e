"""What was known of a cluster when it was last seen, on disk: so that a dead API leaves us its addresses.

Names, addresses and paths only; no secret is in it. The file is 0600 in a 0700 folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etcdtui.model.members import Member, MemberList


@dataclass(frozen=True, slots=True)
class Inventory:
    """``hosts`` are (name, address); ``members`` the last list and when it was told, epoch seconds."""

    hosts: tuple[tuple[str, str], ...] = ()
    members: MemberList | None = None
    at: float = 0.0
    speaking: str = ""


def path_of(state: Path, cluster: str) -> Path:
    """The file for ``cluster``; an odd name cannot leave the folder."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", cluster).lstrip(".") or "_"
    return state / "clusters" / f"{safe}.json"


def recall(path: Path) -> Inventory:
    """The last inventory; an empty one when there is none, or none that can be read."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        hosts = tuple((str(name), str(address)) for name, address in raw["hosts"])
        listed = raw.get("members")
        return Inventory(hosts, _members(listed) if listed else None, float(raw["at"]), str(raw["speaking"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Inventory()


def remember(path: Path, inventory: Inventory) -> None:
    """Write it whole or not at all. A disk that is full or read-only is no reason to stop."""
    members = inventory.members
    raw = {
        "hosts": inventory.hosts,
        "at": inventory.at,
        "speaking": inventory.speaking,
        "members": members
        and {
            "cluster_id": members.cluster_id,
            "members": [
                [m.id, m.name, list(m.peer_urls), list(m.client_urls), m.learner] for m in members.members
            ],
        },
    }
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".inventory")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(raw, file)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)


def _members(raw: Any) -> MemberList:
    return MemberList(
        int(raw["cluster_id"]),
        tuple(
            Member(int(i), str(name), tuple(map(str, peers)), tuple(map(str, clients)), bool(learner))
            for i, name, peers, clients, learner in raw["members"]
        ),
    )
