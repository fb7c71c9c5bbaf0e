"""With what a backup is compared: another one that is here, or the cluster as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from etcdtui.model.places import Backup
from etcdtui.text import clean, grouped
from etcdtui.ui.backup_words import key_of, unproven, when
from etcdtui.ui.looks import Role, Span
from etcdtui.ui.parts.dialog import Dialog
from etcdtui.ui.parts.table import Column, Table

NOW = "now"  # the key of the running cluster


class OthersTable(Table[Backup | None]):
    """None is the running cluster."""

    def __init__(self, cluster: str) -> None:
        columns: list[Column[Backup | None]] = [
            Column("WITH", lambda b: (when(b) if b else f"{clean(cluster, 40)} as it is now", Role.PLAIN)),
            Column("REVISION", lambda b: (grouped(b.revision) if b else "newest", Role.PLAIN), right=True),
            Column("PROVEN", lambda b: _proven(b) if b else ("", Role.PLAIN), most=18),
        ]
        super().__init__(columns, id="others")

    def row_key(self, row: Backup | None) -> str:
        return NOW if row is None else key_of(row)


class CompareWithScreen(ModalScreen[Backup | str | None]):
    """Returns a backup, NOW for the running cluster, or None."""

    CSS_PATH: ClassVar[Any] = ["dialogs.tcss", "backup.tcss"]
    AUTO_FOCUS = "#others"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", show=True, key_display="esc")
    ]

    def __init__(self, backup: Backup, others: Sequence[Backup], cluster: str) -> None:
        super().__init__()
        self._backup, self._others = backup, others
        self.table = OthersTable(cluster)

    def compose(self) -> ComposeResult:
        yield Dialog(self.table, title=f"Compare {when(self._backup)} with … (enter, esc)")

    def on_mount(self) -> None:
        self.table.set_rows((None, *self._others))

    @on(Table.Chosen)
    def _chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self.dismiss(self.table.current or NOW)


def _proven(backup: Backup) -> Span:
    return ("✓ proven", Role.GOOD) if backup.proven else unproven(backup)
