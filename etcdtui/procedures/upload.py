"""An upload that is owed: a proven backup from this machine into stores that lack it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from etcdtui.errors import Refusal
from etcdtui.model.file_names import safe
from etcdtui.model.places import HERE, Backup
from etcdtui.model.quorum import Verdict
from etcdtui.offsite.keeping import Keeping
from etcdtui.procedures import backup_copies as copies
from etcdtui.procedures import manifests
from etcdtui.procedures.backup_decided import Homes
from etcdtui.procedures.procedure import Action, Context, Procedure, Reporter, Step
from etcdtui.procedures.thinning import LOOK
from etcdtui.text import listed

KIND = "upload"


def plan(keeping: Keeping, backup: Backup, stores: Sequence[str], *, procedure_id: str) -> Procedure:
    """Put ``backup``, as it lies here, into ``stores``. Raises Refusal."""
    copy = backup.copy_in(HERE)
    if copy is None or not copy.proven:
        raise Refusal(
            f"The backup {backup.stamp} is not here as a proven one, so it is not sent anywhere.",
            "Go on with the run that brought it (etcdtui resume), or bring it off the cluster again.",
        )
    if not stores:
        raise Refusal(f"No store lacks the backup {backup.stamp}.")
    for name in stores:
        keeping.shelf(name)
    return _procedure(
        procedure_id, keeping.cluster, Path(copy.set.directory).name, backup.stamp, tuple(stores)
    )


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, from its record. Raises KeyError and ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} is no upload")
    stores = tuple(str(name) for name in json.loads(parameters["stores"]))
    return _procedure(procedure_id, cluster, parameters["folder"], parameters["stamp"], stores)


def _procedure(
    procedure_id: str, cluster: str, folder: str, stamp: str, stores: tuple[str, ...]
) -> Procedure:
    def homes(world: Context) -> Homes:
        return Homes(world.keeping.folder / folder, f"{safe(world.keeping.cluster)}/{folder}")

    stays = "Stops here. The copy on this machine stays; the upload can be begun again."
    uploads = (
        Step(
            key=f"store {name}",
            title=f"Put both files into {name}",
            why=f"The backup {stamp} was proven, and {name} does not have it. After the upload {name} is "
            "asked what it has, and that is compared.",
            action=Action.WORK,
            work=copies.put_into(name, homes),
            cancel=stays,
        )
        for name in stores
    )
    manifest = Step(
        key="manifest",
        title="Put the manifest beside them",
        why="It is what makes a copy count, and it comes last.",
        action=Action.WORK,
        work=copies.put_manifest(homes),
        cancel=stays,
        skippable=False,
    )

    def said(world: Context, report: Reporter) -> Verdict:
        _, found = manifests.kept(homes(world).folder)
        there = copies.whereabouts(world.look_at_places(LOOK), world.keeping, found, stores)
        return Verdict(True, f"The backup {stamp} {there}")

    end = Step(
        key="end",
        title="Say where it is",
        why="Every place is listed anew: only copies that count are named.",
        action=Action.WORK,
        work=said,
        skippable=False,
    )
    parameters = {"folder": folder, "stamp": stamp, "stores": json.dumps(stores)}
    title = f"Bring the backup {stamp} of {cluster} into {listed(stores)}"
    return Procedure(KIND, procedure_id, cluster, title, parameters, (*uploads, manifest, end))
