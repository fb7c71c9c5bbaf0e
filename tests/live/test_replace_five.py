"""Two machines of five are destroyed: both leave the list, and are replaced one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.lab.demo import Lab
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import Ending, StepState
from tests.live.guiding import Guided, keys_of, looks_dead, plan_of, planned, whole
from tests.live.watched import watched

pytestmark = [pytest.mark.live, pytest.mark.drill]

FIRST, SECOND = "masternode4", "masternode5"


def test_two_of_five(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with Lab(nodes=5, keys=100, pace=0.3) as lab, watched(lab, tmp_path, voters=5) as watch:
        before = keys_of(watch)
        first, second = (watch.look().member(name).member.id for name in (FIRST, SECOND))
        for name in (FIRST, SECOND):
            lab.do("destroy-node", name)
        watch.within(60, lambda seen: looks_dead(watch, first) and looks_dead(watch, second))
        operations = Operations(watch.cluster, tmp_path)
        with pytest.raises(Refusal, match=f"{SECOND} is not well either, and etcd's operator adds nobody"):
            plan_of(watch, operations, first)
        with pytest.raises(Refusal, match=f"{SECOND} leaves the list right after {FIRST}, in the same guide"):
            operations.plan_replace(watch.cluster.look_again(10), second, [first, second])

        counts: list[int] = []

        def count() -> None:
            counts.append(watch.look().health.quorum.voters)
            with pytest.raises(Refusal, match="One at a time"):
                operations.plan_replace(watch.look().view, second)

        made = planned(watch, operations, FIRST, SECOND)
        deeds = {("remove 2", StepState.DONE): count, ("machine old 2", StepState.DONE): count}
        guided = Guided(watch, made, Journal(tmp_path / "journal"), deeds)
        finished = guided.run()
        assert finished.ending is Ending.DONE, (finished.sentence, guided.awaited[-3:])
        assert counts == [3, 4], "the second comes only when the first votes"
        whole(watch, operations, first, voters=5)
        assert {first, second}.isdisjoint(row.member.id for row in watch.look().health.members)
        assert "can lose 2 members again" in guided.done("whole")
        assert "identical keys" in guided.done("hash")
        assert before <= keys_of(watch)
