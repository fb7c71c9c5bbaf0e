"""What is shown at one instant: the view, what it means, and whether the picture is held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from etcdtui.model.findings import Finding
from etcdtui.model.health import ClusterHealth
from etcdtui.model.view import ClusterView
from etcdtui.ui.marks import Mark


@dataclass(frozen=True, slots=True)
class Picture:
    """``held`` is None, or for how many seconds the picture has been paused. ``marks`` are the members
    marked for removal, with the verdicts of this moment."""

    view: ClusterView
    health: ClusterHealth
    findings: tuple[Finding, ...] = ()
    held: float | None = None
    read_only: bool = False
    marks: tuple[Mark, ...] = ()


@runtime_checkable
class Shows(Protocol):
    """A screen that wants every new picture."""

    def show_picture(self, picture: Picture) -> None: ...
