"""The same backup in several places is one; what is proven, what is off the cluster, what a store is owed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from etcdtui.model.backups import FoundFile, join
from etcdtui.model.copies import join_places
from etcdtui.model.file_names import folder_name, manifest_name, safe
from etcdtui.model.known_backups import last_proven, owed
from etcdtui.model.manifest import File, Manifest
from etcdtui.model.members import Member, MemberList
from etcdtui.model.places import HERE, Place, PlacedSet, PlaceKind, PlaceView
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.proof import Check, Outcome
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView, HostView
from tests.views import NOW, api, healthy, host, member

STAMP = "2026-09-21_020000"
WHEN = datetime(2026, 9, 21, 2, 0, tzinfo=UTC)
SIZE, TAR = 512 * 100 + 32, 70_000
M1, M2 = Place(PlaceKind.HOST, "masternode1"), Place(PlaceKind.HOST, "masternode2")
NEXUS = Place(PlaceKind.STORE, "nexus")
GOOD = (Check("digest", Outcome.OK, "It holds."),)


def manifest(stamp: str = STAMP, digest: str = "a", **changes: object) -> Manifest:
    base = Manifest(
        etcdtui="1",
        taken=datetime.strptime(stamp, "%Y-%m-%d_%H%M%S").replace(tzinfo=UTC),
        proven=WHEN,
        snapshot=File(f"snapshot_{stamp}.db", SIZE, digest * 64),
        resources=File(f"static_kuberesources_{stamp}.tar.gz", TAR, "b" * 64),
        cluster="prod",
        members=(member(1), member(2), member(3)),
        revision=900,
        live_keys=1,
        entries=1,
        revisions=1,
        checks=GOOD,
        member="masternode1",
        host="core@masternode1",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def placed(
    place: Place,
    told: Manifest | None = None,
    *,
    stamp: str = STAMP,
    sizes: Sequence[int] = (SIZE, TAR),
    mark: str = "",
    trouble: str = "",
    encrypted: bool = False,
) -> PlacedSet:
    names = (f"snapshot_{stamp}{mark}.db", f"static_kuberesources_{stamp}{mark}.tar.gz")
    files = [FoundFile(place.label, "/b", name, size, 1.0) for name, size in zip(names, sizes, strict=False)]
    (found,) = join(files)
    return PlacedSet(place, found, told, trouble, encrypted)


def view_of(
    *sets: PlacedSet, problem: Problem | None = None, hosts: tuple[HostView, ...] = ()
) -> ClusterView:
    by_place: dict[Place, list[PlacedSet]] = {HERE: [], NEXUS: []}
    for one in sets:
        by_place.setdefault(one.place, []).append(one)
    return healthy(
        hosts=hosts,
        places=tuple(
            PlaceView(place, Reading(tuple(found), NOW - 10, problem if place == NEXUS else None))
            for place, found in by_place.items()
        ),
    )


def test_names_hold_nothing_that_a_store_or_a_file_system_refuses() -> None:
    assert folder_name(STAMP, "core@[fd00::1]:22") == f"{STAMP}-core__fd00__1__22"
    assert safe("prod/../x y") == "prod_.._x_y"
    assert manifest_name(placed(HERE).set) == f"snapshot_{STAMP}.manifest.json"


def test_copies_with_the_same_digest_are_one_backup_named_from_the_cluster_outwards() -> None:
    (backup,) = join_places([placed(NEXUS, manifest()), placed(HERE, manifest()), placed(M1, manifest())])
    assert backup.places == ("masternode1", "here", "nexus")
    assert backup.proven and backup.off_cluster and backup.complete
    assert (backup.taken, backup.size, backup.revision) == (WHEN.timestamp(), SIZE + TAR, 900)


def test_another_digest_another_stamp_or_the_mark_makes_another_backup() -> None:
    later = "2026-09-22_020000"
    found = join_places(
        [
            placed(HERE, manifest()),
            placed(NEXUS, manifest(digest="c")),
            placed(HERE, manifest(later), stamp=later),
            placed(HERE, mark="__POSSIBLY_DIRTY__"),
        ]
    )
    assert len(found) == 4
    assert found[0].stamp == later, "the newest is first"
    assert [b.dirty for b in found].count(True) == 1


def test_a_hosts_copy_without_a_manifest_adopts_that_of_an_equal_copy() -> None:
    (backup,) = join_places([placed(M1), placed(HERE, manifest())])
    copy = backup.copy_in(M1)
    assert copy is not None and copy.proven
    apart = join_places([placed(M1, sizes=(SIZE + 512, TAR)), placed(HERE, manifest())])
    assert [b.proven for b in apart].count(True) == 1


def test_a_store_without_a_manifest_is_shown_with_its_backup_but_not_believed() -> None:
    (backup,) = join_places([placed(NEXUS), placed(HERE, manifest())])
    copy = backup.copy_in(NEXUS)
    assert copy is not None and not copy.proven


def test_of_two_hosts_with_files_of_one_second_and_size_only_the_named_one_adopts() -> None:
    (backup,) = join_places([placed(M2), placed(M1), placed(HERE, manifest())])
    assert [(c.place.label, c.proven) for c in backup.copies] == [
        ("masternode1", True),
        ("masternode2", False),
        ("here", True),
    ]
    of_two = manifest(digest="c", member="masternode2", host="core@masternode2")
    two = join_places([placed(M2), placed(M1), placed(HERE, manifest()), placed(NEXUS, of_two)])
    assert sorted(b.places for b in two) == [("masternode1", "here"), ("masternode2", "nexus")]
    assert all(b.proven for b in two)


def test_a_pair_on_a_host_that_no_manifest_names_adopts_nothing() -> None:
    (backup,) = join_places([placed(M2), placed(HERE, manifest())])
    assert [(c.place.label, c.proven) for c in backup.copies] == [("masternode2", False), ("here", True)]


def test_half_of_a_backup_joins_nothing() -> None:
    found = join_places([placed(M1, sizes=(SIZE,)), placed(M2, sizes=(SIZE,)), placed(HERE, manifest())])
    assert sorted((b.places, b.complete) for b in found) == [
        (("here",), True),
        (("masternode1",), False),
        (("masternode2",), False),
    ]


def test_a_manifest_proves_only_files_of_its_names_and_sizes() -> None:
    assert placed(HERE, manifest()).proven
    assert not placed(HERE, manifest(), sizes=(SIZE + 512, TAR)).proven
    assert not placed(HERE, manifest("2026-09-22_020000")).proven
    assert not placed(HERE, manifest(resources=None)).proven
    assert not placed(HERE, manifest(), trouble="It is not JSON.").proven
    failed = manifest(checks=(Check("digest", Outcome.FAILED, "It does not hold."),))
    assert not placed(HERE, failed).proven and placed(HERE, failed).fits


def test_encrypted_files_are_larger_by_what_the_encryption_adds() -> None:
    def sealed(size: int) -> int:
        return 200 + 16 + size + 16 * -(-size // 65536)

    whole = placed(NEXUS, manifest(), sizes=(sealed(SIZE), sealed(TAR)), encrypted=True)
    assert whole.proven and whole.stored_name(whole.set.files[0]) == f"snapshot_{STAMP}.db.age"
    assert not placed(NEXUS, manifest(), sizes=(sealed(SIZE) - 512, sealed(TAR)), encrypted=True).proven
    (backup,) = join_places([whole, placed(HERE, manifest()), placed(M1)])
    assert backup.places == ("masternode1", "here", "nexus") and backup.size == SIZE + TAR
    bare = replace(whole, manifest=None)
    assert len(join_places([bare, placed(HERE, manifest())])) == 2, "its size alone tells nothing"


def test_a_stamp_without_a_manifest_is_local_time_and_one_that_is_no_date_tells_none() -> None:
    (backup,) = join_places([placed(M1)])
    assert backup.taken == datetime(2026, 9, 21, 2, 0).timestamp()
    (odd,) = join_places([placed(M1, stamp="2026-19-41_020000")])
    assert odd.taken is None


ELSEWHERE = tuple(
    Member(0xB0 + n, f"node{n}", (f"https://10.0.0.{n}:2380",), (f"https://10.0.0.{n}:2379",)) for n in (1, 2)
)
RENAMED = tuple(replace(m, name=f"masternode{n}") for n, m in enumerate(ELSEWHERE, 1))


@pytest.mark.parametrize(
    ("told", "name", "members", "foreign"),
    [
        (manifest(), "prod", (member(1),), False),
        (manifest(), "called otherwise", (member(1),), False),
        (manifest(), "prod", (), False),
        (manifest(), "test", (), None),
        (manifest(), "test", RENAMED, True),
        (manifest(), "prod", RENAMED, None),
        (manifest(), "prod", ELSEWHERE, None),
        (manifest(), "test", (replace(member(1), id=1, peer_urls=(), listed=False),), False),
        (None, "prod", (member(1),), None),
    ],
)
def test_which_cluster_a_backup_is_of(
    told: Manifest | None, name: str, members: tuple[Member, ...], foreign: bool | None
) -> None:
    (backup,) = join_places([placed(HERE, told)])
    assert backup.foreign(name, members) is foreign


def test_one_whose_it_was_not_known_is_ours_only_by_an_id_or_an_address() -> None:
    open_ = (*GOOD, Check("identity", Outcome.NOT_APPLICABLE, "Nobody can tell."))
    (backup,) = join_places([placed(HERE, manifest(checks=open_))])
    assert backup.proven and backup.foreign("prod", ()) is None
    assert backup.foreign("prod", (member(1),)) is False


def test_another_identity_of_openshift_decides_and_the_same_one_does_not() -> None:
    (backup,) = join_places([placed(HERE, manifest(openshift_id="8c1f"))])
    assert backup.foreign("prod", (member(1),), "77aa") is True
    assert backup.foreign("prod", (member(1),), "8c1f") is False
    assert backup.foreign("prod", ELSEWHERE, "8c1f") is None
    view = view_of(placed(HERE, manifest(openshift_id="8c1f")))
    assert last_proven(view) is not None
    assert last_proven(replace(view, api=api(cluster_id="77aa"))) is None


def test_the_last_proven_backup_is_of_this_cluster() -> None:
    newer, newest = "2026-09-22_020000", "2026-09-23_020000"
    foreign = manifest(newer, cluster="test", members=ELSEWHERE)
    view = view_of(placed(HERE, manifest()), placed(HERE, foreign, stamp=newer), placed(M1, stamp=newest))
    last = last_proven(view)
    assert last is not None and last.stamp == STAMP
    assert last_proven(healthy()) is None


def test_a_backup_on_a_host_and_its_copy_elsewhere_are_one_in_the_view() -> None:
    view = view_of(placed(HERE, manifest()))
    seen = view_of(placed(HERE, manifest()), hosts=(host(2),))
    assert len(view.known_backups) == 1
    assert {b.places for b in seen.known_backups} == {("here",), ("masternode2",)}, "of another size"


def test_a_manifest_on_a_host_counts_while_the_files_are_those_it_was_read_beside() -> None:
    facts = host(2).facts.value
    assert facts is not None
    (on_host,) = join(facts.backups)
    snapshot, resources = on_host.files
    told = manifest(
        snapshot=File(snapshot.name, snapshot.size, "a" * 64),
        resources=File(resources.name, resources.size, "b" * 64),
    )
    read = PlacedSet(M2, on_host, told)
    assert [b.proven for b in view_of(read, hosts=(host(2),)).known_backups] == [True]
    older = replace(on_host, files=(replace(snapshot, modified=0.0), resources))
    assert [b.proven for b in view_of(replace(read, set=older), hosts=(host(2),)).known_backups] == [False]


def days(number: int) -> str:
    return (WHEN + timedelta(days=number)).strftime("%Y-%m-%d_%H%M%S")


def here(number: int) -> PlacedSet:
    return placed(HERE, manifest(days(number)), stamp=days(number))


def there(number: int) -> PlacedSet:
    return placed(NEXUS, manifest(days(number)), stamp=days(number))


def owed_days(view: ClusterView) -> list[str]:
    return [backup.stamp for backup, store in owed(view, ("nexus",)) if store == "nexus"]


def test_a_store_is_owed_what_is_newer_than_its_newest_and_the_newest_here() -> None:
    assert owed_days(view_of(here(1), here(2), here(3))) == [days(3), days(2), days(1)]
    assert owed_days(view_of(here(1), here(2), here(3), there(2))) == [days(3)]
    assert owed_days(view_of(here(1), here(2), there(2))) == []
    assert owed_days(view_of(here(1), here(2), there(5))) == [days(2)]


def test_an_upload_without_its_manifest_is_still_owed() -> None:
    broken_off = placed(NEXUS, stamp=days(1))
    assert owed_days(view_of(here(1), broken_off)) == [days(1)]
    assert owed_days(view_of(here(1), replace(broken_off, trouble="It is not JSON."))) == []


def test_nothing_unproven_or_foreign_is_owed_and_nothing_to_a_store_that_cannot_be_listed() -> None:
    foreign = placed(HERE, manifest(days(4), cluster="test", members=ELSEWHERE), stamp=days(4))
    assert owed_days(view_of(foreign, placed(HERE, stamp=days(5)))) == []
    assert owed_days(view_of(here(1), problem=Problem(Fault.REFUSED, "nexus: refused."))) == []
    assert owed(view_of(here(1)), ("unheard of",)) == ()


def test_thousands_of_backups_are_joined_once_for_each_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    joins = 0
    real = join_places

    def counting(sets: Sequence[PlacedSet]) -> object:
        nonlocal joins
        joins += 1
        return real(sets)

    monkeypatch.setattr("etcdtui.model.view.join_places", counting)
    first = view_of(*(here(n) for n in range(1000)), *(there(n) for n in range(1000)), hosts=(host(2),))
    frames = [replace(first, now=first.now + n) for n in range(50)]
    assert all(frame.known_backups is first.known_backups for frame in frames)
    assert joins == 1
    changed = replace(first, places=first.places[:1])
    assert changed.known_backups != first.known_backups and joins == 2


def test_members_supposed_from_a_host_are_known_by_their_addresses() -> None:
    supposed = replace(member(1), id=1, name="", peer_urls=(), listed=False)
    view = replace(view_of(here(0)), members=Reading(MemberList(0, (supposed,)), None))
    assert last_proven(view) is not None


def forced(place: Place, number: int) -> PlacedSet:
    """One taken by force, proven whole for all that."""
    mark = "__POSSIBLY_DIRTY__"
    told = manifest(days(number))
    snapshot = replace(told.snapshot, name=f"snapshot_{days(number)}{mark}.db")
    resources = File(f"static_kuberesources_{days(number)}{mark}.tar.gz", TAR, "b" * 64)
    return placed(place, replace(told, snapshot=snapshot, resources=resources), stamp=days(number), mark=mark)


def test_a_dirty_backup_is_never_the_last_proven_and_hides_no_clean_one_from_a_store() -> None:
    view = view_of(forced(HERE, 0), here(-1))
    assert [b.proven for b in view.known_backups] == [True, True]
    last = last_proven(view)
    assert last is not None and last.stamp == days(-1)
    assert last_proven(view_of(forced(HERE, 0))) is None
    assert owed_days(view_of(here(-1), forced(HERE, 0), forced(NEXUS, 0))) == [days(-1)]
    assert owed_days(view_of(here(-1), there(-1), forced(HERE, 0))) == [days(0)]
