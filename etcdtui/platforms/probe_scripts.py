"""The two scripts that ask about one member: its ports from any host, and its own host.

POSIX sh, one exec each, sudo first, whatever varies an argument, every line begun by a word of ours: as in
``host_scripts``. Nothing here outlives ``SECONDS``; what is slow is told as such, the rest is there.
"""

from __future__ import annotations

from collections.abc import Sequence

from etcdtui.etcd.commands import authority, is_address
from etcdtui.model.probe import Port
from etcdtui.platforms.host_answers import HostAccess
from etcdtui.platforms.layout import Layout

SECONDS = 3  # that a connection, or the container runtime, is waited for
LINES = 50  # of each container's log
MANIFEST = "etcd-pod.yaml"

# Arguments: seconds, openssl, authority, certificate, key; then for each try its word, address:port, the
# check and the name it is made for. The key stays with openssl on this host. What the server shows and what
# it answers are asked on two connections: openssl mixes them up, and prints the secrets of the first one's
# session, of which only known lines go out. The peer port is asked nothing: TLS is enough.
_TRY = r"""
LC_ALL=C; export LC_ALL
limit=$1 openssl=$2 ca=$3 cert=$4 key=$5; shift 5
client() {
  timeout -k 1 "$limit" "$openssl" s_client -nocommands "$@" -connect "$target" -cert "$cert" -key "$key" \
    -CAfile "$ca" -no-CApath "$check" "$name" ${sni:+-servername "$sni"} 2>&1
}
ask() {
  printf 'GET /health HTTP/1.1\r\nHost: etcd\r\n\r\n'
  printf 'GET /readyz HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\n\r\n'
}
filter='
  function say(word) { print word " " substr($0, 1, 300) }
  /^-----BEGIN CERT/ { pem = 1 }
  pem { if (/^-----END/) pem = 0; next }
  pages && /^ended [0-9]+$/ { print "ended " $2; next }
  pages && /^HTTP\/1/ { http = 1 }
  http { sub(/\r$/, ""); say("http"); next }
  /^CONNECTED/ { print "tcp" }
  /^ *Verify return code:|^verify error|:error:|errno|[Aa]lert |[Cc]ould not|[Cc]annot / { say("line") }
  /[Cc]an.t open|gethostbyname|getaddrinfo|not known|[Ee]rror opening|unable to load/ { say("line") }
'
# openssl does not tell of a connection before TLS: a frozen process and lost packets would look the same. But
# etcd notes every connection without TLS in its log, so that is tried only when TLS is late.
connected() {
  sleep 1 </dev/null >/dev/null 2>&1
  exec timeout -k 1 1 bash -c 'exec 3<>"/dev/tcp/$1/$2" && echo tcp' bash "$name" "${target##*:}" 2>/dev/null
}
shown() {
  connected &
  late=$!
  said=$(sleep 0.3 | client)
  code=$?
  [ $code -ge 124 ] || kill $late 2>/dev/null
  printf 'code %s\n' "$code"
  printf '%s\n' "$said" | awk "$filter" | head -n 60
  printf '%s\n' "$said" | "$openssl" x509 -noout -subject -issuer -startdate -enddate \
    -ext subjectAltName 2>/dev/null | sed 's/^/cert /' | head -n 12
}
answered() {
  said=$(ask | { client -quiet; printf '\nended %s\n' $?; } | head -c 8000)
  printf '%s\n' "$said" | awk -v pages=1 "$filter" | head -n 60
}
told() { lines=$("$@"); [ -z "$lines" ] || printf '%s\n' "$lines" | sed "s/^/$word /"; }
printf 'etcdtui try\n'
while [ $# -ge 4 ]; do
  word=$1 target=$2 check=$3 name=$4 sni=
  [ "$check" = -verify_hostname ] && sni=$name
  told shown &
  [ "$word" = client ] && told answered &
  shift 4
done
wait
printf 'end\n'
"""

