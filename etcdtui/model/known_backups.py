"""What a view tells of backups: whose they are, the last one to rely on, what stores lack. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from etcdtui.model.members import Member
from etcdtui.model.places import HERE, Backup, Place, PlacedSet, PlaceKind
from etcdtui.model.same import Same
from etcdtui.model.view import ClusterView


def foreign_to(view: ClusterView, backup: Backup) -> bool | None:
    """``Backup.foreign``, for the cluster that is seen here."""
    return backup.foreign(*identity_of(view))


def identity_of(view: ClusterView) -> tuple[str, tuple[Member, ...], str]:
    """What ``Backup.foreign`` is asked with: the name, the members, OpenShift's ID of the cluster."""
    listed, facts = view.members.value, view.api.value
    return view.name, listed.members if listed else (), facts.cluster_id if facts else ""


def silent(view: ClusterView) -> frozenset[Place]:
    """Those that cannot be looked at now. What is known of them is of earlier."""
    hosts = {Place(PlaceKind.HOST, h.name) for h in view.hosts if h.link.problem or h.facts.problem}
    return frozenset(hosts | {p.place for p in view.places if not (p.place.is_host or p.listed)})


def last_proven(view: ClusterView, *, off_cluster: bool = False) -> Backup | None:
    """The newest proven backup of this cluster, wherever it is, or with a proven copy off the cluster.

    One that was taken by force, possibly dirty, is never the one to rely on, nor one of unknown age.
    """
    ours = (backup for backup in _ours(view) if not backup.dirty and backup.age(view.now) is not None)
    return next((backup for backup in ours if backup.off_cluster or not off_cluster), None)


def owed(view: ClusterView, stores: Iterable[str]) -> tuple[tuple[Backup, str], ...]:
    """Proven backups of this cluster that are here and should be in a store, newest first, with its name.

    Those newer than the newest whole one there, and in any case the newest one here. Nothing is owed to a
    store that cannot be listed: nobody knows what it lacks.
    """
    listed = {seen.place for seen in view.places if seen.listed}
    ours, everything = Same(_ours(view)), Same(view.known_backups)
    asked = [place for name in stores if (place := Place(PlaceKind.STORE, name)) in listed]
    return tuple((backup, place.name) for place in asked for backup in _lacking(place, ours, everything))


# What every frame asks for is looked for once for each change of what is known.


def _ours(view: ClusterView) -> tuple[Backup, ...]:
    """Proven backups of this cluster, newest first."""
    return _proven_of(Same(view.known_backups), *identity_of(view))


@lru_cache(maxsize=16)
def _proven_of(
    backups: Same[tuple[Backup, ...]], cluster: str, members: tuple[Member, ...], openshift_id: str
) -> tuple[Backup, ...]:
    return tuple(b for b in backups.value if b.proven and b.foreign(cluster, members, openshift_id) is False)


@lru_cache(maxsize=32)
def _lacking(
    store: Place, ours: Same[tuple[Backup, ...]], everything: Same[tuple[Backup, ...]]
) -> tuple[Backup, ...]:
    here = [b for b in ours.value if (copy := b.copy_in(HERE)) and copy.proven]
    whole = [b for b in everything.value if (copy := b.copy_in(store)) and _whole(copy)]
    newest = max((b.taken or 0.0 for b in whole if not b.dirty), default=0.0)
    last = next((b for b in here if not b.dirty), None)  # no dirty one takes the place of a clean one
    return tuple(
        backup
        for backup in here
        if not ((copy := backup.copy_in(store)) and _whole(copy))
        and (backup is last or (backup.taken or 0.0) > newest)
    )


def owed_anywhere(view: ClusterView) -> tuple[tuple[Backup, str], ...]:
    """``owed``, for every store that is watched."""
    return owed(view, tuple(seen.place.name for seen in view.places if seen.place.kind is PlaceKind.STORE))


def _whole(copy: PlacedSet) -> bool:
    """All three files arrived. One that cannot be believed did too: sending it again would change nothing."""
    return copy.complete and (copy.manifest is not None or bool(copy.trouble) or copy.unread)
