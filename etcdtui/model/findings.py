"""What an engineer should know now: every rule asked, the worst answer first."""

from __future__ import annotations

from etcdtui.model.finding import Finding, Rule, Severity
from etcdtui.model.health import ClusterHealth
from etcdtui.model.rules import backups, members, performance, places, platform
from etcdtui.model.view import ClusterView

__all__ = ["Finding", "Severity", "find"]

RULES: tuple[Rule, ...] = (*members.RULES, *performance.RULES, *platform.RULES, *backups.RULES, *places.RULES)
_ORDER = {severity: place for place, severity in enumerate(Severity)}


def find(view: ClusterView, health: ClusterHealth) -> tuple[Finding, ...]:
    """All findings, the worst first, in a stable order."""
    found = [finding for rule in RULES for finding in rule(view, health)]
    return tuple(sorted(found, key=lambda f: (_ORDER[f.severity], f.key)))
