"""Two snapshots, or one and a running cluster, compared by their keys, without holding all of them.

A revision is the same write in both, as long as both are of one history. Both lists come in the order of
revisions; walked side by side, what is in only one of them was changed, added or removed, and only that is
held. For two snapshots without a common history that is everything: bounded by ``MOST``.

A running cluster lists its keys by name, and tells of a revision only its main part. There, one number of
eight bytes is held for each key of the snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from etcdtui.errors import Refusal
from etcdtui.etcd.contents import Contents, Entry
from etcdtui.etcd.listing import LiveKey
from etcdtui.model.contents import Change, Comparison
from etcdtui.text import grouped

MOST: Final = 500_000  # differing keys that are held at once


def compare(
    before: Path, after: Path, *, cancelled: Callable[[], bool] | None = None, most: int = MOST
) -> Comparison:
    """What was added, changed and removed from ``before`` to ``after``.

    Raises ``Refusal`` when more keys differ than can be told, ``Damaged`` and ``Unreadable``.
    """
    with Contents(before, cancelled=cancelled) as old, Contents(after, cancelled=cancelled) as new:
        return compare_entries(old.live(), new.live(), most)


def compare_entries(before: Iterable[Entry], after: Iterable[Entry], most: int = MOST) -> Comparison:
    """The same for what ``Contents.live`` yields."""
    gone: dict[bytes, tuple[int, int]] = {}
    came: dict[bytes, tuple[int, int]] = {}
    unchanged = 0
    for old, new in _side_by_side(iter(before), iter(after)):
        if old is not None and new is not None and old.key == new.key:
            unchanged += 1
            continue
        if old is not None:
            gone[old.key] = old.revision
        if new is not None:
            came[new.key] = new.revision
        _bounded(gone, came, most)
    return _comparison(gone, came, unchanged)


def compare_live(before: Contents, now: Iterable[LiveKey], most: int = MOST) -> Comparison:
    """What changed since the snapshot, until ``now``. Raises as ``compare``, and what ``now`` raises."""
    # Python's 64-bit hash: two of a million share one with a probability of 3e-8.
    stored = {hash((entry.key, entry.revision[0])) for entry in before.live()}
    gone: dict[bytes, tuple[int, int]] = {}
    came: dict[bytes, tuple[int, int]] = {}
    unchanged = 0
    for found in now:
        mark = hash((found.key, found.revision))
        if mark in stored:
            stored.remove(mark)
            unchanged += 1
        else:
            came[found.key] = (found.revision, 0)
            _bounded(gone, came, most)
    for entry in before.live() if stored else ():
        if hash((entry.key, entry.revision[0])) in stored:
            gone[entry.key] = entry.revision
            _bounded(gone, came, most)
    return _comparison(gone, came, unchanged)


def _bounded(gone: dict[bytes, tuple[int, int]], came: dict[bytes, tuple[int, int]], most: int) -> None:
    if len(gone) + len(came) > most:
        raise Refusal(
            f"More than {grouped(most)} keys differ: these are hardly of one cluster.",
            "Compare their contents by kind and namespace instead.",
        )


def _comparison(
    gone: dict[bytes, tuple[int, int]], came: dict[bytes, tuple[int, int]], unchanged: int
) -> Comparison:
    both = gone.keys() & came.keys()
    return Comparison(
        added=_changes(came.keys() - both, gone, came),
        changed=_changes(both, gone, came),
        removed=_changes(gone.keys() - both, gone, came),
        unchanged=unchanged,
    )


def _changes(
    keys: Iterable[bytes], gone: dict[bytes, tuple[int, int]], came: dict[bytes, tuple[int, int]]
) -> tuple[Change, ...]:
    return tuple(
        Change(key.decode("utf-8", "backslashreplace"), gone.get(key), came.get(key)) for key in sorted(keys)
    )


def _side_by_side(
    before: Iterator[Entry], after: Iterator[Entry]
) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Entries of one revision as a pair, others alone."""
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old.revision < new.revision):
            yield old, None
            old = next(before, None)
        elif old is None or new.revision < old.revision:
            yield None, new
            new = next(after, None)
        else:
            yield old, new
            old, new = next(before, None), next(after, None)
