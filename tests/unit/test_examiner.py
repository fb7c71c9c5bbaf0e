"""Asking about one member from everywhere at once: nobody waits for anybody, and nothing late is heard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from etcdtui.cluster import examiner
from etcdtui.cluster.examiner import Examiner
from etcdtui.cluster.speaker import Voice
from etcdtui.errors import EtcdTuiError, NotFound, TimedOut
from etcdtui.model.members import MemberList
from etcdtui.model.probe import Port, Probe
from etcdtui.model.problems import Fault
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.platforms.host_answers import HostAccess
from etcdtui.platforms.layout import Layout
from etcdtui.reach.runner import Completed, Stream
from tests.views import NAMES, NOW, healthy, member

ACCESS = HostAccess(ca="/ca.crt", certificate="/it.crt", key="/it.key", openssl="openssl")
REFUSED = b"code 1\n%s line connect:errno=111\n"
TRIED = b"etcdtui try\nclient " + REFUSED % b"client" + b"peer " + REFUSED % b"peer" + b"end\n"
LOOKED = b"etcdtui member\nhostname masternode3\nmanifest no\nend\n"
Said = bytes | Exception | Callable[[], bytes]


@dataclass
class OneHost:
    """Answers its two scripts, or fails as it is told. Any other command is an error."""

    host: str
    tried: Said = TRIED
    looked: Said = LOOKED

    def run(self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"") -> Completed:
        said = {"etcdtui-try": self.tried, "etcdtui-member": self.looked}[argv[5]]
        if isinstance(said, Exception):
            raise said
        return Completed(tuple(argv), 0, said if isinstance(said, bytes) else said(), b"")

    def stream(self, argv: Sequence[str], *, timeout: float) -> Stream:
        raise AssertionError("nothing is streamed")

    def reconnect(self) -> None: ...
    def close(self) -> None: ...


@dataclass
class Machines:
    """The API, as far as it is asked."""

    said: list[dict[str, Any]] | Exception = field(default_factory=list)

    def get_list(
        self, path: str, query: Sequence[tuple[str, str]] = (), timeout: tuple[float, float] = (1, 1)
    ) -> list[dict[str, Any]]:
        assert path.endswith("/machines")
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


@dataclass
class Cluster:
    """Three hosts."""

    hosts: dict[str, OneHost] = field(default_factory=lambda: {name: OneHost(name) for name in NAMES})
    machines: Machines = field(default_factory=Machines)
    seen: ClusterView = field(default_factory=healthy)
    able: tuple[str, ...] = NAMES

    def view(self) -> ClusterView:
        return self.seen

    def runner(self, host: str) -> OneHost:
        return self.hosts[host]

    def layout_of(self, host: str) -> Layout:
        return Layout()

    def objects(self) -> Machines:
        return self.machines

    def voices(self) -> Sequence[Voice]:
        return [Voice(name, self.hosts[name], ACCESS, ("sudo", "-n"), 1) for name in self.able]

    def examine(self, member_id: int = 0xA3) -> tuple[Probe, list[Probe]]:
        heard: list[Probe] = []
        probe = Examiner(self, self.voices, lambda: NOW).examine(member_id, heard.append)
        return probe, heard


def test_every_host_tries_both_ports_and_its_own_host_is_looked_at() -> None:
    probe, heard = Cluster().examine()
    assert [(t.host, t.port) for t in probe.tries] == [(n, p) for n in NAMES for p in Port]
    assert {t.target for t in probe.tries} == {"192.168.50.12:2379", "192.168.50.12:2380"}
    assert probe.own is not None and probe.own.manifest is False
    assert probe.complete and not probe.pending and heard[-1] == probe
    assert set(heard[0].pending) == {*NAMES, "its own host", "its machine"}


def test_what_hangs_holds_nobody_up_and_comes_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examiner, "DEADLINE", 0.4)
    release = threading.Event()

    def hang() -> bytes:
        release.wait(10)
        return TRIED

    cluster = Cluster()
    cluster.hosts["masternode2"].tried = hang
    cluster.hosts["masternode3"].looked = hang
    began = time.monotonic()
    probe, heard = cluster.examine()
    assert time.monotonic() - began < 2
    assert {t.host for t in probe.tries} == {"masternode1", "masternode3"}
    assert [(host, problem.fault) for host, problem in probe.unasked] == [("masternode2", Fault.SILENT)]
    assert probe.own is None and probe.own_problem is not None and probe.own_problem.fault is Fault.SILENT
    count = len(heard)
    release.set()
    time.sleep(0.1)
    assert len(heard) == count and heard[-1] == probe


def test_parts_are_heard_as_they_come() -> None:
    gate = threading.Event()
    cluster = Cluster()

    def late() -> bytes:
        gate.wait(10)
        return TRIED

    cluster.hosts["masternode1"].tried = late
    heard: list[Probe] = []

    def hear(probe: Probe) -> None:
        heard.append(probe)
        if probe.pending == ("masternode1",):
            gate.set()

    Examiner(cluster, cluster.voices, lambda: NOW).examine(0xA3, hear)
    assert any(p.own is not None and not p.complete for p in heard)


@pytest.mark.parametrize(
    "error", [TimedOut("It does not answer."), ValueError("a bug"), EtcdTuiError("sudo wants a password")]
)
def test_failures_are_said_in_words(error: Exception) -> None:
    cluster = Cluster()
    cluster.hosts["masternode3"].looked = error
    cluster.hosts["masternode1"].tried = error
    probe, _ = cluster.examine()
    assert probe.own_problem is not None and str(error) in probe.own_problem.message
    assert [host for host, _ in probe.unasked] == ["masternode1"]


def test_a_host_that_cannot_ask_etcd_is_named_with_its_reason() -> None:
    probe, _ = Cluster(able=NAMES[:1]).examine()
    assert [host for host, _ in probe.unasked] == ["masternode2", "masternode3"]
    assert {t.host for t in probe.tries} == {"masternode1"}
    assert probe.own is not None, "to look at a host takes no etcd"


def test_the_machine_is_asked_only_where_there_is_an_api() -> None:
    assert Cluster(machines=Machines(NotFound("no such kind"))).examine()[0].machine is not None
    assert Cluster(machines=Machines(TimedOut("the API is silent"))).examine()[0].machine is None
    probe, heard = Cluster(seen=healthy(api_configured=False)).examine()
    assert probe.machine is None and "its machine" not in heard[0].pending
    assert not Cluster(machines=Machines(TimedOut("x"))).examine()[0].unasked


def test_a_member_without_urls_and_one_that_is_not_listed() -> None:
    unstarted = MemberList(0xC1, (member(1), member(3, name="", client_urls=())), 0xA1)
    probe, _ = Cluster(seen=healthy(members=Reading(unstarted, NOW))).examine()
    assert {t.port for t in probe.tries if t.problem and t.problem.fault is not Fault.NOT_ASKED} <= {
        Port.PEER
    }
    probe, heard = Cluster().examine(0xBEEF)
    assert probe.complete and not probe.tries and not heard
