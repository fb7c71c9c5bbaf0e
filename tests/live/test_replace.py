"""A real member replaced on a living control plane: its machine gone, or its etcd crash-looping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etcdtui.lab.demo import Lab
from tests.live.guiding import GONE, keys_of, replaced
from tests.live.watched import Watched, watched

pytestmark = [pytest.mark.live, pytest.mark.drill]

KEYS = 300


@pytest.fixture
def cluster(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watched]:
    """A control plane of its own for each test, with the etcd in the folder of the parameter."""
    folder: Path | None = getattr(request, "param", None)
    if folder is not None and not (folder / "etcdctl").exists():
        pytest.skip("Debian's etcd 3.4 is not installed (etcd-server, etcd-client)")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with Lab(keys=KEYS, pace=0.3, etcd_dir=folder) as lab, watched(lab, tmp_path) as watch:
        yield watch


@pytest.mark.parametrize("cluster", [Path("/usr/bin")], indirect=True, ids=["etcd 3.4"])
def test_a_machine_that_is_gone(cluster: Watched, tmp_path: Path) -> None:
    cluster.healthy()
    before = keys_of(cluster)
    cluster.lab.do("destroy-node", GONE)
    guided = replaced(cluster, tmp_path)
    assert "Approved: csr-" in guided.done("csr client")
    assert "masternode4" in guided.done("node")
    assert before <= keys_of(cluster)


def test_a_crash_loop_on_damaged_data(cluster: Watched, tmp_path: Path) -> None:
    cluster.healthy()
    before = keys_of(cluster)
    cluster.lab.do("damage-data", GONE)
    guided = replaced(cluster, tmp_path)
    kept = guided.done("aside")
    assert "member-replaced-20" in kept and Path(kept.split(" ")[6]).is_dir()
    assert {row.member.name for row in cluster.look().health.members} == {f"masternode{n}" for n in (1, 2, 3)}
    assert before <= keys_of(cluster)
