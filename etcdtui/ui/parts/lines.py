"""Text that scrolls."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from etcdtui.ui.parts.wrapped import Wrapped


class Lines(Wrapped):
    """Paragraphs one below the other. ``follow`` keeps the end in sight until the user scrolls up."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "scroll_up", "Up", show=False),
        Binding("j", "scroll_down", "Down", show=False),
        Binding("g", "scroll_home", "Top", show=False),
        Binding("G", "scroll_end", "Bottom", show=False),
    ]

    def __init__(self, *, follow: bool = False, **named: Any) -> None:
        super().__init__(**named)
        self.follow = follow

    def scroll_to_paragraph(self, number: int) -> None:
        """Its first line becomes the first one in sight, as far as there is text below."""
        row = next((row for row, (n, _) in enumerate(self._wrapped) if n >= number), len(self._wrapped))
        self.scroll_to(y=row, animate=False)

    def _rewrap(self) -> None:
        self._at_end = self.scroll_offset.y >= self.max_scroll_y - 1
        super()._rewrap()

    def lines_changed(self) -> None:
        if self.follow and self._at_end:
            self.call_after_refresh(self.scroll_end, animate=False)
