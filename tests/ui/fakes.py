"""A cluster and procedures for the screen's tests: views of the real model, nothing behind them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from etcdtui.cluster.command_log import CommandRecord
from etcdtui.errors import EtcdTuiError, HostKeyUnknown, Refusal
from etcdtui.model.backups import BackupSet, FoundFile
from etcdtui.model.finding import Finding, Severity
from etcdtui.model.hashes import Comparison, compare
from etcdtui.model.health import ClusterHealth, Level, MemberState
from etcdtui.model.latency import LatencySeries, ReadTimes
from etcdtui.model.members import DiskMetrics, EndpointStatus, Member, MemberList
from etcdtui.model.platform import (
    ApiFacts,
    Certificate,
    DiskSpace,
    HostFacts,
    NodeFacts,
    OperatorWord,
    PodFacts,
)
from etcdtui.model.probe import Probe
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView, EndpointView, HostView, Way
from etcdtui.platforms.layout import Layout
from etcdtui.procedures import incident, restore, restore_quorum
from etcdtui.procedures.debts import Debt
from etcdtui.procedures.incident import Incident
from etcdtui.procedures.procedure import (
    Action,
    Answer,
    Choice,
    Ending,
    Event,
    Finished,
    Gate,
    GateKind,
    Output,
    Procedure,
    Progress,
    Step,
    StepChanged,
    StepState,
)
from etcdtui.procedures.restore_look import Looked
from etcdtui.procedures.restore_offer import Offer, offer
from etcdtui.procedures.restore_survivors import Hear, Seen
from etcdtui.records import Run

NOW = 1_795_417_200.0  # 2026-11-23 07:00:00 UTC
MIB = 1024 * 1024
DAY = 86400
CLUSTER_ID = 0x5DC0FFEE


def wave(base: float, count: int = 60) -> LatencySeries:
    """Samples that go a little up and down around ``base`` seconds, always the same."""
    return LatencySeries(tuple(base * (1 + ((n * 7) % 5 - 2) * 0.12) for n in range(count)))


def backup_files(
    host: str, days: Sequence[int], *, directory: str = "/home/core/assets/backup"
) -> list[FoundFile]:
    out = []
    for day in days:
        stamp = f"2026-11-{day:02d}_020000"
        for name, size in (
            (f"snapshot_{stamp}.db", 92 * MIB + 32),
            (f"static_kuberesources_{stamp}.tar.gz", 71_680),
        ):
            out.append(FoundFile(host, directory, name, size, NOW - (23 - day) * DAY - 5 * 3600))
    return out


def host_facts(name: str, days: Sequence[int] = ()) -> HostFacts:
    return HostFacts(
        hostname=name,
        clock_offset=0.004,
        data_disk=DiskSpace("/var/lib/etcd", 120 * 1024 * MIB, 80 * 1024 * MIB, 60_000_000),
        backup_disk=DiskSpace("/home/core", 120 * 1024 * MIB, 80 * 1024 * MIB, 60_000_000),
        manifests=("etcd-pod.yaml", "kube-apiserver-pod.yaml"),
        certificates=(
            Certificate("/etc/kubernetes/static-pod-resources/etcd-certs/peer.crt", NOW + 900 * DAY),
        ),
        backup_directory="/home/core/assets/backup",
        backups=tuple(backup_files(name, days)),
        backup_script=True,
        etcdctl="path",
        openssl=True,
    )


def status(
    member_id: int, *, leader: int = 0xA1, version: str = "3.5.14", applied: int = 18_442_107
) -> EndpointStatus:
    return EndpointStatus(
        CLUSTER_ID,
        member_id,
        version,
        92 * MIB,
        61 * MIB,
        leader,
        7,
        18_442_107,
        applied,
        18_003_551,
        quota=8192 * MIB,
    )


def healthy(
    names: Sequence[str] = ("masternode1", "masternode2", "masternode3"), *, now: float = NOW
) -> ClusterView:
    """All well: the first leads."""
    members = tuple(
        Member(0xA1 + n, name, (f"https://10.0.0.{n + 1}:2380",), (f"https://10.0.0.{n + 1}:2379",))
        for n, name in enumerate(names)
    )
    endpoints = tuple(
        EndpointView(
            member.client_urls[0],
            member.id,
            Reading(status(member.id), now - 0.4),
            Reading(ReadTimes(0.0019, 0.0008, 0.012), now - 0.4),
            wave(0.0019 + n * 0.0004),
            wave(0.0007),
            Reading(DiskMetrics(0.0041 - n * 0.0002, 0.007, 0.002, 3, 8192 * MIB, 600.0), now - 4),
            Way.PIPE,
        )
        for n, member in enumerate(members)
    )
    days = {0: (23, 22, 21), 1: (22,)}
    hosts = tuple(
        HostView(
            name,
            f"10.0.0.{n + 1}",
            name,
            Reading(0.012, now - 1),
            Reading(host_facts(name, days.get(n, ())), now - 6),
        )
        for n, name in enumerate(names)
    )
    return ClusterView(
        "prod",
        now,
        Reading(MemberList(CLUSTER_ID, members, members[0].id), now - 0.4),
        endpoints,
        hosts,
        Reading(api_facts(names), now - 3),
        True,
        names[0],
        len(names),
        started=now - 3600,
    )


def api_facts(names: Sequence[str]) -> ApiFacts:
    return ApiFacts(
        version="4.16.3",
        cluster_id="8f1c",
        nodes=tuple(NodeFacts(name, f"10.0.0.{n + 1}", True) for n, name in enumerate(names)),
        pods=tuple(PodFacts(f"etcd-{name}", name, 4, 4, "Running") for name in names),
        word=OperatorWord(len(names), len(names), f"{len(names)} members are available", NOW - 4000),
    )


def with_endpoint(view: ClusterView, place: int, **changes: object) -> ClusterView:
    endpoints = list(view.endpoints)
    endpoints[place] = replace(endpoints[place], **changes)  # type: ignore[arg-type]
    return replace(view, endpoints=tuple(endpoints))


def silenced(
    view: ClusterView, place: int, *, fault: Fault = Fault.SILENT, seconds: float = 12.0
) -> ClusterView:
    """One member gives no answer, for so many seconds."""
    name = view.hosts[place].name
    problem = Problem(
        fault,
        f"{name}: no answer on 10.0.0.{place + 1}:2379 within 3 s.",
        "The process may be frozen or starved: look at its pod and its disk.",
    )
    endpoint = view.endpoints[place]
    since = view.now - seconds
    lost = LatencySeries((*endpoint.linearizable.samples[:-12], *(None,) * 12))
    return with_endpoint(
        view,
        place,
        status=Reading(endpoint.status.value, since, problem, since),
        reads=Reading(endpoint.reads.value, since, problem, since),
        linearizable=lost,
        serializable=lost,
    )


def one_down() -> ClusterView:
    view = silenced(healthy(), 2, fault=Fault.REFUSED)
    api = view.api.value
    assert api is not None
    pods = (
        *api.pods[:2],
        PodFacts("etcd-masternode3", "masternode3", 2, 4, "Running", 5, "CrashLoopBackOff"),
    )
    return replace(view, api=Reading(replace(api, pods=pods), view.now - 3))


def slow() -> ClusterView:
    """The third member's disk is slow."""
    view = healthy()
    return with_endpoint(
        view,
        2,
        status=Reading(status(0xA3, applied=18_442_095), view.now - 0.4),
        linearizable=wave(0.18),
        serializable=wave(0.15),
        metrics=Reading(DiskMetrics(0.812, 0.040, 0.002, 3, 8192 * MIB, 600.0), view.now - 4),
    )


