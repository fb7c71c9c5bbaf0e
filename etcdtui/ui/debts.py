"""What an earlier run took away and never gave back: asked about at the start, and when it is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etcdtui.ui.background import in_background

if TYPE_CHECKING:
    from etcdtui.procedures.debts import Debt
    from etcdtui.ui.app import EtcdTui


class Debts:
    """Belongs to the app. Comes after runs that may be resumed: these pay what they owe themselves."""

    def __init__(self, app: EtcdTui) -> None:
        self.app = app
        self._due = True  # still to be asked about
        self._wanted = False  # by the user: then also "there is none" is an answer

    def look_again(self) -> None:
        """A run ended before its end: it may owe something now."""
        self._due = True

    def again(self) -> None:
        """Because the user wants it, now."""
        self._wanted = True
        self._read()

    def ask(self) -> None:
        """When nothing else is under way."""
        if self._due and self.app.control.idle and not self.app.busy:
            self._read()

    def _read(self) -> None:
        self._due = False
        procedures = self.app.control.procedures
        if procedures is not None:
            in_background(self.app, procedures.debts, self._told, self.app.tell, name="debts")

    def _told(self, debts: Sequence[Debt]) -> None:
        from etcdtui.ui.screens.ask import AskScreen, Option

        wanted, self._wanted = self._wanted, False
        if not debts:
            if wanted:
                self.app.notify("Nothing is owed: the operator's guard is on.", timeout=4, markup=False)
            return
        if not wanted and (self.app.busy or not self.app.control.idle):
            self._due = True
            return
        debt, more = debts[0], len(debts) - 1
        sentences = ["Paying it puts the guard on again; the plan is shown first."]
        if more:
            sentences.append(f"{more} more after this one.")
        options = [Option("later", "l", "Later")]
        if self.app.cluster.read_only:
            sentences = [f"{self.app.cluster.name} is read-only here: it cannot be paid from here."]
        else:
            options.append(Option("pay", "p", "Pay it now"))
        question = AskScreen(debt.sentence(self.app.cluster.view().now), sentences, options, title="Owed")

        def chosen(choice: str | None) -> None:
            if choice == "pay":
                self.app.control.plan(lambda procedures, _: procedures.plan_pay_debt(debt))
            else:
                self.app.notify(":debts comes back to it.", timeout=4, markup=False)

        self.app.push_screen(question, chosen)
