"""A single etcd that was restored from a snapshot, on this machine, for nobody else, and soon gone again.

It speaks over sockets that are files in a folder of mode 0700: no port is opened, no other user of this
machine gets in, and nothing of it can meet a cluster. However we end, a small process (``children.reaper``)
ends it and takes its folder away.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from etcdtui.children import processes
from etcdtui.children.binaries import Binaries
from etcdtui.children.reaper import Reaper
from etcdtui.errors import Cancelled, EtcdTuiError, UnexpectedOutput
from etcdtui.landing import LocalFault, faults, room_for
from etcdtui.text import age, clean, reason

NAME = "rehearsal"
CLIENT, PEER = "client:1", "peer:1"
"""Sockets, as files in its folder: etcd wants something that looks like a host and a port."""

LONGEST = 100  # bytes of a socket's name, which the system limits
WAL = 160 << 20  # bytes that etcd writes besides its database: a log is made 64 MB large at once
RESTORE = 900.0  # seconds for the restore, which reads and writes the whole database
START = 120.0  # seconds until it serves reads
ASK = 30.0  # seconds for one answer
_TICK = 0.05
_ROOM = "Make room there, or name another folder in TMPDIR."
_NO_ROOM = "no space left on device"
_OURS = ("ETCD_", "ETCDCTL_", "ETCDUTL_")  # variables that would change what the programs do


class Died(EtcdTuiError):
    """A program of etcd ended that should not have. ``ours``: for a reason of this machine."""

    def __init__(self, message: str, hint: str = "", *, ours: bool = False) -> None:
        super().__init__(message, hint)
        self.ours = ours


@dataclass(frozen=True, slots=True)
class Found:
    """What etcd says of one key: revisions, version, lease, and the value."""

    created: int
    modified: int
    version: int
    lease: int
    value: bytes


class Throwaway:
    """A context manager. Raises LocalFault (no room), Died, Cancelled, UnexpectedOutput."""

    def __init__(self, binaries: Binaries, cancelled: Callable[[], bool]) -> None:
        self._binaries, self._cancelled = binaries, cancelled
        self._etcd: subprocess.Popen[bytes] | None = None
        self._reaper: Reaper | None = None
        self.folder = Path()

    def __enter__(self) -> Self:
        with faults("A folder for the rehearsal cannot be made"):
            # mkdtemp makes it 0700. Short, for the name of a socket has a limit.
            self.folder = Path(tempfile.mkdtemp(prefix="etcdtui-"))
        try:
            if len(os.fsencode(self.folder / CLIENT)) > LONGEST:
                raise LocalFault(
                    f"{self.folder} has too long a name for a socket in it.",
                    "Name a shorter folder in TMPDIR.",
                )
            self._reaper = Reaper()
            self._reaper.remove(self.folder)
            self._reaper.mark(self.folder.name)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def database(self) -> Path:
        """The file of its database; to be read while it does not run."""
        return self.folder / "data" / "member" / "snap" / "db"

    def status_of(self, snapshot: Path) -> Mapping[str, Any]:
        """What etcd's own program says of the file: revision, totalKey, totalSize, hash."""
        done = self._run("status", [*self._tool, "snapshot", "status", str(snapshot), "-w", "json"])
        try:
            told = json.loads(done)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise UnexpectedOutput(f"{self._tool[0]} says nothing readable of {snapshot.name}.")
        return told

    def restore(self, snapshot: Path) -> None:
        """Make its data from the file; that is read, never written."""
        size = snapshot.stat().st_size
        try:
            room_for(self.folder, size + WAL)
        except LocalFault as exc:
            raise LocalFault(exc.message, _ROOM, full=True) from exc
        words = [
            "snapshot",
            "restore",
            str(snapshot),
            "--data-dir",
            str(self.folder / "data"),
            "--name",
            NAME,
        ]
        peer = f"unix://{PEER}"
        cluster = ["--initial-cluster", f"{NAME}={peer}", "--initial-advertise-peer-urls", peer]
        self._run("restore", [*self._tool, *words, *cluster])

    def start(self) -> None:
        """Start it; returns when it serves reads."""
        client, peer = f"unix://{CLIENT}", f"unix://{PEER}"
        words = [str(self._binaries.etcd), "--name", NAME, "--data-dir", str(self.folder / "data")]
        words += ["--listen-client-urls", client, "--advertise-client-urls", client]
        words += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        words += ["--initial-cluster", f"{NAME}={peer}", "--quota-backend-bytes", str(64 << 30)]
        self._etcd = self._begin("etcd", words)
        began = time.monotonic()
        while True:
            self._alive()
            with contextlib.suppress(OSError, UnexpectedOutput, http.client.HTTPException):
                if int(self.ask("maintenance/status", {}).get("leader", 0)):
                    return
            if time.monotonic() - began > START:
                raise Died(
                    f"The restored etcd serves no reads after {age(START)}: {self._last('etcd')}.",
                    "Try again when this machine has less to do.",
                    ours=True,
                )
            self._pause()

    def stop(self) -> None:
        """End it in order; its database may then be read."""
        process, self._etcd = self._etcd, None
        if process is not None:
            processes.stop(process, 10.0)
            assert self._reaper is not None
            self._reaper.forget(process.pid)

    def ask(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """One question to its JSON gateway. Raises UnexpectedOutput for a refusal, OSError."""
        with contextlib.closing(_Connection(self.folder / CLIENT)) as connection:
            connection.request("POST", f"/v3/{path}", json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            raw = answer.read()
        try:
            told = json.loads(raw)
        except ValueError:
            told = {}
        if answer.status != 200 or not isinstance(told, dict):
            said = told.get("error") or told.get("message") if isinstance(told, dict) else ""
            raise UnexpectedOutput(f"The restored etcd answers {answer.status}: {clean(str(said), 200)}.")
        return told

    def read(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """``ask`` of one that serves: what goes wrong on the way is told as its end. Raises Died too."""
        try:
            return self.ask(path, body)
        except (OSError, http.client.HTTPException) as exc:
            time.sleep(_TICK)
            self._alive()
            raise Died(f"The restored etcd does not answer: {reason(exc)}.", ours=True) from exc

    def revision(self) -> int:
        """The revision it is at."""
        return int(self.read("maintenance/status", {}).get("header", {}).get("revision", 0))

    def count(self, revision: int) -> int:
        """How many keys live at that revision."""
        everything = {"key": _b64(b"\0"), "range_end": _b64(b"\0"), "count_only": True}
        return int(self.read("kv/range", {**everything, "revision": revision}).get("count", 0))

    def key(self, name: bytes, revision: int) -> Found | None:
        """What it says of one key at that revision; None when there is none."""
        kvs = self.read("kv/range", {"key": _b64(name), "revision": revision}).get("kvs") or []
        if not kvs:
            return None
        numbers = [int(kvs[0].get(f, 0)) for f in ("create_revision", "mod_revision", "version", "lease")]
        created, modified, version, lease = numbers
        return Found(created, modified, version, lease, base64.b64decode(kvs[0].get("value", "")))

    def close(self) -> None:
        """Take everything away. May be called twice."""
        process, self._etcd = self._etcd, None
        if process is not None:
            processes.signal_group(process.pid, signal.SIGKILL)
            process.wait()
        if self.folder.parts:
            shutil.rmtree(self.folder, ignore_errors=True)
        reaper, self._reaper = self._reaper, None
        if reaper is not None:
            reaper.finish()

    @property
    def _tool(self) -> tuple[str, ...]:
        """What restores: from 3.5 on etcdutl."""
        return (str(self._binaries.etcdutl or self._binaries.etcdctl),)

    def _run(self, name: str, words: Sequence[str]) -> bytes:
        """A program to its end; what it printed on standard output."""
        process = self._begin(name, words)
        began = time.monotonic()
        try:
            while process.poll() is None:
                if time.monotonic() - began > RESTORE:
                    raise Died(f"{words[0]} did not end in {age(RESTORE)}.", ours=True)
                self._pause()
        finally:
            if process.poll() is None:
                processes.signal_group(process.pid, signal.SIGKILL)
            process.wait()
            assert self._reaper is not None
            self._reaper.forget(process.pid)
        if process.returncode:
            raise self._dead(name, process.returncode, f"{Path(words[0]).name} snapshot {name}")
        return (self.folder / f"{name}.out").read_bytes()

    def _begin(self, name: str, words: Sequence[str]) -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
        environment["ETCDCTL_API"] = "3"
        # By this it is known as ours even where we end before its number is told.
        environment[processes.MARK] = self.folder.name
        with (
            faults(f"{words[0]} cannot be run"),
            (self.folder / f"{name}.out").open("wb") as out,
            (self.folder / f"{name}.log").open("wb") as log,
        ):
            # A session of its own: Ctrl-C on the terminal is for us alone.
            process = subprocess.Popen(
                words,
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )
        assert self._reaper is not None
        self._reaper.family(process.pid)
        return process

    def _alive(self) -> None:
        assert self._etcd is not None
        status = self._etcd.poll()
        if status is not None:
            raise self._dead("etcd", status, "the restored etcd")

    def _dead(self, name: str, status: int, what: str) -> Died:
        said = self._last(name)
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"
        full = _NO_ROOM in said.lower()
        hint = "Make room for it, or name another folder in TMPDIR." if full else ""
        return Died(
            f"{what[:1].upper()}{what[1:]} {how}: {said}.", hint, ours=full or status == -signal.SIGKILL
        )

    def _last(self, name: str) -> str:
        """The last words of a program that count."""
        lines: list[str] = []
        for suffix in ("log", "out"):
            with contextlib.suppress(OSError), (self.folder / f"{name}.{suffix}").open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 16_000))
                lines += file.read().decode("utf-8", "replace").splitlines()
        return clean(_said(lines), 400).rstrip(". ") or "it said nothing"

    def _pause(self) -> None:
        if self._cancelled():
            raise Cancelled("The rehearsal was stopped; nothing is left of it.")
        time.sleep(_TICK)


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket that is a file."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ASK)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ASK)
        self.sock.connect(str(self._path))


def _said(lines: Sequence[str]) -> str:
    """The line that says why: of etcd's log the last grave one, else the last one."""
    told = list(_sentences(lines))
    grave = [words for level, words in told if level in ("panic", "fatal", "error")]
    return (grave or [words for _, words in told] or [""])[-1]


def _sentences(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if not line.strip() or line.startswith(("goroutine ", "\t")):
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            first = line.split(" ", 1)[0]
            yield ("error" if first in ("Error:", "panic:") else ""), line.strip()
            continue
        if isinstance(entry, dict):
            words = [str(entry.get("msg", "")), str(entry.get("error", ""))]
            yield str(entry.get("level", "")), ": ".join(word for word in words if word)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
