"""Every command that ran on the hosts, the newest first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Footer

from etcdtui.text import age, clean, clean_lines
from etcdtui.ui import keys
from etcdtui.ui.looks import Line, Paragraph, Role, Span, wrap
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.parts.table import Column, Table
from etcdtui.ui.picture import Picture
from etcdtui.ui.ports import ClusterPort, CommandRecord
from etcdtui.ui.screens.document import Document, DocumentScreen

if TYPE_CHECKING:
    from etcdtui.ui.app import EtcdTui


class LogTable(Table[CommandRecord]):
    def __init__(self) -> None:
        columns: list[Column[CommandRecord]] = [
            Column("AT", lambda r: (_clock(r.at), Role.MUTED), lambda r: r.at, least=8),
            Column("HOST", lambda r: (clean(r.host, 60), Role.PLAIN), lambda r: r.host, most=20),
            Column("EXIT", _exit, lambda r: _exit(r)[0], right=True),
            Column("TOOK", _took, lambda r: -1.0 if r.seconds is None else r.seconds, right=True, least=7),
            Column("COMMAND", _command, least=20, most=400),
        ]
        super().__init__(columns, id="log", empty="No command has run yet.")

    def row_key(self, row: CommandRecord) -> str:
        return str(row.number)


class LogScreen(Screen[None]):
    """Follows the log; below it, what there is to say of the command under the cursor."""

    CSS_PATH = "document.tcss"
    AUTO_FOCUS = "#log"
    BINDINGS: ClassVar[list[BindingType]] = [keys.BACK, keys.COPY, keys.HELP, keys.COMMAND]

    def __init__(self, cluster: ClusterPort) -> None:
        super().__init__()
        self.cluster = cluster
        self.table = LogTable()
        self.title_bar, self.reason = Bar(classes="title"), Bar(classes="reason", most=4)
        self._shown: tuple[CommandRecord, ...] = ()

    def compose(self) -> ComposeResult:
        yield self.title_bar
        yield self.table
        yield self.reason
        yield Footer()

    def on_mount(self) -> None:
        self.reason.set_line(())
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
        self.table.set_rows(records[::-1])
        if at_top:
            self.table.action_step(-len(records))
        self.title_bar.set_line((("Command log", Role.STRONG), (f" · the last {len(records)}", Role.PLAIN)))
        self._explain()

    @on(Table.Moved)
    def _explain(self) -> None:
        row = self.table.current
        self.reason.set_builder(lambda width: _reason(row, width) if row else [])

    def action_copy(self) -> None:
        row = self.table.current
        if row is not None:
            self.app.copy_to_clipboard(row.command)
            self.notify(clean(row.title, 120), title="Copied", markup=False)

    @on(Table.Chosen)
    def _chosen(self, event: Table.Chosen) -> None:
        event.stop()
        number, first = int(event.key), self.table.current
        picture = cast("EtcdTui", self.app).picture

        def document(_: Picture) -> Document | None:
            found = next((r for r in self.cluster.command_log() if r.number == number), first)
            return _document(found) if found else None

        if picture is not None:
            self.app.push_screen(DocumentScreen(document, picture))


def _document(record: CommandRecord) -> Document:
    facts = f" on {clean(record.host, 60)} at {_clock(record.at)}, {_ending(record)}"
    paragraphs = [Paragraph((("✗ ", Role.BAD), (clean(record.error), Role.BAD)), 2)] if record.error else []
    if record.title != record.command:
        paragraphs.append(
            Paragraph(
                (
                    ("$ ", Role.KEY),
                    (clean(record.title, 2000), Role.STRONG),
                ),
                2,
            )
        )
        paragraphs += [Paragraph(()), Paragraph((("As it ran, with the whole script:", Role.MUTED),))]
    if paragraphs:
        paragraphs.append(Paragraph(()))
    paragraphs += [Paragraph(((line, Role.PLAIN),)) for line in clean_lines(record.command)]
    return Document((("Command", Role.STRONG), (facts, Role.PLAIN)), tuple(paragraphs))


def _command(record: CommandRecord) -> Span:
    times = f"{record.times} times: " if record.times > 1 else ""
    return times + clean(record.title, 400), Role.PLAIN


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def _ending(record: CommandRecord) -> str:
    if record.seconds is None:
        return "runs on"
    code = "no exit code" if record.status is None else f"exit {record.status}"
    times = f", {record.times} times" if record.times > 1 else ""
    return f"{code} after {_duration(record.seconds)}{times}"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else age(seconds)


def _failed(record: CommandRecord) -> bool:
    return record.status not in (0, None) or bool(record.error)


def _exit(record: CommandRecord) -> Span:
    words = "✗" if record.status is None and record.error else "–" if record.status is None else record.status
    return str(words), Role.WARN if _failed(record) else Role.MUTED if record.status is None else Role.PLAIN


def _took(record: CommandRecord) -> Span:
    if record.seconds is None:
        return "runs on", Role.ADVICE
    return _duration(record.seconds), Role.PLAIN


def _reason(record: CommandRecord, width: int) -> list[Line]:
    """Why it failed; nothing where it did not."""
    if not _failed(record):
        return []
    words = clean(record.error) or "It said nothing on standard error."
    return wrap((("✗ ", Role.BAD), (words, Role.PLAIN)), width, 2)