def no_quorum() -> ClusterView:
    """Two of three are gone; the third answers, but cannot confirm anything."""
    view = silenced(silenced(healthy(), 1, fault=Fault.REFUSED), 2, fault=Fault.REFUSED)
    alone = replace(status(0xA1, leader=0), errors=("etcdserver: no leader",))
    problem = Problem(Fault.NO_QUORUM_READ, "masternode1 answers, but cannot confirm a read with the others.")
    gone = Reading(
        view.api.value, view.now - 40, Problem(Fault.SILENT, "The API gives no answer."), view.now - 30
    )
    return replace(
        with_endpoint(
            view,
            0,
            status=Reading(alone, view.now - 0.4),
            reads=Reading(None, view.now - 9, problem, view.now - 9),
            linearizable=LatencySeries((*wave(0.0019).samples[:-9], *(None,) * 9)),
        ),
        api=gone,
    )


def by_etcdctl(places: Sequence[int] = (0, 1, 2)) -> ClusterView:
    """The host we speak through has no openssl: etcdctl asks these members."""
    view = healthy()
    for place in places:
        view = with_endpoint(
            view,
            place,
            way=Way.ETCDCTL,
            reads=Reading(ReadTimes(0.0431, None), view.now - 2),
            linearizable=LatencySeries(),
            serializable=LatencySeries(),
            metrics=Reading(),
        )
    first = replace(view.hosts[0], missing=("there is no openssl",))
    return replace(view, hosts=(first, *view.hosts[1:]))


