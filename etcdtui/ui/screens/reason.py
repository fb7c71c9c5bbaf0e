"""A reason in a few words, for the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Input

from etcdtui.text import clean
from etcdtui.ui.looks import muted, plain
from etcdtui.ui.parts.dialog import Body, Dialog
from etcdtui.ui.parts.settling import Settling

if TYPE_CHECKING:
    from etcdtui.ui.app import EtcdTui


class ReasonScreen(Settling, ModalScreen[str | None]):
    """Returns what was typed; None for escape. An empty reason is none."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back", key_display="esc")]

    def __init__(self, question: str, about: str) -> None:
        super().__init__()
        self.question, self.about = question, about

    def on_mount(self) -> None:
        self.settle(cast("EtcdTui", self.app).clock)

    def compose(self) -> ComposeResult:
        lines = [
            plain(clean(self.about)),
            (),
            muted("It goes into the record. enter sends it, esc does not."),
        ]
        yield Dialog(
            Body(lines), Input(compact=True, placeholder="in a few words"), title=self.question, kind="-warn"
        )

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip():
            self.dismiss(event.value.strip())
