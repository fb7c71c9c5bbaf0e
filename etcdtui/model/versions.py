"""Known defects of etcd versions, as etcd's changelogs and issues tell them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:[-+].*)?\Z")
Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Landmine:
    """A defect of a version: what happens, what to do, and where it is told."""

    summary: str
    advice: str
    issue: str = ""


@dataclass(frozen=True, slots=True)
class _Defect:
    """Versions from ``first`` of a minor up to, not including, ``fixed``; most serious first in the list."""

    spans: tuple[tuple[Version, Version], ...]
    summary: str
    advice: str
    issue: str = ""


def _minors(*fixed: str) -> tuple[tuple[Version, Version], ...]:
    """Every version of these minors before the one that fixed it."""
    return tuple(((v[0], v[1], 0), v) for v in map(_known, fixed))


def _known(text: str) -> Version:
    major, minor, patch = text.split(".")
    return int(major), int(minor), int(patch)


def _span(first: str, fixed: str) -> tuple[Version, Version]:
    return _known(first), _known(fixed)


_DEFECTS = (
    _Defect(
        _minors("3.5.3"),
        "a member killed under load can lose agreement with the others: data inconsistency",
        "Go to 3.5.6 or newer at once, and compare the hashes of the members.",
        "#13766",
    ),
    _Defect(
        (_span("3.5.0", "3.5.6"),),
        "members can diverge, a single member can lose what it confirmed, an alarm can block a start",
        "Go to 3.5.6 or newer.",
        "#14139, #14424, #14429",
    ),
    _Defect(
        (_span("3.4.18", "3.4.19"),),
        "there are reports of members that diverged",
        "Go to a newer 3.4, then to 3.5.",
        "#14211",
    ),
    _Defect(
        _minors("3.4.22", "3.5.6"),
        "a crash while a member defragments can make it diverge",
        "Upgrade before defragmenting.",
        "#14648, #14733",
    ),
    _Defect(
        _minors("3.4.38", "3.5.23", "3.6.5"),
        "defragmenting a member that catches up from a snapshot can corrupt its data",
        "Never defragment while a member catches up.",
        "#20659, #20653, #20650",
    ),
    _Defect(
        (_span("3.5.1", "3.5.20"),),
        "a learner that was promoted can turn back into a learner after an upgrade to 3.6",
        "Go to 3.5.26 or newer before going to 3.6.",
        "#19557",
    ),
    _Defect(
        (_span("3.5.20", "3.5.26"),),
        "members can come back wrong after an upgrade to 3.6: as learners, or after their removal",
        "Go to 3.5.26 or newer before going to 3.6.",
        "#20797, #20967",
    ),
    _Defect(
        (_span("3.6.0", "3.6.4"),),
        "a member can fail to start when it replays the promotion of a learner",
        "Go to 3.6.4 or newer.",
        "#20387",
    ),
    _Defect(
        _minors("3.4.24", "3.5.7"),
        "a learner that never started can be promoted, which can cost the quorum",
        "See that a learner has started and caught up before promoting it.",
        "#15096",
    ),
    _Defect(
        _minors("3.5.31", "3.6.12"),
        "`member update` on a learner silently promotes it",
        "Never update a learner.",
        "#21736",
    ),
    _Defect(
        _minors("3.5.28", "3.6.9"),
        "a read during a leader change can be stale; authorisation can be bypassed in several requests",
        "Upgrade.",
        "#21387, CVE-2026-33413, CVE-2026-33343",
    ),
    _Defect(
        _minors("3.5.17"),
        "a transaction can be applied by half",
        "Go to 3.5.17 or newer.",
        "#18799",
    ),
    _Defect(
        _minors("3.4.32", "3.5.14"),
        "the revision can go back after a crash during a compaction",
        "Go to 3.4.32, 3.5.14 or newer.",
        "#17864",
    ),
    _Defect(
        _minors("3.5.12"),
        "reads can miss a deletion",
        "Go to 3.5.12 or newer.",
        "#17230",
    ),
    _Defect(
        _minors("3.5.13"),
        "watchers can lose events",
        "Upgrade; clients that watch, the API server among them, are concerned.",
        "#17612",
    ),
    _Defect(
        _minors("3.4.36", "3.5.18"),
        "watchers can miss a deletion during a compaction",
        "Upgrade; clients that watch, the API server among them, are concerned.",
    ),
    _Defect(
        _minors("3.4.25", "3.5.8"),
        "a watch can go back in time after it reconnects",
        "Upgrade.",
    ),
    _Defect(
        _minors("3.5.32", "3.6.13"),
        "revoked certificates pass where --listen-client-http-urls is set",
        "Upgrade if you rely on revocation lists.",
    ),
    _Defect(
        _minors("3.5.33", "3.6.14"),
        "a restricted user's watch can see other keys",
        "Upgrade if users other than the API server log in to etcd.",
        "GHSA-xg4h-6gfc-h4m8",
    ),
    _Defect(
        (_span("3.6.0", "3.6.6"),),
        "the endpoint status tells a wrong quota",
        "Read the quota from the metrics.",
        "#20790",
    ),
    _Defect(
        (_span("3.0.0", "3.5.0"),),
        "this minor version is no longer maintained",
        "Plan the way to a maintained one, one minor version at a time.",
    ),
)


def parse(version: str) -> Version | None:
    """Major, minor, patch; None for what is no version."""
    match = _VERSION.match(version.strip())
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


_RAISES = {(3, 4): (3, 4, 27), (3, 5): (3, 5, 10)}  # by minor; none before, every newer one


def raises(version: str) -> bool | None:
    """Whether its ``snapshot restore`` has --bump-revision and --mark-compacted; None: nobody can tell."""
    number = parse(version)
    return None if number is None else number >= _raises(number)


def raises_since(version: str) -> str:
    """The first version of its minor, or of the next that has one, which can: 3.5.10."""
    return ".".join(map(str, _raises(parse(version) or (0, 0, 0))))


def _raises(number: Version) -> Version:
    return _RAISES.get(number[:2], (3, 6, 0) if number > (3, 5, 0) else (3, 4, 27))


def landmines(version: str) -> tuple[Landmine, ...]:
    """Known defects of ``version``, the most serious first; none for a version that cannot be read."""
    number = parse(version)
    if number is None:
        return ()
    return tuple(
        Landmine(defect.summary, defect.advice, defect.issue)
        for defect in _DEFECTS
        if any(first <= number < fixed for first, fixed in defect.spans)
    )


def wrong_status_quota(version: str) -> bool:
    """The quota of the endpoint status is not to be believed in this version."""
    number = parse(version)
    return number is not None and (3, 6, 0) <= number < (3, 6, 6)
