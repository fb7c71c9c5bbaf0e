"""The folders and files of a control plane host, as OpenShift lays them out."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etcdtui.lab import manifests, places, yamlfile
from etcdtui.lab.certificates import write_private
from etcdtui.lab.eras import Era, kept

if TYPE_CHECKING:
    from etcdtui.children.binaries import Binaries
    from etcdtui.lab.certificates import Authority, Pair
    from etcdtui.lab.places import Node, Plan

_FILES = Path(__file__).parent / "files"
_SHELL_TOOLS = ("sudo", "df", "hostname", "podman", "systemctl")
# What several scripts have in common.
_PARTS = {
    "RESTORE_ARGUMENTS": "script-restore-arguments",
    "BEGIN": "script-begin",
    "DEPENDENCIES": "script-dependencies",
}
_NODE_KUBECONFIG = f"{places.RESOURCES}/kube-apiserver-certs/secrets/node-kubeconfigs/localhost.kubeconfig"
_SYSTEM = ("/usr/bin", "/bin", "/usr/sbin", "/sbin")
# A fresh control plane host has none of these on PATH, even where this machine does.
_ABSENT = ("etcd", "etcdctl", "etcdutl", "kubectl", "oc", "crictl", "podman", "docker", "etcdtui")


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """How to speak with the lab's API."""

    url: str
    authority: bytes
    token: str


def write_image(plan: Plan, binaries: Binaries) -> None:
    """The folder that stands for the etcd image."""
    plan.image.mkdir(parents=True, exist_ok=True)
    for program in (binaries.etcd, binaries.etcdctl, binaries.etcdutl):
        if program is not None:
            (plan.image / program.name).symlink_to(program)


def system_path(plan: Plan) -> tuple[str, Callable[[], None]]:
    """PATH of a host without its own tools, and what must be done before it can be used.

    Where this machine has programs that a fresh host lacks, it is one folder with links to all the others.
    """
    folders = list(dict.fromkeys(str(Path(f).resolve()) for f in _SYSTEM if Path(f).is_dir()))
    if not any((Path(folder) / name).exists() for folder in folders for name in _ABSENT):
        return ":".join(folders), lambda: None
    return str(plan.directory / "system"), partial(_link_programs, plan.directory / "system", folders)


def _link_programs(into: Path, folders: list[str]) -> None:
    into.mkdir(exist_ok=True)
    known = set(_ABSENT)
    for folder in folders:
        for name in os.listdir(folder):
            if name not in known:
                known.add(name)
                os.symlink(f"{folder}/{name}", f"{into}/{name}")


def session_environment(plan: Plan, node: Node, path: str) -> dict[str, str]:
    """What a login on this host finds in its environment."""
    return {
        "PATH": f"{node.at(places.BIN)}:{path}",
        "HOME": str(node.at(places.HOME)),
        "HOSTNAME": node.name,
        "LANG": "C",
        # Debian's bash would read the user's own ~/.bashrc for a remote command, unless it is a nested shell.
        "SHLVL": "1",
        "ETCDTUI_LAB": plan.identity,
    }


def write_host(plan: Plan, node: Node, path: str) -> None:
    """What a host has when its machine is made: folders and tools, nothing of the cluster."""
    for folder in (places.HOME, places.LAB_MARKS, places.MANIFESTS, "/run", "/var/log", "/var/tmp", "/tmp"):
        node.at(folder).mkdir(parents=True, exist_ok=True)
    node.at(places.DATA).mkdir(mode=0o700, parents=True, exist_ok=True)
    node.at("/home").symlink_to("var/home")
    _write_tools(plan, node, path)


def write_etcd(
    plan: Plan, node: Node, bundle: bytes, pairs: Mapping[str, Pair], revision: int, *, founding: bool
) -> None:
    """What etcd's installer leaves on a host: certificates, scripts, the pod's resources, its manifest."""
    write_private(node.ca, bundle, 0o644)
    for kind, pair in pairs.items():
        pair.write(*node.certificate(kind))
    _write(node.at(f"{places.SCRIPTS}/etcd.env"), manifests.etcd_env(plan, node))
    _write(node.at(f"{places.SCRIPTS}/etcd-common-tools"), _script(plan, node, "etcd-common-tools"))
    for name, pod in manifests.restore_pods(plan, node, revision).items():
        for folder in (f"{places.RESOURCES}/etcd-pod-{revision}", places.HOST_CERTIFICATES):
            _write(node.at(f"{folder}/configmaps/restore-etcd-pod/{name}.yaml"), yamlfile.dump(pod))
    _write_pod(plan, node, "etcd-pod", revision, manifests.etcd_pod(plan, node, revision, founding=founding))


