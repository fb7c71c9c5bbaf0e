"""The words of the procedure screen: title, steps, one step in full, facts, gate."""

from __future__ import annotations

import shlex

from etcdtui.procedures.procedure import Action, Choice, Ending, Gate, GateKind, Step, StepState
from etcdtui.text import age, clean, size
from etcdtui.ui.looks import Line, Paragraph, Role, Span, first_of, wrap
from etcdtui.ui.parts.listing import Item
from etcdtui.ui.runs import Run, StepRecord
from etcdtui.ui.words import STEP, sign_of

OUTPUT = 200  # last lines of output that are shown


def command_of(step: Step) -> str:
    """Exactly what runs, as a shell would take it."""
    return shlex.join(step.argv)


def title(run: Run) -> Line:
    if run.finished is not None:
        sign, role = sign_of(run.finished)
        state: Span = (f"  {sign} {run.finished.word}", role)
    elif not run.started:
        words = "to be gone on with; waits for you" if run.resumed else "the plan; nothing has run yet"
        state = (f"  {words}", Role.MUTED)
    elif run.cancelling:
        state = ("  being cancelled", Role.WARN)
    else:
        state = ("  running", Role.ADVICE)
    return (clean(run.procedure.title, 200), Role.STRONG), state


def steps(run: Run) -> list[Item]:
    """One item a step: number, sign, title; what is special about its state below."""
    out = []
    for number, step in enumerate(run.procedure.steps, 1):
        record = run.records[step.key]
        left, checked = _left(run, step), record.checked
        sign, role = STEP[StepState.WAITING if left else StepState.RUNNING if checked else record.state]
        words = clean(step.title, 200), Role.STRONG if checked else _of(record.state)
        parts = [Paragraph(((f" {sign} ", role), (f"{number} ", Role.MUTED), words), 5)]
        note = _note(run, step)
        if note:
            parts.append(Paragraph((("     ", Role.PLAIN), (note, role)), 5))
        out.append(Item(step.key, tuple(parts)))
    return out


def _left(run: Run, step: Step) -> bool:
    """The run has ended before this step began: it was only asked about, or checked."""
    record = run.records[step.key]
    return run.finished is not None and (record.checked or record.state is StepState.WAITING)


def _of(state: StepState) -> Role:
    if state is StepState.TO_COME:
        return Role.PLAIN
    return Role.STRONG if state in {StepState.RUNNING, StepState.VERIFYING, StepState.WAITING} else Role.PLAIN


def _note(run: Run, step: Step) -> str:
    record = run.records[step.key]
    if _left(run, step):
        return "not run: it ended here"
    if record.checked:
        return f"checked before it runs  {age(record.elapsed)}"
    if record.state is StepState.TO_COME:
        return {GateKind.CONFIRM: "asks before", GateKind.PHRASE: "asks for a typed name"}.get(
            step.gate.kind, ""
        )
    took = age(run.elapsed_of(step)) if record.elapsed >= 1 or record.told else ""
    word = "" if record.state is StepState.DONE else record.state.value
    return "  ".join(part for part in (word, took) if part)


def plan(run: Run) -> tuple[list[Paragraph], dict[str, int]]:
    """The whole plan: reasons, and every step with what it runs; where each step begins."""
    out = [
        Paragraph((("· ", Role.MUTED), (clean(reason, 1000), Role.PLAIN)), 2)
        for reason in run.procedure.reasons
    ]
    begins: dict[str, int] = {}
    for number, step in enumerate(run.procedure.steps, 1):
        out.append(Paragraph(()))
        begins[step.key] = len(out)
        out.append(Paragraph(((f"{number} ", Role.MUTED), (clean(step.title, 200), Role.STRONG)), 2))
        out += _step(step)
    return out, begins


