"""Everything known about one thing, kept up to date while it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Footer

from etcdtui.ui import keys
from etcdtui.ui.looks import Line, Paragraph
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.parts.lines import Lines
from etcdtui.ui.picture import Picture


@dataclass(frozen=True, slots=True)
class Document:
    """A title and paragraphs."""

    title: Line
    paragraphs: tuple[Paragraph, ...]


class DocumentScreen(Screen[None]):
    """A document made anew from every picture; the last one stays when its subject is gone."""

    CSS_PATH = "document.tcss"
    AUTO_FOCUS = "#text"
    BINDINGS: ClassVar[list[BindingType]] = [keys.BACK, keys.COPY, keys.HELP, keys.COMMAND]

    def __init__(self, build: Callable[[Picture], Document | None], picture: Picture) -> None:
        super().__init__()
        self._build, self._first = build, picture
        self.title_bar = Bar(classes="title", most=2)
        self.body = Lines(id="text", classes="text")

    def compose(self) -> ComposeResult:
        yield self.title_bar
        yield self.body
        yield Footer()

    def on_mount(self) -> None:
        self.show_picture(self._first)

    def show_picture(self, picture: Picture) -> None:
        document = self._build(picture)
        if document is not None:
            self.title_bar.set_line(document.title)
            self.body.set_paragraphs(document.paragraphs)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.body.text)
        self.notify("The whole text.", title="Copied", markup=False)
