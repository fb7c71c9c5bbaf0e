"""What etcd's pod of a lab does before etcd starts, with programs that only say what they were given."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from etcdtui.lab import manifests, places, pod, yamlfile
from etcdtui.lab.places import Node, Plan

SAYS = '#!/bin/sh\necho "$ETCD_NAME $ETCD_INITIAL_CLUSTER_STATE $ETCD_INITIAL_CLUSTER"\n'


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    made = places.plan(tmp_path, nodes=3, identity="x", user="core", version="3.5.1")
    (tmp_path / "bin").mkdir()
    (tmp_path / "list").write_text("")
    (made.nodes[2].at(places.DATA)).mkdir(parents=True)
    # The list may change while the pod waits: it is told a line at a time.
    lists = f"#!/bin/sh\ncd {tmp_path}\ncat list\n[ ! -e next ] || mv next list\n"
    for name, text in (("etcd", SAYS), ("etcdctl", lists)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return made


def start(plan: Plan) -> tuple[list[str], str]:
    """The words of etcd: name, state, the cluster; and what was said before."""
    node = plan.nodes[2]
    text = yamlfile.dump(manifests.etcd_pod(plan, node, 8, founding=False))
    etcd = next(c for c in pod.parse(text, node.root).containers if c.name == "etcd")
    path = f"{plan.directory}/bin:{os.environ['PATH']}"
    done = subprocess.run(
        etcd.command, env={**etcd.env, "PATH": path}, capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.split(), done.stderr


def listed(plan: Plan, third: str) -> str:
    rows = [f"{n}, started, {node.name}, {node.peer_url}, x, false" for n, node in enumerate(plan.nodes[:2])]
    return "\n".join([*rows, f"2, {third}, {plan.nodes[2].peer_url}, , true"][: 3 if third else 2]) + "\n"


def cluster(nodes: tuple[Node, ...]) -> str:
    return ",".join(f"{node.name}={node.peer_url}" for node in nodes)


def test_one_that_was_added_joins(plan: Plan) -> None:
    (plan.directory / "list").write_text(listed(plan, "unstarted, "))
    assert start(plan) == (["masternode3", "existing", cluster(plan.nodes)], "")


def test_one_that_is_not_in_the_list_waits_for_it(plan: Plan) -> None:
    (plan.directory / "list").write_text(listed(plan, ""))
    (plan.directory / "next").write_text(listed(plan, "unstarted, "))
    words, said = start(plan)
    assert words == ["masternode3", "existing", cluster(plan.nodes)]
    assert said == f"waiting: {plan.nodes[2].peer_url} is not in the member list\n"


def test_one_that_had_started_leaves_the_verdict_to_etcd(plan: Plan) -> None:
    (plan.directory / "list").write_text(listed(plan, "started, masternode9"))
    assert start(plan)[0][1] == "new"


def test_data_of_a_member_in_the_list_is_kept(plan: Plan) -> None:
    wal = plan.nodes[2].at(f"{places.DATA}/member/wal")
    wal.mkdir(parents=True)
    (plan.directory / "list").write_text(listed(plan, "started, masternode3"))
    assert start(plan)[0][:2] == ["masternode3", "existing"]
    assert wal.is_dir()


def test_without_an_answer_data_is_kept(plan: Plan) -> None:
    wal = plan.nodes[2].at(f"{places.DATA}/member/wal")
    wal.mkdir(parents=True)
    assert start(plan)[0][0] == "masternode3"
    assert wal.is_dir()


def test_data_of_a_removed_member_is_archived_and_never_deleted(plan: Plan) -> None:
    data = plan.nodes[2].at(places.DATA)
    (data / "member/wal").mkdir(parents=True)
    (plan.directory / "list").write_text(listed(plan, ""))
    (plan.directory / "next").write_text(listed(plan, "unstarted, "))
    words, said = start(plan)
    assert words[1] == "existing" and "archiving its data" in said
    assert [path.name[:22] for path in data.iterdir()] == ["member-removed-archive"]
