"""Backups that no rule lets go of, named. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from etcdtui.model.places import HERE, Place
from etcdtui.model.retention import OTHER, Doomed
from etcdtui.text import counted, listed

MOST = 5  # of them that are named in one place, the newest first


def where(label: str) -> str:
    """A place as a sentence begins with it."""
    return "Here" if label == HERE.label else f"On {label}"


def strangers(ruled: Mapping[Place, Doomed]) -> str:
    """Which stay as those of another cluster, as a sentence for each place; "" where there are none.

    A restore gives a cluster another ID, so that those from before it are such for ever.
    """
    sentences = []
    for place, ruling in ruled.items():
        stamps = [r.backup.key.set.stamp for r in ruling.keep if OTHER in r.reasons]  # type: ignore[attr-defined]
        if stamps:
            rest = len(stamps) - MOST
            named = listed([*stamps[:MOST], *([f"{rest} older"] if rest > 0 else [])])
            stay = f"{counted(len(stamps), 'backup')} {'stays' if len(stamps) == 1 else 'stay'}"
            sentences.append(
                f"{where(place.label)} {stay} as of another cluster, or from before a restore: {named}."
            )
    if sentences:
        sentences.append("No rule lets go of such; what nobody needs of them is removed by hand.")
    return " ".join(sentences)
