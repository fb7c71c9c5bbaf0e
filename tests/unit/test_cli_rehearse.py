"""Which backup a rehearsal takes, and what its metrics tell however it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from etcdtui.cli import main as cli
from etcdtui.cli.rehearse import STOPPED, _last
from etcdtui.config import ClusterConfig
from etcdtui.config_stores import BackupsConfig
from etcdtui.errors import Cancelled, ConfigError
from etcdtui.model.backups import DIRTY
from etcdtui.model.manifest import Manifest
from etcdtui.model.proof import Check, Outcome
from etcdtui.procedures import manifests, rehearsal
from etcdtui.procedures.rehearsal import Rehearsed
from tests.recorded import VERSIONS
from tests.shelved import placed

STAMP, LATER = "2026-11-23_020000", "2026-11-24_020000"


def kept(root: Path, stamp: str, **changes: object) -> Path:
    """A backup here; the manifest changed."""
    copy = placed(root, stamp, VERSIONS[0])
    assert copy.manifest is not None
    manifest: Manifest = replace(copy.manifest, **changes)  # type: ignore[arg-type]
    manifests.keep(Path(copy.set.directory), copy.set, manifest)
    return Path(copy.set.directory) / f"snapshot_{stamp}.db"


def newest(root: Path) -> Path:
    return _last(ClusterConfig("prod", backups=BackupsConfig(root)))


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster": "stage"},
        {"checks": (Check("structure", Outcome.FAILED, "A page is lost."),)},
        {"taken": "earlier"},
        {"forced": True},
        {"unreadable": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_last_one_is_the_newest_to_rely_on(tmp_path: Path, changes: dict[str, object]) -> None:
    good = kept(tmp_path, STAMP)
    _, told = manifests.kept(good.parent)
    if "taken" in changes:  # the clock of its host was wrong: its name says nothing
        changes = {"taken": told.taken - timedelta(days=1)}
    forced, unreadable = "forced" in changes, "unreadable" in changes
    path = kept(tmp_path, LATER, **({} if forced or unreadable else changes))
    if forced:
        _, other = manifests.kept(path.parent)
        dirty = path.rename(path.with_name(f"snapshot_{LATER}{DIRTY}.db"))
        told = replace(other, snapshot=replace(other.snapshot, name=dirty.name))
        manifests.replace_with(path.with_name(f"snapshot_{LATER}.manifest.json"), told)
    if unreadable:
        path.with_name(f"snapshot_{LATER}.manifest.json").write_text("{}")
    assert newest(tmp_path) == good
    assert newest(tmp_path).is_file()


def test_without_one_it_is_said_of_which_cluster(tmp_path: Path) -> None:
    kept(tmp_path, STAMP, cluster="stage")
    with pytest.raises(ConfigError, match="no proven backup of prod"):
        newest(tmp_path)


def test_the_metrics_name_the_cluster_and_tell_of_every_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot, metrics = kept(tmp_path, STAMP), tmp_path / "rehearsal.prom"
    done = Rehearsed(snapshot, Outcome.OK, "It is what was proven.", cluster="prod")
    monkeypatch.setattr(rehearsal, "rehearse", lambda *_: done)
    asked = ["rehearse", str(snapshot), "--metrics-file", str(metrics)]
    assert cli.main(asked) == 0
    good = f'etcdtui_rehearsal_success{{cluster="prod",snapshot="{snapshot.name}"}} 1'
    assert good in metrics.read_text()

    def stopped(*_: object) -> Rehearsed:
        raise Cancelled("It was stopped.")

    monkeypatch.setattr(rehearsal, "rehearse", stopped)
    assert cli.main([*asked, "--cluster", "prod"]) == STOPPED
    assert metrics.read_text().endswith('etcdtui_rehearsal_success{cluster="prod",snapshot=""} 0\n')
    assert cli.main(asked) == STOPPED
    gone = [word if word != str(snapshot) else str(tmp_path / "nosuch") for word in asked]
    metrics.write_text(good)
    assert cli.main(gone) == 64
    assert metrics.read_text().endswith('etcdtui_rehearsal_success{cluster="",snapshot=""} 0\n')
