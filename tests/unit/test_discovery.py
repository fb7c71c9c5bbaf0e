"""How hosts are found: configuration, API, member list, and what is remembered of the last time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from etcdtui import config
from etcdtui.cluster import Cluster
from etcdtui.config import ClusterConfig, Host, SshOptions
from etcdtui.errors import Refused
from etcdtui.model.members import MemberList
from etcdtui.model.platform import ApiFacts, NodeFacts
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


def test_an_unknown_host_has_no_runner(start: Start) -> None:
    cluster, _ = start(ClusterConfig("prod", hosts=(Host("m1", "10.0.0.1"),)))
    with pytest.raises(config.ConfigError, match="No host is called 'nobody'"):
        cluster.runner("nobody")
