"""The screen of one member: the sentence first, the layers as they come in, and everything else below."""

from __future__ import annotations

import threading
from dataclasses import replace

from driving import driven
from fakes import NOW, FakeCluster, healthy, one_down
from frames import assert_frame

from etcdtui.etcd.log_signatures import recognise
from etcdtui.model.platform import DiskSpace
from etcdtui.model.probe import ContainerSeen, DataSeen, HostSeen, Page, Port, Probe, Shown, Try
from etcdtui.model.problems import Fault, Problem

GIB = 1024**3
HOSTS = ("masternode1", "masternode2", "masternode3")
REFUSED = Problem(Fault.REFUSED, "nothing listens there (Connection refused)")
PANIC = (
    '{"level":"info","ts":"2026-11-23T06:59:40.000Z","msg":"starting an etcd server"}',
    "panic: tocommit(10) is out of range [lastIndex(0)]. Was the raft log corrupted, truncated, or lost?",
)


def tries(hosts: tuple[str, ...] = HOSTS, problem: Problem | None = REFUSED) -> tuple[Try, ...]:
    shown = Shown(
        "CN = it", "CN = openshift-etcd_etcd-signer", NOW - 9e6, NOW + 9e7, ("masternode3", "10.0.0.3")
    )
    made = []
    for host in hosts:
        for port, number in ((Port.CLIENT, 2379), (Port.PEER, 2380)):
            tried = Try(host, port, f"10.0.0.3:{number}", problem=problem)
            if problem is None:
                tried = replace(tried, connected=True, certificate=shown, verified=0, verdict="ok")
                if port is Port.CLIENT:
                    tried = replace(tried, health=Page(200, '{"health":"true"}'), readyz=Page(200, "ok"))
            made.append(tried)
    return tuple(made)


def own(container: ContainerSeen) -> HostSeen:
    return HostSeen(
        "masternode3",
        "masternode3",
        0.02,
        True,
        "/etc/kubernetes/manifests/etcd-pod.yaml",
        True,
        (container,),
        "active",
        DataSeen("/var/lib/etcd", True, 92 << 20, 5),
        DiskSpace("/var/lib/etcd", 120 * GIB, 80 * GIB, 60_000_000),
    )


RUNNING = ContainerSeen("c0ffee", "running", 0, None, NOW - 86400, process="S")
CRASHED = ContainerSeen(
    "c0ffee", "exited", 7, 2, NOW - 20, last_lines=PANIC[1:], signatures=recognise(PANIC, running=False)
)
WELL = Probe(began=NOW, tries=tries(problem=None), own=own(RUNNING), took=0.4)
WIPED = Probe(began=NOW, tries=tries(), own=own(CRASHED), took=0.4)
HALF = replace(WIPED, tries=tries(HOSTS[:1]), own=None, took=None, pending=("masternode2", "its own host"))


async def test_a_crash_loop_at_80x24() -> None:
    async with driven(cluster=FakeCluster(one_down(), probe=WIPED)) as it:
        await it.press("1", "G", "enter")
        await it.until(lambda: "wiped" in it.text)
        assert it.screen_name == "MemberScreen"
        assert_frame(it.app, "member-examined-80x24")
        assert "Replace:" in it.text and "crash-looping" in it.text


async def test_a_crash_loop_with_all_its_evidence() -> None:
    async with driven(cluster=FakeCluster(one_down(), probe=WIPED), size=(100, 60)) as it:
        await it.press("1", "G", "enter")
        await it.until(lambda: "wiped" in it.text)
        assert_frame(it.app, "member-examined-100x60")
        assert "tocommit(10) is out of range" in it.text


async def test_a_member_that_is_well() -> None:
    async with driven(cluster=FakeCluster(healthy(), probe=WELL)) as it:
        await it.press("1", "G", "enter")
        await it.until(lambda: "Nothing is wrong with masternode3" in it.text)
        assert_frame(it.app, "member-examined-well-80x24")


async def test_layers_come_in_one_by_one_and_nothing_is_certain_before_the_last() -> None:
    hang = threading.Event()
    cluster = FakeCluster(one_down(), probe=WIPED, heard=HALF, hang=hang)
    async with driven(cluster=cluster) as it:
        await it.press("1", "G", "enter")
        await it.until(lambda: "So far:" in it.text)
        assert "certain" not in it.text and "being asked" in it.text and "examining for" in it.text
        await it.press("r")
        assert cluster.calls.count("examine a3") == 1, "one at a time"
        hang.set()
        await it.until(lambda: "certain" in it.text)
        assert "So far:" not in it.text and "examined 0 s ago" in it.text


async def test_again_and_the_old_answer_stays_until_the_new_one_is_whole() -> None:
    cluster = FakeCluster(one_down(), probe=WIPED)
    async with driven(cluster=cluster) as it:
        await it.press("1", "G", "enter")
        await it.until(lambda: "wiped" in it.text)
        hang = cluster.hang = threading.Event()
        cluster.heard = HALF
        await it.press("r")
        await it.until(lambda: cluster.calls.count("examine a3") == 2)
        assert "wiped" in it.text and "So far" not in it.text
        cluster.probe = WELL
        hang.set()
        await it.until(lambda: "wiped" not in it.text)


async def test_what_machines_print_is_text() -> None:
    evil = "[bold red]panic: crc mismatch\x1b[2J\x1b]0;owned\x07 [/]"
    lines = (evil,)
    container = replace(CRASHED, last_lines=lines, signatures=recognise(lines, running=False))
    async with driven(
        cluster=FakeCluster(one_down(), probe=replace(WIPED, own=own(container))), size=(100, 60)
    ) as it:
        await it.press("1", "G", "enter")
        await it.until(lambda: "damaged" in it.text)
        assert "[bold red]panic: crc mismatch\\x1b[2J" in it.text and "\x1b" not in it.text


async def test_all_of_it_is_copied_and_esc_leaves_while_it_is_examined() -> None:
    hang = threading.Event()
    async with driven(cluster=FakeCluster(one_down(), probe=WIPED)) as it:
        await it.press("1", "G", "enter")
        await it.until(lambda: "wiped" in it.text)
        await it.press("y")
        assert "its data were wiped" in it.app.clipboard and "Member ID" in it.app.clipboard
        it.cluster.hang = hang
        await it.press("r", "escape")
        assert it.screen_name == "DashboardScreen"
        hang.set()
        await it.settle()
        assert it.screen_name == "DashboardScreen"
