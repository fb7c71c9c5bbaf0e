"""Where a backup is taken, why, and when not; what is made of the files it wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.errors import Refusal, Unreachable
from etcdtui.journal import Journal
from etcdtui.model.latency import LatencySeries
from etcdtui.model.members import MemberList
from etcdtui.model.platform import DiskSpace, HostFacts, OperatorFacts
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.retention import Rule
from etcdtui.model.view import ClusterView, EndpointView, HostView
from etcdtui.offsite.keeping import Keeping, Shelf
from etcdtui.offsite.store import Store
from etcdtui.platforms.layout import Layout
from etcdtui.procedures import backup
from etcdtui.procedures.backup_words import explain
from etcdtui.procedures.procedure import Action, Answer, Choice, Ending, GateKind, Procedure
from etcdtui.procedures.registry import resume
from tests.procedures import FakeJobs, FakeRunner, FakeWorld, Human, run
from tests.views import (
    MIB,
    NOW,
    api,
    endpoint,
    gone,
    healthy,
    host,
    leaderless,
    member,
    status,
    with_endpoints,
)

ID = "backup-20260921-101112-ab12"
FOLDER = "/home/core/backup"
STAMP = "2026-09-21_101113"
SAVED = (
    f"Snapshot saved at {FOLDER}/snapshot_{STAMP}.db\n"
    f"snapshot db and kube resources are successfully saved to {FOLDER}\n"
)
SUM = "ab" * 32


KEEPING = Keeping("prod", Path("/backups/prod"))


def plan(
    view: ClusterView | None = None,
    name: str | None = None,
    layout: Layout | None = None,
    keeping: Keeping = KEEPING,
    **more: object,
) -> Procedure:
    found = layout or Layout()
    seen = view or healthy(api=quiet())
    return backup.plan(seen, lambda _: found, keeping, procedure_id=ID, now=NOW, host=name, **more)  # type: ignore[arg-type]


def on_the_host() -> Procedure:
    """Its part up to the two files on the host, without much patience."""
    whole = plan()
    return replace(whole, steps=tuple(replace(s, patience=0.02) for s in whole.steps[:3]))


def quiet(progressing: str = "") -> Reading[object]:
    names = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "dns")
    return api(operators=tuple(OperatorFacts(n, True, n == progressing, False) for n in names))  # type: ignore[return-value]


def with_facts(number: int, **changes: object) -> HostView:
    facts = host(number).facts.value
    assert facts is not None
    return host(number, facts=Reading(replace(facts, **changes), NOW - 3))  # type: ignore[arg-type]


def each(change: Callable[[int], HostView]) -> ClusterView:
    return healthy(hosts=tuple(change(n) for n in (1, 2, 3)), api=quiet())


def refused(view: ClusterView, name: str | None = None) -> str:
    with pytest.raises(Refusal) as caught:
        plan(view, name)
    return str(caught.value)


def never() -> Store:
    raise AssertionError("a plan opens no store")


class TestChoice:
    def test_a_follower_and_the_reasons(self) -> None:
        made = plan()
        assert made.parameters["host"] == "masternode2"
        text = "\n".join(made.reasons)
        assert "masternode2 is chosen: a healthy follower" in text
        assert "50G are free on /var" in text and "284M are wanted" in text
        assert "masternode1 would do as well, but it is the leader" in text
        assert "masternode3 would do as well, but masternode2 is as good" in text
        assert "are not rolling out anything" in text

    def test_the_quicker_follower(self) -> None:
        def slower(number: int) -> EndpointView:
            return endpoint(number, linearizable=LatencySeries((0.012,) * 10))

        made = plan(with_endpoints(endpoint(1), slower(2), endpoint(3)))
        assert made.parameters["host"] == "masternode3"
        assert any("answers more slowly (12.0 ms, masternode3 2.0 ms)" in r for r in made.reasons)

    def test_not_a_slow_one_nor_one_behind(self) -> None:
        slow = endpoint(2, serializable=LatencySeries((0.5,) * 10))
        behind = endpoint(3, status=Reading(status(3, raft_applied=1000 - 1), NOW - 0.5))
        assert plan(with_endpoints(endpoint(1), slow, behind)).parameters["host"] == "masternode3"
        far = endpoint(1, status=Reading(status(1, raft_index=90_000, raft_applied=90_000), NOW - 0.5))
        near = endpoint(3, status=Reading(status(3, raft_index=90_000, raft_applied=90_000), NOW - 0.5))
        made = plan(with_endpoints(far, endpoint(2), near))
        assert made.parameters["host"] == "masternode3"
        assert any("entries behind the leader" in r for r in made.reasons)

    def test_with_one_member_down(self) -> None:
        made = plan(with_endpoints(endpoint(1), gone(2), endpoint(3)))
        assert made.parameters["host"] == "masternode3"
        assert any("masternode2 is not well (down" in r for r in made.reasons)

    def test_the_only_one_that_answers_still_reads_through_a_quorum(self) -> None:
        made = plan(with_endpoints(endpoint(1), gone(2), gone(3)))
        assert made.parameters["host"] == "masternode1"

    def test_a_single_node(self) -> None:
        view = healthy(
            members=Reading(MemberList(0xC1, (member(1),), 0xA1), NOW - 1),
            endpoints=(endpoint(1),),
            hosts=(host(1),),
        )
        assert plan(view).parameters["host"] == "masternode1"

    def test_the_host_that_was_asked_for(self) -> None:
        assert plan(name="masternode1").parameters["host"] == "masternode1"
        assert "masternode9 is no host of prod" in refused(healthy(), "masternode9")

    def test_a_host_known_by_its_address(self) -> None:
        view = healthy(hosts=(replace(host(3), name="10.0.0.3", node=""),), api=quiet())
        assert plan(view).parameters["host"] == "10.0.0.3"

    def test_the_steps(self) -> None:
        layout = Layout(root="/lab/n2", sudo=("sudo", "-n"))
        made = plan(layout=layout)
        keys = ["check", "take", "verify", "bring", "prove", "manifest", "verdict"]
        assert [s.key for s in made.steps] == keys
        take = made.step("take")
        assert take.argv == (
            "sudo",
            "-n",
            "/lab/n2/usr/local/bin/cluster-backup.sh",
            "/lab/n2/home/core/backup",
        )
        # The plan shows the command, and starting it is the consent.
        assert (take.action, take.gate.kind) == (Action.JOB, GateKind.NONE)
        assert take.directory == "/lab/n2/var/tmp/etcdtui"
        assert take.expected == 92 * MIB + 32
        assert made.parameters["newest"] == ""
        assert plan().parameters["newest"] == "2026-09-21_020000"

    def test_a_step_for_each_store_and_one_for_the_rules(self) -> None:
        shelves = (Shelf("nexus", never), Shelf("vault", never, Rule(count=7)))
        made = plan(keeping=replace(KEEPING, shelves=shelves))
        keys = [s.key for s in made.steps]
        assert keys[4:] == ["prove", "store nexus", "store vault", "manifest", "thin", "verdict"]
        assert any("from here into nexus and vault" in reason for reason in made.reasons)
        only = plan(keeping=replace(KEEPING, shelves=shelves), stores=["vault"])
        assert "store nexus" not in [s.key for s in only.steps]
        with pytest.raises(Refusal, match="no store called s3; configured: nexus and vault"):
            plan(keeping=replace(KEEPING, shelves=shelves), stores=["s3"])

    def test_without_a_store_that_is_said(self) -> None:
        assert any("No store is configured" in reason for reason in plan().reasons)

    def test_rebuilt_from_its_parameters(self) -> None:
        made = plan()
        again = backup.rebuild(made.kind, made.id, made.cluster, made.parameters)
        assert again.parameters == made.parameters
        assert [(s.key, s.argv, s.directory) for s in again.steps] == [
            (s.key, s.argv, s.directory) for s in made.steps
        ]


class TestRefusals:
    def test_read_only(self) -> None:
        assert "read-only" in refused(healthy(read_only=True))

    def test_no_quorum(self) -> None:
        text = refused(with_endpoints(gone(1), gone(2), leaderless(3)))
        assert "has no quorum" in text and "/var/lib/etcd/member" in text

    def test_nothing_known(self) -> None:
        assert "not known" in refused(ClusterView("prod", NOW))

    @pytest.mark.parametrize("name", ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"])
    def test_a_rollout(self, name: str) -> None:
        assert f"The operator {name} is rolling out" in refused(healthy(api=quiet(name)))

    def test_other_operators_may_roll(self) -> None:
        assert plan(healthy(api=quiet("dns")))

    def test_no_ssh(self) -> None:
        problem = Problem(Fault.UNREACHABLE, "No route to masternode: it is off.")
        text = refused(each(lambda n: host(n, link=Reading(None, None, problem, NOW - 9))))
        for number in (1, 2, 3):
            assert f"masternode{number} cannot be reached by SSH: No route" in text

    def test_no_room(self) -> None:
        full = DiskSpace("/var", 1000 * MIB, 200 * MIB)
        text = refused(each(lambda n: with_facts(n, backup_disk=full)))
        assert "only 200M are free on /var" in text and "284M are wanted" in text
        assert "Remove old backups" in text

    def test_room_on_one_only(self) -> None:
        full = DiskSpace("/var", 1000 * MIB, 200 * MIB)
        view = each(lambda n: with_facts(n, backup_disk=full) if n != 1 else host(n))
        made = plan(view)
        assert made.parameters["host"] == "masternode1"
        assert any("Not possible: on masternode2 only 200M" in r for r in made.reasons)

    def test_a_clock_that_is_off(self) -> None:
        text = refused(each(lambda n: with_facts(n, clock_offset=-7200.0)))
        assert "the clock of masternode1 is 2 h behind" in text

    def test_a_member_that_is_down_is_minded_and_forbids_nothing(self) -> None:
        made = plan(with_endpoints(endpoint(1), gone(2), endpoint(3)))
        assert "Mind: masternode2 is not well." in made.reasons

    def test_no_script(self) -> None:
        text = refused(each(lambda n: with_facts(n, backup_script=False)))
        assert "/usr/local/bin/cluster-backup.sh is not on masternode1" in text

    def test_no_root(self) -> None:
        problem = Problem(Fault.LOGIN, "sudo wants a password.")
        text = refused(each(lambda n: host(n, facts=Reading(None, None, problem, NOW - 9))))
        assert "as root: sudo wants a password" in text and "without a password" in text

    def test_old_facts(self) -> None:
        assert "not known now" in refused(each(lambda n: host(n, facts=Reading(HostFacts("x"), NOW - 300))))

    def test_a_backup_under_way(self) -> None:
        assert "being taken on masternode3" in refused(healthy(writing=frozenset({("masternode3", STAMP)})))
        jobs = ("backup-20260921-take",)
        text = refused(each(lambda n: with_facts(n, running_jobs=jobs) if n == 3 else host(n)))
        assert "is being taken on masternode3 (as the job backup-20260921-take) right now" in text

    def test_without_the_api_it_goes_on_and_says_so(self) -> None:
        problem = Problem(Fault.REFUSED, "The API refuses the connection.")
        made = plan(healthy(api=Reading(None, None, problem, NOW - 9)))
        assert "could not be checked (The API refuses" in made.reasons[-2]
        made = plan(healthy(api=Reading(), api_configured=False))
        assert "no API is configured" in made.reasons[-2]
        made = plan(healthy())  # tells of one operator only
        assert "of kube-apiserver, kube-controller-manager and kube-scheduler" in made.reasons[-2]

    def test_what_could_not_be_checked_is_said_and_forbids_nothing(self) -> None:
        made = plan(replace(each(lambda n: with_facts(n, clock_offset=None)), api=Reading()))
        told = " ".join(made.reasons)
        assert "Whether prod is older than its first 24 hours could not be checked." in told
        assert "Whether the clock of masternode2 is right could not be checked." in told
        known = plan(healthy(api=api(installed=NOW - 1e7)))
        assert not any("24 hours" in r or "clock" in r for r in known.reasons)
        assert next(step for step in made.steps if step.key == "take").for_people, "--yes is for old ones"


def listing(*lines: str) -> str:
    return "".join(f"file {line}\n" for line in lines)


OLD = (
    "96469024 1 600 root snapshot_2026-09-21_020000.db",
    "7 1 600 root static_kuberesources_2026-09-21_020000.tar.gz",
)
GOOD = (f"96469024 2 600 root snapshot_{STAMP}.db", f"70000 2 600 root static_kuberesources_{STAMP}.tar.gz")


def runner_with(files: str, proof: str = f"sum {SUM} {SUM}\ntar 42\n", **root: object) -> FakeRunner:
    runner = FakeRunner()
    runner.on("test", "-x", **root)  # type: ignore[arg-type]
    runner.on("sh", FOLDER, out=files)
    runner.on("sh", f"{FOLDER}/snapshot_{STAMP}.db", out=proof)
    return runner


def taken(
    tmp_path: Path,
    runner: FakeRunner,
    *answers: Answer,
    jobs: FakeJobs | None = None,
    view: ClusterView | None = None,
) -> tuple[Ending, str, Human]:
    world = FakeWorld(view or healthy(api=quiet()), runner)
    work = jobs or FakeJobs(out=SAVED.encode(), err=b"")
    finished, human = run(on_the_host(), Journal(tmp_path), *answers, world=world, jobs=work)
    return finished.ending, finished.sentence, human


class TestTaken:
    def test_a_good_backup(self, tmp_path: Path) -> None:
        ending, sentence, human = taken(tmp_path, runner_with(listing(*OLD, *GOOD)))
        assert ending is Ending.DONE and not human.questions
        assert (
            f"snapshot_{STAMP}.db (92M)" in sentence and "are in /home/core/backup on masternode2" in sentence
        )
        assert "fits its checksum" in sentence

    def test_recognised_without_the_scripts_words(self, tmp_path: Path) -> None:
        jobs = FakeJobs(out=b"done\n", err=b"")
        ending, sentence, _ = taken(tmp_path, runner_with(listing(*OLD, *GOOD)), jobs=jobs)
        assert ending is Ending.DONE and STAMP in sentence

    @pytest.mark.parametrize(
        ("files", "words"),
        [
            (OLD, "holds no backup of this run"),
            ((*OLD, GOOD[0]), "static resources are missing"),
            ((*OLD, GOOD[1]), "snapshot is missing"),
            ((*OLD, GOOD[1], f"5 2 600 root snapshot_{STAMP}.db.part"), "is half-written"),
            ((*OLD, GOOD[1], f"96469000 2 600 root snapshot_{STAMP}.db"), "is half-written"),
            ((*OLD, GOOD[0], f"0 2 600 root static_kuberesources_{STAMP}.tar.gz"), "empty file"),
            ((*OLD, GOOD[1], f"20512 2 600 root snapshot_{STAMP}.db"), "while the database holds 61M"),
        ],
    )
    def test_bad_files(self, tmp_path: Path, files: tuple[str, ...], words: str) -> None:
        ending, sentence, human = taken(tmp_path, runner_with(listing(*files)), Answer(Choice.STOP))
        assert ending is Ending.FAILED
        assert words in sentence
        assert Choice.SKIP not in human.questions[-1].choices

    @pytest.mark.parametrize(
        ("proof", "words"),
        [
            (f"sum {SUM} {'cd' * 32}\ntar 42\n", "does not fit its own checksum"),
            (f"sum {SUM} {SUM}\ntar 0\n", "holds nothing"),
            (f"sum {SUM} {SUM}\nbroken gzip: unexpected end of file\n", "unexpected end of file"),
        ],
    )
    def test_damaged_files(self, tmp_path: Path, proof: str, words: str) -> None:
        runner = runner_with(listing(*OLD, *GOOD), proof)
        ending, sentence, _ = taken(tmp_path, runner, Answer(Choice.STOP))
        assert ending is Ending.FAILED and words in sentence

    def test_files_that_others_may_read(self, tmp_path: Path) -> None:
        open_ = (GOOD[0].replace("600 root", "644 core"), GOOD[1])
        _, sentence, _ = taken(tmp_path, runner_with(listing(*open_)))
        assert f"Others may read snapshot_{STAMP}.db (mode 644)" in sentence and "(core)" in sentence

    def test_no_root_now(self, tmp_path: Path) -> None:
        runner = runner_with("", status=1, err="sudo: a password is required\n")
        ending, sentence, _ = taken(tmp_path, runner)
        assert ending is Ending.REFUSED and "sudo: a password is required" in sentence

    def test_the_script_went_away(self, tmp_path: Path) -> None:
        ending, sentence, _ = taken(tmp_path, runner_with("", status=1))
        assert ending is Ending.REFUSED and "is not on masternode2" in sentence

    def test_a_rollout_that_began_after_the_plan(self, tmp_path: Path) -> None:
        view = healthy(api=quiet("kube-apiserver"))
        ending, sentence, _ = taken(tmp_path, runner_with(""), view=view)
        assert ending is Ending.REFUSED and "kube-apiserver" in sentence

    def test_cancelled_with_something_left(self, tmp_path: Path) -> None:
        left = f"20480 2 600 root snapshot_{STAMP}.db.part"
        jobs = FakeJobs(endless=True, out=b"", err=b"")
        human = Human(Answer(Choice.STOP))
        human.on.append((lambda e: "the end of" in getattr(e, "awaiting", ""), lambda engine: cancel(human)))
        world = FakeWorld(healthy(api=quiet()), runner_with(listing(*OLD, left)))
        finished, _ = run(on_the_host(), Journal(tmp_path), world=world, jobs=jobs, human=human)
        assert finished.ending is Ending.CANCELLED
        assert f"Left behind in {FOLDER} on masternode2, and no backup: snapshot_{STAMP}.db.part (20K)" in (
            finished.sentence
        )

    def test_resumed(self, tmp_path: Path) -> None:
        runner = runner_with(listing(*OLD, *GOOD))
        world = FakeWorld(healthy(api=quiet()), runner)
        jobs = FakeJobs(out=SAVED.encode(), err=b"", endless=True)
        human = Human()
        human.on.append((lambda e: "the end of" in getattr(e, "awaiting", ""), lambda engine: engine.leave()))
        first, _ = run(on_the_host(), Journal(tmp_path), world=world, jobs=jobs, human=human)
        assert first.ending is Ending.STOPPED
        jobs.endless = False
        found = Journal(tmp_path).runs("prod")[0]
        again = resume(found, {backup.KIND: lambda *_: on_the_host()})
        finished, _ = run(again, Journal(tmp_path), world=world, jobs=jobs)
        assert finished.ending is Ending.DONE and STAMP in finished.sentence
        assert jobs.begun == [f"{ID}-take"]

    def test_a_host_that_drops_while_verifying(self, tmp_path: Path) -> None:
        runner = runner_with(listing(*OLD, *GOOD))
        troubles = [Unreachable("masternode2: the connection was reset.")] * 2

        def drop() -> None:
            if troubles:
                raise troubles.pop()

        runner.on("sh", FOLDER, out=listing(*OLD, *GOOD), does=drop)
        ending, _, _ = taken(tmp_path, runner)
        assert ending is Ending.DONE


def cancel(human: Human) -> None:
    if human.engine and not human.questions:
        human.engine.cancel()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("This script must be run as root", "was not run as root"),
        (
            "required dependencies not found, please ensure this script is run on a node with a functional",
            "finds no etcd on masternode2",
        ),
        (
            "Currently the kube-scheduler operator is progressing. A reliable backup requires",
            "The operator kube-scheduler is rolling out",
        ),
        (
            "Could not find the status of the kube-apiserver. Check if the API server is running.",
            "could not ask the API about the operator kube-apiserver,",
        ),
        ("Backup integrity verification failed. Backup appears corrupted. Aborting!", "found it corrupted"),
        (
            "tar: /home/core/backup/x.tar.gz: Cannot write: No space left on device",
            "The disk of /home/core/backup",
        ),
        (
            "Error: write /home/core/backup/x.db.part: no space left on device",
            "The disk of /home/core/backup",
        ),
        ("Error: write /home/core/backup/x.db.part: file too large", "takes no file so large"),
        ("sudo: a password is required", "“sudo: a password is required”"),
        ("sudo: /usr/local/bin/cluster-backup.sh: command not found", "cannot be run on masternode2"),
        ("error finding manifests for the etcd pod. please check if it is running.", "The static pod etcd"),
    ],
)
def test_what_the_script_says_is_put_into_words(said: str, words: str) -> None:
    explained = explain("masternode2", FOLDER, "/usr/local/bin/cluster-backup.sh")
    text = explained(1, f"found latest etcd\n{said}\nbye\n")
    assert words in text
    assert "{" not in text


def test_unknown_words_are_left_to_speak_for_themselves() -> None:
    assert explain("masternode2", FOLDER, "/x")(1, "{something} new\n") == ""
