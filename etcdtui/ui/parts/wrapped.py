"""Paragraphs wrapped to the width there is, scrolling when they are higher than it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from etcdtui.ui.looks import Line, Paragraph, as_text, palette_of, to_strip, wrap


class Wrapped(ScrollView, can_focus=True):
    """What text and lists share. Nothing is repainted where nothing changed."""

    DEFAULT_CSS = """
    Wrapped { height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    """

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self._paragraphs: tuple[Paragraph, ...] = ()
        self._wrapped: list[tuple[int, Line]] = []  # paragraph's number, line
        self._width = 0

    @property
    def allow_select(self) -> bool:
        return False

    @property
    def paragraphs(self) -> tuple[Paragraph, ...]:
        return self._paragraphs

    @property
    def text(self) -> str:
        """All of it, for the clipboard."""
        return "\n".join(as_text(p.line) for p in self._paragraphs)

    def set_paragraphs(self, paragraphs: Sequence[Paragraph]) -> None:
        new = tuple(paragraphs)
        if new != self._paragraphs:
            self._paragraphs = new
            self._rewrap()

    def base_of(self, paragraph: int) -> Style:
        """What lies under the text of this paragraph."""
        return self.rich_style

    def height_for(self, width: int) -> int:
        """How many lines the text takes at this width."""
        return sum(len(wrap(p.line, width, p.indent)) for p in self._paragraphs)

    def on_mount(self) -> None:
        # A scrollbar that comes or goes changes the width without a resize event.
        self.watch(self, "show_vertical_scrollbar", self._scrollbar_changed, init=False)

    def _scrollbar_changed(self) -> None:
        self.call_after_refresh(self.width_changed)

    def on_resize(self, event: events.Resize) -> None:
        self.width_changed()

    def width_changed(self) -> None:
        if self.scrollable_content_region.width != self._width:
            self._rewrap()

    def _rewrap(self) -> None:
        # The width without a scrollbar and with one differ; only the first is known before layout.
        # One that is not shown has none: what it holds then fits the width it had.
        self._width = width = self.scrollable_content_region.width or self.size.width or self._width
        if not width:
            return
        old = self._wrapped
        self._wrapped = [
            (number, part)
            for number, paragraph in enumerate(self._paragraphs)
            for part in wrap(paragraph.line, width, paragraph.indent)
        ]
        if len(old) == len(self._wrapped):
            for row, (before, after) in enumerate(zip(old, self._wrapped, strict=True)):
                if before != after:
                    self.refresh_line(row)
        else:
            self.virtual_size = Size(width, len(self._wrapped))
            self.refresh()
            self.lines_changed()

    def lines_changed(self) -> None:
        """There are more or fewer lines than before."""

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        row, width = y + self.scroll_offset.y, self.size.width
        if row >= len(self._wrapped):
            return Strip.blank(width, self.rich_style)
        number, line = self._wrapped[row]
        return to_strip(line, width, palette_of(self), self.base_of(number))
