"""What the restore script prints, understood; and what a failure of it left behind."""

from __future__ import annotations

import pytest

from etcdtui.procedures import restore
from etcdtui.procedures.restore_words import explain, heard
from tests.unit.test_restore_plan import looked, placed, plan

STOPPING = """\
{"hash":3582676845,"revision":38858,"totalKey":11627,"totalSize":89231360}
...stopping kube-apiserver-pod.yaml
...stopping kube-controller-manager-pod.yaml
...stopping kube-scheduler-pod.yaml
Waiting for container kube-controller-manager to stop
.complete
Waiting for container kube-apiserver to stop
.............................."""
MOVED = (
    STOPPING
    + """complete
Waiting for container kube-scheduler to stop
complete
...stopping etcd-pod.yaml
Waiting for container etcd to stop
......complete
Moving etcd data-dir /var/lib/etcd/member to /var/lib/etcd-backup
"""
)
STARTED = MOVED + "starting restore-etcd static pod\nstarting kube-apiserver-pod.yaml\n"


def test_where_it_is_is_told_by_its_last_lines() -> None:
    assert heard("").sentence == "It has not stopped anything yet."
    told = heard(STOPPING)
    assert (told.waiting, told.seconds, told.destroyed) == ("kube-apiserver", 30, False)
    assert told.sentence == "It waits for the container kube-apiserver to stop, 30 s so far."
    assert told.ended == ("kube-controller-manager",) and len(told.stopped) == 3
    assert heard(MOVED).destroyed and not heard(MOVED).restoring
    assert heard(MOVED).sentence == "It has moved the old data away."
    assert heard(STARTED).started == ("kube-apiserver",)
    assert heard(STARTED).sentence == "It has put back the manifests of kube-apiserver."


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("This script must be run as root\n", "sudo did not make it root"),
        (
            "Backup integrity verification failed. Backup appears corrupted. Aborting!\n",
            "check of the snapshot",
        ),
        ("etcd snapshot /b/snapshot_x.db does not exist\n", "/b/snapshot_x.db does not exist"),
    ],
)
def test_a_failure_before_anything_changed_says_so(said: str, reason: str) -> None:
    words = explain(restore.decided_of(plan(looked(placed()))))(1, said)
    assert reason in words and "Nothing was changed by it." in words and "exit code 1" in words


def test_a_failure_half_way_says_what_is_where_and_the_way_back() -> None:
    decided = restore.decided_of(plan(looked(placed())))
    words = explain(decided)(1, MOVED + "kube-apiserver-pod.yaml does not exist in /b/static.tar.gz\n")
    assert "It has moved the old data away. Nothing runs on" in words
    for place in (decided.stopped, f"{decided.kept}/member", f"{decided.safe}/member"):
        assert place in words


def test_foreign_text_is_made_harmless() -> None:
    assert "\x1b" not in heard("etcd snapshot \x1b[2J does not exist").trouble