def old_news() -> ClusterView:
    """The API and the first host have been silent for some minutes; etcd is well, seen from the second."""
    view = healthy()
    silent = Problem(Fault.SILENT, "The API gives no answer.")
    gone = Problem(Fault.SILENT, "masternode1 does not answer: no echo within 1.2 s.")
    api = Reading(view.api.value, view.now - 240, silent, view.now - 230)
    hosts = list(view.hosts)
    hosts[0] = replace(
        hosts[0],
        link=Reading(0.012, view.now - 240, gone, view.now - 230),
        facts=Reading(hosts[0].facts.value, view.now - 240, gone, view.now - 230),
    )
    return replace(view, api=api, hosts=tuple(hosts), speaking="masternode2")


def unknown_key(key: HostKeyUnknown, place: int = 0) -> ClusterView:
    """One host shows an SSH key that nobody has decided about."""
    view = healthy()
    problem = Problem(Fault.HOST_KEY, key.message, key.hint)
    hosts = list(view.hosts)
    hosts[place] = replace(hosts[place], link=Reading(None, None, problem, view.now - 20), facts=Reading())
    return replace(view, hosts=tuple(hosts), speaking=hosts[place - 1].name)


def only_api() -> ClusterView:
    """No host answers over SSH, the API does."""
    view = healthy()
    problem = Problem(
        Fault.LOGIN, "masternode1 does not let core in: Permission denied (publickey).", "Load the key."
    )
    hosts = tuple(
        replace(h, link=Reading(None, None, problem, view.now - 20), facts=Reading()) for h in view.hosts
    )
    endpoints = tuple(EndpointView(e.url, e.member_id) for e in view.endpoints)
    return replace(view, hosts=hosts, endpoints=endpoints, speaking="")


def just_started() -> ClusterView:
    return ClusterView("prod", NOW, api_configured=True, started=NOW - 1)


NASTY = (
    "[/red]",
    "\x1b[2J\x1b[H",
    "https://[fd00::1]:2379",
    "x" * 4096,
    "主节点一號",
    "🦊🔥e\u0301",
    "\u202egnp.exe\u202c",
    "[link=file:///etc/passwd]click[/link]",
)


def nasty() -> ClusterView:
    """Foreign text in every place that can hold some."""
    view = healthy(NASTY)
    endpoints = []
    for n, endpoint in enumerate(view.endpoints):
        bad = NASTY[n]
        assert endpoint.status.value is not None
        told = replace(endpoint.status.value, version=bad, errors=(bad,))
        endpoints.append(
            replace(endpoint, status=Reading(told, view.now - 0.4))
            if n % 2
            else replace(
                endpoint, status=Reading(told, view.now - 9, Problem(Fault.ODD, bad, bad), view.now - 9)
            )
        )
    hosts = tuple(
        replace(
            host,
            address=bad,
            facts=Reading(
                replace(
                    host_facts(bad),
                    manifests=NASTY,
                    backups=tuple(backup_files(bad, (3 + n,), directory=f"/b/{bad}")),
                ),
                view.now - 6,
            ),
        )
        for n, (host, bad) in enumerate(zip(view.hosts, NASTY, strict=True))
    )
    api = view.api.value
    assert api is not None
    pods = tuple(
        replace(pod, name=bad, phase=bad, waiting=bad) for pod, bad in zip(api.pods, NASTY, strict=True)
    )
    return replace(
        view,
        name=NASTY[0],
        endpoints=tuple(endpoints),
        hosts=hosts,
        api=Reading(replace(api, version=NASTY[2], pods=pods), view.now - 3),
    )


