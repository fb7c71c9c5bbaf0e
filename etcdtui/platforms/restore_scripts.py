"""The restore as the scripts on a host do it: read from there, and recognised by what they do.

A release does not tell which script a host has: after an update, or for a backup from before one, both lie
about. What is not recognised is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from etcdtui.errors import Refusal, UnexpectedOutput
from etcdtui.platforms import eras
from etcdtui.platforms.layout import Layout
from etcdtui.text import clean, listed

QUORUM_POD = "quorum-restore-pod.yaml"
LIMIT = 60_000  # bytes of a script; the real ones have 6 000

# Arguments: restore script, common tools, data, backup folder, host certificates, node, its address.
_REPORT = r"""
LC_ALL=C; export LC_ALL
script=$1 tools=$2 data=$3 folder=$4 host=$5 node=$6 address=$7
told() { sed "s/^/$1 /"; }
near() {
  at=$1
  while [ ! -d "$at" ]; do
    case $at in ?*/*) at=${at%/*};; *) at=/; break;; esac
  done
  printf '%s' "$at"
}
printf 'etcdtui restore\n'
{ hostname 2>/dev/null || uname -n; } | head -n 1 | told hostname
for one in script tools; do
  case $one in script) file=$script;; *) file=$tools;; esac
  [ -f "$file" ] && { printf 'has %s\n' "$one"; head -c 60000 "$file" | told "$one"; printf '\n'; }
done
for beside in disable-etcd.sh quorum-restore.sh; do
  grep -q 'Created by cluster-etcd-operator' "${script%/*}/$beside" 2>/dev/null &&
    printf 'beside %s\n' "$beside"
done
pod=quorum-restore-pod.yaml
[ -f "$host/configmaps/restore-etcd-pod/$pod" ] && printf 'beside %s\n' "$pod"
disk() { df -Pk "$(near "$2")" 2>/dev/null | tail -n 1 | awk -v w="$1" '{ print "disk " w, $4, $1 }'; }
disk data "$data"
disk parent "${data%/*}"
disk folder "$folder"
held() { [ -e "$2" ] && printf '%s %s\n' "$1" "$(du -sk -- "$2" 2>/dev/null | cut -f 1)"; }
held size "$data/member"
for one in "$data"/* "$data"/.[!.]*; do
  case ${one##*/} in member) ;; *) held beside-size "$one";; esac
done
kept=$(sed -nE 's/^(export )?ETCD_DATA_DIR_BACKUP="?(\/[^"$]*)"?$/\2/p' "$tools" 2>/dev/null)
if [ -n "$kept" ]; then
  disk kept "$kept"
  held kept-size "$kept/member"
fi
ls -A "$data" 2>/dev/null | told entry
for kind in peer serving; do
  for file in "$host"/secrets/etcd-all-*/"etcd-$kind-$node.crt"; do
    [ -f "$file" ] || continue
    state=valid
    openssl x509 -noout -checkend 0 -in "$file" >/dev/null 2>&1 || state=ended
    if [ -n "$address" ]; then
      openssl x509 -noout -checkip "$address" -in "$file" 2>/dev/null | grep -q 'does match' || state=other
    fi
    printf 'certificate %s %s\n' "$kind" "$state"
  done
