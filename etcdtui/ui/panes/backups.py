"""The backups in all places."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.binding import BindingType

from etcdtui.model.known_backups import identity_of
from etcdtui.model.members import Member
from etcdtui.model.places import Backup, PlacedSet, PlaceKind
from etcdtui.model.problems import Problem
from etcdtui.model.readings import Reading
from etcdtui.model.view import FRESH_HOST, ClusterView
from etcdtui.text import clean, grouped, size
from etcdtui.ui import keys
from etcdtui.ui.backup_words import key_of, verdict, when, where
from etcdtui.ui.looks import Line, Role, Span
from etcdtui.ui.messages import BackupChosen, CompareWanted, FindWanted, TroubleChosen
from etcdtui.ui.parts.table import OPTIONAL, Column, Table
from etcdtui.ui.words import aged, short_names


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A place that cannot be looked at now: it takes a row, and all of its width."""

    place: str
    words: str
    problem: Problem | None = None


Row = Backup | Unlisted


class BackupsPane(Table[Row]):
    """Places that cannot be listed, then what is in all places, newest first."""

    BINDINGS: ClassVar[list[BindingType]] = list(keys.BACKUPS)

    def __init__(self) -> None:
        columns: list[Column[Row]] = [
            Column("TAKEN", _of(self._taken), _by(lambda b: b.taken or 0.0), least=16),
            Column("AGE", _of(self._age), _by(lambda b: -(b.taken or 0.0)), True, drop=OPTIONAL),
            Column("SIZE", _of(lambda b: (size(b.size), Role.PLAIN)), _by(lambda b: b.size), True, 5, drop=1),
            Column("REVISION", _of(_revision), _by(lambda b: b.revision or 0), True, 8, drop=2),
            Column("PROVEN", _of(self._verdict), _by(lambda b: self._verdict(b)[0], ""), least=9, most=18),
            Column("WHERE", _of(lambda b: where(b, self._place)), least=8, most=120),
        ]
        super().__init__(columns, id="backups", classes="pane", empty="No host has been asked yet.")
        self.border_title = "3 Backups"
        self._known: tuple[Backup, ...] = ()
        self._unlisted: tuple[Unlisted, ...] = ()
        self._marks: tuple[object, ...] = ()  # what cells say besides what the backup itself tells
        self._short: dict[str, str] = {}
        self._old: dict[str, str] = {}  # by host: how old its listing is, where it no longer speaks for now
        self._now = self._limit = 0.0  # those taken before the second are older than they should be
        self._cluster: tuple[str, tuple[Member, ...], str] = ("", (), "")

    @property
    def count(self) -> tuple[int, int]:
        """Backups shown, backups there are."""
        return sum(isinstance(row, Backup) for row in self._shown), len(self._known)

    def show(self, view: ClusterView) -> None:
        """Thousands of rows cost; they are made anew when there is something new, ages only now and then."""
        known, unlisted = view.known_backups, tuple(_unlisted(view))
        self._mark(view, known)
        if known is self._known and unlisted == self._unlisted and self._all:
            return
        self._known, self._unlisted = known, unlisted
        asked = any(host.facts.value is not None for host in view.hosts) or any(p.listed for p in view.places)
        empty = "No backup anywhere. b makes one." if asked else "No place has told its backups yet."
        if empty != self.empty:
            self.empty = empty
            self.refresh()
        self.set_rows((*unlisted, *known))

    def _mark(self, view: ClusterView, known: tuple[Backup, ...]) -> None:
        self._now, self._limit = view.now, view.now - view.max_backup_age
        self._old = {host.name: aged(host.facts, view.now, FRESH_HOST) for host in view.hosts}
        self._short = short_names([clean(host.name, 100) for host in view.hosts])
        self._cluster = identity_of(view)
        # They come newest first: how many are young tells which ones.
        young = bisect_left(known, -self._limit, key=lambda b: -(b.taken or 0.0))
        marks = (young, int(view.now) // 3600, self._old, self._short, self._cluster)
        if marks != self._marks:
            self._marks = marks
            self.reformat()

    def _taken(self, backup: Backup) -> Span:
        return when(backup), Role.MUTED if self._too_old(backup) else Role.PLAIN

    def _age(self, backup: Backup) -> Span:
        if backup.taken is None:
            return "–", Role.MUTED
        hours = int(self._now - backup.taken) // 3600
        minutes = max(0, int(self._now - backup.taken) // 60)
        words = f"{minutes} min" if not hours else f"{hours} h" if hours < 48 else f"{hours // 24} d"
        return (f"{words}, old", Role.MUTED) if self._too_old(backup) else (words, Role.PLAIN)

    def _too_old(self, backup: Backup) -> bool:
        return (backup.taken or 0.0) < self._limit

    def _verdict(self, backup: Backup) -> Span:
        return verdict(backup, backup.foreign(*self._cluster))

    def _place(self, copy: PlacedSet) -> str:
        name = clean(copy.place.label, 100)
        if copy.place.kind is not PlaceKind.HOST:
            return name
        old, short = self._old.get(copy.place.name), self._short.get(name, name)
        return f"{short}, seen {old}" if old else short

    def row_key(self, row: Row) -> str:
        return key_of(row) if isinstance(row, Backup) else f"place\0{row.place}"

    def current_text(self) -> str:
        row = self.current
        return row.words if isinstance(row, Unlisted) else super().current_text()

    def _line(self, row: Row, here: bool) -> Line:
        if isinstance(row, Backup):
            return super()._line(row, here)
        sign = ("✗ ", Role.BAD) if row.problem else ("○ ", Role.MUTED)
        return ("▸ " if here else "  ", Role.KEY), sign, (row.words, Role.PLAIN)

    @on(Table.Chosen)
    def _chosen(self, event: Table.Chosen) -> None:
        event.stop()
        row = self.current
        if isinstance(row, Backup):
            self.post_message(BackupChosen(row))
        elif row is not None and row.problem is not None:
            self.post_message(TroubleChosen(row.problem))

    def action_compare(self) -> None:
        if isinstance(self.current, Backup):
            self.post_message(CompareWanted(self.current))

    def action_find(self) -> None:
        self.post_message(FindWanted())


def _of(cell: Callable[[Backup], Span]) -> Callable[[Row], Span]:
    """A cell of a backup; a place that cannot be listed has none."""
    return lambda row: cell(row) if isinstance(row, Backup) else ("", Role.PLAIN)


def _by(order: Callable[[Backup], Any], first: Any = -1.0) -> Callable[[Row], Any]:
    """Places that cannot be listed stay together."""
    return lambda row: order(row) if isinstance(row, Backup) else first


def _revision(backup: Backup) -> Span:
    return grouped(backup.revision), Role.PLAIN if backup.revision else Role.MUTED


def _unlisted(view: ClusterView) -> Iterator[Unlisted]:
    """Hosts, then stores and here; the clock stands still in words, so that no row changes by itself."""
    for host in view.hosts:
        if host.facts.problem is not None:
            yield _cannot(clean(host.name, 60), host.facts, host.facts.problem)
    for seen in view.places:
        place = clean(seen.place.label, 60)
        if seen.place.is_host:
            continue  # its manifests; what is wrong with the host itself is told above
        if seen.sets.problem is not None:
            yield _cannot(place, seen.sets, seen.sets.problem)
        elif seen.sets.value is None and seen.place.kind is PlaceKind.STORE:
            yield Unlisted(place, f"{place} has not been listed yet.")


def _cannot(place: str, reading: Reading[Any], problem: Problem) -> Unlisted:
    since = f" since {time.strftime('%H:%M', time.localtime(reading.since))}" if reading.since else ""
    return Unlisted(place, f"{place} cannot be listed{since}: {clean(problem.message)}", problem)
