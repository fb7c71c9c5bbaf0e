"""From evidence to a cause: rules in the order in which they explain more; the first that speaks is heard.

Pure. Those about a member that gives no answer are in ``silence``.
"""

from __future__ import annotations

from collections.abc import Callable

from etcdtui.model import silence
from etcdtui.model.causes import Cause, Diagnosis, Sure
from etcdtui.model.comeback import LAGGING
from etcdtui.model.evidence import NO_WAY, Evidence, hosts_of
from etcdtui.model.health import Level, MemberState, in_words
from etcdtui.model.probe import Port, Try
from etcdtui.model.problems import Fault
from etcdtui.model.rules.performance import COMMIT_ALERT, FSYNC_ALERT
from etcdtui.text import age, listed, milliseconds

CLOCK_LIMIT = 1.0  # seconds; etcd warns of a peer's clock from here on

# openssl's codes of a certificate that is not good.
_BY_CODE = {9: Cause.NOT_YET_VALID, 10: Cause.EXPIRED, 62: Cause.MISNAMED, 64: Cause.MISNAMED}


def diagnose(e: Evidence) -> Diagnosis:
    """The cause that explains most of what was seen."""
    for rule in _RULES:
        found = rule(e)
        if found is not None:
            return found
    return Diagnosis(
        Cause.UNKNOWN, f"{e.name} {in_words(e.row.state)}, nobody can tell why", sure=Sure.UNSURE
    )


def _impostor(e: Evidence) -> Diagnosis | None:
    if e.row.state is not MemberState.FOREIGN or e.row.problem is None:
        return None
    listed_now, status = e.view.members.value, e.row.status
    other = bool(listed_now and status and status.cluster_id != listed_now.cluster_id)
    mine = e.own_asked and e.running and e.said("alien") is not None
    what = f"at {e.name}'s address answers another etcd"
    if other and not mine:
        return Diagnosis(Cause.IMPOSTOR, what + ", of another cluster", (e.row.problem.message,), _sure(e, 1))
    if other:
        return Diagnosis(
            Cause.OTHER_CLUSTER,
            f"{e.name}'s etcd belongs to another cluster: restored or begun anew by itself",
            (e.row.problem.message,),
            Sure.CERTAIN,
        )
    return Diagnosis(
        Cause.IMPOSTOR, f"{what} than the member list says", (e.row.problem.message,), _sure(e, 1)
    )


def _another_machine(e: Evidence) -> Diagnosis | None:
    """The address was given away: what lies and runs there says nothing about the member."""
    if not e.stranger or e.row.current:
        return None
    address = e.row.host.address if e.row.host else "its address"
    because = [f"who answers over SSH at {address} calls itself {e.stranger}"]
    away = e.node_gone or (e.node is not None and not e.node.ready)
    if away:
        because.append(f"the API has {'no node' if e.node_gone else 'the node not Ready'}: {e.name}")
    if e.unreached:
        because.append(f"its etcd is not there, tried from {hosts_of(e.tries)}")
    sure = Sure.CERTAIN if len(because) > 1 else Sure.LIKELY
    what = f"{e.name}'s address was used again, another machine is there: {e.stranger}"
    return Diagnosis(Cause.IMPOSTOR, what, tuple(because), sure)


def _unstarted(e: Evidence) -> Diagnosis | None:
    if e.row.member.started:
        return None
    return Diagnosis(
        Cause.UNSTARTED,
        f"{e.name} was added and never started",
        ("the member list has no name for it",),
        Sure.CERTAIN,
    )


