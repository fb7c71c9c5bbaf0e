"""What was proven about the files of a backup: single checks, facts, and the verdict over them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from etcdtui.model.members import Member
from etcdtui.model.raised import in_revisions
from etcdtui.text import counted, grouped, listed

IDENTITY: Final = "identity"
"""The check that says which cluster a backup is of."""


class Outcome(StrEnum):
    """Of one check. NOT_APPLICABLE: there is nothing to compare with, or another check already failed on
    which this one rests."""

    OK = "ok"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. ``details`` are further sentences of the same kind."""

    name: str
    outcome: Outcome
    sentence: str
    details: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def whose_unknown(self) -> bool:
        """Nobody could tell which cluster it is of. That says nothing against the files: it is minded, and
        accepted by whoever restores them."""
        return self.name == IDENTITY and self.outcome is Outcome.NOT_APPLICABLE


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that was active when the snapshot was taken. ``kind`` as etcdctl prints it."""

    member_id: int
    kind: str


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """What a snapshot says about the cluster it is of. None: the file does not tell, or not readably.

    ``revision`` is that of the last key, as ``snapshot status`` prints it. ``entries`` counts every entry of
    every bucket, which etcdctl up to 3.5 calls keys; ``live_keys`` the keys of users that exist, which
    3.6 and newer call keys.
    """

    revision: int
    entries: int
    live_keys: int
    size: int  # bytes of the database, without the digest
    page_size: int = 4096  # bytes
    pages: int = 0
    free_pages: int = 0
    revisions: int = 0  # entries of the bucket of keys: live ones, older ones and tombstones
    tombstones: int = 0
    raised: bool = False  # a restore raised the revision: its mark lies among the keys, and is none
    compacted: int | None = None  # revision up to which history was thrown away
    compacting: int | None = None  # revision of a compaction that had not ended
    consistent_index: int | None = None
    term: int | None = None  # from etcd 3.5 on
    voters: tuple[int, ...] = ()  # member IDs of the raft configuration, from etcd 3.5 on
    learners: tuple[int, ...] = ()
    members: tuple[Member, ...] = ()
    removed: tuple[int, ...] = ()  # IDs of members that once were
    cluster_version: str = ""
    storage_version: str = ""  # from etcd 3.6 on
    leases: int = 0
    alarms: tuple[Alarm, ...] = ()
    auth: bool = False
    users: int = 0
    roles: int = 0
    etcd_hash: int | None = None  # CRC-32C as ``snapshot status`` prints it; None: not asked for

    @property
    def last_revision(self) -> int:
        """The revision an etcd restored from it begins with: a compaction may outlive the keys it removed."""
        return max(self.revision, self.compacted or 0, self.compacting or 0)

    @property
    def sentences(self) -> tuple[tuple[str, str], ...]:
        """What no check tells of: title, and what there is to say."""
        said = [f"term {self.term}" if self.term is not None else ""]
        said.append(f"consistent index {grouped(self.consistent_index)}" if self.consistent_index else "")
        said.append(f"voters {self._named(self.voters)}" if self.voters else "")
        said.append(f"learners {self._named(self.learners)}" if self.learners else "")
        history = f"compacted up to revision {grouped(self.compacted)}" if self.compacted else "not compacted"
        if self.compacting is not None and self.compacting > (self.compacted or 0):
            history += f", and up to {grouped(self.compacting)} not to its end"
        history += "; a restore has raised the revision" if self.raised else ""
        users = f"{counted(self.users, 'user')}, {counted(self.roles, 'role')}"
        live, entries = grouped(self.live_keys), grouped(self.entries)
        named = (
            ("keys", f"{live} live, as etcdctl from 3.6 on counts; {entries} as it counts up to 3.5"),
            ("raft", ", ".join(filter(None, said)) or "it does not tell"),
            ("history", f"{history}; {counted_grouped(self.tombstones, 'tombstone')}"),
            ("leases", grouped(self.leases)),
            ("auth", f"{'on' if self.auth else 'off'}; {users}"),
            ("alarms", listed(self.alarm_sentences) or "none was active"),
            ("etcd's hash", f"{self.etcd_hash:x}" if self.etcd_hash is not None else ""),
        )
        return tuple((title, said) for title, said in named if said)

    @property
    def alarm_sentences(self) -> tuple[str, ...]:
        """Each that was active."""
        return tuple(f"{alarm.kind} of {self._named((alarm.member_id,))}" for alarm in self.alarms)

    def _named(self, ids: Iterable[int]) -> str:
        labels = {member.id: member.label for member in self.members}
        return listed([labels.get(one, f"{one:x}") for one in ids])


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found out about one snapshot file. ``facts`` is None where the file is too broken for any."""

    name: str  # of the file
    size: int  # bytes of the file
    sha256: str  # of the whole file, hex; empty when it could not be read to its end
    checks: tuple[Check, ...]
    facts: SnapshotFacts | None = None

    @property
    def good(self) -> bool:
        return all_passed(self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.outcome is Outcome.FAILED)

    @property
    def verdict(self) -> str:
        """One sentence over all checks."""
        if self.good and self.facts is not None:
            facts = self.facts
            return (
                f"{self.name} is good: digest and structure hold, revision {grouped(facts.revision)}, "
                f"{counted_grouped(facts.live_keys, 'live key')}, members "
                f"{listed([member.label for member in facts.members])}."
            )
        return bad_verdict(self.name, self.checks)


