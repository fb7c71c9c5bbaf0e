"""Files that arrive on this machine: into ``.part``, locked, synced, renamed, never over another file."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from etcdtui.errors import Cancelled, EtcdTuiError, Refusal
from etcdtui.text import size as bytes_text

PART = ".part"
BLOCK = 1024 * 1024
"""Bytes read, written and hashed at once."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}
_NUDGE = 32 * BLOCK
_MOMENT = 10.0  # seconds in which a small file has long been written
_OFTEN = 0.1  # seconds between two words of progress
_RECENT = 5.0  # seconds over which the rate is taken


class Cancel(Protocol):
    """What says that the user wants it to stop; a ``threading.Event`` is one."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float | None = None) -> bool: ...


@dataclass(frozen=True, slots=True)
class Moved:
    """How far it is. Bytes; ``rate`` in bytes per second, ``left`` in seconds, None while unknown.

    ``note`` says what it is busy with other than moving bytes; empty otherwise.
    """

    name: str
    done: int
    total: int
    rate: float | None = None
    left: float | None = None
    note: str = ""


Progress = Callable[[Moved], None]


class LocalFault(EtcdTuiError):
    """A file on this machine could not be read or written; ``full``: for want of room."""

    def __init__(self, message: str, hint: str = "", *, full: bool = False) -> None:
        super().__init__(message, hint)
        self.full = full


class Meter:
    """Turns counts of bytes into words of progress, not more than ten in a second."""

    def __init__(self, name: str, total: int, tell: Progress | None) -> None:
        self._name, self._total, self._tell = name, total, tell
        self._seen: deque[tuple[float, int]] = deque()
        self._last = 0.0

    def at(self, done: int, note: str = "") -> None:
        """``done`` bytes are there. With a ``note`` the rate starts anew."""
        now = time.monotonic()
        if note:
            self._seen.clear()
        elif now - self._last < _OFTEN and done != self._total:
            return
        self._last = now
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _RECENT:
            self._seen.popleft()
        if self._tell is None:
            return
        began, before = self._seen[0]
        rate = (done - before) / (now - began) if now > began and done > before else None
        left = (self._total - done) / rate if rate else None
        self._tell(Moved(self._name, done, self._total, rate, left, note))


class Landing:
    """``<target>.part``, opened and locked, with whatever an earlier attempt left in it.

    Raises Refusal when another etcdtui writes it, LocalFault when the disk says no.
    """

    def __init__(self, target: Path) -> None:
        self.target, self.part = target, target.with_name(target.name + PART)
        self._nudged = 0
        with faults(f"{self.part} cannot be written"):
            self._fd = self._open()
        self.length = os.fstat(self._fd).st_size

    def _open(self) -> int:
        while True:
            fd = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise Refusal(f"{self.part} is no ordinary file.", "Look at it and take it away.")
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as exc:
                    raise Refusal(
                        f"Another etcdtui is just writing {self.part}.", "Let it finish, or stop it there."
                    ) from exc
                except OSError:
                    pass  # some network shares know no locks; the digest at the end still decides
                # Renamed between opening and locking: then what is locked is no longer the .part.
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(fd), os.stat(self.part, follow_symlinks=False)):
                        with contextlib.suppress(PermissionError):  # a share may know no modes
                            os.fchmod(fd, 0o600)
                        return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def __enter__(self) -> Landing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file, which stays as it is. An empty one is taken away. May be called twice."""
        if self._fd < 0:
            return
        if self.length == 0:
            self._drop()
        fd, self._fd = self._fd, -1
        os.close(fd)

    def take_up(self, length: int, cancelled: Cancel | None = None) -> hashlib._Hash:
        """Keep the first ``length`` bytes, cut off the rest, and return their running digest."""
        digest = hashlib.sha256()
        with faults(f"{self.part} cannot be read"):
            os.ftruncate(self._fd, length)
            os.lseek(self._fd, 0, os.SEEK_SET)
            self.length, self._nudged = length, length
            left = length
            while left and (block := os.read(self._fd, min(BLOCK, left))):
                digest.update(block)
                left -= len(block)
                if cancelled and cancelled.is_set():
                    raise Cancelled(f"Reading {self.part} again was stopped; it is kept.")
        return digest

    def write(self, block: bytes) -> None:
        """Append. Raises LocalFault, with ``full`` when there is no room; what was written is kept."""
        view = memoryview(block)
        with faults(f"{self.part} cannot be written"):
            while len(view):
                written = os.write(self._fd, view)
                view = view[written:]
                self.length += written
            if self.length - self._nudged >= _NUDGE and hasattr(os, "posix_fadvise"):
                # Starts writing to the disk now, without waiting; else all of it waits for the sync.
                os.posix_fadvise(self._fd, self._nudged, _NUDGE, os.POSIX_FADV_DONTNEED)
                self._nudged += _NUDGE

    def sync(self) -> None:
        """Wait until the bytes are on the disk. Raises LocalFault."""
        with faults(f"{self.part} cannot be written"):
            os.fsync(self._fd)

    def discard(self) -> None:
        """Take the ``.part`` away."""
        with faults(f"{self.part} cannot be removed"):
            self._drop()
        self.length = 0
        self.close()

    def settle(self) -> None:
        """Give the synced file its name. Raises Refusal when something else has it already."""
        with faults(f"{self.target} cannot be written"):
            try:
                # Unlike a rename, a link never replaces what is there.
                os.link(self.part, self.target)
                self._drop()
            except FileExistsError as exc:
                raise taken(self.target) from exc
            except OSError as exc:
                if exc.errno not in _NO_LINKS:
                    raise
                if os.path.lexists(self.target):
                    raise taken(self.target) from exc
                os.rename(self.part, self.target)
            sync_folder(self.target.parent)
        fd, self._fd = self._fd, -1
        os.close(fd)

    def _drop(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.part)


