"""What all dialogs share: a frame, text that scrolls when it must, buttons in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual import events
from textual.containers import Vertical

from etcdtui.ui.looks import Line, Paragraph
from etcdtui.ui.parts.lines import Lines


class Body(Lines):
    """Text as high as it needs, up to its max-height; then it scrolls."""

    def __init__(self, lines: Sequence[Line], indent: int = 0, **named: Any) -> None:
        super().__init__(classes="body", **named)
        self.can_focus = True
        self.set_paragraphs([Paragraph(line, indent) for line in lines])

    def set_paragraphs(self, paragraphs: Sequence[Paragraph]) -> None:
        super().set_paragraphs(paragraphs)
        self._grow()

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self._grow()

    def _grow(self) -> None:
        width = self.scrollable_content_region.width
        if width:
            height = max(1, self.height_for(width))
            if self.styles.height is None or self.styles.height.value != height:
                self.styles.height = height


class Dialog(Vertical):
    """The frame of a dialog."""

    def __init__(self, *children: Any, title: str, kind: str = "") -> None:
        super().__init__(*children, classes=f"dialog {kind}".strip())
        self.border_title = title
