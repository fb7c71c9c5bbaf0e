"""Quorum arithmetic: who votes, how many must agree, what may be taken away.

Learners do not vote; members that never started do (etcd FAQ; observed on 3.4 and 3.5).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from etcdtui.model.members import Member


@dataclass(frozen=True, slots=True)
class Quorum:
    """Voters of a cluster and how many of them are well."""

    voters: int
    healthy: int

    @property
    def needed(self) -> int:
        """How many voters must agree: floor(voters / 2) + 1."""
        return self.voters // 2 + 1

    @property
    def after_removal(self) -> int:
        """How many must agree once a voter is gone."""
        return (self.voters - 1) // 2 + 1

    @property
    def present(self) -> bool:
        return self.voters > 0 and self.healthy >= self.needed

    @property
    def tolerance(self) -> int:
        """How many more failures it can bear before it stops working; 0 also when it already has."""
        return max(0, self.healthy - self.needed) if self.voters else 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed or not, with the sentence for the operator in both cases."""

    allowed: bool
    reason: str


def quorum_of(members: Collection[Member], healthy: Collection[int]) -> Quorum:
    """The quorum of these members, of whom those with an ID in ``healthy`` are well."""
    voters = [m for m in members if not m.learner]
    return Quorum(len(voters), sum(1 for m in voters if m.id in healthy))


def without(members: Collection[Member], healthy: Collection[int], target: int) -> str:
    """The arithmetic of a removal, to be said after the member's name."""
    now = quorum_of(members, healthy)
    after = quorum_of([m for m in members if m.id != target], healthy)
    if not after.voters:
        return "would leave no voter"
    return (
        f"would leave {after.healthy} of {after.voters} voters well, quorum {after.needed} "
        f"(now {now.healthy} of {now.voters}, quorum {now.needed})"
    )


def may_remove(members: Collection[Member], healthy: Collection[int], target: int) -> Verdict:
    """Would the cluster still have a quorum, of members that are well, without ``target``?

    Stricter than etcd's own check, which lets one remove a healthy leader while another voter never
    started.
    """
    member = next((m for m in members if m.id == target), None)
    if member is None:
        return Verdict(False, f"There is no member {target:x} in the member list.")
    now = quorum_of(members, healthy)
    sums = without(members, healthy, target)
    rest = [m for m in members if m.id != target]
    after = quorum_of(rest, healthy)
    if not after.voters:
        return Verdict(
            False, f"{member.label} is the last voter: removing it {sums}, it would end the cluster."
        )
    if not now.present:
        return Verdict(
            False,
            f"The cluster has no quorum ({now.healthy} of {now.voters} voters well, {now.needed} needed): "
            f"no member can be removed, the removal itself needs the quorum; it {sums}.",
        )
    if member.learner:
        return Verdict(True, f"{member.label} is a learner and does not vote: removing it {sums}: allowed.")
    if not after.present:
        return Verdict(False, f"Removing {member.label} {sums}: the cluster would stop.")
    unwell = [m.label for m in rest if not m.learner and m.id not in healthy]
    if target in healthy and unwell:
        return Verdict(
            False,
            f"{member.label} is well and {', '.join(unwell)} is not: removing it {sums}. "
            "Replace the member that failed instead.",
        )
    return Verdict(True, f"Removing {member.label} {sums}: allowed.")
