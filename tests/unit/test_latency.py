"""Percentiles and series with gaps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdtui.model.latency import KEPT, LatencySeries, percentile

SAMPLES = st.lists(st.floats(min_value=0, max_value=100), min_size=1, max_size=200)


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1), (0.1, 1), (0.5, 5), (0.51, 6), (0.9, 9), (0.99, 10), (1.0, 10)]
)
def test_nearest_rank(share: float, value: float) -> None:
    assert percentile(range(10, 0, -1), share) == value


def test_of_nothing() -> None:
    assert percentile([], 0.5) is None
    assert LatencySeries().last is None and LatencySeries((None, None)).percentile(0.99) is None


@given(SAMPLES, st.floats(min_value=0.001, max_value=1))
def test_at_least_that_share_is_not_above(samples: list[float], share: float) -> None:
    value = percentile(samples, share)
    assert value in samples
    assert sum(1 for s in samples if s <= value) >= share * len(samples) - 1e-9
    assert sum(1 for s in samples if s < value) < share * len(samples) + 1e-9


@given(st.lists(st.none() | st.floats(min_value=0, max_value=9), max_size=300))
def test_a_series_keeps_the_newest(samples: list[float | None]) -> None:
    series = LatencySeries()
    for sample in samples:
        series = series.then(sample)
    assert series.samples == tuple(samples[-KEPT:])
    assert series.last == (samples[-1] if samples else None)


def test_gaps_do_not_count() -> None:
    assert LatencySeries((0.1, None, 0.3, None)).percentile(0.5) == 0.1
