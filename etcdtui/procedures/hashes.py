"""Asks all voters for the hash of their keys at the lowest revision that all of them have."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from etcdtui.errors import EtcdTuiError
from etcdtui.etcd import answers, causes
from etcdtui.etcd.commands import ClientAccess, endpoint_hashkv_json, endpoint_status_json
from etcdtui.model.hashes import Comparison, HashAnswer, Sameness, compare
from etcdtui.model.members import Member
from etcdtui.model.view import ClusterView
from etcdtui.reach.runner import Runner
from etcdtui.text import clean

TIMEOUT = 20.0  # seconds for each question
TRIES = 3  # a compaction may overtake the revision that was chosen


class Asking(Protocol):
    """The part of a World that is needed."""

    def view(self) -> ClusterView: ...
    def runner(self, host: str) -> Runner: ...
    def etcdctl(self, avoid: str = "") -> tuple[str, ClientAccess]: ...


def compare_hashes(world: Asking, without: Collection[int] = ()) -> Comparison:
    """Compare all voters of the member list but those ``without``, by ID. Blocks; raises Unreachable when
    there is no host to ask from."""
    listed = world.view().members.value
    members = listed.members if listed else ()
    voters = [m for m in members if not m.learner and m.id not in without]
    learners = [m.label for m in members if m.learner]
    host, access = world.etcdctl()
    runner = world.runner(host)
    found = compare(0, (), learners)
    for _ in range(TRIES):
        revision, missing = _lowest(runner, access, voters)
        told = [missing.get(m.id) or _hash(runner, access, m, revision) for m in voters]
        found = compare(revision, told, learners)
        if found.sameness is not Sameness.UNKNOWN or not any("compacted" in a.trouble for a in told):
            break
    return found


def _lowest(
    runner: Runner, access: ClientAccess, voters: Sequence[Member]
) -> tuple[int, dict[int, HashAnswer]]:
    """The lowest revision of those that answer, and those that do not."""
    revisions: list[int] = []
    missing: dict[int, HashAnswer] = {}
    for member in voters:
        if not member.client_urls:
            missing[member.id] = HashAnswer(member.label, trouble="it never started")
            continue
        url = member.client_urls[0]
        try:
            done = runner.run(endpoint_status_json(access, [url]), timeout=TIMEOUT)
            status = answers.endpoint_statuses(done.out()).get(url) if done.stdout.strip() else None
        except EtcdTuiError as exc:
            missing[member.id] = HashAnswer(member.label, trouble=exc.message)
            continue
        if status is None:
            missing[member.id] = HashAnswer(member.label, trouble=_why(done.err()))
        else:
            revisions.append(status.revision)
    return min(revisions, default=0), missing


def _hash(runner: Runner, access: ClientAccess, member: Member, revision: int) -> HashAnswer:
    url = member.client_urls[0]
    try:
        done = runner.run(endpoint_hashkv_json(access, revision, [url]), timeout=TIMEOUT)
        told = answers.endpoint_hashes(done.out()) if done.ok else ()
    except EtcdTuiError as exc:
        return HashAnswer(member.label, trouble=exc.message)
    if not told:
        return HashAnswer(member.label, trouble=_why(done.err()))
    return HashAnswer(member.label, told[0].hash, told[0].compacted)


def _why(said: str) -> str:
    if "compacted" in said:
        return "that revision is compacted there already"
    if "future revision" in said:
        return "it has not come to that revision yet"
    problem = causes.explain(said)
    return problem.message if problem else clean(causes.last_words(said), 200) or "it gave no answer"
