"""Backups of a real etcd over real SSH, in quiet and in trouble."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etcdtui.journal import Journal
from etcdtui.lab.demo import Lab
from etcdtui.model.backups import BackupSet
from etcdtui.model.manifest import SUFFIX
from etcdtui.procedures import backup
from etcdtui.procedures.engine import Engine
from etcdtui.procedures.procedure import (
    Answer,
    Choice,
    Ending,
    Event,
    Finished,
    Procedure,
    Progress,
    StepChanged,
    StepState,
)
from etcdtui.procedures.registry import resume
from tests.live.backing import HOST, Ground, digests
from tests.live.storing import LOGIN, NGINX, make_certificate, nginx_serving
from tests.live.watched import Watched, watched

pytestmark = pytest.mark.live

PATIENCE = 90.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(keys=2000) as running:
        yield running


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path) -> Iterator[Watched]:
    with watched(lab, tmp_path) as watch:
        yield watch
        watch.heal()


class Run:
    """A backup with a human who confirms it, and what he does when something happens."""

    def __init__(self, watch: Watched, procedure: Procedure, journal: Journal) -> None:
        self.engine = Engine(procedure, watch.cluster, journal, self._emit)
        self.events: list[Event] = []
        self.when: list[tuple[Callable[[Event], bool], Callable[[], object]]] = []

    def _emit(self, event: Event) -> None:
        self.events.append(event)
        for happens, act in list(self.when):
            if happens(event):
                self.when.remove((happens, act))
                act()
        if isinstance(event, StepChanged) and Choice.GO in event.choices:
            self.engine.answer(Answer(Choice.GO, step=event.step))

    def __call__(self) -> Finished:
        return self.engine.run()

    @property
    def awaited(self) -> list[str]:
        return [e.awaiting for e in self.events if isinstance(e, Progress)]


def plan(watch: Watched) -> Procedure:
    view = watch.healthy().view
    name = f"backup-live-{secrets.token_hex(4)}"
    return backup.plan(view, watch.cluster.layout_of, watch.cluster.keeping, procedure_id=name, now=view.now)


def running(event: Event) -> bool:
    return isinstance(event, StepChanged) and event.step == "take" and event.state is StepState.RUNNING


def following(event: Event) -> bool:
    return isinstance(event, Progress) and event.step == "take" and "the end of" in event.awaiting


def sets(watch: Watched, procedure: Procedure) -> list[BackupSet]:
    layout = watch.cluster.layout_of(procedure.parameters["host"])
    names = [path.name for path in Path(procedure.parameters["folder"]).glob("*")]
    files = [name for name in names if not name.endswith(SUFFIX)]
    assert str(Path(layout.root)) in procedure.parameters["folder"]
    view = watch.cluster.look_again(20)
    found = [s for s in view.backups if s.host == procedure.parameters["host"]]
    assert sum(len(s.files) for s in found) == len(files)
    return found


def leftovers(procedure: Procedure) -> list[Path]:
    """Records of jobs on the host, whose files are this machine's."""
    return list(Path(procedure.parameters["jobs"]).glob("*"))


def within(seconds: float, true: Callable[[], object]) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


