"""What the way back asks of the present: jobs that still run, members that it does not know, the quorum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from etcdtui.errors import Refusal, Unreachable
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.procedures import restore_undo
from etcdtui.procedures.procedure import Context, Procedure
from etcdtui.procedures.restore_decided import Ack
from etcdtui.procedures.unended import unended
from etcdtui.reach.runner import Runner
from etcdtui.records import Entry, Run
from tests.procedures import FakeRunner
from tests.restoring import Node, Restoring
from tests.unit.test_restore_steps import Place, place
from tests.unit.test_restore_undo import run_of
from tests.views import endpoint, gone, healthy

__all__ = ["place"]

BEGUN = 1_000.0


def entry(kind: str, at: float = BEGUN, **facts: Any) -> Entry:
    return Entry("r", at, kind, "restore", facts)


def command(job: str) -> Entry:
    return entry("command", host="masternode1", job=job, directory="/var/tmp/etcdtui", argv=["/script", "/b"])


LOST = [command("one"), entry("started")]
SECOND = [command("one"), entry("ended", status=1), entry("attempt", number=2), command("one-2")]


def run_with(place: Place, entries: Sequence[Entry]) -> Run:
    first = run_of(place, ["stop etcd masternode2"])
    return replace(first, entries=(*first.entries[:-2], *entries, *first.entries[-2:]))


def plan(run: Run, runner: Any = None, view: ClusterView | None = None) -> Procedure:
    def runner_of(host: str) -> Runner:
        return cast(Runner, runner)

    return restore_undo.plan(
        run,
        procedure_id="undo-1",
        stamp="20260921-160000",
        view=view,
        runner_of=runner_of if runner else None,
    )


# -- jobs


@pytest.mark.parametrize(("entries", "job"), [(LOST, "one"), (SECOND, "one-2")])
def test_a_job_that_lives_holds_the_way_back_whatever_an_earlier_attempt_came_to(
    place: Place, entries: Sequence[Entry], job: str
) -> None:
    run, node = run_with(place, entries), Node("masternode1", jobs={job: "running"})
    assert [one.job.id for one in unended(run.entries)] == [job]
    with pytest.raises(Refusal, match=f"still runs on masternode1, as the job {job}"):
        plan(run, node)
    made = plan(run)  # nobody could ask: then it is asked before anything is done
    place.world.runners = cast(Any, {"masternode1": node})
    check = made.steps[0].prechecks[0]
    assert not check(place.context).allowed
    again = restore_undo.rebuild(restore_undo.KIND, made.id, "prod", made.parameters)
    assert not again.steps[0].prechecks[0](place.context).allowed
    node.jobs[job] = "ended"
    assert check(place.context).allowed


@pytest.mark.parametrize("became", ["vanished", "absent", "ended"])
def test_a_job_that_is_gone_is_no_obstacle(place: Place, became: str) -> None:
    made = plan(run_with(place, LOST), Node("masternode1", jobs={"one": became}))
    place.world.runners = cast(Any, {"masternode1": Node("masternode1", jobs={"one": became})})
    assert made.steps[0].prechecks[0](place.context).allowed


def test_a_host_that_does_not_answer_lets_it_be_planned_but_not_begun(place: Place) -> None:
    runner = FakeRunner("masternode1")
    runner.on("etcdtui-job", raises=Unreachable("masternode1: no route to host."))
    made = plan(run_with(place, LOST), runner)
    place.world.runners = {"masternode1": runner}
    with pytest.raises(Unreachable):
        made.steps[0].prechecks[0](place.context)


# -- members beside it


def test_a_member_that_the_restore_did_not_stop_would_go_on_beside_the_old_cluster(place: Place) -> None:
    ended = [command("one"), entry("ended", status=0)]
    view = healthy()  # of three members; the restore knows two hosts
    view = replace(view, members=replace(view.members, at=BEGUN + 60))
    with pytest.raises(Refusal, match="masternode3 is a member of the restored cluster"):
        plan(run_with(place, ended), view=view)
    made = plan(run_with(place, ended))
    place.world.shown = view
    verdict = made.steps[0].prechecks[1](place.context)
    assert not verdict.allowed and "beside the old cluster" in verdict.reason
    # A list of before the script says nothing of the restored cluster.
    plan(run_with(place, ended), view=replace(view, members=replace(view.members, at=BEGUN - 60)))
    plan(run_with(place, ended), view=replace(view, members=Reading()))
    plan(run_with(place, []), view=view)  # nothing was restored: they are all of the old cluster
    assert view.members.value is not None
    two = replace(view.members.value, members=view.members.value.members[:2])
    plan(run_with(place, ended), view=replace(view, members=replace(view.members, value=two)))


def test_what_is_typed_is_asked_with_the_age_of_the_restore(place: Place) -> None:
    made = plan(run_with(place, [command("one"), entry("ended", status=0)]))
    ask = made.steps[0].ask
    assert ask is not None
    place.world.now = lambda: BEGUN + 3 * 86400 + 3600  # type: ignore[method-assign]
    gate = ask(place.context)
    assert "which was run 3 d 1 h ago" in gate.prompt and gate.phrase == made.steps[0].gate.phrase


# -- the quorum


def test_where_no_quorum_was_known_that_every_etcd_runs_is_enough(tmp_path: Path) -> None:
    hosts = Restoring(tmp_path)
    hosts.world.shown = healthy(endpoints=(endpoint(1), gone(2), gone(3)))
    before = hosts.decided
    context = cast(Context, hosts.world)
    step = restore_undo._quorum(before)
    assert step.verify is not None
    verdict = step.verify(context)
    assert verdict.allowed and "No quorum was known before it" in verdict.reason
    del hosts.two.paths["/etc/kubernetes/manifests/etcd-pod.yaml"]
    assert step.verify(context).reason == "etcd does not run yet on masternode2."
    answers = replace(before, accept=(Ack("answers", "The cluster answers", "It does.", "take prod back"),))
    had = restore_undo._quorum(answers).verify
    assert had is not None and "There is no quorum yet" in had(context).reason


# -- hosts without data


def test_a_host_that_had_no_data_gets_none_of_the_restored_cluster(place: Place) -> None:
    said = {"state": "done", "sentence": "There is no data of etcd on masternode2."}
    ran = [command("one"), entry("ended", status=0)]
    made = plan(run_with(place, [Entry("r", 1.0, "state", "aside masternode2", said), *ran]))
    keys = [step.key for step in made.steps]
    assert "data masternode1" in keys and "data masternode2" not in keys
    assert "manifest etcd masternode2" in keys and len(made.step("manifest etcd masternode2").prechecks) == 1
    again = restore_undo.rebuild(restore_undo.KIND, made.id, "prod", made.parameters)
    assert [step.key for step in again.steps] == keys


def test_what_came_after_the_script_is_never_taken_for_the_data_of_before(place: Place) -> None:
    made = plan(run_with(place, [command("one"), entry("ended", status=0)]))
    argv = made.step("data masternode2").argv
    assert argv[-1].endswith("member-restore-20260921-143000") and argv[-2].endswith("/member")