def landed(target: Path) -> bool:
    """Is it there? A ``.part`` that is the same file, as a crash in ``settle`` leaves it, is taken away: it
    would make the whole one count as half-written for ever."""
    part = target.with_name(target.name + PART)
    with contextlib.suppress(OSError):
        if part.samefile(target):
            part.unlink()
    return target.exists()


def own_folder(folder: Path) -> None:
    """Make ``folder`` with mode 0700, or see that nobody else gets in. Raises Refusal or LocalFault."""
    with faults(f"{folder} cannot be made"):
        missing = [p for p in (folder, *folder.parents) if not p.exists()]
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
            sync_folder(each.parent)
        mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        raise Refusal(
            f"{folder} is open to others (mode {mode:o}), and a backup holds every secret of the cluster.",
            f"Run chmod 700 {folder}, or name another folder.",
        )


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Nobody else's etcdtui works on ``folder`` meanwhile. Raises Refusal when one does, or LocalFault."""
    with faults(f"{folder} cannot be opened"):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not _locked(fd):
            raise Refusal(
                f"Another etcdtui is at work on the backup in {folder}.", "Let it finish, then try again."
            )
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def alone_at(file: Path) -> Iterator[None]:
    """For a moment, in which something that belongs to ``file`` is read, changed and written: who else wants
    to do that waits. Where there is no such file nobody does. Raises Refusal when one goes on, or LocalFault.
    """
    until = time.monotonic() + _MOMENT
    with contextlib.ExitStack() as stack:
        with faults(f"{file} cannot be opened"), contextlib.suppress(FileNotFoundError):
            fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            stack.callback(os.close, fd)
            while not _locked(fd):
                if time.monotonic() > until:
                    raise Refusal(f"Another etcdtui is at work on {file}.", "Let it finish, then try again.")
                time.sleep(0.02)
        yield


def _locked(fd: int) -> bool:
    """False when another holds the lock. Some network shares know none: then True."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def sha256_of(path: Path, cancelled: Cancel | None = None) -> str:
    """The digest of a local file, in hex. Raises LocalFault or Cancelled."""
    digest = hashlib.sha256()
    with faults(f"{path} cannot be read"), path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            digest.update(block)
            if cancelled and cancelled.is_set():
                raise Cancelled(f"Reading {path} was stopped.")
    return digest.hexdigest()


def write_small(target: Path, content: bytes) -> None:
    """A small file with its name, all of it or none. One with the same content is left as it is.

    Raises Refusal when another one is there.
    """
    if landed(target):
        with faults(f"{target} cannot be read"):
            if target.read_bytes() == content:
                return
        raise taken(target)
    with Landing(target) as landing:
        landing.take_up(0)
        landing.write(content)
        landing.sync()
        landing.settle()


def replace_small(target: Path, content: bytes) -> None:
    """A small file of ours with its name, all of it or as it was before. Raises LocalFault.

    Each process has a ``.part`` of its own: none renames what another has written half of.
    """
    part = target.with_name(f"{target.name}.{os.getpid()}{PART}")
    with faults(f"{target} cannot be written"):
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
        sync_folder(target.parent)


def taken(path: Path) -> Refusal:
    return Refusal(
        f"{path} is already there and is another file; it is not overwritten.",
        "Move it away if it is not wanted.",
    )


def room_for(folder: Path, count: int) -> None:
    """Raises LocalFault when the disk of ``folder`` has less than ``count`` bytes free."""
    with faults(f"{folder} cannot be looked at"):
        room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize
    if free < count:
        raise LocalFault(
            f"{folder} has {bytes_text(free)} free, and {bytes_text(count)} are needed.",
            "Make room there, or name another folder.",
            full=True,
        )


def sync_folder(folder: Path) -> None:
    """Make names in ``folder`` last over a power cut. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):  # some shares cannot sync a folder
            raise
    finally:
        os.close(fd)


@contextlib.contextmanager
def faults(what: str) -> Iterator[None]:
    """Turns the OSError of a block into a LocalFault that begins with ``what``."""
    try:
        yield
    except OSError as exc:
        full = exc.errno in _FULL
        said = os.strerror(exc.errno) if exc.errno else str(exc)
        raise LocalFault(
            f"{what}: {said}.",
            "Make room there and try again." if full else "Check the folder and its owner.",
            full=full,
        ) from exc
