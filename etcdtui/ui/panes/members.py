"""The member table."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.binding import BindingType

from etcdtui.model.health import ClusterHealth, MemberHealth, MemberState
from etcdtui.model.view import FRESH_API, ClusterView
from etcdtui.text import clean, size
from etcdtui.ui import keys
from etcdtui.ui.looks import Line, Role, Span
from etcdtui.ui.marks import SIGN, Mark, foot
from etcdtui.ui.messages import MemberChosen
from etcdtui.ui.parts.table import CURSOR, Column, Table
from etcdtui.ui.words import STATE, aged, short_names, state_words


class MembersPane(Table[MemberHealth]):
    """Who is in the cluster and how they are."""

    BINDINGS: ClassVar[list[BindingType]] = list(keys.MEMBERS)

    def __init__(self) -> None:
        self._marks: tuple[Mark, ...] = ()
        self._now = 0.0
        self._api_age = ""  # how old what the API told is, where it no longer speaks for now
        self._short: dict[str, str] = {}
        columns: list[Column[MemberHealth]] = [
            Column("NAME", self._name_cell, lambda r: r.member.label, least=8, comfort=18),
            Column("STATE", self._state_cell, lambda r: list(MemberState).index(r.state), most=24),
            Column("ROLE", _role, lambda r: r.role, least=8, drop=2),
            Column("DB / IN USE", _database, lambda r: r.status.db_size if r.status else -1, least=9),
            Column("LAG", _lag, lambda r: -1 if r.lag is None else r.lag, right=True, drop=3),
            Column("PODS", self._pods_cell, _pod_order, most=16, drop=4),
            Column("VERSION", _version, lambda r: r.status.version if r.status else "", drop=5),
            Column("TERM", _term, lambda r: r.status.raft_term if r.status else -1, right=True, drop=6),
        ]
        super().__init__(columns, id="members", classes="pane", empty="No member list yet.")
        self.border_title = "1 Members"

    def show(self, view: ClusterView, health: ClusterHealth, marks: tuple[Mark, ...] = ()) -> None:
        self._now, self._api_age = view.now, aged(view.api, view.now, FRESH_API)
        names = [clean(row.member.label, 200) for row in health.members]
        self._short = short_names(names)
        problem = view.members.problem
        self.empty = clean(problem.message) if problem else "No member list yet."
        turned = [mark.member_id for mark in marks] != [mark.member_id for mark in self._marks]
        self._marks = marks
        self.set_rows(health.members)
        if turned:
            self.reformat()
        self.set_foot(self._verdicts)

    def lines(self, width: int) -> int:
        """How many lines rows and verdicts would take at this width."""
        return max(self.count[1], 1) + len(self._verdicts(width, 99))

    def sign_of(self, row: MemberHealth) -> Span:
        marked = any(mark.member_id == row.member.id for mark in self._marks)
        return (SIGN, Role.WARN) if marked else (" ", Role.PLAIN)

    @property
    def lead_in(self) -> int:
        return CURSOR + 1 if self._marks else CURSOR

    def _verdicts(self, width: int, most: int) -> list[Line]:
        return foot(self._marks, width, most) if self._marks else []

    def row_key(self, row: MemberHealth) -> str:
        return f"{row.member.id:016x}"

    @on(Table.Chosen)
    def _chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self.post_message(MemberChosen(int(event.key, 16)))

    def _name_cell(self, row: MemberHealth) -> Span:
        name = clean(row.member.label, 200)
        return self._short.get(name, name), Role.STRONG if row.role == "leader" else Role.PLAIN

    def _state_cell(self, row: MemberHealth) -> Span:
        sign, role = STATE[row.state]
        return f"{sign} {state_words(row, self._now)}", role

    def _pods_cell(self, row: MemberHealth) -> Span:
        if row.pod is None:
            return "–", Role.MUTED
        ready = f"{row.pod.ready}/{row.pod.containers}"
        if self._api_age:
            return f"{ready} {self._api_age}", Role.MUTED
        whole = row.pod.ready == row.pod.containers and row.pod.containers > 0
        return ready, Role.PLAIN if whole else Role.WARN


def _role(row: MemberHealth) -> Span:
    return row.role or "–", Role.STRONG if row.role == "leader" else Role.PLAIN if row.role else Role.MUTED


def _database(row: MemberHealth) -> Span:
    if row.status is None or not row.current:
        return "–", Role.MUTED
    return f"{size(row.status.db_size)} / {size(row.status.db_in_use)}", Role.PLAIN


def _lag(row: MemberHealth) -> Span:
    return ("–", Role.MUTED) if row.lag is None else (str(row.lag), Role.PLAIN)


def _pod_order(row: MemberHealth) -> int:
    return row.pod.ready if row.pod else -1


def _version(row: MemberHealth) -> Span:
    return (clean(row.status.version, 20), Role.PLAIN) if row.status and row.current else ("–", Role.MUTED)


def _term(row: MemberHealth) -> Span:
    return (str(row.status.raft_term), Role.PLAIN) if row.status and row.current else ("–", Role.MUTED)
