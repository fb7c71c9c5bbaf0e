"""The backups seen on all hosts."""

from __future__ import annotations

from textual import on

from etcdtui.model.backups import BackupSet
from etcdtui.model.view import FRESH_HOST, ClusterView
from etcdtui.text import clean, size
from etcdtui.ui.looks import Role, Span
from etcdtui.ui.messages import BackupChosen
from etcdtui.ui.parts.table import Column, Table
from etcdtui.ui.words import aged, backup_key, completeness, short_names


class BackupsPane(Table[BackupSet]):
    """What lies in the backup folders, newest first."""

    def __init__(self) -> None:
        self._short: dict[str, str] = {}
        columns: list[Column[BackupSet]] = [
            Column("TAKEN", _taken, lambda b: b.stamp, least=16),
            Column("SIZE", lambda b: (size(b.size), Role.PLAIN), lambda b: b.size, right=True, least=5),
            Column("FILES", completeness, lambda b: completeness(b)[0], least=9, most=20),
            Column("HOST", self._host, lambda b: b.host, least=8),
            Column(
                "FOLDER",
                lambda b: (clean(b.directory, 200), Role.MUTED),
                most=120,
                comfort=12,
                drop=1,
            ),
        ]
        super().__init__(columns, id="backups", classes="pane", empty="No host has been asked yet.")
        self.border_title = "3 Backups"
        self._facts: tuple[object, ...] = ()
        self._old: dict[str, str] = {}  # by host: how old its listing is, where it no longer speaks for now

    def show(self, view: ClusterView) -> None:
        """Joining thousands of files costs; it is done when a host has told something new."""
        old = {host.name: aged(host.facts, view.now, FRESH_HOST) for host in view.hosts}
        if old != self._old:
            self._old = old
            self.reformat()
        facts = (view.writing, *(host.facts.value for host in view.hosts))
        same = len(facts) == len(self._facts) and all(a is b for a, b in zip(facts, self._facts, strict=True))
        if same and self._facts:
            return
        self._facts = facts
        self._short = short_names([clean(host.name, 100) for host in view.hosts])
        asked = [h for h in view.hosts if h.facts.value is not None]
        empty = "No backup on any host. b makes one." if asked else "No host has told its backups yet."
        if empty != self.empty:
            self.empty = empty
            self.refresh()
        self.set_rows(view.backups)

    def _host(self, backup: BackupSet) -> Span:
        name, old = clean(backup.host, 100), self._old.get(backup.host)
        short = self._short.get(name, name)
        return (f"{short}, seen {old}", Role.MUTED) if old else (short, Role.PLAIN)

    def row_key(self, row: BackupSet) -> str:
        return backup_key(row)

    @on(Table.Chosen)
    def _chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self.post_message(BackupChosen(event.key))


def _taken(backup: BackupSet) -> Span:
    taken = backup.taken
    return (taken.strftime("%Y-%m-%d %H:%M") if taken else clean(backup.stamp, 20)), Role.PLAIN
