"""A member's database where it lies on its host, read page by page: nothing is stopped, nothing copied."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from etcdtui.errors import CommandFailed, NotFound
from etcdtui.etcd.bbolt import Damaged, Pages, Unreadable
from etcdtui.etcd.position import Overtaken, position
from etcdtui.model.survivors import Position
from etcdtui.reach.runner import Runner
from etcdtui.text import clean

TRIES = 5  # a running member writes every 100 ms: reading it may take several
TIMEOUT = 15.0  # seconds for one read
SECTOR = 512

# Argument: etcd's data folder.
_LOOK = r"""
LC_ALL=C; export LC_ALL
printf 'etcdtui database\n'
f=$1/member/snap/db
if [ -f "$f" ]; then
  printf 'db '; stat -L -c '%s %Y' "$f" 2>/dev/null || stat -L -f '%z %m' "$f"
fi
for f in "$1"/member/snap/*.snap; do [ -f "$f" ] && printf 'snap %s\n' "${f##*/}"; done
for f in "$1"/member/wal/*.wal; do [ -f "$f" ] && printf 'wal %s\n' "${f##*/}"; done
printf 'end\n'
"""
# Arguments: file, first sector, sectors.
_READ = 'exec dd if="$1" bs=512 skip="$2" count="$3" 2>/dev/null'

_DB = re.compile(r"^db (\d{1,15}) (\d{1,12})$", re.MULTILINE)
_SNAP = re.compile(r"^snap ([0-9a-f]{16})-[0-9a-f]{16}\.snap$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What a member's data tells. ``written`` is when it was last written, epoch seconds by its host's clock.
    ``least_term`` is the term of the last raft snapshot, by its name: the data is of that term or a later
    one; 0 for none."""

    position: Position
    size: int
    written: float
    least_term: int = 0


class RemotePages(Pages):
    """The database at ``path`` on a host. Raises Unreadable, and what the Runner raises."""

    def __init__(self, runner: Runner, sudo: Sequence[str], path: str, size: int) -> None:
        self._runner, self._sudo, self._path, self.size = runner, tuple(sudo), path, size

    def read(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise Damaged(f"The file ends at byte {self.size}, but byte {offset + length} is needed.")
        first, last = offset // SECTOR, -(-(offset + length) // SECTOR)
        words = ("sh", "-c", _READ, "etcdtui-read-page", self._path, str(first), str(last - first))
        done = self._runner.run((*self._sudo, *words), timeout=TIMEOUT)
        data = done.stdout[offset - first * SECTOR :][:length]
        if not done.ok or len(data) < length:
            raise Unreadable(f"{self._path} on {self._runner.host} cannot be read at byte {offset}.")
        return data


def read_position(runner: Runner, sudo: Sequence[str], folder: str) -> OnDisk:
    """What the data in ``folder`` (etcd's data folder) tells.

    Raises NotFound where there is no database, Damaged, Unreadable, and what the Runner raises.
    """
    for left in reversed(range(TRIES)):
        size, written, least = _look(runner, sudo, folder)
        pages = RemotePages(runner, sudo, f"{folder}/member/snap/db", size)
        try:
            return OnDisk(position(pages), size, written, least)
        except Overtaken as exc:
            if not left:
                raise Unreadable(
                    f"The database on {runner.host} is written faster than it can be read from here.",
                    "Its member runs: ask that one.",
                ) from exc
        except Damaged as exc:
            raise Damaged(f"The database on {runner.host} is damaged: {exc.message}") from exc
    raise AssertionError("unreachable")


def _look(runner: Runner, sudo: Sequence[str], folder: str) -> tuple[int, float, int]:
    done = runner.run((*sudo, "sh", "-c", _LOOK, "etcdtui-database", folder), timeout=TIMEOUT)
    said = done.out()
    if not done.ok or not said.startswith("etcdtui database\n") or not said.endswith("end\n"):
        why = clean(done.err().strip(), 200) or "it said nothing"
        raise CommandFailed(f"{folder} on {runner.host} cannot be looked into: {why}.", status=done.status)
    found = _DB.search(said)
    if found is None:
        raise NotFound(f"There is no database of etcd in {folder} on {runner.host}.")
    return int(found[1]), float(found[2]), max((int(term, 16) for term in _SNAP.findall(said)), default=0)
