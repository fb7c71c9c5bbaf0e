"""Watching where backups are: here (each 5 s), in each store (each 5 min), and manifests on hosts.

A place that fails is a state of its reading. Manifests are read once: what the listing tells of a file (its
name, size and time) is what its content is remembered by.
"""

from __future__ import annotations

import os
import stat
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from etcdtui.cluster.board import Board
from etcdtui.cluster.connecting import is_local
from etcdtui.cluster.problems import problem_of
from etcdtui.cluster.watcher import Watcher
from etcdtui.config import Host
from etcdtui.errors import CommandFailed, EtcdTuiError, Forbidden, NotFound, UnexpectedOutput
from etcdtui.model.backups import FoundFile
from etcdtui.model.file_names import safe
from etcdtui.model.places import HERE, Place, PlacedSet, PlaceKind
from etcdtui.model.placing import ARRIVING, LARGEST, Told, is_manifest, sets_in, told
from etcdtui.offsite.store import StoreFault
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.manifest_files import AT_ONCE, manifests_script, parse_manifests
from etcdtui.reach.runner import Runner

if TYPE_CHECKING:
    from etcdtui.offsite.keeping import Keeping
    from etcdtui.offsite.store import Store

SHOW_EVERY = 2.0  # seconds after which the manifests read so far are shown
READ_TIMEOUT = 12.0  # seconds for some manifests of one host
AGAIN = 30.0  # seconds after which a store that failed, or has something unreadable, is asked again
OpenStore = Callable[[], "Store"]


class PlaceWatcher(Watcher):
    """What all places have in common: where their findings are written."""

    def __init__(self, place: Place, board: Board) -> None:
        super().__init__(f"backups in {place.label}", board)
        self.place = place
        board.add_place(place)

    def failed(self, error: EtcdTuiError) -> None:
        self.board.place_failed(self.place, problem_of(error))


class HereWatcher(PlaceWatcher):
    """The cluster's folder on this machine, in which each backup has its own. None yet: no backups."""

    period = 5.0

    def __init__(self, folder: Path, board: Board, *, on_host: bool = False) -> None:
        super().__init__(replace(HERE, on_host=on_host), board)
        self._folder = folder
        self._known: dict[str, tuple[int, tuple[PlacedSet, ...]]] = {}  # folder -> its mtime in ns, sets

    def round(self) -> None:
        now = self.board.clock()
        try:
            folders = self._folders()
            known = {} if self.poked else self._known
            self._known = {name: self._looked(name, at, known.get(name), now) for name, at in folders.items()}
        except OSError as exc:
            raise EtcdTuiError(
                f"The backups on this machine, in {exc.filename or self._folder}, cannot be listed: "
                f"{exc.strerror or exc}.",
                "Mend the folder, or name another one in clusters.toml.",
            ) from exc
        found = [placed for name in sorted(self._known, reverse=True) for placed in self._known[name][1]]
        self.board.place_found(self.place, tuple(found))

    def _folders(self) -> dict[str, int]:
        """Folders of backups and when their content changed, ns."""
        try:
            with os.scandir(self._folder) as entries:
                return {
                    entry.name: entry.stat(follow_symlinks=False).st_mtime_ns
                    for entry in entries
                    if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
                }
        except FileNotFoundError:
            return {}

    def _looked(
        self, name: str, changed: int, known: tuple[int, tuple[PlacedSet, ...]] | None, now: float
    ) -> tuple[int, tuple[PlacedSet, ...]]:
        quiet = now - changed / 1e9 > ARRIVING
        if known is not None and known[0] == changed and quiet and all(_unchanged(p) for p in known[1]):
            return known
        folder = self._folder / name
        files = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    seen = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(seen.st_mode):
                        mode = stat.S_IMODE(seen.st_mode)
                        files.append(
                            FoundFile("here", str(folder), entry.name, seen.st_size, seen.st_mtime, mode)
                        )
        except FileNotFoundError:
            return changed, ()
        read = {file: _told_here(folder / file.name) for file in files if is_manifest(file)}
        return changed, sets_in(self.place, files, read, now)


class StoreWatcher(PlaceWatcher):
    """The objects of one cluster in one store. ``open_store`` gives one that nobody else uses."""

    period = 300.0

    def __init__(self, name: str, cluster: str, open_store: OpenStore, board: Board) -> None:
        super().__init__(Place(PlaceKind.STORE, name), board)
        self._folder = safe(cluster)
        self._open = open_store
        self._store: Store | None = None
        self._read: dict[FoundFile, Told] = {}
        self._again: set[FoundFile] = set()  # manifests that could not be read the last time

    def round(self) -> None:
        if self._store is None:
            self._store = self._open()
        files = self._files(self._store)
        manifests = sorted(filter(is_manifest, files), key=lambda f: f.directory, reverse=True)
        known = self._read.keys() - self._again
        self._read = {file: self._read[file] for file in manifests if file in known}
        self._again.clear()
        shown = time.monotonic()
        for file in manifests:
            if self.closed.is_set():
                return
            if file in self._read:
                continue
            if time.monotonic() - shown > SHOW_EVERY:
                self._show(files)
                shown = time.monotonic()
            try:
                self._read[file] = told(_object(self._store, f"{file.directory}/{file.name}"), file.name)
            except NotFound:
                files.remove(file)
            except (StoreFault, Forbidden, UnexpectedOutput) as error:  # of this one alone
                self._read[file] = Told(trouble=error.message)
                self._again.add(file)
        self._show(files)
        self.period = AGAIN if self._again else type(self).period

    def failed(self, error: EtcdTuiError) -> None:
        self._store, self.period = None, AGAIN
        super().failed(error)

    def _files(self, store: Store) -> list[FoundFile]:
        found = []
        for stored in store.list(self._folder):
            directory, _, name = stored.name.rpartition("/")
            found.append(FoundFile(self.place.name, directory, name, stored.size, stored.modified or 0.0))
        return found

    def _show(self, files: Sequence[FoundFile]) -> None:
        self.board.place_found(self.place, sets_in(self.place, files, self._read, self.board.clock()))


