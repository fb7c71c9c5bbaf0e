"""The second way of asking how etcd is: the operator's word, beside what the members say themselves."""

from __future__ import annotations

from etcdtui.model.health import ClusterHealth
from etcdtui.model.platform import OperatorWord


def off_by(word: OperatorWord, health: ClusterHealth) -> int:
    """Members that the operator calls available beyond the voters etcd shows well; below 0: short of them.

    0 where both ways agree. Learners do not vote, but the operator may count them.
    """
    well = health.quorum.healthy
    learners = sum(1 for row in health.members if row.member.learner)
    return 0 if well <= word.available <= well + learners else word.available - well
