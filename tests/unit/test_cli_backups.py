"""Backups without the screen: what the exit code says when a place is silent or a file cannot be written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etcdtui import metricsfile
from etcdtui.cli import backups as cli_backups
from etcdtui.cli import main as cli
from etcdtui.cli.listing import table
from etcdtui.cli.measuring import MetricsFile
from etcdtui.config import ClusterConfig
from etcdtui.config_stores import BackupsConfig
from etcdtui.errors import Refusal
from etcdtui.model.places import HERE, PlaceView
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.quorum import Verdict
from etcdtui.model.readings import Reading
from etcdtui.model.retention import Rule
from etcdtui.model.view import ClusterView
from etcdtui.offsite.keeping import Keeping
from etcdtui.procedures.procedure import Gate, GateKind, Procedure, Work
from etcdtui.records import JournalError
from tests.procedures import procedure
from tests.unit.test_engine_work import work_step
from tests.unit.test_places import NEXUS, STAMP, manifest, placed
from tests.unit.test_unattended import begin
from tests.views import NOW, api, healthy

GONE = PlaceView(NEXUS, Reading(None, None, Problem(Fault.UNREACHABLE, "nexus is down")))
EMPTY = PlaceView(NEXUS, Reading((), NOW))
PROVEN = PlaceView(HERE, Reading((placed(HERE, manifest()),), NOW))
RULED = ClusterConfig("prod", backups=BackupsConfig(Path("/srv"), keep=Rule(count=1)))


class Now:
    """A cluster and its operations, as far as they are asked here."""

    def __init__(self, journal: Path, view: ClusterView, plan: Procedure | Exception) -> None:
        self.seen, self.made = view, plan
        self.run = begin(journal)
        store: Any = SimpleNamespace(name="nexus", rule=Rule(count=1))
        self.keeping = Keeping("prod", Path("/srv"), (store,), max_age=1e12)

    def view(self) -> ClusterView:
        return self.seen

    def look_at_places(self, timeout: float) -> ClusterView:
        return self.seen

    def plan_backup(self, view: ClusterView, **how: object) -> Procedure:
        if isinstance(self.made, Exception):
            raise self.made
        return self.made

    def plan_prune(self, view: ClusterView) -> Procedure:
        return self.plan_backup(view)

    def interrupted(self, *, look: bool) -> list[object]:
        if isinstance(self.made, JournalError):
            raise self.made
        return []

    def may_go_on(self, run_id: str) -> bool:
        return False


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def put(*places: PlaceView, plan: Procedure | Exception | None = None, **seen: Any) -> None:
        good = procedure(work_step(lambda world, report: Verdict(True, "It is there.")))
        now = Now(tmp_path / "journal", healthy(places=places, **seen), plan or good)

        @contextmanager
        def opened(config: ClusterConfig) -> Iterator[Any]:
            yield now, now

        monkeypatch.setattr(cli_backups, "opened", opened)

    return put


@pytest.mark.parametrize(
    ("places", "code", "said"),
    [
        ((PROVEN, EMPTY), 0, ""),
        ((PROVEN, GONE), 0, "nexus could not be listed: nexus is down."),
        ((GONE,), 3, "nexus could not be listed: nexus is down."),
        ((EMPTY,), 1, "– not proven    masternode2"),
    ],
)
def test_a_silent_place_counts_where_it_could_change_the_answer(
    places: tuple[PlaceView, ...],
    code: int,
    said: str,
    at: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    at(*places)
    assert cli_backups.backups(RULED, as_json=False, metrics=None) == code
    assert said in capsys.readouterr().out


def test_the_list_says_what_is_foreign_forced_and_too_old(
    at: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Another identity of OpenShift decides, as everywhere else: a clone has the same members."""
    clone = placed(HERE, manifest(openshift_id="77aa"))
    stamp = "2026-09-20_020000"
    forced = placed(HERE, stamp=stamp, mark="__POSSIBLY_DIRTY__")
    at(PlaceView(HERE, Reading((clone, forced), NOW)), api=api(cluster_id="8c1f"), max_backup_age=60.0)
    cli_backups.backups(RULED, as_json=False, metrics=None)
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "▲ other cluster" in lines[STAMP] and ", old" in lines[STAMP]
    assert "▲ dirty" in lines[stamp]
    cli_backups.backups(RULED, as_json=True, metrics=None)
    told = {found["stamp"]: found for found in json.loads(capsys.readouterr().out)["backups"]}
    assert told[STAMP]["foreign"] is True and told[stamp]["foreign"] is None


