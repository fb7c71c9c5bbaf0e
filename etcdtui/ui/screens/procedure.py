"""One screen for every procedure: the plan, the steps as they go, the gate, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Button, Input

from etcdtui.procedures.procedure import Answer, Choice, GateKind, Step, StepState
from etcdtui.text import clean
from etcdtui.ui import keys
from etcdtui.ui.looks import wrap
from etcdtui.ui.messages import CancelWanted, StartWanted
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.parts.footer import KeyLine
from etcdtui.ui.parts.lines import Lines
from etcdtui.ui.parts.listing import Listing
from etcdtui.ui.parts.settling import SETTLE
from etcdtui.ui.procedure_text import STILL, about, command_of, facts, gate, kind_of_gate, plan, steps, title
from etcdtui.ui.runs import Run
from etcdtui.ui.screens.ask import AskScreen, Option

if TYPE_CHECKING:
    from etcdtui.ui.app import EtcdTui

KEY_OF = {
    Choice.GO: "enter",
    Choice.NO: "n",
    Choice.RETRY: "r",
    Choice.WAIT: "w",
    Choice.BREAK: "b",
    Choice.SKIP: "x",
    Choice.STOP: "s",
}

REASONED = (Choice.SKIP, Choice.BREAK)  # choices that ask for a reason
BREAK = Binding(
    "b", "choose('break the lock')", "Break…", show=True, tooltip="The lock of another; asks for the reason"
)


class StepList(Listing):
    """Enter goes on with the procedure, whatever step is looked at."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "go", "Go", show=True)]

    def __init__(self, screen: ProcedureScreen) -> None:
        super().__init__(id="steps")
        self._procedure_screen = screen

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "go" or self._procedure_screen.check_action(action, parameters)

    def action_go(self) -> None:
        self._procedure_screen.action_go()


