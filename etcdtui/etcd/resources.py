"""The proof of the second file of a backup: the resources of the static pods, as a gzip tar.

``cluster-backup.sh`` packs for each static pod the folder of its running revision,
``static-pod-resources/kube-apiserver-pod-9`` and so on; a restore unpacks them over ``/etc/kubernetes``, and
starts the pods from the manifests in them, ``kube-apiserver-pod.yaml`` and so on. The archive is read as a
stream to its end, so that gzip's own checksum counts; nothing is unpacked to disk.
"""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
import struct
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tarfile import HeaderError
from typing import IO, Any, Final, cast

from etcdtui.errors import Cancelled
from etcdtui.etcd.bbolt import Damaged, PagedFile
from etcdtui.model.proof import Check, Outcome, ResourcesProof
from etcdtui.text import clean, counted, listed, size

PODS: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
LARGEST: Final = 100 << 20  # bytes unpacked: real ones hold some hundred kilobytes
MOST: Final = 20_000  # files
_FOLDER = re.compile(
    r"^(?:.*/)?static-pod-resources/(?P<pod>[a-z-]+)-pod-(?P<revision>\d{1,9})(?:/(?P<rest>.*))?\Z", re.DOTALL
)
_EndOfArchive: Final[type[HeaderError]] = tarfile.EOFHeaderError  # type: ignore[attr-defined]
# What tarfile and zlib throw at bytes that are no archive.
_BROKEN = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, ArithmeticError, LookupError)


@dataclass(slots=True)
class _Found:
    revisions: dict[str, set[int]] = field(default_factory=dict)
    manifests: set[str] = field(default_factory=set)  # pods whose own manifest is in their folder
    escapes: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    restore_pod: bool = False
    files: int = 0


class _Bounded:
    """The unpacked stream, ended by force when it grows beyond belief."""

    def __init__(self, inner: gzip.GzipFile, cancelled: Callable[[], bool] | None) -> None:
        self._inner, self._cancelled = inner, cancelled
        self.count = 0  # bytes

    def read(self, length: int = -1) -> bytes:
        if self._cancelled is not None and self._cancelled():
            raise Cancelled("The proof of the resources was stopped.")
        data = self._inner.read(min(length, 1 << 16) if length >= 0 else 1 << 16)
        self.count += len(data)
        if self.count > LARGEST:
            raise Damaged(f"It unpacks to more than {size(LARGEST)}, which no static pods need.")
        return data


class _Header(tarfile.TarInfo):
    """A broken header is damage; tarfile's own takes it for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> _Header:
        try:
            return super().fromtarfile(tarfile)
        except _EndOfArchive:
            raise
        except HeaderError as exc:
            raise Damaged(f"A header in the archive is damaged: {clean(str(exc), 120)}.") from exc


def prove_resources(path: Path, *, cancelled: Callable[[], bool] | None = None) -> ResourcesProof:
    """Read the whole archive and say what it holds. Damage is told in the checks.

    Raises ``Unreadable`` when the file cannot be read, ``Cancelled``.
    """
    with PagedFile(path) as file:
        digest = hashlib.sha256()
        for chunk in file.chunks(file.size):
            digest.update(chunk)
        found, unpacked, problem = _read(path, cancelled)
        checks = (_archive(file, found, unpacked, problem), *_contents(found, problem), _unchanged(file))
        return ResourcesProof(
            path.name,
            file.size,
            digest.hexdigest(),
            checks,
            tuple((pod, max(found.revisions[pod])) for pod in PODS if pod in found.revisions),
            found.restore_pod,
            found.files,
            unpacked,
        )


def _read(path: Path, cancelled: Callable[[], bool] | None) -> tuple[_Found, int, str]:
    """What lies in the archive, the bytes it unpacks to, and what went wrong on the way."""
    found, count = _Found(), 0
    try:
        with gzip.open(path, "rb") as inner:
            stream = _Bounded(inner, cancelled)
            try:
                with tarfile.open(mode="r|", fileobj=cast(Any, stream), tarinfo=_Header) as archive:
                    for member in archive:
                        _member(found, member)
                    _end(cast(Any, archive.fileobj))
            finally:
                count = stream.count
    except Damaged as damage:
        return found, count, damage.message
    except (*_BROKEN, struct.error, RecursionError) as exc:
        said = clean(str(exc), 120) or type(exc).__name__
        return found, count, f"It is no readable gzip tar, or its end is missing: {said}."
    return found, count, ""


def _end(stream: IO[bytes]) -> None:
    """Two blocks of zeros end an archive; the first one ended the reading of its members. Then to the end of
    the file, where gzip's checksum is."""
    rest = stream.read(tarfile.BLOCKSIZE)
    if len(rest) < tarfile.BLOCKSIZE:
        raise Damaged("The end of the archive is missing.")
    while rest:
        if rest.strip(b"\0"):
            raise Damaged("Something that is no tar follows in the archive.")
        rest = stream.read(1 << 16)


