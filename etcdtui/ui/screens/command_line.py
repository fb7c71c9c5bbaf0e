"""The line after the colon."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input

from etcdtui.ui.commands import VERBS, Verb, find_command, find_verb, unknown
from etcdtui.ui.looks import Role
from etcdtui.ui.parts.bar import Bar


class CommandLineScreen(ModalScreen[tuple[Verb, str] | None]):
    """Returns the verb typed and what is typed behind it.

    → takes the suggestion, tab completes, a wrong word is told and stays.
    """

    CSS_PATH = "command_line.tcss"
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close"),
        Binding("tab", "complete", "Complete", priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        suggester = SuggestFromList([verb.name for verb in VERBS], case_sensitive=False)
        # Made here, so that what is typed before the line is on the screen has somewhere to go.
        self.field = Input(compact=True, suggester=suggester, placeholder="members, health, backup, q …")

    def compose(self) -> ComposeResult:
        with Vertical(id="line"):
            yield Bar(id="said")
            yield self.field

    def on_mount(self) -> None:
        self.query_one("#said").display = False

    def action_complete(self) -> None:
        verb = find_verb(self.field.value)
        if verb is not None:
            self.field.value = f"{verb.name} " if verb.takes else verb.name
            self.field.cursor_position = len(self.field.value)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        if event.value.strip() == "":
            self.query_one("#said", Bar).set_line(())

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if not event.value.strip(" :"):
            self.dismiss(None)
            return
        command = find_command(event.value)
        if command is not None:
            self.dismiss(command)
            return
        self.query_one("#said", Bar).set_line((("✗ ", Role.BAD), (unknown(event.value), Role.PLAIN)))
