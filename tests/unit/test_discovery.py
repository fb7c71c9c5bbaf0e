"""How hosts are found: configuration, API, member list, and what is remembered of the last time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from etcdtui import config
from etcdtui.cluster import Cluster
from etcdtui.cluster.discovery import Identity, Known, found_host, twins
from etcdtui.config import ClusterConfig, Host, SshOptions
from etcdtui.errors import ConfigError, Refused
from etcdtui.model.members import MemberList
from etcdtui.model.platform import ApiFacts, NodeFacts
from etcdtui.platforms.openshift import HostAccess
from etcdtui.reach.runner import Completed, Runner, Stream
from tests.views import member

LISTED = MemberList(0xC1, (member(1), member(2), member(3)))
FACTS = ApiFacts(nodes=(NodeFacts("masternode1", "192.168.50.10", True), NodeFacts("m2", "fd00::2", True)))


class Nobody:
    """A host where nothing listens."""

    def __init__(self, host: Host) -> None:
        self.host = host.name

    def run(self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"") -> Completed:
        raise Refused(f"{self.host} refuses the connection.")

    def stream(self, argv: Sequence[str], *, timeout: float) -> Stream:
        raise Refused(f"{self.host} refuses the connection.")

    def reconnect(self) -> None:
        pass

    def close(self) -> None:
        pass


Start = Callable[[ClusterConfig], tuple[Cluster, list[Host]]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    clusters: list[Cluster] = []

    def begin(cluster_config: ClusterConfig) -> tuple[Cluster, list[Host]]:
        connected: list[Host] = []

        def connect(host: Host, options: SshOptions) -> Runner:
            connected.append(host)
            return Nobody(host)

        cluster = Cluster(cluster_config, tmp_path, connect=connect)
        clusters.append(cluster)
        cluster.start()
        return cluster, connected

    yield begin
    for cluster in clusters:
        cluster.close()


def names(cluster: Cluster, count: int) -> dict[str, str]:
    view = cluster.wait(lambda v: len(v.hosts) >= count, 5)
    return {host.name: host.address for host in view.hosts}


def test_one_master_is_enough_the_member_list_names_the_others(start: Start) -> None:
    cluster, connected = start(config.from_ssh("core@192.168.50.10:2222").cluster(None))
    names(cluster, 1)
    cluster._members_told(LISTED, True)
    assert names(cluster, 3) == {
        "192.168.50.10": "192.168.50.10",
        "masternode2": "192.168.50.11",
        "masternode3": "192.168.50.12",
    }
    assert [(h.user, h.port) for h in connected] == [("core", 2222)] * 3, "as the first is logged in to"


def test_the_api_names_hosts_and_the_next_start_remembers_them(start: Start) -> None:
    only_api = ClusterConfig("prod", discover=True)
    cluster, _ = start(only_api)
    cluster._api_told(FACTS)
    found = names(cluster, 2)
    assert found == {"masternode1": "192.168.50.10", "m2": "fd00::2"}
    cluster.close()
    again, _ = start(only_api)
    assert names(again, 2) == found, "with the API down it would have no other way"


def test_hosts_that_are_configured_are_the_only_ones(start: Start) -> None:
    cluster, _ = start(ClusterConfig("prod", hosts=(Host("m1", "10.0.0.1"),)))
    cluster._members_told(LISTED, True)
    cluster._api_told(FACTS)
    time.sleep(0.1)
    assert names(cluster, 1) == {"m1": "10.0.0.1"}


def test_remembered_members_are_shown_until_a_member_tells_newer_ones(start: Start) -> None:
    first, _ = start(ClusterConfig("prod", hosts=(Host("m1", "10.0.0.1"),)))
    names(first, 1)
    first._members_told(LISTED, True)
    first.close()
    again, _ = start(ClusterConfig("prod", hosts=(Host("m1", "10.0.0.1"),)))
    view = again.wait(lambda v: v.members.value is not None, 5)
    assert view.members.value is not None and view.members.value.members == LISTED.members
    assert len(view.endpoints) == 3


def test_a_list_told_without_a_leader_is_not_believed_against_one_with(start: Start) -> None:
    cluster, _ = start(ClusterConfig("prod", hosts=(Host("m1", "10.0.0.1"),)))
    cluster._members_told(LISTED, True)
    old = MemberList(0xC1, (*LISTED.members, member(4)))
    cluster._members_told(old, False)
    told = cluster.view().members.value
    assert told is not None and told.members == LISTED.members


def test_a_member_restored_alone_does_not_replace_the_list(start: Start) -> None:
    cluster, _ = start(ClusterConfig("prod", hosts=(Host("m1", "10.0.0.1"),)))
    cluster._members_told(LISTED, True)
    cluster._members_told(MemberList(0xBAD, (member(1),)), True)
    told = cluster.view().members.value
    assert told is not None and told.cluster_id == 0xC1 and len(cluster.view().endpoints) == 3


def short_and_long(start: Start) -> Cluster:
    """masternode1 by its short name, from the command line, and by its long one, from the API."""
    cluster, _ = start(config.from_ssh("core@masternode1").cluster(None))
    names(cluster, 1)
    facts = ApiFacts(
        nodes=(
            NodeFacts("masternode1.example.com", "192.168.50.10", True),
            NodeFacts("masternode2.example.com", "192.168.50.11", True),
        )
    )
    cluster._api_told(facts)
    names(cluster, 3)
    return cluster


@pytest.mark.parametrize(
    "access",
    [
        HostAccess(hostname="masternode1.example.com"),
        HostAccess(hostname="MasterNode1.Example.com"),
        HostAccess(hostname="localhost", addresses=("10.9.9.9", "192.168.50.10")),
        HostAccess(node="etcd-1", peers=(("etcd-1", "192.168.50.10"), ("etcd-2", "192.168.50.11"))),
    ],
)
def test_one_machine_under_two_names_is_one_host_for_good(start: Start, access: HostAccess) -> None:
    cluster = short_and_long(start)
    long = cluster.runner("masternode1.example.com")
    for _ in range(2):
        cluster._identified(cluster.config.hosts[0], access)
        cluster._api_told(ApiFacts(nodes=(NodeFacts("masternode1.example.com", "192.168.50.10", True),)))
        assert [h.name for h in cluster.view().hosts] == ["masternode1", "masternode2.example.com"]
    assert cluster.view().hosts[0].node == "masternode1.example.com"
    assert cluster.runner("masternode1.example.com") is cluster.runner("masternode1") is not long
    cluster._identified(cluster.config.hosts[0], HostAccess(hostname="localhost"))
    assert [h.name for h in cluster.view().hosts] == ["masternode1", "masternode2.example.com"]


@pytest.mark.parametrize(
    "access", [HostAccess(), HostAccess(hostname="masternode1", addresses=("10.0.0.9",))]
)
def test_names_that_merely_look_alike_are_two_hosts(start: Start, access: HostAccess) -> None:
    cluster = short_and_long(start)
    cluster._identified(cluster.config.hosts[0], access)
    assert len(cluster.view().hosts) == 3


def test_etcd_is_not_asked_through_a_host_that_is_another_one(start: Start) -> None:
    cluster = short_and_long(start)
    access = HostAccess(hostname="masternode1.example.com", etcdctl="etcdctl", certificate="/c")
    for name in ("masternode1.example.com", "masternode1"):
        cluster._speaker.able(name, cluster.runner(name), access, ())
    assert cluster._speaker.voice().host == "masternode1.example.com"
    cluster._identified(cluster.config.hosts[0], access)
    assert cluster._speaker.voice().host == "masternode1"
    watching = {watcher.name for watcher in cluster._watchers}
    assert "link masternode1" in watching and "link masternode1.example.com" not in watching


def test_on_loopback_an_address_is_no_proof(start: Start) -> None:
    cluster, _ = start(config.from_ssh("core@127.0.0.1:2201").cluster(None))
    names(cluster, 1)
    cluster._api_told(
        ApiFacts(nodes=(NodeFacts("m1", "127.0.0.1", True), NodeFacts("m2", "127.0.0.1", True)))
    )
    (only,) = cluster.view().hosts
    assert only.node == ""
    with pytest.raises(config.ConfigError):
        cluster.runner("m2")


def test_what_is_one_machine_is_not_remembered_as_two(start: Start) -> None:
    cluster = short_and_long(start)
    cluster._identified(cluster.config.hosts[0], HostAccess(hostname="masternode1.example.com"))
    cluster.close()
    again, _ = start(config.from_ssh("core@masternode1").cluster(None))
    assert set(names(again, 2)) == {"masternode1", "masternode2.example.com"}


FOUND = [Known("a", "10.0.0.1", True), Known("b", "10.0.0.2", True)]


def told(*names: str, addresses: tuple[str, ...] = ()) -> Identity:
    return Identity(frozenset(names), frozenset(addresses))


@pytest.mark.parametrize(
    ("hosts", "same"),
    [
        (FOUND, {}),
        ([*FOUND, Known("m", "m", False, told("b"))], {"b": "m"}),
        ([*FOUND, Known("m", "m", False, told(addresses=("10.0.0.1",)))], {"a": "m"}),
        ([Known("m", "10.0.0.2", False), *FOUND], {"b": "m"}),
        # The one known earlier stays, whichever tells it.
        ([FOUND[0], Known("A", "fd00::1", True, told("a"))], {}),
        (
            [Known("a", "10.0.0.1", True, told("x", addresses=("fd00::1",))), Known("A", "FD00:0::1", True)],
            {"A": "a"},
        ),
        # Two of the configuration are two, and two machines with one address are two.
        ([Known("m", "m", False, told("n")), Known("n", "n", False, told("n"))], {}),
        (
            [
                Known("m", "m", False, told("m", addresses=("10.0.0.1",))),
                Known("a", "10.0.0.1", True, told("a")),
            ],
            {},
        ),
        # All three are one: none is left without the one that stays.
        (
            [
                Known("x", "1.1.1.1", True, told("x", "y")),
                Known("y", "2.2.2.2", True),
                Known("z", "z", False, told("x")),
            ],
            {"x": "z", "y": "z"},
        ),
    ],
)
def test_twins(hosts: list[Known], same: dict[str, str]) -> None:
    assert twins(hosts) == same


BAD = [
    "-oProxyCommand=x",
    "",
    "a b",
    "a;id",
    "$(id)",
    "`id`",
    "${HOME}",
    "a\nb",
    "a'b",
    "a/b",
    "a@b",
    "m1\n",
    "ü",
]


@pytest.mark.parametrize("bad", BAD)
def test_a_name_that_no_host_has_is_a_problem_and_never_a_connection(start: Start, bad: str) -> None:
    cluster, connected = start(config.from_ssh("core@masternode1").cluster(None))
    names(cluster, 1)
    cluster._api_told(
        ApiFacts(nodes=(NodeFacts("m2", bad or "-", True), NodeFacts(bad or "-", "10.0.0.2", True)))
    )
    found = cluster.view().hosts[1:]
    assert found and all(h.link.problem and "does not connect" in h.link.problem.message for h in found)
    assert [host.name for host in connected] == ["masternode1"]
    with pytest.raises(config.ConfigError):
        cluster.runner("m2")


@pytest.mark.parametrize(
    "name", ["m1", "m1.example.com", "10.0.0.1", "fd00::1", "fe80::1%eth0", "node_1", "M-1"]
)
def test_names_of_hosts(name: str) -> None:
    for address in (name, f"[{name}]"):
        assert found_host(name, address, ClusterConfig("prod")).address == name


def test_an_unknown_host_has_no_runner(start: Start) -> None:
    cluster, _ = start(ClusterConfig("prod", hosts=(Host("m1", "10.0.0.1"),)))
    with pytest.raises(config.ConfigError, match="No host is called 'nobody'"):
        cluster.runner("nobody")


def test_a_host_is_known_by_name_from_the_start(tmp_path: Path) -> None:
    """Whoever goes on with a run at once needs it; to connect may take its time."""

    def connect(host: Host, options: SshOptions) -> Runner:
        time.sleep(0.3)
        return Nobody(host)

    cluster = Cluster(config.from_ssh("core@192.168.50.10").cluster(None), tmp_path, connect=connect)
    cluster.start()
    try:
        with pytest.raises(Refused, match=r"192\.168\.50\.10 refuses the connection"):
            cluster.runner("192.168.50.10").run(("true",), timeout=1)
        with pytest.raises(ConfigError, match="No host is called 'nobody'"):
            cluster.runner("nobody")
    finally:
        cluster.close()