@dataclass
class FakeCluster:
    """Shows the view it is given; remembers what was asked of it."""

    shown: ClusterView
    colour: str = "red"
    read_only: bool = False
    hang: threading.Event | None = None  # canonical_health and close block until it is set
    health: tuple[str, str, str] | EtcdTuiError = (
        "masternode1",
        "source /etc/kubernetes/static-pod-resources/etcd-certs/configmaps/etcd-scripts/etcd-common-tools\n"
        "source /etc/kubernetes/static-pod-resources/etcd-certs/configmaps/etcd-scripts/etcd.env\n"
        "etcdctl endpoint health",
        "https://10.0.0.1:2379 is healthy: successfully committed proposal: took = 9.1ms\n"
        "https://10.0.0.2:2379 is healthy: successfully committed proposal: took = 10.4ms\n"
        "https://10.0.0.3:2379 is unhealthy: failed to commit proposal: context deadline exceeded [/red]\n"
        "exit 1",
    )
    probe: Probe = field(default_factory=lambda: Probe(began=NOW, took=0.4))
    heard: Probe | None = None  # what is in before the rest
    log: list[CommandRecord] = field(default_factory=list)
    keys: list[HostKeyUnknown] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    on_change: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        return self.shown.name

    def start(self, on_change: Callable[[], None]) -> None:
        self.calls.append("start")
        self.on_change = on_change

    def view(self) -> ClusterView:
        return self.shown

    def refresh(self) -> None:
        self.calls.append("refresh")

    def canonical_health(self) -> tuple[str, str, str]:
        self.calls.append("health")
        if self.hang is not None:
            self.hang.wait(30)
        if isinstance(self.health, EtcdTuiError):
            raise self.health
        return self.health

    def examine(self, member_id: int, hear: Callable[[Probe], None]) -> Probe:
        self.calls.append(f"examine {member_id:x}")
        if self.heard is not None:
            hear(self.heard)
        if self.hang is not None:
            self.hang.wait(30)
        return self.probe

    def command_log(self) -> Sequence[CommandRecord]:
        return tuple(self.log)

    def unknown_host_keys(self) -> Sequence[HostKeyUnknown]:
        return tuple(self.keys)

    def trust(self, key: HostKeyUnknown) -> None:
        self.calls.append(f"trust {key.fingerprint}")
        self.keys.remove(key)

    def close(self) -> None:
        self.calls.append("close")
        if self.hang is not None:
            self.hang.wait(30)


def find(view: ClusterView, health: ClusterHealth) -> tuple[Finding, ...]:
    """A few findings of every severity; the rules themselves are tested elsewhere and change with etcd."""
    found: list[Finding] = []
    if health.level is Level.NO_QUORUM:
        found.append(
            Finding(
                "quorum",
                Severity.CRITICAL,
                "No quorum: the cluster takes no writes, and the Kubernetes API will fail.",
                f"{health.sentence} Seen from {view.speaking}.",
                "Bring one stopped member back first: that loses nothing. "
                "Restore only when none can come back.",
            )
        )
    elif health.level is Level.UNKNOWN:
        found.append(Finding("unknown", Severity.CRITICAL, "Cannot tell how etcd is.", health.sentence))
    for row in health.members:
        name = row.member.label
        if row.problem is not None:
            found.append(
                Finding(
                    f"member-{row.member.hex_id}",
                    Severity.CRITICAL,
                    f"{name}: {row.state.value}; its etcd is not running as it should.",
                    row.problem.message,
                    row.problem.hint,
                    name,
                )
            )
        elif row.state is MemberState.SLOW:
            found.append(
                Finding(
                    f"slow-{row.member.hex_id}",
                    Severity.WARNING,
                    f"{name}: WAL fsync p99 812 ms (advice 10, alert 500).",
                    "Over the last 10 min.",
                    "Its disk is the slow part. Look at what else writes there; a backup from it would wait.",
                    name,
                )
            )
    found.append(
        Finding(
            "backup",
            Severity.ADVICE,
            "The last backup is 5 h old, and lies only on the cluster.",
            "2026-11-23_020000 on masternode1.",
            "A backup on the master that dies is none: copy both files off the cluster.",
        )
    )
    if health.level is Level.HEALTHY and health.source == "etcd":
        found.append(Finding("good", Severity.GOOD, f"All {health.quorum.voters} voters are well."))
    return tuple(found)


