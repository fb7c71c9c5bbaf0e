"""Certificate requests after a restore: those of known nodes are approved after a look, strangers' never."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etcdtui.errors import NotFound
from etcdtui.journal import Journal
from etcdtui.platforms.csrs import V1, V1BETA1
from etcdtui.platforms.objects import NODES
from etcdtui.procedures.procedure import Answer, Choice, Ending, Step, StepChanged
from etcdtui.procedures.restore_nodes import approving, node_steps
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
