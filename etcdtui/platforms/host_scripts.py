"""The two scripts that look at an OpenShift master, and the article's way of asking etcd's health.

POSIX sh, one exec each. sudo comes first, so that a runner's time limit goes inside it: what root started
only root can end. Whatever varies is an argument, never part of the text. Every line they print begins with
a word of ours, so that foreign text and file names cannot pass for anything else.
"""

from __future__ import annotations

import shlex

from etcdtui.platforms.job_state import STATE
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.lock_state import STAMP

CERTIFICATES = 24  # certificates looked at on one host
BACKUPS = 600  # backup files of each of the two kinds listed

_COMMON = """
LC_ALL=C; export LC_ALL
nl='
'
told() { sed "s/^/$1 /"; }
have() { command -v "$1" >/dev/null 2>&1; }
name() { hostname 2>/dev/null || uname -n; }
"""

# Arguments: etcd.env, host certificates, pod certificates, the same below the root, manifest, client tools.
_ACCESS = (
    _COMMON
    + """
env=$1 host=$2 pod=$3 rooted=$4 manifest=$5 tools=$6
printf 'etcdtui access\\n'
name | head -n 1 | told hostname
hostname -I 2>/dev/null | tr ' ' '\\n' | told address
if [ -r "$env" ]; then
  { head -c 200000 "$env"; echo; } | told env
else
  printf '%s\\n' "$env" | told noenv
fi
value() {
  [ -r "$env" ] || return 0
  sed -n "s/^[[:space:]]*export[[:space:]][[:space:]]*$1=//p; s/^$1=//p" "$env" | tail -n 1 |
    sed 's/[[:space:]]*$//; s/^"\\(.*\\)"$/\\1/; s/^'"'"'\\(.*\\)'"'"'$/\\1/'
}
first() {
  tag=$1 asked=$2; shift
  for one; do
    case $one in ''|*"$nl"*) continue;; esac
    if [ -r "$one" ]; then printf '%s\\n' "$one" | told "$tag"; return; fi
  done
  printf '%s\\n' "$asked" | told "no$tag"
}
onhost() {
  case $1 in
    "$rooted"/*) printf '%s' "$host/${1#"$rooted"/}";;
    "$pod"/*) printf '%s' "$host/${1#"$pod"/}";;
    *) printf '%s' "$1";;
  esac
}
ca=$(value ETCDCTL_CACERT) cert=$(value ETCDCTL_CERT) key=$(value ETCDCTL_KEY)
node=$(name | head -n 1)
first ca "$(onhost "$ca")" "$ca" "$host/configmaps/etcd-all-bundles/server-ca-bundle.crt" \\
  "$host/configmaps/etcd-serving-ca/ca-bundle.crt"
first cert "$(onhost "$cert")" "$cert" "$host/secrets/etcd-all-certs/etcd-peer-$node.crt" \\
  "$host/secrets/etcd-all-peer/etcd-peer-$node.crt"
first key "$(onhost "$key")" "$key" "$host/secrets/etcd-all-certs/etcd-peer-$node.key" \\
  "$host/secrets/etcd-all-peer/etcd-peer-$node.key"
if have openssl; then command -v openssl | told openssl; fi
PATH=$PATH:$tools
if have etcdctl; then command -v etcdctl | told etcdctl; fi
if have crictl; then
  # The pod of a restore has etcd's container alone, which has the program too.
  for inside in etcdctl etcd; do
    id=$(crictl ps -q --state Running --label "io.kubernetes.container.name=$inside" 2>/dev/null | head -n 1)
    if [ -n "$id" ]; then printf '%s\\n' "$id" | told container; break; fi
  done
fi
if [ -r "$manifest" ]; then
  printf 'manifest\\n'
  grep -o 'listen-client-http-urls[^[:space:]]*[[:space:]]*[^[:space:]]*' "$manifest" | head -n 4 | told http
fi
printf 'end\\n'
"""
)

