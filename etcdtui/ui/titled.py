"""Rows of a document: a title at the left, what there is to say at the right."""

from __future__ import annotations

from collections.abc import Iterable

from etcdtui.text import clean
from etcdtui.ui.looks import Paragraph, Role, fit

TITLES = 18  # cells of the left column


def titled(title: str, value: str, role: Role = Role.PLAIN) -> Paragraph:
    return Paragraph(((fit(title, TITLES), Role.MUTED), (value, role)), TITLES)


def titled_each(title: str, values: Iterable[str]) -> list[Paragraph]:
    """Foreign words, one below the other; a dash where there are none."""
    return [titled(title if n == 0 else "", clean(value)) for n, value in enumerate(values)] or [
        titled(title, "–")
    ]


def heading(title: str, note: str = "", role: Role = Role.MUTED) -> list[Paragraph]:
    return [Paragraph(()), Paragraph(((title, Role.STRONG), (f"  {note}" if note else "", role)))]
