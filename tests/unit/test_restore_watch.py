"""The watchdog over cluster-restore.sh: which container still runs, since when, and what can be done."""

from __future__ import annotations

import pytest

from etcdtui.journal import Journal
from etcdtui.procedures.procedure import Sight, StepChanged
from etcdtui.procedures.restore_run import run_steps
from etcdtui.procedures.restore_watch import watch
from tests.procedures import QUICK, FakeJobs, Human, job_step, procedure, run
from tests.unit.test_restore_etcd_alone import made as newest_plan
from tests.unit.test_restore_quorum import plan as quorum_plan
from tests.unit.test_restore_quorum import seen as survivors_seen
from tests.unit.test_restore_steps import Place, place

__all__ = ["place"]

BEGAN = "...stopping etcd-pod.yaml\nWaiting for container etcd to stop\n"


def sight(place: Place, said: str, quiet: float = 0.0) -> Sight:
    return watch(place.decided)(place.context, said, quiet)


def test_a_wait_that_is_as_long_as_usual_is_no_alarm(place: Place) -> None:
    found = sight(place, f"{BEGAN}{'.' * 8}")
    assert (
        found.sentence == ("It waits for the container etcd to stop, 8 s so far; usually up to 10 s.")
        and not found.alarm
    )


def test_a_longer_one_says_what_runs_what_crictl_says_and_the_ways_out(place: Place) -> None:
    place.runs("etcd")
    place.one.at("/etc/kubernetes/manifests/etcd-pod.yaml").unlink()
    found = sight(place, f"{BEGAN}{'.' * 45}")
    assert "waited 45 s for the container etcd to stop, usually it is up to 10 s" in found.alarm
    assert "it still runs (crictl: 0123456789abcdef Running etcd)" in found.alarm
    assert "sudo crictl stop ID" in found.alarm
    assert found.about == "etcd" and "lies there again" not in found.alarm


def test_a_manifest_that_somebody_put_back_is_the_reason(place: Place) -> None:
    place.runs("etcd")
    found = sight(place, f"{BEGAN}{'.' * 45}")
    assert "etcd-pod.yaml lies there again, so the kubelet starts it anew" in found.alarm


def test_a_crictl_that_hangs_prints_no_dots_and_is_noticed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert "crictl does not answer there" in sight(place, f"{BEGAN}..", quiet=60).alarm


def test_silence_outside_of_a_wait_is_told_with_what_lies_where(place: Place) -> None:
    said = f"{BEGAN}complete\nMoving etcd data-dir /var/lib/etcd/member to /var/lib/etcd-backup\n"
    assert sight(place, said, quiet=20) == Sight("It has moved the old data away.")
    found = sight(place, said, quiet=300)
    assert "printed nothing for 5 min" in found.alarm and place.decided.kept in found.alarm


def test_the_restore_step_is_watched(place: Place) -> None:
    (step,) = [s for s in run_steps(place.decided) if s.key == "restore"]
    assert step.watch is not None


def test_the_other_scripts_are_watched_too_and_called_by_their_names(place: Place) -> None:
    newest = newest_plan()
    steps = [s for s in newest.steps if s.argv[-1:] == ("/usr/local/bin/disable-etcd.sh",)]
    assert len(steps) == 2 and all(s.usual and "crictl stop" in s.ways for s in steps)
    for step in (*steps, quorum_plan(survivors_seen(900, 950, 900)).step("restore")):
        assert step.watch is not None
        found = step.watch(place.context, "", 300.0)
        assert f"{step.argv[-1].rpartition('/')[2]} on {step.host} has printed nothing" in found.alarm
        assert "The way back: " in found.alarm


def test_a_wait_of_another_script_is_looked_at_on_its_own_host(place: Place) -> None:
    place.runs("etcd")
    found = watch(place.decided, place.decided.recovery, "disable-etcd.sh", "Move it back.")(
        place.context, f"{BEGAN}{'.' * 45}", 0.0
    )
    assert found.alarm.startswith("disable-etcd.sh on masternode1 has waited 45 s")


def test_the_engine_shows_what_is_seen_and_tells_and_records_an_alarm_once(journal_dir: Journal) -> None:
    looks: list[str] = []

    def looking(world: object, said: str, quiet: float) -> Sight:
        looks.append(said)
        return Sight("It waits for etcd.", f"Too long, look {len(looks)}.", "etcd")

    made = procedure(job_step(watch=looking))
    pace = type(QUICK)(**{f: getattr(QUICK, f) for f in QUICK.__slots__} | {"watch": 0.0})
    human = Human()
    run(made, journal_dir, human=human, jobs=FakeJobs(needs=6), pace=pace)
    assert len(looks) > 2
    assert any("It waits for etcd." in said for said in human.awaited)
    told = [e for e in human.events if isinstance(e, StepChanged) and e.sentence.startswith("Too long")]
    recorded = [e for e in journal_dir.read(made.id).entries if e.kind == "trouble"]
    assert [e.sentence for e in told] == [e.text("sentence") for e in recorded] == ["Too long, look 1."]


@pytest.fixture
def journal_dir(tmp_path: object) -> Journal:
    return Journal(tmp_path)  # type: ignore[arg-type]
