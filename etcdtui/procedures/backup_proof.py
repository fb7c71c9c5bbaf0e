"""Looks at the two files of a backup on the host that wrote them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from etcdtui.errors import CommandFailed, SudoRefused
from etcdtui.model.backups import BackupSet, Completeness, FoundFile, join
from etcdtui.reach.runner import Completed, Runner
from etcdtui.reach.transfer import DIGEST
from etcdtui.text import clean, listed, size

LOOK = 20.0  # seconds for listing a folder
PROVE = 300.0  # seconds for reading a snapshot once

# Arguments: DIR. Prints "file SIZE MTIME MODE OWNER NAME" for each file of a backup.
_LIST = r"""
cd -- "$1" || exit 1
for f in snapshot_* static_kuberesources_*; do
  [ -f "$f" ] || continue
  stat -c 'file %s %Y %a %U %n' -- "$f" 2>/dev/null || stat -f 'file %z %m %Lp %Su %N' -- "$f"
done
exit 0
"""

# Arguments: SNAPSHOT TAR. etcdctl puts the SHA-256 of all that comes before behind the database.
_PROVE = (
    DIGEST
    + r"""
n=$(($(wc -c <"$1") - 32))
made=$(head -c "$n" "$1" | sum | cut -c 1-64)
kept=$(tail -c 32 "$1" | od -An -v -tx1 | tr -d ' \n')
echo "sum $made $kept"
if names=$(tar -tzf "$2" 2>&1); then echo "tar $(printf '%s\n' "$names" | grep -c .)"
else echo "broken $(printf '%s\n' "$names" | tail -n 1)"; fi
"""
)

_STAMP = r"snapshot_(\d{4}-\d\d-\d\d_\d{6})(?:__POSSIBLY_DIRTY__)?\.db"
_SAVED = re.compile(rf"(?:[Ss]napshot saved at|\"saved\").*?{_STAMP}")
_ANY = re.compile(_STAMP)
_FILE = re.compile(r"file (\d+) (\d+) ([0-7]+) (\S+) (.+)")


@dataclass(frozen=True, slots=True)
class Listing:
    """The backups in one folder now, and whose files they are."""

    sets: tuple[BackupSet, ...]
    owners: dict[str, str]


@dataclass(frozen=True, slots=True)
class Proof:
    """What reading the two files once showed. ``checksum`` None: it could not be computed."""

    checksum: bool | None
    entries: int  # in the tar
    broken: str = ""  # what tar said of a file it cannot read


def list_folder(runner: Runner, sudo: Sequence[str], folder: str) -> Listing:
    """The files of backups in ``folder``. Raises CommandFailed, SudoRefused and what the Runner raises."""
    done = runner.run((*sudo, "sh", "-c", _LIST, "list-backups", folder), timeout=LOOK)
    if not done.ok:
        raise _failed(runner.host, f"{folder} on {runner.host} cannot be listed", done)
    files: list[FoundFile] = []
    owners: dict[str, str] = {}
    for line in done.out().splitlines():
        match = _FILE.fullmatch(line)
        if match:
            name = match[5]
            files.append(
                FoundFile(runner.host, folder, name, int(match[1]), float(match[2]), int(match[3], 8))
            )
            owners[name] = match[4]
    return Listing(join(files), owners)


def prove(runner: Runner, sudo: Sequence[str], backup: BackupSet) -> Proof:
    """Read both files once, on the host. Raises CommandFailed and what the Runner raises."""
    snapshot, resources = backup.snapshot, backup.resources
    assert snapshot is not None and resources is not None
    paths = (f"{backup.directory}/{snapshot.name}", f"{backup.directory}/{resources.name}")
    done = runner.run((*sudo, "sh", "-c", _PROVE, "check-backup", *paths), timeout=PROVE)
    if not done.ok:
        raise _failed(runner.host, f"the backup on {runner.host} cannot be read", done)
    checksum: bool | None = None
    entries, broken = 0, ""
    for line in done.out().splitlines():
        match line.split(" "):
            case ["sum", made, kept] if len(made) == 64:
                checksum = made == kept
            case ["tar", count]:
                entries = int(count) if count.isdigit() else 0
            case ["broken", *words]:
                broken = clean(" ".join(words), 200)
    return Proof(checksum, entries, broken)


def stamps_in(output: str) -> tuple[str, ...]:
    """The time stamps of the snapshots a run of the script speaks of, the saved one first."""
    saved = [m[1] for m in _SAVED.finditer(output)][::-1]
    named = [m[1] for m in _ANY.finditer(output)][::-1]
    return tuple(dict.fromkeys([*saved, *named]))


def made_by(listing: Listing, output: str, newest_before: str) -> BackupSet | None:
    """The backup that this run wrote: the one its output names, else the newest that was not there before."""
    for stamp in stamps_in(output):
        found = next((s for s in listing.sets if s.stamp == stamp), None)
        if found is not None:
            return found
    return next((s for s in listing.sets if s.stamp > newest_before), None)


def complaint(backup: BackupSet, in_use: int) -> str:
    """Why the files, by their names and sizes, are no good backup; empty when they may be one."""
    where = f"in {backup.directory} on {backup.host}"
    files = listed([f"{f.name} ({size(f.size)})" for f in backup.files])
    words = {
        Completeness.WRITING: "is still being written",
        Completeness.ONLY_SNAPSHOT: "is only half a backup, the static resources are missing",
        Completeness.ONLY_RESOURCES: "is only half a backup, the snapshot is missing",
        Completeness.HALF_WRITTEN: "is half-written",
        Completeness.EMPTY: "holds an empty file",
    }.get(backup.completeness)
    if words:
        return f"What lies {where} {words}: {files}. It is no backup: take another one."
    snapshot = backup.snapshot
    if snapshot is not None and snapshot.size * 2 < in_use:
        return (
            f"{snapshot.name} {where} has only {size(snapshot.size)}, while the database holds {size(in_use)}"
            ": something is missing. Do not rely on it, take another one."
        )
    return ""


def modes(backup: BackupSet, owners: dict[str, str]) -> str:
    """A sentence when others than root may read the files; empty otherwise."""
    open_ = [f"{f.name} (mode {f.mode:o})" for f in backup.files if f.mode & 0o077]
    foreign = [f"{f.name} ({owners[f.name]})" for f in backup.files if owners.get(f.name, "root") != "root"]
    said = []
    if open_:
        said.append(f"Others may read {listed(open_)}: it holds every secret of the cluster; chmod 600 it.")
    if foreign:
        said.append(f"Not root's own: {listed(foreign)}.")
    return " ".join(said)


def _failed(host: str, what: str, done: Completed) -> CommandFailed | SudoRefused:
    lines = [line for line in done.err().splitlines() if line.strip()]
    said = clean(lines[-1]) if lines else f"exit code {done.status}"
    if said.startswith("sudo:"):
        return SudoRefused(
            f"sudo on {host} refuses: {said}.",
            "Allow the login user to run commands without a password there.",
        )
    return CommandFailed(
        f"{what[0].upper()}{what[1:]}: {said}.", argv=done.argv, status=done.status, said=done.err()
    )
