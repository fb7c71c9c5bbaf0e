"""What is in a snapshot: names of objects as their keys tell them, counts, and what differs between two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from etcdtui.text import clean, grouped, size

ROOTS = ("registry", "kubernetes.io", "openshift.io")
# Where the key does not say the kind as people do.
_RENAMED = {"minions": "nodes", "services/specs": "services", "services/endpoints": "endpoints"}
_SHORT = {
    "cm": "configmap", "crd": "customresourcedefinition", "deploy": "deployment", "ds": "daemonset",
    "ep": "endpoints", "ing": "ingress", "no": "node", "ns": "namespace", "po": "pod",
    "pv": "persistentvolume", "pvc": "persistentvolumeclaim", "rs": "replicaset", "sa": "serviceaccount",
    "sts": "statefulset", "svc": "service",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyName:
    """An object as its key names it; parts that the key does not have are empty."""

    group: str
    kind: str
    namespace: str
    name: str

    def meant(self, kind: str, namespace: str, name: str) -> bool:
        """Whether somebody who writes ``deployment prod/web`` means this. Kinds in one or many, or short."""
        if self.name != name or (namespace and self.namespace != namespace):
            return False
        return singular(self.kind.rpartition("/")[2]) == singular(_SHORT.get(kind.lower(), kind.lower()))

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return clean(f"{self.kind} {place}".strip())


def key_name(key: str) -> KeyName:
    """Take a key apart. A key of somebody else than Kubernetes is its own kind and name."""
    parts = key.strip("/").split("/")
    if len(parts) < 2 or parts[0] not in ROOTS:
        return KeyName("", parts[0] if len(parts) > 1 else "", "", "/".join(parts[1:]) or parts[0])
    rest = parts[1:]
    group = rest.pop(0) if len(rest) > 2 and ("." in rest[0] or rest[0] in ("oauth", "authorization")) else ""
    kind = rest.pop(0)
    if len(rest) > 2 or (kind == "services" and len(rest) > 1):
        kind = f"{kind}/{rest.pop(0)}"
    kind = _RENAMED.get(kind, kind)
    namespace = rest[0] if len(rest) > 1 else ""
    name = "/".join(rest[1:] if len(rest) > 1 else rest)
    if kind == "namespaces":
        namespace = name  # the namespace itself counts to what is in it
    return KeyName(group, kind, namespace, name)


def singular(kind: str) -> str:
    """A guess that is the same for the one and the many."""
    if kind.endswith("ies"):
        return f"{kind[:-3]}y"
    for ending in ("sses", "shes", "ches", "xes"):
        if kind.endswith(ending):
            return kind[:-2]
    return kind[:-1] if kind.endswith("s") and not kind.endswith("ss") else kind


@dataclass(frozen=True, slots=True)
class Tally:
    """How many keys, and the bytes of their values."""

    name: str
    keys: int
    size: int

    @property
    def numbers(self) -> str:
        """Both, as wide as ``NUMBERS``."""
        return f"{grouped(self.keys):>9}{size(self.size):>8}"


NUMBERS: Final = f"{'KEYS':>9}{'SIZE':>8}"
"""What stands above the numbers of tallies."""


MOST: Final = 12
"""Rows of one list that people are shown."""


def shortened(tallies: Sequence[Tally]) -> tuple[Sequence[Tally], Tally | None]:
    """The first ``MOST``, and the others together, if there are any."""
    rest = tallies[MOST:]
    more = Tally(f"{len(rest)} more", sum(t.keys for t in rest), sum(t.size for t in rest)) if rest else None
    return tallies[:MOST], more


@dataclass(frozen=True, slots=True)
class Summary:
    """What lives in a snapshot, each list with the largest first."""

    keys: int
    size: int  # bytes of all values that live
    kinds: tuple[Tally, ...]
    namespaces: tuple[Tally, ...]
    prefixes: tuple[Tally, ...]
    newest_key: str
    newest_revision: int
    tombstones: int

    @property
    def sentences(self) -> tuple[tuple[str, str], ...]:
        """What there is to say of all of it: title, and words."""
        newest = f"{clean(self.newest_key)}, revision {grouped(self.newest_revision)}"
        return (
            ("Live keys", f"{grouped(self.keys)}, {size(self.size)} of values"),
            ("Newest change", newest if self.keys else "none"),
            ("Tombstones", grouped(self.tombstones)),
        )

    @property
    def lists(self) -> tuple[tuple[str, tuple[Tally, ...]], ...]:
        """Each with its title."""
        return (
            ("By API group and kind", self.kinds),
            ("By namespace", self.namespaces),
            ("Largest prefixes", self.prefixes),
        )


@dataclass(frozen=True, slots=True)
class Change:
    """A key that differs between two snapshots. Revisions are (main, sub); None where it does not exist."""

    key: str
    before: tuple[int, int] | None
    after: tuple[int, int] | None

    @property
    def name(self) -> KeyName:
        return key_name(self.key)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed from one snapshot to another, by key. ``unchanged`` keys are only counted."""

    added: tuple[Change, ...]
    changed: tuple[Change, ...]
    removed: tuple[Change, ...]
    unchanged: int

    @property
    def same(self) -> bool:
        return not (self.added or self.changed or self.removed)
