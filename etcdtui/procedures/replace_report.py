"""What a replacement did, for who has to tell others: lines of Markdown, and the sentence that counts."""

from __future__ import annotations

from collections.abc import Iterator

from etcdtui.model.health import judge
from etcdtui.model.quorum import Verdict
from etcdtui.procedures.procedure import Action, Context, Reporter, Step
from etcdtui.procedures.replace_decided import Case, Decided
from etcdtui.procedures.replace_return import newcomers
from etcdtui.text import listed


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
    yield f"# {decided.name} was replaced: {decided.case.value}"
    yield f"- removed: {decided.name}, ID {target.hex_id}, {listed(target.peer_urls)}"
    for row in newcomers(decided, world.view()):
        yield f"- new: {row.member.label}, ID {row.member.hex_id}, {listed(row.member.peer_urls)}"
    if decided.case is Case.CRASHING:
        yield f"- kept on {decided.host}: {decided.manifest_aside}"
        yield f"- kept on {decided.host}: {decided.data_aside}; remove it when all was well for some days"
    if decided.platform.machine:
        yield f"- machine deleted: {decided.platform.machine}"
    if decided.platform.successor:
        yield f"- machine made: {decided.platform.successor['metadata']['name']}"
    yield f"- {_standing(world)}"


def _standing(world: Context) -> str:
    quorum = judge(world.view()).quorum
    return f"{quorum.healthy} of {quorum.voters} voters are well, it can lose {quorum.tolerance}."
