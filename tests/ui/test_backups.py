"""Looking at backups: the pane, one backup, two compared, an object looked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fakes
import pytest
import shelf
from driving import Driven, driven
from frames import assert_frame
from shelf import NEW, OLD, Keys, ShelfCluster

from etcdtui.errors import TimedOut
from etcdtui.etcd.listing import Compacted, LiveKey
from etcdtui.model.backups import BackupSet, FoundFile
from etcdtui.model.places import HERE, Place, PlacedSet, PlaceKind, PlaceView
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.proof import Check, Outcome
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.procedures import rehearsal
from etcdtui.ui.commands import find_command, unknown

SIZES = [(80, 24), (120, 36)]
WEB = "/kubernetes.io/deployments/prod/web"


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClusterView:
    """Files lie in a folder that is called the same in every run."""
    monkeypatch.chdir(tmp_path)
    Path("backups").mkdir()
    return shelf.shelves(Path("backups"))


def cluster_now(*, error: Exception | None = None) -> ShelfCluster:
    """One that has changed since the backup."""
    keys = shelf.keys_in(snapshot(NEW))
    now = [LiveKey(k.key, k.revision + 20) if k.key == WEB.encode() else k for k in keys if k.key != b"plain"]
    told = Keys([*now, LiveKey(b"/kubernetes.io/pods/prod/web-1", 30)], error)  # type: ignore[arg-type]
    return ShelfCluster(fakes.healthy(), keys_now=told)


def snapshot(stamp: str) -> Path:
    return Path("backups") / f"{stamp}-masternode1" / f"snapshot_{stamp}.db"


async def to_backup(it: Driven, stamp: str) -> None:
    """The cursor on the row of this backup."""
    await it.press("3", "g")
    for _ in range(len(it.app.dashboard.backups.keys)):
        if it.app.dashboard.backups.keys[it.app.dashboard.backups.cursor].startswith(stamp):
            return
        await it.press("j")
    raise AssertionError(f"{stamp} is not in the list")


async def opened(it: Driven, stamp: str) -> None:
    await to_backup(it, stamp)
    await it.press("enter")
    assert it.screen_name == "BackupScreen"
    await it.until(lambda: not any(work.running for work in it.app.screen._works))  # type: ignore[attr-defined]


def body(it: Driven) -> str:
    return it.app.screen.body.text  # type: ignore[attr-defined,no-any-return]


# the pane


@pytest.mark.parametrize("size", SIZES)
async def test_the_pane_joins_all_places(view: ClusterView, size: tuple[int, int]) -> None:
    async with driven(view, size) as it:
        await it.press("3", "f")
        assert_frame(it.app, f"backups-everywhere-{size[0]}x{size[1]}")


async def test_nothing_that_decides_is_cut_beside_other_panes(view: ClusterView) -> None:
    async with driven(view, (120, 36)) as it:
        for words in ("2026-11-23 02:00", "masternode1 here nexus", "✗ no resources", "▲ other cluster"):
            assert words in it.text


async def test_a_clone_of_another_openshift_is_of_another_cluster(view: ClusterView) -> None:
    """Its members are the same; the pane and the details say what the restore would."""
    facts = view.api.value
    assert facts is not None
    (seen,) = (p for p in view.places if p.place == HERE)
    clones = tuple(
        replace(s, manifest=replace(s.manifest, openshift_id="77aa"))
        for s in seen.sets.value or ()
        if s.manifest
    )
    here = PlaceView(HERE, Reading(clones, view.now))
    ours = replace(view, places=(here,), api=Reading(replace(facts, cluster_id="8c1f"), view.now))
    async with driven(ours, (120, 36)) as it:
        await opened(it, NEW)
        assert "▲ other cluster" in it.text and "never restore it here" in body(it)
        await it.press("escape")
        await it.press("3", "f")
        assert it.text.count("▲ other cluster") == 3


async def test_a_place_that_cannot_be_listed_is_named_and_explained(view: ClusterView) -> None:
    async with driven(view) as it:
        await it.press("3")
        assert "✗ minio cannot be listed since 05:00" in it.text
        assert it.app.dashboard.backups.count == (8, 8), "it is no backup"
        await it.press("enter")
        assert it.screen_name == "Notice"
        assert "403 Forbidden" in it.text and "Renew it." in it.text
        await it.press("escape")
        mended = [
            p if p.sets.problem is None else PlaceView(p.place, Reading((), view.now)) for p in view.places
        ]
        await it.look(replace(view, places=tuple(mended)))
        assert "cannot be listed" not in it.text


async def test_sorting_and_filtering_know_places_too(view: ClusterView) -> None:
    async with driven(view) as it:
        await it.press("3", "f", "slash", *"other cluster", "enter")
        assert it.app.dashboard.backups.count == (1, 8)
        assert "2026-11-20 02:00" in it.text
        await it.press("escape", "escape", *"sssssss", "S")
        assert it.app.dashboard.backups.count == (8, 8)


async def test_backups_become_old_while_they_are_looked_at(view: ClusterView) -> None:
    async with driven(view, (160, 50)) as it:
        await it.press("3", "f")
        assert "5 h, old" not in it.text
        await it.look(replace(view, max_backup_age=3600.0))
        assert "5 h, old" in it.text


async def test_thousands_of_backups_in_several_places(tmp_path: Path) -> None:
    """News of one of them are on the screen in the time of a key, and cost no more than the rows in sight."""
    view = fakes.healthy()

    def one(stamp: str) -> PlacedSet:
        sizes = {f"snapshot_{stamp}.db": 1056, f"static_kuberesources_{stamp}.tar.gz": 9}
        files = tuple(FoundFile("here", f"/b/{stamp}", name, size, 0.0) for name, size in sizes.items())
        return PlacedSet(HERE, BackupSet("here", f"/b/{stamp}", stamp, files))

    def place(count: int) -> PlaceView:
        stamps = [f"{2000 + n // 300}-{n // 25 % 12 + 1:02}-{n % 25 + 1:02}_020000" for n in range(count)]
        return PlaceView(HERE, Reading(tuple(map(one, stamps)), view.now))

    async with driven(replace(view, places=(place(5000),))) as it:
        table = it.app.dashboard.backups
        await it.press("3")
        await it.look(replace(view, places=(place(5001),)))
        assert table.count == (5004, 5004), "and three on hosts"
        assert len(table._cells) < 500, "only rows that are shown or measured are made"
        await it.press("G")
        began = time.perf_counter()
        await it.pilot.press("k")
        assert time.perf_counter() - began < 0.5


# one backup


@pytest.mark.parametrize("size", SIZES)
async def test_one_backup(view: ClusterView, size: tuple[int, int]) -> None:
    async with driven(view, size) as it:
        await opened(it, NEW)
        room = f"{size[0]}x{size[1]}"
        assert_frame(it.app, f"backup-{room}")
        await it.press("G")
        assert_frame(it.app, f"backup-contents-{room}")


@pytest.mark.parametrize("size", SIZES)
async def test_one_that_is_still_what_was_proven(view: ClusterView, size: tuple[int, int]) -> None:
    async with driven(shelf.truthful(view, NEW), size) as it:
        await opened(it, NEW)
        room = f"{size[0]}x{size[1]}"
        await it.press("v")
        await it.until(lambda: "every byte of the copy" in it.text)
        assert_frame(it.app, f"backup-proven-again-{room}")


async def test_warnings_of_what_is_wrong_with_a_backup(view: ClusterView) -> None:
    expected = {
        "2026-11-23_060000": ("only on the cluster", "Nothing was proven of it"),
        "2026-11-23_050000": ("This is not a backup: a restore needs both files",),
        "2026-11-22_120000": ("possibly dirty",),
        "2026-11-20_020000": ("It is of another cluster than prod: never restore it here.", "older than the"),
    }
    async with driven(view) as it:
        for stamp, sentences in expected.items():
            await opened(it, stamp)
            for sentence in sentences:
                assert sentence in body(it)
            await it.press("escape")


async def test_what_is_not_here_is_not_looked_into(view: ClusterView) -> None:
    async with driven(view) as it:
        await opened(it, "2026-11-21_020000")
        assert "No copy that can be read is on this machine." in body(it)
        await it.press("v")
        assert it.screen_name == "Notice" and "not on this machine" in it.text
        await it.press("escape", "c")
        await it.until(lambda: it.screen_name == "Notice" and "cannot" in it.text)


async def test_what_is_only_in_a_store_is_fetched_from_there(view: ClusterView) -> None:
    procedures = fakes.FakeProcedures()
    async with driven(view, procedures=procedures) as it:
        await opened(it, "2026-11-19_020000")
        assert "b Bring" in it.text
        await it.press("b")
        await it.until(lambda: bool(procedures.asked))
    assert procedures.asked[-1] == "fetch 2026-11-19_020000 from nexus"


@pytest.mark.parametrize(
    ("dead", "read_only", "asked"),
    [
        (False, False, "bring 2026-11-19_020000 from masternode1"),
        (True, False, "fetch 2026-11-19_020000 from nexus"),
        (False, True, "fetch 2026-11-19_020000 from nexus"),
    ],
)
async def test_it_is_brought_from_where_it_can_be_had(
    view: ClusterView, dead: bool, read_only: bool, asked: str
) -> None:
    (away,) = (b for b in view.known_backups if b.stamp == "2026-11-19_020000")
    first = view.hosts[0]
    assert first.facts.value is not None
    there = shelf.copied(away.copies[0], Place(PlaceKind.HOST, first.name), shelf.FOLDER).set.files
    facts = replace(first.facts.value, backups=(*first.facts.value.backups, *there))
    problem = Problem(Fault.UNREACHABLE, "masternode1 is gone.") if dead else None
    silent = replace(first, link=replace(first.link, problem=problem), facts=Reading(facts, view.now))
    procedures = fakes.FakeProcedures()
    cluster = ShelfCluster(replace(view, hosts=(silent, *view.hosts[1:])), read_only=read_only)
    async with driven(cluster.shown, procedures=procedures, cluster=cluster) as it:
        await opened(it, "2026-11-19_020000")
        await it.press("b")
        await it.until(lambda: bool(procedures.asked))
    assert procedures.asked[-1] == asked


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (Outcome.OK, "it is what was proven"),
        (Outcome.FAILED, "it is NOT"),
        (Outcome.NOT_APPLICABLE, "no etcd"),
    ],
)
async def test_a_rehearsal_runs_in_the_background_and_tells_its_result(
    view: ClusterView, outcome: Outcome, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def rehearse(
        snapshot: Path, find: object, tell: rehearsal.Tell, cancelled: object
    ) -> rehearsal.Rehearsed:
        tell("starting etcd 3.5.1", 0, 0)
        assert go_on.wait(10) and snapshot.exists()
        check = Check("objects", Outcome.OK, "64 objects from everywhere, all the same.")
        return rehearsal.Rehearsed(snapshot, outcome, f"So {sentence}.", "A hint.", checks=(check,))

    monkeypatch.setattr(rehearsal, "rehearse", rehearse)
    async with driven(view) as it:
        await opened(it, NEW)
        await it.press("h")
        await it.until(lambda: "rehearsing: starting etcd 3.5.1" in it.text)
        await it.press("j")  # nothing waits for it
        go_on.set()
        await it.until(lambda: sentence in body(it))
        assert "64 objects from everywhere" in body(it) and "A hint." in body(it)


async def test_what_is_not_here_is_not_rehearsed(view: ClusterView) -> None:
    async with driven(view) as it:
        await opened(it, "2026-11-21_020000")
        assert "h Rehearse" not in it.text and "? Help" in it.text
        await it.press("h")
        assert "Rehearsed" not in body(it)


async def test_a_copy_that_is_no_longer_what_was_proven(view: ClusterView) -> None:
    path = snapshot(NEW)
    path.write_bytes(path.read_bytes()[:-32] + bytes(32))
    async with driven(view) as it:
        await opened(it, NEW)
        await it.press("v")
        await it.until(lambda: "NOT good" in it.text)
        assert "Do not restore from this copy" in it.text
        assert "is not the file that was proven then" in body(it)


async def test_one_whose_manifest_tells_of_other_members(view: ClusterView) -> None:
    async with driven(view) as it:
        await opened(it, NEW)
        await it.press("v")
        await it.until(lambda: "every byte of the copy" in it.text)
        assert "Do not restore from this copy" in it.text
        assert "The manifest says members masternode1 (a" in body(it)


async def test_it_stays_up_to_date_and_when_it_is_gone(view: ClusterView) -> None:
    async with driven(view) as it:
        await opened(it, NEW)
        assert "nexus" in body(it)
        await it.look(replace(view, places=view.places[:1]))
        assert "nexus" not in body(it), "the copy there is gone"
        await it.look(replace(view, places=(), hosts=()))
        assert "backups/" in body(it), "what was known last stays"


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Reading hangs until it is let go, and tells then whether it was asked to stop."""
    from etcdtui.procedures import looking

    go, real = threading.Event(), looking._opened

    def opened_slowly(backup: object, look: looking.Look, passes: int) -> object:
        look.at("snapshot.db", 43, 100)
        while not go.wait(0.01) and not look.stopped():
            pass
        return real(backup, look, passes)  # type: ignore[arg-type]

    monkeypatch.setattr(looking, "_opened", opened_slowly)
    yield go
    go.set()


