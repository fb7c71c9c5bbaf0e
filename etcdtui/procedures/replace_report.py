"""What a replacement did, for who has to tell others: the last step's words, and a document of the record."""

from __future__ import annotations

import time
from collections.abc import Iterator

from etcdtui.model.health import judge
from etcdtui.model.quorum import Verdict
from etcdtui.procedures.procedure import Action, Context, Reporter, Step, StepState
from etcdtui.procedures.replace_decided import Decided
from etcdtui.procedures.replace_return import newcomers
from etcdtui.records import Entry, Run
from etcdtui.text import age, clean, counted


def report_step(decided: Decided) -> Step:
    """The end: old and new member, what was kept where, what to do next."""

    def work(world: Context, report: Reporter) -> Verdict:
        for line in _lines(decided, world):
            report.say(line)
        came = newcomers(decided, world.view())
        new = f"{came[0].member.label} ({came[0].member.hex_id})" if came else "nobody yet"
        return Verdict(
            True,
            f"{decided.name} ({decided.target.hex_id}) is replaced by {new}. {_standing(world)} Take a new "
            "backup now: older ones know the old member.",
        )

    return Step(
        key="report",
        title="Tell what was done",
        why="The whole of it, with every command and answer, stands in the journal.",
        action=Action.WORK,
        work=work,
        skippable=False,
    )


def _lines(decided: Decided, world: Context) -> Iterator[str]:
    target = decided.target
    yield f"removed: {decided.name}, ID {target.hex_id}, {' '.join(target.peer_urls)} ({decided.case.value})"
    for row in newcomers(decided, world.view()):
        yield f"new: {row.member.label}, ID {row.member.hex_id}, {' '.join(row.member.peer_urls)}"
    if decided.case.name == "CRASHING":
        yield f"kept on {decided.host}: {decided.manifest_aside}"
        yield f"kept on {decided.host}: {decided.data_aside} (remove it when all has been well for some days)"
    if decided.platform.machine:
        yield f"machine deleted: {decided.platform.machine}"
    yield _standing(world)


def _standing(world: Context) -> str:
    quorum = judge(world.view()).quorum
    return f"{quorum.healthy} of {quorum.voters} voters are well, it can lose {quorum.tolerance}."


def markdown(run: Run) -> str:
    """A run as a Markdown document: what, who, and step after step with commands and answers."""
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.began))
    how = run.ending.value if run.ending else "not ended"
    lines = [
        f"# {clean(run.title)}",
        "",
        f"- cluster: {clean(run.cluster)}",
        f"- begun: {began} by {clean(str(run.who))}, etcdtui {clean(run.version)}",
        f"- {how}: {clean(run.sentence, 1000)}",
        f"- took: {age(run.last - run.began)}, {counted(len(run.steps), 'step')}",
        "",
    ]
    for number, step in enumerate(run.steps, 1):
        entries = [e for e in run.entries if e.step == step.key]
        if entries:
            lines += [f"## {number}. {clean(step.title)}", "", *_told(entries), ""]
    return "\n".join(lines)


def _told(entries: list[Entry]) -> Iterator[str]:
    for entry in entries:
        at = time.strftime("%H:%M:%S", time.localtime(entry.at))
        if entry.kind == "command":
            argv = entry.facts.get("argv")
            words = " ".join(str(word) for word in argv) if isinstance(argv, list) else ""
            yield f"- {at} on {clean(entry.text('host'))}: `{clean(words, 1000).replace('`', chr(39))}`"
        elif entry.kind == "ended":
            said = clean(" ".join((entry.text("stdout") + entry.text("stderr")).split()), 400)
            yield f"- {at} exit code {entry.facts.get('status')}: {said}"
        elif entry.kind == "answer":
            yield f"- {at} answered: {entry.text('choice')} {clean(entry.text('text'))}".rstrip()
        elif entry.kind == "state" and entry.text("state") in _ENDS:
            yield f"- {at} {entry.text('state')}: {clean(entry.text('sentence'), 1000)}"


_ENDS = {StepState.DONE.value, StepState.FAILED.value, StepState.SKIPPED.value}
