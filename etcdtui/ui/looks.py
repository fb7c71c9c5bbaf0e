"""Lines of coloured text as plain data: comparable, testable, and never read as markup.

A span is a text and a role; what a role looks like is the theme's business (``Palette``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, cast

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.color import Color, ColorParseError
from textual.strip import Strip

if TYPE_CHECKING:
    from textual.widget import Widget


class Role(StrEnum):
    """What a piece of text is, not how it looks."""

    PLAIN = "plain"
    MUTED = "muted"
    STRONG = "strong"
    GOOD = "good"
    ADVICE = "advice"
    WARN = "warn"
    BAD = "bad"
    KEY = "key"
    BADGE = "badge"  # the cluster's name, in its colour
    NOTICE = "notice"  # READ-ONLY, PAUSED


Span = tuple[str, Role]
Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A line before it is wrapped; its further lines are set in by ``indent``."""

    line: Line
    indent: int = 0


_VARIABLES = {
    Role.GOOD: "text-success",
    Role.ADVICE: "text-primary",
    Role.WARN: "text-warning",
    Role.BAD: "text-error",
    Role.KEY: "text-accent",
}
_BADGES = {
    "red": "#c0392b",
    "orange": "#d9822b",
    "yellow": "#e3c23c",
    "green": "#3f9b53",
    "blue": "#3f7fc0",
    "purple": "#8e5cc2",
    "grey": "#7d8794",
}
_BOLD = frozenset({Role.STRONG, Role.BAD, Role.KEY})


@dataclass(frozen=True, slots=True)
class Palette:
    """What each role looks like under the present theme."""

    styles: Mapping[Role, Style]
    cursor: Style
    cursor_away: Style  # the cursor of a list that has no focus

    def __getitem__(self, role: Role) -> Style:
        return self.styles[role]


def palette(variables: Mapping[str, str], *, badge: str = "", colour: bool = True) -> Palette:
    """Styles from a theme's CSS variables. Without colour the cursor is shown by reversing."""
    styles = {role: Style(bold=role in _BOLD or None) for role in Role}
    for role, name in _VARIABLES.items():
        styles[role] += _foreground(variables.get(name, ""))
    front, back = _colour(variables.get("foreground", "")), _colour(variables.get("background", ""))
    if not colour or front is None or back is None or front.ansi is not None or back.ansi is not None:
        styles[Role.MUTED] = Style(dim=True) if colour else Style()
        styles[Role.BADGE] = styles[Role.NOTICE] = Style(reverse=True, bold=True)
        return Palette(styles, Style(reverse=True), Style(bold=True))
    styles[Role.MUTED] = Style(color=front.blend(back, 0.42).rich_color)
    accent = _colour(variables.get("primary", "")) or front
    styles[Role.BADGE] = _on(_colour(_BADGES.get(badge, "")) or front.blend(back, 0.7))
    styles[Role.NOTICE] = _on(_colour(variables.get("warning", "")) or front)
    return Palette(
        styles,
        Style(bgcolor=back.blend(accent, 0.38).rich_color),
        Style(bgcolor=back.blend(accent, 0.14).rich_color),
    )


def _colour(value: str) -> Color | None:
    try:
        return Color.parse(value)
    except ColorParseError:
        return None


def _foreground(value: str) -> Style:
    colour = _colour(value)
    return Style(color=colour.rich_color) if colour is not None else Style()


def _on(back: Color) -> Style:
    return Style(bold=True, color=back.get_contrast_text(1.0).rich_color, bgcolor=back.rich_color)


class HasPalette(Protocol):
    palette: Palette


def palette_of(widget: Widget) -> Palette:
    """The palette of the app a widget belongs to."""
    return cast(HasPalette, widget.app).palette


def plain(text: str) -> Line:
    return ((text, Role.PLAIN),)


def muted(text: str) -> Line:
    return ((text, Role.MUTED),)


def as_text(line: Line) -> str:
    return "".join(text for text, _ in line)


def width_of(line: Line) -> int:
    return sum(cell_len(text) for text, _ in line)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Exactly ``width`` cells: filled with spaces, or cut with an ellipsis."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…" if width > 0 else ""
    return " " * (width - length) + text if right else text + " " * (width - length)


def spread(left: Line, right: Line, width: int, *, gap: int = 2) -> list[Line]:
    """Left and right on one line, or on two where they do not fit side by side."""
    free = width - width_of(left) - width_of(right)
    if free >= gap:
        return [(*left, (" " * free, Role.PLAIN), *right)]
    return [left, right]


def to_strip(line: Line, width: int, styles: Palette, base: Style) -> Strip:
    """A line of exactly ``width`` cells."""
    segments = [Segment(text, base + styles[role]) for text, role in line]
    return Strip(segments).adjust_cell_length(width, base)


def wrap(line: Line, width: int, indent: int = 0) -> list[Line]:
    """Break at spaces to at most ``width`` cells, further lines set in by ``indent``."""
    if width_of(line) <= width:
        return [line]
    width = max(width, indent + 4)
    out: list[Line] = []
    row: list[tuple[str, Role]] = []
    used = 0
    for word, role in _words(line):
        for piece in _pieces(word, width - indent):
            length = cell_len(piece)
            if used + length > width and piece.strip():
                out.append(_joined(row))
                row, used = ([(" " * indent, Role.PLAIN)] if indent else []), indent
            elif used + length > width:
                continue  # a space at the end of a line
            row.append((piece, role))
            used += length
    out.append(_joined(row))
    return out


def first_of(lines: Sequence[Line], most: int, width: int) -> list[Line]:
    """The first lines; where there are more, the last of them ends with an ellipsis."""
    if len(lines) <= most:
        return list(lines)
    kept: list[Span] = []
    room = max(0, width - 2)
    for text, role in lines[most - 1]:
        kept.append((text if cell_len(text) <= room else set_cell_size(text, room), role))
        room = max(0, room - cell_len(text))
    return [*lines[: most - 1], (*kept, (" …", Role.MUTED))]


def _words(line: Line) -> Iterable[Span]:
    for text, role in line:
        start = 0
        for place in range(1, len(text) + 1):
            if place == len(text) or (text[place] == " ") != (text[start] == " "):
                yield text[start:place], role
                start = place


def _pieces(word: str, width: int) -> Iterable[str]:
    """A word that is longer than a line, cut into lines."""
    while cell_len(word) > width:
        taken = set_cell_size(word, width).rstrip(" ") or word[:1]
        yield taken
        word = word[len(taken) :]
    if word:
        yield word


def _joined(row: list[Span]) -> Line:
    """Neighbours of one role in one span, no spaces at the end."""
    out: list[Span] = []
    for text, role in row:
        if out and out[-1][1] is role:
            out[-1] = (out[-1][0] + text, role)
        else:
            out.append((text, role))
    if out:
        out[-1] = (out[-1][0].rstrip(" "), out[-1][1])
    return tuple(out)
