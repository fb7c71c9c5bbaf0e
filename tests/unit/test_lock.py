"""The lock on a host, with real shells: one wins, the owner lifts it, another only when it is stale."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.errors import CommandFailed, ConfigError, UnexpectedOutput
from etcdtui.model.finding import Finding, Severity
from etcdtui.model.findings import find
from etcdtui.model.health import judge
from etcdtui.model.lock import STALE, Lock
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.platforms.host_answers import parse_look
from etcdtui.platforms.host_clock import Asked
from etcdtui.platforms.host_scripts import look_script
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.lock_state import parse_lock
from etcdtui.reach import lock, lock_scripts
from etcdtui.reach.local import LocalRunner
from etcdtui.reach.lock import Claim, Word
from etcdtui.reach.runner import Completed
from tests.views import NOW, healthy, host

SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]
JANE = Claim("replace-2026-11-24-a", "jane@laptop", 'Replace "m3"', "prod")
JOHN = Claim("replace-2026-11-24-b", "john@desk", "Replace m2", "prod")
TIME = 10.0


class Shell(LocalRunner):
    """This machine, with one chosen shell as its sh."""

    def __init__(self, shell: str) -> None:
        super().__init__("masternode1")
        self._words = ("busybox", "sh") if shell == "busybox" else (shell,)

    def run(
        self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"", limit: int = 1 << 20
    ) -> Completed:
        assert argv[0] == "sh"
        return super().run((*self._words, *argv[1:]), timeout=timeout, stdin=stdin, limit=limit)


@pytest.fixture(params=SHELLS)
def runner(request: pytest.FixtureRequest):
    made = Shell(request.param)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "var" / "etcdtui")


def grow_old(folder: str, seconds: float = STALE + 60) -> None:
    path = Path(folder) / "lock"
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_one_takes_it_and_another_is_told_by_whom(runner: Shell, folder: str) -> None:
    assert lock.take(runner, folder, JANE, TIME).word is Word.TAKEN
    answer = lock.take(runner, folder, JOHN, TIME)
    assert answer.word is Word.HELD
    held = answer.lock
    assert held is not None
    assert (held.run, held.who, held.title, held.cluster) == (JANE.run, "jane@laptop", 'Replace "m3"', "prod")
    assert held.age < 60 and held.silent < 60 and not held.stale
    assert os.listdir(folder) == ["lock"]  # nothing else is left lying there
    assert stat.S_IMODE(os.stat(f"{folder}/lock").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


def test_its_own_run_knows_it_again(runner: Shell, folder: str) -> None:
    lock.take(runner, folder, JANE, TIME)
    grow_old(folder)
    answer = lock.take(runner, folder, JANE, TIME)  # after a kill -9, from another process
    assert answer.word is Word.MINE
    assert answer.lock is not None and not answer.lock.stale


def test_a_run_whose_name_begins_alike_is_another(runner: Shell, folder: str) -> None:
    lock.take(runner, folder, JANE, TIME)
    longer = Claim(JANE.run + "1", "jane@laptop", "x", "prod")
    assert lock.take(runner, folder, longer, TIME).word is Word.HELD


def test_signs_of_life(runner: Shell, folder: str) -> None:
    assert lock.refresh(runner, folder, JANE.run, TIME).word is Word.GONE
    lock.take(runner, folder, JANE, TIME)
    grow_old(folder)
    assert lock.refresh(runner, folder, JOHN.run, TIME).word is Word.HELD
    seen = lock.refresh(runner, folder, JANE.run, TIME)
    assert seen.word is Word.MINE
    assert seen.lock is not None and seen.lock.silent < 60


def test_only_its_owner_lifts_it(runner: Shell, folder: str) -> None:
    lock.take(runner, folder, JANE, TIME)
    assert lock.lift(runner, folder, JOHN.run, TIME).word is Word.HELD
    assert lock.lift(runner, folder, JANE.run, TIME).word is Word.GONE
    assert lock.lift(runner, folder, JANE.run, TIME).word is Word.GONE
    assert os.listdir(folder) == []
    assert lock.take(runner, folder, JOHN, TIME).word is Word.TAKEN


def test_a_live_lock_is_not_broken(runner: Shell, folder: str) -> None:
    lock.take(runner, folder, JANE, TIME)
    grow_old(folder, STALE - 60)
    assert lock.break_stale(runner, folder, JOHN, JANE.run, "in my way", TIME).word is Word.HELD
    assert lock.refresh(runner, folder, JANE.run, TIME).word is Word.MINE


def test_a_stale_one_is_broken_with_a_reason(runner: Shell, folder: str) -> None:
    lock.take(runner, folder, JANE, TIME)
    grow_old(folder)
    answer = lock.break_stale(runner, folder, JOHN, JANE.run, 'Jane\'s laptop "died"', TIME)
    assert answer.word is Word.TAKEN
    assert answer.lock is not None and answer.lock.broke == 'Jane\'s laptop "died"'
    assert lock.refresh(runner, folder, JANE.run, TIME).word is Word.HELD
    assert os.listdir(folder) == ["lock"]


def test_not_another_stale_one_than_was_looked_at(runner: Shell, folder: str) -> None:
    lock.take(runner, folder, JANE, TIME)
    grow_old(folder)
    answer = lock.break_stale(runner, folder, JOHN, "replace-of-somebody-else", "why not", TIME)
    assert answer.word is Word.HELD
    assert answer.lock is not None and answer.lock.run == JANE.run


def test_one_that_was_lifted_meanwhile_is_just_taken(runner: Shell, folder: str) -> None:
    os.makedirs(folder, mode=0o700)
    assert lock.break_stale(runner, folder, JOHN, JANE.run, "x", TIME).word is Word.TAKEN


@pytest.mark.parametrize("text", ["", "garbage", '{"run": 7}', "\x00\xff"])
def test_a_lock_that_cannot_be_read_is_one(runner: Shell, folder: str, text: str) -> None:
    os.makedirs(folder, mode=0o700)
    Path(folder, "lock").write_bytes(text.encode("latin-1"))
    answer = lock.take(runner, folder, JANE, TIME)
    assert answer.word is Word.HELD
    assert answer.lock is not None and answer.lock.run == ""
    assert "cannot be read" in answer.lock.sentence
    assert lock.break_stale(runner, folder, JANE, "", "nobody's", TIME).word is Word.HELD
    grow_old(folder)
    assert lock.break_stale(runner, folder, JANE, "", "nobody's", TIME).word is Word.TAKEN


def test_of_many_at_once_one_gets_it(folder: str) -> None:
    runner = LocalRunner("masternode1")
    words: list[Word] = []

    def work(number: int) -> None:
        claim = Claim(f"run-{number}", "jane@laptop", "x", "prod")
        words.append(lock.take(runner, folder, claim, TIME).word)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runner.close()
    assert sorted(words) == [Word.HELD] * 7 + [Word.TAKEN]


def test_of_many_who_break_one_gets_it(folder: str) -> None:
    runner = LocalRunner("masternode1")
    lock.take(runner, folder, JANE, TIME)
    grow_old(folder)

    def work(number: int) -> None:
        claim = Claim(f"run-{number}", "john@desk", "x", "prod")
        lock.break_stale(runner, folder, claim, JANE.run, "x", TIME)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    words = [lock.refresh(runner, folder, f"run-{n}", TIME).word for n in range(6)]
    runner.close()
    assert sorted(words) == [Word.HELD] * 5 + [Word.MINE]


def test_a_folder_of_others_is_not_trusted(runner: Shell, tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(CommandFailed, match=r"masternode1 cannot be locked: .*others may write into it"):
        lock.take(runner, str(open_to_all), JANE, TIME)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(CommandFailed, match="symbolic link"):
        lock.take(runner, f"{link}/", JANE, TIME)


def test_nothing_of_a_title_is_run(runner: Shell, folder: str, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    evil = Claim(JANE.run, f"$(touch {mark})", f"`touch {mark}`'; touch {mark} #%s%n", "prod")
    answer = lock.take(runner, folder, evil, TIME)
    assert answer.lock is not None and answer.lock.title == evil.title
    assert not mark.exists()
    assert json.loads(Path(folder, "lock").read_text())["run"] == JANE.run


@pytest.mark.parametrize("run", ["", "a b", "../x", '"', "*", "a" * 200])
def test_names_that_are_none(run: str) -> None:
    with pytest.raises(ConfigError, match="no name of a run"):
        Claim(run, "jane", "x", "prod")


def test_a_host_that_says_something_else(folder: str) -> None:
    class Other(LocalRunner):
        def run(
            self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"", limit: int = 0
        ) -> Completed:
            return Completed(tuple(argv), 0, b"Welcome to masternode1!\n", b"")

    with pytest.raises(UnexpectedOutput, match="masternode1 answered something unreadable"):
        lock.take(Other("masternode1"), folder, JANE, TIME)


@pytest.mark.parametrize("stamped", ["", "x", "1 ", " "])
def test_no_lock(stamped: str) -> None:
    assert parse_lock(stamped) is None


def test_foreign_words_are_cleaned() -> None:
    told = json.dumps({"run": "a", "since": 90, "who": "\x1b[31mjane", "procedure": ["x"], "cluster": None})
    found = parse_lock(f"100 95 {told}")
    assert found is not None and "\x1b" not in found.who
    assert (found.age, found.silent, found.title) == (10.0, 5.0, "")


class TestSeen:
    """By everybody who looks at the host."""

    def look(self, runner: Shell, root: Path) -> Lock | None:
        layout = Layout(root=str(root), sudo=())
        done = runner.run(look_script(layout), timeout=TIME)
        return parse_look(done.stdout, Asked(time.time(), time.time()), "masternode1").lock

    def test_it_is_seen(self, runner: Shell, tmp_path: Path) -> None:
        assert self.look(runner, tmp_path) is None
        lock.take(runner, f"{tmp_path}/var/tmp/etcdtui", JANE, TIME)
        found = self.look(runner, tmp_path)
        assert found is not None and (found.run, found.who) == (JANE.run, "jane@laptop")

    @pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
    def test_what_is_no_file_is_not_opened(self, runner: Shell, tmp_path: Path, kind: str) -> None:
        secret = tmp_path / "shadow"
        secret.write_text('{"run": "a", "since": 1, "who": "root:hash"}')
        place = tmp_path / "var/tmp/etcdtui/lock"
        place.parent.mkdir(parents=True)
        make = {
            "link": lambda: place.symlink_to(secret),
            "pipe": lambda: os.mkfifo(place),
            "folder": place.mkdir,
        }
        make[kind]()
        assert self.look(runner, tmp_path) is None

    def view(self, *locks: Lock | None) -> ClusterView:
        hosts = []
        for number, one in enumerate(locks, 1):
            seen = host(number)
            assert seen.facts.value is not None
            hosts.append(replace(seen, facts=Reading(replace(seen.facts.value, lock=one), NOW - 3)))
        return replace(healthy(), hosts=tuple(hosts))

    def findings(self, *locks: Lock | None) -> list[Finding]:
        view = self.view(*locks)
        return [f for f in find(view, judge(view)) if "-lock-" in f.key]

    def test_a_finding_says_who_does_what(self) -> None:
        held = Lock("r-1", "jane@laptop", "Replace m3", "prod", 840.0, 55.0)
        (finding,) = self.findings(replace(held, silent=58.0), replace(held, silent=2.0), None)
        assert finding.severity is Severity.ADVICE
        assert finding.sentence == "jane@laptop is at work on prod: “Replace m3”, for 14 min."
        assert finding.evidence == "Its lock lies on masternode1 and masternode2."

    def test_where_the_host_does_not_answer_nobody_is_said_to_be_at_work_now(self) -> None:
        held = Lock("r-1", "jane@laptop", "Replace m3", "prod", 13.0, 2.0)
        view = self.view(None, held)
        off = Reading(0.001, NOW - 180, Problem(Fault.REFUSED, "Nothing listens there."), NOW - 170)
        first, second, *_ = view.hosts
        facts = Reading(second.facts.value, NOW - 180)
        view = replace(view, hosts=(first, replace(second, link=off, facts=facts)))
        (finding,) = [f for f in find(view, judge(view)) if "-lock-" in f.key]
        assert finding.severity is Severity.ADVICE
        assert finding.sentence == "A lock lay on masternode2 when it was last looked at, 3 min ago."
        assert "jane@laptop" in finding.evidence and "over by now" in finding.next_step

    def test_a_stale_one_is_a_warning(self) -> None:
        held = Lock("r-1", "jane@laptop", "Replace m3", "prod", 4000.0, 3700.0)
        (finding,) = self.findings(held)
        assert finding.severity is Severity.WARNING
        assert "last sign of life 1 h 1 m ago" in finding.sentence and "at work" not in finding.sentence
        assert "break the lock with a reason" in finding.next_step

    def test_one_that_is_quiet_is_not_said_to_be_at_work_now(self) -> None:
        held = Lock("r-1", "jane@laptop", "Replace m3", "prod", 840.0, 177.0)
        (finding,) = self.findings(held)
        assert finding.severity is Severity.ADVICE
        assert finding.sentence == (
            "jane@laptop began to work on prod: “Replace m3”, 14 min ago; last sign of life 3 min ago."
        ), "the host was looked at 3 s ago, which counts"
        assert "After 5 min without a sign of life" in finding.next_step

    def test_of_one_that_is_over_it_is_said_that_nobody_works_there(self) -> None:
        held = Lock("r-1", "jane@laptop", "Replace m3", "prod", 840.0, 12.0, over="it was abandoned")
        (finding,) = self.findings(held)
        assert finding.severity is Severity.WARNING
        assert finding.sentence.endswith(
            "last sign of life 15 s ago. Nobody works there any more: it was abandoned."
        )
        assert ":resume" in finding.next_step

    def test_one_host_that_still_hears_of_it_is_enough(self) -> None:
        held = Lock("r-1", "jane@laptop", "Replace m3", "prod", 4000.0, 3700.0)
        (finding,) = self.findings(held, replace(held, silent=3.0))
        assert finding.severity is Severity.ADVICE

    def test_two_at_once_are_two_findings(self) -> None:
        held = Lock("r-1", "jane@laptop", "Replace m3", "prod", 40.0, 3.0)
        other = replace(held, run="", silent=400.0)
        assert len(self.findings(held, other)) == 2


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["TAKE", "REFRESH", "LIFT", "BREAK"])
def test_every_shell_can_read_the_scripts(shell: str, name: str) -> None:
    words = ["busybox", "sh"] if shell == "busybox" else [shell]
    script = getattr(lock_scripts, name).encode()
    done = subprocess.run([*words, "-n"], input=script, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
