"""May a member go down now; the watch over one that does."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdtui.cluster.board import Board, Constants
from etcdtui.cluster.speaker import Speaker
from etcdtui.errors import Refusal, Unreachable
from etcdtui.etcd.commands import ClientAccess
from etcdtui.journal import Journal
from etcdtui.model import maintenance as maintenance_rules
from etcdtui.model.backups import FoundFile, join
from etcdtui.model.comeback import back, others_ail
from etcdtui.model.latency import LatencySeries
from etcdtui.model.lock import Lock
from etcdtui.model.maintenance import Answer, Weight, heir, may_take_down, safe_to_take_one_down
from etcdtui.model.manifest import File, Manifest
from etcdtui.model.members import MemberList
from etcdtui.model.places import HERE, Place, PlacedSet, PlaceKind, PlaceView
from etcdtui.model.platform import ApiFacts, NodeFacts, OperatorFacts, PodFacts
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.proof import Check, Outcome
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView, EndpointView, HostView
from etcdtui.platforms.openshift import HostAccess
from etcdtui.procedures import maintenance
from etcdtui.procedures.procedure import Action, Choice, Ending, Event, Procedure, Progress, StepState
from etcdtui.procedures.procedure import Answer as Reply
from etcdtui.procedures.registry import resume
from tests.procedures import FakeRunner, FakeWorld, Human, run
from tests.views import NOW, api, endpoint, gone, healthy, host, leaderless, member, status

ID = "maintenance-20260921-101112-ab12"
ONE, TWO, THREE = 0xA1, 0xA2, 0xA3
NEXUS = Place(PlaceKind.STORE, "nexus")
OPERATORS = (*maintenance_rules.OPERATORS, maintenance_rules.REBOOTING, "dns")
ACCESS = ClientAccess("/ca", "/cert", "/key", etcdctl="/usr/bin/etcdctl")
DOWN = Problem(Fault.REFUSED, "connection refused")


def placed(hours: float = 2.0, place: Place = HERE) -> PlacedSet:
    taken = datetime.fromtimestamp(NOW - hours * 3600, UTC)
    stamp = taken.strftime("%Y-%m-%d_%H%M%S")
    names = (f"snapshot_{stamp}.db", f"static_kuberesources_{stamp}.tar.gz")
    (found,) = join(FoundFile(place.label, "/b", name, 512 + 32, NOW) for name in names)
    files = [File(name, 512 + 32, "ab" * 32) for name in names]
    told = Manifest(
        "1", taken, taken, *files, "prod", (member(1),), 900, 1, 1, 1, (Check("all", Outcome.OK, "Good."),)
    )
    return PlacedSet(place, found, told)


def place(*sets: PlacedSet, where: Place = HERE, problem: Problem | None = None) -> PlaceView:
    return PlaceView(where, Reading(sets, NOW - 3, problem))


def operators(*progressing: str) -> tuple[OperatorFacts, ...]:
    return tuple(OperatorFacts(name, True, name in progressing, False) for name in OPERATORS)


def good(**changes: object) -> ClusterView:
    base = {"api": api(operators=operators()), "places": (place(placed()),)}
    return healthy(**(base | changes))


def nodes(*unready: int) -> tuple[NodeFacts, ...]:
    return tuple(NodeFacts(f"masternode{n}", "192.168.50.1", n not in unready) for n in (1, 2, 3))


def pods(*unready: int) -> tuple[PodFacts, ...]:
    return tuple(pod(n, 3 if n in unready else 4) for n in (1, 2, 3))


def pod(number: int, ready: int = 4) -> PodFacts:
    return PodFacts(f"etcd-masternode{number}", f"masternode{number}", ready, 4, "Running")


def seen(**changes: object) -> Reading[ApiFacts]:
    return api(**({"operators": operators()} | changes))


def with_endpoint(number: int, changed: EndpointView, view: ClusterView | None = None) -> ClusterView:
    view = view or good()
    ends = tuple(changed if e.member_id == 0xA0 + number else e for e in view.endpoints)
    return replace(view, endpoints=ends)


def lagging(number: int, by: int) -> EndpointView:
    return endpoint(number, status=Reading(status(number, raft_applied=1000 - by), NOW - 0.5))


def leading(number: int) -> ClusterView:
    """All name this one as their leader."""
    ends = tuple(
        endpoint(n, status=Reading(status(n, leader_id=0xA0 + number), NOW - 0.5)) for n in (1, 2, 3)
    )
    return good(endpoints=ends)


def busy(number: int, job: str) -> HostView:
    facts = host(number).facts.value
    assert facts is not None
    return host(number, facts=Reading(replace(facts, running_jobs=(job,)), NOW - 3))


def hosts(*changed: HostView) -> tuple[HostView, ...]:
    by_name = {h.name: h for h in (*(host(n) for n in (1, 2, 3)), *changed)}
    return tuple(by_name.values())


def nos(answer: Answer) -> str:
    assert not answer.allowed
    return " ".join(answer.of(Weight.NO))


class TestMayTakeDown:
    def test_a_follower_of_a_healthy_cluster_with_every_reason(self) -> None:
        answer = may_take_down(good(), TWO)
        assert answer.allowed and answer.sentence == "masternode2 may go down now."
        assert {reason.weight for reason in answer.reasons} == {Weight.OK}
        told = " ".join(answer.of(Weight.OK))
        for part in (
            "Without masternode2 2 of 3 voters vote, 2 needed: no further loss is allowed",
            "masternode1 (0 entries behind) and masternode3 (0 entries behind) are healthy",
            "masternode1 leads, not masternode2",
            "No alarm is raised",
            "No operator of the control plane is rolling out",
            "nodes and etcd pods are ready",
            "The last proven backup off the cluster is 2 h old (here)",
            "No backup is being taken",
        ):
            assert part in told

    def test_the_leader_may_go_but_should_hand_over_first(self) -> None:
        answer = may_take_down(good(), ONE)
        assert answer.allowed
        assert answer.sentence.startswith("masternode1 may go down now. Mind: masternode1 leads")
        assert "let masternode2 lead first" in answer.sentence

    def test_nobody_of_that_id(self) -> None:
        answer = may_take_down(good(), 0xBEEF)
        assert answer.sentence.startswith("Do not take beef down:") and not answer.allowed

    @pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.SILENT, Fault.UNREACHABLE])
    def test_one_that_is_down_already(self, fault: Fault) -> None:
        view = with_endpoint(2, gone(2, fault))
        answer = may_take_down(view, TWO)
        assert not answer.allowed and "is down already: no other may go before it is well" in answer.sentence
        other = may_take_down(view, THREE)
        assert other.sentence.startswith("Do not take masternode3 down: without masternode3 1 of 3 voters")
        assert "masternode2" in nos(other) and "mend it first" in nos(other)

    def test_a_single_member(self) -> None:
        view = good(members=Reading(MemberList(0xC1, (member(1),), ONE), NOW - 1), endpoints=(endpoint(1),))
        assert "0 of 1 voter would vote, 1 needed: etcd would stop" in nos(may_take_down(view, ONE))

    @pytest.mark.parametrize(
        ("changes", "part"),
        [
            ({"api": seen(operators=operators("kube-apiserver"))}, "kube-apiserver operator is rolling out"),
            ({"api": seen(operators=operators("machine-config"))}, "machine-config operator is rolling out"),
            (
                {"api": seen(operators=operators()[1:])},
                "Whether a rollout of etcd is under way",
            ),
            ({"api": seen(nodes=nodes(3))}, "node masternode3 is not Ready"),
            ({"api": seen(nodes=nodes()[:2])}, "knows no node of the name masternode3"),
            ({"api": seen(pods=pods(1))}, "etcd pod on masternode1 is 3/4 ready"),
            ({"api": seen(pods=())}, "etcd pod on masternode1 is not known"),
            ({"api": replace(seen(), problem=DOWN)}, "the API does not answer: connection refused"),
            ({"api": replace(seen(), at=NOW - 60)}, "the API does not answer"),
            ({"places": ()}, "No proven backup off the cluster is known: take one first"),
            ({"places": (place(placed(30)),)}, "30 h old (here), 24 h are allowed"),
            ({"places": (place(replace(placed(), manifest=None)),)}, "No proven backup off the cluster"),
            (
                {"places": (place(placed(place=NEXUS), where=NEXUS, problem=DOWN),)},
                "seen on nexus alone. nexus cannot be looked at now",
            ),
            ({"writing": frozenset({("masternode1", "2026-09-21_020000")})}, "being taken on masternode1"),
            ({"hosts": hosts(busy(3, "backup-1"))}, "being taken on masternode3"),
            ({"hosts": hosts(busy(2, "restore-1"))}, "A job of etcdtui runs on masternode2 (restore-1)"),
            ({"hosts": hosts(host(2, facts=Reading()))}, "its host cannot be looked at"),
            (
                {"members": Reading(MemberList(0xC1, tuple(member(n) for n in (1, 2, 3))), NOW - 60)},
                "The member list is of 1 min ago",
            ),
        ],
    )
    def test_what_forbids_it(self, changes: dict[str, object], part: str) -> None:
        answer = may_take_down(good(**changes), TWO)
        assert part in nos(answer)
        assert answer.sentence.startswith("Do not take masternode2 down: ")

    @pytest.mark.parametrize(
        ("changed", "part"),
        [
            (endpoint(3, status=Reading(status(3), NOW - 30)), "masternode3 is not known yet"),
            (endpoint(3, reads=Reading(None, NOW - 30)), "masternode3 cannot reach the quorum"),
            (leaderless(3), "masternode3 knows no leader"),
            (lagging(3, 1001), "masternode3 is 1\u202f001 entries behind"),
            (
                endpoint(3, status=Reading(status(3, errors=("memberID:1 alarm:NOSPACE ",)), NOW - 0.5)),
                "The alarm NOSPACE is raised",
            ),
            (
                endpoint(3, status=Reading(status(3, leader_id=THREE), NOW - 0.5)),
                "name different leaders",
            ),
        ],
    )
    def test_what_another_member_forbids(self, changed: EndpointView, part: str) -> None:
        assert part in nos(may_take_down(with_endpoint(3, changed), TWO))

    def test_its_own_trouble_is_only_minded(self) -> None:
        view = good(api=seen(nodes=nodes(2), pods=pods(2), operators=operators("dns")))
        answer = may_take_down(with_endpoint(2, lagging(2, 9000), view), TWO)
        assert answer.allowed
        minded = " ".join(answer.of(Weight.WARNING))
        assert "node masternode2 is not Ready already now" in minded and "3/4 ready already now" in minded
        assert "dns" in minded and "(2 more reasons.)" in answer.sentence

    def test_without_an_api_it_is_never_all_green(self) -> None:
        answer = may_take_down(good(api=Reading(), api_configured=False), TWO)
        assert answer.allowed and "Mind: whether operators roll out" in answer.sentence

    def test_a_slow_one_beside_it_is_minded(self) -> None:
        slow = endpoint(3, serializable=LatencySeries((0.3,) * 10))
        answer = may_take_down(with_endpoint(3, slow), TWO)
        assert answer.allowed and "masternode3 is slow" in answer.sentence

    def test_a_learner_may_go_and_is_minded_beside_others(self) -> None:
        listed = MemberList(0xC1, (*(member(n) for n in (1, 2, 3)), member(4, learner=True)), ONE)
        ready = seen(
            nodes=(*nodes(), NodeFacts("masternode4", "", True)),
            pods=(*pods(), pod(4)),
        )
        fourth = endpoint(4, status=Reading(status(4, learner=True), NOW - 0.5))
        view = good(
            members=Reading(listed, NOW - 1),
            endpoints=(*healthy().endpoints, fourth),
            hosts=hosts(host(4)),
            api=ready,
        )
        own = may_take_down(view, 0xA4)
        assert own.allowed and "does not vote" in " ".join(own.of(Weight.OK))
        other = may_take_down(view, TWO)
        assert other.allowed and "masternode4 is a learner" in other.sentence

    def test_no_backup_is_ruled_out_on_a_host_that_was_not_seen(self) -> None:
        answer = may_take_down(good(hosts=hosts(host(3, facts=Reading()))), TWO)
        assert "Whether a backup is being taken on masternode3" in " ".join(answer.of(Weight.WARNING))
        assert not any("backup is being taken" in said for said in answer.of(Weight.OK))

    def test_a_backup_from_the_future_will_not_do(self) -> None:
        assert "dated in the future" in nos(may_take_down(good(places=(place(placed(-48)),)), TWO))
        both = may_take_down(good(places=(place(placed(-48), placed(30)),)), TWO)
        assert "30 h old (here), 24 h are allowed" in nos(both)

    def test_a_backup_taken_by_force_will_not_do(self) -> None:
        clean = placed()
        names = ((f.name, f.name.replace(".", "__POSSIBLY_DIRTY__.", 1)) for f in clean.set.files)
        files = [FoundFile("here", "/b", new, 512 + 32, NOW) for _, new in names]
        told = clean.manifest
        assert told is not None and told.resources is not None
        told = replace(
            told,
            snapshot=replace(told.snapshot, name=files[0].name),
            resources=replace(told.resources, name=files[1].name),
        )
        (found,) = join(files)
        dirty = PlacedSet(HERE, found, told)
        assert dirty.proven and found.dirty
        assert "No proven backup off the cluster" in nos(may_take_down(good(places=(place(dirty),)), TWO))

    def test_an_older_backup_will_do_where_that_is_allowed(self) -> None:
        assert may_take_down(good(places=(place(placed(30)),), max_backup_age=48 * 3600.0), TWO).allowed


class TestHeir:
    def test_the_quickest_that_is_not_behind(self) -> None:
        quick = endpoint(3, linearizable=LatencySeries((0.001,) * 10))
        found = heir(with_endpoint(3, quick), ONE)
        assert found is not None and found.member.id == THREE
        found = heir(with_endpoint(3, replace(lagging(3, 5000), linearizable=quick.linearizable)), ONE)
        assert found is not None and found.member.id == TWO

    def test_nobody_when_none_is_well(self) -> None:
        view = good(endpoints=(endpoint(1), gone(2), leaderless(3)))
        assert heir(view, ONE) is None


class TestOneOfAll:
    def test_names_who_may_and_the_leader_last(self) -> None:
        answer = safe_to_take_one_down(good())
        assert answer.allowed
        assert (
            answer.sentence
            == "One member may go down now: masternode2 or masternode3; masternode1 last, it leads."
        )

    def test_names_who_may_not(self) -> None:
        answer = safe_to_take_one_down(with_endpoint(3, lagging(3, 5000)))
        assert answer.allowed and answer.sentence.startswith("One member may go down now: masternode3. ")
        assert "Do not take masternode1 down: masternode3" in answer.sentence
        assert [reason.weight for reason in answer.reasons] == [Weight.NO, Weight.NO, Weight.OK]

    def test_says_what_forbids_all(self) -> None:
        answer = safe_to_take_one_down(good(places=()))
        assert answer.sentence.startswith("No member may go down now: no proven backup off the cluster")
        assert not answer.allowed

    def test_what_must_be_minded_with_each(self) -> None:
        answer = safe_to_take_one_down(good(api=Reading(), api_configured=False))
        assert answer.allowed and "Mind: whether operators roll out" in answer.sentence
        assert {reason.weight for reason in answer.reasons} == {Weight.WARNING}

    def test_says_who_is_down_already(self) -> None:
        answer = safe_to_take_one_down(away(3))
        assert not answer.allowed
        assert answer.sentence.startswith("No member may go down now: masternode3 is down already")

    def test_those_that_had_their_turn_are_left_out(self) -> None:
        answer = safe_to_take_one_down(good(), done=(TWO,))
        assert "masternode2" not in answer.sentence and "masternode3" in answer.sentence
        assert not safe_to_take_one_down(good(), done=(ONE, TWO, THREE)).allowed

    def test_nothing_known(self) -> None:
        assert not safe_to_take_one_down(ClusterView("prod", NOW)).allowed


# -- every mix of states

STATES: dict[str, tuple[Callable[[int], EndpointView], bool]] = {
    "well": (endpoint, True),
    "slow": (lambda n: endpoint(n, serializable=LatencySeries((0.3,) * 10)), True),
    "lagging": (lambda n: lagging(n, 2000), False),
    "refused": (gone, False),
    "silent": (lambda n: gone(n, Fault.SILENT), False),
    "tls": (lambda n: gone(n, Fault.TLS), False),
    "not asked": (lambda n: gone(n, Fault.NOT_ASKED), False),
    "stale": (lambda n: endpoint(n, status=Reading(status(n), NOW - 20)), False),
    "no reads": (lambda n: endpoint(n, reads=Reading(None, NOW - 20)), False),
    "leaderless": (leaderless, False),
    "never asked": (lambda n: EndpointView(endpoint(n).url), False),
    "alarm": (
        lambda n: endpoint(n, status=Reading(status(n, errors=("alarm:CORRUPT",)), NOW - 0.5)),
        False,
    ),
    "foreign": (lambda n: endpoint(n, status=Reading(status(n, cluster_id=0xBAD), NOW - 0.5)), False),
}
STALE: dict[str, dict[str, object]] = {
    "": {},
    "members": {"members": "stale"},
    "api": {"api": Reading(None, None, DOWN)},
    "backup": {"places": ()},
    "hosts": {"hosts": "stale"},
    "old backup": {"places": (place(placed(30)),)},
}


def locked(silent: float = 3.0, over: str = "") -> ClusterView:
    seen = host(2)
    assert seen.facts.value is not None
    lock = Lock("replace-x", "ann@laptop", "Replace masternode3 in prod", "prod", 300.0, silent, over=over)
    return good(
        hosts=hosts(replace(seen, facts=Reading(replace(seen.facts.value, lock=lock), seen.facts.at)))
    )


def test_nobody_goes_while_the_cluster_is_being_changed() -> None:
    answer = may_take_down(locked(), 0xA1)
    assert not answer.allowed
    assert (
        "The cluster is being changed: ann@laptop is at work on prod: “Replace masternode3 in prod”"
        in nos(answer)
    )


@pytest.mark.parametrize(("silent", "over"), [(900.0, ""), (3.0, "it was stopped")])
def test_what_may_be_half_done_is_minded(silent: float, over: str) -> None:
    answer = may_take_down(locked(silent, over), 0xA1)
    assert answer.allowed
    assert any("It may be half done: ann@laptop" in words for words in answer.of(Weight.WARNING))


def test_a_node_without_a_member_is_minded() -> None:
    more = (*nodes(), NodeFacts("masternode4", "", True), NodeFacts("masternode5", "", True))
    answer = may_take_down(good(api=seen(nodes=more)), 0xA1)
    assert answer.allowed
    assert "No member of etcd is on masternode4 and masternode5." in answer.of(Weight.WARNING)
    assert not any("etcd pods are ready" in words for words in answer.of(Weight.OK))


def everyone(states: list[str], learners: int, stale: str) -> ClusterView:
    numbers = range(1, len(states) + 1)
    members = tuple(member(n, learner=n > len(states) - learners) for n in numbers)
    names = [f"masternode{n}" for n in numbers]
    base: dict[str, object] = {
        "members": Reading(MemberList(0xC1, members, ONE), NOW - 1),
        "endpoints": tuple(STATES[state][0](n) for n, state in zip(numbers, states, strict=True)),
        "hosts": tuple(host(n) for n in numbers),
        "api": seen(
            nodes=tuple(NodeFacts(name, "", True) for name in names),
            pods=tuple(pod(n) for n in numbers),
        ),
        "places": (place(placed()),),
    }
    changes = dict(STALE[stale])
    if changes.get("members"):
        changes["members"] = Reading(MemberList(0xC1, members, ONE), NOW - 20)
    if changes.get("hosts"):
        changes["hosts"] = tuple(host(n, facts=Reading(host(n).facts.value, NOW - 60)) for n in numbers)
    return healthy(**(base | changes))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([*STATES, *["well"] * 12]), min_size=1, max_size=9),
    st.integers(0, 2),
    st.sampled_from([*STALE, *[""] * 5]),
    st.data(),
)
def test_never_allowed_without_a_sure_quorum_of_the_rest(
    states: list[str], learners: int, stale: str, data: st.DataObject
) -> None:
    learners = min(learners, len(states) - 1)
    target = data.draw(st.integers(0, len(states) - 1))
    view = everyone(states, learners, stale)
    answer = may_take_down(view, 0xA1 + target)
    voters = len(states) - learners
    rest = [state for n, state in enumerate(states) if n < voters and n != target]
    sure = [state for state in rest if STATES[state][1]]
    assert answer.sentence and all(reason.sentence for reason in answer.reasons)
    assert answer.allowed == all(reason.weight is not Weight.NO for reason in answer.reasons)
    if answer.allowed:
        assert len(sure) >= voters // 2 + 1
        assert sure == rest and not stale
    one = safe_to_take_one_down(view)
    each = [may_take_down(view, 0xA1 + n).allowed for n in range(voters)]
    assert one.allowed == any(each)
    # The other way round: it is not simply always refused.
    if stale == "" and set(states) == {"well"} and voters >= 3:
        assert answer.allowed


# -- the procedure


def etcdctl() -> tuple[str, ClientAccess]:
    return "masternode2", ACCESS


def plan(number: int = 2, view: ClusterView | None = None) -> Procedure:
    return maintenance.plan(view or good(), 0xA0 + number, etcdctl, procedure_id=ID)


class Emptied(FakeWorld):
    """What was known of backups is no longer true, which only a new look tells."""

    def look_at_places(self, timeout: float) -> ClusterView:
        return replace(self.shown, places=(place(),))


def test_backups_are_looked_for_anew_before_anybody_may_go() -> None:
    check = plan().steps[0].prechecks[0]
    assert check(FakeWorld(good(), FakeRunner())).allowed  # type: ignore[arg-type]
    seen = check(Emptied(good(), FakeRunner()))  # type: ignore[arg-type]
    assert not seen.allowed and "no proven backup off the cluster" in seen.reason
    next_one = plan().steps[-1].prechecks[0]
    assert "No member may go down now" in next_one(Emptied(good(), FakeRunner())).reason  # type: ignore[arg-type]


def later(view: ClusterView, seconds: float) -> ClusterView:
    """The same, seen later by as much, all of it as fresh as before."""

    def shift(reading: Reading[object]) -> Reading[object]:
        at = None if reading.at is None else reading.at + seconds
        return replace(reading, at=at)

    return replace(
        view,
        now=view.now + seconds,
        members=shift(view.members),
        endpoints=tuple(replace(e, status=shift(e.status), reads=shift(e.reads)) for e in view.endpoints),
        hosts=tuple(replace(h, link=shift(h.link), facts=shift(h.facts)) for h in view.hosts),
        api=shift(view.api),
        places=tuple(replace(p, sets=shift(p.sets)) for p in view.places),
    )


class Scripted(FakeWorld):
    """Shows the next view at each look, the last one for ever, and lets time go on with it."""

    def __init__(self, *views: ClusterView, runner: FakeRunner | None = None) -> None:
        super().__init__(views[0], runner or FakeRunner())
        self.script = list(views[1:])

    def look_again(self, timeout: float) -> ClusterView:
        super().look_again(timeout)
        if self.script:
            self.shown = self.script.pop(0)
        else:
            self.shown = later(self.shown, 2.0)
        return self.shown


def away(number: int = 2, view: ClusterView | None = None) -> ClusterView:
    return with_endpoint(number, gone(number), view)


class TestProcedure:
    def test_a_follower_goes_and_comes_back(self, tmp_path: Path) -> None:
        made = plan()
        assert [step.key for step in made.steps] == ["check", "down", "back", "next"]
        assert made.reasons[0] == "masternode2 may go down now."
        down = made.step("down")
        assert down.action is Action.HUMAN and not down.argv
        assert "oc adm drain masternode2" in down.why and "sudo systemctl reboot" in down.why
        assert "oc adm uncordon masternode2" in made.step("back").why
        world = Scripted(good(), good(), good(), good(), later(away(), 20), later(good(), 46))
        finished, human = run(made, Journal(tmp_path), world=world)
        assert finished.ending is Ending.DONE, finished.sentence
        # Away since 14 s before NOW, well again 46 s after it.
        assert "masternode2 is back after 1 min." in finished.sentence
        assert "One member may go down now: masternode3; masternode1 last, it leads." in finished.sentence
        back_in = next(e for e in human.events if getattr(e, "step", "") == "back" and "pod 4/4" in str(e))
        assert "node Ready" in str(back_in) and "It was away for 1 min." in str(back_in)
        assert not world.runners["masternode2"].ran  # type: ignore[attr-defined]

    def test_it_is_not_back_before_it_stays_well(self, tmp_path: Path) -> None:
        back_then = (later(good(), 30), later(good(), 34), later(away(), 35), later(good(), 40))
        world = Scripted(good(), good(), good(), away(), away(), *back_then)
        finished, _ = run(plan(), Journal(tmp_path), world=world)
        assert finished.ending is Ending.DONE
        assert "back after 54 s" in finished.sentence

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"api": seen(pods=pods(2))}, "its pod not yet: 3/4 ready"),
            ({"api": seen(nodes=nodes(2))}, "its node is not Ready yet"),
        ],
    )
    def test_pod_and_node_are_waited_for(self, tmp_path: Path, changes: dict[str, object], said: str) -> None:
        world = Scripted(good(), good(), good(), away(), good(**changes), good(**changes), good())
        finished, human = run(plan(), Journal(tmp_path), world=world)
        assert finished.ending is Ending.DONE
        assert any(said in words for words in human.awaited + _verdicts(tmp_path))

    def test_refused_with_all_reasons(self, tmp_path: Path) -> None:
        view = good(places=(), api=seen(operators=operators("etcd")))
        made = plan(2, view)
        assert made.reasons[0].startswith("Do not take masternode2 down")
        assert "operator is rolling out" in made.reasons[0] and "(1 more reason.)" in made.reasons[0]
        assert made.reasons[1].startswith("No: No proven backup off the cluster is known")
        finished, human = run(made, Journal(tmp_path), world=FakeWorld(view))
        assert finished.ending is Ending.REFUSED
        assert "rolling out" in finished.sentence and "No proven backup" in finished.sentence
        assert human.questions == []

    def test_a_member_nobody_knows(self) -> None:
        with pytest.raises(Refusal, match="no member beef"):
            maintenance.plan(good(), 0xBEEF, etcdctl, procedure_id=ID)

    def test_the_leadership_is_moved_first(self, tmp_path: Path) -> None:
        made = plan(1)
        move = made.step("move")
        assert [step.key for step in made.steps][:3] == ["check", "move", "down"]
        assert move.argv[-2:] == ("move-leader", "a2") and move.host == "masternode2"
        assert "--endpoints=https://192.168.50.10:2379" in move.argv
        world = FakeWorld(good(), FakeRunner())
        runner = world.runners["masternode2"]

        def moved() -> None:
            world.shown = leading(2)

        runner.on("move-leader", out="Leadership transferred from a1 to a2\n", does=moved)
        human = Human(Reply(Choice.GO))
        human.on.append((_at("down"), lambda engine: engine.leave()))
        finished, _ = run(made, Journal(tmp_path), world=world, human=human)
        assert finished.ending is Ending.STOPPED
        assert runner.ran == [move.argv]
        assert ("move", StepState.DONE) in human.states

    def test_in_a_container_etcdctl_is_given_its_environment_as_flags(self) -> None:
        """Older ones take their own environment for a conflict when the leadership is moved."""
        inside = ClientAccess(container="abc")
        made = maintenance.plan(good(), ONE, lambda: ("masternode3", inside), procedure_id=ID)
        argv = made.step("move").argv
        assert argv[:6] == ("sudo", "-n", "crictl", "exec", "abc", "sh")
        said = subprocess.run(
            ["sh", "-c", argv[7].replace("exec env", "exec echo"), *argv[8:]],
            env={"ETCDCTL_CACERT": "/a b", "ETCDCTL_KEY": "/k", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        assert " etcdctl --cacert=/a b --key=/k --endpoints=https://192.168.50.10:2379 " in said
        assert said.endswith(" move-leader a2")

    def test_no_is_an_answer_and_nothing_is_moved(self, tmp_path: Path) -> None:
        world = FakeWorld(good(), FakeRunner())
        human = Human(Reply(Choice.NO))
        human.on.append((_at("down"), lambda engine: engine.cancel()))
        finished, _ = run(plan(1), Journal(tmp_path), world=world, human=human)
        assert ("move", StepState.SKIPPED) in human.states
        assert finished.ending is Ending.CANCELLED and world.runners["masternode2"].ran == []  # type: ignore[attr-defined]

    def test_one_that_leads_no_more_needs_no_move(self, tmp_path: Path) -> None:
        human = Human()
        human.on.append((_at("down"), lambda engine: engine.leave()))
        run(plan(1), Journal(tmp_path), world=FakeWorld(leading(3)), human=human)
        assert ("move", StepState.DONE) in human.states

    def test_no_move_without_etcdctl_or_when_read_only(self) -> None:
        def nowhere() -> tuple[str, ClientAccess]:
            raise Unreachable("No control plane host with an etcdctl can be reached.")

        made = maintenance.plan(good(), ONE, nowhere, procedure_id=ID)
        assert "move" not in [s.key for s in made.steps] and "No control plane host" in made.reasons[-1]
        made = plan(1, good(read_only=True))
        assert "move" not in [s.key for s in made.steps] and "read-only" in made.reasons[-1]

    def test_one_that_goes_while_it_is_being_checked_is_watched(self, tmp_path: Path) -> None:
        """Between the look that finds it there and the check before the step."""
        world = Scripted(good(), good(), good(), away(), away(), later(good(), 30))
        finished, human = run(plan(), Journal(tmp_path), world=world)
        assert finished.ending is Ending.DONE and human.questions

    def test_another_one_failing_is_said_before_it_goes(self, tmp_path: Path) -> None:
        world = Scripted(good(), good(), good(), good(), away(3))
        human = Human()
        human.on.append((_says("Do not take masternode2 down"), lambda engine: engine.cancel()))
        finished, _ = run(plan(), Journal(tmp_path), world=world, human=human)
        assert finished.ending is Ending.CANCELLED
        assert any("masternode3" in words or "etcd would stop" in words for words in human.awaited)

    def test_another_one_failing_is_said_while_it_is_away(self, tmp_path: Path) -> None:
        both = away(3, away(2))
        world = Scripted(good(), good(), good(), away(), both)
        human = Human()
        human.on.append((_says("bring masternode2 back at once"), lambda engine: engine.leave()))
        finished, _ = run(plan(), Journal(tmp_path), world=world, human=human)
        assert finished.ending is Ending.STOPPED
        assert any("masternode3 is down" in words for words in human.awaited)

    def test_resumed_while_it_is_away(self, tmp_path: Path) -> None:
        human = Human()
        human.on.append((_at("back"), lambda engine: engine.leave()))
        journal = Journal(tmp_path)
        finished, _ = run(plan(), journal, world=Scripted(good(), good(), good(), away()), human=human)
        assert finished.ending is Ending.STOPPED
        again = resume(journal.read(ID))
        world = Scripted(later(away(), 60), later(away(), 61), later(good(), 106))
        finished, human = run(again, journal, world=world)
        assert finished.ending is Ending.DONE, finished.sentence
        assert "masternode2 is back after 2 min." in finished.sentence
        assert ("down", StepState.VERIFYING) not in human.states

    def test_resumed_when_it_is_back_already(self, tmp_path: Path) -> None:
        human = Human()
        human.on.append((_at("back"), lambda engine: engine.leave()))
        journal = Journal(tmp_path)
        run(plan(1), journal, world=Scripted(*[leading(3)] * 4, away(1, leading(3))), human=human)
        finished, human = run(resume(journal.read(ID)), journal, world=Scripted(good()))
        assert finished.ending is Ending.DONE
        assert finished.sentence.startswith("masternode1 is back. One member may go")

    def test_parameters_that_lack_something(self) -> None:
        made = plan(1)
        again = maintenance.rebuild("maintenance", ID, "prod", made.parameters)
        assert [(s.key, s.argv, s.host) for s in again.steps] == [(s.key, s.argv, s.host) for s in made.steps]
        with pytest.raises(KeyError):
            maintenance.rebuild("maintenance", ID, "prod", {"member": "a1"})
        with pytest.raises(ValueError, match="no maintenance"):
            maintenance.rebuild("backup", ID, "prod", made.parameters)


def test_back_needs_more_than_an_answer() -> None:
    assert back(good(), TWO).allowed
    for changed in (
        lagging(2, 2000),
        leaderless(2),
        gone(2),
        endpoint(2, status=Reading(status(2), NOW - 20)),
    ):
        assert not back(with_endpoint(2, changed), TWO).allowed
    silent_api = good(api=Reading(None, None, DOWN))
    assert "The API does not answer" in back(silent_api, TWO).reason and back(silent_api, TWO).allowed


def test_what_is_said_of_the_others() -> None:
    assert others_ail(away(2), TWO) == ""
    assert "bring masternode2 back at once" in others_ail(away(3, away(2)), TWO)


def _at(key: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, Progress) and event.step == key


def _says(words: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, Progress) and words in event.awaiting


def _verdicts(directory: Path) -> list[str]:
    return [entry.text("reason") for entry in Journal(directory).read(ID).entries if entry.kind == "verdict"]


def test_etcdctl_is_run_where_it_is_on_the_chosen_host_if_it_can_be() -> None:
    speaker = Speaker(Board(Constants("prod", False, False), lambda: NOW), lambda: None)
    runner, sudo = FakeRunner(), ("sudo", "-n")
    identity = {"ca": "/ca", "certificate": "/c", "key": "/k"}
    speaker.able("a", runner, HostAccess(**identity, openssl="openssl"), sudo)
    with pytest.raises(Unreachable, match="with an etcdctl"):
        speaker.etcdctl()
    speaker.able("c", runner, HostAccess(container="abc"), sudo)
    host_name, access = speaker.etcdctl()
    assert host_name == "c" and access.container == "abc"
    assert access.by_name, "a rollout may end that container before the command runs"
    speaker.able("a", runner, HostAccess(**identity, openssl="openssl", etcdctl="/bin/etcdctl"), sudo)
    assert speaker.etcdctl()[0] == speaker.voice().host == "a"


def test_etcdctl_is_run_where_the_member_is_well_if_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(Constants("prod", False, False), lambda: NOW)
    speaker = Speaker(board, lambda: None)
    for name in ("masternode1", "masternode2"):
        speaker.able(name, FakeRunner(), HostAccess(container="abc"), ())
    assert speaker.etcdctl()[0] == speaker.voice().host == "masternode1"
    sick = healthy(endpoints=(gone(1), endpoint(2), endpoint(3)))
    monkeypatch.setattr(board, "view", lambda: sick)
    assert speaker.etcdctl()[0] == "masternode2", "its container is there to run it"
    assert speaker.etcdctl("masternode2")[0] == "masternode1"
