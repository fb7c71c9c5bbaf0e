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
from etcdtui.procedures.history import history_of
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import Answer, Choice, Ending, Procedure
from etcdtui.procedures.restore_changes import (
    NOTHING,
    ONWARD,
    UNREADABLE,
    WAY_BACK,
    Change,
    changes,
    in_short,
    lines,
    to_put_back,
)
from etcdtui.procedures.restore_decided import Fresh
from etcdtui.procedures.restore_state import NO_MANIFEST
from etcdtui.records import Entry, Run
from tests import procedures as fakes
from tests.procedures import FakeRunner, FakeWorld, command_step, yes
from tests.unit import test_restore_etcd_alone, test_restore_quorum
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


def began(step: str) -> list[Entry]:
    """A command whose end is not on record."""
    return [entry(step, "command", host="h", argv=["x"])]


def worked(step: str, sentence: str = "") -> list[Entry]:
    """Work of etcdtui's own, done when it has a sentence."""
    done = [entry(step, "state", state="done", sentence=sentence)] if sentence else []
    return [entry(step, "work"), *done]


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
    assert in_short(made(), history_of(run.entries)) == NOTHING


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
    assert (
        in_short(made(), history_of(run.entries))
        == f"{WAY_BACK} On masternode1: set aside as {ASIDE} and {DATA}."
    )


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
    none = f"etcd on masternode1 is stopped; {NO_MANIFEST}"
    assert changes(run_of(tmp_path, *ended("stop etcd masternode1", none))) == ()
    empty = ended("aside masternode1", "There is no data of etcd on masternode1.")
    assert changes(run_of(tmp_path / "1", *empty)) == ()
    refused = ended("stop etcd masternode1", "mv: permission denied", status=1)
    assert changes(run_of(tmp_path / "2", *refused)) == ()


def test_a_command_whose_end_is_not_on_record_is_told_as_not_known(tmp_path: Path) -> None:
    run = run_of(tmp_path, *began("stop etcd masternode1"))
    (change,) = changes(run)
    assert not change.sure and change.back
    assert change.clause == f"perhaps the manifest of etcd was moved to {ASIDE}"
    assert f"On masternode1: perhaps set aside as {ASIDE}." in in_short(made(), history_of(run.entries))
    assert "not on record: look there" in "\n".join(
        lines(run_of(tmp_path / "2", *began("aside masternode1")))
    )


def test_what_was_found_done_after_an_interruption_is_sure(tmp_path: Path) -> None:
    found = entry("aside masternode1", "state", state="done", sentence=f"Kept as {DATA}.")
    (change,) = changes(run_of(tmp_path, *began("aside masternode1"), found))
    assert change.sure and change.kept == DATA


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


def test_an_attempt_that_is_made_anew_does_not_forget_the_first(tmp_path: Path) -> None:
    again = entry("aside masternode1", "attempt", number=2)
    (change,) = changes(run_of(tmp_path, *ended("aside masternode1", "Failed.", status=1), again))
    assert change.clause.startswith("perhaps the data of etcd was moved")


STOPPING = "...stopping etcd-pod.yaml\nWaiting for container etcd to stop\ncomplete\n"
MOVED = f"{STOPPING}Moving etcd data-dir /var/lib/etcd/member to /var/lib/etcd-backup\n"


@pytest.mark.parametrize(
    ("status", "said", "words", "data_goes_back"),
    [
        (1, "required dependencies not found\n", "ended with exit code 1, without a change", None),
        (1, "Backup integrity verification failed\n", "ended with exit code 1, without a change", None),
        (1, STOPPING, "ended with exit code 1: the containers etcd have stopped", False),
        (1, MOVED, "ended with exit code 1: it has moved the old data away", True),
        (0, f"{MOVED}starting restore-etcd static pod\n", "it has put the restore pod in etcd's place", True),
    ],
)
def test_how_far_the_script_came_is_heard_in_its_words(
    tmp_path: Path, status: int, said: str, words: str, data_goes_back: bool | None
) -> None:
    aside = "/etc/kubernetes/etcd-pod.restore-20260921-143000.yaml"
    stopped = ended("stop etcd masternode3", f"etcd on masternode3 is stopped; its manifest is {aside}.")
    run = run_of(tmp_path, *stopped, *ended("restore", "So.", status=status, said=said))
    etcd, script, *moved = changes(run)
    assert script.what.startswith("the script cluster-restore.sh ") and script.what.endswith(words)
    assert not script.back and {one.host for one in (etcd, script, *moved)} == {"masternode3"}
    data = "sudo -n mv -n -T -- /var/lib/etcd-backup/member /var/lib/etcd/member"
    assert (data in [one.back for one in moved]) is bool(data_goes_back)
    if data_goes_back:
        assert moved.pop(0).turn == 1
    # Those that it names itself are sure; once the data is away, all of them are.
    assert all(one.sure is bool(data_goes_back) for one in moved)
    pods = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    assert [one.back.split()[-2:] for one in moved] == [
        [f"/home/core/assets/manifests-stopped/{pod}-pod.yaml", f"/etc/kubernetes/manifests/{pod}-pod.yaml"]
        for pod in (pods if data_goes_back is not None else ())
    ]
    # etcd's own manifest was moved by us, and goes back last: with it etcd starts.
    last = [line for line in lines(run) if "back: " in line][-1]
    assert last.endswith(f"{aside} /etc/kubernetes/manifests/etcd-pod.yaml")