# Arguments: data, backups, manifests, host certificates, backup script, jobs, client tools, node,
# how many certificates, how many files.
_LOOK = (
    _COMMON
    + STATE
    + STAMP
    + """
data=$1 backups=$2 manifests=$3 host=$4 script=$5 jobs=$6 tools=$7 node=$8 most=$9
shift; files=$9
printf 'etcdtui look\\n'
{ date +%s.%N; date +%s; } | told date
name | head -n 1 | told hostname
near() {
  at=$1
  while [ ! -d "$at" ]; do
    case $at in ?*/*) at=${at%/*};; *) at=/; break;; esac
  done
  printf '%s' "$at"
}
for one in data backups; do
  case $one in data) folder=$(near "$data");; *) folder=$(near "$backups");; esac
  df -Pk "$folder" 2>/dev/null | tail -n 1 | told "df-$one"
  df -Pi "$folder" 2>/dev/null | tail -n 1 | told "di-$one"
done
for file in "$manifests"/*; do
  case $file in *"$nl"*) continue;; esac
  [ -f "$file" ] && printf 'manifest %s\\n' "${file##*/}"
done
if stat -c %s / >/dev/null 2>&1; then gnu=y; else gnu=; fi
list() {
  [ $# -gt 0 ] || return 0
  if [ -n "$gnu" ]; then stat -L -c '%s %Y %a %n' "$@" 2>/dev/null
  else stat -L -f '%z %m %Lp %N' "$@" 2>/dev/null; fi
}
printf '%s\\n' "$backups" | told backups
# The names begin with the time. Of too many the first go: those of the folders below, then the oldest.
for pattern in snapshot_ static_kuberesources_; do
  set --
  for file in "$backups"/*/"$pattern"* "$backups/$pattern"*; do
    case $file in *"$nl"*) continue;; esac
    [ -f "$file" ] && set -- "$@" "$file"
  done
  if [ $# -gt "$files" ]; then
    printf 'cut %s\\n' $(($# - files))
    shift $(($# - files))
  fi
  list "$@" | told file
done
if [ -f "$script" ] && [ -x "$script" ]; then printf 'script\\n'; fi
for job in "$jobs"/*; do
  case $job in *"$nl"*) continue;; esac
  [ -d "$job" ] && [ ! -L "$job" ] && [ -f "$job/start" ] && [ ! -p "$job/pid" ] || continue
  j=$job
  state
  if [ "$state" = running ]; then printf 'job %s %s\\n' "$start" "${job##*/}"; fi
done
f=$jobs/lock
stamp | told lock
ends() {
  case $1 in
    "$host"/configmaps/*)
      awk -v end='openssl x509 -noout -enddate 2>/dev/null' '/-----BEGIN/ { on = 1; n++ }
        on && n <= 16 { print | end }
        /-----END/ { on = 0; close(end) }' "$1";;
    *) openssl x509 -noout -enddate -in "$1" 2>/dev/null </dev/null | head -n 1;;
  esac
}
if have openssl; then
  printf 'openssl\\n'
  [ -n "$node" ] || node=$(name | head -n 1)
  set --
  for file in "$host"/secrets/etcd-all-*/*-"$node".crt; do [ -f "$file" ] && set -- "$@" "$file"; done
  if [ $# -eq 0 ]; then
    for file in "$host"/secrets/etcd-all-*/*.crt; do [ -f "$file" ] && set -- "$@" "$file"; done
  fi
  for file in "$host"/configmaps/etcd-all-bundles/server-ca-bundle.crt \\
    "$host"/configmaps/etcd-serving-ca/ca-bundle.crt; do [ -f "$file" ] && set -- "$file" "$@"; done
  for file; do
    case $file in *"$nl"*) continue;; esac
    [ "$most" -gt 0 ] || break
    most=$((most - 1))
    ends "$file" | while read -r end; do printf 'certificate %s %s\\n' "$end" "$file"; done
  done
fi
PATH=$PATH:$tools
if have etcdctl; then printf 'etcdctl path\\n'
elif have crictl && [ -n "$(crictl ps -q --state Running \\
  --label io.kubernetes.container.name=etcdctl 2>/dev/null)" ]; then printf 'etcdctl container\\n'
fi
{ date +%s.%N; date +%s; } | told ended
printf 'end\\n'
"""
)

# As a human would: source the two files, then ask. Arguments: tools file, etcd.env, pod and host
# certificates, the pod's below the root, client tools.
_HEALTH = """
tools=$1 env=$2 pod=$3 host=$4 rooted=$5 bin=$6
if [ ! -r "$env" ]; then echo "$env cannot be read: is there an etcd static pod on this host?" >&2; exit 1; fi
[ -r "$tools" ] && . "$tools" >/dev/null
. "$env" >/dev/null
for name in ETCDCTL_CACERT ETCDCTL_CERT ETCDCTL_KEY; do
  value=${!name}
  [ -e "$value" ] && continue
  value=${value/#"$rooted/"/"$host/"}
  value=${value/#"$pod/"/"$host/"}
  export "$name=$value"
done
PATH=$PATH:$bin
if command -v etcdctl >/dev/null; then exec etcdctl endpoint health; fi
id=$(crictl ps -q --state Running --label io.kubernetes.container.name=etcdctl 2>/dev/null | head -n 1)
if [ -n "$id" ]; then exec crictl exec "$id" etcdctl endpoint health; fi
echo "There is no etcdctl on this host and no etcdctl container runs on it." >&2
exit 127
"""


def access_script(layout: Layout) -> tuple[str, ...]:
    """How etcd is asked from this host: read etcd.env, find the certificates, the tools, the HTTP port."""
    return (
        *layout.sudo,
        "sh",
        "-c",
        _ACCESS,
        "etcdtui-access",
        layout.etcd_env,
        layout.at(layout.host_certificates),
        layout.pod_certificates,
        layout.at(layout.pod_certificates),
        f"{layout.at(layout.manifests)}/etcd-pod.yaml",
        layout.at(layout.client_tools),
    )


def look_script(layout: Layout, node: str = "") -> tuple[str, ...]:
    """What lies on this host. ``node`` tells whose certificates to look at; empty: those of its hostname."""
    return (
        *layout.sudo,
        "sh",
        "-c",
        _LOOK,
        "etcdtui-look",
        layout.at(layout.data),
        layout.at(layout.backups),
        layout.at(layout.manifests),
        layout.at(layout.host_certificates),
        layout.at(layout.backup_script),
        layout.at(layout.jobs),
        layout.at(layout.client_tools),
        node,
        str(CERTIFICATES),
        str(BACKUPS),
    )


def article_lines(layout: Layout) -> tuple[str, ...]:
    """What a human types for ``article_health``, line by line."""
    sourced = (layout.common_tools, layout.etcd_env)
    return (*(f"source {shlex.quote(path)}" for path in sourced), "etcdctl endpoint health")


def article_health(layout: Layout) -> tuple[str, ...]:
    """``etcdctl endpoint health`` with the environment of etcd.env, exactly as one would type it there."""
    return (
        *layout.sudo,
        "bash",
        "-c",
        _HEALTH,
        "etcdtui-health",
        layout.common_tools,
        layout.etcd_env,
        layout.pod_certificates,
        layout.at(layout.host_certificates),
        layout.at(layout.pod_certificates),
        layout.at(layout.client_tools),
    )
