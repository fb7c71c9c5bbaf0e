"""What jobs.py runs on a host: constant scripts for any POSIX sh, GNU or BSD tools. Values are arguments.

A job is a directory DIRECTORY/ID of mode 0700 with: argv (NUL-separated), by, start (seconds since 1970),
pid ("PID TOKEN"), out, err, and at its end rc ("STATUS SECONDS").
"""

from __future__ import annotations

from etcdtui.platforms.job_state import STATE

FOREIGN = 77  # exit code where the folder of the jobs is not ours alone

# ours: goes on only where nobody else can put anything into folder $d, or where there is none. One lstat
# tells kind, mode and owner, so that nothing can change in between; what is ours in a sticky folder stays.
COMMON = (
    STATE
    + r"""
ours() {
  set -- $(LC_ALL=C ls -ldn "$d" 2>/dev/null)
  case $1 in
    '') if [ ! -e "$d" ] && [ ! -L "$d" ]; then return 0; fi; why='it cannot be looked at';;
    l*) why='it is a symbolic link';;
    d????-??-*) if [ "$3" = "$(id -u)" ]; then return 0; fi; why="it belongs to user $3";;
    d*) why='others may write into it';;
    *) why='it is no folder';;
  esac
  echo "$why" >&2
  exit """
    + str(FOREIGN)
    + "; }\n"
)

# Arguments: DIRECTORY ID BY COMMAND...
# rc.new is written at the start, so that its end can be told on a full disk, too. The traps let the wrapper
# live through the signal that cancel sends to the group; the command gets its default actions.
START = (
    COMMON
    + r"""
d=$1; j=$1/$2; by=$3; shift 3
way=
for w in setsid perl python3; do if command -v $w >/dev/null 2>&1; then way=$w; break; fi; done
# Without a session of its own a job could neither be told from others nor cancelled with all it started.
if [ -z "$way" ]; then echo 'neither setsid nor perl nor python3 is there to detach a job' >&2; exit 1; fi
case $d in ?*/*) (umask 077; mkdir -p "${d%/*}") || exit 1;; esac
said=$(mkdir -m 700 "$d" 2>&1)
ours
if [ ! -d "$d" ]; then echo "$said" >&2; exit 1; fi
if ! mkdir -m 700 "$j" 2>/dev/null; then
  if [ -d "$j" ]; then echo already; exit 0; fi
  mkdir -m 700 "$j" || exit 1
fi
printf '%s\n' "$(date +%s)" >"$j/start" && printf '%s\0' "$@" >"$j/argv" && printf '%s\n' "$by" >"$j/by" &&
printf '%20s\n' '' >"$j/rc.new" || { rm -rf "$j"; exit 1; }
run='j=$1; shift; trap : HUP INT TERM
"$@" </dev/null >"$j/out" 2>"$j/err"; s=$?
printf "%s %s\n" "$s" "$(date +%s)" 1<>"$j/rc.new"; mv -f "$j/rc.new" "$j/rc"'
case $way in
setsid) set -- setsid sh -c "$run" sh "$j" "$@";;
perl) set -- perl -MPOSIX -e 'POSIX::setsid(); exec @ARGV' sh -c "$run" sh "$j" "$@";;
python3)
  set -- python3 -c 'import os,sys; os.setsid(); os.execvp("sh", sys.argv[1:])' sh -c "$run" sh "$j" "$@";;
esac
"$@" </dev/null >/dev/null 2>&1 &
p=$!
printf '%s %s\n' "$p" "$(token "$p")" >"$j/pid.new"; mv "$j/pid.new" "$j/pid"
echo started
"""
)

# Arguments: DIRECTORY ID OFFSET_OUT OFFSET_ERR LIMIT PREFIX SUDO...
# Prints one line of numbers and then exactly as many bytes of out and err as that line says.
LOOK = (
    COMMON
    + r"""
d=$1; j=$1/$2; oo=$3; oe=$4; limit=$5; prefix=$6; shift 6
size() { if [ -f "$1" ]; then echo $(($(wc -c <"$1"))); else echo 0; fi; }
ours
state
no=$(($(size "$j/out") - oo)); ne=$(($(size "$j/err") - oe)); more=0
if [ "$no" -lt 0 ]; then no=0; fi
if [ "$ne" -lt 0 ]; then ne=0; fi
if [ "$no" -gt "$limit" ]; then no=$limit; more=1; fi
if [ "$ne" -gt $((limit - no)) ]; then ne=$((limit - no)); more=1; fi
measured=-
if [ -n "$prefix" ]; then
  measured=$("$@" sh -c 't=0; add() { for f do
      if [ -d "$f" ] && [ ! -L "$f" ]; then add "$f"/*; elif [ -f "$f" ]; then t=$((t + $(wc -c <"$f"))); fi
    done; }; add "$1"*
    echo "$t"' sh "$prefix" 2>/dev/null) || measured=-
fi
echo "etcdtui-job 1 $state $status $start $now $end $no $ne $more ${measured:--}"
if [ "$no" -gt 0 ]; then tail -c +$((oo + 1)) "$j/out" | head -c "$no"; fi
if [ "$ne" -gt 0 ]; then tail -c +$((oe + 1)) "$j/err" | head -c "$ne"; fi
exit 0
"""
)

# Arguments: DIRECTORY ID PATIENCE SUDO...
# Ends the group, first politely; says what became of it.
CANCEL = (
    COMMON
    + r"""
d=$1; j=$1/$2; patience=$3; shift 3
ours
state
if [ "$state" = running ] && [ -n "$pid" ]; then
  end_it() {
    "$@" kill -s "$how" -- "-$pid" || "$@" kill -s "$how" "$pid"
  }
  for how in TERM KILL; do
    end_it "$@" 2>/dev/null
    i=0
    while [ "$i" -lt $((patience * 10)) ]; do
      state
      if [ "$state" != running ]; then break 2; fi
      if sleep 0.1 2>/dev/null; then i=$((i + 1)); else sleep 1; i=$((i + 10)); fi
    done
  done
  if [ "$state" = vanished ]; then
    printf '137 %s\n' "$(date +%s)" >"$j/rc.killed" && mv -f "$j/rc.killed" "$j/rc"
    state
  fi
fi
echo "etcdtui-job 1 $state"
"""
)

# Arguments: DIRECTORY ID
FORGET = (
    COMMON
    + r"""
d=$1; j=$1/$2
ours
state
if [ "$state" = running ]; then echo "etcdtui-job 1 running"; exit 0; fi
rm -rf "$j" && echo "etcdtui-job 1 gone"
"""
)