done
command -v crictl >/dev/null 2>&1 && printf 'crictl\n'
printf 'end\n'
"""


@dataclass(frozen=True, slots=True)
class RestoreScript:
    """A recognised script. ``does`` is what it does, ``stopped`` the folder it puts manifests in, ``kept``
    the one it moves the old data to."""

    does: eras.RestoreScript
    stopped: str
    kept: str


@dataclass(frozen=True, slots=True)
class HostReport:
    """What a restore needs to know of one host. ``beside``: the further scripts and pods of OpenShift that it
    has. Sizes in bytes; ``disks`` are (free, device) by what lies
    there: data, parent (of the data folder), folder (of backups), kept (what the script keeps of before)."""

    hostname: str
    script: str
    tools: str
    beside: frozenset[str]
    disks: Mapping[str, tuple[int, str]]
    data_size: int | None  # None: there is no data
    entries: tuple[str, ...]  # in the data folder
    certificates: Mapping[str, str]  # peer and serving -> valid, ended, other (not for this address)
    crictl: bool
    others_size: int = 0  # of all else in the data folder
    kept_size: int = 0  # of the member that an earlier restore left where the script keeps it


def report_script(layout: Layout, node: str, address: str) -> tuple[str, ...]:
    """What lies on this host for a restore. Nothing is changed."""
    words = (
        layout.at(layout.restore_script),
        layout.common_tools,
        layout.at(layout.data),
        layout.at(layout.backups),
        layout.at(layout.host_certificates),
        node,
        address,
    )
    return (*layout.sudo, "sh", "-c", _REPORT, "etcdtui-restore-look", *words)


def parse_report(said: str) -> HostReport:
    """Raises UnexpectedOutput."""
    lines = said.split("\n")
    if lines[0] != "etcdtui restore" or "end" not in lines:
        raise UnexpectedOutput("The look at what a restore needs came back cut off.")
    found: dict[str, list[str]] = {}
    for line in lines[1:]:
        word, _, rest = line.partition(" ")
        found.setdefault(word, []).append(rest)
    disks = {}
    for line in found.get("disk", []):
        what, free, device = [*line.split(" ", 2), "", ""][:3]
        if free.isdigit():
            disks[what] = int(free) * 1024, device
    sizes, others, kept = (
        [int(word) * 1024 for word in found.get(what, []) if word.isdigit()]
        for what in ("size", "beside-size", "kept-size")
    )
    certificates: dict[str, str] = {}
    for line in found.get("certificate", []):
        kind, _, state = line.partition(" ")
        certificates[kind] = state
    has = found.get("has", [])
    return HostReport(
        hostname=clean("".join(found.get("hostname", [])[:1])),
        script="\n".join(found.get("script", [])) if "script" in has else "",
        tools="\n".join(found.get("tools", [])) if "tools" in has else "",
        beside=frozenset(found.get("beside", [])),
        disks=disks,
        data_size=sizes[0] if sizes else None,
        entries=tuple(found.get("entry", [])),
        certificates=certificates,
        crictl="crictl" in found,
        others_size=sum(others),
        kept_size=sum(kept),
    )


_TAKES = ("snapshot*.db", "static_kuberesources*.tar.gz")
_PODS = (
    "etcd-pod.yaml",
    "kube-apiserver-pod.yaml",
    "kube-controller-manager-pod.yaml",
    "kube-scheduler-pod.yaml",
)
_VARIABLE = re.compile(r'^(?:export )?([A-Z][A-Z0-9_]*)="?([^"\n]*)"?$', re.MULTILINE)
_USE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}|\$([A-Z][A-Z0-9_]*)")


def recognise(host: str, script: str, tools: str) -> RestoreScript:
    """What the two files of ``host`` do. Raises Refusal for what is not known."""
    if not script:
        raise Refusal(
            f"{host} has no cluster-restore.sh.",
            "OpenShift's etcd operator puts it there; on other platforms set layout.restore_script.",
        )
    if not tools:
        raise Refusal(
            f"{host} has no etcd-common-tools, which cluster-restore.sh sources: it would end at once.",
            "Take a host on which etcd's static pod was installed.",
        )
    does = eras.parse_restore(script) if eras.MARK in script else None
    variables = dict(_VARIABLE.findall(tools))
    stopped, kept = (_resolved(variables, name) for name in ("MANIFEST_STOPPED_DIR", "ETCD_DATA_DIR_BACKUP"))
    # One that does not name the pods that it stops, or takes other files, is somebody's own.
    names = (*(_PODS if does and does.stops_all else _PODS[:1]), *_TAKES)
    strange = does is not None and not all(word in script for word in names)
    if does is None or strange or not stopped.startswith("/") or not kept.startswith("/"):
        raise Refusal(
            f"The cluster-restore.sh on {host} is none that this etcdtui knows: what it would do is not "
            "guessed.",
            "Follow the document of your release by hand, or bring a newer etcdtui.",
        )
    return RestoreScript(does, stopped, kept)


def disabled(report: HostReport) -> str:
    """The folder that this host's disable-etcd.sh moves etcd's manifest to; empty where it has none."""
    folder = _resolved(dict(_VARIABLE.findall(report.tools)), "MANIFEST_STOPPED_DIR")
    return folder if eras.DISABLE in report.beside and folder.startswith("/") else ""


def restores_quorum(report: HostReport) -> bool:
    """This host has quorum-restore.sh, and the pod that it starts."""
    return {eras.QUORUM_RESTORE, QUORUM_POD} <= report.beside


def _resolved(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name, "")
    for _ in range(5):
        if not _USE.search(value):
            return value
        value = _USE.sub(lambda match: variables.get(match[1] or match[2], ""), value)
    return ""


def unfit(report: HostReport, node: str) -> tuple[str, ...]:
    """What of a host forbids a restore there, besides its script and its disks; sentences without a dot."""
    said = []
    missing = [kind for kind in ("peer", "serving") if kind not in report.certificates]
    if missing:
        said.append(f"it has no {listed(missing)} certificate of {node}")
    for kind, state in report.certificates.items():
        if state == "ended":
            said.append(f"its {kind} certificate has ended")
        elif state == "other":
            said.append(f"its {kind} certificate is not for its own address")
    if not report.crictl:
        said.append("crictl is not on it, by which containers are watched")
    return tuple(said)
