"""Requests for certificates: who asks, for what, and whom to refuse."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from etcdtui.platforms import csrs
from etcdtui.platforms.csrs import BOOTSTRAPPER, CLIENT, SERVING, State

KEY = ec.generate_private_key(ec.SECP256R1())
NODE = "masternode4"
AWAITED = {NODE: ("10.0.0.4",), "masternode5": ()}


def pkcs10(subject: str = f"system:node:{NODE}", group: str = "system:nodes", *names: str) -> str:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)]
    attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, subject))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    if names:
        known: list[x509.GeneralName] = []
        for name in names:
            try:
                known.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                known.append(x509.DNSName(name))
        builder = builder.add_extension(x509.SubjectAlternativeName(known), critical=False)
    made = builder.sign(KEY, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def client(**spec: Any) -> dict[str, Any]:
    asked = {
        "signerName": CLIENT,
        "username": BOOTSTRAPPER,
        "groups": ["system:serviceaccounts", "system:authenticated"],
        "usages": ["digital signature", "client auth"],
        "request": pkcs10(),
    }
    meta = {"name": "csr-a", "creationTimestamp": "2026-11-24T10:00:00Z", "resourceVersion": "5"}
    return {"metadata": meta, "spec": asked | spec, "status": {}}


def serving(*names: str, **spec: Any) -> dict[str, Any]:
    asked = {
        "signerName": SERVING,
        "username": f"system:node:{NODE}",
        "groups": ["system:nodes", "system:authenticated"],
        "usages": ["digital signature", "server auth"],
        "request": pkcs10(f"system:node:{NODE}", "system:nodes", *(names or (NODE, "10.0.0.4"))),
    }
    return {"metadata": {"name": "csr-b"}, "spec": asked | spec, "status": {}}


def read(document: dict[str, Any]) -> csrs.Request:
    found = csrs.parse(document)
    assert found is not None
    return found


def test_the_first_certificate_of_a_new_node() -> None:
    request = read(client(expirationSeconds=86400))
    assert (request.node, request.names, request.lifetime) == (NODE, (), 86400)
    verdict = csrs.may_approve(request, AWAITED)
    assert verdict.allowed
    assert "first or next client certificate of masternode4" in verdict.reason
    assert "its bootstrapper" in verdict.reason
    sentence = request.sentence(request.created + 300 if request.created else 0)
    assert "node-bootstrapper asks for the certificate with which a kubelet is the node" in sentence
    assert "for masternode4, valid" in sentence and sentence.endswith("ago. It is pending.")


def test_a_node_that_renews_its_own() -> None:
    own = client(username=f"system:node:{NODE}", groups=["system:nodes"])
    assert csrs.may_approve(read(own), AWAITED).allowed


def test_a_serving_certificate() -> None:
    request = read(serving())
    assert request.names == (NODE, "10.0.0.4")
    assert csrs.may_approve(request, AWAITED).allowed
    assert "in the names of masternode4 and 10.0.0.4" in request.sentence(0)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (client(signerName="kubernetes.io/kube-apiserver-client"), "which is not one of a kubelet's"),
        (client(signerName=""), "its signer is none"),
        (client(username="jane"), "jane asks for it, who has no business with masternode4"),
        (client(username="system:node:masternode1"), "no business with masternode4"),
        (client(username=f"system:node:{NODE}"), "not in the group system:nodes"),
        (client(request=pkcs10("system:node:stranger")), "stranger is not awaited; awaited: masternode4 and"),
        (client(request=pkcs10("system:admin")), "“system:admin”, which is no node"),
        (client(request=pkcs10(group="system:masters")), "other groups than system:nodes: system:masters"),
        (client(request=pkcs10(f"system:node:{NODE}", "system:nodes", "api.prod")), "no names of hosts"),
        (client(usages=["client auth", "server auth"]), "not for client auth alone"),
        (client(usages=[]), "used for none"),
        (client(request="!"), "cannot be read"),
        (client(request=base64.b64encode(b"nothing").decode()), "cannot be read"),
        (client(request=None), "cannot be read"),
        (serving(username=BOOTSTRAPPER), "no business with masternode4"),
        (serving(NODE, "10.0.0.9"), "asks for 10.0.0.9, not known to be masternode4's"),
        (serving(NODE, "api.prod"), "asks for api.prod"),
        (serving(request=pkcs10()), "names neither masternode4 nor an address"),
        (serving(usages=["server auth", "client auth"]), "not for server auth alone"),
    ],
)
def test_what_is_not_approved(document: dict[str, Any], says: str) -> None:
    verdict = csrs.may_approve(read(document), AWAITED)
    assert not verdict.allowed
    assert says in verdict.reason
    assert verdict.reason.startswith("csr-")


def test_a_signature_of_another_key() -> None:
    lines = base64.b64decode(pkcs10()).split(b"\n")
    der = bytearray(base64.b64decode(b"".join(line for line in lines if not line.startswith(b"-----"))))
    der[-1] ^= 1
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.b64encode(der)
    pem += b"\n-----END CERTIFICATE REQUEST-----\n"
    request = read(client(request=base64.b64encode(pem).decode()))
    assert "cannot be read" in csrs.may_approve(request, AWAITED).reason


def test_addresses_that_nobody_knows() -> None:
    request = replace(read(serving()), subject="system:node:masternode5", requestor="system:node:masternode5")
    assert not csrs.may_approve(request, AWAITED).allowed
    assert csrs.may_approve(replace(request, names=("masternode5",)), AWAITED).allowed


def test_nobody_is_awaited() -> None:
    assert "awaited: none" in csrs.may_approve(read(client()), {}).reason


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({}, State.PENDING),
        ({"conditions": [{"type": "Approved"}]}, State.APPROVED),
        ({"conditions": [{"type": "Approved"}], "certificate": "x"}, State.ISSUED),
        ({"conditions": [{"type": "Approved"}, {"type": "Failed"}]}, State.FAILED),
        ({"conditions": [{"type": "Denied"}]}, State.DENIED),
        ({"conditions": None}, State.PENDING),
    ],
)
def test_states(status: dict[str, Any], state: State) -> None:
    request = read(client() | {"status": status})
    assert request.state is state
    assert csrs.may_approve(request, AWAITED).allowed is (state is State.PENDING)


def test_an_approval_is_the_whole_object_and_leaves_the_old_one_alone() -> None:
    document = client()
    body = csrs.approval(document, 1764000000.0, "jane@laptop")
    assert document["status"] == {}
    assert body["metadata"] == document["metadata"] and body["spec"] == document["spec"]
    assert body["status"]["conditions"] == [
        {
            "type": "Approved",
            "status": "True",
            "reason": "EtcdtuiApprove",
            "message": "Looked at and approved by jane@laptop with etcdtui.",
            "lastUpdateTime": "2025-11-24T16:00:00Z",
        }
    ]
    assert csrs.approval_path(csrs.V1, "csr-a").endswith("/v1/certificatesigningrequests/csr-a/approval")


def test_the_client_request_comes_before_the_serving_one() -> None:
    found = csrs.parse_all([serving(), client(), {}, None, {"metadata": {"name": "odd"}, "spec": 7}])
    assert [r.name for r in found][-1] == "csr-a"  # the only one with a time
    assert found[-1].signer == CLIENT
    same = client()
    del same["metadata"]["creationTimestamp"]
    assert [r.name for r in csrs.parse_all([serving(), same])] == ["csr-a", "csr-b"]
