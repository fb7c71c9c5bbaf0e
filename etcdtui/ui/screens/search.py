"""In which backups an object is, and as of which revision. Only those that are here can be looked into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Input

from etcdtui.model.places import Backup
from etcdtui.procedures.looking import Found, Look, copy_here, search
from etcdtui.text import clean, counted, grouped
from etcdtui.ui import keys
from etcdtui.ui.backup_words import key_of, when
from etcdtui.ui.looks import Line, Role, Span, muted, plain, wrap
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.parts.footer import KeyLine
from etcdtui.ui.parts.table import Column, Table
from etcdtui.ui.parts.work import EVERY, Work

HOW = "A kind and a name (deployment prod/web, ns prod, node master-0), or a whole key that begins with /"


@dataclass(frozen=True, slots=True)
class Row:
    """What one backup says; several rows where several objects are meant. ``revision`` None: not in it."""

    backup: Backup
    number: int
    words: str
    role: Role
    revision: int | None = None


class FoundTable(Table[Row]):
    def __init__(self) -> None:
        columns: list[Column[Row]] = [
            Column("BACKUP", lambda r: (when(r.backup), Role.PLAIN), lambda r: r.backup.stamp, least=16),
            Column("AS OF", _revision, lambda r: r.revision or -1, right=True, least=6),
            Column("OBJECT", lambda r: (r.words, r.role), lambda r: r.words, least=30, most=400),
        ]
        super().__init__(columns, id="found", empty="")

    def row_key(self, row: Row) -> str:
        return f"{key_of(row.backup)}\0{row.number}"


class SearchScreen(Screen[None]):
    """Looks at once when it is given words; else, and again, when words are entered."""

    CSS_PATH = "backup.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        keys.CHANGE,
        keys.STOP,
        keys.BACK_ESC,
        keys.COPY,
        keys.HELP,
        keys.COMMAND,
    ]

    def __init__(self, backups: Sequence[Backup], words: str, clock: Callable[[], float]) -> None:
        super().__init__()
        self._backups, self._clock = tuple(backups), clock
        self._here = [backup for backup in self._backups if copy_here(backup) is not None]
        self._words = words.strip()
        self._work: Work[None] | None = None
        self._told: dict[str, Found] = {}  # filled by the thread that looks; replaced for every search
        self.title_bar, self.said = Bar(classes="title", most=2), Bar(classes="said", most=4)
        self.asked = Input(self._words, compact=True, placeholder="deployment prod/web")
        self.table = FoundTable()
        self.progress = Bar(classes="progress")

    def compose(self) -> ComposeResult:
        yield self.title_bar
        yield self.asked
        yield self.said
        yield self.table
        yield self.progress
        yield KeyLine()

    def on_mount(self) -> None:
        self.progress.set_line(())
        self.title_bar.set_line((("Find an object in the backups", Role.STRONG),))
        self.set_interval(EVERY, self._tick)
        if self._words:
            self._search()
        else:
            self._ask()

    def on_unmount(self) -> None:
        self.action_stop()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._looking if action == "stop" else True

    @property
    def _looking(self) -> bool:
        return self._work is not None and self._work.running

    def action_stop(self) -> None:
        if self._work is not None:
            self._work.stop()

    def action_change(self) -> None:
        self._ask()

    def action_copy(self) -> None:
        row = self.table.current
        if row is not None:
            self.app.copy_to_clipboard(row.words)
            self.notify(row.words[:120], title="Copied", markup=False)

    def _ask(self) -> None:
        self.asked.display = True
        self.set_focus(self.asked)
        self.said.set_builder(lambda width: wrap(muted(HOW), width))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        words = " ".join(event.value.split())
        if not words.startswith("/") and " " not in words:
            self.said.set_builder(lambda width: wrap((("✗ ", Role.BAD), (f"{HOW}.", Role.PLAIN)), width, 2))
            return
        self._words = words
        self._search()

    def _search(self) -> None:
        self.action_stop()
        self._told = {}
        self._work = Work(
            self.app,
            partial(self._look, self._words, self._told),
            self._ended,
            name="search",
            clock=self._clock,
        )
        self.set_focus(self.table)
        self._show()
        self.refresh_bindings()

    def _look(self, words: str, told: dict[str, Found], look: Look) -> None:
        """In the thread: every answer is put where the screen finds it."""
        search(self._here, words, look, lambda found: told.update({key_of(found.backup): found}))

    def _ended(self) -> None:
        if self.is_running:
            self._show()
            self.refresh_bindings()

    def _tick(self) -> None:
        if self._looking:
            self._show()

    def _show(self) -> None:
        self.progress.set_line(self._work.line() if self._work else ())
        self.table.set_rows([row for backup in self._backups for row in self._rows(backup)])
        self.said.set_builder(self._summary)

    def _rows(self, backup: Backup) -> list[Row]:
        found = self._told.get(key_of(backup))
        if backup not in self._here:
            places = clean(" ".join(backup.places), 200)
            return [Row(backup, 0, f"– not looked into: only on {places}", Role.MUTED)]
        if found is None:
            return [Row(backup, 0, "○ not looked into yet", Role.MUTED)]
        if found.trouble:
            return [Row(backup, 0, f"✗ {clean(found.trouble)}", Role.BAD)]
        if not found.entries:
            return [Row(backup, 0, "– not in it", Role.WARN)]
        return [
            Row(backup, number, f"✓ {clean(entry.text)}", Role.PLAIN, entry.revision[0])
            for number, entry in enumerate(found.entries)
        ]

    def _summary(self, width: int) -> list[Line]:
        told = list(self._told.values())
        inside = sum(1 for found in told if found.entries)
        away = len(self._backups) - len(self._here)
        words = f"{clean(self._words, 200)}: in {inside} of {counted(len(told), 'backup')} looked into"
        lines: list[Line] = [plain(words + (f"; {away} not here, not looked into." if away else "."))]
        if self._work is not None and not self._work.running:
            lines += [p.line for p in self._work.trouble()]
        return [part for line in lines for part in wrap(line, width, 2)]


def _revision(row: Row) -> Span:
    return (grouped(row.revision), Role.PLAIN) if row.revision else ("", Role.MUTED)
