"""Encrypted copies: nothing damaged is sealed, nothing whole gives way, and what is there is told exactly."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest

from etcdtui.errors import Refusal
from etcdtui.offsite.age import decrypt, recipients_of, seal
from etcdtui.offsite.store import Item

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


@pytest.mark.parametrize("damage", [lambda b: b[:-100], lambda b: b[:-1] + b"?", lambda b: b""])
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
