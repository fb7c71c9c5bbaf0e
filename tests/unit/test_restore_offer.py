"""What may be chosen for a restore, and how far the look for that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from etcdtui.errors import Unreachable
from etcdtui.model.places import Place, PlaceKind
from etcdtui.model.survivors import Position
from etcdtui.procedures import restore_look, restore_survivors
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.restore_offer import Offer, hosts, offer
from etcdtui.procedures.restore_survivors import Seen
from etcdtui.reach.remote_db import OnDisk
from tests.procedures import FakeRunner, FakeWorld
from tests.unit.test_restore_plan import looked, lost, placed, plan, report, stamp_of, survivors
from tests.views import NOW


def offered() -> Offer:
    return offer(
        looked(
            placed(),
            placed(ago=90000, revision=300),
            placed(ago=60, manifest=False),
            placed(Place(PlaceKind.STORE, "nexus"), ago=200000),
            placed(ago=100, only=1),
            found=survivors(900, 850, 700, running=frozenset({1})),
            reports={2: "It does not answer.", 3: report(3, crictl=False)},
        )
    )


def test_every_backup_is_told_with_what_forbids_it_or_has_to_be_typed() -> None:
    told = {one.backup.stamp: one for one in offered().backups}
    assert list(told) == sorted(told, reverse=True) and len(told) == 6  # one lies on a host
    best = told[stamp_of(NOW - 7200)]
    assert (
        best.proposed and best.refusal is None and [a.phrase for a in best.accept] == ["lose 100 revisions"]
    )
    assert best.gap is not None and best.gap.revisions == 100
    older = told[stamp_of(NOW - 90000)]
    assert not older.proposed and [a.phrase for a in older.accept] == ["lose 600 revisions"]
    for ago, words in ((60, "never proven"), (200000, "only in nexus"), (100, "no whole backup")):
        refusal = told[stamp_of(NOW - ago)].refusal
        assert refusal is not None and words in refusal.message and refusal.hint


def test_what_is_offered_is_what_the_plan_takes() -> None:
    """A backup without a refusal can be planned, one with it is refused in the same words."""
    told = offered()
    for one in told.backups:
        if one.refusal is None:
            assert plan(told.looked, backup=one.backup.stamp).kind == "restore"
        else:
            with pytest.raises(type(one.refusal), match=one.refusal.message.split(":")[0][:40]):
                plan(told.looked, backup=one.backup.stamp)


def test_every_host_is_told_with_what_speaks_for_it_or_forbids_it() -> None:
    told = offered()
    assert told.proposed is not None
    one, *others = hosts(told.looked, told.proposed.backup)
    assert one.name == "masternode1" and one.proposed and not one.refusal
    assert one.reasons[0].startswith("It answers by SSH") and "Its member lives" in one.reasons[1]
    assert {o.name: o.refusal for o in others} == {
        "masternode2": "It cannot be looked at: It does not answer.",
        "masternode3": "Crictl is not on it, by which containers are watched.",
    }
    assert not any(o.proposed for o in others)


def test_the_proposed_host_is_the_one_of_the_plan() -> None:
    told = offered()
    assert told.proposed is not None
    made = plan(told.looked)
    (proposed,) = [o.name for o in hosts(told.looked, told.proposed.backup) if o.proposed]
    assert made.title.endswith(f"on {proposed}")


def test_the_look_says_how_far_it_is_with_every_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def read(runner: FakeRunner, sudo: tuple[str, ...], folder: str) -> OnDisk:
        if runner.host == "masternode2":
            raise Unreachable("masternode2 does not answer.")
        return OnDisk(Position(1000, 900, 7), 4096, NOW)

    def ask(world: object, host: Any) -> object:
        if host.name != "masternode1":
            raise Unreachable(f"{host.name} does not answer.")
        return report(1)

    monkeypatch.setattr(restore_survivors, "read_position", read)
    monkeypatch.setattr(restore_look, "report", ask)
    world = FakeWorld(lost(), *(FakeRunner(f"masternode{n}") for n in (1, 2, 3)))
    world.name, world.read_only = "prod", False  # type: ignore[attr-defined]
    heard: list[Seen] = []
    told = Operations(cast(Any, world), tmp_path).offer_restore(heard.append)
    assert told.begun == "" and len(told.advice.ranked) == 3
    said = {host: [one for one in heard if one.host == host] for host in ("", "masternode1", "masternode2")}
    assert [one.over for one in said[""]] == [False, True]
    assert any("revision 900" in one.sentence for one in said["masternode1"])
    assert said["masternode1"][-1].over and not said["masternode1"][-1].trouble
    assert said["masternode2"][-1].trouble and "does not answer" in said["masternode2"][-1].sentence
