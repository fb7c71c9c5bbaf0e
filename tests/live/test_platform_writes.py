"""What etcdtui writes to a living platform: objects through its API, locks on its hosts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui.errors import Conflict, Exists, Invalid, NotFound, Unreachable, Unsure
from etcdtui.journal import Journal
from etcdtui.lab.demo import Lab
from etcdtui.platforms import eras, guard, machines, operators
from etcdtui.platforms.operators import OPERATORS, parse_rollout
from etcdtui.procedures.procedure import Ending, Procedure
from etcdtui.reach import lock
from etcdtui.reach.lock import Claim, Word
from tests.live.watched import Watched, watched
from tests.procedures import QUICK, command_step, run
from tests.procedures import procedure as plain

pytestmark = pytest.mark.live

ETCD = OPERATORS["etcd"]
NODE = "masternode3"
PACE = replace(QUICK, answer=10.0)


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with Lab(keys=50, pace=0.05) as lab, watched(lab, tmp_path_factory.mktemp("state")) as made:
        yield made


def test_the_guard_goes_off_and_on_again(watch: Watched) -> None:
    api = watch.cluster.objects()
    api.patch(ETCD, {"spec": {"unsupportedConfigOverrides": {"other": 1}}})
    before = api.get(ETCD)["spec"]["unsupportedConfigOverrides"]
    api.patch(ETCD, guard.off())
    assert guard.is_off(api.get(ETCD))
    api.patch(ETCD, guard.on(before))
    after = api.get(ETCD)
    assert not guard.is_off(after)
    assert after["spec"]["unsupportedConfigOverrides"] == {"other": 1}
    api.patch(ETCD, guard.on(None))
    written = [r.command for r in watch.cluster.command_log() if r.command.startswith("oc ")]
    assert len(written) == 4
    assert all(line.startswith("oc patch etcd/cluster --type=merge -p ") for line in written)


def test_an_object_that_is_not_the_one_that_was_meant_stays(watch: Watched) -> None:
    api = watch.cluster.objects()
    path = operators.secret_path(operators.secret_names(NODE)[0])
    uid = api.get(path)["metadata"]["uid"]
    with pytest.raises(Conflict, match="it is not what it was"):
        api.delete(path, {"preconditions": {"uid": "another"}})
    api.delete(path, dry=True)
    assert api.get(path)["metadata"]["uid"] == uid
    with pytest.raises(NotFound, match="has no secret/etcd-peer-nobody"):
        api.delete(operators.secret_path("etcd-peer-nobody"))


def test_the_new_machine_is_one_that_the_api_takes(watch: Watched) -> None:
    api = watch.cluster.objects()
    found = api.get_list(machines.MACHINES)
    old = machines.of_node(found, NODE)
    assert old is not None
    new = machines.successor(old, [str(m["metadata"]["name"]) for m in found])
    tried = api.create(machines.MACHINES, new, dry=True)
    assert tried["metadata"]["name"].endswith("-master-3")
    assert len(api.get_list(machines.MACHINES)) == 3
    with pytest.raises(Exists, match="already exists"):
        api.create(
            machines.MACHINES, new | {"metadata": new["metadata"] | {"name": found[0]["metadata"]["name"]}}
        )
    with pytest.raises(Invalid, match=r"refuses to create machine/\S+-master-3: .*providerSpec"):
        api.create(machines.MACHINES, new | {"spec": {}})


def test_a_rollout_from_its_reason_to_its_end(watch: Watched) -> None:
    api = watch.cluster.objects()
    path = OPERATORS["kubescheduler"]
    before = parse_rollout(api.get(path))
    assert before.done
    reason = operators.reason_at("recovery", watch.cluster.now())
    api.patch(path, operators.redeployment(reason))
    assert operators.redeployment_reason(api.get(path)) == reason
    sentences: list[str] = []

    def through() -> bool:
        rollout = parse_rollout(api.get(path))
        sentences.append(rollout.sentence)
        return rollout.done_since(before.latest)

    watch.within(60, lambda seen: through())
    assert sentences[-1] == f"All 3 nodes are at revision {before.latest + 1}."
    assert any(s.startswith(("0 of 3", "1 of 3", "2 of 3")) for s in sentences)


def test_the_release_is_recognised_by_what_lies_on_a_host(watch: Watched) -> None:
    layout = watch.cluster.layout_of(NODE)
    scripts = {}
    for name, path in ((eras.BACKUP, layout.backup_script), (eras.RESTORE, layout.restore_script)):
        done = watch.cluster.runner(NODE).run((*layout.sudo, "cat", layout.at(path)), timeout=10)
        scripts[name] = done.out()
    facts = watch.healthy().view.api.value
    assert facts is not None
    era = eras.recognise(facts.version, scripts, NODE)
    assert (era.doubts, era.guard) == ((), True)


def locking(watch: Watched, id_: str) -> Procedure:
    step = command_step(host=NODE, argv=("true",))
    return replace(plain(step, id_=id_), cluster=watch.cluster.name, title="Replace masternode2", locks=True)


def test_a_lock_over_ssh_is_seen_and_refuses_the_second(watch: Watched, tmp_path: Path) -> None:
    layout, runner = watch.cluster.layout_of(NODE), watch.cluster.runner(NODE)
    folder = layout.at(layout.jobs)
    john = Claim("replace-of-john", "john@desk", "Replace masternode1", watch.cluster.name)
    assert lock.take(runner, folder, john, 10).word is Word.TAKEN
    watch.cluster.refresh()
    seen = watch.within(20, lambda s: any("-lock-" in f.key for f in s.findings))
    finding = seen.finding("5-lock-replace-of-john")
    assert "john@desk is at work" in finding.sentence and finding.evidence == f"Its lock lies on {NODE}."
    journal = Journal(tmp_path / "journal")
    finished, _ = run(locking(watch, "jane-1"), journal, world=watch.cluster, pace=PACE)  # type: ignore[arg-type]
    assert finished.ending is Ending.REFUSED and "john@desk" in finished.sentence
    assert lock.lift(runner, folder, john.run, 10).word is Word.GONE
    finished, _ = run(locking(watch, "jane-2"), journal, world=watch.cluster, pace=PACE)  # type: ignore[arg-type]
    assert finished.ending is Ending.DONE
    watch.cluster.refresh()
    watch.within(20, lambda s: not any("-lock-" in f.key for f in s.findings))


def test_an_api_that_is_away_was_written_nothing(watch: Watched) -> None:
    api = watch.cluster.objects()
    watch.lab.do("api-down")
    try:
        with pytest.raises(Unreachable, match="Nothing was written") as caught:
            api.patch(ETCD, guard.off())
        assert not isinstance(caught.value, Unsure)
    finally:
        watch.lab.do("api-up")
