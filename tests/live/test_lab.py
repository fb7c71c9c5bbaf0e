"""Labs that really run: their hosts, their API, their troubles, their end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tarfile
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import paramiko
import pytest

from etcdtui.children import processes
from etcdtui.lab.control import read
from etcdtui.lab.demo import Lab

pytestmark = pytest.mark.live

OLD_ETCD = Path("/usr/bin") if Path("/usr/bin/etcdctl").exists() else None


class Host:
    """A host of a lab, as the lab's own configuration names it."""

    def __init__(self, lab: Lab, position: int = 0) -> None:
        known = tomllib.loads(lab.config.read_text())["clusters"]["lab"]
        self.ssh = known["ssh"]
        self.name: str = known["hosts"][position]["name"]
        self.port: int = known["hosts"][position]["port"]
        self.root: str = known["hosts"][position]["layout"]["root"]

    def client(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Through OpenSSH's client."""
        options = ("BatchMode=yes", f"UserKnownHostsFile={self.ssh['known_hosts']}", "IdentitiesOnly=yes")
        flags = [word for option in options for word in ("-o", option)]
        where = ["-F", "none", "-i", self.ssh["identity"], "-p", str(self.port)]
        return subprocess.run(
            ["ssh", *where, *flags, f"{self.ssh['user']}@127.0.0.1", *words],
            capture_output=True,
            text=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    @contextlib.contextmanager
    def connected(self) -> Iterator[paramiko.SSHClient]:
        """Through paramiko."""
        client = paramiko.SSHClient()
        client.load_host_keys(self.ssh["known_hosts"])
        client.connect(
            "127.0.0.1",
            self.port,
            self.ssh["user"],
            key_filename=self.ssh["identity"],
            timeout=10,
            allow_agent=False,
            look_for_keys=False,
        )
        try:
            yield client
        finally:
            client.close()

    def run(self, command: str, stdin: bytes = b"") -> tuple[int, str, str]:
        with self.connected() as client:
            source, out, err = client.exec_command(command, timeout=30)
            source.write(stdin)
            source.channel.shutdown_write()
            said, complained = out.read().decode(), err.read().decode()
            return out.channel.recv_exit_status(), said, complained


@pytest.fixture(scope="module")
def labs() -> Iterator[dict[str, Lab]]:
    """Two at once, side by side: one with this machine's sshd, one with our own server and an old etcd."""
    made = {
        "builtin": Lab(ssh="builtin", etcd_dir=OLD_ETCD, keys=200),
        "auto": Lab(keys=1000),
    }
    with ThreadPoolExecutor() as pool:
        try:
            list(pool.map(lambda lab: lab.start(), made.values()))
            yield made
        finally:
            list(pool.map(lambda lab: lab.close(), made.values()))
    assert not any(lab.directory.exists() for lab in made.values())


@pytest.fixture(params=["auto", "builtin"])
def lab(request: pytest.FixtureRequest, labs: dict[str, Lab]) -> Lab:
    return labs[request.param]


def until(what: Callable[[], Any], patience: float = 15) -> Any:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def ask(lab: Lab, path: str, *, token: bool = True) -> tuple[int, Any]:
    known = json.loads((lab.directory / "kubeconfig").read_text())
    context = ssl.create_default_context(cafile=str(lab.directory / "api" / "ca.crt"))
    headers = {"Authorization": f"Bearer {known['users'][0]['user']['token']}"} if token else {}
    request = urllib.request.Request(known["clusters"][0]["cluster"]["server"] + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, json.loads(exc.read())


def available(lab: Lab) -> str:
    _, etcd = ask(lab, "/apis/operator.openshift.io/v1/etcds/cluster")
    conditions = {c["type"]: c for c in etcd.get("status", {}).get("conditions", [])}
    return str(conditions["EtcdMembersAvailable"]["message"]) if conditions else ""


def test_openssh_lands_in_the_hosts_home(lab: Lab) -> None:
    host = Host(lab)
    done = host.client("pwd; hostname; command -v etcdctl; exit 7")
    assert done.returncode == 7
    assert done.stdout.splitlines() == [f"{host.root}/var/home/core", "masternode1"]


def test_paramiko_has_three_separate_streams_and_a_status(lab: Lab) -> None:
    status, out, err = Host(lab, 1).run("cat; echo oops >&2; exit 3", stdin=b"x" * 300_000)
    assert (status, len(out), err) == (3, 300_000, "oops\n")


def test_many_commands_at_once_on_one_connection(lab: Lab) -> None:
    with Host(lab).connected() as client:
        started = time.monotonic()
        channels = [client.exec_command(f"sleep 0.5; echo {n}")[1] for n in range(8)]
        assert [channel.read().decode().strip() for channel in channels] == [str(n) for n in range(8)]
        assert time.monotonic() - started < 3


def test_what_was_detached_outlives_the_connection(lab: Lab) -> None:
    host = Host(lab)
    _, out, _ = host.run("setsid nohup sleep 300 >/dev/null 2>&1 </dev/null & echo $!")
    time.sleep(0.3)
    assert not processes.wait_gone([int(out)], 0)
    host.run(f"kill {out}")


def test_a_fresh_host_has_the_real_traps(labs: dict[str, Lab]) -> None:
    host = Host(labs["auto"], 2)
    scripts = f"{host.root}/etc/kubernetes/static-pod-resources/etcd-certs/configmaps/etcd-scripts"
    assert host.run("command -v etcdctl")[0] != 0
    status, _, err = host.run(f". {scripts}/etcd.env; . {scripts}/etcd-common-tools; etcdctl endpoint health")
    assert status == 127
    status, _, err = host.run(
        f". {scripts}/etcd.env; . {scripts}/etcd-common-tools; dl_etcdctl; etcdctl endpoint health"
    )
    assert status == 128
    assert "static-pod-certs" in err and "no such file or directory" in err


def test_crictl_execs_etcdctl(lab: Lab) -> None:
    host = Host(lab)
    assert host.run("crictl ps")[0] == 1
    _, listed, _ = host.run("sudo crictl ps --label io.kubernetes.container.name=etcdctl -q")
    status, out, err = host.run(f"sudo -n crictl exec {listed.strip()} etcdctl endpoint health")
    assert status == 0, err
    assert (out + err).count("is healthy") == 3


def test_backup_leaves_the_two_files_and_says_so(lab: Lab) -> None:
    host = Host(lab)
    script, target = f"{host.root}/usr/local/bin/cluster-backup.sh", f"{host.root}/home/core/backup"
    assert host.run(f"{script} {target}") == (1, "This script must be run as root\n", "")
    assert host.run(f"sudo {script}")[0] == 1
    done = host.client("sudo", "-n", script, target)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == f"snapshot db and kube resources are successfully saved to {target}"
    assert sum(line.startswith("found latest ") for line in lines) == 4
    files = {path.name.partition("_")[0]: path for path in Path(target).iterdir()}
    assert set(files) == {"snapshot", "static"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files.values())
    with tarfile.open(files["static"]) as tar:
        assert "static-pod-resources/etcd-pod-7/configmaps/restore-etcd-pod/pod.yaml" in tar.getnames()
    shutil.rmtree(Path(target))


def test_backup_refuses_and_cleans_up(labs: dict[str, Lab]) -> None:
    lab = labs["auto"]
    host = Host(lab, 1)
    target = Path(f"{host.root}/home/core/trouble")
    script = f"sudo -n {host.root}/usr/local/bin/cluster-backup.sh"
    lab.do("progressing")
    status, out, _ = host.run(f"{script} {target}")
    assert status == 1 and "Currently the etcd operator is progressing." in out
    lab.do("settled")
    lab.do("api-down")
    status, out, _ = host.run(f"{script} {target}")
    assert status == 1 and "Could not find the status of the etcd." in out
    status, out, _ = host.run(f"{script} --force {target}")
    assert status == 0
    assert all("__POSSIBLY_DIRTY__" in path.name for path in target.iterdir())
    lab.do("api-up")
    shutil.rmtree(target)
    lab.do("stop", "masternode2")
    status, _, _ = host.run(f"timeout 3 {script.removeprefix('sudo -n ')} {target}")
    assert status == 1  # without sudo's mark
    lab.do("sudo-password", "masternode2")
    assert "a password is required" in host.run("sudo -n true")[2]
    lab.do("sudo-free", "masternode2")
    manifest = Path(host.root) / "etc/kubernetes/manifests/kube-scheduler-pod.yaml"
    manifest.rename(manifest.with_suffix(".away"))
    status, _, _ = host.run(f"{script} --force {target}")
    manifest.with_suffix(".away").rename(manifest)
    assert status == 1 and list(target.iterdir()) == []
    lab.do("start", "masternode2")
    until(lambda: available(lab) == "3 members are available")


def test_the_api_answers_for_what_runs(lab: Lab) -> None:
    assert ask(lab, "/api/v1/nodes", token=False)[0] == 401
    assert ask(lab, "/version")[1]["gitVersion"].startswith("v1.")
    _, nodes = ask(lab, "/api/v1/nodes")
    assert nodes["kind"] == "NodeList"
    assert [node["metadata"]["name"] for node in nodes["items"]] == [f"masternode{n}" for n in (1, 2, 3)]
    _, pods = ask(lab, "/api/v1/namespaces/openshift-etcd/pods?labelSelector=k8s-app%3Detcd")
    assert len(pods["items"]) == 3
    assert all(len(pod["status"]["containerStatuses"]) == 4 for pod in pods["items"])
    status, missing = ask(lab, "/apis/config.openshift.io/v1/clusteroperators/nothing")
    assert (status, missing["kind"], missing["reason"]) == (404, "Status", "NotFound")
    for path in ("clusteroperators/etcd", "clusterversions/version", "infrastructures/cluster"):
        assert ask(lab, f"/apis/config.openshift.io/v1/{path}")[0] == 200
    until(lambda: available(lab) == "3 members are available")


@pytest.mark.parametrize(
    ("hurt", "heal"), [("stop", "start"), ("freeze", "thaw"), ("wrong-cert", "right-cert")]
)
def test_trouble_shows_in_the_api_and_passes(labs: dict[str, Lab], hurt: str, heal: str) -> None:
    lab = labs["auto"]
    lab.do(hurt, "masternode3")
    until(lambda: available(lab) == "2 of 3 members are available, masternode3 is unhealthy")
    lab.do(heal, "masternode3")
    until(lambda: available(lab) == "3 members are available")


def test_a_slow_member_stays_one(labs: dict[str, Lab]) -> None:
    lab = labs["auto"]
    lab.do("slow", "masternode3")
    time.sleep(1.5)
    assert available(lab) == "3 members are available"
    lab.do("fast", "masternode3")


def test_without_a_quorum_the_api_cannot_read(labs: dict[str, Lab]) -> None:
    lab = labs["builtin"]
    lab.do("stop", "masternode2")
    lab.do("freeze", "masternode3")
    _, said = until(lambda: (got := ask(lab, "/api/v1/nodes"))[0] == 500 and got)
    assert (said["kind"], said["message"]) == ("Status", "etcdserver: request timed out")
    assert ask(lab, "/version")[0] == 200
    lab.do("start", "masternode2")
    lab.do("thaw", "masternode3")
    until(lambda: ask(lab, "/api/v1/nodes")[0] == 200)


def test_the_kubelet_obeys_its_folder(labs: dict[str, Lab]) -> None:
    lab = labs["auto"]
    host = Host(lab, 2)
    manifest = Path(host.root) / "etc/kubernetes/manifests/etcd-pod.yaml"
    manifest.rename(Path(host.root) / "tmp/etcd-pod.yaml")
    until(lambda: host.run("sudo crictl ps --name '^etcd$' -q")[1] == "")
    (Path(host.root) / "tmp/etcd-pod.yaml").rename(manifest)
    until(lambda: available(lab) == "3 members are available")
    before = json.loads(lab.do("status"))["nodes"]["masternode3"]["pid"]
    lab.do("crash", "masternode3")
    until(lambda: json.loads(lab.do("status"))["nodes"]["masternode3"]["pid"] not in (before, None))
    until(lambda: available(lab) == "3 members are available")


def test_a_frozen_ssh_server_says_nothing_until_it_thaws(lab: Lab) -> None:
    host = Host(lab, 2)
    lab.do("freeze-ssh", "masternode3")
    with socket.create_connection(("127.0.0.1", host.port), 2) as silent:
        silent.settimeout(0.7)
        with pytest.raises(TimeoutError):
            silent.recv(1)
    lab.do("thaw-ssh", "masternode3")
    assert host.run("hostname")[1] == "masternode3\n"
    lab.do("stop-ssh", "masternode3")
    assert host.client("true").returncode == 255
    lab.do("start-ssh", "masternode3")
    assert host.run("hostname")[1] == "masternode3\n"


def test_a_full_disk_shows_in_df(labs: dict[str, Lab]) -> None:
    lab = labs["auto"]
    host = Host(lab)
    lab.do("fill-disk", "masternode1")
    assert host.run(f"df -Pk {host.root}/var/lib/etcd | awk 'NR == 2 {{print $4}}'")[1] == "0\n"
    lab.do("free-disk", "masternode1")
    assert int(host.run(f"df -Pk {host.root}/var/lib/etcd | awk 'NR == 2 {{print $4}}'")[1]) > 0


@pytest.fixture(scope="module")
def single() -> Iterator[Lab]:
    """A lab of one host: what is done to it needs nobody else."""
    with Lab(nodes=1, keys=10) as lab:
        yield lab


def test_restore_brings_back_what_the_backup_had(single: Lab) -> None:
    host = Host(single)
    tools, target = f"{host.root}/usr/local/bin", f"{host.root}/home/core/backup"
    etcdctl = "sudo crictl exec $(sudo crictl ps -q --name '^etcd$') etcdctl"
    assert host.run(f"{etcdctl} put before yes")[0] == 0
    assert host.run(f"sudo {tools}/cluster-backup.sh {target}")[0] == 0
    assert host.run(f"{etcdctl} put after yes")[0] == 0
    status, out, err = host.run(f"sudo -E {tools}/cluster-restore.sh {target}")
    assert status == 0, err
    for line in ("...stopping etcd-pod.yaml", "complete", "starting restore-etcd static pod"):
        assert line in out.splitlines()
    assert Path(f"{host.root}/var/lib/etcd-backup/member").is_dir()
    read_both = f"{etcdctl} get --keys-only --prefix ''"
    keys = until(lambda: (found := host.run(read_both))[0] == 0 and found[1].split(), 25)
    assert "before" in keys and "after" not in keys
    until(lambda: available(single) == "1 members are available")


def test_kill_9_of_the_lab_leaves_nothing(single: Lab) -> None:
    _, out, _ = Host(single).run("setsid nohup sleep 300 >/dev/null 2>&1 </dev/null & echo $!")
    pid = int(read(single.directory)["pid"])
    known = processes.family([pid])
    assert len(known) >= 4  # itself, its reaper, etcd and an SSH server
    os.kill(pid, signal.SIGKILL)
    until(lambda: not single.directory.exists())
    assert processes.wait_gone([p for p in known if p != pid] + [int(out)], 5)