def test_a_script_whose_end_is_not_known_is_gone_on_with_first(tmp_path: Path) -> None:
    safe = ended("safe", "The data of masternode3 is kept in /var/lib/etcd-before-20260921-143000.")
    running = [entry("restore", "command"), entry("restore", "started")]
    copy, script = changes(run_of(tmp_path, *safe, *running))
    assert copy.clause == "a copy of its data lies in /var/lib/etcd-before-20260921-143000"
    assert "may still run" in script.what and "/var/lib/etcd-backup/member" in script.what
    assert script.back.startswith("first go on with this restore") and ":resume" in script.back


def test_a_second_attempt_of_the_script_does_not_forget_what_the_first_has_moved(tmp_path: Path) -> None:
    first = ended("restore", "Failed.", status=1, said=MOVED)
    second = ended("restore", "Failed.", status=2, said="required dependencies not found\n")
    script, data, *_ = changes(run_of(tmp_path, *first, entry("restore", "attempt", number=2), *second))
    assert script.what.endswith("ended with exit code 2: it has moved the old data away")
    assert data.kept == "/var/lib/etcd-backup/member" and data.sure


def test_what_was_brought_and_the_fresh_backup_are_told_and_need_no_way_back(tmp_path: Path) -> None:
    fresh = replace(FROM_3, fresh=Fresh("masternode2", 4096))
    planned = replace(made(), parameters=fresh.parameters())
    run = run_of(tmp_path, *worked("deliver", "There."), *ended("fresh", "So."), procedure=planned)
    brought, backup = changes(run)
    assert (brought.host, backup.host) == ("masternode3", "masternode2")
    assert brought.clause.startswith(f"the two files of the backup lie in {fresh.folder}")
    assert backup.clause == f"a fresh backup lies in {fresh.fresh_folder}"
    assert not to_put_back(run) and not any("back: " in line for line in lines(run))
    assert in_short(planned, history_of(run.entries)).startswith("Nothing has to be put back. ")
    (cut,) = changes(run_of(tmp_path / "2", *ended("fresh", "No.", status=1), procedure=planned))
    assert ", perhaps not whole, lies in " in cut.clause


FROM_3 = decided(looked(placed(), found=survivors(900, 900, 900, running=frozenset({3}))), host="masternode3")


def test_what_was_done_through_the_api_is_told_apart(tmp_path: Path) -> None:
    run = run_of(tmp_path, *worked("redeploy etcd", "So."))
    assert "  through the API" in lines(run) and not to_put_back(run)
    assert in_short(made(), history_of(run.entries)) == (
        "Nothing has to be put back. Through the API: etcd was told to roll out anew, and goes on by itself."
    )


def test_the_guard_is_off_until_it_is_put_on_again(tmp_path: Path) -> None:
    (off,) = changes(run_of(tmp_path, *worked("guard off", "Off.")))
    assert (
        off == Change("", "the guard of the etcd operator was taken off", off.back) and ":debts" in off.back
    )
    (perhaps,) = changes(run_of(tmp_path / "2", *worked("guard off")))
    assert perhaps.clause == f"perhaps {off.what}"
    trying = [*worked("guard off", "Off."), *worked("guard on")]
    assert changes(run_of(tmp_path / "3", *trying)) == (off,)
    assert changes(run_of(tmp_path / "4", *trying, *worked("guard on", "On."))) == ()


def test_approved_requests_are_told_by_what_the_step_said(tmp_path: Path) -> None:
    (done,) = changes(run_of(tmp_path, *worked("approve client", "Approved: csr-1 and csr-2.")))
    assert done.clause == "certificate requests may have been approved: Approved: csr-1 and csr-2"
    assert done.sure and not done.back
    (begun,) = changes(run_of(tmp_path / "2", *worked("approve serving")))
    assert begun.clause == "certificate requests may have been approved: see its step"


def test_the_manifest_of_the_new_backup_is_none_of_a_host(tmp_path: Path) -> None:
    assert changes(run_of(tmp_path, *worked("manifest", "Written."))) == ()