def test_what_could_not_be_listed_is_not_called_empty(
    at: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    at(PlaceView(HERE, Reading()), hosts=())
    assert cli_backups.backups(RULED, as_json=False, metrics=None) == 3
    assert capsys.readouterr().out.splitlines() == [
        "Where the backups of prod could be listed, there is none.",
        "here could not be listed: it has not answered yet.",
    ]


@pytest.mark.parametrize(("store", "code"), [(EMPTY, 0), (GONE, 2)])
def test_thinning_out_names_the_places_that_it_could_not_list(
    store: PlaceView, code: int, at: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    at(PROVEN, store)
    assert cli_backups.prune(RULED, yes=True, as_json=False) == code
    said = "nexus could not be listed: nexus is down. Nothing was removed there."
    assert (said in capsys.readouterr().err) is (code == 2)


@pytest.mark.parametrize(
    ("work", "yes", "code"),
    [
        (lambda world, report: Verdict(True, "3 removed."), True, 0),
        (lambda world, report: Verdict(True, "3 removed."), False, 0),
        (lambda world, report: Verdict(False, "The share is full of old ones."), True, 1),
    ],
    ids=["thinned", "declined", "failed"],
)
def test_old_ones_that_could_not_be_removed_are_no_success(
    work: Work, yes: bool, code: int, at: Callable[..., None], tmp_path: Path
) -> None:
    gate = Gate(GateKind.CONFIRM, prompt="Remove 3?", optional=True)
    at(PROVEN, plan=procedure(replace(work_step(work, ask=lambda world: gate), key="thin")))
    assert backup(tmp_path / "etcdtui.prom", yes=yes) == code


def backup(metrics: Path, *, yes: bool = True) -> int:
    with MetricsFile(metrics, metricsfile.failed("prod", NOW)) as file:
        return cli_backups.backup(RULED, host=None, stores=None, yes=yes, as_json=False, metrics=file)


def test_metrics_that_cannot_be_written_change_nothing_about_how_it_went(
    at: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at(PROVEN)
    assert backup(tmp_path / "gone" / "etcdtui.prom") == 0
    assert "etcdtui.prom cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("error", [Refusal("No quorum."), RuntimeError("oops"), JournalError("full")])
def test_metrics_tell_of_a_run_that_failed(error: Exception, at: Callable[..., None], tmp_path: Path) -> None:
    metrics = tmp_path / "etcdtui.prom"
    at(PROVEN)
    assert backup(metrics) == 0
    assert 'etcdtui_backup_last_run_success{cluster="prod"} 1' in metrics.read_text()
    at(PROVEN, plan=error)
    with nullcontext() if isinstance(error, Refusal) else pytest.raises(type(error)):
        assert backup(metrics) == 2
    assert 'etcdtui_backup_last_run_success{cluster="prod"} 0' in metrics.read_text()


@pytest.mark.parametrize("words", [["--store", "nosuch"], ["--cluster", "nosuch"]])
def test_metrics_tell_of_a_run_that_never_began(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, metrics = tmp_path / "clusters.toml", tmp_path / "etcdtui.prom"
    config.write_text("[[clusters.prod.hosts]]\nname = 'masternode1'\n")
    metrics.write_text('etcdtui_backup_last_run_success{cluster="prod"} 1\n')
    asked = ["--config", str(config), "--cluster", "prod", *words]
    assert cli.main(["backup", "--metrics-file", str(metrics), *asked]) == 64
    name = "nosuch" if "--cluster" in words else "prod"
    assert f'etcdtui_backup_last_run_success{{cluster="{name}"}} 0' in metrics.read_text()


def test_the_age_of_a_backup_from_the_future_is_not_known() -> None:
    ahead = "2026-09-29_020000"
    seen = PlaceView(HERE, Reading((placed(HERE, manifest(ahead), stamp=ahead),), NOW))
    (row,) = (line for line in table(healthy(places=(seen,))) if line.startswith(ahead))
    assert row.split()[1] == "?"
