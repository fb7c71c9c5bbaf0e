"""What may go wrong on the way of a backup, on a lab with real SSH: nothing half-done is ever called done."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import secrets
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etcdtui.errors import Refusal
from etcdtui.journal_text import in_a_line
from etcdtui.lab.demo import Lab
from etcdtui.landing import BLOCK, PART
from etcdtui.model.known_backups import last_proven
from etcdtui.model.manifest import SUFFIX
from etcdtui.model.places import PlaceKind
from etcdtui.offsite.keeping import Shelf
from etcdtui.offsite.nexus import NexusStore
from etcdtui.procedures import backup, manifests, upload
from etcdtui.procedures.procedure import (
    Choice,
    Ending,
    Event,
    Finished,
    Progress,
    StepState,
)
from tests.live.backing import HOST, ROOT, STORE, Ground, Take, at, digests
from tests.live.storing import LOGIN, make_certificate, nexus_serving

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with Lab(keys=8000) as lab:
        ground = Ground(lab, tmp_path_factory.mktemp("ground"))
        try:
            yield ground
        finally:
            ground.cluster.close()


@pytest.fixture(scope="module")
def first(ground: Ground) -> str:
    """The stamp of a backup that is proven and everywhere."""
    take = ground.take()
    finished = take()
    assert finished.ending is Ending.DONE, finished.sentence
    ground.whole(take.stamp)
    return take.stamp


@pytest.fixture
def every_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is told after each block, however fast they come."""
    monkeypatch.setattr("etcdtui.landing._OFTEN", 0.0)


@pytest.mark.usefixtures("every_word")
def test_a_line_that_drops_at_10_50_and_99_percent(ground: Ground) -> None:
    take = ground.take()
    drop, shares = ground.folder / "drop", [0.1, 0.5, 0.99]
    drops: list[tuple[int, int]] = []  # bytes that had come, bytes of the file

    def stands(event: Event) -> bool:
        if not isinstance(event, Progress) or event.step != "bring" or not event.total or drop.exists():
            return False
        return len(drops) < 3 and event.measured == _until(event.total, shares[len(drops)])

    def cut() -> None:
        event = next(e for e in reversed(take.events) if isinstance(e, Progress) and e.total)
        assert event.measured is not None and event.total is not None
        drops.append((event.measured, event.total))
        if len(drops) < 3:
            again = _until(event.total, shares[len(drops)]) - event.measured // BLOCK * BLOCK
            drop.write_text(str(again))
            take.when.append((stands, cut))
        ground.lab.do("stop-ssh", HOST)
        ground.lab.do("start-ssh", HOST)

    def arm() -> None:
        snapshot = max(ground.on_host.glob("snapshot_*.db"), key=lambda path: path.name)
        drop.write_text(str(_until(snapshot.stat().st_size, shares[0])))

    take.when += [(at("bring", StepState.RUNNING), arm), (stands, cut)]
    finished = take()
    assert finished.ending is Ending.DONE, (finished.sentence, drops)
    assert len(drops) == 3
    bring = [
        e for e in take.events if isinstance(e, Progress) and e.step == "bring" and e.total == drops[0][1]
    ]
    told = [e.measured or 0 for e in bring]
    for came, _ in drops:
        after = told[told.index(came) :]
        assert min(after) >= came // BLOCK * BLOCK, "it began anew"
    assert any("Trying again in" in e.awaiting for e in bring)
    ground.whole(take.stamp)


def _until(total: int, share: float) -> int:
    return int(total * share)


