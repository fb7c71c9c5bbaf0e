"""Known lines of etcd's own log, and what they mean. Text in, signatures out.

The words are those of etcd 3.4 and 3.5, read in its source and seen in runs. Lines are zap JSON, or plain
text of a Go panic.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from etcdtui.model.probe import Signature
from etcdtui.text import clean

WINDOW = 30.0  # seconds before the last line that belong to one end of a process
_LINE = 300  # characters of a line that are shown
_MESSAGE = re.compile(r'"msg":"((?:[^"\\]|\\.)*)"')  # of a line that was cut off
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?")


@dataclass(frozen=True, slots=True)
class _Known:
    name: str
    pattern: re.Pattern[str]
    weight: int
    sentence: str


def _known(name: str, weight: int, pattern: str, sentence: str) -> _Known:
    return _Known(name, re.compile(pattern, re.IGNORECASE), weight, sentence)


# From 80 on it ends the member, from 40 on it harms it, below it explains. Of a line the first one counts.
_KNOWN = (
    _known(
        "removed",
        95,
        r"permanently removed from the cluster|data-dir used by this member must be removed",
        "it was removed from the cluster and started again with its old data",
    ),
    _known(
        "wiped",
        94,
        r"tocommit\(\d+\) is out of range|was the raft log corrupted, truncated, or lost",
        "its data were wiped although the cluster still counts on them",
    ),
    _known(
        "bootstrapped",
        94,
        r"has already been bootstrapped",
        "its data were wiped, and it wants to found a cluster that it belongs to already",
    ),
    _known(
        "unequal",
        90,
        r"member count is unequal|error validating peerURLs",
        "its ETCD_INITIAL_CLUSTER does not match the member list",
    ),
    _known("full", 92, r"no space left on device", "its disk is full"),
    _known(
        "diverged",
        91,
        r"found data inconsistency with peers|found hash mismatch|checkInitialHashKV failed|alarm:CORRUPT",
        "its data differ from those of the others",
    ),
    _known(
        "damaged",
        90,
        r"crc mismatch|cannot be repaired|invalid database|file size too small|page \d+ already freed"
        r"|freepages:|panic: (assertion failed|page |freelist|runtime error|.*bbolt|.*bucket|.*unreachable)"
        r"|failed to recover v3 backend|fail(ed)? to open (the )?database|snap(shot)?: .*(empty|corrupt|crc)"
        r"|snapshot file (path )?(doesn't exist|not found)|max entry size limit exceeded"
        r"|unexpected fault address|wal: .*(unexpected|corrupt)"
        r"|invalid (page|checksum|meta)|version mismatch",
        "its data are damaged",
    ),
    _known(
        "address",
        88,
        r"bind: cannot assign requested address",
        "its address is no longer one of this host",
    ),
    _known("port", 87, r"bind: address already in use", "something else listens on its port"),
    _known(
        "files",
        86,
        r"open /\S+\.(crt|key|pem): |failed to find any PEM data|private key does not match",
        "its certificate files cannot be used",
    ),
    _known(
        "forbidden", 85, r"permission denied|read-only file system", "it may not write to its data folder"
    ),
    _known("alien", 70, r"cluster ID mismatch", "it belongs to another cluster than its peers"),
    _known(
        "client-expired",
        60,
        r"rejected connection.*(has expired|not yet valid)|(x509|tls): .*(has expired|not yet valid)",
        "a certificate it was shown has expired, or is not valid yet by this host's clock",
    ),
    _known(
        "untrusted",
        58,
        r"(x509|tls): .*(unknown authority|unknown certificate authority)",
        "a certificate it was shown is of an authority it does not know",
    ),
    _known(
        "misnamed",
        57,
        r"x509: certificate is valid for|doesn't contain any IP SANs|not valid for any names",
        "a certificate it was shown is for another name",
    ),
    _known("tls", 50, r"rejected connection.*(tls|x509)|error: tls", "it turned a connection away in TLS"),
    _known("clock", 48, r"prober found high clock drift", "its clock and that of a peer differ"),
    _known("quota", 47, r"database space exceeded|alarm:NOSPACE", "its database has reached the quota"),
    _known(
        "slow-disk",
        45,
        r"slow fdatasync|failed to send out heartbeat on time|overloaded likely from slow disk",
        "its disk, or its processor, is too slow",
    ),
    _known(
        "peer-removed",
        42,
        r"rejected stream from remote peer because it was removed",
        "a removed member knocks at it",
    ),
    _known(
        "elections",
        40,
        r"is starting a new election at term|lost leader|no leader",
        "it finds no leader",
    ),
    _known(
        "peer-down",
        20,
        r"prober detected unhealthy status|lost TCP streaming connection|peer became inactive"
        r"|failed to reach the peer|failed to dial|dial tcp .*(refused|no route|timeout)",
        "it cannot reach a peer",
    ),
    _known(
        "slow-apply", 15, r"apply request took too long|ReadIndex response took too long", "it answers late"
    ),
    _known("ended", 10, r"received signal|osutil.*signal|shutting down", "it was told to end"),
)


def recognise(lines: Iterable[str], *, running: bool, now: float | None = None) -> tuple[Signature, ...]:
    """What is known of these lines, oldest first; what weighs most first, each with its last line.

    Of a process that runs only the last ``WINDOW`` seconds (by ``now``, the host's clock) speak for it now;
    of one that ended those before its end.
    """
    spoken = _timed(lines)
    times = [at for at, _ in spoken if at is not None]
    end = now if running and now is not None else max(times, default=None)
    found: dict[str, Signature] = {}
    for at, words in spoken:
        if end is not None and at is not None and at < end - WINDOW:
            continue
        known = next((k for k in _KNOWN if k.pattern.search(words)), None)
        if known is None:
            continue
        before = found.get(known.name)
        new = Signature(known.name, known.sentence, clean(words, _LINE), known.weight, at)
        found[known.name] = replace(new, count=before.count + 1) if before else new
    return tuple(sorted(found.values(), key=lambda s: -s.weight))


def spoken(line: str) -> str:
    """A line as a human reads it: of zap JSON its message and error. Not cleaned."""
    entry = _entry(line)
    if entry is not None:
        return _words(entry)
    cut = _MESSAGE.search(line) if line.startswith("{") else None
    return cut[1] if cut else line


def _timed(lines: Iterable[str]) -> list[tuple[float | None, str]]:
    """Lines with their times; one without has that of the line before it."""
    out: list[tuple[float | None, str]] = []
    last: float | None = None
    for line in lines:
        entry = _entry(line)
        if entry is not None:
            last = _time(entry.get("ts")) or last
            out.append((last, _words(entry)))
        else:
            match = _TIME.match(line)
            last = (_time(match[0]) if match else None) or last
            out.append((last, line))
    return out


def _entry(line: str) -> dict[str, object] | None:
    if not line.startswith("{"):
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _words(entry: dict[str, object]) -> str:
    said = [str(entry[key]) for key in ("msg", "remote-addr", "error") if isinstance(entry.get(key), str)]
    return ": ".join(said)


def _time(told: object) -> float | None:
    if isinstance(told, int | float) and not isinstance(told, bool):
        return float(told)
    if not isinstance(told, str):
        return None
    try:
        moment = datetime.fromisoformat(told.replace(" ", "T"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
