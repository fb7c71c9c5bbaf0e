"""Files of a host to this machine: streamed, hashed while they flow, resumed, proven to be the same."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from etcdtui.errors import (
    Cancelled,
    CommandFailed,
    Dropped,
    Refusal,
    SudoRefused,
    TimedOut,
    UnexpectedOutput,
    Unreachable,
)
from etcdtui.landing import (
    BLOCK,
    Cancel,
    Landing,
    LocalFault,
    Meter,
    Progress,
    landed,
    own_folder,
    room_for,
    sha256_of,
    taken,
)
from etcdtui.reach.runner import Runner, Stream
from etcdtui.reach.sums import Sums
from etcdtui.text import age, clean
from etcdtui.text import size as bytes_text

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before the next attempt after a drop; from the beginning again whenever bytes have come."""

PATIENCE = 120.0
"""Seconds without a single byte, over all attempts, until it is given up."""

_START = 20.0  # seconds for a command to start or for a stat
_STALL = 30.0  # seconds of silence until the connection counts as lost
_SUM = 900.0  # seconds for the host to finish its digest after the last byte
_SLICE = 0.25  # seconds until a cancel is noticed

# Arguments: FILE. Prints "SIZE WHO-AND-WHEN"; the second part is only ever compared.
_LOOK = r"""stat -L -c '%s %y/%i' -- "$1" 2>/dev/null || stat -L -f '%z %Fm/%i' -- "$1" """

# A function of a script: the SHA-256 of standard input, by whatever program a host has for it.
DIGEST = r"""
sum() {
  if command -v openssl >/dev/null 2>&1; then openssl dgst -sha256 -r
  elif command -v sha256sum >/dev/null 2>&1; then sha256sum
  else shasum -a 256; fi
}
"""

# Arguments: FILE. Prints its SHA-256.
_SUM_ONLY = DIGEST + r"""sum <"$1" """

# Arguments: FILE BLOCKS SUM. Sends the file from its BLOCKSth MiB on. While it does, the digest of the whole
# file is made from the same pages of the cache, and said on standard error; with another SUM than "sum" not.
_SEND = (
    DIGEST
    + r"""
LC_ALL=C; export LC_ALL
[ -r "$1" ] || { echo "$1: cannot be read" >&2; exit 66; }
if [ "$3" = sum ]; then { h=$(sum <"$1"); echo "etcdtui-sha256 $h" >&2; } >/dev/null & fi
dd if="$1" bs=1048576 skip="$2"; s=$?
wait
exit $s
"""
)

_SAID = re.compile(rb"^etcdtui-sha256 ([0-9a-f]{64})\b", re.MULTILINE)
_HEX = re.compile(r"[0-9a-f]{64}\b")
_NOISE = re.compile(r"records (in|out)|bytes .*(copied|transferred)|^etcdtui-sha256 ")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is here now: ``size`` in bytes, its ``sha256`` in hex as the host or the file has it."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Source:
    """A file on a host: absolute ``path``, expected ``size`` in bytes, SHA-256 in hex where it is known; else
    a snapshot's own digest at its end tells it, or the host makes one."""

    path: str
    size: int
    sha256: str | None = None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


T = TypeVar("T")


class _Short(Exception):
    """Fewer bytes came than were promised, and nobody said why."""


def fetch(
    runner: Runner,
    sources: Sequence[Source],
    folder: Path,
    *,
    sudo: Sequence[str] = (),
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
    patience: float = PATIENCE,
) -> tuple[Fetched, ...]:
    """Bring all files of a set into ``folder`` (0700; files 0600), or none: names are given when the last is
    proven. A crash while they are given is healed by calling again.

    Goes on with what an earlier attempt left in ``.part`` files, comes back after a dropped connection for
    ``patience`` seconds without a byte. Raises Refusal (changed there, another file here, another etcdtui at
    it), LocalFault (disk), Cancelled, Unreachable and its kin, CommandFailed, SudoRefused, UnexpectedOutput.
    After each a ``.part`` stays, unless it was shown to be wrong.
    """
    own_folder(folder)
    room_for(folder, sum(_missing(source, folder) for source in sources))
    with contextlib.ExitStack() as stack:
        came: list[tuple[Fetched, Landing | None]] = []
        for source in sources:
            arrival = _Arrival(runner, source, folder / source.name, tuple(sudo), cancelled, patience)
            came.append(arrival.bring(stack, Meter(source.name, source.size, progress)))
        for _, landing in came:
            if landing:
                landing.settle()
    return tuple(fetched for fetched, _ in came)


