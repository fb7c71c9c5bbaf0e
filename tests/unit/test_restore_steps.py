"""The steps of a restore on hosts that are folders of this machine: what they look at, and what they do."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from etcdtui.errors import AuthFailed, Dropped, Unreachable
from etcdtui.etcd.causes import explain
from etcdtui.model.manifest import File
from etcdtui.model.places import HERE
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.platforms.layout import Layout
from etcdtui.procedures import restore_run
from etcdtui.procedures import restore_state as state
from etcdtui.procedures.procedure import Context, Reporter, Step
from etcdtui.procedures.restore_decided import PODS, Chosen, Decided, Master
from etcdtui.procedures.restore_run import bring_steps, exactly_the_pair, run_steps
from etcdtui.procedures.restore_stop import off_steps, stop_steps
from etcdtui.reach.local import LocalRunner
from tests.procedures import FakeRunner, FakeWorld
from tests.snapshotfiles import REAL
from tests.views import NOW, endpoint, gone, healthy

CRICTL = """#!/bin/sh
for word; do case $word in io.kubernetes.container.name=*) name=${word#*=};; esac; done
grep -qx "$name" "{running}" 2>/dev/null || exit 0
case " $* " in *" -q "*) echo 0123456789abcdef; exit 0;; esac
echo CONTAINER
echo "0123456789abcdef  Running  $name"
"""


class Host:
    """One control plane host in a folder; all of them share one container runtime, named by ``running``."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root / name, name
        self.layout = Layout(root=str(self.root), sudo=())
        for pod in PODS:
            self.at(f"/etc/kubernetes/manifests/{pod}-pod.yaml").write_text(pod)
        snap = self.at("/var/lib/etcd/member/snap/db")
        snap.write_bytes(REAL["3.5.1"][:-32])

    def at(self, path: str) -> Path:
        found = self.root / path.lstrip("/")
        found.parent.mkdir(parents=True, exist_ok=True)
        return found

    @property
    def master(self) -> Master:
        return Master(self.name, self.name, self.layout, f"https://{self.name}:2379")


