"""Asks etcd of the recovery host, on that host: is it there, is it alone, is it the backup.

A restore that raises the revision forgets all before: then the keys are read where it was raised to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from etcdtui.errors import Unreachable
from etcdtui.etcd import answers, causes, shapes
from etcdtui.etcd.commands import ClientAccess, endpoint_status_json, etcdctl, member_list_json
from etcdtui.model.members import EndpointStatus
from etcdtui.model.quorum import Verdict
from etcdtui.model.raised import RAISE
from etcdtui.platforms.host_answers import parse_access, script_failed
from etcdtui.platforms.host_scripts import access_script
from etcdtui.procedures.procedure import Check, Context
from etcdtui.procedures.restore_decided import Decided, Standstill
from etcdtui.text import clean, grouped, listed

ASK = 20.0  # seconds for one question
_COMPACTED = re.compile(r'"CompactRevision":\s*(\d{1,19})\b')
_REVISION = re.compile(r"\brevision (\d+(?:\u202f\d{3})*)")


def access_of(decided: Standstill, world: Context) -> ClientAccess:
    """How etcd of the recovery host is asked, on that host. Raises Unreachable, CommandFailed."""
    recovery = decided.recovery
    done = world.runner(recovery.host).run(access_script(recovery.layout), timeout=ASK)
    if not done.ok:
        raise script_failed(recovery.host, done.status, done.err())
    access = parse_access(done.stdout, recovery.host)
    if not access.can_etcdctl:
        raise Unreachable(f"There is no etcdctl on {recovery.host} yet.")
    return access.client(recovery.layout.sudo, (recovery.client_url,))


def restored(decided: Decided) -> Check:
    """One member, itself, with a leader, and at the backup's revision as many keys as were proven; at the one
    that it was raised to, where it was."""

    def check(world: Context) -> Verdict:
        host, backup = decided.recovery.host, decided.backup
        access = access_of(decided, world)
        status = alone(decided, world, access)
        if isinstance(status, Verdict):
            return status
        if status.revision < backup.revision:
            return Verdict(
                False,
                f"etcd of {host} is at revision {grouped(status.revision)}, the backup at "
                f"{grouped(backup.revision)}: that is not the backup.",
            )
        found = point_of(decided, world, access)
        same = found is not None and found.keys == backup.live_keys
        if found is not None and found.certain and not same:
            return Verdict(
                False,
                f"At revision {grouped(found.revision)} etcd of {host} has {grouped(found.keys)} keys, the "
                f"backup has {grouped(backup.live_keys)}: that is not the backup.",
            )
        keys = f", all {grouped(backup.live_keys)} keys of the backup" if same else ""
        seen = seen_before(decided, world)
        if seen < status.revision:
            keys += f"; above {grouped(seen)}, the last that anybody saw"
        return Verdict(
            True, f"etcd of {host} is healthy and alone, revision {grouped(status.revision)}{keys}."
        )

    return check


def alone(decided: Standstill, world: Context, access: ClientAccess) -> EndpointStatus | Verdict:
    """What etcd of the recovery host says when it is a cluster of itself alone, with a leader; else why not,
    and that is well where others have joined already."""
    host, url = decided.recovery.host, decided.recovery.client_url
    runner = world.runner(host)
    done = runner.run(member_list_json(access, [url]), timeout=ASK)
    if not done.ok:
        return Verdict(False, f"etcd of {host} does not answer yet: {why_not(done.err())}")
    members = answers.member_list(done.out()).members
    if [m.name for m in members] != [decided.recovery.node]:
        if len(members) > 1 and decided.recovery.node in [m.name for m in members]:
            return _joined_already(decided, len(members))
        return Verdict(
            False, f"The list of {host} is not itself alone: {listed([m.label for m in members])}."
        )
    done = runner.run(endpoint_status_json(access, [url]), timeout=ASK)
    status = answers.endpoint_statuses(done.out()).get(url) if done.ok else None
    if status is None or not status.is_leader:
        return Verdict(False, f"etcd of {host} has no leader yet. {why_not(done.err())}".strip())
    return status


def _joined_already(decided: Standstill, count: int) -> Verdict:
    return Verdict(True, f"etcd of {decided.recovery.host} answers, and has {count} members already.")


@dataclass(frozen=True, slots=True)
class Point:
    """A revision at which the ``keys`` are those of the backup, if it was restored. ``certain``: whatever is
    otherwise there is not the backup; else it may have been written since."""

    revision: int
    keys: int
    certain: bool


def point_of(decided: Decided, world: Context, access: ClientAccess) -> Point | None:
    """The revision of the backup, or the one that it was raised to: all before that is forgotten, and nothing
    of the keys is changed by it. None where that is compacted already, too."""
    at = decided.backup.revision
    keys = _keys_at(decided, world, access, at)
    if keys is not None:
        return Point(at, keys, certain=True)
    if not (decided.bump or decided.alone):
        return None
    raised = _compacted_at(decided, world, access)
    keys = _keys_at(decided, world, access, raised) if raised else None
    # By how much other scripts raise it is not known: it may be a compaction of later.
    certain = decided.bump and raised == at + RAISE
    return None if keys is None else Point(raised, keys, certain)


def _keys_at(decided: Decided, world: Context, access: ClientAccess, revision: int) -> int | None:
    """How many keys there are at a revision; None where that is compacted already."""
    # etcdctl 3.4 cannot be asked for the count alone; it comes with the first key, too.
    words = ("get", "", "--from-key", "--keys-only", "--limit=1", "--consistency=s")
    at, where = f"--rev={revision}", (decided.recovery.client_url,)
    argv = etcdctl(access, *words, at, endpoints=where, json=True, timeout="15s")
    done = world.runner(decided.recovery.host).run(argv, timeout=ASK)
    if not done.ok:
        if "compacted" in done.err():
            return None
        raise Unreachable(f"The keys cannot be counted: {why_not(done.err())}")
    told = shapes.table(shapes.load(done.out(), "etcdctl get"), "The answer of etcdctl get")
    return shapes.number(told.get("count"), "count")


def _compacted_at(decided: Decided, world: Context, access: ClientAccess) -> int:
    """Up to which revision etcd has forgotten what was; 0 where it does not tell."""
    # A watch from what is compacted ends at once, and says that: nothing else tells it.
    words = ("watch", "etcdtui", f"--rev={decided.backup.revision}")
    argv = etcdctl(access, *words, endpoints=(decided.recovery.client_url,), json=True, timeout="15s")
    done = world.runner(decided.recovery.host).run(argv, timeout=ASK)
    match = _COMPACTED.search(done.out())
    return int(match[1]) if match else 0


def revision_in(sentence: str) -> int:
    """The first revision that a sentence of a step tells; 0 for none."""
    match = _REVISION.search(sentence)
    return int("".join(c for c in match[1] if c.isdigit())) if match else 0


def seen_before(decided: Standstill, world: Context) -> int:
    """The highest revision that anybody had before the restore: what was written after the plan is in the
    copy of the data."""
    return max(decided.seen, revision_in(world.found("safe")))


def why_not(said: str) -> str:
    """What etcdctl said, in a sentence."""
    problem = causes.explain(said)
    return f"{problem.message}." if problem else clean(causes.last_words(said), 200) or "it said nothing."