def host_digest(runner: Runner, sudo: Sequence[str], path: str) -> str:
    """The SHA-256 of a file as the host computes it. Raises CommandFailed and what the Runner raises."""
    done = runner.run((*sudo, "sh", "-c", _SUM_ONLY, "sha256", path), timeout=_SUM)
    found = _HEX.match(done.out().strip())
    if not done.ok or not found:
        raise _failed(runner.host, path, done.err())
    return found[0]


def _missing(source: Source, folder: Path) -> int:
    for name in (source.name, f"{source.name}.part"):
        with contextlib.suppress(OSError):
            return max(0, source.size - (folder / name).stat().st_size)
    return source.size


@dataclass(slots=True)
class _Arrival:
    """One file on its way."""

    runner: Runner
    source: Source
    target: Path
    sudo: tuple[str, ...]
    cancelled: Cancel | None
    patience: float
    heard: float = field(default_factory=time.monotonic)  # when the last byte came
    quiet: int = 0  # attempts since

    def bring(self, stack: contextlib.ExitStack, meter: Meter) -> tuple[Fetched, Landing | None]:
        """All bytes in ``.part``, synced and proven; the Landing is None where the file is here already."""
        seen = self._patiently(self._look, meter, 0)
        if landed(self.target):
            return self._already_here(meter), None
        landing = stack.enter_context(Landing(self.target))
        resumed = landing.length >= BLOCK
        while True:
            try:
                room_for(self.target.parent, max(0, self.source.size - landing.length))
                made, told = self._flow(landing, meter)
                landing.sync()
            except LocalFault as exc:
                if not exc.full:
                    raise
                raise LocalFault(exc.message, f"{exc.hint} {self._kept(landing)}", full=True) from exc
            except Cancelled as exc:
                raise Cancelled(
                    f"Fetching {self.source.name} from {self.runner.host} was stopped.", self._kept(landing)
                ) from exc
            if self._patiently(self._look, meter, landing.length, landing) != seen:
                landing.discard()
                raise self._changed("changed while it was being fetched")
            told = self.source.sha256 or told or self._patiently(self._sum, meter, landing.length, landing)
            if made == told:
                return Fetched(self.target, self.source.size, made), landing
            if not resumed:
                landing.discard()
                raise UnexpectedOutput(
                    f"{self.source.path} of {self.runner.host} did not arrive as it is: its SHA-256 is "
                    f"{told[:16]}… there and {made[:16]}… here. What came was thrown away.",
                    "Fetch it again; if this repeats, check the memory and the disk of both machines.",
                )
            # What an earlier attempt left was not the beginning of this file.
            resumed = False
            landing.take_up(0)

    def _already_here(self, meter: Meter) -> Fetched:
        meter.at(0, "reading what is here already")
        here = sha256_of(self.target, self.cancelled)
        there = self.source.sha256 or self._patiently(self._sum, meter, 0)
        if here != there:
            raise taken(self.target)
        return Fetched(self.target, self.source.size, here)

    def _flow(self, landing: Landing, meter: Meter) -> tuple[str, str | None]:
        """Until all bytes are here: the digest made of them, and the one that they or the host tell."""
        size = self.source.size

        def once() -> tuple[str, str | None]:
            # Whole blocks only: dd skips blocks, and a torn last one is taken again.
            start = min(landing.length, size) // BLOCK * BLOCK
            with Sums(landing.take_up(start, self.cancelled), start, size) as sums:
                told = self._stream(landing, sums, meter)
                made = sums.hexdigest()
                return made, made if sums.sealed else told

        return self._patiently(once, meter, landing.length, landing)

    def _stream(self, landing: Landing, sums: Sums, meter: Meter) -> str | None:
        # A snapshot carries its digest: the host is asked for another only where that does not hold.
        want = "no" if self.source.sha256 or self.source.name.endswith(".db") else "sum"
        words = ("send-file", self.source.path, str(landing.length // BLOCK), want)
        stream = self.runner.stream((*self.sudo, "sh", "-c", _SEND, *words), timeout=_START)
        try:
            meter.at(landing.length)
            while block := self._next(stream, _SUM if landing.length == self.source.size else _STALL):
                if landing.length + len(block) > self.source.size:
                    raise self._changed("grew while it was being fetched")
                sums.update(block)
                landing.write(block)
                self.heard, self.quiet = time.monotonic(), 0
                meter.at(landing.length)
            said = stream.stderr()
        finally:
            stream.close()
        if landing.length < self.source.size:
            if self._look()[0] != self.source.size:
                raise self._changed("changed while it was being fetched")
            if _reason(said):
                raise _failed(self.runner.host, self.source.path, said.decode("utf-8", "replace"))
            raise _Short
        found = _SAID.search(said)
        return found[1].decode() if found else None

    def _next(self, stream: Stream, limit: float) -> bytes:
        until = time.monotonic() + limit
        while True:
            if self.cancelled and self.cancelled.is_set():
                raise Cancelled("stopped")
            try:
                return stream.receive(_SLICE)
            except TimedOut as exc:
                # Short waits, so that a cancel is noticed; only a long silence counts as one.
                if time.monotonic() >= until:
                    raise TimedOut(f"{self.runner.host} sent nothing for {limit:g} s.", exc.hint) from exc
            except (EOFError, OSError) as exc:
                # A connection may break while it grants the host more room to send.
                raise Dropped(f"The connection to {self.runner.host} broke.") from exc

    def _look(self) -> tuple[int, str]:
        """Size, and what tells this version of the file from another."""
        done = self.runner.run(
            (*self.sudo, "sh", "-c", _LOOK, "look-at-file", self.source.path), timeout=_START
        )
        size, _, version = done.out().strip().partition(" ")
        if not done.ok or not size.isdigit():
            raise _failed(self.runner.host, self.source.path, done.err())
        if int(size) != self.source.size:
            raise self._changed(f"has {bytes_text(int(size))} now, and {bytes_text(self.source.size)} before")
        return int(size), version

    def _sum(self) -> str:
        return host_digest(self.runner, self.sudo, self.source.path)

    def _patiently(self, what: Callable[[], T], meter: Meter, done: int, landing: Landing | None = None) -> T:
        """``what``, again and again while the host cannot be reached. Raises Dropped when it is given up."""
        while True:
            try:
                return what()
            except (Unreachable, _Short) as exc:
                silence = time.monotonic() - self.heard
                done = landing.length if landing else done
                said = exc.message if isinstance(exc, Unreachable) else "The host ended the transfer early."
                if silence >= self.patience:
                    kept = f" {self._kept(landing)}" if landing else ""
                    raise Dropped(
                        f"{self.source.name} could not be fetched from {self.runner.host}: nothing came for "
                        f"{age(silence)}. {said}",
                        f"Check the way to the host.{kept}",
                    ) from exc
                pause = PAUSES[min(self.quiet, len(PAUSES) - 1)]
                self.quiet += 1
                meter.at(done, f"{clean(said, 160)} Trying again in {pause:g} s.")
                self._pause(pause, landing)

    def _pause(self, seconds: float, landing: Landing | None) -> None:
        if not self.cancelled:
            time.sleep(seconds)
        elif self.cancelled.wait(seconds):
            raise Cancelled(
                f"Fetching {self.source.name} from {self.runner.host} was stopped.",
                self._kept(landing) if landing else "",
            )

    def _kept(self, landing: Landing) -> str:
        came = f"{bytes_text(landing.length)} of {bytes_text(self.source.size)}"
        return f"{came} are kept in {landing.part}; the next attempt goes on from there."

    def _changed(self, how: str) -> Refusal:
        return Refusal(
            f"{self.source.path} on {self.runner.host} {how}.",
            "Something still writes it. Look at the list again, and take what is finished.",
        )


def _reason(stderr: bytes) -> str:
    """The last line that says what went wrong; empty when nothing did."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines()]
    return next((clean(line, 200) for line in reversed(lines) if line and not _NOISE.search(line)), "")


def _failed(host: str, path: str, stderr: str) -> CommandFailed | SudoRefused:
    said = _reason(stderr.encode()) or "no reason was given"
    if said.startswith("sudo:"):
        return SudoRefused(
            f"sudo on {host} refuses: {said}.",
            "Allow the login user to run commands without a password there.",
        )
    return CommandFailed(f"{path} on {host} cannot be read: {said}.", said=stderr)
