"""Calls that fall due, and calls that are cancelled in time."""

from __future__ import annotations

import threading
import time

from etcdtui.reach.watchdog import Watchdog


def test_a_call_is_made_at_its_time_whatever_was_started_before() -> None:
    dog, bitten = Watchdog(), threading.Event()
    later = dog.start(60, lambda: None)
    began = time.monotonic()
    dog.start(0.05, bitten.set)
    assert bitten.wait(5) and time.monotonic() - began >= 0.05
    dog.cancel(later)


def test_a_cancelled_call_is_not_made() -> None:
    dog, bites = Watchdog(), list[int]()
    for number in range(50):
        dog.cancel(dog.start(0.02, lambda number=number: bites.append(number)))
    last = threading.Event()
    dog.start(0.1, last.set)
    assert last.wait(5) and bites == []


def test_a_call_that_blocks_holds_up_no_other() -> None:
    dog, free, bitten = Watchdog(), threading.Event(), threading.Event()
    dog.start(0, free.wait)
    dog.start(-1, bitten.set)
    assert bitten.wait(5)
    free.set()


def test_one_thread_for_all() -> None:
    dog, before = Watchdog(), set(threading.enumerate())
    numbers = [dog.start(60, lambda: None) for _ in range(100)]
    # Others' threads may end meanwhile: only new ones count.
    assert [thread.name for thread in set(threading.enumerate()) - before] == ["watchdog"]
    for number in numbers:
        dog.cancel(number)
    dog.cancel(numbers[0])
