"""Makes the pictures of the README from a real lab: ``python screenshots/make.py [FOLDER]``.

The program runs as it is, without a terminal; what it shows is saved as SVG.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from etcdtui import config
from etcdtui.cluster import Cluster
from etcdtui.lab.demo import Lab
from etcdtui.model.findings import find
from etcdtui.model.health import ClusterHealth, Level, judge
from etcdtui.procedures.operations import Operations
from etcdtui.ui.app import EtcdTui
from etcdtui.ui.screens.restore import RestoreScreen
from etcdtui.ui.screens.restore_plan import RestorePlanScreen

WIDE, NARROW = (120, 36), (80, 24)
PATIENCE = 60.0


class Camera:
    """One run of the program in front of the lab, and a folder for the pictures."""

    def __init__(self, lab: Lab, cluster: Cluster, pilot: Pilot[None], folder: Path) -> None:
        self.lab, self.cluster, self.pilot, self.folder = lab, cluster, pilot, folder

    async def until(self, true: Callable[[ClusterHealth], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not true(judge(self.cluster.view())):
            if time.monotonic() > end:
                raise SystemExit("The lab did not come to the state to be shown.")
            await self.pilot.pause(0.1)

    async def shown(self, true: Callable[[], object]) -> None:
        """Wait for something that a thread brings to the screen."""
        end = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > end:
                raise SystemExit("The screen did not come to the state to be shown.")
            await self.pilot.pause(0.1)

    async def take(self, name: str, settle: float = 1.0) -> None:
        await self.pilot.pause(settle)
        svg = self.pilot.app.export_screenshot(title="etcdtui")
        # The font is a browser's own monospace: a README may not load one from elsewhere.
        svg = re.sub(r"@font-face\s*{[^}]*}", "", svg)
        (self.folder / f"{name}.svg").write_text(svg, encoding="utf-8")


async def wide(camera: Camera) -> None:
    """A healthy cluster for a while, a backup, what is in it, maintenance, a member down, the quorum lost."""
    await camera.until(lambda health: health.level is Level.HEALTHY)
    await camera.take("healthy", settle=45)
    await camera.pilot.press("b")
    await camera.take("backup-plan", settle=2)
    await camera.pilot.press("enter")
    await camera.take("backup", settle=9)
    await camera.pilot.press("escape")
    await camera.pilot.press("3", "enter")
    await camera.take("backup-details", settle=2)
    await camera.pilot.press("escape", "1", "m")
    await camera.take("maintenance", settle=3)
    await camera.pilot.press("escape")
    camera.lab.do("stop", "masternode3")
    await camera.until(lambda health: health.level is Level.DEGRADED)
    await camera.take("member-down", settle=12)
    camera.lab.do("stop", "masternode2")
    await camera.until(lambda health: health.level is Level.NO_QUORUM)
    await camera.take("no-quorum", settle=12)
    await restore(camera)
    for node in ("masternode2", "masternode3"):
        camera.lab.do("start", node)
    await camera.until(lambda health: health.level is Level.HEALTHY)


async def restore(camera: Camera) -> None:
    """The first and the last page of a restore, after the quorum was lost and a backup is there."""
    app, pilot = camera.pilot.app, camera.pilot
    await pilot.press("R")
    await camera.shown(lambda: isinstance(app.screen, RestoreScreen) and app.screen.found)
    await camera.take("restore-advice")
    for _ in range(3):
        await pilot.press("enter")
        await pilot.pause(0.5)
    await camera.shown(lambda: isinstance(app.screen, RestorePlanScreen) and app.screen.made)
    await camera.take("restore-plan")
    await pilot.press("escape", "escape", "escape", "escape")


async def narrow(camera: Camera) -> None:
    """The smallest screen, with a slow member."""
    await camera.until(lambda health: health.level is Level.HEALTHY)
    camera.lab.do("slow", "masternode2")
    await camera.take("narrow", settle=25)


async def show(lab: Lab, folder: Path, size: tuple[int, int], scene: Callable[[Camera], object]) -> None:
    """Run the program at ``size`` and play a scene in front of the camera."""
    state = lab.directory / "state"
    cluster = Cluster(config.load(lab.config).cluster(None), state)
    operations = Operations(cluster, state)
    app = EtcdTui(cluster, operations, find)
    async with app.run_test(size=size) as pilot:
        await scene(Camera(lab, cluster, pilot, folder))  # type: ignore[misc]
    operations.close()
    cluster.close()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    with Lab(directory=Path(tempfile.gettempdir()) / "lab", progress=print) as lab:
        asyncio.run(show(lab, folder, WIDE, wide))
        asyncio.run(show(lab, folder, NARROW, narrow))
    print(f"The pictures are in {folder}.")


if __name__ == "__main__":
    main()
