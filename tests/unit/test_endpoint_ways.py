"""When the way an endpoint is asked changes, no time of the one way stands for the other."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from etcdtui.cluster import endpoints
from etcdtui.cluster.board import Board, Constants
from etcdtui.cluster.endpoints import EndpointWatcher
from etcdtui.cluster.etcdctl import Told
from etcdtui.model.latency import LatencySeries
from etcdtui.model.view import Way
from tests.views import status

URL = "https://192.168.50.10:2379"


def test_an_endpoint_that_etcdctl_asks_has_no_latencies(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(Constants("prod", False, False))
    board.set_endpoints([URL])
    warm = LatencySeries((0.002,) * 5)
    board.endpoint(URL, lambda e: replace(e, way=Way.PIPE, linearizable=warm, serializable=warm))
    told = Told(status(1), 0.043, None, None)
    monkeypatch.setattr(endpoints, "ask_etcdctl", lambda voice, url: told)
    access = SimpleNamespace(can_pipe=False, http_port=None)
    speaker = SimpleNamespace(voice=lambda: SimpleNamespace(host="masternode1", turn=1, access=access))
    watcher = EndpointWatcher(URL, board, cast(Any, speaker), lambda *_: None, lambda host: True)
    watcher.round()
    (endpoint,) = board.view().endpoints
    assert (endpoint.way, endpoint.took) == (Way.ETCDCTL, 0.043)
    assert endpoint.linearizable == endpoint.serializable == LatencySeries()
    assert replace(endpoint, way=Way.PIPE).took is None
