"""The backups of a view, as lines and as JSON, and which places could not be listed. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from etcdtui.text import age, clean, grouped, size

if TYPE_CHECKING:
    from etcdtui.model.places import Backup, Place
    from etcdtui.model.readings import Reading
    from etcdtui.model.view import ClusterView


def table(view: ClusterView) -> Iterator[str]:
    """One line for each backup, newest first, then each place that could not be listed."""
    from etcdtui.model.known_backups import foreign_to
    from etcdtui.ui.backup_words import verdict

    unlisted = [said for _, said in silent(view)]
    if not view.known_backups and unlisted:
        yield f"Where the backups of {clean(view.name)} could be listed, there is none."
    elif not view.known_backups:
        yield f"No backup of {clean(view.name)} is known."
    else:
        yield f"{'TAKEN':<18} {'AGE':>14} {'SIZE':>6} {'REVISION':>12}  {'PROVEN':<15} WHERE"
    for found in view.known_backups:
        old = found.age(view.now)
        ago = "?" if old is None else f"{age(old)}, old" if old > view.max_backup_age else age(old)
        revision = grouped(found.revision) if found.revision is not None else ""
        state, _ = verdict(found, foreign_to(view, found))
        where = ", ".join(clean(label, 60) for label in found.places)
        yield f"{found.stamp:<18} {ago:>14} {size(found.size):>6} {revision:>12}  {state:<15} {where}"
    yield from unlisted


def silent(view: ClusterView) -> Iterator[tuple[Place, str]]:
    """Each place whose backups are not known now, with a sentence."""
    from etcdtui.model.places import Place, PlaceKind

    readings: list[tuple[Place, Reading[Any]]] = [
        (Place(PlaceKind.HOST, host.name), host.facts if host.link.problem is None else host.link)
        for host in view.hosts
    ]
    # Of a host only the manifests are told there.
    readings += [(seen.place, seen.sets) for seen in view.places if seen.place.kind is not PlaceKind.HOST]
    for place, reading in readings:
        if reading.problem is not None or reading.value is None:
            why = reading.problem.message if reading.problem else "it has not answered yet"
            yield place, f"{clean(place.label)} could not be listed: {clean(why.rstrip('.'), 1000)}."


def as_json(view: ClusterView) -> dict[str, Any]:
    """Sizes in bytes, times in epoch seconds."""
    return {
        "cluster": view.name,
        "at": view.now,
        "places": [
            {
                "place": seen.place.label,
                "kind": seen.place.kind.value,
                "listed": seen.listed,
                "problem": seen.sets.problem.message if seen.sets.problem else None,
            }
            for seen in view.places
        ],
        "backups": [_backup_json(found, view) for found in view.known_backups],
    }


def _backup_json(found: Backup, view: ClusterView) -> dict[str, Any]:
    from etcdtui.model.known_backups import foreign_to

    return {
        "stamp": found.stamp,
        "taken": found.taken,
        "size": found.size,
        "revision": found.revision,
        "proven": found.proven,
        "complete": found.complete,
        "possibly_dirty": found.dirty,
        "off_cluster": found.off_cluster,
        "foreign": foreign_to(view, found),
        "cluster": found.manifest.cluster if found.manifest else None,
        "copies": [
            {
                "place": copy.place.label,
                "kind": copy.place.kind.value,
                "location": copy.set.directory,
                "state": copy.set.completeness.value,
                "proven": copy.proven,
                "encrypted": copy.encrypted,
                "trouble": copy.trouble or None,
            }
            for copy in found.copies
        ],
    }
