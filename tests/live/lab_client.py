"""Speaking with a running lab as its engineers do: its API, its hosts, etcdctl."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etcdtui.lab.demo import Lab

ETCD = "/apis/operator.openshift.io/v1/etcds/cluster"
NODES = "/api/v1/nodes"
PODS = "/api/v1/namespaces/openshift-etcd/pods"
SECRETS = "/api/v1/namespaces/openshift-etcd/secrets"
MACHINES = "/apis/machine.openshift.io/v1beta1/namespaces/openshift-machine-api/machines"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
JSON, MERGE = "application/json", "application/merge-patch+json"
_ETCDCTL = "sudo crictl exec $(sudo crictl ps -q --state Running --name '^etcd$') etcdctl"
OVERRIDE = "useUnsupportedUnsafeNonHANonProductionUnstableEtcd"


class LabClient:
    """One lab, asked."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        known = json.loads((lab.directory / "kubeconfig").read_text())
        self._url = known["clusters"][0]["cluster"]["server"]
        self._token = known["users"][0]["user"]["token"]
        self._context = ssl.create_default_context(cafile=str(lab.directory / "api" / "ca.crt"))

    def ask(self, method: str, path: str, body: Any = None, kind: str = JSON) -> tuple[int, Any]:
        """Status and answer of the API; 0 where nothing listens."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind}
        request = urllib.request.Request(self._url + path, method=method, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=15, context=self._context) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, json.loads(exc.read())
        except OSError as exc:
            return 0, str(exc)

    def get(self, path: str) -> Any:
        """An object that is there, waiting out moments without a quorum."""
        return until(lambda: (got := self.ask("GET", path))[0] == 200 and got[1], 30)

    def patch(self, path: str, spec: dict[str, Any]) -> Any:
        """A merge patch of a specification."""
        status, answer = self.ask("PATCH", path, {"spec": spec}, MERGE)
        assert status == 200, answer
        return answer

    def guard(self, on: bool) -> None:
        """The operator's guard."""
        self.patch(ETCD, {"unsupportedConfigOverrides": None if on else {OVERRIDE: True}})

    def condition(self, kind: str, path: str = ETCD) -> dict[str, str]:
        """One condition of an operator's resource."""
        found = [c for c in self.get(path)["status"]["conditions"] if c["type"] == kind]
        return dict(found[0]) if found else {"status": "", "reason": "", "message": ""}

    def available(self) -> str:
        """The operator's word of the members."""
        return self.condition("EtcdMembersAvailable")["message"]

    def settled(self, revision: int) -> bool:
        """Whether the three nodes run this revision, with three members."""
        installer = self.condition("NodeInstallerProgressing")
        done = (installer["reason"], installer["message"])
        wanted = ("AllNodesAtLatestRevision", f"3 nodes are at revision {revision}")
        return done == wanted and self.available() == "3 members are available"

    def nodes(self) -> list[str]:
        """The nodes by name."""
        return sorted(node["metadata"]["name"] for node in self.get(NODES)["items"])

    def revision(self) -> int:
        """The latest revision of etcd's pods."""
        return int(self.get(ETCD)["status"]["latestAvailableRevision"])

    def etcd(self, node: str) -> dict[str, Any]:
        """The state of etcd's container on a node, as its pod tells it."""
        statuses = self.get(f"{PODS}/etcd-{node}")["status"]["containerStatuses"]
        return next(status for status in statuses if status["name"] == "etcd")

    def ready(self, node: str) -> str:
        """The Ready condition of a node."""
        return str(self.get(f"{NODES}/{node}")["status"]["conditions"][0]["status"])

    def approve(self, signer: str, node: str) -> None:
        """Wait for the CSR of a node, and approve it."""

        def pending() -> Any:
            for csr in self.get(CSRS)["items"]:
                if csr["spec"]["signerName"].endswith(signer) and not csr["status"].get("conditions"):
                    return csr
            return None

        csr = until(pending)
        csr["status"]["conditions"] = [{"type": "Approved", "status": "True", "reason": "test"}]
        status, told = self.ask("PUT", f"{CSRS}/{csr['metadata']['name']}/approval", csr)
        assert status == 200, told

    def state(self) -> Any:
        """What the lab says of itself."""
        return json.loads(self.lab.do("status"))

    def member_id(self, name: str) -> str:
        return str(next(m["id"] for m in self.state()["members"] if m["name"] == name))

    def root(self, node: str) -> Path:
        return self.lab.directory / "nodes" / node

    def ssh(self, node: str, command: str) -> str:
        """What a command on a host says; it must end well."""
        done = self.tried(node, command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def tried(self, node: str, command: str) -> subprocess.CompletedProcess[str]:
        """A command on a host, however it ends."""
        port = self.state()["nodes"][node]["ssh_port"]
        known = f"UserKnownHostsFile={self.lab.directory}/known_hosts"
        words = ["ssh", "-F", "none", "-i", f"{self.lab.directory}/operator_ed25519", "-p", str(port)]
        words += ["-o", "BatchMode=yes", "-o", known, "127.0.0.1", command]
        return subprocess.run(
            words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False
        )

    def etcdctl(self, node: str, words: str) -> str:
        """etcdctl in the container of a host."""
        return self.ssh(node, f"{_ETCDCTL} {words}")

    def remove_member(self, node: str, name: str) -> None:
        """Remove a member, asked on a host. While a leader is elected, etcd does not listen."""
        words = f"{_ETCDCTL} member remove {self.member_id(name)}"
        until(lambda: self.tried(node, words).returncode == 0)


def until(what: Callable[[], Any], patience: float = 40) -> Any:
    """The first truth that ``what`` tells."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("waited in vain")
