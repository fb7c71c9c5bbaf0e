"""Start the app over a fake cluster, let it settle, move its clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fakes import FakeCluster, FakeProcedures, find, healthy
from frames import frame
from textual.pilot import Pilot

from etcdtui.model.view import ClusterView
from etcdtui.ui.app import EtcdTui


@dataclass
class Driven:
    """An app under test."""

    app: EtcdTui
    pilot: Pilot[None]
    cluster: FakeCluster
    procedures: FakeProcedures
    time: list[float] = field(default_factory=lambda: [1000.0])
    _read: object = None  # the screen the human has read

    async def settle(self) -> None:
        for n in range(50):
            await self.pilot.pause(0.01)
            # The line of keys is made anew in a task of its own.
            if n >= 2 and self.text.splitlines()[-1].strip():
                return

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something that a thread brings about, on a busy machine, too."""
        for _ in range(1000):
            if true():
                await self.settle()
                return
            await self.pilot.pause(0.01)
        raise AssertionError(f"it never came true; the screen:\n{self.text}")

    async def press(self, *keys: str) -> None:
        """As a human does: what has just come up is read first."""
        for key in keys:
            if self.app.screen is not self._read:
                self._read = self.app.screen
                self.time[0] += 1
            await self.pilot.press(key)
        await self.settle()

    async def emit(self, events: list) -> None:  # type: ignore[type-arg]
        await self.until(lambda: self.procedures.handle)
        assert self.procedures.handle is not None
        for event in events:
            self.procedures.handle.emit(event)
        await self.settle()

    async def look(self, view: ClusterView) -> None:
        """The cluster has something new."""
        self.cluster.shown = view
        self.time[0] += 1
        before = self.app._painted
        self.cluster.on_change()
        await self.until(lambda: self.app._painted != before)

    @property
    def text(self) -> str:
        return frame(self.app)  # type: ignore[arg-type]

    @property
    def screen_name(self) -> str:
        return type(self.app.screen).__name__


@asynccontextmanager
async def driven(
    view: ClusterView | None = None,
    size: tuple[int, int] = (80, 24),
    *,
    cluster: FakeCluster | None = None,
    procedures: FakeProcedures | None = None,
) -> AsyncIterator[Driven]:
    cluster = cluster or FakeCluster(view or healthy())
    if view is not None:
        cluster.shown = view
    procedures = procedures or FakeProcedures()
    time = [1000.0]
    app = EtcdTui(cluster, procedures, find, clock=lambda: time[0], tick=3600.0)
    async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
        out = Driven(app, pilot, cluster, procedures, time)
        await out.until(lambda: app.picture is not None)
        yield out
