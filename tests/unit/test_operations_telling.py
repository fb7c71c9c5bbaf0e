"""What the screen is told of the past and asks of the leadership, on one cluster."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, cast

from etcdtui.journal import Journal
from etcdtui.model.health import judge
from etcdtui.procedures.incident import Incident
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import Procedure, Step
from tests.procedures import FakeWorld, run
from tests.views import NOW, healthy


class Opened(FakeWorld):
    name = "prod"


def done(folder: Path, number: int, cluster: str) -> None:
    step = Step("look", "Look at it", "To know.")
    made = Procedure("maintenance", f"maintenance-{number}", cluster, f"Look at {cluster}", {}, (step,))
    run(made, Journal(folder / "journal"), world=FakeWorld(healthy()))


def test_runs_of_this_cluster_alone_are_told_and_written_down(tmp_path: Path) -> None:
    done(tmp_path, 1, "prod")
    done(tmp_path, 2, "test")
    view = healthy()
    operations = Operations(cast(Any, Opened(view)), tmp_path)
    assert [told.cluster for told in operations.runs()] == ["prod"]
    path = operations.keep_incident(Incident(view, judge(view), (), (), (), NOW))
    text = path.read_text()
    assert path.parent == tmp_path / "incidents"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "### Look at prod" in text
    assert "Look at test" not in text


def test_the_leadership_is_planned_under_a_name_of_its_own(tmp_path: Path) -> None:
    operations = Operations(cast(Any, Opened(healthy())), tmp_path)
    made = operations.plan_leadership(healthy(), 0xA3)
    assert made.id.startswith("leadership-")
    assert made.steps[0].argv[-2:] == ("move-leader", "a3")
