"""The record of what was done: one append-only file of JSON lines for every run of a procedure.

A line is on the disk before the command it announces runs. Whatever ends the program, the file tells how
far it came; a last line cut in the middle is left out when reading.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from etcdtui import __version__, config
from etcdtui.errors import Refusal
from etcdtui.procedures.procedure import Procedure
from etcdtui.records import Entry, JournalError, Run, Who, myself, read, words

__all__ = ["Entry", "Journal", "JournalError", "Record", "Run", "Who", "without_secrets"]

_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
_SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?P<before>\bauthorization:\s*(?:bearer|basic)\s+|--(?:password|token)[ =]"
    r"|\b(?:password|passwd|token|secret[_-]?access[_-]?key)\s*[=:]\s*)[^\s'\"]+",
    re.IGNORECASE | re.DOTALL,
)


class Record:
    """The open file of one run. Every ``write`` is on the disk when it returns. Raises JournalError."""

    def __init__(self, path: Path, run: str, descriptor: int) -> None:
        self.path = path
        self._run = run
        self._fd = descriptor

    def write(self, at: float, kind: str, step: str = "", **facts: Any) -> Entry:
        entry = Entry(self._run, at, kind, step, {k: without_secrets(v) for k, v in facts.items()})
        line = {"at": round(at, 3), "kind": kind} | ({"step": step} if step else {}) | dict(entry.facts)
        self._append(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        return entry

    def _append(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._fd, data) :]
            os.fsync(self._fd)
        except OSError as exc:
            raise _unwritable(self.path, exc) from exc

    def close(self) -> None:
        """Let go of the file and its lock; twice does no harm."""
        descriptor, self._fd = self._fd, -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)


class Journal:
    """The folder of all records."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or config.state_directory() / "journal"

    def begin(self, procedure: Procedure, now: float) -> tuple[Record, Run]:
        """Open the record of a procedure: a new one, or the one of its interrupted run, to go on.

        The run tells what was already done. Raises JournalError, and Refusal when another process has it.
        """
        path = self._path(procedure.id)
        who = myself()
        record = self._open(path, procedure.id)
        try:
            known = read(path)
            if known is None:
                record.write(now, "header", **_header(procedure), **_who(who), version=__version__)
                _sync_folder(self.directory)
            elif known.abandoned:
                raise Refusal(f"{known.title!r} was abandoned: {known.abandoned}", "Plan it anew.")
            else:
                record.write(now, "resumed", **_who(who), version=__version__)
            return record, self.read(procedure.id)
        except BaseException:
            record.close()
            raise

    def abandon(self, run: str, reason: str, now: float) -> None:
        """Leave an interrupted run for good. Raises JournalError, Refusal when it still runs."""
        record = self._open(self._path(run), run, create=False)
        try:
            record.write(now, "abandoned", reason=reason, **_who(myself()))
        finally:
            record.close()

    def tidied(self, run: str, now: float) -> None:
        """Nothing of an abandoned run lies on hosts any more. Raises JournalError, Refusal as ``abandon``."""
        record = self._open(self._path(run), run, create=False)
        try:
            record.write(now, "tidied")
        finally:
            record.close()

    def read(self, run: str) -> Run:
        """One run. Raises JournalError when there is none or it cannot be read."""
        path = self._path(run)
        found = read(path)
        if found is None:
            raise JournalError(f"{path} holds no record of a procedure.", "It may be of another program.")
        return found

    def runs(self, cluster: str | None = None) -> list[Run]:
        """All runs, newest first; files that cannot be read are left out."""
        found: list[Run] = []
        for path in self._files():
            with suppress(JournalError):
                run = read(path)
                if run is not None and cluster in (None, run.cluster):
                    found.append(run)
        return sorted(found, key=lambda r: (r.began, r.id), reverse=True)

    def entries(self, cluster: str | None = None) -> Iterator[Entry]:
        """Every line of every run, oldest first."""
        lines = [entry for run in self.runs(cluster) for entry in run.entries]
        yield from sorted(lines, key=lambda e: e.at)

    def _files(self) -> list[Path]:
        try:
            return [p for p in self.directory.iterdir() if p.suffix == ".jsonl" and _ID.match(p.stem)]
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise JournalError(f"The journal {self.directory} cannot be read: {words(exc)}.") from exc

    def _path(self, run: str) -> Path:
        if not _ID.match(run):
            raise JournalError(f"{run!r} is no name of a procedure.", "See `etcdtui journal` for them.")
        return self.directory / f"{run}.jsonl"

    def _open(self, path: Path, run: str, *, create: bool = True) -> Record:
        try:
            if create:
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.directory.chmod(0o700)
            flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT if create else 0)
            descriptor = os.open(path, flags, 0o600)
        except OSError as exc:
            raise _unwritable(path, exc) from exc
        record = Record(path, run, descriptor)
        try:
            _lock(descriptor)
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                record._append(b"\n")  # the line before was cut; it must not swallow the next
            return record
        except BlockingIOError as exc:
            record.close()
            raise Refusal(
                f"The procedure {run} is run by another etcdtui on this machine right now.",
                "Go on there, or end that one first.",
            ) from exc
        except OSError as exc:
            record.close()
            raise _unwritable(path, exc) from exc
        except JournalError:
            record.close()
            raise


def _lock(descriptor: int) -> None:
    """Take the record for us. A reader may hold its lock for an instant; a folder may know no locks."""
    for last in (False, False, False, True):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if last:
                raise
            time.sleep(0.05)
        except OSError:
            return None


def _header(procedure: Procedure) -> dict[str, Any]:
    steps = [{"key": s.key, "title": s.title, "host": s.host, "argv": list(s.argv)} for s in procedure.steps]
    return {
        "id": procedure.id,
        "procedure": procedure.kind,
        "cluster": procedure.cluster,
        "title": procedure.title,
        "parameters": dict(procedure.parameters),
        "reasons": list(procedure.reasons),
        "steps": steps,
    }


def _who(who: Who) -> dict[str, Any]:
    return {"user": who.user, "host": who.host, "pid": who.pid, "started": who.started}


def _sync_folder(directory: Path) -> None:
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise _unwritable(directory, exc) from exc


def without_secrets(value: Any) -> Any:
    """The same without what looks like a key, a password or a token; also within lists and mappings."""
    if isinstance(value, str):
        return _SECRETS.sub(lambda m: f"{m['before'] or ''}…", value)
    if isinstance(value, Mapping):
        return {key: without_secrets(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(inner) for inner in value]
    return value


def _unwritable(path: Path, exc: OSError) -> JournalError:
    if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        what, hint = "this machine's disk is full", "Make room there, then start again."
    else:
        what, hint = words(exc), "Give etcdtui a folder it may write to (XDG_STATE_HOME), then start again."
    return JournalError(
        f"The record {path} cannot be written: {what}. Nothing runs that is not recorded first.", hint
    )