async def test_reading_never_holds_up_the_screen_and_can_be_stopped(
    view: ClusterView, slow: threading.Event
) -> None:
    async with driven(view) as it:
        await to_backup(it, NEW)
        await it.press("enter")
        it.time[0] += 12
        await it.until(lambda: "reading snapshot.db 43 % · 12 s · x stops it" in it.text)
        await it.press("G", "g")
        assert "Taken on" in it.text
        await it.press("x")
        await it.until(lambda: "x Stop" not in it.text)
        assert "Stopped before it was done." in body(it)


async def test_leaving_ends_what_is_read(view: ClusterView, slow: threading.Event) -> None:
    async with driven(view) as it:
        await to_backup(it, NEW)
        await it.press("enter")
        (work,) = it.app.screen._works  # type: ignore[attr-defined]
        await it.press("escape")
        assert work.look.stopped()
        await it.until(lambda: not work.running)
        assert it.screen_name == "DashboardScreen"


# compared


@pytest.mark.parametrize("size", SIZES)
async def test_with_the_cluster_as_it_is_now(view: ClusterView, size: tuple[int, int]) -> None:
    room = f"{size[0]}x{size[1]}"
    async with driven(view, size, cluster=cluster_now()) as it:
        await to_backup(it, NEW)
        await it.press("c")
        assert it.screen_name == "CompareWithScreen"
        assert_frame(it.app, f"compare-with-{room}")
        await it.press("enter")
        await it.until(lambda: "unchanged" in it.text)
        assert_frame(it.app, f"compare-{room}")
        await it.press("G", "g", "enter")
        assert_frame(it.app, f"compare-objects-{room}")


