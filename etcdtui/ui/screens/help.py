"""All keys, made from the bindings themselves."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Footer

from etcdtui.ui import keys
from etcdtui.ui.commands import VERBS
from etcdtui.ui.looks import Line, Paragraph, Role, fit
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.parts.lines import Lines

SIGNS: tuple[Line, ...] = (
    (("● ", Role.GOOD), ("well", Role.PLAIN)),
    (("▲ ", Role.WARN), ("slow, or a warning", Role.PLAIN)),
    (("✗ ", Role.BAD), ("failed, or critical", Role.PLAIN)),
    (("◆ ", Role.ADVICE), ("learner, or advice", Role.PLAIN)),
    (("○ ", Role.MUTED), ("not known, or still to come", Role.PLAIN)),
)


class HelpScreen(Screen[None]):
    CSS_PATH = "document.tcss"
    AUTO_FOCUS = "#text"
    BINDINGS: ClassVar[list[BindingType]] = [keys.BACK, keys.COMMAND]

    def compose(self) -> ComposeResult:
        bar = Bar(classes="title")
        bar.set_line((("Help", Role.STRONG), (" · etcdtui", Role.PLAIN)))
        yield bar
        body = Lines(id="text", classes="text")
        body.set_paragraphs(help_paragraphs())
        yield body
        yield Footer()


def help_paragraphs() -> list[Paragraph]:
    """Dashboard, lists, procedures, commands, signs."""
    out: list[Paragraph] = []

    def section(title: str, rows: list[tuple[str, str]]) -> None:
        out.append(Paragraph(((title, Role.STRONG),)))
        for key, words in rows:
            out.append(Paragraph((("  ", Role.PLAIN), (fit(key, 16), Role.KEY), (words, Role.PLAIN)), 18))
        out.append(Paragraph(()))

    section(
        "Everywhere on the dashboard", [(keys.shown(b), b.tooltip or b.description) for b in keys.DASHBOARD]
    )
    section("In every list", list(keys.LISTS))
    section("While a procedure is shown", [(keys.shown(b), b.tooltip) for b in keys.PROCEDURE])
    section("Commands", [(f":{verb.name}", verb.help) for verb in VERBS])
    out.append(Paragraph((("Signs", Role.STRONG),)))
    out.extend(Paragraph((("  ", Role.PLAIN), *line)) for line in SIGNS)
    return out
