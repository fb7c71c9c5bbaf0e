"""No API and no operator: the guide itself adds the member as a learner, and lets it vote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from etcdtui import config
from etcdtui.cluster import Cluster
from etcdtui.journal import Journal
from etcdtui.lab.demo import Lab
from etcdtui.model.health import Level
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import Ending, StepState
from etcdtui.procedures.replace_decided import Decided
from tests.live.guiding import GONE, Guided, keys_of, plan_of, whole
from tests.live.watched import HEALED_WITHIN, Watched

pytestmark = [pytest.mark.live, pytest.mark.drill]

OLD = Path("/usr/bin")


@pytest.mark.parametrize("folder", [None, OLD], ids=["etcd 3.5", "etcd 3.4"])
def test_added_caught_up_and_promoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path | None
) -> None:
    if folder is not None and not (folder / "etcdctl").exists():
        pytest.skip("Debian's etcd 3.4 is not installed (etcd-server, etcd-client)")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with Lab(keys=100, pace=0.3, etcd_dir=folder) as lab:
        lab.do("api-down")  # its operator rests meanwhile
        told = [line for line in lab.config.read_text().splitlines() if not line.startswith("kubeconfig")]
        alone = tmp_path / "clusters.toml"
        alone.write_text("\n".join(told))
        cluster = Cluster(config.load(alone).cluster(None), tmp_path / "state")
        cluster.start()
        try:
            _walk(Watched(lab, cluster, tmp_path), tmp_path)
        finally:
            cluster.close()


def _walk(watch: Watched, state: Path) -> None:
    watch.within(HEALED_WITHIN, lambda seen: _well(seen.health.level, len(seen.health.members)))
    before = keys_of(watch)
    target = watch.look().member(GONE).member.id
    watch.lab.do("damage-data", GONE)
    watch.within(60, lambda seen: not seen.member(GONE).well and not seen.member(GONE).current)
    operations = Operations(watch.cluster, state)
    made = plan_of(watch, operations, target)
    keys = [step.key for step in made.steps]
    assert keys[keys.index("remove") :] == ["remove", "add", "start", "promote", "whole", "hash", "report"]
    decided = Decided.of(made.parameters)

    def put_back() -> None:
        """As the step says: with the list as it is now, and as one that joins."""
        told = Path(decided.manifest_aside).read_text()
        for name, value in (("CLUSTER", decided.initial_cluster), ("CLUSTER_STATE", "existing")):
            told, count = re.subn(rf"(name: ETCD_INITIAL_{name}\n\s+value: ).*", rf"\g<1>{value}", told)
            assert count == 1
        Path(decided.manifest).write_text(told)

    guided = Guided(watch, made, Journal(state / "journal"), {("start", StepState.WAITING): put_back})
    finished = guided.run()
    assert finished.ending is Ending.DONE, (finished.sentence, guided.awaited[-3:])
    assert "--learner" in made.step("add").argv and "votes" in guided.done("promote")
    assert f"{GONE}=https://" in made.step("start").why and "existing" in made.step("start").why
    whole(watch, operations, target)
    assert "identical keys" in guided.done("hash")
    assert before <= keys_of(watch)


def _well(level: Level, members: int) -> bool:
    return level is Level.HEALTHY and members == 3
