"""What the lab's API serves, and what may be done to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from etcdtui.lab import objects
from etcdtui.lab.documents import Document
from etcdtui.lab.eras import Era
from etcdtui.lab.objects import World
from etcdtui.lab.pods import pods
from etcdtui.lab.store import invalid

_CORE, _CONFIG, _OPERATOR = "v1", "config.openshift.io/v1", "operator.openshift.io/v1"
_MACHINE = "machine.openshift.io/v1beta1"


@dataclass(frozen=True, slots=True)
class Resource:
    """One collection. ``verbs``: what it allows beside reading. ``keep``: what stays of a changed object."""

    path: str
    kind: str
    version: str
    made: Callable[[World], list[Document]]
    verbs: frozenset[str] = frozenset()
    check: Callable[[Document], None] = lambda document: None
    keep: Callable[[Document], Document] = lambda document: document
    parts: frozenset[str] = frozenset()  # its subresources
    served: Callable[[Era], bool] = lambda era: True

    @property
    def plural(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def name(self) -> str:
        """As messages and the store call it."""
        group = self.version.rpartition("/")[0]
        return f"{self.plural}.{group}" if group else self.plural

    @property
    def custom(self) -> bool:
        """Whether it is a custom resource, which knows no strategic merge patch."""
        return self.version.rpartition("/")[0].endswith(".openshift.io")


def stored(name: str, world: World) -> list[Document]:
    """Objects that are served as they are kept."""
    return world.store.list(name)


def _operator_is_sound(kind: str, document: Document) -> None:
    spec = document.get("spec") or {}
    if not isinstance(spec.get("forceRedeploymentReason", ""), str):
        raise invalid(
            kind, "cluster", 'spec.forceRedeploymentReason: Invalid value: "object": must be of type string'
        )
    if not isinstance(spec.get("unsupportedConfigOverrides") or {}, dict):
        raise invalid(
            kind, "cluster", "spec.unsupportedConfigOverrides: Invalid value: must be of type object"
        )


def _machine_is_sound(document: Document) -> None:
    name = document["metadata"]["name"]
    provider = (document.get("spec") or {}).get("providerSpec")
    if not isinstance(provider, dict) or not isinstance(provider.get("value"), dict):
        raise invalid("Machine", name, "spec.providerSpec.value: Required value: must not be empty")
    labels = document["metadata"].get("labels") or {}
    if labels.get("machine.openshift.io/cluster-api-machine-role") != "master":
        raise invalid("Machine", name, "metadata.labels: Invalid value: this lab makes masters only")


def _operator_resource(plural: str, kind: str, made: Callable[[World], list[Document]]) -> Resource:
    check = partial(_operator_is_sound, kind)
    return Resource(f"/apis/{_OPERATOR}/{plural}", kind, _OPERATOR, made, frozenset({"change"}), check)


def _requests(version: str, served: Callable[[Era], bool]) -> Resource:
    return Resource(
        f"/apis/{version}/certificatesigningrequests",
        "CertificateSigningRequest",
        version,
        partial(stored, "certificatesigningrequests.certificates.k8s.io"),
        frozenset({"delete"}),
        parts=frozenset({"approval"}),
        served=served,
    )


_ALL = (
    Resource(
        "/api/v1/nodes",
        "Node",
        _CORE,
        objects.nodes,
        frozenset({"change", "delete"}),
        keep=objects.own_taints,
    ),
    Resource("/api/v1/namespaces/openshift-etcd/pods", "Pod", _CORE, pods),
    Resource(
        "/api/v1/namespaces/openshift-etcd/secrets",
        "Secret",
        _CORE,
        partial(stored, "secrets"),
        frozenset({"delete"}),
    ),
    _operator_resource("etcds", "Etcd", objects.etcd_resource),
    *(
        _operator_resource(plural, kind, partial(objects.other_operator, plural=plural))
        for plural, kind in (
            ("kubeapiservers", "KubeAPIServer"),
            ("kubecontrollermanagers", "KubeControllerManager"),
            ("kubeschedulers", "KubeScheduler"),
        )
    ),
    Resource(f"/apis/{_CONFIG}/clusteroperators", "ClusterOperator", _CONFIG, objects.cluster_operators),
    Resource(
        f"/apis/{_CONFIG}/clusterversions",
        "ClusterVersion",
        _CONFIG,
        lambda world: [objects.cluster_version(world)],
    ),
    Resource(
        f"/apis/{_CONFIG}/infrastructures",
        "Infrastructure",
        _CONFIG,
        lambda world: [objects.infrastructure(world)],
    ),
    Resource(
        f"/apis/{_MACHINE}/namespaces/openshift-machine-api/machines",
        "Machine",
        _MACHINE,
        objects.machines,
        frozenset({"create", "change", "delete"}),
        _machine_is_sound,
    ),
    Resource(
        "/apis/machine.openshift.io/v1/namespaces/openshift-machine-api/controlplanemachinesets",
        "ControlPlaneMachineSet",
        "machine.openshift.io/v1",
        objects.machine_sets,
    ),
    _requests("certificates.k8s.io/v1", lambda era: "csr-v1" in era.has),
    _requests("certificates.k8s.io/v1beta1", lambda era: "csr-v1" not in era.has),
)
BY_PATH = {resource.path: resource for resource in _ALL}