def about(run: Run, step: Step) -> list[Paragraph]:
    """Why, where, what exactly, what it printed, what was found."""
    record = run.records[step.key]
    out = _changed(run)
    told = run.finished is not None and (run.finished.ending is not Ending.DONE or run.finished.left)
    if run.finished is not None and told and step is run.current:
        # Why it ended so: below there is room for some lines of that only.
        sign, role = sign_of(run.finished)
        out += [Paragraph(((f"{sign} ", role), (clean(run.finished.sentence, 2000), role)), 2), Paragraph(())]
    elif record.sentence and not record.checked:
        sign, role = STEP[record.state]
        out += [Paragraph(((f"{sign} ", role), (clean(record.sentence, 2000), role)), 2), Paragraph(())]
    out += _step(step)
    if record.output:
        out += [Paragraph(()), Paragraph((("output", Role.MUTED),))]
        for line, stderr in record.output[-OUTPUT:]:
            out.append(Paragraph((("│ ", Role.MUTED), (line, Role.WARN if stderr else Role.PLAIN)), 2))
    return out


def _changed(run: Run) -> list[Paragraph]:
    """What a run that did not come to its end leaves changed, and how that is put back."""
    if run.finished is None or not run.changed:
        return []
    lines = [clean(line, 1000) for line in run.changed]
    indents = [len(line) - len(line.lstrip(" ")) for line in lines]
    head = Paragraph(((lines[0], Role.WARN),))
    rest = [
        Paragraph(((line, Role.PLAIN if indent < 6 else Role.KEY),), indent + 2)
        for line, indent in zip(lines[1:], indents[1:], strict=True)
    ]
    return [head, *rest, Paragraph(())]


def _step(step: Step) -> list[Paragraph]:
    """Why, where, what exactly, what is asked before, what cancelling does."""
    out: list[Paragraph] = []
    out.append(_labelled("why", clean(step.why, 2000)))
    where = clean(step.host, 200) if step.host else "here"
    if step.action is Action.JOB:
        where += ", as a job that outlives our connection"
    elif step.action is Action.HUMAN:
        where = "by you: " + (where if step.host else "outside etcdtui")
    out.append(_labelled("where", where))
    if step.argv:
        out.append(Paragraph((("runs   ", Role.MUTED), (clean(command_of(step), 4000), Role.STRONG)), 7))
    if step.gate.kind is not GateKind.NONE:
        asks = "enter" if step.gate.kind is GateKind.CONFIRM else f"typing {clean(step.gate.phrase)}"
        out.append(_labelled("gate", f"{asks}. {clean(step.gate.prompt)}".strip()))
    out.append(_labelled("cancel", clean(step.cancel, 1000)))
    return out


def _labelled(label: str, words: str) -> Paragraph:
    return Paragraph(((f"{label:<7}", Role.MUTED), (words, Role.PLAIN)), 7)


def facts(run: Run, width: int) -> list[Line]:
    """Elapsed, bytes, what is awaited: always to be seen."""
    step = run.current
    if not run.started or step is None:
        return []
    record = run.records[step.key]
    spans: list[Span] = [("elapsed ", Role.MUTED), (age(run.elapsed), Role.STRONG)]
    spans += [("  step ", Role.MUTED), (age(run.elapsed_of(step)), Role.STRONG)]
    # What was measured last is less than what was written when the command ended: it is not shown after that.
    ended = record.state in {StepState.VERIFYING, StepState.DONE}
    if record.measured is not None and (record.total or not ended):
        spans += _bytes(step, record)
    if run.running and record.awaiting:
        spans += [("  awaiting ", Role.MUTED), (clean(record.awaiting), Role.PLAIN)]
    return wrap(tuple(spans), width, 2)


def _bytes(step: Step, record: StepRecord) -> list[Span]:
    """Bytes that went, of how many, how fast, how long still."""
    measured = record.measured or 0
    label = "  done " if step.action is Action.WORK else "  written "
    spans: list[Span] = [(label, Role.MUTED), (size(measured), Role.STRONG)]
    if record.total:
        spans.append((f" of {size(record.total)} ({int(100 * measured / record.total)} %)", Role.MUTED))
    elif step.expected:
        share = min(99, int(100 * measured / step.expected))
        spans.append((f" of about {size(step.expected)} ({share} %)", Role.MUTED))
    if record.rate:
        spans.append((f"  {size(int(record.rate))}/s", Role.PLAIN))
    if record.left is not None:
        spans.append((f"  {age(record.left)} left", Role.PLAIN))
    return spans


