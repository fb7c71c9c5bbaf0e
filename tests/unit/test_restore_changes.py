"""What a restore has changed, told by its record alone, and how that is put back by hand."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.journal_text import in_full
from etcdtui.procedures import restore_undo
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import Procedure
from etcdtui.procedures.restore_changes import NOTHING, changes, lines, to_put_back
from etcdtui.records import Entry, Run
from tests.procedures import FakeWorld
from tests.unit import test_restore_newest, test_restore_quorum
from tests.unit.test_restore_plan import NOW, decided, looked, placed, plan, survivors

ASIDE = "/etc/kubernetes/etcd-pod.restore-20260921-143000.yaml"
DATA = "/var/lib/etcd/member-restore-20260921-143000"


def made() -> Procedure:
    return plan(looked(placed(), found=survivors(900, 900, 900, running=frozenset({3}))), host="masternode3")


def entry(step: str, kind: str, **facts: object) -> Entry:
    return Entry("restore-1", NOW, kind, step, facts)


def ended(step: str, sentence: str, *, status: int = 0, said: str = "") -> list[Entry]:
    """A command that ran and was verified, as the engine writes it."""
    return [
        entry(step, "state", state="running", sentence=""),
        entry(step, "command", host="h", argv=["x"]),
        entry(step, "ended", status=status, stdout=said, stderr=""),
        entry(step, "state", state="done" if status == 0 else "failed", sentence=sentence),
    ]


def run_of(folder: Path, *entries: Entry, procedure: Procedure | None = None) -> Run:
    journal = Journal(folder)
    record, _ = journal.begin(procedure or made(), NOW)
    record.close()
    run = journal.read((procedure or made()).id)
    return replace(run, entries=(*run.entries, *entries))


def test_before_anything_ran_nothing_is_changed(tmp_path: Path) -> None:
    waiting = entry("begin", "state", state="waiting for you", sentence="Type prod.")
    run = run_of(tmp_path, waiting)
    assert changes(run) == () and lines(run) == [NOTHING] and not to_put_back(run)


def test_each_move_is_told_with_its_host_and_the_exact_way_back(tmp_path: Path) -> None:
    kept = f"etcd on masternode1 is stopped; its manifest is {ASIDE}."
    run = run_of(
        tmp_path,
        *ended("stop etcd masternode1", kept),
        *ended("aside masternode1", f"The data of masternode1 is kept as {DATA}."),
    )
    manifest, data = changes(run)
    assert manifest.host == data.host == "masternode1" and manifest.sure and data.sure
    assert shlex.split(manifest.back) == [
        *("sudo", "-n", "mv", "-n", "--"),
        *(ASIDE, "/etc/kubernetes/manifests/etcd-pod.yaml"),
    ]
    assert shlex.split(data.back)[2:] == ["mv", "-n", "-T", "--", DATA, "/var/lib/etcd/member"]
    said = lines(run)
    assert said[1] == "  masternode1" and to_put_back(run)
    assert said.index(f"      back: {data.back}") < said.index(f"      back: {manifest.back}")
    assert ":putback" in said[-1]


def test_the_way_back_that_is_told_really_leads_back(tmp_path: Path) -> None:
    """The commands are run as they are told, on files of this machine."""
    import subprocess

    from etcdtui.platforms.layout import Layout
    from etcdtui.procedures import restore

    root = tmp_path / "root"
    layout = Layout(root=str(root), sudo=())
    seen = looked(placed(), found=survivors(900, 900, 900, running=frozenset({3})))
    planned = restore.plan(
        seen, lambda name: layout, procedure_id="restore-1", stamp="s", backup=None, host="masternode3"
    )
    manifest, data = root / "etc/kubernetes/manifests/etcd-pod.yaml", root / "var/lib/etcd/member"
    for path, text in ((manifest, "pod"), (data / "db", "data")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    entries: list[Entry] = []
    for key in ("stop etcd masternode1", "aside masternode1"):
        step = planned.step(key)
        subprocess.run(step.argv, check=True)
        entries += ended(key, f"It is kept as {step.argv[-1]}.")
    assert not manifest.exists() and not data.exists()
    run = run_of(tmp_path / "journal", *entries, procedure=planned)
    for change in sorted(changes(run), key=lambda one: one.turn):
        subprocess.run(shlex.split(change.back), check=True)
    assert manifest.read_text() == "pod" and (data / "db").read_text() == "data"


def test_where_there_was_nothing_to_be_moved_nothing_is_told(tmp_path: Path) -> None:
    none = "etcd on masternode1 is stopped; there was no manifest to be moved."
    assert changes(run_of(tmp_path, *ended("stop etcd masternode1", none))) == ()
    refused = ended("stop etcd masternode1", "mv: permission denied", status=1)
    assert changes(run_of(tmp_path / "2", *refused)) == ()


def test_a_command_whose_end_is_not_on_record_is_told_as_not_known(tmp_path: Path) -> None:
    (change,) = changes(run_of(tmp_path, entry("stop etcd masternode1", "command", host="h", argv=["x"])))
    assert not change.sure and change.back
    assert "not on record: look there" in "\n".join(
        lines(run_of(tmp_path / "2", entry("aside masternode1", "command")))
    )


def test_a_step_that_was_tried_again_is_not_forgotten(tmp_path: Path) -> None:
    """The move went well, its verification did not; the second try found it done."""
    step = "stop etcd masternode1"
    first = [
        entry(step, "command", host="h", argv=["x"]),
        entry(step, "ended", status=0, stdout="", stderr=""),
        entry(step, "state", state="failed", sentence="On masternode1 etcd still runs."),
        entry(step, "attempt", number=2),
        entry(
            step, "state", state="done", sentence=f"etcd on masternode1 is stopped; its manifest is {ASIDE}."
        ),
    ]
    (change,) = changes(run_of(tmp_path, *first))
    assert change.sure and ASIDE in change.back


def test_the_script_is_told_by_its_own_words(tmp_path: Path) -> None:
    early = ended("restore", "Failed.", status=1, said="Backup integrity verification failed\n")
    (only,) = changes(run_of(tmp_path, *early))
    assert "ended with exit code 1" in only.what and not only.back
    told = decided(
        looked(placed(), found=survivors(900, 900, 900, running=frozenset({3}))), host="masternode3"
    )
    words = "...stopping etcd-pod.yaml\nMoving etcd data-dir /var/lib/etcd/member to /b\n"
    late = changes(run_of(tmp_path / "2", *ended("restore", "Failed.", status=1, said=words)))
    assert late[0].what.endswith("It has moved the old data away.")
    assert f"{told.kept}/member" in late[1].back and late[1].turn == 1
    assert [c.back.split()[-1] for c in late[2:]] == [
        f"/etc/kubernetes/manifests/{pod}-pod.yaml"
        for pod in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ]
    running = [entry("restore", "command"), entry("restore", "started")]
    (open_,) = changes(run_of(tmp_path / "3", *running))
    assert "may still run" in open_.what and ":resume" in open_.back


def test_what_was_done_through_the_api_is_told_apart(tmp_path: Path) -> None:
    work = [entry("redeploy etcd", "work"), entry("redeploy etcd", "state", state="done", sentence="So.")]
    run = run_of(tmp_path, *work)
    assert "  through the API" in lines(run) and not to_put_back(run)


def test_the_journal_tells_it_before_the_steps_and_only_for_restores(tmp_path: Path) -> None:
    run = run_of(tmp_path, *ended("aside masternode1", f"Kept as {DATA}."))
    said = in_full(run)
    assert any(DATA in line and "back: " in line for line in said)
    assert said.index("  What it changed, and how that is put back:") < said.index(
        "  1. Check hosts and scripts"
    )
    assert lines(replace(run, kind="backup")) == []


def test_after_a_whole_restore_nobody_is_told_to_move_things_by_hand(tmp_path: Path) -> None:
    done = entry("", "finished", ending="done", sentence="All is well.")
    said = lines(run_of(tmp_path, *ended("aside masternode1", f"Kept as {DATA}."), done))
    assert not any("back: " in line for line in said) and ":putback" in said[-1]


def test_a_host_that_disabled_etcd_itself_is_told_by_where_its_script_puts_the_manifest(
    tmp_path: Path,
) -> None:
    planned = test_restore_newest.made()
    sentence = (
        "etcd on masternode1 is stopped; its manifest is /home/core/assets/manifests-stopped/etcd-pod.yaml."
    )
    run = run_of(tmp_path, *ended("stop etcd masternode1", sentence), procedure=planned)
    (change,) = changes(run)
    assert change.host == "masternode1" and change.sure
    kept, there = shlex.split(change.back)[-2:]
    assert kept == "/home/core/assets/manifests-stopped/etcd-pod.yaml"
    assert there == "/etc/kubernetes/manifests/etcd-pod.yaml"


def test_after_a_quorum_restore_the_copy_is_what_was_before(tmp_path: Path) -> None:
    planned = test_restore_quorum.plan(test_restore_quorum.seen(900, 950, 900))
    said = "starting restore-etcd static pod\n"
    safe = ended("safe", "It is kept.", said="moving /var/lib/etcd/old.tar to /var/lib/etcd-before/\n")
    run = run_of(tmp_path, *safe, *ended("restore", "It went through.", said=said), procedure=planned)
    told = changes(run)
    assert "was copied to /var/lib/etcd-before-20260921-143000" in told[0].what
    assert told[1].what == "/var/lib/etcd/old.tar was moved to /var/lib/etcd-before/."
    assert told[2].what.startswith("quorum-restore.sh went through.")
    assert "/var/lib/etcd-before-20260921-143000/member" in told[3].what and ":putback" in told[3].back
    assert to_put_back(run)


# -- the way back, planned


def kept(folder: Path, *entries: Entry) -> tuple[Operations, Procedure]:
    """A journal that holds a restore with these lines."""
    world = FakeWorld(looked(placed()).view)
    world.name, world.read_only = "prod", False  # type: ignore[attr-defined]
    journal, planned = Journal(folder / "journal"), made()
    record, _ = journal.begin(planned, NOW)
    for one in entries:
        record.write(NOW, one.kind, **({"step": one.step} if one.step else {}), **one.facts)
    record.close()
    return Operations(cast(Any, world), folder), planned


def test_the_newest_restore_that_moved_something_can_be_put_back(tmp_path: Path) -> None:
    operations, planned = kept(tmp_path, *ended("aside masternode1", f"Kept as {DATA}."))
    found = operations.to_put_back()
    assert found is not None and found.id == planned.id
    assert DATA in "\n".join(operations.changed_by(planned.id))
    assert operations.changed_by("no-such-run") == ()


def test_one_that_moved_nothing_is_not_offered(tmp_path: Path) -> None:
    operations, _ = kept(tmp_path)
    assert operations.to_put_back() is None


def test_an_unfinished_one_is_abandoned_only_when_the_way_back_stands(tmp_path: Path) -> None:
    running = [entry("restore", "command", host="h", argv=["x"]), entry("restore", "started")]
    operations, planned = kept(tmp_path, *running)
    with pytest.raises(Refusal, match="may still run"):
        operations.plan_restore_undo(planned.id, abandon=True)
    assert Journal(tmp_path / "journal").read(planned.id).resumable, "it is not abandoned"
    operations, planned = kept(tmp_path / "2", *ended("stop etcd masternode1", f"{ASIDE}."))
    with pytest.raises(Refusal, match="is not finished"):
        operations.plan_restore_undo(planned.id)
    back = operations.plan_restore_undo(planned.id, abandon=True)
    assert back.kind == restore_undo.KIND
    assert (
        Journal(tmp_path / "2" / "journal").read(planned.id).abandoned
        == "Everything is put back to before it."
    )


def test_it_is_not_put_back_twice(tmp_path: Path) -> None:
    operations, planned = kept(tmp_path, *ended("stop etcd masternode1", f"{ASIDE}."))
    back = operations.plan_restore_undo(planned.id, abandon=True)
    journal = Journal(tmp_path / "journal")
    record, _ = journal.begin(back, NOW)
    record.close()
    with pytest.raises(Refusal, match="was begun and is not finished"):
        operations.plan_restore_undo(planned.id)
    record, _ = journal.begin(back, NOW)
    record.write(NOW, "finished", ending="done", sentence="As before.")
    record.close()
    with pytest.raises(Refusal, match="nothing left to be put back"):
        operations.plan_restore_undo(planned.id)
    assert operations.to_put_back() is None
