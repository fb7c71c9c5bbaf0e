"""etcdctl endpoint health as a human would run it, its output as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from etcdtui.errors import EtcdTuiError
from etcdtui.text import age, clean, clean_lines
from etcdtui.ui import keys
from etcdtui.ui.background import in_background
from etcdtui.ui.looks import Line, Paragraph, Role, muted, plain
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.parts.lines import Lines
from etcdtui.ui.ports import ClusterPort

EXPLANATION = (
    "“took” is etcdctl's own time: it counts the TCP and TLS set-up of a connection made for this one "
    "question. The latency pane measures reads over connections that are already warm."
)
HOW = "The lines above run as one script that also finds the certificates; @ shows it as it ran."


class HealthScreen(Screen[None]):
    """Runs it when opened, and again with r."""

    CSS_PATH = "document.tcss"
    AUTO_FOCUS = "#text"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "Run again", show=True),
        keys.BACK,
        keys.COPY,
        keys.HELP,
        keys.COMMAND,
    ]

    def __init__(self, cluster: ClusterPort, clock: Callable[[], float]) -> None:
        super().__init__()
        self.cluster, self.clock = cluster, clock
        self._began = clock()
        self._took: float | None = None
        self._answer: tuple[str, str, str] | None = None
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
        return self._took is None

    def action_again(self) -> None:
        if not self.running:
            self._run()

    def action_copy(self) -> None:
        text = "\n".join(self._answer[1:]) if self._answer else self.body.text
        self.app.copy_to_clipboard(text)
        self.notify("The command and its output.", title="Copied", markup=False)

    def _run(self) -> None:
        self._began, self._took, self._error = self.clock(), None, None
        in_background(self.app, self.cluster.canonical_health, self._answered, self._failed, name="health")
        self._show()

    def _answered(self, answer: tuple[str, str, str]) -> None:
        self._took, self._answer = self.clock() - self._began, answer
        self._show()

    def _failed(self, error: EtcdTuiError) -> None:
        self._took, self._error = self.clock() - self._began, error
        self._show()

    def _show(self) -> None:
        if not self.is_running:
            return
        seconds = self.clock() - self._began if self._took is None else self._took
        state = f"running for {age(seconds)}" if self.running else f"took {seconds:.1f} s altogether"
        where = f" on {clean(self._answer[0], 100)}" if self._answer else ""
        self.title_bar.set_line(
            (("etcdctl endpoint health", Role.STRONG), (f"{where} · {state}", Role.PLAIN))
        )
        self.body.set_paragraphs(self._paragraphs())

    def _paragraphs(self) -> list[Paragraph]:
        lines: list[Line] = []
        if self._answer:
            typed = clean_lines(self._answer[1])
            lines += [(("$ ", Role.KEY), (line, Role.STRONG)) for line in typed]
            lines.append(())
            lines += [plain(line) for line in clean_lines(self._answer[2])]
        elif self.running:
            lines.append(muted("Waiting for the host. Everything else goes on; esc leaves this page."))
        if self._error:
            lines += [(), (("✗ ", Role.BAD), (clean(self._error.message, 1000), Role.BAD))]
            if self._error.hint:
                lines.append((("→ ", Role.KEY), (clean(self._error.hint, 1000), Role.PLAIN)))
        lines += [(), muted(EXPLANATION)]
        if self._answer:
            lines += [(), muted(HOW)]
        return [Paragraph(line, 2 if line and line[0][0] in {"$ ", "✗ ", "→ "} else 0) for line in lines]
