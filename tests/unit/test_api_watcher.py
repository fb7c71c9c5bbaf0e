"""The watcher of the API: a login that ended is read anew, one that fails is not asked again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from etcdtui.cluster import api as watching
from etcdtui.cluster.api import FIRST_PAUSE, LONGEST_PAUSE, ApiWatcher
from etcdtui.cluster.board import Board, Constants
from etcdtui.errors import AuthFailed, EtcdTuiError, Unreachable
from etcdtui.model.platform import ApiFacts
from etcdtui.model.problems import Fault
from etcdtui.reach import api as reaching


class FakeApi:
    """Accepts ``accepted`` logins; ``logins`` are what each load brings, the last one for ever."""

    made: FakeApi

    def __init__(self, *_: object) -> None:
        FakeApi.made = self
        self.logins: list[str | EtcdTuiError] = ["first"]
        self.accepted = {"first"}
        self.token, self.server, self.authenticated, self.changed = "", "", True, False
        self.loads = self.asked = 0
        self.down = False

    def load(self) -> None:
        self.loads += 1
        login = self.logins.pop(0) if len(self.logins) > 1 else self.logins[0]
        if isinstance(login, EtcdTuiError):
            raise login
        self.token, self.server = login, "api:6443"

    def get(self, *_: Any, **__: Any) -> dict[str, Any]:
        self.asked += 1
        if self.down:
            raise Unreachable("The API is down.")
        if self.token not in self.accepted:
            raise AuthFailed("The API does not accept the login.")
        return {}

    get_list = get

    def close(self) -> None:
        pass


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watching, "time", clock)
    return clock


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[ApiWatcher]:
    monkeypatch.setattr(reaching, "Api", FakeApi)

    def collect(_: object, get: Callable[[str], object]) -> ApiFacts:
        get("/version")
        return ApiFacts()

    monkeypatch.setattr(watching, "collect", collect)
    watcher = ApiWatcher(None, None, Board(Constants("prod", False, True), time.time), lambda facts: None)
    yield watcher
    watcher.close()


def tries(watcher: ApiWatcher, clock: Clock, seconds: float) -> int:
    """Rounds as they come; how often a login was tried."""
    before = FakeApi.made.loads
    until = clock.now + seconds
    while clock.now < until:
        clock.now += watcher.period
        one(watcher)
    return FakeApi.made.loads - before


def one(watcher: ApiWatcher) -> EtcdTuiError | None:
    try:
        watcher.round()
    except EtcdTuiError as error:
        watcher.failed(error)
        return error
    return None


def test_a_login_that_ended_is_read_anew_in_the_same_round(watch: ApiWatcher, clock: Clock) -> None:
    assert one(watch) is None
    FakeApi.made.accepted, FakeApi.made.logins = {"second"}, ["second"]
    clock.now += 60
    assert one(watch) is None and FakeApi.made.token == "second"
    assert watch.board.view().api.problem is None


def test_a_login_that_stays_refused_is_read_ever_more_seldom(watch: ApiWatcher, clock: Clock) -> None:
    assert one(watch) is None
    FakeApi.made.accepted = set()
    assert tries(watch, clock, 60) <= 5
    assert tries(watch, clock, 1200) <= 1200 / LONGEST_PAUSE + 2
    problem = watch.board.view().api.problem
    assert problem is not None and problem.fault is Fault.LOGIN


def test_a_login_program_that_fails_is_left_alone_for_a_while(watch: ApiWatcher, clock: Clock) -> None:
    assert one(watch) is None
    FakeApi.made.accepted, FakeApi.made.logins = set(), [AuthFailed("The login program failed.")]
    clock.now += 60
    assert "login program failed" in str(one(watch))
    asked = FakeApi.made.asked
    assert tries(watch, clock, 60) <= 4
    assert FakeApi.made.asked == asked
    assert "login program failed" in str(watch.board.view().api.problem)


def test_a_human_who_asks_or_logs_in_is_not_kept_waiting(watch: ApiWatcher, clock: Clock) -> None:
    assert one(watch) is None
    FakeApi.made.accepted, FakeApi.made.logins = set(), [AuthFailed("no")]
    tries(watch, clock, 300)
    loads = FakeApi.made.loads
    watch.poked = True
    one(watch)
    assert FakeApi.made.loads == loads + 1
    watch.poked = False
    one(watch)
    assert FakeApi.made.loads == loads + 1
    FakeApi.made.accepted, FakeApi.made.logins, FakeApi.made.changed = {"third"}, ["third"], True
    assert one(watch) is None


def test_a_login_that_works_again_begins_with_the_short_pause(watch: ApiWatcher, clock: Clock) -> None:
    assert one(watch) is None
    FakeApi.made.accepted = set()
    tries(watch, clock, 600)
    FakeApi.made.accepted = {"first"}
    assert one(watch) is None
    FakeApi.made.accepted = set()
    clock.now += LONGEST_PAUSE
    one(watch)
    assert tries(watch, clock, FIRST_PAUSE * 2 + watch.period) >= 1


def test_an_api_that_is_down_costs_no_login(watch: ApiWatcher, clock: Clock) -> None:
    assert one(watch) is None
    FakeApi.made.down = True
    assert tries(watch, clock, 120) == 0


def test_whether_the_server_proves_itself_is_part_of_the_facts(watch: ApiWatcher, clock: Clock) -> None:
    assert one(watch) is None
    FakeApi.made.authenticated = False
    clock.now += 60
    one(watch)
    facts = watch.board.view().api.value
    assert facts is not None and not facts.authenticated


def test_a_login_that_hangs_holds_up_neither_the_start_nor_the_end(
    watch: ApiWatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended, left = threading.Event(), threading.Event(), threading.Event()

    class Hanging(FakeApi):
        def load(self) -> None:
            begun.set()
            ended.wait(30)
            left.set()
            raise AuthFailed("The login program was ended.")

        def close(self) -> None:
            ended.set()

    monkeypatch.setattr(reaching, "Api", Hanging)
    watch.start()
    assert begun.wait(10) and not left.is_set()
    watch.close()
    assert left.wait(10)
    assert watch.board.view().api.problem is None, "what we ended ourselves is no news"
