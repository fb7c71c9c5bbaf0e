"""The proof against etcd's own programs: what they say of real snapshots, and which they restore.

Run as a program it makes the small snapshots in ``tests/data/snapshots``.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import random
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from etcdtui.children.binaries import Binaries
from etcdtui.etcd.comparing import compare
from etcdtui.etcd.contents import Contents
from etcdtui.etcd.snapshot import etcd_hash, prove
from etcdtui.model.members import Member
from etcdtui.model.proof import Outcome, behind, same_cluster
from etcdtui.procedures.rehearsal import rehearse
from tests.data.record import HERE, Trio, found_binaries, run
from tests.snapshotfiles import mutated, resealed

pytestmark = pytest.mark.live
BINARIES = found_binaries()
CASES = (
    "empty",
    "few",
    "thousands",
    "large",
    "compacted",
    "defragmented",
    "leases",
    "auth",
    "alarm",
    "learner",
)


@dataclass
class Taken:
    """Snapshots by case, with what the cluster said when each was taken."""

    version: str
    binaries: Path
    snapshots: dict[str, Path] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)
    live_keys: dict[str, int] = field(default_factory=dict)
    members: dict[str, list[Member]] = field(default_factory=dict)


class Camera:
    """One member of its own, brought into every situation, a snapshot taken in each."""

    def __init__(self, version: str, binaries: Path, folder: Path) -> None:
        self.cluster = Trio(binaries, folder / "etcd", 1)
        self.taken = Taken(version, binaries)
        self._folder = folder
        self._words: tuple[str, ...] = ()
        context = ssl.create_default_context(cafile=str(self.cluster.authority.ca))
        context.load_cert_chain(*map(str, self.cluster.client))
        self._http = http.client.HTTPSConnection(
            "127.0.0.1", self.cluster.clients["m1"], timeout=30, context=context
        )

    def ctl(self, *words: str) -> str:
        endpoint = self.cluster.endpoints[:1]
        for _ in range(20):
            done = run(self.cluster.etcdctl(*self._words, *words, endpoints=endpoint))
            if done["status"] == 0:
                return str(done["stdout"])
            time.sleep(0.5)  # a leader is being elected, or a new member not yet settled
        raise RuntimeError(f"{words}: {done}")

    def put(self, count: int, size: int, kind: str = "configmaps", first: int = 0) -> None:
        batch = max(1, min(100, (1 << 20) // size))
        for start in range(first, first + count, batch):
            puts = [
                {
                    "requestPut": {
                        "key": _b64(f"/kubernetes.io/{kind}/space-{number % 7}/name-{number:05d}".encode()),
                        "value": _b64(f"{number:08d}".encode() * (size // 8)),
                    }
                }
                for number in range(start, min(start + batch, first + count))
            ]
            self._http.request("POST", "/v3/kv/txn", json.dumps({"success": puts}))
            answer = self._http.getresponse()
            said = answer.read()
            assert answer.status == 200, said

    def shoot(self, case: str) -> None:
        path = self._folder / f"{case}.db"
        self.ctl("snapshot", "save", str(path))
        status = json.loads(self.ctl("endpoint", "status", "-w", "json"))[0]["Status"]
        listed = json.loads(self.ctl("member", "list", "-w", "json"))["members"]
        keys = json.loads(self.ctl("get", "", "--prefix", "--keys-only", "--limit=1", "-w", "json"))
        self.taken.snapshots[case] = path
        self.taken.revisions[case] = status["header"]["revision"]
        self.taken.live_keys[case] = keys.get("count", 0)
        self.taken.members[case] = [
            Member(m["ID"], m.get("name", ""), tuple(m["peerURLs"]), learner=m.get("isLearner", False))
            for m in listed
        ]

    def all(self) -> Taken:
        extra = ["--quota-backend-bytes", str(48 << 20)]
        if not self.taken.version.startswith("3.4"):
            extra.append("--unsafe-no-fsync")  # only time is at stake here
        self.cluster.start(extra=extra)
        try:
            self.cluster.wait_ready()
            time.sleep(0.5)  # the cluster version is being agreed on
            self.shoot("empty")
            self.small()
            self.shoot("few")
            self.put(5000, 200)
            self.shoot("thousands")
            self.put(60, 200_000, "secrets")
            self.shoot("large")
            self.put(2000, 200)
            self.ctl("del", "--prefix", "/kubernetes.io/configmaps/space-3/")
            revision = json.loads(self.ctl("endpoint", "status", "-w", "json"))[0]["Status"]["header"][
                "revision"
            ]
            self.ctl("compact", "--physical", str(revision - 3))
            self.shoot("compacted")
            self.ctl("defrag")
            self.shoot("defragmented")
            for number in range(5):
                lease = self.ctl("lease", "grant", "600").split()[1]
                self.ctl("put", f"--lease={lease}", f"/kubernetes.io/leases/space-1/lease-{number}", "held")
            self.shoot("leases")
            self.ctl("user", "add", "root:secret")
            self.ctl("role", "add", "root")
            self.ctl("user", "grant-role", "root", "root")
            self.ctl("auth", "enable")
            self._words = ("--user=root:secret",)
            self.shoot("auth")
            self.ctl("auth", "disable")
            self._words = ()
            self.alarm()
            self.shoot("alarm")
            self.ctl("alarm", "disarm")
            peer = f"https://127.0.0.1:{self.cluster.spare[1]}"
            self.ctl("member", "add", "m2", "--learner", f"--peer-urls={peer}")
            self.shoot("learner")
            return self.taken
        finally:
            self._http.close()
            self.cluster.close()

    def small(self) -> None:
        """What the tests of single pages need: several leaves, changed and deleted keys, a namespace."""
        self.put(70, 96)
        self.put(10, 96, first=5)
        for name in ("prod", "stage"):
            self.ctl("put", f"/kubernetes.io/namespaces/{name}", "{}")
        self.ctl("put", "/kubernetes.io/deployments/prod/web", "replicas")
        self.ctl("put", "/kubernetes.io/config.openshift.io/clusterversions/version", "4.16.3")
        self.ctl("put", "plain", "of somebody else")
        self.ctl("del", "/kubernetes.io/configmaps/space-1/name-00008")

    def alarm(self) -> None:
        number = 0
        while run(self.cluster.etcdctl("put", f"fill{number}", "z" * 120_000))["status"] == 0:
            number += 1
            self.put(40, 240_000, f"fill{number}") if number < 3 else None


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture(scope="module", params=list(BINARIES), ids=list(BINARIES))
def taken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    folder = tmp_path_factory.mktemp(f"snapshots-{request.param}")
    yield Camera(request.param, BINARIES[request.param], folder).all()
    shutil.rmtree(folder)


def _program(taken: Taken) -> str:
    """Of this version: from 3.5 on etcdutl."""
    program = taken.binaries / "etcdutl"
    return str(program if program.exists() else taken.binaries / "etcdctl")


def _restores(taken: Taken, path: Path, folder: Path) -> bool:
    words = [_program(taken), "snapshot", "restore", str(path), "--data-dir", str(folder / "restored")]
    done = subprocess.run(words, capture_output=True, check=False, cwd=folder)
    shutil.rmtree(folder / "restored", ignore_errors=True)
    return done.returncode == 0


def test_proof_agrees_with_status_restore_and_the_living_cluster(taken: Taken, tmp_path: Path) -> None:
    for case in CASES:
        path = taken.snapshots[case]
        said = run([_program(taken), "snapshot", "status", str(path), "-w", "json"])
        status = json.loads(str(said["stdout"]))
        proof = prove(path, etcd_hash=True)
        assert proof.good, (case, proof.verdict, proof.failed)
        assert proof.facts is not None
        facts = proof.facts
        assert (facts.revision, facts.entries) == (status["revision"], status["totalKey"]), case
        assert (facts.size, facts.etcd_hash) == (status["totalSize"], status["hash"]), case
        assert facts.etcd_hash == etcd_hash(path)
        assert proof.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert facts.live_keys == taken.live_keys[case], case
        # A cluster nobody wrote to is at revision 1, and there is no entry that says so.
        assert max(1, facts.last_revision) == taken.revisions[case], case
        identity = same_cluster(proof, taken.members[case])
        assert identity.same, identity.sentence
        assert "Nothing was written" in behind(proof, facts.last_revision)
        assert _restores(taken, path, tmp_path), case


def test_facts_of_each_situation(taken: Taken) -> None:
    facts = {case: prove(path).facts for case, path in taken.snapshots.items()}
    told = {case: fact for case, fact in facts.items() if fact is not None}
    assert told["empty"].live_keys == 0 and told["empty"].cluster_version.startswith(taken.version[:3])
    assert told["compacted"].compacted and told["compacted"].compacting is None
    assert told["defragmented"].pages < told["compacted"].pages
    assert told["defragmented"].revision == told["compacted"].revision
    assert told["leases"].leases == 5
    assert told["auth"].auth and (told["auth"].users, told["auth"].roles) == (1, 1)
    assert not told["leases"].auth
    assert [alarm.kind for alarm in told["alarm"].alarms] == ["NOSPACE"]
    learner = [member for member in told["learner"].members if member.learner]
    assert len(learner) == 1 and not learner[0].started
    if told["learner"].term is not None:  # etcd 3.5 and newer
        assert told["learner"].learners == (learner[0].id,)
        assert told["learner"].voters == (told["empty"].members[0].id,)


def test_contents_are_those_of_the_cluster(taken: Taken) -> None:
    with Contents(taken.snapshots["defragmented"]) as contents:
        summary = contents.summary()
        assert summary.keys == taken.live_keys["defragmented"]
        assert not any(
            entry.key.startswith(b"/kubernetes.io/configmaps/space-3/") for entry in contents.live()
        )
        (found,) = contents.find("deploy prod/web")
        assert found.key == b"/kubernetes.io/deployments/prod/web"
    changes = compare(taken.snapshots["few"], taken.snapshots["compacted"])
    assert {change.name.kind for change in changes.added} == {"configmaps", "secrets"}
    assert all(change.key.startswith("/kubernetes.io/configmaps/space-3/") for change in changes.removed)
    assert compare(taken.snapshots["compacted"], taken.snapshots["defragmented"]).same


def test_what_restore_refuses_is_refused(taken: Taken, tmp_path: Path) -> None:
    good = taken.snapshots["few"].read_bytes()
    bad = tmp_path / "bad.db"
    for name, data in {
        "flipped": good[:9000] + bytes([good[9000] ^ 1]) + good[9001:],
        "digest cut": good[:-32],
        "cut": good[: len(good) // 2],
        "page zeroed": good[:8192] + bytes(4096) + good[12288:],
        "appended": good + b"more",
        "empty": b"",
    }.items():
        bad.write_bytes(data)
        proof = prove(bad)
        assert not proof.good and proof.failed, name
        assert not _restores(taken, bad, tmp_path), name


def test_what_status_and_restore_refuse_is_refused_at_random(taken: Taken, tmp_path: Path) -> None:
    """With a digest that fits, so that etcd's programs look at the structure alone."""
    good, pick, bad = taken.snapshots["few"].read_bytes(), random.Random(11), tmp_path / "bad.db"
    refused = 0
    for _ in range(60):
        bad.write_bytes(resealed(mutated(good, pick)))
        try:
            status = run([_program(taken), "snapshot", "status", str(bad), "-w", "json"], timeout=20)[
                "status"
            ]
        except subprocess.TimeoutExpired:  # it goes round in the damaged pages for ever
            status = None
        if status != 0:
            refused += 1
            assert not prove(bad).good, bad.read_bytes()
    assert refused > 5


@pytest.mark.drill
@pytest.mark.parametrize("case", CASES)
def test_every_good_one_is_restored_as_it_was_proven(taken: Taken, case: str) -> None:
    tool = taken.binaries / "etcdutl"
    programs = Binaries(
        taken.binaries / "etcd", taken.binaries / "etcdctl", tool if tool.exists() else None, taken.version
    )
    done = rehearse(taken.snapshots[case], lambda: programs, lambda *_: None, lambda: False)
    assert done.outcome is Outcome.OK, (done.sentence, done.checks)


def make_fixtures() -> None:
    for version, binaries in BINARIES.items():
        with tempfile.TemporaryDirectory(prefix="etcdtui-snapshots-") as name:
            camera = Camera(version, binaries, Path(name))
            camera.cluster.start()
            try:
                camera.cluster.wait_ready()
                time.sleep(0.5)
                camera.small()
                camera.shoot("few")
            finally:
                camera.cluster.close()
            shutil.copy(Path(name) / "few.db", HERE / "snapshots" / f"{version}.db")


if __name__ == "__main__":
    make_fixtures()
    sys.exit(0)