async def test_groups_objects_filter_and_back(view: ClusterView) -> None:
    async with driven(view, cluster=cluster_now()) as it:
        await to_backup(it, NEW)
        await it.press("c", "enter")
        await it.until(lambda: "unchanged" in it.text)
        assert "+ 1 added · ~ 1 changed · − 1 removed · 72 unchanged" in it.text
        screen = it.app.screen
        await it.press("slash", *"DEPLOY", "enter")
        assert screen.groups.count == (1, 1)  # type: ignore[attr-defined]
        await it.press("enter")
        assert "~ changed" in it.text and "web" in it.text
        await it.press("y")
        assert it.app.clipboard == WEB
        await it.press("enter")
        assert it.screen_name == "SearchScreen", "where else is it?"
        await it.until(lambda: "in 3 of 3 backups" in it.text)
        await it.press("escape", "escape")
        assert it.app.screen is screen and not screen.filter_input.value  # type: ignore[attr-defined]
        await it.press("escape")
        assert "NAMESPACE" in it.text
        await it.press("slash", *"[/nothing", "enter")
        assert "No difference contains '[/nothing'" in it.text
        await it.press("escape", "escape")
        assert it.screen_name == "DashboardScreen"


async def test_two_backups_the_older_one_first(view: ClusterView) -> None:
    async with driven(view) as it:
        await to_backup(it, OLD)
        await it.press("enter", "c")
        await it.until(lambda: it.screen_name == "CompareWithScreen")
        await it.press("j", "enter")
        # The numbers and the list below them are drawn one after the other.
        await it.until(lambda: "74 unchanged" in it.text and "Nothing differs." in it.text)
        assert "2026-11-22 02:00 → 2026-11-23 02:00" in it.text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Compacted(18_442_107), "compacted revision 18442107 away while its keys were listed"),
        (
            TimedOut("https://10.0.0.2:2379 gave no answer for 15 s. [/red]\x1b[2J"),
            "gave no answer for 15 s. [/red]",
        ),
    ],
)
async def test_a_list_that_fails_says_why(view: ClusterView, error: Exception, said: str) -> None:
    async with driven(view, cluster=cluster_now(error=error)) as it:
        await to_backup(it, NEW)
        await it.press("c", "enter")
        await it.until(lambda: "✗" in it.text)
        assert said in " ".join(it.text.split())
        await it.press("escape")
        assert it.screen_name == "DashboardScreen"