@pytest.mark.usefixtures("every_word")
def test_a_snapshot_that_changes_while_it_is_fetched(ground: Ground, first: str) -> None:
    take = ground.take()
    before = last_proven(ground.cluster.look_at_places(20))

    def change() -> None:
        with (ground.on_host / f"snapshot_{take.stamp}.db").open("r+b") as file:
            file.seek(9000)
            file.write(b"changed under us")
        ground.lab.do("stop-ssh", HOST)
        ground.lab.do("start-ssh", HOST)

    half = 5 * BLOCK
    take.when += [
        (at("bring", StepState.RUNNING), lambda: (ground.folder / "drop").write_text(str(half))),
        (lambda e: isinstance(e, Progress) and e.step == "bring" and e.measured == half, change),
    ]
    finished = take()
    assert finished.ending is Ending.FAILED
    assert "changed while it was being fetched" in finished.sentence
    known = [b for b in ground.cluster.look_at_places(20).known_backups if b.stamp == take.stamp]
    assert known and not any(b.proven for b in known)
    assert not list(ground.kept(take.stamp).glob("*.db"))
    assert not list(ground.on_host.glob(f"*{take.stamp}{SUFFIX}"))
    assert not list((ground.store / "lab").glob(f"{take.stamp}*"))
    after = last_proven(ground.cluster.view())
    assert before is not None and after is not None and after.stamp == before.stamp


def test_a_full_disk_on_the_host(ground: Ground) -> None:
    made = ground.plan()
    ground.lab.do("fill-disk", HOST)
    try:
        finished = ground.take(made)()
        assert finished.ending is Ending.REFUSED and f"on {HOST} only 0B are free" in finished.sentence
        with pytest.raises(Refusal, match=f"on {HOST} only 0B are free"):
            ground.operations.plan_backup(ground.cluster.view(), host=HOST)
    finally:
        ground.lab.do("free-disk", HOST)
        ground.cluster.look_again(10)


def test_a_disk_of_the_host_that_is_full_after_a_while(ground: Ground, first: str) -> None:
    before = sorted(ground.on_host.glob("*"))
    full = ground.folder / "full"
    full.touch()
    finished = ground.take()()
    full.unlink()
    assert finished.ending is Ending.FAILED
    assert f"on {HOST} takes no file so large" in finished.sentence, finished.sentence
    assert sorted(ground.on_host.glob("*")) == before


def test_a_full_disk_here_and_room_made_afterwards(ground: Ground) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6 * BLOCK, 6 * BLOCK))

    done = ground.etcdtui("backup", "--host", HOST, "--yes", preexec_fn=limit)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "File too large" in done.stdout and "Make room there and try again." in done.stdout
    run = ground.journal.runs("lab")[0]
    assert f"etcdtui resume {run.id}" in done.stderr
    part = next(ground.here.rglob(f"*.db{PART}"))
    stamp = part.name[len("snapshot_") : -len(f".db{PART}")]
    assert part.stat().st_size == 6 * BLOCK and not ground.backup(stamp).proven
    again = ground.etcdtui("resume", run.id, "--yes")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "failed " in again.stdout.splitlines()[0] and "at step 4 of 9" in again.stdout.splitlines()[0]
    ground.whole(stamp)
    with pytest.raises(Refusal, match="is done: The backup is proven"):
        ground.operations.interruption(run.id)


def test_stores_that_fail(ground: Ground, first: str, tmp_path: Path) -> None:
    """Each fault leaves what is here as it was, and the upload owed; without a fault it is made up for."""
    certificate = make_certificate(tmp_path)
    with nexus_serving(certificate) as (url, handler):
        ca = str(certificate / "crt")

        def opened() -> NexusStore:
            return NexusStore("nexus", url, login=LOGIN, ca=ca, silence=1.0)

        keeping = ground.cluster.keeping
        stamp = max(path.name for path in ground.here.iterdir() if list(path.glob(f"*{SUFFIX}")))[:17]
        files = digests(ground.kept(stamp), stamp)
        _, manifest = manifests.kept(ground.kept(stamp))
        handler.size = manifest.snapshot.size
        ground.cluster.keeping = replace(keeping, shelves=(*keeping.shelves, Shelf("nexus", opened)))
        try:
            said = {}
            for fault in ({"stall": True}, {"close": True}, {"lie": True}, {"status": 507}, {"status": 413}):
                handler.faults.clear()
                handler.faults.update(fault)
                take = _upload(ground, stamp)
                take.stuck = Choice.SKIP
                finished = take()
                said[str(next(iter(fault.items())))] = take.failed[0]
                assert finished.ending is Ending.DONE and "It is NOT in nexus;" in finished.sentence
                assert digests(ground.kept(stamp), stamp) == files
                if "lie" in fault:
                    assert not handler.objects
            handler.faults.clear()
            handler.objects.clear()
            take = _upload(ground, stamp)
            finished = take()
            assert finished.ending is Ending.DONE and "and on nexus" in finished.sentence, finished.sentence
            names = {name.rpartition("/")[2]: data for name, data in handler.objects.items()}
            there = {name: hashlib.sha256(data).hexdigest() for name, data in names.items()}
            assert there == digests(ground.kept(stamp), stamp) and len(there) == 3
        finally:
            ground.cluster.keeping = keeping
    assert "takes no more" in said["('stall', True)"] or "does not answer" in said["('stall', True)"]
    assert "closed the connection early" in said["('close', True)"]
    assert "is not the same in nexus" in said["('lie', True)"]
    assert "answers 507" in said["('status', 507)"] and "answers 413" in said["('status', 413)"]


