"""What the plan of a backup decided, as its record keeps it, and what follows from that."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from etcdtui.errors import Refusal
from etcdtui.model.backups import BackupSet
from etcdtui.model.file_names import folder_name, safe
from etcdtui.offsite.keeping import Keeping
from etcdtui.platforms.layout import Layout
from etcdtui.procedures import backup_proof as proof
from etcdtui.procedures.procedure import Context


@dataclass(frozen=True, slots=True)
class Decided:
    """Every decision of a plan, as the record keeps it."""

    host: str
    layout: Layout
    need: int  # bytes that must be free
    expected: int  # bytes the snapshot will have; 0: not known
    in_use: int  # bytes of the database that hold something
    newest: str  # time stamp of the newest backup in that folder before this one
    stores: tuple[str, ...] = ()
    thin: bool = False  # are old backups to be thinned out at the end
    stamp: str = ""  # of a backup that was there before; empty: this run takes one
    rules: str = ""  # by which old backups are thinned out, as ``thinning.written``

    @property
    def folder(self) -> str:
        return self.layout.at(self.layout.backups)

    @property
    def script(self) -> str:
        return self.layout.at(self.layout.backup_script)

    def parameters(self) -> dict[str, str]:
        return {
            "host": self.host,
            "folder": self.folder,
            "script": self.script,
            "jobs": self.layout.at(self.layout.jobs),
            "sudo": shlex.join(self.layout.sudo),
            "need": str(self.need),
            "expected": str(self.expected),
            "in_use": str(self.in_use),
            "newest": self.newest,
            "stores": json.dumps(self.stores),
            "thin": str(int(self.thin)),
            "stamp": self.stamp,
            "rules": self.rules,
        }

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Decided:
        """Raises KeyError and ValueError."""
        layout = Layout(
            backups=parameters["folder"],
            backup_script=parameters["script"],
            jobs=parameters["jobs"],
            sudo=tuple(shlex.split(parameters["sudo"])),
        )
        need, expected, in_use = (int(parameters[key]) for key in ("need", "expected", "in_use"))
        return cls(
            parameters["host"],
            layout,
            need,
            expected,
            in_use,
            parameters["newest"],
            tuple(str(name) for name in json.loads(parameters["stores"])),
            parameters["thin"] == "1",
            parameters["stamp"],
            parameters.get("rules", ""),
        )

    def found_in(self, listing: proof.Listing, world: Context) -> BackupSet | None:
        """The backup that is meant, among those of a folder."""
        if self.stamp:
            return next((s for s in listing.sets if s.stamp == self.stamp), None)
        return proof.made_by(listing, world.said("take"), self.newest)

    def made(self, world: Context) -> BackupSet:
        """The backup that is meant, as it lies on the host. Raises Refusal when it is gone."""
        listing = proof.list_folder(world.runner(self.host), self.layout.sudo, self.folder)
        found = self.found_in(listing, world)
        if found is None:
            raise Refusal(
                f"The backup {self.stamp or 'of this run'} is no longer in {self.folder} on {self.host}.",
                "Somebody removed it: take another one.",
            )
        return found


@dataclass(frozen=True, slots=True)
class Homes:
    """Where one backup is kept: its folder here, the beginning of its objects' names in stores."""

    folder: Path
    prefix: str

    @classmethod
    def of(cls, keeping: Keeping, stamp: str, host: str) -> Homes:
        name = folder_name(stamp, host)
        return cls(keeping.folder / name, f"{safe(keeping.cluster)}/{name}")
