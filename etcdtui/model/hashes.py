"""Do all members hold the same keys? Their hashes at one revision, compared and explained. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from etcdtui.text import counted, grouped, listed


class Sameness(StrEnum):
    IDENTICAL = "identical"
    DIFFERENT = "different"
    UNKNOWN = "could not compare"


@dataclass(frozen=True, slots=True)
class HashAnswer:
    """What one member answered when it was asked for its hash at a revision; ``trouble``: why it did not.

    ``compacted`` is the revision of its last compaction, -1 for none.
    """

    name: str
    hash: int | None = None
    compacted: int = -1
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result, with the sentence for the operator."""

    sameness: Sameness
    sentence: str
    revision: int = 0
    answers: tuple[HashAnswer, ...] = ()


def compare(revision: int, answers: Sequence[HashAnswer], learners: Sequence[str] = ()) -> Comparison:
    """Members asked for the hash of their keys at the same ``revision``; learners do not answer that.

    Hashes count only among members that were compacted at the same revision. Members that differ are enough
    for "different", also where others could not be asked; "identical" wants all of them.
    """
    told = [a for a in answers if a.hash is not None]
    silent = [a for a in answers if a.hash is None]
    aside = f" {listed(learners)} {'is a learner' if len(learners) == 1 else 'are learners'}, not compared."
    beside = aside if learners else ""
    at = f"at revision {grouped(revision)}"

    def result(sameness: Sameness, sentence: str) -> Comparison:
        return Comparison(sameness, f"{sentence}{beside}", revision, tuple(answers))

    for compacted in {a.compacted for a in told}:
        alike = [a for a in told if a.compacted == compacted]
        if len({a.hash for a in alike}) > 1:
            return result(Sameness.DIFFERENT, f"The keys DIFFER {at}: {_groups(alike)}. {_ADVICE}")
    if silent:
        why = "; ".join(f"{a.name}: {a.trouble.rstrip('.') or 'no answer'}" for a in silent)
        return result(Sameness.UNKNOWN, f"The keys could not be compared {at}, because of {why}.")
    if len({a.compacted for a in told}) > 1:
        which = ", ".join(f"{a.name} at {a.compacted}" for a in told)
        return result(
            Sameness.UNKNOWN,
            f"The keys could not be compared {at}, because the members are compacted at different "
            f"revisions ({which}). That passes: compare again in a few minutes.",
        )
    if len(told) < 2:
        return result(Sameness.UNKNOWN, f"There is nothing to compare: {counted(len(told), 'voter')} told.")
    return result(Sameness.IDENTICAL, f"All {len(told)} voters hold identical keys {at}.")


_ADVICE = (
    "Take a backup of every one of them before anything else; do not trust the majority blindly, then "
    "replace the odd one, or restore from one good file."
)


def _groups(answers: Sequence[HashAnswer]) -> str:
    by_hash: dict[int | None, list[str]] = {}
    for answer in answers:
        by_hash.setdefault(answer.hash, []).append(answer.name)
    return "; ".join(f"{listed(names)} {value:08x}" for value, names in by_hash.items() if value is not None)
