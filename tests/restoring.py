"""Two control plane hosts in memory, for tests that end a restore at every step of it.

The kubelet is quick: containers run as soon as their manifest lies there, and are gone with it. What changes
a host is written down, so that nothing can happen twice unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from etcdtui.errors import Unreachable
from etcdtui.etcd.bbolt import Unreadable
from etcdtui.journal import Journal
from etcdtui.model.manifest import File
from etcdtui.platforms.layout import Layout
from etcdtui.procedures.engine import Engine
from etcdtui.procedures.procedure import (
    Answer,
    Choice,
    Event,
    Finished,
    GateKind,
    Procedure,
    Step,
    StepChanged,
    StepState,
)
from etcdtui.procedures.restore_changes import in_short
from etcdtui.procedures.restore_decided import PODS, Chosen, Decided, Master
from etcdtui.procedures.restore_run import run_steps
from etcdtui.procedures.restore_stop import stop_steps
from etcdtui.reach.jobs import Job, JobState
from etcdtui.reach.runner import Completed, Stream
from tests.procedures import FakeWorld, Human
from tests.procedures import run as run_one
from tests.views import gone, healthy, leaderless

WITHIN = 60.0  # seconds for one run; it takes one, unless the machine is starved
WAITS = ("etcd", "etcdctl", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
OLD, RESTORED = "of before", "of the backup"


def decided() -> Decided:
    """masternode1 is restored, masternode2 is stopped before."""
    masters = [Master(f"masternode{n}", f"masternode{n}", Layout(sudo=()), "") for n in (1, 2)]
    files = (File("snapshot_x.db", 1, "ab" * 32), File("static_kuberesources_x.tar.gz", 1, "cd" * 32))
    return Decided(
        cluster="prod",
        stamp="20260921-143000",
        recovery=masters[0],
        others=(masters[1],),
        backup=Chosen("x", 1.0, "2026-09-21 02:00", 5, 3, "4.16.3", *files, "", "/b", "here"),
        waits=WAITS,
        stopped="/home/core/assets/manifests-stopped",
        kept="/var/lib/etcd-backup",
        lost="Lost is much.",
        data_size=4096,
    )


@dataclass
class Node:
    """One host; a Runner. ``paths`` are files and folders that matter, with what they hold."""

    host: str
    paths: dict[str, str] = field(default_factory=dict)
    did: list[tuple[str, ...]] = field(default_factory=list)  # what changed something
    jobs: dict[str, str] = field(default_factory=dict)  # what it knows of a job, where that is asked for
    dropped: int = 0  # the next commands that get no answer, though they run
    silent: int = 0  # the next commands that never come there

    def stands(self) -> Node:
        """As before a restore."""
        self.paths = {f"/etc/kubernetes/manifests/{pod}-pod.yaml": OLD for pod in PODS}
        self.paths["/var/lib/etcd/member"] = OLD
        return self

    @property
    def now(self) -> dict[str, str]:
        """What decides which cluster this host is of: manifests in place, and data."""
        places = ("/etc/kubernetes/manifests/", "/var/lib/etcd/member")
        return {p: held for p, held in self.paths.items() if p.startswith(places[0]) or p == places[1]}

    def run(self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"") -> Completed:
        if self.silent:
            self.silent -= 1
            raise Unreachable(f"{self.host}: the connection was reset.")
        status, out = self._do(tuple(argv))
        if self.dropped:
            self.dropped -= 1
            raise Unreachable(f"{self.host}: the connection was reset.")
        return Completed(tuple(argv), status, out.encode(), b"")

    def stream(self, argv: Sequence[str], *, timeout: float) -> Stream:
        raise AssertionError("no stream is expected")

    def close(self) -> None:
        pass

    def _do(self, argv: tuple[str, ...]) -> tuple[int, str]:
        match argv:
            case ("true",):
                return 0, ""
            case ("sh", "-c", _, "etcdtui-restore-state", data, aside, safe, kept, *rest):
                return 0, self._state(data, aside, (safe, kept), rest)
            case ("sh", "-c", _, "etcdtui-job", _, job, *_):
                return 0, f"etcdtui-job 1 {self.jobs.get(job, 'absent')} - - 100 - 0 0 0 -\n"
            case ("sh", "-c", _, "etcdtui-list", _):
                return 0, "snapshot_x.db\nstatic_kuberesources_x.tar.gz\n"
            case ("sh", "-c", _, "etcdtui-move", source, target):
                return (self.move(source, target) if source in self.paths else 0), ""
            case ("sh", "-c", _, "etcdtui-there", path, _):
                return 0, "whole" if path in self.paths else "none"
            case ("sh", "-c", _, "etcdtui-put-back", target, *candidates):
                if target in self.paths:
                    return 0, ""
                found = next((one for one in candidates if one in self.paths), None)
                return (self.move(found, target) if found else 1), ""
            case ("mv", *flags, "--", source, target) if "-n" in flags:
                return self.move(source, target), ""
        if any("etcdtui-page" in word or "member/snap/db" in word or "etcdtui" in word for word in argv):
            raise Unreadable("The database cannot be read here.")
        raise AssertionError(f"nobody said what {argv} answers")

    def move(self, source: str, target: str) -> int:
        """``mv -n``."""
        if source not in self.paths:
            return 1
        if target not in self.paths:
            self.did.append(("mv", source, target))
            self.paths[target] = self.paths.pop(source)
        return 0

    def _state(self, data: str, aside: str, copies: tuple[str, str], rest: list[str]) -> str:
        lines = ["state", f"hostname {self.host}"]
        members = {"data": data, "safe": copies[0], "kept": copies[1]}
        lines += [word for word, folder in members.items() if f"{folder}/member" in self.paths]
        lines += ["data-aside"] if aside in self.paths else []
        pairs, names = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
        for manifest, moved in zip(pairs[::2], pairs[1::2], strict=True):
            lines += [f"manifest {manifest}"] if manifest in self.paths else []
            lines += [f"aside {moved}"] if moved in self.paths else []
        for name in names:
            pod = "etcd" if name.startswith("etcd") else name
            if f"/etc/kubernetes/manifests/{pod}-pod.yaml" in self.paths:
                lines.append(f"running {name}")
        return "\n".join([*lines, "end", ""])


@dataclass
class NodeJobs:
    """Jobs that really change a node, each once: what began is known to the host, not to us."""

    nodes: dict[str, Node]
    decided: Decided
    began: list[str] = field(default_factory=list)
    ended: dict[str, tuple[int, str]] = field(default_factory=dict)
    fail: str = ""  # the script ends half-way, after it moved these: manifests, data

    def start(self, runner: object, job: Job, timeout: float) -> str:
        if job.id in self.ended:
            return "already"
        node = runner
        assert isinstance(node, Node)
        node.run(("true",), timeout=1)
        self.began.append(job.id)
        self.ended[job.id] = self._run(node, job)
        return "started"

    def look(
        self,
        runner: object,
        job: Job,
        offset_out: int = 0,
        offset_err: int = 0,
        measure: str | None = None,
        timeout: float = 10.0,
    ) -> JobState:
        assert isinstance(runner, Node)
        runner.run(("true",), timeout=1)
        if job.id not in self.ended:
            return JobState("absent")
        status, said = self.ended[job.id]
        out = said.encode()[offset_out:]
        return JobState("ended", status, out, b"", offset_out + len(out), offset_err, elapsed=1.0)

    def cancel(self, runner: object, job: Job, timeout: float) -> JobState:
        return JobState("ended", self.ended[job.id][0])

    def forget(self, runner: object, job: Job, timeout: float) -> None:
        pass

    def _run(self, node: Node, job: Job) -> tuple[int, str]:
        if "etcdtui-put-back" in job.argv:
            done = node.run(job.argv, timeout=1)
            return done.status, done.out()
        return self._safe(node) if "etcdtui-safety-copy" in job.argv else self._restore(node)

    def _safe(self, node: Node) -> tuple[int, str]:
        node.did.append(("copy",))
        node.paths[f"{self.decided.safe}/member"] = node.paths["/var/lib/etcd/member"]
        return 0, "copying\n"

    def _restore(self, node: Node) -> tuple[int, str]:
        node.did.append(("cluster-restore.sh",))
        said = ""
        for pod in PODS:
            said += f"...stopping {pod}-pod.yaml\n"
            manifest = f"/etc/kubernetes/manifests/{pod}-pod.yaml"
            if manifest in node.paths:
                node.paths[f"{self.decided.stopped}/{pod}-pod.yaml"] = node.paths.pop(manifest)
        said += "Waiting for container etcd to stop\ncomplete\n"
        if self.fail == "manifests":
            return 1, said
        node.paths[f"{self.decided.kept}/member"] = node.paths.pop("/var/lib/etcd/member")
        said += "Moving etcd data-dir /var/lib/etcd/member to /var/lib/etcd-backup\n"
        if self.fail == "data":
            return 1, f"{said}Error: failed to create restore pod yaml. Exiting!\n"
        for pod in PODS:
            node.paths[f"/etc/kubernetes/manifests/{pod}-pod.yaml"] = RESTORED
        node.paths["/var/lib/etcd/member"] = RESTORED
        return 0, f"{said}starting restore-etcd static pod\nstarting kube-apiserver-pod.yaml\n"


class Restoring:
    """The steps of a restore that change hosts, on nodes in memory."""

    def __init__(self, directory: Path) -> None:
        self.decided = decided()
        self.one, self.two = Node("masternode1").stands(), Node("masternode2").stands()
        self.world = FakeWorld(healthy(endpoints=(gone(1), gone(2), leaderless(3))))
        self.world.runners = {n.host: n for n in (self.one, self.two)}  # type: ignore[misc]
        self.jobs = NodeJobs({n.host: n for n in (self.one, self.two)}, self.decided)
        self.directory = directory
        self.journal = Journal(directory)

    @property
    def procedure(self) -> Procedure:
        told = self.decided
        steps = (*stop_steps(told), *run_steps(told))
        return Procedure(
            "restore",
            "restore-1",
            "prod",
            "Restore prod",
            told.parameters(),
            steps,
            changed=in_short,
        )

    def run(
        self, procedure: Procedure | None = None, journal: Journal | None = None, human: Typist | None = None
    ) -> tuple[Finished, Human]:
        made = procedure or self.procedure
        who = human or Typist(made)
        return run_one(
            made,
            journal or self.journal,
            world=self.world,
            jobs=self.jobs,  # type: ignore[arg-type]
            human=who,
            within=WITHIN,
        )

    @property
    def restored(self) -> bool:
        """It came to its end: the recovery host has the backup, the other one waits to join it."""
        recovery = self.one.now
        return set(recovery.values()) == {RESTORED} and len(recovery) == 5 and not self.two.now

    @property
    def old(self) -> bool:
        """Everything is as it was before the restore."""
        before = Node("x").stands().now
        return self.one.now == before and self.two.now == before

    @property
    def twice(self) -> list[tuple[str, ...]]:
        """What was done more than once."""
        done = [(n.host, *what) for n in (self.one, self.two) for what in n.did]
        return sorted({what for what in done if done.count(what) > 1})


class Typist(Human):
    """Types what is asked for; stops where it is told to, by the name of a step and what happens there."""

    def __init__(self, procedure: Procedure, leave: Callable[[StepChanged], bool] | None = None) -> None:
        super().__init__()
        self.procedure, self.leave = procedure, leave
        self.stuck: list[str] = []

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        engine: Engine | None = self.engine
        assert engine is not None
        if not isinstance(event, StepChanged):
            return
        if self.leave is not None and self.leave(event):
            engine.leave()
            return
        if not event.choices:
            return
        step: Step = self.procedure.step(event.step)
        if Choice.GO in event.choices and event.state is StepState.WAITING:
            text = step.gate.phrase if step.gate.kind is GateKind.PHRASE else ""
            engine.answer(Answer(Choice.GO, text, step.key))
            return
        self.stuck.append(f"{event.step}: {event.sentence}")
        choice = Choice.RETRY if Choice.RETRY in event.choices and len(self.stuck) < 4 else Choice.STOP
        engine.answer(Answer(choice, "", step.key))


__all__ = ["OLD", "RESTORED", "Node", "NodeJobs", "Restoring", "Typist", "decided"]
