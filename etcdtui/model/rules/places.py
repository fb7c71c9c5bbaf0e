"""Rules about backups in all places: proven, young enough, off the cluster, and whole where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from etcdtui import text
from etcdtui.model.file_names import manifest_name
from etcdtui.model.finding import Finding, Rule, Severity
from etcdtui.model.health import ClusterHealth
from etcdtui.model.known_backups import last_proven, owed_anywhere
from etcdtui.model.places import Backup, Place, PlacedSet, PlaceKind, PlaceView
from etcdtui.model.placing import is_manifest
from etcdtui.model.rules.backups import take_one
from etcdtui.model.same import Same
from etcdtui.model.view import ClusterView

SENDING = 900.0  # seconds after its proof in which a backup may still be on its way into the stores
NAMED = 3  # backups named in one sentence


def proven(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    """The worst that is true: none, none proven, too old, on the cluster only; or that all is well."""
    if not _beside_hosts(view):
        return
    last, off = last_proven(view), last_proven(view, off_cluster=True)
    if off is not None and _age(view, off) <= view.max_backup_age:
        yield Finding(
            "8-backup",
            Severity.GOOD,
            f"The last proven backup off the cluster is {text.age(_age(view, off))} old.",
            _where(off),
        )
    elif not _asked(view):
        return  # the place that nobody looked at yet may hold the missing one
    elif last is None:
        yield _none_proven(view, health)
    elif _age(view, last) > view.max_backup_age:
        newer = view.known_backups[0]
        yield Finding(
            "4-backup",
            Severity.WARNING,
            f"The last proven backup is {text.age(_age(view, last))} old; "
            f"{text.age(view.max_backup_age)} is the limit.",
            _where(last) + (f" {_where(newer)[:-1]}, is not proven." if newer.stamp > last.stamp else ""),
            take_one(health),
        )
    else:
        yield Finding(
            "4-backup",
            Severity.WARNING,
            f"The last proven backup, {text.age(_age(view, last))} old, is on the cluster only."
            if off is None
            else f"The last proven backup off the cluster is {text.age(_age(view, off))} old.",
            " ".join(_where(backup) for backup in (last, off) if backup is not None),
            "A backup on the master that dies is none. " + take_one(health),
        )


def _none_proven(view: ClusterView, health: ClusterHealth) -> Finding:
    unseen = [host.name for host in view.hosts if host.facts.value is None]
    unseen += [seen.place.label for seen in _beside_hosts(view) if not seen.listed]
    aside = f"Not looked at: {text.listed(unseen)}." if unseen else ""
    ahead = next((b for b in view.known_backups if b.proven and b.age(view.now) is None), None)
    if ahead is not None:
        return Finding(
            "4-backup",
            Severity.WARNING,
            "How old the last proven backup is is not known: it is dated in the future.",
            f"{_where(ahead)} {aside}".strip(),
            f"Compare the clocks of this machine and of the hosts. {take_one(health)}",
        )
    complete = next((backup for backup in view.known_backups if backup.complete), None)
    if complete is None:
        said = "There is no backup in any place that could be looked at."
        return Finding("4-backup", Severity.WARNING, said, aside, take_one(health))
    return Finding(
        "4-backup",
        Severity.WARNING,
        f"No backup of {text.clean(view.name)} is proven: whether one can be restored is not known.",
        f"The last one: {_where(complete)} {aside}".strip(),
        f"{take_one(health)} It is proven whole before it counts.",
    )


def listing(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    """A place that cannot be looked at, in its own words."""
    for seen in _beside_hosts(view):
        problem = seen.sets.problem
        if problem is None:
            continue
        label = text.clean(seen.place.label)
        what = (
            "The backups on this machine" if seen.place.kind is PlaceKind.HERE else f"The backups in {label}"
        )
        known = seen.sets.age(view.now)
        since = f"What is shown of them is {text.age(known)} old." if known is not None else ""
        yield Finding(
            f"4-place-{label}",
            Severity.WARNING,
            f"{what} cannot be listed.",
            f"{text.clean(problem.message)} {since}".strip(),
            text.clean(problem.hint) or "They are asked for again by themselves; at once with r.",
            label,
        )


def sending(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    """What a store should have and has not."""
    lacking: dict[str, list[Backup]] = {}
    for backup, store in owed_anywhere(view):
        lacking.setdefault(store, []).append(backup)
    for store, backups in lacking.items():
        proofs = [b.manifest.proven.timestamp() for b in backups if b.manifest is not None]
        under_way = all(view.now - proof < SENDING for proof in proofs)
        yield Finding(
            f"5-owed-{text.clean(store)}",
            Severity.ADVICE if under_way else Severity.WARNING,
            f"{text.clean(store)} lacks {text.counted(len(backups), 'proven backup')} of this machine.",
            f"{_some([backup.stamp for backup in backups])}.",
            "Press u to upload what it lacks; the copies here stay. The next backup goes there too.",
            text.clean(store),
        )


def whole(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    """Copies that are none, and manifests that cannot be believed."""
    if not _beside_hosts(view):
        return
    for seen in view.places:
        halves, odd = _faults(Same(seen.sets.value or ()))
        label = text.clean(seen.place.label)
        where = "on this machine" if seen.place.kind is PlaceKind.HERE else f"in {label}"
        if halves and not seen.place.is_host:
            yield Finding(
                f"5-half-{label}",
                Severity.ADVICE,
                f"{text.counted(len(halves), 'backup is', 'backups are')} not whole {where}.",
                f"{_some([f'{p.set.stamp} ({_lack(p)})' for p in halves])}.",
                "Do not restore from it. An upload or a download that broke off can be begun again.",
                label,
            )
        if odd:
            yield Finding(
                f"4-manifest-{label}",
                Severity.WARNING,
                f"{text.counted(len(odd), 'manifest')} {where} cannot be believed and proves nothing.",
                " ".join(_oddity(p) for p in odd[:NAMED])
                + (f" And {len(odd) - NAMED} more." * (len(odd) > NAMED)),
                "Do not restore from it before it was proven again: etcdtui verify.",
                label,
            )
    dirty = _dirty(Same(view.known_backups))
    if dirty:
        yield Finding(
            "6-dirty",
            Severity.ADVICE,
            f"{text.counted(len(dirty), 'backup was', 'backups were')} taken by force, while an operator "
            "rolled out or nobody could tell: possibly dirty.",
            f"{_some([f'{b.stamp} ({text.listed(b.places)})' for b in dirty])}.",
            "For a restore prefer one that is not marked so.",
        )


@lru_cache(maxsize=32)
def _faults(sets: Same[tuple[PlacedSet, ...]]) -> tuple[tuple[PlacedSet, ...], tuple[PlacedSet, ...]]:
    """Looked for once for each listing: those not whole, and those whose manifest is odd."""
    found = [p for p in sets.value if p.set.files]  # the others are left-over manifests
    halves = tuple(p for p in found if not p.complete and not p.set.writing)
    odd = tuple(p for p in found if p.trouble or (p.complete and p.manifest is not None and not p.proven))
    return halves, odd


@lru_cache(maxsize=16)
def _dirty(backups: Same[tuple[Backup, ...]]) -> tuple[Backup, ...]:
    return tuple(backup for backup in backups.value if backup.dirty)


def _lack(placed: PlacedSet) -> str:
    found = placed.set
    if placed.encrypted and found.snapshot is not None and found.resources is not None:
        return "half-written"
    return found.completeness.value


def _oddity(placed: PlacedSet) -> str:
    if placed.trouble:
        return placed.trouble
    name = manifest_name(placed.set)
    if not placed.fits:
        return f"{name} tells other names or sizes than the files have."
    failed = [c.name for c in placed.manifest.checks if not c.ok] if placed.manifest else []
    return f"{name} tells that {text.clean(text.listed(failed)) or 'nothing'} was not found good."


def _asked(view: ClusterView) -> bool:
    """Every place said something, good or bad; manifests that hosts list were read."""
    manifests_of = {seen.place.name for seen in view.places if seen.place.is_host}
    for host in view.hosts:
        facts = host.facts.value
        if facts is None and host.facts.problem is None and host.link.problem is None:
            return False
        if facts is not None and host.name not in manifests_of and any(map(is_manifest, facts.backups)):
            return False
    return all(seen.listed or seen.sets.problem for seen in _beside_hosts(view))


def _beside_hosts(view: ClusterView) -> list[PlaceView]:
    return [seen for seen in view.places if not seen.place.is_host]


def _age(view: ClusterView, backup: Backup) -> float:
    known = backup.age(view.now)
    return view.now if known is None else known


def _where(backup: Backup) -> str:
    return f"{backup.stamp}, {text.listed(list(dict.fromkeys(_at(copy.place) for copy in backup.copies)))}."


def _at(place: Place) -> str:
    prefix = {PlaceKind.HOST: "on ", PlaceKind.HERE: "", PlaceKind.STORE: "in "}[place.kind]
    return f"{prefix}{text.clean(place.label)}{' (a host of the cluster)' * place.on_host}"


def _some(words: list[str]) -> str:
    shown = words[:NAMED] + ([f"{len(words) - NAMED} more"] if len(words) > NAMED else [])
    return text.listed(shown)


RULES: tuple[Rule, ...] = (proven, listing, sending, whole)
