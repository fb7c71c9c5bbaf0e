"""What is found about backups in all places: one sentence each, with evidence and the next step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from etcdtui.model.findings import Finding, Severity, find
from etcdtui.model.health import judge
from etcdtui.model.manifest import Manifest
from etcdtui.model.places import HERE, Place, PlacedSet, PlaceView
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.proof import Check, Outcome
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView, HostView
from etcdtui.status import as_json
from tests.unit.test_places import ELSEWHERE, GOOD, M1, NEXUS, SIZE, manifest, placed, view_of
from tests.views import NOW, healthy, host


def stamp(hours: float) -> str:
    return datetime.fromtimestamp(NOW - hours * 3600, UTC).strftime("%Y-%m-%d_%H%M%S")


def of(hours: float, **changes: object) -> Manifest:
    when = datetime.fromtimestamp(NOW - hours * 3600, UTC)
    return manifest(stamp(hours), **{"proven": when, **changes})


def proven(place: Place, hours: float, **changes: object) -> PlacedSet:
    return placed(place, of(hours, **changes), stamp=stamp(hours))


def found(view: ClusterView, key: str) -> list[Finding]:
    return [f for f in find(view, judge(view)) if key in f.key]


def one(view: ClusterView, key: str) -> Finding:
    (finding,) = found(view, key)
    assert finding.sentence.endswith(".") and (finding.next_step or finding.severity is Severity.GOOD)
    return finding


def test_a_young_proven_backup_off_the_cluster_is_good_news() -> None:
    finding = one(view_of(proven(HERE, 2), proven(NEXUS, 2)), "8-backup")
    assert finding.severity is Severity.GOOD
    assert "off the cluster is 2 h old" in finding.sentence
    assert finding.evidence == f"{stamp(2)}, here and in nexus."
    assert not found(view_of(proven(HERE, 2), proven(NEXUS, 2)), "4-")


def test_a_place_that_has_it_twice_is_named_once() -> None:
    again = replace(proven(NEXUS, 2), set=replace(proven(NEXUS, 2).set, directory="restore-1"))
    view = view_of(proven(NEXUS, 2), again, proven(HERE, 2))
    assert len(view.known_backups[0].copies) == 3
    assert one(view, "8-backup").evidence.count("nexus") == 1


def test_no_backup_anywhere() -> None:
    problem = Problem(Fault.REFUSED, "nexus: connection refused.")
    finding = one(view_of(problem=problem), "4-backup")
    assert finding.severity is Severity.WARNING and "no backup in any place" in finding.sentence
    assert finding.evidence == "Not looked at: nexus." and "b." in finding.next_step


def test_backups_of_which_none_is_proven() -> None:
    view = view_of(placed(HERE, stamp=stamp(2)))
    assert "is proven" in one(view, "4-backup").sentence
    assert stamp(2) in one(view, "4-backup").evidence
    foreign = proven(HERE, 1, cluster="test", members=ELSEWHERE)
    assert "No backup of prod is proven" in one(view_of(foreign), "4-backup").sentence


def test_a_last_proven_backup_older_than_the_limit_that_is_configured() -> None:
    view = view_of(proven(HERE, 30), proven(NEXUS, 30), placed(HERE, stamp=stamp(1)))
    finding = one(view, "4-backup")
    assert finding.sentence == "The last proven backup is 30 h old; 24 h is the limit."
    assert f"{stamp(1)}, here, is not proven." in finding.evidence
    assert not found(replace(view, max_backup_age=36 * 3600.0), "4-backup")


def test_a_backup_from_the_future_is_not_young() -> None:
    finding = one(view_of(proven(HERE, -48)), "4-backup")
    assert "dated in the future" in finding.sentence and "Compare the clocks" in finding.next_step
    assert "2 h old" in one(view_of(proven(HERE, -48), proven(HERE, 2)), "8-backup").sentence
    assert "30 h old" in one(view_of(proven(HERE, -48), proven(HERE, 30)), "4-backup").sentence
    assert one(view_of(proven(HERE, -0.01)), "8-backup").severity is Severity.GOOD  # clocks differ a little


def test_a_proven_backup_on_the_cluster_only() -> None:
    hosts, sets = on_host(proven(M1, 2))
    finding = one(view_of(*sets, hosts=hosts), "4-backup")
    assert finding.sentence == "The last proven backup, 2 h old, is on the cluster only."
    assert "on masternode1" in finding.evidence
    older = one(view_of(*sets, proven(HERE, 50), hosts=hosts), "4-backup")
    assert "off the cluster is 2 d 2 h old" in older.sentence and stamp(50) in older.evidence


def test_on_a_host_of_the_cluster_here_is_no_place_off_it() -> None:
    here = replace(HERE, on_host=True)
    finding = one(view_of(proven(here, 2)), "4-backup")
    assert "on the cluster only" in finding.sentence
    assert finding.evidence == f"{stamp(2)}, here (a host of the cluster)."
    assert "off the cluster" in one(view_of(proven(here, 2), proven(NEXUS, 2)), "8-backup").sentence
    broken = PlaceView(here, Reading(None, None, Problem(Fault.REFUSED, "No leave to read.")))
    assert "on this machine cannot be listed" in one(healthy(places=(broken,)), "4-place-here").sentence


def on_host(read: PlacedSet) -> tuple[tuple[HostView, ...], list[PlacedSet]]:
    facts = host(1).facts.value
    assert facts is not None
    view = host(1, facts=Reading(replace(facts, backups=read.set.files), NOW))
    return (view,), [read]  # as listed, and as read with its manifest


@pytest.mark.parametrize("sets", [(), (proven(HERE, 50),)], ids=["nothing known", "only an old one"])
def test_nothing_is_called_missing_before_every_place_was_looked_at(sets: Sequence[PlacedSet]) -> None:
    view = view_of(*sets)
    waiting = replace(view, places=(view.places[0], PlaceView(NEXUS)))
    assert not found(waiting, "backup")
    looked = replace(waiting, places=(view.places[0], PlaceView(NEXUS, Reading((), NOW))))
    assert found(looked, "4-backup")


def test_a_place_that_cannot_be_listed_speaks_for_itself() -> None:
    problem = Problem(Fault.LOGIN, "nexus: the server says 401.", "Check the password.")
    finding = one(view_of(proven(HERE, 2), problem=problem), "4-place-nexus")
    assert finding.sentence == "The backups in nexus cannot be listed."
    assert "says 401" in finding.evidence and finding.next_step == "Check the password."
    assert not found(view_of(proven(HERE, 2), problem=problem), "owed")


def test_uploads_that_are_owed_once_they_should_have_arrived() -> None:
    finding = one(view_of(proven(HERE, 2), proven(HERE, 3)), "5-owed-nexus")
    assert finding.severity is Severity.WARNING
    assert finding.sentence == "nexus lacks 2 proven backups of this machine."
    assert finding.evidence == f"{stamp(2)} and {stamp(3)}."
    assert one(view_of(proven(HERE, 0.1)), "5-owed-nexus").severity is Severity.ADVICE
    assert not found(view_of(proven(HERE, 2), proven(NEXUS, 2)), "owed")


def test_half_of_a_backup_and_one_that_still_arrives() -> None:
    half = placed(NEXUS, stamp=stamp(5), sizes=(SIZE,))
    finding = one(view_of(half), "5-half-nexus")
    assert finding.sentence == "1 backup is not whole in nexus."
    assert finding.evidence == f"{stamp(5)} (only the snapshot)."
    arriving = replace(half, set=replace(half.set, writing=True))
    assert not found(view_of(arriving), "half")


def test_many_halves_are_one_finding() -> None:
    halves = [placed(HERE, stamp=stamp(n), sizes=(SIZE,)) for n in range(1, 6)]
    finding = one(view_of(*halves), "5-half-here")
    assert finding.sentence == "5 backups are not whole on this machine." and "and 2 more" in finding.evidence


@pytest.mark.parametrize(
    ("copy", "said"),
    [
        (replace(proven(HERE, 2), manifest=None, trouble="It is not JSON."), "not JSON"),
        (placed(HERE, of(2), stamp=stamp(2), sizes=(SIZE + 512, 70_000)), "other names or sizes"),
        (proven(HERE, 2, checks=(*GOOD, Check("structure", Outcome.FAILED, "No."))), "structure was not"),
    ],
)
def test_a_manifest_that_does_not_prove_what_lies_beside_it(copy: PlacedSet, said: str) -> None:
    finding = one(view_of(copy), "4-manifest-here")
    assert finding.severity is Severity.WARNING and said in finding.evidence
    assert "verify" in finding.next_step


def test_backups_taken_by_force_are_told() -> None:
    dirty = placed(HERE, stamp=stamp(2), mark="__POSSIBLY_DIRTY__")
    finding = one(view_of(dirty, proven(HERE, 3)), "6-dirty")
    assert "taken by force" in finding.sentence and f"{stamp(2)} (here)" in finding.evidence


def test_where_only_hosts_are_known_all_is_as_before() -> None:
    assert "no copy off the cluster" in one(healthy(), "8-backup").sentence
    only_hosts = healthy(places=(PlaceView(M1, Reading((), NOW)),))
    assert find(only_hosts, judge(only_hosts)) == find(healthy(), judge(healthy()))


def test_the_status_tells_where_backups_are_and_which_is_the_last_proven() -> None:
    view = view_of(proven(HERE, 2), proven(NEXUS, 2), placed(HERE, stamp=stamp(1)))
    health = judge(view)
    told = as_json(view, health, find(view, health))
    assert json.loads(json.dumps(told)) == told
    assert [(p["kind"], p["name"], p["answers"]) for p in told["places"]] == [
        ("here", "here", True),
        ("store", "nexus", True),
    ]
    assert [(b["stamp"], b["proven"]) for b in told["known_backups"]] == [(stamp(1), False), (stamp(2), True)]
    last = told["last_proven"]
    assert last == told["known_backups"][1] and last["off_cluster"] and last["taken_at"] == NOW - 7200
    assert [copy["place"] for copy in last["copies"]] == ["here", "nexus"]
    assert as_json(healthy(), health, ())["last_proven"] is None