def backup_plan(*, phrase: bool = False) -> Procedure:
    gate = (
        Gate(GateKind.PHRASE, "prod", "This writes 92M to masternode2.")
        if phrase
        else Gate(GateKind.CONFIRM, prompt="Take the backup on masternode2 now?")
    )
    return Procedure(
        "backup",
        "backup-20261123-070000-abcd",
        "prod",
        "Backup of prod",
        {"host": "masternode2"},
        (
            Step(
                "check",
                "Check that a backup makes sense now",
                "A backup of a cluster without a leader is worth nothing.",
            ),
            Step(
                "take",
                "Take the backup",
                "cluster-backup.sh saves the snapshot and the static pod resources that belong to it.",
                Action.JOB,
                "masternode2",
                ("sudo", "-n", "/usr/local/bin/cluster-backup.sh", "/home/core/assets/backup"),
                gate,
                expected=92 * MIB,
                cancel="Stops the script on masternode2 and removes what it has written so far.",
            ),
            Step(
                "verify",
                "Verify both files",
                "A backup counts only once its files were looked at.",
                Action.COMMAND,
                "masternode2",
                ("sudo", "-n", "stat", "-c", "%n %s", "/home/core/assets/backup"),
            ),
        ),
        ("masternode2 is a follower, well, and has 80G free.", "The leader masternode1 is left alone."),
    )


@dataclass
class FakeHandle:
    emit: Callable[[Event], None]
    answers: list[Answer] = field(default_factory=list)
    cancelled: bool = False
    running: bool = True

    def answer(self, answer: Answer) -> None:
        self.answers.append(answer)

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class FakeInterrupted:
    sentence: str = "A backup of prod was interrupted 14 min ago at step 2 of 3 (take the backup)."
    truth: str = "The job has ended with exit code 0; both files are there."
    details: tuple[str, ...] = ("07:00:01 started", "07:00:02 step take: running")
    id: str = "backup-1"
    puts_back: bool = False


