"""Certificate signing requests of kubelets: what each asks for, and whether it may be approved. Pure.

Who approves one lets a machine into the cluster, so everything must fit: signer, requestor, name, usages,
addresses. What does not is named and left to a human at ``oc``.
"""

from __future__ import annotations

import base64
import binascii
import copy
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from etcdtui.model.quorum import Verdict
from etcdtui.platforms.objects import moment
from etcdtui.text import age, clean, listed

V1 = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
V1BETA1 = "/apis/certificates.k8s.io/v1beta1/certificatesigningrequests"
"""Kubernetes before 1.19 (OpenShift before 4.6) knows only this one."""

CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING = "kubernetes.io/kubelet-serving"
BOOTSTRAPPER = "system:serviceaccount:openshift-machine-config-operator:node-bootstrapper"

_NODE, _NODES = "system:node:", "system:nodes"
_USAGES = {CLIENT: "client auth", SERVING: "server auth"}
_HARMLESS = frozenset({"digital signature", "key encipherment"})
_WANTS = {
    CLIENT: "the certificate with which a kubelet is the node",
    SERVING: "the certificate with which a kubelet answers the API",
}


class State(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    ISSUED = "approved and issued"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``subject`` and ``names`` are of the certificate that is asked for; ``lifetime`` is in
    seconds, None for the signer's own; ``unreadable`` says why they could not be read."""

    name: str
    signer: str
    requestor: str
    groups: tuple[str, ...] = ()
    usages: tuple[str, ...] = ()
    subject: str = ""  # the common name
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # DNS names and addresses
    state: State = State.PENDING
    created: float | None = None  # epoch seconds
    lifetime: int | None = None
    unreadable: str = ""
    uid: str = ""  # another object of the same name has another one

    @property
    def node(self) -> str:
        """The node it is for, as it says itself; empty when it does not."""
        return self.subject.removeprefix(_NODE) if self.subject.startswith(_NODE) else ""

    @property
    def brief(self) -> str:
        """Who asks for what, in a few words, of one that may be approved."""
        which = "client" if self.signer == CLIENT else "serving"
        who = "its bootstrapper" if self.requestor == BOOTSTRAPPER else "itself"
        return f"{clean(self.name)}: {which} certificate of {clean(self.node)}, asked by {who}"

    def sentence(self, now: float) -> str:
        """Who asks for what."""
        wants = _WANTS.get(self.signer, f"a certificate of {clean(self.signer) or 'no signer'}")
        whom = (
            f" for {clean(self.node)}"
            if self.node
            else f" for “{clean(self.subject)}”"
            if self.subject
            else ""
        )
        valid = f", valid {age(self.lifetime)}" if self.lifetime else ""
        old = f", {age(now - self.created)} ago" if self.created is not None else ""
        shown = f", in the names of {listed([clean(n) for n in self.names])}" if self.names else ""
        asks = f"{clean(self.name)}: {clean(self.requestor)} asks for {wants}{whom}"
        return f"{asks}{shown}{valid}{old}. It is {self.state}."


def parse(document: Mapping[str, Any]) -> Request | None:
    """None for what is no request."""
    meta, spec, status = (_dict(document.get(key)) for key in ("metadata", "spec", "status"))
    name = _text(meta.get("name"))
    if not name:
        return None
    asked = _Asked()
    unreadable = ""
    try:
        asked = _read(_text(spec.get("request")))
    except ValueError as exc:
        unreadable = clean(str(exc), 120)
    lifetime = spec.get("expirationSeconds")
    return Request(
        name=name,
        signer=_text(spec.get("signerName")),
        requestor=_text(spec.get("username")),
        groups=_texts(spec.get("groups")),
        usages=_texts(spec.get("usages")),
        subject=asked.subject,
        organizations=asked.organizations,
        names=asked.names,
        state=_state(status),
        created=moment(meta.get("creationTimestamp")),
        lifetime=lifetime if isinstance(lifetime, int) and not isinstance(lifetime, bool) else None,
        unreadable=unreadable,
        uid=_text(meta.get("uid")),
    )


def parse_all(items: Iterable[Any]) -> tuple[Request, ...]:
    """The requests of a list, oldest first: a serving one comes after the client one of the same node."""
    found = [r for item in items if isinstance(item, dict) and (r := parse(item))]
    return tuple(sorted(found, key=lambda r: (r.created or 0.0, r.signer != CLIENT, r.name)))


def may_approve(request: Request, awaited: Mapping[str, Collection[str]]) -> Verdict:
    """May it be approved? ``awaited`` are the nodes that are to join, with the names and addresses that are
    known of each (of its Machine or its Node); where none are, a serving certificate may name the node only.
    """
    wrong = _wrong(request, awaited)
    if wrong:
        return Verdict(False, f"{clean(request.name)} is not approved here: {wrong}")
    which = "first or next client" if request.signer == CLIENT else "serving"
    return Verdict(
        True,
        f"{clean(request.name)} may be approved: the {which} certificate of {clean(request.node)}, which is "
        f"awaited, asked for by {'its bootstrapper' if request.requestor == BOOTSTRAPPER else 'itself'}.",
    )


def approval_path(path: str, name: str) -> str:
    """``path`` is V1 or V1BETA1."""
    return f"{path}/{name}/approval"


def approval(document: Mapping[str, Any], now: float, who: str) -> dict[str, Any]:
    """The whole object with an approval, to be put to its ``approval`` part. ``now`` is in epoch seconds.

    Its resourceVersion stays, so that a request that changed since it was looked at is not approved.
    """
    body = copy.deepcopy(dict(document))
    status = dict(_dict(body.get("status")))
    told = status.get("conditions")
    kept = [c for c in told if isinstance(c, dict)] if isinstance(told, list) else []
    decided = {
        "type": "Approved",
        "status": "True",
        "reason": "EtcdtuiApprove",
        "message": f"Looked at and approved by {who} with etcdtui.",
        "lastUpdateTime": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    body["status"] = status | {"conditions": [*kept, decided]}
    return body


def _wrong(request: Request, awaited: Mapping[str, Collection[str]]) -> str:
    """Why it may not be approved, worst first; empty when nothing is wrong."""
    node, signer = clean(request.node), request.signer
    if request.state is not State.PENDING:
        return f"it is {request.state} already."
    if signer not in _USAGES:
        return f"its signer is {clean(signer) or 'none'}, which is not one of a kubelet's."
    if request.unreadable:
        return f"what it asks for cannot be read ({request.unreadable})."
    if not node:
        return f"it asks to be “{clean(request.subject)}”, which is no node."
    own = request.requestor == f"{_NODE}{request.node}"
    if not own and not (signer == CLIENT and request.requestor == BOOTSTRAPPER):
        return f"{clean(request.requestor) or 'nobody'} asks for it, who has no business with {node}."
    if own and _NODES not in request.groups:
        return f"{clean(request.requestor)} is not in the group {_NODES}: it is no node."
    if request.node not in awaited:
        there = listed([clean(n) for n in sorted(awaited)]) if awaited else "none"
        return f"the node {node} is not awaited; awaited: {there}."
    if request.organizations != (_NODES,):
        groups = listed([clean(o) for o in request.organizations]) or "none"
        return f"it asks to be in other groups than {_NODES}: {groups}."
    if _USAGES[signer] not in request.usages or set(request.usages) - _HARMLESS - {_USAGES[signer]}:
        usages = listed([clean(u) for u in request.usages]) or "none"
        return f"it is to be used for {usages}, not for {_USAGES[signer]} alone."
    return _wrong_names(request, awaited[request.node])


def _wrong_names(request: Request, known: Collection[str]) -> str:
    node = clean(request.node)
    if request.signer == CLIENT:
        if request.names:
            return f"a client certificate has no names of hosts, it asks for {_shown(request.names)}."
        return ""
    if not request.names:
        return f"it names neither {node} nor an address of it."
    foreign = [name for name in request.names if name not in {request.node, *known}]
    if foreign:
        return f"it asks for {_shown(foreign)}, not known to be {node}'s."
    return ""


def _shown(names: Collection[str]) -> str:
    return listed([clean(name) for name in names])


@dataclass(frozen=True, slots=True)
class _Asked:
    subject: str = ""
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def _read(request: str) -> _Asked:
    """The PKCS #10 request in base64 of PEM. Raises ValueError."""
    from cryptography import x509  # slow to import, and seldom needed
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509.oid import NameOID

    try:
        asked = x509.load_pem_x509_csr(base64.b64decode(request, validate=True))
        # Its own signature proves that who asks holds the key.
        if not asked.is_signature_valid:
            raise ValueError("its signature is not its own key's")
        try:
            alternative = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            names = [
                str(n.value) if not isinstance(n, x509.OtherName) else "another kind of name"
                for n in alternative
            ]
        except x509.ExtensionNotFound:
            names = []
        subjects = [str(a.value) for a in asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        groups = [str(a.value) for a in asked.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    except (binascii.Error, UnsupportedAlgorithm, x509.DuplicateExtension, TypeError) as exc:
        raise ValueError(str(exc)) from exc
    if len(subjects) != 1:
        raise ValueError(f"it has {len(subjects)} common names")
    return _Asked(subjects[0], tuple(groups), tuple(names))


def _state(status: Mapping[str, Any]) -> State:
    told = status.get("conditions")
    kinds = {c.get("type") for c in told if isinstance(c, dict)} if isinstance(told, list) else set()
    if "Denied" in kinds:
        return State.DENIED
    if "Failed" in kinds:
        return State.FAILED
    if "Approved" in kinds:
        return State.ISSUED if status.get("certificate") else State.APPROVED
    return State.PENDING


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
