"""Labs whose hosts die and come back: what it looks like, and what the operator makes of it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etcdtui.lab.demo import Lab
from tests.live.lab_client import ETCD, MACHINES, NODES, SECRETS, LabClient, until

pytestmark = [pytest.mark.live, pytest.mark.drill]

M1, M2, M3 = "masternode1", "masternode2", "masternode3"
OLD = Path("/usr/bin")
KINDS = ("peer", "serving", "serving-metrics")


@pytest.fixture(scope="module")
def recent() -> Iterator[LabClient]:
    """A lab with the etcd of the demo. Every test leaves three healthy members, of whatever name."""
    with Lab(keys=200, pace=0.05) as running:
        yield LabClient(running)


@pytest.fixture(scope="module")
def old() -> Iterator[LabClient]:
    """The same with etcd 3.4."""
    if not (OLD / "etcdctl").exists():
        pytest.skip("Debian's etcd 3.4 is not installed (etcd-server, etcd-client)")
    with Lab(etcd_dir=OLD, keys=200, pace=0.05) as running:
        yield LabClient(running)


@pytest.fixture(params=["recent", "old"])
def lab(request: pytest.FixtureRequest) -> LabClient:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, LabClient)
    return found


def hurt_and_heal(lab: LabClient, hurt: str, heal: str, seen: Callable[[], Any]) -> Any:
    lab.lab.do(hurt, M3)
    found = until(seen)
    lab.lab.do(heal, M3)
    until(lambda: lab.available() == "3 members are available")
    return found


def fallen(lab: LabClient) -> Any:
    """The end of etcd's container, once it has fallen again and again."""
    etcd = lab.etcd(M3)
    return etcd["restartCount"] >= 2 and etcd["lastState"].get("terminated")


def test_etcd_falls_over_damaged_data(recent: LabClient) -> None:
    logs = ""

    def seen() -> Any:
        nonlocal logs
        logs = "".join(path.read_text() for path in recent.root(M3).glob("var/log/pods/*/etcd/*.log"))
        return fallen(recent)

    ended = hurt_and_heal(recent, "damage-data", "repair-data", seen)
    assert (ended["exitCode"], ended["reason"]) == (2, "Error")
    assert "newBackend" in ended["message"], "the end of a panic is its trace"
    assert "invalid database" in logs


def test_etcd_does_not_begin_anew_with_wiped_data(recent: LabClient) -> None:
    before = recent.etcd(M3)["restartCount"]

    def seen() -> Any:
        return recent.etcd(M3)["restartCount"] > before + 1 and fallen(recent)

    ended = hurt_and_heal(recent, "wipe-data", "unwipe-data", seen)
    assert ended["exitCode"] == 1
    assert "has already been bootstrapped" in ended["message"]


def test_crictl_tells_of_the_container_that_ended_before(recent: LabClient) -> None:
    recent.lab.do("crash", M2)
    until(lambda: recent.etcd(M2)["lastState"])
    listed = recent.ssh(M2, "sudo crictl ps -a --name '^etcd$' --state exited -q").split()
    assert len(listed) == 1
    assert '"exitCode": 137' in recent.ssh(M2, f"sudo crictl inspect {listed[0]}")
    until(lambda: recent.available() == "3 members are available")


def test_a_host_without_power_says_neither_yes_nor_no(recent: LabClient) -> None:
    def silent() -> bool:
        node = recent.state()["nodes"][M3]
        for port in (node["ssh_port"], node["client_port"]):
            with socket.socket() as probe, pytest.raises(TimeoutError):
                probe.settimeout(0.3)
                probe.connect(("127.0.0.1", port))
        degraded = recent.condition("NodeControllerDegraded")
        return recent.ready(M3) == "Unknown" and "Kubelet stopped posting node status" in degraded["message"]

    hurt_and_heal(recent, "power-off", "power-on", silent)
    until(lambda: recent.ready(M3) == "True")


def test_a_clock_can_be_wrong(recent: LabClient) -> None:
    recent.lab.do("clock-off", M2)
    told, right = (int(recent.ssh(M2, f"{date} +%s")) for date in ("date", "/bin/date"))
    assert 85 < told - right < 95
    recent.lab.do("clock-right", M2)
    assert abs(int(recent.ssh(M2, "date +%s")) - int(recent.ssh(M2, "/bin/date +%s"))) < 5


def test_a_namespace_can_be_deleted_by_accident(recent: LabClient) -> None:
    keys = "get --prefix /kubernetes.io/ --keys-only"
    before = recent.etcdctl(M1, keys).split()
    doomed = [key for key in before if "/shop-production/" in key]
    assert recent.lab.do("delete-namespace").startswith(f"{len(doomed)} keys")
    after = recent.etcdctl(M1, keys).split()
    assert doomed and not set(doomed) & set(after)
    assert {k for k in before if "/leases/" not in k} - set(doomed) <= set(after)


