"""Whether a restore raises the revision, so that who watches the API is told to list anew. Pure.

A script that does so on request starts a pod with two flags of etcd: one that lacks them would never come up.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from etcdtui.model.raised import RAISE
from etcdtui.model.versions import parse, raises, raises_since
from etcdtui.model.view import ClusterView
from etcdtui.platforms.eras import RESTORE, Bump, parse_restore
from etcdtui.platforms.restore_scripts import HostReport
from etcdtui.procedures.restore_decided import Decided
from etcdtui.text import clean, grouped

VARIABLE: Final = "ETCD_ETCDCTL_RESTORE_ENABLE_BUMP"

_AFTERWARDS: Final = "who watches the API must be restarted afterwards"
_ANEW: Final = "whoever watches the API is told to list anew"


def version_told(view: ClusterView, backup: str) -> str:
    """Of the etcd that the restore pod will run: the oldest that a member told, now or before, or the
    manifest of the backup tells; empty: nobody tells."""
    told = [e.status.value.version for e in view.endpoints if e.status.value]
    return _oldest(version for version in (*told, backup) if version)


def _oldest(versions: Iterable[str]) -> str:
    """One that cannot be read comes first: nobody knows what it has."""
    return min(versions, key=lambda version: parse(version) or (0, 0, 0), default="")


def raising(bump: Bump, host: str, version: str, revision: int, seen: int) -> tuple[bool, str]:
    """Is the script of ``host`` asked to raise the revision, and a sentence whether it will be raised.

    ``version`` is that of the etcd it will start, empty where that is not known; ``revision`` that of the
    backup, and ``seen`` the highest that anybody had, which may have been raised by a restore before.
    """
    script, able = f"The {RESTORE} of {host}", raises(version)
    if bump is Bump.NEVER:
        return False, f"{script} does not raise the revision: {_AFTERWARDS}."
    if able is False:
        since = raises_since(version)
        return False, (
            f"{script} cannot raise the revision: etcd {clean(version)} has no --bump-revision (from {since} "
            f"on); {_AFTERWARDS}."
        )
    if seen >= revision + RAISE:
        return False, (
            f"{script} does not raise the revision above {grouped(seen)}, to which a restore raised it after "
            f"this backup was taken; {_AFTERWARDS}."
        )
    if bump is Bump.ALWAYS:
        return False, f"{script} raises the revision by itself: {_ANEW}."
    if able is None:
        return False, (
            f"{script} is not asked to raise the revision: which etcd it starts is not known, and one "
            f"without --bump-revision would never come up; {_AFTERWARDS}."
        )
    return True, f"{script} is asked to raise the revision, which etcd {clean(version)} can: {_ANEW}."


def what_it_does(decided: Decided) -> str:
    """For the step that runs the script; empty where its record does not tell."""
    if not decided.bump:
        return decided.raising
    return (
        f"{VARIABLE}=true has it raise the revision by {grouped(RAISE)} and forget what was before: "
        f"{_ANEW}, and does not keep what no longer exists."
    )


def command(decided: Decided) -> tuple[str, ...]:
    """What runs the script."""
    asked = ("env", f"{VARIABLE}=true") if decided.bump else ()
    return (*decided.recovery.layout.sudo, *asked, decided.script, decided.folder)


def still_asked(decided: Decided, report: HostReport) -> bool:
    """The script there understands what the plan asks of it."""
    does = parse_restore(report.script)
    return not decided.bump or (does is not None and does.bump is Bump.ON_REQUEST)
