"""Ports of labs that start at the same moment: no two of them choose the same one."""

from __future__ import annotations

import sys

import pytest

from etcdtui.errors import Refusal
from etcdtui.lab import places


@pytest.mark.skipif(sys.platform != "linux", reason="only there a choice is known to others")
def test_what_one_lab_has_chosen_no_other_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PORT_RANGE", range(19_000, 19_040))
    first, second = places.free_ports(5), places.free_ports(5)
    assert len({*first, *second}) == 10
    with pytest.raises(Refusal, match="There are not 31 free ports"):
        places.free_ports(31)
