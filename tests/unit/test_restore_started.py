"""A script that stops four static pods and starts one: what is missing is named, and put back on request."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import cast

import pytest

from etcdtui.lab import disasters, tree
from etcdtui.lab.eras import ERAS, Era
from etcdtui.procedures import restore_back
from etcdtui.procedures.procedure import Context, GateKind
from etcdtui.procedures.restore_decided import PODS
from etcdtui.procedures.restore_started import started, started_step
from tests.unit.test_restore_steps import Place, place

__all__ = ["place"]

COMPANIONS = PODS[1:]


def left_stopped(place: Place, *pods: str) -> None:
    """As the script leaves it that starts none of these."""
    for pod in pods:
        stopped = place.one.at(f"/home/core/assets/manifests-stopped/{pod}-pod.yaml")
        manifest(place, pod).rename(stopped)


def manifest(place: Place, pod: str) -> Path:
    return place.one.at(f"/etc/kubernetes/manifests/{pod}-pod.yaml")


def run(place: Place) -> None:
    subprocess.run(started_step(place.decided).argv, check=True, capture_output=True)


def is_so(place: Place) -> tuple[bool, str]:
    found = started(place.decided)(place.context)
    return found.allowed, found.reason


def test_where_the_script_started_them_it_is_already_so(place: Place) -> None:
    step = started_step(place.decided)
    assert step.done is not None and step.done(place.context).allowed
    names = "kube-apiserver, kube-controller-manager and kube-scheduler"
    assert is_so(place)[1] == f"The manifests of {names} are there on masternode1."


def test_what_it_left_stopped_is_named_with_where_it_lies_and_asked_about(place: Place) -> None:
    left_stopped(place, *COMPANIONS)
    step, stopped = started_step(place.decided), place.decided.stopped
    so, said = is_so(place)
    assert not so
    assert said == (
        "On masternode1 kube-apiserver, kube-controller-manager and kube-scheduler have no manifest; "
        f"theirs lie in {stopped}."
    )
    assert step.ask is not None
    gate = step.ask(place.context)
    assert gate.kind is GateKind.CONFIRM
    assert gate.prompt.endswith(f"Put their manifests back on masternode1, from {stopped}?")


def test_it_comes_back_whole_once_and_the_way_back_still_finds_it(place: Place) -> None:
    left_stopped(place, *COMPANIONS)
    run(place)
    assert is_so(place)[0]
    for pod in COMPANIONS:
        assert manifest(place, pod).read_text() == pod
        assert Path(place.decided.stopped_manifest(pod)).read_text() == pod
    folder = manifest(place, "etcd").parent
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{pod}-pod.yaml" for pod in PODS)


def test_a_manifest_that_is_there_is_never_written_over(place: Place) -> None:
    left_stopped(place, *COMPANIONS)
    manifest(place, "kube-apiserver").write_text("of the backup")
    _, said = is_so(place)
    assert "kube-apiserver" not in said
    run(place)
    assert manifest(place, "kube-apiserver").read_text() == "of the backup"
    assert manifest(place, "kube-scheduler").read_text() == "kube-scheduler"


def test_one_that_is_nowhere_is_no_success(place: Place) -> None:
    left_stopped(place, *COMPANIONS)
    Path(place.decided.stopped_manifest("kube-scheduler")).unlink()
    run(place)
    assert is_so(place) == (
        False,
        f"On masternode1 there is no manifest of kube-scheduler, and none in {place.decided.stopped} either.",
    )


def test_it_comes_once_etcd_answers_and_before_the_api(place: Place) -> None:
    keys = [step.key for step in restore_back.back_steps(place.decided)]
    assert keys.index("etcd") < keys.index("manifests") < keys.index("api")


def test_an_api_server_without_a_manifest_is_not_waited_for_in_silence(place: Place) -> None:
    left_stopped(place, "kube-apiserver")
    place.runs("etcd")
    step = next(s for s in restore_back.back_steps(place.decided) if s.key == "api")
    assert step.verify is not None
    said = step.verify(cast(Context, place.world)).reason
    assert said == (
        "The container kube-apiserver on masternode1 does not run: there is no "
        f"{manifest(place, 'kube-apiserver')}."
    )


@pytest.mark.parametrize("era", [era for era in ERAS.values() if "only" not in era.has])
def test_the_labs_script_can_be_made_to_forget_them(era: Era) -> None:
    text = tree.script(era, "cluster-restore.sh")
    assert text.count(disasters.ALL_PODS) == 1
