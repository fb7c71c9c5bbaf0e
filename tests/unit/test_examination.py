"""Why a member is bad: each cause from what is seen, in the words of the sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdtui.etcd.log_signatures import recognise
from etcdtui.model.causes import TREATMENTS
from etcdtui.model.examination import Advice, Case, Cause, Examination, Outcome, Sure, examine
from etcdtui.model.members import DiskMetrics, MemberList
from etcdtui.model.platform import DiskSpace, NodeFacts
from etcdtui.model.probe import ContainerSeen, DataSeen, HostSeen, MachineSeen, Page, Port, Probe, Shown, Try
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from tests.views import NAMES, NOW, api, endpoint, gone, healthy, host, leaderless, member, status

GIB = 1024**3
M3 = "masternode3"
REFUSED = Problem(Fault.REFUSED, "nothing listens there")
SILENT = Problem(Fault.SILENT, "it takes the connection and says nothing for 3 s, not even TLS")
GOOD = Shown("CN = it", "CN = signer", NOW - 9e6, NOW + 9e6, ("192.168.50.12",))


def tries(problem: Problem | None = None, hosts: tuple[str, ...] = NAMES, **changes: Any) -> tuple[Try, ...]:
    """Both ports, from these hosts."""
    made: dict[str, Any] = {"problem": problem, "connected": problem is None}
    if problem is None:
        made |= {
            "certificate": GOOD,
            "verified": 0,
            "verdict": "ok",
            "health": Page(200, '{"health":"true"}'),
        }
    made |= changes
    peer = {**made, "health": None}
    return tuple(
        Try(name, port, f"192.168.50.12:{number}", **(made if port is Port.CLIENT else peer))
        for name in hosts
        for port, number in ((Port.CLIENT, 2379), (Port.PEER, 2380))
    )


def own(container: ContainerSeen | None = None, **changes: Any) -> HostSeen:
    base = HostSeen(
        name=M3,
        hostname=M3,
        clock_offset=0.01,
        manifest=True,
        manifest_path="/etc/kubernetes/manifests/etcd-pod.yaml",
        runtime=True,
        containers=(container,) if container else (),
        data=DataSeen("/var/lib/etcd", True, 92 << 20, 5),
        disk=DiskSpace("/var", 100 * GIB, 50 * GIB, 1_000_000),
    )
    return replace(base, **changes)


def fatal(error: str) -> str:
    return f'{{"level":"fatal","ts":"2026-09-21T14:13:20.000Z","msg":"it failed","error":"{error}"}}'


RUNNING = ContainerSeen("c0ffee", "running", 0, None, NOW - 3600, process="S")


def ended(code: int, *lines: str, attempt: int = 6) -> ContainerSeen:
    return ContainerSeen(
        "c0ffee",
        "exited",
        attempt,
        code,
        NOW - 20,
        last_lines=lines,
        signatures=recognise(lines, running=False),
    )


def probe(tried: tuple[Try, ...] = (), seen: HostSeen | None = None, **changes: Any) -> Probe:
    return replace(Probe(began=NOW, tries=tried, own=seen, took=0.5), **changes)


def view_of(third: Any, **changes: Any) -> ClusterView:
    return healthy(endpoints=(endpoint(1), endpoint(2), third), **changes)


DOWN = view_of(gone(3))
WELL = healthy()


def look(view: ClusterView, what: Probe) -> Examination:
    return examine(view, 0xA3, what)


def outcome(seen: Examination, layer: str) -> Outcome:
    return next(found.outcome for found in seen.layers if found.name == layer)


def test_a_member_that_is_well() -> None:
    seen = look(WELL, probe(tries(), own(RUNNING)))
    assert (seen.cause, seen.sure, seen.advice) == (Cause.NOTHING, Sure.CERTAIN, Advice.LEAVE)
    assert not seen.ails and "Do not touch" in seen.sentence
    assert {found.outcome for found in seen.layers} == {Outcome.OK}
    assert [found.name for found in seen.layers] == [
        "Address", "TCP", "TLS", "HTTP", "Raft", "Disk", "Container", "Node", "SSH",
    ]  # fmt: skip


def test_a_process_that_ended() -> None:
    seen = look(DOWN, probe(tries(REFUSED), own(ended(143))))
    assert (seen.cause, seen.advice, seen.case) == (Cause.PROCESS_ENDED, Advice.RESTART, Case.NONE)
    assert "process has ended" in seen.sentence and "exit code 143" in seen.sentence
    assert outcome(seen, "TCP") is Outcome.BAD and outcome(seen, "Container") is Outcome.BAD


def test_a_manifest_that_was_taken_away() -> None:
    seen = look(DOWN, probe(tries(REFUSED), own(None, manifest=False)))
    assert seen.cause is Cause.MANIFEST_AWAY and "manifest was taken away" in seen.sentence
    assert (seen.sure, seen.advice) == (Sure.CERTAIN, Advice.REPAIR)


def test_a_manifest_that_was_taken_away_while_etcd_still_ends() -> None:
    """It closes its ports first: for a while its container runs, young or old, and nobody answers there."""
    for started in (NOW - 9, NOW - 3600):
        seen = look(DOWN, probe(tries(REFUSED), own(replace(RUNNING, started=started), manifest=False)))
        assert (seen.cause, seen.sure, seen.advice) == (Cause.MANIFEST_AWAY, Sure.LIKELY, Advice.REPAIR)
        assert "is being stopped" in seen.sentence and "its container still runs" in seen.because
    unruled = look(healthy(), probe(tries(), own(RUNNING, manifest=False)))
    assert unruled.cause is Cause.NOTHING, unruled.sentence


def test_a_frozen_process() -> None:
    stopped = own(replace(RUNNING, process="T"))
    seen = look(view_of(gone(3, Fault.SILENT)), probe(tries(SILENT, connected=True), stopped))
    assert (seen.cause, seen.sure, seen.advice) == (Cause.FROZEN, Sure.CERTAIN, Advice.RESTART)
    assert outcome(seen, "TCP") is Outcome.OK and outcome(seen, "TLS") is Outcome.BAD


def test_a_process_that_hangs_without_being_stopped() -> None:
    seen = look(view_of(gone(3, Fault.SILENT)), probe(tries(SILENT, connected=True), own(RUNNING)))
    assert seen.cause is Cause.HUNG and seen.advice is Advice.RESTART


def test_without_a_quorum_one_that_says_nothing_may_only_wait_for_the_others() -> None:
    """etcd that starts without a quorum takes connections and answers nobody."""
    view = healthy(endpoints=(gone(1), gone(2), gone(3, Fault.SILENT)))
    seen = look(view, probe(tries(SILENT, connected=True), own(RUNNING)))
    assert (seen.cause, seen.sure, seen.advice) == (Cause.NO_QUORUM, Sure.LIKELY, Advice.LEAVE)
    assert "it waits for the others" in seen.sentence and "bring the others back" in seen.sentence


def test_beside_others_that_answer_it_may_hang_too() -> None:
    view = healthy(endpoints=(gone(1), leaderless(2), gone(3, Fault.SILENT)))
    seen = look(view, probe(tries(SILENT, connected=True), own(RUNNING)))
    assert (seen.cause, seen.sure) == (Cause.HUNG, Sure.UNSURE)
    assert "waits for the others; start those first" in seen.sentence


@pytest.mark.parametrize(
    ("code", "verdict", "cause", "words"),
    [
        (10, "certificate has expired", Cause.EXPIRED, "certificate expired 1 h ago"),
        (9, "certificate is not yet valid", Cause.NOT_YET_VALID, "not valid yet"),
        (20, "unable to get local issuer certificate", Cause.UNTRUSTED, "signed by CN = a-stranger"),
        (64, "IP address mismatch", Cause.MISNAMED, "is for 10.9.9.9, not for 192.168.50.12"),
    ],
)
def test_certificates(code: int, verdict: str, cause: Cause, words: str) -> None:
    shown = Shown("CN = it", "CN = a-stranger", NOW - 9e6, NOW - 3600, ("10.9.9.9",))
    bad = Problem(Fault.TLS, f"its certificate is not good: {verdict}")
    tried = tries(bad, certificate=shown, verified=code, verdict=verdict, connected=True)
    good_peer = tuple(t for t in tries() if t.port is Port.PEER)
    clients = tuple(t for t in tried if t.port is Port.CLIENT)
    seen = look(view_of(gone(3, Fault.TLS)), probe((*clients, *good_peer), own(RUNNING)))
    assert (seen.cause, seen.sure, seen.advice) == (cause, Sure.CERTAIN, Advice.REPAIR)
    assert words in seen.sentence and "likely still votes" in seen.sentence
    assert outcome(seen, "TLS") is Outcome.BAD
    some_find_it_good = (*clients[:1], *(t for t in tries() if t.host != "masternode1"), *good_peer[:1])
    assert look(view_of(gone(3, Fault.TLS)), probe(some_find_it_good)).sure is Sure.UNSURE


@pytest.mark.parametrize(
    ("line", "cause", "advice"),
    [
        ("panic: tocommit(10) is out of range [lastIndex(0)]. Was it lost?", Cause.WIPED, Advice.REPLACE),
        (fatal("member 5e6b has already been bootstrapped"), Cause.WIPED, Advice.REPLACE),
        (fatal("the member has been permanently removed from the cluster"), Cause.REMOVED, Advice.REPLACE),
        ("panic: assertion failed: Page expected to be: 5, but it is 0", Cause.DAMAGED, Advice.REPLACE),
        (fatal("failed to recover v3 backend from snapshot"), Cause.DAMAGED, Advice.REPLACE),
        (fatal("walpb: crc mismatch"), Cause.DAMAGED, Advice.REPLACE),
        (fatal("write /var/lib/etcd/x: no space left on device"), Cause.DISK_FULL, Advice.REPAIR),
        (fatal("listen tcp 10.0.0.3:2380: bind: address already in use"), Cause.PORT_TAKEN, Advice.REPAIR),
        (fatal("listen tcp: bind: cannot assign requested address"), Cause.ADDRESS_AWAY, Advice.REPAIR),
        (fatal("open /etc/kubernetes/a.crt: no such file or directory"), Cause.FILES, Advice.REPAIR),
        (fatal("error validating peerURLs: member count is unequal"), Cause.MISCONFIGURED, Advice.REPAIR),
    ],
)
def test_a_crash_loop_is_named_by_its_last_words(line: str, cause: Cause, advice: Advice) -> None:
    seen = look(DOWN, probe(tries(REFUSED), own(ended(2, "something before", line))))
    assert (seen.cause, seen.sure, seen.advice) == (cause, Sure.CERTAIN, advice)
    assert "cannot start" in seen.sentence
    if advice is Advice.REPLACE:
        assert seen.case is Case.CRASH_LOOP and seen.case.value in seen.sentence


def test_a_crash_loop_nobody_knows() -> None:
    seen = look(DOWN, probe(tries(REFUSED), own(ended(1, "a line nobody has ever seen"))))
    assert (seen.cause, seen.sure, seen.case) == (Cause.CRASH_LOOP, Sure.LIKELY, Case.CRASH_LOOP)
    assert any("a line nobody has ever seen" in why for why in seen.because)


AWAY = Problem(Fault.SILENT, "no connection within 3 s")
NO_SSH = host(3, link=Reading(0.001, NOW - 400, Problem(Fault.SILENT, "no answer"), NOW - 400))


def away(view_since: float = 400.0, **changes: Any) -> tuple[ClusterView, Probe]:
    dead = gone(3, Fault.SILENT)
    dead = replace(dead, status=replace(dead.status, since=NOW - view_since))
    view = view_of(dead, hosts=(host(1), host(2), NO_SSH), **changes)
    return view, probe(tries(AWAY, hosts=NAMES[:2]), None, own_problem=Problem(Fault.SILENT, "no answer"))


def nodes(third: NodeFacts | None) -> Any:
    known = tuple(NodeFacts(name, "192.168.50.1", True) for name in NAMES[:2])
    return api(nodes=(*known, third) if third else known)


def test_a_machine_that_is_gone() -> None:
    view, asked = away(api=nodes(None))
    seen = look(view, asked)
    assert (seen.cause, seen.sure, seen.advice, seen.case) == (
        Cause.MACHINE_GONE, Sure.CERTAIN, Advice.REPLACE, Case.MACHINE,
    )  # fmt: skip
    assert "its node is deleted" in seen.sentence and outcome(seen, "Node") is Outcome.BAD
    metal = MachineSeen("master-3", "Provisioned", bare_metal=True)
    assert look(view, replace(asked, machine=metal)).case is Case.BARE_METAL
    # The Machine says so before the node is deleted.
    ready = nodes(NodeFacts(M3, "192.168.50.12", True))
    ended_machine = MachineSeen("lab-master-2", "Failed", "terminated", "Can't find created instance.")
    view, asked = away(10.0, api=ready)
    seen = look(view, replace(asked, machine=ended_machine))
    assert (seen.cause, seen.sure, seen.advice) == (Cause.MACHINE_GONE, Sure.CERTAIN, Advice.REPLACE)
    assert any("terminated" in why for why in seen.because)


def test_that_no_machine_stands_for_a_node_is_not_what_proves_it_down() -> None:
    view, asked = away(10.0, api=nodes(NodeFacts(M3, "192.168.50.12", False, "unreachable")))
    seen = look(view, replace(asked, machine=MachineSeen("", bare_metal=True)))
    assert seen.cause is Cause.NODE_DOWN and seen.because[0].startswith("SSH to ")
    assert "no Machine stands for it" in seen.because and "no Machine" not in seen.sentence


def test_a_machine_that_is_switched_off_is_to_be_switched_on() -> None:
    view, asked = away(10.0, api=nodes(NodeFacts(M3, "192.168.50.12", True)))
    seen = look(view, replace(asked, machine=MachineSeen("lab-master-2", "Running", "stopped")))
    assert (seen.cause, seen.sure, seen.advice) == (Cause.NODE_DOWN, Sure.CERTAIN, Advice.WAIT)
    assert "machine is stopped" in seen.sentence and "start its machine" in seen.sentence


def test_a_node_that_is_down_is_first_waited_for() -> None:
    not_ready = NodeFacts(M3, "192.168.50.12", False, "Kubelet stopped posting node status")
    view, asked = away(api=nodes(not_ready))
    seen = look(view, asked)
    assert (seen.cause, seen.sure, seen.advice) == (Cause.NODE_DOWN, Sure.CERTAIN, Advice.REPLACE)
    view, asked = away(60.0, api=nodes(not_ready))
    assert look(view, asked).advice is Advice.WAIT and "rebooting" in look(view, asked).sentence


def test_a_node_down_with_the_api_down_is_only_likely() -> None:
    silent_api = Reading(None, None, Problem(Fault.REFUSED, "The API refuses."), NOW - 100)
    view, asked = away(api=silent_api)
    seen = look(view, asked)
    assert (seen.cause, seen.sure) == (Cause.NODE_DOWN, Sure.LIKELY)
    assert outcome(seen, "Node") is Outcome.UNKNOWN


def test_a_node_called_ready_that_nobody_reaches_is_waited_for() -> None:
    view, asked = away(api=nodes(NodeFacts(M3, "192.168.50.12", True)))
    seen = look(view, asked)
    assert (seen.cause, seen.sure) == (Cause.NODE_DOWN, Sure.LIKELY)
    assert "still calls the node Ready" in " ".join(seen.because)


def test_without_a_quorum_the_members_that_live_are_not_to_be_touched() -> None:
    view = healthy(endpoints=(gone(1), gone(2), leaderless(3)), speaking=M3, voices=1)
    view = replace(view, hosts=tuple(host(n) for n in (1, 2, 3)))
    seen = look(view, probe(tries(hosts=(M3,)), own(RUNNING)))
    assert (seen.cause, seen.advice) == (Cause.NO_QUORUM, Advice.LEAVE)
    assert "masternode1 is down" in " ".join(seen.because)


def test_an_address_that_is_somebody_elses_now() -> None:
    told = status(3, member_id=0xBAD, cluster_id=0xBAD)
    stranger = endpoint(3, member_id=None, status=Reading(told, NOW - 0.5))
    seen = look(view_of(stranger), probe(tries(), own(RUNNING)))
    assert seen.cause is Cause.IMPOSTOR and "another etcd" in seen.sentence


def test_an_address_that_another_machine_has_now() -> None:
    """What lies and runs there is not the member's: no word of a manifest that was taken away."""
    there = own(None, hostname="worker7.example.com", manifest=False, data=DataSeen("/var/lib/etcd"))
    nodes = tuple(NodeFacts(n, "192.168.50.12", n != M3) for n in NAMES)
    view = replace(view_of(gone(3)), api=api(nodes=nodes))
    seen = look(view, probe(tries(REFUSED), there))
    assert (seen.cause, seen.sure, seen.advice) == (Cause.IMPOSTOR, Sure.CERTAIN, Advice.REPLACE)
    assert "another machine is there: worker7.example.com" in seen.sentence
    assert outcome(seen, "SSH") is Outcome.BAD


