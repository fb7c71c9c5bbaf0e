"""A restore is asked to raise the revision where its script and its etcd can, and nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.lab import manifests, tree, yamlfile
from etcdtui.lab.eras import ERAS
from etcdtui.lab.places import plan as lab_plan
from etcdtui.model import versions
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.platforms.eras import Bump
from etcdtui.procedures import restore, restore_bump
from etcdtui.procedures.procedure import Procedure
from etcdtui.procedures.restore_decided import Decided
from etcdtui.text import grouped
from tests.unit.test_restore_etcd_alone import made as newest
from tests.unit.test_restore_plan import looked, lost, placed, plan, report, step_of
from tests.views import NOW, gone, status

ASKED = ("sudo", "-n", "env", "ETCD_ETCDCTL_RESTORE_ENABLE_BUMP=true", "/usr/local/bin/cluster-restore.sh")
OLD = tree.script(ERAS["4.10"], "cluster-restore.sh")


def running(*told: str) -> ClusterView:
    """No quorum; the members last said that they are these versions, or nothing since the start."""
    endpoints = []
    for number in (1, 2, 3):
        problem = gone(number).status.problem
        said = Reading(status(number, version=told[number - 1]), NOW - 90, problem) if told else None
        endpoints.append(replace(gone(number), status=said or Reading(None, None, problem)))
    return replace(lost(), endpoints=tuple(endpoints))


def made(*told: str, manifest: str = "", **changes: object) -> Procedure:
    backup = placed()
    assert backup.manifest is not None
    backup = replace(backup, manifest=replace(backup.manifest, etcd_version=manifest))
    reports = {n: report(n, **changes) for n in (1, 2, 3)}
    return plan(looked(backup, view=running(*told), reports=reports))


@pytest.mark.parametrize(
    ("version", "can", "since"),
    [
        ("3.4.26", False, "3.4.27"),
        ("3.4.27", True, "3.4.27"),
        ("3.5.9", False, "3.5.10"),
        ("3.5.10", True, "3.5.10"),
        ("3.5.14-rhel", True, "3.5.10"),
        ("3.6.0", True, "3.6.0"),
        ("3.7.1", True, "3.6.0"),
        ("3.3.25", False, "3.4.27"),
        ("new", None, "3.4.27"),
    ],
)
def test_which_etcd_can_raise_the_revision(version: str, can: bool | None, since: str) -> None:
    assert (versions.raises(version), versions.raises_since(version)) == (can, since)


def test_where_script_and_etcd_can_it_is_asked_for_with_the_words_of_its_header() -> None:
    told = made("3.5.14", "3.5.14", "3.5.14")
    run = step_of(told, "restore")
    folder = restore.decided_of(told).folder
    assert run.argv == (*ASKED, folder)
    assert "ETCD_ETCDCTL_RESTORE_ENABLE_BUMP=true has it raise the revision" in run.why
    assert "is told to list anew" in run.why
    assert any("is asked to raise the revision, which etcd 3.5.14 can" in said for said in told.reasons)


@pytest.mark.parametrize(
    ("told", "manifest", "said"),
    [
        (("3.5.1", "3.5.1", "3.5.1"), "", "etcd 3.5.1 has no --bump-revision (from 3.5.10 on)"),
        (("3.5.14", "3.5.14", "3.5.9"), "3.5.14", "etcd 3.5.9 has no"),  # on its way to a newer one
        (("3.5.14", "3.5.14", "3.5.14"), "3.5.6", "etcd 3.5.6 has no"),
        ((), "3.4.3", "etcd 3.4.3 has no --bump-revision (from 3.4.27 on)"),
        ((), "", "which etcd it starts is not known"),
        (("3.5.14", "3.5.14", "strange"), "", "which etcd it starts is not known"),
    ],
)
def test_where_etcd_cannot_or_nobody_knows_it_is_not_and_the_plan_says_why(
    told: tuple[str, ...], manifest: str, said: str
) -> None:
    found = made(*told, manifest=manifest)
    run = step_of(found, "restore")
    assert run.argv == ("sudo", "-n", "/usr/local/bin/cluster-restore.sh", run.argv[-1])
    (reason,) = [one for one in found.reasons if "raise the revision" in one]
    assert said in reason and reason.endswith("who watches the API must be restarted afterwards.")
    assert reason in run.why


def test_the_backup_alone_may_tell_which_etcd_it_is() -> None:
    assert step_of(made(manifest="3.5.14"), "restore").argv[:5] == ASKED


def test_a_script_that_never_raises_it_and_one_that_always_does_are_not_asked() -> None:
    never = made("3.5.14", "3.5.14", "3.5.14", script=OLD)
    assert "env" not in step_of(never, "restore").argv
    assert "does not raise the revision: who watches" in step_of(never, "restore").why
    assert "env" not in step_of(newest(), "restore").argv
    assert "raises the revision by itself: whoever watches" in step_of(newest(), "restore").why
    assert "cannot raise" in restore_bump.raising(Bump.ALWAYS, "m1", "3.5.1", 800, 900)[1]


@pytest.mark.parametrize("bump", [Bump.ALWAYS, Bump.ON_REQUEST])
def test_a_backup_of_before_a_raise_is_not_raised_above_what_was_seen_since(bump: Bump) -> None:
    for seen, above in ((1_000_000_799, True), (1_000_000_800, False), (1_000_004_711, False)):
        asked, said = restore_bump.raising(bump, "m1", "3.5.14", 800, seen)
        assert ("list anew" in said) is above and asked is (above and bump is Bump.ON_REQUEST)
        assert above or f"does not raise the revision above {grouped(seen)}" in said


def test_it_is_recorded_and_a_record_of_before_goes_on_as_it_began() -> None:
    told = made("3.5.14", "3.5.14", "3.5.14")
    again = restore.rebuild("restore", told.id, "prod", dict(told.parameters))
    assert [(s.key, s.argv, s.why) for s in again.steps] == [(s.key, s.argv, s.why) for s in told.steps]
    record = json.loads(told.parameters["decided"])
    del record["bump"], record["raising"]
    older = Decided.of({"decided": json.dumps(record)})
    assert restore_bump.command(older) == (*ASKED[:2], ASKED[-1], older.folder)
    assert restore_bump.what_it_does(older) == ""


def test_a_script_that_changed_since_the_plan_is_not_asked_for_what_it_does_not_know() -> None:
    told = restore.decided_of(made("3.5.14", "3.5.14", "3.5.14"))
    assert restore_bump.still_asked(told, report(1))
    assert not restore_bump.still_asked(told, report(1, script=OLD))
    assert restore_bump.still_asked(replace(told, bump=False), report(1, script=OLD))


def test_the_script_is_started_with_the_variable(tmp_path: Path) -> None:
    told = restore.decided_of(made("3.5.14", "3.5.14", "3.5.14"))
    script = tmp_path / "cluster-restore.sh"
    script.write_text('#!/bin/sh\necho "$ETCD_ETCDCTL_RESTORE_ENABLE_BUMP $1 $$"\n')
    script.chmod(0o700)
    layout = replace(told.recovery.layout, sudo=(), restore_script=str(script))
    argv = restore_bump.command(replace(told, recovery=replace(told.recovery, layout=layout)))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        out, _ = process.communicate(timeout=10)
    # env becomes the script: who ends or looks for what was started finds the script itself.
    assert out.split() == ["true", told.folder, str(process.pid)]


@pytest.mark.parametrize(("value", "asked"), [("true", True), ("1", True), ("", False), (None, False)])
def test_the_lab_understands_it_as_the_real_script_does(
    value: str | None, asked: bool, tmp_path: Path
) -> None:
    place = lab_plan(tmp_path, nodes=1, identity="abc123", user="core", version="3.5.16")
    (tmp_path / "pod.yaml").write_text(yamlfile.dump(manifests.restore_pod(place, place.nodes[0], 7)))
    text = tree.script(ERAS["4.16"], "cluster-restore.sh")
    part = text[text.index("asked=false") : text.index('mv "${ASSET_DIR}/etcd-pod.yaml"')]
    env = {"PATH": os.environ["PATH"], "RESTORE_ETCD_POD_YAML": "pod.yaml", "ASSET_DIR": "."}
    if value is not None:
        env["ETCD_ETCDCTL_RESTORE_ENABLE_BUMP"] = value
    subprocess.run(["bash", "-ec", part], cwd=tmp_path, env=env, check=True)
    pod = (tmp_path / "etcd-pod.yaml").read_text()
    assert f'export ETCD_ETCDCTL_RESTORE_ENABLE_BUMP="{"true" if asked else "false"}"' in pod
