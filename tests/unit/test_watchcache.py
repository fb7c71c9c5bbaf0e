"""What the lab's API remembers of etcd, and what it tells to who lists and watches."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, cast

import pytest

from etcdtui.lab import configmaps, etcdwatch, watches
from etcdtui.lab.configmaps import Asked
from etcdtui.lab.etcdwatch import Change
from etcdtui.lab.members import Monitor
from etcdtui.lab.store import ApiRefusal
from etcdtui.lab.watchcache import Follower, WatchCache

ONE, TWO, OTHER = (f"/kubernetes.io/configmaps/{name}".encode() for name in ("shop/one", "shop/two", "x/y"))


def cache(revision: int = 10, kept: int = 100) -> WatchCache:
    return WatchCache({ONE: configmaps.made(ONE, b"1", 5)}, revision, kept)


def told(known: WatchCache, seen: int) -> list[tuple[str, str, int]]:
    return [(one.type, one.object["metadata"]["name"], one.revision) for one in known.after(seen, 0)]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/api/v1/configmaps", Asked("", "")),
        ("/api/v1/namespaces/shop/configmaps", Asked("shop", "")),
        ("/api/v1/namespaces/shop/configmaps/one", Asked("shop", "one")),
        ("/api/v1/configmaps/one", None),
        ("/api/v1/namespaces/shop/configmaps/one/status", None),
        ("/api/v1/namespaces/openshift-etcd/pods", None),
    ],
)
def test_paths(path: str, wanted: Asked | None) -> None:
    assert configmaps.asked(path) == wanted


@pytest.mark.parametrize(
    ("key", "known"),
    [
        (ONE, True),
        (b"/kubernetes.io/configmaps/shop", False),
        (b"/kubernetes.io/configmaps/shop/", False),
        (b"/kubernetes.io/configmaps/shop/one/odd", False),
        (b"/kubernetes.io/secrets/shop/one", False),
        (b"shop/one", False),
    ],
)
def test_keys_of_objects(key: bytes, known: bool) -> None:
    assert configmaps.known(key) is known


def test_an_object_shows_that_its_value_changed() -> None:
    assert configmaps.made(ONE, b"value", 7) == {
        "metadata": {"name": "one", "namespace": "shop", "resourceVersion": "7"},
        "data": {"sha256": hashlib.sha256(b"value").hexdigest()},
    }


def line(**result: Any) -> bytes:
    return json.dumps({"result": {"header": {"revision": "9"}, **result}}).encode()


def test_answers_of_etcds_watch() -> None:
    key, value = base64.b64encode(ONE).decode(), base64.b64encode(b"v").decode()
    put = {"kv": {"key": key, "value": value, "mod_revision": "8", "create_revision": "3"}}
    gone = {"type": "DELETE", "kv": {"key": key, "mod_revision": "9"}}
    assert etcdwatch.told(line(created=True)) == etcdwatch.Told(())
    assert etcdwatch.told(line(events=[put, gone])).changes == (Change(ONE, b"v", 8), Change(ONE, None, 9))
    compacted = etcdwatch.told(line(canceled=True, compact_revision="77"))
    assert compacted.cancelled == "compacted at revision 77"
    for odd in (b"", b"{}", b'{"error": {"message": "context canceled"}}', line(events=[{}])):
        with pytest.raises(OSError):
            etcdwatch.told(odd)


def test_events_in_their_order_and_the_objects_after_them() -> None:
    known = cache()
    known.apply([Change(TWO, b"2", 11), Change(ONE, b"x", 12), Change(ONE + b"/odd", b"", 13)])
    known.apply([Change(TWO, None, 14)])
    assert told(known, 10) == [("ADDED", "two", 11), ("MODIFIED", "one", 12), ("DELETED", "two", 14)]
    assert told(known, 12) == [("DELETED", "two", 14)]
    gone = known.after(12, 0)[0].object
    assert gone["metadata"]["resourceVersion"] == "14"
    assert gone["data"] == configmaps.made(TWO, b"2", 11)["data"]  # as it was last
    found, revision = known.listed()
    assert ([item["metadata"]["resourceVersion"] for item in found], revision) == (["12"], 14)


def test_what_came_before_the_list_is_expired() -> None:
    with pytest.raises(ApiRefusal) as refused:
        cache(revision=10).after(9, 0)
    assert (refused.value.code, refused.value.reason) == (HTTPStatus.GONE, "Expired")
    assert refused.value.message == "too old resource version: 9 (10)"


def test_what_was_forgotten_is_expired_too_and_nothing_that_is_left() -> None:
    known = cache(kept=2)
    known.apply([Change(TWO, b"", revision) for revision in (11, 12, 13)])
    assert [revision for _, _, revision in told(known, 11)] == [12, 13]
    with pytest.raises(ApiRefusal, match=r"too old resource version: 10 \(11\)"):
        known.after(10, 0)


def test_a_revision_that_is_yet_to_come_is_waited_for() -> None:
    known = cache()
    known.apply([Change(TWO, b"", 11)])
    assert told(known, 12) == []
    known.apply([Change(TWO, b"", 12), Change(OTHER, b"", 13)])
    assert told(known, 12) == [("ADDED", "y", 13)]


def test_who_waits_is_told_at_once_of_events_and_of_the_end() -> None:
    known = cache()
    threading.Timer(0.05, known.apply, ([Change(TWO, b"", 11)],)).start()
    assert len(known.after(10, 30)) == 1
    threading.Timer(0.05, known.end).start()
    assert known.after(11, 30) == []


class Members:
    """Two members, one of which can be frozen; what is told by the watch of each, in its turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *told: etcdwatch.Told | None) -> None:
        self.told, self.frozen, self.lists = list(told), "", 0
        self.asked: list[tuple[str, int]] = []
        monkeypatch.setattr(configmaps, "ask", self.listed)
        monkeypatch.setattr(etcdwatch, "watch", self.watch)
        nodes: Any = [SimpleNamespace(name=name) for name in "ab"]
        self.follower = Follower(cast(Monitor, self), lambda: nodes)

    def healthy(self, name: str) -> bool:
        return name != self.frozen

    def listed(self, monitor: Any, node: Any) -> Any:
        self.lists += 1
        return {"header": {"revision": str(10 * self.lists)}}

    def watch(self, node: Any, key: bytes, end: bytes, start: int, silence: float) -> Iterator[Any]:
        self.asked.append((node.name, start))
        yield self.told.pop(0) if self.told else None
        while True:
            time.sleep(0.01)
            yield None


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_another_member_is_followed_from_there_when_one_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    members = Members(monkeypatch, etcdwatch.Told((Change(TWO, b"", 12),)))
    known = members.follower.cache(5)
    assert len(known.after(10, 5)) == 1
    members.frozen = first = members.asked[0][0]
    until(lambda: len(members.asked) == 2)
    assert members.asked == [(first, 11), ("b" if first == "a" else "a", 13)]
    assert members.follower.cache(0) is known and members.lists == 1  # nobody is hung up
    members.follower.close()
    assert known.over