def test_a_machine_may_be_called_otherwise_than_its_member() -> None:
    """Where that is so for the others, too, its name says nothing."""
    facts = host(1).facts.value
    assert facts is not None
    named = tuple(
        host(n, facts=Reading(replace(facts, hostname=f"ip-10-0-0-{n}"), NOW - 3)) for n in (1, 2, 3)
    )
    view = replace(view_of(gone(3)), hosts=named)
    seen = look(view, probe(tries(REFUSED), own(None, hostname="ip-10-0-0-3", manifest=False)))
    assert seen.cause is Cause.MANIFEST_AWAY
    dotted = own(None, hostname=f"{M3}.example.com", manifest=False)
    assert look(view_of(gone(3)), probe(tries(REFUSED), dotted)).cause is Cause.MANIFEST_AWAY


def test_a_full_disk_is_named_though_etcd_answers() -> None:
    full = DiskSpace("/var", 100 * GIB, 0, 1_000_000)
    seen = look(WELL, probe(tries(), own(RUNNING, disk=full)))
    assert seen.cause is Cause.DISK_FULL and "data disk is full" in seen.sentence
    assert outcome(seen, "Disk") is Outcome.BAD
    no_inodes = DiskSpace("/var", 100 * GIB, 50 * GIB, 0)
    assert look(WELL, probe(tries(), own(RUNNING, disk=no_inodes))).cause is Cause.DISK_FULL


