"""Bytes that wait between two threads."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paramiko.buffered_pipe import PipeTimeout

from etcdtui.reach.pieces import Pieces


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(1, 30), min_size=1, max_size=10))
def test_what_is_fed_comes_out_in_order_and_in_bites_of_any_size(fed, bites):
    pieces = Pieces()
    for data in fed:
        pieces.feed(data)
    assert len(pieces) == len(b"".join(fed))
    pieces.close()
    out, turn = b"", 0
    while data := pieces.read(bites[turn % len(bites)]):
        assert len(data) <= bites[turn % len(bites)]
        out, turn = out + data, turn + 1
    assert out == b"".join(fed)


def test_a_reader_waits_for_bytes_but_not_longer_than_it_wants():
    pieces = Pieces()
    with pytest.raises(PipeTimeout):
        pieces.read(1, 0.01)
    threading.Timer(0.05, pieces.feed, (b"etcd",)).start()
    assert pieces.read(10, 30) == b"etcd"


def test_the_end_wakes_a_reader():
    pieces = Pieces()
    threading.Timer(0.05, pieces.close).start()
    assert pieces.read(10, 30) == b""


def test_the_event_says_whether_there_is_something_to_take():
    pieces, event = Pieces(), threading.Event()
    event.set()
    pieces.set_event(event)
    assert not event.is_set()
    pieces.feed(b"ab")
    assert event.is_set() and pieces.read_ready()
    pieces.read(1)
    assert event.is_set()
    pieces.read(1)
    assert not event.is_set() and not pieces.read_ready()
    pieces.feed(b"cd")
    assert pieces.empty() == b"cd"
    assert not event.is_set()
    pieces.close()
    assert event.is_set()


def test_two_threads_at_the_same_time_lose_nothing():
    pieces, sent = Pieces(), [bytes([n % 251]) * (n % 37 + 1) for n in range(20_000)]

    def feed() -> None:
        for data in sent:
            pieces.feed(data)
        pieces.close()

    thread = threading.Thread(target=feed)
    thread.start()
    found = []
    while data := pieces.read(100, 30):
        found.append(data)
    thread.join()
    assert b"".join(found) == b"".join(sent)
    assert len(pieces) == 0