def test_a_backup(cluster: Watched, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    made = plan(cluster)
    assert any("is chosen" in reason for reason in made.reasons)
    before = len(sets(cluster, made))
    take = Run(cluster, made, journal)
    finished = take()
    assert finished.ending is Ending.DONE, finished.sentence
    assert f"is proven and lies on {made.parameters['host']}, here and on outside" in finished.sentence
    assert "One member may go down now" in finished.sentence
    found = sets(cluster, made)
    assert len(found) == before + 1 and found[0].complete
    assert all(file.mode == 0o600 for file in found[0].files)
    assert leftovers(made) == []
    assert journal.read(made.id).ending is Ending.DONE


def test_a_dropped_connection(cluster: Watched, tmp_path: Path) -> None:
    made = plan(cluster)
    host = made.parameters["host"]
    before = len(sets(cluster, made))
    take = Run(cluster, made, Journal(tmp_path / "journal"))
    take.when.append((running, lambda: cluster.lab.do("freeze", host)))
    take.when.append((following, lambda: cluster.lab.do("stop-ssh", host)))

    def dropped(event: Event) -> bool:
        return isinstance(event, Progress) and "the command goes on there" in event.awaiting

    def mend() -> None:
        cluster.lab.do("thaw", host)
        cluster.lab.do("start-ssh", host)

    take.when.append((dropped, mend))
    finished = take()
    assert finished.ending is Ending.DONE, (finished.sentence, take.awaited[-3:])
    assert len(sets(cluster, made)) == before + 1


def test_cancelled(cluster: Watched, tmp_path: Path) -> None:
    made = plan(cluster)
    host = made.parameters["host"]
    before = len(sets(cluster, made))
    take = Run(cluster, made, Journal(tmp_path / "journal"))
    take.when.append((running, lambda: cluster.lab.do("freeze", host)))
    take.when.append((following, take.engine.cancel))

    def asked(event: Event) -> bool:
        return isinstance(event, StepChanged) and event.choices == (Choice.STOP, Choice.WAIT)

    take.when.append((asked, lambda: take.engine.answer(Answer(Choice.STOP))))
    finished = take()
    cluster.lab.do("thaw", host)
    assert finished.ending is Ending.CANCELLED, finished.sentence
    after = sets(cluster, made)
    if len(after) == before:
        assert "Nothing of it was left behind" in finished.sentence
    else:
        assert not after[0].complete
        assert all(file.name in finished.sentence for file in after[0].files)
    script = ("pgrep", "-f", f"[s]napshot save {made.parameters['folder']}")
    assert cluster.cluster.runner(host).run(script, timeout=10).status == 1


def test_a_member_that_went_down_after_the_plan(cluster: Watched, tmp_path: Path) -> None:
    made = plan(cluster)
    before = len(sets(cluster, made))
    cluster.lab.do("stop", made.parameters["host"])
    cluster.within(10, lambda seen: not seen.member(made.parameters["host"]).well)
    finished = Run(cluster, made, Journal(tmp_path / "journal"))()
    assert finished.ending is Ending.REFUSED
    assert made.parameters["host"] in finished.sentence and "is not well" in finished.sentence
    assert len(sets(cluster, made)) == before


def test_without_the_api_the_script_refuses_and_it_is_put_into_words(
    cluster: Watched, tmp_path: Path
) -> None:
    cluster.healthy()
    cluster.lab.do("api-down")
    seen = cluster.within(40, lambda seen: seen.view.api.problem is not None)
    layout_of = cluster.cluster.layout_of
    name = f"backup-live-{secrets.token_hex(4)}"
    made = backup.plan(seen.view, layout_of, cluster.cluster.keeping, procedure_id=name, now=0.0)
    assert any("could not be checked" in reason for reason in made.reasons)
    take = Run(cluster, made, Journal(tmp_path / "journal"))

    def failed(event: Event) -> bool:
        return isinstance(event, StepChanged) and event.state is StepState.FAILED

    take.when.append((failed, lambda: take.engine.answer(Answer(Choice.STOP))))
    before = len(sets(cluster, made))
    finished = take()
    assert finished.ending is Ending.FAILED
    assert "could not ask the API about the operator etcd" in finished.sentence
    assert len(sets(cluster, made)) == before


CHILD = """
import sys, pathlib
from etcdtui import config
from etcdtui.cluster import Cluster
from etcdtui.journal import Journal
from etcdtui.lab import control
from etcdtui.model.manifest import SUFFIX
from etcdtui.procedures import backup
from etcdtui.procedures.engine import Engine
from etcdtui.procedures.procedure import *
lab, state, name, host = sys.argv[1:]
cluster = Cluster(config.load(pathlib.Path(lab) / "clusters.toml").cluster(None), pathlib.Path(state))
cluster.start()
def emit(event):
    if isinstance(event, StepChanged) and Choice.GO in event.choices:
        engine.answer(Answer(Choice.GO))
    if isinstance(event, StepChanged) and event.step == "take" and event.state is StepState.RUNNING:
        control.send(pathlib.Path(lab), "freeze", host)
import time
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        plan = backup.plan(cluster.look_again(10), cluster.layout_of, cluster.keeping,
                           procedure_id=name, now=0.0, host=host)
        break
    except Exception as exc:
        print(exc, flush=True)
        time.sleep(0.5)
engine = Engine(plan, cluster, Journal(pathlib.Path(state) / "journal"), emit)
print(engine.run(), flush=True)
"""


def test_killed_in_the_middle_and_resumed(cluster: Watched, tmp_path: Path) -> None:
    host = plan(cluster).parameters["host"]
    name = f"backup-live-{secrets.token_hex(4)}"
    words = [str(cluster.lab.directory), str(tmp_path), name, host]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    journal = Journal(tmp_path / "journal")
    try:
        within(PATIENCE, lambda: _begun(journal) or child.poll() is not None)
        assert child.poll() is None, child.stdout and child.stdout.read()
        assert journal.read(name).alive
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    left = journal.read(name)
    assert left.resumable and left.last_step is not None and left.last_step.key == "take"
    made = resume(left)
    before = len([s for s in sets(cluster, made) if s.complete])
    cluster.lab.do("thaw", host)
    cluster.healthy()
    again = Run(cluster, made, journal)
    finished = again()
    assert finished.ending is Ending.DONE, finished.sentence
    assert not any(isinstance(e, StepChanged) and Choice.GO in e.choices for e in again.events)
    assert len([s for s in sets(cluster, made) if s.complete]) == before + 1
    commands = [e for e in journal.read(name).entries if e.kind == "command"]
    assert len(commands) == 1


def _begun(journal: Journal) -> bool:
    return any(e.kind == "started" for e in journal.entries())


STORES = """
[[clusters.lab.stores]]
kind = "nexus"
name = "nginx"
url = "{url}"
ca = "{certificate}/crt"
user_env = "STORE_USER"
password_env = "STORE_PASSWORD"
[[clusters.lab.stores]]
kind = "s3"
name = "bucket"
bucket = "etcd"
prefix = "prod"
endpoint = "{endpoint}"
plain = true
[[clusters.lab.stores]]
kind = "directory"
name = "sealed"
path = "{sealed}"
age_recipients = ["{recipient}"]
"""


def test_the_same_in_every_place(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the host, here, in a folder, at nginx over TLS, in a bucket, and encrypted in one more folder."""
    boto3, pyrage = pytest.importorskip("boto3"), pytest.importorskip("pyrage")
    moto = pytest.importorskip("moto.server")
    if not NGINX:
        pytest.skip("no nginx on this machine: apt-get install nginx-light")
    login = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**login, "STORE_USER": LOGIN[0], "STORE_PASSWORD": LOGIN[1]}.items():
        monkeypatch.setenv(name, value)
    identity, certificate = pyrage.x25519.Identity.generate(), make_certificate(tmp_path)
    (sealed := tmp_path / "sealed").mkdir(mode=0o700)
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        # The buckets belong to the process, in which other tests may have left theirs.
        urllib.request.urlopen(f"{endpoint}/moto-api/reset", data=b"", timeout=10).close()
        client = boto3.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket="etcd")
        (files := tmp_path / "nginx").mkdir()
        with nginx_serving(files, certificate) as (_, url):
            told = STORES.format(
                url=url,
                certificate=certificate,
                endpoint=endpoint,
                sealed=sealed,
                recipient=identity.to_public(),
            )
            ground = Ground(lab, tmp_path, told)
            try:
                take = ground.take()
                finished = take()
                stamp = take.stamp
                ground.whole(stamp)
                known = ground.backup(stamp)
            finally:
                ground.cluster.close()
        listed_ = client.list_objects_v2(Bucket="etcd").get("Contents", [])
        bucket = {
            each["Key"]: client.get_object(Bucket="etcd", Key=each["Key"])["Body"].read() for each in listed_
        }
    finally:
        server.stop()
    assert finished.ending is Ending.DONE and not take.failed, (finished.sentence, take.failed)
    for place in ("here", "on outside", "on nginx", "on bucket", "on sealed"):
        assert place in finished.sentence
    here, folder = digests(ground.kept(stamp), stamp), f"lab/{stamp}-{HOST}"
    at_nginx = files / "data/repository/etcd" / folder
    assert here == {path.name: sha256(path.read_bytes()) for path in at_nginx.iterdir()}
    assert here == {name.removeprefix(f"prod/{folder}/"): sha256(data) for name, data in bucket.items()}
    opened = {
        path.name.removesuffix(".age"): pyrage.decrypt(path.read_bytes(), [identity])
        if path.suffix == ".age"
        else path.read_bytes()
        for path in (sealed / folder).iterdir()
    }
    assert here == {name: sha256(data) for name, data in opened.items()}
    assert {path.stat().st_mode & 0o777 for path in sealed.rglob("*.*")} == {0o600}
    assert known.manifest is not None
    proven = {copy.place.label for copy in known.copies if copy.proven}
    # nginx takes and gives, and tells no list: what it has is in the manifest alone.
    assert proven == {HOST, "here", "outside", "bucket", "sealed"}
    assert {copy.place for copy in known.manifest.copies} == {*proven, "nginx"}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
