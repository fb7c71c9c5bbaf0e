"""Text that scrolls: lines of spans, wrapped to the width there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from etcdtui.ui.looks import Line, Paragraph, as_text, palette_of, to_strip, wrap


class Lines(ScrollView, can_focus=True):
    """Paragraphs one below the other. ``follow`` keeps the end in sight until the user scrolls up."""

    DEFAULT_CSS = """
    Lines { height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "scroll_up", "Up", show=False),
        Binding("j", "scroll_down", "Down", show=False),
        Binding("g", "scroll_home", "Top", show=False),
        Binding("G", "scroll_end", "Bottom", show=False),
    ]

    def __init__(self, *, follow: bool = False, **named: Any) -> None:
        super().__init__(**named)
        self.follow = follow
        self._paragraphs: tuple[Paragraph, ...] = ()
        self._wrapped: list[Line] = []
        self._width = 0

    @property
    def allow_select(self) -> bool:
        return False

    def set_paragraphs(self, paragraphs: Sequence[Paragraph]) -> None:
        """Show these; nothing is repainted where nothing changed."""
        new = tuple(paragraphs)
        if new == self._paragraphs:
            return
        self._paragraphs = new
        self._rewrap()

    def set_lines(self, lines: Sequence[Line], indent: int = 0) -> None:
        self.set_paragraphs([Paragraph(line, indent) for line in lines])

    @property
    def text(self) -> str:
        """All of it, for the clipboard."""
        return "\n".join(as_text(p.line) for p in self._paragraphs)

    @property
    def paragraphs(self) -> tuple[Paragraph, ...]:
        return self._paragraphs

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

    def height_for(self, width: int) -> int:
        """How many lines the text takes at this width."""
        return sum(len(wrap(p.line, width, p.indent)) for p in self._paragraphs)

    def scroll_to_paragraph(self, number: int) -> None:
        """Its first line becomes the first one in sight, as far as there is text below."""
        above = self._paragraphs[:number]
        self.scroll_to(y=sum(len(wrap(p.line, self._width, p.indent)) for p in above), animate=False)

    def _rewrap(self) -> None:
        # The width without a scrollbar and with one differ; only the first is known before layout.
        self._width = width = self.scrollable_content_region.width or self.size.width
        if not width:
            return
        at_end = self.scroll_offset.y >= self.max_scroll_y - 1
        old = self._wrapped
        self._wrapped = [part for p in self._paragraphs for part in wrap(p.line, width, p.indent)]
        if len(old) == len(self._wrapped):
            self._repaint(old)
            return
        self.virtual_size = Size(width, len(self._wrapped))
        self.refresh()
        if self.follow and at_end:
            self.call_after_refresh(self.scroll_end, animate=False)

    def _repaint(self, old: list[Line]) -> None:
        for number, (before, after) in enumerate(zip(old, self._wrapped, strict=True)):
            if before != after:
                self.refresh_line(number)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        number = y + self.scroll_offset.y
        base = self.rich_style
        if number >= len(self._wrapped):
            return Strip.blank(self.size.width, base)
        return to_strip(self._wrapped[number], self.size.width, palette_of(self), base)
