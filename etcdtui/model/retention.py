"""Which backups may go: by count, by age, by generations; when in doubt, one stays. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Rule:
    """What to keep. A backup stays when any part wants it; None and 0 want nothing.

    ``count`` newest ones; all younger than ``days``; the newest of each of the last ``daily`` days,
    ``weekly`` weeks and ``monthly`` months that have one. A rule of nothing keeps everything.
    """

    count: int | None = None
    days: float | None = None
    daily: int = 0
    weekly: int = 0
    monthly: int = 0

    def __post_init__(self) -> None:
        for name in ("count", "days", "daily", "weekly", "monthly"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} of a retention rule cannot be less than 0")

    @property
    def empty(self) -> bool:
        return not (self.count or self.days or self.daily or self.weekly or self.monthly)


WORDS = {"last": "count", "days": "days", "daily": "daily", "weekly": "weekly", "monthly": "monthly"}
"""What people call the parts of a rule, and their names here."""


def rule_of_words(text: str) -> Rule:
    """``last=7,days=1.5,weekly=4``, or a number alone: so many newest ones. Raises ValueError."""
    if _NUMBER.fullmatch(text.strip()):
        text = f"last={text.strip()}"
    parts: dict[str, Any] = {}
    for part in text.split(","):
        word, equals, number = part.strip().partition("=")
        if not equals or not _NUMBER.fullmatch(number) or not math.isfinite(float(number)):
            raise ValueError(f"{part.strip()!r} is no part of a rule; write it as last=7,daily=7")
        if word not in WORDS:
            raise ValueError(f"{word!r} is no part of a rule; known are {', '.join(WORDS)}")
        if word != "days" and "." in number:
            raise ValueError(f"{word} must be a whole number, 0 or more")
        if WORDS[word] in parts:
            raise ValueError(f"{word} is said twice; say it once")
        parts[WORDS[word]] = float(number) if word == "days" else int(number)
    return Rule(**parts)


def in_words(rule: Rule) -> str:
    """As ``rule_of_words`` reads it, to the last digit; "" for a rule of nothing."""
    parts = {word: getattr(rule, part) for word, part in WORDS.items()}
    return ",".join(f"{word}={_written(number)}" for word, number in parts.items() if number)


def _written(number: float) -> str:
    """All of its digits, without an exponent: a day that is cut off here is one whose backups go."""
    return f"{Decimal(repr(number)):f}".removesuffix(".0")


# As float() and int() take them: neither any digit of Unicode nor any number of them.
_NUMBER = re.compile(r"[0-9]{1,400}(?:\.[0-9]{1,400})?")


OTHER: Final = "is of another cluster"


@dataclass(frozen=True, slots=True)
class Kept:
    """One backup in one place, as the rule sees it. ``key`` is whatever the caller knows it by.

    ``taken``: epoch seconds, None when its name and manifest do not tell. ``cluster``: the identity in its
    manifest, None when there is none. ``recognised``: its files are those of a backup and nothing else.
    ``busy``: it is being written or brought off now. ``dirty``: it was taken by force while others changed.
    """

    key: Hashable
    taken: float | None
    cluster: str | None
    proven: bool = False
    recognised: bool = True
    complete: bool = True
    busy: bool = False
    dirty: bool = False


@dataclass(frozen=True, slots=True)
class Ruling:
    """One backup and why it stays or goes; each reason ends a sentence that begins with its name."""

    backup: Kept
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Doomed:
    """What stays and what may go, each newest first; those of unknown age are last."""

    keep: tuple[Ruling, ...] = field(default=())
    delete: tuple[Ruling, ...] = field(default=())


def doomed(sets: Iterable[Kept], rule: Rule, now: float, cluster: str, zone: tzinfo = UTC) -> Doomed:
    """Judge all backups of one place. ``now`` in epoch seconds, days and weeks begin in ``zone``.

    Only complete backups of ``cluster`` count for the rule, and proven ones before others: what is not
    proven, or dirty, never uses up a place of one that is clean and proven. Always stay: the last proven
    backup, those of another or an unknown cluster, what is not recognised, what has no date or one in the
    future, what is being written. Half of a backup, and one not proven or dirty, goes only when a newer
    proven one stays and no days keep it.
    """
    everything = sorted(sets, key=lambda b: (b.taken is not None, b.taken or 0.0), reverse=True)
    reasons: dict[int, list[str]] = {i: _always(b, now, cluster) for i, b in enumerate(everything)}
    ours = [i for i, b in enumerate(everything) if not reasons[i]]
    proven = [i for i in ours if _counts(everything[i])]
    if proven:
        reasons[proven[0]].append("is the last proven backup")
    for index in ours:
        if rule.empty:
            reasons[index].append("stays because the rule names nothing to keep")
        elif not proven:
            reasons[index].append("stays because no clean backup here is proven")
        elif rule.days and now - _taken(everything[index]) < rule.days * 86400:
            reasons[index].append(f"is younger than {rule.days:g} days")
    # Where proven ones exist they alone fill the places.
    candidates = [(i, datetime.fromtimestamp(_taken(everything[i]), zone)) for i in proven]
    for index in proven[: rule.count or 0]:
        reasons[index].append(f"is one of the {rule.count} newest proven")
    for name, many, period in _PERIODS:
        _generations(candidates, getattr(rule, many), name, period, reasons)
    # What is newer than the last proven backup may be the next one to be proven.
    for index in ours:
        if proven and index < proven[0]:
            reasons[index].append("is newer than the last proven backup")
    keep = tuple(Ruling(b, tuple(reasons[i])) for i, b in enumerate(everything) if reasons[i])
    gone = tuple(Ruling(b, (_why(b, rule),)) for i, b in enumerate(everything) if not reasons[i])
    return Doomed(keep, gone)


def _counts(backup: Kept) -> bool:
    """One to rely on: only such fill the places of a rule."""
    return backup.proven and backup.complete and not backup.dirty


def _always(backup: Kept, now: float, cluster: str) -> list[str]:
    """Why it stays whatever the rule says."""
    found = []
    if not backup.recognised:
        found.append("holds something that is not known as part of a backup")
    if backup.busy:
        found.append("is being written")
    if backup.cluster is None:
        found.append("does not tell which cluster it is of")
    elif backup.cluster != cluster or not cluster:
        found.append(OTHER)
    if backup.taken is None:
        found.append("does not tell when it was taken")
    elif backup.taken > now:
        found.append("was taken in the future, by the clock of this machine")
    return found


def _generations(
    candidates: list[tuple[int, datetime]],
    many: int,
    name: str,
    period: Callable[[datetime], Hashable],
    reasons: dict[int, list[str]],
) -> None:
    """The newest of each of the last ``many`` periods that have one."""
    seen: set[Hashable] = set()
    for index, when in candidates:
        if len(seen) >= many:
            return
        if period(when) not in seen:
            seen.add(period(when))
            reasons[index].append(f"is the newest of its {name}")


def _monday(when: datetime) -> date:
    return when.date() - timedelta(days=when.weekday())


_PERIODS: tuple[tuple[str, str, Callable[[datetime], Hashable]], ...] = (
    ("day", "daily", datetime.date),
    ("week", "weekly", _monday),
    ("month", "monthly", lambda when: (when.year, when.month)),
)


def _taken(backup: Kept) -> float:
    assert backup.taken is not None
    return backup.taken


def _why(backup: Kept, rule: Rule) -> str:
    if not backup.complete:
        return "is only half a backup, and newer proven ones stay"
    if not backup.proven:
        return "is not proven, and newer proven ones stay"
    if backup.dirty:
        return "is possibly dirty, and newer clean ones stay"
    wanted = [
        f"the {rule.count} newest" if rule.count else "",
        f"those of {rule.days:g} days" if rule.days else "",
        *(f"the {n} {name}" for name in ("daily", "weekly", "monthly") if (n := getattr(rule, name))),
    ]
    return f"is none of {' or '.join(w for w in wanted if w)}"
