"""The findings: sentences with their evidence and the next step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from textual import on

from etcdtui.model.findings import Finding, Severity
from etcdtui.text import clean
from etcdtui.ui.looks import Line, Paragraph, Role
from etcdtui.ui.messages import FindingChosen
from etcdtui.ui.parts.listing import Item, Listing
from etcdtui.ui.words import SEVERITY


class FindingsPane(Listing):
    """What to know now, the worst first."""

    def __init__(self) -> None:
        empty = "Asking. The first answers take a few seconds."
        super().__init__(id="findings", classes="pane", empty=empty, top_first=True)
        self.border_title = "4 Findings"

    def show(self, findings: Sequence[Finding]) -> None:
        self.set_items([item(finding) for finding in findings])
        if self.border_subtitle != (told := tally(findings)):
            self.border_subtitle = told

    @on(Listing.Chosen)
    def _chosen(self, event: Listing.Chosen) -> None:
        event.stop()
        self.post_message(FindingChosen(event.key))


def tally(findings: Sequence[Finding]) -> str:
    """How many of each kind, also where not all are in sight: ✗ 2  ▲ 1."""
    counts = Counter(finding.severity for finding in findings)
    return "  ".join(f"{SEVERITY[kind][0]} {counts[kind]}" for kind in Severity if counts[kind])


@lru_cache(maxsize=128)
def item(finding: Finding) -> Item:
    """The sentence behind its sign, evidence and next step set in below. Most stay for many pictures."""
    sign, role = SEVERITY[finding.severity]
    parts = [Paragraph(((f"{sign} ", role), (clean(finding.sentence), Role.PLAIN)), 2)]
    if finding.evidence:
        parts.append(Paragraph((("  ", Role.PLAIN), (clean(finding.evidence), Role.MUTED)), 2))
    if finding.next_step:
        parts.append(Paragraph((("  → ", Role.KEY), (clean(finding.next_step), Role.PLAIN)), 4))
    return Item(finding.key, tuple(parts))


def one_line(findings: Sequence[Finding]) -> Line:
    """The worst of them, where there is only one line."""
    if not findings:
        return ()
    sign, role = SEVERITY[findings[0].severity]
    more = sum(1 for f in findings[1:] if f.severity is findings[0].severity)
    tail = f"  (+{more} more, 4)" if more else ""
    return (f"{sign} ", role), (clean(findings[0].sentence, 200), Role.PLAIN), (tail, Role.MUTED)
