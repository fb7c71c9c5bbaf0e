"""Members marked for removal. A mark removes nothing; beside it stands, always anew, whether it may go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etcdtui.model.quorum import Verdict
from etcdtui.model.removal import mark_verdict
from etcdtui.model.view import ClusterView
from etcdtui.text import clean, listed
from etcdtui.ui.looks import Line, Paragraph, Role, wrap

if TYPE_CHECKING:
    from etcdtui.ui.picture import Picture
    from etcdtui.ui.screens.document import Document

SIGN = "x"  # before the name of a marked member
NAME = 60  # characters of a name
REASON = 1200  # characters of a verdict


@dataclass(frozen=True, slots=True)
class Mark:
    """A marked member and the verdict of this moment."""

    member_id: int
    name: str
    verdict: Verdict

    @property
    def word(self) -> str:
        """allowed, refused or waits."""
        if self.verdict.allowed:
            return "allowed"
        return "waits" if self.verdict.reason.startswith("Waits") else "refused"


class Marks:
    """Which members are marked, in the order in which they were."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def turn(self, member_id: int, name: str) -> None:
        """Mark it, or take its mark away."""
        if self._names.pop(member_id, None) is None:
            self._names[member_id] = clean(name, NAME)

    def let_go(self, view: ClusterView) -> Sequence[str]:
        """Forget those that are no longer in the member list; their names."""
        told = view.members.value
        if told is None:
            return ()
        there = {member.id for member in told.members}
        return [self._names.pop(member_id) for member_id in list(self._names) if member_id not in there]

    def judged(self, view: ClusterView, now: float) -> tuple[Mark, ...]:
        """Those marked, in the order in which they would go. ``now`` is epoch seconds."""
        turns = in_turn(view, list(self._names), now)
        goes = bool(turns) and mark_verdict(view, turns[0], turns[:1], now=now).allowed
        # Where nobody may go first, nobody waits for anybody: each is refused for its own reason.
        return tuple(
            Mark(one, self._names[one], mark_verdict(view, one, turns if goes else (one,), now=now))
            for one in turns
        )


def in_turn(view: ClusterView, marked: Collection[int], now: float) -> tuple[int, ...]:
    """The first that may go comes first; the others keep their order."""
    first = [one for one in marked if mark_verdict(view, one, (one,), now=now).allowed][:1]
    return (*first, *(one for one in marked if one not in first))


def waiting(marks: Sequence[Mark]) -> str:
    """Who waits for the first; empty where nobody does."""
    if len(marks) < 2:
        return ""
    names = [mark.name for mark in marks[1:]]
    verb = "waits" if len(names) == 1 else "wait"
    return f"One at a time: {listed(names)} {verb} until {marks[0].name} is whole again."


_LOOKS = {"allowed": ("●", Role.GOOD), "waits": ("⏸", Role.WARN), "refused": ("✗", Role.BAD)}


def foot(marks: Sequence[Mark], width: int, most: int) -> list[Line]:
    """The verdicts in at most so many lines: in full where they fit, else the first in full, else by their
    words alone. What decides is never cut; where the reasons are is said."""
    full = [line for mark in marks for line in _in_full(mark, width)]
    first = [*_in_full(marks[0], width), *_briefly(marks[1:], width)]
    for lines in (full, first, _briefly(marks, width)):
        if len(lines) <= most:
            return lines
    counts = ", ".join(f"{len(alike)} {word}" for word, alike in _by_word(marks).items())
    return wrap(((f"{SIGN} {counts}  :marks", Role.WARN),), width, 2)[:most]


def _in_full(mark: Mark, width: int) -> list[Line]:
    sign, role = _LOOKS[mark.word]
    parts = [(f"  {sign} ", role), (clean(mark.verdict.reason, REASON), Role.PLAIN)]
    if mark.verdict.allowed:
        parts += [("  ", Role.PLAIN), ("X", Role.KEY), (" opens the guide", Role.MUTED)]
    return wrap(tuple(parts), width, 4)


def _briefly(marks: Sequence[Mark], width: int) -> list[Line]:
    """Who is allowed, refused, waits."""
    out: list[Line] = []
    for word, alike in _by_word(marks).items():
        sign, role = _LOOKS[word]
        names = ", ".join(mark.name for mark in alike)
        more: Line = (("  :marks tells why", Role.MUTED),)
        out += wrap(((f"  {sign} {word}: ", role), (names, Role.PLAIN), *more), width, 4)
    return out


def _by_word(marks: Sequence[Mark]) -> dict[str, list[Mark]]:
    groups: dict[str, list[Mark]] = {}
    for mark in marks:
        groups.setdefault(mark.word, []).append(mark)
    return groups


def marks_document(picture: Picture) -> Document:
    """All verdicts in full."""
    from etcdtui.ui.screens.document import Document

    out: list[Paragraph] = []
    for mark in picture.marks:
        sign, role = _LOOKS[mark.word]
        head: Line = ((f"{sign} {mark.word}  ", role), (mark.name, Role.STRONG))
        out += [
            Paragraph(head),
            Paragraph((("  ", Role.PLAIN), (clean(mark.verdict.reason, 4000), Role.PLAIN)), 2),
        ]
        out.append(Paragraph(()))
    if not out:
        out = [
            Paragraph((("Nobody is marked. x on the row of a member marks it.", Role.PLAIN),)),
            Paragraph(()),
        ]
    out.append(Paragraph(((WHAT, Role.MUTED),)))
    return Document(
        (("Marked for removal", Role.STRONG), (f"  {len(picture.marks)}", Role.PLAIN)), tuple(out)
    )


WHAT = (
    "A mark removes nothing. X opens the guide for the first that may go: it shows every step, takes a "
    "backup, makes sure that it is the right one and that it is dead, and asks for its name before it "
    "removes it. The verdict is looked at anew then. The others wait until the cluster is whole again; but "
    "where nobody can be added beside a failed member, one guide takes all that failed out, one after the "
    "other, before the first comes back."
)