# Arguments: seconds, manifest, data folder, lines of a log.
_HOST = r"""
LC_ALL=C; export LC_ALL
limit=$1 manifest=$2 data=$3 lines=$4
have() { command -v "$1" >/dev/null 2>&1; }
told() { sed "s/^/$1 /"; }
near() {
  at=$1
  while [ ! -d "$at" ]; do
    case $at in ?*/*) at=${at%/*};; *) at=/; break;; esac
  done
  printf '%s' "$at"
}
printf 'etcdtui member\n'
{ date +%s.%N; date +%s; } | told date
{ hostname 2>/dev/null || uname -n; } | head -n 1 | told hostname
if [ -f "$manifest" ]; then printf 'manifest yes\n'; else printf 'manifest no\n'; fi
folder=$(near "$data")
timeout -k 1 "$limit" df -Pk "$folder" 2>/dev/null | tail -n 1 | told df
timeout -k 1 "$limit" df -Pi "$folder" 2>/dev/null | tail -n 1 | told di
if [ -d "$data/member" ]; then
  printf 'data\n'
  stat -c %s "$data/member/snap/db" 2>/dev/null | told database
  set -- "$data"/member/wal/*.wal
  if [ -e "$1" ]; then printf 'wal %s\n' $#; else printf 'wal 0\n'; fi
fi
if have systemctl; then
  timeout -k 1 "$limit" systemctl show -p LoadState -p ActiveState kubelet.service 2>/dev/null | told unit
fi
if have crictl; then
  ids=$(timeout -k 1 "$limit" crictl ps -a -q --label io.kubernetes.container.name=etcd 2>/dev/null)
  printf 'runtime %s\n' $?
  for id in $(printf '%s\n' "$ids" | grep -E '^[0-9a-f]{6,64}$' | head -n 2); do
    printf 'container %s\n' "$id"
    # Those of the status come first, and are the least indented.
    inspected=$(timeout -k 1 "$limit" crictl inspect "$id" 2>/dev/null |
      grep -E '^ {2,8}"(attempt|createdAt|startedAt|finishedAt|exitCode|state|reason|pid)": ' | head -n 24)
    printf '%s\n' "$inspected" | told inspect
    pid=$(printf '%s\n' "$inspected" | sed -n 's/.*"pid": \([0-9][0-9]*\).*/\1/p' | head -n 1)
    if [ "${pid:-0}" -gt 1 ] && [ -r "/proc/$pid/stat" ]; then
      sed 's/.*) //' "/proc/$pid/stat" | cut -c 1 | told process
    fi
    timeout -k 1 "$limit" crictl logs --tail 600 "$id" 2>&1 |
      grep -v -e 'ignoring common name' -e '"rejected connection".*"error":"EOF"' -e '^[[:space:]]' \
        -e '^goroutine ' -e '^created by ' -e '^[a-z][A-Za-z0-9_.]*/[^ ]*(' -e '^main\.main(' -e '^$' |
      tail -n "$lines" | cut -c 1-1500 | told log
  done
fi
{ date +%s.%N; date +%s; } | told ended
printf 'end\n'
"""


def try_script(
    layout: Layout, access: HostAccess, targets: Sequence[tuple[Port, str, int]]
) -> tuple[str, ...]:
    """Try each (port, address, port number) from the host that ``access`` is of, all at once.

    The private key stays on that host: openssl uses it there.
    """
    words: list[str] = []
    for port, address, number in targets:
        bare = address.strip("[]")
        check = "-verify_ip" if is_address(bare) else "-verify_hostname"
        words += [port.value, authority(bare, number), check, bare]
    return (
        *layout.sudo,
        "sh",
        "-c",
        _TRY,
        "etcdtui-try",
        str(SECONDS),
        access.openssl,
        access.ca,
        access.certificate,
        access.key,
        *words,
    )


def member_script(layout: Layout) -> tuple[str, ...]:
    """Containers, their ends and last words, manifest, data and disk of etcd on this host."""
    return (
        *layout.sudo,
        "sh",
        "-c",
        _HOST,
        "etcdtui-member",
        str(SECONDS),
        f"{layout.at(layout.manifests)}/{MANIFEST}",
        layout.at(layout.data),
        str(LINES),
    )
