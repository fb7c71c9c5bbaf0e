"""A drill on the terminal: the list, the briefing, the debrief, as lines. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from etcdtui.drill.debrief import Debrief
from etcdtui.drill.drills import HANDS, Drill

WIDTH = 78


def listing(drills: Iterable[Drill]) -> Iterator[str]:
    """Every drill in a line."""
    known = tuple(drills)
    width = max(len(drill.name) for drill in known)
    for drill in known:
        yield f"  {drill.name:<{width}}  {drill.title}"
    yield ""
    yield "etcdtui demo --drill NAME begins one."


def briefing(drill: Drill, directory: Path) -> Iterator[str]:
    """What is told at 3 a.m."""
    yield ""
    yield f"DRILL {drill.name}"
    yield from paragraph(drill.story)
    yield ""
    yield from paragraph(f"Goal: {drill.goal}")
    yield from paragraph("When you are done, or stuck, leave etcdtui with q: it is then told how it went.")
    yield ""
    yield "People on the machines do what you ask for: in a second terminal, or after q."
    yield from hands()
    yield f"  in a second terminal: etcdtui lab do {directory} ACTION NODE"


def hands() -> Iterator[str]:
    """What people on the machines can do."""
    for action, what in HANDS.items():
        yield f"  {action:<13} {what}"


def unreached(lacks: Iterable[str]) -> Iterator[str]:
    """What is said when etcdtui was left before the goal."""
    yield ""
    yield from paragraph(f"The goal is not reached yet: {'; '.join(lacks)}.")
    yield "  enter          back to etcdtui"
    yield "  ACTION NODE    have somebody on the machines do it (? lists what they can)"
    yield "  end            end the drill, and be told how it went"


def told(seen: Debrief) -> Iterator[str]:
    """How it went."""
    yield ""
    yield "HOW IT WENT"
    yield from paragraph(f"{'✓' if seen.reached else '✗'} {seen.outcome}", "  ")
    for sentence in seen.causes:
        yield from paragraph(f"· {sentence}", "  ")
    for danger, why in seen.walked_into.items():
        yield from paragraph(f"✗ Walked into: {danger.value}: {why}.", "  ")
    for danger, why in seen.avoided.items():
        yield from paragraph(f"✓ Avoided: {danger.value}: {why}.", "  ")
    if seen.needless:
        yield from paragraph("Steps that brought nothing:")
        for sentence in seen.needless:
            yield from paragraph(f"· {sentence}", "  ")
    else:
        yield "No needless step."
    yield from paragraph(f"What it was: {seen.cure}")


def paragraph(words: str, hang: str = "") -> list[str]:
    """A sentence or some, broken between words."""
    return textwrap.wrap(words, WIDTH, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False)
