"""A full proof of a snapshot against ``etcdutl snapshot status``, as a ratio.

Makes two snapshots with a real etcd, unless the folder has them from an earlier run: 10 000 large values
(1 GiB) and 500 000 small ones. Then both programs take turns on each, with the file in the page cache;
medians are compared. etcdutl looks at the structure alone; the proof also hashes every byte, and nobody can
prove faster than that takes: ``hashlib.file_digest`` of the same file stands beside it.
The peak of resident memory is that of a process that does nothing but prove.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.report import Result, load
from tests.data.record import found_binaries, free_ports

CASES = {"large": (10_000, 100 << 10), "small": (500_000, 200)}  # keys, bytes of a value
GOAL, MEMORY = 1.5, 150.0  # times etcdutl's; MB
_ALONE = """
import resource, sys, time
from pathlib import Path
from etcdtui.etcd.snapshot import prove
begin = time.perf_counter()
proof = prove(Path(sys.argv[1]))
spent = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(spent, peak, proof.good, proof.facts.revision, proof.facts.entries)
"""


@contextmanager
def single(binaries: Path, folder: Path) -> Iterator[int]:
    """One etcd without TLS, its client port."""
    ports = free_ports(2)
    client, peer = (f"http://127.0.0.1:{port}" for port in ports)
    words = [str(binaries / "etcd"), "--name", "m1", "--data-dir", str(folder / "data")]
    words += ["--listen-client-urls", client, "--advertise-client-urls", client]
    words += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    words += ["--initial-cluster", f"m1={peer}", "--unsafe-no-fsync", "--snapshot-count", "500"]
    words += ["--quota-backend-bytes", str(8 << 30), "--max-txn-ops", "2000"]
    words += ["--max-request-bytes", str(32 << 20), "--log-level", "error"]
    process = subprocess.Popen(words)
    try:
        yield ports[0]
    finally:
        process.kill()
        process.wait()


def fill(port: int, keys: int, size: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    batch = max(1, min(1000, (4 << 20) // size))
    for first in range(0, keys, batch):
        puts = [
            {"requestPut": {"key": _b64(_key(number)), "value": _b64(os.urandom(size))}}
            for number in range(first, min(keys, first + batch))
        ]
        for attempt in range(50):
            try:
                connection.request("POST", "/v3/kv/txn", json.dumps({"success": puts}))
                answer = connection.getresponse()
                said = answer.read()
                break
            except OSError:
                connection.close()
                time.sleep(0.2)
                if attempt == 49:
                    raise
        if answer.status != 200:
            raise RuntimeError(f"etcd says {answer.status}: {said[:200]!r}")


def _key(number: int) -> bytes:
    return f"/kubernetes.io/configmaps/namespace-{number % 97:02d}/name-{number:07d}".encode()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def make(folder: Path, name: str, binaries: Path) -> Path:
    path = folder / f"{name}.db"
    if not path.exists():
        print(f"making {path} …", flush=True)
        with (
            tempfile.TemporaryDirectory(prefix="etcdtui-bench-") as scratch,
            single(binaries, Path(scratch)) as port,
        ):
            fill(port, *CASES[name])
            words = [str(binaries / "etcdctl"), f"--endpoints=127.0.0.1:{port}", "snapshot", "save"]
            environment = {**os.environ, "ETCDCTL_API": "3"}
            subprocess.run([*words, str(path)], check=True, capture_output=True, env=environment)
    return path


def _compare(path: Path, etcdutl: Path, rounds: int) -> Iterator[Result]:
    ours, theirs, hashes, peaks = [], [], [], []
    for _ in range(rounds):
        begin = time.perf_counter()
        said = subprocess.run(
            [str(etcdutl), "snapshot", "status", str(path), "-w", "json"], check=True, capture_output=True
        )
        theirs.append(time.perf_counter() - begin)
        status = json.loads(said.stdout)
        done = subprocess.run(
            [sys.executable, "-c", _ALONE, str(path)], check=True, capture_output=True, text=True
        )
        took, peak, good, revision, entries = done.stdout.split()
        if (good, int(revision), int(entries)) != ("True", status["revision"], status["totalKey"]):
            raise RuntimeError(f"not the same: {done.stdout} {status}")
        ours.append(float(took))
        peaks.append(float(peak))
        hashes.append(_hash(path))
    spent, beside, least = (statistics.median(times) for times in (ours, theirs, hashes))
    raw = [
        f"{name}: {' '.join(f'{t:.2f}' for t in times)} s"
        for name, times in (("proof", ours), ("etcdutl", theirs), ("sha256 alone", hashes))
    ]
    raw.append(
        f"the sha256 alone takes {least / beside:.2f} × etcdutl, the proof {spent / least:.2f} × the sha256"
    )
    raw.append(load())
    size = f"{path.stat().st_size >> 20} MiB"
    name = f"11 full proof of {path.name}, {size}"
    yield Result(name, f"{spent / beside:.2f} × etcdutl", f"≤ {GOAL}", spent <= beside * GOAL, raw)
    yield Result(
        f"11 memory of it, {size}", f"{max(peaks):.0f} MB", f"≤ {MEMORY:.0f} MB", max(peaks) <= MEMORY
    )


def _hash(path: Path) -> float:
    """Seconds that the digest of the file alone takes."""
    begin = time.perf_counter()
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    return time.perf_counter() - begin


def measure(folder: Path, quick: bool) -> Iterator[Result]:
    """Goal 11. ``folder`` keeps the snapshots for another time."""
    binaries = list(found_binaries().values())[-1]
    folder.mkdir(parents=True, exist_ok=True)
    for name in CASES:
        yield from _compare(make(folder, name, binaries), binaries / "etcdutl", 2 if quick else 7)
