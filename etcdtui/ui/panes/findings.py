"""The findings: sentences with their evidence and the next step."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on

from etcdtui.model.findings import Finding
from etcdtui.text import clean
from etcdtui.ui.looks import Line, Role
from etcdtui.ui.messages import FindingChosen
from etcdtui.ui.parts.listing import Item, Listing
from etcdtui.ui.words import SEVERITY


class FindingsPane(Listing):
    """What to know now, the worst first."""

    def __init__(self) -> None:
        super().__init__(id="findings", classes="pane", empty="Nothing found yet.")
        self.border_title = "4 Findings"

    def show(self, findings: Sequence[Finding]) -> None:
        self.set_items([item(finding) for finding in findings])

    @on(Listing.Chosen)
    def _chosen(self, event: Listing.Chosen) -> None:
        event.stop()
        self.post_message(FindingChosen(event.key))


def item(finding: Finding) -> Item:
    """The sentence behind its sign, evidence and next step set in below."""
    sign, role = SEVERITY[finding.severity]
    lines: list[Line] = [((f"{sign} ", role), (clean(finding.sentence), Role.PLAIN))]
    if finding.evidence:
        lines.append((("  ", Role.PLAIN), (clean(finding.evidence), Role.MUTED)))
    if finding.next_step:
        lines.append((("  → ", Role.KEY), (clean(finding.next_step), Role.PLAIN)))
    return Item(finding.key, tuple(lines), indent=2)


def one_line(findings: Sequence[Finding]) -> Line:
    """The worst of them, where there is only one line."""
    if not findings:
        return ()
    sign, role = SEVERITY[findings[0].severity]
    more = sum(1 for f in findings[1:] if f.severity is findings[0].severity)
    tail = f"  (+{more} more, 4)" if more else ""
    return (f"{sign} ", role), (clean(findings[0].sentence, 200), Role.PLAIN), (tail, Role.MUTED)
