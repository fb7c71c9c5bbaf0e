"""Words and numbers for people, and the cleaning of text that comes from elsewhere."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

LIMIT = 400  # characters of foreign text in one place
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def clean(foreign: str, limit: int = LIMIT) -> str:
    """Foreign text made harmless for one line of a terminal; what it says stays readable.

    Control characters show as ``\\x1b``, line ends and tabs become spaces, direction overrides go,
    and what is longer than ``limit`` characters is cut with an ellipsis.
    """
    cut = foreign[: limit + 1]
    shown = "".join(_shown(character) for character in cut)
    return shown if len(foreign) <= limit else shown[: max(0, limit - 1)] + "…"


def clean_lines(foreign: str, limit: int = 2000) -> list[str]:
    """Foreign text of several lines, each made harmless; a carriage return ends a line too."""
    return [clean(line, limit) for line in foreign.replace("\r\n", "\n").replace("\r", "\n").split("\n")]


def _shown(character: str) -> str:
    if character in "\n\r\t\v\f":
        return " "
    if character in _BIDI:
        return ""
    category = unicodedata.category(character)
    if category == "Cc":
        return f"\\x{ord(character):02x}"
    if category in {"Cs", "Co", "Cn", "Zl", "Zp"}:
        return "\ufffd"
    return character


def size(count: float | None) -> str:
    """Bytes, short: 92M, 1.2G; binary steps as etcd's quota counts them."""
    if count is None:
        return "–"
    value = float(count)
    for unit in ("B", "K", "M", "G", "T"):
        if value < 999.5 or unit == "T":
            return f"{value:.0f}{unit}" if unit == "B" or value >= 9.95 else f"{value:.1f}{unit}"
        value /= 1024
    raise AssertionError("unreachable")


def milliseconds(seconds: float | None) -> str:
    """A latency in ms without unit: 2.1, 38, 812; a dash for none."""
    if seconds is None:
        return "–"
    value = seconds * 1000
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def age(seconds: float | None) -> str:
    """How long ago, in the two units that matter: 3 s, 14 min, 1 h 12 m, 3 d 4 h."""
    if seconds is None:
        return "never"
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} m" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"


def grouped(number: int | None) -> str:
    """A long number in groups of three: 18 442 107."""
    return "–" if number is None else f"{number:,}".replace(",", "\u202f")


def reason(exc: BaseException, otherwise: str = "") -> str:
    """What a machine or a library said with an error, for the middle of a sentence: in one line, without the
    number and the path of the system's errors. ``otherwise``, or its kind, where it said nothing."""
    told = getattr(exc, "strerror", None) or str(exc)
    return clean(told, 300).strip().rstrip(".") or otherwise or type(exc).__name__


def counted(number: int, one: str, many: str | None = None) -> str:
    """1 voter, 2 voters."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
