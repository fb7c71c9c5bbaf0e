"""The one procedure at a time: planned, shown, started, answered, cancelled. Its screen may come and go."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from etcdtui.errors import EtcdTuiError
from etcdtui.procedures.procedure import Answer, Event, Procedure
from etcdtui.ui.background import in_background
from etcdtui.ui.looks import Line
from etcdtui.ui.messages import ProcedureMoved
from etcdtui.ui.ports import EngineHandle, Interrupted, ProcedurePort
from etcdtui.ui.runs import Run

if TYPE_CHECKING:
    from etcdtui.ui.app import EtcdTui
    from etcdtui.ui.screens.procedure import ProcedureScreen


class Control:
    """Belongs to the app, not to a screen: a run outlives every screen that shows it."""

    def __init__(self, app: EtcdTui, procedures: ProcedurePort[Any] | None) -> None:
        self.app, self.procedures = app, procedures
        self.run: Run | None = None
        self._events: deque[Event] = deque()  # filled from any thread
        self._planning = False
        self._unseen = False  # it ended while its screen was not open

    @property
    def running(self) -> bool:
        return self.run is not None and self.run.running

    def lines(self, width: int) -> list[Line]:
        """For the dashboard: what runs, or how it ended while nobody looked."""
        if self.run is None or not (self.run.running or self._unseen):
            return []
        return [self.run.line(width)]

    def backup(self) -> None:
        """Show the procedure that runs; else plan a backup."""
        if self.running or self._unseen:
            self.show()
        elif self.procedures is None:
            self.app.tell(EtcdTuiError("Backups are not available here."))
        elif not self._planning:
            self._planning = True
            plan, view = self.procedures.plan_backup, self.app.cluster.view()
            in_background(self.app, lambda: plan(view), self._planned, self._not_planned, name="plan")

    def show(self) -> None:
        from etcdtui.ui.screens.procedure import ProcedureScreen

        self._unseen = False
        if self.run is None or self._screen():
            return
        self.app.push_screen(ProcedureScreen(self.run))
        self.app.dashboard.show_running(self.lines)

    def start(self) -> None:
        """Run what is planned."""
        run, procedures = self.run, self.procedures
        if run is None or procedures is None or run.started:
            return
        run.start()

        def started(handle: EngineHandle) -> None:
            run.handle = handle
            if run.cancelling:
                handle.cancel()

        in_background(
            self.app,
            lambda: procedures.run(run.procedure, self._emit),
            started,
            self._not_started,
            name="run",
        )
        self._moved()

    def answer(self, answer: Answer) -> None:
        if self.run is not None and self.run.handle is not None:
            self.run.records[answer.step].answered = True
            self.run.handle.answer(answer)
            self._moved()

    def cancel(self) -> None:
        if self.run is not None and self.run.running:
            self.run.cancelling = True
            if self.run.handle is not None:
                self.run.handle.cancel()
            self._moved()

    def drain(self) -> None:
        """Take in what the engine said since the last time."""
        run = self.run
        while self._events:
            event = self._events.popleft()
            if run is not None:
                run.apply(event)
        if run is not None and run.finished is not None:
            self.app.cluster.refresh()
            self._unseen = not self._screen()
        self._moved()

    def ask_about_interrupted(self) -> None:
        """At the start: what an earlier run left behind."""
        if self.procedures is not None:
            in_background(
                self.app, self.procedures.interrupted, self._interrupted, self.app.tell, name="interrupted"
            )

    def ask_before_leaving(self, leave: Callable[[], None]) -> None:
        from etcdtui.ui.screens.ask import AskScreen, Option

        if self.run is None or isinstance(self.app.screen, AskScreen):
            return
        self.app.push_screen(
            AskScreen(
                f"{self.run.procedure.title} is still running.",
                (
                    "What runs on the host as a job goes on there. etcdtui stops watching it, "
                    "and offers to resume at the next start.",
                ),
                (Option("stay", "s", "Stay"), Option("leave", "l", "Leave", dangerous=True)),
            ),
            lambda choice: leave() if choice == "leave" else None,
        )

    def close(self) -> None:
        """Before the connections go: the engine stops watching, and its record says so."""
        if self.procedures is not None:
            self.procedures.close()

    def _emit(self, event: Event) -> None:
        self._events.append(event)
        self.app.post_message(ProcedureMoved())

    def _planned(self, procedure: Procedure) -> None:
        self._planning = False
        self.run = Run(procedure, self.app.clock)
        self.show()

    def _not_planned(self, error: EtcdTuiError) -> None:
        self._planning = False
        self.app.tell(error)

    def _not_started(self, error: EtcdTuiError) -> None:
        self.run = None
        self.app.action_home()
        self.app.tell(error)

    def _moved(self) -> None:
        screen = self._screen()
        if screen is not None:
            screen.show_run()
        self.app.dashboard.show_running(self.lines)

    def _screen(self) -> ProcedureScreen | None:
        from etcdtui.ui.screens.procedure import ProcedureScreen

        return next((s for s in self.app.screen_stack if isinstance(s, ProcedureScreen)), None)

    def _interrupted(self, runs: Sequence[Interrupted]) -> None:
        """Ask about the first; the others come after it, unless it is resumed."""
        from etcdtui.ui.screens.ask import AskScreen, Option

        if not runs:
            return
        first, rest = runs[0], runs[1:]
        sentences = [f"What is true now: {first.truth}"] if first.truth else []
        if rest:
            sentences.append(f"{len(rest)} more after this one.")
        options = (
            Option("leave", "l", "Leave as it is"),
            Option("abandon", "a", "Abandon…"),
            Option("resume", "r", "Resume"),
        )

        def chosen(choice: str | None) -> None:
            if choice == "resume":
                self._resume(first)
            elif choice == "abandon":
                self._abandon(first, rest)
            else:
                self._interrupted(rest)

        question = AskScreen(
            first.sentence, sentences, options, details=tuple(first.details), title="Interrupted"
        )
        self.app.push_screen(question, chosen)

    def _resume(self, run: Interrupted) -> None:
        if self.procedures is not None:
            resume = self.procedures.resume
            in_background(self.app, lambda: resume(run), self._planned, self._not_planned, name="resume")

    def _abandon(self, run: Interrupted, rest: Sequence[Interrupted]) -> None:
        from etcdtui.ui.screens.reason import ReasonScreen

        def reasoned(reason: str | None) -> None:
            if reason and self.procedures is not None:
                abandon = self.procedures.abandon
                in_background(
                    self.app,
                    lambda: abandon(run, reason),
                    lambda _: self._interrupted(rest),
                    self.app.tell,
                    name="abandon",
                )
            else:
                self._interrupted([run, *rest])

        self.app.push_screen(ReasonScreen("Why is it abandoned?", run.sentence), reasoned)