def kind_of_gate(run: Run) -> str:
    """waiting, bad, done or nothing: the colour of the gate."""
    if run.finished is not None:
        if run.finished.left:
            return "waiting"  # amber: somebody has to see to the rest
        return "done" if run.finished.ending is Ending.DONE else "bad"
    if not run.started or run.choices():
        return "waiting"
    return ""


def gate(run: Run, width: int, *, reasoning: Choice | None = None, said: str = "") -> list[Line]:
    """What is asked of the human, or what may be done meanwhile."""
    if run.finished is not None:
        sign, role = sign_of(run.finished)
        lines = wrap(((f"{sign} ", role), (clean(run.finished.sentence, 1000), Role.STRONG)), width, 2)
        rest = "; the rest stands at the right: tab, then pgdn" if len(lines) > 4 else ""
        return [*first_of(lines, 4, width), ((f"  esc goes back{rest}", Role.MUTED),)]
    if not run.started:
        words = "Nothing has been run. Read the steps (j k). enter runs them; esc goes back."
        if run.resumed:
            words = (
                "What was done before it was interrupted stays done, and is not done again. enter goes on "
                "from there; esc goes back."
            )
        return wrap(((words, Role.PLAIN),), width)
    step = run.current
    if step is None:
        return [(("Starting …", Role.MUTED),)]
    record, choices = run.records[step.key], run.choices()
    lines = wrap(((said, Role.BAD),), width) if said else []
    if reasoning is not None:
        why = "Why is this lock broken? " if reasoning is Choice.BREAK else "Why is this step skipped? "
        return [*lines, ((why, Role.STRONG), ("enter sends it, esc does not", Role.MUTED))]
    if record.state is StepState.WAITING and Choice.GO in choices:
        return [
            *lines,
            *first_of(wrap(_asked(step, record.sentence, optional=Choice.NO in choices), width, 2), 4, width),
        ]
    if choices:
        words = record.sentence or "This step needs a decision."
        asked = wrap((("⏸ ", Role.WARN), (clean(words, 600), Role.PLAIN)), width, 2)
        return [*lines, *first_of(asked, 4, width)]
    if run.ahead.kind is not GateKind.NONE and not run.cancelling:
        return [*lines, *first_of(wrap(_ahead(run.ahead), width, 2), 4, width)]
    words = "being cancelled: " if run.cancelling else "c cancels: "
    return first_of(wrap(((words, Role.MUTED), (clean(step.cancel, 400), Role.MUTED)), width, 2), 2, width)


STILL = "The checks are still running: nothing has been confirmed."


def _ahead(gate: Gate) -> Line:
    """What will be asked, while the checks before it still run."""
    waits: Span = ("The checks are running; it can be confirmed when they are done.", Role.WARN)
    if gate.kind is GateKind.PHRASE:
        typed: Line = (("It will ask for ", Role.PLAIN), (f"“{clean(gate.phrase)}”", Role.KEY))
        now: Span = (", which may be typed now. ", Role.PLAIN)
        return (("○ ", Role.MUTED), *typed, now, waits, (" tab, then c cancels.", Role.MUTED))
    prompt = f"{clean(gate.prompt, 600)} " if gate.prompt else ""
    return (("○ ", Role.MUTED), (prompt, Role.PLAIN), waits, (" c cancels.", Role.MUTED))


def _asked(step: Step, sentence: str, *, optional: bool) -> Line:
    prompt = clean(sentence or step.gate.prompt, 600)
    spans: list[Span] = [("⏸ ", Role.WARN), (prompt + " " if prompt else "", Role.PLAIN)]
    phrase = clean(step.gate.phrase)
    if step.gate.kind is GateKind.PHRASE and any(f"Type {p}" in prompt for p in (phrase, f"“{phrase}”")):
        spans += [("enter", Role.KEY), (" sends it.", Role.PLAIN)]
    elif step.gate.kind is GateKind.PHRASE:
        spans += [
            ("Type ", Role.PLAIN),
            (phrase, Role.KEY),
            (" and press enter.", Role.PLAIN),
        ]
    else:
        spans += [("enter", Role.KEY), (" goes on.", Role.PLAIN)]
        if optional:
            spans += [(" n", Role.KEY), (" leaves it.", Role.PLAIN)]
    return tuple(spans)
