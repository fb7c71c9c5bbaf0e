"""Looking into backups that are here, with recorded snapshots; the pure parts of comparing and listing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from etcdtui.errors import Cancelled, Refusal, UnexpectedOutput
from etcdtui.etcd.commands import ClientAccess
from etcdtui.etcd.contents import Contents
from etcdtui.etcd.gateway import GatewayError
from etcdtui.etcd.http import Response
from etcdtui.etcd.listing import Compacted, LiveKey, page_argv, page_request, parse_page
from etcdtui.model.changes import What, differences, filtered, groups
from etcdtui.model.contents import Change, Comparison
from etcdtui.model.places import Backup
from etcdtui.procedures.looking import (
    Found,
    Look,
    compare,
    compare_with_live,
    contents,
    copy_here,
    prove_again,
    search,
)
from tests.recorded import NASTY, VERSIONS
from tests.shelved import encrypted, on_host, shelved
from tests.snapshotfiles import REAL

OLD, NEW = VERSIONS


@pytest.fixture
def backup(tmp_path: Path) -> Backup:
    return shelved(tmp_path, "2026-11-23_020000", OLD)


def test_what_is_in_it(backup: Backup) -> None:
    look = Look()
    assert contents(backup, look).keys == 74
    assert look.what == "snapshot_2026-11-23_020000.db" and look.total > 0


def test_only_what_is_here_and_readable_is_looked_into(tmp_path: Path) -> None:
    assert copy_here(on_host("2026-11-23_020000")) is None
    assert copy_here(encrypted(tmp_path)) is None
    with pytest.raises(Refusal, match="2026-11-23_020000 is not on this machine"):
        contents(on_host("2026-11-23_020000"), Look())


def test_proven_again(backup: Backup) -> None:
    again = prove_again(backup, Look())
    assert again.good
    assert [check.name for check in again.checks][-2:] == ["manifest", "manifest"]
    copy = copy_here(backup)
    assert copy is not None and copy.set.snapshot is not None
    path = Path(copy.set.directory) / copy.set.snapshot.name
    path.write_bytes(REAL[NEW])
    again = prove_again(backup, Look())
    assert again.snapshot.good and not again.good
    assert "is not the file that was proven then" in again.against[0].sentence


def test_what_is_shown_to_be_bad_no_longer_counts_as_proven(backup: Backup) -> None:
    copy = copy_here(backup)
    assert copy is not None and copy.set.snapshot is not None
    folder = Path(copy.set.directory)
    assert prove_again(backup, Look()).good
    assert list(folder.glob("*.manifest.json"))
    (folder / copy.set.snapshot.name).write_bytes(REAL[OLD][:-5] + b"xxxxx")
    again = prove_again(backup, Look())
    assert not again.snapshot.good
    assert "no longer counts as proven" in again.against[-1].sentence
    assert not list(folder.glob("*.manifest.json")) and list(folder.glob("*.refuted"))


def test_half_a_backup_is_never_good(tmp_path: Path) -> None:
    half = shelved(tmp_path, "2026-11-23_020000", OLD, resources=False, proven=False)
    assert not prove_again(half, Look()).good


def test_stopped(backup: Backup) -> None:
    look = Look()
    look.stop()
    for call in (contents, prove_again):
        with pytest.raises(Cancelled):
            call(backup, look)
    with pytest.raises(Cancelled):
        search([backup], "deployment prod/web", look, lambda found: None)


@dataclass
class Keys:
    """Keys of a running cluster."""

    keys: list[LiveKey]
    revision: int = 99
    read: int = 0

    @property
    def total(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[LiveKey]:
        for key in self.keys:
            self.read += 1
            yield key


class Noted(Look):
    """Remembers everything it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, int, int]] = []

    def at(self, what: str, done: int = 0, total: int = 0) -> None:
        super().at(what, done, total)
        self.told.append((what, done, total))


