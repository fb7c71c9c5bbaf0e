"""Old backups thinned out by the rules: on hosts, here and in stores; shown before it is done."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from etcdtui.errors import CommandFailed, EtcdTuiError, Refusal
from etcdtui.landing import PART, Landing, alone_in, faults, sync_folder
from etcdtui.model.file_names import AGE, manifest_name
from etcdtui.model.manifest import SUFFIX
from etcdtui.model.places import HERE, Place, PlacedSet, PlaceKind
from etcdtui.model.quorum import Verdict
from etcdtui.model.retention import Doomed, Kept, Rule, doomed, in_words, rule_of_words
from etcdtui.model.view import ClusterView
from etcdtui.offsite.keeping import Keeping
from etcdtui.procedures import manifests
from etcdtui.procedures.backup_arrival import NAME as ARRIVAL
from etcdtui.procedures.backup_choice import CLOCK
from etcdtui.procedures.fetch_arrival import NAME as FETCHED
from etcdtui.procedures.procedure import Context, Gate, GateKind, Reporter
from etcdtui.procedures.staying import strangers, where
from etcdtui.text import age, clean, counted, listed, size

REMOVING = 60.0  # seconds for removing files on a host
LOOK = 30.0  # seconds to wait for all places to be listed anew
NOTES = (ARRIVAL, FETCHED, ".*.age", f"*{SUFFIX}.refuted", f"*.json.*{PART}")
"""What etcdtui keeps beside a backup for itself: what arrived, what an upload or a fetch that broke off has
left encrypted, a manifest that a later proof refuted, and what a crash left half written of any of these."""
THERE = 3  # exit code: the files are there again
# Arguments: MANIFEST FILE... Removes it where none of the files is.
_ORPHAN = f"""
manifest=$1; shift
for f in "$@"; do [ ! -e "$f" ] || exit {THERE}; done
rm -f -- "$manifest"
"""
_OURS = re.compile(
    r"(?:snapshot_\d{4}-\d\d-\d\d_\d{6}(?:__POSSIBLY_DIRTY__)?(?:\.db|\.manifest\.json)"
    r"|static_kuberesources_\d{4}-\d\d-\d\d_\d{6}(?:__POSSIBLY_DIRTY__)?\.tar\.gz)(?:\.age|\.part)?\Z"
)


@dataclass(frozen=True, slots=True)
class Going:
    """A backup that may go from one place, and why."""

    placed: PlacedSet
    why: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.placed.place.label, self.placed.set.directory, self.placed.set.stamp


def rules_of(keeping: Keeping) -> Callable[[Place], Rule]:
    """What to keep in a place, as the configuration says."""
    stores = {shelf.name: shelf.rule for shelf in keeping.shelves}

    def rule(place: Place) -> Rule:
        match place.kind:
            case PlaceKind.HOST:
                return keeping.rule_on_hosts
            case PlaceKind.HERE:
                return keeping.rule
        return stores.get(place.name, Rule())

    return rule


def written(keeping: Keeping) -> str:
    """The rules of every place, as a record keeps them."""
    stores = {shelf.name: in_words(shelf.rule) for shelf in keeping.shelves}
    rules = {"here": in_words(keeping.rule), "hosts": in_words(keeping.rule_on_hosts), "stores": stores}
    return json.dumps(rules)


def ruled(keeping: Keeping, rules: str) -> Keeping:
    """The same places with the rules that were ``written``; what had none there loses nothing.

    Raises KeyError and ValueError.
    """
    told = json.loads(rules)

    def rule(words: str) -> Rule:
        return rule_of_words(words) if words else Rule()

    shelves = tuple(
        replace(shelf, rule=rule(told["stores"].get(shelf.name, ""))) for shelf in keeping.shelves
    )
    return replace(keeping, shelves=shelves, rule=rule(told["here"]), rule_on_hosts=rule(told["hosts"]))


def rulings(view: ClusterView, keeping: Keeping, now: float) -> Mapping[Place, Doomed]:
    """What stays and what goes in each place that has a rule and can be listed."""
    rule_of, cluster, listed_now = rules_of(keeping), _cluster_id(view), _listed(view)
    placed: dict[Place, list[PlacedSet]] = {}
    for backup in view.known_backups:
        for copy in backup.copies:
            placed.setdefault(copy.place, []).append(copy)
    return {
        place: doomed((_kept(copy, cluster) for copy in copies), rule_of(place), now, cluster, _zone())
        for place, copies in placed.items()
        if place in listed_now and not rule_of(place).empty
    }


def sure_of_the_time(view: ClusterView, keeping: Keeping) -> None:
    """Raises Refusal where days are to be counted and a host's clock shows another time: if ours is the wrong
    one, everything is too old."""
    rules = (keeping.rule, keeping.rule_on_hosts, *(shelf.rule for shelf in keeping.shelves))
    if not any(rule.days for rule in rules):
        return
    for host in view.hosts:
        offset = host.facts.value.clock_offset if host.facts.value else None
        if offset is not None and abs(offset) > CLOCK:
            way = "ahead of" if offset > 0 else "behind"
            raise Refusal(
                f"The clock of {host.name} is {age(abs(offset))} {way} this machine's, so nobody knows how "
                "many days old a backup is: nothing is thinned out.",
                "Compare chrony on the hosts, and this machine's own clock; then thin out again.",
            )


def _cluster_id(view: ClusterView) -> str:
    return f"{view.members.value.cluster_id:x}" if view.members.value else ""


def _listed(view: ClusterView) -> set[Place]:
    """Places whose listing speaks for now."""
    return {seen.place for seen in view.places if seen.listed} | {
        Place(PlaceKind.HOST, host.name) for host in view.hosts if host.facts.problem is None
    }


def going(view: ClusterView, keeping: Keeping, now: float) -> tuple[Going, ...]:
    """Everything that may go, place by place, newest first; then manifests of what has gone already."""
    backups = (
        Going(ruling.backup.key, ", ".join(ruling.reasons))  # type: ignore[arg-type]
        for ruled in rulings(view, keeping, now).values()
        for ruling in ruled.delete
    )
    return (*backups, *_orphans(view, keeping))


def _orphans(view: ClusterView, keeping: Keeping) -> Iterator[Going]:
    """What a removal that broke off has left: a manifest of this cluster whose files are gone."""
    rule_of, cluster, there = rules_of(keeping), _cluster_id(view), _listed(view)
    for seen in view.places:
        if seen.place not in there or rule_of(seen.place).empty:
            continue
        for placed in seen.sets.value or ():
            told = placed.manifest
            if placed.set.files or told is None or not cluster or told.cluster_id != cluster:
                continue
            if told.snapshot.name.removesuffix(".db") + SUFFIX == manifest_name(placed.set):
                yield Going(placed, "its files are gone already")


def told(found: Sequence[Going]) -> str:
    """The list, as a sentence for each place."""
    places: dict[str, list[Going]] = {}
    for each in found:
        places.setdefault(each.placed.place.label, []).append(each)
    sentences = []
    for label, there in places.items():
        for what, some in (
            ("backup", [each for each in there if each.placed.set.files]),
            ("left-over manifest", [each for each in there if not each.placed.set.files]),
        ):
            stamps = listed([each.placed.set.stamp for each in some])
            if some:
                sentences.append(f"{where(label)} {counted(len(some), what)} may go: {stamps}.")
    return " ".join(sentences)


class Thinning:
    """Asks about what may go, then removes exactly that.

    By the ``rules`` that were ``written`` when it was decided; "" means those of the configuration now.
    """

    def __init__(self, rules: str = "", *, optional: bool = True) -> None:
        self._rules = rules
        self._optional = optional
        self._shown: frozenset[tuple[str, str, str]] = frozenset()

    def ask(self, world: Context) -> Gate:
        """Nothing to ask when nothing may go, or that cannot be known: then the work says so."""
        found: tuple[Going, ...] = ()
        with suppress(Refusal):
            found, stay = self._going(world)
        self._shown = frozenset(each.key for each in found)
        if not found:
            return Gate()
        total = size(sum(each.placed.set.size for each in found))
        them = "it" if len(found) == 1 else f"these {len(found)}"
        prompt = " ".join(filter(None, (told(found), stay, f"Remove {them} ({total})?")))
        return Gate(GateKind.CONFIRM, prompt=prompt, optional=self._optional)

    def work(self, world: Context, report: Reporter) -> Verdict:
        """Only what was shown goes, and only if it may still go now."""
        may_go, stay = self._going(world)
        found = [each for each in may_go if each.key in self._shown]
        if not found:
            return Verdict(True, f"No backup had to go. {stay}".rstrip())
        failed: list[str] = []
        gone = 0
        for each in found:
            if report.cancelled.is_set():
                break
            try:
                remove(world, each.placed)
                gone += 1
                report.say(f"removed {each.placed.place.label}: {each.placed.set.stamp} ({each.why})")
            except EtcdTuiError as exc:
                failed.append(str(exc))
                report.say(f"NOT removed {each.placed.place.label}: {each.placed.set.stamp}: {exc.message}")
        world.look_at_places(LOOK)
        if failed:
            return Verdict(False, f"{gone} of {len(found)} removed. {failed[0]}")
        left = sum(not each.placed.set.files for each in found[:gone])
        return Verdict(True, f"{_counts(gone - left, left)} removed.")

    def _going(self, world: Context) -> tuple[tuple[Going, ...], str]:
        """What may go, and which stay as strangers."""
        keeping = ruled(world.keeping, self._rules) if self._rules else world.keeping
        view = world.look_at_places(LOOK)
        sure_of_the_time(view, keeping)
        # Where the cluster's own ID is not known, all would be strangers.
        stay = strangers(rulings(view, keeping, world.now())) if _cluster_id(view) else ""
        return going(view, keeping, world.now()), stay


def remove(world: Context, placed: PlacedSet) -> None:
    """Take the files of one backup away from one place; the manifest last, for it says whose they are.

    Raises Refusal for a name that is not of a backup, and what the place raises.
    """
    names = [*(placed.stored_name(file) for file in placed.set.files), manifest_name(placed.set)]
    for name in names:
        if not _OURS.fullmatch(name):
            raise Refusal(f"{clean(name)} is not the name of a backup's file; it is left alone.")
    place, folder = placed.place, placed.set.directory
    if not placed.set.files:
        _remove_orphan(world, placed)
        return
    match place.kind:
        case PlaceKind.HOST:
            layout = world.layout_of(place.name)
            argv = (*layout.sudo, "rm", "-f", "--", *(f"{folder}/{name}" for name in names))
            done = world.runner(place.name).run(argv, timeout=REMOVING)
            if not done.ok:
                said = clean(done.err().strip(), 200) or f"exit code {done.status}"
                stays = f"The backup {placed.set.stamp} on {place.name} stays"
                raise CommandFailed(f"{stays}: {said}.", said=said)
        case PlaceKind.HERE:
            _remove_here(Path(folder), names)
        case PlaceKind.STORE:
            store = world.keeping.shelf(place.name).open()
            for name in names:
                store.delete(f"{folder}/{name}")


def _remove_orphan(world: Context, placed: PlacedSet) -> None:
    """A manifest without its files, seen to be without them once more. Raises as ``remove``."""
    place, folder, name = placed.place, placed.set.directory, manifest_name(placed.set)
    told = placed.manifest
    assert told is not None
    files = [file.name for file in (told.snapshot, told.resources) if file is not None]
    there = [each for file in files for each in (file, f"{file}{PART}", f"{file}{AGE}")]
    again = Refusal(
        f"The backup {placed.set.stamp} is in {place.label} again; its manifest stays.", "Look at it there."
    )
    match place.kind:
        case PlaceKind.HOST:
            sudo = world.layout_of(place.name).sudo
            paths = (f"{folder}/{each}" for each in (name, *there))
            argv = (*sudo, "sh", "-c", _ORPHAN, "remove-manifest", *paths)
            done = world.runner(place.name).run(argv, timeout=REMOVING)
            if done.status == THERE:
                raise again
            if not done.ok:
                said = clean(done.err().strip(), 200) or f"exit code {done.status}"
                raise CommandFailed(f"{folder}/{name} on {place.name} stays: {said}.", said=said)
        case PlaceKind.HERE:
            _remove_here(Path(folder), [name], unless=there)
        case PlaceKind.STORE:
            store = world.keeping.shelf(place.name).open()
            if any(store.stat(f"{folder}/{each}") for each in there):
                raise again
            store.delete(f"{folder}/{name}")


def _remove_here(folder: Path, names: Sequence[str], unless: Sequence[str] = ()) -> None:
    """The last of ``names`` is the manifest. Raises Refusal when one of ``unless`` is there."""
    with alone_in(folder), faults(f"{folder} cannot be thinned out"), ExitStack() as held:
        for part in folder.glob(f"*{PART}"):  # who writes it may have been silent for long
            held.enter_context(Landing(part.with_name(part.name.removesuffix(PART))))
        held.enter_context(manifests.alone_with(folder / names[-1]))
        if any((folder / name).exists() for name in unless):
            raise Refusal(f"There is a backup in {folder} again; its manifest stays.", "Look at it there.")
        for name in names:
            (folder / name).unlink(missing_ok=True)
        for pattern in NOTES:
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)
        sync_folder(folder)
        with suppress(OSError):  # something else lies in it: then it stays
            folder.rmdir()


def _counts(backups: int, manifests: int) -> str:
    words = [counted(backups, "old backup")] if backups or not manifests else []
    return listed([*words, *([counted(manifests, "left-over manifest")] if manifests else [])])


def _kept(copy: PlacedSet, cluster: str) -> Kept:
    manifest = copy.manifest
    known = manifest.cluster_id if manifest else ""
    bare = manifest is None and not copy.trouble and not copy.unread
    if bare and copy.place == HERE and copy.set.partial:
        known = cluster  # what a fetch that was given up has left in this cluster's own folder
    when = manifest.taken if manifest else copy.set.taken
    return Kept(
        key=copy,
        taken=when.timestamp() if when else None,
        cluster=known or None,
        proven=copy.proven,
        complete=copy.complete,
        busy=copy.set.writing,
        dirty=copy.set.dirty,
    )


def _zone() -> tzinfo:
    """Days and weeks begin as they do for whoever sits here."""
    return datetime.now().astimezone().tzinfo or UTC