async def test_a_comparison_can_be_stopped(view: ClusterView, slow: threading.Event) -> None:
    async with driven(view, cluster=cluster_now()) as it:
        await to_backup(it, NEW)
        await it.press("c", "enter")
        await it.until(lambda: "43 %" in it.text)
        await it.press("x")
        await it.until(lambda: "Stopped before it was done." in it.text)


# an object


@pytest.mark.parametrize("size", SIZES)
async def test_an_object_across_backups(view: ClusterView, size: tuple[int, int]) -> None:
    async with driven(view, size) as it:
        await it.press("colon", *"find deployment prod/web", "enter")
        assert it.screen_name == "SearchScreen"
        await it.until(lambda: "in 3 of 3 backups looked into; 5 not here" in it.text)
        assert_frame(it.app, f"find-{size[0]}x{size[1]}")


async def test_words_are_asked_for_and_explained(view: ClusterView) -> None:
    async with driven(view) as it:
        await it.press("3", "o")
        assert it.screen_name == "SearchScreen"
        await it.press(*"[/red]", "enter")
        assert "A kind and a name" in it.text and "✗" in it.text
        await it.press("home", *"deploy nowhere/", "enter")
        await it.until(lambda: "in 0 of 3 backups looked into" in it.text)
        assert it.text.count("– not in it") == 3
        assert it.text.count("– not looked into: only on") == 5
        await it.press("slash")
        assert it.app.focused is it.app.screen.asked  # type: ignore[attr-defined]
        await it.press("escape")
        assert it.screen_name == "DashboardScreen"


