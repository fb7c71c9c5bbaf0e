"""Certificate requests after a restore: those of known nodes are approved after a look, strangers' never."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etcdtui.errors import NotFound, Refusal
from etcdtui.journal import Journal
from etcdtui.platforms.csrs import V1, V1BETA1
from etcdtui.platforms.objects import NODES
from etcdtui.procedures import approving as approving_module
from etcdtui.procedures import node_requests, restore_nodes
from etcdtui.procedures.engine import Engine
from etcdtui.procedures.node_requests import approving
from etcdtui.procedures.procedure import Answer, Choice, Ending, Output, Step, StepChanged, StepState
from etcdtui.procedures.restore_nodes import node_steps
from etcdtui.ui.procedure_text import gate
from etcdtui.ui.runs import Run
from tests.procedures import FakeWorld, Human, procedure, run
from tests.replacing import FakeApi
from tests.unit.test_replace_csrs import asked
from tests.unit.test_restore_back import decided
from tests.views import NAMES, healthy


def node(name: str, *, ready: bool = True) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"node-role.kubernetes.io/master": ""}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "192.168.50.10"}],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


@pytest.fixture
def world() -> FakeWorld:
    made = FakeWorld(healthy())
    fake = FakeApi({f"{NODES}/{name}": node(name, ready=name != "masternode3") for name in NAMES})
    made.objects = lambda: fake  # type: ignore[method-assign, assignment, return-value]
    return made


def fake(world: FakeWorld) -> FakeApi:
    return world.objects()  # type: ignore[return-value]


def approved(world: FakeWorld) -> list[str]:
    return [
        path.rpartition("/")[2]
        for path, made in fake(world).objects.items()
        if path.startswith(V1) and (made.get("status") or {}).get("conditions")
    ]


def requests() -> Step:
    return approving().step("approve", "Let the nodes in", "Because.")


def quick() -> tuple[Step, ...]:
    return tuple(replace(s, patience=0.2) for s in node_steps(decided()))


def test_a_known_node_is_let_in_after_a_yes_and_the_stranger_is_named_and_left_alone(
    world: FakeWorld, tmp_path: Path
) -> None:
    api = fake(world)
    asked(api, "csr-ours", "masternode3")
    asked(api, "csr-worker-of-later", "worker-9")

    def joined(verb: str, path: str) -> None:
        api.objects[f"{NODES}/masternode3"] = node("masternode3")

    api.on_write = joined
    human = Human(Answer(Choice.GO), Answer(Choice.GO))
    finished, _ = run(procedure(*quick()), Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.DONE, (finished.sentence, human.questions)
    assert approved(world) == ["csr-ours"]
    question = next(q for q in human.questions if q.step == "approve client")
    assert "csr-ours" in question.sentence and "Are these your nodes" in question.sentence
    said = [e.sentence for e in human.events if isinstance(e, StepChanged)]
    assert any("the node worker-9 is not awaited" in sentence for sentence in said)


def test_only_what_was_shown_is_approved_and_who_comes_meanwhile_is_asked_about(
    world: FakeWorld, tmp_path: Path
) -> None:
    api = fake(world)
    asked(api, "csr-first", "masternode1")

    def meanwhile() -> None:
        asked(api, "csr-unseen", "masternode2")
        assert human.engine is not None
        human.engine.answer(Answer(Choice.GO))

    human = Human(meanwhile, Answer(Choice.STOP))
    finished, _ = run(procedure(requests()), Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.STOPPED and approved(world) == ["csr-first"]
    first, second = human.questions
    assert "csr-first" in first.sentence and "csr-unseen" not in first.sentence
    assert "csr-unseen" in second.sentence and "csr-first" not in second.sentence


def test_another_request_of_the_same_name_is_not_the_one_that_was_shown(
    world: FakeWorld, tmp_path: Path
) -> None:
    api = fake(world)
    asked(api, "csr-ours", "masternode3")

    def exchanged() -> None:
        api.objects[f"{V1}/csr-ours"]["metadata"]["uid"] = "another"
        assert human.engine is not None
        human.engine.answer(Answer(Choice.GO))

    human = Human(exchanged, Answer(Choice.STOP))
    run(procedure(requests()), Journal(tmp_path), world=world, human=human)
    assert approved(world) == []


def test_many_are_shown_in_rounds_each_to_be_seen_with_its_question(world: FakeWorld, tmp_path: Path) -> None:
    api = fake(world)
    names = [f"ip-10-0-140-{n}.eu-central-1.compute.internal" for n in range(4)]
    for n, name in enumerate((*names, *NAMES)):
        api.objects[f"{NODES}/{name}"] = node(name)
        asked(api, f"csr-{n}{n}{n}", name)
    human = Human(*[Answer(Choice.GO)] * 9)
    step = requests()
    finished, _ = run(procedure(step), Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.DONE and len(approved(world)) == 7
    asks = [q.sentence for q in human.questions]
    assert 2 < len(asks) < 7
    for said in asks:
        made = Run(procedure(step), lambda: 0.0)
        made.began = 0.0
        made.apply(StepChanged(step.key, StepState.WAITING, said, (Choice.GO, Choice.STOP)))
        lines = ["".join(words for words, _ in line) for line in gate(made, 78)]
        assert len(lines) <= 3 and "Approve? enter goes on." in " ".join(" ".join(lines).split())


def test_a_list_that_cannot_be_read_is_looked_at_again_and_nothing_is_approved_unseen(
    world: FakeWorld, tmp_path: Path
) -> None:
    api = fake(world)
    asked(api, "csr-ours", "masternode3")
    api.silent = 2  # the look whether anything waits, and the one for the question
    human = Human(Answer(Choice.GO), Answer(Choice.STOP))
    run(procedure(requests()), Journal(tmp_path), world=world, human=human)
    unread, shown = human.questions
    assert "cannot be reached" in unread.sentence and "Look again?" in unread.sentence
    assert "csr-ours" in shown.sentence and approved(world) == []


def test_a_kubelet_that_asks_late_is_asked_about_while_the_nodes_are_waited_for(
    world: FakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approving_module, "PAUSE", 0.01)
    api = fake(world)
    asked(api, "csr-early", "masternode1")
    api.on_write = lambda verb, path: joined_late()

    def joined_late() -> None:
        if "csr-late" in approved(world):
            api.objects[f"{NODES}/masternode3"] = node("masternode3")

    def late(engine: Engine) -> None:
        asked(api, "csr-late", "masternode3")

    human = Human(Answer(Choice.GO), Answer(Choice.GO))
    human.on.append((lambda e: isinstance(e, Output) and e.step == "nodes" and "Not Ready" in e.text, late))
    finished, _ = run(procedure(*quick()), Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.DONE, (finished.sentence, human.questions)
    assert approved(world) == ["csr-early", "csr-late"]
    assert [q.step for q in human.questions] == ["approve client", "nodes"]


def test_a_node_that_never_comes_is_told_with_the_way_out(
    world: FakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approving_module, "PAUSE", 0.01)
    monkeypatch.setattr(restore_nodes, "READY_WITHIN", 0.1)
    human = Human(Answer(Choice.STOP))
    nodes = procedure(*[s for s in node_steps(decided()) if s.key == "nodes"])
    finished, _ = run(nodes, Journal(tmp_path), world=world, human=human)
    said = human.questions[0].sentence
    assert finished.ending is Ending.FAILED and "Not Ready: masternode3" in said
    assert "oc adm certificate approve" in said and Choice.RETRY in human.questions[0].choices


def test_without_a_yes_nobody_is_let_in(world: FakeWorld, tmp_path: Path) -> None:
    asked(fake(world), "csr-ours", "masternode3")
    human = Human(Answer(Choice.STOP))
    finished, _ = run(procedure(*quick()), Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.CANCELLED and approved(world) == []


def test_it_waits_until_a_node_is_ready_or_asks_and_says_what_else_would_do(
    world: FakeWorld, tmp_path: Path
) -> None:
    asked(fake(world), "csr-stranger", "intruder")
    human = Human(Answer(Choice.STOP))
    finished, _ = run(procedure(*quick()), Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.FAILED and approved(world) == []
    said = human.questions[0].sentence
    assert "Not Ready: masternode3" in said and "csr-stranger" in said
    assert "Usually it takes up to 5 min" in said and "/var/lib/kubelet/pki" in said


def test_where_all_are_ready_and_nobody_asks_nothing_is_asked(world: FakeWorld, tmp_path: Path) -> None:
    fake(world).objects[f"{NODES}/masternode3"] = node("masternode3")
    finished, human = run(procedure(*quick()), Journal(tmp_path), world=world)
    assert finished.ending is Ending.DONE
    assert not [q for q in human.questions if Choice.GO in q.choices]


def test_an_old_kubernetes_has_its_requests_elsewhere() -> None:
    class Old(FakeApi):
        def get_list(self, path: str) -> list[dict[str, Any]]:
            if path == V1:
                raise NotFound("The API has no such path.")
            return super().get_list(path)

    api = Old()
    assert approving().path(api) == V1BETA1


def test_without_a_kubeconfig_it_is_left_to_the_human_in_full() -> None:
    (step,) = node_steps(replace(decided(), api=False))
    assert "oc adm certificate approve NAME" in step.why


def test_by_themselves_requests_of_known_nodes_are_approved_and_strangers_are_left(
    world: FakeWorld, tmp_path: Path
) -> None:
    api = fake(world)
    asked(api, "csr-ours", "masternode3")
    asked(api, "csr-stranger", "worker-9")
    made = node_requests.plan(world.view(), world, procedure_id="requests-1")
    assert "csr-ours" in made.reasons[0] and "csr-stranger is not approved here" in made.reasons[1]
    human = Human(Answer(Choice.GO))
    finished, _ = run(made, Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.DONE and "csr-ours" in finished.sentence
    assert approved(world) == ["csr-ours"]
    again = node_requests.rebuild("requests", made.id, made.cluster, made.parameters)
    assert [s.key for s in again.steps] == [s.key for s in made.steps]


def test_nothing_to_approve_and_nobody_to_approve_it(world: FakeWorld) -> None:
    asked(fake(world), "csr-stranger", "worker-9")
    with pytest.raises(Refusal, match=r"No certificate request of a known node waits. Left to you: csr-str"):
        node_requests.plan(world.view(), world, procedure_id="requests-1")
    with pytest.raises(Refusal, match="opened read-only: no certificate request is approved"):
        node_requests.plan(healthy(read_only=True), world, procedure_id="requests-1")
    deaf = FakeWorld(healthy())
    with pytest.raises(Refusal, match="The certificate requests cannot be read: No API is configured"):
        node_requests.plan(deaf.view(), deaf, procedure_id="requests-1")
