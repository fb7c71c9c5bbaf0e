"""A lab whose backups are watched in every place: with faults, a human who agrees, the command line."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etcdtui import config
from etcdtui.cluster import Cluster
from etcdtui.config_stores import DirectoryPlace
from etcdtui.journal import Journal
from etcdtui.lab.demo import Lab
from etcdtui.landing import PART
from etcdtui.model.places import HERE, Backup
from etcdtui.procedures import backup, manifests
from etcdtui.procedures.engine import Engine
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import (
    Answer,
    Choice,
    Ending,
    Event,
    Finished,
    Procedure,
    StepChanged,
    StepState,
)
from tests.live.watched import Watched

ROOT = Path(__file__).parents[2]
HOST = "masternode2"

# In front of the hosts' sudo: a line that stands still after so many bytes, a disk that takes no more.
FAULTY = """#!/bin/sh
case "$3,$5" in
  sh,*"dd if="*)
    if at=$(cat {folder}/drop 2>/dev/null); then
      rm {folder}/drop
      "$@" | head -c "$at"
      exec sleep 60
    fi ;;
  */cluster-backup.sh,*)
    if [ -e {folder}/full ]; then ulimit -f 8000; fi ;;
esac
exec "$@"
"""

STORE = "outside"


class Ground:
    """A lab that is watched, its faults and its places. ``stores`` is the configuration of more of them."""

    def __init__(self, lab: Lab, folder: Path, stores: str = "") -> None:
        self.lab, self.folder = lab, folder
        faulty = folder / "faulty"
        faulty.write_text(FAULTY.format(folder=folder))
        faulty.chmod(0o755)
        self.config = folder / "clusters.toml"
        told = lab.config.read_text().replace(
            "[clusters.lab.backups]\n", "[clusters.lab.backups]\nkeep = {last = 1}\n"
        )
        sudo = f'[clusters.lab.layout]\nsudo = ["{faulty}", "sudo", "-n"]\n'
        self.config.write_text(f"{told}{sudo}{stores}")
        self.environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
        self.state = folder / "state" / "etcdtui"
        found = config.load(self.config).cluster(None)
        self.here = found.backups.directory
        place = found.stores[0].place
        assert isinstance(place, DirectoryPlace)
        self.store = place.path
        self.cluster = Cluster(found, self.state)
        self.cluster.start()
        self.watch = Watched(lab, self.cluster, self.state)
        self.journal = Journal(self.state / "journal")
        self.operations = Operations(self.cluster, self.state)

    @property
    def on_host(self) -> Path:
        layout = self.cluster.layout_of(HOST)
        return Path(layout.at(layout.backups))

    def plan(self) -> Procedure:
        return self.operations.plan_backup(self.watch.healthy().view, host=HOST)

    def take(self, made: Procedure | None = None) -> Take:
        return Take(self, made or self.plan())

    def etcdtui(self, *words: str, child: str = "", **more: Any) -> subprocess.CompletedProcess[str]:
        """The command line. ``child`` is run before it, in its process."""
        return subprocess.run(
            self.words(*words, child=child),
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **more,
        )

    def words(self, *words: str, child: str = "") -> list[str]:
        code = f"{child}\nimport sys\nfrom etcdtui.cli.main import main\nsys.exit(main(sys.argv[1:]))"
        return [sys.executable, "-c", code, words[0], "--config", str(self.config), *words[1:]]

    def backup(self, stamp: str) -> Backup:
        """As it is known now, joined over all places."""
        view = self.cluster.look_at_places(20)
        return next(b for b in view.known_backups if b.stamp == stamp and b.copy_in(HERE) is not None)

    def kept(self, stamp: str) -> Path:
        return self.here / f"{stamp}-{HOST}"

    def whole(self, stamp: str) -> None:
        """Two files and a manifest on the host, here and in the store, and all the same."""
        kept, stored = self.kept(stamp), self.store / "lab" / f"{stamp}-{HOST}"
        here = digests(kept, stamp)
        assert len(here) == 3
        assert here == digests(self.on_host, stamp) == digests(stored, stamp)
        assert {folder.stat().st_mode & 0o777 for folder in (kept, stored, stored.parent)} == {0o700}
        _, manifest = manifests.kept(self.kept(stamp))
        assert manifest.good and here[manifest.snapshot.name] == manifest.snapshot.sha256
        assert self.backup(stamp).proven
        assert not [*self.folder.rglob(f"*{PART}"), *self.on_host.rglob(f"*{PART}")]


@dataclass
class Take:
    """A run with a human who agrees to all, and passes over or stops at what fails."""

    ground: Ground
    procedure: Procedure
    stuck: Choice = Choice.STOP
    events: list[Event] = field(default_factory=list)
    when: list[tuple[Callable[[Event], bool], Callable[[], object]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = Engine(self.procedure, self.ground.cluster, self.ground.journal, self._emit)

    def __call__(self) -> Finished:
        finished = self.engine.run()
        assert not self.when or finished.ending is not Ending.DONE, "something did not happen"
        return finished

    def _emit(self, event: Event) -> None:
        self.events.append(event)
        for happens, act in list(self.when):
            if happens(event):
                self.when.remove((happens, act))
                act()
        if isinstance(event, StepChanged) and event.choices:
            choice = Choice.GO if Choice.GO in event.choices else self.stuck
            self.engine.answer(Answer(choice, "it fails", event.step))

    @property
    def failed(self) -> list[str]:
        found = (e for e in self.events if isinstance(e, StepChanged))
        return [e.sentence for e in found if e.state is StepState.FAILED]

    @property
    def stamp(self) -> str:
        """Of the backup it took."""
        said = next(
            e.text("stdout") for e in self.ground.journal.read(self.procedure.id).entries if e.kind == "ended"
        )
        return backup.checks.proof.stamps_in(said)[0]


def digests(folder: Path, stamp: str) -> dict[str, str]:
    found = [path for path in folder.iterdir() if stamp in path.name]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in found)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def at(step: str, state: StepState) -> Callable[[Event], bool]:
    return lambda e: isinstance(e, StepChanged) and (e.step, e.state) == (step, state)
