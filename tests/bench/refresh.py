"""One refresh of a cluster: through the warm pipes, as the product does it, and with etcdctl."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from etcdtui import config
from etcdtui.cluster.board import Board, Constants
from etcdtui.cluster.connecting import connect
from etcdtui.cluster.endpoints import EndpointWatcher
from etcdtui.cluster.speaker import Speaker
from etcdtui.config import Host, SshOptions
from etcdtui.etcd import commands
from etcdtui.lab.demo import Lab
from etcdtui.platforms.openshift import access_script, parse_access
from etcdtui.reach.echo import Echo
from tests.bench import processes
from tests.bench.delay import LOOPBACK, delayed
from tests.bench.report import Result, load, median, milliseconds

WAY = 0.010  # seconds in each direction
PACE = 0.05  # seconds between refreshes whose CPU is counted: the next finds no warm cache by accident


class Talk:
    """One host spoken through. ``refresh`` is one round of every endpoint's watcher, all at the same time."""

    def __init__(self, host: Host, options: SshOptions) -> None:
        self.runner = connect(host, options)
        completed = self.runner.run(access_script(host.layout), timeout=10)
        self._access = parse_access(completed.stdout, host.name)
        self._sudo = host.layout.sudo
        board = Board(Constants("bench", True, False))
        speaker = Speaker(board, lambda: None)
        speaker.able(host.name, self.runner, self._access, self._sudo)
        board.set_endpoints(self._access.endpoints)
        self._watchers = [
            EndpointWatcher(url, board, speaker, lambda listed, leader: None, lambda host: True)
            for url in self._access.endpoints
        ]
        self._pool = ThreadPoolExecutor(len(self._watchers))

    def refresh(self, *, members: bool = True, metrics: bool = False) -> None:
        """``members``: also the member list, of one endpoint. ``metrics``: also every member's numbers."""
        for number, watcher in enumerate(self._watchers):
            watcher._next_members = 0.0 if members and number == 0 else math.inf
            watcher._next_metrics = 0.0 if metrics else math.inf
        for done in [self._pool.submit(watcher.round) for watcher in self._watchers]:
            done.result()

    def by_etcdctl(self) -> None:
        """Three commands one after the other: status, health and member list."""
        access = self._access.client(self._sudo)
        for build in (
            commands.endpoint_status_json,
            commands.endpoint_health_json,
            commands.member_list_json,
        ):
            completed = self.runner.run(build(access, self._access.endpoints), timeout=20)
            if not completed.ok:
                raise RuntimeError(completed.err())

    def close(self) -> None:
        for watcher in self._watchers:
            watcher.release()
        self._pool.shutdown()
        self.runner.close()


@contextlib.contextmanager
def talk(lab: Lab, port: int | None = None) -> Iterator[Talk]:
    """Through the first host; through another ``port`` if given, which shows the same key."""
    cluster = config.load(lab.config).cluster(None)
    host, options = cluster.hosts[0], cluster.ssh
    if port is not None:
        known = Path(options.known_hosts or "").read_text()
        elsewhere = lab.directory / "known_hosts.delayed"
        elsewhere.write_text(known.replace(f"[{LOOPBACK}]:{host.port} ", f"[{LOOPBACK}]:{port} "))
        host, options = replace(host, port=port), replace(options, known_hosts=str(elsewhere))
    talking = Talk(host, options)
    try:
        for _ in range(5):
            talking.refresh()
        yield talking
    finally:
        talking.close()


def measure(lab: Lab, quick: bool) -> Iterator[Result]:
    """Goals 1 to 3."""
    with talk(lab) as talking:
        yield _wall(talking, 10 if quick else 40)
        yield _host_cpu(lab, talking, 2 if quick else 6)
    port = config.load(lab.config).cluster(None).hosts[0].port
    assert port is not None
    with delayed(port, WAY) as far, talk(lab, far) as talking:
        yield _far(talking, 15 if quick else 60)


def _wall(talking: Talk, rounds: int) -> Result:
    pipes, tools, busy = [], [], load()
    talking.by_etcdctl()
    for _ in range(rounds):
        pipes += [_timed(talking.refresh) for _ in range(3)]
        tools.append(_timed(talking.by_etcdctl))
    ratio = median(tools) / median(pipes)
    return Result(
        "1 refresh of three endpoints, warm pipes against three etcdctl",
        f"{ratio:.1f} × faster",
        "≥ 12 ×",
        ratio >= 12,
        [milliseconds("pipes", pipes), milliseconds("etcdctl", tools), busy],
    )


def _host_cpu(lab: Lab, talking: Talk, blocks: int) -> Result:
    name = "2 the same refreshes' CPU on the host outside etcd"
    servers = processes.listeners(lab.directory)
    if not servers or processes.family_seconds(servers) is None:
        return Result(name, "not measured: no OpenSSH server, or no /proc", "≤ 1/50", None)

    def spent(work: Callable[[], object], count: int) -> tuple[float, float]:
        before, mine = processes.family_seconds(servers) or 0.0, time.process_time()
        for _ in range(count):
            work()
            time.sleep(PACE)
        here = time.process_time() - mine
        time.sleep(0.2)  # what has ended is to be collected by its parent
        return ((processes.family_seconds(servers) or 0.0) - before) / count, here / count

    pipes, tools, pages, idle = [], [], [], []
    for _ in range(blocks):
        pipes.append(spent(talking.refresh, 60))
        tools.append(spent(talking.by_etcdctl, 5))
        pages.append(spent(lambda: talking.refresh(metrics=True), 10))
        idle.append(spent(lambda: None, 60))
    pipe, tool, page = (median([host for host, _ in some]) for some in (pipes, tools, pages))
    nothing = median([host for host, _ in idle])
    ratio = pipe / tool
    return Result(
        name,
        f"1/{1 / ratio:.0f}" if ratio > 0 else "nothing",
        "≤ 1/50",
        ratio <= 1 / 50,
        [
            f"a refresh through the pipes: {pipe * 1e3:.2f} ms of the host "
            f"({', '.join(f'{host * 1e3:.2f}' for host, _ in pipes)}; nothing asked: {nothing * 1e3:.2f}), "
            f"{median([here for _, here in pipes]) * 1e3:.1f} ms of ours, n={60 * blocks}",
            f"three etcdctl: {tool * 1e3:.1f} ms of the host, "
            f"{median([here for _, here in tools]) * 1e3:.1f} ms of ours, n={5 * blocks}",
            f"a refresh with all metrics (every 10 s): {page * 1e3:.2f} ms of the host, "
            f"{median([here for _, here in pages]) * 1e3:.1f} ms of ours",
            load(),
        ],
    )


def _far(talking: Talk, rounds: int) -> Result:
    echo = Echo(talking.runner)
    ways, refreshes = [], []
    for _ in range(rounds):
        ways.append(echo.ping(5))
        refreshes.append(_timed(talking.refresh))
    echo.close()
    way, refresh = median(ways), median(refreshes)
    goal = 1.5 * 2 * WAY + 0.015
    return Result(
        f"3 refresh {2 * WAY * 1e3:.0f} ms away",
        f"{refresh * 1e3:.1f} ms = {refresh / way:.2f} round trips",
        f"≤ {goal * 1e3:.0f} ms",
        refresh <= goal,
        [milliseconds("round trip", ways), milliseconds("refresh", refreshes), load()],
    )


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
