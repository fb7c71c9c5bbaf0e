"""What is read anew before a member is removed: is it still that one, is it dead, may it go; and afterwards,
is it gone for everybody.
"""

from __future__ import annotations

from collections.abc import Callable

from etcdtui.errors import EtcdTuiError
from etcdtui.etcd import answers, causes
from etcdtui.etcd.commands import member_list_json
from etcdtui.model.health import judge
from etcdtui.model.known_backups import last_proven
from etcdtui.model.members import Member
from etcdtui.model.quorum import Verdict
from etcdtui.model.removal import STALE, mark_verdict
from etcdtui.model.view import ClusterView
from etcdtui.procedures.procedure import Check, Context, Gate, GateKind, Reporter
from etcdtui.procedures.replace_decided import Decided
from etcdtui.procedures.replace_evidence import signs_of, signs_probed, weigh
from etcdtui.text import age, clean, listed

ASK = 15.0  # seconds for one question to a host
YOUNG_BACKUP = 3600.0  # seconds up to which a proven backup off the cluster is fresh enough


def may_go(decided: Decided) -> Check:
    """Arithmetic, freshness, etcd's own rules, from the view of this moment."""

    def check(world: Context) -> Verdict:
        return mark_verdict(world.view(), decided.target.id, decided.turn, now=world.now())

    return check


def same_member(decided: Decided) -> Check:
    """Everything that the plan rests on is as it was: the cluster, the list, ID, name and URLs."""

    def check(world: Context) -> Verdict:
        return identity(decided, world.view())

    return check


def dead(decided: Decided) -> Check:
    """Two sources that know nothing of each other say so now, and none says otherwise."""

    def check(world: Context) -> Verdict:
        signs = list(signs_of(world.view(), decided.target))
        if all(sign.dead for sign in signs):
            signs += signs_probed(world.examine(decided.target.id, lambda seen: None), decided.host)
        return weigh(decided.name, signs)

    return check


def others_well(decided: Decided) -> Check:
    """Nobody else has failed since: what follows needs all of them."""

    def check(world: Context) -> Verdict:
        rows = [r for r in judge(world.view()).members if r.member.id != decided.target.id]
        failed = [r for r in rows if not r.member.learner and not r.votes]
        unwell = [r.member.label for r in failed if r.member.id not in decided.ailing]
        if unwell:
            return Verdict(False, f"{listed(unwell)} is not well either: {_first(decided)} cannot go on now.")
        return Verdict(True, "All others are well.")

    return check


def _first(decided: Decided) -> str:
    return f"the replacement of {decided.name}"


def identity(decided: Decided, view: ClusterView) -> Verdict:
    """Is what the list tells now what the plan was made from?"""
    told, target = view.members.value, decided.target
    old = view.members.age(view.now)
    if told is None or old is None or old > STALE:
        return Verdict(
            False,
            f"The member list is {age(old)} old. Somebody else may have failed since, and the removal could "
            "cost the quorum. Look again.",
        )
    if decided.cluster_id and told.cluster_id and told.cluster_id != decided.cluster_id:
        return Verdict(
            False,
            f"This is another cluster than the plan was made for: {told.cluster_id:x}, not "
            f"{decided.cluster_id:x}. It was restored or built anew meanwhile, and the removal would go to a "
            "cluster that nobody looked at. Plan again.",
        )
    found = next((m for m in told.members if m.id == target.id), None)
    for other in told.members:
        taken = sorted(set(other.peer_urls) & set(target.peer_urls))
        if other.id != target.id and taken:
            words = f"The address {taken[0]} belongs to the member {other.label} ({other.hex_id}) now"
            then = "it was used again, and the removal could hit who is there now. Plan again."
            return Verdict(False, f"{words}, no longer to {target.hex_id}: {then}")
        if other.id != target.id and target.name and other.name == target.name:
            words = f"The name {target.name} belongs to the member {other.hex_id} now"
            then = f"the plan was for {target.hex_id}, and the removal could hit the wrong one. Plan again."
            return Verdict(False, f"{words}; {then}")
    if found is None:
        return Verdict(False, f"{decided.name} ({target.hex_id}) is no longer in the member list.")
    if found.name != target.name:
        return Verdict(
            False,
            f"The member {target.hex_id} is called {found.label} now, the plan was for {decided.name}: "
            f"{found.label} would be removed. Plan again.",
        )
    if set(found.peer_urls) != set(target.peer_urls):
        return Verdict(
            False,
            f"{decided.name} has other addresses than when it was chosen: {listed(found.peer_urls)}, not "
            f"{listed(target.peer_urls)}: one that came back elsewhere would be removed. Plan again.",
        )
    changed = _changes(decided, told.members)
    if changed:
        return Verdict(
            False,
            f"The member list has changed since the plan was made: {changed}. What the removal would leave "
            "was reckoned for another list. Plan again.",
        )
    return Verdict(
        True,
        f"It is {decided.name}, ID {target.hex_id}, {listed(target.peer_urls)}; the list of "
        f"{len(told.members)} members is as it was.",
    )


