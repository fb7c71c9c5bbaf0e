"""A table that formats only the rows in sight: thousands of rows cost what a screenful costs.

Rows are known by key, so cursor and order survive every refresh. Columns have a priority: where the
width is short, the least important go first, and the stretching one is shortened last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from etcdtui.ui.looks import Line, Role, Span, fit, muted, palette_of, to_strip

T = TypeVar("T")
Foot = Callable[[int, int], list[Line]]
"""Lines below the rows, always in sight, for a width and at most so many."""
GAP = 2
CURSOR = 2  # cells for the cursor's sign and a gap
OPTIONAL = 5  # columns with this ``drop`` or more only fill spare room
MEASURED = 200  # rows that decide how wide a column is


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A column: how a cell looks and sorts. ``drop`` 0 always stays; of the others the highest goes first."""

    title: str
    cell: Callable[[T], Span]
    order: Callable[[T], Any] | None = None
    right: bool = False
    least: int = 4
    most: int = 40
    drop: int = 0
    comfort: int = 0  # may shrink to this before columns that are not OPTIONAL go


class Table(ScrollView, Generic[T], can_focus=True):
    """Rows of ``T``. Subclasses say which columns, and what the key of a row is."""

    DEFAULT_CSS = """
    Table { height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "step(-1)", "Up", show=False),
        Binding("down,j", "step(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "step(-1000000)", "Top", show=False),
        Binding("end,G", "step(1000000)", "Bottom", show=False),
        Binding("enter", "choose", "Details", show=True),
        Binding("greater_than_sign,s", "sort_by(1)", "Sort by the next column", show=False),
        Binding("less_than_sign", "sort_by(-1)", "Sort by the column before", show=False),
        Binding("S", "turn_order", "Turn the order", show=False),
    ]

    @dataclass
    class Chosen(Message):
        table: Table[Any]
        key: str

    @dataclass
    class Moved(Message):
        """The user moved the cursor."""

        table: Table[Any]
        key: str

    def __init__(self, columns: Sequence[Column[T]], *, empty: str = "", **named: Any) -> None:
        super().__init__(**named)
        self._columns = tuple(columns)
        self.empty = empty
        self._all: Sequence[T] = ()
        self._shown: list[T] = []
        self._keys: list[str] = []
        self._cells: dict[str, tuple[Span, ...]] = {}
        self._layout: list[tuple[int, int]] = []  # column, width
        self._sorted: int | None = None  # None: as given
        self._turned = False
        self._filter = ""
        self.cursor_key: str | None = None
        self._foot_of: Foot | None = None
        self._foot: list[Line] = []

    def row_key(self, row: T) -> str:
        raise NotImplementedError

    def sign_of(self, row: T) -> Span:
        """Between the cursor's sign and the row, to fill the lead-in."""
        return " ", Role.PLAIN

    @property
    def lead_in(self) -> int:
        """Cells before the first column."""
        return CURSOR

    @property
    def allow_select(self) -> bool:
        return False

    @property
    def count(self) -> tuple[int, int]:
        """Rows shown, rows there are."""
        return len(self._shown), len(self._all)

    @property
    def keys(self) -> list[str]:
        """Keys of the rows shown, in order."""
        return list(self._keys)

    @property
    def filter(self) -> str:
        return self._filter

    @property
    def cursor(self) -> int:
        try:
            return self._keys.index(self.cursor_key or "")
        except ValueError:
            return 0 if self._keys else -1

    @property
    def current(self) -> T | None:
        return self._shown[self.cursor] if self._shown else None

    def current_text(self) -> str:
        """The row under the cursor, for the clipboard."""
        row = self.current
        return "" if row is None else "\t".join(text for text, _ in self._row_cells(row))

    def set_rows(self, rows: Sequence[T]) -> None:
        """New rows, in their given order. What looks the same is not painted again."""
        if rows is self._all:
            return
        before, place = (self._keys, dict(self._cells)), self.cursor
        self._all = rows
        self._cells = {}
        self._arrange(place)
        if before[0] == self._keys and len(self._keys) <= MEASURED:
            changed = [
                n for n, row in enumerate(self._shown) if self._row_cells(row) != before[1].get(self._keys[n])
            ]
            if self._measure():
                self.refresh()
            else:
                for number in changed:
                    self.refresh_line(number + 1)
            return
        self._resized()

    def reformat(self) -> None:
        """The same rows, whose cells now read otherwise."""
        self._cells = {}
        self._measure()
        self.refresh()

    def set_foot(self, build: Foot) -> None:
        self._foot_of = build
        if self._lay_foot():
            self._resized()
            self.call_after_refresh(lambda: self._reveal(self.cursor))  # there may be less room for rows

    def _lay_foot(self) -> bool:
        """True if it changed. Two rows stay in sight beside it."""
        # A scrollbar comes and goes without telling: its cell is left free.
        width = self.scrollable_content_region.width - (not self.show_vertical_scrollbar)
        rows = min(len(self._keys), 2)
        most = max(1, self.size.height - 1 - rows)
        lines = self._foot_of(width, most) if self._foot_of is not None and width > 0 else []
        changed, self._foot = lines != self._foot, lines
        return changed

    @property
    def _room(self) -> int:
        """Lines for rows."""
        return self.size.height - 1 - len(self._foot)

    def set_filter(self, text: str) -> None:
        self._filter = text.strip().lower()
        self._arrange(0)
        self._resized()

    def action_step(self, by: int) -> None:
        if self._keys:
            before = self.cursor
            after = max(0, min(len(self._keys) - 1, before + by))
            self.cursor_key = self._keys[after]
            self._reveal(after)
            for number in {before, after}:
                self.refresh_line(number + 1)
            self.post_message(self.Moved(self, self.cursor_key))

    def action_page(self, by: int) -> None:
        self.action_step(by * max(1, self._room - 1))

    def action_choose(self) -> None:
        if self._keys:
            self.post_message(self.Chosen(self, self._keys[self.cursor]))

    def action_sort_by(self, by: int) -> None:
        places = [None, *(n for n, c in enumerate(self._columns) if c.order)]
        self._sorted = places[(places.index(self._sorted) + by) % len(places)]
        self._turned = False
        self._arrange(0)
        self._resized()

    def action_turn_order(self) -> None:
        self._turned = not self._turned
        self._arrange(0)
        self._resized()

    def on_click(self, event: events.Click) -> None:
        line = event.get_content_offset_capture(self).y
        number = line + self.scroll_offset.y - 1
        if line > self._room:
            return
        if 0 <= number < len(self._keys):
            if number == self.cursor:
                self.action_choose()
            else:
                self.action_step(number - self.cursor)

    def on_resize(self, event: events.Resize) -> None:
        if self._lay_foot():
            self._resized()
        elif self._measure():
            self.refresh()
        if self._foot:
            self.call_after_refresh(lambda: self._reveal(self.cursor))

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def _row_cells(self, row: T) -> tuple[Span, ...]:
        key = self.row_key(row)
        cells = self._cells.get(key)
        if cells is None:
            cells = self._cells[key] = tuple(column.cell(row) for column in self._columns)
        return cells

    def _arrange(self, place: int) -> None:
        """Filter and sort; the cursor stays on its row, or at its place when the row went."""
        rows = list(self._all)
        if self._filter:
            rows = [r for r in rows if self._filter in " ".join(t for t, _ in self._row_cells(r)).lower()]
        if self._sorted is not None:
            order = self._columns[self._sorted].order
            assert order is not None
            rows.sort(key=self.row_key)
            rows.sort(key=order)
        if self._turned:
            rows.reverse()
        self._shown = rows
        self._keys = [self.row_key(row) for row in rows]
        if self._keys and self.cursor_key not in self._keys:
            self.cursor_key = self._keys[min(max(place, 0), len(self._keys) - 1)]

    def _resized(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._shown) + 1 + len(self._foot))
        self._measure()
        self._reveal(self.cursor)
        self.refresh()

    def _measure(self) -> bool:
        """Choose columns and widths for the space there is; True if they changed."""
        space = self.scrollable_content_region.width
        if not space:
            return False
        sample = [self._row_cells(row) for row in self._shown[:MEASURED]]
        widths = [
            min(c.most, max([c.least, cell_len(c.title), *(cell_len(cells[n][0]) for cells in sample)]))
            for n, c in enumerate(self._columns)
        ]
        kept = list(range(len(self._columns)))
        self._drop(kept, widths, space, OPTIONAL)
        self._shrink(kept, widths, space, [c.comfort or c.most for c in self._columns])
        self._drop(kept, widths, space, 1)
        self._shrink(kept, widths, space, [c.least for c in self._columns])
        layout = [(n, widths[n]) for n in kept]
        changed, self._layout = layout != self._layout, layout
        return changed

    def _drop(self, kept: list[int], widths: list[int], space: int, least: int) -> None:
        """Leave columns out, the least important first, down to this importance."""
        while self._needed(kept, widths) > space and any(self._columns[n].drop >= least for n in kept):
            kept.remove(max(kept, key=lambda n: self._columns[n].drop))

    def _shrink(self, kept: list[int], widths: list[int], space: int, floors: list[int]) -> None:
        over = self._needed(kept, widths) - space
        for n in sorted(kept, key=lambda n: -widths[n]):
            cut = min(max(over, 0), max(0, widths[n] - floors[n]))
            widths[n] -= cut
            over -= cut

    def _needed(self, kept: list[int], widths: list[int]) -> int:
        return self.lead_in + sum(widths[n] for n in kept) + GAP * (len(kept) - 1)

    def _reveal(self, number: int) -> None:
        rows, top = self._room, self.scroll_offset.y
        if rows > 0 and number >= 0:
            if number < top:
                self.scroll_to(y=number, animate=False)
            elif number >= top + rows:
                self.scroll_to(y=number - rows + 1, animate=False)

    def render_line(self, y: int) -> Strip:
        base, styles, width = self.rich_style, palette_of(self), self.size.width
        if y == 0:
            return to_strip(self._head(), width, styles, base)
        foot = y - 1 - min(max(len(self._shown), 1), self._room)
        if foot >= 0 and self._foot:
            return to_strip(self._foot[foot] if foot < len(self._foot) else (), width, styles, base)
        number = y - 1 + self.scroll_offset.y
        if not self._shown:
            words = (
                self.empty if not self._filter else f"Nothing here contains {self._filter!r}. esc shows all."
            )
            return to_strip(muted("  " + words) if y == 1 else (), width, styles, base)
        if number >= len(self._shown):
            return Strip.blank(width, base)
        here = number == self.cursor
        if here:
            base += styles.cursor if self.has_focus else styles.cursor_away
        return to_strip(self._line(self._shown[number], here), width, styles, base)

    def _head(self) -> Line:
        parts: list[Span] = [(" " * self.lead_in, Role.MUTED)]
        for n, width in self._layout:
            column = self._columns[n]
            arrow = ("↓" if self._turned else "↑") if n == self._sorted else ""
            title = fit(column.title + arrow, width, right=column.right)
            parts.append((title + " " * GAP, Role.STRONG if arrow else Role.MUTED))
        return tuple(parts)

    def _line(self, row: T, here: bool) -> Line:
        cells = self._row_cells(row)
        sign, role = self.sign_of(row)
        parts: list[Span] = [("▸" if here else " ", Role.KEY), (sign.ljust(self.lead_in - 1), role)]
        for n, width in self._layout:
            text, role = cells[n]
            parts.append((fit(text, width, right=self._columns[n].right) + " " * GAP, role))
        return tuple(parts)
