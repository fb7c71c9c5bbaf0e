"""A cluster with one member dead, its API and its hosts, for tests of the replacement."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from etcdtui.errors import NotFound, Unreachable
from etcdtui.etcd.commands import ClientAccess
from etcdtui.model.members import Member, MemberList
from etcdtui.model.platform import Condition, NodeFacts, OperatorWord, PodFacts
from etcdtui.model.probe import HostSeen, Port, Probe, Try
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.platforms.guard import GUARD
from etcdtui.platforms.machines import MACHINE_SETS, MACHINES
from etcdtui.platforms.objects import ETCD, VERSION
from etcdtui.platforms.operators import SECRETS
from etcdtui.procedures import replace as guide
from etcdtui.procedures.procedure import Answer, Choice, Event, Procedure, StepChanged
from etcdtui.reach import lock_scripts
from etcdtui.reach.runner import Completed
from tests.procedures import FakeWorld, Human
from tests.views import NAMES, NOW, api, endpoint, gone, healthy, host, member

DEAD = 0xA3
NEW = 0xB4
WORD = OperatorWord(2, 3, "2 of 3 members are available, masternode3 is unhealthy", NOW - 60)


def one_down(*, crashing: bool = False, **changes: object) -> ClusterView:
    """masternode3 is dead: its machine gone, or its host up and its etcd crash-looping."""
    nodes = tuple(NodeFacts(n, "192.168.50.1", n != "masternode3" or crashing) for n in NAMES)
    crashed = PodFacts("etcd-masternode3", "masternode3", 3, 4, "Running", 9, "CrashLoopBackOff")
    pods = tuple(PodFacts(f"etcd-{n}", n, 4, 4, "Running") for n in NAMES[:2])
    off = Problem(Fault.SILENT, "masternode3: no answer on port 22 within 3 s.")
    third = host(3) if crashing else host(3, link=Reading(0.001, NOW - 60, off, NOW - 50))
    base = healthy(
        endpoints=(endpoint(1), endpoint(2), gone(3)),
        hosts=(host(1), host(2), third),
        api=api(nodes=nodes, pods=(*pods, *((crashed,) if crashing else ())), word=WORD),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def tried(by: str, answered: bool = False) -> Try:
    silent = Problem(Fault.REFUSED, "connection refused")
    return Try(
        by, Port.CLIENT, "192.168.50.12:2379", connected=answered, problem=None if answered else silent
    )


SECRET_NAMES = [f"etcd-{kind}-masternode3" for kind in ("peer", "serving", "serving-metrics")]


@dataclass
class FakeApi:
    """Objects by path; writes change them as the real one would, and are remembered."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    wrote: list[tuple[str, str]] = field(default_factory=list)
    silent: int = 0  # calls that get no answer
    on_write: Callable[[str, str], None] = lambda verb, path: None

    @classmethod
    def openshift(cls, version: str = "4.16.3", *, machines: bool = True, sets: bool = False) -> FakeApi:
        made = cls({ETCD: {"spec": {}}, VERSION: {"status": {"desired": {"version": version}}}})
        for name in SECRET_NAMES:
            made.objects[f"{SECRETS}/{name}"] = {"metadata": {"name": name, "uid": f"uid-{name}"}}
        for number in range(3) if machines else ():
            made.objects[f"{MACHINES}/prod-master-{number}"] = machine(number)
        if sets:
            made.objects[f"{MACHINE_SETS}/cluster"] = {
                "metadata": {"name": "cluster"},
                "spec": {"state": "Active"},
            }
        return made

    def _answer(self) -> None:
        if self.silent:
            self.silent -= 1
            raise Unreachable("The API api:6443 cannot be reached.")

    def get(self, path: str) -> dict[str, Any]:
        self._answer()
        if path not in self.objects:
            raise NotFound(f"The API has no {path}.")
        return json.loads(json.dumps(self.objects[path]))  # type: ignore[no-any-return]

    def get_list(self, path: str) -> list[dict[str, Any]]:
        self._answer()
        return [made for key, made in self.objects.items() if key.startswith(f"{path}/")]

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self._answer()
        spec = self.objects[path]["spec"]
        for key, value in body["spec"].items():
            if value is None:
                spec.pop(key, None)
            elif isinstance(value, dict):
                kept = {**(spec.get(key) or {}), **value}
                spec[key] = {k: v for k, v in kept.items() if v is not None}
            else:
                spec[key] = value
        self._wrote("patch", path)
        return self.objects[path]

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self._answer()
        name = body["metadata"]["name"]
        made = json.loads(json.dumps(body))
        made["metadata"]["uid"] = f"uid-{name}"
        self.objects[f"{path}/{name}"] = made
        self._wrote("create", f"{path}/{name}")
        return dict(made)

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self._answer()
        whole = path.removesuffix("/approval")
        self.objects[whole] = json.loads(json.dumps(body))
        self._wrote("put", whole)
        return self.objects[whole]

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self._answer()
        found = self.objects.pop(path)
        assert body and body["preconditions"]["uid"] == found["metadata"]["uid"]
        self._wrote("delete", path)
        return {}

    def _wrote(self, verb: str, path: str) -> None:
        self.wrote.append((verb, path.rpartition("/")[2]))
        self.on_write(verb, path)

    @property
    def guard_off(self) -> bool:
        return bool((self.objects[ETCD]["spec"].get("unsupportedConfigOverrides") or {}).get(GUARD))