def write_companion(plan: Plan, node: Node, api: ApiAccess, name: str, revision: int) -> None:
    """What the installer of a static pod beside etcd leaves on a host."""
    if name == "kube-apiserver-pod":
        write_private(node.at(_NODE_KUBECONFIG), kubeconfig(api, "system:admin").encode())
    _write_pod(plan, node, name, revision, manifests.companion_pod(name, revision))


def issue(node: Node, authority: Authority, kind: str, days: float = 1095) -> Pair:
    """A fresh certificate of one kind for the node."""
    return authority.issue(
        f"system:etcd-{kind}:{node.name}",
        ("localhost", places.LOOPBACK, node.name),
        days=days,
        organization=f"system:etcd-{kind}s",
    )


def _write_pod(plan: Plan, node: Node, name: str, revision: int, pod: dict[str, Any]) -> None:
    text = yamlfile.dump(pod)
    resources = f"{places.RESOURCES}/{name}-{revision}"
    _write(node.at(f"{resources}/{name}.yaml"), text)
    _write(node.at(f"{resources}/configmaps/{name}/pod.yaml"), text)
    _write(node.at(f"{resources}/configmaps/{name}/version"), f"{plan.version}\n")
    _write(node.at(f"{places.MANIFESTS}/{name}.yaml"), text)


def kubeconfig(api: ApiAccess, context: str) -> str:
    """A kubeconfig with one context. JSON is YAML, and needs no library to be read."""
    authority = base64.b64encode(api.authority).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "lab", "cluster": {"server": api.url, "certificate-authority-data": authority}}
        ],
        "users": [{"name": "admin", "user": {"token": api.token}}],
        "contexts": [{"name": context, "context": {"cluster": "lab", "user": "admin"}}],
        "current-context": context,
    }
    return json.dumps(document, indent=2)


def write_tool(plan: Plan, node: Node, name: str, values: Mapping[str, str]) -> None:
    """Put one more tool on a host's PATH; ``values`` go into it beside those that every tool gets."""
    path = f"{plan.directory / 'system'}:/usr/bin:/bin"
    known = {**_values(plan, node), "SYSTEM_PATH": path}
    _write(node.at(f"{places.BIN}/{name}"), _filled(name, {**known, **values}), 0o755)


def _write_tools(plan: Plan, node: Node, path: str) -> None:
    values = {**_values(plan, node), "SYSTEM_PATH": path}
    tools = list(_SHELL_TOOLS)
    if shutil.which("setsid") is None:
        tools.append("setsid")
    for name in tools:
        _write(node.at(f"{places.BIN}/{name}"), _filled(name, values), 0o755)
    for name, source in plan.era.scripts.items():
        _write(node.at(f"{places.BIN}/{name}"), _script(plan, node, source), 0o755)
    _write(node.at("/usr/libexec/lab-session"), _filled("lab-session", values), 0o755)
    python = f'exec "{sys.executable}" -I -S'
    crictl = f'{python} "{_FILES}/crictl.py" "{node.root}" "{path}" "{plan.image}" "$@"'
    oc = f'{python} "{_FILES}/oc.py" "{node.at(_NODE_KUBECONFIG)}" "$@"'
    _write(node.at(f"{places.BIN}/crictl"), f"#!/bin/sh\n{crictl}\n", 0o755)
    _write(node.at(f"{places.BIN}/oc"), f"#!/bin/sh\n{oc}\n", 0o755)


def _values(plan: Plan, node: Node) -> dict[str, str]:
    return {
        "ROOT": str(node.root),
        "IMAGE": str(plan.image),
        "NODE": node.name,
        "SHELL_NAME": node.shell_name,
        "CLIENT_PORT": str(node.client),
        "PYTHON": sys.executable,
    }


def script(era: Era, name: str) -> str:
    """The text of one of OpenShift's scripts in an era, without what is a host's own."""
    text = _read(name)
    for key, part in _PARTS.items():
        text = text.replace(f"@{key}@", _read(part).rstrip("\n"))
    return kept(text, era.has)


def _script(plan: Plan, node: Node, name: str) -> str:
    return _with(script(plan.era, name), _values(plan, node))


def _filled(name: str, values: Mapping[str, str]) -> str:
    return _with(_read(name), values)


def _read(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")


def _with(text: str, values: Mapping[str, str]) -> str:
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    write_private(path, text.encode(), mode)
