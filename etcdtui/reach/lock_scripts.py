"""What lock.py runs on a host: constant scripts for any POSIX sh, GNU or BSD tools. Values are arguments.

A lock comes into being, whole, by a hard link, which the host makes for one of many. It is taken away by
moving it aside and looking at it once more, so that one that just changed hands goes back.
"""

from __future__ import annotations

from etcdtui.platforms.lock_state import STAMP
from etcdtui.reach.job_scripts import COMMON

# is: whether the lock in file $2 is that of run $1; an empty one stands for a lock that cannot be read.
# answer: the word, and the lock that lies there now. Both end the script.
_LOCK = (
    COMMON
    + STAMP
    + r"""
is() {
  case $(head -c 400 "$2" 2>/dev/null) in
    "{\"run\": \"$1\","*) [ -n "$1" ];;
    '{"run": "'*) false;;
    *) [ -z "$1" ];;
  esac
}
there() { [ -e "$f" ] || [ -L "$f" ]; }
answer() { printf 'etcdtui-lock 1 %s ' "$1"; stamp; exit 0; }
# remove: the lock of run $1; says no when it is another's by now.
remove() {
  g=$f.gone.$$
  mv -f "$f" "$g" 2>/dev/null || return 1
  if is "$1" "$g"; then rm -f "$g"; return 0; fi
  ln "$g" "$f" 2>/dev/null
  rm -f "$g"
  return 1
}
take() {
  n=$f.$id.$$
  (umask 077; printf '{"run": "%s", "since": %s, %s\n' "$id" "$(date +%s)" "$rest" >"$n") ||
    { rm -f "$n"; exit 1; }
  # Once more for one that was just being moved aside.
  for try in 1 2 3; do
    if why=$(ln "$n" "$f" 2>&1); then rm -f "$n"; answer taken; fi
    if there; then break; fi
  done
  rm -f "$n"
  if is "$id" "$f" && touch -c "$f" 2>/dev/null; then answer mine; fi
  if there; then answer held; fi
  echo "${why:-it cannot be linked}" >&2
  exit 1
}
"""
)

# Arguments: DIRECTORY ID REST
TAKE = (
    _LOCK
    + r"""
d=$1; id=$2; rest=$3; f=$d/lock
case $d in ?*/*) (umask 077; mkdir -p "${d%/*}") || exit 1;; esac
said=$(mkdir -m 700 "$d" 2>&1)
ours
if [ ! -d "$d" ]; then echo "$said" >&2; exit 1; fi
take
"""
)

# Arguments: DIRECTORY ID
REFRESH = (
    _LOCK
    + r"""
d=$1; id=$2; f=$d/lock
ours
if is "$id" "$f" && touch -c "$f"; then answer mine; fi
if there; then answer held; fi
answer gone
"""
)

# Arguments: DIRECTORY ID
LIFT = (
    _LOCK
    + r"""
d=$1; id=$2; f=$d/lock
ours
if is "$id" "$f"; then remove "$id"; fi
if there; then answer held; fi
answer gone
"""
)

# Arguments: DIRECTORY ID REST THEIRS STALE
# One at a time, so that nobody moves aside what another has just taken; who was killed at it blocks nobody.
BREAK = (
    _LOCK
    + r"""
d=$1; id=$2; rest=$3; theirs=$4; stale=$5; f=$d/lock
ours
b=$f.breaking
if ! mkdir "$b" 2>/dev/null; then
  if there; then
    if [ -n "$(find "$b" -prune -mmin +1 2>/dev/null)" ]; then rmdir "$b"; fi
    answer held
  fi
  take
fi
trap 'rmdir "$b"' EXIT
if there; then
  is "$theirs" "$f" || answer held
  set -- $(stamp | cut -d ' ' -f 1,2)
  [ $(($1 - $2)) -gt "$stale" ] || answer held
  remove "$theirs" || { there && answer held; }
fi
take
"""
)
