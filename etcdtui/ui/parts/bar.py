"""One or a few lines that take the height they need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual import events
from textual.strip import Strip
from textual.widget import Widget

from etcdtui.ui.looks import Line, palette_of, to_strip

Builder = Callable[[int], list[Line]]


class Bar(Widget):
    """Lines made for the width there is. Without lines it takes no room."""

    DEFAULT_CSS = """
    Bar { height: 1; }
    """

    def __init__(self, *, most: int = 3, **named: Any) -> None:
        super().__init__(**named)
        self._most = most
        self._builder: Builder | None = None
        self._lines: list[Line] = []
        self._built = False

    @property
    def lines(self) -> list[Line]:
        return self._lines

    @property
    def allow_select(self) -> bool:
        return False

    def set_builder(self, builder: Builder) -> None:
        self._builder = builder
        self._build()

    def set_line(self, line: Line) -> None:
        self.set_builder(lambda width: [line] if line else [])

    def on_resize(self, event: events.Resize) -> None:
        self._build()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def _build(self) -> None:
        # The width of a bar that is not shown is not known; all bars are as wide as the screen.
        width = self.content_size.width or self.app.size.width - self.gutter.width
        if self._builder is None or not width:
            return
        lines = self._builder(width)[: self._most]
        if lines == self._lines and self._built:
            return
        if len(lines) != len(self._lines) or not self._built:
            self.display = bool(lines)
            self.styles.height = max(1, len(lines))
        self._lines, self._built = lines, True
        self.refresh()

    def render_line(self, y: int) -> Strip:
        base, width = self.rich_style, self.size.width
        if y >= len(self._lines):
            return Strip.blank(width, base)
        return to_strip(self._lines[y], width, palette_of(self), base)
