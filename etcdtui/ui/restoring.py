"""Opens the pages of a restore, and the way back from one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etcdtui.errors import EtcdTuiError
from etcdtui.ui.background import in_background

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etcdtui.records import Run
    from etcdtui.ui.app import EtcdTui


class Restoring:
    """Belongs to the app. Nothing in here blocks."""

    def __init__(self, app: EtcdTui) -> None:
        self.app = app
        self._asking = False

    def begin(self) -> None:
        """Should it be restored at all? A procedure that runs comes first."""
        from etcdtui.ui.screens.restore import RestoreScreen

        control = self.app.control
        if control.running:
            control.show()
        elif control.procedures is None:
            self.app.tell(EtcdTuiError("Procedures are not available here."))
        elif not any(isinstance(screen, RestoreScreen) for screen in self.app.screen_stack):
            self.app.push_screen(RestoreScreen(control.procedures.offer_restore))

    def put_back(self, run_id: str = "") -> None:
        """Plan the way back from that run, or from the newest restore that has one."""
        control = self.app.control
        procedures = control.procedures
        if control.running:
            control.show()
        elif procedures is None:
            self.app.tell(EtcdTuiError("Procedures are not available here."))
        elif not self._asking:
            self._asking = True

            def found() -> tuple[Run | None, bool, Sequence[str]]:
                chosen = procedures.to_put_back(run_id)
                if chosen is None:
                    return None, False, ()
                return chosen, chosen.resumable or chosen.retriable, procedures.changed_by(chosen.id)

            in_background(self.app, found, self._found, self._failed, name="put-back")

    def _failed(self, error: EtcdTuiError) -> None:
        self._asking = False
        self.app.tell(error)

    def _found(self, told: tuple[Run | None, bool, Sequence[str]]) -> None:
        from etcdtui.ui.screens.ask import AskScreen, Option

        self._asking = False
        run, unfinished, changed = told
        if run is None:
            words = "No restore has set anything aside that could be put back."
            self.app.notify(words, timeout=6, markup=False)
            return
        wanted = run.id
        if not unfinished:
            self.app.control.plan(lambda procedures, _: procedures.plan_restore_undo(wanted))
            return

        def chosen(choice: str | None) -> None:
            if choice == "put-back":
                self.app.control.plan(
                    lambda procedures, _: procedures.plan_restore_undo(wanted, abandon=True)
                )

        question = AskScreen(
            f"“{run.title}” is not finished.",
            (
                "To put everything back it is abandoned, for good; its lock is lifted. The plan of the way "
                "back is shown then, and nothing is moved before you have typed what it asks for.",
            ),
            (
                Option("leave", "l", "Leave as it is"),
                Option("put-back", "p", "Abandon it and plan the way back", dangerous=True),
            ),
            details=tuple(changed),
            title="Put everything back",
        )
        self.app.push_screen(question, chosen)
