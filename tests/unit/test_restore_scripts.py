"""The host's restore script recognised by what it does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import etcdtui.lab
from etcdtui.errors import Refusal, UnexpectedOutput
from etcdtui.lab import tree
from etcdtui.lab.eras import ERAS
from etcdtui.platforms.eras import Bump, Way
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.restore_scripts import (
    disabled,
    parse_report,
    recognise,
    report_script,
    restores_quorum,
    unfit,
)

FILES = Path(etcdtui.lab.__file__).parent / "files"
SCRIPT = (FILES / "cluster-restore.sh").read_text()
TOOLS = (FILES / "etcd-common-tools").read_text().replace("@ROOT@", "")

OLDEST, NEWEST = (tree.script(ERAS[e], ERAS[e].scripts["cluster-restore.sh"]) for e in ("4.5", "newest"))


def test_a_script_that_stops_all_pods_is_recognised_with_its_folders() -> None:
    found = recognise("masternode1", SCRIPT, TOOLS)
    assert found.does.way is Way.ETCD_FIRST and found.does.checks_snapshot
    assert found.stopped == "/home/core/assets/manifests-stopped" and found.kept == "/var/lib/etcd-backup"
    assert found.does.containers == (
        *("etcd", "etcdctl", "etcd-metrics", "etcd-readyz"),
        *("kube-controller-manager", "kube-apiserver", "kube-scheduler"),
    )


def test_the_oldest_one_waits_for_other_containers_and_checks_nothing() -> None:
    found = recognise("masternode1", OLDEST, TOOLS)
    assert found.does.way is Way.ALL_UNCHECKED and found.does.bump is Bump.NEVER
    assert "etcd-readyz" not in found.does.containers and "kube-apiserver" in found.does.containers


def test_the_newest_one_stops_etcd_alone_and_raises_the_revision() -> None:
    found = recognise("masternode1", NEWEST, TOOLS)
    assert found.does.way is Way.ETCD_ONLY and found.does.bump is Bump.ALWAYS and not found.does.stops_all
    assert found.does.containers[-2:] == ("etcd-rev", "etcd-backup-server")
    with pytest.raises(Refusal, match="none that this etcdtui knows"):
        recognise("masternode1", NEWEST.replace("snapshot*.db", "my.db"), TOOLS)


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
    tools = TOOLS.replace('"/var/lib/etcd-backup"', f'"{tmp_path}/var/lib/etcd-backup"')
    for path, text in ((layout.restore_script, SCRIPT), (f"{layout.etcd_scripts}/etcd-common-tools", tools)):
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for name in ("quorum-restore.sh", "disable-etcd.sh"):
        (tmp_path / "usr/local/bin" / name).write_text(tree.script(ERAS["newest"], name))
    pod = tmp_path / layout.host_certificates.lstrip("/") / "configmaps/restore-etcd-pod"
    pod.mkdir(parents=True)
    (pod / "quorum-restore-pod.yaml").write_text("kind: Pod")
    member = tmp_path / "var/lib/etcd/member"
    member.mkdir(parents=True)
    (member / "db").write_bytes(b"x" * 300_000)
    (member.parent / "revision.json").write_text("{}")
    for name in ("var/lib/etcd/member-replaced-1", "var/lib/etcd/.hidden", "var/lib/etcd-backup/member"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "db").write_bytes(b"x" * 500_000)
    said = subprocess.run(
        report_script(layout, "masternode1", "127.0.0.1"), capture_output=True, text=True, check=True
    ).stdout
    found = parse_report(said)
    assert recognise("here", found.script, found.tools).does.stops_all
    assert found.beside == {"quorum-restore.sh", "disable-etcd.sh", "quorum-restore-pod.yaml"}
    assert restores_quorum(found) and disabled(found) == "/home/core/assets/manifests-stopped"
    assert set(found.entries) == {"member", "revision.json", "member-replaced-1", ".hidden"}
    assert 1_000_000 <= found.others_size < 1_400_000 and 500_000 <= found.kept_size < 700_000
    assert found.data_size is not None and found.data_size >= 300_000
    assert set(found.disks) == {"data", "parent", "folder", "kept"} and found.disks["data"][0] > 0
    assert found.certificates == {}
    assert "it has no peer and serving certificate of masternode1" in unfit(found, "masternode1")


def test_a_script_of_somebody_else_beside_it_is_no_script_of_openshift(tmp_path: Path) -> None:
    layout = Layout(root=str(tmp_path), sudo=())
    folder = tmp_path / "usr/local/bin"
    folder.mkdir(parents=True)
    for name in ("quorum-restore.sh", "disable-etcd.sh"):
        (folder / name).write_text("#!/bin/sh\nrm -rf /var/lib/etcd\n")
    said = subprocess.run(
        report_script(layout, "masternode1", "127.0.0.1"), capture_output=True, text=True, check=True
    ).stdout
    found = parse_report(said)
    assert not found.beside and not restores_quorum(found) and disabled(found) == ""


def test_an_answer_that_is_cut_off_is_no_answer() -> None:
    with pytest.raises(UnexpectedOutput):
        parse_report("etcdtui restore\nhostname masternode1\n")
