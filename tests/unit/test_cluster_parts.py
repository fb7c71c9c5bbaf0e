"""The board, the speaker, the inventory and when a look is complete."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from etcdtui.cluster.board import Board, Constants
from etcdtui.cluster.endpoints import EndpointWatcher
from etcdtui.cluster.inventory import Inventory, path_of, recall, remember
from etcdtui.cluster.late import LateRead
from etcdtui.cluster.settled import places_listed, settled
from etcdtui.cluster.speaker import Speaker
from etcdtui.cluster.watcher import Watcher
from etcdtui.errors import EtcdTuiError, Unreachable
from etcdtui.etcd.gateway import linearizable_read
from etcdtui.model.members import MemberList
from etcdtui.model.places import HERE, PlaceView
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.platforms.openshift import HostAccess
from etcdtui.reach.pipe import GatewayPipe
from etcdtui.reach.runner import Runner, Stream
from tests.views import NOW, endpoint, healthy, host, member

RUNNER = cast("Runner", object())
ACCESS = HostAccess(ca="/ca", certificate="/c", key="/k", openssl="/usr/bin/openssl")
SUDO = ("sudo", "-n")


def board() -> Board:
    return Board(Constants("prod", False, False), lambda: NOW)


class TestSpeaker:
    def test_keeps_its_host_while_it_is_able(self) -> None:
        speaker = Speaker(board(), lambda: None)
        speaker.able("b", RUNNER, ACCESS, SUDO)
        speaker.able("a", RUNNER, ACCESS, SUDO)
        assert speaker.voice().host == "b"

    def test_changes_at_once_when_its_host_falls_silent(self) -> None:
        changes: list[int] = []
        speaker = Speaker(board(), lambda: changes.append(1))
        speaker.able("a", RUNNER, ACCESS, SUDO)
        speaker.able("b", RUNNER, ACCESS, SUDO)
        turn = speaker.voice().turn
        speaker.unable("a")
        assert speaker.voice().host == "b" and speaker.voice().turn > turn
        assert len(changes) == 2

    def test_another_is_one_that_has_not_looked_yet_and_pipes_come_first(self) -> None:
        speaker = Speaker(board(), lambda: None)
        speaker.able("c", RUNNER, ACCESS, SUDO)
        speaker.able("a", RUNNER, HostAccess(etcdctl="etcdctl", ca="/ca", certificate="/c", key="/k"), SUDO)
        speaker.able("b", RUNNER, ACCESS, SUDO)
        assert speaker.another(["c"]) and speaker.voice().host == "b"
        assert speaker.another(["c", "b"]) and speaker.voice().host == "a"
        assert not speaker.another(["a", "b", "c"]) and speaker.voice().host == "a"

    def test_says_so_when_no_host_is_left(self) -> None:
        speaker = Speaker(board(), lambda: None)
        speaker.able("a", RUNNER, ACCESS, SUDO)
        speaker.unable("a")
        with pytest.raises(Unreachable, match="No control plane host"):
            speaker.voice()

    def test_takes_up_new_certificates_of_its_host(self) -> None:
        speaker = Speaker(board(), lambda: None)
        speaker.able("a", RUNNER, ACCESS, SUDO)
        turn = speaker.voice().turn
        speaker.able("a", RUNNER, ACCESS, SUDO)
        assert speaker.voice().turn == turn
        speaker.able("a", RUNNER, HostAccess(ca="/new", openssl="openssl"), SUDO)
        assert speaker.voice().turn > turn and speaker.voice().access.ca == "/new"

    def test_prefers_the_host_of_the_last_time(self) -> None:
        speaker = Speaker(board(), lambda: None)
        speaker.prefer("c")
        for name in "abc":
            speaker.able(name, RUNNER, ACCESS, SUDO)
        speaker.unable("a")
        assert speaker.voice().host == "c"


class TestInventory:
    MEMBERS = MemberList(0xC1, (member(1), member(2, learner=True)))

    def test_comes_back_as_it_was_and_is_private(self, tmp_path: Path) -> None:
        path = path_of(tmp_path, "prod")
        kept = Inventory((("m1", "10.0.0.1"), ("m2", "fd00::2")), self.MEMBERS, NOW, "m2")
        remember(path, kept)
        assert recall(path) == kept
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"hosts": 1}', '{"hosts": [[1]], "at": 0}'])
    def test_nonsense_is_an_empty_inventory(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "x.json"
        path.write_text(content)
        assert recall(path) == Inventory()

    @pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "", "a/b", "[/red]"])
    def test_an_odd_cluster_name_stays_in_the_folder(self, tmp_path: Path, name: str) -> None:
        assert path_of(tmp_path, name).resolve().parent == (tmp_path / "clusters").resolve()

    def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(self, tmp_path: Path) -> None:
        (tmp_path / "clusters").write_text("a file is in the way")
        remember(path_of(tmp_path, "prod"), Inventory((("m1", "a"),)))


class TestBoard:
    def test_a_host_is_added_once_under_any_of_its_names(self) -> None:
        b = board()
        assert b.add_host("m1", "10.0.0.1")
        assert not b.add_host("m1", "10.0.0.9")

    def test_a_supposed_member_list_gives_way_to_a_told_one(self) -> None:
        b = board()
        b.suppose_members(MemberList(3, (member(3),)))
        assert b.view().members.value == MemberList(3, (member(3),)) and not b.members_told
        b.members(MemberList(1, (member(1),)))
        b.suppose_members(MemberList(2, (member(2),)), 5.0)
        assert b.view().members.value == MemberList(1, (member(1),))

    def test_endpoints_follow_the_list_and_keep_what_is_known(self) -> None:
        b = board()
        b.set_endpoints(["u1", "u2"])
        b.endpoint("u1", lambda e: e.__class__(e.url, member_id=7))
        assert b.set_endpoints(["u1", "u3", "u3"]) == ({"u3"}, {"u2"})
        assert [(e.url, e.member_id) for e in b.view().endpoints] == [("u1", 7), ("u3", None)]

    def test_listeners_hear_every_change(self) -> None:
        heard: list[int] = []
        b = board()
        b.listen(lambda: heard.append(1))
        b.speak("m1", 1)
        b.seen_from(("m1",))
        assert len(heard) == 2


class Counter(Watcher):
    period = 30.0

    def __init__(self, b: Board, error: BaseException | None = None) -> None:
        super().__init__("counter", b)
        self.rounds = 0
        self.errors: list[EtcdTuiError] = []
        self.error = error
        self.done = threading.Event()

    def round(self) -> None:
        self.rounds += 1
        self.done.set()
        if self.error is not None:
            raise self.error

    def failed(self, error: EtcdTuiError) -> None:
        self.errors.append(error)


class TestWatcher:
    def test_a_poke_asks_at_once_and_the_board_knows_when_it_was_done(self) -> None:
        b = board()
        counter = Counter(b)
        counter.start()
        assert counter.done.wait(5)
        since = time.monotonic()
        counter.poke()
        assert b.wait_rounds(since, 5)
        assert counter.rounds == 2
        counter.close()

    def test_a_source_in_its_first_round_is_waited_for(self) -> None:
        b, go_on = board(), threading.Event()

        class Slow(Counter):
            def round(self) -> None:
                super().round()
                go_on.wait(10)

        slow = Slow(b)
        slow.start()
        assert slow.done.wait(5)
        since = time.monotonic()
        slow.poke()
        assert not b.wait_rounds(since, 0.1)
        go_on.set()
        assert b.wait_rounds(since, 5) and slow.rounds == 2
        slow.close()

    def test_a_source_that_ends_is_waited_for_no_longer(self) -> None:
        b = board()
        counter = Counter(b)
        counter.start()
        assert counter.done.wait(5)
        ending = threading.Timer(0.1, counter.close)
        ending.start()
        assert b.wait_rounds(time.monotonic() + 60, 5)
        ending.join()

    @pytest.mark.parametrize("error", [Unreachable("m1 is gone."), ValueError("a bug")])
    def test_an_error_is_told_and_the_source_goes_on(self, error: Exception) -> None:
        b = board()
        counter = Counter(b, error)
        counter.start()
        assert b.wait(lambda _: bool(counter.errors), 5)
        since = time.monotonic()
        counter.poke()
        assert b.wait_rounds(since, 5) and counter.rounds >= 2
        counter.close()
        assert all(isinstance(e, EtcdTuiError) for e in counter.errors)


class TestSettled:
    def test_a_healthy_view_is(self) -> None:
        assert settled(healthy())

    @pytest.mark.parametrize(
        "changes",
        [
            {"hosts": (), "api_configured": False},
            {"api": Reading()},
            {"hosts": (host(1), host(2, link=Reading()), host(3))},
            {"hosts": (host(1), host(2, facts=Reading()), host(3))},
            {"endpoints": ()},
            {"endpoints": (endpoint(1), endpoint(2), endpoint(3, status=Reading()))},
            {
                "endpoints": (
                    endpoint(1, status=Reading(None, None, Problem(Fault.NOT_ASKED, "no host"), NOW)),
                )
            },
        ],
    )
    def test_a_source_on_its_way_is_waited_for(self, changes: dict[str, Any]) -> None:
        assert not settled(healthy(**changes))

    def test_a_verdict_does_not_wait_for_stores(self) -> None:
        view = healthy(places=(PlaceView(HERE),))
        assert settled(view)
        assert not places_listed(view)

    def test_a_source_that_failed_is_not_waited_for(self) -> None:
        dead: Reading[float] = Reading(None, None, Problem(Fault.REFUSED, "no"), NOW)
        assert settled(healthy(hosts=(host(1, link=dead), host(2), host(3))))
        assert settled(healthy(hosts=(host(1, link=dead),), endpoints=(), speaking=""))


class Owing:
    """A stream that keeps its answer back until ``answer`` is called; its clock says when the bytes came."""

    host = "m1"

    def __init__(self) -> None:
        self.now = 100.0
        self.closed = threading.Event()
        self._answers: queue.Queue[bytes] = queue.Queue()

    def stream(self, argv: Sequence[str], *, timeout: float) -> Stream:
        return self

    def send(self, data: bytes, timeout: float) -> None:
        pass

    def answer(self, body: bytes, status: bytes = b"200 OK") -> None:
        self._answers.put(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))

    def receive(self, timeout: float) -> bytes:
        while not self.closed.is_set():
            with suppress(queue.Empty):
                return self._answers.get(timeout=0.01)
        raise Unreachable("The stream was closed.")

    def stderr(self) -> bytes:
        return b""

    def status(self) -> int | None:
        return None

    def close(self) -> None:
        self.closed.set()


def test_a_jump_of_our_clock_does_not_change_the_window_of_metrics() -> None:
    now = [NOW]
    b = Board(Constants("prod", False, False), lambda: now[0])
    b.set_endpoints(["https://m1:2379"])
    watcher = EndpointWatcher("https://m1:2379", b, Speaker(b, lambda: None), lambda *_: None, lambda _: True)
    for clock in (NOW, NOW - 3600):
        now[0] = clock
        owing = Owing()
        owing.answer(b"etcd_server_leader_changes_seen_total 1\n")
        watcher._ask_metrics(GatewayPipe(cast("Runner", owing), ["openssl"], "https://m1:2379"))
    (endpoint,) = b.view().endpoints
    assert endpoint.metrics.value is not None
    assert endpoint.metrics.value.window is not None and 0 < endpoint.metrics.value.window < 60


class TestLateRead:
    def late(self) -> tuple[Owing, LateRead, list[float]]:
        owing, told = Owing(), list[float]()
        pipe = GatewayPipe(cast("Runner", owing), ["openssl"], "https://m1:2379", clock=lambda: owing.now)
        pipe.ask([linearizable_read()], 1.0)
        return owing, LateRead(pipe, told.append), told

    def test_is_timed_by_its_bytes_whenever_somebody_looks(self) -> None:
        owing, late, told = self.late()
        assert not late.over
        owing.now = 101.3
        owing.answer(b'{"header": {}}')
        assert owing.closed.wait(5)
        owing.now = 105.0
        assert late.over and told == [pytest.approx(1.3)]

    def test_a_refusal_is_over_and_tells_no_time(self) -> None:
        owing, late, told = self.late()
        owing.answer(b'{"error": "etcdserver: request timed out", "code": 14}', b"503 Service Unavailable")
        assert owing.closed.wait(5)
        assert late.over and told == []

    def test_one_that_is_closed_tells_nothing(self) -> None:
        owing, late, told = self.late()
        late.close()
        owing.answer(b'{"header": {}}')
        assert late.over and owing.closed.is_set() and told == []
