"""For terminals that do not speak UTF-8: every sign on the way out becomes one of ASCII, cell for cell."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.cells import get_character_cell_size

if TYPE_CHECKING:
    from textual.driver import Driver

_SIGNS = {
    "●": "*", "○": "o", "✓": "v", "✗": "x", "▲": "!", "⏸": "=", "▸": ">", "×": "x", "◆": "+", "◌": ".",
    "·": "-", "–": "-", "—": "-", "…": "~", "↑": "^", "↓": "v", "→": ">", "≤": "<", "≥": ">", "µ": "u",
    "▁": "_", "▂": ".", "▃": "-", "▄": "=", "▅": "+", "▆": "*", "▇": "#", "█": "@", "‘": "'", "’": "'",
    "─": "-", "━": "-", "│": "|", "┃": "|", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "┌": "+", "┐": "+",
    "└": "+", "┘": "+", "┏": "+", "┓": "+", "┗": "+", "┛": "+", "├": "+", "┤": "+", "▔": "-", "▎": "|",
    "▊": "|", "▌": "|", "▐": "|", "▍": "|", "▏": "|", "▕": "|",
    "\u202f": " ", "\xa0": " ", "“": '"', "”": '"',
}  # fmt: skip


def to_ascii(text: str) -> str:
    """One ASCII character for every cell."""
    if text.isascii():
        return text
    return "".join(
        c if c.isascii() else _SIGNS.get(c) or "?" * max(0, get_character_cell_size(c)) for c in text
    )


def speaks_utf8(encoding: str | None) -> bool:
    return (encoding or "").lower().replace("-", "").replace("_", "") in {"utf8", "utf8mb4", "cp65001"}


def driver_for_terminal() -> type[Driver] | None:
    """A driver that speaks ASCII where the terminal speaks nothing better; None for the ordinary one."""
    files = (sys.__stdout__, sys.__stderr__)
    if sys.platform == "win32" or all(file is None or speaks_utf8(file.encoding) for file in files):
        return None
    from textual.drivers.linux_driver import LinuxDriver

    class AsciiDriver(LinuxDriver):
        def write(self, data: str) -> None:
            super().write(to_ascii(data))

    return AsciiDriver
