"""Should anybody restore at all? And how what is on the hosts is gathered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etcdtui.errors import NotFound, Unreachable
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.restore_advice import LAST_RESORT, Kind, advise
from etcdtui.model.survivors import Position, best
from etcdtui.model.view import ClusterView
from etcdtui.procedures import restore_look, restore_survivors
from etcdtui.procedures.restore_look import look
from etcdtui.procedures.restore_survivors import gather, member_of
from etcdtui.reach.remote_db import OnDisk
from tests.procedures import FakeRunner, FakeWorld
from tests.unit.test_restore_survivors import backup, survivor
from tests.views import NOW, endpoint, gone, healthy, host, leaderless, status, with_endpoints


def lost() -> ClusterView:
    """masternode1 and 2 are gone, masternode3 knows no leader."""
    return with_endpoints(gone(1), gone(2), leaderless(3))


def test_while_the_cluster_answers_a_restore_is_called_the_last_resort() -> None:
    told = advise(with_endpoints(endpoint(1), endpoint(2), gone(3)), [survivor(1, running=True)], [backup()])
    assert not told.needed
    assert told.instead[0] == LAST_RESORT
    assert "The cluster answers" in told.instead[1]
    assert "masternode3 is down: replace that member." in told.instead
    assert told.truth[0].startswith("etcd: DEGRADED.") and told.truth[1] == "Kubernetes API: it answers."


def test_an_api_that_answers_with_an_error_is_not_said_to_be_silent() -> None:
    problem = Problem(Fault.ODD, "The API answers with error 500: etcdserver: request timed out.")
    told = advise(healthy(api=Reading(problem=problem)), [survivor(1, running=True)], [backup()])
    assert told.truth[1] == f"Kubernetes API: it cannot be asked: {problem.message}"


def test_without_a_backup_a_cluster_that_answers_is_told_to_take_one() -> None:
    told = advise(healthy(), [survivor(n, running=True) for n in (1, 2, 3)], [])
    assert told.first == "No backup of this cluster is known: there is nothing to restore. Take one now: b."
    told = advise(lost(), [survivor(1, 900)], [])
    assert told.first.startswith("The data of masternode1 is all there is")


def test_newer_data_than_any_backup_is_said_first() -> None:
    found = [survivor(1, 900), survivor(3, 1400, running=True, written=NOW - 30)]
    told = advise(lost(), found, [backup(3600, 1000), backup(7200, 500)])
    assert told.needed and told.newest is not None and told.newest.name == "masternode3"
    assert told.lines[0] == told.first
    assert told.first.startswith("masternode3's own data is newer than any backup: backup ")
    assert "400 revisions behind" in told.first and "quorum restore" in told.first
    assert len(told.backups) == 2 and "900 revisions behind" in told.backups[1]


def test_a_quorum_restore_is_offered_only_where_the_quorum_is_known_to_be_lost() -> None:
    found = [survivor(1, 1400, running=True)]
    for view in (with_endpoints(endpoint(1), gone(2), gone(3)), healthy(endpoints=(), api=Reading())):
        told = advise(view, found, [backup(3600, 1000)], frozenset({"masternode1"}))
        assert not told.needed and not any(way.kind is Kind.QUORUM for way in told.ways)
        assert "quorum restore" not in told.first
    told = advise(lost(), found, [backup(3600, 1000)], frozenset({"masternode1"}))
    assert any(way.kind is Kind.QUORUM for way in told.ways)


def test_nothing_is_said_first_where_a_backup_has_everything() -> None:
    told = advise(lost(), [survivor(3, 900)], [backup(3600, 900)])
    assert told.first == ""


def test_a_backup_of_another_cluster_is_no_backup_of_this_one() -> None:
    told = advise(lost(), [survivor(3, 900)], [backup(3600, 5000, "other")])
    assert "no backup of this cluster is known" in told.first


def test_stopped_members_whose_data_is_there_are_to_be_started_again() -> None:
    told = advise(lost(), [survivor(1), survivor(3, running=True)], [backup()])
    assert any("start etcd there again, and nothing is lost" in said for said in told.instead)
    without = advise(lost(), [survivor(1, position=None), survivor(3, running=True)], [backup()])
    assert not any("start etcd there again" in said for said in without.instead)
    assert any("goes on with the data of masternode3 alone" in said for said in without.instead)


def test_the_member_that_is_known_not_to_run_is_looked_at_first() -> None:
    """One that only does not answer may run, and wait for just that one."""
    view = healthy(endpoints=(gone(1, Fault.SILENT), gone(2, Fault.SILENT), gone(3, Fault.REFUSED)))
    told = advise(view, [survivor(1), survivor(3)], [backup()])
    (way,) = (way for way in told.ways if way.kind is Kind.START)
    assert way.member_id == 0xA3 and "masternode3 and masternode1 is on their hosts" in way.sentence


def test_without_any_data_and_any_backup_nothing_is_promised() -> None:
    told = advise(lost(), [survivor(1, position=None, trouble="No.")], [])
    assert told.first == "" and told.backups == ("No backup is known.",) and told.newest is None


def test_living_members_and_disks_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    view = replace(
        lost(),
        endpoints=(
            gone(1),
            gone(2),
            endpoint(
                3,
                status=replace(
                    endpoint(3).status,
                    value=status(3, leader_id=0, raft_term=37, raft_applied=950, revision=850),
                ),
            ),
        ),
    )
    disks = {
        "masternode1": OnDisk(Position(960, 860, 7, (0xA1, 0xA2, 0xA3)), 4096, NOW - 100),
        "masternode2": Unreachable("masternode2 does not answer."),
        "masternode3": OnDisk(Position(940, 845, 7, (0xA1, 0xA2, 0xA3)), 8192, NOW - 90),
    }

    def read(runner: FakeRunner, sudo: tuple[str, ...], folder: str) -> OnDisk:
        assert folder == "/var/lib/etcd" and sudo == ("sudo", "-n")
        found = disks[runner.host]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(restore_survivors, "read_position", read)
    world = FakeWorld(view, *(FakeRunner(f"masternode{n}") for n in (1, 2, 3)))
    _, (one, two, three) = gather(world)
    assert not one.running and one.position == Position(960, 860, 7, (0xA1, 0xA2, 0xA3))
    assert two.position is None and two.trouble == "masternode2 does not answer."
    assert three.running and three.counting == 37
    assert three.position == Position(950, 850, 7, (0xA1, 0xA2, 0xA3))
    assert one.written == pytest.approx(NOW - 100.01)  # by our clock
    assert best((one, two, three)) is one


def test_what_is_lost_is_counted_by_the_answers_that_the_data_was_ranked_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a cluster that writes on, every reading has another number."""

    class Writing(FakeWorld):
        def view(self) -> ClusterView:
            self.looked += 1
            grown = status(1, revision=900 + self.looked)
            return replace(healthy(), endpoints=(endpoint(1, status=Reading(grown, NOW)), gone(2), gone(3)))

    def read(runner: FakeRunner, sudo: tuple[str, ...], folder: str) -> OnDisk:
        raise NotFound("There is no database.")

    monkeypatch.setattr(restore_survivors, "read_position", read)
    monkeypatch.setattr(restore_look, "report", lambda world, host: None)
    found = look(Writing(None, *(FakeRunner(f"masternode{n}") for n in (1, 2, 3))))
    newest, told = best(found.survivors), found.view.endpoints[0].status.value
    assert newest is not None and newest.position is not None and told is not None
    assert newest.position.revision == told.revision


def test_data_of_another_cluster_is_known_by_its_members(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(runner: FakeRunner, sudo: tuple[str, ...], folder: str) -> OnDisk:
        if runner.host == "masternode2":
            raise NotFound("There is no database of etcd in /var/lib/etcd on masternode2.")
        ids = (0xA1, 0xA2) if runner.host == "masternode1" else (0xB1,)
        return OnDisk(Position(1, 1, 1, ids), 4096, NOW)

    monkeypatch.setattr(restore_survivors, "read_position", read)
    view = replace(healthy(), endpoints=(gone(1), gone(2), gone(3)))
    _, (one, two, three) = gather(FakeWorld(view, *(FakeRunner(f"masternode{n}") for n in (1, 2, 3))))
    assert not one.foreign and three.foreign
    assert two.position is None and "no database" in two.trouble


def test_a_member_is_found_by_its_address_where_the_host_is_called_otherwise() -> None:
    alias = replace(host(2), name="second", node="", facts=Reading())
    view = healthy(hosts=(host(1), alias, host(3)))
    found = member_of(view, alias)
    assert found is not None and found.name == "masternode2"
    twice = healthy(hosts=(host(1), alias, replace(host(3), address=alias.address)))
    assert member_of(twice, alias) is None
