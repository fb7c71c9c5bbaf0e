"""The file of a lock on a host: what it holds, and the piece of shell that both lookers share. Pure.

``FOLDER/lock`` holds one line of JSON that begins with the run, written once. Its time of modification is the
last sign of life. All times are by the host's clock.
"""

from __future__ import annotations

import json
import re
from typing import Any

from etcdtui.model.lock import Lock
from etcdtui.text import clean

RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")

# stamp prints, of the lock $f: the time now, its time of modification, its text in one line.
# A link is not followed and a pipe not opened: root may be looking into the folder of another.
STAMP = r"""
stamp() {
  if [ -L "$f" ] || [ ! -f "$f" ]; then return 0; fi
  changed=$(stat -c %Y "$f" 2>/dev/null || stat -f %m "$f" 2>/dev/null)
  printf '%s %s ' "$(date +%s)" "${changed:-0}"
  head -c 4000 "$f" 2>/dev/null | tr '\r\n' '  '
  echo
}
"""

_STAMPED = re.compile(r"\s*(\d{1,12}) (\d{1,12}) ?(.*)\Z", re.DOTALL)
_TEXT = 200  # characters of a value that are kept


def rest(who: str, title: str, cluster: str, broke: str = "") -> str:
    """What follows run and time of its making in the file: the host adds both before it."""
    told = {"who": who, "procedure": title, "cluster": cluster, "broke": broke}
    return json.dumps({key: clean(value, _TEXT) for key, value in told.items()})[1:]


def parse_lock(stamped: str) -> Lock | None:
    """What ``stamp`` printed. None for nothing; a file that cannot be read is somebody's lock, too."""
    match = _STAMPED.match(stamped)
    if match is None:
        return None
    now, changed = int(match[1]), int(match[2])
    silent = float(max(0, now - changed))
    try:
        told = json.loads(match[3])
        run, since = told["run"], told["since"]
        if not RUN.match(run):
            raise ValueError(run)
        made = float(since)
    except (ValueError, KeyError, TypeError):
        return Lock("", "", "", "", silent, silent)
    who, title, cluster, broke = (_text(told.get(k)) for k in ("who", "procedure", "cluster", "broke"))
    return Lock(run, who, title, cluster, max(0.0, now - made), silent, broke)


def _text(value: Any) -> str:
    return clean(value, _TEXT) if isinstance(value, str) else ""
