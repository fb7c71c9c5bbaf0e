"""Finds what is left of etcd's data on every control plane host: from members that answer, and from disks.

Nothing is stopped and nothing is copied. A host that says nothing in time is one of which nothing is known.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from etcdtui.errors import EtcdTuiError, NotFound
from etcdtui.model.members import EndpointStatus, Member, MemberList
from etcdtui.model.survivors import Position, Survivor
from etcdtui.model.view import ClusterView, HostView
from etcdtui.procedures.procedure import World
from etcdtui.reach.remote_db import OnDisk, read_position
from etcdtui.text import grouped

PATIENCE = 30.0  # seconds for all hosts together


@dataclass(frozen=True, slots=True)
class Seen:
    """How far the look at one host is, or, without one, at the places of backups. ``over``: there is no more
    to come."""

    host: str
    sentence: str
    over: bool = False
    trouble: bool = False


Hear = Callable[[Seen], None]
"""Called from any thread, also late."""


def unheard(_: Seen) -> None:
    """For whoever does not watch."""


@dataclass(slots=True)
class _Asked:
    host: HostView
    found: OnDisk | None = None
    trouble: str = "It did not answer in time."
    absent: bool = False


def gather(
    world: World, patience: float = PATIENCE, hear: Hear = unheard
) -> tuple[ClusterView, tuple[Survivor, ...]]:
    """One survivor for every host and every member, also those of which nothing is known; and the view that
    they were told from, so that whoever counts what is lost counts by the same answers."""
    asked = [_Asked(host) for host in world.view().hosts]
    threads = [
        threading.Thread(target=_ask, args=(world, one, hear), name="survivor", daemon=True) for one in asked
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    view = world.view()
    now = {host.name: host for host in view.hosts}
    for one in asked:
        one.host = now.get(one.host.name, one.host)
    listing = view.members.value
    return view, (*(_survivor(view, listing, one) for one in asked), *_unhosted(view, listing))


def _ask(world: World, one: _Asked, hear: Hear) -> None:
    layout, name = world.layout_of(one.host.name), one.host.name
    hear(Seen(name, "Its data is being read where it lies."))
    try:
        one.found = read_position(world.runner(one.host.name), layout.sudo, layout.at(layout.data))
    except NotFound as exc:
        one.trouble, one.absent = exc.message, True
    except EtcdTuiError as exc:
        one.trouble = exc.message
    found = one.found
    said = f"Its data is at revision {grouped(found.position.revision)}." if found else one.trouble
    hear(Seen(name, said, trouble=found is None and not one.absent))


def _survivor(view: ClusterView, listing: MemberList | None, asked: _Asked) -> Survivor:
    host, disk = asked.host, asked.found
    member = member_of(view, host)
    endpoint = view.endpoint_of(member) if member else None
    status = endpoint.status.current(view.now, endpoint.fresh) if endpoint else None
    offset = host.facts.value.clock_offset if host.facts.value else None
    position = _together(status, disk.position if disk else None)
    known = {m.id for m in listing.members if m.listed} if listing else set()
    told = set(position.members) if position else set()
    foreign = bool(known and told and not known & told)
    if status is not None and listing is not None and listing.cluster_id and status.cluster_id:
        foreign = foreign or status.cluster_id != listing.cluster_id
    return Survivor(
        name=member.label if member else host.node or host.name,
        host=host.name,
        running=status is not None,
        position=position,
        written=disk.written - (offset or 0.0)
        if disk
        else endpoint.status.at
        if status and endpoint
        else None,
        size=disk.size if disk else status.db_size if status else 0,
        counting=status.raft_term if status else None,
        foreign=foreign,
        trouble="" if position else asked.trouble,
    )


def _together(status: EndpointStatus | None, disk: Position | None) -> Position | None:
    """What a member says counts; the term of its data is told by the data alone."""
    if status is None:
        return disk
    if disk is None:
        return Position(status.raft_applied, status.revision)
    return Position(
        max(status.raft_applied, disk.index or 0),
        max(status.revision, disk.revision),
        disk.term,
        disk.members,
        disk.version,
    )


def member_of(view: ClusterView, host: HostView) -> Member | None:
    """The member on a host: by its name, else by the address, where that is one host's and one member's."""
    listing = view.members.value
    members = listing.members if listing else ()
    named = next((m for m in members if m.name and m.name in (host.node, host.name)), None)
    if named is not None or any(h is not host and h.address == host.address for h in view.hosts):
        return named
    there = [m for m in members if any(urlsplit(u).hostname == host.address for u in m.peer_urls)]
    return there[0] if len(there) == 1 else None


def _unhosted(view: ClusterView, listing: MemberList | None) -> tuple[Survivor, ...]:
    """Members on hosts that nobody named."""
    hosted = {member.id for host in view.hosts if (member := member_of(view, host))}
    return tuple(
        Survivor(member.label, "", trouble="Its host is not known by SSH: name it in clusters.toml.")
        for member in (listing.members if listing else ())
        if member.id not in hosted
    )
