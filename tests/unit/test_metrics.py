"""From two scrapes to percentiles."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdtui.etcd import metrics
from etcdtui.etcd.http import ResponseParser
from tests.recorded import NASTY, VERSIONS, recorded

BOUNDS = (0.001, 0.002, 0.004, 0.008, math.inf)


def page(*counts: int, name: str = metrics.FSYNC, extra: str = "", labels: str = "") -> str:
    total, lines = 0, []
    for bound, count in zip(BOUNDS, counts, strict=True):
        total += count
        le = "+Inf" if math.isinf(bound) else str(bound)
        lines.append(f'{name}_bucket{{{labels}le="{le}"}} {total}')
    return "\n".join([f"# TYPE {name} histogram", *lines, f"{name}_count {total}", extra, ""])


def test_a_window_counts_only_what_is_new() -> None:
    before = metrics.scrape(page(1000, 0, 0, 0, 0), 10.0)
    after = metrics.scrape(page(1000, 0, 100, 0, 0), 20.0)
    found = metrics.between(before, after)
    assert found.window == 10.0
    assert found.fsync_p99 == pytest.approx(0.002 + 0.002 * 0.99)
    since_start = metrics.between(None, after)
    assert since_start.window is None and since_start.fsync_p99 == pytest.approx(0.002 + 0.002 * 0.89)


def test_a_quiet_window_tells_nothing() -> None:
    one = metrics.scrape(page(1000, 0, 100, 0, 0), 10.0)
    assert metrics.between(one, metrics.scrape(page(1000, 0, 100, 0, 0), 20.0)).fsync_p99 is None


def test_beyond_the_last_bucket_is_its_lower_end() -> None:
    assert metrics.between(None, metrics.scrape(page(0, 0, 0, 0, 5), 1.0)).fsync_p99 == 0.008


def test_a_restart_counts_from_the_start() -> None:
    started = "process_start_time_seconds {}"
    before = metrics.scrape(page(1000, 0, 0, 0, 0, extra=started.format("1.7e9")), 10.0)
    after = metrics.scrape(page(0, 1100, 0, 0, 0, extra=started.format("1.70001e9")), 20.0)
    assert metrics.between(before, after).window is None
    lower = metrics.scrape(page(5, 0, 0, 0, 0), 20.0)
    assert metrics.between(metrics.scrape(page(1000, 0, 0, 0, 0), 10.0), lower).window is None


def test_the_worst_peer_and_the_fall_back_to_all_time() -> None:
    text = page(10, 0, 0, 0, 0, name=metrics.PEER, labels='To="aa",')
    text += page(0, 0, 0, 10, 0, name=metrics.PEER, labels='To="bb",')
    scraped = metrics.scrape(text, 1.0)
    expected = pytest.approx(0.004 + 0.004 * 0.99)
    assert metrics.between(None, scraped).peer_rtt_p99 == expected
    assert metrics.between(scraped, scraped).peer_rtt_p99 == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_real_pages(version: str) -> None:
    (response,) = ResponseParser().feed(recorded("gateway", version, "metrics").raw)
    found = metrics.between(None, metrics.scrape(response.body, 1.0))
    assert found.fsync_p99 is not None and 0 < found.fsync_p99 < 10
    assert found.commit_p99 is not None and 0 < found.commit_p99 < 10
    assert found.leader_changes is not None and found.leader_changes >= 1
    assert found.quota == 2 * 1024**3


def test_absence_is_no_error() -> None:
    found = metrics.between(None, metrics.scrape(b"", 1.0))
    assert (found.fsync_p99, found.commit_p99, found.peer_rtt_p99) == (None, None, None)
    assert (found.leader_changes, found.quota, found.window) == (None, None, None)


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_anything_is_read(text: bytes | str) -> None:
    metrics.between(None, metrics.scrape(text, 1.0))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([metrics.FSYNC + "_bucket", metrics.PEER + "_bucket", metrics.QUOTA]),
            st.sampled_from(["", '{le="0.1"}', '{le="+Inf"}', '{To="x",le="-1"}', "{le=", '{le="nan"}']),
            st.sampled_from(["1", "-5", "NaN", "+Inf", "1e400", "", "x", "7 1700000000"]),
        ),
        max_size=12,
    )
)
def test_odd_lines_of_ours(lines: list[tuple[str, str, str]]) -> None:
    scraped = metrics.scrape("\n".join(f"{a}{b} {c}" for a, b, c in lines), 1.0)
    metrics.between(None, scraped)
    metrics.between(scraped, scraped)


@pytest.mark.parametrize("text", NASTY)
def test_nasty_text(text: str) -> None:
    found = metrics.between(None, metrics.scrape(text + "\n" + page(0, 1, 0, 0, 0), 1.0))
    assert found.fsync_p99 is not None


@given(st.lists(st.integers(min_value=0, max_value=50), min_size=5, max_size=5))
def test_a_percentile_lies_in_its_bucket(counts: list[int]) -> None:
    found = metrics.between(None, metrics.scrape(page(*counts), 1.0)).fsync_p99
    if not sum(counts):
        assert found is None
        return
    rank, total = 0.99 * sum(counts), 0
    for i, count in enumerate(counts):
        total += count
        if total >= rank:
            assert found is not None
            lower = BOUNDS[i - 1] if i else 0.0
            assert lower <= found <= min(BOUNDS[i], 0.008) + 1e-12
            return
