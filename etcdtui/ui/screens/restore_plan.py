"""The plan: the dry run to its last step. Nothing is executed here; enter goes on to the procedure itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from etcdtui.errors import EtcdTuiError, Refusal
from etcdtui.procedures.procedure import Procedure
from etcdtui.procedures.restore_text import plan_lines, whole
from etcdtui.text import age, clean
from etcdtui.ui import keys
from etcdtui.ui.background import in_background
from etcdtui.ui.looks import Paragraph, Role, muted, wrap
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.parts.footer import KeyLine
from etcdtui.ui.parts.lines import Lines
from etcdtui.ui.restore_words import copied, summary, text
from etcdtui.ui.screens.restore_page import Found, RestorePage

if TYPE_CHECKING:
    from pathlib import Path

    from etcdtui.procedures.restore_look import Looked
    from etcdtui.ui.ports import ProcedurePort

Make = Callable[["ProcedurePort[Any]", "Looked"], Procedure]
"""What plans it, from what was looked at. Raises Refusal."""
FRESH = 600.0  # seconds that a plan may rest on the same look


class RestorePlanScreen(RestorePage):
    """Plans when opened: that reads the journal, and refuses what must not be."""

    NUMBER, QUESTION = 4, "The plan; nothing has been executed"
    AUTO_FOCUS = "#text"
    BINDINGS: ClassVar[list[BindingType]] = [*keys.RESTORE_PLAN, *keys.PAGE]

    def __init__(self, found: Found, make: Make) -> None:
        super().__init__(found)
        self._offer, self._make = found.offer, make
        self.made: Procedure | None = None
        self._saving = False
        self.first = Bar(classes="first", most=5)
        self.body = Lines(id="text", classes="text")

    def compose(self) -> ComposeResult:
        yield self.title_bar
        yield self.first
        yield self.body
        yield self.said
        yield KeyLine()

    def on_mount(self) -> None:
        self.first.set_line(())
        self.said.set_line(())
        self.body.set_paragraphs([Paragraph(muted("The plan is being made."))])
        procedures = self.etcdtui.control.procedures
        if procedures is None:
            self.refuse(EtcdTuiError("Procedures are not available here."))
            return
        make, looked = self._make, self._offer.looked
        in_background(
            self.app,
            lambda: make(procedures, looked),
            self._planned,
            self._refused,
            name="restore-plan",
        )

    def on_screen_resume(self) -> None:
        """Once it was begun, the pages before it are of the past."""
        run = self.etcdtui.control.run
        if self.made is not None and run is not None and run.procedure is self.made and run.started:
            self.call_later(self.etcdtui.action_home)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.made is not None if action in ("go_on", "export", "copy") else True

    def action_go_on(self) -> None:
        made, since = self.made, self.since or 0.0
        if made is None:
            return
        if since > FRESH:
            words = f"What this plan rests on was read {age(since)} ago, and may no longer be so."
            self.refuse(Refusal(words, "Go back to the first page (esc three times) and look again (r)."))
        else:
            self.etcdtui.control.plan(lambda procedures, view: made)

    def action_copy(self) -> None:
        if self.made is not None:
            self.copied(copied(whole(self.made, self._offer.advice)), "The whole dry run.")

    def action_export(self) -> None:
        procedures, made = self.etcdtui.control.procedures, self.made
        if procedures is None or made is None or self._saving:
            return
        self._saving = True
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(self._offer.looked.view.now))
        head = f"{clean(made.cluster, 100)}: the dry run of a restore, by what was seen at {at}."
        dry_run = f"{head}\n\n{copied(whole(made, self._offer.advice))}\n"
        in_background(
            self.app,
            lambda: procedures.keep_restore_plan(made.cluster, dry_run),
            self._saved,
            self._not_saved,
            name="restore-export",
        )

    def _planned(self, made: Procedure) -> None:
        if self.is_running:
            self.made = made
            self.first.set_builder(lambda width: summary(made, width))
            self.body.set_paragraphs(text(list(plan_lines(made, self._offer.advice))))
            self.refresh_bindings()

    def _refused(self, error: EtcdTuiError) -> None:
        if self.is_running:
            self.body.set_paragraphs(
                [Paragraph(muted("There is no plan. esc goes back, to choose otherwise."))]
            )
            self.refuse(error)

    def _saved(self, path: Path) -> None:
        self._saving = False
        words = f"Written to {clean(str(path), 1000)}; only you can read it."
        self.said.set_builder(lambda width: wrap((("✓ ", Role.GOOD), (words, Role.PLAIN)), width, 2))

    def _not_saved(self, error: EtcdTuiError) -> None:
        self._saving = False
        self.refuse(error)
