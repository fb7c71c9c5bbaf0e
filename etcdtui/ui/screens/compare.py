"""What differs between two backups, or between one and the cluster: by namespace and kind, then by object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Input

from etcdtui.model.changes import Difference, Differences, Group, What, filtered, groups
from etcdtui.model.contents import key_name
from etcdtui.procedures.looking import Look
from etcdtui.text import clean, grouped
from etcdtui.ui import keys
from etcdtui.ui.looks import Line, Role, Span, muted, wrap
from etcdtui.ui.messages import FindWanted
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.parts.footer import KeyLine
from etcdtui.ui.parts.table import Column, Table
from etcdtui.ui.parts.work import EVERY, Work

SIGNS = {
    What.ADDED: ("+ added", Role.GOOD),
    What.CHANGED: ("~ changed", Role.ADVICE),
    What.REMOVED: ("− removed", Role.WARN),
}
CLUSTER_WIDE = "(none)"  # where a namespace is not part of the name


class GroupTable(Table[Group]):
    """How many objects of which kind differ in which namespace."""

    def __init__(self) -> None:
        columns: list[Column[Group]] = [
            Column("NAMESPACE", _namespace, lambda g: g.namespace, least=10, most=63, comfort=24),
            Column(
                "KIND", lambda g: (clean(g.kind, 200) or "–", Role.PLAIN), lambda g: g.kind, least=16, most=80
            ),
            _counted("ADDED", lambda g: g.added, Role.GOOD),
            _counted("CHANGED", lambda g: g.changed, Role.ADVICE),
            _counted("REMOVED", lambda g: g.removed, Role.WARN),
        ]
        super().__init__(columns, id="groups", empty="Nothing differs.")

    def row_key(self, row: Group) -> str:
        return f"{row.namespace}\0{row.kind}"


class ObjectTable(Table[Difference]):
    """The objects of one group. Revisions are those of their last changes."""

    def __init__(self) -> None:
        columns: list[Column[Difference]] = [
            Column("WHAT", lambda d: SIGNS[d.what], lambda d: d.what, least=9),
            Column("NAME", _name, lambda d: d.change.key, least=16, most=120),
            Column(
                "BEFORE",
                lambda d: _revision(d.change.before),
                lambda d: d.change.before or (0, 0),
                right=True,
            ),
            Column(
                "AFTER", lambda d: _revision(d.change.after), lambda d: d.change.after or (0, 0), right=True
            ),
        ]
        super().__init__(columns, id="objects")

    def row_key(self, row: Difference) -> str:
        return row.change.key


class CompareScreen(Screen[None]):
    """Compares when opened. enter goes into a group, and from an object to where else it is."""

    CSS_PATH = "backup.tcss"
    AUTO_FOCUS = "#groups"
    BINDINGS: ClassVar[list[BindingType]] = [
        keys.FILTER,
        keys.STOP,
        keys.STEP_BACK,
        keys.COPY,
        keys.HELP,
        keys.COMMAND,
    ]

    def __init__(
        self,
        before: str,
        after: str,
        call: Callable[[Look], Differences],
        clock: Callable[[], float],
        note: str = "",
    ) -> None:
        super().__init__()
        self._note = note
        self._title: Line = (("Compare  ", Role.STRONG), (f"{before} → {after}", Role.PLAIN))
        self._call, self._clock = call, clock
        self._work: Work[Differences] | None = None
        self._found: Sequence[Difference] = ()
        self._group: Group | None = None
        self.title_bar, self.said = Bar(classes="title", most=2), Bar(classes="said", most=6)
        self.groups, self.objects = GroupTable(), ObjectTable()
        self.filter_input = Input(
            compact=True, placeholder="filter by a part of the key: enter keeps it, esc clears it"
        )
        self.progress = Bar(classes="progress")

    def compose(self) -> ComposeResult:
        yield self.title_bar
        yield self.said
        yield self.groups
        yield self.objects
        yield self.filter_input
        yield self.progress
        yield KeyLine()

    def on_mount(self) -> None:
        self.filter_input.display = self.objects.display = False
        self.title_bar.set_line(self._title)
        self._work = Work(self.app, self._call, self._ended, name="compare", clock=self._clock)
        self.set_interval(EVERY, self._tell_progress)
        self._show()

    def on_unmount(self) -> None:
        self.action_stop()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        running = self._work is not None and self._work.running
        return {"stop": running, "filter": not running}.get(action, True)

    def action_stop(self) -> None:
        if self._work is not None:
            self._work.stop()

    def action_filter(self) -> None:
        self.filter_input.display = True
        self.set_focus(self.filter_input)

    def action_step_back(self) -> None:
        """The filter first, then the group, then the screen."""
        if self.filter_input.display or self.filter_input.value:
            self.filter_input.value = ""
            self._end_filter()
        elif self._group is not None:
            self._enter(None)
        else:
            self.app.pop_screen()

    def action_copy(self) -> None:
        text = self._table.current_text()
        current = self.objects.current
        if self._group is not None and current is not None:
            text = clean(current.change.key, 4000)
        if text:
            self.app.copy_to_clipboard(text)
            self.notify(text[:120], title="Copied", markup=False)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._show()

    @on(Input.Submitted)
    def _kept(self, event: Input.Submitted) -> None:
        event.stop()
        self._end_filter()

    def _end_filter(self) -> None:
        self.filter_input.display = False
        self.set_focus(self._table)

    @on(Table.Chosen)
    def _chosen(self, event: Table.Chosen) -> None:
        event.stop()
        if event.table is self.groups:
            self._enter(self.groups.current)
        elif self.objects.current is not None:
            self.app.post_message(FindWanted(self.objects.current.change.key))

    @property
    def _table(self) -> Table[Group] | Table[Difference]:
        return self.groups if self._group is None else self.objects

    def _enter(self, group: Group | None) -> None:
        self._group = group
        self.groups.display, self.objects.display = group is None, group is not None
        self._show()
        if not self.filter_input.display:
            self.set_focus(self._table)

    def _ended(self) -> None:
        if self.is_running:
            self._found = self._work.result.found if self._work and self._work.result else ()
            self._show()
            self._tell_progress()
            self.refresh_bindings()

    def _tell_progress(self) -> None:
        self.progress.set_line(self._work.line() if self._work else ())

    def _show(self) -> None:
        found = filtered(self._found, self.filter_input.value)
        self.groups.empty = "" if self._work and self._work.result is None else self._nothing()
        self.groups.set_rows(groups(found))
        if self._group is not None:
            self.objects.empty = self._nothing()
            self.objects.set_rows([one for one in found if one.group == _pair(self._group)])
        self.said.set_builder(self._summary)

    def _nothing(self) -> str:
        words = self.filter_input.value.strip()
        return f"No difference contains {words!r}. esc shows all." if words else "Nothing differs."

    def _summary(self, width: int) -> list[Line]:
        work = self._work
        if work is None or work.running:
            return []
        if work.result is None:
            return [part for p in work.trouble() for part in wrap(p.line, width, p.indent)]
        counts = work.result.counts()
        spans: list[Span] = []
        for what in What:
            sign, word = SIGNS[what][0].split(" ")
            spans += [(f"{sign} {grouped(counts[what])} {word}", SIGNS[what][1]), (" · ", Role.MUTED)]
        lines: list[Line] = [(*spans, (f"{grouped(work.result.unchanged)} unchanged", Role.PLAIN))]
        if work.result.revision:
            lines.append(muted(f"The cluster as of revision {grouped(work.result.revision)}, by its keys."))
        if self._note:
            lines.append(muted(self._note))
        if self._group is not None:
            place, kind = _namespace(self._group)[0], clean(self._group.kind, 200) or "–"
            lines.append(
                ((f"{place} · {kind}", Role.STRONG), ("  enter: in which backups it is", Role.MUTED))
            )
        return [part for line in lines for part in wrap(line, width)]


def _pair(group: Group) -> tuple[str, str]:
    return group.namespace, group.kind


def _namespace(group: Group) -> Span:
    return (clean(group.namespace, 200), Role.PLAIN) if group.namespace else (CLUSTER_WIDE, Role.MUTED)


def _counted(title: str, number: Callable[[Group], int], role: Role) -> Column[Group]:
    def cell(group: Group) -> Span:
        return (grouped(number(group)), role) if number(group) else ("–", Role.MUTED)

    return Column(title, cell, lambda g: -number(g), right=True, least=7)


def _name(difference: Difference) -> Span:
    return clean(key_name(difference.change.key).name or difference.change.key, 300), Role.PLAIN


def _revision(revision: tuple[int, int] | None) -> Span:
    return (grouped(revision[0]), Role.PLAIN) if revision else ("–", Role.MUTED)
