"""A page that asks one question in the background, when opened and again with r, and shows the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from etcdtui.errors import EtcdTuiError
from etcdtui.text import clean
from etcdtui.ui import keys
from etcdtui.ui.background import in_background
from etcdtui.ui.looks import Line, Paragraph, Role, muted
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.parts.lines import Lines

T = TypeVar("T")


class AskedScreen(Screen[None], Generic[T]):
    """``ask`` may block; ``clock`` is monotonic. Subclasses say how the title and the page read."""

    CSS_PATH = "document.tcss"
    AUTO_FOCUS = "#text"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "Ask again", show=True),
        keys.BACK,
        keys.COPY,
        keys.HELP,
        keys.COMMAND,
    ]

    def __init__(self, ask: Callable[[], T], clock: Callable[[], float], about: str) -> None:
        super().__init__()
        self._ask, self.clock, self._about = ask, clock, about
        self.began = clock()
        self.ended: float | None = None
        self.found: T | None = None  # while it is asked again, what was found before
        self.error: EtcdTuiError | None = None
        self.title_bar = Bar(classes="title")
        self.body = Lines(id="text", classes="text")

    def title_line(self) -> Line:
        raise NotImplementedError

    def paragraphs(self) -> list[Paragraph]:
        raise NotImplementedError

    def copied(self) -> tuple[str, str]:
        """What y copies, and what that is called."""
        return self.body.text, "The whole text."

    def compose(self) -> ComposeResult:
        yield self.title_bar
        yield self.body
        yield Footer()

    def on_mount(self) -> None:
        self.set_interval(1.0, self._show)
        self._run()

    @property
    def running(self) -> bool:
        return self.ended is None

    def action_again(self) -> None:
        if not self.running:
            self._run()

    def action_copy(self) -> None:
        text, what = self.copied()
        self.app.copy_to_clipboard(text)
        self.notify(what, title="Copied", markup=False)

    def _run(self) -> None:
        self.began, self.ended, self.error = self.clock(), None, None
        in_background(self.app, self._ask, self._answered, self._failed, name=self._about)
        self._show()

    def _answered(self, found: T) -> None:
        self.ended, self.found = self.clock(), found
        self._show()

    def _failed(self, error: EtcdTuiError) -> None:
        self.ended, self.found, self.error = self.clock(), None, error
        self._show()

    def _show(self) -> None:
        if self.is_running:
            self.title_bar.set_line(self.title_line())
            self.body.set_paragraphs(self.paragraphs())


def waiting(whom: str) -> Paragraph:
    """``whom`` it waits for, and that nothing else does."""
    return Paragraph(muted(f"Waiting for {whom}. Everything else goes on; esc leaves this page."))


def trouble(error: EtcdTuiError) -> list[Paragraph]:
    """Why there is no answer, and what to do."""
    out = [Paragraph((("✗ ", Role.BAD), (clean(error.message, 1000), Role.BAD)), 2)]
    if error.hint:
        out.append(Paragraph((("→ ", Role.KEY), (clean(error.hint, 1000), Role.PLAIN)), 2))
    return out
