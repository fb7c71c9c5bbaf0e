"""An SSH host nobody met before: compare the fingerprint, then type the word."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from etcdtui.errors import HostKeyUnknown
from etcdtui.text import clean
from etcdtui.ui.looks import Line, Role, plain
from etcdtui.ui.parts.dialog import Body, Dialog

WORD = "trust"


class HostKeyScreen(ModalScreen[bool]):
    """True when the user typed the word and pressed the button. A changed key never comes here."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "#cancel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", "Not now", key_display="esc")
    ]

    def __init__(self, key: HostKeyUnknown) -> None:
        super().__init__()
        self.key = key

    def compose(self) -> ComposeResult:
        key = self.key
        host = clean(key.host, 200) if key.port == 22 else f"{clean(key.host, 200)}  port {key.port}"
        lines: list[Line] = [
            plain("This host shows a key that no known_hosts file names."),
            (),
            (("Host         ", Role.MUTED), (host, Role.STRONG)),
            (("Key type     ", Role.MUTED), (clean(key.key_type, 60), Role.PLAIN)),
            (("Fingerprint  ", Role.MUTED), (clean(key.fingerprint, 200), Role.STRONG)),
            (),
            plain("Compare it with the host's own (console, or ssh-keygen -lf on the host). A wrong key here "
                  "would give whoever holds it the commands meant for etcd."),
            (),
            plain("Not now leaves this host alone; :trust asks again."),
            (("To add it to known_hosts, type ", Role.PLAIN), (WORD, Role.KEY), (".", Role.PLAIN)),
        ]  # fmt: skip
        yield Dialog(
            Body(lines),
            Horizontal(
                Button("Not now  esc", id="cancel", compact=True),
                Button("Trust this key", id="trust", compact=True, disabled=True, classes="-danger"),
                classes="buttons",
            ),
            Input(placeholder=WORD, compact=True, id="word"),
            title="Unknown SSH host key",
            kind="-warn",
        )

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.query_one("#trust", Button).disabled = event.value != WORD

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        """Enter goes on to the button, never through it."""
        event.stop()
        if event.value == WORD:
            self.set_focus(self.query_one("#trust", Button))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        trusted = event.button.id == "trust" and self.query_one("#word", Input).value == WORD
        self.dismiss(trusted)