def test_a_slow_disk() -> None:
    slow = endpoint(3, metrics=Reading(DiskMetrics(0.812, 0.9, 0.002, 1, 8 << 30, 10.0), NOW - 5))
    seen = look(view_of(slow), probe(tries(), own(RUNNING)))
    assert seen.cause is Cause.SLOW_DISK and "disk is slow" in seen.sentence and "812" in seen.sentence


def test_a_clock_that_is_off_only_where_the_others_agree() -> None:
    seen = look(WELL, probe(tries(), own(RUNNING, clock_offset=-90.0)))
    assert seen.cause is Cause.CLOCK and "90 s behind" in seen.sentence
    facts = [host(n).facts.value for n in (1, 2, 3)]
    ours = tuple(
        host(n, facts=Reading(replace(f, clock_offset=-90.0), NOW - 3)) for n, f in enumerate(facts, 1) if f
    )
    assert look(healthy(hosts=ours), probe(tries(), own(RUNNING, clock_offset=-90.0))).cause is Cause.NOTHING


def test_a_clock_that_is_right_is_not_said_to_be_behind_by_nothing() -> None:
    seen = look(WELL, probe(tries(), own(RUNNING, clock_offset=-0.03)))
    assert next(layer.sentence for layer in seen.layers if "clock" in layer.sentence).endswith("clock +0.0 s")


