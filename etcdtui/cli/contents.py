"""What lives in a snapshot, as lines and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from etcdtui.text import clean

if TYPE_CHECKING:
    from etcdtui.model.contents import Summary, Tally


def lines(summary: Summary) -> Iterator[str]:
    """As in the details of a backup on the screen; numbers come first, so that no name is cut."""
    from etcdtui.model.contents import NUMBERS, shortened

    for title, words in summary.sentences:
        yield f"{title}: {words}"
    for title, tallies in summary.lists:
        yield f"{NUMBERS}  {title}"
        shown, more = shortened(tallies)
        for tally in (*shown, *([more] if more else ())):
            yield f"{tally.numbers}  {clean(tally.name) or '–'}"


def as_json(summary: Summary) -> dict[str, Any]:
    """All of it, each list with the largest first; sizes in bytes."""
    return {
        "keys": summary.keys,
        "size": summary.size,
        "tombstones": summary.tombstones,
        "newest": {"key": summary.newest_key, "revision": summary.newest_revision} if summary.keys else None,
        "kinds": _tallies(summary.kinds),
        "namespaces": _tallies(summary.namespaces),
        "prefixes": _tallies(summary.prefixes),
    }


def _tallies(tallies: Sequence[Tally]) -> list[dict[str, Any]]:
    return [{"name": tally.name, "keys": tally.keys, "size": tally.size} for tally in tallies]
