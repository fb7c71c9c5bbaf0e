"""A lab with a Cluster watching it, and a clock that knows how starved this machine was meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etcdtui import config
from etcdtui.cluster import Cluster
from etcdtui.lab.demo import Lab
from etcdtui.model.findings import Finding, find
from etcdtui.model.health import ClusterHealth, Level, MemberHealth, judge
from etcdtui.model.view import ClusterView

TICK = 0.05
HEALED_WITHIN = 40.0


@dataclass(frozen=True)
class Seen:
    """One look at a cluster, judged."""

    view: ClusterView
    health: ClusterHealth
    findings: tuple[Finding, ...]

    def member(self, name: str) -> MemberHealth:
        return next(row for row in self.health.members if row.member.name == name)

    def finding(self, key: str) -> Finding:
        found = [f for f in self.findings if f.key.startswith(key)]
        assert found, [(f.key, f.sentence) for f in self.findings]
        return found[0]


class Watched:
    def __init__(self, lab: Lab, cluster: Cluster, state: Path, voters: int = 3) -> None:
        self.lab, self.cluster, self.state, self.voters = lab, cluster, state, voters

    def look(self) -> Seen:
        view = self.cluster.view()
        health = judge(view)
        return Seen(view, health, find(view, health))

    def within(self, seconds: float, true: Callable[[Seen], bool]) -> Seen:
        """Look until ``true``. What the machine itself was late is not counted against ``seconds``."""
        spent = 0.0
        while True:
            seen = self.look()
            if true(seen):
                return seen
            # However long the pause really was, it counts as one tick: a starved machine gets its time.
            time.sleep(TICK)
            spent += TICK
            assert spent < seconds, (
                f"not within {seconds} s: {seen.health.level.word} {seen.health.sentence} "
                f"{[(r.member.name, r.state.value, str(r.problem)) for r in seen.health.members]} "
                f"{[(h.name, str(h.link.problem)) for h in seen.view.hosts]} {seen.view.api.problem}"
            )

    def healthy(self) -> Seen:
        """Wait until all is well, the operator has noticed it too, and nothing old is believed."""
        tries = iter(range(10_000))

        def well(seen: Seen) -> bool:
            if next(tries) % 30 == 29:
                self.cluster.refresh()
            api = seen.view.api
            word = api.value.word if api.value and api.problem is None else None
            return (
                seen.health.level is Level.HEALTHY
                and seen.health.source == "etcd"
                and len(seen.health.members) == self.voters
                and all(host.link.problem is None for host in seen.view.hosts)
                and all(host.facts.value is not None for host in seen.view.hosts)
                and word is not None
                and word.available == self.voters
            )

        return self.within(HEALED_WITHIN, well)

    def rows_go_on(self, names: set[str], seconds: float = 4.0) -> None:
        """The rows of these members are renewed about once a second."""
        renewed: dict[str, set[float]] = {name: set() for name in names}
        spent = 0.0
        while spent < seconds:
            for row in self.look().health.members:
                if row.member.name in names and row.endpoint and row.endpoint.status.at:
                    renewed[row.member.name].add(row.endpoint.status.at)
            time.sleep(TICK)
            spent += TICK
        assert all(len(times) >= seconds - 1 for times in renewed.values()), {
            name: len(times) for name, times in renewed.items()
        }

    def status(self) -> tuple[int, dict[str, Any]]:
        """What ``etcdtui status --json`` says in a process of its own, and its exit code."""
        words = ["status", "--json", "--config", str(self.lab.config), "--timeout", "15"]
        done = subprocess.run(
            [sys.executable, "-m", "etcdtui", *words],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "XDG_STATE_HOME": str(self.state)},
            check=False,
        )
        assert done.stdout, done.stderr
        told = json.loads(done.stdout)
        assert told["exit_code"] == done.returncode
        return done.returncode, told

    def heal(self) -> None:
        self.lab.do("api-up")
        for node in ("masternode1", "masternode2", "masternode3"):
            for action in ("thaw-ssh", "start-ssh", "thaw", "fast", "right-cert", "start", "free-disk"):
                self.lab.do(action, node)


@contextmanager
def watched(lab: Lab, state: Path, voters: int = 3) -> Iterator[Watched]:
    cluster = Cluster(config.load(lab.config).cluster(None), state / "etcdtui")
    cluster.start()
    watch = Watched(lab, cluster, state, voters)
    try:
        watch.healthy()
        yield watch
    finally:
        cluster.close()
