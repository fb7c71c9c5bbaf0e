"""A backup that lies on a host already, taken by somebody else or on another day: brought off and proven."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from etcdtui.errors import Refusal
from etcdtui.model.backups import BackupSet
from etcdtui.model.view import ClusterView
from etcdtui.offsite.keeping import Keeping
from etcdtui.platforms.layout import Layout
from etcdtui.procedures.backup import look_at_files, off_the_cluster
from etcdtui.procedures.backup_decided import Decided
from etcdtui.procedures.procedure import Procedure
from etcdtui.text import size

KIND = "bring"


def plan(
    view: ClusterView,
    layout_of: Callable[[str], Layout],
    keeping: Keeping,
    found: BackupSet,
    *,
    procedure_id: str,
) -> Procedure:
    """Bring ``found``, which lies on a host, here and into all stores. Raises Refusal."""
    if view.read_only:
        raise Refusal(
            f"{view.name} is opened read-only, and a manifest would be written on {found.host}.",
            "Open it without --read-only.",
        )
    if not found.complete:
        raise Refusal(
            f"The backup {found.stamp} on {found.host} is no whole one: {found.completeness.value}.",
            "Take another one.",
        )
    layout = layout_of(found.host)
    if found.directory != layout.at(layout.backups):
        raise Refusal(
            f"The backup {found.stamp} on {found.host} lies in {found.directory}, not in the backup folder.",
            f"Move both files to {layout.at(layout.backups)} there, or set layout.backups.",
        )
    decided = Decided(
        host=found.host,
        layout=layout,
        need=0,
        expected=found.size,
        in_use=0,
        newest="",
        stores=tuple(shelf.name for shelf in keeping.shelves),
        stamp=found.stamp,
    )
    reasons = (
        f"{size(found.size)} are to be fetched from {found.host}.",
        "What OpenShift and etcd it was taken with is not known from the files alone, and is not guessed.",
    )
    return _procedure(procedure_id, view.name, decided, reasons)


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, from its record. Raises KeyError and ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} is no bringing off")
    return _procedure(procedure_id, cluster, Decided.of(parameters), ())


def _procedure(procedure_id: str, cluster: str, decided: Decided, reasons: tuple[str, ...]) -> Procedure:
    steps = (look_at_files(decided), *off_the_cluster(decided))
    title = f"Bring the backup {decided.stamp} of {cluster} off {decided.host}"
    return Procedure(KIND, procedure_id, cluster, title, decided.parameters(), steps, reasons)
