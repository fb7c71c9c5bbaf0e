"""A small kubelet: it obeys the host's manifests folder, and runs a real etcd as the manifest says.

Only the container called ``etcd`` has a process. The others count as running while their pod is there.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etcdtui.children import processes
from etcdtui.lab import places
from etcdtui.lab.certificates import write_private
from etcdtui.lab.pod import Container, Pod, parse

if TYPE_CHECKING:
    from etcdtui.children.reaper import Reaper
    from etcdtui.lab.places import Node

POLL = 0.2
BACKOFF = (1.0, 2.0, 4.0, 8.0, 10.0)
_SETTLED = 20.0  # a container that lived this long starts again without a wait


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What the kubelet knows of one container; what crictl and the API answer from."""

    id: str
    name: str
    pod: str
    namespace: str
    image: str
    state: str  # running or exited
    pid: int | None = None
    started_at: str = ""
    finished_at: str = ""
    restarts: int = 0
    exit_code: int | None = None
    waiting: str = ""
    log: str = ""
    message: str = ""  # of one that has ended: its last lines
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Run:
    """The one container with a process."""

    pod: Pod
    spec: Container
    process: subprocess.Popen[bytes] | None = None
    since: float = 0.0
    next_start: float = 0.0
    failures: int = 0


class Kubelet:
    """Watches one host's manifests. ``environment`` is what every container gets."""

    def __init__(self, node: Node, environment: Mapping[str, str], reaper: Reaper) -> None:
        self.node = node
        self._environment = environment
        self._reaper = reaper
        self._lock = threading.RLock()
        self._seen: dict[Path, tuple[int, int, int]] = {}
        self._pods: dict[str, Pod] = {}
        self._states: dict[tuple[str, str], ContainerState] = {}
        self._gone: list[ContainerState] = []
        self._before: dict[tuple[str, str], ContainerState] = {}  # the last one that ended, of each that runs
        self._run: _Run | None = None
        self._held = False
        self._written = ""
        # Readers never wait for the lock: stopping a frozen container takes its whole grace.
        self._published: tuple[dict[str, Pod], tuple[ContainerState, ...]] = ({}, ())
        self._published_before: dict[tuple[str, str], ContainerState] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"kubelet-{node.name}", daemon=True)

    def start(self) -> None:
        """Obey from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop everything this kubelet runs."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            # The folder goes away with it: there is nothing to be gentle with.
            self._stop_process(0)

    def hold(self, held: bool) -> None:
        """Keep etcd's container stopped although its manifest is there, or no longer."""
        with self._lock:
            self._held = held
            if self._run is not None:
                self._run.next_start, self._run.failures = 0.0, 0
            self._sync()

    def restart(self) -> None:
        """End etcd's process and start it again."""
        with self._lock:
            self._stop_process(self._run.pod.grace if self._run else 0)
            self._sync()

    @property
    def held(self) -> bool:
        return self._held

    @property
    def pid(self) -> int | None:
        """The process of etcd, while it has one."""
        run = self._run
        process = run.process if run else None
        return process.pid if process is not None and process.poll() is None else None

    def pods(self) -> dict[str, Pod]:
        """The static pods that are there, by name."""
        return self._published[0]

    def containers(self, pod: str) -> list[ContainerState]:
        """The containers of a pod, in the order of its manifest."""
        return [state for state in self._published[1] if state.pod == pod]

    def previous(self, state: ContainerState) -> ContainerState | None:
        """The container that ended before this one began in its place."""
        return self._published_before.get((state.pod, state.name))

    def _watch(self) -> None:
        while not self._stopping.wait(POLL):
            with self._lock:
                self._sync()

    def _sync(self) -> None:
        self._read_manifests()
        run = self._run
        pod = next((p for p in self._pods.values() if any(c.name == "etcd" for c in p.containers)), None)
        if run is not None and (pod is None or pod.source != run.pod.source):
            self._stop_process(run.pod.grace)
            run = self._run = None
        if pod is not None and run is None:
            spec = next(c for c in pod.containers if c.name == "etcd")
            run = self._run = _Run(pod, spec)
        if run is not None:
            self._keep_running(run)
        self._write()

    def _read_manifests(self) -> None:
        found: dict[Path, tuple[int, int, int]] = {}
        for path in sorted(self.node.at(places.MANIFESTS).glob("*.yaml")):
            with contextlib.suppress(OSError):
                info = path.stat()
                found[path] = (info.st_ino, info.st_mtime_ns, info.st_size)
        if found == self._seen:
            return
        self._seen = found
        pods: dict[str, Pod] = {}
        for path in found:
            with contextlib.suppress(OSError, ValueError):
                pod = parse(path.read_text(encoding="utf-8"), self.node.root)
                pods[pod.name] = pod
        for name in self._pods.keys() - pods.keys():
            self._drop(name)
        for name, pod in pods.items():
            known = self._pods.get(name)
            if known is None or known.source != pod.source:
                self._drop(name)
                for container in pod.containers:
                    self._states[name, container.name] = self._fresh(pod, container)
        self._pods = pods

    def _fresh(self, pod: Pod, container: Container) -> ContainerState:
        folder = f"{pod.namespace}_{pod.name}-{self.node.name}_{pod.uid}"
        return ContainerState(
            id=secrets.token_hex(32),
            name=container.name,
            pod=pod.name,
            namespace=pod.namespace,
            image=container.image,
            state="exited" if container.name == "etcd" else "running",
            started_at="" if container.name == "etcd" else _now(),
            log=str(self.node.at(f"/var/log/pods/{folder}/{container.name}/0.log")),
            env=container.env,
            mounts=container.mounts,
        )

    def _drop(self, pod: str) -> None:
        for key in [key for key in self._states if key[0] == pod]:
            state = self._states.pop(key)
            self._before.pop(key, None)
            gone = replace(state, state="exited", pid=None, finished_at=_now(), exit_code=0, waiting="")
            self._gone = [*self._gone[-19:], gone]

    def _keep_running(self, run: _Run) -> None:
        now = time.monotonic()
        if run.process is not None and run.process.poll() is not None:
            self._ended(run, run.process, now)
        if self._held:
            self._stop_process(run.pod.grace)
        elif run.process is None and now >= run.next_start:
            self._start_process(run, now)

    def _start_process(self, run: _Run, now: float) -> None:
        key = (run.pod.name, run.spec.name)
        state = self._states[key]
        restarts = state.restarts + (1 if state.started_at else 0)
        log = Path(state.log).with_name(f"{restarts}.log")
        if state.started_at:
            # As the real kubelet: of each container the last one that ended is kept, and its log.
            self._before[key] = state
            log.with_name(f"{restarts - 2}.log").unlink(missing_ok=True)
        self.node.at(places.DATA).mkdir(mode=0o700, parents=True, exist_ok=True)
        run.process = processes.start(
            list(run.spec.command),
            env={**self._environment, **run.spec.env},
            log=log,
            cwd=self.node.root,
        )
        self._reaper.family(run.process.pid)
        run.since = now
        self._states[key] = replace(
            state,
            id=secrets.token_hex(32),
            state="running",
            pid=run.process.pid,
            started_at=_now(),
            finished_at="",
            restarts=restarts,
            exit_code=None,
            waiting="",
            message="",
            log=str(log),
        )

    def _ended(self, run: _Run, process: subprocess.Popen[bytes], now: float) -> None:
        if now - run.since > _SETTLED:
            run.failures = 0
        run.next_start = now + BACKOFF[min(run.failures, len(BACKOFF) - 1)]
        run.failures += 1
        run.process = None
        self._record_exit(run, process, "CrashLoopBackOff")

    def _stop_process(self, grace: float) -> None:
        run = self._run
        if run is None or run.process is None:
            return
        process, run.process = run.process, None
        processes.stop(process, grace)
        self._record_exit(run, process, "")

    def _record_exit(self, run: _Run, process: subprocess.Popen[bytes], waiting: str) -> None:
        processes.signal_group(process.pid, signal.SIGKILL)
        self._reaper.forget(process.pid)
        code = process.returncode
        key = (run.pod.name, run.spec.name)
        if key in self._states:
            self._states[key] = replace(
                self._states[key],
                state="exited",
                pid=None,
                finished_at=_now(),
                exit_code=128 - code if code < 0 else code,
                waiting=waiting,
                message=_last_lines(Path(self._states[key].log)),
            )

    def _write(self) -> None:
        states = tuple(self._states.values())
        before = dict(self._before)
        self._published, self._published_before = (dict(self._pods), states), before
        known = [*states, *before.values(), *self._gone]
        text = json.dumps({"containers": [asdict(state) for state in known]})
        if text != self._written:
            self._written = text
            with contextlib.suppress(OSError):
                write_private(self.node.at(places.KUBELET_STATE), text.encode())


def _last_lines(log: Path) -> str:
    # What the real kubelet takes as the termination message of a container that fell: 2048 bytes, 80 lines.
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 2048))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-80:])
    except OSError:
        return ""


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
