"""Certificate requests within the guide: those of the new host are approved after a look, others never."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from etcdtui.journal import Journal
from etcdtui.platforms.csrs import BOOTSTRAPPER, CLIENT, V1
from etcdtui.platforms.objects import NODES
from etcdtui.procedures.procedure import Answer, Choice, Ending, StepChanged
from tests.procedures import Human, run
from tests.replacing import FakeApi, Situation, willing


def asked(api: FakeApi, name: str, node: str, requestor: str = BOOTSTRAPPER) -> None:
    """A kubelet that wants to be ``node`` asks for its first certificate."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
        ]
    )
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    api.objects[f"{V1}/{name}"] = {
        "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": "7"},
        "spec": {
            "request": base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": CLIENT,
            "usages": ["digital signature", "client auth"],
            "username": requestor,
            "groups": ["system:serviceaccounts", "system:authenticated"],
        },
        "status": {},
    }


class Metal(Situation):
    """A host that a human rebuilds: its node is there once its request was approved."""

    def __init__(self) -> None:
        super().__init__(objects=FakeApi.openshift(machines=False))

    def rebuilt(self) -> None:
        asked(self.api_, "csr-ours", "masternode3")
        asked(self.api_, "csr-stranger", "intruder")

    def lets_in(self, number: int) -> None:
        """Whose request is approved becomes a node, and a member."""
        plain: Any = self.api_.put

        def put(path: str, body: Any) -> dict[str, Any]:
            told: dict[str, Any] = plain(path, body)
            self.joined(number)
            return told

        self.api_.put = put  # type: ignore[method-assign]

    def approved(self) -> list[str]:
        return [
            path.rpartition("/")[2]
            for path, made in self.api_.objects.items()
            if path.startswith(V1) and (made.get("status") or {}).get("conditions")
        ]


def guided(world: Metal, *first: Answer) -> Human:
    human = willing()
    human.answers = list(first)
    human.on.append(
        (lambda e: isinstance(e, StepChanged) and e.step == "host", lambda engine: world.rebuilt())
    )
    return human


def test_the_new_host_is_let_in_and_the_stranger_is_not(tmp_path: Path) -> None:
    world = Metal()
    world.lets_in(3)
    human = guided(world)
    finished, _ = run(world.plan(), Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.DONE, finished.sentence
    assert world.approved() == ["csr-ours"]
    question = next(q for q in human.questions if q.step == "csr client")
    assert "csr-ours" in question.sentence and "masternode3" in question.sentence
    assert "intruder" not in question.sentence
    assert world.api_.objects[f"{V1}/csr-ours"]["metadata"]["resourceVersion"] == "7"
    assert not [q for q in human.questions if q.step == "old node"]


def test_nothing_is_approved_without_a_yes(tmp_path: Path) -> None:
    world = Metal()
    human = guided(world)
    human.on.append(
        (
            lambda e: isinstance(e, StepChanged) and e.step == "csr client" and Choice.GO in e.choices,
            lambda engine: setattr(human, "answers", [Answer(Choice.STOP)]),
        )
    )
    finished, _ = run(world.plan(), Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.STOPPED and world.approved() == []


def test_a_host_that_was_built_under_another_name_is_let_in_after_a_look(tmp_path: Path) -> None:
    world = Metal()
    world.lets_in(4)
    world.rebuilt = lambda: asked(world.api_, "csr-other", "masternode4")  # type: ignore[method-assign]
    world.api_.objects[f"{NODES}/masternode3"] = {
        "metadata": {
            "name": "masternode3",
            "uid": "uid-3",
            "labels": {"node-role.kubernetes.io/control-plane": ""},
        },
        "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]},
    }
    human = guided(world)
    finished, _ = run(world.plan(), Journal(tmp_path), world=world, human=human)
    assert finished.ending is Ending.DONE, finished.sentence
    assert world.approved() == ["csr-other"]
    question = next(q for q in human.questions if q.step == "csr client")
    assert "csr-other" in question.sentence and "masternode4" in question.sentence
    assert "It is not called masternode3. Is it the host that was built in its place?" in question.sentence
    assert f"{NODES}/masternode3" not in world.api_.objects, "rollouts would wait for it"
    assert "Delete its node" in next(q for q in human.questions if q.step == "old node").sentence
