"""Do all members hold the same keys? Asked in the background, explained member by member."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from etcdtui.errors import EtcdTuiError
from etcdtui.model.hashes import Comparison, HashAnswer, Sameness
from etcdtui.text import age, clean, grouped
from etcdtui.ui import keys
from etcdtui.ui.background import in_background
from etcdtui.ui.looks import Line, Paragraph, Role, muted
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.parts.lines import Lines
from etcdtui.ui.titled import heading

EXPLANATION = (
    "Every member makes a hash (HashKV) over all keys, their values and their revisions, up to the lowest "
    "revision that all of them have reached. Hashes may be compared only where the members were compacted at "
    "the same revision: what is compacted away is not in them. Different hashes mean that the members hold "
    "different data: one of them is damaged, and whom one asks decides what one reads.",
    "The command reads all keys on each member: on a big database it takes seconds, and disk.",
)
LOOKS = {
    Sameness.IDENTICAL: ("●", Role.GOOD),
    Sameness.DIFFERENT: ("✗", Role.BAD),
    Sameness.UNKNOWN: ("○", Role.WARN),
}


class HashesScreen(Screen[None]):
    """Asks when opened, and again with r. ``compare`` may block; ``clock`` is monotonic."""

    CSS_PATH = "document.tcss"
    AUTO_FOCUS = "#text"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "Compare again", show=True),
        keys.BACK,
        keys.COPY,
        keys.HELP,
        keys.COMMAND,
    ]

    def __init__(self, compare: Callable[[], Comparison], clock: Callable[[], float]) -> None:
        super().__init__()
        self._compare, self.clock = compare, clock
        self._began = clock()
        self._ended: float | None = None
        self._found: Comparison | None = None
        self._error: EtcdTuiError | None = None
        self.title_bar = Bar(classes="title")
        self.body = Lines(id="text", classes="text")

    def compose(self) -> ComposeResult:
        yield self.title_bar
        yield self.body
        yield Footer()

    def on_mount(self) -> None:
        self.set_interval(1.0, self._show)
        self._run()

    @property
    def running(self) -> bool:
        return self._ended is None

    def action_again(self) -> None:
        if not self.running:
            self._run()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.body.text)
        self.notify("The whole text.", title="Copied", markup=False)

    def _run(self) -> None:
        self._began, self._ended, self._error = self.clock(), None, None
        in_background(self.app, self._compare, self._answered, self._failed, name="hashes")
        self._show()

    def _answered(self, found: Comparison) -> None:
        self._ended, self._found = self.clock(), found
        self._show()

    def _failed(self, error: EtcdTuiError) -> None:
        self._ended, self._found, self._error = self.clock(), None, error
        self._show()

    def _show(self) -> None:
        if not self.is_running:
            return
        if self._ended is None:
            state = f"asking all voters for {age(self.clock() - self._began)}"
        else:
            since = self.clock() - self._ended
            state = "as of now" if since < 1 else f"as of {age(since)} ago"
        self.title_bar.set_line((("Hashes of the keys", Role.STRONG), (f" · {state}", Role.PLAIN)))
        self.body.set_paragraphs(self._paragraphs())

    def _paragraphs(self) -> list[Paragraph]:
        out: list[Paragraph] = []
        if self._found is not None:
            out = compared(self._found)
        elif self._error is not None:
            out.append(Paragraph((("✗ ", Role.BAD), (clean(self._error.message, 1000), Role.BAD)), 2))
            if self._error.hint:
                out.append(Paragraph((("→ ", Role.KEY), (clean(self._error.hint, 1000), Role.PLAIN)), 2))
        else:
            out.append(
                Paragraph(muted("Waiting for the members. Everything else goes on; esc leaves this page."))
            )
        for sentence in EXPLANATION:
            out += [Paragraph(()), Paragraph(muted(sentence))]
        return out


def compared(found: Comparison) -> list[Paragraph]:
    """The verdict, then what each member said."""
    sign, role = LOOKS[found.sameness]
    verdict: Line = ((f"{sign} {found.sameness.value}  ", role), (clean(found.sentence, 4000), Role.PLAIN))
    rows = [_row(answer) for answer in found.answers]
    return [Paragraph(verdict, 2), *heading(f"At revision {grouped(found.revision)}"), *rows]


def _row(answer: HashAnswer) -> Paragraph:
    name: Line = ((clean(answer.name, 200), Role.STRONG),)
    if answer.hash is None:
        why = f"  could not be asked: {clean(answer.trouble) or 'no answer'}"
        return Paragraph((("✗         ", Role.WARN), *name, (why, Role.WARN)), 10)
    at = "never compacted" if answer.compacted < 0 else f"compacted at {grouped(answer.compacted)}"
    return Paragraph(((f"{answer.hash:08x}  ", Role.KEY), *name, (f"  {at}", Role.PLAIN)), 10)