async def test_a_backup_that_cannot_be_read_does_not_end_the_search(view: ClusterView) -> None:
    snapshot(OLD).write_bytes(b"no database")
    async with driven(view) as it:
        await it.press("colon", *"find /kubernetes.io/deployments/prod/web", "enter")
        await it.until(lambda: "in 2 of 3 backups looked into" in it.text)
        assert "✗" in it.text


def test_what_is_typed_behind_a_verb() -> None:
    command = find_command(":find  deployment prod/web ")
    assert command is not None and (command[0].name, command[1]) == ("find", "deployment prod/web")
    assert find_command("members now") is None
    assert unknown("members now") == ":members takes nothing behind it."
    assert find_command("finx x") is None


# nothing foreign is believed


def nasty_shelf() -> ClusterView:
    """Foreign words wherever a backup can hold some."""
    view = fakes.nasty()
    assert view.members.value is not None
    sets = []
    for number, bad in enumerate(fakes.NASTY):
        stamp = f"2026-11-{number + 1:02}_020000"
        files = tuple(
            FoundFile("here", f"/b/{bad}", name, size, 0.0, 0o644)
            for name, size in ((f"snapshot_{stamp}.db", 1056), (f"static_kuberesources_{stamp}.tar.gz", 9))
        )
        place = Place(PlaceKind.STORE, bad)
        copy = PlacedSet(place, BackupSet(bad, f"/b/{bad}", stamp, files), trouble=bad)
        sets.append(PlaceView(place, Reading((copy,), view.now)))
        problem = Problem(Fault.ODD, bad, bad)
        sets.append(PlaceView(Place(PlaceKind.STORE, bad[::-1]), Reading(None, None, problem, view.now - 9)))
    return replace(view, places=tuple(sets))


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_nasty_names(size: tuple[int, int]) -> None:
    async with driven(nasty_shelf(), size) as it:
        await it.press("3", "f")
        for _ in range(len(it.app.dashboard.backups.keys)):
            await it.press("enter")
            assert it.screen_name in ("BackupScreen", "Notice")
            assert "\x1b" not in it.text and "\u202e" not in it.text
            await it.press("escape", "j")
        assert "[/red]" in it.text or "x" * 8 in it.text
        await it.press("o", *"pod [/red]", "enter")
        await it.until(lambda: "not here, not looked into" in it.text)
        assert "pod [/red]" in it.text and "\x1b" not in it.text


