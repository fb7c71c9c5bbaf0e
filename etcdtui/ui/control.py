"""The one procedure at a time: planned, shown, started, answered, cancelled. Its screen may come and go."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from etcdtui.errors import EtcdTuiError
from etcdtui.model.view import ClusterView
from etcdtui.procedures.procedure import (
    LAST_KNOWN,
    Answer,
    Choice,
    Ending,
    Event,
    Procedure,
    StepChanged,
    StepState,
)
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
        self._events: deque[tuple[Run, Event]] = deque()  # filled from any thread
        self._planning = False
        self._unseen = False  # it ended while its screen was not open
        self._earlier: Sequence[Interrupted] = ()  # runs still to be asked about
        self._asking = False  # what earlier runs there are
        self._wanted = False  # by the user: then also "there is none" is an answer

    @property
    def running(self) -> bool:
        return self.run is not None and self.run.running

    @property
    def idle(self) -> bool:
        """Nothing runs, is planned, is shown or waits to be asked about."""
        return not (self.running or self._planning or self._earlier or self._asking or self._screen())

    def lines(self, width: int) -> list[Line]:
        """For the dashboard: what runs, or how it ended while nobody looked."""
        if self.run is None or not (self.run.running or self._unseen):
            return []
        return [self.run.line(width)]

    def backup(self) -> None:
        """Show the procedure that runs; else plan a backup."""
        if self._unseen:
            self.show()
        else:
            self.plan(lambda procedures, view: procedures.plan_backup(view))

    def plan(self, make: Callable[[ProcedurePort[Any], ClusterView], Procedure]) -> None:
        """Plan something from what is true now, and show the plan; the procedure that runs comes first."""
        procedures, view = self.procedures, self.app.cluster.view()
        if procedures is None:
            self.app.tell(EtcdTuiError("Procedures are not available here."))
        else:
            self._plan(lambda: make(procedures, view), "plan")

    def _plan(
        self, plan: Callable[[], Procedure], name: str, *, past: Sequence[StepChanged] | None = None
    ) -> None:
        """One plan at a time, and none over a procedure that runs: that one is shown. ``past``, filled by
        ``plan``: it goes on where an earlier run of it was, which has settled these steps."""
        if self.running:
            self.show()
        elif not self._planning:
            self._planning = True
            shown = partial(self._planned, past=past)
            in_background(self.app, plan, shown, self._not_planned, name=name)

    def show(self) -> None:
        from etcdtui.ui.screens.procedure import ProcedureScreen

        self._unseen = False
        if self.run is None:
            return
        screen = self._screen()
        if screen is not None:
            screen.take(self.run)
        else:
            self.app.push_screen(ProcedureScreen(self.run))
        self.app.dashboard.show_running(self.lines)

    def start(self, run: Run) -> None:
        """Run what is planned, if that is what was shown."""
        procedures = self.procedures
        if run is not self.run or procedures is None or run.started:
            return
        run.start()

        def started(handle: EngineHandle) -> None:
            run.handle = handle
            if run.cancelling:
                handle.cancel()

        in_background(
            self.app,
            lambda: procedures.run(run.procedure, partial(self._emit, run)),
            started,
            lambda error: self._not_started(run, error),
            name="run",
        )
        self._moved()

    def answer(self, answer: Answer) -> None:
        if self.run is not None and self.run.handle is not None:
            self.run.records[answer.step].answered = True
            if answer.choice is not Choice.STOP:
                self.run.cancelling = False  # it goes on
            self.run.handle.answer(answer)
            self._moved()

    def cancel(self, run: Run, step: str) -> None:
        """The user was asked about this step, and wants it cancelled."""
        if run is self.run and run.running:
            run.cancelling, run.consented = True, step
            if run.handle is not None:
                run.handle.cancel()
            self._moved()

    def drain(self) -> None:
        """Take in what the engine said since the last time."""
        while self._events:
            told, event = self._events.popleft()
            told.apply(event)
            self._answer_for_the_user(told, event)
        run = self.run
        if run is not None and run.finished is not None:
            self.app.cluster.refresh()
            self._unseen = not self._screen()
            if run.finished.ending is not Ending.DONE:
                self.app.debts.look_again()
                self._read_changes(run)
        self._moved()

    def ask_about_interrupted(self, *, wanted: bool = False) -> None:
        """What an earlier run left behind: at the start, and when the user wants to know."""
        if self.running:
            self.show()
        elif self.procedures is not None and not self._asking:
            self._wanted = wanted
            self._asking = True
            in_background(
                self.app, self.procedures.interrupted, self._interrupted, self._not_asked, name="interrupted"
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

    def _read_changes(self, run: Run) -> None:
        """What a restore that did not come to its end leaves changed, from its record."""
        procedures, run_id = self.procedures, run.procedure.id
        if procedures is None or run.changed is not None:
            return
        run.changed = ()

        def told(changed: Sequence[str]) -> None:
            run.changed = tuple(changed)
            self._moved()

        in_background(self.app, lambda: procedures.changed_by(run_id), told, lambda _: None, name="changes")

    def _emit(self, run: Run, event: Event) -> None:
        self._events.append((run, event))
        self.app.post_message(ProcedureMoved())

    def _answer_for_the_user(self, run: Run, event: Event) -> None:
        """Whether this step is to be cancelled was asked before the wish was sent: not twice."""
        if run is not self.run or not run.cancelling or not isinstance(event, StepChanged):
            return
        asked = event.state is StepState.WAITING and set(event.choices) == {Choice.STOP, Choice.WAIT}
        if asked and run.consented == event.step:
            self.answer(Answer(Choice.STOP, "", event.step))

    def _planned(self, procedure: Procedure, *, past: Sequence[StepChanged] | None = None) -> None:
        self._planning = False
        if not self.running:
            self.run = Run(procedure, self.app.clock, resumed=past is not None)
            for settled in past or ():
                self.run.apply(settled)
        self.show()

    def _not_planned(self, error: EtcdTuiError) -> None:
        self._planning = False
        self.app.tell(error)

    def _not_started(self, run: Run, error: EtcdTuiError) -> None:
        if run is self.run:
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

    def _not_asked(self, error: EtcdTuiError) -> None:
        self._asking = False
        self.app.tell(error)

    def _interrupted(self, runs: Sequence[Interrupted]) -> None:
        self._earlier, self._asking = runs, False
        if self._wanted and not runs:
            self.app.notify("Nothing was interrupted.", timeout=4, markup=False)
        self._wanted = False
        self.ask_about_the_next()
        self.app.debts.ask()  # they come after these, and nothing else may happen for a while

    def ask_about_the_next(self) -> None:
        """Ask about the first, when nothing else is under way; the others come after it, unless it is
        resumed."""
        from etcdtui.ui.screens.ask import AskScreen, Option

        if not self._earlier or self.running or self._planning or self._screen() or self.app.busy:
            return
        first, rest = self._earlier[0], self._earlier[1:]
        self._earlier = ()
        sentences = [first.truth] if first.truth else []
        if first.truth and not first.truth.startswith(LAST_KNOWN):  # that may be true no longer
            sentences = [f"What is true now: {first.truth}"]
        if rest:
            sentences.append(f"{len(rest)} more after this one.")
        options = [
            Option("leave", "l", "Leave"),
            Option("abandon", "a", "Abandon…"),
            Option("resume", "r", "Resume"),
        ]
        if first.puts_back:
            options.insert(2, Option("put-back", "p", "Put all back…"))
            sentences.append("Everything it has set aside can be put back; that is a procedure of its own.")

        def chosen(choice: str | None) -> None:
            if choice == "resume":
                self._resume(first)
            elif choice == "abandon":
                self._abandon(first, rest)
            elif choice == "put-back":
                self.app.restoring.put_back(first.id)
            else:
                self._interrupted(rest)

        question = AskScreen(
            first.sentence, sentences, options, details=tuple(first.details), title="Interrupted"
        )
        self.app.push_screen(question, chosen)

    def _resume(self, run: Interrupted) -> None:
        procedures, past = self.procedures, list[StepChanged]()
        if procedures is None:
            return

        def plan() -> Procedure:
            made = procedures.resume(run)
            past.extend(procedures.settled(run))
            return made

        self._plan(plan, "resume", past=past)

    def _abandon(self, run: Interrupted, rest: Sequence[Interrupted]) -> None:
        from etcdtui.ui.screens.reason import ReasonScreen

        def reasoned(reason: str | None) -> None:
            if reason and self.procedures is not None:
                abandon = self.procedures.abandon
                in_background(
                    self.app,
                    lambda: abandon(run, reason),
                    lambda _: self._abandoned(run, rest),
                    self.app.tell,
                    name="abandon",
                )
            else:
                self._interrupted([run, *rest])

        self.app.push_screen(ReasonScreen("Why is it abandoned?", run.sentence), reasoned)

    def _abandoned(self, run: Interrupted, rest: Sequence[Interrupted]) -> None:
        if run.puts_back:
            words = "What it set aside stays where it is. :putback puts everything back."
            self.app.notify(words, timeout=12, markup=False)
        self._interrupted(rest)