def _member(found: _Found, member: tarfile.TarInfo) -> None:
    found.files += 1
    if found.files > MOST:
        raise Damaged(f"It holds more than {MOST} files, which no static pods need.")
    name, shown = member.name, clean(member.name, 120)
    if escapes(name):
        found.escapes.append(f"{shown} would be written outside the folder.")
    if member.issym() or member.islnk():
        base = posixpath.dirname(name) if member.issym() else ""
        if escapes(posixpath.join(base, member.linkname)):
            found.escapes.append(f"{shown} links to {clean(member.linkname, 120)}, outside the folder.")
    elif not (member.isfile() or member.isdir()):
        found.strange.append(f"{shown} is neither a file nor a folder.")
    if match := _FOLDER.match(posixpath.normpath(name)):
        found.revisions.setdefault(match["pod"], set()).add(int(match["revision"]))
        if match["rest"] == f"{match['pod']}-pod.yaml" and member.isreg() and member.size:
            found.manifests.add(match["pod"])
    if name.endswith("/restore-etcd-pod/pod.yaml") and member.isfile() and member.size:
        found.restore_pod = True


def escapes(name: str) -> bool:
    """Whether a path of an archive leads out of the folder it is unpacked to."""
    if name.startswith(("/", "\\")) or "\0" in name or re.match(r"[A-Za-z]:", name):
        return True
    depth = 0
    for part in re.split(r"[/\\]", name):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return True
    return False


def _archive(file: PagedFile, found: _Found, unpacked: int, problem: str) -> Check:
    if file.size == 0:
        return Check("archive", Outcome.FAILED, "The file is empty.")
    if problem:
        return Check("archive", Outcome.FAILED, problem)
    said = f"{counted(found.files, 'entry', 'entries')} of {size(unpacked)} altogether, readable to the end."
    return Check("archive", Outcome.OK, said)


def _contents(found: _Found, problem: str) -> tuple[Check, Check]:
    unsafe = found.escapes + found.strange
    if unsafe:
        paths = Check("paths", Outcome.FAILED, unsafe[0], tuple(unsafe[1:20]))
    elif problem:
        paths = Check("paths", Outcome.NOT_APPLICABLE, "Not all paths could be read.")
    else:
        paths = Check("paths", Outcome.OK, "No path leads out of the folder it is unpacked to.")
    missing = [pod for pod in PODS if pod not in found.revisions]
    bare = [f"{pod}-pod.yaml" for pod in PODS if pod in found.revisions and pod not in found.manifests]
    twice = [
        f"{pod} ({listed([str(number) for number in sorted(found.revisions[pod])])})"
        for pod in PODS
        if len(found.revisions.get(pod, ())) > 1
    ]
    pod = (
        "The pod that a restore starts is in it."
        if found.restore_pod
        else "The pod that a restore starts (restore-etcd-pod/pod.yaml) is not in it; the host must have it."
    )
    if problem and (missing or bare):
        said = "Not all folders could be read."
        return paths, Check("static pods", Outcome.NOT_APPLICABLE, said)
    if missing:
        return paths, Check("static pods", Outcome.FAILED, f"The resources of {listed(missing)} are missing.")
    if bare:
        said = f"{listed(bare)} {'is' if len(bare) == 1 else 'are'} not in it: no pod can be started without."
        return paths, Check("static pods", Outcome.FAILED, said)
    if twice:
        said = f"More than one revision of {listed(twice)}: nobody knows which one was running."
        return paths, Check("static pods", Outcome.FAILED, said)
    told = listed([f"{name} revision {max(found.revisions[name])}" for name in PODS])
    return paths, Check("static pods", Outcome.OK, f"It holds {told}.", (pod,))


def _unchanged(file: PagedFile) -> Check:
    if file.changed:
        said = "Somebody wrote to the file while it was read, so nothing that was found is certain."
        return Check("unchanged", Outcome.FAILED, said)
    return Check("unchanged", Outcome.OK, "Nobody wrote to the file while it was read.")
