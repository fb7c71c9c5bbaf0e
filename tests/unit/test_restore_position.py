"""How far a database has come, read from single pages, here and on a host."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from etcdtui.errors import NotFound
from etcdtui.etcd.bbolt import Damaged, PagedFile, Unreadable, fnv64a
from etcdtui.etcd.position import position
from etcdtui.etcd.snapshot import prove
from etcdtui.reach.local import LocalRunner
from etcdtui.reach.remote_db import TRIES, read_position
from etcdtui.reach.runner import Completed
from tests.snapshotfiles import REAL


@pytest.fixture(params=sorted(REAL))
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The data folder of a stopped member."""
    folder = tmp_path / "etcd" / "member" / "snap"
    folder.mkdir(parents=True)
    (folder / "db").write_bytes(REAL[request.param][:-32])
    return tmp_path / "etcd"


def test_the_few_pages_tell_what_the_whole_file_tells(database: Path) -> None:
    path = database / "member" / "snap" / "db"
    facts = prove(path).facts
    assert facts is not None
    with PagedFile(path) as file:
        told = position(file)
    assert (told.index, told.term) == (facts.consistent_index, facts.term)
    assert told.revision == facts.last_revision
    assert set(told.members) == {member.id for member in facts.members}


class Counting(LocalRunner):
    """This machine, counting what is read of the file and doing something before each command."""

    def __init__(self, before: Callable[[int], None] = lambda number: None) -> None:
        super().__init__("masternode2")
        self.bytes = self.number = 0
        self._before = before

    def run(self, argv: Sequence[str], *, timeout: float, stdin: bytes = b"") -> Completed:
        self.number += 1
        self._before(self.number)
        done = super().run(argv, timeout=timeout, stdin=stdin)
        self.bytes += len(done.stdout)
        return done


def test_over_a_runner_only_pages_are_read_never_the_file(database: Path) -> None:
    path = database / "member" / "snap" / "db"
    with path.open("r+b") as file:
        file.truncate(256 << 20)  # as bbolt grows its file: what lies behind the last page is nothing
    (path.parent / "000000000000002a-00000000000186a1.snap").write_bytes(b"")
    runner = Counting()
    found = read_position(runner, (), str(database))
    with PagedFile(path) as local:
        assert found.position == position(local)
    assert found.size == 256 << 20 and found.least_term == 0x2A
    assert abs(found.written - path.stat().st_mtime) <= 1
    assert runner.bytes < 200_000


def test_a_host_without_data_and_one_with_a_broken_file_are_told_apart(database: Path) -> None:
    path = database / "member" / "snap" / "db"
    data = path.read_bytes()
    path.write_bytes(b"\0" * len(data))
    with pytest.raises(Damaged, match="database on masternode2 is damaged"):
        read_position(Counting(), (), str(database))
    shutil.rmtree(database / "member")
    with pytest.raises(NotFound, match=r"no database of etcd in .* on masternode2"):
        read_position(Counting(), (), str(database))


def test_a_database_that_is_written_meanwhile_is_read_again(database: Path) -> None:
    path = database / "member" / "snap" / "db"
    first = path.read_bytes()
    metas = [first[at * 4096 + 16 : at * 4096 + 80] for at in (0, 1)]
    newer = max(metas, key=lambda meta: struct.unpack_from("<Q", meta, 48))

    def commit() -> None:
        """A newer transaction with the same content, in the place of the older one."""
        content = bytearray(path.read_bytes())
        ids = [struct.unpack_from("<Q", content, at * 4096 + 64)[0] for at in (0, 1)]
        meta = bytearray(newer)
        struct.pack_into("<Q", meta, 48, max(ids) + 1)
        struct.pack_into("<Q", meta, 56, fnv64a(bytes(meta[:56])))
        begin = ids.index(min(ids)) * 4096 + 16
        content[begin : begin + 64] = meta
        path.write_bytes(bytes(content))

    with PagedFile(path) as local:
        wanted = position(local)
    once = Counting(lambda number: commit() if number == 5 else None)
    assert read_position(once, (), str(database)).position == wanted
    always = Counting(lambda number: commit())
    with pytest.raises(Unreadable, match="written faster than it can be read"):
        read_position(always, (), str(database))
    assert always.number > TRIES
