"""A list with a cursor whose items may take several lines. The cursor stays with its item, not its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from etcdtui.ui.looks import Line, Paragraph, as_text, muted, palette_of, to_strip, wrap


@dataclass(frozen=True, slots=True)
class Item:
    """One entry: paragraphs that belong together."""

    key: str
    paragraphs: tuple[Paragraph, ...]


class Listing(ScrollView, can_focus=True):
    """Items one below the other, one of them under the cursor."""

    DEFAULT_CSS = """
    Listing { height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    """
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

    def __init__(self, *, empty: str = "", **named: Any) -> None:
        super().__init__(**named)
        self.empty = empty
        self._items: tuple[Item, ...] = ()
        self._wrapped: list[tuple[int, Line]] = []  # item's place, line
        self._width = 0
        self.cursor_key: str | None = None

    @property
    def allow_select(self) -> bool:
        return False

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
        place = self.cursor
        self._items = new
        if new and all(item.key != self.cursor_key for item in new):
            self.cursor_key = new[min(max(place, 0), len(new) - 1)].key
        self._rewrap()

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
        number = event.get_content_offset_capture(self).y + self.scroll_offset.y
        if 0 <= number < len(self._wrapped):
            key = self._items[self._wrapped[number][0]].key
            if key == self.cursor_key:
                self.action_choose()
            else:
                self.cursor_key = key
                self.refresh()
                self.post_message(self.Moved(self, key))

    def on_mount(self) -> None:
        # A scrollbar that comes or goes changes the width without a resize event.
        self.watch(self, "show_vertical_scrollbar", self._width_changed, init=False)

    def _width_changed(self) -> None:
        self.call_after_refresh(self.width_changed)

    def width_changed(self) -> None:
        if self.scrollable_content_region.width != self._width:
            self._rewrap()

    def on_resize(self, event: events.Resize) -> None:
        self.width_changed()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def _rewrap(self) -> None:
        self._width = width = self.scrollable_content_region.width or self.size.width
        if not width:
            return
        self._wrapped = [
            (place, part)
            for place, item in enumerate(self._items)
            for paragraph in item.paragraphs
            for part in wrap(paragraph.line, width, paragraph.indent)
        ]
        self.virtual_size = Size(width, len(self._wrapped))
        self.refresh()

    def _reveal(self) -> None:
        rows = [n for n, (place, _) in enumerate(self._wrapped) if place == self.cursor]
        height = self.size.height
        if rows and height:
            top = self.scroll_offset.y
            if rows[0] < top:
                self.scroll_to(y=rows[0], animate=False)
            elif rows[-1] >= top + height:
                self.scroll_to(y=min(rows[0], rows[-1] - height + 1), animate=False)
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        base, styles, width = self.rich_style, palette_of(self), self.size.width
        if not self._items and y == 0 and self.empty:
            return to_strip(muted(self.empty), width, styles, base)
        number = y + self.scroll_offset.y
        if number >= len(self._wrapped):
            return Strip.blank(width, base)
        place, line = self._wrapped[number]
        if place == self.cursor:
            base += styles.cursor if self.has_focus else styles.cursor_away
        return to_strip(line, width, styles, base)