def _changes(decided: Decided, members: tuple[Member, ...]) -> str:
    before, now = {m.id: m for m in decided.members}, {m.id: m for m in members}
    said = [f"{now[one].label} is new" for one in now if one not in before]
    said += [f"{before[one].label} is gone" for one in before if one not in now]
    said += [
        f"{before[one].label} is {'a learner' if now[one].learner else 'a voter'} now"
        for one in before.keys() & now.keys()
        if before[one].learner != now[one].learner
    ]
    return listed(said)


def removed(decided: Decided) -> Check:
    """It is no longer in the list that a member with a leader told a moment ago."""

    def check(world: Context) -> Verdict:
        view = world.view()
        told, old = view.members.value, view.members.age(world.now())
        if told is None or old is None or old > STALE or not judge(view).quorum.present:
            return Verdict(False, "The member list is not known for sure now.")
        if any(m.id == decided.target.id for m in told.members):
            return Verdict(False, f"{decided.name} ({decided.target.hex_id}) is still in the member list.")
        if decided.cluster_id and told.cluster_id and told.cluster_id != decided.cluster_id:
            return Verdict(False, f"The list told now is of another cluster, {told.cluster_id:x}.")
        return Verdict(True, f"{decided.name} ({decided.target.hex_id}) is no longer in the member list.")

    return check


def removed_everywhere(decided: Decided) -> Check:
    """Every remaining member was asked for its list, one by one."""

    def check(world: Context) -> Verdict:
        rest = [r for r in judge(world.view()).members if r.member.id != decided.target.id]
        asked = [r for r in rest if not r.member.learner and r.member.client_urls]
        voters = [r for r in asked if r.member.id not in decided.ailing]
        if not voters:
            return Verdict(False, "The member list is not known yet.")
        host, access = world.etcdctl(decided.host)
        runner = world.runner(host)
        for row in voters:
            name = row.member.label
            done = runner.run(member_list_json(access, [row.member.client_urls[0]]), timeout=ASK)
            if not done.ok:
                problem = causes.explain(done.err())
                said = problem.message if problem else causes.last_words(done.err())
                return Verdict(False, f"{name} does not tell its member list: {said or 'no word'}.")
            listing = answers.member_list(done.out())
            if any(m.id == decided.target.id for m in listing.members):
                return Verdict(False, f"{decided.name} is still in the member list of {name}.")
        names = listed([row.member.label for row in voters])
        return Verdict(True, f"{decided.name} is in nobody's list any more; asked {names}, one by one.")

    return check


def ask_name(decided: Decided) -> Callable[[Context], Gate]:
    """The typed name, with the arithmetic of this moment."""

    def ask(world: Context) -> Gate:
        verdict = mark_verdict(world.view(), decided.target.id, decided.turn, now=world.now())
        words = f"{verdict.reason} It cannot be undone: {decided.name} comes back only as a new member."
        return Gate(GateKind.PHRASE, decided.phrase, f"{words} Type {decided.phrase} to remove it.")

    return ask


def explain_removal(decided: Decided) -> Callable[[int, str], str]:
    """Known answers of etcd in words."""

    def words(status: int, said: str) -> str:
        host = decided.remove.host
        if "unhealthy cluster" in said:
            return (
                f"etcd refuses the removal: a member came back less than 5 s ago, or too few are connected. "
                f"Nothing was changed. Wait a few seconds and try again. ({host})"
            )
        if "member not found" in said.lower():
            return f"etcd has no member {decided.target.hex_id}: somebody removed it already. Try again."
        problem = causes.explain(said)
        if problem is None:
            return ""
        last = clean(causes.last_words(said))
        return (
            f"Whether {decided.name} was removed is not known: etcdctl on {host} ended with exit code "
            f"{status}: {problem.message}. It said last: “{last}”. Trying again looks first."
        )

    return words


def fresh_backup(world: Context) -> Verdict:
    """Is there a proven backup, off the cluster, young enough to lose nothing that matters?"""
    view = world.look_at_places(ASK)
    found = last_proven(view, off_cluster=True)
    if found is None:
        return Verdict(False, "There is no proven backup off the cluster.")
    old = world.now() - found.taken if found.taken is not None else None
    if old is None or old > YOUNG_BACKUP:
        return Verdict(
            False,
            f"The last proven backup off the cluster is {age(old)} old; no more than {age(YOUNG_BACKUP)} "
            "is wanted before a member is removed.",
        )
    return Verdict(True, f"A proven backup off the cluster is {age(old)} old ({found.stamp}).")


def only_watched(world: Context, report: Reporter) -> Verdict:
    """The work of a step that others do: it is waited for, and a stop there can be gone on with."""
    return Verdict(True, "")


def reachable(host: str) -> Check:
    """The host that a command is to run on answers; the sentence says that it is waited for."""

    def check(world: Context) -> Verdict:
        try:
            done = world.runner(host).run(("true",), timeout=ASK)
        except EtcdTuiError as exc:
            return Verdict(
                False,
                f"{host}, on which this runs, does not answer: {exc.message} Nothing was done. Try again "
                "when it is back; or stop, abandon this run (:resume) and begin anew: another host is "
                "taken then.",
            )
        return Verdict(done.ok, f"{host} answers." if done.ok else f"{host} cannot run commands.")

    return check
