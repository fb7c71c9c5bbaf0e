"""Encrypted copies: nothing damaged is sealed, nothing whole gives way, and what is there is told exactly."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.config_stores import DirectoryPlace, Encryption, StoreConfig
from etcdtui.errors import Refusal
from etcdtui.landing import Cancel, Progress
from etcdtui.model.backups import FoundFile, join
from etcdtui.model.manifest import SUFFIX
from etcdtui.model.places import Place, PlacedSet, PlaceKind
from etcdtui.offsite.age import decrypt, recipients_of, seal
from etcdtui.offsite.directory import DirectoryStore
from etcdtui.offsite.keeping import Keeping, Shelf
from etcdtui.offsite.opening import _sealing
from etcdtui.offsite.store import Item, StoreFull
from etcdtui.procedures import manifests
from etcdtui.procedures.procedure import Answer, Choice, Ending, Finished
from tests.unit.test_backup_copies import NAMES, STAMP, Ground, bring_again, digests
from tests.unit.test_backup_copies import ground as ground  # a fixture
from tests.unit.test_places import manifest as manifest_of_another

pyrage = pytest.importorskip("pyrage", reason="pyrage is not installed")

IDENTITY = pyrage.x25519.Identity.generate()
KEY = str(IDENTITY.to_public())
DATA = b"a database" * 40_000


@pytest.fixture
def item(tmp_path: Path) -> Item:
    path = tmp_path / "snapshot.db"
    path.write_bytes(DATA)
    return Item(path, "a/snapshot.db", hashlib.sha256(DATA).hexdigest())


def broken_off(item: Item) -> Path:
    """What an upload that broke off leaves."""
    with (
        contextlib.suppress(ZeroDivisionError),
        seal(recipients_of("nas", [KEY]), [item], item.path.parent) as sealed,
    ):
        raise ZeroDivisionError
    return sealed[0].path


def opened(item: Item) -> bytes:
    """What a store would hold of it."""
    (folder := item.path.parent / "opened").mkdir()
    (folder / "identity").write_text(str(IDENTITY))
    with seal(recipients_of("nas", [KEY]), [item], item.path.parent) as (sealed,):
        assert hashlib.sha256(sealed.path.read_bytes()).hexdigest() == sealed.sha256
        decrypt(sealed.path, folder / "back", folder / "identity")
    return (folder / "back").read_bytes()


def left(item: Item) -> list[Path]:
    return list(item.path.parent.glob(".*"))


@pytest.mark.parametrize("earlier", [False, True])
def test_a_file_that_was_damaged_since_it_was_proven_is_not_sealed(item: Item, earlier: bool) -> None:
    if earlier:
        broken_off(item)
    item.path.write_bytes(DATA[:-1] + b"?")
    with (
        pytest.raises(Refusal, match="is not what was proven: its SHA-256 is another"),
        seal(recipients_of("nas", [KEY]), [item], item.path.parent),
    ):
        pytest.fail("it was sealed")
    assert earlier or not left(item)


@pytest.mark.parametrize("damage", [lambda b: b[:-100], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b""])
def test_what_was_left_over_and_is_damaged_is_sealed_anew(item: Item, damage) -> None:  # type: ignore[no-untyped-def]
    path = broken_off(item)
    path.write_bytes(damage(path.read_bytes()))
    assert opened(item) == DATA
    assert not left(item)


def test_what_was_not_named_yet_when_the_machine_went_down_is_sealed_anew(item: Item) -> None:
    path = broken_off(item)
    path.rename(path.with_name(path.name.rpartition("-")[0] + ".age"))
    assert opened(item) == DATA
    assert not left(item)


class Full(DirectoryStore):
    def put(
        self,
        file: Path,
        name: str,
        digest: str,
        progress: Progress | None = None,
        cancelled: Cancel | None = None,
    ) -> None:
        raise StoreFull("share is full.", "Make room there.")


class Sealed(Ground):
    """Its store gets everything encrypted."""

    opened: Callable[[str, Path], DirectoryStore] = DirectoryStore

    @property
    def keeping(self) -> Keeping:
        wanted = Encryption((KEY,))
        sealing = _sealing(StoreConfig("share", DirectoryPlace(self.store), encryption=wanted))
        shelf = Shelf("share", lambda: self.opened("share", self.store), seal=sealing)
        return replace(super().keeping, shelves=(shelf,))

    def again(self, opened: Callable[[str, Path], DirectoryStore] = DirectoryStore) -> Finished:
        self.opened = opened  # type: ignore[method-assign]
        return bring_again(self)

    @property
    def sealed(self) -> list[Path]:
        return [self.stored / f"{name}.age" for name in NAMES]

    @property
    def manifest(self) -> Path:
        return self.stored / f"snapshot_{STAMP}{SUFFIX}"

    def forget(self) -> None:
        """It is brought from a machine that never had it."""
        for path in self.kept.iterdir():
            path.unlink()

    def told(self) -> bool:
        """Do both manifests tell exactly what lies in the store?"""
        there = {path.name: (path.stat().st_size, digests(self.stored)[path.name]) for path in self.sealed}
        return all(
            {f.name: (f.size, f.sha256) for c in manifest.copies for f in c.encrypted} == there
            for manifest in (
                manifests.kept(self.kept)[1],
                manifests.parsed(self.manifest.read_bytes(), "there"),
            )
        )


@pytest.fixture
def shelved(ground: Ground) -> Iterator[Sealed]:
    (ground.root / "sealed").mkdir()
    made = Sealed(ground.root / "sealed")
    assert made.take()[0].ending is Ending.DONE and made.told()
    yield made


@pytest.mark.parametrize("elsewhere", [False, True])
def test_brought_again_what_is_encrypted_there_stays_even_when_the_store_is_full(
    shelved: Sealed, elsewhere: bool
) -> None:
    before = digests(shelved.stored)
    if elsewhere:
        shelved.forget()
    assert shelved.again(Full).ending is Ending.DONE
    assert digests(shelved.stored) == before and shelved.told()


def test_what_arrived_before_its_manifest_did_is_not_sent_again(shelved: Sealed) -> None:
    before = digests(shelved.stored)
    shelved.manifest.unlink()
    assert shelved.again().ending is Ending.DONE
    after = digests(shelved.stored)
    assert {k: v for k, v in after.items() if k.endswith(".age")} == {
        k: v for k, v in before.items() if k.endswith(".age")
    }
    assert shelved.told()


@pytest.mark.parametrize("damaged", [0, 1])
@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:-1] + bytes([b[-1] ^ 1]), None])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_only_what_is_damaged_there_is_sent_anew_and_then_told(
    shelved: Sealed, damaged: int, damage: Callable[[bytes], bytes] | None, elsewhere: bool
) -> None:
    before = digests(shelved.stored)
    path, other = shelved.sealed[damaged], shelved.sealed[1 - damaged]
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    if elsewhere:
        shelved.forget()
    assert shelved.again().ending is Ending.DONE
    assert digests(shelved.stored)[other.name] == before[other.name]
    assert shelved.told()
    (shelved.root / "identity").write_text(str(IDENTITY))
    back = decrypt(path, shelved.root / "back", shelved.root / "identity")
    assert back.sha256 == digests(shelved.kept)[NAMES[damaged]]


@pytest.mark.parametrize("content", [b"{}", manifests.content(manifest_of_another())])
def test_what_lies_beside_another_manifest_never_gives_way(ground: Ground, content: bytes) -> None:
    (ground.root / "sealed").mkdir()
    made = Sealed(ground.root / "sealed")
    made.stored.mkdir(parents=True)
    for path in (*made.sealed, made.manifest):
        path.write_bytes(content if path == made.manifest else b"another one")
    before = digests(made.stored)
    finished, human = made.take(Answer(Choice.STOP))
    assert finished.ending is Ending.FAILED and "it is not overwritten" in human.questions[0].sentence
    assert digests(made.stored) == before


def test_a_plain_copy_keeps_its_manifest_when_it_is_encrypted_from_now_on(ground: Ground) -> None:
    ground.take()
    before = digests(ground.stored)
    made = Sealed.__new__(Sealed)
    made.__dict__.update(ground.__dict__)
    assert made.again().ending is Ending.DONE
    after = digests(ground.stored)
    assert {name: after.get(name) for name in before} == before
    assert len(after) == len(before) + 2


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-100], lambda b: b + bytes(100), lambda b: b + bytes(60_000), None]
)
@pytest.mark.parametrize("damaged", [0, 1])
def test_an_encrypted_copy_is_proven_at_the_sizes_it_was_put_there_with(
    shelved: Sealed, damaged: int, damage: Callable[[bytes], bytes] | None
) -> None:
    if damage is not None:
        path = shelved.sealed[damaged]
        path.write_bytes(damage(path.read_bytes()))
    told = manifests.parsed(shelved.manifest.read_bytes(), "there")
    found = [
        FoundFile("share", "", p.name.removesuffix(".age"), p.stat().st_size, 1.0) for p in shelved.sealed
    ]
    (pair,) = join(found)
    copy = PlacedSet(Place(PlaceKind.STORE, "share"), pair, told, encrypted=True)
    assert copy.complete and copy.proven == (damage is None)
    whole = replace(told, copies=())  # of a manifest that does not tell them
    assert damage is not None or replace(copy, manifest=whole).proven