@dataclass
class FakeProcedures:
    """Plans one backup; the test plays the engine through ``handle.emit``."""

    plan: Procedure = field(default_factory=backup_plan)
    refusal: Refusal | None = None
    earlier: list[FakeInterrupted] = field(default_factory=list)
    past: list[StepChanged] = field(default_factory=list)  # what an earlier run has settled
    handle: FakeHandle | None = None
    ran: list[Procedure] = field(default_factory=list)
    abandoned: list[tuple[str, str]] = field(default_factory=list)
    closed: bool = False
    asked: list[str] = field(default_factory=list)  # plans other than of a backup
    owed: list[Debt] = field(default_factory=list)
    hashes: Comparison | EtcdTuiError = field(default_factory=lambda: compare(0, ()))
    hang: threading.Event | None = None  # compare_hashes blocks until it is set
    journal: list[Run] | EtcdTuiError = field(default_factory=list)
    folder: Path | None = None  # where incidents are kept
    found: Looked | EtcdTuiError | None = None  # by the look for a restore
    begun: str = ""  # a restore that is not finished
    seen: list[Seen] = field(default_factory=list)  # told while it looks
    changed: list[str] = field(default_factory=list)
    put_back: Run | None = None

    def plan_backup(self, view: ClusterView) -> Procedure:
        if self.refusal is not None:
            raise self.refusal
        return self.plan

    def plan_maintenance(self, view: ClusterView, member_id: int) -> Procedure:
        self.asked.append(f"maintenance {member_id:x}")
        return self.plan_backup(view)

    def plan_upload(self, view: ClusterView) -> Procedure:
        self.asked.append("upload")
        return self.plan_backup(view)

    def plan_prune(self, view: ClusterView) -> Procedure:
        self.asked.append("prune")
        return self.plan_backup(view)

    def plan_leadership(self, view: ClusterView, member_id: int) -> Procedure:
        self.asked.append(f"leadership {member_id:x}")
        return self.plan_backup(view)

    def plan_requests(self, view: ClusterView) -> Procedure:
        self.asked.append("requests")
        return self.plan_backup(view)

    def plan_replace(self, view: ClusterView, member_id: int, marked: Collection[int]) -> Procedure:
        self.asked.append(f"replace {member_id:x} of {' '.join(f'{one:x}' for one in marked)}")
        return self.plan_backup(view)

    def offer_restore(self, hear: Hear) -> Offer:
        self.asked.append("look for a restore")
        for one in self.seen:
            hear(one)
        if self.hang is not None:
            self.hang.wait(30)
        if isinstance(self.found, EtcdTuiError):
            raise self.found
        assert self.found is not None
        return offer(self.found, self.begun)

    def plan_restore(self, looked: Looked, *, backup: str | None, host: str | None) -> Procedure:
        self.asked.append(f"restore {backup} on {host}")
        if self.refusal is not None:
            raise self.refusal
        return restore.plan(
            looked,
            lambda name: Layout(),
            procedure_id="restore-1",
            stamp="20260921-143000",
            backup=backup,
            host=host,
        )

    def plan_quorum_restore(self, looked: Looked, *, host: str | None) -> Procedure:
        self.asked.append(f"quorum restore on {host}")
        return restore_quorum.plan(
            looked, lambda name: Layout(), procedure_id="quorum-1", stamp="20260921-143000", host=host
        )

    def keep_restore_plan(self, cluster: str, text: str) -> Path:
        if self.folder is None:
            raise EtcdTuiError("The plan cannot be written into /state on this machine: full.")
        return incident.keep(self.folder, cluster, text, NOW, what="plan", suffix="txt")

    def to_put_back(self, run_id: str = "") -> Run | None:
        self.asked.append(f"what to put back {run_id}".strip())
        return self.put_back

    def plan_restore_undo(self, run_id: str, *, abandon: bool = False) -> Procedure:
        self.asked.append(f"put {run_id} back" + (", abandoned" if abandon else ""))
        return self.plan_backup(healthy())

    def changed_by(self, run_id: str) -> Sequence[str]:
        return self.changed

    def debts(self) -> Sequence[Debt]:
        return self.owed

    def plan_pay_debt(self, debt: Debt) -> Procedure:
        self.asked.append(f"pay {debt.run}")
        return self.plan_backup(view=healthy())

    def compare_hashes(self) -> Comparison:
        if self.hang is not None:
            self.hang.wait(30)
        if isinstance(self.hashes, EtcdTuiError):
            raise self.hashes
        return self.hashes

    def runs(self) -> Sequence[Run]:
        if isinstance(self.journal, EtcdTuiError):
            raise self.journal
        return self.journal

    def keep_incident(self, told: Incident) -> Path:
        if self.folder is None:
            raise EtcdTuiError("The incident cannot be written into /state on this machine: full.")
        runs = self.journal if isinstance(self.journal, list) else []
        return incident.keep(self.folder, told.view.name, incident.markdown(told, runs), told.view.now)

    def plan_bring(self, view: ClusterView, found: BackupSet) -> Procedure:
        self.asked.append(f"bring {found.stamp} from {found.host}")
        return self.plan_backup(view)

    def plan_fetch(self, view: ClusterView, stamp: str, store: str) -> Procedure:
        self.asked.append(f"fetch {stamp} from {store}")
        return self.plan_backup(view)

    def run(self, procedure: Procedure, emit: Callable[[Event], None]) -> FakeHandle:
        self.ran.append(procedure)
        self.handle = FakeHandle(emit)
        return self.handle

    def interrupted(self) -> Sequence[FakeInterrupted]:
        return self.earlier

    def resume(self, run: FakeInterrupted) -> Procedure:
        return self.plan

    def settled(self, run: FakeInterrupted) -> Sequence[StepChanged]:
        return self.past

    def abandon(self, run: FakeInterrupted, reason: str) -> None:
        self.abandoned.append((run.sentence, reason))

    def close(self) -> None:
        self.closed = True


def to_the_gate() -> list[Event]:
    return [
        StepChanged("check", StepState.RUNNING),
        StepChanged("check", StepState.DONE, "3 of 3 voters are well; masternode1 leads."),
        StepChanged("take", StepState.WAITING, "", (Choice.GO, Choice.STOP)),
    ]


def at_work() -> list[Event]:
    return [
        StepChanged("take", StepState.RUNNING, "The script runs on masternode2."),
        Output(
            "take",
            "Certificate /etc/kubernetes/x.crt is missing. Checking elsewhere\n[/red] \x1b[2Jfound",
        ),
        Output("take", " latest kube-apiserver: revision-7\n"),
        Progress("take", 12.0, 40 * MIB, "the snapshot"),
    ]


def stuck() -> list[Event]:
    return [
        StepChanged(
            "verify",
            StepState.FAILED,
            "Waited 30 s for both files; saw only the snapshot.",
            (Choice.RETRY, Choice.WAIT, Choice.SKIP, Choice.STOP),
        )
    ]


def done() -> list[Event]:
    return [
        StepChanged("take", StepState.DONE, "Two files, 92M."),
        StepChanged("verify", StepState.DONE, "Both files are there."),
        Finished(Ending.DONE, "Backup 2026-11-23_070000 is on masternode2: 2 files, 92M."),
    ]
