"""Commands wrapped so that nothing is left running on a host. Pure: argv in, argv out."""

from __future__ import annotations

import math
from collections.abc import Sequence

# Succeeds where timeout(1) is GNU's, which ends all that its command started; busybox's ends one process.
PROBE = ("timeout", "--foreground", "-k", "2", "5", "true")

# Ends the group, which is the command's own over SSH and for LocalRunner, after "$1" seconds where there is
# no such timeout(1). Standard input is handed on through descriptor 3, because a shell gives its background
# commands /dev/null.
_WATCH = """t=$1; shift; exec 3<&0
"$@" <&3 3<&- & p=$!
( exec </dev/null >/dev/null 2>&1 3<&-; sleep "$t"; trap '' TERM; kill -TERM 0; sleep 2; kill -KILL 0 ) & w=$!
exec 3<&-; wait $p; s=$?; kill $w 2>/dev/null; exit $s"""

# Copies standard input to the command. When that input ends, everything of the group ends; when the command
# ends first, only the copying does. The copier's first line is its own number, for just that.
_TETHER = """{ sh -c 'echo $$; exec cat' && kill -TERM 0; } |
{ read -r c; "$@"; s=$?; kill "$c" 2>/dev/null; exit "$s"; }"""

_SUDO_FLAGS = frozenset(
    {"-n", "-E", "-H", "-k", "-S", "-b", "--non-interactive", "--preserve-env", "--set-home"}
)
_SUDO_WITH_VALUE = frozenset({"-u", "-g", "--user", "--group"})


def split_sudo(argv: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The leading ``sudo -n …`` and the command after it; an empty first part where there is no sudo.

    A sudo whose options are not understood is treated as part of the command.
    """
    words = tuple(argv)
    if not words or words[0].rpartition("/")[2] != "sudo":
        return (), words
    i = 1
    while i < len(words):
        word = words[i]
        if word == "--":
            i += 1
            break
        if word in _SUDO_FLAGS or (word.startswith("--") and "=" in word):
            i += 1
        elif word in _SUDO_WITH_VALUE:
            i += 2
        elif word.startswith("-"):
            return (), words
        else:
            break
    return words[:i], words[i:]


def bounded(argv: Sequence[str], seconds: float, has_timeout: bool) -> tuple[str, ...]:
    """``argv`` so that the host itself ends it after ``seconds`` (rounded up to whole ones).

    The limit goes inside sudo: an ordinary user may not signal what sudo started. ``has_timeout``: what
    ``PROBE`` says of that host.
    """
    sudo, command = split_sudo(argv)
    if not command:
        return tuple(argv)
    limit = str(max(1, math.ceil(seconds)))
    guard = ("timeout", "-k", "2", limit) if has_timeout else ("sh", "-c", _WATCH, "sh", limit)
    return (*sudo, *guard, *command)


def tethered(argv: Sequence[str]) -> tuple[str, ...]:
    """``argv`` so that it ends with its standard input, even if it does not read it or ignores its end.

    For commands of ``Runner.stream`` (which start a process group of their own) that would stay on the
    host after the connection is gone, like ``openssl s_client -quiet``. Costs one ``cat`` on the host.
    """
    sudo, command = split_sudo(argv)
    return (*sudo, "sh", "-c", _TETHER, "sh", *command)
