"""What a host's clock is against ours, however long the way there and the script took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdtui.platforms.host_clock import VAGUE, Asked, offset, told

SECONDS = st.floats(0, 20)
OURS = 1_790_000_000.0


def lines(at: float) -> list[str]:
    return [f"{at:.6f}", f"{int(at)}"]


@given(ahead=st.floats(-1e6, 1e6), way=SECONDS, script=SECONDS, back=SECONDS)
def test_it_is_right_to_half_of_the_way_or_unknown(
    ahead: float, way: float, script: float, back: float
) -> None:
    began = OURS + way
    found = offset(lines(began + ahead), lines(began + script + ahead), Asked(OURS, began + script + back))
    if found is None:
        assert way + back > VAGUE - 1e-4
    else:
        assert way + back <= VAGUE + 1e-4
        assert found == pytest.approx(ahead, abs=(way + back) / 2 + 1e-4)


def test_a_long_script_does_not_make_it_vague() -> None:
    assert offset(["1790000090.2"], ["1790000094.2"], Asked(OURS, OURS + 4.4)) == pytest.approx(90.0)


def test_an_answer_that_was_cut_counts_by_all_it_took() -> None:
    assert offset(["1790000090.2"], [], Asked(OURS, OURS + 0.4)) == pytest.approx(90.0)
    assert offset(["1790000090.2"], [], Asked(OURS, OURS + 4.4)) is None


def test_who_cannot_tell_fractions_means_the_middle_of_a_second() -> None:
    assert told(["1790000000.N", "1790000000"]) == 1_790_000_000.5


@pytest.mark.parametrize("said", [[], ["soon"], ["17"], ["1790000000.25 and more"]])
def test_no_time_is_no_offset(said: list[str]) -> None:
    assert told(said) is None
    assert offset(said, ["1790000000.0"], Asked(OURS, OURS)) is None
    assert offset(["1790000000.0"], ["1790000000.0"], None) is None
