"""The guard of etcd's operator: without a spare member it rolls nothing out. Pure.

``unsupportedConfigOverrides`` of the operator's resource takes it off, by one long word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GUARD = "useUnsupportedUnsafeNonHANonProductionUnstableEtcd"


def off() -> dict[str, Any]:
    """The merge patch that takes the operator's guard off. Other overrides stay."""
    return {"spec": {"unsupportedConfigOverrides": {GUARD: True}}}


def on(overrides: Any) -> dict[str, Any]:
    """The merge patch that puts it on again; ``overrides`` is what was there before."""
    others = isinstance(overrides, dict) and set(overrides) - {GUARD}
    return {"spec": {"unsupportedConfigOverrides": {GUARD: None} if others else None}}


def is_off(etcd: Mapping[str, Any]) -> bool:
    """By the operator's resource."""
    spec = etcd.get("spec")
    overrides = spec.get("unsupportedConfigOverrides") if isinstance(spec, dict) else None
    # The operator takes the word for the value, too.
    return isinstance(overrides, dict) and overrides.get(GUARD) in (True, "true")
