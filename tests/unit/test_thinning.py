"""What the rules let go is shown, then exactly that is removed, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.landing import Landing, alone_in
from etcdtui.model.backups import FoundFile
from etcdtui.model.manifest import SUFFIX
from etcdtui.model.places import HERE, Place, PlacedSet, PlaceKind, PlaceView
from etcdtui.model.placing import Told, is_manifest, sets_in
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.model.retention import Rule
from etcdtui.model.view import ClusterView
from etcdtui.offsite.directory import DirectoryStore
from etcdtui.offsite.keeping import Keeping, Shelf
from etcdtui.platforms.layout import Layout
from etcdtui.procedures import prune
from etcdtui.procedures.procedure import Answer, Choice, Ending
from etcdtui.procedures.staying import strangers
from etcdtui.procedures.thinning import going, remove, rulings, told
from etcdtui.reach.local import LocalRunner
from tests.procedures import FakeWorld, run
from tests.unit.test_places import SIZE, TAR, manifest
from tests.views import NOW, healthy, host

CLUSTER = "c1"
STAMPS = [f"2026-09-{day:02}_020000" for day in (21, 20, 19, 18, 17)]
SHARE = Place(PlaceKind.STORE, "share")
M2 = Place(PlaceKind.HOST, "masternode2")


class World(FakeWorld):
    """Folders as places: listed from the disk each time they are looked at."""

    def __init__(self, root: Path, **rules: Rule) -> None:
        super().__init__(healthy(), LocalRunner("masternode2"))  # type: ignore[arg-type]
        self.host, self.here, self.share = (root / name for name in ("host", "here", "share"))
        for folder in (self.host, self.here, self.share):
            folder.mkdir()
        self.layout = Layout(backups=str(self.host), sudo=())
        shelf = Shelf("share", lambda: DirectoryStore("share", self.share), rules.get("store", Rule()))
        self.keeping = Keeping(
            "prod", self.here, (shelf,), rules.get("here", Rule()), rules.get("hosts", Rule())
        )
        self.before: set[str] = set()  # stamps of those from before a restore
        self.broken = False
        self.offset: float | None = None  # of the host's clock

    def fill(self, stamps: list[str], **changes: object) -> None:
        """The same backups in all three places."""
        for stamp in stamps:
            here, share = self.here / f"{stamp}-m2", self.share / "prod" / f"{stamp}-m2"
            for folder in (here, share, self.host):
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"snapshot_{stamp}.db").write_bytes(bytes(SIZE))
                (folder / f"static_kuberesources_{stamp}.tar.gz").write_bytes(bytes(TAR))
                (folder / f"snapshot_{stamp}{SUFFIX}").write_text("{}")
        self.changes = changes

    def view(self) -> ClusterView:
        views = [
            PlaceView(HERE, Reading(self._sets(HERE, self.here), NOW)),
            PlaceView(SHARE, Reading(self._sets(SHARE, self.share), NOW)),
            PlaceView(M2, Reading(self._sets(M2, self.host), NOW)),
        ]
        if self.broken:
            down = Problem(Fault.UNREACHABLE, "share does not answer.")
            views[1] = PlaceView(SHARE, Reading(views[1].sets.value, NOW - 99, down, NOW - 9))
        files = tuple(file for placed in self._sets(M2, self.host) for file in placed.set.files)
        facts = host(2).facts.value
        assert facts is not None
        looked = host(2, facts=Reading(replace(facts, backups=files, clock_offset=self.offset), NOW - 3))
        return healthy(places=tuple(views), hosts=(looked,))

    def look_at_places(self, timeout: float) -> ClusterView:
        return self.view()

    def _sets(self, place: Place, folder: Path) -> tuple[PlacedSet, ...]:
        found = [
            FoundFile(place.label, self._folder(place, path), path.name, path.stat().st_size, 1.0)
            for path in folder.rglob("*")
            if path.is_file()
        ]
        identity = {"cluster_id": f"{healthy().members.value.cluster_id:x}", **self.changes}  # type: ignore[union-attr]
        sets = sets_in(place, found, {file: Told() for file in found if is_manifest(file)}, NOW)
        other = {**identity, "cluster_id": "bef0"}
        return tuple(
            replace(
                s,
                manifest=None
                if s.set.partial
                else manifest(s.set.stamp, **(other if s.set.stamp in self.before else identity)),
            )
            for s in sets
        )

    def _folder(self, place: Place, path: Path) -> str:
        inside = place.kind is PlaceKind.STORE
        return path.parent.relative_to(self.share).as_posix() if inside else str(path.parent)

    @property
    def left(self) -> dict[str, list[str]]:
        return {
            folder.name: sorted({p.name[9:26] for p in folder.rglob("snapshot_*.db")}, reverse=True)
            for folder in (self.host, self.here, self.share)
        }


@pytest.fixture
def world(tmp_path: Path) -> World:
    rules = {"here": Rule(count=3), "hosts": Rule(count=1), "store": Rule(count=4)}
    found = World(tmp_path, **rules)
    found.fill(STAMPS)
    return found


def thin(world: World, tmp_path: Path, *answers: Answer) -> tuple[Ending, str, str]:
    made = prune.plan(world.view(), world.keeping, procedure_id="prune-1")
    finished, human = run(made, Journal(tmp_path / "journal"), *answers, world=world)
    return finished.ending, finished.sentence, human.questions[0].sentence if human.questions else ""


def test_shown_then_removed_in_every_place(world: World, tmp_path: Path) -> None:
    ending, sentence, asked = thin(world, tmp_path, Answer(Choice.GO))
    assert ending is Ending.DONE
    assert "Here 2 backups may go: 2026-09-18_020000 and 2026-09-17_020000." in asked
    assert "On masternode2 4 backups may go" in asked and "On share 1 backup may go" in asked
    assert "7 old backups removed." in sentence
    assert world.left == {"host": STAMPS[:1], "here": STAMPS[:3], "share": STAMPS[:4]}
    assert not list(world.host.glob(f"*2026-09-17*{SUFFIX}"))
    assert not (world.here / f"{STAMPS[4]}-m2").exists()


def test_those_from_before_a_restore_stay_and_are_named(world: World, tmp_path: Path) -> None:
    """The cluster has another ID since; what was taken before is as of another cluster, for every rule."""
    world.before = {STAMPS[4], STAMPS[3]}
    ending, sentence, asked = thin(world, tmp_path, Answer(Choice.GO))
    assert ending is Ending.DONE
    stay = f"2 backups stay as of another cluster, or from before a restore: {STAMPS[3]} and {STAMPS[4]}."
    for where in ("Here", "On masternode2", "On share"):
        assert f"{where} {stay}" in asked
    assert "what nobody needs of them is removed by hand. Remove these 2" in asked
    assert world.left == {
        "host": [STAMPS[0], *STAMPS[3:]],
        "here": STAMPS,
        "share": STAMPS,
    }
    ending, sentence, asked = thin(world, tmp_path / "again")
    assert not asked and ending is Ending.DONE
    assert f"No backup had to go. On masternode2 {stay} Here {stay} On share {stay} No rule" in sentence


def test_one_alone_and_many_of_another_cluster(world: World) -> None:
    def said() -> str:
        return strangers(rulings(world.view(), world.keeping, NOW))

    assert said() == ""
    world.before = {STAMPS[4]}
    assert f"On share 1 backup stays as of another cluster, or from before a restore: {STAMPS[4]}." in said()
    more = [f"2026-08-{day:02}_020000" for day in (9, 8, 7)]
    world.fill(more)
    world.before = {*STAMPS, *more}
    assert "On share 8 backups stay" in said() and f"{STAMPS[4]} and 3 older." in said()


def test_while_the_clusters_own_id_is_not_known_nobody_is_called_a_stranger(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = replace(world.view(), members=Reading(None))
    monkeypatch.setattr(world, "view", lambda: unknown)
    assert "Here 5 backups stay" in strangers(rulings(unknown, world.keeping, NOW))
    ending, sentence, _ = thin(world, tmp_path)
    assert ending is Ending.DONE and sentence.endswith("No backup had to go.")


def test_what_a_fetch_that_was_given_up_left_here_goes_with_the_old_ones(
    world: World, tmp_path: Path
) -> None:
    stamp = "2026-09-10_020000"
    for folder in (world.here / f"{stamp}-m2", world.host):
        folder.mkdir(exist_ok=True)
        (folder / f"snapshot_{stamp}.db.part").write_bytes(b"half")
    ending, _, asked = thin(world, tmp_path, Answer(Choice.GO))
    assert ending is Ending.DONE and stamp in asked
    assert not (world.here / f"{stamp}-m2").exists()
    assert (world.host / f"snapshot_{stamp}.db.part").exists()  # nobody here knows who writes it


def test_what_is_still_being_fetched_however_slowly_stays(world: World, tmp_path: Path) -> None:
    stamp = "2026-09-10_020000"
    folder = world.here / f"{stamp}-m2"
    folder.mkdir()
    with Landing(folder / f"snapshot_{stamp}.db") as landing:
        landing.write(b"half")
        ending, sentence, asked = thin(world, tmp_path, Answer(Choice.GO), Answer(Choice.STOP))
    assert stamp in asked and ending is Ending.FAILED
    assert "7 of 8 removed. Another etcdtui is just writing" in sentence
    assert (folder / f"snapshot_{stamp}.db.part").read_bytes() == b"half"


def test_what_is_being_uploaded_stays(world: World) -> None:
    found = next(g.placed for g in going(world.view(), world.keeping, NOW) if g.placed.place == HERE)
    folder = Path(found.set.directory)
    with alone_in(folder), pytest.raises(Refusal, match="at work on the backup"):
        remove(world, found)  # type: ignore[arg-type]
    assert len(list(folder.iterdir())) == 3


def test_refused_nothing_goes(world: World, tmp_path: Path) -> None:
    ending, _, _ = thin(world, tmp_path, Answer(Choice.STOP))
    assert ending is Ending.CANCELLED
    assert world.left == dict.fromkeys(("host", "here", "share"), STAMPS)


def test_nothing_to_remove_asks_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, here=Rule(count=9))
    world.fill(STAMPS)
    ending, sentence, asked = thin(world, tmp_path)
    assert (ending, asked) == (Ending.DONE, "")
    assert sentence == "No backup had to go."


def test_another_clusters_backups_stay(world: World, tmp_path: Path) -> None:
    world.changes = {"cluster_id": "dead"}
    assert thin(world, tmp_path)[2] == ""
    assert world.left == dict.fromkeys(("host", "here", "share"), STAMPS)


def test_a_place_that_cannot_be_listed_is_left_alone(world: World, tmp_path: Path) -> None:
    world.broken = True
    _, _, asked = thin(world, tmp_path, Answer(Choice.GO))
    assert "share" not in asked
    assert world.left["share"] == STAMPS


def test_what_came_after_the_list_was_shown_stays(world: World, tmp_path: Path) -> None:
    def later() -> None:
        world.fill([*STAMPS, "2026-09-10_020000"])
        assert engine
        engine[0].answer(Answer(Choice.GO, step="thin"))

    engine: list[object] = []
    from tests.procedures import Human

    human = Human(later)
    made = prune.plan(world.view(), world.keeping, procedure_id="prune-2")
    human.on.append((lambda event: True, lambda found: engine.append(found)))
    finished, _ = run(made, Journal(tmp_path / "journal"), world=world, human=human)
    assert finished.ending is Ending.DONE
    assert "2026-09-10_020000" in world.left["here"]


def test_a_place_that_fails_while_removing_is_told_and_the_rest_goes_on(world: World, tmp_path: Path) -> None:
    class Broken(DirectoryStore):
        def delete(self, name: str) -> None:
            from etcdtui.offsite.store import StoreFault

            raise StoreFault("share refuses to delete.")

    shelf = replace(world.keeping.shelves[0], open=lambda: Broken("share", world.share))
    world.keeping = replace(world.keeping, shelves=(shelf,))
    ending, sentence, _ = thin(world, tmp_path, Answer(Choice.GO), Answer(Choice.STOP))
    assert ending is Ending.FAILED
    assert "6 of 7 removed. share refuses to delete." in sentence
    assert world.left == {"host": STAMPS[:1], "here": STAMPS[:3], "share": STAMPS}


def test_names_that_are_not_of_a_backup_are_refused(world: World) -> None:
    found = going(world.view(), world.keeping, NOW)[0].placed
    bad = replace(found, set=replace(found.set, files=(replace(found.set.files[0], name="../passwd"),)))
    with pytest.raises(Refusal, match="left alone"):
        remove(world, bad)  # type: ignore[arg-type]


def test_without_a_rule_nothing_is_planned(tmp_path: Path) -> None:
    world = World(tmp_path)
    with pytest.raises(Refusal, match="no rule"):
        prune.plan(healthy(), world.keeping, procedure_id="prune-3")
    with pytest.raises(Refusal, match="read-only"):
        prune.plan(healthy(read_only=True), world.keeping, procedure_id="prune-4")


def test_gone_on_with_it_keeps_to_the_rules_it_began_with(world: World, tmp_path: Path) -> None:
    began = prune.plan(world.view(), world.keeping, procedure_id="prune-5")
    shelf = replace(world.keeping.shelves[0], rule=Rule(count=1))
    new = Shelf("new", shelf.open, Rule(count=1))
    world.keeping = replace(world.keeping, rule=Rule(count=1), shelves=(shelf, new))
    again = prune.rebuild(prune.KIND, "prune-5", "prod", began.parameters)
    ending = run(again, Journal(tmp_path / "journal"), Answer(Choice.GO), world=world)[0].ending
    assert ending is Ending.DONE
    assert world.left == {"host": STAMPS[:1], "here": STAMPS[:3], "share": STAMPS[:4]}


def test_the_list_names_every_backup(world: World) -> None:
    words = told(going(world.view(), world.keeping, NOW))
    assert words.count("_020000") == 7


class TestClock:
    """Days are counted only where the clocks of the hosts agree with this machine's."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        found = World(tmp_path, here=Rule(days=30), hosts=Rule(count=1))
        found.fill(STAMPS)
        return found

    @pytest.mark.parametrize("offset", [-400 * 86400.0, 301.0])
    def test_by_days_nothing_goes_while_a_clock_is_off(
        self, world: World, tmp_path: Path, offset: float
    ) -> None:
        made = prune.plan(world.view(), world.keeping, procedure_id="prune-1")
        world.offset = offset
        finished, human = run(made, Journal(tmp_path / "journal"), Answer(Choice.STOP), world=world)
        assert finished.ending is not Ending.DONE
        way = "ahead of" if offset > 0 else "behind"
        (asked,) = human.questions
        assert f"{way} this machine's, so nobody knows how many days old" in asked.sentence
        assert world.left["here"] == world.left["host"] == STAMPS
        with pytest.raises(Refusal, match="The clock of masternode2 is"):
            prune.plan(world.view(), world.keeping, procedure_id="prune-2")

    def test_a_little_is_no_matter_nor_is_it_where_no_days_are_counted(
        self, world: World, tmp_path: Path
    ) -> None:
        world.offset = 299.0
        prune.plan(world.view(), world.keeping, procedure_id="prune-1")
        world.offset = 9000.0
        world.keeping = replace(world.keeping, rule=Rule(count=1))
        prune.plan(world.view(), world.keeping, procedure_id="prune-1")


