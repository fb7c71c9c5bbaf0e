"""What cluster-restore.sh prints, understood line by line: where it is, and where it was when it failed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from etcdtui.procedures.restore_decided import Standstill
from etcdtui.text import clean, listed

_WAITING = re.compile(r"^Waiting for container ([a-z-]+) to stop$")
_DOTS = re.compile(r"^(\.*)(complete)?$")
_STOPPING = re.compile(r"^\.\.\.stopping ([a-z-]+?)(?:-pod)?\.yaml$")
_STARTING = re.compile(r"^starting ([a-z-]+?)(?:-pod)?\.yaml$")

KNOWN = {
    "This script must be run as root": "sudo did not make it root",
    "required dependencies not found": "etcd's static pod was never installed on this host",
    "Path to the directory containing backup files is required": "the folder with the backup is not there",
    "Backup integrity verification failed": "the host's own check of the snapshot failed",
    "is not empty, please review": "etcd's data folder holds other things, beside which nothing is restored",
    "failed to create restore pod yaml": "neither the backup nor the host has the pod that restores",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """How far the script has come. ``waiting`` names the container whose end it waits for now, and
    ``seconds`` how long, by its dots. ``destroyed``: the old data was moved away already."""

    stopped: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    waiting: str = ""
    seconds: int = 0
    destroyed: bool = False
    restoring: bool = False
    started: tuple[str, ...] = ()
    trouble: str = ""
    completed: bool = False  # it says so itself, in a box with the next steps

    @property
    def sentence(self) -> str:
        """Where it is, for a person."""
        if self.started:
            return f"It has put back the manifests of {listed(self.started)}."
        if self.completed:
            return "It has put the restore pod in etcd's place, and calls the restore completed."
        if self.restoring:
            return "It has put the restore pod in etcd's place."
        if self.destroyed:
            return "It has moved the old data away."
        if self.waiting:
            return f"It waits for the container {self.waiting} to stop, {self.seconds} s so far."
        if self.ended:
            return f"The containers {listed(self.ended)} have stopped."
        if self.stopped:
            return f"It has moved the manifests of {listed(self.stopped)} away."
        return "It has not stopped anything yet."


def heard(output: str) -> Heard:
    """From all it has printed so far, or the end of that."""
    stopped: list[str] = []
    ended: list[str] = []
    started: list[str] = []
    waiting, seconds, trouble = "", 0, ""
    destroyed = restoring = completed = False
    for line in output.splitlines():
        if match := _STOPPING.match(line):
            stopped.append(match[1])
        elif match := _WAITING.match(line):
            waiting, seconds = match[1], 0
        elif waiting and (match := _DOTS.match(line)):
            seconds = len(match[1])
            if match[2]:
                ended.append(waiting)
                waiting = ""
        elif line.startswith("Moving etcd data-dir "):
            destroyed = True
        elif line in ("starting restore-etcd static pod", "starting restored etcd-pod.yaml"):
            destroyed = restoring = True
        elif "SNAPSHOT RESTORE COMPLETED" in line:
            completed = True
        elif match := _STARTING.match(line):
            started.append(match[1])
        for mark, meaning in KNOWN.items():
            if mark in line:
                trouble = meaning
        if line.endswith("do not exist") or line.endswith("does not exist") or " does not exist in " in line:
            trouble = clean(line, 200)
    return Heard(
        tuple(stopped),
        tuple(ended),
        waiting,
        seconds,
        destroyed,
        restoring,
        tuple(started),
        trouble,
        completed,
    )


def explain(decided: Standstill, script: str = "cluster-restore.sh") -> Callable[[int, str], str]:
    """Why it failed, what it left behind, and the way back."""

    def words(status: int, said: str) -> str:
        told = heard(said)
        host = decided.recovery.host
        why = f": {told.trouble}" if told.trouble else ""
        begin = f"{script} on {host} ended with exit code {status}{why}. {told.sentence}"
        if not told.stopped and not told.destroyed:
            return f"{begin} Nothing was changed by it."
        return f"{begin} Nothing {'of etcd ' if decided.alone else ''}runs on {host} now. {way_back(decided)}"

    return words


def way_back(decided: Standstill) -> str:
    """How the old data of the recovery host is put back, by hand."""
    aside = decided.manifest_aside(decided.recovery, "etcd")
    manifests = (
        f"Its manifest of etcd is {aside}"
        if decided.alone
        else f"Its manifests lie in {decided.stopped} (that of etcd is {aside})"
    )
    return (
        f"{manifests}, its old data in {decided.old}, a copy of it in {decided.safe}/member. The way back: "
        f"move the data to {decided.recovery.data}, then the manifests back."
    )
