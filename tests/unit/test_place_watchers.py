"""Places are looked at by themselves: here, stores, manifests on hosts; what fails is a state of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from etcdtui.cluster import Cluster
from etcdtui.cluster.board import Board, Constants
from etcdtui.cluster.places import HereWatcher, HostManifestsWatcher, Places, StoreWatcher
from etcdtui.cluster.watcher import Watcher
from etcdtui.config import ClusterConfig, backups_directory
from etcdtui.config import Host as ConfiguredHost
from etcdtui.errors import EtcdTuiError, NotFound, Refused
from etcdtui.model.backups import Completeness, FoundFile
from etcdtui.model.manifest import File, to_json
from etcdtui.model.places import HERE, Place, PlacedSet, PlaceKind, PlaceView
from etcdtui.model.placing import LARGEST, Told, sets_in, told
from etcdtui.model.platform import HostFacts
from etcdtui.model.readings import Reading
from etcdtui.offsite.directory import DirectoryStore
from etcdtui.offsite.keeping import Keeping
from etcdtui.offsite.keeping import Shelf as KeptShelf
from etcdtui.offsite.store import Store, Stored, StoreFault
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.manifest_files import manifests_script, parse_manifests
from etcdtui.reach.runner import Completed, Runner
from tests.unit.test_places import manifest

STAMP = "2026-09-21_020000"
NAMES = (f"snapshot_{STAMP}.db", f"static_kuberesources_{STAMP}.tar.gz")
MANIFEST = f"snapshot_{STAMP}.manifest.json"
SMALL = manifest(snapshot=File(NAMES[0], 544, "a" * 64), resources=File(NAMES[1], 100, "b" * 64))
CONTENT = json.dumps(to_json(SMALL)).encode()
LONG_AGO = time.time() - 86400
NEXUS = Place(PlaceKind.STORE, "nexus")


def board() -> Board:
    return Board(Constants("prod", False, False))


def once(watcher: Watcher) -> None:
    """One round, as its thread does it."""
    try:
        watcher.round()
    except EtcdTuiError as error:
        watcher.failed(error)


def seen(b: Board, place: Place = HERE) -> PlaceView:
    return next(p for p in b.view().places if p.place == place)


def sets(b: Board, place: Place = HERE) -> tuple[PlacedSet, ...]:
    return seen(b, place).sets.value or ()


def backup_in(folder: Path, *, told: bytes | None = CONTENT, at: float = LONG_AGO) -> Path:
    folder.mkdir(parents=True)
    for name, size in zip(NAMES, (544, 100), strict=True):
        (folder / name).write_bytes(b"x" * size)
    if told is not None:
        (folder / MANIFEST).write_bytes(told)
    for file in folder.iterdir():
        os.utime(file, (at, at))
    os.utime(folder, (at, at))
    return folder


class TestHere:
    def test_a_folder_that_is_not_there_yet_holds_no_backups(self, tmp_path: Path) -> None:
        b = board()
        watcher = HereWatcher(tmp_path / "none", b)
        assert not seen(b).listed, "nobody looked yet"
        once(watcher)
        assert seen(b).listed and sets(b) == ()

    def test_a_backup_with_its_manifest_is_proven(self, tmp_path: Path) -> None:
        b = board()
        folder = backup_in(tmp_path / f"{STAMP}-m1")
        once(HereWatcher(tmp_path, b))
        (found,) = sets(b)
        assert found.proven and found.set.directory == str(folder) and found.set.host == "here"
        assert b.view().known_backups[0].off_cluster

    def test_what_changes_is_seen_and_what_does_not_is_no_news(self, tmp_path: Path) -> None:
        b = board()
        folder = backup_in(tmp_path / f"{STAMP}-m1", told=None)
        watcher = HereWatcher(tmp_path, b)
        once(watcher)
        before = seen(b).sets.value
        heard: list[int] = []
        b.listen(lambda: heard.append(1))
        once(watcher)
        assert not heard and seen(b).sets.value is before
        (folder / MANIFEST).write_bytes(CONTENT)
        once(watcher)
        assert heard and sets(b)[0].proven
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        once(watcher)
        assert sets(b) == ()

    def test_a_file_cut_off_in_its_place_is_seen_without_asking(self, tmp_path: Path) -> None:
        b = board()
        folder = backup_in(tmp_path / f"{STAMP}-m1")
        watcher = HereWatcher(tmp_path, b)
        once(watcher)
        os.truncate(folder / NAMES[1], 40)
        once(watcher)
        assert not sets(b)[0].proven

    def test_a_file_that_changed_in_its_place_is_seen_when_one_asks(self, tmp_path: Path) -> None:
        b = board()
        folder = backup_in(tmp_path / f"{STAMP}-m1")
        watcher = HereWatcher(tmp_path, b)
        once(watcher)
        with (folder / NAMES[0]).open("ab") as file:
            file.write(b"x" * 512)
        watcher.poked = True
        once(watcher)
        assert not sets(b)[0].proven

    def test_what_arrives_is_being_written_and_what_was_left_is_half_a_backup(self, tmp_path: Path) -> None:
        b = board()
        folder = backup_in(tmp_path / f"{STAMP}-m1", told=None, at=time.time())
        (folder / NAMES[1]).unlink()
        watcher = HereWatcher(tmp_path, b)
        once(watcher)
        assert sets(b)[0].set.completeness is Completeness.WRITING
        os.utime(folder / NAMES[0], (LONG_AGO, LONG_AGO))
        once(watcher)
        assert sets(b)[0].set.completeness is Completeness.ONLY_SNAPSHOT

    def test_links_are_not_followed_and_other_things_not_minded(self, tmp_path: Path) -> None:
        b = board()
        there = backup_in(tmp_path / "elsewhere" / f"{STAMP}-m1")
        here = tmp_path / "here"
        here.mkdir()
        (here / f"{STAMP}-m1").symlink_to(there)
        (here / "notes.txt").write_text("mine")
        (here / "also").mkdir()
        (here / "also" / NAMES[0]).symlink_to(there / NAMES[0])
        once(HereWatcher(here, b))
        assert seen(b).listed and sets(b) == ()

    def test_a_folder_that_cannot_be_listed_says_so_and_keeps_what_was_known(self, tmp_path: Path) -> None:
        b = board()
        folder = tmp_path / "backups"
        backup_in(folder / f"{STAMP}-m1")
        watcher = HereWatcher(folder, b)
        once(watcher)
        folder.rename(tmp_path / "away")
        folder.write_text("a file is in the way")
        once(watcher)
        problem = seen(b).sets.problem
        assert problem is not None and "cannot be listed: Not a directory" in problem.message
        assert len(sets(b)) == 1


class Shelf:
    """A store in memory that counts what is asked of it."""

    name = "nexus"

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects
        self.reads: list[str] = []
        self.error: EtcdTuiError | None = None
        self.sizes: dict[str, int] = {}
        self.unreadable: dict[str, EtcdTuiError] = {}

    def list(self, under: str = "") -> Sequence[Stored]:
        if self.error is not None:
            raise self.error
        ours = [name for name in self.objects if name.startswith(f"{under}/")]
        return [Stored(name, self.sizes.get(name, len(self.objects[name])), LONG_AGO) for name in ours]

    @contextlib.contextmanager
    def read_back(self, name: str) -> Iterator[Iterator[bytes]]:
        self.reads.append(name)
        if name in self.unreadable:
            raise self.unreadable[name]
        if name not in self.objects or self.objects[name] == b"gone":
            raise NotFound(f"{name} is not there.")
        yield iter([self.objects[name]])


def shelved(cluster: str = "prod", age: str = "") -> dict[str, bytes]:
    folder = f"{cluster}/{STAMP}-m1"
    return {
        f"{folder}/{NAMES[0]}{age}": b"x" * 544,
        f"{folder}/{NAMES[1]}{age}": b"x" * 100,
        f"{folder}/{MANIFEST}": CONTENT,
    }


def watching(shelf: Shelf, b: Board, cluster: str = "prod") -> StoreWatcher:
    return StoreWatcher("nexus", cluster, lambda: cast(Store, shelf), b)


class TestStore:
    def test_the_objects_of_this_cluster_are_its_backups(self) -> None:
        b, shelf = board(), Shelf({**shelved(), **shelved("test")})
        once(watching(shelf, b))
        (found,) = sets(b, NEXUS)
        assert found.proven and found.set.directory == f"prod/{STAMP}-m1"

    def test_a_manifest_is_read_once_and_again_when_the_listing_tells_another(self) -> None:
        b, shelf = board(), Shelf(shelved())
        watcher = watching(shelf, b)
        once(watcher)
        once(watcher)
        assert len(shelf.reads) == 1
        shelf.objects[f"prod/{STAMP}-m1/{MANIFEST}"] = b"nothing of ours"
        once(watcher)
        assert len(shelf.reads) == 2
        assert "not JSON" in sets(b, NEXUS)[0].trouble and not sets(b, NEXUS)[0].proven

    def test_encrypted_files_are_one_encrypted_backup(self) -> None:
        b, shelf = board(), Shelf(shelved(age=".age"))
        for name, plain in zip(NAMES, (544, 100), strict=True):
            shelf.sizes[f"prod/{STAMP}-m1/{name}.age"] = 200 + 32 + plain
        once(watching(shelf, b))
        (found,) = sets(b, NEXUS)
        assert found.encrypted and found.proven

    def test_a_manifest_that_vanished_since_the_listing_is_none(self) -> None:
        b, shelf = board(), Shelf({**shelved(), f"prod/{STAMP}-m1/{MANIFEST}": b"gone"})
        once(watching(shelf, b))
        (found,) = sets(b, NEXUS)
        assert found.manifest is None and not found.unread

    def test_a_manifest_that_cannot_be_read_is_the_trouble_of_its_backup_alone(self) -> None:
        other = {name.replace("-m1", "-m2"): raw for name, raw in shelved().items()}
        b, shelf = board(), Shelf({**shelved(), **other})
        bad = f"prod/{STAMP}-m1/{MANIFEST}"
        shelf.unreadable = {bad: StoreFault("nexus: it cannot be read: Input/output error.")}
        watcher = watching(shelf, b)
        once(watcher)
        troubles = {placed.set.directory[-2:]: placed.trouble for placed in sets(b, NEXUS)}
        assert troubles == {"m1": "nexus: it cannot be read: Input/output error.", "m2": ""}
        assert [placed.proven for placed in sets(b, NEXUS) if not placed.trouble] == [True]
        assert seen(b, NEXUS).listed and watcher.period < StoreWatcher.period
        shelf.unreadable = {}
        once(watcher)
        assert all(placed.proven for placed in sets(b, NEXUS)) and shelf.reads.count(bad) == 2
        assert watcher.period == StoreWatcher.period

    def test_a_store_that_goes_away_while_manifests_are_read_has_failed(self) -> None:
        b, shelf = board(), Shelf(shelved())
        shelf.unreadable = {f"prod/{STAMP}-m1/{MANIFEST}": Refused("nexus: connection refused.")}
        once(watching(shelf, b))
        assert "refused" in str(seen(b, NEXUS).sets.problem)

    def test_a_store_that_fails_keeps_what_was_known_is_asked_sooner_and_opened_anew(self) -> None:
        b, shelf, opened = board(), Shelf(shelved()), []

        def opening() -> Store:
            opened.append(1)
            return cast(Store, shelf)

        watcher = StoreWatcher("nexus", "prod", opening, b)
        once(watcher)
        shelf.error = Refused("nexus: connection refused.", "Is it running?")
        once(watcher)
        view = seen(b, NEXUS)
        assert view.sets.problem is not None and "refused" in view.sets.problem.message
        assert len(sets(b, NEXUS)) == 1 and not view.listed
        assert watcher.period < StoreWatcher.period
        shelf.error = None
        once(watcher)
        assert seen(b, NEXUS).listed and watcher.period == StoreWatcher.period and len(opened) == 2

    def test_one_that_cannot_be_opened_is_a_state_of_its_own(self) -> None:
        def failing() -> Store:
            raise StoreFault("The environment variable NEXUS is not set.")

        b = board()
        once(StoreWatcher("nexus", "prod", failing, b))
        assert "NEXUS is not set" in str(seen(b, NEXUS).sets.problem)

    def test_a_folder_as_a_store(self, tmp_path: Path) -> None:
        b = board()
        backup_in(tmp_path / "prod" / f"{STAMP}-m1")
        backup_in(tmp_path / "prod" / f"{STAMP}-m1 (copy)")
        once(StoreWatcher("nexus", "prod", lambda: DirectoryStore("nexus", tmp_path), b))
        (found,) = sets(b, NEXUS)
        assert found.proven and found.set.directory == f"prod/{STAMP}-m1"

    def test_what_is_not_read_yet_is_shown_and_not_called_missing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("etcdtui.cluster.places.SHOW_EVERY", -1.0)
        b, shelf = board(), Shelf(shelved())
        shown: list[bool] = []
        b.listen(lambda: shown.extend(p.unread for p in sets(b, NEXUS)))
        once(watching(shelf, b))
        assert shown == [True, False]


class Host:
    """Runs the script here, below a folder that stands for the host's."""

    def __init__(self) -> None:
        self.ran: list[Sequence[str]] = []
        self.error: EtcdTuiError | None = None

    def run(self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"") -> Completed:
        self.ran.append(argv)
        if self.error is not None:
            raise self.error
        done = subprocess.run(argv, capture_output=True, timeout=timeout, check=False)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