def machine(number: int) -> dict[str, Any]:
    return {
        "apiVersion": "machine.openshift.io/v1beta1",
        "kind": "Machine",
        "metadata": {
            "name": f"prod-master-{number}",
            "namespace": "openshift-machine-api",
            "uid": f"uid-{number}",
            "labels": {"machine.openshift.io/cluster-api-machine-role": "master"},
            "annotations": {"old": "yes"},
            "resourceVersion": "41",
        },
        "spec": {
            "providerID": f"aws:///zone/i-{number}",
            "lifecycleHooks": {"preDrain": [{"name": "EtcdQuorumOperator"}]},
            "providerSpec": {"value": {"instanceType": "m6i.xlarge"}},
        },
        "status": {"nodeRef": {"name": f"masternode{number + 1}"}, "phase": "Running"},
    }


class Hosts:
    """Answers of all hosts' commands to the state of the cluster that they change."""

    def __init__(self, world: Situation, name: str) -> None:
        self.world, self.name = world, name

    @property
    def host(self) -> str:
        return self.name

    def run(self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"") -> Completed:
        assert timeout > 0
        return self.world.run(self.name, tuple(argv))

    def close(self) -> None:
        pass


class Situation(FakeWorld):
    """What lasts: member list, API, what lies on hosts. ``ran`` are the commands that changed something."""

    def __init__(self, view: ClusterView | None = None, objects: FakeApi | None = None) -> None:
        super().__init__(view or one_down())
        self.api_ = FakeApi.openshift() if objects is None else objects
        self.ran: list[tuple[str, ...]] = []
        self.lying = {"manifest", "data", "running"}
        self.seen = Probe(tries=(tried("masternode1"), tried("masternode2")), took=0.1)
        self.examined = 0
        self.refuses: dict[str, str] = {}  # word of a command -> what etcd says instead
        self.api_.on_write = self._operate
        self.locked: dict[str, str] = {}  # host -> run
        self.comes = 4  # the number of the node that comes
        self.sign = 995  # when who holds the locks gave a sign of life, of 1000

    # -- the world

    def runner(self, host: str) -> Any:
        return Hosts(self, host)

    def etcdctl(self, avoid: str = "") -> tuple[str, ClientAccess]:
        return "masternode1", ClientAccess("/ca", "/crt", "/key")

    def objects(self) -> Any:
        return self.api_

    def examine(self, member_id: int, hear: Callable[[Probe], None]) -> Probe:
        self.examined += 1
        return self.seen

    def look_at_places(self, timeout: float) -> ClusterView:
        return self.shown

    # -- what commands do

    def run(self, host: str, argv: tuple[str, ...]) -> Completed:
        for word, said in self.refuses.items():
            if word in argv:
                return Completed(argv, 1, b"", said.encode())
        if "etcdtui-lock" in argv:
            return _good(argv, self._lock(host, argv))
        if argv == ("true",) or "test" in argv:
            return _good(argv)
        if argv[:2] == ("sudo", "-n") and "etcdtui-state" in argv:
            return _good(argv, "\n".join(["state", *sorted(self.lying), "end"]))
        if "mv" in argv or "etcdtui-move" in argv:
            self.ran.append(argv)
            what = "data" if argv[-2].endswith("/member") else "manifest"
            self.lying -= {what, *(("running",) if what == "manifest" else ())}
            self.lying |= {f"{what}-kept"}
            return _good(argv)
        if "member" in argv and "list" in argv:
            return _good(argv, _listing(self.members))
        if "member" in argv and "remove" in argv:
            self.ran.append(argv)
            self.set_members([m for m in self.members if m.id != int(argv[-1], 16)])
            return _good(argv, "Member a3 removed from cluster c1")
        if "member" in argv and "add" in argv:
            self.ran.append(argv)
            self.set_members([*self.members, member(3, id=NEW, name="", client_urls=(), learner=True)])
            return _good(argv)
        if "member" in argv and "promote" in argv:
            self.ran.append(argv)
            self.joined(self.comes)
            return _good(argv)
        if "hashkv" in argv or "status" in argv:
            return _good(argv, _answer(argv))
        raise AssertionError(f"nobody said what {argv} answers on {host}")

    def _lock(self, host: str, argv: tuple[str, ...]) -> str:
        """Locks as hosts keep them: one run for each host."""
        run, known = argv[5], self.locked.get(host)
        verb = {lock_scripts.TAKE: "take", lock_scripts.LIFT: "lift"}.get(argv[2], "refresh")
        word = "held" if known not in (None, run) else "gone" if known is None else "mine"
        if verb == "take" and known is None:
            self.locked[host], word = run, "taken"
        if verb == "lift" and known in (None, run):
            self.locked.pop(host, None)
            word = "gone"
        holder = self.locked.get(host)
        told = {"run": holder, "since": 990, "who": "ann@desk", "procedure": "A restore", "cluster": "prod"}
        return (
            f"etcdtui-lock 1 {word} 1000 {self.sign} {json.dumps(told)}"
            if holder
            else f"etcdtui-lock 1 {word} "
        )

    @property
    def members(self) -> tuple[Member, ...]:
        assert self.shown.members.value is not None
        return self.shown.members.value.members

    def set_members(self, members: Sequence[Member]) -> None:
        told = Reading(MemberList(0xC1, tuple(members), 0xA1), NOW - 1)
        urls = {url for m in members for url in m.client_urls}
        kept = tuple(e for e in self.shown.endpoints if e.url in urls)
        self.shown = replace(self.shown, members=told, endpoints=kept)

    def joined(self, number: int) -> None:
        """The new member votes, is well, and everything the API says fits."""
        name, address = f"masternode{number}", f"https://192.168.50.{number + 9}"
        made = member(number, id=NEW, name=name)
        rest = [m for m in self.members if m.id not in (NEW, DEAD)]
        self.set_members([*rest, made])
        new = endpoint(
            number,
            url=f"{address}:2379",
            member_id=NEW,
            status=Reading(replace(endpoint(1).status.value, member_id=NEW), NOW - 0.5),  # type: ignore[type-var]
        )
        names = [m.name for m in (*rest, made)]
        facts = api(
            nodes=tuple(NodeFacts(n, "192.168.50.1", True) for n in names),
            pods=tuple(PodFacts(f"etcd-{n}", n, 4, 4, "Running") for n in names),
            word=OperatorWord(3, 3, "3 members are available", NOW),
            conditions=(Condition("NodeInstallerProgressing", "False", "AllNodesAtLatestRevision"),),
        )
        self.shown = replace(self.shown, endpoints=(*self.shown.endpoints, new), api=facts)

    def _operate(self, verb: str, path: str) -> None:
        """The operator and the machine controller: at once."""
        if verb == "create" and path.startswith(MACHINES):
            self.joined(self.comes)
        if verb == "patch" and "forceRedeploymentReason" in self.api_.objects[ETCD]["spec"]:
            self.joined(self.comes)
        if verb == "delete" and path.startswith(MACHINES) and MACHINE_SETS in "".join(self.api_.objects):
            self.joined(self.comes)

    # -- plans

    def plan(self, member_id: int = DEAD, **more: Any) -> Procedure:
        return guide.plan(self.shown, member_id, self, procedure_id="replace-1", now=NOW, **more)