def test_a_way_that_is_cut_for_some() -> None:
    mixed = (*tries(hosts=(M3,)), *tries(AWAY, hosts=NAMES[:2]))
    seen = look(view_of(gone(3, Fault.SILENT)), probe(mixed, own(RUNNING)))
    assert seen.cause is Cause.NETWORK and "cut for some of the hosts" in seen.sentence


def test_a_member_that_never_started_and_one_that_is_not_listed() -> None:
    members = MemberList(0xC1, (member(1), member(2), member(3, name="", client_urls=())), 0xA1)
    view = healthy(members=Reading(members, NOW - 1), endpoints=(endpoint(1), endpoint(2)))
    assert look(view, probe()).cause is Cause.UNSTARTED
    assert examine(view, 0xBEEF, probe()).cause is Cause.GONE


def test_nothing_could_be_asked() -> None:
    dead = gone(3, Fault.NOT_ASKED, "no host")
    seen = look(view_of(dead), probe(unasked=(("masternode1", SILENT),)))
    assert (seen.cause, seen.sure, seen.advice) == (Cause.UNASKED, Sure.UNSURE, Advice.LEAVE)
    assert outcome(seen, "TCP") is Outcome.NOT_ASKED


def test_nothing_is_certain_while_something_is_awaited() -> None:
    half = probe(tries(REFUSED), own(ended(143)), pending=("masternode2",), took=None)
    seen = look(DOWN, half)
    assert seen.sure is Sure.LIKELY and not seen.complete


