"""Which panes are on the screen, and how high: arithmetic, no widgets."""

from __future__ import annotations

from dataclasses import dataclass

MEMBERS, LATENCY, BACKUPS, FINDINGS = 1, 2, 3, 4
SQUARE = 110  # columns from which the panes stand two by two
TALL = 36  # lines from which all four stand one below the other
LEAST = 5  # lines below which a pane says nothing


@dataclass(frozen=True, slots=True)
class Arrangement:
    """``heights`` in lines for the panes that need no more; the others share what is left."""

    square: bool
    shown: tuple[int, ...]
    heights: tuple[tuple[int, int], ...] = ()

    def height(self, pane: int) -> int | None:
        return dict(self.heights).get(pane)


def pane_width(width: int) -> int:
    """How wide the latency pane becomes."""
    return width - width * 58 // 100 if width >= SQUARE else width


def members_width(width: int) -> int:
    """How wide the pane of the members becomes."""
    return width * 58 // 100 if width >= SQUARE else width


def arrange(
    width: int, height: int, *, members: int, latency: int, selected: int, grown: int = 0
) -> Arrangement:
    """``members`` (with the verdicts on marks) and ``latency`` are the lines of their content; ``height`` is
    what all panes share.

    The members are always there, unless the user maximised another pane.
    """
    if grown:
        return Arrangement(False, (grown,))
    members, latency = max(members, 1) + 3, max(latency, 1) + 2  # frame and header
    if width >= SQUARE:
        top = max(min(max(members, latency), max(height * 6 // 10, LEAST)), LEAST)
        return Arrangement(True, (1, 2, 3, 4), ((MEMBERS, top),))
    members = min(members, max(height - LEAST, LEAST))
    rest = height - members
    if height >= TALL and rest - latency >= 2 * LEAST:
        return Arrangement(False, (1, 2, 3, 4), ((MEMBERS, members), (LATENCY, latency)))
    below = selected if selected in (LATENCY, BACKUPS, FINDINGS) else FINDINGS
    if rest - latency >= LEAST:
        below = FINDINGS if below == LATENCY else below
        return Arrangement(False, (MEMBERS, LATENCY, below), ((MEMBERS, members), (LATENCY, latency)))
    return Arrangement(False, (MEMBERS, below), ((MEMBERS, members),))
