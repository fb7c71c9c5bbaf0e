"""The store that is a folder, and the shelving that all stores share."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from etcdtui.errors import Cancelled, ConfigError, NotFound, Refusal
from etcdtui.landing import BLOCK, LocalFault, Moved
from etcdtui.offsite import directory
from etcdtui.offsite.directory import DirectoryStore
from etcdtui.offsite.store import (
    Item,
    Shelved,
    StoreFault,
    StoreFull,
    WrongDigest,
    check_name,
    digest_of,
    secret,
    shelve,
)

DATA = os.urandom(3 * BLOCK + 5)
SUM = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def local(tmp_path):
    path = tmp_path / "local.db"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "share"
    path.mkdir()
    return path


@pytest.fixture
def store(folder):
    return DirectoryStore("nas", folder)


def test_a_file_is_shelved_and_found_again(store, folder, local):
    told: list[Moved] = []
    items = [Item(local, "prod/a/snapshot.db", SUM)]
    assert shelve(store, items, told.append) == (Shelved("prod/a/snapshot.db", len(DATA), SUM, "read back"),)
    path = folder / "prod/a/snapshot.db"
    assert path.read_bytes() == DATA
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "prod").stat().st_mode) == 0o700
    assert [(s.name, s.size) for s in store.list()] == [("prod/a/snapshot.db", len(DATA))]
    assert told[-1].done == len(DATA)
    assert shelve(store, items)[0].sha256 == SUM  # again, and nothing is sent
    store.delete("prod/a/snapshot.db")
    store.delete("prod/a/snapshot.db")
    assert store.stat("prod/a/snapshot.db") is None and store.list() == []


def test_nothing_is_overwritten(store, folder, local):
    (folder / "x").write_bytes(DATA[::-1])
    with pytest.raises(Refusal, match="nas has another object called x; it is not overwritten"):
        shelve(store, [Item(local, "x", SUM)])
    with pytest.raises(Refusal, match="not overwritten"):
        store.put(local, "x", SUM)
    assert (folder / "x").read_bytes() == DATA[::-1]


def test_a_local_file_that_rotted_is_not_sent(store, local):
    with pytest.raises(Refusal, match="is not what was proven"):
        shelve(store, [Item(local, "x", "0" * 64)])
    with pytest.raises(WrongDigest, match="was not read as it was proven"):
        store.put(local, "x", "0" * 64)
    assert store.list() == []


def test_a_share_that_is_not_mounted(tmp_path, local, folder):
    away = DirectoryStore("nas", tmp_path / "away")
    for call in (away.list, lambda: away.stat("x"), lambda: away.put(local, "x", SUM)):
        with pytest.raises(StoreFault, match="nas is not there: there is no folder"):
            call()
    assert not (tmp_path / "away").exists()
    with pytest.raises(StoreFault, match="nothing is mounted at"):
        DirectoryStore("nas", folder, mounted=folder).list()


def test_only_what_is_mounted_where_it_should_be_counts(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(Path, "is_mount", lambda self: self in (Path("/"), tmp_path))
    assert DirectoryStore("nas", folder, mounted=tmp_path).list() == []
    (tmp_path / "link").symlink_to(tmp_path)
    assert DirectoryStore("nas", tmp_path / "link" / folder.name, mounted=tmp_path).list() == []
    for point in (folder, folder.parent.parent, Path("/"), tmp_path / "none"):
        with pytest.raises(StoreFault, match="nothing is mounted at") as said:
            DirectoryStore("nas", folder, mounted=point).list()
        assert "name that folder" in said.value.hint
    with pytest.raises(StoreFault, match="is not on what is mounted at"):
        DirectoryStore("nas", Path("/"), mounted=tmp_path).list()


def test_a_full_share(store, local, monkeypatch):
    def full(*_):
        raise LocalFault("/share has 1M free, and 3M are needed.", full=True)

    monkeypatch.setattr(directory, "room_for", full)
    with pytest.raises(StoreFull, match=r"nas: /share has 1M free, and 3M are needed\. The local copy stays"):
        shelve(store, [Item(local, "x", SUM)])


@pytest.mark.parametrize("there", [(), ("prod",), ("prod", "prod/a")])
def test_what_fails_leaves_no_empty_folder_that_was_made_for_it(store, folder, local, monkeypatch, there):
    def full(*_):
        raise LocalFault("/share has 1M free, and 3M are needed.", full=True)

    for each in there:
        (folder / each).mkdir()
    with monkeypatch.context() as patch, pytest.raises(StoreFull):
        patch.setattr(directory, "room_for", full)
        store.put(local, "prod/a/x", SUM)
    stop = threading.Event()
    with pytest.raises(Cancelled):
        store.put(local, "prod/a/x", SUM, lambda _: stop.set(), stop)
    assert [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*"))] == [*there]


def test_a_folder_in_which_something_lies_by_now_stays(store, folder, local, monkeypatch):
    def full(there, _):
        (there / "theirs").touch()
        raise LocalFault("/share has 1M free, and 3M are needed.", full=True)

    monkeypatch.setattr(directory, "room_for", full)
    with pytest.raises(StoreFull, match="1M free"):
        store.put(local, "prod/a/x", SUM)
    assert os.listdir(folder / "prod" / "a") == ["theirs"]


def test_a_folder_that_cannot_be_made_leaves_none_above_it(store, folder, local, monkeypatch):
    mkdir = Path.mkdir

    def refused(self, mode=0o777, parents=False, exist_ok=False):
        if self.name == "a":
            raise PermissionError(13, "Permission denied", str(self))
        mkdir(self, mode, parents, exist_ok)

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(StoreFault, match=r"prod/a/x cannot be written: Permission denied"):
        store.put(local, "prod/a/x", SUM)
    assert os.listdir(folder) == []


def test_a_cancel_leaves_nothing(store, folder, local):
    stop = threading.Event()
    with pytest.raises(Cancelled, match="Bringing x to nas was stopped"):
        store.put(local, "x", SUM, lambda _: stop.set(), stop)
    assert os.listdir(folder) == []


def test_what_a_crash_left_is_written_anew_and_not_listed(store, folder, local):
    (folder / "x.part").write_bytes(b"old" * 5 * BLOCK)
    assert store.list() == []
    shelve(store, [Item(local, "x", SUM)])
    assert os.listdir(folder) == ["x"]


def test_what_was_never_named_by_us_is_not_listed(store, folder):
    for name in ("prod/a/x", "prod/a (copy)/x", "prod/a/x (1)", "prod/ä/x", ".snapshot/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"1")
    assert [stored.name for stored in store.list()] == ["prod/a/x"]


def test_what_is_deleted_leaves_nothing_of_itself_after_a_crash(store, folder, local):
    store.put(local, "x", SUM)
    os.link(folder / "x", folder / "x.part")
    store.delete("x")
    assert os.listdir(folder) == []


class Liar(DirectoryStore):
    """A store that keeps something else than it was sent."""

    def put(self, file, name, digest, progress=None, cancelled=None):
        super().put(file, name, digest, progress, cancelled)
        path = self._path(name)
        path.write_bytes(self.keep(path.read_bytes()))


@pytest.mark.parametrize(
    ("keep", "says"),
    [
        (lambda b: b[:-1], "bytes in nas"),
        (lambda b: b[:-1] + bytes([b[-1] ^ 1]), r"is not the same in nas.*read back"),
    ],
)
def test_a_store_that_keeps_something_else(folder, local, keep, says):
    store = Liar("nas", folder)
    store.keep = keep
    with pytest.raises(WrongDigest, match=says) as said:
        shelve(store, [Item(local, "x", SUM)])
    assert store.list() == [] and said.value.hint.startswith("It was taken away there again; the local copy")


def test_what_is_wrong_and_cannot_be_taken_away_is_named(folder, local, monkeypatch):
    store = Liar("nas", folder)
    store.keep = lambda b: b[:-1]

    def delete(name):
        raise StoreFault(f"nas: {name} cannot be deleted: Permission denied.")

    monkeypatch.setattr(store, "delete", delete)
    with pytest.raises(WrongDigest, match="bytes in nas") as said:
        shelve(store, [Item(local, "prod/x", SUM)])
    assert said.value.hint == (
        "A wrong object prod/x is still there (nas: prod/x cannot be deleted: Permission denied): take it "
        "away; the local copy stays. If this repeats, do not rely on nas."
    )


def test_a_store_that_forgets(folder, local, monkeypatch):
    store = DirectoryStore("nas", folder)
    monkeypatch.setattr(store, "put", lambda *_: None)
    with pytest.raises(StoreFault, match="took x and has no such object now"):
        shelve(store, [Item(local, "x", SUM)])


def test_what_another_keeps_beside_ours_need_not_be_readable(store, folder, local, monkeypatch):
    store.put(local, "prod/a/x", SUM)
    (folder / "lost+found").mkdir()
    scandir = os.scandir

    def denied(path):
        if Path(path).name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    assert [s.name for s in store.list("prod")] == ["prod/a/x"]
    assert store.list("pro") == []
    with pytest.raises(StoreFault, match=r"cannot be listed: Permission denied \(.*/share/lost\+found\)"):
        store.list()


def test_reading_what_is_not_there(store):
    with pytest.raises(NotFound, match="nas has no x"), store.read_back("x"):
        pass


def test_reading_back_can_be_stopped(store, local):
    store.put(local, "x", SUM)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        digest_of(store, "x", len(DATA), cancelled=stop)


@pytest.mark.parametrize("name", ["", "/x", "../x", "a/../x", "a//b", "a/.b", "a b", "-x", "x\n", "a/", "ä"])
def test_names_that_no_store_takes(name, store, local):
    with pytest.raises(ConfigError, match="cannot be the name of an object"):
        check_name(name)
    with pytest.raises(ConfigError):
        store.put(local, name, SUM)


def test_links_are_not_followed(store, folder, local, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "x").symlink_to(tmp_path / "secret")
    assert store.list() == []
    with pytest.raises(StoreFault, match="x cannot be read"), store.read_back("x"):
        pass
    with contextlib.suppress(Refusal, WrongDigest):
        shelve(store, [Item(local, "x", SUM)])
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_a_secret_that_is_not_set():
    assert secret({}, None, "nexus") is None
    assert secret({"P": "x"}, "P", "nexus") == "x"
    with pytest.raises(ConfigError, match="variable P, which nexus logs in with, is not set"):
        secret({}, "P", "nexus")
