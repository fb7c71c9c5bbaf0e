"""Every command that ran on the hosts, the newest first."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Footer

from etcdtui.text import clean, clean_lines
from etcdtui.ui import keys
from etcdtui.ui.looks import Line, Paragraph, Role, Span, plain
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.parts.table import Column, Table
from etcdtui.ui.picture import Picture
from etcdtui.ui.ports import ClusterPort, CommandRecord
from etcdtui.ui.screens.document import Document, DocumentScreen


@dataclass(frozen=True, slots=True)
class Logged:
    """A record and its place in the log, which is its key."""

    number: int
    record: CommandRecord


class LogTable(Table[Logged]):
    def __init__(self) -> None:
        columns: list[Column[Logged]] = [
            Column("AT", lambda r: (_clock(r.record.at), Role.MUTED), lambda r: r.record.at, least=8),
            Column(
                "HOST",
                lambda r: (clean(r.record.host, 60), Role.PLAIN),
                lambda r: r.record.host,
                most=20,
            ),
            Column("EXIT", _status, lambda r: _status(r)[0], right=True),
            Column("TOOK", _took, lambda r: r.record.seconds, right=True, least=7),
            Column("COMMAND", lambda r: (clean(r.record.command, 400), Role.PLAIN), least=20, most=400),
        ]
        super().__init__(columns, id="log", empty="No command has run yet.")

    def row_key(self, row: Logged) -> str:
        return str(row.number)


class LogScreen(Screen[None]):
    """Follows the log; y copies the command under the cursor."""

    CSS_PATH = "document.tcss"
    AUTO_FOCUS = "#log"
    BINDINGS: ClassVar[list[BindingType]] = [keys.BACK, keys.COPY, keys.HELP, keys.COMMAND]

    def __init__(self, cluster: ClusterPort) -> None:
        super().__init__()
        self.cluster = cluster
        self.table = LogTable()
        self.title_bar = Bar(classes="title")
        self._shown: tuple[CommandRecord, ...] = ()

    def compose(self) -> ComposeResult:
        yield self.title_bar
        yield self.table
        yield Footer()

    def on_mount(self) -> None:
        self._read()

    def show_picture(self, picture: Picture) -> None:
        if picture.held is None:
            self._read()

    def _read(self) -> None:
        records = tuple(self.cluster.command_log())
        if records == self._shown and records:
            return
        at_top = self.table.cursor <= 0
        self._shown = records
        self.table.set_rows([Logged(n, r) for n, r in reversed(list(enumerate(records)))])
        if at_top:
            self.table.action_step(-len(records))
        self.title_bar.set_line((("Command log", Role.STRONG), (f" · the last {len(records)}", Role.PLAIN)))

    def action_copy(self) -> None:
        row = self.table.current
        if row is not None:
            self.app.copy_to_clipboard(row.record.command)
            self.notify(clean(row.record.command, 120), title="Copied", markup=False)

    @on(Table.Chosen)
    def _chosen(self, event: Table.Chosen) -> None:
        event.stop()
        row = self.table.current
        if row is not None and self.app.picture is not None:  # type: ignore[attr-defined]
            document = _document(row.record)
            self.app.push_screen(DocumentScreen(lambda _: document, self.app.picture))  # type: ignore[attr-defined]


def _document(record: CommandRecord) -> Document:
    lines: list[Line] = [plain(line) for line in clean_lines(record.command)]
    facts = (
        f" on {clean(record.host, 60)} at {_clock(record.at)}, {_said(record)} after {record.seconds:.2f} s"
    )
    return Document((("Command", Role.STRONG), (facts, Role.PLAIN)), tuple(Paragraph(line) for line in lines))


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def _said(record: CommandRecord) -> str:
    return "no exit code" if record.status is None else f"exit {record.status}"


def _status(row: Logged) -> Span:
    status = row.record.status
    if status is None:
        return "–", Role.MUTED
    return str(status), Role.PLAIN if status == 0 else Role.WARN


def _took(row: Logged) -> Span:
    seconds = row.record.seconds
    return (f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"), Role.PLAIN