def _certificate(e: Evidence) -> Diagnosis | None:
    """What it shows at its client port; a member can go on among its peers all the while."""
    bad = [t for t in (*e.tries, *e.peer_tries) if t.certificate is not None and t.verified]
    if not bad:
        return None
    first = bad[0]
    cause = _BY_CODE.get(first.verified or 0, Cause.UNTRUSTED)
    good = [t for t in e.probe.tries if t.port is first.port and t.trusted]
    because = [f"{hosts_of(bad)} see at {first.target}: {first.verdict}"]
    peers = [t for t in e.peer_tries if t.trusted]
    kind, aside = "serving" if first.port is Port.CLIENT else "peer", ""
    if first.port is Port.CLIENT and peers:
        aside = "; among its peers it goes on, so it likely still votes"
        because.append(f"its peer port is in order, seen from {hosts_of(peers)}")
    if good:
        because.append(f"yet {hosts_of(good)} find it good: compare the clocks and authorities of the hosts")
    sure = Sure.UNSURE if good else Sure.CERTAIN if len({t.host for t in bad}) > 1 else Sure.LIKELY
    return Diagnosis(
        cause, f"{e.name}'s {kind} certificate {_flaw(cause, first, e)}{aside}", tuple(because), sure
    )


def _flaw(cause: Cause, tried: Try, e: Evidence) -> str:
    shown = tried.certificate
    assert shown is not None
    if cause is Cause.EXPIRED and shown.not_after is not None and e.view.now > shown.not_after:
        return f"expired {age(e.view.now - shown.not_after)} ago"
    if cause is Cause.EXPIRED:
        return "has expired, or its authority's has"
    if cause is Cause.NOT_YET_VALID:
        return "is not valid yet"
    if cause is Cause.MISNAMED:
        return f"is for {listed(shown.names[:4]) or 'other names'}, not for {tried.target.rpartition(':')[0]}"
    return f"is signed by {shown.issuer or 'somebody'}, whom the cluster does not know"


def _tls(e: Evidence) -> Diagnosis | None:
    refused = [t for t in e.tries if t.problem is not None and t.problem.fault is Fault.TLS]
    if not refused or e.row.current:
        return None
    told = refused[0].problem.message if refused[0].problem else ""
    because = [f"from {hosts_of(refused)}: {told}"]
    words = e.said("client-expired", "untrusted", "misnamed", "tls")
    if words is not None:
        because.append(f"its log: {words.line}")
    return Diagnosis(Cause.TLS, f"{e.name} and who asks it do not agree on certificates", tuple(because))


def _leaderless(e: Evidence) -> Diagnosis | None:
    if e.row.state not in (MemberState.NO_LEADER, MemberState.ISOLATED):
        return None
    quorum = e.health.quorum
    if e.health.level is Level.NO_QUORUM or not any(r.votes for r in e.health.members):
        others = [r for r in e.health.members if r is not e.row and not r.member.learner and not r.votes]
        told = listed([f"{r.member.label} {in_words(r.state)}" for r in others])
        because: tuple[str, ...] = (
            f"{quorum.healthy} of {quorum.voters} voters are well, {quorum.needed} needed",
            told,
        )
        what = f"{e.name} is well itself, the cluster has no quorum"
        return Diagnosis(Cause.NO_QUORUM, what, because, Sure.CERTAIN)
    stuck = [t for t in e.peer_tries if t.problem is not None and t.problem.fault in NO_WAY]
    because = (f"the others have a leader, it {in_words(e.row.state)}",)
    if stuck:
        because += (f"its peer port cannot be reached from {hosts_of(stuck)}",)
    return Diagnosis(Cause.CUT_OFF, f"{e.name} answers, but is cut off from its peers", because)


def _alarm(e: Evidence) -> Diagnosis | None:
    if e.row.state is not MemberState.ALARM or e.row.status is None:
        return None
    alarms = e.row.status.alarms
    because = (f"alarm {listed(alarms)}",)
    if "CORRUPT" in alarms:
        return Diagnosis(
            Cause.DIVERGED, f"{e.name}'s data differ from those of the others", because, Sure.CERTAIN
        )
    what = f"{e.name}'s database has reached its quota, the cluster takes no writes"
    return Diagnosis(Cause.QUOTA, what, because, Sure.CERTAIN)


