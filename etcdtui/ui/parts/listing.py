"""A list with a cursor whose items may take several lines. The cursor stays with its item, not its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from etcdtui.ui.looks import Paragraph, as_text, muted, palette_of
from etcdtui.ui.parts.wrapped import Wrapped

NOWHERE = -2  # what is said of an empty list belongs to no item, and is never under the cursor


@dataclass(frozen=True, slots=True)
class Item:
    """One entry: paragraphs that belong together."""

    key: str
    paragraphs: tuple[Paragraph, ...]


class Listing(Wrapped):
    """Items one below the other, one of them under the cursor. ``top_first``: at the top it stays there,
    whatever comes first now."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "step(-1)", "Up", show=False),
        Binding("down,j", "step(1)", "Down", show=False),
        Binding("home,g", "step(-100000)", "Top", show=False),
        Binding("end,G", "step(100000)", "Bottom", show=False),
        Binding("enter", "choose", "Details", show=True),
    ]

    @dataclass
    class Chosen(Message):
        listing: Listing
        key: str

    @dataclass
    class Moved(Message):
        """The user moved the cursor."""

        listing: Listing
        key: str

    def __init__(self, *, empty: str = "", top_first: bool = False, **named: Any) -> None:
        super().__init__(**named)
        self._top_first = top_first
        self._empty = (Paragraph(muted(empty)),) if empty else ()
        self._items: tuple[Item, ...] = ()
        self._place_of: tuple[int, ...] = (NOWHERE,)  # by paragraph: the place of its item
        self.cursor_key: str | None = None
        self._height = 0  # before the last change of it
        self.set_paragraphs(self._empty)

    @property
    def items(self) -> tuple[Item, ...]:
        return self._items

    @property
    def cursor(self) -> int:
        """The cursor's place; -1 in an empty list."""
        for place, item in enumerate(self._items):
            if item.key == self.cursor_key:
                return place
        return 0 if self._items else -1

    @property
    def current(self) -> Item | None:
        return self._items[self.cursor] if self._items else None

    def set_items(self, items: Sequence[Item]) -> None:
        new = tuple(items)
        if new == self._items:
            return
        place, seen = self.cursor, self._in_sight()
        self._items = new
        if new and self._top_first and place <= 0:
            self.cursor_key = new[0].key
        elif new and all(item.key != self.cursor_key for item in new):
            self.cursor_key = new[min(max(place, 0), len(new) - 1)].key
        self._place_of = tuple(place for place, item in enumerate(new) for _ in item.paragraphs) or (NOWHERE,)
        self.set_paragraphs([p for item in new for p in item.paragraphs] or self._empty)
        if seen:
            # What stands above it may have become longer.
            self.call_after_refresh(self._reveal)
        self.refresh()

    def point_at(self, key: str) -> None:
        """Move the cursor without telling anybody."""
        if key != self.cursor_key:
            self.cursor_key = key
            self._reveal()

    def current_text(self) -> str:
        item = self.current
        return "\n".join(as_text(p.line) for p in item.paragraphs) if item else ""

    def action_step(self, by: int) -> None:
        if self._items:
            place = max(0, min(len(self._items) - 1, self.cursor + by))
            self.cursor_key = self._items[place].key
            self._reveal()
            self.post_message(self.Moved(self, self.cursor_key))

    def action_choose(self) -> None:
        if self.current:
            self.post_message(self.Chosen(self, self.current.key))

    def on_click(self, event: events.Click) -> None:
        row = event.get_content_offset_capture(self).y + self.scroll_offset.y
        if self._items and 0 <= row < len(self._wrapped):
            key = self._items[self._place_of[self._wrapped[row][0]]].key
            if key == self.cursor_key:
                self.action_choose()
            else:
                self.cursor_key = key
                self.refresh()
                self.post_message(self.Moved(self, key))

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def base_of(self, paragraph: int) -> Style:
        if self._place_of[paragraph] != self.cursor:
            return self.rich_style
        styles = palette_of(self)
        return self.rich_style + (styles.cursor if self.has_focus else styles.cursor_away)

    def on_resize(self, event: events.Resize) -> None:
        # The height that counts is the one before: what stands below the list may have grown.
        seen = self._in_sight(self._height)
        super().on_resize(event)
        self._height = event.size.height
        if seen:
            self.call_after_refresh(self._reveal)

    def _rows(self) -> list[int]:
        """The lines of the item under the cursor."""
        return [row for row, (number, _) in enumerate(self._wrapped) if self._place_of[number] == self.cursor]

    def _in_sight(self, height: int | None = None) -> bool:
        """Does the user see the item under the cursor, and has not scrolled away from it?"""
        rows, top = self._rows(), self.scroll_offset.y
        return bool(rows) and top <= rows[0] < top + (self.size.height if height is None else height)

    def _reveal(self) -> None:
        rows = self._rows()
        height = self.size.height
        if rows and height:
            top = self.scroll_offset.y
            if rows[0] < top:
                self.scroll_to(y=rows[0], animate=False)
            elif rows[-1] >= top + height:
                self.scroll_to(y=min(rows[0], rows[-1] - height + 1), animate=False)
        self.refresh()
