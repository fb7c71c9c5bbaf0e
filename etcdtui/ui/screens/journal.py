"""What was done on this cluster, the newest first; enter shows one run in full."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Footer

from etcdtui.errors import EtcdTuiError
from etcdtui.journal_text import how, in_full
from etcdtui.procedures.procedure import Ending
from etcdtui.records import Run
from etcdtui.text import age, clean, counted
from etcdtui.ui import keys
from etcdtui.ui.background import in_background
from etcdtui.ui.looks import Line, Paragraph, Role, Span, plain, wrap
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.parts.table import Column, Table
from etcdtui.ui.screens.document import Document, DocumentScreen
from etcdtui.ui.words import ENDING

if TYPE_CHECKING:
    from etcdtui.ui.app import EtcdTui

OTHER = {
    "running": ("●", Role.ADVICE),
    "interrupted": ("⏸", Role.WARN),
    "abandoned": ("–", Role.MUTED),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A run, and how it ended: that is looked up once, for a run may still be alive."""

    run: Run
    how: str

    @property
    def sign(self) -> Span:
        if self.how in OTHER:
            return OTHER[self.how]
        return ENDING[Ending(self.how)]


class JournalTable(Table[Row]):
    def __init__(self) -> None:
        columns: list[Column[Row]] = [
            Column("BEGAN", _began, lambda r: r.run.began, least=16),
            Column("HOW", _how, lambda r: r.how, least=13),
            Column(
                "WHAT",
                lambda r: (clean(r.run.title, 120), Role.PLAIN),
                lambda r: r.run.title,
                least=16,
                most=80,
            ),
            Column("TOOK", _took, lambda r: r.run.last - r.run.began, right=True, drop=2),
            Column("BY", lambda r: (clean(str(r.run.who), 60), Role.MUTED), lambda r: str(r.run.who), drop=3),
        ]
        super().__init__(columns, id="journal", empty="Nothing was done on this cluster yet.")

    def row_key(self, row: Row) -> str:
        return row.run.id


class JournalScreen(Screen[None]):
    """Reads the journal when opened, when come back to, and with r. ``read`` may block."""

    CSS_PATH = "document.tcss"
    AUTO_FOCUS = "#journal"
    BINDINGS: ClassVar[list[BindingType]] = [
        keys.AGAIN,
        keys.PUT_BACK,
        keys.EXPORT,
        keys.BACK,
        keys.COPY,
        keys.HELP,
        keys.COMMAND,
    ]

    def __init__(self, read: Callable[[], Sequence[Run]]) -> None:
        super().__init__()
        self._read = read
        self._reading = False
        self.table = JournalTable()
        self.title_bar, self.said = Bar(classes="title"), Bar(classes="reason", most=6)

    def compose(self) -> ComposeResult:
        yield self.title_bar
        yield self.table
        yield self.said
        yield Footer()

    def on_mount(self) -> None:
        self.said.set_line(())
        self.title_bar.set_line((("Journal", Role.STRONG), (" · reading it", Role.PLAIN)))

    def on_screen_resume(self) -> None:
        self.action_again()

    def action_again(self) -> None:
        if not self._reading:
            self._reading = True
            in_background(self.app, self._rows, self._came, self._failed, name="journal")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "put_back":
            row = self.table.current
            return (
                row is not None
                and row.run.kind in ("restore", "quorum-restore")
                and not cast("EtcdTui", self.app).cluster.read_only
            )
        return True

    def action_put_back(self) -> None:
        row = self.table.current
        if row is not None:
            cast("EtcdTui", self.app).restoring.put_back(row.run.id)

    def action_copy(self) -> None:
        row = self.table.current
        if row is not None:
            self.app.copy_to_clipboard("\n".join(in_full(row.run)))
            self.notify(clean(row.run.title, 120), title="Copied", markup=False)

    def _rows(self) -> list[Row]:
        return [Row(run, how(run)) for run in self._read()]

    def _came(self, rows: list[Row]) -> None:
        self._reading = False
        if self.is_running:
            self.table.set_rows(rows)
            self.title_bar.set_line(
                (("Journal", Role.STRONG), (f" · {counted(len(rows), 'run')}", Role.PLAIN))
            )
            self._explain()

    def _failed(self, error: EtcdTuiError) -> None:
        self._reading = False
        cast("EtcdTui", self.app).tell(error)

    @on(Table.Moved)
    def _explain(self) -> None:
        row = self.table.current
        self.said.set_builder(lambda width: _last_word(row, width) if row else [])
        self.refresh_bindings()

    @on(Table.Chosen)
    def _chosen(self, event: Table.Chosen) -> None:
        event.stop()
        row, picture = self.table.current, cast("EtcdTui", self.app).picture
        if row is not None and picture is not None:
            document = run_document(row)
            self.app.push_screen(DocumentScreen(lambda _: document, picture))


def run_document(row: Row) -> Document:
    """A run in full, line by line of its record."""
    sign, role = row.sign
    title: Line = ((f"{sign} {row.how}  ", role), (clean(row.run.title, 200), Role.STRONG))
    return Document(title, tuple(Paragraph(plain(line), _indent(line)) for line in in_full(row.run)))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" ")) + 2


def _began(row: Row) -> Span:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(row.run.began)), Role.PLAIN


def _how(row: Row) -> Span:
    sign, role = row.sign
    return f"{sign} {row.how}", role


def _took(row: Row) -> Span:
    return age(row.run.last - row.run.began), Role.PLAIN


def _last_word(row: Row, width: int) -> list[Line]:
    """Its last sentence, or why it was abandoned."""
    sign, role = row.sign
    words = row.run.abandoned if row.how == "abandoned" else row.run.sentence
    return wrap(((f"{sign} ", role), (clean(words, 1000) or row.how, Role.PLAIN)), width, 2)
