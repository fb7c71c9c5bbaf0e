"""When two names are of one machine."""

from __future__ import annotations

import pytest

from etcdtui.model.hostnames import same_machine


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("master-0.prod.example", "master-0.prod.example", True),
        ("master-0", "master-0.prod.example", True),
        ("MASTER-0.prod.example.", "master-0.prod.example", True),
        ("master-0.test.example", "master-0.prod.example", False),
        ("master-0", "master-1", False),
        ("192.168.50.11", "192.168.50.12", False),
        ("", "", False),
        ("", "master-0", False),
    ],
)
def test_short_names_count_only_where_one_of_them_has_no_domain(one: str, other: str, same: bool) -> None:
    assert same_machine(one, other) is same and same_machine(other, one) is same
