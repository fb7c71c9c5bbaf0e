"""A fresh backup of what still lives: where it is taken, when it is not, and that it is looked at."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.errors import CommandFailed
from etcdtui.journal import Journal
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.quorum import Verdict
from etcdtui.model.readings import Reading
from etcdtui.procedures import restore, restore_fresh
from etcdtui.procedures.procedure import Action, Answer, Choice, Context, Ending, Step, StepState
from etcdtui.procedures.restore_decided import Fresh
from tests.procedures import FakeRunner, FakeWorld, Human, procedure, run
from tests.snapshotfiles import REAL
from tests.unit.test_restore_back import decided
from tests.unit.test_restore_plan import GIB, looked, lost, placed, plan, report, survivors
from tests.unit.test_restore_steps import Place, place
from tests.views import endpoint, gone, healthy, host

__all__ = ["place"]


def test_it_is_taken_from_the_living_member_with_the_newest_data() -> None:
    seen = looked(placed(), found=survivors(900, 950, 990, running=frozenset({1, 2})))
    assert restore_fresh.choose(seen).host == "masternode2"
    made = plan(seen)
    step = made.step("fresh")
    assert step.action is Action.JOB and step.host == "masternode2" and step.skippable
    folder = "/home/core/backup/before-restore-20260921-143000"
    assert step.argv[-2:] == ("/usr/local/bin/cluster-backup.sh", folder)
    keys = [s.key for s in made.steps]
    assert keys.index("fresh") < keys.index("begin")
    assert restore.decided_of(made).fresh.host == "masternode2"


def test_where_nothing_lives_or_its_host_is_not_reached_that_is_said_and_goes_on() -> None:
    dead = looked(placed(), found=survivors(900, 900, 900, running=frozenset()))
    step = plan(dead).step("fresh")
    assert step.action is Action.CHECK and step.needless is not None
    assert "without" not in [s.key for s in plan(dead).steps]  # the plan says so already
    found = step.needless(None)  # type: ignore[arg-type]
    assert found.allowed and "there is no snapshot to be had" in found.reason
    silent = replace(host(2), link=Reading(None, None, Problem(Fault.SILENT, "No answer."), 1.0))
    away = looked(
        placed(),
        view=lost(hosts=(host(1), silent, host(3))),
        found=survivors(900, 990, 900, running=frozenset({2})),
    )
    assert restore_fresh.choose(away).host == ""


# -- on a host


SCRIPT = """#!/bin/sh
[ "$1" = --force ] && shift && echo forced
mkdir -p "$1" && cp {snapshot} "$1/snapshot_2026-09-21_143000__POSSIBLY_DIRTY__.db"
tar -czf "$1/static_kuberesources_2026-09-21_143000__POSSIBLY_DIRTY__.tar.gz" -C / etc/hostname
"""


@pytest.fixture
def taking(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Place, Step]:
    (tmp_path / "real.db").write_bytes(REAL["3.5.1"])
    script = place.one.at("/usr/local/bin/cluster-backup.sh")
    script.write_text(SCRIPT.format(snapshot=tmp_path / "real.db"))
    script.chmod(0o755)
    url = healthy().endpoints[0].url
    recovery = replace(place.decided.recovery, client_url=url)
    place.decided = replace(place.decided, recovery=recovery, fresh=Fresh("masternode1", 10))
    monkeypatch.setattr(restore_fresh, "report", lambda world, host: report(1))
    return place, restore_fresh.fresh_steps(place.decided)[0]


def test_the_hosts_own_script_takes_it_and_it_is_read_afterwards(taking: tuple[Place, Step]) -> None:
    place, step = taking
    assert step.verify is not None and step.needless is not None
    assert not step.needless(place.context).allowed
    with pytest.raises(CommandFailed):
        step.verify(place.context)
    subprocess.run(step.argv, check=True, capture_output=True)
    found = step.verify(place.context)
    assert found.allowed and "its checksum is right" in found.reason
    (snapshot,) = Path(place.decided.fresh_folder).glob("snapshot_*")
    assert snapshot.stat().st_mode & 0o077 == 0  # it holds every secret of the cluster
    whole = snapshot.read_bytes()
    snapshot.write_bytes(whole[:4096] + bytes([whole[4096] ^ 1]) + whole[4097:])
    found = step.verify(place.context)
    assert not found.allowed and "is damaged" in found.reason


def test_an_old_script_that_knows_no_force_is_not_given_it(taking: tuple[Place, Step]) -> None:
    place, step = taking
    script = place.one.at("/usr/local/bin/cluster-backup.sh")
    code = script.read_text().replace('[ "$1" = --force ] && shift && echo forced', "")
    script.write_text(code.replace("#!/bin/sh\n", "#!/bin/sh\n# Others take --force, too.\n"))
    subprocess.run(step.argv, check=True, capture_output=True)
    assert [*Path(place.decided.fresh_folder).glob("snapshot_*")]


def test_a_member_that_died_meanwhile_and_too_little_room_are_reasons_not_to_take_it(
    taking: tuple[Place, Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, step = taking
    assert step.needless is not None
    full = report(1, disks={"folder": (GIB >> 10, "/dev/sda4")})
    monkeypatch.setattr(restore_fresh, "report", lambda world, host: full)
    found = step.needless(place.context)
    assert found.allowed and "1.0M are free" in found.reason and "is kept on every host" in found.reason
    place.world.shown = healthy(endpoints=(gone(1), endpoint(2), endpoint(3)))
    found = step.needless(place.context)
    assert found.allowed and "does not answer any more" in found.reason


@pytest.mark.parametrize("room", [True, False])
def test_one_that_is_passed_over_is_shown_so_and_asked_about_before_the_cluster_goes_down(
    tmp_path: Path, room: bool
) -> None:
    fresh, without = restore_fresh.fresh_steps(replace(decided(), fresh=Fresh("masternode1", 10)))

    def full(world: Context) -> Verdict:
        return Verdict(not room, "1.0M are free for /backup, 80M are wanted. No fresh backup is taken.")

    job = replace(fresh, needless=full, prechecks=(), verify=None, measure=None)
    human = Human(Answer(Choice.STOP))
    world = FakeWorld(healthy(), FakeRunner("masternode1"))
    finished, _ = run(procedure(job, without), Journal(tmp_path), world=world, human=human)
    states = dict(human.states)
    if room:
        assert finished.ending is Ending.DONE and not human.questions
        assert states == {"fresh": StepState.DONE, "without": StepState.SKIPPED}
        return
    assert states["fresh"] is StepState.SKIPPED and finished.ending is Ending.CANCELLED
    (asked,) = human.questions
    assert asked.step == "without" and "80M are wanted" in asked.sentence
    assert asked.sentence.endswith("Go on without one?")


def test_what_the_script_said_is_the_reason_why_there_is_none() -> None:
    seen = looked(placed(), found=survivors(900, 900, 900, running=frozenset({1})))
    explain = plan(seen).step("fresh").explain
    assert explain is not None
    assert "etcd hangs there" in explain(124, "")
    said = explain(1, "required dependencies not found\n")
    assert "required dependencies not found" in said and "Nothing has been stopped" in said
