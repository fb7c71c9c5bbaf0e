"""Releases told apart by their scripts and by ClusterVersion; what is unknown stays so."""

from __future__ import annotations

import re
import subprocess

import pytest

from etcdtui.lab import tree
from etcdtui.lab.eras import ERAS
from etcdtui.platforms import csrs, eras
from etcdtui.platforms.eras import BACKUP, DISABLE, MARK, QUORUM_RESTORE, RESTORE, Bump, Way

HEAD = f"#!/usr/bin/env bash\n### {MARK}. DO NOT edit.\n"
ALL = 'STATIC_POD_CONTAINERS=("etcd" "etcdctl" "etcd-metrics" "kube-apiserver" "kube-scheduler")\n'
ETCD = 'ETCD_STATIC_POD_CONTAINERS=("etcd" "etcdctl" "etcd-metrics" "etcd-readyz")\n'
AUX = 'AUX_STATIC_POD_CONTAINERS=("kube-controller-manager" "kube-apiserver" "kube-scheduler")\n'
CHECK = 'check_snapshot_status "${SNAPSHOT_FILE}"\n'
SWITCH = 'if [ -z "${ETCD_ETCDCTL_RESTORE}" ]; then true; fi\n'
ON_REQUEST = 'if [ -n "${ETCD_ETCDCTL_RESTORE_ENABLE_BUMP}" ]; then true; fi\n'
REV = 'ETCD_STATIC_POD_CONTAINERS=("etcd" "etcdctl" "etcd-rev")\n'

FIRST = HEAD + ALL
CHECKED = HEAD + ALL + CHECK
TWO_LISTS = HEAD + ETCD + AUX + CHECK + SWITCH
REQUESTED = TWO_LISTS + ON_REQUEST
NEWEST = HEAD + REV + CHECK + SWITCH
BACKUP_FIRST = HEAD + "etcdctl snapshot save\n"
BACKUP_NEW = HEAD + "if [ $1 == --force ]; then x; fi\noc get co etcd Progressing\n" + CHECK


def on_a_lab(name: str) -> dict[str, str]:
    era = ERAS[name]
    return {script: tree.script(era, source) for script, source in era.scripts.items()}


@pytest.mark.parametrize(
    ("text", "way", "bump", "version"),
    [
        (FIRST, Way.ALL_UNCHECKED, Bump.NEVER, "4.5.41"),
        (CHECKED, Way.ALL_CHECKED, Bump.NEVER, "4.9.0"),
        (TWO_LISTS, Way.ETCD_FIRST, Bump.NEVER, "4.11.3"),
        (REQUESTED, Way.ETCD_FIRST, Bump.ON_REQUEST, "4.16.3"),
        (NEWEST, Way.ETCD_ONLY, Bump.ALWAYS, "4.23.0-ec.1"),
    ],
)
def test_the_ways_of_restoring(text: str, way: Way, bump: Bump, version: str) -> None:
    era = eras.recognise(version, {RESTORE: text, BACKUP: BACKUP_NEW}, "m1")
    assert era.restore is not None
    assert (era.restore.way, era.restore.bump) == (way, bump)
    assert era.doubts == ()


def test_the_containers_are_read_and_not_known_by_heart() -> None:
    found = eras.parse_restore(REQUESTED)
    assert found is not None
    assert found.containers == (
        "etcd",
        "etcdctl",
        "etcd-metrics",
        "etcd-readyz",
        "kube-controller-manager",
        "kube-apiserver",
        "kube-scheduler",
    )
    assert found.stops_all and found.checks_snapshot


