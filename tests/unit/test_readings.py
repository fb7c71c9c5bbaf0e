"""A source that fails keeps its last value, with its age."""

from __future__ import annotations

from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading

REFUSED = Problem(Fault.REFUSED, "Nothing listens.")
SILENT = Problem(Fault.SILENT, "No answer.")


def test_never_heard_of() -> None:
    nothing: Reading[int] = Reading()
    assert nothing.age(100.0) is None and nothing.current(100.0, 5.0) is None


def test_fresh_and_old() -> None:
    reading = Reading[int]().good(7, 100.0)
    assert reading.current(103.0, 5.0) == 7 and reading.current(106.0, 5.0) is None
    assert reading.age(106.0) == 6.0


def test_a_failing_source_keeps_its_value_and_says_since_when() -> None:
    reading = Reading[int]().good(7, 100.0).failed(REFUSED, 102.0).failed(SILENT, 104.0)
    assert reading.value == 7 and reading.age(105.0) == 5.0
    assert reading.problem is SILENT and reading.since == 102.0
    assert reading.current(105.0, 50.0) is None  # it speaks of before


def test_it_recovers() -> None:
    reading = Reading[int]().good(7, 100.0).failed(REFUSED, 102.0).good(8, 110.0)
    assert reading.problem is None and reading.since is None and reading.current(111.0, 5.0) == 8
    assert reading.failed(REFUSED, 120.0).since == 120.0


def test_a_clock_that_goes_back_makes_no_negative_age() -> None:
    assert Reading[int]().good(7, 100.0).age(90.0) == 0.0


def test_falsy_values_are_values() -> None:
    assert Reading[int]().good(0, 100.0).current(101.0, 5.0) == 0


def test_a_problem_reads_as_its_sentence() -> None:
    assert str(REFUSED) == "Nothing listens."
