"""The way back from a restore, on hosts that are folders of this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from etcdtui.errors import Refusal
from etcdtui.procedures import restore_undo
from etcdtui.procedures.procedure import GateKind, Procedure
from etcdtui.procedures.restore_decided import PODS
from etcdtui.records import Entry, Run, Who
from tests.unit.test_restore_steps import Host, Place, place

__all__ = ["place"]

OLD = "of before the restore"


def run_of(
    place: Place, done: Sequence[str], ended: Sequence[str] | None = None, *, abandoned: bool = True
) -> Run:
    """A restore that ended after these steps."""
    entries = [Entry("r", 1.0, "command", step) for step in done]
    entries += [Entry("r", 2.0, "ended", step) for step in (done if ended is None else ended)]
    entries.append(Entry("r", 3.0, "finished", "", {"ending": "stopped", "sentence": "Stopped."}))
    if abandoned:
        entries.append(Entry("r", 4.0, "abandoned", "", {"reason": "Put back."}))
    who = Who("kim", "laptop", 1, "")
    return Run(
        "restore-1",
        "restore",
        "prod",
        "Restore prod",
        place.decided.parameters(),
        (),
        1.0,
        who,
        "1",
        tuple(entries),
        Path("/nowhere"),
    )


def undo(place: Place, done: Sequence[str]) -> Procedure:
    return restore_undo.plan(run_of(place, done), procedure_id="undo-1", stamp="20260921-160000")


def carry_out(place: Place, made: Procedure) -> None:
    """Every command, as the engine does it: what is so already is not done again, and each is verified."""
    for step in made.steps:
        if not step.argv:
            continue
        assert step.done is not None and step.verify is not None
        if step.done(place.context).allowed:
            continue
        for check in step.prechecks:
            assert check(place.context).allowed, (step.key, check(place.context).reason)
        subprocess.run(step.argv, check=True, capture_output=True)
        assert step.verify(place.context).allowed, step.key


def old_again(host: Host) -> None:
    assert host.at("/var/lib/etcd/member/old").read_text() == OLD
    for pod in PODS:
        assert host.at(f"/etc/kubernetes/manifests/{pod}-pod.yaml").read_text() == pod


def mark(place: Place) -> None:
    for host in (place.one, place.two):
        host.at("/var/lib/etcd/member/old").write_text(OLD)


def script_ran(place: Place) -> None:
    """What cluster-restore.sh leaves, and the rollouts after it."""
    one = place.one
    for pod in PODS[1:]:
        stopped = Path(place.decided.stopped, f"{pod}-pod.yaml")
        stopped.parent.mkdir(parents=True, exist_ok=True)
        one.at(f"/etc/kubernetes/manifests/{pod}-pod.yaml").rename(stopped)
    Path(place.decided.kept).mkdir()
    one.at("/var/lib/etcd/member").rename(Path(place.decided.kept, "member"))
    for host in (one, place.two):
        host.at("/var/lib/etcd/member/new").write_text("restored")
        for pod in PODS:
            host.at(f"/etc/kubernetes/manifests/{pod}-pod.yaml").write_text(f"new {pod}")


def test_after_a_whole_restore_everything_old_is_back_and_the_new_is_kept(place: Place) -> None:
    mark(place)
    place.stop_all()
    place.do("stop etcd masternode1")
    place.do("safe")
    script_ran(place)
    made = undo(place, ["stop etcd masternode2", "safe", "restore"])
    carry_out(place, made)
    old_again(place.one)
    old_again(place.two)
    for host in (place.one, place.two):
        kept = host.at("/var/lib/etcd/member-restore-20260921-160000/new")
        assert kept.read_text() == "restored"
    assert Path(place.decided.safe, "member", "old").read_text() == OLD  # the copy stays


def test_after_a_restore_that_was_stopped_early_what_it_moved_is_back(place: Place) -> None:
    mark(place)
    place.runs()
    place.do("stop etcd masternode2")
    carry_out(place, undo(place, ["stop etcd masternode2"]))
    old_again(place.one)
    old_again(place.two)


def test_nothing_is_put_back_while_anything_runs(place: Place) -> None:
    mark(place)
    place.stop_all()
    made = undo(place, ["stop etcd masternode2"])
    step = next(s for s in made.steps if s.key == "data masternode2")
    verdict = step.prechecks[0](place.context)
    assert not verdict.allowed and "still lies on masternode1" in verdict.reason


def test_the_first_step_wants_the_cluster_named_and_nothing_is_deleted(place: Place) -> None:
    made = undo(place, ["stop etcd masternode2", "restore"])
    gate = made.steps[0].gate
    assert gate.kind is GateKind.PHRASE and gate.phrase == "put prod back"
    assert all("rm" not in step.argv for step in made.steps) and made.locks
    again = restore_undo.rebuild(restore_undo.KIND, made.id, "prod", made.parameters)
    assert [(s.key, s.argv) for s in again.steps] == [(s.key, s.argv) for s in made.steps]


def test_data_is_set_aside_for_the_old_data_not_to_join_anew(place: Place) -> None:
    steps = undo(place, ["stop etcd masternode2", "restore"]).steps
    assert any(step.key.startswith("aside ") for step in steps)
    for step in steps:
        if step.key.startswith("aside "):
            assert "comes back to that place" in step.why and "new member" not in step.why


def test_what_cannot_be_undone_is_refused(place: Place) -> None:
    with pytest.raises(Refusal, match="is not finished"):
        restore_undo.plan(run_of(place, ["restore"], abandoned=False), procedure_id="u", stamp="s")
    with pytest.raises(Refusal, match="nothing to be put back"):
        undo(place, ["prove"])
    with pytest.raises(Refusal, match="may still run on masternode1"):
        restore_undo.plan(
            run_of(place, ["stop etcd masternode2", "restore"], ["stop etcd masternode2"]),
            procedure_id="u",
            stamp="s",
        )