@pytest.mark.parametrize(
    ("name", "way", "bump"),
    [
        ("4.5", Way.ALL_UNCHECKED, Bump.NEVER),
        ("4.10", Way.ALL_CHECKED, Bump.NEVER),
        ("4.12", Way.ETCD_FIRST, Bump.ON_REQUEST),
        ("4.16", Way.ETCD_FIRST, Bump.ON_REQUEST),
        ("4.19", Way.ETCD_ONLY, Bump.ALWAYS),
        ("newest", Way.ETCD_ONLY, Bump.ALWAYS),
    ],
)
def test_the_scripts_of_every_lab_are_those_of_its_release(name: str, way: Way, bump: Bump) -> None:
    era = eras.recognise(ERAS[name].openshift, on_a_lab(name))
    assert era.doubts == ()
    assert era.restore is not None and (era.restore.way, era.restore.bump) == (way, bump)
    # Each waits for the containers that etcd's pod of that release has.
    assert set(ERAS[name].containers) <= set(era.restore.containers)
    newer = way is not Way.ALL_UNCHECKED
    assert era.backup == eras.BackupScript(asks_operators=newer, checks_snapshot=newer)
    assert era.disables is era.restores_quorum is (way is Way.ETCD_ONLY)


@pytest.mark.parametrize("name", list(ERAS))
def test_a_script_of_a_lab_is_whole(name: str) -> None:
    for script, text in {**on_a_lab(name), "tools": tree.script(ERAS[name], "etcd-common-tools")}.items():
        assert not re.search(r"^ *#(if|unless|else|end)\b", text, re.MULTILINE), script
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


@pytest.mark.parametrize(
    ("version", "guard", "pods", "path"),
    [
        ("4.5.0", False, False, csrs.V1BETA1),
        ("4.9.59", False, False, csrs.V1),
        ("4.10.0", True, False, csrs.V1),
        ("4.12.0-rc.1", True, True, csrs.V1),
        ("4.23.1", True, True, csrs.V1),
    ],
)
def test_what_the_operator_of_a_release_needs(version: str, guard: bool, pods: bool, path: str) -> None:
    era = eras.recognise(version)
    assert (era.guard, era.guard_pods, era.secrets, era.csrs) == (guard, pods, True, path)


@pytest.mark.parametrize("version", ["", "next", "4", "4.x", "4.4.1", "3.11.0"])
def test_an_unknown_version_is_not_guessed(version: str) -> None:
    era = eras.recognise(version)
    assert (era.guard, era.guard_pods, era.secrets, era.csrs, era.release) == (None, None, None, "", None)
    assert len(era.doubts) == 2 and era.doubts[1] == "The scripts on the host have not been read."


def test_the_scripts_tell_even_without_the_api() -> None:
    era = eras.recognise("", {RESTORE: NEWEST, BACKUP: BACKUP_FIRST, DISABLE: HEAD, QUORUM_RESTORE: HEAD})
    assert era.guard is None
    assert era.restore is not None and era.restore.way is Way.ETCD_ONLY
    assert (era.disables, era.restores_quorum) == (True, True)
    assert era.backup == eras.BackupScript(asks_operators=False, checks_snapshot=False)
    assert era.doubts == ("The version of the cluster is not known: the API did not tell it.",)


def test_scripts_and_version_that_do_not_agree() -> None:
    era = eras.recognise("4.18.1", {RESTORE: REQUESTED, BACKUP: BACKUP_NEW}, "m2")
    assert era.restore is not None and era.restore.way is Way.ETCD_FIRST
    assert "4.18.1, but cluster-restore.sh on m2 is that of 4.11 to 4.17" in era.doubts[0]


def test_a_script_of_somebody_else_is_not_relied_upon() -> None:
    era = eras.recognise("4.16.3", {RESTORE: REQUESTED.replace(MARK, "Mine"), BACKUP: ""}, "m2")
    assert era.restore is None and era.backup is None
    assert era.doubts[0] == "There is no cluster-backup.sh on m2."
    assert "does not say “Created by cluster-etcd-operator”" in era.doubts[1]
    assert era.disables is False


@pytest.mark.parametrize("text", [HEAD, HEAD + ALL + SWITCH, HEAD + REV, HEAD + "# " + ALL])
def test_a_script_of_an_unknown_kind(text: str) -> None:
    era = eras.recognise("4.16.3", {RESTORE: text, BACKUP: BACKUP_NEW}, "m2")
    assert era.restore is None
    assert era.doubts == ("cluster-restore.sh on m2 is of a kind that is not known here.",)