class ProcedureScreen(Screen[None]):
    """Renders a run; answers go to the app's control. May be left and opened again at any time."""

    CSS_PATH = "procedure.tcss"
    AUTO_FOCUS = "#steps"
    BINDINGS: ClassVar[list[BindingType]] = [*keys.PROCEDURE, BREAK, keys.HELP_HIDDEN]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-normal"), (150, "-wide")]  # noqa: RUF012

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run
        self.title_bar, self.facts = Bar(id="title", most=2), Bar(id="facts", most=3)
        self.steps, self.about = StepList(self), Lines(id="about", follow=True)
        self.gate = Bar(id="gate", most=5)
        self.typed = Input(id="typed", compact=True)
        self.buttons = Horizontal(
            *(
                Button(f"{choice.value.capitalize()}  {key}", id=f"choose-{choice.name}", compact=True)
                for choice, key in KEY_OF.items()
            ),
            id="buttons",
        )
        self._followed: str | None = None  # the step last shown because it became the current one
        self._anew = False  # another step than before is shown
        self._reasoning: Choice | None = None  # the choice whose reason is being typed
        self._said = ""
        self._typing: tuple[str, Choice | None] | None = None  # for which step, which reason
        self._ahead = False  # what stands there was begun before it was asked for
        self._allowed: object = None  # what the keys shown go by
        self._shown_at = 0.0  # since when this plan is to be read, by the run's clock

    def compose(self) -> ComposeResult:
        yield self.title_bar
        with Horizontal(id="middle"):
            yield self.steps
            yield self.about
        yield self.facts
        yield self.gate
        yield self.typed
        yield self.buttons
        yield KeyLine()

    def on_mount(self) -> None:
        self.steps.border_title = "Steps"
        self.typed.display = False
        self._shown_at = self.run.clock()
        self.watch(self.about, "show_vertical_scrollbar", self._tell_of_more)
        self.show_run()
        self.set_interval(1.0, self.show_run)

    def take(self, run: Run) -> None:
        """Show this run from now on."""
        if run is not self.run:
            self.run, self._shown_at = run, run.clock()
            self._followed, self._reasoning, self._said = None, None, ""
            self._typing = ("", None)  # nothing of what was typed for the other one stays
        self.show_run()

    def show_run(self) -> None:
        """Render what the run has come to."""
        if not self.is_running:
            return
        run, current = self.run, self.run.current
        if current is not None and current.key != self._followed:
            self._followed, self._reasoning, self._said = current.key, None, ""
            self._anew = True
            self.steps.point_at(current.key)
        if self._said == STILL and run.ahead.kind is GateKind.NONE:
            self._said = ""  # they have ended
        self.title_bar.set_builder(lambda width: wrap(title(run), width, 2))
        self.steps.set_items(steps(run))
        shown = self._shown()
        # Output is followed; what is to be read and decided begins at its top.
        followed = self.about.follow
        self.about.follow = run.running and bool(run.records[shown.key].output) and not run.choices()
        if followed and run.started and not run.running:
            self._anew = True  # how it ended stands at the top, whole
        if run.started:
            self.about.border_title = f"Step {run.number(shown)} of {len(run.procedure.steps)}"
            self.about.set_paragraphs(about(run, shown))
        else:
            self.about.border_title = "Plan"
            self.about.set_paragraphs(plan(run)[0])
        if self._anew and not self.about.follow:
            self.about.scroll_home(animate=False)
        self._anew = False
        self.facts.set_builder(lambda width: facts(run, width))
        self.gate.set_builder(lambda width: gate(run, width, reasoning=self._reasoning, said=self._said))
        kind = kind_of_gate(run)
        for name in ("waiting", "bad", "done"):
            self.gate.set_class(kind == name, f"-{name}")
        self._show_inputs()
        self._show_keys()

    def _tell_of_more(self, more: bool) -> None:
        self.about.border_subtitle = "tab, then pgdn: more" if more else ""

    def _show_keys(self) -> None:
        """The line of keys is made anew only where other keys count: on a busy machine that alone would take
        all the time there is."""
        run = self.run
        allowed = (run.started, run.running, run.cancelling, run.choices(), run.ahead)
        if allowed != self._allowed:
            self._allowed = allowed
            self.refresh_bindings()

    def _shown(self) -> Step:
        key = self.steps.cursor_key
        found = next((step for step in self.run.procedure.steps if step.key == key), None)
        return found or self.run.current or self.run.procedure.steps[0]

    def _show_inputs(self) -> None:
        choices = self.run.choices()
        ahead = self.run.ahead.kind is GateKind.PHRASE
        wants_phrase = (ahead or self._phrase() != "") and self._reasoning is None
        typing = wants_phrase or self._reasoning in choices
        step = self.run.current
        what = (step.key, self._reasoning) if step is not None and typing else None
        if what != self._typing:
            # What is typed while the checks still run stays there when they have ended.
            self._typing, self._ahead = what, ahead
            self.typed.value = ""
            # The question above may be too long for its lines: what is to be typed stands here whole.
            phrase = clean(self._phrase() or self.run.ahead.phrase)
            self.typed.placeholder = f"type {phrase} here" if wants_phrase else "the reason, in a few words"
            self.typed.display = typing
            self.set_focus(self.typed if typing else self.steps)
        for choice, key in KEY_OF.items():
            button = self.query_one(f"#choose-{choice.name}", Button)
            # While something is typed, letters are letters: the button is reached by tab.
            button.label = f"{choice.value.capitalize()}  {'tab' if typing else key}"
            button.display = choice in choices and not (choice is Choice.GO and wants_phrase)
        self.buttons.display = bool(choices) and self._reasoning is None

    def _phrase(self) -> str:
        """What must be typed now; empty when nothing must."""
        step = self.run.current
        if step is None or Choice.GO not in self.run.choices():
            return ""
        if self.run.records[step.key].state is not StepState.WAITING or step.gate.kind is not GateKind.PHRASE:
            return ""
        return step.gate.phrase

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        run = self.run
        if action == "go":
            return not run.started or Choice.GO in run.choices() or run.ahead.kind is GateKind.CONFIRM
        if action == "choose":
            choice = Choice(str(parameters[0]))
            return choice in run.choices() or (choice is Choice.NO and run.ahead.optional)
        if action == "cancel":
            return run.running and not run.cancelling
        return True

    def action_go(self) -> None:
        if not self.run.started:
            # Neither a plan nor a gate that has just come up is passed by a key meant for something else.
            if self.run.clock() - self._shown_at >= SETTLE:
                self.post_message(StartWanted(self.run))
        elif self.run.ahead.kind is not GateKind.NONE:
            self._still()
        elif not self._phrase():
            self._answer(Choice.GO)

    def _still(self) -> None:
        """A key that would confirm, while the checks still run, confirms nothing, now or later."""
        self._said = STILL
        self.show_run()

    def action_choose(self, choice: str) -> None:
        chosen = Choice(choice)
        if chosen is Choice.NO and self.run.ahead.optional:
            self._still()
        elif chosen in REASONED and self._reasoning is None:
            self._reasoning = chosen
            self.show_run()
        else:
            self._answer(chosen)

    def action_cancel(self) -> None:
        run, step = self.run, self.run.current
        wanted = CancelWanted(run, step.key if step else "")

        def answered(choice: str | None) -> None:
            if choice == "cancel":
                self.post_message(wanted)

        sentence = step.cancel if step is not None else "Nothing has run yet; nothing has been changed."
        self.app.push_screen(
            AskScreen(
                f"Cancel: {step.title if step else self.run.procedure.title}?",
                (sentence,),
                (Option("on", "g", "Go on"), Option("cancel", "c", "Cancel it", dangerous=True)),
            ),
            answered,
        )

    def action_copy(self) -> None:
        text = command_of(self._shown()) or self.about.text
        self.app.copy_to_clipboard(text)
        self.notify(text[:120], title="Copied", markup=False)

    def action_leave(self) -> None:
        """Back; a reason half typed is forgotten first. What runs goes on running."""
        if self._reasoning is not None:
            self._reasoning = None
            self.show_run()
        else:
            self.app.pop_screen()

    @on(Listing.Moved)
    def _moved(self, event: Listing.Moved) -> None:
        event.stop()
        self.show_run()
        if self.run.started:
            self.about.scroll_home(animate=False)
        else:
            self.about.scroll_to_paragraph(plan(self.run)[1][event.key])

    @on(Listing.Chosen)
    def _chosen(self, event: Listing.Chosen) -> None:
        """A click on the step under the cursor only looks; it never goes on."""
        event.stop()

    @on(Input.Submitted, "#typed")
    def _typed(self, event: Input.Submitted) -> None:
        """A wrong phrase or an empty reason is told, never sent."""
        event.stop()
        if self.run.ahead.kind is GateKind.PHRASE:
            self._still()
            return
        if self._reasoning is not None:
            if event.value.strip():
                self._answer(self._reasoning, event.value.strip())
            else:
                self._said = "A reason is needed; it goes into the record."
        elif event.value.strip() == self._phrase() != "":
            if self._ahead and self._just_asked():
                self._said = "The checks have just ended. Read what they found; enter then sends it."
            else:
                self._answer(Choice.GO, event.value.strip())
        else:
            self._said = f"Not sent: “{clean(self._phrase())}” is asked for. Nothing has been done."
            self.typed.action_select_all()  # what is typed next takes its place
        self.show_run()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        choice = Choice[(event.button.id or "").removeprefix("choose-")]
        if choice is Choice.GO:
            self.action_go()
        else:
            self.action_choose(choice.value)

    def _just_asked(self) -> bool:
        """Is the question so new that a key may have been meant for what was there before?"""
        step = self.run.current
        return step is not None and self.run.clock() - self.run.records[step.key].asked < SETTLE

    def _answer(self, choice: Choice, text: str = "") -> None:
        step = self.run.current
        if step is None or choice not in self.run.choices():
            return
        # Words typed for this very question are meant, however fast they came; a lone key may not be.
        if not text and self._just_asked():
            return
        self._reasoning, self._said = None, ""
        cast("EtcdTui", self.app).control.answer(Answer(choice, text, step.key))
