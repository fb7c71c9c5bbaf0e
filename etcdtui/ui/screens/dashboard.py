"""The first glance: header, banner, four panes, and what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from etcdtui.ui import keys
from etcdtui.ui.commands import WRITING
from etcdtui.ui.layout import FINDINGS, Arrangement, arrange, members_width, pane_width
from etcdtui.ui.looks import Line, wrap
from etcdtui.ui.messages import ViewChanged
from etcdtui.ui.panes.backups import BackupsPane
from etcdtui.ui.panes.findings import FindingsPane, one_line
from etcdtui.ui.panes.header import Banner, HeaderBar, beside_the_banner
from etcdtui.ui.panes.latency import LatencyPane
from etcdtui.ui.panes.members import MembersPane
from etcdtui.ui.parts.bar import Bar, Builder
from etcdtui.ui.parts.footer import KeyLine
from etcdtui.ui.parts.table import Table
from etcdtui.ui.picture import Picture
from etcdtui.ui.words import asked_through

if TYPE_CHECKING:
    from etcdtui.ui.app import EtcdTui


class DashboardScreen(Screen[None]):
    """Renders pictures; digits choose panes."""

    BINDINGS: ClassVar[list[BindingType]] = list(keys.DASHBOARD)
    AUTO_FOCUS = "#members"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-normal"), (150, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (36, "-tall")]  # noqa: RUF012

    def __init__(self, colour: str = "") -> None:
        super().__init__()
        self.header, self.banner = HeaderBar(id="header", most=4), Banner(id="banner", most=9)
        self.members, self.latency = MembersPane(), LatencyPane()
        self.backups, self.findings = BackupsPane(), FindingsPane()
        self.running, self.worst = Bar(id="running", most=1), Bar(id="worst", most=2)
        self.filter_input = Input(
            id="filter", compact=True, placeholder="filter: enter keeps it, esc clears it"
        )
        self.panes: dict[int, Widget] = {1: self.members, 2: self.latency, 3: self.backups, 4: self.findings}
        self._box = Container(*self.panes.values(), id="panes")
        self._selected, self._grown = FINDINGS, 0
        self._arrangement: Arrangement | None = None
        self._picture: Picture | None = None
        self._filtered: Table[object] | None = None
        if colour:
            self.add_class(f"-cluster-{colour}")

    def compose(self) -> ComposeResult:
        yield self.header
        yield self.banner
        yield self._box
        yield self.running
        yield self.worst
        yield self.filter_input
        yield KeyLine()

    def on_mount(self) -> None:
        self.filter_input.display = False
        for bar in (self.banner, self.running, self.worst):
            bar.set_line(())

    def show_picture(self, picture: Picture) -> None:
        self._picture = picture
        with self.app.batch_update():
            self.header.show(picture)
            self.banner.show(picture)
            self.members.show(picture.view, picture.health, picture.marks)
            self.backups.show(picture.view)
            self.findings.show(beside_the_banner(picture))
            self.worst.set_builder(self._worst)
            self.latency.show(picture.view, picture.health)
            self._rearrange()
            self._subtitles()

    def show_running(self, build: Builder) -> None:
        """What the running procedure is at; nothing where none runs."""
        before = len(self.running.lines)
        self.running.set_builder(build)
        if len(self.running.lines) != before:
            self._rearrange()

    def on_screen_resume(self) -> None:
        """What was in front may have hidden news."""
        self.post_message(ViewChanged())

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._rearrange)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        picture = self._picture
        return not (action.removeprefix("app.") in WRITING and picture and picture.read_only)

    def on_key(self, event: events.Key) -> None:
        """A key that read-only mode took away says why nothing happens."""
        taken = [*keys.DASHBOARD, *(keys.MEMBERS if self.members.has_focus else ())]
        for binding in taken:
            if event.key in binding.key.split(",") and not self.check_action(binding.action, ()):
                event.stop()
                error = cast("EtcdTui", self.app).only_looking(binding.action.removeprefix("app."))
                self.notify(str(error), severity="warning", markup=False)

    def action_pane(self, number: int) -> None:
        self._grown = number if self._grown else 0
        if number != 1:
            self._selected = number
        self._rearrange()
        self.set_focus(self.panes[number])

    def action_grow(self) -> None:
        number = self._focused_pane()
        self._grown = 0 if self._grown else number
        self._rearrange()
        self.set_focus(self.panes[number])

    def action_filter(self) -> None:
        pane = self.panes[self._focused_pane()]
        if not isinstance(pane, Table):
            self.notify("Members and backups can be filtered.", markup=False)
            return
        self._filtered = pane
        self.filter_input.value = pane.filter
        self.filter_input.display = True
        self.set_focus(self.filter_input)

    def action_back(self) -> None:
        if self.filter_input.display:
            self._end_filter(keep=False)
            return
        pane = self.panes[self._focused_pane()]
        if self._grown:
            self.action_grow()
        elif isinstance(pane, Table) and pane.filter:
            pane.set_filter("")
            self._subtitles()

    def action_copy(self) -> None:
        pane = self.panes[self._focused_pane()]
        text = pane.text if isinstance(pane, LatencyPane) else ""
        if isinstance(pane, Table | FindingsPane):
            text = pane.current_text()
        if text:
            self.app.copy_to_clipboard(text)
            self.notify(text.strip().splitlines()[0][:120], title="Copied", markup=False)

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        if self._filtered is not None and self.filter_input.display:
            self._filtered.set_filter(event.value)
            self._subtitles()

    @on(Input.Submitted, "#filter")
    def _kept(self, event: Input.Submitted) -> None:
        event.stop()
        self._end_filter(keep=True)

    def _end_filter(self, *, keep: bool) -> None:
        pane, self._filtered = self._filtered, None
        self.filter_input.display = False
        if pane is not None:
            if not keep:
                pane.set_filter("")
            self.set_focus(pane)
        self._subtitles()

    def _focused_pane(self) -> int:
        for number, pane in self.panes.items():
            if pane.has_focus or pane is self._filtered:
                return number
        return 1

    def _worst(self, width: int) -> list[Line]:
        """The findings' worst line, where their pane is not to be seen."""
        picture, arrangement = self._picture, self._arrangement
        if picture is None or arrangement is None or FINDINGS in arrangement.shown:
            return []
        line = one_line(beside_the_banner(picture))
        return wrap(line, width, 2) if line else []

    def _subtitles(self) -> None:
        for pane in (self.members, self.backups):
            shown, all_of_them = pane.count
            words = [f"/{pane.filter}  {shown} of {all_of_them}"] if pane.filter else []
            if pane is self.members and self._picture is not None:
                words.append(asked_through(self._picture.view))
            if pane is self.backups and all_of_them and not pane.filter:
                words.append(str(all_of_them))
            title = "  ".join(word for word in words if word)
            if pane.border_subtitle != title.replace("[", r"\["):
                pane.border_subtitle = title.replace("[", r"\[")

    def _rearrange(self) -> None:
        space = self.size
        rows = self.members.lines(members_width(space.width) - 3) if self._picture else 3
        bars = [self.header, self.banner, self.running, self.worst]
        used = 1 + sum(len(bar.lines) for bar in bars)
        new = arrange(
            space.width,
            space.height - used,
            members=rows,
            latency=self.latency.wanted(pane_width(space.width) - 4),
            selected=self._selected,
            grown=self._grown,
        )
        if new == self._arrangement:
            return
        self._arrangement = new
        self._box.set_class(new.square, "-square")
        for number, pane in self.panes.items():
            pane.display = number in new.shown
            pane.styles.height = "1fr" if new.square or new.height(number) is None else new.height(number)
        if new.square:
            self._box.styles.grid_rows = f"{new.height(1)} 1fr"
        self.worst.set_builder(self._worst)
        if self.focused is None or not self.focused.display:
            self.set_focus(self.panes[new.shown[0]])