def test_a_record_without_what_was_decided_says_so(tmp_path: Path) -> None:
    run = replace(
        run_of(tmp_path, *ended("aside masternode1", f"Kept as {DATA}.")), parameters={"decided": "{"}
    )
    assert lines(run) == [UNREADABLE] and changes(run) == () and not to_put_back(run)


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
    planned = test_restore_etcd_alone.made()
    sentence = (
        "etcd on masternode1 is stopped; its manifest is /home/core/assets/manifests-stopped/etcd-pod.yaml."
    )
    run = run_of(tmp_path, *ended("stop etcd masternode1", sentence), procedure=planned)
    (change,) = changes(run)
    assert change.host == "masternode1" and change.sure
    kept, there = shlex.split(change.back)[-2:]
    assert kept == "/home/core/assets/manifests-stopped/etcd-pod.yaml"
    assert there == "/etc/kubernetes/manifests/etcd-pod.yaml"
    # The script waits after it has moved: one that failed may have moved as well.
    failed = ended("stop etcd masternode1", "It was ended.", status=143)
    (perhaps,) = changes(run_of(tmp_path / "2", *failed, procedure=planned))
    assert not perhaps.sure and perhaps.back == change.back
    restored = ended("restore", "So.", said=f"{MOVED}starting restore-etcd static pod\n")
    late = changes(run_of(tmp_path / "3", *restored, procedure=planned))
    assert late[1].turn == 1 and not any("kube-apiserver" in one.back for one in late), (
        "etcd alone was stopped"
    )


def test_after_a_quorum_restore_the_copy_is_what_was_before(tmp_path: Path) -> None:
    planned = test_restore_quorum.plan(test_restore_quorum.seen(900, 950, 900))
    said = "starting restore-etcd static pod\n"
    safe = ended("safe", "It is kept.", said="moving /var/lib/etcd/old.tar to /var/lib/etcd-before/\n")
    run = run_of(tmp_path, *safe, *ended("restore", "It went through.", said=said), procedure=planned)
    told = changes(run)
    assert told[0].what == "a copy of its data lies in /var/lib/etcd-before-20260921-143000"
    assert told[1].what == "/var/lib/etcd/old.tar was moved to /var/lib/etcd-before/"
    assert told[2].what.startswith("the script quorum-restore.sh went through: ")
    assert "/var/lib/etcd-before-20260921-143000/member" in told[3].what and ":putback" in told[3].back
    assert to_put_back(run)
    assert planned.changed is not None
    short = planned.changed(planned, history_of(run.entries))
    assert short.startswith(f"{WAY_BACK} On {told[0].host}: a copy of its data lies in ")
    (running,) = changes(run_of(tmp_path / "2", *began("restore"), procedure=planned))
    assert running.what.endswith("it may still run") and ":resume" in running.back


def test_what_a_way_back_has_changed_is_told_and_it_is_gone_on_with(tmp_path: Path) -> None:
    restored = run_of(tmp_path, *ended("stop etcd masternode1", f"{ASIDE}."), *stopped())
    back = restore_undo.plan(restored, procedure_id="undo-1", stamp="20260922-100000")
    new = "/var/lib/etcd/member-restore-20260922-100000"
    run = run_of(
        tmp_path,
        *ended("aside masternode3", f"The data of masternode3 is kept as {new}."),
        *ended("data masternode1", "/var/lib/etcd/member is there on masternode1."),
        *began("manifest etcd masternode1"),
        procedure=back,
    )
    aside, data, manifest = changes(run)
    assert (aside.host, aside.kept, aside.sure) == ("masternode3", new, True)
    assert (data.host, data.clause) == ("masternode1", "/var/lib/etcd/member was put back")
    assert manifest.clause == "perhaps /etc/kubernetes/manifests/etcd-pod.yaml was put back"
    said = lines(run)
    assert f"  {ONWARD} By hand: " in said[-1] and ":putback" not in said[-1]
    assert back.changed is not None
    assert back.changed(back, history_of(run.entries)) == (
        f"{ONWARD} On masternode3: set aside as {new}. On masternode1: {data.clause}; {manifest.clause}."
    )
    refused = ended("data masternode1", "nothing to be put back", status=1)
    assert changes(run_of(tmp_path / "2", *refused, procedure=back)) == ()


def stopped() -> list[Entry]:
    return [entry("", "finished", ending="stopped", sentence="So."), entry("", "abandoned", reason="So.")]


def test_a_restore_that_ends_before_its_time_says_so(tmp_path: Path) -> None:
    steps = (
        command_step(
            key="stop etcd masternode1", host="masternode2", argv=("true",), verify=yes(f"{ASIDE}.")
        ),
        command_step(key="aside masternode1", host="masternode2", argv=("false",), verify=yes()),
    )
    short: Procedure = replace(made(), steps=steps, locks=False)
    runner = FakeRunner()
    runner.on("true")
    runner.on("false", status=1, err="mv: cannot stat\n")
    world = FakeWorld(None, runner)
    finished, _ = fakes.run(short, Journal(tmp_path), Answer(Choice.STOP), world=world)
    assert finished.ending is Ending.FAILED
    assert f"{WAY_BACK} On masternode1: set aside as {ASIDE}." in finished.sentence


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
