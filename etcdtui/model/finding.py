"""A finding: one sentence for the engineer, its evidence, and the next safe step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from etcdtui.model.health import ClusterHealth
from etcdtui.model.view import ClusterView


class Severity(StrEnum):
    """From worst to best, in the order of declaration."""

    CRITICAL = "critical"
    WARNING = "warning"
    ADVICE = "advice"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence, what it rests on, and the next safe step. ``key`` stays the same while it lasts."""

    key: str
    severity: Severity
    sentence: str
    evidence: str = ""
    next_step: str = ""
    subject: str = ""


Rule = Callable[[ClusterView, ClusterHealth], Iterator[Finding]]
