"""What the pages of a restore share: which page it is, how old its knowledge is, one step back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from textual.screen import Screen

from etcdtui.errors import EtcdTuiError
from etcdtui.procedures.restore_offer import Offer
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.restore_words import trail, trouble

if TYPE_CHECKING:
    from etcdtui.ui.app import EtcdTui


@dataclass(frozen=True, slots=True)
class Found:
    """What the look brought, and when by the app's clock."""

    offer: Offer
    at: float


class RestorePage(Screen[None]):
    """``found`` is what it rests on; None while that is being read. esc goes one page back."""

    CSS_PATH = "restore.tcss"
    NUMBER: ClassVar[int]
    QUESTION: ClassVar[str]

    def __init__(self, found: Found | None = None) -> None:
        super().__init__()
        self.found = found
        self.title_bar, self.said = Bar(classes="title", most=2), Bar(classes="said", most=7)

    def on_mount(self) -> None:  # Textual calls it besides that of a subclass
        self.set_interval(1.0, self.tell_age)
        self.tell_age()

    @property
    def etcdtui(self) -> EtcdTui:
        return cast("EtcdTui", self.app)

    @property
    def since(self) -> float | None:
        """Seconds since the look ended."""
        return None if self.found is None else self.etcdtui.clock() - self.found.at

    def tell_age(self) -> None:
        self.title_bar.set_line(trail(self.NUMBER, self.QUESTION, self.since))

    def refuse(self, error: EtcdTuiError) -> None:
        """In place: one can go back, and choose otherwise."""
        self.said.set_builder(lambda width: trouble(error, width))

    def copied(self, text: str, what: str) -> None:
        self.app.copy_to_clipboard(text)
        self.notify(what, title="Copied", markup=False)