class HostManifestsWatcher(Watcher):
    """Reads the manifests that the hosts' listings name. The listings themselves are the hosts' facts."""

    period = 2.0

    def __init__(
        self, board: Board, runner: Callable[[str], Runner], layout_of: Callable[[str], Layout]
    ) -> None:
        super().__init__("manifests on hosts", board)
        self._runner = runner
        self._layout_of = layout_of
        self._read: dict[str, dict[FoundFile, Told]] = defaultdict(dict)
        self._tried: dict[str, float | None] = {}  # host -> the listing after which it was asked
        self._shown: dict[str, tuple[FoundFile, ...]] = {}  # host -> the listing that was shown

    def round(self) -> None:
        for host in self.board.view().hosts:
            facts, read = host.facts.value, self._read[host.name]
            if facts is None:
                continue
            manifests = [file for file in facts.backups if is_manifest(file)]
            missing = [file for file in manifests if file not in read]
            shown = self._shown.get(host.name) is facts.backups
            self._shown[host.name] = facts.backups
            if missing and host.link.problem is None and self._tried.get(host.name) != host.facts.at:
                self._tried[host.name] = host.facts.at
                if not self._ask(host.name, sorted(missing, key=lambda f: f.name, reverse=True)):
                    continue
            elif shown:
                continue
            self._read[host.name] = {file: read[file] for file in manifests if file in read}
            self._show(host.name, facts.backups)

    def failed(self, error: EtcdTuiError) -> None:
        """Only a listing is a reason to try again; a host that cannot be asked says so itself."""

    def _ask(self, host: str, files: Sequence[FoundFile]) -> bool:
        """False when the host could not be asked, which is written down."""
        place, layout = Place(PlaceKind.HOST, host), self._layout_of(host)
        for start in range(0, len(files), AT_ONCE):
            some = files[start : start + AT_ONCE]
            argv = manifests_script(layout, [f"{file.directory}/{file.name}" for file in some])
            try:
                done = self._runner(host).run(argv, timeout=READ_TIMEOUT)
                if not done.ok:
                    raise CommandFailed(
                        f"{host}: the manifests of its backups cannot be read: "
                        f"{done.err().strip()[-200:] or f'exit code {done.status}'}.",
                        argv=argv,
                        status=done.status,
                    )
            except EtcdTuiError as error:
                if not self.closed.is_set():
                    self.board.place_failed(place, problem_of(error))
                return False
            for file, raw in zip(some, parse_manifests(done.stdout), strict=False):
                if raw is not None:
                    self._read[host][file] = told(raw, file.name)
        return True

    def _show(self, host: str, files: Iterable[FoundFile]) -> None:
        """Only what has a manifest beside it: the rest is known from the listing."""
        place, read = Place(PlaceKind.HOST, host), self._read[host]
        sets = sets_in(place, files, read, self.board.clock()) if read else ()
        with_manifest = tuple(p for p in sets if p.manifest is not None or p.trouble)
        self.board.place_found(place, with_manifest)


class Places:
    """The watchers of one cluster's places: ``near`` ones cost nothing, ``stores`` may be slow to begin."""

    def __init__(
        self,
        board: Board,
        keeping: Keeping,
        runner: Callable[[str], Runner],
        layout_of: Callable[[str], Layout],
        hosts: Sequence[Host] = (),
    ) -> None:
        on_host = any(is_local(host) for host in hosts)
        self._manifests = HostManifestsWatcher(board, runner, layout_of)
        self.near: tuple[Watcher, ...] = (
            HereWatcher(keeping.folder, board, on_host=on_host),
            self._manifests,
        )
        self.stores: tuple[Watcher, ...] = tuple(
            StoreWatcher(shelf.name, keeping.cluster, shelf.open, board) for shelf in keeping.shelves
        )

    def lists(self, watcher: Watcher) -> bool:
        return isinstance(watcher, PlaceWatcher)

    def reads(self, watcher: Watcher) -> bool:
        return watcher is self._manifests

    def own(self, watcher: Watcher) -> bool:
        return self.lists(watcher) or self.reads(watcher)


def _unchanged(placed: PlacedSet) -> bool:
    """Whole, and its files as they were: one may be cut off without its folder noticing."""
    if not placed.complete:
        return False
    for file in placed.set.files:
        try:
            seen = os.stat(Path(placed.set.directory, placed.stored_name(file)), follow_symlinks=False)
        except OSError:
            return False
        if (seen.st_size, seen.st_mtime) != (file.size, file.modified):
            return False
    return True


def _told_here(path: Path) -> Told:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            return told(file.read(LARGEST + 1), path.name)
    except OSError as exc:
        return Told(trouble=f"{path} cannot be read: {exc.strerror or exc}.")


def _object(store: Store, name: str) -> bytes:
    """As much of an object as a manifest may have, and then some. Raises what the store raises."""
    found = bytearray()
    with store.read_back(name) as blocks:
        for block in blocks:
            found += block
            if len(found) > LARGEST:
                break
    return bytes(found)
