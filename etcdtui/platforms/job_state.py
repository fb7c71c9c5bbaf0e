"""What became of a job whose record lies on a host: the piece of shell that both lookers share."""

from __future__ import annotations

# state says of the job in $j what became of it. What lies there is read as numbers only: the folder may be
# another user's, and bash would run what it finds in arithmetic.
# token tells one process from a later one with the same number: boot and start time; empty for a dead one.
STATE = r"""
token() {
  if [ -r /proc/self/stat ]; then
    set -- $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null)
    case "$1" in ''|Z|X) ;; *) echo "$(boot).${20}";; esac
  else
    case "$(ps -o state= -p "$1")" in ''|Z*) ;; *) ps -o lstart= -p "$1" | tr -s ' ' '_';; esac
  fi
}
# group: whether anything lives of the session that process $1 led, though it is dead itself.
group() {
  if [ -r /proc/self/stat ]; then
    cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' |
      awk -v g="$1" '($3 == g || $4 == g) && $1 !~ /[ZX]/ { n = 1 } END { exit !n }'
  else
    ps -A -o pgid=,state= | awk -v g="$1" '$1 == g && $2 !~ /^Z/ { n = 1 } END { exit !n }'
  fi
}
boot() { cat /proc/sys/kernel/random/boot_id 2>/dev/null; }
state() {
  status=-; start=-; end=-; pid=; now=$(date +%s)
  if [ ! -d "$j" ]; then state=absent; return; fi
  read -r start <"$j/start" || start=-
  case "$start" in ''|0*|*[!0-9]*|?????????????*) start=-;; esac
  if [ -e "$j/rc" ]; then ended; return; fi
  known=
  read -r pid known <"$j/pid" || pid=
  case "$pid" in *[!0-9]*|???????????*) pid=;; esac
  if [ -n "$pid" ] && [ -n "$known" ]; then
    seen=$(token "$pid")
    if [ "$seen" = "$known" ]; then state=running; return; fi
    case "$known" in "$(boot)".*|*_*)
      if [ -z "$seen" ] && group "$pid"; then state=running; return; fi;;
    esac
  fi
  # The pid is written a moment after the directory, and rc a moment after the last sign of life.
  if [ -z "$pid" ] && [ "$start" != - ] && [ $((now - start)) -lt 5 ]; then state=running; return; fi
  if [ -e "$j/rc" ]; then ended; return; fi
  state=vanished
} 2>/dev/null
ended() { state=ended; read -r status end <"$j/rc"; }
"""
