"""A backup brought off its host: the product's way, plain ``scp``, and paramiko's ``sftp.get``, in turns.

All three log in to one OpenSSH server on loopback, as it is set up when nobody changes it, each with the
cipher that it picks by itself, and write into the same folder; connecting is part of every time. The product
hashes what comes, compares it with the digest that a snapshot
carries, looks at the length and syncs; the others do none of that. The host is this machine: its share of
the work is done by the same cores.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from tests.bench.report import Result, load
from tests.live.reach_sshd import SSHD, Sshd, me, stopping

SIZE = (1 << 30) + (5 << 20)  # bytes before its digest; paramiko would renew its keys twice
SCP, SFTP, MEMORY = 0.85, 2.5, 150.0  # shares of the others' rates; MB
STUCK = 90.0  # seconds; paramiko's own get can wait for ever when a renewal of keys meets the end
GOAL = f"≥ {SCP} × scp, ≥ {SFTP} × sftp.get"

# A process that does nothing but fetch: seconds, peak of its memory in MB, and where it spent its time.
_FETCH = """
import cProfile, contextlib, io, pstats, resource, sys, time
from pathlib import Path
from etcdtui.config import Host, SshOptions
from etcdtui.reach.ssh import SshRunner
from etcdtui.reach.ssh_config import resolve
from etcdtui.reach.transfer import Source, fetch
port, user, identity, known, source, target, size, profile = sys.argv[1:]
options = SshOptions(identity=identity, known_hosts=known, config="none")
runner = SshRunner(resolve(Host("host", "127.0.0.1", int(port), user), options))
watch = cProfile.Profile() if profile else contextlib.nullcontext()
begin = time.perf_counter()
with watch:
    (came,) = fetch(runner, [Source(source, int(size))], Path(target).parent)
