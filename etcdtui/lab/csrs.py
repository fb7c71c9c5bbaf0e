"""Certificate signing requests of kubelets, as they lie in the API until somebody approves them."""

from __future__ import annotations

import base64
import ipaddress
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from etcdtui.lab import places
from etcdtui.lab.documents import Document
from etcdtui.lab.store import CSRS, Store

CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING = "kubernetes.io/kubelet-serving"
_BOOTSTRAPPER = "system:serviceaccount:openshift-machine-config-operator:node-bootstrapper"


def ask(store: Store, node: str, signer: str) -> str:
    """A kubelet asks for a certificate: its first one (client), or its own for serving. The CSR's name."""
    serving = signer == SERVING
    name = "csr-" + "".join(secrets.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5))
    group = "system:nodes" if serving else "system:serviceaccounts"
    document: Document = {
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(_request(node, serving)).decode(),
            "signerName": signer,
            "usages": ["digital signature", "server auth" if serving else "client auth"],
            "username": f"system:node:{node}" if serving else _BOOTSTRAPPER,
            "groups": [group, "system:authenticated"],
        },
        "status": {},
    }
    if not serving:
        document["metadata"]["generateName"] = "csr-"
    store.create(CSRS, document)
    return name


def verdict(store: Store, name: str) -> str:
    """Approved, Denied, Pending; or Gone."""
    found = store.find(CSRS, name)
    if found is None:
        return "Gone"
    said = {item["type"] for item in found.get("status", {}).get("conditions", [])}
    return "Denied" if "Denied" in said else "Approved" if "Approved" in said else "Pending"


def issue(store: Store, name: str, certificate: bytes) -> None:
    """Put the certificate into an approved request."""

    def signed(document: Document) -> Document:
        status = {**document.get("status", {}), "certificate": base64.b64encode(certificate).decode()}
        return {**document, "status": status}

    store.change(CSRS, name, signed)


def _request(node: str, serving: bool) -> bytes:
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
    ]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if serving:
        address = x509.IPAddress(ipaddress.ip_address(places.LOOPBACK))
        names = x509.SubjectAlternativeName([x509.DNSName(node), address])
        request = request.add_extension(names, critical=False)
    key = ec.generate_private_key(ec.SECP256R1())
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