PROBLEMS = st.sampled_from(
    [None, REFUSED, SILENT, AWAY, Problem(Fault.TLS, "x"), Problem(Fault.NOT_ASKED, "y")]
)
CONTAINERS = st.sampled_from([None, RUNNING, replace(RUNNING, process="T"), ended(2), ended(0), ended(137)])
THIRDS = st.sampled_from([endpoint(3), gone(3), gone(3, Fault.SILENT), gone(3, Fault.TLS), leaderless(3)])


@given(THIRDS, st.lists(PROBLEMS, max_size=3), CONTAINERS, st.booleans(), st.booleans())
def test_whatever_is_seen_one_sentence_says_it(
    third: Any, problems: list[Problem | None], container: ContainerSeen | None, looked: bool, manifest: bool
) -> None:
    tried = tuple(
        t for name, problem in zip(NAMES, problems, strict=False) for t in tries(problem, hosts=(name,))
    )
    seen = look(view_of(third), probe(tried, own(container, manifest=manifest) if looked else None))
    assert seen.sentence.count("\n") == 0 and seen.sure.value in seen.sentence
    assert f"{seen.advice.value.capitalize()}: " in seen.sentence and seen.sentence.endswith(".")
    if seen.advice is Advice.REPLACE:  # never one that answers, nor what can be mended
        assert not third.status.current(NOW, 3.5) and seen.case is not Case.NONE
        assert seen.sure is not Sure.UNSURE
    if any(p is None for p in problems):
        assert seen.cause not in (Cause.MACHINE_GONE, Cause.NODE_DOWN, Cause.UNASKED)


