"""The journal: what is on the disk, and what reading makes of it."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from etcdtui.errors import Refusal
from etcdtui.journal import Journal, JournalError
from etcdtui.journal_text import in_full, lines
from etcdtui.procedures.procedure import Ending, Procedure, StepState
from etcdtui.records import Who, myself, process_start
from tests.procedures import FakeWorld, check_step, command_step, procedure, run
from tests.views import NOW


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state" / "journal")


PLAN = procedure(check_step(), command_step(argv=("a", "b c")))


def begun(journal: Journal, plan: Procedure = PLAN) -> None:
    record, _ = journal.begin(plan, NOW)
    record.write(NOW + 1, "state", "short", state="running", sentence="It runs.")
    record.close()


class TestWriting:
    def test_only_the_owner_may_read_it(self, journal: Journal) -> None:
        begun(journal)
        path = journal.directory / "test-1.jsonl"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(journal.directory.stat().st_mode) == 0o700

    def test_each_line_is_synced_before_write_returns(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[int] = []
        sync = os.fsync

        def fsync(fd: int) -> None:
            synced.append(fd)
            sync(fd)

        monkeypatch.setattr(os, "fsync", fsync)
        record, _ = journal.begin(PLAN, NOW)
        before = len(synced)
        record.write(NOW, "state", "check", state="done")
        assert len(synced) == before + 1
        record.close()

    def test_a_full_disk_refuses_to_begin(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(fd: int, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        world = FakeWorld()
        finished, _human = run(PLAN, journal, world=world)
        assert finished.ending is Ending.REFUSED
        assert "disk is full" in finished.sentence and "Nothing runs" in finished.sentence
        assert world.runners["masternode2"].ran == []

    def test_a_disk_that_fills_up_stops_before_the_next_command(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write, room = os.write, [600]

        def filling(fd: int, data: bytes) -> int:
            taken = min(len(data), room[0])
            if not taken:
                raise OSError(errno.ENOSPC, "No space left on device")
            room[0] -= taken
            return write(fd, data[:taken])

        monkeypatch.setattr(os, "write", filling)
        world = FakeWorld()
        finished, _ = run(PLAN, journal, world=world)
        assert finished.ending is Ending.REFUSED and world.runners["masternode2"].ran == []
        monkeypatch.undo()
        assert journal.runs()[0].unfinished or journal.runs() == []

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        finished, _ = run(PLAN, Journal(tmp_path / "file" / "journal"))
        assert finished.ending is Ending.REFUSED and "cannot be written" in finished.sentence

    def test_names_cannot_lead_out_of_the_folder(self, journal: Journal) -> None:
        with pytest.raises(JournalError):
            journal.begin(procedure(check_step(), id_="../../etc/passwd"), NOW)

    def test_secrets_are_not_written(self, journal: Journal) -> None:
        record, _ = journal.begin(PLAN, NOW)
        pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\n-----END RSA PRIVATE KEY-----"
        record.write(NOW, "ended", "short", stdout=f"password=hunter2\n{pem}\nAuthorization: Bearer abc.def")
        record.write(
            NOW, "command", "short", argv=["curl", "https://me:hunter3@nexus:8081/x", "--token=abc9"]
        )
        record.close()
        text = (journal.directory / "test-1.jsonl").read_text()
        for secret in ("hunter2", "MIIEabc", "abc.def", "hunter3", "abc9"):
            assert secret not in text
        assert "nexus:8081/x" in text

    def test_ports_and_names_of_secrets_stay(self, journal: Journal) -> None:
        record, _ = journal.begin(PLAN, NOW)
        argv = ["oc", "delete", "secret", "etcd-peer-masternode3", "https://192.168.50.10:2379"]
        record.write(NOW, "command", "short", argv=argv)
        record.close()
        assert journal.read("test-1").entries[-1].facts["argv"] == argv

    def test_two_at_once_are_refused(self, journal: Journal) -> None:
        record, _ = journal.begin(PLAN, NOW)
        with pytest.raises(Refusal, match="another etcdtui"):
            journal.begin(PLAN, NOW)
        record.close()
        begun(journal)


class TestReading:
    def test_what_was_written(self, journal: Journal) -> None:
        begun(journal)
        found = journal.read("test-1")
        assert (found.kind, found.cluster, found.title) == ("test", "prod", "A test")
        assert found.parameters == {"host": "masternode2"}
        assert found.steps[1].argv == ("a", "b c")
        assert found.unfinished and found.ending is None
        assert found.last_step is not None and found.last_step.key == "short"
        assert found.states == {"short": StepState.RUNNING}
        assert (found.number("short"), found.last) == (2, NOW + 1)
        assert found.who.pid == os.getpid()

    @pytest.mark.parametrize(
        "torn", [b"", b"{", b'{"at": 1, "kind": "sta', b"\xff\xfe\x00", b"[1, 2]\n", b"null\n"]
    )
    def test_a_torn_last_line(self, journal: Journal, torn: bytes) -> None:
        begun(journal)
        path = journal.directory / "test-1.jsonl"
        with path.open("ab") as file:
            file.write(torn)
        assert len(journal.read("test-1").entries) == 2
        record, _ = journal.begin(PLAN, NOW)
        record.write(NOW, "state", "short", state="done")
        record.close()
        assert journal.read("test-1").states["short"] is StepState.DONE
        assert journal.read("test-1").torn == (1 if torn else 0)

    def test_cut_at_every_byte(self, journal: Journal) -> None:
        begun(journal)
        path = journal.directory / "test-1.jsonl"
        whole = path.read_bytes()
        for cut in range(len(whole)):
            path.write_bytes(whole[:cut])
            runs = journal.runs()
            assert [r.id for r in runs] in ([], ["test-1"])

    def test_foreign_files_are_left_out(self, journal: Journal) -> None:
        begun(journal)
        (journal.directory / "other.jsonl").write_text('{"at": 1, "kind": "header"}\n')
        (journal.directory / "notes.txt").write_text("x")
        (journal.directory / "folder.jsonl").mkdir()
        assert [r.id for r in journal.runs()] == ["test-1"]
        with pytest.raises(JournalError, match="no record"):
            journal.read("other")

    def test_newest_first_and_by_cluster(self, journal: Journal) -> None:
        for number, id_ in enumerate(("test-1", "test-2")):
            record, _ = journal.begin(procedure(check_step(), id_=id_), NOW + number)
            record.close()
        assert [r.id for r in journal.runs()] == ["test-2", "test-1"]
        assert journal.runs("other") == []
        assert [e.run for e in journal.entries("prod")] == ["test-1", "test-2"]

    def test_nothing_there(self, journal: Journal) -> None:
        assert journal.runs() == []
        with pytest.raises(JournalError, match="There is no record"):
            journal.read("test-9")

    def test_abandoned(self, journal: Journal) -> None:
        begun(journal)
        assert journal.read("test-1").resumable
        journal.abandon("test-1", "The host was rebuilt.", NOW + 9)
        found = journal.read("test-1")
        assert found.abandoned == "The host was rebuilt."
        assert not found.unfinished and not found.resumable
        with pytest.raises(Refusal, match="abandoned"):
            journal.begin(PLAN, NOW)


class TestAlive:
    def test_while_it_is_written(self, journal: Journal) -> None:
        record, found = journal.begin(PLAN, NOW)
        assert found.alive and not found.resumable
        record.close()

    def test_a_process_that_was_killed(self, journal: Journal) -> None:
        code = (
            "import os, sys, pathlib; from etcdtui.journal import Journal; from tests.procedures import *;"
            "r, _ = Journal(pathlib.Path(sys.argv[1])).begin(procedure(check_step()), 1.0);"
            "print('begun', flush=True); os.kill(os.getpid(), 9)"
        )
        subprocess.run([sys.executable, "-c", code, str(journal.directory)], check=False, timeout=60)
        found = journal.read("test-1")
        assert found.unfinished and not found.alive and found.resumable

    def test_another_process_of_the_same_number(self) -> None:
        me = myself()
        assert me.alive is True
        assert Who(me.user, me.host, me.pid, "another boot/1").alive is False
        assert Who(me.user, "elsewhere", me.pid, me.started).alive is None

    def test_a_process_that_is_gone(self) -> None:
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        assert process_start(gone.pid) == ""
        assert Who("me", socket.gethostname(), gone.pid, "x/1").alive is False


class TestListed:
    def line(self, journal: Journal) -> str:
        (line,) = lines(journal, None)
        return line

    def test_how_each_run_stands(self, journal: Journal) -> None:
        assert "is empty" in self.line(journal)
        record, _ = journal.begin(PLAN, NOW)
        assert "  running  " in self.line(journal) and "A test" in self.line(journal)
        record.close()
        assert "  interrupted  " in self.line(journal)
        record, _ = journal.begin(PLAN, NOW)
        record.write(NOW + 3, "finished", ending="done", sentence="It is done.")
        record.close()
        assert "  done  " in self.line(journal)

    @pytest.mark.parametrize("stopped_before", [False, True])
    def test_an_abandoned_run_says_why(self, journal: Journal, stopped_before: bool) -> None:
        begun(journal)
        if stopped_before:
            record, _ = journal.begin(PLAN, NOW)
            record.write(NOW + 3, "finished", ending="stopped", sentence="Left.")
            record.close()
        journal.abandon("test-1", "The host \x1b[2J was rebuilt.", NOW + 9)
        line = self.line(journal)
        assert "  abandoned  " in line and "The host \\x1b[2J was rebuilt." in line
        full = in_full(journal.read("test-1"))
        assert any(text.startswith("  abandoned: The host") for text in full)

    def test_json_is_every_line_of_the_record(self, journal: Journal) -> None:
        begun(journal)
        told = [json.loads(line) for line in lines(journal, None, as_json=True)]
        assert [(line["run"], line["kind"]) for line in told] == [("test-1", "header"), ("test-1", "state")]


def test_printed_for_people(journal: Journal) -> None:
    record, _ = journal.begin(PLAN, NOW)
    record.write(NOW + 1, "command", "short", host="masternode2", argv=["sudo", "x y"])
    record.write(NOW + 2, "ended", "short", status=1, stdout="", stderr="bad \x1b[2J thing\n")
    record.write(NOW + 3, "finished", ending="failed", sentence="It failed.")
    record.close()
    told = in_full(journal.read("test-1"))
    text = "\n".join(told)
    assert "on masternode2 $ sudo 'x y'" in text
    assert "ended with exit code 1" in text and "failed: It failed." in text
    assert "\x1b" not in text
    assert all("\n" not in line for line in told)
    for line in (journal.directory / "test-1.jsonl").read_text().splitlines():
        json.loads(line)


def test_how_a_run_ended_is_told_to_its_last_word(journal: Journal) -> None:
    record, _ = journal.begin(PLAN, NOW)
    long = "Restart every controller that watches the API. " * 24 + "The report is /reports/one.md."
    record.write(NOW + 3, "finished", ending="done", sentence=long)
    record.close()
    told = in_full(journal.read("test-1"))
    assert told[2] == f"  done: {long}" and told[-1].endswith("The report is /reports/one.md.")
