"""The process that runs the guide is killed with SIGKILL at every step: the next goes on with the truth."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.lab.demo import Lab
from etcdtui.platforms import guard
from etcdtui.platforms.objects import ETCD
from etcdtui.procedures import debts
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import Ending
from etcdtui.records import Run
from tests.live.guiding import GONE, Guided, keys_of, looks_dead, plan_of, whole
from tests.live.lab_client import MACHINES, LabClient
from tests.live.watched import Watched, watched

pytestmark = [pytest.mark.live, pytest.mark.drill]

ROOT = Path(__file__).parents[2]
OLD = Path("/usr/bin")
LIVES = 90  # more than there are moments to be killed at
# States after which it is killed, once for each step; each is a test of its own, for together they are long.
BEGUN, ENDED = frozenset({"running"}), frozenset({"done", "skipped"})


@pytest.fixture
def cluster(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watched]:
    folder: Path | None = getattr(request, "param", None)
    if folder is not None and not (folder / "etcdctl").exists():
        pytest.skip("Debian's etcd 3.4 is not installed (etcd-server, etcd-client)")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with Lab(keys=200, pace=0.3, etcd_dir=folder) as lab, watched(lab, tmp_path / "watch") as watch:
        yield watch


class Victim:
    """The guide in processes that are killed in the states ``mortal``.

    ``ours`` is their state, ``killed`` where it was, in turn.
    """

    def __init__(self, watch: Watched, ours: Path, mortal: frozenset[str] = BEGUN | ENDED) -> None:
        self.watch, self.ours, self.mortal = watch, ours, mortal
        self.killed: list[tuple[str, str]] = []
        self.resumed: list[str] = []
        self.ending = ""

    def life(self, fatal: Callable[[str, str], bool]) -> bool:
        """One process, killed at the first state of a step that is ``fatal``; whether it was."""
        words = [str(self.watch.lab.config), str(self.ours), GONE]
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.live.guided_process", *words],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert child.stdout is not None
        try:
            for line in child.stdout:
                told = json.loads(line)
                if "resumed" in told:
                    self.resumed.append(told["resumed"])
                elif "ending" in told:
                    self.ending = f"{told['ending']}: {told['sentence']}"
                elif fatal(told["step"], told["state"]):
                    os.kill(child.pid, signal.SIGKILL)
                    assert child.wait(10) == -signal.SIGKILL
                    self.killed.append((told["step"], told["state"]))
                    return True
            assert child.wait(30) == 0
            return False
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
            child.stdout.close()

    def at_every_step(self, step: str, state: str) -> bool:
        return state in self.mortal and (step, state) not in self.killed

    @property
    def run(self) -> Run:
        (found,) = Journal(self.ours / "journal").runs("lab")
        return found


def guard_off(watch: Watched) -> bool:
    return guard.is_off(LabClient(watch.lab).get(ETCD))


@pytest.mark.parametrize("cluster", [None, OLD], indirect=True, ids=["etcd 3.5", "etcd 3.4"])
@pytest.mark.parametrize("hurt", ["destroy-node", "damage-data"])
@pytest.mark.parametrize("mortal", [BEGUN, ENDED], ids=["begun", "ended"])
def test_killed_after_every_single_step(
    cluster: Watched, tmp_path: Path, hurt: str, mortal: frozenset[str]
) -> None:
    cluster.healthy()
    before = keys_of(cluster)
    ids = {row.member.name: row.member.id for row in cluster.look().health.members}
    cluster.lab.do(hurt, GONE)
    cluster.within(60, lambda seen: looks_dead(cluster, ids[GONE]))
    victim = Victim(cluster, tmp_path / "ours", mortal)
    lives = 0
    while victim.life(victim.at_every_step):
        lives += 1
        assert lives < LIVES, victim.killed
        assert victim.run.resumable, "what was killed can be gone on with"
        if guard_off(cluster):
            assert debts.owed([victim.run]), "a guard that is off is owed, whatever became of us"
    assert victim.ending.startswith(Ending.DONE.value), (victim.ending, victim.killed[-3:])
    assert "3 of 3 voters are well, it can lose 1." in victim.ending, (
        "it is told as it is, also by a new life"
    )

    run, steps = victim.run, {step for step, _ in victim.killed}
    reached = {e.step for e in run.entries if e.kind == "state" and e.text("state") in mortal}
    assert steps == reached and "remove" in steps, "it was killed at every step"
    assert mortal != ENDED or steps == {step.key for step in run.steps}, "every step ends"
    assert len(victim.resumed) == lives and all("was interrupted" in told for told in victim.resumed)
    assert run.ending is Ending.DONE
    removals = [e for e in run.entries if e.kind == "ended" and e.step == "remove"]
    assert [e.facts.get("status") for e in removals] in ([0], []), "removed once, or before it could say so"
    asked = {" ".join(e.facts["argv"]) for e in run.entries if e.kind == "command" and e.step == "remove"}
    assert all(argv.endswith(f"member remove {ids[GONE]:x}") for argv in asked)

    whole(cluster, Operations(cluster.cluster, victim.ours), ids[GONE])
    now = {row.member.id for row in cluster.look().health.members}
    assert now > {ids["masternode1"], ids["masternode2"]} and ids[GONE] not in now
    client = LabClient(cluster.lab)
    assert not guard_off(cluster) and len(client.get(MACHINES)["items"]) == 3
    assert not locked(cluster), "no lock is left on any host"
    assert before <= keys_of(cluster)


def locked(watch: Watched) -> list[str]:
    """The hosts on which a lock lies."""
    found = []
    for host in watch.cluster.view().hosts:
        if host.link.problem is not None:
            continue
        folder = watch.cluster.layout_of(host.name)
        said = watch.cluster.runner(host.name).run(
            ("test", "-e", f"{folder.at(folder.jobs)}/lock"), timeout=10
        )
        found += [host.name] if said.ok else []
    return found


def test_a_lock_that_was_left_is_seen_and_lifted(cluster: Watched, tmp_path: Path) -> None:
    """Killed with the guard off: a second operator is told who has the lock, and who left it can lift it."""
    cluster.healthy()
    target = cluster.look().member(GONE).member.id
    cluster.lab.do("destroy-node", GONE)
    victim = Victim(cluster, tmp_path / "ours")
    assert victim.life(lambda step, state: (step, state) == ("guard off", "done"))
    assert sorted(locked(cluster)) == ["masternode1", "masternode2"]

    second = Operations(cluster.cluster, tmp_path / "second")
    made = plan_of(cluster, second, target)
    finished = Guided(cluster, made, Journal(tmp_path / "second" / "journal")).run()
    assert finished.ending is not Ending.DONE
    assert "work on lab: “Replace masternode3 in lab”" in finished.sentence, "is at it, or was"
    assert "Two at once could cost the quorum" in finished.sentence
    assert any(row.member.id == target for row in cluster.look().health.members), "nothing was removed"

    ours = Operations(cluster.cluster, victim.ours)
    (left,) = ours.interrupted(look=False)
    with pytest.raises(Refusal, match="A reason is needed"):
        ours.abandon(left, " ")
    (debt,) = ours.debts()
    ours.abandon(left, "it comes back by itself")
    cluster.within(20, lambda seen: not locked(cluster))
    assert ours.debts() == (debt,), "abandoning pays nothing"
    paid = Guided(cluster, ours.plan_pay_debt(debt), Journal(victim.ours / "journal"))
    assert paid.run().ending is Ending.DONE and paid.done("guard on")
    assert not guard_off(cluster) and ours.debts() == ()