def reply(question: Any, phrases: Mapping[str, str]) -> Answer:
    """Says yes to everything, no to a backup, types what is asked, and skips the backup with a reason."""
    if Choice.NO in question.choices:
        return Answer(Choice.NO, step=question.step)
    if question.step == "backup":
        return Answer(Choice.SKIP, "the last one is good enough", question.step)
    if Choice.GO in question.choices:
        return Answer(Choice.GO, phrases.get(question.step, ""), question.step)
    return Answer(Choice.STOP, step=question.step)


PHRASES = {"remove": "masternode3", "machine old": "prod-master-2"}


class Willing(Human):
    """Does what the guide asks for."""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if isinstance(event, StepChanged) and event.choices and self.engine is not None and not self.answers:
            self.engine.answer(reply(event, PHRASES))


def willing() -> Willing:
    return Willing()


def own(**changes: Any) -> HostSeen:
    return HostSeen("masternode3", runtime=True, **changes)


def _good(argv: tuple[str, ...], out: str = "") -> Completed:
    return Completed(argv, 0, out.encode(), b"")


def _listing(members: Sequence[Member]) -> str:
    rows = [
        {"ID": m.id, "name": m.name, "peerURLs": list(m.peer_urls), "clientURLs": list(m.client_urls)}
        for m in members
    ]
    return json.dumps({"header": {"cluster_id": 0xC1, "member_id": 0xA1}, "members": rows})


def _answer(argv: tuple[str, ...]) -> str:
    url = next(w.partition("=")[2] for w in argv if w.startswith("--endpoints="))
    header = {"member_id": 161, "revision": 900}
    if "hashkv" in argv:
        return json.dumps([{"Endpoint": url, "HashKV": {"header": header, "hash": 7, "compact_revision": 5}}])
    return json.dumps([{"Endpoint": url, "Status": {"header": header, "version": "3.5.14", "leader": 161}}])