class Place:
    """Two hosts, the plan for them, and a world in which they are reached."""

    def __init__(self, tmp_path: Path, hostname: str) -> None:
        self.running = tmp_path / "running"
        self.one, self.two = Host(tmp_path, "masternode1"), Host(tmp_path, "masternode2")
        self.here = tmp_path / "here"
        self.here.mkdir()
        files = []
        for name, content in (("snapshot_x.db", REAL["3.5.1"]), ("static_kuberesources_x.tar.gz", b"tar")):
            (self.here / name).write_bytes(content)
            files.append(File(name, len(content), hashlib.sha256(content).hexdigest()))
        chosen = Chosen("x", 1.0, "2026-09-21 02:00", 5, 3, "4.16.3", *files, "", str(self.here), HERE.name)
        self.decided = Decided(
            cluster="prod",
            stamp="20260921-143000",
            recovery=replace(self.one.master, node=hostname),
            others=(replace(self.two.master, node=hostname),),
            backup=chosen,
            waits=("etcd", "etcdctl", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
            stopped=str(self.one.at("/home/core/assets/manifests-stopped")),
            kept=str(self.one.at("/var/lib/etcd-backup")),
            lost="Lost is much.",
            data_size=4096,
        )
        self.world = FakeWorld(healthy())
        self.world.runners = {  # type: ignore[assignment]
            "masternode1": LocalRunner("masternode1"),
            "masternode2": LocalRunner("masternode2"),
        }

    @property
    def context(self) -> Context:
        return cast(Context, self.world)

    @property
    def other(self) -> Master:
        return self.decided.others[0]

    def runs(self, *names: str) -> None:
        self.running.write_text("".join(f"{name}\n" for name in names))

    def step(self, key: str) -> Step:
        steps = (*bring_steps(self.decided), *stop_steps(self.decided), *run_steps(self.decided))
        return next(step for step in steps if step.key == key)

    def do(self, key: str) -> None:
        subprocess.run(self.step(key).argv, check=True, capture_output=True)

    def is_so(self, key: str) -> tuple[bool, str]:
        check = self.step(key).verify
        assert check is not None
        verdict = check(self.context)
        return verdict.allowed, verdict.reason

    def stop_all(self) -> None:
        self.runs()
        for pod in PODS:
            self.do(f"stop {pod} masternode2")
        self.do("aside masternode2")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    hostname = subprocess.run(["hostname"], capture_output=True, text=True, check=True).stdout.strip()
    made = Place(tmp_path, hostname)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "crictl").write_text(CRICTL.replace("{running}", str(made.running)))
    (tools / "crictl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    yield made


# -- the other hosts


def test_a_pod_is_stopped_when_its_manifest_is_away_and_nothing_of_it_runs(place: Place) -> None:
    place.runs("etcd", "etcdctl", "kube-apiserver")
    allowed, said = place.is_so("stop etcd masternode2")
    assert not allowed and "still lies on masternode2" in said
    for _ in range(2):  # gone on with while its containers still end
        place.do("stop etcd masternode2")
    allowed, said = place.is_so("stop etcd masternode2")
    assert not allowed and said == (
        "On masternode2 etcd and etcdctl still run "
        "(crictl: 0123456789abcdef Running etcd; 0123456789abcdef Running etcdctl)."
    )
    place.runs("kube-apiserver")
    allowed, said = place.is_so("stop etcd masternode2")
    assert allowed and "etcd-pod.restore-20260921-143000.yaml" in said
    assert not place.is_so("stop kube-apiserver masternode2")[0]


def test_one_container_is_watched_until_it_has_ended_and_several_until_none_runs(place: Place) -> None:
    assert (
        "ends kube-scheduler, which is watched until it has ended."
        in place.step("stop kube-scheduler masternode2").why
    )
    assert "etcdctl, which is watched until none of them runs." in place.step("stop etcd masternode2").why


def test_a_manifest_that_is_put_back_is_seen(place: Place) -> None:
    place.stop_all()
    assert state.all_stopped(place.decided)(place.context).allowed
    place.two.at("/etc/kubernetes/manifests/etcd-pod.yaml").write_text("again")
    verdict = state.all_stopped(place.decided)(place.context)
    assert not verdict.allowed and "somebody put it back" in verdict.reason
    place.do("stop etcd masternode2")  # -n: what was set aside first is never written over
    aside = place.two.at("/etc/kubernetes/etcd-pod.restore-20260921-143000.yaml")
    assert aside.read_text() == "etcd" and not place.is_so("stop etcd masternode2")[0]


def test_data_is_kept_under_a_dated_name_and_new_data_is_noticed(place: Place) -> None:
    place.stop_all()
    kept = place.two.at("/var/lib/etcd/member-restore-20260921-143000/snap/db")
    assert kept.read_bytes() == REAL["3.5.1"][:-32]
    assert place.is_so("aside masternode2")[0]
    place.two.at("/var/lib/etcd/member/snap/db").write_bytes(b"new")
    allowed, said = place.is_so("aside masternode2")
    assert not allowed and "etcd was started once more on masternode2" in said


def test_another_machine_at_that_address_is_not_touched(place: Place) -> None:
    wrong = replace(place.other, node="masternode7", host="masternode2")
    verdict = state.right_host(place.decided, wrong)(place.context)
    assert not verdict.allowed and "calls itself" in verdict.reason
    assert state.right_host(place.decided, place.other)(place.context).allowed


def test_a_master_of_another_cluster_is_not_touched(place: Place) -> None:
    runner = FakeRunner("masternode2")
    place.world.runners = {"masternode2": runner}
    wanted = replace(place.other, node="master-0.prod.example", host="192.168.50.12")
    place.world.runners["192.168.50.12"] = runner
    for told, allowed in (("master-0.test.example", False), ("master-0", True)):
        runner.on("etcdtui-restore-state", out=f"state\nhostname {told}\nend\n")
        assert state.right_host(place.decided, wanted)(place.context).allowed is allowed, told


@pytest.mark.parametrize(
    ("said", "status"), [("state\nhostname masternode2\n", 0), ("state\nend\n", 1), ("end\n", 0)]
)
def test_a_look_that_is_cut_off_says_nothing(place: Place, said: str, status: int) -> None:
    runner = FakeRunner("masternode2")
    place.world.runners = {"masternode2": runner}
    runner.on("etcdtui-restore-state", out=said, status=status)
    with pytest.raises(Unreachable, match="could not be looked at"):
        state.pod_stopped(place.decided, place.other, "etcd")(place.context)


def test_a_runtime_that_does_not_tell_is_no_proof(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.stop_all()
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    if shutil.which("crictl"):
        pytest.skip("this machine has a crictl of its own")
    verdict = state.all_stopped(place.decided)(place.context)
    assert not verdict.allowed and "does not tell what runs there" in verdict.reason


# -- a host that is said to be off


@pytest.fixture
def off(place: Place) -> tuple[Place, FakeRunner]:
    silent = replace(place.other, reached=False, client_url="https://192.168.50.11:2379")
    place.decided = replace(place.decided, others=(silent,))
    runner = FakeRunner("masternode2")
    place.world.runners = {"masternode2": runner}
    return place, runner


def off_verdict(place: Place) -> tuple[bool, str]:
    (step,) = off_steps(place.decided)
    verdict = step.prechecks[0](place.context)
    return verdict.allowed, verdict.reason


def test_a_host_that_is_off_answers_nobody(off: tuple[Place, FakeRunner]) -> None:
    place, runner = off
    runner.on("true", raises=Unreachable("masternode2: no route to host."))
    for fault in (Fault.SILENT, Fault.UNREACHABLE):
        place.world.shown = healthy(endpoints=(endpoint(1), gone(2, fault), endpoint(3)))
        assert off_verdict(place) == (True, "Nothing of masternode2 answers.")


@pytest.mark.parametrize(
    "fault", [Fault.TLS, Fault.DROPPED, Fault.NO_LEADER, Fault.NO_QUORUM_READ, Fault.ODD]
)
def test_whoever_takes_the_connection_is_not_off(off: tuple[Place, FakeRunner], fault: Fault) -> None:
    place, runner = off
    runner.on("true", raises=Unreachable("masternode2: no route to host."))
    place.world.shown = healthy(endpoints=(endpoint(1), gone(2, fault), endpoint(3)))
    allowed, said = off_verdict(place)
    assert not allowed and "It runs, whatever is said of the host" in said and "Switch it off" in said


def test_a_fault_of_the_host_that_asks_tells_nothing_of_the_one_that_is_asked(
    off: tuple[Place, FakeRunner],
) -> None:
    place, runner = off
    runner.on("true", raises=Unreachable("masternode2: no route to host."))
    said = explain("could not load client certificate: can't open /etc/ssl/client.crt")
    assert said is not None and said.fault is Fault.TLS
    for problem in (said, Problem(Fault.LOGIN, "sudo wants a password"), Problem(Fault.NO_TOOLS, "openssl")):
        shown = replace(gone(2), status=Reading(None, None, problem, NOW))
        place.world.shown = healthy(endpoints=(endpoint(1), shown, endpoint(3)))
        allowed, told = off_verdict(place)
        assert allowed and "could not be asked" in told and "your word alone" in told


def test_a_refused_connection_is_no_running_etcd_and_no_host_that_is_off(
    off: tuple[Place, FakeRunner],
) -> None:
    place, runner = off
    runner.on("true", raises=Unreachable("masternode2: no route to host."))
    place.world.shown = healthy(endpoints=(endpoint(1), gone(2, Fault.REFUSED), endpoint(3)))
    allowed, told = off_verdict(place)
    assert allowed and "is refused" in told and "your word alone" in told and "Nothing of" not in told


def test_a_host_whose_etcd_runs_is_not_off_whatever_is_said(off: tuple[Place, FakeRunner]) -> None:
    place, runner = off
    runner.on("true", raises=Unreachable("masternode2: no route to host."))
    allowed, said = off_verdict(place)
    assert not allowed and "etcd on masternode2 answers: it runs" in said


def test_a_host_that_answers_by_ssh_is_not_off(off: tuple[Place, FakeRunner]) -> None:
    place, runner = off
    runner.on("true")
    assert "answers by SSH again" in off_verdict(place)[1] and not off_verdict(place)[0]
    runner.on("true", raises=AuthFailed("masternode2 refuses the key."))
    assert "is not off, it answers" in off_verdict(place)[1]


@pytest.mark.parametrize("known", ["no address", "no list", "stale", "not asked"])
def test_an_etcd_that_could_not_be_asked_is_not_said_to_be_silent(
    off: tuple[Place, FakeRunner], known: str
) -> None:
    place, runner = off
    runner.on("true", raises=Unreachable("masternode2: no route to host."))
    old = endpoint(2).status.value
    unasked = Problem(Fault.NOT_ASKED, "Nobody asked.")
    shown = {
        "stale": endpoint(2, status=Reading(old, NOW - 900)),
        "not asked": endpoint(2, status=Reading(old, NOW - 900, unasked, NOW - 800)),
    }.get(known, endpoint(3))
    place.world.shown = healthy(endpoints=(endpoint(1), shown))
    if known == "no address":
        silent = replace(place.other, client_url="")
        place.decided = replace(place.decided, others=(silent,))
    allowed, said = off_verdict(place)
    assert allowed and "could not be asked" in said and "Nothing of" not in said


# -- the recovery host


class Quiet:
    """A Reporter that nobody listens to."""

    def __init__(self) -> None:
        import threading

        self.cancelled = threading.Event()
        self.said: list[str] = []

    def moved(self, moved: object) -> None:
        pass

    def say(self, line: str) -> None:
        self.said.append(line)


def work(place: Place, key: str) -> tuple[bool, str]:
    step = place.step(key)
    assert step.work is not None
    verdict = step.work(place.context, cast(Reporter, Quiet()))
    return verdict.allowed, verdict.reason


def test_exactly_the_proven_pair_lies_in_a_folder_of_its_own(place: Place) -> None:
    assert work(place, "deliver")[0]
    folder = Path(place.decided.folder)
    assert {p.name for p in folder.iterdir()} == {"snapshot_x.db", "static_kuberesources_x.tar.gz"}
    (folder / "snapshot_2030-01-01_000000.db").write_bytes(b"newer")
    verdict = exactly_the_pair(place.decided)(place.context)
    assert not verdict.allowed and "does not hold exactly the two files" in verdict.reason
    (folder / "snapshot_2030-01-01_000000.db").unlink()
    (folder / "snapshot_x.db").write_bytes(b"changed")
    assert "is not what was proven" in exactly_the_pair(place.decided)(place.context).reason


def test_files_that_are_no_longer_those_of_the_manifest_are_not_restored(place: Place) -> None:
    assert not work(place, "prove")[0]  # the tar is none
    (place.here / "snapshot_x.db").write_bytes(REAL["3.4.23"])
    allowed, said = work(place, "prove")
    assert not allowed and said


def test_the_copy_is_whole_keeps_everything_and_may_be_made_twice(place: Place) -> None:
    place.runs()
    place.do("stop etcd masternode1")
    one, decided = place.one, place.decided
    one.at("/var/lib/etcd/revision.json").write_text("{}")
    one.at("/var/lib/etcd/member-removed-archive-1/db").write_text("old")
    Path(decided.kept, "member").mkdir(parents=True)
    Path(decided.kept, "member", "db").write_text("an earlier restore's")
    allowed, said = place.is_so("safe")
    assert not allowed and "holds other things" in said
    # An attempt that was cut in the middle leaves a part, which is no copy.
    Path(decided.safe, "member.part").mkdir(parents=True)
    for _ in range(2):
        place.do("safe")
        assert place.is_so("safe")[0]
    safe = Path(decided.safe)
    assert (safe / "member/snap/db").read_bytes() == REAL["3.5.1"][:-32]
    assert (safe / "revision.json").exists() and (safe / "member-removed-archive-1/db").exists()
    assert (safe / "member-of-an-earlier-restore/db").read_text() == "an earlier restore's"
    assert not Path(decided.kept, "member").exists()
    assert [p.name for p in one.at("/var/lib/etcd/member").parent.iterdir()] == ["member"]


def test_a_copy_that_is_not_like_the_data_is_none(place: Place) -> None:
    place.runs()
    place.do("stop etcd masternode1")
    place.do("safe")
    place.one.at("/var/lib/etcd/member/snap/db").write_bytes(REAL["3.4.23"][:-32])
    allowed, said = place.is_so("safe")
    assert not allowed and "is not like the data it is of" in said
    # After the script has moved the data away the copy alone counts.
    shutil.rmtree(place.one.at("/var/lib/etcd/member"))
    assert place.is_so("safe")[0]


def test_the_script_does_not_run_while_another_host_still_does(place: Place) -> None:
    place.stop_all()
    place.do("stop etcd masternode1")
    place.do("safe")
    work(place, "deliver")
    checks = place.step("restore").prechecks
    assert all(check(place.context).allowed for check in checks)
    place.two.at("/etc/kubernetes/manifests/etcd-pod.yaml").write_text("again")
    refused = [v.reason for check in checks if not (v := check(place.context)).allowed]
    assert len(refused) == 1 and "still lies on masternode2" in refused[0]


def test_the_script_does_not_run_once_a_host_that_was_off_answers(place: Place) -> None:
    """Hours lie between the word that it is off and the script."""
    silent = replace(place.other, reached=False, client_url="https://192.168.50.11:2379")
    place.decided = replace(place.decided, others=(silent,))
    place.runs()
    place.do("stop etcd masternode1")
    place.do("safe")
    work(place, "deliver")
    runner = FakeRunner("masternode2")
    place.world.runners["masternode2"] = runner
    place.world.shown = healthy(endpoints=(gone(1), gone(2), gone(3)))

    def refused() -> list[str]:
        checks = place.step("restore").prechecks
        return [v.reason for check in checks if not (v := check(place.context)).allowed]

    runner.on("true", raises=Unreachable("masternode2: no route to host."))
    assert refused() == []
    place.world.shown = healthy(endpoints=(gone(1), endpoint(2), gone(3)))
    (said,) = refused()
    assert "etcd on masternode2 answers: it runs" in said
    runner.on("true")
    (said,) = refused()
    assert "masternode2 answers by SSH again" in said


def test_the_data_of_an_earlier_restore_is_moved_out_of_the_way_also_where_there_is_none_now(
    place: Place,
) -> None:
    place.runs()
    place.do("stop etcd masternode1")
    shutil.rmtree(place.one.at("/var/lib/etcd/member"))
    earlier = Path(place.decided.kept, "member")
    earlier.mkdir(parents=True)
    allowed, said = place.is_so("safe")
    assert not allowed and "is of an earlier restore" in said
    place.do("safe")
    assert place.is_so("safe")[0] and not earlier.exists()
    assert Path(place.decided.safe, "member-of-an-earlier-restore").is_dir()


def test_a_connection_that_drops_while_the_copy_is_compared_is_no_proof(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.runs()
    place.do("stop etcd masternode1")
    place.do("safe")

    def dropped(*_: object) -> None:
        raise Dropped("masternode1: the connection ended.")

    monkeypatch.setattr(restore_run, "read_position", dropped)
    with pytest.raises(Dropped):
        place.is_so("safe")