def test_what_etcd_has_compacted_is_listed_anew_and_who_watches_hung_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    members = Members(monkeypatch, etcdwatch.Told((), "compacted at revision 15"))
    until(lambda: members.lists == 2)
    known = members.follower.cache(5)
    with pytest.raises(ApiRefusal, match=r"too old resource version: 10 \(20\)"):
        known.after(10, 0)
    until(lambda: [start for _, start in members.asked] == [11, 21])
    members.follower.close()
    with pytest.raises(ApiRefusal, match="initializing"):
        members.follower.cache(0)


def events(known: WatchCache, **query: str) -> list[Any]:
    return list(watches.begun(known, query, lambda item: True))


def test_a_watch_ends_with_its_cache() -> None:
    known = cache()
    threading.Timer(0.05, known.end).start()
    assert [event for event in events(known, resourceVersion="10") if event] == []


def test_a_watch_of_the_past_is_told_by_an_event() -> None:
    (error,) = events(cache(), resourceVersion="3")
    assert error["type"] == "ERROR"
    assert error["object"] == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "too old resource version: 3 (10)",
        "reason": "Expired",
        "code": 410,
    }


@pytest.mark.parametrize("since", ["", "0"])
def test_a_watch_from_nowhere_begins_with_what_is_there(since: str) -> None:
    first = next(watches.begun(cache(), {"resourceVersion": since}, lambda item: True))
    assert first is not None and (first["type"], first["object"]["kind"]) == ("ADDED", "ConfigMap")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"resourceVersion": "abc"}, "BadRequest"),
        ({"timeoutSeconds": "-1"}, "BadRequest"),
        ({"sendInitialEvents": "true"}, "Invalid"),
    ],
)
def test_what_is_not_understood_is_refused_before_the_watch(query: dict[str, str], reason: str) -> None:
    with pytest.raises(ApiRefusal) as refused:
        watches.begun(cache(), query, lambda item: True)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("query", "wanted"),
    [({}, False), ({"watch": "0"}, False), ({"watch": "False"}, False), ({"watch": "1"}, True),
     ({"watch": "true"}, True), ({"watch": ""}, True)],
)  # fmt: skip
def test_what_is_a_watch(query: dict[str, str], wanted: bool) -> None:
    assert watches.watching(query) is wanted


def test_there_is_room_for_some_watches_and_for_more_when_one_ends() -> None:
    server: Any = watches.Watches(SimpleNamespace())  # type: ignore[arg-type]
    with contextlib.ExitStack() as held:
        for _ in range(watches.MOST):
            held.enter_context(server.slot())
        with pytest.raises(ApiRefusal) as refused, server.slot():
            pass
        assert refused.value.code == HTTPStatus.TOO_MANY_REQUESTS
        assert refused.value.document()["details"] == {"retryAfterSeconds": 1}
    with server.slot():
        pass


def test_who_comes_while_etcd_is_not_listed_is_to_come_again() -> None:
    server: Any = watches.Watches(SimpleNamespace())  # type: ignore[arg-type]
    with pytest.raises(ApiRefusal) as refused:
        server.cache()
    assert refused.value.reason == "TooManyRequests"