def test_a_destroyed_host_comes_back_as_another_machine(lab: LabClient) -> None:
    """A machine deleted, another made, its node approved, the guard off and on."""
    first, _, lost = lab.nodes()
    came, revision = f"masternode{int(lost[-1]) + 1}", lab.revision()
    digest = lab.etcdctl(first, "get --prefix /kubernetes.io/pods --print-value-only | cksum")
    lab.lab.do("destroy-node", lost)
    until(lambda: lost in lab.available())
    lab.remove_member(first, lost)
    old = next(m for m in lab.get(MACHINES)["items"] if m["status"]["nodeRef"]["name"] == lost)
    assert old["status"]["phase"] == "Failed"
    assert old["status"]["providerStatus"]["instanceState"] == "terminated"
    name = old["metadata"]["name"]
    new = {key: old[key] for key in ("kind", "apiVersion")} | {
        "metadata": {"name": f"{name[:-1]}{int(name[-1]) + 1}", "labels": old["metadata"]["labels"]},
        "spec": {"providerSpec": old["spec"]["providerSpec"]},
    }
    assert lab.ask("DELETE", f"{MACHINES}/{name}")[0] == 200
    assert lab.ask("POST", MACHINES, new)[0] == 201
    until(lambda: lab.ask("GET", f"{NODES}/{lost}")[0] == 404)
    for kind in KINDS:
        assert lab.ask("DELETE", f"{SECRETS}/etcd-{kind}-{lost}")[0] == 200
    lab.approve("kube-apiserver-client-kubelet", came)
    until(lambda: lab.ready(came) == "False")
    lab.approve("kubelet-serving", came)
    until(lambda: lab.ready(came) == "True")

    def refused() -> bool:
        said = lab.condition("EtcdCertSignerControllerDegraded")["message"]
        return "can't evaluate whether quorum is safe: etcd cluster has quorum of 2 which is not" in said

    until(refused)
    assert len(lab.state()["members"]) == 2, "nothing is added while the guard is on"
    lab.guard(on=False)
    until(lambda: lab.settled(revision + 1))
    lab.guard(on=True)
    assert lab.etcdctl(came, "get --prefix /kubernetes.io/pods --print-value-only | cksum") == digest
    assert all(lab.ask("GET", f"{SECRETS}/etcd-{kind}-{came}")[0] == 200 for kind in KINDS)
    assert f'name = "{came}"' in lab.lab.config.read_text()
    assert lab.ssh(came, "hostname") == f"{came}\n"


def test_a_member_whose_data_was_moved_away_is_redeployed(recent: LabClient) -> None:
    """The pod aside, the data aside, the member removed, the guard off, a redeployment forced."""
    first, node, _ = recent.nodes()
    root, revision = recent.root(node), recent.revision()
    put_aside(recent, node)
    recent.remove_member(first, node)
    recent.guard(on=False)
    recent.patch(ETCD, {"forceRedeploymentReason": "single-master-recovery-1"})
    until(lambda: recent.settled(revision + 1))
    recent.guard(on=True)
    assert (root / "aside/etcd/member").is_dir()


def test_a_restore_on_one_host_grows_to_three(old: LabClient) -> None:
    """All but one host stopped, a backup restored there, the guard off, redeployments forced."""
    first, *others = old.nodes()
    root, tools, revision = old.root(first), f"{old.root(first)}/usr/local/bin", old.revision()
    old.etcdctl(first, "put before yes")
    old.ssh(first, f"sudo {tools}/cluster-backup.sh {root}/home/core/backup")
    old.etcdctl(first, "put after yes")
    for node in others:
        put_aside(old, node)
    old.ssh(first, f"sudo -E {tools}/cluster-restore.sh {root}/home/core/backup")
    until(lambda: old.available() == "1 members are available")
    assert "after" not in old.etcdctl(first, "get --keys-only --prefix ''").split()
    old.guard(on=False)
    old.patch(ETCD, {"forceRedeploymentReason": "recovery-1"})
    until(lambda: old.settled(revision + 1), 60)
    old.guard(on=True)
    for node in (first, *others):
        assert old.etcdctl(node, "get before --print-value-only") == "yes\n"
    apiservers = "/apis/operator.openshift.io/v1/kubeapiservers/cluster"
    said = old.condition("StaticPodsAvailable", apiservers)["message"]
    assert said == "1 nodes are active; 3 nodes are at revision 9", "nobody has started them on the others"
    old.patch(apiservers, {"forceRedeploymentReason": "recovery-1"})
    wanted = "3 nodes are active; 3 nodes are at revision 10"
    until(lambda: old.condition("StaticPodsAvailable", apiservers)["message"] == wanted)


def put_aside(lab: LabClient, node: str) -> None:
    """Stop the static pods of a host, and move etcd's data away."""
    at = f"cd {lab.root(node)} && mkdir -p aside"
    lab.ssh(node, f"{at} && sudo mv etc/kubernetes/manifests/*.yaml aside")
    until(lambda: lab.state()["nodes"][node]["pid"] is None)
    lab.ssh(node, f"{at} && sudo mv var/lib/etcd aside")