@dataclass(frozen=True, slots=True)
class ResourcesProof:
    """What was found out about the second file, the resources of the static pods.

    ``revisions`` are (static pod, revision) as the folders name them, ``restore_pod`` whether the pod is
    there that a restore starts.
    """

    name: str
    size: int
    sha256: str
    checks: tuple[Check, ...]
    revisions: tuple[tuple[str, int], ...] = ()
    restore_pod: bool = False
    files: int = 0
    unpacked: int = 0  # bytes

    @property
    def good(self) -> bool:
        return all_passed(self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.outcome is Outcome.FAILED)

    @property
    def verdict(self) -> str:
        if self.good:
            told = listed([f"{pod} {revision}" for pod, revision in self.revisions])
            return f"{self.name} is good: it holds the resources of {told}."
        return bad_verdict(self.name, self.checks)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whether a snapshot is of a certain cluster. ``same`` is None when nobody can tell."""

    same: bool | None
    sentence: str


def all_passed(checks: Iterable[Check]) -> bool:
    """Only if each was made and passed; nothing checked is nothing proven."""
    outcomes = [check.outcome for check in checks]
    return bool(outcomes) and all(outcome is Outcome.OK for outcome in outcomes)


def bad_verdict(name: str, checks: Iterable[Check]) -> str:
    failed = [check for check in checks if check.outcome is Outcome.FAILED]
    if not failed:
        return f"{name} is not proven."
    more = f" ({counted(len(failed) - 1, 'further check')} failed too)" if len(failed) > 1 else ""
    return f"{name} is NOT good: {failed[0].sentence}{more}"


def counted_grouped(number: int, one: str) -> str:
    """18 442 107 live keys."""
    return f"{grouped(number)} {one if number == 1 else one + 's'}"


def same_cluster(proof: Proof, live: Iterable[Member]) -> Identity:
    """Compare the members in the snapshot with those of a running cluster."""
    facts = proof.facts
    return whose(facts.members, live, facts.removed) if facts else whose((), live)


def whose(then: Iterable[Member], now: Iterable[Member], removed: Iterable[int] = ()) -> Identity:
    """Whether members of a backup and those of now are of one cluster. ``removed``: IDs from before ``then``.

    IDs are made from peer URLs, the cluster's token and the time, so one common ID is proof. After a restore
    all of them are new, and of a dead cluster they may not be known: then a common address tells. Names alone
    do not, the same ones are given twice. No cluster but another one has neither in common.
    """
    stored, live = {member.id: member for member in then}, tuple(now)
    current = {member.id: member for member in live if member.listed}
    if not stored:
        return Identity(None, "The snapshot names no members, so nobody can tell which cluster it is of.")
    if not live:
        return Identity(
            None, "The members of the running cluster are not known, so there is nothing to compare."
        )
    known = common_ids(stored.values(), live)
    common = [current[key].label for key in current if key in known]
    if len(common) == len(current) == len(stored):
        return Identity(True, f"Taken from this cluster: {listed(common)} are its members, by name and ID.")
    if common:
        gone = [stored[key].label for key in stored if key not in current]
        new = [current[key].label for key in current if key not in stored]
        parts = [f"{listed(gone)} left since" if gone else "", f"{listed(new)} came since" if new else ""]
        changes = listed([part for part in parts if part])
        return Identity(True, f"Taken from this cluster: {listed(common)} still there by ID, {changes}.")
    if returned := [current[key].label for key in current if key in set(removed)]:
        return Identity(
            True, f"Taken from this cluster, later: {listed(returned)} had been removed when it was taken."
        )
    if shared := sorted(common_addresses(stored.values(), live)):
        are = f"{listed(shared)} {'is its address' if len(shared) == 1 else 'are its addresses'}"
        ids = (
            "all IDs are others, as after a restore"
            if current
            else "the IDs of its members are not known now"
        )
        return Identity(True, f"Taken from this cluster, by address: {are} now as then; {ids}.")
    if not current:
        return Identity(
            None,
            "The IDs of the members are not known now, and the snapshot names none of their addresses, so "
            "nobody can tell whether it is of this cluster.",
        )
    names = sorted({m.name for m in stored.values() if m.name} & {m.name for m in current.values()})
    if names:
        return Identity(
            False,
            f"Not taken from this cluster: {listed(names)} have the same names but other IDs and other "
            "addresses.",
        )
    told = listed([f"{m.label} ({m.hex_id})" for m in stored.values()])
    return Identity(
        False, f"Taken from another cluster: its members are {told}; none of them is one of ours."
    )


def common_ids(then: Iterable[Member], now: Iterable[Member]) -> set[int]:
    """Only a member list tells IDs."""
    return {member.id for member in now if member.listed} & {member.id for member in then}


def common_addresses(then: Iterable[Member], now: Iterable[Member]) -> set[str]:
    """URLs of peers and of clients."""
    return _urls(now) & _urls(then)


def _urls(members: Iterable[Member]) -> set[str]:
    return {url for member in members for url in (*member.peer_urls, *member.client_urls)}


def behind(proof: Proof, live_revision: int) -> str:
    """How far a snapshot is behind the running cluster, as a sentence. Revisions are numbers of writes."""
    if proof.facts is None:
        return "The snapshot does not tell its revision."
    own = proof.facts.last_revision
    told = f"revision {grouped(own)}, live {grouped(live_revision)}"
    if own == live_revision:
        return f"Nothing was written since: {told}."
    if own < live_revision:
        return f"{in_revisions(live_revision - own)} behind: {told}."
    return (
        f"{in_revisions(own - live_revision)} AHEAD of the running cluster: {told}. "
        "The cluster was restored from something older, or the snapshot is of another one."
    )