def _clock(e: Evidence) -> Diagnosis | None:
    offset = e.clock_offset
    if offset is None or abs(offset) <= CLOCK_LIMIT:
        return None
    others = [
        h.facts.value.clock_offset
        for h in e.view.hosts
        if h is not e.row.host and h.facts.value is not None and h.facts.value.clock_offset is not None
    ]
    beside = sum(1 for other in others if abs(offset - other) <= CLOCK_LIMIT)
    if others and beside == len(others):
        return None  # all hosts agree: then it is ours that is off
    way = "ahead" if offset > 0 else "behind"
    because = [f"{offset:+z.1f} s against this machine"]
    because += [f"the other hosts: {listed([f'{other:+z.1f} s' for other in others])}"] if others else []
    sure = Sure.CERTAIN if others else Sure.LIKELY
    what = f"the clock of {e.name}'s host is {abs(offset):.0f} s {way}"
    return Diagnosis(Cause.CLOCK, what, tuple(because), sure)


def _slow(e: Evidence) -> Diagnosis | None:
    metrics = e.row.endpoint.metrics.value if e.row.endpoint and e.row.current else None
    fsync, commit = (metrics.fsync_p99, metrics.commit_p99) if metrics else (None, None)
    numbers = f"fsync p99 {milliseconds(fsync)} ms, commit p99 {milliseconds(commit)} ms"
    words = e.said("slow-disk")
    if (fsync or 0) > FSYNC_ALERT or (commit or 0) > COMMIT_ALERT:
        because: tuple[str, ...] = (numbers, *((f"its log: {words.line}",) if words else ()))
        sure = Sure.CERTAIN if words else Sure.LIKELY
        return Diagnosis(Cause.SLOW_DISK, f"{e.name}'s disk is slow, and with it etcd", because, sure)
    caught = e.running and e.container is not None and e.container.process == "T"
    if caught and not e.answering_late:
        because = ("its process was caught stopped (state T) while it answers", numbers)
        return Diagnosis(Cause.SLOW, f"{e.name} stops again and again", because)
    if not e.answering_late:
        return None
    median = e.row.endpoint.serializable.percentile(0.5) if e.row.endpoint else None
    because = (f"its median answer takes {milliseconds(median)} ms", numbers)
    if words is not None:
        because += (f"its log: {words.line}",)
        return Diagnosis(Cause.SLOW_DISK, f"{e.name} answers late, its disk is slow", because)
    return Diagnosis(Cause.SLOW, f"{e.name} answers late, and not for its disk", because)


def _behind(e: Evidence) -> Diagnosis | None:
    learner = e.row.state is MemberState.LEARNER
    if not e.row.current or (not learner and (e.row.lag is None or e.row.lag <= LAGGING)):
        return None
    lag = f"{e.row.lag} entries" if e.row.lag is not None else "an unknown number of entries"
    what = f"{e.name} is {'a learner that' if learner else 'well, it'} takes over the data"
    return Diagnosis(Cause.CATCHING_UP, what, (f"{lag} behind the leader",), Sure.CERTAIN)


def _well(e: Evidence) -> Diagnosis | None:
    if not e.row.well or not e.row.current:
        return None
    good = [t for t in e.tries if t.problem is None]
    seen = (f"it answers {hosts_of(good)}",) if good else ()
    own = e.probe.own
    # An answer that came too slowly tells no time, and what was known of its clock before is old.
    timeless = own is not None and own.clock_offset is None
    unseen = "; its clock could not be read" if timeless else ""
    unseen = "; its host cannot be looked at" if e.probe.own_problem is not None else unseen
    return Diagnosis(
        Cause.NOTHING,
        f"nothing is wrong with {e.name}'s etcd{unseen}",
        (*seen, "it confirmed a read with the others a moment ago"),
        Sure.CERTAIN if good and not timeless else Sure.LIKELY,
    )


def _sure(e: Evidence, one: int) -> Sure:
    """Certain when a second host, or a look at its own host, agrees with the view."""
    return Sure.CERTAIN if len({t.host for t in e.tries}) > one or e.own_asked else Sure.LIKELY


_RULES: tuple[Callable[[Evidence], Diagnosis | None], ...] = (
    _impostor,
    _another_machine,
    _unstarted,
    silence.other_machine,
    silence.machine,
    silence.fatal_words,
    silence.manifest,
    silence.full_disk,
    silence.ended,
    silence.frozen,
    _certificate,
    _tls,
    _leaderless,
    silence.starting,
    silence.network,
    silence.silent,
    silence.unasked,
    _alarm,
    _clock,
    _slow,
    _behind,
    _well,
)
