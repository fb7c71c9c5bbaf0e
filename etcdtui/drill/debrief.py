"""What is to be said after a drill: from facts to sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etcdtui.drill.drills import Danger, Drill
from etcdtui.drill.facts import RESTORES, Deed, Facts
from etcdtui.text import age, clean, counted, listed

_CHANGING = RESTORES | {"replace", "restore-undone", "leadership"}
_ENDINGS = {
    "refused": "was refused",
    "cancelled": "was cancelled",
    "failed": "failed",
    "stopped": "was stopped and not gone on with",
    "interrupted": "was left in the middle",
    "abandoned": "was abandoned",
}


@dataclass(frozen=True, slots=True)
class Debrief:
    """``outcome`` is the sentence that counts; the rest are sentences each."""

    reached: bool
    outcome: str
    causes: tuple[str, ...]
    needless: tuple[str, ...]
    walked_into: Mapping[Danger, str]
    avoided: Mapping[Danger, str]
    cure: str


def debrief(drill: Drill, facts: Facts) -> Debrief:
    """Judge one drill."""
    lacks = facts.state.lacks(drill.nodes)
    walked = dict(_dangers(drill, facts))
    return Debrief(
        reached=not lacks,
        outcome=_outcome(facts, lacks),
        causes=tuple(_causes(drill, facts)),
        needless=tuple(_needless(drill, facts)),
        walked_into=walked,
        avoided={danger: why for danger, why in drill.dangers.items() if danger not in walked},
        cure=drill.cure,
    )


def _outcome(facts: Facts, lacks: tuple[str, ...]) -> str:
    if lacks:
        return f"The goal was not reached: {'; '.join(lacks)}."
    keys = facts.state.keys
    took = age((facts.reached if facts.reached is not None else facts.ended) - facts.began)
    told = f" All {keys.count} keys are there, unchanged (sha256 {keys.digest[:12]}…)." if keys else ""
    return f"The goal was reached after {took}.{told}"


def _causes(drill: Drill, facts: Facts) -> Iterator[str]:
    """When each cause was seen, by an examination of the right member."""
    for member, causes in drill.causes.items():
        looks = [look for look in facts.examined if look.member == member]
        right = next((look for look in looks if look.cause in causes), None)
        if right is not None:
            yield f"The cause was seen after {age(right.at - facts.began)}: {member}, {right.cause.value}."
        elif looks:
            called, after = looks[0].cause.value, age(looks[0].at - facts.began)
            yield f"{member} was examined after {after}: “{called}”; the cause was “{causes[0].value}”."
        else:
            yield f"{member} was never examined (enter on its row): “{causes[0].value}”."


def _needless(drill: Drill, facts: Facts) -> Iterator[str]:
    for deed in facts.deeds:
        title = f"“{clean(deed.title)}”"
        if deed.ending in _ENDINGS:
            yield f"{title} {_ENDINGS[deed.ending]}."
        elif deed.kind in _CHANGING and deed.kind not in drill.needs:
            yield f"{title} was not needed."
    spare = [f"{hand.action} {hand.node}".strip() for hand in facts.hands if hand.action not in drill.hands]
    if spare:
        yield f"{counted(len(spare), 'deed')} on the machines that nothing asked for: {listed(spare)}."


def _dangers(drill: Drill, facts: Facts) -> Iterator[tuple[Danger, str]]:
    """What was walked into, whether this drill warns of it or not."""
    if not facts.restored:  # after a restore no member is the one it was
        yield from _removals(drill, facts)
    unsaved = [deed for deed in facts.deeds if deed.kind == "replace" and _skipped(deed, "backup")]
    if unsaved:
        yield Danger.NO_BACKUP, f"“{clean(unsaved[0].title)}” went on without a backup"
    passed = [title for deed in facts.deeds for key, title in deed.skipped if key != "backup"]
    if passed:
        yield Danger.UNVERIFIED, f"passed over: {listed([f'“{clean(title)}”' for title in passed])}"
    if facts.restored and not drill.needs & RESTORES:
        yield Danger.RESTORED, "the cluster was restored, and nothing asked for it"
    keys = facts.state.keys
    if keys is not None and not keys.same:
        yield Danger.DATA_LOST, f"{keys.missing} keys are missing, {keys.changed} hold something else"
    if not facts.state.guard:
        yield Danger.GUARD_LEFT, "the operator's guard is still off"


def _removals(drill: Drill, facts: Facts) -> Iterator[tuple[Danger, str]]:
    spared = [name for name in facts.gone if name not in drill.lost]
    votes = [name for name in spared if name not in drill.down]
    could = [name for name in spared if name in drill.causes]
    if votes:
        yield Danger.HEALTHY_REMOVED, f"{listed(votes)} was removed, and voted"
    if could:
        yield Danger.NEEDLESSLY_REPLACED, f"{listed(could)} was removed and could have been repaired in place"
    left = drill.nodes - len(votes)
    if votes and left - len(drill.down) < left // 2 + 1:
        yield (
            Danger.PAST_QUORUM,
            f"{left} voters were left, {left // 2 + 1} of them needed, {len(drill.down)} were down",
        )


def _skipped(deed: Deed, key: str) -> bool:
    return any(found == key for found, _ in deed.skipped)
