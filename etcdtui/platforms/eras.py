"""What a release of OpenShift needs and does, from ClusterVersion and from the scripts on a host. Pure.

Nothing is guessed: what neither tells is None, and said so in ``doubts``. Source: every release branch of the
cluster-etcd-operator.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from etcdtui.platforms.csrs import V1, V1BETA1
from etcdtui.text import clean

MARK = "Created by cluster-etcd-operator"

BACKUP, RESTORE = "cluster-backup.sh", "cluster-restore.sh"
DISABLE, QUORUM_RESTORE = "disable-etcd.sh", "quorum-restore.sh"

OLDEST = (4, 5)  # no earlier one is known here
GUARD_SINCE = (4, 10)
V1_SINCE = (4, 6)
GUARD_PODS_SINCE = (4, 12)


class Way(StrEnum):
    """How cluster-restore.sh goes about it; the value names the releases."""

    ALL_UNCHECKED = "4.5"
    ALL_CHECKED = "4.6 to 4.10"
    ETCD_FIRST = "4.11 to 4.17"
    ETCD_ONLY = "4.18 and newer"


class Bump(StrEnum):
    """Whether a restore raises the revision, which makes watchers list anew."""

    NEVER = "never"
    ON_REQUEST = "on request"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class BackupScript:
    """``asks_operators``: it refuses while one rolls out, and so needs the API unless it is forced."""

    asks_operators: bool
    checks_snapshot: bool


@dataclass(frozen=True, slots=True)
class RestoreScript:
    """``containers`` it waits for, in its order; ``stops_all``: all four static pods, not etcd's alone."""

    way: Way
    stops_all: bool
    checks_snapshot: bool
    bump: Bump
    containers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Era:
    """What is known of a platform. None: not known, and ``doubts`` says why."""

    version: str = ""
    release: tuple[int, int] | None = None
    guard: bool | None = None  # the operator's guard must be off while a member is replaced
    guard_pods: bool | None = None  # static pods etcd-guard-<node>; else a Deployment etcd-quorum-guard
    secrets: bool | None = None  # three secrets of a node are deleted when its member is replaced
    csrs: str = ""  # the path of certificate requests
    backup: BackupScript | None = None
    restore: RestoreScript | None = None
    disables: bool | None = None  # disable-etcd.sh is there
    restores_quorum: bool | None = None  # quorum-restore.sh is there
    doubts: tuple[str, ...] = ()


def recognise(version: str, scripts: Mapping[str, str] | None = None, host: str = "the host") -> Era:
    """``version`` is that of ClusterVersion, empty when the API did not tell it. ``scripts`` are the scripts
    found on ``host``, name -> text; None when nobody looked there.
    """
    doubts: list[str] = []
    release = _release(version)
    if not version:
        doubts.append("The version of the cluster is not known: the API did not tell it.")
    elif release is None:
        doubts.append(f"{clean(version)} is no version of OpenShift that can be read.")
    elif release < OLDEST:
        doubts.append(f"OpenShift {clean(version)} is older than 4.5, the oldest that is known here.")
        release = None
    backup = restore = None
    disables = restores_quorum = None
    if scripts is None:
        doubts.append(f"The scripts on {host} have not been read.")
    else:
        if _known(BACKUP, scripts, host, doubts):
            backup = parse_backup(scripts[BACKUP])
        if _known(RESTORE, scripts, host, doubts):
            restore = parse_restore(scripts[RESTORE])
            if restore is None:
                doubts.append(f"{RESTORE} on {host} is of a kind that is not known here.")
        disables, restores_quorum = (_ours(scripts.get(name, "")) for name in (DISABLE, QUORUM_RESTORE))
    if release and restore and not _fits(release, restore.way):
        doubts.append(
            f"The cluster is OpenShift {clean(version)}, but {RESTORE} on {host} is that of {restore.way}: "
            "an update is on its way, or did not reach that host. The script decides what a restore does."
        )
    return Era(
        version=version,
        release=release,
        guard=release >= GUARD_SINCE if release else None,
        guard_pods=release >= GUARD_PODS_SINCE if release else None,
        secrets=True if release else None,
        csrs=(V1 if release >= V1_SINCE else V1BETA1) if release else "",
        backup=backup,
        restore=restore,
        disables=disables,
        restores_quorum=restores_quorum,
        doubts=tuple(doubts),
    )


def parse_backup(text: str) -> BackupScript:
    """By what the script does."""
    code = _code(text)
    return BackupScript(
        asks_operators="Progressing" in code and "--force" in code,
        checks_snapshot=_checks(code),
    )


def parse_restore(text: str) -> RestoreScript | None:
    """By what the script does; None for one that does what no known release does."""
    code = _code(text)
    containers = _containers(code)
    stops_all, checks = "kube-apiserver" in containers, _checks(code)
    if "etcd" not in containers:
        return None
    switched = "ETCD_ETCDCTL_RESTORE" in code or "etcd-readyz" in containers
    match stops_all, checks, switched:
        case True, False, False:
            way = Way.ALL_UNCHECKED
        case True, True, False:
            way = Way.ALL_CHECKED
        case True, True, True:
            way = Way.ETCD_FIRST
        case False, True, True:
            way = Way.ETCD_ONLY
        case _:
            return None
    bump = Bump.ON_REQUEST if "ETCD_ETCDCTL_RESTORE_ENABLE_BUMP" in code else Bump.NEVER
    if way is Way.ETCD_ONLY and bump is Bump.NEVER:
        bump = Bump.ALWAYS
    return RestoreScript(way, stops_all, checks, bump, containers)


def _release(version: str) -> tuple[int, int] | None:
    match = re.match(r"v?(\d{1,3})\.(\d{1,3})(?:[.\-+]|\Z)", version)
    return (int(match[1]), int(match[2])) if match else None


def _fits(release: tuple[int, int], way: Way) -> bool:
    match way:
        case Way.ALL_UNCHECKED:
            return release == (4, 5)
        case Way.ALL_CHECKED:
            return (4, 6) <= release <= (4, 10)
        case Way.ETCD_FIRST:
            return (4, 11) <= release <= (4, 17)
        case Way.ETCD_ONLY:
            return release >= (4, 17)  # that release's script was never read: both fit


def _known(name: str, scripts: Mapping[str, str], host: str, doubts: list[str]) -> bool:
    text = scripts.get(name, "")
    if not text.strip():
        doubts.append(f"There is no {name} on {host}.")
    elif not _ours(text):
        doubts.append(f"{name} on {host} does not say “{MARK}”: somebody else's script, not relied upon.")
    else:
        return True
    return False


def _ours(text: str) -> bool:
    return MARK in text


def _code(text: str) -> str:
    """Without the comments: what a script says of itself is not what it does."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def _checks(code: str) -> bool:
    return "check_snapshot_status" in code or "snapshot status" in code


def _containers(code: str) -> tuple[str, ...]:
    """Named in a list …_CONTAINERS=(…), or after wait_for_containers_to_stop itself."""
    lists = re.findall(r"\w*CONTAINERS=\(([^)]*)\)", code)
    lists += re.findall(r"^\s*wait_for_containers_to_stop((?: [a-z][a-z0-9-]*)+)\s*$", code, re.MULTILINE)
    names = (word.strip("\"'") for one in lists for word in one.split())
    return tuple(dict.fromkeys(name for name in names if re.fullmatch(r"[a-z][a-z0-9-]*", name)))
