"""The tree of a lab's host: what OpenShift's scripts and a careful client expect to find."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from etcdtui.errors import ConfigError
from etcdtui.lab import manifests, places, pod, tree, yamlfile
from etcdtui.lab.certificates import Authority
from etcdtui.lab.places import Node, Plan


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    directory = tmp_path_factory.mktemp("lab")
    made = places.plan(directory, nodes=3, identity="abc123", user="core", version="3.5.1")
    authority = Authority("signer")
    api = tree.ApiAccess(made.api_url, authority.pem, "secret")
    for node in made.nodes:
        tree.write_host(made, node, "/usr/bin:/bin")
        pairs = {kind: tree.issue(node, authority, kind) for kind in places.KINDS}
        tree.write_etcd(made, node, authority.pem, pairs, 7, founding=True)
        tree.write_companion(made, node, api, "kube-apiserver-pod", 9)
    return made


@pytest.fixture
def node(plan: Plan) -> Node:
    return plan.nodes[0]


def test_ports_are_distinct_and_below_the_ephemeral_range(plan: Plan) -> None:
    ports = [port for n in plan.nodes for port in (n.client, n.peer, n.metrics, n.ssh)] + [plan.api_port]
    assert len(set(ports)) == 13
    assert all(20000 <= port < 32000 for port in ports)


@pytest.mark.parametrize("kind", ["peer", "serving", "serving-metrics"])
def test_certificates_lie_where_openshift_has_them(node: Node, kind: str) -> None:
    certificate, key = node.certificate(kind)
    stem = f"etc/kubernetes/static-pod-resources/etcd-certs/secrets/etcd-all-certs/etcd-{kind}-masternode1"
    assert certificate == node.root / f"{stem}.crt"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "masternode1"}
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    loaded.verify_directly_issued_by(x509.load_pem_x509_certificate(node.ca.read_bytes()))


def test_a_fresh_host_has_the_two_real_traps(node: Node) -> None:
    assert not node.at(places.POD_CERTIFICATES).exists()
    assert not node.at(f"{places.RESOURCES}/bin").exists()


def test_etcd_env_is_a_list_of_exports(plan: Plan, node: Node) -> None:
    lines = node.at(f"{places.SCRIPTS}/etcd.env").read_text().splitlines()
    values = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    assert all(line.startswith("export ") for line in lines)
    assert values["ETCDCTL_CERT"].strip('"').startswith(f"{node.root}/etc/kubernetes/static-pod-certs/")
    assert values["ETCDCTL_ENDPOINTS"].strip('"') == plan.client_urls
    assert values["NODE_masternode2_ETCD_NAME"] == '"masternode2"'


def test_common_tools_know_this_hosts_paths(node: Node) -> None:
    script = (
        f'. "{node.at(places.SCRIPTS)}/etcd-common-tools"; '
        'echo "$MANIFEST_DIR $ETCD_DATA_DIR_BACKUP $MANIFEST_STOPPED_DIR"; type dl_etcdctl >/dev/null'
    )
    done = subprocess.run(["/bin/sh", "-ec", script], capture_output=True, text=True, check=True)
    root = node.root
    assert done.stdout.split() == [
        f"{root}/etc/kubernetes/manifests",
        f"{root}/var/lib/etcd-backup",
        f"{root}/home/core/assets/manifests-stopped",
    ]


def test_the_manifest_becomes_paths_of_this_machine(node: Node) -> None:
    read = pod.parse(node.at(f"{places.MANIFESTS}/etcd-pod.yaml").read_text(), node.root)
    assert [c.name for c in read.containers] == ["etcdctl", "etcd", "etcd-metrics", "etcd-readyz"]
    etcd = read.containers[1]
    script = etcd.command[-1]
    assert f"--cert-file={node.certificate('serving')[0]}" in script
    assert places.POD_CERTIFICATES not in script
    assert etcd.env["ETCD_DATA_DIR"] == str(node.at(places.DATA))
    assert f"--listen-client-urls={node.client_url}" in script


def test_the_restore_pod_writes_beside_the_data_it_moved_away(plan: Plan, node: Node) -> None:
    read = pod.parse(yamlfile.dump(manifests.restore_pod(plan, node, 7)), node.root)
    assert f"{node.root}/var/lib/etcd-backup/snapshot.db" in read.containers[0].command[-1]


def test_no_placeholder_is_left(node: Node) -> None:
    for script in node.at(places.BIN).iterdir():
        assert "@ROOT@" not in script.read_text()
        assert "@SYSTEM_PATH@" not in script.read_text()
        assert script.stat().st_mode & 0o111


@pytest.mark.parametrize("text", ["a: [", "kind: Pod", "[]", "metadata: {name: x}\nspec: 5"])
def test_a_broken_manifest_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"not valid YAML|not a pod"):
        pod.parse(text, Path("/r"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/var/lib/etcd", "/r/var/lib/etcd"),
        ("ls /var/lib/etcd/member", "ls /r/var/lib/etcd/member"),
        ("--data-dir=/var/lib/etcd", "--data-dir=/r/var/lib/etcd"),
        ("/var/lib/etcd-backup/x", "/var/lib/etcd-backup/x"),
        ("/r/var/lib/etcd", "/r/var/lib/etcd"),
        ('"/etc/certs/a.crt"', '"/r/resources/a.crt"'),
    ],
)
def test_mounts_replace_whole_paths_only(text: str, expected: str) -> None:
    mounts = {"/var/lib/etcd": "/r/var/lib/etcd", "/etc/certs": "/r/resources"}
    assert pod.mounted(text, mounts) == expected


def test_a_path_a_lab_cannot_bear_is_refused() -> None:
    from etcdtui.lab import up

    with pytest.raises(ConfigError, match="blanks or signs"):
        up.checked(Path("/tmp/a lab"), nodes=3, ssh="auto", keys=0)
