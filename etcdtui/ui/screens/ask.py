"""A question with a few answers. The first answer is the harmless one, and has the focus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import ModalScreen
from textual.widgets import Button

from etcdtui.text import clean
from etcdtui.ui.looks import Line, Role, muted, plain
from etcdtui.ui.parts.dialog import Body, Dialog
from etcdtui.ui.parts.settling import Settling

if TYPE_CHECKING:
    from etcdtui.ui.app import EtcdTui


@dataclass(frozen=True, slots=True)
class Option:
    """An answer: what is returned, its key, its words."""

    name: str
    key: str
    words: str
    dangerous: bool = False


class AskScreen(Settling, ModalScreen[str | None]):
    """Returns the name of an option; None for escape."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "Button"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", key_display="esc"),
        Binding("left", "app.focus_previous", "Before", show=False),
        Binding("right", "app.focus_next", "Next", show=False),
    ]

    def __init__(
        self,
        question: str,
        sentences: Sequence[str],
        options: Sequence[Option],
        details: Sequence[str] = (),
        title: str = "Sure?",
    ) -> None:
        super().__init__()
        self.heading = title
        self.question, self.sentences, self.options, self.details = question, sentences, options, details

    def on_mount(self) -> None:
        self.settle(cast("EtcdTui", self.app).clock)

    def compose(self) -> ComposeResult:
        lines: list[Line] = [((clean(self.question), Role.STRONG),)]
        for sentence in self.sentences:
            lines += [(), plain(clean(sentence, 1000))]
        if self.details:
            lines += [(), *(muted(clean(line)) for line in self.details)]
        buttons = [
            Button(
                f"{o.words}  {o.key}",
                id=f"option-{o.name}",
                compact=True,
                classes="-danger" if o.dangerous else "",
            )
            for o in self.options
        ]
        body = Body(lines)
        body.can_focus = bool(self.details)
        dangerous = any(option.dangerous for option in self.options)
        yield Dialog(
            body,
            Horizontal(*buttons, classes="buttons"),
            title=self.heading,
            kind="-warn" if dangerous else "",
        )

    def on_key(self, event: events.Key) -> None:
        for option in self.options:
            if event.character == option.key:
                event.stop()
                self.dismiss(option.name)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss((event.button.id or "").removeprefix("option-"))
