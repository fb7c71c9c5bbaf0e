"""What differs between two states of a cluster, object by object and in groups. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from etcdtui.model.contents import Change, Comparison, key_name


class What(StrEnum):
    """What happened to an object, in the order in which it is told."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that differs, and the group it is counted in."""

    what: What
    change: Change
    namespace: str
    kind: str  # with its API group: config.openshift.io/clusterversions

    @property
    def group(self) -> tuple[str, str]:
        return self.namespace, self.kind


@dataclass(frozen=True, slots=True)
class Group:
    """How many objects of one kind in one namespace differ. An empty namespace: the kind knows none."""

    namespace: str
    kind: str
    added: int
    changed: int
    removed: int

    @property
    def count(self) -> int:
        return self.added + self.changed + self.removed


@dataclass(frozen=True, slots=True)
class Differences:
    """Everything that differs, in the order of keys within each kind of change.

    ``revision`` is the one at which the running cluster was listed; 0 where it was not.
    """

    found: tuple[Difference, ...]
    unchanged: int
    revision: int = 0

    def counts(self) -> dict[What, int]:
        told = dict.fromkeys(What, 0)
        for difference in self.found:
            told[difference.what] += 1
        return told


def differences(comparison: Comparison) -> Differences:
    """The keys of a comparison with the names of their objects."""
    sides = (
        (What.ADDED, comparison.added),
        (What.CHANGED, comparison.changed),
        (What.REMOVED, comparison.removed),
    )
    return Differences(
        tuple(_named(what, change) for what, changes in sides for change in changes), comparison.unchanged
    )


def filtered(found: Sequence[Difference], words: str) -> Sequence[Difference]:
    """Those whose key contains ``words``, whatever the case."""
    wanted = words.strip().lower()
    return [one for one in found if wanted in one.change.key.lower()] if wanted else found


def groups(found: Iterable[Difference]) -> tuple[Group, ...]:
    """Counted by namespace and kind, those with most differences first."""
    counts: dict[tuple[str, str], dict[What, int]] = {}
    for one in found:
        counts.setdefault(one.group, dict.fromkeys(What, 0))[one.what] += 1
    told = [
        Group(namespace, kind, c[What.ADDED], c[What.CHANGED], c[What.REMOVED])
        for (namespace, kind), c in counts.items()
    ]
    return tuple(sorted(told, key=lambda g: (-g.count, g.namespace, g.kind)))


def _named(what: What, change: Change) -> Difference:
    name = key_name(change.key)
    return Difference(what, change, name.namespace, f"{name.group}/{name.kind}" if name.group else name.kind)
