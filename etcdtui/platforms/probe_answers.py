"""Reading what the scripts of ``probe_scripts`` print. Text in, facts out; garbage is an error."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from etcdtui.errors import UnexpectedOutput
from etcdtui.etcd.causes import explain
from etcdtui.etcd.log_signatures import WINDOW, recognise, spoken
from etcdtui.model.platform import DiskSpace
from etcdtui.model.probe import ContainerSeen, DataSeen, HostSeen, MachineSeen, Page, Port, Shown, Try
from etcdtui.model.problems import Fault, Problem
from etcdtui.platforms import host_clock
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.probe_scripts import MANIFEST, SECONDS
from etcdtui.text import clean

_DATE = re.compile(r"([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d) (\d{4}) GMT\Z")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_VERIFY = re.compile(r"Verify return code: (\d{1,4}) \((.*)\)")
_VERIFY_ERROR = re.compile(r"verify error:num=(\d{1,4}):(.*)")
_PAGE = re.compile(r"HTTP/1\.[01] ([1-5]\d\d)")
_FIELD = re.compile(r'\s*"(\w+)": "?([^",]*)"?,?\s*\Z')
_DF = re.compile(r"\s(\d{1,20})\s+(-?\d{1,20})\s+(-?\d{1,20})\s+(?:\d+%|-)\s+(/.*)")
_TIMED_OUT = frozenset({"124", "137", "143"})  # exit codes of timeout(1), and of what it ended
_LINES = 2000
_SHOWN = 12  # log lines that are kept for the screen


def parse_try(stdout: bytes, host: str, targets: Mapping[Port, str]) -> tuple[Try, ...]:
    """What ``try_script`` printed on ``host``. Raises UnexpectedOutput when there is nothing of it."""
    lines = _lines(stdout, "etcdtui try", host)
    return tuple(
        _try(host, port, target, [line.partition(" ")[2] for line in lines if line.startswith(f"{port} ")])
        for port, target in targets.items()
    )


def parse_member(stdout: bytes, host: str, layout: Layout, asked: host_clock.Asked | None = None) -> HostSeen:
    """What ``member_script`` printed on ``host``; without ``asked`` its clock stays unknown.

    Raises UnexpectedOutput when there is nothing of it.
    """
    lines = _lines(stdout, "etcdtui member", host)
    split = next((n for n, line in enumerate(lines) if line.startswith("container ")), len(lines))
    found = _by_word(lines[:split])
    date = host_clock.told(found.get("date", ()))
    units = dict(line.partition("=")[::2] for line in found.get("unit", ()))
    return HostSeen(
        name=host,
        hostname=clean(_one(found, "hostname"), 100),
        clock_offset=host_clock.offset(found.get("date", ()), _by_word(lines).get("ended", ()), asked),
        manifest={"yes": True, "no": False}.get(_one(found, "manifest")),
        manifest_path=f"{layout.at(layout.manifests)}/{MANIFEST}",
        runtime=_one(found, "runtime") == "0",
        containers=_speaking(tuple(_containers(lines[split:], date)), date),
        kubelet=clean(units.get("ActiveState", ""), 40) if units.get("LoadState") == "loaded" else "",
        data=_data(found, layout),
        disk=_disk(found),
    )


def parse_machine(items: Sequence[Mapping[str, Any]], node: str) -> MachineSeen:
    """The Machine of ``node`` among those of the Machine API; without a name where none stands for it."""
    masters = [item for item in items if "master" in str(_at(item, "metadata", "labels"))] or list(items)
    for item in masters:
        names = [_at(item, "status", "nodeRef", "name")]
        addresses = _at(item, "status", "addresses")
        if isinstance(addresses, list):
            names += [a.get("address") for a in addresses if isinstance(a, dict)]
        if node not in names:
            continue
        return MachineSeen(
            name=_word(item, "metadata", "name"),
            phase=_word(item, "status", "phase"),
            state=_word(item, "status", "providerStatus", "instanceState"),
            message=_word(item, "status", "errorMessage"),
            bare_metal="BareMetal" in _word(item, "spec", "providerSpec", "value", "kind"),
        )
    return MachineSeen(bare_metal=not masters)


def _at(item: Any, *path: str) -> Any:
    for key in path:
        item = item.get(key) if isinstance(item, Mapping) else None
    return item


def _word(item: Any, *path: str) -> str:
    found = _at(item, *path)
    return clean(found, 200) if isinstance(found, str) else ""


def _lines(stdout: bytes, first: str, host: str) -> list[str]:
    lines = stdout.decode("utf-8", "replace").split("\n")[:_LINES]
    if lines[0].strip() != first:
        said = clean(lines[0], 200) or "nothing"
        raise UnexpectedOutput(f"The look at etcd on {host} began with {said} instead of {first!r}.")
    return lines[1:]


def _by_word(lines: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        word, _, rest = line.partition(" ")
        found.setdefault(word, []).append(rest)
    return found


def _one(found: Mapping[str, Sequence[str]], word: str) -> str:
    return next(iter(found.get(word, ())), "").strip()


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


# a try


def _try(host: str, port: Port, target: str, lines: Sequence[str]) -> Try:
    found = _by_word(lines)
    said = "\n".join(found.get("line", ()))
    certificate = _certificate(found.get("cert", ()))
    verified, verdict = _verified(found.get("line", ()), certificate is not None)
    pages = _pages(found.get("http", ()))
    code, ended = _one(found, "code"), _one(found, "ended")
    connected = "tcp" in found
    return Try(
        host=host,
        port=port,
        target=target,
        connected=connected,
        certificate=certificate,
        verified=verified,
        verdict=clean(verdict, 200),
        health=pages[0] if pages and port is Port.CLIENT else None,
        readyz=pages[1] if len(pages) > 1 else None,
        problem=_problem(port, said, code, ended, connected, certificate, verified, verdict, pages),
    )


def _problem(
    port: Port,
    said: str,
    code: str,
    unanswered: str,
    connected: bool,
    certificate: Shown | None,
    verified: int | None,
    verdict: str,
    pages: Sequence[Page],
) -> Problem | None:
    """Why it ended where it ended; None when an answer came and the certificate is good."""
    late = code in _TIMED_OUT
    if certificate is not None and verified:
        return Problem(Fault.TLS, f"its certificate is not good: {clean(verdict, 200)}")
    if pages:
        return None
    explained = explain(said)
    if explained is not None and not (late and explained.fault is Fault.TLS):
        return explained
    if late and not connected:
        return Problem(Fault.SILENT, f"no connection within {SECONDS} s")
    if late and certificate is None:
        return Problem(
            Fault.SILENT, f"it takes the connection and says nothing for {SECONDS} s, not even TLS"
        )
    if late or unanswered in _TIMED_OUT:
        return Problem(Fault.SILENT, f"TLS works, no answer to a question within {SECONDS} s")
    if not code:
        return Problem(Fault.NOT_ASKED, "it was not tried")
    if port is Port.PEER and certificate is not None:
        return None
    if not connected:
        return Problem(Fault.UNREACHABLE, "no connection")
    return Problem(Fault.DROPPED, "it closes the connection without an answer")


def _verified(lines: Sequence[str], shown: bool) -> tuple[int | None, str]:
    """openssl's judgement of the server's certificate; the first error says more than the last."""
    if not shown:
        return None, ""
    for pattern in (_VERIFY_ERROR, _VERIFY):
        for line in lines:
            match = pattern.search(line)
            if match:
                return int(match[1]), match[2].strip()
    return None, ""


def _pages(lines: Sequence[str]) -> list[Page]:
    """HTTP answers that follow each other, also on one line where a body has no line end."""
    text = "\n".join(lines).strip().removesuffix("closed")
    starts = list(_PAGE.finditer(text))
    ends = [*(match.start() for match in starts), len(text)][1:]
    return [
        Page(int(match[1]), clean(text[match.end() : end].partition("\n\n")[2].strip(), 300))
        for match, end in zip(starts, ends, strict=False)
    ]


def _certificate(lines: Sequence[str]) -> Shown | None:
    if not lines:
        return None
    fields = dict(line.strip().partition("=")[::2] for line in lines if "=" in line)
    names: tuple[str, ...] = ()
    for line in lines:
        if "DNS:" in line or "IP Address:" in line:
            names = tuple(clean(n.strip().partition(":")[2], 100) for n in line.split(",")[:40])
    return Shown(
        subject=clean(fields.get("subject", "").strip(), 200),
        issuer=clean(fields.get("issuer", "").strip(), 200),
        not_before=_day(fields.get("notBefore", "")),
        not_after=_day(fields.get("notAfter", "")),
        names=names,
    )


def _day(told: str) -> float | None:
    match = _DATE.match(told.strip())
    if match is None or match[1] not in _MONTHS:
        return None
    day, hour, minute, second, year = (int(match[i]) for i in range(2, 7))
    return float(calendar.timegm((year, _MONTHS.index(match[1]) + 1, day, hour, minute, second, 0, 0, 0)))


# the host


def _containers(lines: Sequence[str], now: float | None) -> Iterable[ContainerSeen]:
    groups: list[list[str]] = []
    for line in lines:
        if line.startswith("container "):
            groups.append([line])
        elif groups and line.startswith(("inspect ", "process ", "log ")):
            groups[-1].append(line)
    for group in groups:
        found = _by_word(group)
        fields: dict[str, str] = {}
        for line in found.get("inspect", ()):
            match = _FIELD.match(line)
            if match:
                fields.setdefault(match[1], match[2])
        state = fields.get("state", "").removeprefix("CONTAINER_").lower()
        running = state == "running"
        log = [line for line in found.get("log", ()) if line.strip()]
        yield ContainerSeen(
            id=clean(_one(found, "container"), 64),
            state=clean(state, 20),
            attempt=int(_number(fields.get("attempt", "")) or 0),
            exit_code=None if running else _whole(fields.get("exitCode", "")),
            started=_moment(fields.get("startedAt", "") or fields.get("createdAt", "")),
            reason=clean(fields.get("reason", ""), 60),
            process=_one(found, "process")[:1],
            last_lines=tuple(clean(spoken(line), 300) for line in log[-_SHOWN:]),
            signatures=recognise(log, running=running, now=now),
        )


def _speaking(containers: tuple[ContainerSeen, ...], now: float | None) -> tuple[ContainerSeen, ...]:
    """Of former containers the words count only until the newest has run for a while."""
    if not containers or now is None:
        return containers
    newest, *former = containers
    if not newest.running or newest.started is None or now - newest.started <= WINDOW:
        return containers
    return (newest, *(replace(container, signatures=()) for container in former))


def _whole(word: str) -> int | None:
    number = _number(word)
    return None if number is None else int(number)


def _moment(told: str) -> float | None:
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", told))
    except ValueError:
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds if seconds > 0 else None


def _data(found: Mapping[str, Sequence[str]], layout: Layout) -> DataSeen:
    database, wal = _whole(_one(found, "database")), _whole(_one(found, "wal"))
    return DataSeen(layout.at(layout.data), "data" in found, database, wal)


def _disk(found: Mapping[str, Sequence[str]]) -> DiskSpace | None:
    blocks = _DF.search(" " + _one(found, "df"))
    if blocks is None:
        return None
    inodes = _DF.search(" " + _one(found, "di"))
    return DiskSpace(
        clean(blocks[4], 200),
        int(blocks[1]) * 1024,
        max(0, int(blocks[3])) * 1024,
        max(0, int(inodes[3])) if inodes and int(inodes[1]) else None,
    )
