"""Asks etcd of the recovery host, on that host: is it there, is it alone, is it the backup."""

from __future__ import annotations

import re

from etcdtui.errors import Unreachable
from etcdtui.etcd import answers, causes, shapes
from etcdtui.etcd.commands import ClientAccess, endpoint_status_json, etcdctl, member_list_json
from etcdtui.model.members import EndpointStatus
from etcdtui.model.quorum import Verdict
from etcdtui.platforms.host_answers import parse_access, script_failed
from etcdtui.platforms.host_scripts import access_script
from etcdtui.procedures.procedure import Check, Context
from etcdtui.procedures.restore_decided import Decided, Standstill
from etcdtui.text import clean, grouped, listed

ASK = 20.0  # seconds for one question
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
    """One member, itself, with a leader, and at the backup's revision as many keys as were proven."""

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
        count = _keys_at(decided, world, access)
        if count is not None and count != backup.live_keys:
            return Verdict(
                False,
                f"At revision {grouped(backup.revision)} etcd of {host} has {grouped(count)} keys, the "
                f"backup has {grouped(backup.live_keys)}: that is not the backup.",
            )
        keys = f", all {grouped(count)} keys of the backup" if count is not None else ""
        if decided.seen < status.revision:
            keys += f"; above {grouped(decided.seen)}, the last that anybody saw"
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


def _keys_at(decided: Decided, world: Context, access: ClientAccess) -> int | None:
    """How many keys there are at the backup's revision; None where that is compacted already."""
    # etcdctl 3.4 cannot be asked for the count alone; it comes with the first key, too.
    words = ("get", "", "--from-key", "--keys-only", "--limit=1", "--consistency=s")
    at, where = f"--rev={decided.backup.revision}", (decided.recovery.client_url,)
    argv = etcdctl(access, *words, at, endpoints=where, json=True, timeout="15s")
    done = world.runner(decided.recovery.host).run(argv, timeout=ASK)
    if not done.ok:
        if "compacted" in done.err():
            return None
        raise Unreachable(f"The keys cannot be counted: {why_not(done.err())}")
    told = shapes.table(shapes.load(done.out(), "etcdctl get"), "The answer of etcdctl get")
    return shapes.number(told.get("count"), "count")


def revision_in(sentence: str) -> int:
    """The first revision that a sentence of a step tells; 0 for none."""
    match = _REVISION.search(sentence)
    return int("".join(c for c in match[1] if c.isdigit())) if match else 0


def why_not(said: str) -> str:
    """What etcdctl said, in a sentence."""
    problem = causes.explain(said)
    return f"{problem.message}." if problem else clean(causes.last_words(said), 200) or "it said nothing."
