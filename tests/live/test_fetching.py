"""Objects brought back from real servers: cut, stalled, lied about, gone on with."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etcdtui.errors import Cancelled, Dropped, NotFound, Refusal, TimedOut
from etcdtui.landing import BLOCK, Moved
from etcdtui.model.manifest import File
from etcdtui.offsite.directory import DirectoryStore
from etcdtui.offsite.fetching import fetch
from etcdtui.offsite.nexus import NexusStore
from etcdtui.offsite.store import Store, WrongDigest
from tests.live.storing import LOGIN, NGINX, Nexus, make_certificate, nexus_serving, nginx_serving

pytestmark = pytest.mark.live
DATA = os.urandom(3 * BLOCK + 77)
SUM = hashlib.sha256(DATA).hexdigest()
NAME = "prod/a/snapshot.db"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def nexus(certificate: Path) -> Iterator[tuple[NexusStore, type[Nexus]]]:
    with nexus_serving(certificate) as (url, handler):
        handler.objects[NAME] = DATA
        yield NexusStore("nexus", url, login=LOGIN, ca=str(certificate / "crt"), silence=1.5), handler


def bring(store: Store, target: Path, told: Callable[[Moved], None] | None = None, **more: object) -> File:
    pauses = (0.05, 0.05)
    return fetch(store, NAME, target, size=len(DATA), sha256=SUM, progress=told, pauses=pauses, **more)  # type: ignore[arg-type]


class Later(threading.Event):
    """The wish to stop comes after two blocks."""

    asked = 0

    def is_set(self) -> bool:
        self.asked += 1
        return self.asked > 2


def part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def test_a_connection_that_ends_early_is_gone_on_with(
    nexus: tuple[NexusStore, type[Nexus]], tmp_path: Path
) -> None:
    store, handler = nexus
    handler.faults |= {"ranges": True, "cut": 2 * BLOCK + 5}
    told: list[Moved] = []
    made = bring(store, tmp_path / "x", told.append)
    assert (made.sha256, (tmp_path / "x").read_bytes()) == (SUM, DATA)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600
    assert handler.faults["asked for"] == [None, f"bytes={2 * BLOCK + 5}-"]
    assert any("Trying again" in moved.note for moved in told)
    assert not part_of(tmp_path / "x").exists()


def test_a_store_that_cannot_begin_in_the_middle_begins_again_and_says_so(
    nexus: tuple[NexusStore, type[Nexus]], tmp_path: Path
) -> None:
    store, handler = nexus
    part_of(tmp_path / "x").write_bytes(DATA[:BLOCK])
    told: list[Moved] = []
    assert bring(store, tmp_path / "x", told.append).sha256 == SUM
    assert any("begins again from zero" in moved.note for moved in told)
    assert handler.faults["asked for"] == [f"bytes={BLOCK}-"]


def test_a_store_that_stalls_keeps_nobody_waiting(
    nexus: tuple[NexusStore, type[Nexus]], tmp_path: Path
) -> None:
    store, handler = nexus
    handler.faults |= {"ranges": True, "cut": BLOCK, "hang": True}
    with pytest.raises(TimedOut, match="does not answer") as stalled:
        fetch(store, NAME, tmp_path / "x", size=len(DATA), sha256=SUM, pauses=())
    assert "are kept in" in stalled.value.hint and "local copy" not in stalled.value.hint
    kept = part_of(tmp_path / "x").read_bytes()
    assert kept and DATA.startswith(kept)
    del handler.faults["hang"]
    assert bring(store, tmp_path / "x").sha256 == SUM


def test_a_store_that_sends_something_else_and_tells_its_digest_is_found_out(
    nexus: tuple[NexusStore, type[Nexus]], tmp_path: Path
) -> None:
    store, handler = nexus
    handler.faults["garble"] = True
    with pytest.raises(WrongDigest, match="is not what was proven: its SHA-256 is"):
        bring(store, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_what_an_earlier_attempt_left_of_another_object_is_thrown_away(
    nexus: tuple[NexusStore, type[Nexus]], tmp_path: Path
) -> None:
    store, handler = nexus
    handler.faults["ranges"] = True
    part_of(tmp_path / "x").write_bytes(b"?" * 2 * BLOCK)
    assert bring(store, tmp_path / "x").sha256 == SUM
    assert handler.faults["asked for"] == [f"bytes={2 * BLOCK}-", None]


def test_an_object_of_another_size_is_not_begun(
    nexus: tuple[NexusStore, type[Nexus]], tmp_path: Path
) -> None:
    store, handler = nexus
    handler.objects[NAME] = DATA + b"more"
    with pytest.raises(WrongDigest, match=f"has {len(DATA) + 4} bytes instead of"):
        bring(store, tmp_path / "x")
    del handler.objects[NAME]
    with pytest.raises(NotFound, match=r"has no prod/a/snapshot\.db any more"):
        bring(store, tmp_path / "x")
    assert "asked for" not in handler.faults and list(tmp_path.iterdir()) == []


def test_what_is_here_already_stays_and_another_file_is_never_overwritten(
    nexus: tuple[NexusStore, type[Nexus]], tmp_path: Path
) -> None:
    store, handler = nexus
    (tmp_path / "x").write_bytes(DATA)
    assert bring(store, tmp_path / "x").sha256 == SUM
    (tmp_path / "x").write_bytes(b"mine")
    with pytest.raises(Refusal, match="is another file; it is not overwritten"):
        bring(store, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"mine" and "asked for" not in handler.faults


def test_cancelled_in_the_middle_it_keeps_what_came(
    nexus: tuple[NexusStore, type[Nexus]], tmp_path: Path
) -> None:
    store, handler = nexus
    handler.faults["ranges"] = True
    with pytest.raises(Cancelled, match="was stopped"):
        bring(store, tmp_path / "x", cancelled=Later())
    kept = part_of(tmp_path / "x").read_bytes()
    assert 0 < len(kept) < len(DATA) and DATA.startswith(kept)
    assert bring(store, tmp_path / "x").sha256 == SUM


@pytest.mark.skipif(not NGINX, reason="no nginx on this machine: apt-get install nginx-light")
def test_nginx_goes_on_in_the_middle(tmp_path: Path, certificate: Path) -> None:
    with nginx_serving(tmp_path, certificate) as (folder, url):
        there = folder / "data/repository/etcd" / NAME
        there.parent.mkdir(parents=True)
        there.write_bytes(DATA)
        (here := tmp_path / "here").mkdir()
        part_of(here / "x").write_bytes(DATA[: BLOCK + 3])
        store = NexusStore("nginx", url, login=LOGIN, ca=str(certificate / "crt"))
        assert bring(store, here / "x").sha256 == SUM
        assert f'" 206 {len(DATA) - BLOCK - 3} ' in (folder / "access.log").read_text()


def test_a_folder_goes_on_in_the_middle_and_is_dropped_when_it_was_cut(tmp_path: Path) -> None:
    (here := tmp_path / "here").mkdir()
    (there := tmp_path / "there" / "prod" / "a").mkdir(parents=True)
    (there / "snapshot.db").write_bytes(DATA)
    store = DirectoryStore("nas", tmp_path / "there")
    part_of(here / "x").write_bytes(DATA[:BLOCK])
    assert bring(store, here / "x").sha256 == SUM

    class Cut(DirectoryStore):
        """The share ends in the middle of the file."""

        def stat(self, name: str):  # type: ignore[no-untyped-def]
            found = super().stat(name)
            os.truncate(there / "snapshot.db", 2 * BLOCK)
            return found

    with pytest.raises(Dropped, match=r"ended prod/a/snapshot\.db early, after 2"):
        fetch(Cut("nas", tmp_path / "there"), NAME, here / "y", size=len(DATA), sha256=SUM, pauses=())
    assert part_of(here / "y").stat().st_size == 2 * BLOCK
