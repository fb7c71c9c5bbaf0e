"""Why something was not done, in full, until it is closed."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import ModalScreen
from textual.widgets import Button

from etcdtui.errors import EtcdTuiError, Refusal
from etcdtui.text import clean_lines
from etcdtui.ui.looks import Line, Role, plain
from etcdtui.ui.parts.dialog import Body, Dialog


class Notice(ModalScreen[None]):
    """A sentence and what to do about it."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "Button"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Close", key_display="esc"),
        Binding("y", "copy", "Copy"),
    ]

    def __init__(self, error: EtcdTuiError) -> None:
        super().__init__()
        self.error = error

    def compose(self) -> ComposeResult:
        lines: list[Line] = [plain(line) for line in clean_lines(self.error.message)]
        if self.error.hint:
            lines += [(), (("→ ", Role.KEY), (" ".join(clean_lines(self.error.hint)), Role.PLAIN))]
        refused = isinstance(self.error, Refusal)
        yield Dialog(
            Body(lines, 2),
            Horizontal(Button("Close  esc", id="close", compact=True), classes="buttons"),
            title="Not done" if refused else "It did not work",
            kind="-warn" if refused else "-bad",
        )

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(str(self.error))
        self.notify("The message.", title="Copied", markup=False)