spent = time.perf_counter() - begin
runner.close()
assert came.size == int(size)
print(spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
if profile:
    text = io.StringIO()
    pstats.Stats(watch, stream=text).sort_stats("tottime").print_stats(8)
    print(text.getvalue().partition("percall filename")[2].partition("\\n")[2])
"""

_GET = """
import sys, time
import paramiko
port, user, identity, source, target = sys.argv[1:]
begin = time.perf_counter()
transport = paramiko.Transport(("127.0.0.1", int(port)))
transport.connect(username=user, pkey=paramiko.PKey.from_path(identity))
paramiko.SFTPClient.from_transport(transport).get(source, target)
print(time.perf_counter() - begin)
transport.close()
"""


@dataclass(slots=True)
class _Ways:
    """The ways to one server, from ``source`` to a file in ``there`` that is taken away again."""

    server: Sshd
    source: Path
    there: Path
    peaks: list[float] = field(default_factory=list)
    profile: str = ""

    def unsealed(self) -> float:
        """A file without a digest of its own, which the host has to hash meanwhile."""
        return self._fetch(self.source.with_suffix(".gz"))

    def scp(self) -> float:
        return self._scp(synced=False)

    def scp_synced(self) -> float:
        return self._scp(synced=True)

    def _scp(self, *, synced: bool) -> float:
        known = ("-o", f"UserKnownHostsFile={self.server.known}", "-o", "IdentitiesOnly=yes")
        login = ("-F", "none", "-i", str(self.server.user_key), "-P", str(self.server.port))
        target = self._target()
        begin = perf_counter()
        words = ("scp", "-q", *login, *known, f"{me()}@127.0.0.1:{self.source}", str(target))
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        if synced:
            with target.open("rb") as file:
                os.fsync(file.fileno())
        return perf_counter() - begin

    def get(self) -> float:
        words = (str(self.server.port), me(), str(self.server.user_key))
        try:
            done = _python(_GET, *words, str(self.source), str(self._target()))
        except subprocess.TimeoutExpired:
            return float("inf")
        return float(done)

    def fetch(self) -> float:
        return self._fetch(self.source)

    def _fetch(self, source: Path, profile: str = "") -> float:
        words = (str(self.server.port), me(), str(self.server.user_key), str(self.server.known))
        target = self._target().with_name(source.name)
        said = _python(_FETCH, *words, str(source), str(target), str(source.stat().st_size), profile)
        first, _, self.profile = said.partition("\n")
        spent, peak = map(float, first.split())
        self.peaks.append(peak)
        return spent

    def profiled(self) -> list[str]:
        self._fetch(self.source, profile="yes")
        return [line for line in self.profile.splitlines() if line.strip()]

    def _target(self) -> Path:
        shutil.rmtree(self.there, ignore_errors=True)
        self.there.mkdir(mode=0o700)
        return self.there / "snapshot.db"


def measure(folder: Path, quick: bool) -> Iterator[Result]:
    """Goals 8 and 9. Files lie in memory where the machine has such a folder, so that no disk is measured."""
    if not SSHD or not shutil.which("scp"):
        yield Result("8 a backup off its host", "not measured: no sshd or no scp here", GOAL, None)
        return
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() and shutil.disk_usage(memory).free > 3 * SIZE else folder
    with (
        stopping(Sshd(folder / "sshd", "Subsystem sftp internal-sftp")) as server,
        tempfile.TemporaryDirectory(prefix="etcdtui-bench-", dir=place) as name,
    ):
        source = Path(name) / "source.db"
        _snapshot(source, SIZE >> 3 if quick else SIZE)
        source.with_suffix(".gz").hardlink_to(source)
        yield from _compare(_Ways(server, source, Path(name) / "here"), 2 if quick else 5)
        yield from _on_disk(_Ways(server, source, folder / "here"), 1 if quick else 3)


def _compare(ways: _Ways, rounds: int) -> Iterator[Result]:
    size = ways.source.stat().st_size
    scp, ours, get, unsealed = _turns(rounds, ways.scp, ways.fetch, ways.get, ways.unsealed)
    to_scp, to_get = _ratio(scp, ours), _ratio(get, ours)
    met = to_scp >= SCP and to_get >= SFTP
    raw = [
        _rates("fetch", size, ours),
        _rates("fetch of a file that the host must hash too", size, unsealed),
        _rates("scp", size, scp),
        _rates("sftp.get", size, get) + f"; stuck: {get.count(float('inf'))}",
        f"at their best: {min(scp) / min(ours):.2f} × scp, {min(get) / min(ours):.2f} × sftp.get",
        f"where the host must hash too: {_ratio(scp, unsealed):.2f} × scp; " + load(),
    ]
    if not met:
        raw += ["where the fetching thread is:", *ways.profiled()]
    yield Result(
        f"8 a backup of {size >> 20} MiB off its host",
        f"{to_scp:.2f} × scp, {to_get:.2f} × sftp.get",
        GOAL,
        met,
        raw,
    )
    small = ways.source.with_name("small.db")
    _snapshot(small, size >> 4)
    peak = max(ways.peaks)
    less = _Ways(ways.server, small, ways.there)
    less.fetch()
    yield Result(
        "9 memory of bringing it",
        f"{peak:.0f} MB",
        f"≤ {MEMORY:.0f} MB, whatever the size",
        peak <= MEMORY,
        [f"a sixteenth of the size: {less.peaks[0]:.0f} MB"],
    )


def _on_disk(ways: _Ways, rounds: int) -> Iterator[Result]:
    """For the record: the same into a folder on a disk, where syncing takes its time."""
    size = ways.source.stat().st_size
    scp, synced, ours = _turns(rounds, ways.scp, ways.scp_synced, ways.fetch)
    ratio = _ratio(synced, ours)
    yield Result(
        "8 the same onto the disk of temporary files",
        f"{ratio:.2f} × scp and a sync of its file",
        f"≥ {SCP}",
        ratio >= SCP,
        [
            _rates("fetch", size, ours),
            _rates("scp and sync", size, synced),
            _rates("scp alone", size, scp),
            load(),
        ],
    )


def _turns(rounds: int, *ways: Callable[[], float]) -> Sequence[list[float]]:
    times: Sequence[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, found in zip(ways, times, strict=True):
            found.append(way())
    return times


def _ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """How much quicker ours was, in the middle of all turns: the two of a turn saw the same machine."""
    return statistics.median(them / us for them, us in zip(theirs, ours, strict=True))


def _rates(name: str, size: int, seconds: Sequence[float]) -> str:
    shown = " ".join(f"{size / each / (1 << 20):.0f}" for each in seconds)
    return f"{name}: median {size / statistics.median(seconds) / (1 << 20):.0f} MiB/s of {shown}"


def _snapshot(path: Path, size: int) -> None:
    """Random bytes, as encrypted secrets are, and their digest behind them, as a snapshot has it."""
    digest, block = hashlib.sha256(), os.urandom(1 << 20)
    with path.open("wb") as file:
        for at in range(0, size, len(block)):
            piece = at.to_bytes(8, "little") + block[8 : min(len(block), size - at)]
            file.write(piece)
            digest.update(piece)
        file.write(digest.digest())


def _python(code: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *words], check=True, stdout=subprocess.PIPE, text=True, timeout=STUCK
    )
    return done.stdout