def listing(folder: Path) -> HostFacts:
    found = []
    for file in sorted(folder.iterdir()):
        at = file.stat()
        found.append(FoundFile("m1", str(folder), file.name, at.st_size, at.st_mtime))
    return HostFacts("m1", backups=tuple(found))


def watched_host(folder: Path) -> tuple[Board, Host, HostManifestsWatcher, Callable[[], None]]:
    b, host = board(), Host()
    b.add_host("m1", "10.0.0.1")
    b.host_answered("m1", 0.001)
    clock = iter(range(1, 100))

    def looked() -> None:
        at = float(next(clock))
        b.host("m1", lambda h: replace(h, facts=Reading(listing(folder), at)))

    looked()
    layout = Layout(sudo=())
    return b, host, HostManifestsWatcher(b, lambda _: cast(Runner, host), lambda _: layout), looked


class TestHosts:
    PLACE = Place(PlaceKind.HOST, "m1")

    def test_a_manifest_beside_a_hosts_files_proves_them_and_is_read_once(self, tmp_path: Path) -> None:
        b, host, watcher, looked = watched_host(backup_in(tmp_path / "backup"))
        once(watcher)
        looked()
        once(watcher)
        assert len(host.ran) == 1
        (backup,) = b.view().known_backups
        assert backup.proven and backup.places == ("m1",) and not backup.off_cluster

    def test_a_changed_manifest_is_read_again(self, tmp_path: Path) -> None:
        folder = backup_in(tmp_path / "backup")
        b, host, watcher, looked = watched_host(folder)
        once(watcher)
        (folder / MANIFEST).write_text("{}")
        looked()
        once(watcher)
        assert len(host.ran) == 2
        assert "schema is missing" in sets(b, self.PLACE)[0].trouble

    def test_a_host_that_fails_is_asked_again_after_its_next_listing(self, tmp_path: Path) -> None:
        b, host, watcher, looked = watched_host(backup_in(tmp_path / "backup"))
        host.error = Refused("m1: connection refused.")
        once(watcher)
        once(watcher)
        assert len(host.ran) == 1 and seen(b, self.PLACE).sets.problem is not None
        host.error = None
        looked()
        once(watcher)
        assert seen(b, self.PLACE).listed and b.view().known_backups[0].proven

    def test_a_host_without_backups_is_not_asked(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        _, host, watcher, _ = watched_host(tmp_path / "empty")
        once(watcher)
        assert host.ran == []


class TestScript:
    def test_content_cannot_pass_for_the_scripts_own_lines(self, tmp_path: Path) -> None:
        contents = [b"end\nfile\n|x", b"", b"no end of line", CONTENT]
        paths = []
        for number, content in enumerate(contents):
            path = tmp_path / f"it's {number}; echo file"
            path.write_bytes(content)
            paths.append(str(path))
        (tmp_path / "link").symlink_to(paths[3])
        argv = manifests_script(Layout(sudo=()), [*paths, str(tmp_path / "none"), str(tmp_path / "link")])
        done = subprocess.run(argv, capture_output=True, check=True, timeout=30)
        found = parse_manifests(done.stdout)
        assert [raw.rstrip(b"\n") if raw is not None else None for raw in found] == [*contents, None, None]
        assert shlex.join(argv)

    def test_an_output_that_was_cut_off_tells_only_what_it_told_whole(self) -> None:
        assert parse_manifests(b"file\n|{}\n|\nfile\n|{") == [b"{}\n"]


class TestTold:
    @pytest.mark.parametrize(
        ("raw", "said"),
        [
            (b"", "is not JSON"),
            (b"\xff\xfe{", "is not JSON"),
            (b"[" * 100_000, "is not JSON"),
            (b"[]", "it must be an object"),
            (b'{"schema": 9}', "has schema 9"),
            (b" " * (LARGEST + 1), "far too large"),
        ],
    )
    def test_nonsense_is_a_sentence(self, raw: bytes, said: str) -> None:
        found = told(raw, "a\x1b.json")
        assert found.manifest is None and said in found.trouble and "\x1b" not in found.trouble

    def test_a_marked_backup_has_a_marked_manifest(self) -> None:
        names = [n.replace(".", "__POSSIBLY_DIRTY__.", 1) for n in (*NAMES, MANIFEST)]
        files = [FoundFile("here", "/b", name, 544, 1.0) for name in names]
        (placed,) = sets_in(HERE, files, {files[2]: Told(trouble="No.")}, 2000.0)
        assert placed.set.dirty and placed.trouble == "No."


class TestCluster:
    def test_places_are_watched_and_looked_at_when_asked(self, tmp_path: Path) -> None:
        shelf = Shelf({})
        keeping = Keeping(
            "prod", tmp_path / "here", (KeptShelf("nexus", lambda: cast(Store, shelf)),), max_age=60
        )
        cluster = Cluster(ClusterConfig("prod"), tmp_path, keeping=keeping)
        places = [p.place.label for p in cluster.view().places]
        assert places == ["here", "nexus"] and cluster.view().max_backup_age == 60
        cluster.start()
        try:
            cluster.wait(lambda view: all(p.listed for p in view.places), 5)
            backup_in(keeping.folder / f"{STAMP}-m1")
            shelf.objects.update(shelved())
            (backup,) = cluster.look_at_places(5).known_backups
            assert backup.places == ("here", "nexus") and backup.proven
        finally:
            cluster.close()

    def test_a_slow_store_holds_up_no_look_at_the_members(self, tmp_path: Path) -> None:
        class Slow(Shelf):
            def list(self, under: str = "") -> Sequence[Stored]:
                if slow.is_set():
                    release.wait(30)
                return []

        slow, release = threading.Event(), threading.Event()
        keeping = Keeping("prod", tmp_path, (KeptShelf("nexus", lambda: cast(Store, Slow({}))),))
        cluster = Cluster(ClusterConfig("prod"), tmp_path, keeping=keeping)
        cluster.start()
        try:
            cluster.wait(lambda view: all(p.listed for p in view.places), 5)
            slow.set()
            began = time.monotonic()
            cluster.look_again(15)
            assert time.monotonic() - began < 15, "it did not wait until its time was up"
        finally:
            release.set()
            cluster.close()

    def test_unless_configured_backups_are_among_the_users_data(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        assert backups_directory("pr/od") == tmp_path / "etcdtui" / "backups" / "pr_od"
        monkeypatch.setenv("XDG_DATA_HOME", "relative")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert backups_directory("prod") == tmp_path / ".local/share/etcdtui/backups/prod"


def test_places_are_listed_before_a_look_at_them_ends_also_right_after_the_start(tmp_path: Path) -> None:
    """Whoever lists them may begin after the hosts were tried, and those may take their time to refuse."""

    def refuses(*_: object) -> Runner:
        time.sleep(0.4)
        raise EtcdTuiError("m1: connection refused.")

    backup_in(tmp_path / "here" / f"{STAMP}-m1")
    config = ClusterConfig("prod", (ConfiguredHost("m1", "m1"),))
    keeping = Keeping("prod", tmp_path / "here")
    cluster = Cluster(config, tmp_path / "state", keeping=keeping, connect=refuses)
    cluster.start()
    try:
        (found,) = cluster.look_at_places(20.0).known_backups
        assert found.proven
    finally:
        cluster.close()


def test_on_a_host_of_the_cluster_a_backup_here_is_not_off_it(tmp_path: Path) -> None:
    backup_in(tmp_path / "here" / f"{STAMP}-m1")
    keeping = Keeping("prod", tmp_path / "here")
    hosts = (ConfiguredHost("m1", "local"), ConfiguredHost("m2", "m2"))
    for known, off in ((hosts, False), (hosts[1:], True)):
        b = board()
        near, _ = Places(b, keeping, cast(Any, None), cast(Any, None), known).near
        once(near)
        (found,) = b.view().known_backups
        assert found.proven and found.off_cluster is off
