"""Which backup: all that are known, the newest first, each with what forbids it or what it would lose."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from etcdtui.errors import Refusal
from etcdtui.model.places import PlacedSet
from etcdtui.procedures.restore_offer import BackupOffer
from etcdtui.text import clean, grouped
from etcdtui.ui import backup_text, keys
from etcdtui.ui.backup_words import key_of, when, where
from etcdtui.ui.looks import Line, Role, wrap
from etcdtui.ui.messages import BackupChosen, CompareWanted
from etcdtui.ui.parts.footer import KeyLine
from etcdtui.ui.parts.lines import Lines
from etcdtui.ui.parts.table import Column, Table
from etcdtui.ui.restore_words import about_backup, behind, use_of
from etcdtui.ui.screens.restore_page import Found, RestorePage


class OffersTable(Table[BackupOffer]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "Host…", show=True)]

    def __init__(self) -> None:
        columns: list[Column[BackupOffer]] = [
            Column(
                "TAKEN", lambda o: (when(o.backup), Role.PLAIN), lambda o: o.backup.taken or 0.0, least=16
            ),
            Column("RESTORE", use_of, lambda o: use_of(o)[0], least=12, most=18),
            Column("IS BEHIND BY", behind, _behind, right=True, least=9),
            Column(
                "REVISION",
                lambda o: (grouped(o.backup.revision), Role.PLAIN),
                lambda o: o.backup.revision or 0,
                right=True,
                drop=2,
            ),
            Column("WHERE", lambda o: where(o.backup, _place), least=8, most=120),
        ]
        super().__init__(columns, id="offers", empty="No place that can be listed has a backup.")

    def row_key(self, row: BackupOffer) -> str:
        return key_of(row.backup)


class RestoreBackupScreen(RestorePage):
    """The cursor begins at the proposed one. A wide screen shows beside the list what d shows."""

    NUMBER, QUESTION = 2, "Which backup?"
    AUTO_FOCUS = "#offers"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (140, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [*keys.RESTORE_BACKUP, *keys.PAGE]

    def __init__(self, found: Found) -> None:
        super().__init__(found)
        self.offer = found.offer
        self.table = OffersTable()
        self.beside = Lines(id="beside")  # where there is room: what is known of the one under the cursor

    def compose(self) -> ComposeResult:
        yield self.title_bar
        with Horizontal(classes="choice"):
            yield self.table
            yield self.beside
        yield self.said
        yield KeyLine()

    def on_mount(self) -> None:
        self.table.set_rows(self.offer.backups)
        if self.offer.proposed is not None:
            self.table.cursor_key = self.table.row_key(self.offer.proposed)
            self.call_after_refresh(self.table.action_step, 0)  # into sight
        self._explain()

    def action_compare(self) -> None:
        if self.table.current is not None:
            self.app.post_message(CompareWanted(self.table.current.backup, with_cluster=True))

    def action_details(self) -> None:
        if self.table.current is not None:
            self.app.post_message(BackupChosen(self.table.current.backup))

    def action_copy(self) -> None:
        text = self.table.current_text()
        if text:
            self.copied(text, text[:120])

    @on(Table.Moved)
    def _explain(self) -> None:
        one = self.table.current
        if one is None:
            words = "Without a backup there is nothing to restore from: what else would do is a page back."
            self.refuse(Refusal("No backup is known.", words))
            return
        self.said.set_builder(lambda width: about_backup(one, width))
        self.beside.border_title = f"Backup {when(one.backup)}"
        self.beside.set_paragraphs(backup_text.paragraphs(self.offer.looked.view, one.backup))
        self.beside.scroll_home(animate=False)

    @on(Table.Chosen)
    def _chosen(self, event: Table.Chosen) -> None:
        from etcdtui.ui.screens.restore_host import RestoreHostScreen

        event.stop()
        one = self.table.current
        if one is None or self.found is None:
            return
        if one.refusal is None:
            self.app.push_screen(RestoreHostScreen(self.found, one))
            return

        def no(width: int) -> list[Line]:
            lines = wrap((("Not this one. Choose another, or esc.", Role.WARN),), width)
            return [*lines, *about_backup(one, width)]

        self.said.set_builder(no)


def _behind(one: BackupOffer) -> float:
    gap = one.gap
    return gap.revisions if gap and gap.revisions is not None else float("inf")


def _place(copy: PlacedSet) -> str:
    return clean(copy.place.label, 100)
