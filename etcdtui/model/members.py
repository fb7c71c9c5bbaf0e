"""The members of an etcd cluster and what each of them says about itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """An entry of the member list. A member that never started has no name and no client URLs.

    ``listed`` is False for one that no member list has told yet, only the configuration of a host: its
    ``id`` is then a mere number.
    """

    id: int
    name: str
    peer_urls: tuple[str, ...] = ()
    client_urls: tuple[str, ...] = ()
    learner: bool = False
    listed: bool = True

    @property
    def hex_id(self) -> str:
        """As etcdctl prints it and wants it back: hex, no padding."""
        return format(self.id, "x")

    @property
    def started(self) -> bool:
        return bool(self.name) or not self.listed

    @property
    def label(self) -> str:
        """Something to call it by, also before it started."""
        if not self.name and not self.listed:
            return self.client_urls[0]
        return self.name or (
            f"unstarted {self.peer_urls[0]}" if self.peer_urls else f"unstarted {self.hex_id}"
        )


@dataclass(frozen=True, slots=True)
class MemberList:
    """The member list as one member tells it."""

    cluster_id: int
    members: tuple[Member, ...]
    told_by: int = 0  # member ID

    @property
    def voters(self) -> tuple[Member, ...]:
        return tuple(m for m in self.members if not m.learner)


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """What one member says of itself (maintenance status). Sizes in bytes; leader 0 means none known."""

    cluster_id: int
    member_id: int
    version: str
    db_size: int
    db_in_use: int
    leader_id: int
    raft_term: int
    raft_index: int
    raft_applied: int
    revision: int
    learner: bool = False
    errors: tuple[str, ...] = ()
    quota: int | None = None  # bytes; etcd 3.6 and newer tell it here, older ones in their metrics

    @property
    def is_leader(self) -> bool:
        return self.leader_id != 0 and self.leader_id == self.member_id

    @property
    def alarms(self) -> tuple[str, ...]:
        """The kinds of active alarms it reports: NOSPACE, CORRUPT."""
        return tuple(sorted({kind for kind in ("NOSPACE", "CORRUPT") if any(kind in e for e in self.errors)}))


@dataclass(frozen=True, slots=True)
class DiskMetrics:
    """From two scrapes of /metrics, seconds. None: too few samples to tell."""

    fsync_p99: float | None = None
    commit_p99: float | None = None
    peer_rtt_p99: float | None = None
    leader_changes: int | None = None  # since the process started
    quota: int | None = None  # bytes
    window: float | None = None  # seconds between the scrapes; None: since the process started
