"""Who still watches the past is asked of the API, too: it answers 410 Gone, or says nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from etcdtui.errors import EtcdTuiError, Forbidden, UnexpectedOutput
from etcdtui.platforms import watches
from etcdtui.platforms.watches import Answer
from etcdtui.procedures import restore, restore_end, restore_past, restore_report, restore_run
from etcdtui.procedures.procedure import Context, GateKind, Reporter
from etcdtui.procedures.restore_decided import Decided, Standstill
from etcdtui.text import grouped
from tests.unit.test_restore_back import decided
from tests.unit.test_restore_end import Found, watchers
from tests.unit.test_restore_quorum import decided as quorum
from tests.unit.test_restore_quorum import seen
from tests.unit.test_restore_steps import Quiet

GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
BROKEN = {"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "etcdserver: no leader"}}
ADDED = {"type": "ADDED", "object": {"kind": "ConfigMap", "metadata": {"resourceVersion": "10500"}}}
FORBIDDEN = Forbidden("The API does not let us get configmaps: somebody lacks the right to watch.")
RAISED = {"etcd": 1_000_000_800, "safe": 10_400}
AS_IT_WAS = {"etcd": 803, "safe": 10_400}


class Asked(Found):
    """An API that answers a watch as it is told to; ``told`` keeps what the step found, as a record does."""

    def __init__(self, said: list[dict[str, Any]] | EtcdTuiError, **revisions: int) -> None:
        super().__init__(**revisions)
        self.said, self.asked = said, list[tuple[str, int, int]]()
        self.objects = lambda: self  # type: ignore[method-assign, assignment, return-value]

    def watch(self, path: str, since: int, seconds: int) -> list[dict[str, Any]]:
        self.asked.append((path, since, seconds))
        if isinstance(self.said, EtcdTuiError):
            raise self.said
        return self.said

    def found(self, step: str) -> str:
        return self.told.get(step, "")


def listened(told: Standstill, world: Asked) -> str:
    (step,) = restore_past.watch_step(told)
    assert step.work is not None
    found = step.work(cast(Context, world), cast(Reporter, Quiet()))
    assert found.allowed, "it decides nothing by itself"
    world.told["past"] = found.reason
    return found.reason


def left(told: Standstill, world: Asked) -> str:
    return " ".join(restore_end.what_is_left(told, cast(Context, world)))


def test_the_highest_revision_of_before_is_watched_for_a_few_seconds() -> None:
    world = Asked([GONE], **RAISED)
    told = replace(decided(), seen=10_000)
    said = listened(told, world)
    assert said == f"A watch from revision {grouped(10_400)} was answered with 410 Gone."
    assert world.asked == [("/api/v1/namespaces/openshift-etcd/configmaps", 10_400, 3)]


def test_raised_and_gone_whoever_watched_lists_anew() -> None:
    told, world = decided(), Asked([GONE], **RAISED)
    listened(told, world)
    gate, said = watchers(told, world)
    assert gate.kind is GateKind.NONE
    assert (
        f"a watch from revision {grouped(10_400)} was answered with 410 Gone: whoever watched lists" in said
    )
    assert "Restart" not in left(told, world)


def test_the_report_says_once_whether_anybody_is_left_behind() -> None:
    for said in ([GONE], []):
        told, world = decided(), Asked(said, **RAISED)
        listened(told, world)
        lines = list(restore_report._lines(told, world.view(), cast(Context, world)))
        (line,) = [one for one in lines if "etcd began again" in one]
        assert ("whoever watched lists anew" in line) is (said == [GONE])
        assert ("Restart the operators" in line) is (said == [])


def test_what_was_written_between_the_plan_and_the_stop_is_counted_as_lost() -> None:
    """Hours may lie between them: what is typed and what is reported must be the loss of now."""
    told, world = replace(decided(), seen=10_000), Asked([GONE], **RAISED)
    lost = f"Lost is everything written since {told.backup.when}: {grouped(10_400 - 800)} revisions."
    (step,) = [step for step in restore_run.run_steps(told) if step.key == "restore"]
    assert step.ask is not None
    gate = step.ask(cast(Context, world))
    assert lost in gate.prompt and gate.phrase == told.phrase
    assert f"- {lost}" in restore_report._lines(told, world.view(), cast(Context, world))
    world = Asked([GONE], etcd=803)
    assert told.lost in step.ask(cast(Context, world)).prompt


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([], "stayed silent for 3 s"),
        ([ADDED, ADDED], "was told of changes, and not to list anew"),
        ([BROKEN], "was answered with an error (500: etcdserver: no leader)"),
    ],
)
def test_raised_and_nobody_is_told_is_behind_with_the_reason(said: list[dict[str, Any]], words: str) -> None:
    told, world = decided(), Asked(said, **RAISED)
    listened(told, world)
    gate, sentence = watchers(told, world)
    assert gate.kind is GateKind.CONFIRM
    assert f"was raised above that, but a watch from revision {grouped(10_400)} {words}: nobody" in sentence
    assert "Restart the operators" in left(told, world)


def test_not_raised_is_behind_whatever_a_watch_is_told_by_now() -> None:
    told, world = replace(decided(), seen=10_000), Asked([GONE], **AS_IT_WAS)
    listened(told, world)
    gate, sentence = watchers(told, world)
    assert gate.kind is GateKind.CONFIRM and "it was not raised above that" in sentence
    assert "410 Gone by now, which tells nothing of those who came back before" in sentence
    world = Asked([], **AS_IT_WAS)
    listened(told, world)
    gate, sentence = watchers(told, world)
    assert gate.kind is GateKind.CONFIRM and "stayed silent for 3 s." in sentence


@pytest.mark.parametrize(
    "refused",
    [FORBIDDEN, [{"kind": "ConfigMapList", "items": []}], UnexpectedOutput("It answered with no object.")],
    ids=["forbidden", "no watch", "garbage"],
)
def test_where_it_cannot_be_tried_the_revisions_decide_and_that_is_said(refused: Any) -> None:
    for revisions, kind in ((RAISED, GateKind.NONE), (AS_IT_WAS, GateKind.CONFIRM)):
        told, world = replace(decided(), seen=10_000), Asked(refused, **revisions)
        assert "was not tried out: " in listened(told, world)
        gate, sentence = watchers(told, world)
        assert gate.kind is kind and "was not tried out: " in sentence


def test_an_error_that_quotes_other_answers_is_still_not_tried() -> None:
    world = Asked(Forbidden("A watch from revision 5 stayed silent, it said."), **RAISED)
    listened(decided(), world)
    assert restore_past.past_of(decided(), cast(Context, world)).answer is Answer.UNTRIED


def test_where_no_revision_of_before_is_known_the_api_is_not_asked() -> None:
    told, world = replace(decided(), seen=0), Asked([GONE], etcd=803)
    assert "no revision of before is known" in listened(told, world)
    assert world.asked == []


def test_a_survivor_that_had_everything_leaves_nobody_behind_although_nothing_is_told() -> None:
    told, world = quorum(seen(900, 950, 900)), Asked([], etcd=951, safe=950)
    listened(told, world)
    assert watchers(told, world)[0].kind is GateKind.NONE


def test_without_an_api_and_in_a_record_of_before_nothing_is_tried() -> None:
    record = json.loads(decided().parameters()["decided"])
    assert record["watches"] is True
    del record["watches"]
    older = Decided.of({"decided": json.dumps(record)})
    assert restore_past.watch_step(older) == ()
    keys = [s.key for s in restore.rebuild("restore", "restore-1", "prod", older.parameters()).steps]
    assert "past" not in keys and "watchers" in keys


def test_the_first_error_counts_and_what_is_no_watch_is_none() -> None:
    assert watches.answer([ADDED, GONE]) == (Answer.GONE, "")
    assert watches.answer([]) == (Answer.SILENT, "")
    with pytest.raises(UnexpectedOutput, match="no watch"):
        watches.answer([{"type": "ADDED"}])
