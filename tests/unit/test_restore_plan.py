"""The plan of a restore: which backup, which host, what is refused, what has to be typed."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import etcdtui.lab
from etcdtui.errors import Refusal
from etcdtui.model.backups import BackupSet, FoundFile
from etcdtui.model.manifest import File, Manifest
from etcdtui.model.members import Member
from etcdtui.model.places import HERE, Place, PlacedSet, PlaceKind, PlaceView
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.proof import Check, Outcome
from etcdtui.model.readings import Reading
from etcdtui.model.survivors import Position, Survivor
from etcdtui.model.view import ClusterView
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.restore_scripts import HostReport
from etcdtui.procedures import restore
from etcdtui.procedures.procedure import GateKind, Procedure, Step
from etcdtui.procedures.restore_choice import needs
from etcdtui.procedures.restore_decided import Decided
from etcdtui.procedures.restore_look import Looked
from tests.views import NAMES, NOW, api, endpoint, gone, healthy, host, leaderless, member

FILES = Path(etcdtui.lab.__file__).parent / "files"
SCRIPT = (FILES / "cluster-restore.sh").read_text()
TOOLS = (FILES / "etcd-common-tools").read_text().replace("@ROOT@", "")
GIB = 1 << 30


def stamp_of(taken: float) -> str:
    return time.strftime("%Y-%m-%d_%H%M%S", time.localtime(taken))


def placed(
    place: Place = HERE,
    *,
    ago: float = 7200,
    good: bool = True,
    manifest: bool = True,
    only: int = 2,
    name: str = "prod",
    members: tuple[Member, ...] = tuple(member(n) for n in (1, 2, 3)),
    version: str = "4.16.3",
    revision: int = 800,
    dirty: bool = False,
) -> PlacedSet:
    taken = NOW - ago
    stamp, mark = stamp_of(taken), "__POSSIBLY_DIRTY__" if dirty else ""
    files = (
        FoundFile(place.name, "/b", f"snapshot_{stamp}{mark}.db", 4096 * 25 + 32, taken),
        FoundFile(place.name, "/b", f"static_kuberesources_{stamp}{mark}.tar.gz", 900, taken),
    )
    told = Manifest(
        "1",
        datetime.fromtimestamp(taken, UTC),
        datetime.fromtimestamp(taken, UTC),
        File(files[0].name, files[0].size, "ab" * 32),
        File(files[1].name, files[1].size, "cd" * 32),
        name,
        members,
        revision,
        700,
        1,
        1,
        (Check("all", Outcome.OK if good else Outcome.FAILED, "So."),),
        openshift_version=version,
        host="masternode2",
    )
    found = BackupSet(place.name, "/b", stamp, files[:only], dirty)
    return PlacedSet(place, found, told if manifest else None)


def report(number: int, **changes: object) -> HostReport:
    base = HostReport(
        hostname=f"masternode{number}",
        script=SCRIPT,
        tools=TOOLS,
        beside=frozenset(),
        disks={name: (50 * GIB, "/dev/sda4") for name in ("data", "parent", "folder")},
        data_size=GIB,
        entries=("member",),
        certificates={"peer": "valid", "serving": "valid"},
        crictl=True,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def survivors(*revisions: int, running: frozenset[int] = frozenset({1, 2, 3})) -> tuple[Survivor, ...]:
    return tuple(
        Survivor(name, name, number in running, Position(r + 100, r, 7), NOW - 30)
        for number, (name, r) in enumerate(zip(NAMES, revisions, strict=True), 1)
    )


def looked(
    *sets: PlacedSet,
    view: ClusterView | None = None,
    reports: dict[int, HostReport | str] | None = None,
    found: tuple[Survivor, ...] | None = None,
) -> Looked:
    kinds: dict[Place, list[PlacedSet]] = {}
    for one in sets:
        kinds.setdefault(one.place, []).append(one)
    places = tuple(PlaceView(place, Reading(tuple(there), NOW)) for place, there in kinds.items())
    base = view or lost()
    seen = replace(base, places=places)
    told = {f"masternode{n}": (reports or {}).get(n, report(n)) for n in (1, 2, 3)}
    return Looked(seen, found or survivors(900, 900, 900), told)


def lost(**changes: object) -> ClusterView:
    return healthy(endpoints=(gone(1), gone(2), leaderless(3)), **changes)


def plan(seen: Looked, **wanted: str) -> Procedure:
    return restore.plan(
        seen,
        lambda name: Layout(),
        procedure_id="restore-1",
        stamp="20260921-143000",
        **wanted,  # type: ignore[arg-type]
    )


def decided(seen: Looked, **wanted: str) -> Decided:
    return restore.decided_of(plan(seen, **wanted))


def keys(made: Procedure) -> list[str]:
    return [step.key for step in made.steps]


def step_of(made: Procedure, key: str) -> Step:
    return made.step(key)


# -- the backup


def test_the_newest_proven_backup_of_this_cluster_is_taken_unless_another_is_named() -> None:
    seen = looked(placed(ago=7200), placed(ago=90000), placed(ago=60, manifest=False))
    assert decided(seen).backup.stamp == stamp_of(NOW - 7200)
    assert decided(seen, backup=stamp_of(NOW - 90000)).backup.stamp == stamp_of(NOW - 90000)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (placed(manifest=False), "never proven"),
        (placed(good=False), "never proven"),
        (placed(only=1), "no whole backup"),
        (placed(name="other", members=(member(9, peer_urls=(), client_urls=()),)), "of another cluster"),
        (placed(Place(PlaceKind.STORE, "nexus")), "only in nexus"),
    ],
)
def test_what_must_not_be_restored_is_refused(wrong: PlacedSet, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        plan(looked(wrong), backup=wrong.set.stamp)


def test_without_any_and_with_an_unknown_stamp_it_is_refused() -> None:
    with pytest.raises(Refusal, match="no proven backup"):
        plan(looked())
    with pytest.raises(Refusal, match="No backup is called"):
        plan(looked(placed()), backup="2020-01-01_000000")


def test_read_only_refuses() -> None:
    with pytest.raises(Refusal, match="read-only"):
        plan(looked(placed(), view=lost(read_only=True)))


def test_another_release_has_to_be_typed_and_so_has_an_unknown_one() -> None:
    (ack,) = decided(looked(placed(version="4.16.2"), found=survivors(700, 700, 700))).accept
    assert ack.key == "release" and ack.phrase == "accept 4.16.2 on 4.16.3"
    (ack,) = decided(looked(placed(version=""), found=survivors(700, 700, 700))).accept
    assert "does not say" in ack.sentence
    assert decided(looked(placed(), found=survivors(700, 700, 700))).accept == ()


def test_whose_it_is_has_to_be_typed_where_neither_an_id_nor_an_address_tells() -> None:
    elsewhere = (member(9, peer_urls=("https://10.9.9.9:2380",), client_urls=()),)
    (ack,) = decided(looked(placed(members=elsewhere), found=survivors(700, 700, 700))).accept
    assert ack.key == "identity" and ack.phrase == f"{stamp_of(NOW - 7200)} is of prod"
    assert "not proven" in ack.sentence and "another cluster" in ack.sentence


def test_newer_data_of_a_living_member_has_to_be_given_up_in_so_many_words() -> None:
    dead = survivors(900, 900, 900, running=frozenset())
    assert decided(looked(placed(), found=dead)).accept == ()
    made = plan(looked(placed(), found=survivors(900, 850, 0, running=frozenset({2}))))
    step = step_of(made, "accept newer")
    assert step.gate.kind is GateKind.PHRASE and step.gate.phrase == "lose 50 revisions"
    assert not step.skippable and keys(made).index("accept newer") < keys(made).index("prove")


def test_a_cluster_that_answers_and_a_forced_backup_have_to_be_typed() -> None:
    seen = looked(placed(dirty=True), view=healthy(), found=survivors(800, 800, 800))
    told = decided(seen, backup=stamp_of(NOW - 7200))  # a forced one is taken only by its name
    assert told.accept[0].phrase == "take prod back"
    assert any(ack.key == "dirty" for ack in told.accept)


def test_a_cluster_of_which_nobody_can_tell_has_to_be_typed_too() -> None:
    found = survivors(700, 700, 700, running=frozenset())
    reads = healthy(endpoints=(endpoint(1), gone(2), gone(3)))
    (ack,) = decided(looked(placed(), view=reads, found=found)).accept
    assert ack.phrase == "take prod back" and ack.sentence.startswith("etcd has its quorum. masternode2 is")
    unknown = healthy(
        endpoints=(), hosts=tuple(host(n) for n in (1, 2, 3)), api=Reading(api().value, NOW - 900)
    )
    (ack,) = decided(looked(placed(), view=unknown, found=found)).accept
    assert ack.phrase == "take prod back" and ack.title == "The cluster may answer"
    assert ack.key != "answers"  # the way back takes that for a quorum that was there
    assert ack.sentence.startswith("Nobody can tell whether etcd has its quorum")


# -- the host


def test_a_host_whose_member_lives_comes_before_newer_data_and_a_near_copy() -> None:
    found = survivors(900, 950, 900, running=frozenset({3}))
    made = plan(looked(placed(), found=found))
    assert restore.decided_of(made).recovery.host == "masternode3"
    assert any("masternode3" in r and "4.11 to 4.17" in r for r in made.reasons)
    assert decided(looked(placed(), found=found), host="masternode1").recovery.host == "masternode1"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"script": "#!/bin/sh\n"}, "none that this etcdtui knows"),
        ({"certificates": {"peer": "valid", "serving": "ended"}}, "serving certificate has ended"),
        ({"certificates": {"peer": "other", "serving": "valid"}}, "not for its own address"),
        ({"certificates": {}}, "no peer and serving certificate of masternode1"),
        ({"crictl": False}, "crictl is not on it"),
        ({"data_size": 60 * GIB}, "are needed"),
        ({"disks": {}}, "not known"),
    ],
)
def test_a_host_that_cannot_take_it_is_not_taken(changes: dict[str, object], said: str) -> None:
    seen = looked(placed(), reports={1: report(1, **changes)})
    assert decided(seen).recovery.host != "masternode1"
    with pytest.raises(Refusal, match=said):
        plan(seen, host="masternode1")


def test_room_on_one_disk_is_added_up() -> None:
    """Data, copy and backup may each fit, and not together."""
    small = {name: (GIB + (50 << 20), "/dev/sda4") for name in ("data", "parent", "folder")}
    with pytest.raises(Refusal, match="are free on its /dev/sda4"):
        plan(looked(placed(), reports={1: report(1, disks=small)}), host="masternode1")
    apart = {name: (GIB + (50 << 20), f"/dev/{name}") for name in ("data", "parent", "folder")}
    # Copied beside the data's own disk, and then moved there by the script.
    with pytest.raises(Refusal, match=r"are free on its /dev/parent, 2[.]0G"):
        plan(looked(placed(), reports={1: report(1, disks=apart)}), host="masternode1")
    apart["parent"] = (2 * GIB + (50 << 20), "/dev/parent")
    assert decided(looked(placed(), reports={1: report(1, disks=apart)}), host="masternode1")


def test_what_is_moved_out_of_the_data_folder_needs_room_on_another_disk_alone() -> None:
    """Archives of members that were replaced are each as large as the database."""
    one = {name: (5 * GIB, "/dev/sda4") for name in ("data", "parent", "folder", "kept")}
    told = report(1, disks=one, others_size=20 * GIB, kept_size=20 * GIB)
    assert needs(told, (100, 10))["parent"] == GIB + 100
    apart = one | {"data": (5 * GIB, "/dev/sdb")}
    assert needs(replace(told, disks=apart), (100, 10))["parent"] == GIB + 100 + 20 * GIB + GIB
    assert (
        needs(replace(told, disks=apart), (0, 0))["parent"] == GIB + 20 * GIB
    )  # a quorum restore moves nothing
    apart = one | {"kept": (5 * GIB, "/dev/sdc")}
    assert needs(replace(told, disks=apart), (100, 10))["parent"] == GIB + 100 + 20 * GIB
    with pytest.raises(Refusal, match="are free on its /dev/sda4"):
        plan(looked(placed(), reports={1: replace(told, disks=apart)}), host="masternode1")


def test_a_clock_that_is_off_forbids_a_host() -> None:
    late = host(1)
    assert late.facts.value is not None
    late = replace(late, facts=Reading(replace(late.facts.value, clock_offset=-30.0), NOW))
    seen = looked(placed(), view=lost(hosts=(late, host(2), host(3))))
    with pytest.raises(Refusal, match="clock is 30 s behind"):
        plan(seen, host="masternode1")


def test_a_member_whose_host_nobody_named_stops_the_plan() -> None:
    found = (*survivors(900, 900, 900), Survivor("masternode4", "", trouble="Unknown."))
    with pytest.raises(Refusal, match="masternode4 is in the member list"):
        plan(looked(placed(), found=found))


def test_a_host_whose_etcd_could_not_be_asked_afterwards_is_not_taken() -> None:
    """The step after the script could never be passed."""
    silent = member(1, name="masternode1", client_urls=())
    listing = replace(healthy().members.value, members=(silent, member(2), member(3)))  # type: ignore[type-var]
    view = lost(members=Reading(listing, NOW - 1))
    found = survivors(900, 900, 900, running=frozenset())
    with pytest.raises(Refusal, match="Where etcd of masternode1 listens is not known"):
        plan(looked(placed(), view=view, found=found), host="masternode1")
    assert plan(looked(placed(), view=view, found=found), host="masternode2")


@pytest.mark.parametrize(
    ("api", "backup", "guard"),
    [
        ("4.16.3", "4.16.3", True),
        ("4.4.9", "4.16.3", True),
        ("", "4.16.3", True),
        ("", "", True),
        ("", "4.9.1", False),
        ("4.9.1", "", False),
    ],
)
def test_where_the_release_is_not_known_the_guard_is_taken_off(api: str, backup: str, guard: bool) -> None:
    base = lost()
    assert base.api.value is not None
    view = replace(base, api=Reading(replace(base.api.value, version=api), NOW - 900))
    found = survivors(700, 700, 700, running=frozenset())
    assert decided(looked(placed(version=backup), view=view, found=found)).guard is guard


# -- the steps


def test_the_steps_come_in_an_order_in_which_nothing_is_lost() -> None:
    made = plan(looked(placed(), found=survivors(900, 900, 900, running=frozenset({3}))))
    order = [k for k in keys(made) if not k.startswith("accept")]
    assert order[:5] == ["check", "prove", "deliver", "fresh", "without"]
    first = [f"{what} masternode1" for what in ("stop etcd", "stop kube-apiserver")]
    assert order[5:8] == ["begin", *first]
    assert order.index("aside masternode1") > order.index("stop kube-scheduler masternode1")
    assert order.index("stop etcd masternode3") > order.index("aside masternode2")
    assert order[order.index("stop etcd masternode3") :][:4] == [
        "stop etcd masternode3",
        "safe",
        "restore",
        "etcd",
    ]
    assert order.index("guard off") < order.index("redeploy etcd") < order.index("members")
    assert order.index("members") < order.index("guard on") < order.index("redeploy kubeapiserver")
    assert order.index("approve client") < order.index("nodes") < order.index("approve serving")
    assert order[-10:] == [
        *("whole", "write", "past", "watchers"),
        *("take", "verify", "bring", "prove anew", "manifest"),
        "report",
    ]
    assert len(set(order)) == len(order)


def test_the_gates_name_cluster_point_in_time_and_what_is_lost() -> None:
    made = plan(looked(placed(), found=survivors(900, 900, 900, running=frozenset({3}))))
    assert step_of(made, "begin").done is None  # asked also where everything is stopped already
    assert step_of(made, "begin").gate.phrase == "prod"
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(NOW - 7200))
    gate = step_of(made, "restore").gate
    assert gate.kind is GateKind.PHRASE and gate.phrase == f"prod {when}"
    assert f"everything written since {when}, 2 h before this plan: 100 revisions" in gate.prompt


def test_nothing_is_deleted_and_nothing_is_written_over() -> None:
    made = plan(looked(placed(), found=survivors(900, 900, 900, running=frozenset({3}))))
    for step in made.steps:
        words = step.argv[2:] if step.argv[:2] == ("sudo", "-n") else step.argv
        if words[:1] == ("mv",) or step.key.startswith("stop"):
            assert "mv -n" in " ".join(words), step.argv
        assert "rm" not in words
        if step.key.startswith("aside"):
            assert step.argv[-1] == "/var/lib/etcd/member-restore-20260921-143000"


def test_a_host_that_does_not_answer_has_to_be_off_by_somebodys_word() -> None:
    silent = replace(host(2), link=Reading(None, None, Problem(Fault.SILENT, "No answer."), NOW - 60))
    seen = looked(placed(), view=lost(hosts=(host(1), silent, host(3))), reports={2: "No answer."})
    made = plan(seen, host="masternode3")
    assert [m.host for m in restore.decided_of(made).off] == ["masternode2"]
    step = step_of(made, "off masternode2")
    assert step.gate.phrase == "masternode2 is off" and not step.skippable
    assert not any(key.startswith("stop") and key.endswith("masternode2") for key in keys(made))
    assert keys(made).index("off masternode2") < keys(made).index("stop etcd masternode1")


def test_with_hosts_that_are_off_the_end_is_done_but_not_whole() -> None:
    silent = Reading[float](None, None, Problem(Fault.SILENT, "No answer."), NOW - 60)
    off = [replace(host(n), link=silent) for n in (1, 2)]
    told = {1: "No answer.", 2: "No answer."}
    both = plan(looked(placed(), view=lost(hosts=(*off, host(3))), reports=told), host="masternode3")
    assert both.left == "2 masters are missing"
    assert restore.rebuild("restore", both.id, "prod", dict(both.parameters)).left == both.left
    one = plan(looked(placed(), view=lost(hosts=(host(1), off[1], host(3))), reports={2: "No answer."}))
    assert one.left == "1 master is missing"
    assert plan(looked(placed())).left == ""


def test_what_is_down_already_is_not_said_to_go_down() -> None:
    begin = step_of(plan(looked(placed())), "begin")
    assert begin.title == "Begin: what is left of prod is stopped" and "has no quorum" in begin.why
    answers = looked(placed(), view=healthy(), found=survivors(900, 900, 900))
    begin = step_of(plan(answers), "begin")
    assert begin.title == "Begin: prod goes down" and "From here on prod is away" in begin.why


def test_one_number_says_everywhere_what_the_newest_data_has_beyond_the_backup() -> None:
    """Of a member that is gone more was seen than anybody has: that is told apart."""
    seen = looked(placed(), found=survivors(850, 840, 840, running=frozenset({1})))
    made = plan(seen)
    assert "50 revisions behind masternode1's own data" in " ".join(made.reasons)
    assert step_of(made, "accept newer").gate.phrase == "lose 50 revisions"
    told = restore.decided_of(made)
    assert ": 50 revisions that masternode1 has, and 50 more that were seen before." in told.lost
    assert told.seen == 900, "who watches the API may remember that one"
    assert restore.decided_of(plan(looked(placed()))).lost.endswith(": 100 revisions.")


def test_without_a_kubeconfig_the_rollouts_are_left_to_the_human_in_full() -> None:
    made = plan(looked(placed(), view=lost(api_configured=False)))
    assert "redeploy etcd" not in keys(made) and "guard off" not in keys(made)
    why = step_of(made, "by hand").why
    assert all(f"oc patch {name} cluster" in why for name in ("etcd", "kubeapiserver", "kubescheduler"))


def test_it_is_made_again_from_its_record_step_by_step() -> None:
    made = plan(looked(placed(version="4.16.2")))
    again = restore.rebuild("restore", made.id, "prod", dict(made.parameters))
    assert [(s.key, s.host, s.argv, s.gate) for s in again.steps] == [
        (s.key, s.host, s.argv, s.gate) for s in made.steps
    ]
    with pytest.raises(ValueError, match="no restore"):
        restore.rebuild("backup", made.id, "prod", dict(made.parameters))
    with pytest.raises((KeyError, ValueError)):
        restore.rebuild("restore", made.id, "prod", {"decided": "{}"})


def test_every_step_has_an_estimate() -> None:
    made = plan(looked(placed()))
    told = restore.decided_of(made)
    assert all(0 < restore.seconds(step, told) <= 3600 for step in made.steps)
