"""The app: wiring only. It takes pictures of the cluster, opens screens and passes answers on."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import App
from textual.command import CommandPalette
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from etcdtui.errors import EtcdTuiError, HostKeyUnknown, Refusal
from etcdtui.model.findings import find
from etcdtui.model.health import judge
from etcdtui.model.places import owed_anywhere
from etcdtui.ui import looks
from etcdtui.ui.ascii import driver_for_terminal
from etcdtui.ui.background import CallEnded, close_within
from etcdtui.ui.commands import WRITING, Verb, Verbs
from etcdtui.ui.control import Control
from etcdtui.ui.host_keys import HostKeys, key_of, offered
from etcdtui.ui.looking import Looking
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
from etcdtui.ui.screens.dashboard import DashboardScreen
from etcdtui.ui.theme import CALM

if TYPE_CHECKING:
    from textual.driver import Driver

    from etcdtui.model.view import ClusterView
    from etcdtui.procedures.procedure import Procedure

GATHER = 0.08  # seconds that news wait for more: the members of a cluster answer one after the other
SHORTEST = 0.25  # seconds between two pictures
CLOSING = 0.8  # seconds that leaving waits for connections
LOADED = 8.0  # seconds after which all modules that will be needed are there


class EtcdTui(App[None]):
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
        self.looking = Looking(self)
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
        self._take_picture()
        self.set_interval(self._every, self._tick)
        self.set_timer(LOADED, _set_aside)
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
            self.set_timer(max(GATHER, self._painted + SHORTEST - self.clock()), self._take_picture)

    def _tick(self) -> None:
        """Ages grow also where nothing is new. News as regular as the ticks make these superfluous."""
        if self.clock() - self._painted > 0.9 * self._every:
            self._take_picture()

    def _take_picture(self) -> None:
        self._due, self._painted = False, self.clock()
        if not self.screen_stack:
            return  # we are leaving
        if self._held_since is None or self.picture is None:
            view = self.cluster.view()
            health = judge(view)
            findings = offered(self.findings(view, health), self.cluster.unknown_host_keys())
            self.picture = Picture(view, health, findings, None, self.cluster.read_only)
        else:
            old, held = self.picture, self.clock() - self._held_since
            self.picture = Picture(old.view, old.health, old.findings, held, old.read_only)
        self._show()
        self.host_keys.ask()
        self.control.ask_about_the_next()

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
        self.looking.compare(event.backup)

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

    # verbs

    def allows(self, verb: Verb) -> bool:
        return not (verb.writes and self.cluster.read_only)

    def do(self, verb: Verb, words: str = "") -> None:
        """Run a verb, as its key would; where the key is taken away, say why."""
        if self.allows(verb) and verb.takes:
            self.call_later(self.run_action, ("app", verb.action, (words,)))
        elif self.allows(verb):
            self.call_later(self.run_action, f"app.{verb.action}")
        else:
            hint = "Start without --read-only, and without read_only in the configuration, to do that."
            self.tell(EtcdTuiError(f"{self.cluster.name} is read-only here.", hint))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "upload" and not (self.picture and owed_anywhere(self.picture.view)):
            return False
        return not (action in WRITING and self.cluster.read_only)

    def action_backup(self) -> None:
        if not self.cluster.read_only:
            self.control.backup()

    def action_upload(self) -> None:
        self.control.plan(lambda procedures, view: procedures.plan_upload(view))

    def action_prune(self) -> None:
        self.control.plan(lambda procedures, view: procedures.plan_prune(view))

    def action_bring(self, stamp: str, host: str) -> None:
        """The backup of this stamp that lies on this host."""

        def make(procedures: ProcedurePort[Any], view: ClusterView) -> Procedure:
            found = next((b for b in view.backups if (b.stamp, b.host) == (stamp, host)), None)
            if found is None:
                raise Refusal(f"The backup {stamp} is no longer on {host}.")
            return procedures.plan_bring(view, found)

        self.control.plan(make)

    def action_maintenance(self) -> None:
        """Of the member under the cursor."""
        row = self.dashboard.members.current
        if row is None:
            self.tell(EtcdTuiError("No member is known yet.", "Wait until the members are shown."))
            return
        member_id = row.member.id
        self.control.plan(lambda procedures, view: procedures.plan_maintenance(view, member_id))

    def action_go_to(self, pane: int) -> None:
        self.action_home()
        self.dashboard.action_pane(pane)

    def action_home(self) -> None:
        """Close everything above the dashboard."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_pause(self) -> None:
        self._held_since = self.clock() if self._held_since is None else None
        self._take_picture()

    def action_refresh_now(self) -> None:
        self.cluster.refresh()
        self.notify("Asking every source now.", timeout=2, markup=False)

    def action_health(self) -> None:
        from etcdtui.ui.screens.health import HealthScreen

        if not isinstance(self.screen, HealthScreen):
            self.push_screen(HealthScreen(self.cluster, self.clock))

    def action_find(self, words: str = "") -> None:
        self.looking.find(words)

    def action_trust(self) -> None:
        self.host_keys.again()

    def action_log(self) -> None:
        from etcdtui.ui.screens.log import LogScreen

        if not isinstance(self.screen, LogScreen):
            self.push_screen(LogScreen(self.cluster))

    def action_help(self) -> None:
        from etcdtui.ui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def action_command_line(self) -> None:
        from etcdtui.ui.screens.command_line import CommandLineScreen

        if not isinstance(self.screen, CommandLineScreen):
            self.push_screen(CommandLineScreen(), lambda said: self.do(*said) if said else None)

    async def action_back(self) -> None:
        if len(self.screen_stack) > 1:
            self.pop_screen()

    async def action_leave(self) -> None:
        await self.action_quit()

    async def action_quit(self) -> None:
        if self.control.running:
            self.control.ask_before_leaving(self.exit)
        else:
            self.exit()

    def tell(self, error: EtcdTuiError) -> None:
        """An error or a refusal, in full, until it is closed."""
        from etcdtui.ui.screens.notice import Notice

        self.push_screen(Notice(error))


def _set_aside() -> None:
    """What is there now stays to the end: to look through it for garbage again and again holds up keys."""
    gc.collect()
    gc.freeze()
