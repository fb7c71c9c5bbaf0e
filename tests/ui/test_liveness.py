"""Nothing waits for anything: sources that hang, floods of news, thousands of rows, leaving."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from dataclasses import replace

import fakes
import pytest
from driving import driven
from textual.widgets._footer import FooterKey

from etcdtui.model.backups import FoundFile
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.ui.app import EtcdTui


async def test_keys_act_while_a_source_hangs() -> None:
    cluster = fakes.FakeCluster(fakes.healthy(), hang=threading.Event())
    try:
        async with driven(cluster=cluster) as it:
            await it.press("H")
            assert "running for" in it.text
            await it.press("escape", "3")
            assert it.app.focused is it.app.dashboard.backups
            await it.press("question_mark")
            assert it.screen_name == "HelpScreen"
            assert not cluster.hang.is_set()  # type: ignore[union-attr]
            cluster.hang.set()  # type: ignore[union-attr]
    finally:
        cluster.hang.set()  # type: ignore[union-attr]


async def test_leaving_does_not_wait_for_what_hangs() -> None:
    cluster = fakes.FakeCluster(fakes.healthy(), hang=threading.Event())
    try:
        async with driven(cluster=cluster) as it:
            await it.press("H", "escape")
            began = time.monotonic()
            await it.press("q")
        assert time.monotonic() - began < 2.0
        assert "close" in cluster.calls
    finally:
        cluster.hang.set()  # type: ignore[union-attr]


def test_the_program_ends_while_a_thread_hangs() -> None:
    """The same in a process of its own: no thread keeps the interpreter."""
    code = (
        "import sys, threading, asyncio, time\n"
        f"sys.path[:0] = {sys.path!r}\n"
        "import fakes\n"
        "from etcdtui.ui.app import EtcdTui\n"
        "async def main():\n"
        "    app = EtcdTui(fakes.FakeCluster(fakes.healthy(), hang=threading.Event()))\n"
        "    async with app.run_test() as pilot:\n"
        "        await pilot.press('H')\n"
        "        await pilot.pause()\n"
        "        await pilot.press('escape', 'q')\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", code], timeout=20, check=True)


async def test_a_flood_of_news_becomes_few_pictures() -> None:
    looks: list[float] = []

    class Counting(fakes.FakeCluster):
        def view(self) -> ClusterView:
            looks.append(time.monotonic())
            return super().view()

    cluster = Counting(fakes.healthy())
    app = EtcdTui(cluster, tick=3600.0)
    async with app.run_test(size=(80, 24), notifications=True, tooltips=True) as pilot:
        await pilot.pause(0.2)
        looks.clear()
        threads = [
            threading.Thread(target=lambda: [cluster.on_change() for _ in range(500)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        await pilot.pause(0.5)
        assert 1 <= len(looks) <= 8


async def test_the_same_picture_is_not_painted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven() as it:
        painted: list[object] = []
        for pane in it.app.dashboard.panes.values():
            monkeypatch.setattr(pane, "refresh", lambda *a, p=pane, **k: painted.append(p.id))
        view = it.cluster.shown
        await it.look(replace(view))
        assert painted == []


async def test_keys_that_went_are_forgotten() -> None:
    def alive() -> int:
        gc.collect()
        return sum(type(thing) is FooterKey for thing in gc.get_objects())

    async with driven() as it:
        before = alive()
        for _ in range(10):
            await it.press("2", "1")
        assert alive() - before < 60


def many(count: int) -> ClusterView:
    view = fakes.healthy()
    files: list[FoundFile] = []
    for n in range(count):
        stamp = f"20{10 + n // 336:02d}-{1 + n // 28 % 12:02d}-{1 + n % 28:02d}_020000"
        files.append(FoundFile("masternode1", "/b", f"snapshot_{stamp}.db", 92 * fakes.MIB + 32, 0.0))
        files.append(FoundFile("masternode1", "/b", f"static_kuberesources_{stamp}.tar.gz", 70_000, 0.0))
    host = view.hosts[0]
    facts = replace(host.facts.value, backups=tuple(files))  # type: ignore[type-var]
    return replace(view, hosts=(replace(host, facts=Reading(facts, view.now)), *view.hosts[1:]))


async def test_five_thousand_backups() -> None:
    async with driven(many(5000)) as it:
        table = it.app.dashboard.backups
        assert table.count[1] == 5001
        began = time.monotonic()
        await it.press("3", "G", "g", "pagedown", "s", "slash", *"2015-07", "enter")
        assert table.count[0] == 28
        assert time.monotonic() - began < 6.0


def test_the_first_frame_needs_no_ssh_and_no_kubernetes() -> None:
    code = (
        "import sys\n"
        f"sys.path[:0] = {sys.path!r}\n"
        "import etcdtui.ui.app\n"
        "print([m for m in ('paramiko', 'kubernetes', 'urllib3', 'cryptography') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_the_cluster_starts_after_the_first_frame() -> None:
    seen: list[str] = []

    class Late(fakes.FakeCluster):
        def start(self, on_change: object) -> None:
            seen.append(app.screen.query_one("#members").region.size.__repr__())
            super().start(on_change)  # type: ignore[arg-type]

    app = EtcdTui(Late(fakes.healthy()))
    async with app.run_test() as pilot:
        await pilot.pause()
    assert seen and "width=0" not in seen[0]


async def test_a_defect_in_a_call_is_told_and_ends_nothing() -> None:
    class Broken(fakes.FakeCluster):
        def canonical_health(self) -> tuple[str, str, str]:
            raise ValueError("odd [/red]")

    async with driven(cluster=Broken(fakes.healthy())) as it:
        await it.press("H")
        await it.until(lambda: "Defect in etcdtui" in it.text)
        assert "odd [/red]" in it.text
