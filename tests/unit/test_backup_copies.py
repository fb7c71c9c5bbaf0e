"""What becomes of a backup after it was taken: real files, a real shell, a real folder as the store."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etcdtui.errors import Unreachable
from etcdtui.journal import Journal
from etcdtui.landing import PART
from etcdtui.model.backups import BackupSet, FoundFile
from etcdtui.model.manifest import SUFFIX
from etcdtui.model.places import HERE, Place, PlaceKind, PlaceView
from etcdtui.model.placing import is_manifest, sets_in, told
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.offsite.directory import DirectoryStore
from etcdtui.offsite.keeping import Keeping, Shelf
from etcdtui.offsite.store import Store, StoreFault
from etcdtui.platforms.layout import Layout
from etcdtui.procedures import backup, manifests
from etcdtui.procedures.backup_arrival import _taken, prove_here
from etcdtui.procedures.backup_copies import whereabouts
from etcdtui.procedures.backup_decided import Homes
from etcdtui.procedures.procedure import (
    Action,
    Answer,
    Choice,
    Ending,
    Finished,
    Procedure,
    Step,
    StepChanged,
)
from etcdtui.procedures.registry import resume
from etcdtui.reach.local import LocalRunner
from tests.procedures import FakeJobs, FakeWorld, Human, run
from tests.snapshotfiles import REAL, mutated
from tests.unit.test_backup_plan import ID, quiet
from tests.unit.test_resources import GOOD, packed
from tests.views import NOW, endpoint, host, status, with_endpoints

STAMP = "2026-11-24_020000"
HOST = "masternode2"
SNAPSHOT = REAL["3.5.1"]
NAMES = (f"snapshot_{STAMP}.db", f"static_kuberesources_{STAMP}.tar.gz")


@dataclass
class Ground:
    """A host's folder, this machine's and a store's, below one temporary folder."""

    root: Path
    snapshot: bytes = SNAPSHOT

    def __post_init__(self) -> None:
        self.host, self.here, self.store = (self.root / name for name in ("host", "here", "store"))
        for folder in (self.host, self.store):
            folder.mkdir()
        self.layout = Layout(
            backups=str(self.host), jobs=str(self.root / "jobs"), backup_script="/bin/sh", sudo=()
        )
        self.stores: dict[str, Callable[[], Store]] = {"share": lambda: DirectoryStore("share", self.store)}
        self.jobs = FakeJobs(
            out=f"Snapshot saved at {self.host}/{NAMES[0]}\n".encode(), err=b"", on_end=self.write
        )
        self.world = Listing(self)
        self.world.layout = self.layout
        self.world.keeping = self.keeping

    @property
    def keeping(self) -> Keeping:
        return Keeping("prod", self.here, tuple(Shelf(name, opened) for name, opened in self.stores.items()))

    def write(self) -> None:
        """What cluster-backup.sh would."""
        for name, content in zip(NAMES, (self.snapshot, GOOD), strict=True):
            path = self.host / name
            path.write_bytes(content)
            path.chmod(0o600)

    def plan(self) -> Procedure:
        self.world.keeping = self.keeping
        made = backup.plan(
            self.world.shown, lambda _: self.layout, self.keeping, procedure_id=ID, now=NOW, host=HOST
        )
        return replace(made, steps=tuple(replace(s, patience=0.02) for s in made.steps))

    def take(self, *answers: Answer, human: Human | None = None) -> tuple[Finished, Human]:
        journal = Journal(self.root / "journal")
        return run(self.plan(), journal, *answers, world=self.world, jobs=self.jobs, human=human)

    def resume(self, *answers: Answer) -> tuple[Finished, Human]:
        journal = Journal(self.root / "journal")
        found = journal.runs("prod")[0]
        return run(resume(found), journal, *answers, world=self.world, jobs=self.jobs)

    @property
    def kept(self) -> Path:
        return self.here / f"{STAMP}-{HOST}"

    @property
    def stored(self) -> Path:
        return self.store / "prod" / f"{STAMP}-{HOST}"


