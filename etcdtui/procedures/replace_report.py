"""What a replacement did, for who has to tell others: lines of Markdown, and the sentence that counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from etcdtui.model.health import judge
from etcdtui.model.quorum import Verdict
from etcdtui.procedures.procedure import Action, Context, Reporter, Step
from etcdtui.procedures.replace_decided import Case, Decided
from etcdtui.procedures.replace_return import newcomers
from etcdtui.text import listed

LOOK = 20.0  # seconds for every source to say how things are in the end


def report_step(all_of_them: Sequence[Decided]) -> Step:
    """The end: old and new members, what was kept where, what to do next."""

    def work(world: Context, report: Reporter) -> Verdict:
        world.look_again(LOOK)  # gone on with just after a start, nothing would be known yet
        for line in _lines(all_of_them, world):
            report.say(line)
        old = [f"{decided.name} ({decided.target.hex_id})" for decided in all_of_them]
        new = [row.member for row in newcomers(all_of_them[0], world.view())]
        came = [f"{member.label} ({member.hex_id})" for member in new]
        verb = "is" if len(old) == 1 else "are"
        return Verdict(
            True,
            f"{listed(old)} {verb} replaced by {listed(came) or 'nobody yet'}. {_standing(world)} Take a new "
            f"backup now: older ones know the old {'member' if len(old) == 1 else 'members'}.",
        )

    return Step(
        key="report",
        title="Tell what was done",
        why="The whole of it, with every command and answer, stands in the journal.",
        action=Action.WORK,
        work=work,
        skippable=False,
    )


def _lines(all_of_them: Sequence[Decided], world: Context) -> Iterator[str]:
    for decided in all_of_them:
        target = decided.target
        yield f"# {decided.name} was replaced: {decided.case.value}"
        yield f"- removed: {decided.name}, ID {target.hex_id}, {listed(target.peer_urls)}"
        if decided.case is Case.CRASHING:
            yield f"- kept on {decided.host}: {decided.manifest_aside}"
            yield f"- kept on {decided.host}: {decided.data_aside}; remove it when all was well for some days"
        if decided.platform.machine:
            yield f"- machine deleted: {decided.platform.machine}"
        if decided.platform.successor:
            yield f"- machine made: {decided.platform.successor['metadata']['name']}"
    for row in newcomers(all_of_them[0], world.view()):
        yield f"- new: {row.member.label}, ID {row.member.hex_id}, {listed(row.member.peer_urls)}"
    yield f"- {_standing(world)}"


def _standing(world: Context) -> str:
    quorum = judge(world.view()).quorum
    return f"{quorum.healthy} of {quorum.voters} voters are well, it can lose {quorum.tolerance}."
