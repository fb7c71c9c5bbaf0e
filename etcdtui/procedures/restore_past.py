"""Who still watches the past? By the revisions, and by asking the API as one who watched before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from etcdtui.errors import EtcdTuiError
from etcdtui.model.quorum import Verdict
from etcdtui.model.raised import in_revisions
from etcdtui.platforms import watches
from etcdtui.platforms.watches import Answer
from etcdtui.procedures.procedure import Action, Context, Reporter, Step, Work
from etcdtui.procedures.restore_decided import Decided, Standstill
from etcdtui.procedures.restore_etcd import revision_in, seen_before
from etcdtui.text import grouped

LEAP = 200  # revisions: more than what the restored etcd itself can have written before it is looked at
LISTEN = 3  # seconds for the API to say something
KEY: Final = "past"

RELIST = "who watches gets a relist by itself, or has missed nothing"
_TRIED = re.compile(rf"A watch from (?:revision [\d\u202f]+|before) ({'|'.join(map(re.escape, Answer))})")


@dataclass(frozen=True, slots=True)
class Past:
    """``began``: the revision right after the restore, before anything was rolled out; ``highest``: that of
    before. 0: not known. ``behind``: who watches the API may keep what no longer exists. ``tried``: what came
    of a watch from then, a sentence without a dot."""

    began: int
    highest: int
    behind: bool
    raised: bool = False
    answer: Answer | None = None
    tried: str = ""

    @property
    def sentence(self) -> str:
        began = f"revision {grouped(self.began)}" if self.began else "a revision that is not known"
        return f"etcd began again at {began}, and {grouped(self.highest)} was seen before the restore"

    @property
    def because(self) -> str:
        """Why who watches the API may be left behind, or why nobody is."""
        if not self.behind:
            if self.raised and self.answer is Answer.GONE:
                return f"{self.tried}: whoever watched lists anew"
            return RELIST + (f"; {self.tried}" if self.answer is Answer.UNTRIED else "")
        if self.raised:
            return f"it was raised above that, but {self.tried}: nobody is told to list anew"
        if self.began > self.highest:
            why = "what was written since may have numbers that other writes had before"
        else:
            why = "it was not raised above that"
        if self.answer is Answer.GONE:
            return f"{why}; {self.tried} by now, which tells nothing of those who came back before"
        return f"{why}; {self.tried}" if self.tried else why


def past_of(decided: Standstill, world: Context) -> Past:
    """By what the steps found when they ran: rollouts write past every revision of before in time."""
    began, kept = (revision_in(world.found(key)) for key in ("etcd", "safe"))
    highest = seen_before(decided, world)
    if isinstance(decided, Decided):
        given, whole = decided.backup.revision, False
    else:  # the data of a survivor: nobody saw more, where it is the newest
        given = kept or decided.seen
        whole = 0 < highest <= given and not decided.accept
    raised = began > highest and began - given >= LEAP
    found = world.found(KEY)
    match = _TRIED.match(found)
    answer = Answer(match[1]) if match else None
    tried = f"a{found[1:].rstrip('.')}" if match else ""
    told = raised and not (answer is not None and answer.untold)
    return Past(began, highest, not (told or whole), raised, answer, tried)


def lost_by_now(decided: Decided, world: Context) -> str:
    """What is lost, as the plan told it; where more was written until etcd was stopped, with that."""
    last = seen_before(decided, world)
    if last <= decided.seen:
        return decided.lost
    count = in_revisions(last - decided.backup.revision)
    return f"Lost is everything written since {decided.backup.when}: {count}."


def watch_step(decided: Standstill) -> tuple[Step, ...]:
    """The API is asked as one who watched before; a record of an earlier version does without."""
    if not decided.watches:
        return ()
    step = Step(
        key=KEY,
        title="Watch as one who watched before the restore",
        why=f"The API is asked for changes of {watches.PATH} since the highest revision that was seen "
        "before. 410 Gone tells whoever watched to list anew; silence tells nobody anything. Nothing is "
        "changed.",
        action=Action.WORK,
        work=_listen(decided),
        cancel="Listening ends; nothing is changed by it.",
    )
    return (step,)


def _listen(decided: Standstill) -> Work:
    def work(world: Context, report: Reporter) -> Verdict:
        highest = past_of(decided, world).highest
        if not highest:
            return Verdict(True, f"A watch from before {Answer.UNTRIED}: no revision of before is known.")
        begin = f"A watch from revision {grouped(highest)}"
        try:
            events = world.objects().watch(watches.PATH, highest, LISTEN)
            found, words = watches.answer(events)
        except EtcdTuiError as exc:
            return Verdict(True, f"{begin} {Answer.UNTRIED}: {exc.message}")
        more = f" for {LISTEN} s" if found is Answer.SILENT else f" ({words})" if words else ""
        return Verdict(True, f"{begin} {found}{more}.")

    return work