async def test_nasty_keys_in_a_comparison(view: ClusterView) -> None:
    cluster = cluster_now()
    cluster.keys_now.keys += [LiveKey(f"/registry/pods/{bad}/{bad}".encode(), 40) for bad in fakes.NASTY]
    async with driven(view, cluster=cluster) as it:
        await to_backup(it, NEW)
        await it.press("c", "enter")
        await it.until(lambda: "unchanged" in it.text)
        for _ in range(12):
            await it.press("enter")
            assert "\x1b" not in it.text and "\u202e" not in it.text
            await it.press("escape", "j")
            if it.screen_name != "CompareScreen":
                raise AssertionError("escape went too far")


async def test_nasty_manifest(tmp_path: Path) -> None:
    bad = "[/red]\x1b[2J\u202egnp"
    whole = shelf.placed(tmp_path, "2026-11-10_020000", "3.5.1")
    assert whole.manifest is not None
    worse = replace(
        whole.manifest,
        cluster=bad,
        openshift_id=bad,
        openshift_version=bad,
        etcd_version=bad,
        member=bad,
        host=bad,
        resource_revisions=((bad, 1),),
        checks=tuple(replace(c, name=bad, sentence=bad, details=(bad,)) for c in whole.manifest.checks),
    )
    view = replace(
        fakes.healthy(), places=(PlaceView(HERE, Reading((replace(whole, manifest=worse),), fakes.NOW)),)
    )
    async with driven(view, (120, 60)) as it:
        await opened(it, "2026-11-10_020000")
        for key in ("g", "G"):
            await it.press(key)
            assert "\x1b" not in it.text and "\u202e" not in it.text
        assert "\x1b" not in body(it) and "[/red]" in body(it)
