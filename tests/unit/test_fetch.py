"""A backup that is only in a store comes back: compared, opened, proven, and only then it counts."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.landing import Landing
from etcdtui.model.backups import FoundFile
from etcdtui.model.manifest import SUFFIX
from etcdtui.model.places import HERE, Place, PlaceKind, PlaceView
from etcdtui.model.placing import is_manifest, sets_in, told
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.offsite.directory import DirectoryStore
from etcdtui.offsite.keeping import Keeping
from etcdtui.procedures import fetch, manifests
from etcdtui.procedures.procedure import Answer, Choice, Ending, Finished
from etcdtui.procedures.registry import resume
from tests.procedures import CutJournal, Human, Killed, run
from tests.unit.test_backup_copies import NAMES, STAMP, Ground, digests, rehearsed
from tests.unit.test_backup_copies import ground as ground  # a fixture
from tests.unit.test_backup_copies import view as quiet_view
from tests.views import NOW

SHARE = Place(PlaceKind.STORE, "share")
MANIFEST = f"snapshot_{STAMP}{SUFFIX}"


def seen(ground: Ground, *places: Place) -> ClusterView:
    """The view of somebody for whom the hosts are gone: what lies here and in the store."""
    found = {HERE: ground.here, SHARE: ground.store}
    views = []
    for place, root in found.items():
        files = [
            FoundFile(place.name, _named(place, root, path), path.name, path.stat().st_size, 1.0)
            for path in sorted(root.rglob("*"))
            if path.is_file()
        ]
        read = {
            f: told((root / _below(place, root, f)).read_bytes(), f.name) for f in files if is_manifest(f)
        }
        views.append(PlaceView(place, Reading(sets_in(place, files, read, NOW), NOW)))
    return replace(quiet_view(), places=tuple(views), hosts=())


def _named(place: Place, root: Path, path: Path) -> str:
    return path.parent.relative_to(root).as_posix() if place == SHARE else str(path.parent)


def _below(place: Place, root: Path, file: FoundFile) -> Path:
    return Path(file.directory) / file.name


@pytest.fixture
def stored(ground: Ground) -> Ground:
    """A backup that was taken, and of which only the store has a copy now."""
    assert ground.take()[0].ending is Ending.DONE
    for folder in (ground.kept, ground.host):
        for path in folder.iterdir():
            path.unlink()
    ground.kept.rmdir()
    return ground


def bring(
    ground: Ground, *answers: Answer, identity: Path | None = None, journal: Journal | None = None
) -> tuple[Finished, Human]:
    view = seen(ground)
    found = fetch.named(view, STAMP)
    ground.world.keeping = ground.keeping
    made = fetch.plan(view, ground.keeping, found, procedure_id="fetch-1", identity=identity)
    return run(made, journal or Journal(ground.root / "fetches"), *answers, world=ground.world)


def go_on(ground: Ground, *answers: Answer) -> tuple[Finished, Human]:
    journal = Journal(ground.root / "fetches")
    ground.world.keeping = ground.keeping
    return run(resume(journal.runs("prod")[0]), journal, *answers, world=ground.world)


def proven(ground: Ground) -> bool:
    return any((copy := b.copy_in(HERE)) and copy.proven for b in seen(ground).known_backups)


def test_it_comes_back_as_it_was_and_is_proven_again(stored: Ground) -> None:
    before = digests(stored.stored)
    finished, human = bring(stored)
    assert finished.ending is Ending.DONE and "is good" in finished.sentence
    after = digests(stored.kept)
    assert {name: after[name] for name in NAMES} == {name: before[name] for name in NAMES}
    assert digests(stored.stored) == before
    assert stat.S_IMODE(stored.kept.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in stored.kept.iterdir()} == {0o600}
    _, manifest = manifests.kept(stored.kept)
    assert manifest.good and manifest.copies[-1].place == "here" and "✓ arrival" in human.output
    assert {check.name for check in manifest.checks} >= {"digest", "structure", "identity", "arrival"}
    assert proven(stored)


def test_what_a_rehearsal_refuted_here_is_not_made_good_by_fetching_it_again(stored: Ground) -> None:
    bring(stored)
    rehearsed(stored)
    assert not proven(stored)
    finished, _ = bring(stored, Answer(Choice.STOP), journal=Journal(stored.root / "again"))
    assert finished.ending is Ending.FAILED and "a rehearsal could not restore it" in finished.sentence
    assert not proven(stored)


def test_what_is_here_already_is_not_fetched_and_what_is_nowhere_cannot_be(stored: Ground) -> None:
    bring(stored)
    with pytest.raises(Refusal, match="is on this machine already, and proven"):
        bring(stored)
    with pytest.raises(Refusal, match="No backup is called 2026-01-01_000000"):
        fetch.named(seen(stored), "2026-01-01_000000")
    (backup,) = seen(stored).known_backups
    only_here = replace(backup, copies=tuple(c for c in backup.copies if c.place != SHARE))
    lost = replace(only_here, copies=tuple(replace(c, manifest=None) for c in only_here.copies))
    with pytest.raises(Refusal, match="is not in a store, it is in here"):
        fetch.plan(seen(stored), stored.keeping, lost, procedure_id="fetch-2")


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("damage", [lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: bytes(len(b))])
def test_what_was_damaged_in_the_store_never_counts_here(
    stored: Ground, number: int, damage: Callable[[bytes], bytes]
) -> None:
    path = stored.stored / NAMES[number]
    path.write_bytes(damage(path.read_bytes()))
    finished, human = bring(stored, Answer(Choice.STOP))
    assert finished.ending is Ending.FAILED
    assert "is not what was proven" in human.questions[0].sentence
    assert not proven(stored) and not (stored.kept / NAMES[number]).exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda g: (g.stored / MANIFEST).unlink(), "there is no manifest beside its files"),
        (lambda g: (g.stored / MANIFEST).write_text("{}"), "The manifest is not valid"),
        (lambda g: (g.stored / NAMES[1]).unlink(), "not both files are there"),
        (lambda g: os.truncate(g.stored / NAMES[1], 5), "its files are not those of its manifest"),
    ],
)
def test_a_copy_that_cannot_be_relied_on_is_refused(
    stored: Ground, change: Callable[[Ground], object], says: str
) -> None:
    change(stored)
    with pytest.raises(Refusal, match=says):
        bring(stored)


def test_a_store_that_closes_early_is_gone_on_with_after_a_resume(stored: Ground) -> None:
    class Cut(DirectoryStore):
        cut = True

        @contextmanager
        def read_on(self, name: str, begin: int) -> Iterator[tuple[int, Iterator[bytes]]]:
            with super().read_on(name, begin) as (really, blocks):
                begun.append((name.rpartition("/")[2], really))
                yield (
                    really,
                    (block[:9000] if self.cut and name.endswith(".db") else block for block in blocks),
                )

    begun: list[tuple[str, int]] = []
    stored.stores["share"] = lambda: Cut("share", stored.store)
    fetching = pytest.MonkeyPatch()
    fetching.setattr("etcdtui.offsite.fetching.PAUSES", ())
    fetching.setattr(
        fetch.arrival.fetch, "__kwdefaults__", {**fetch.arrival.fetch.__kwdefaults__, "pauses": ()}
    )
    try:
        finished, human = bring(stored, Answer(Choice.STOP))
    finally:
        fetching.undo()
    assert finished.ending is not Ending.DONE
    assert "ended prod/" in human.questions[0].sentence
    assert (stored.kept / f"{NAMES[0]}.part").stat().st_size == 9000 and not proven(stored)
    Cut.cut = False
    finished, _ = go_on(stored, Answer(Choice.RETRY))
    assert finished.ending is Ending.DONE and proven(stored)
    assert begun[-1] == (NAMES[0], 9000)


def test_a_full_disk_here_is_told_as_one_here_and_is_gone_on_with(
    stored: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    room = [30_000]

    def write(fd: int, data: bytes) -> int:
        if ".db.part" not in os.readlink(f"/proc/self/fd/{fd}"):
            return real(fd, data)
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = real(fd, bytes(data)[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr(os, "write", write)
    finished, human = bring(stored, Answer(Choice.STOP))
    said = human.questions[0].sentence
    assert finished.ending is not Ending.DONE
    assert "No space left on device" in said and str(stored.kept) in said and "local copy" not in said
    monkeypatch.undo()
    assert (stored.kept / f"{NAMES[0]}.part").stat().st_size == 30_000
    assert go_on(stored)[0].ending is Ending.DONE and proven(stored)


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("cut", range(2, 9))
def test_killed_anywhere_it_ends_whole(stored: Ground, cut: int, how: str) -> None:
    try:
        bring(stored, journal=CutJournal(stored.root / "fetches", cut, how))
    except Killed:
        assert not proven(stored) or (stored.kept / MANIFEST).exists()
        if Journal(stored.root / "fetches").runs("prod"):
            assert go_on(stored)[0].ending is Ending.DONE
    if not proven(stored):
        assert bring(stored)[0].ending is Ending.DONE
    assert proven(stored)


@pytest.mark.parametrize("noted", [True, False])
def test_killed_just_when_a_file_got_its_name_it_is_no_half_written_one(stored: Ground, noted: bool) -> None:
    bring(stored)
    for name in NAMES:
        os.link(stored.kept / name, stored.kept / f"{name}.part")
    if not noted:
        (stored.kept / fetch.arrival.NAME).unlink()
    assert not proven(stored)
    finished, _ = bring(stored, journal=Journal(stored.root / "again"))
    assert finished.ending is Ending.DONE and proven(stored)
    assert not list(stored.kept.glob("*.part"))


def test_what_another_etcdtui_is_fetching_is_left_to_it(stored: Ground) -> None:
    stored.kept.mkdir(mode=0o700)
    with Landing(stored.kept / NAMES[0]) as landing:
        landing.write(b"half")
        _, human = bring(stored, Answer(Choice.STOP))
        assert "Another etcdtui is just writing" in human.questions[0].sentence
    assert not proven(stored)


def test_prune_takes_away_what_a_fetch_that_was_given_up_has_left(stored: Ground) -> None:
    from etcdtui.procedures.thinning import remove

    stored.kept.mkdir(mode=0o700)
    for name in (f"{NAMES[0]}.part", fetch.arrival.NAME, f".{NAMES[0]}.age"):
        (stored.kept / name).write_bytes(b"half")
    (placed,) = (c for b in seen(stored).known_backups for c in b.copies if c.place == HERE)
    remove(stored.world, placed)  # type: ignore[arg-type]
    assert not stored.kept.exists()


class TestEncrypted:
    """The same where the store holds it encrypted with age."""

    @pytest.fixture
    def sealed(self, ground: Ground) -> Ground:
        pyrage = pytest.importorskip("pyrage", reason="pyrage is not installed")
        from tests.unit.test_sealed_copies import IDENTITY, Sealed

        (ground.root / "sealed").mkdir()
        made = Sealed(ground.root / "sealed")
        assert made.take()[0].ending is Ending.DONE
        for folder in (made.kept, made.host):
            for path in folder.iterdir():
                path.unlink()
        made.kept.rmdir()
        (made.root / "mine").write_text(f"# mine\n{IDENTITY}\n")
        (made.root / "other").write_text(str(pyrage.x25519.Identity.generate()))
        return made

    def test_it_is_opened_and_the_identity_stays_where_it_is(self, sealed: Ground) -> None:
        key = sealed.root / "mine"
        finished, human = bring(sealed, identity=key)
        assert finished.ending is Ending.DONE and proven(sealed)
        assert any("opened here" in str(event) for event in human.events)
        names = {path.name for path in sealed.kept.iterdir()}
        assert names == {*NAMES, MANIFEST, fetch.arrival.NAME}
        secret = key.read_text().split()[-1].encode()
        for path in sealed.root.rglob("*"):
            assert path == key or not path.is_file() or secret not in path.read_bytes(), path

    def test_the_configured_identity_is_taken_where_none_is_named(self, sealed: Ground) -> None:
        class Known(type(sealed)):  # type: ignore[misc]
            @property
            def keeping(self) -> Keeping:
                found = super().keeping
                mine = self.root / "mine"
                return replace(found, shelves=tuple(replace(s, identity=mine) for s in found.shelves))

        sealed.__class__ = Known
        assert bring(sealed)[0].ending is Ending.DONE and proven(sealed)

    def test_without_an_identity_it_is_refused_before_anything_is_fetched(self, sealed: Ground) -> None:
        with pytest.raises(Refusal, match="is encrypted with age, and no identity is known") as refused:
            bring(sealed)
        assert "age_identity" in refused.value.hint and not sealed.kept.exists()

    @pytest.mark.parametrize(
        ("identity", "says"),
        [
            ("nosuch", "nosuch cannot be read: No such file or directory"),
            ("other", "is not encrypted to the identity in"),
        ],
    )
    def test_a_missing_or_wrong_identity_is_told_and_another_one_goes_on(
        self, sealed: Ground, identity: str, says: str
    ) -> None:
        finished, human = bring(sealed, Answer(Choice.STOP), identity=sealed.root / identity)
        assert finished.ending is not Ending.DONE and says in human.questions[0].sentence
        assert not proven(sealed) and not (sealed.kept / NAMES[0]).exists()
        # The large file was not fetched in vain.
        assert not (sealed.kept / f".{NAMES[0]}.age").exists()
        (sealed.root / identity).write_text((sealed.root / "mine").read_text())
        assert go_on(sealed)[0].ending is Ending.DONE and proven(sealed)

    @pytest.mark.parametrize("damage", [lambda b: b[:-9] + bytes(9), lambda b: b[:-1]])
    def test_a_damaged_one_is_never_opened_to_something_that_counts(
        self, sealed: Ground, damage: Callable[[bytes], bytes]
    ) -> None:
        view = seen(sealed)
        path = sealed.stored / f"{NAMES[0]}.age"
        path.write_bytes(damage(path.read_bytes()))
        found = fetch.named(view, STAMP)
        sealed.world.keeping = sealed.keeping
        made = fetch.plan(view, sealed.keeping, found, procedure_id="fetch-1", identity=sealed.root / "mine")
        finished, _ = run(made, Journal(sealed.root / "fetches"), Answer(Choice.STOP), world=sealed.world)
        assert finished.ending is not Ending.DONE and not proven(sealed)
        assert not (sealed.kept / NAMES[0]).exists()

    def test_what_was_brought_encrypted_is_not_fetched_again(self, sealed: Ground) -> None:
        sealed.kept.mkdir(mode=0o700)
        for name in NAMES:
            (sealed.kept / f".{name}.age").write_bytes((sealed.stored / f"{name}.age").read_bytes())

        class Mute(DirectoryStore):
            @contextmanager
            def read_on(self, name: str, begin: int) -> Iterator[tuple[int, Iterator[bytes]]]:
                assert name.endswith(SUFFIX), f"{name} is fetched again"
                with super().read_on(name, begin) as found:
                    yield found

        sealed.opened = Mute  # type: ignore[attr-defined]
        assert bring(sealed, identity=sealed.root / "mine")[0].ending is Ending.DONE
        assert proven(sealed)
