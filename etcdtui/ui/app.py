"""The app: wiring only. It takes pictures of the cluster, opens screens and passes answers on."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import App
from textual.command import CommandPalette
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from etcdtui.errors import EtcdTuiError, HostKeyUnknown
from etcdtui.model.findings import find
from etcdtui.model.health import judge
from etcdtui.ui import looks
from etcdtui.ui.ascii import driver_for_terminal
from etcdtui.ui.background import CallEnded, close_within
from etcdtui.ui.commands import Verbs
from etcdtui.ui.control import Control
from etcdtui.ui.debts import Debts
from etcdtui.ui.host_keys import HostKeys, key_of, offered
from etcdtui.ui.looking import Looking
from etcdtui.ui.marks import Marks
from etcdtui.ui.messages import (
    BackupChosen,
    CancelWanted,
    Chosen,
    CompareWanted,
    FindingChosen,
    FindWanted,
    LatencyChosen,
    MemberChosen,
    ProcedureMoved,
    StartWanted,
    TroubleChosen,
    ViewChanged,
)
from etcdtui.ui.parts.settling import Settling
from etcdtui.ui.parts.typed_ahead import TypedAhead
from etcdtui.ui.picture import Picture, Shows
from etcdtui.ui.ports import ClusterPort, FindFindings, ProcedurePort
from etcdtui.ui.restoring import Restoring
from etcdtui.ui.screens.dashboard import DashboardScreen
from etcdtui.ui.telling import Telling
from etcdtui.ui.theme import CALM
from etcdtui.ui.verbs import VerbActions

if TYPE_CHECKING:
    from textual.driver import Driver


GATHER = 0.08  # seconds that news wait for more: the members of a cluster answer one after the other
SHORTEST = 0.25  # seconds between two pictures
CLOSING = 0.8  # seconds that leaving waits for connections
LOADED = 8.0  # seconds after which all modules that will be needed are there
TURN = 0.0005  # seconds that a thread which computes may keep a key waiting


class EtcdTui(VerbActions):
    """Look after one etcd cluster."""

    # The first screen is not pushed, so its style sheet is ours to load.
    CSS_PATH: ClassVar[Any] = ["app.tcss", "screens/dashboard.tcss"]
    TITLE = "etcdtui"
    COMMANDS: ClassVar[set[Any]] = App.COMMANDS | {Verbs}
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self,
        cluster: ClusterPort,
        procedures: ProcedurePort[Any] | None = None,
        findings: FindFindings = find,
        *,
        clock: Callable[[], float] = time.monotonic,
        tick: float = 1.0,
        driver_class: type[Driver] | None = None,
    ) -> None:
        colour = "NO_COLOR" not in os.environ
        # Only with the terminal's own colours does NO_COLOR mean none, and not shades of grey.
        super().__init__(
            driver_class=driver_class or driver_for_terminal(), ansi_color=None if colour else True
        )
        self.cluster, self.findings, self.clock = cluster, findings, clock
        self.register_theme(CALM)
        if not os.environ.get("TEXTUAL_THEME"):
            self.theme = CALM.name
        self.palette = self._palette()
        self.dashboard = DashboardScreen(cluster.colour)
        self.control = Control(self, procedures)
        self.host_keys = HostKeys(self)
        self.looking, self.telling = Looking(self), Telling(self)
        self.marks, self.debts, self.restoring = Marks(), Debts(self), Restoring(self)
        self.picture: Picture | None = None
        self._every, self._painted, self._due, self._news = tick, -1.0, False, False
        self._held_since: float | None = None
        self._typed_ahead = TypedAhead()

    def get_default_screen(self) -> Screen[None]:
        return self.dashboard

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, lambda _: self._repaint_all())
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """Only after the first frame: starting imports and connects."""
        self.cluster.start(self._changed)
        self.take_picture()
        self.set_interval(self._every, self._tick)
        self.set_timer(LOADED, _set_aside)
        sys.setswitchinterval(TURN)
        self.control.ask_about_interrupted()

    def on_unmount(self) -> None:
        def close() -> None:
            self.control.close()
            self.cluster.close()

        close_within(close, CLOSING)

    # pictures

    def _changed(self) -> None:
        """Called from any thread. One message at a time: to wake the loop costs more than the news."""
        if not self._news:
            self._news = True
            self.post_message(ViewChanged())

    @on(ViewChanged)
    def _view_changed(self) -> None:
        """As soon as there is something new, but not more often than the eye follows."""
        self._news = False
        if not self._due:
            self._due = True
            self.set_timer(max(GATHER, self._painted + SHORTEST - self.clock()), self.take_picture)

    def _tick(self) -> None:
        """Ages grow also where nothing is new. News as regular as the ticks make these superfluous."""
        if self.clock() - self._painted > 0.9 * self._every:
            self.take_picture()

    def take_picture(self) -> None:
        self._due, self._painted = False, self.clock()
        if not self.screen_stack:
            return  # we are leaving
        fresh = self.look()
        self.telling.take(fresh.view.now, fresh.findings)
        if self._held_since is None or self.picture is None:
            self.picture = fresh
        else:
            self.picture = replace(self.picture, held=self.clock() - self._held_since)
        view, held = self.picture.view, self.picture.held or 0.0
        self.picture = replace(self.picture, marks=self.marks.judged(view, view.now + held))
        self._show()
        self.host_keys.ask()
        self.control.ask_about_the_next()
        self.debts.ask()

    def look(self) -> Picture:
        """What is true now, whether it is shown or not."""
        view = self.cluster.view()
        health = judge(view)
        for name in self.marks.let_go(view):
            if self.control.running:
                continue  # the guide says so itself, and may be asking something just now
            self.notify(f"{name} is no member any more: its mark is gone.", timeout=8, markup=False)
        findings = offered(self.findings(view, health), self.cluster.unknown_host_keys())
        return Picture(view, health, findings, None, self.cluster.read_only)

    def hold(self) -> None:
        """Hold the picture still, or let it go on."""
        self._held_since = self.clock() if self._held_since is None else None
        self.take_picture()

    def _show(self) -> None:
        """The screen in front, and what can be seen behind a dialog."""
        self.dashboard.show_running(self.control.lines)
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Shows) and self.picture is not None:
                screen.show_picture(self.picture)
            if not isinstance(screen, ModalScreen):
                return

    def _palette(self) -> looks.Palette:
        return looks.palette(self.theme_variables, badge=self.cluster.colour, colour=not self.no_color)

    def _repaint_all(self) -> None:
        self.get_css_variables()
        self.palette = self._palette()
        for screen in self.screen_stack:
            screen.refresh()
            for widget in screen.walk_children():
                widget.refresh()

    async def on_event(self, event: events.Event) -> None:
        """A dialog that has just come up is deaf: those keys were meant for what was there before."""
        keys = isinstance(event, events.Key | events.Paste) and not event.is_forwarded
        if not (keys and self.screen_stack and isinstance(self.screen, Settling) and self.screen.deaf()):
            if isinstance(event, events.Key) and not event.is_forwarded:
                self._typed_ahead.came(event, self.focused)
            await super().on_event(event)

    async def _on_key(self, event: events.Key) -> None:
        field = self.focused if isinstance(self.focused, Input) else getattr(self.screen, "field", None)
        if self._typed_ahead.sent_on(event, field):
            event.prevent_default()  # Textual's own handler would look for its binding

    @property
    def busy(self) -> bool:
        """Is something being typed or asked, so that no question of ours may come up now?"""
        return isinstance(self.screen, ModalScreen | CommandPalette) or isinstance(self.focused, Input)

    # intents of panes and screens

    @on(BackupChosen)
    def _backup_chosen(self, event: BackupChosen) -> None:
        self.looking.open(event.backup)

    @on(CompareWanted)
    def _compare_wanted(self, event: CompareWanted) -> None:
        self.looking.compare(event.backup, with_cluster=event.with_cluster)

    @on(FindWanted)
    def _find_wanted(self, event: FindWanted) -> None:
        self.looking.find(event.words)

    @on(TroubleChosen)
    def _trouble_chosen(self, event: TroubleChosen) -> None:
        self.tell(EtcdTuiError(event.problem.message, event.problem.hint))

    @on(MemberChosen)
    @on(FindingChosen)
    @on(LatencyChosen)
    def _chosen(self, event: Chosen) -> None:
        from etcdtui.ui.describe import describer
        from etcdtui.ui.screens.document import DocumentScreen
        from etcdtui.ui.screens.member import MemberScreen

        if self.picture is None or isinstance(self.screen, DocumentScreen):
            return
        key = self._undecided(event.key) if isinstance(event, FindingChosen) else None
        if key is not None:
            self.host_keys.about(key)
        elif isinstance(event, MemberChosen):
            self.push_screen(MemberScreen(self.cluster, event.member_id, self.picture, self.clock))
        else:
            self.push_screen(DocumentScreen(describer(event), self.picture))

    def _undecided(self, finding_key: str) -> HostKeyUnknown | None:
        """The unknown host key that this finding tells of."""
        findings = self.picture.findings if self.picture else ()
        finding = next((f for f in findings if f.key == finding_key), None)
        return key_of(finding, self.cluster.unknown_host_keys()) if finding else None

    @on(ProcedureMoved)
    def _procedure_moved(self) -> None:
        if self.screen_stack:
            self.control.drain()

    @on(StartWanted)
    def _start_wanted(self, event: StartWanted) -> None:
        self.control.start(event.run)

    @on(CancelWanted)
    def _cancel_wanted(self, event: CancelWanted) -> None:
        self.control.cancel(event.run, event.step)

    @on(CallEnded)
    def _call_ended(self, event: CallEnded) -> None:
        if self.screen_stack:
            event.then()


def _set_aside() -> None:
    """What is there now stays to the end: to look through it for garbage again and again holds up keys."""
    gc.collect()
    gc.freeze()