def test_two_compared_and_one_with_the_cluster(tmp_path: Path, backup: Backup) -> None:
    other = shelved(tmp_path, "2026-11-24_020000", OLD)
    found = compare(backup, other, Look())
    assert found.found == () and found.unchanged == 74
    copy = copy_here(backup)
    assert copy is not None and copy.set.snapshot is not None
    with Contents(Path(copy.set.directory) / copy.set.snapshot.name) as opened:
        keys = [LiveKey(entry.key, entry.revision[0]) for entry in opened.live()]
    same = compare_with_live(backup, Keys(sorted(keys)), Look())
    assert (same.found, same.unchanged, same.revision) == ((), 74, 99)
    web = next(key for key in keys if key.key.endswith(b"deployments/prod/web"))
    plain = next(key for key in keys if key.key == b"plain")
    now = [*(key for key in keys if key not in (web, plain)), LiveKey(web.key, 90), LiveKey(b"/x/y", 91)]
    look = Noted()
    found = compare_with_live(backup, Keys(now), look)
    assert [(d.what, d.change.key) for d in found.found] == [
        (What.ADDED, "/x/y"),
        (What.CHANGED, web.key.decode()),
        (What.REMOVED, "plain"),
    ]
    assert ("the keys of the cluster", 74, 74) in look.told


def test_an_object_in_all_backups_that_are_here(tmp_path: Path, backup: Backup) -> None:
    told: list[Found] = []
    broken = shelved(tmp_path, "2026-11-22_020000", NEW)
    copy = copy_here(broken)
    assert copy is not None and copy.set.snapshot is not None
    (Path(copy.set.directory) / copy.set.snapshot.name).write_bytes(b"nothing")
    search([backup, broken], "deploy prod/web", Look(), told.append)
    first, second = told
    assert [entry.text for entry in first.entries] == ["/kubernetes.io/deployments/prod/web"]
    assert not second.entries and second.trouble


def test_differences_are_counted_by_namespace_and_kind() -> None:
    comparison = Comparison(
        (Change("/registry/pods/prod/a", None, (9, 0)), Change("/registry/pods/prod/b", None, (9, 1))),
        (Change("/registry/nodes/n1", (3, 0), (8, 0)),),
        (Change("/kubernetes.io/config.openshift.io/clusterversions/version", (2, 0), None),),
        7,
    )
    found = differences(comparison)
    assert found.unchanged == 7
    assert found.counts() == {What.ADDED: 2, What.CHANGED: 1, What.REMOVED: 1}
    assert [(g.namespace, g.kind, g.added, g.changed, g.removed) for g in groups(found.found)] == [
        ("prod", "pods", 2, 0, 0),
        ("", "config.openshift.io/clusterversions", 0, 0, 1),
        ("", "nodes", 0, 1, 0),
    ]
    assert [d.change.key for d in filtered(found.found, " PROD/B ")] == ["/registry/pods/prod/b"]
    assert filtered(found.found, "") is found.found


def page(**answer: object) -> Response:
    return Response(200, (), json.dumps(answer).encode())


def test_pages_of_keys() -> None:
    body = json.loads(page_request(b"a\0", 10, 7).body or b"")
    assert body["keys_only"] and body["serializable"] and body["revision"] == "7"
    key = base64.b64encode(b"/a").decode()
    told = parse_page(
        page(header={"revision": "9"}, kvs=[{"key": key, "mod_revision": "4"}], count="3", more=True)
    )
    assert (told.revision, told.keys, told.count, told.more) == (9, (LiveKey(b"/a", 4),), 3, True)
    assert parse_page(page(header={"revision": "9"})).keys == ()
    gone = {"error": "etcdserver: mvcc: required revision has been compacted", "code": 11}
    with pytest.raises(Compacted, match="compacted revision 7 away"):
        parse_page(Response(400, (), json.dumps(gone).encode()), 7)
    with pytest.raises(GatewayError):
        parse_page(Response(503, (), b'{"error": "etcdserver: no leader", "code": 14}'), 7)


@pytest.mark.parametrize("word", NASTY)
def test_pages_that_are_none(word: str) -> None:
    for rows in (word + "!", [word], [{"key": word + "!"}], [{"mod_revision": word + "!"}]):
        with pytest.raises(UnexpectedOutput):
            parse_page(page(header={}, kvs=rows))


def test_keys_that_no_command_can_be_given() -> None:
    assert page_argv(ClientAccess(), "u", b"-x", 5)[-2:] == ("--", "-x")
    for key in (b"a\0b", b"\xff"):
        with pytest.raises(Refusal, match="no command can be given that key"):
            page_argv(ClientAccess(), "u", key, 5)