class Listing(FakeWorld):
    """Lists what really lies in the three folders whenever it is to look again."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(view(), LocalRunner(HOST))  # type: ignore[arg-type]
        self.ground = ground
        self.silent: tuple[str, ...] = ()  # places that cannot be listed

    def look_again(self, timeout: float) -> ClusterView:
        super().look_again(timeout)
        return self.look_at_places(timeout)

    def look_at_places(self, timeout: float) -> ClusterView:
        ground, on_host = self.ground, Place(PlaceKind.HOST, HOST)
        found = {HERE: ground.here, on_host: ground.host}
        for name in ground.stores:
            found[Place(PlaceKind.STORE, name)] = ground.store if name == "share" else ground.root / name
        places = tuple(self._seen(place, root) for place, root in found.items())
        there = tuple(file for placed in places[1].sets.value or () for file in placed.set.files)
        facts = host(2).facts.value
        assert facts is not None
        answers = host(2, facts=Reading(replace(facts, backups=there), NOW - 3, self._down(on_host)))
        return replace(self.shown, hosts=(answers,), places=places)

    def _down(self, place: Place) -> Problem | None:
        return Problem(Fault.REFUSED, "It is down.") if place.name in self.silent else None

    def _seen(self, place: Place, root: Path) -> PlaceView:
        files = {
            FoundFile(place.name, path.parent.name, path.name, path.stat().st_size, 1.0): path
            for path in root.rglob("*")
            if path.is_file()
        }
        read = {file: told(path.read_bytes(), file.name) for file, path in files.items() if is_manifest(file)}
        return PlaceView(place, Reading(sets_in(place, files, read, NOW), NOW, self._down(place)))


def view() -> ClusterView:
    """Healthy, with a database as small as the recorded snapshot."""
    small = [endpoint(n, status=Reading(status(n, db_in_use=40960), NOW - 0.5)) for n in (1, 2, 3)]
    return replace(with_endpoints(*small), api=quiet())  # type: ignore[arg-type]


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    # The recorded snapshot is not of the fake cluster; whose it is has tests of its own.
    from etcdtui.model.proof import Identity
    from etcdtui.procedures import backup_arrival

    monkeypatch.setattr(backup_arrival, "same_cluster", lambda proof, live: Identity(True, "not asked"))
    return Ground(tmp_path)


def digests(folder: Path) -> dict[str, str]:
    """Of what counts as the backup; what etcdtui notes for itself is hidden."""
    found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def test_two_files_and_a_manifest_in_every_place_and_all_the_same(ground: Ground) -> None:
    finished, human = ground.take()
    assert finished.ending is Ending.DONE
    assert "is proven and lies on masternode2, here and on share" in finished.sentence
    assert set(digests(ground.kept)) == {*NAMES, f"snapshot_{STAMP}{SUFFIX}"}
    assert digests(ground.kept) == digests(ground.stored) == digests(ground.host)
    modes = {stat.S_IMODE(p.stat().st_mode) for p in (*ground.kept.iterdir(), *ground.host.iterdir())}
    assert modes == {0o600}
    assert stat.S_IMODE(ground.kept.stat().st_mode) == 0o700
    _, manifest = manifests.kept(ground.kept)
    assert manifest.good and manifest.revision > 0 and manifest.openshift_version == "4.16.3"
    assert [copy.place for copy in manifest.copies] == [HOST, "here", "share"]
    assert "✓ digest" in human.output


def test_a_damaged_snapshot_is_never_called_proven(ground: Ground) -> None:
    import random

    ground.snapshot = mutated(SNAPSHOT, random.Random(7))
    finished, _ = ground.take(Answer(Choice.STOP))
    assert finished.ending is not Ending.DONE
    assert not list(ground.root.rglob(f"*{SUFFIX}"))
    assert not list(ground.store.rglob("*"))


def test_what_was_proven_once_and_is_damaged_now_no_longer_counts(ground: Ground) -> None:
    ground.take()
    snapshot = ground.kept / NAMES[0]
    content = snapshot.read_bytes()
    snapshot.write_bytes(content[:4096] + bytes([content[4096] ^ 1]) + content[4097:])
    work = prove_here(lambda world: Homes.of(ground.keeping, STAMP, HOST))
    step = Step(key="prove", title="Prove them", why="A disk has time.", action=Action.WORK, work=work)
    again = Procedure("test", "test-1", "prod", "Prove it again", {}, (step,), ())
    finished, human = run(again, Journal(ground.root / "other"), Answer(Choice.STOP), world=ground.world)
    assert finished.ending is not Ending.DONE
    assert "no longer counts as proven; its manifest was put aside" in human.questions[0].sentence
    assert not list(ground.kept.glob(f"*{SUFFIX}"))


def test_a_snapshot_of_another_cluster_is_refused(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    finished, _ = ground.take(Answer(Choice.STOP))
    assert finished.ending is not Ending.DONE
    assert "IDs" in finished.sentence or "another cluster" in finished.sentence
    assert not list(ground.root.rglob(f"*{SUFFIX}"))


class Down(DirectoryStore):
    def stat(self, name: str) -> None:
        raise StoreFault("nexus does not answer: connection refused.", "Look whether it runs.")


def test_a_store_that_is_down_is_passed_over_and_the_verdict_says_so(ground: Ground) -> None:
    ground.stores["nexus"] = lambda: Down("nexus", ground.store)
    finished, human = ground.take(Answer(Choice.SKIP, "it is down"))
    assert finished.ending is Ending.DONE
    assert "connection refused" in human.questions[0].sentence
    assert "It is NOT in nexus; that is offered again at the next start." in finished.sentence
    assert digests(ground.kept) == digests(ground.stored) == digests(ground.host)


def upload_to_share(ground: Ground) -> Finished:
    """An upload of what lies here, as it is offered where a store lacks it."""
    from etcdtui.procedures import upload

    pair = next(b for b in ground.world.look_at_places(0.0).known_backups if b.proven)
    ground.world.keeping = ground.keeping
    made = upload.plan(ground.keeping, pair, ["share"], procedure_id="upload-2")
    return run(made, Journal(ground.root / "uploads"), world=ground.world)[0]


def test_only_copies_that_are_still_there_and_count_are_named(ground: Ground) -> None:
    ground.stores["nexus"] = lambda: DirectoryStore("nexus", ground.root / "nexus")
    (ground.root / "nexus").mkdir()
    ground.take()
    half = (ground.root / "nexus").rglob("snapshot_*")  # the removal there broke off
    for path in (*ground.host.iterdir(), *half, *ground.stored.iterdir()):
        path.unlink()
    finished = upload_to_share(ground)
    assert finished.sentence == f"The backup {STAMP} lies here and on share."
    assert not list((ground.root / "nexus").rglob(f"*{SUFFIX}"))  # nor does a manifest come back there


def test_what_is_not_known_to_be_there_is_not_named(ground: Ground) -> None:
    def said() -> str:
        manifest = manifests.kept(ground.kept)[1]
        return whereabouts(ground.world.look_at_places(0.0), ground.keeping, manifest, ["share"])

    ground.take()
    ground.world.silent = ("share",)
    assert said() == "lies on masternode2, here and on share."  # it is asked for each file
    ground.stores["share"] = lambda: Down("share", ground.store)
    assert said() == (
        "lies on masternode2 and here. Whether it is in share cannot be told now: it does not answer."
    )
    ground.world.silent = ()
    ground.stores["share"] = lambda: DirectoryStore("share", ground.store)
    next(ground.stored.glob(f"*{SUFFIX}")).unlink()
    assert "lies on masternode2 and here. In share no manifest proves its files" in said()
    for path in ground.stored.iterdir():
        path.unlink()
    assert "It is NOT in share; that is offered again at the next start." in said()


def test_a_store_that_comes_back(ground: Ground) -> None:
    opened: list[Store] = []

    def nexus() -> Store:
        opened.append(
            Down("nexus", ground.store) if not opened else DirectoryStore("nexus", ground.root / "nexus")
        )
        return opened[-1]

    (ground.root / "nexus").mkdir()
    ground.stores = {"nexus": nexus}
    finished, _ = ground.take(Answer(Choice.RETRY))
    assert finished.ending is Ending.DONE
    assert digests(ground.kept) == digests(ground.root / "nexus" / "prod" / f"{STAMP}-{HOST}")


@pytest.mark.parametrize("step", ["bring", "prove", "store share", "manifest"])
def test_left_in_the_middle_and_resumed(ground: Ground, step: str) -> None:
    human = Human()

    def begins(event: object) -> bool:
        return getattr(event, "step", "") == step and str(getattr(event, "state", "")) == "running"

    human.on.append((begins, lambda engine: engine.leave()))
    first, _ = ground.take(human=human)
    assert first.ending is Ending.STOPPED
    finished, _ = ground.resume()
    assert finished.ending is Ending.DONE
    assert digests(ground.kept) == digests(ground.stored) == digests(ground.host)
    assert len(ground.jobs.begun) == 1


def test_the_host_is_gone_when_the_manifest_is_put_beside_its_copy(ground: Ground) -> None:
    class Gone(LocalRunner):
        def run(self, argv, **more):  # type: ignore[no-untyped-def]
            if "place-manifest" in argv:
                raise Unreachable("masternode2 does not answer.")
            return super().run(argv, **more)

    ground.world.runners = {HOST: Gone(HOST)}  # type: ignore[dict-item]
    finished, human = ground.take(Answer(Choice.SKIP, "it rebooted"))
    assert finished.ending is Ending.DONE
    assert "masternode2 does not answer" in human.questions[0].sentence
    assert digests(ground.kept) == digests(ground.stored)


def test_the_backup_vanished_from_the_host_before_it_came_here(ground: Ground) -> None:
    human = Human(Answer(Choice.STOP))

    def begins(event: object) -> bool:
        return getattr(event, "step", "") == "bring" and str(getattr(event, "state", "")) == "running"

    human.on.append((begins, lambda engine: [(ground.host / name).unlink() for name in NAMES]))
    finished, _ = ground.take(human=human)
    assert finished.ending is Ending.FAILED
    assert "no longer in" in finished.sentence


def test_two_at_once_do_not_mix(ground: Ground) -> None:
    from etcdtui.landing import Landing, own_folder

    own_folder(ground.kept)
    with Landing(ground.kept / NAMES[0]) as other:
        other.write(b"somebody else's")
        finished, human = ground.take(Answer(Choice.STOP))
    assert finished.ending is Ending.FAILED
    assert "Another etcdtui" in human.questions[0].sentence


def test_an_owed_upload_is_made_up_for(ground: Ground) -> None:
    from etcdtui.model.backups import FoundFile, join
    from etcdtui.model.places import HERE, Backup, PlacedSet
    from etcdtui.procedures import upload

    ground.stores = {"share": lambda: Down("share", ground.store)}
    ground.take(Answer(Choice.SKIP, "it is down"))
    assert not list(ground.store.rglob("*.db"))
    ground.stores = {"share": lambda: DirectoryStore("share", ground.store)}
    ground.world.keeping = ground.keeping
    found = [
        FoundFile("here", str(ground.kept), p.name, p.stat().st_size, 1.0) for p in ground.kept.iterdir()
    ]
    (pair,) = join(found)
    _, told = manifests.kept(ground.kept)
    owed = Backup(STAMP, False, (PlacedSet(HERE, pair, told),), told)
    made = upload.plan(ground.keeping, owed, ["share"], procedure_id="upload-1")
    again = upload.rebuild(made.kind, made.id, made.cluster, made.parameters)
    assert [s.key for s in again.steps] == [s.key for s in made.steps]
    finished, _ = run(made, Journal(ground.root / "journal"), world=ground.world)
    assert finished.ending is Ending.DONE
    assert "lies on masternode2, here and on share" in finished.sentence
    assert digests(ground.kept) == digests(ground.stored)


def test_encrypted_for_the_way_out_and_opened_again(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    pyrage = pytest.importorskip("pyrage")
    from etcdtui.config_stores import DirectoryPlace, Encryption, StoreConfig
    from etcdtui.offsite.age import decrypt
    from etcdtui.offsite.opening import _sealing

    identity = pyrage.x25519.Identity.generate()
    wanted = Encryption((str(identity.to_public()),))
    sealing = _sealing(StoreConfig("share", DirectoryPlace(ground.store), encryption=wanted))
    shelf = Shelf("share", lambda: DirectoryStore("share", ground.store), seal=sealing)
    made = ground.plan()
    ground.world.keeping = replace(ground.keeping, shelves=(shelf,))
    finished, _ = run(made, Journal(ground.root / "journal"), world=ground.world, jobs=ground.jobs)
    assert finished.ending is Ending.DONE
    assert set(digests(ground.stored)) == {f"{NAMES[0]}.age", f"{NAMES[1]}.age", f"snapshot_{STAMP}{SUFFIX}"}
    assert not list(ground.kept.glob(".*.age"))
    _, manifest = manifests.kept(ground.kept)
    (copy,) = (copy for copy in manifest.copies if copy.place == "share")
    sealed = {name: digest for name, digest in digests(ground.stored).items() if name.endswith(".age")}
    assert {file.name: file.sha256 for file in copy.encrypted} == sealed
    key = ground.root / "identity"
    key.write_text(str(identity))
    opened = decrypt(ground.stored / f"{NAMES[0]}.age", ground.root / "opened.db", key)
    assert opened.sha256 == manifest.snapshot.sha256


def test_a_backup_of_another_day_is_brought_off_and_proven(ground: Ground) -> None:
    from etcdtui.model.backups import FoundFile, join
    from etcdtui.procedures import bring

    ground.write()
    found = [FoundFile(HOST, str(ground.host), p.name, p.stat().st_size, 1.0) for p in ground.host.iterdir()]
    (pair,) = join(found)
    plan = bring.plan(view(), lambda _: ground.layout, ground.keeping, pair, procedure_id="bring-1")
    again = bring.rebuild(plan.kind, plan.id, plan.cluster, plan.parameters)
    assert [(s.key, s.host) for s in again.steps] == [(s.key, s.host) for s in plan.steps]
    ground.world.keeping = ground.keeping
    finished, _ = run(plan, Journal(ground.root / "journal"), world=ground.world)
    assert finished.ending is Ending.DONE
    assert digests(ground.kept) == digests(ground.stored) == digests(ground.host)
    _, manifest = manifests.kept(ground.kept)
    assert manifest.openshift_version == manifest.etcd_version == ""


def test_half_a_backup_is_not_brought_off(ground: Ground) -> None:
    from etcdtui.errors import Refusal
    from etcdtui.model.backups import FoundFile, join
    from etcdtui.procedures import bring

    (half,) = join([FoundFile(HOST, str(ground.host), NAMES[0], 512 + 32, 1.0)])
    with pytest.raises(Refusal, match="no whole one"):
        bring.plan(view(), lambda _: ground.layout, ground.keeping, half, procedure_id="bring-2")


def test_what_an_upload_that_broke_off_left_gives_way(ground: Ground) -> None:
    torn = ground.stored / NAMES[0]
    torn.parent.mkdir(parents=True)
    torn.write_bytes(SNAPSHOT[:1000])
    finished, human = ground.take()
    assert finished.ending is Ending.DONE
    assert "is of an upload that broke off" in human.output
    assert digests(ground.kept) == digests(ground.stored)


def test_what_belongs_to_a_whole_backup_never_gives_way(ground: Ground) -> None:
    ground.stored.mkdir(parents=True)
    (ground.stored / NAMES[0]).write_bytes(b"another one")
    (ground.stored / f"snapshot_{STAMP}{SUFFIX}").write_text("{}")
    finished, human = ground.take(Answer(Choice.STOP))
    assert finished.ending is Ending.FAILED
    assert "it is not overwritten" in human.questions[0].sentence
    assert (ground.stored / NAMES[0]).read_bytes() == b"another one"


class Host(LocalRunner):
    """The host, until it is switched off."""

    off = False

    def run(self, argv, **more):  # type: ignore[no-untyped-def]
        if self.off:
            raise Unreachable("masternode2 does not answer.")
        return super().run(argv, **more)

    def stream(self, argv, **more):  # type: ignore[no-untyped-def]
        if self.off:
            raise Unreachable("masternode2 does not answer.")
        return super().stream(argv, **more)


def test_a_host_that_dies_once_the_files_are_here_is_no_longer_needed(ground: Ground) -> None:
    dying, human = Host(HOST), Human(Answer(Choice.SKIP, "it died"))
    ground.world.runners = {HOST: dying}  # type: ignore[dict-item]

    def arrived(event: object) -> bool:
        return getattr(event, "step", "") == "bring" and str(getattr(event, "state", "")) == "done"

    human.on.append((arrived, lambda engine: setattr(dying, "off", True)))
    ground.world.silent = (HOST,)
    finished, _ = ground.take(human=human)
    assert finished.ending is Ending.DONE
    assert "is proven and lies here and on share" in finished.sentence
    assert digests(ground.kept) == digests(ground.stored)


def test_a_file_that_changed_here_after_it_came_is_not_proven(ground: Ground) -> None:
    human = Human(Answer(Choice.STOP))

    def arrived(event: object) -> bool:
        return getattr(event, "step", "") == "bring" and str(getattr(event, "state", "")) == "done"

    other = packed({"more": b"x"})
    human.on.append((arrived, lambda engine: (ground.kept / NAMES[1]).write_bytes(other)))
    finished, _ = ground.take(human=human)
    assert finished.ending is Ending.FAILED
    assert "is not the one that was fetched" in finished.sentence
    assert not list(ground.root.rglob(f"*{SUFFIX}"))


def test_whose_it_is_cannot_be_told_then_that_is_minded_and_recorded(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etcdtui.model.proof import Identity
    from etcdtui.procedures import backup_arrival

    monkeypatch.setattr(
        backup_arrival, "same_cluster", lambda proof, live: Identity(None, "Nobody can tell.")
    )
    finished, human = ground.take()
    assert finished.ending is Ending.DONE
    said = [event.sentence for event in human.events if isinstance(event, StepChanged)]
    assert any("Mind: Nobody can tell. Whoever restores it" in sentence for sentence in said)
    _, manifest = manifests.kept(ground.kept)
    assert manifest.good and not manifest.identified


def bring_again(ground: Ground, *answers: Answer, stamp: str = STAMP) -> Finished:
    from etcdtui.model.backups import FoundFile, join
    from etcdtui.procedures import bring

    found = [FoundFile(HOST, str(ground.host), p.name, p.stat().st_size, 1.0) for p in ground.host.iterdir()]
    pair = next(s for s in join(found) if s.stamp == stamp)
    ground.world.keeping = ground.keeping
    plan = bring.plan(view(), lambda _: ground.layout, ground.keeping, pair, procedure_id=f"bring-{stamp}")
    return run(plan, Journal(ground.root / "journal"), *answers, world=ground.world)[0]


def test_brought_again_it_forgets_nothing_of_what_was_known(ground: Ground) -> None:
    ground.take()
    _, before = manifests.kept(ground.kept)
    stored = digests(ground.stored)
    finished = bring_again(ground)
    assert finished.ending is Ending.DONE
    _, after = manifests.kept(ground.kept)
    assert after.openshift_version == before.openshift_version == "4.16.3"
    assert {copy.place for copy in after.copies} == {copy.place for copy in before.copies}
    assert digests(ground.stored) == stored


def test_an_old_backup_that_was_copied_to_the_host_is_as_old_as_its_name_says(ground: Ground) -> None:
    old = "2023-01-01_020000"
    (ground.host / f"snapshot_{old}.db").write_bytes(SNAPSHOT)
    (ground.host / f"static_kuberesources_{old}.tar.gz").write_bytes(GOOD)
    assert bring_again(ground, stamp=old).ending is Ending.DONE
    _, manifest = manifests.kept(ground.here / f"{old}-{HOST}")
    assert manifest.taken.year == 2023


@pytest.mark.parametrize(
    ("zone", "later", "right"),
    [
        (0, 4, True),
        (0, 290, True),
        (2, 20, True),
        (-5, 20, True),
        (14, 4, True),
        (-12, 4, True),
        (5.75, 30, True),
        (0, 1500, True),  # copied: the stamp tells
        (0, 25 * 3600, True),
        (0, 10 * 3600 + 1700, True),
        (0, 400 * 86400, True),
        (-5, 8 * 3600 + 1700, False),  # copied, and the zone is not known: older than it is, never younger
    ],
)
def test_the_time_of_a_file_is_when_it_was_taken_only_where_a_time_zone_explains_it(
    zone: float, later: float, right: bool
) -> None:
    """Its script ran in a zone so many hours ahead of UTC, its file was written so many seconds later."""
    stamp = datetime(2026, 11, 24, 2, 0, 0)
    ran = stamp.replace(tzinfo=UTC).timestamp() - zone * 3600
    file = FoundFile(HOST, "/b", f"snapshot_{STAMP}.db", 544, ran + later)
    made = BackupSet(HOST, "/b", STAMP, (file,))
    found = _taken(replace(view(), hosts=()), made, just_taken=False)
    assert found < ran + 301
    assert (found >= ran) is right
    assert _taken(replace(view(), hosts=()), made, just_taken=True) == ran + later


def test_a_manifest_that_does_not_arrive_whole_replaces_nothing(tmp_path: Path) -> None:
    from etcdtui.errors import CommandFailed

    path = tmp_path / f"snapshot_{STAMP}{SUFFIX}"
    path.write_text("the good one")
    with pytest.raises(CommandFailed, match="did not arrive whole"):
        manifests.place_on_host(LocalRunner(HOST), (), str(path), b"half of", "0" * 64)
    assert path.read_text() == "the good one"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_one_at_a_time_on_a_backup(ground: Ground) -> None:
    from etcdtui.landing import alone_in

    human = Human(Answer(Choice.STOP))

    def proven(event: object) -> bool:
        return getattr(event, "step", "") == "prove" and str(getattr(event, "state", "")) == "done"

    context = []

    def lock(engine: object) -> None:
        held = alone_in(ground.kept)
        held.__enter__()
        context.append(held)

    human.on.append((proven, lock))
    finished, _ = ground.take(human=human)
    for held in context:
        held.__exit__(None, None, None)
    assert finished.ending is Ending.FAILED and "Another etcdtui is at work" in finished.sentence


class Meanwhile(DirectoryStore):
    """Something is done to the backup here while its snapshot goes there."""

    what: Callable[[], object]

    def put(self, file, name, digest, progress=None, cancelled=None):  # type: ignore[no-untyped-def]
        super().put(file, name, digest, progress, cancelled)
        if name.endswith(".db"):
            self.what()


def put_aside(ground: Ground) -> None:
    assert manifests.refute(ground.kept / f"snapshot_{STAMP}{SUFFIX}")


def rehearsed(ground: Ground) -> None:
    from etcdtui.model.proof import Outcome
    from etcdtui.procedures.rehearsal import Rehearsed, _remembered

    done = _remembered(Rehearsed(ground.kept / NAMES[0], Outcome.FAILED, "It is NOT what was proven."))
    assert done.kept.startswith("That is written into")


@pytest.mark.parametrize("refute", [put_aside, rehearsed])
def test_what_is_refuted_while_it_is_sent_stays_refuted(
    ground: Ground, refute: Callable[[Ground], None]
) -> None:
    store = Meanwhile("share", ground.store)
    store.what = lambda: refute(ground)
    ground.stores = {"share": lambda: store}
    finished, human = ground.take(Answer(Choice.STOP))
    assert finished.ending is Ending.FAILED
    assert "was found to be bad" in human.questions[0].sentence
    found = list(ground.kept.glob(f"*{SUFFIX}"))
    assert not any(manifests.parsed(path.read_bytes(), "").good for path in found)
    assert not list(ground.stored.glob(f"*{SUFFIX}"))


def test_a_rehearsal_that_failed_is_not_forgotten_when_the_same_bytes_are_proven_again(
    ground: Ground,
) -> None:
    ground.take()
    rehearsed(ground)
    finished = bring_again(ground, Answer(Choice.STOP))
    assert finished.ending is Ending.FAILED and "a rehearsal could not restore it" in finished.sentence
    _, told = manifests.kept(ground.kept)
    assert not told.good and {check.name for check in told.checks} >= {"digest", "identity", "restored"}


def test_who_changes_a_manifest_waits_for_who_is_at_it(ground: Ground) -> None:
    from threading import Thread

    ground.take()
    path, _ = manifests.kept(ground.kept)
    with manifests.alone_with(path):
        other = Thread(target=rehearsed, args=(ground,))
        other.start()
        other.join(0.2)
        assert other.is_alive() and manifests.kept(ground.kept)[1].good
    other.join(10)
    assert not manifests.kept(ground.kept)[1].good


def test_nobody_takes_the_half_written_file_of_another_process(tmp_path: Path) -> None:
    from etcdtui.landing import replace_small

    theirs = tmp_path / f"x{SUFFIX}.1{PART}"
    theirs.write_text("half")
    replace_small(tmp_path / f"x{SUFFIX}", b"whole")
    assert (tmp_path / f"x{SUFFIX}").read_text() == "whole" and theirs.read_text() == "half"