def _upload(ground: Ground, stamp: str) -> Take:
    made = upload.plan(
        ground.cluster.keeping, ground.backup(stamp), ["nexus"], procedure_id=f"upload-{secrets.token_hex(4)}"
    )
    return ground.take(made)


def test_two_on_one_machine(ground: Ground) -> None:
    """The second sees the first and is refused, or both end well with backups of their own."""
    words = ground.words("backup", "--host", HOST, "--yes")
    how: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    both = [subprocess.Popen(words, env=ground.environment, **how) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 0], [0, 2]), said
    if codes == [0, 2]:
        (out,) = [out for process, (out, _) in zip(both, said, strict=True) if process.returncode]
        # Who comes so late that the first has begun is refused; else its own checks find out.
        assert "is at it already" in out or out.splitlines()[-1].startswith("failed"), out
    _nothing_is_mixed(ground)


def test_two_at_the_same_instant_on_one_host(ground: Ground) -> None:
    """As from two machines that know nothing of each other."""
    view = ground.watch.healthy().view
    layout_of, keeping = ground.cluster.layout_of, ground.cluster.keeping
    takes = [
        ground.take(
            backup.plan(
                view, layout_of, keeping, procedure_id=f"backup-{secrets.token_hex(4)}", now=0, host=HOST
            )
        )
        for _ in range(2)
    ]
    ended: list[Finished] = []
    threads = [threading.Thread(target=lambda take=take: ended.append(take())) for take in takes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(ended) == 2 and all(finished.sentence for finished in ended)
    assert {finished.ending for finished in ended} <= set(Ending) - {Ending.CANCELLED}
    _nothing_is_mixed(ground)


def _nothing_is_mixed(ground: Ground) -> None:
    """Whatever is called proven is what its manifest says, in every place."""
    view = ground.cluster.look_at_places(20)
    proven = [copy for b in view.known_backups for copy in b.copies if copy.proven]
    assert proven
    for copy in proven:
        assert copy.manifest is not None and copy.manifest.resources is not None
        in_store = copy.place.kind is PlaceKind.STORE
        folder = ground.store / copy.set.directory if in_store else Path(copy.set.directory)
        for file in (copy.manifest.snapshot, copy.manifest.resources):
            if (folder / file.name).exists():  # the list may be older than what was thinned out
                assert hashlib.sha256((folder / file.name).read_bytes()).hexdigest() == file.sha256


KILL = """
import importlib, os, signal
class Kill:
    def __init__(self, where, when, after):
        module, _, name = where.partition(":")
        self.holder = importlib.import_module(module)
        *path, name = name.split(".")
        for each in path: self.holder = getattr(self.holder, each)
        whole, calls = getattr(self.holder, name), iter(range(1, 10**6))
        def killed(*args, **more):
            mine = next(calls) == when
            if mine and not after: os.kill(os.getpid(), signal.SIGKILL)
            made = whole(*args, **more)
            if mine: os.kill(os.getpid(), signal.SIGKILL)
            return made
        setattr(self.holder, name, killed)
Kill({where!r}, {when}, {after})
"""

# The step that dies, what is called there, at which call, and whether before or after it.
DEATHS = [
    ("take", "etcdtui.reach.jobs:start", 1, False),
    ("take", "etcdtui.reach.jobs:start", 1, True),
    ("verify", "etcdtui.procedures.backup_proof:prove", 1, False),
    ("bring", "etcdtui.landing:Landing.write", 5, True),
    ("bring", "etcdtui.landing:Landing.settle", 2, False),
    ("prove", "etcdtui.procedures.manifests:keep", 1, False),
    (f"store {STORE}", "etcdtui.landing:Landing.settle", 1, True),
    ("manifest", "etcdtui.procedures.manifests:place_on_host", 1, True),
    ("thin", "pathlib:Path.unlink", 1, True),
    ("verdict", "etcdtui.procedures.backup:safe_to_take_one_down", 1, False),
]


def test_killed_in_every_phase_and_started_again(ground: Ground, first: str) -> None:
    words: tuple[str, ...] = ("backup", "--host", HOST, "--yes", "--json")
    before, stamp = {path.name for path in ground.on_host.glob("snapshot_*.db")}, ""
    for number, (step, where, when, after) in enumerate(DEATHS):
        done = ground.etcdtui(*words, child=KILL.format(where=where, when=when, after=after))
        assert done.returncode == -signal.SIGKILL, (step, done.stdout, done.stderr)
        run = ground.journal.runs("lab")[0]
        assert run.resumable and run.last_step is not None and run.last_step.key == step
        assert "  interrupted  " in in_a_line(run)
        (left,) = ground.operations.interrupted()
        assert left.id == run.id
        assert f"at step {run.number(step)} of {len(run.steps)} ({run.last_step.title})" in left.sentence
        if step == "take":
            began = "never began" not in left.truth
            assert left.truth.startswith("Its command") and began is after, left.truth
        else:
            begun = f"“{run.last_step.title}” had begun. What came of it is looked at before it goes on."
            assert left.truth == begun or left.truth.startswith("The last thing known: "), left.truth
            stamp = stamp or _stamp(run)
            keys = [planned.key for planned in run.steps]
            proven = {copy.place.label for copy in _copies(ground, stamp) if copy.proven}
            wanted = {"here"} if keys.index(step) > keys.index("prove") else set()
            # On its host it lies beside a manifest too, once that is there or can be told from the one here.
            wanted |= {STORE} if step in {"thin", "verdict"} else set()
            assert proven - {HOST} == wanted, (step, proven)
            assert HOST not in proven or wanted
        if number == 0:
            mentioned = ground.etcdtui("backup", "--host", "nobody", "--json")
            assert mentioned.returncode == 64 and "There is no host nobody" in mentioned.stderr
            line = mentioned.stderr.splitlines()[0]
            assert left.sentence.partition(" ago")[0][:-4] in line and f"etcdtui resume {run.id}" in line
        words = ("resume", "--yes", "--json")
        for old in (ground.here).glob("*/*"):
            if stamp and stamp not in old.name:
                os.utime(old, (old.stat().st_atime, old.stat().st_mtime - 600))
    done = ground.etcdtui(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["event"], last["ending"]) == ("finished", "done")
    run = ground.journal.runs("lab")[0]
    assert run.ending is Ending.DONE
    taken = {path.name for path in ground.on_host.glob("snapshot_*.db")} - before
    assert taken == {f"snapshot_{stamp}.db"}, "it was taken more than once"
    ground.whole(stamp)
    assert [path.name for path in ground.here.iterdir() if list(path.glob("*"))] == [f"{stamp}-{HOST}"]
    nothing = ground.etcdtui("resume")
    assert (nothing.returncode, nothing.stdout) == (0, "Nothing on lab was interrupted.\n")


def _stamp(run: Any) -> str:
    said = next(e.text("stdout") for e in run.entries if e.kind == "ended")
    return backup.checks.proof.stamps_in(said)[0]


def _copies(ground: Ground, stamp: str) -> list[Any]:
    view = ground.cluster.look_at_places(20)
    return [copy for found in view.known_backups if found.stamp == stamp for copy in found.copies]
