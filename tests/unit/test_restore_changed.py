"""What a restore has changed by the time it ended, told by its record alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.journal import Journal
from etcdtui.procedures import restore
from etcdtui.procedures.procedure import Answer, Choice, Ending, Procedure
from etcdtui.procedures.restore_changed import Changed, changed, lines
from etcdtui.procedures.restore_decided import Decided
from etcdtui.procedures.restore_state import NO_MANIFEST
from etcdtui.records import Entry
from tests.procedures import FakeRunner, FakeWorld, command_step, run, yes
from tests.unit.test_restore_plan import looked, placed, plan, survivors

NEVER_ENDED = None


def decided() -> Decided:
    """masternode3 is restored, the two others are stopped before."""
    found = survivors(900, 900, 900, running=frozenset({3}))
    return restore.decided_of(plan(looked(placed(), found=found)))


def ran(step: str, status: int | None = 0, said: str = "", sentence: str = "So.") -> Iterable[Entry]:
    yield Entry("r", 1.0, "command", step, {"argv": ["x"]})
    if status is not None:
        yield Entry("r", 2.0, "ended", step, {"status": status, "stdout": said, "stderr": ""})
    if status == 0:
        yield Entry("r", 3.0, "state", step, {"state": "done", "sentence": sentence})


def worked(step: str, sentence: str = "") -> Iterable[Entry]:
    yield Entry("r", 1.0, "work", step)
    if sentence:
        yield Entry("r", 2.0, "state", step, {"state": "done", "sentence": sentence})


def on(host: str, *steps: Iterable[Entry]) -> Changed | None:
    entries = [entry for step in steps for entry in step]
    return next((one for one in changed(decided(), entries) if one.host == host), None)


def test_before_anything_ran_nothing_is_changed() -> None:
    looked_at = [Entry("r", 1.0, "state", "check", {"state": "done", "sentence": "Well."})]
    assert changed(decided(), looked_at) == ()
    assert lines(decided(), looked_at) == ["Nothing is changed on any host."]


def test_what_was_moved_on_another_host_and_the_commands_that_put_it_back() -> None:
    found = on("masternode1", ran("stop etcd masternode1"), ran("aside masternode1"))
    assert found is not None
    assert found.did == (
        "static pods are stopped, their manifests lie in "
        "/etc/kubernetes/etcd-pod.restore-20260921-143000.yaml",
        "its data was moved to /var/lib/etcd/member-restore-20260921-143000",
    )
    # The data first: an etcd that starts without it begins a cluster of its own.
    assert found.back == (
        "sudo -n mv -n -T -- /var/lib/etcd/member-restore-20260921-143000 /var/lib/etcd/member",
        "sudo -n mv -n -- /etc/kubernetes/etcd-pod.restore-20260921-143000.yaml "
        "/etc/kubernetes/manifests/etcd-pod.yaml",
    )
    assert on("masternode3", ran("stop etcd masternode1")) is None


def test_from_4_18_on_the_hosts_own_script_moved_the_manifest_and_etcd_alone_was_stopped() -> None:
    told = decided()
    others = tuple(replace(m, disabled="/home/core/assets/manifests-stopped") for m in told.others)
    told = replace(told, alone=True, others=others)
    entries = [
        *ran("stop etcd masternode1"),
        *ran("restore", 0, f"{MOVED}starting restore-etcd static pod\n"),
    ]
    first, last = changed(told, entries)
    assert first.back == (
        f"sudo -n mv -n -- {others[0].disabled_manifest} /etc/kubernetes/manifests/etcd-pod.yaml",
    )
    assert not any("kube-apiserver" in command for command in last.back)


def test_what_may_have_run_is_told_as_such_and_what_moved_nothing_not_at_all() -> None:
    found = on("masternode1", ran("stop etcd masternode1", NEVER_ENDED))
    assert found is not None and found.did[0].startswith("perhaps a manifest was moved to /etc/kubernetes/")
    nothing = ran("stop etcd masternode1", sentence=f"etcd on masternode1 is stopped; {NO_MANIFEST}")
    assert on("masternode1", nothing) is None


def test_a_script_whose_end_is_not_known_is_gone_on_with_first() -> None:
    found = on("masternode3", ran("safe"), ran("restore", NEVER_ENDED))
    assert found is not None
    assert "a copy of its data lies in /var/lib/etcd-before-20260921-143000" in found.did
    assert "it may still run" in found.did[-1] and "/var/lib/etcd-backup/member" in found.did[-1]
    assert found.back[0].startswith("first go on with this restore")


SCRIPT = "...stopping etcd-pod.yaml\nWaiting for container etcd to stop\ncomplete\n"
MOVED = f"{SCRIPT}Moving etcd data-dir /var/lib/etcd/member to /var/lib/etcd-backup\n"


@pytest.mark.parametrize(
    ("status", "said", "did", "data_goes_back"),
    [
        (1, "required dependencies not found\n", "ended without a change", False),
        (1, SCRIPT, "moved the manifests to /home/core/assets/manifests-stopped and ended half-way", False),
        (1, MOVED, "it moved the data to /var/lib/etcd-backup/member", True),
        (0, f"{MOVED}starting restore-etcd static pod\n", "put the restored pods in place", True),
    ],
)
def test_how_far_the_script_came_is_heard_in_its_words(
    status: int, said: str, did: str, data_goes_back: bool
) -> None:
    found = on("masternode3", ran("stop etcd masternode3"), ran("restore", status, said))
    assert found is not None and did in found.did[-1]
    back = "sudo -n mv -n -T -- /var/lib/etcd-backup/member /var/lib/etcd/member"
    assert (back in found.back) is data_goes_back
    # etcd's own manifest was moved by us, and goes back last: with it etcd starts.
    assert found.back[-1].endswith("/etc/kubernetes/manifests/etcd-pod.yaml")


def test_the_guard_is_off_until_it_is_put_on_again_and_rollouts_go_on_by_themselves() -> None:
    off = on("", worked("guard off"), worked("redeploy etcd"))
    assert off is not None
    assert off.did == (
        "the operator's guard is off, or may be",
        "etcd was told to roll out anew, and goes on by itself",
    )
    assert on("", worked("guard off", "Off."), worked("guard on", "On.")) is None


def test_an_attempt_that_is_made_anew_does_not_forget_the_first() -> None:
    again = [Entry("r", 4.0, "attempt", "aside masternode1", {"number": 2})]
    found = on("masternode1", ran("aside masternode1", 1), again)
    assert found is not None and found.did[0].startswith("perhaps its data was moved")


def test_a_restore_that_ends_before_its_time_says_so(tmp_path: Path) -> None:
    told = decided()
    made = plan(looked(placed(), found=survivors(900, 900, 900, running=frozenset({3}))))
    steps = (
        command_step(key="stop etcd masternode1", host="masternode2", argv=("true",), verify=yes()),
        command_step(key="aside masternode1", host="masternode2", argv=("false",), verify=yes()),
    )
    short: Procedure = replace(made, steps=steps, locks=False)
    journal = Journal(tmp_path)

    runner = FakeRunner()
    runner.on("true")
    runner.on("false", status=1, err="mv: cannot stat\n")
    world = FakeWorld(None, runner)
    finished, _ = run(short, journal, Answer(Choice.STOP), world=world)
    assert finished.ending is Ending.FAILED
    aside = told.manifest_aside(told.others[0], "etcd")
    assert f"On masternode1: static pods are stopped, their manifests lie in {aside}" in finished.sentence
    assert "The way back" in finished.sentence