def test_what_etcdtui_noted_for_itself_goes_with_the_backup(world: World, tmp_path: Path) -> None:
    folder = world.here / f"{STAMPS[4]}-m2"
    manifest = f"snapshot_{STAMPS[4]}{SUFFIX}"
    for name in (".arrival.json", ".abc-1.age", f"{manifest}.refuted", f"{manifest}.1.part"):
        (folder / name).write_text("{}")
    thin(world, tmp_path, Answer(Choice.GO))
    assert not folder.exists()


ORPHAN = f"snapshot_{STAMPS[4]}{SUFFIX}"


class TestAManifestWhoseFilesAreGone:
    """What a removal that was stopped after the files has left."""

    @pytest.fixture
    def places(self, world: World) -> dict[str, Path]:
        found = {"here": world.here / f"{STAMPS[4]}-m2", "share": world.share / "prod" / f"{STAMPS[4]}-m2"}
        found["host"] = world.host
        for folder in found.values():
            for path in folder.glob(f"*{STAMPS[4]}*"):
                if not path.name.endswith(SUFFIX):
                    path.unlink()
        return found

    def test_is_taken_away_by_the_next_prune(
        self, world: World, places: dict[str, Path], tmp_path: Path
    ) -> None:
        ending, sentence, asked = thin(world, tmp_path, Answer(Choice.GO))
        assert ending is Ending.DONE and "3 left-over manifests" in sentence
        assert f"On share 1 left-over manifest may go: {STAMPS[4]}." in asked
        assert not any((folder / ORPHAN).exists() for folder in places.values())
        assert not places["here"].exists()
        assert world.left == {"host": STAMPS[:1], "here": STAMPS[:3], "share": STAMPS[:4]}

    def test_is_no_backup_in_any_list(self, world: World, places: dict[str, Path]) -> None:
        assert [b.stamp for b in world.view().known_backups].count(STAMPS[4]) == 0

    @pytest.mark.parametrize("place", ["here", "share", "host"])
    @pytest.mark.parametrize("file", [f"snapshot_{STAMPS[4]}.db", f"snapshot_{STAMPS[4]}.db.age"])
    def test_stays_when_its_files_are_there_again(
        self, world: World, places: dict[str, Path], place: str, file: str
    ) -> None:
        found = next(
            g.placed
            for g in going(world.view(), world.keeping, NOW)
            if not g.placed.set.files
            and g.placed.place.label in (place, "masternode2")
            and (place == "host") == g.placed.place.is_host
        )
        (places[place] / file).write_bytes(b"back")
        with pytest.raises(Refusal, match="again; its manifest stays"):
            remove(world, found)  # type: ignore[arg-type]
        assert (places[place] / ORPHAN).exists()

    def test_of_another_cluster_or_unknown_stays(
        self, world: World, places: dict[str, Path], tmp_path: Path
    ) -> None:
        world.changes = {"cluster_id": "dead"}
        assert "left-over" not in thin(world, tmp_path)[2]
        assert (places["here"] / ORPHAN).exists()

    def test_in_a_place_without_a_rule_stays(
        self, world: World, places: dict[str, Path], tmp_path: Path
    ) -> None:
        shelf = replace(world.keeping.shelves[0], rule=Rule())
        world.keeping = replace(world.keeping, shelves=(shelf,))
        assert thin(world, tmp_path, Answer(Choice.GO))[0] is Ending.DONE
        assert (places["share"] / ORPHAN).exists() and not (places["here"] / ORPHAN).exists()
