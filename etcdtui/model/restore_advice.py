"""Should anybody restore at all? What is true, whose data is the newest, what else would do. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from etcdtui.model.health import ClusterHealth, Level, in_words, judge
from etcdtui.model.known_backups import foreign_to
from etcdtui.model.member_state import MemberState
from etcdtui.model.places import Backup
from etcdtui.model.survivors import Gap, Survivor, best, gap, rank
from etcdtui.model.survivors import in_words as data_of
from etcdtui.model.view import FRESH_API, ClusterView
from etcdtui.text import counted, listed

LAST_RESORT = (
    "A restore takes everything back to the time of the backup, and every workload with it: it is the last "
    "resort."
)


ANSWERING = (Level.HEALTHY, Level.DEGRADED)


class Kind(StrEnum):
    """What may be done instead of a restore."""

    REPLACE = "replace"  # one member, by the guide
    START = "start"  # etcd again on a host that has its data
    QUORUM = "quorum restore"


@dataclass(frozen=True, slots=True)
class Way:
    """Something else that would do. ``kind`` None: only to be known; ``member_id`` is whom it is about."""

    sentence: str
    kind: Kind | None = None
    member_id: int | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """``first`` is what must be known before anything else: newer data than any backup has. ``needed``: the
    cluster does not answer, and what else would do was named."""

    needed: bool
    first: str
    truth: tuple[str, ...]
    ways: tuple[Way, ...]
    survivors: tuple[str, ...]
    backups: tuple[str, ...]
    ranked: tuple[Survivor, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def newest(self) -> Survivor | None:
        return best(self.ranked)

    @property
    def instead(self) -> tuple[str, ...]:
        """What else would do, in sentences."""
        return tuple(way.sentence for way in self.ways)

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it, in the order in which it counts."""
        said = ((self.first,) if self.first else ()) + self.truth + self.instead
        return said + self.survivors + self.backups


def advise(
    view: ClusterView,
    survivors: Sequence[Survivor],
    backups: Sequence[Backup],
    quorum_hosts: frozenset[str] | None = None,
) -> Advice:
    """From what is known now, the data found on the hosts, and the backups of all places. ``quorum_hosts``
    are those that have quorum-restore.sh; None: nobody looked."""
    health = judge(view)
    ranked = rank(survivors)
    newest = best(ranked)
    gaps = tuple(gap(b, newest, foreign=foreign_to(view, b), now=view.now) for b in backups) if newest else ()
    answers, lost = health.level in ANSWERING, health.level is Level.NO_QUORUM
    offered = lost and (quorum_hosts is None or bool(quorum_hosts))
    return Advice(
        needed=lost,
        first=_first(newest, gaps, quorum=offered, answers=answers),
        truth=_truth(view, health),
        ways=_ways(health, ranked, newest, quorum_hosts),
        # Of members that write together the one that was asked last is ahead: that loses nothing.
        survivors=tuple(data_of(s, None if answers and s.running else newest, view.now) for s in ranked),
        backups=tuple(one.sentence for one in gaps) or ("No backup is known.",),
        ranked=ranked,
        gaps=gaps,
    )


def _first(newest: Survivor | None, gaps: Sequence[Gap], *, quorum: bool, answers: bool) -> str:
    if newest is None:
        return ""
    ours = [one for one in gaps if one.comparable]
    if any(not one.behind for one in ours):
        return ""
    if not ours and answers:
        return "No backup of this cluster is known: there is nothing to restore. Take one now: b."
    if not ours:
        return f"The data of {newest.name} is all there is: no backup of this cluster is known."
    least = min(ours, key=lambda g: (g.revisions is None, g.revisions or 0, g.seconds or 0.0))
    go_on = (
        "" if not quorum else f" A quorum restore goes on with {newest.name}'s data and loses none of that."
    )
    return f"{newest.name}'s own data is newer than any backup: {least.sentence}{go_on}"


def _truth(view: ClusterView, health: ClusterHealth) -> tuple[str, ...]:
    said = [f"etcd: {health.level.word}. {health.sentence}"]
    facts = view.api.current(view.now, FRESH_API)
    if not view.api_configured:
        said.append("Kubernetes API: none is configured, so nobody knows.")
    elif facts is not None and view.api.problem is None:
        said.append("Kubernetes API: it answers.")
    else:
        why = f": {view.api.problem.message}" if view.api.problem else "."
        said.append(f"Kubernetes API: it cannot be asked{why}")
    silent = [host.name for host in view.hosts if host.link.problem is not None]
    if silent:
        said.append(f"By SSH {listed(silent)} cannot be reached.")
    return tuple(said)


def _ways(
    health: ClusterHealth,
    ranked: Sequence[Survivor],
    newest: Survivor | None,
    quorum_hosts: frozenset[str] | None,
) -> tuple[Way, ...]:
    """What would do instead of a restore."""
    unwell = [row for row in health.members if not row.well and not row.member.learner]
    by_name = {survivor.name: survivor for survivor in ranked}
    said = [Way(LAST_RESORT)]
    if health.level is Level.UNKNOWN:
        said.append(Way("Nobody can tell now whether the cluster answers: find that out first."))
    if health.level in ANSWERING:
        said.append(
            Way(
                "The cluster answers: nothing is lost that a restore would bring back, except what was "
                "deleted."
            )
        )
        said += [
            Way(
                f"{row.member.label} {in_words(row.state)}: replace that member.", Kind.REPLACE, row.member.id
            )
            for row in unwell
        ]
        return tuple(said)
    # First the one that is known not to run: one that only does not answer may wait for just that one.
    stopped = [
        row.member
        for row in sorted(unwell, key=lambda row: row.state is not MemberState.DOWN)
        if (s := by_name.get(row.member.label)) is not None and s.usable and not s.running
    ]
    their = "its host" if len(stopped) == 1 else "their hosts"
    # One that answers without a leader votes again as soon as there are enough to elect one.
    answering = [s for s in ranked if s.running and s.usable]
    lacking = health.quorum.needed - len(answering)
    if stopped and len(stopped) >= lacking > 0:
        said.append(
            Way(
                f"{counted(lacking, 'voter')} more would make a quorum, and the data of "
                f"{listed([member.label for member in stopped])} is on {their}: start etcd there again, and "
                "nothing is lost at all.",
                Kind.START,
                stopped[0].id,
            )
        )
    if newest is not None and health.level is Level.NO_QUORUM:
        said.append(_quorum_restore(newest, quorum_hosts))
    return tuple(said)


def _quorum_restore(newest: Survivor, hosts: frozenset[str] | None) -> Way:
    said = f"A quorum restore goes on with the data of {newest.name} alone and loses nothing that it has"
    if hosts is None:
        return Way(f"{said}; where the host has quorum-restore.sh, that is its way.")
    if newest.host in hosts:
        return Way(f"{said}: {newest.host} has quorum-restore.sh.", Kind.QUORUM)
    if hosts:
        told = listed(sorted(hosts))
        return Way(f"{said}, but {newest.host} has no quorum-restore.sh; {told} has.", Kind.QUORUM)
    return Way(
        "A quorum restore, which would go on with a survivor's data, has no script on these hosts: that came "
        "with OpenShift 4.18. Before, there is only etcd's --force-new-cluster, which OpenShift does not "
        "document: start a stopped member again, or restore a backup."
    )
