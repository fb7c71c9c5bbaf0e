"""A store that is a folder, on another disk or on a mounted share."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from etcdtui.errors import ConfigError, NotFound
from etcdtui.landing import (
    BLOCK,
    PART,
    Cancel,
    Landing,
    LocalFault,
    Meter,
    Progress,
    landed,
    room_for,
    sync_folder,
)
from etcdtui.offsite.store import (
    Stored,
    StoreFault,
    StoreFull,
    WrongDigest,
    blocks_of,
    check_name,
    stopped,
    taken,
)
from etcdtui.text import clean


class DirectoryStore:
    """Objects are files of mode 0600 below ``folder``, which must exist: an unmounted share does not.

    ``mounted`` is the mount point, other than the root, that ``folder`` must be or lie below; None: any.
    """

    def __init__(self, name: str, folder: Path, *, mounted: Path | None = None) -> None:
        self._name, self._folder, self._mounted = name, folder, mounted

    @property
    def name(self) -> str:
        return self._name

    def put(
        self,
        file: Path,
        name: str,
        digest: str,
        progress: Progress | None = None,
        cancelled: Cancel | None = None,
    ) -> None:
        """As ``Store.put``. What an upload that broke off left is written anew, not gone on with."""
        target = self._path(name)
        with self._faults(f"{name} cannot be written"), self._made(target.parent):
            size = file.stat().st_size
            room_for(target.parent, size)
            if os.path.lexists(target):
                raise taken(self._name, name)
            with Landing(target) as landing:
                landing.take_up(0)
                try:
                    made = hashlib.sha256()
                    stop = stopped(name, self._name)
                    meter = Meter(name, size, progress)
                    with contextlib.closing(blocks_of(file, meter, stop, cancelled)) as blocks:
                        for block in blocks:
                            landing.write(block)
                            made.update(block)
                    if made.hexdigest() != digest:
                        raise WrongDigest(
                            f"{file} was not read as it was proven: its SHA-256 is another.",
                            "Check the disk of this machine.",
                        )
                    landing.sync()
                    if os.path.lexists(target):
                        raise taken(self._name, name)
                    landing.settle()
                except BaseException:
                    with contextlib.suppress(LocalFault):
                        landing.discard()
                    raise

    def list(self, under: str = "") -> list[Stored]:
        """As ``Store.list``; what lies beside ``under`` need not be readable. Names that no store could hold,
        like those of a folder that somebody copied, are not ours."""
        found: list[Stored] = []
        with self._faults("it cannot be listed"):
            self._there()
            top = self._path(under) if under else self._folder
            for folder, folders, names in os.walk(top, onerror=_unless_gone):
                folders[:] = sorted(f for f in folders if not f.startswith("."))
                for name in sorted(names):
                    path = Path(folder, name)
                    with contextlib.suppress(FileNotFoundError, ConfigError):
                        ours = check_name(path.relative_to(self._folder).as_posix())
                        seen = path.lstat()
                        if stat.S_ISREG(seen.st_mode) and not name.endswith(PART):
                            found.append(Stored(ours, seen.st_size, seen.st_mtime))
        return found

    def stat(self, name: str) -> Stored | None:
        with self._faults(f"{name} cannot be looked at"):
            self._there()
            try:
                seen = self._path(name).lstat()
            except FileNotFoundError:
                return None
        return Stored(name, seen.st_size, seen.st_mtime)

    @contextlib.contextmanager
    def read_back(self, name: str) -> Iterator[Iterator[bytes]]:
        """As ``Store.read_back``; asks the system to read from the disk and not from its memory."""
        with self.read_on(name, 0) as (_, blocks):
            yield blocks

    @contextlib.contextmanager
    def read_on(self, name: str, begin: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """As ``Store.read_on``, from the disk too."""
        with self._faults(f"{name} cannot be read"):
            self._there()
            try:
                fd = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError as exc:
                raise NotFound(f"{self._name} has no {name}.") from exc
            try:
                if hasattr(os, "posix_fadvise"):
                    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.lseek(fd, begin, os.SEEK_SET)
                yield begin, iter(lambda: os.read(fd, BLOCK), b"")
            finally:
                os.close(fd)

    def delete(self, name: str) -> None:
        with self._faults(f"{name} cannot be deleted"):
            self._there()
            path = self._path(name)
            with contextlib.suppress(FileNotFoundError):
                landed(path)  # with what a crash left beside it: its room is to be free
                path.unlink()
                sync_folder(path.parent)

    def _path(self, name: str) -> Path:
        return self._folder / check_name(name)

    def _there(self) -> None:
        if not self._folder.is_dir():
            raise StoreFault(
                f"{self._name} is not there: there is no folder {self._folder}.",
                "Mount the share, or make the folder; the local copy stays.",
            )
        if self._mounted is None:
            return
        point = Path(os.path.realpath(self._mounted))
        if point == point.parent or not point.is_mount():
            raise StoreFault(
                f"{self._name} is not there: nothing is mounted at {self._mounted}.",
                "Mount the share; the local copy stays. When it is mounted further up, name that folder "
                'in clusters.toml, like mounted = "/mnt/nas".',
            )
        if not Path(os.path.realpath(self._folder)).is_relative_to(point):
            raise StoreFault(
                f"{self._name} is not there: {self._folder} is not on what is mounted at {self._mounted}.",
                "Make path and mounted fit in clusters.toml; the local copy stays.",
            )

    @contextlib.contextmanager
    def _made(self, folder: Path) -> Iterator[None]:
        """With ``folder``. What had to be made of it goes again where the block fails and leaves it empty."""
        self._there()
        missing = [p for p in (folder, *folder.parents) if not p.exists()]
        made: list[Path] = []
        try:
            for each in reversed(missing):
                try:
                    each.mkdir(mode=0o700)
                    made.append(each)
                except FileExistsError:
                    if not each.is_dir():
                        raise  # else another etcdtui was faster, and it is not ours
                sync_folder(each.parent)
            yield
        except BaseException:
            with contextlib.suppress(OSError):  # something lies in it by now
                for each in reversed(made):
                    each.rmdir()
            raise

    @contextlib.contextmanager
    def _faults(self, what: str) -> Iterator[None]:
        try:
            yield
        except LocalFault as exc:
            kind = StoreFull if exc.full else StoreFault
            raise kind(f"{self._name}: {exc.message}", f"{exc.hint} The local copy stays.".strip()) from exc
        except OSError as exc:
            which = f" ({clean(os.fsdecode(exc.filename), 300)})" if exc.filename else ""
            raise StoreFault(
                f"{self._name}: {what}: {exc.strerror or exc}{which}.",
                "Check the share and the rights on it; the local copy stays.",
            ) from exc


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
