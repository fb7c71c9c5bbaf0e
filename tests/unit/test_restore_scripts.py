"""The host's restore script recognised by what it does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import etcdtui.lab
from etcdtui.errors import Refusal, UnexpectedOutput
from etcdtui.platforms.eras import Bump, Way
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.restore_scripts import only_known, parse_report, recognise, report_script, unfit

FILES = Path(etcdtui.lab.__file__).parent / "files"
SCRIPT = (FILES / "cluster-restore.sh").read_text()
TOOLS = (FILES / "etcd-common-tools").read_text().replace("@ROOT@", "")

# The marks of scripts of other releases, in the shapes that they have there.
OLDEST = """
### Created by cluster-etcd-operator. DO NOT edit.
echo "Waiting for container ${NAME} to stop"
BACKUP_FILE=$(ls -vd "${BACKUP_DIR}"/static_kuberesources*.tar.gz | tail -1) || true
SNAPSHOT_FILE=$(ls -vd "${BACKUP_DIR}"/snapshot*.db | tail -1) || true
mv etcd-pod.yaml
STATIC_POD_LIST=("kube-apiserver-pod.yaml" "kube-controller-manager-pod.yaml" "kube-scheduler-pod.yaml")
STATIC_POD_CONTAINERS=("etcd" "etcdctl" "etcd-metrics" "kube-controller-manager" "kube-apiserver")
echo "...stopping ${POD_FILE_NAME}"
"""
NEWEST = """
### Created by cluster-etcd-operator. DO NOT edit.
echo "Waiting for container ${container_name} to stop"
SNAPSHOT_FILE=$(ls -vd "${BACKUP_DIR}"/snapshot*.db | tail -1) || true
ETCD_STATIC_POD_CONTAINERS=("etcd" "etcdctl" "etcd-metrics" "etcd-readyz" "etcd-rev" "etcd-backup-server")
echo "...stopping ${POD_FILE_NAME}"
check_snapshot_status "${SNAPSHOT_FILE}"
"""


def test_a_script_that_stops_all_pods_is_recognised_with_its_folders() -> None:
    found = recognise("masternode1", SCRIPT, TOOLS)
    assert found.does.way is Way.ETCD_FIRST and found.does.checks_snapshot
    assert found.stopped == "/home/core/assets/manifests-stopped" and found.kept == "/var/lib/etcd-backup"
    assert found.does.containers == (
        *("etcd", "etcdctl", "etcd-metrics", "etcd-readyz"),
        *("kube-controller-manager", "kube-apiserver", "kube-scheduler"),
    )
    assert only_known("masternode1", found) is found


def test_the_oldest_one_waits_for_other_containers_and_checks_nothing() -> None:
    found = recognise("masternode1", OLDEST, TOOLS)
    assert found.does.way is Way.ALL_UNCHECKED and found.does.bump is Bump.NEVER
    assert "etcd-readyz" not in found.does.containers and "kube-apiserver" in found.does.containers


def test_another_way_is_recognised_and_not_gone() -> None:
    found = recognise("masternode1", NEWEST, TOOLS)
    assert found.does.way is Way.ETCD_ONLY
    with pytest.raises(Refusal, match=r"that of OpenShift 4\.18 and newer"):
        only_known("masternode1", found)


@pytest.mark.parametrize(
    ("script", "tools", "said"),
    [
        ("", TOOLS, "no cluster-restore.sh"),
        (SCRIPT, "", "no etcd-common-tools"),
        ("#!/bin/sh\nmy-own-restore\n", TOOLS, "none that this etcdtui knows"),
        (SCRIPT.replace("Created by", "After"), TOOLS, "none that this etcdtui knows"),
        (SCRIPT.replace("kube-scheduler-pod.yaml", "other.yaml"), TOOLS, "none that this etcdtui knows"),
        (SCRIPT, TOOLS.replace("MANIFEST_STOPPED_DIR", "ELSEWHERE"), "none that this etcdtui knows"),
    ],
)
def test_what_is_not_known_is_refused_and_not_guessed(script: str, tools: str, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        recognise("masternode1", script, tools)


def test_the_look_at_a_host_tells_script_data_and_disks(tmp_path: Path) -> None:
    layout = Layout(root=str(tmp_path), sudo=())
    for path, text in ((layout.restore_script, SCRIPT), (f"{layout.etcd_scripts}/etcd-common-tools", TOOLS)):
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "usr/local/bin/quorum-restore.sh").write_text("")
    member = tmp_path / "var/lib/etcd/member"
    member.mkdir(parents=True)
    (member / "db").write_bytes(b"x" * 300_000)
    (member.parent / "revision.json").write_text("{}")
    said = subprocess.run(
        report_script(layout, "masternode1", "127.0.0.1"), capture_output=True, text=True, check=True
    ).stdout
    found = parse_report(said)
    assert recognise("here", found.script, found.tools).does.stops_all
    assert found.beside == {"quorum-restore.sh"} and set(found.entries) == {"member", "revision.json"}
    assert found.data_size is not None and found.data_size >= 300_000
    assert set(found.disks) == {"data", "parent", "folder"} and found.disks["data"][0] > 0
    assert found.certificates == {}
    assert "it has no peer and serving certificate of masternode1" in unfit(found, "masternode1")


def test_an_answer_that_is_cut_off_is_no_answer() -> None:
    with pytest.raises(UnexpectedOutput):
        parse_report("etcdtui restore\nhostname masternode1\n")
