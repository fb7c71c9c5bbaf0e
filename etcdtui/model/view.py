"""Everything known about one cluster at one instant, each part with its own age and trouble."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache

from etcdtui.model.backups import BackupSet, FoundFile, join, stamp_of
from etcdtui.model.copies import join_places
from etcdtui.model.latency import LatencySeries, ReadTimes
from etcdtui.model.members import DiskMetrics, EndpointStatus, Member, MemberList
from etcdtui.model.places import Backup, Place, PlacedSet, PlaceKind, PlaceView
from etcdtui.model.platform import ApiFacts, HostFacts
from etcdtui.model.readings import Reading
from etcdtui.model.same import Same

FRESH = 3.5  # seconds after which a fast source (1 Hz) no longer speaks for now
FRESH_ETCDCTL = 16.0  # the same for endpoints asked by etcdctl, every 5 s
FRESH_API = 35.0
FRESH_METRICS = 35.0
FRESH_HOST = 50.0
BACKUP_AGE = 24 * 3600.0  # seconds after which the last proven backup is too old, unless configured


class Way(StrEnum):
    """How an endpoint is asked."""

    NONE = ""
    PIPE = "pipe"  # warm HTTP connection of the gRPC gateway, through SSH
    ETCDCTL = "etcdctl"  # one etcdctl process a look: slower, and heavier for the host


@dataclass(frozen=True, slots=True)
class EndpointView:
    """A client URL and what the member behind it says."""

    url: str
    member_id: int | None = None
    status: Reading[EndpointStatus] = field(default_factory=Reading)
    reads: Reading[ReadTimes] = field(default_factory=Reading)
    linearizable: LatencySeries = field(default_factory=LatencySeries)
    serializable: LatencySeries = field(default_factory=LatencySeries)
    metrics: Reading[DiskMetrics] = field(default_factory=Reading)
    way: Way = Way.NONE
    indexes: tuple[tuple[float, int], ...] = ()  # its last raft indexes and when it told them, oldest first

    @property
    def fresh(self) -> float:
        """Seconds for which its last answer speaks for now."""
        return FRESH_ETCDCTL if self.way is Way.ETCDCTL else FRESH

    @property
    def took(self) -> float | None:
        """What etcdctl's last health question took, seconds, TCP and TLS set-up included: no latency."""
        reads = self.reads.value
        return reads.linearizable if self.way is Way.ETCDCTL and reads else None


@dataclass(frozen=True, slots=True)
class HostView:
    """A control plane host reached by SSH. ``link`` is the SSH round trip, seconds."""

    name: str
    address: str
    node: str = ""  # its name as a node, once it told us
    link: Reading[float] = field(default_factory=Reading)
    facts: Reading[HostFacts] = field(default_factory=Reading)
    missing: tuple[str, ...] = ()  # what etcd cannot be asked for want of, from this host; sentences


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One instant. ``now`` is epoch seconds; ``speaking`` the host through which etcd is asked."""

    name: str
    now: float
    members: Reading[MemberList] = field(default_factory=Reading)
    endpoints: tuple[EndpointView, ...] = ()
    hosts: tuple[HostView, ...] = ()
    api: Reading[ApiFacts] = field(default_factory=Reading)
    api_configured: bool = False
    speaking: str = ""
    voices: int = 0  # hosts through which etcd could be asked now
    seen_from: tuple[str, ...] = ()  # hosts from which the present trouble was looked at
    started: float = 0.0
    read_only: bool = False
    writing: frozenset[tuple[str, str]] = frozenset()  # (host, stamp) of backups being written
    places: tuple[PlaceView, ...] = ()  # here and stores; of hosts only what has a manifest beside it
    max_backup_age: float = BACKUP_AGE

    def endpoint_of(self, member: Member) -> EndpointView | None:
        """By member ID where the endpoint told it, else by URL."""
        by_id = next((e for e in self.endpoints if e.member_id == member.id), None)
        return by_id or next((e for e in self.endpoints if e.url in member.client_urls), None)

    def host_of(self, member: Member) -> HostView | None:
        """OpenShift names a member after its node."""
        return next((h for h in self.hosts if member.name and member.name in (h.node, h.name)), None)

    @property
    def backups(self) -> tuple[BackupSet, ...]:
        """Backups seen on all hosts, newest first, also from hosts that no longer answer."""
        files = tuple(Same(h.facts.value.backups) for h in self.hosts if h.facts.value)
        return _joined(files, self.writing | frozenset(self._being_written()))

    @property
    def known_backups(self) -> tuple[Backup, ...]:
        """Backups in all places, newest first, also in places that cannot be looked at now."""
        placed = tuple(Same(p.sets.value) for p in self.places if p.sets.value is not None)
        return _known(Same(self.backups), placed)

    def _being_written(self) -> Iterator[tuple[str, str]]:
        """(host, stamp) of what a running job writes: files newer than its start."""
        for host in self.hosts:
            facts = host.facts.value
            if facts is None or facts.writing_since is None:
                continue
            for found in facts.backups:
                if found.modified >= facts.writing_since - 1:
                    yield found.host, stamp_of(found.name)


# Every frame asks for the backups, and they may be thousands: joined once for each listing, not each frame.


@lru_cache(maxsize=16)
def _joined(
    files: tuple[Same[tuple[FoundFile, ...]], ...], writing: frozenset[tuple[str, str]]
) -> tuple[BackupSet, ...]:
    return join((file for listed in files for file in listed.value), writing=writing)


@lru_cache(maxsize=16)
def _known(
    on_hosts: Same[tuple[BackupSet, ...]], placed: tuple[Same[tuple[PlacedSet, ...]], ...]
) -> tuple[Backup, ...]:
    everywhere = [one for sets in placed for one in sets.value]
    off_hosts = [one for one in everywhere if not one.place.is_host and one.set.files]
    told = {_at(one.set): one for one in everywhere if one.place.is_host}
    wrapped = []
    for found in on_hosts.value:
        seen = told.get(_at(found))
        if seen is not None and seen.set.files == found.files:
            wrapped.append(replace(seen, set=found))
        else:  # the files are other ones than those the manifest was read beside
            wrapped.append(PlacedSet(Place(PlaceKind.HOST, found.host), found))
    return join_places([*wrapped, *off_hosts])


def _at(backup: BackupSet) -> tuple[str, str, str, bool]:
    return backup.host, backup.directory, backup.stamp, backup.dirty
