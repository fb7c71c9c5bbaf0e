"""A backup that is only in a store, plain or encrypted, brought back to this machine and proven again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from etcdtui.errors import Refusal
from etcdtui.model.file_names import manifest_name
from etcdtui.model.known_backups import foreign_to
from etcdtui.model.places import HERE, Backup, PlacedSet, PlaceKind
from etcdtui.model.view import ClusterView
from etcdtui.offsite.keeping import Keeping
from etcdtui.procedures import fetch_arrival as arrival
from etcdtui.procedures.fetch_arrival import Wanted
from etcdtui.procedures.procedure import Action, Procedure, Step
from etcdtui.text import listed, size

KIND = "fetch"


def named(view: ClusterView, stamp: str, store: str | None = None) -> Backup:
    """The backup of that time stamp which lies in ``store``, or in any. Raises Refusal."""
    found = [b for b in view.known_backups if b.stamp == stamp]
    if not found:
        silent = [seen.place.label for seen in view.places if not seen.listed]
        more = f" Not listed now: {listed(silent)}." if silent else ""
        raise Refusal(
            f"No backup is called {stamp}.{more}",
            "Take a time stamp as etcdtui backups shows it, 2026-11-23_020004.",
        )
    there = [b for b in found if _shelved(b, store)]
    if len(there) > 1:
        places = listed([", ".join(b.places) for b in there])
        raise Refusal(
            f"Several different backups are called {stamp}: {places}.", "Name the store with --store."
        )
    return there[0] if there else found[0]


def plan(
    view: ClusterView,
    keeping: Keeping,
    backup: Backup,
    store: str | None = None,
    *,
    procedure_id: str,
    identity: Path | None = None,
) -> Procedure:
    """Bring ``backup`` from ``store``, or the best one that has it. Raises Refusal."""
    here = backup.copy_in(HERE)
    if here is not None and here.proven and not here.encrypted:
        raise Refusal(f"The backup {backup.stamp} is on this machine already, and proven.")
    copy = _chosen(view, keeping, backup, store)
    name = copy.place.name
    wanted = Wanted(
        backup.stamp,
        name,
        copy.set.directory,
        manifest_name(copy.set),
        Path(copy.set.directory).name,
        "1" if copy.encrypted else "",
        str(identity) if identity else "",
    )
    reasons = [f"{size(copy.set.size)} are to be fetched from {name}."]
    if copy.encrypted:
        key = arrival.identity_of(keeping.shelf(name), wanted.identity)
        reasons.append(f"It is encrypted there, and opened here with the identity in {key}.")
    if foreign_to(view, backup):
        reasons.append("It is NOT of this cluster as it is now: never restore it here unseen.")
    return _procedure(procedure_id, keeping.cluster, wanted, tuple(reasons))


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, from its record. Raises KeyError and ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} is no fetch")
    wanted = Wanted(**{name: parameters[name] for name in Wanted.__dataclass_fields__})
    return _procedure(procedure_id, cluster, wanted, ())


def _shelved(backup: Backup, store: str | None) -> list[PlacedSet]:
    return [
        copy
        for copy in backup.copies
        if copy.place.kind is PlaceKind.STORE and store in (None, copy.place.name)
    ]


def _chosen(view: ClusterView, keeping: Keeping, backup: Backup, store: str | None) -> PlacedSet:
    """The copy that is brought: one that needs no identity first, and from what can be listed now."""
    if store is not None:
        keeping.shelf(store)
    found = _shelved(backup, store)
    where = store or "a store"
    if not found:
        raise Refusal(
            f"The backup {backup.stamp} is not in {where}, it is in {listed(backup.places)}.",
            "From a host it is brought with b, in its details on the screen.",
        )
    whole = [copy for copy in found if copy.proven]
    if not whole:
        first = found[0]
        raise Refusal(
            f"The copy of {backup.stamp} in {first.place.label} cannot be relied on: {_lacking(first)}",
            "Take another place, or another backup.",
        )
    listed_now = {seen.place for seen in view.places if seen.listed}
    order = [shelf.name for shelf in keeping.shelves]
    return min(whole, key=lambda c: (c.place not in listed_now, c.encrypted, order.index(c.place.name)))


def _lacking(copy: PlacedSet) -> str:
    if not copy.complete:
        return "not both files are there."
    if copy.trouble:
        return copy.trouble
    if copy.manifest is None:
        return "its manifest was not read yet." if copy.unread else "there is no manifest beside its files."
    return "its files are not those of its manifest, or were not proven good."


def _procedure(procedure_id: str, cluster: str, wanted: Wanted, reasons: tuple[str, ...]) -> Procedure:
    stays = "Stops here. What has arrived is kept, and a resume goes on from there."
    opened = " Each is opened with the identity as soon as it is here." if wanted.encrypted else ""
    steps = (
        Step(
            key="fetch",
            title=f"Fetch both files from {wanted.store}",
            why=f"The manifest in {wanted.store} says what they must be; the bytes that come are compared "
            f"with that, whatever the store says.{opened}",
            action=Action.WORK,
            work=arrival.fetch_files(wanted),
            cancel=stays,
            skippable=False,
        ),
        Step(
            key="prove",
            title="Prove them byte by byte",
            why="A disk far away has had time to change bits. Only what is proven here gets a manifest here, "
            "and counts.",
            action=Action.WORK,
            work=arrival.prove_here(wanted),
            cancel=stays,
            skippable=False,
        ),
    )
    title = f"Fetch the backup {wanted.stamp} of {cluster} from {wanted.store}"
    return Procedure(KIND, procedure_id, cluster, title, asdict(wanted), steps, reasons)
