"""Runs of procedures in lines for people: what ``etcdtui journal`` prints. Foreign text is made harmless."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator

from etcdtui.journal import Journal
from etcdtui.records import Entry, Run
from etcdtui.text import clean, clean_lines, counted


def lines(
    journal: Journal, run_id: str | None, *, cluster: str | None = None, as_json: bool = False
) -> Iterator[str]:
    """The runs, newest first, or one in full; as JSON every line of their records. Raises JournalError."""
    runs = [journal.read(run_id)] if run_id else journal.runs(cluster)
    if not runs and not as_json:
        yield f"The journal in {journal.directory} is empty."
    for run in runs:
        if as_json:
            yield from map(_as_json, run.entries)
        elif run_id:
            yield from in_full(run)
        else:
            yield in_a_line(run)


def in_a_line(run: Run) -> str:
    """When, how it ended, where, what, and why somebody abandoned it."""
    ended = how(run)
    why = f"  “{clean(run.abandoned, 200)}”" if ended == "abandoned" else ""
    return (
        f"{_clock(run.began, date=True)}  {ended:<11}  {clean(run.cluster, 24)}  {clean(run.title, 60)}  "
        f"{run.id}{why}"
    )


def in_full(run: Run) -> list[str]:
    """A run as lines for people: who, what, what it left changed, and every line of the record. Foreign text
    is made harmless."""
    from etcdtui.procedures import restore_changes

    who = f"{run.who.user}@{run.who.host}, process {run.who.pid}"
    ended = how(run)
    why = run.abandoned if ended == "abandoned" else run.sentence
    lines = [
        f"{clean(run.title)}  [{run.id}]",
        f"  cluster {clean(run.cluster)}, begun {_clock(run.began, date=True)} by {clean(who)}, "
        f"etcdtui {clean(run.version)}",
        f"  {ended}{': ' + clean(why, 2000) if why else ''}",
    ]
    lines += [f"  {clean(line, 1000)}" for line in restore_changes.lines(run)]
    lines += [f"  {n}. {clean(step.title)}" for n, step in enumerate(run.steps, 1)]
    lines += [text for entry in run.entries for text in _printed(run, entry)]
    if run.torn:
        lines.append(f"  ({counted(run.torn, 'line')} of the record could not be read)")
    return lines


def _printed(run: Run, entry: Entry) -> list[str]:
    number = run.number(entry.step)
    head = f"  {_clock(entry.at)}  {f'{number}. ' if number else ''}"
    facts = entry.facts
    match entry.kind:
        case "header":
            return []
        case "resumed":
            return [f"{head}gone on with by {clean(entry.text('user'))}@{clean(entry.text('host'))}"]
        case "state":
            sentence = entry.text("sentence")
            return [f"{head}{entry.text('state')}{': ' + clean(sentence, 1000) if sentence else ''}"]
        case "answer":
            text = entry.text("text")
            return [f"{head}answered: {entry.text('choice')}{f' “{clean(text)}”' if text else ''}"]
        case "verdict":
            said = "yes" if facts.get("allowed") else "no"
            return [f"{head}{entry.text('check')}: {said}: {clean(entry.text('reason'), 1000)}"]
        case "command":
            argv = facts.get("argv")
            words_ = [str(word) for word in argv] if isinstance(argv, list) else []
            return [f"{head}on {clean(entry.text('host'))} $ {clean(shlex.join(words_), 1000)}"]
        case "ended":
            output = [
                line for key in ("stdout", "stderr") for line in clean_lines(entry.text(key)) if line.strip()
            ]
            status = facts.get("status")
            return [f"{head}ended with exit code {status}", *(f"      | {line}" for line in output)]
        case "attempt":
            return [f"{head}attempt {facts.get('number')}"]
        case "abandoned":
            return [f"{head}abandoned: {clean(entry.text('reason'))}"]
        case "tidied":
            return [f"{head}the records of its commands were removed from the hosts"]
        case "finished":
            return [f"{head}{entry.text('ending')}: {clean(entry.text('sentence'), 2000)}"]
        case "error":
            return [f"{head}error", *(f"      | {line}" for line in clean_lines(entry.text("traceback")))]
        case "trouble":
            return [f"{head}{clean(entry.text('sentence'))}"]
        case "lock broken":
            return [f"{head}{clean(entry.text('sentence'), 1000)}"]
        case other:
            return [f"{head}{clean(other)}"]


def _clock(at: float, *, date: bool = False) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S", time.localtime(at))


def how(run: Run) -> str:
    """running, abandoned, interrupted, or how it ended."""
    if run.alive:
        return "running"
    if run.abandoned:
        return "abandoned"
    return run.ending.value if run.ending else "interrupted"


def _as_json(entry: Entry) -> str:
    return json.dumps(
        {"run": entry.run, "at": entry.at, "kind": entry.kind, "step": entry.step, **entry.facts}
    )
