"""Do all members hold the same keys? Asked in the background, explained member by member."""

from __future__ import annotations

from collections.abc import Callable

from etcdtui.model.hashes import Comparison, HashAnswer, Sameness
from etcdtui.text import age, clean, grouped
from etcdtui.ui.looks import Line, Paragraph, Role, muted
from etcdtui.ui.screens.asked import AskedScreen, trouble, waiting
from etcdtui.ui.titled import heading

EXPLANATION = (
    "Every member makes a hash (HashKV) over all keys, their values and their revisions, up to the lowest "
    "revision that all of them have reached. Hashes may be compared only where the members were compacted at "
    "the same revision: what is compacted away is not in them. Different hashes mean that the members hold "
    "different data: one of them is damaged, and whom one asks decides what one reads.",
    "The command reads all keys on each member: on a big database it takes seconds, and disk.",
)
LOOKS = {
    Sameness.IDENTICAL: ("●", Role.GOOD),
    Sameness.DIFFERENT: ("✗", Role.BAD),
    Sameness.UNKNOWN: ("○", Role.WARN),
}


class HashesScreen(AskedScreen[Comparison]):
    """Asks all voters."""

    def __init__(self, compare: Callable[[], Comparison], clock: Callable[[], float]) -> None:
        super().__init__(compare, clock, "hashes")

    def title_line(self) -> Line:
        if self.ended is None:
            state = f"asking all voters for {age(self.clock() - self.began)}"
        else:
            since = self.clock() - self.ended
            state = "as of now" if since < 1 else f"as of {age(since)} ago"
        return ("Hashes of the keys", Role.STRONG), (f" · {state}", Role.PLAIN)

    def paragraphs(self) -> list[Paragraph]:
        if self.found is not None:
            out = compared(self.found)
        elif self.error is not None:
            out = trouble(self.error)
        else:
            out = [waiting("the members")]
        for sentence in EXPLANATION:
            out += [Paragraph(()), Paragraph(muted(sentence))]
        return out


def compared(found: Comparison) -> list[Paragraph]:
    """The verdict, then what each member said."""
    sign, role = LOOKS[found.sameness]
    verdict: Line = ((f"{sign} {found.sameness.value}  ", role), (clean(found.sentence, 4000), Role.PLAIN))
    rows = [_row(answer) for answer in found.answers]
    return [Paragraph(verdict, 2), *heading(f"At revision {grouped(found.revision)}"), *rows]


def _row(answer: HashAnswer) -> Paragraph:
    name: Line = ((clean(answer.name, 200), Role.STRONG),)
    if answer.hash is None:
        why = f"  could not be asked: {clean(answer.trouble) or 'no answer'}"
        return Paragraph((("✗         ", Role.WARN), *name, (why, Role.WARN)), 10)
    at = "never compacted" if answer.compacted < 0 else f"compacted at {grouped(answer.compacted)}"
    return Paragraph(((f"{answer.hash:08x}  ", Role.KEY), *name, (f"  {at}", Role.PLAIN)), 10)
