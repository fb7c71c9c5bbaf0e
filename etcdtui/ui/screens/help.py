"""All keys, made from the bindings themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from etcdtui.ui import keys
from etcdtui.ui.commands import VERBS, Verb
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

    section("Everywhere on the dashboard", _told(keys.DASHBOARD))
    section("In every list", list(keys.LISTS))
    section("In the list of members", _told(keys.MEMBERS))
    section("In the list of backups, and in one of them", _told(keys.BACKUP))
    section("In a restore, page by page", _told([*keys.RESTORE, *keys.RESTORE_BACKUP, *keys.RESTORE_PLAN]))
    section("While a procedure is shown", _told(keys.PROCEDURE))
    section("Commands", [(f":{verb.name}", _meaning(verb)) for verb in VERBS])
    out.append(Paragraph((("Signs", Role.STRONG),)))
    out.extend(Paragraph((("  ", Role.PLAIN), *line)) for line in SIGNS)
    return out


def _told(bindings: Sequence[Binding]) -> list[tuple[str, str]]:
    return [(keys.shown(b), b.tooltip or b.description) for b in bindings]


def _meaning(verb: Verb) -> str:
    return f"{verb.help}: :{verb.name} {verb.takes}" if verb.takes else verb.help
