"""What the releases of OpenShift differ in, as a lab plays them: versions, pods, scripts.

A script of a host is one text for several releases. ``#if WORD`` or ``#unless WORD``, ``#else`` and ``#end``,
each alone on its line, tell the parts that are kept where the era has the word, or has it not.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

_PODS = ("etcdctl", "etcd", "etcd-metrics")
_READY = (*_PODS, "etcd-readyz")
_NEWEST = (*_READY, "etcd-rev")


@dataclass(frozen=True, slots=True)
class Era:
    """One release. ``has``: the words of the script parts it has, and of what its operator does:

    checked (backups and snapshots are looked at), first (etcd is stopped before the others, and restored by
    the pod on the disk), bump (a restore can raise the revision), only (etcd alone is stopped and restored),
    guard (no rollout without a spare member), guard-pods (static pods and not a Deployment), csr-v1, split
    (a folder for each kind of certificate).
    """

    name: str
    openshift: str
    kubernetes: str
    containers: tuple[str, ...]  # of etcd's pod, in its order
    has: frozenset[str]

    @property
    def scripts(self) -> dict[str, str]:
        """What lies in /usr/local/bin, and the text it is made of."""
        restore = "cluster-restore-etcd.sh" if "only" in self.has else "cluster-restore.sh"
        found = {"cluster-backup.sh": "cluster-backup.sh", "cluster-restore.sh": restore}
        if "only" in self.has:
            found |= {name: name for name in ("disable-etcd.sh", "quorum-restore.sh")}
        return found

    @property
    def bump(self) -> int:
        """By how much a restore raises the revision, unless it is told otherwise."""
        return 1_000_000_000 if "only" in self.has else 0


def _words(*words: str) -> frozenset[str]:
    return frozenset(words)


_SINCE_6 = _words("checked", "csr-v1")
_SINCE_10 = _SINCE_6 | {"guard"}
_SINCE_12 = _SINCE_10 | {"guard-pods", "first", "bump"}
_SINCE_18 = _words("checked", "csr-v1", "guard", "guard-pods", "only")

ERAS = {
    era.name: era
    for era in (
        Era("4.5", "4.5.41", "v1.18.3", _PODS, _words("split")),
        Era("4.10", "4.10.67", "v1.23.17", _PODS, _SINCE_10),
        Era("4.12", "4.12.45", "v1.25.14", _READY, _SINCE_12),
        Era("4.16", "4.16.3", "v1.29.6", _READY, _SINCE_12),
        Era("4.19", "4.19.7", "v1.32.6", _NEWEST, _SINCE_18),
        Era("newest", "4.21.2", "v1.34.2", _NEWEST, _SINCE_18),
    )
}
DEFAULT = ERAS["4.16"]


def kept(text: str, words: Collection[str]) -> str:
    """``text`` without the parts of other eras."""
    lines, keep = [], True
    for line in text.splitlines(keepends=True):
        mark, _, word = line.strip().partition(" ")
        if mark == "#if":
            keep = word in words
        elif mark == "#unless":
            keep = word not in words
        elif mark == "#else":
            keep = not keep
        elif mark == "#end":
            keep = True
        elif keep:
            lines.append(line)
    return "".join(lines)
