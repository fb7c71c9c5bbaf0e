"""Backups in several places for the screen's tests: real files here, listings of the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from fakes import NOW, FakeCluster, healthy

from etcdtui.errors import EtcdTuiError
from etcdtui.etcd.contents import Contents
from etcdtui.etcd.listing import LiveKey
from etcdtui.etcd.snapshot import prove
from etcdtui.model.backups import BackupSet, FoundFile
from etcdtui.model.members import Member
from etcdtui.model.places import HERE, Place, PlacedSet, PlaceKind, PlaceView
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from tests.recorded import VERSIONS
from tests.shelved import placed

NEXUS, MINIO = Place(PlaceKind.STORE, "nexus"), Place(PlaceKind.STORE, "minio")
FOLDER = "/home/core/assets/backup"
OLD, NEW = "2026-11-22_020000", "2026-11-23_020000"


def members(view: ClusterView) -> tuple[Member, ...]:
    assert view.members.value is not None
    return view.members.value.members


def copied(copy: PlacedSet, place: Place, directory: str, **changes: object) -> PlacedSet:
    """The same files in another place."""
    files = tuple(
        replace(f, host=place.name, directory=directory, modified=NOW - 3600) for f in copy.set.files
    )
    made = replace(copy.set, host=place.name, directory=directory, files=files)
    return replace(copy, place=place, set=made, **changes)  # type: ignore[arg-type]


def bare(
    place: Place, stamp: str, *, kinds: tuple[str, ...] = ("db", "tar.gz"), dirty: bool = False
) -> PlacedSet:
    """Files without a manifest."""
    mark = "__POSSIBLY_DIRTY__" if dirty else ""
    names = {"db": f"snapshot_{stamp}{mark}.db", "tar.gz": f"static_kuberesources_{stamp}{mark}.tar.gz"}
    sizes = {"db": 96_468_992 - 480, "tar.gz": 71_680}
    files = tuple(FoundFile(place.name, FOLDER, names[k], sizes[k], NOW - 9000) for k in kinds)
    return PlacedSet(place, BackupSet(place.name, FOLDER, stamp, files, dirty))


def shelves(root: Path) -> ClusterView:
    """Every state of a backup that there is; files here lie below ``root``."""
    view = healthy()
    ours = members(view)
    first = placed(root, NEW, VERSIONS[0], members=ours)
    second = placed(root, OLD, VERSIONS[1], members=ours)
    foreign = placed(root, "2026-11-20_020000", VERSIONS[0], cluster="stage", members=(Member(7, "x"),))
    away = copied(placed(root, "2026-11-19_020000", VERSIONS[1], members=ours), NEXUS, "prod/2026-11-19")
    masters = [Place(PlaceKind.HOST, host.name) for host in view.hosts]
    here = (first, second, foreign)
    store = (copied(first, NEXUS, f"prod/{NEW}-masternode1"), away)
    on_hosts = (
        [copied(first, masters[0], FOLDER, manifest=None), bare(masters[0], "2026-11-23_060000")],
        [
            bare(masters[1], "2026-11-23_050000", kinds=("db",)),
            bare(masters[1], "2026-11-22_120000", dirty=True),
        ],
        [bare(masters[2], "2026-11-21_020000")],
    )
    hosts = []
    for host, sets in zip(view.hosts, on_hosts, strict=True):
        assert host.facts.value is not None
        facts = replace(host.facts.value, backups=tuple(f for placed_ in sets for f in placed_.set.files))
        hosts.append(replace(host, facts=Reading(facts, view.now - 6)))
    refused = Problem(Fault.LOGIN, "minio.example.com refuses the key AKIA…: 403 Forbidden.", "Renew it.")
    places = (
        PlaceView(HERE, Reading(here, view.now - 1)),
        PlaceView(NEXUS, Reading(store, view.now - 20)),
        PlaceView(MINIO, Reading(None, None, refused, view.now - 7200)),
    )
    return replace(view, hosts=tuple(hosts), places=places)


def truthful(view: ClusterView, stamp: str) -> ClusterView:
    """With a manifest that names the members in the file, of a cluster that has been restored since: one
    address is still the same."""
    here = next(place for place in view.places if place.place == HERE)
    (copy,) = (each for each in here.sets.value or () if each.set.stamp == stamp)
    assert copy.set.snapshot is not None and view.members.value is not None
    facts = prove(Path(copy.set.directory) / copy.set.snapshot.name).facts
    assert facts is not None

    def told(each: PlacedSet) -> PlacedSet:
        if each.set.stamp != stamp or each.manifest is None:
            return each
        return replace(each, manifest=replace(each.manifest, members=facts.members))

    places = tuple(
        replace(place, sets=replace(place.sets, value=tuple(map(told, place.sets.value))))
        if place.sets.value
        else place
        for place in view.places
    )
    first, *others = view.members.value.members
    first = replace(first, peer_urls=(*first.peer_urls, *facts.members[0].peer_urls))
    known = replace(view.members.value, members=(first, *others))
    return replace(view, places=places, members=replace(view.members, value=known))


@dataclass
class Keys:
    """Keys of the running cluster."""

    keys: list[LiveKey]
    error: EtcdTuiError | None = None
    revision: int = 18_442_107
    read: int = 0

    @property
    def total(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[LiveKey]:
        if self.error is not None:
            raise self.error
        for key in self.keys:
            self.read += 1
            yield key


@dataclass
class ShelfCluster(FakeCluster):
    """A cluster that can be listed."""

    keys_now: Keys = field(default_factory=lambda: Keys([]))

    def live_keys(self, cancelled: object) -> Keys:
        self.calls.append("live keys")
        return self.keys_now


def keys_in(path: Path) -> list[LiveKey]:
    """What a running cluster would tell that has not changed since the snapshot."""
    with Contents(path) as contents:
        return sorted(LiveKey(entry.key, entry.revision[0]) for entry in contents.live())