def test_every_cause_has_its_treatment() -> None:
    assert set(TREATMENTS) == set(Cause)
    for treatment in TREATMENTS.values():
        assert (treatment.case is not Case.NONE) <= (treatment.advice in (Advice.REPLACE, Advice.REPAIR))


def test_another_machine_at_its_address() -> None:
    other = Problem(Fault.OTHER_HOST, "192.168.50.12 shows another SSH host key than the known one")
    not_ready = NodeFacts(M3, "192.168.50.12", False, "unreachable")
    view, asked = away(api=nodes(not_ready))
    hosts = tuple(replace(h, link=replace(h.link, problem=other)) if h.name == M3 else h for h in view.hosts)
    asked = replace(asked, tries=tries(REFUSED, hosts=NAMES[:2]), own_problem=other)
    seen = look(replace(view, hosts=hosts), asked)
    assert (seen.cause, seen.advice, seen.sure) == (Cause.IMPOSTOR, Advice.REPLACE, Sure.CERTAIN), (
        seen.sentence
    )
    assert "another machine than before" in seen.sentence


def test_a_host_that_was_only_too_slow_to_be_looked_at_is_not_called_away() -> None:
    slow = Problem(Fault.SILENT, "no answer within 4.6 s")
    asked = probe(tries(REFUSED), None, own_problem=slow)
    fresh = replace(view_of(gone(3)), now=NOW + 10)
    hosts = tuple(replace(h, link=Reading(0.001, NOW + 9)) if h.name == M3 else h for h in fresh.hosts)
    assert look(replace(fresh, hosts=hosts), asked).cause is Cause.PROCESS_ENDED
    silent = tuple(replace(h, link=Reading(0.001, NOW - 60)) if h.name == M3 else h for h in fresh.hosts)
    assert look(replace(fresh, hosts=silent), asked).cause is Cause.NODE_DOWN


def test_of_a_clock_that_could_not_be_read_nobody_says_for_certain_that_nothing_is_wrong() -> None:
    seen = look(WELL, probe(tries(), own(RUNNING, clock_offset=None)))
    assert (seen.cause, seen.sure) == (Cause.NOTHING, Sure.LIKELY)
    assert "its clock could not be read" in seen.sentence
