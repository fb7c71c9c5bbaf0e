"""Digests made while a file comes, however it is cut."""

from __future__ import annotations

import hashlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from etcdtui.reach.sums import Sums


def sealed(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


def summed(content: bytes, cuts: list[int], start: int = 0) -> Sums:
    sums = Sums(hashlib.sha256(content[:start]), start, len(content))
    edges = [start, *sorted(start + cut % (len(content) - start + 1) for cut in cuts), len(content)]
    for begin, end in pairwise(edges):
        sums.update(content[begin:end])
    return sums


@given(st.binary(max_size=200), st.lists(st.integers(0, 300), max_size=6), st.integers(0, 200))
def test_a_seal_is_seen_however_the_file_is_cut(body, cuts, resumed):
    content = sealed(body)
    sums = summed(content, cuts, min(resumed, len(body)))
    assert sums.sealed
    assert sums.hexdigest() == hashlib.sha256(content).hexdigest()


@given(st.binary(min_size=1, max_size=200), st.lists(st.integers(0, 300), max_size=6), st.data())
def test_one_changed_byte_anywhere_breaks_it(body, cuts, data):
    content = bytearray(sealed(body))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1
    sums = summed(bytes(content), cuts)
    assert not sums.sealed
    assert sums.hexdigest() == hashlib.sha256(content).hexdigest()


@given(st.binary(max_size=100), st.lists(st.integers(0, 300), max_size=6))
def test_an_ordinary_file_has_none(content, cuts):
    sums = summed(content, cuts)
    assert not sums.sealed
    assert sums.hexdigest() == hashlib.sha256(content).hexdigest()


def test_what_was_taken_up_inside_the_seal_counts_as_not_seen():
    content = sealed(b"etcd")
    assert not summed(content, [], start=len(content) - 3).sealed
