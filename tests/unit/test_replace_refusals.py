"""What the guide will not do, each with a sentence that says what would have happened."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from etcdtui.errors import Refusal, Unreachable
from etcdtui.journal import Journal
from etcdtui.model.members import MemberList
from etcdtui.model.platform import NodeFacts, OperatorWord, PodFacts
from etcdtui.model.probe import ContainerSeen, Page, Port, Probe, Try
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.procedures.procedure import Answer, Choice, Context, Ending, Finished, StepChanged, StepState
from etcdtui.procedures.replace_decided import Decided
from etcdtui.procedures.replace_evidence import Sign, signs_of, signs_probed, weigh
from etcdtui.procedures.replace_host import state_of
from tests.procedures import FakeRunner, FakeWorld, Human, run
from tests.replacing import DEAD, WORD, FakeApi, Situation, one_down, own, tried, willing
from tests.views import NAMES, NOW, api, endpoint, gone, healthy, host, member, status


def listed(*members, at: float = NOW - 1, cluster: int = 0xC1) -> Reading[MemberList]:  # type: ignore[no-untyped-def]
    return Reading(MemberList(cluster, tuple(members), 0xA1), at)


THREE = (member(1), member(2), member(3))


# -- when it is planned


@pytest.mark.parametrize(
    ("view", "target", "words"),
    [
        (one_down(), 0xA1, "1 of 2 voters well, quorum 2"),
        (healthy(), 0xA3, "masternode3 answers after all"),
        (one_down(members=listed(member(3)), endpoints=(gone(3),)), DEAD, "last voter"),
        (one_down(endpoints=(endpoint(1), gone(2), gone(3))), DEAD, "no quorum"),
        (one_down(members=listed(*THREE, at=NOW - 9)), DEAD, "9 s old, look again"),
        (one_down(read_only=True), DEAD, "read-only"),
        (one_down(), 0xFF, "no member ff"),
    ],
    ids=["healthy", "alive", "last", "no quorum", "stale", "read-only", "unknown"],
)
def test_not_planned(view: ClusterView, target: int, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        Situation(view).plan(target)


def test_not_the_wrong_one_although_etcd_would_allow_it() -> None:
    """Four voters, one never started: etcd lets go the leader that is well."""
    newcomer = member(4, id=0xA4, name="", client_urls=())
    view = healthy(members=listed(*THREE, newcomer))
    with pytest.raises(Refusal, match=r"masternode1 is well and unstarted .* is not"):
        Situation(view).plan(0xA1)


def test_two_are_never_begun_together() -> None:
    view = replace(one_down(), endpoints=(*(endpoint(n) for n in (1, 2, 4, 5)), gone(3)))
    five = (*THREE, member(4), member(5))
    view = replace(
        view, members=listed(*five), endpoints=(*(endpoint(n) for n in (1, 2, 5)), gone(3), gone(4))
    )
    world = Situation(view)
    with pytest.raises(Refusal, match="masternode4 leaves the list right after masternode3, in the same"):
        world.plan(0xA4, marked=[DEAD, 0xA4])


def test_not_while_the_operator_counts_it_as_available() -> None:
    word = OperatorWord(3, 3, "3 members are available", NOW - 9000)
    nodes = tuple(NodeFacts(n, "", n != "masternode3") for n in NAMES)
    world = Situation(one_down(api=api(nodes=nodes, pods=(), word=word)))
    with pytest.raises(Refusal, match=r"The sources disagree about masternode3: .* but the etcd operator"):
        world.plan()


def test_not_while_only_the_certificate_is_bad() -> None:
    with pytest.raises(Refusal, match="renew that, do not replace"):
        Situation(one_down(endpoints=(endpoint(1), endpoint(2), gone(3, Fault.TLS)))).plan()


def test_not_while_somebody_else_answers_at_its_address() -> None:
    stranger = endpoint(3, member_id=None, status=Reading(status(3, cluster_id=0xDD, member_id=9), NOW - 0.5))
    with pytest.raises(Refusal, match="a member of the cluster dd, not of c1"):
        Situation(one_down(endpoints=(endpoint(1), endpoint(2), stranger))).plan()


def test_not_while_the_api_cannot_be_asked() -> None:
    world = Situation()
    world.api_.silent = 9
    with pytest.raises(Refusal, match="The API must be asked before masternode3 can be replaced"):
        world.plan()


def test_not_without_a_way_to_a_host_that_is_ready() -> None:
    off = Problem(Fault.SILENT, "masternode3: no answer on port 22.")
    third = host(3, link=Reading(0.001, NOW - 60, off, NOW - 50))
    world = Situation(one_down(crashing=True, hosts=(host(1), host(2), third)))
    with pytest.raises(Refusal, match="cannot be reached by SSH: masternode3: no answer"):
        world.plan()


# -- when it runs


def change_after(step: str, change: Callable[[], object]) -> Human:
    """The world is changed once ``step`` is done."""
    human = willing()
    human.on.append(
        (
            lambda e: isinstance(e, StepChanged) and e.step == step and e.state is StepState.DONE,
            lambda engine: change(),
        )
    )
    return human


def refused_at_removal(tmp_path: Path, change: Callable[[Situation], object]) -> Finished:
    """Everything is well until the step before the removal is done; then the world changes."""
    world = Situation()
    human = change_after("guard off", lambda: change(world))
    finished, _ = run(world.plan(), Journal(tmp_path), world=world, human=human)
    assert world.ran == [], "nothing may be removed"
    return finished


def shown(**changes: object) -> Callable[[Situation], None]:
    def change(world: Situation) -> None:
        world.shown = replace(world.shown, **changes)  # type: ignore[arg-type]

    return change


def probed(*tries: Try) -> Callable[[Situation], None]:
    def change(world: Situation) -> None:
        world.seen = Probe(tries=tries, took=0.1)
        world.shown = replace(world.shown, api=Reading(), hosts=(host(1), host(2)))

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (shown(endpoints=(endpoint(1), endpoint(2), endpoint(3))), "but its etcd is healthy and answers"),
        (shown(endpoints=(endpoint(1), gone(2), gone(3))), "no quorum"),
        (shown(members=listed(*THREE, at=NOW - 8)), "The member list is 8 s old"),
        (shown(members=listed(*THREE, cluster=0xDD)), "another cluster"),
        (shown(members=listed(*THREE, member(4))), "has changed since the plan was made: masternode4 is new"),
        (
            shown(members=listed(member(1), member(2), member(3, name="masternode9"))),
            "is called masternode9 now",
        ),
        (
            shown(members=listed(member(1), member(2), member(3, peer_urls=("https://10.0.0.9:2380",)))),
            "has other addresses than when it was chosen",
        ),
        (
            shown(members=listed(member(1), member(2), member(3, id=DEAD, name="old"), member(3, id=0xC9))),
            "belongs to the member masternode3 .c9. now",
        ),
        (shown(read_only=True), "read-only"),
        (
            shown(api=api(word=OperatorWord(3, 3, "3 members are available", NOW))),
            "The sources disagree about masternode3",
        ),
        (probed(tried("masternode1")), "not proven, only one source says so"),
        (probed(Try("masternode2", Port.CLIENT, "10.0.0.3:2379", True, health=Page(200))), "disagree"),
    ],
    ids=[
        "it answers after all",
        "quorum lost",
        "stale",
        "other cluster",
        "list changed",
        "name moved",
        "address moved",
        "address used again",
        "read-only",
        "operator disagrees",
        "one source",
        "healthy from another host",
    ],
)
def test_not_removed(tmp_path: Path, change: Callable[[Situation], object], words: str) -> None:
    finished = refused_at_removal(tmp_path, change)
    assert finished.ending is Ending.STOPPED
    assert finished.sentence.startswith("Stopped before “Remove masternode3 from the member list”")
    assert re.search(words, finished.sentence), finished.sentence
    assert re.search(r"would|could cost|could hit", finished.sentence), "it says what would have happened"


def test_not_while_somebody_else_is_at_work(tmp_path: Path) -> None:
    world = Situation()
    world.locked = {"masternode1": "restore-7"}
    finished, _ = run(world.plan(), Journal(tmp_path), world=world, human=willing())
    assert finished.ending is not Ending.DONE and world.ran == [] and not world.api_.wrote
    assert "ann@desk is at work on prod: “A restore”" in finished.sentence
    assert "Two at once could cost the quorum" in finished.sentence
    assert world.locked == {"masternode1": "restore-7"}


def test_not_by_another_name(tmp_path: Path) -> None:
    world = Situation()
    human = willing()
    asked: list[str] = []

    def typed(event: object) -> bool:
        return isinstance(event, StepChanged) and event.step == "remove" and bool(event.choices)

    def answer(engine) -> None:  # type: ignore[no-untyped-def]
        question = human.questions[-1]
        asked.append(question.sentence)
        human.answers = [
            Answer(Choice.GO, "masternode2", "remove") if len(asked) == 1 else Answer(Choice.STOP)
        ]

    human.on.append((typed, answer))
    finished, _ = run(world.plan(), Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.STOPPED and world.ran == []
    assert asked[1].startswith("“masternode2” is not “masternode3”; it has not been run.")


def test_the_host_that_runs_the_removal_fell_silent(tmp_path: Path) -> None:
    world = Situation()
    plain = world.runner

    class Silent:
        host = "masternode1"

        def run(self, argv, *, timeout, stdin=b""):  # type: ignore[no-untyped-def]
            raise Unreachable("masternode1: the connection was reset.")

    human = change_after(
        "guard off",
        lambda: setattr(world, "runner", lambda name: Silent() if name == "masternode1" else plain(name)),
    )
    finished, _ = run(world.plan(), Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.STOPPED and world.ran == []
    assert "masternode1, on which this runs, does not answer" in finished.sentence


def test_nothing_is_moved_on_another_machine(tmp_path: Path) -> None:
    """What answers at the address of masternode3 calls itself otherwise."""
    facts = host(3).facts.value
    assert facts is not None
    other = host(3, node="", name="masternode3", facts=Reading(replace(facts, hostname="worker7"), NOW - 3))
    hosts = (host(1), host(2), other)
    with pytest.raises(Refusal, match="at its address calls itself worker7: it may be another machine"):
        Situation(one_down(crashing=True, hosts=hosts)).plan()
    world = Situation(one_down(crashing=True))
    human = change_after("right one", lambda: shown(hosts=hosts)(world))
    finished, _ = run(world.plan(), Journal(tmp_path), world=world, human=human)
    assert world.ran == [] and "calls itself worker7" in finished.sentence


def test_a_machine_whose_address_another_has_is_gone() -> None:
    facts = host(3).facts.value
    assert facts is not None
    other = host(3, node="", facts=Reading(replace(facts, hostname="worker7"), NOW - 3))
    made = Situation(one_down(hosts=(host(1), host(2), other))).plan()
    assert "stop" not in [step.key for step in made.steps] and "node is not ready" in made.reasons[0]


def test_data_stays_while_a_container_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = Situation(one_down(crashing=True))
    human = change_after("stop", lambda: world.lying.add("running"))
    finished, _ = run(world.plan(), Journal(tmp_path), world=world, human=human)
    assert [argv[-2] for argv in world.ran] == ["/etc/kubernetes/manifests/etcd-pod.yaml"]
    assert "container on masternode3 still runs" in finished.sentence


# -- signs


def test_ssh_silence_counts_only_where_others_answer() -> None:
    off = Problem(Fault.SILENT, "no answer")
    dark = tuple(host(n, link=Reading(0.001, NOW - 60, off, NOW - 50)) for n in (1, 2, 3))
    sources = {s.source for s in signs_of(one_down(hosts=dark), member(3))}
    assert "SSH" not in sources and "SSH" in {s.source for s in signs_of(one_down(), member(3))}


def test_a_login_that_fails_says_nothing_about_the_member() -> None:
    locked = Problem(Fault.LOGIN, "permission denied")
    view = one_down(hosts=(host(1), host(2), host(3, link=Reading(0.001, NOW - 60, locked, NOW - 50))))
    assert "SSH" not in {s.source for s in signs_of(view, member(3))}


def test_two_looks_from_one_host_are_one_source() -> None:
    seen = (*signs_of(one_down(api=Reading(), hosts=(host(1),)), member(3)),)
    probe = signs_probed(Probe(tries=(tried("masternode1"),)), "masternode3")
    assert not weigh("masternode3", [*seen, *probe]).allowed
    more = signs_probed(Probe(tries=(tried("masternode1"), tried("masternode2"))), "masternode3")
    assert weigh("masternode3", [*seen, *more]).allowed


def test_that_it_does_not_reach_itself_is_no_second_source() -> None:
    assert signs_probed(Probe(tries=(tried("masternode3"),)), "masternode3") == ()


def test_its_container() -> None:
    ended = own(containers=(ContainerSeen("a1", "exited", exit_code=2),))
    assert "exit code 2" in signs_probed(Probe(own=ended), "masternode3")[0].sentence
    running = own(containers=(ContainerSeen("a1", "running"),))
    assert signs_probed(Probe(own=running), "masternode3") == ()
    assert "no etcd container" in signs_probed(Probe(own=own()), "masternode3")[0].sentence


def test_a_pod_on_a_dead_node_proves_nothing() -> None:
    nodes = tuple(NodeFacts(n, "", n != "masternode3", "unreachable") for n in NAMES)
    pods = tuple(PodFacts(f"etcd-{n}", n, 4, 4, "Running") for n in NAMES)
    found = signs_of(one_down(api=api(nodes=nodes, pods=pods, word=WORD)), member(3))
    assert all(sign.dead for sign in found) and "the kubelet" not in {s.source for s in found}


@pytest.mark.parametrize("name", ["masternode", "masternode33", "other-masternode3"])
def test_the_operator_names_it_by_its_whole_name(name: str) -> None:
    word = OperatorWord(2, 3, f"2 of 3 members are available, {name} is unhealthy", NOW)
    found = [s for s in signs_of(one_down(api=api(word=word)), member(3)) if s.source == "the etcd operator"]
    assert [sign.dead for sign in found] == [False]


def test_nothing_at_all_is_no_proof() -> None:
    verdict = weigh("m3", ())
    assert not verdict.allowed and "no source says so" in verdict.reason
    assert not weigh("m3", [Sign("a", True, "one"), Sign("a", True, "two")]).allowed


def test_without_an_api_the_hosts_are_the_sources(tmp_path: Path) -> None:
    world = Situation(one_down(api=Reading()), FakeApi())
    human = willing()
    human.on.append(
        (lambda e: isinstance(e, StepChanged) and e.step == "host", lambda engine: engine.leave())
    )
    run(world.plan(), Journal(tmp_path), world=world, human=human)
    told = next(e.sentence for e in human.events if isinstance(e, StepChanged) and "dead by" in e.sentence)
    assert "from masternode2 nobody answers" in told and [argv[-1] for argv in world.ran] == ["a3"]


@pytest.mark.parametrize(("said", "status"), [("state\nmanifest-kept\n", 0), ("state\nend\n", 1)])
def test_a_look_at_the_host_that_is_cut_off_says_nothing(said: str, status: int) -> None:
    world = Situation(one_down(crashing=True))
    runner = FakeRunner("masternode3")
    runner.on("etcdtui-state", out=said, status=status)
    decided = Decided.of(world.plan().parameters)
    assert state_of(decided, cast(Context, FakeWorld(world.shown, runner))) is None
