"""A restore on a living control plane of each release, with etcd 3.4 and 3.5: the keys, and who watches."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etcdtui.journal import Journal
from etcdtui.lab.demo import Lab
from etcdtui.model.health import Level
from etcdtui.model.restore_advice import advise
from etcdtui.procedures import restore, restore_etcd_alone, restore_quorum
from etcdtui.procedures.operations import Operations
from etcdtui.procedures.procedure import Ending, StepChanged, StepState
from tests.live.lab_client import until
from tests.live.reflector import Reflector, fresh
from tests.live.test_restore import Typing, backed_up, keys, on_etcd, planned
from tests.live.watched import Watched, watched

pytestmark = [pytest.mark.live, pytest.mark.drill]
OLD = Path("/usr/bin")  # etcd 3.4
# Names a folder with an etcd whose restore can raise the revision: 3.5.10 and later.
NEWER = "ETCDTUI_TEST_NEWER_ETCD"
FOLDERS = {"3.4": OLD, "3.5": None, "newer": Path(os.environ.get(NEWER, ""))}
CASES = [
    "4.5-3.4",
    "4.10-3.5",
    "4.12-3.4",
    "4.12-3.5",
    "4.12-newer",
    "4.16-3.5",
    "4.16-newer",
    "newest-3.5",
    "newest-newer",
]
LATE = "shop-production/late-order-039"  # what more-keys writes last


@pytest.fixture(autouse=True)
def soon_stable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore_etcd_alone, "STABLE", 5.0)


@pytest.mark.parametrize("case", CASES)
def test_exactly_the_keys_of_the_backup_are_back_on_three_members(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    era, _, etcd = case.partition("-")
    folder = FOLDERS[etcd]
    if etcd == "newer" and NEWER not in os.environ:
        pytest.skip(f"{NEWER} names no folder with an etcd that can raise the revision: 3.5.10 and later")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with (
        Lab(keys=300, pace=0.2, etcd_dir=folder, era=era) as lab,
        watched(lab, tmp_path) as watch,
        Reflector(lab) as watching,
    ):
        run = there_and_back(watch, tmp_path, watching)
        # Nothing of the others raises the revision. Where the operator is so quick that a second member is
        # there before anybody looks, nobody saw at which one etcd began: then the careful answer is right.
        raised = etcd == "newer"
        joined = "members already" in run.sentence("etcd")
        assert was_asked(run, "watchers") == (not raised or joined)
        if raised:
            sees_what_is_there(lab, watching)
            assert watching.relists > 0
        else:
            # As the step asks for: who watches is started anew.
            with Reflector(lab) as anew:
                sees_what_is_there(lab, anew)


def test_pods_that_the_script_forgets_are_put_back_and_the_api_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with (
        Lab(keys=300, pace=0.2, era="4.16") as lab,
        watched(lab, tmp_path) as watch,
        Reflector(lab) as watching,
    ):
        for number in (1, 2, 3):
            lab.do("forget-pods", f"masternode{number}")
        run = there_and_back(watch, tmp_path, watching)
        assert was_asked(run, "manifests")


def was_asked(run: Typing, step: str) -> bool:
    return any(
        isinstance(e, StepChanged) and e.step == step and e.state is StepState.WAITING for e in run.events
    )


def sees_what_is_there(lab: Lab, watching: Reflector) -> None:
    """All of it, and nothing that the restore has taken away."""
    until(lambda: watching.items == fresh(lab))
    assert watching.items and LATE not in watching.items


def there_and_back(watch: Watched, state: Path, watching: Reflector) -> Typing:
    watch.healthy()
    for number in range(20):
        on_etcd(watch, "put", f"/wanted/{number}", "before")
    backed_up(watch, state)
    before = keys(watch)
    for number in range(20):
        on_etcd(watch, "put", f"/wanted/later-{number}", "after")
    watch.lab.do("more-keys")
    until(lambda: LATE in watching.items)
    on_etcd(watch, "del", "--prefix", "/wanted/1")  # the accident
    made = planned(watch)
    run = Typing(watch, made, Journal(state / "journal"))
    finished = run.run()
    assert finished.ending is Ending.DONE, (finished.sentence, run.stuck, run.events[-3:])
    assert restore.decided_of(made).phrase in run.typed
    watch.within(60, lambda s: s.health.level is Level.HEALTHY and len(s.health.members) == 3)
    assert keys(watch) == before
    return run


def test_the_data_of_a_survivor_goes_on_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with Lab(keys=300, pace=0.2, era="newest") as lab, watched(lab, tmp_path) as watch:
        survivor_goes_on(watch, tmp_path)


def survivor_goes_on(watch: Watched, state: Path) -> None:
    watch.healthy()
    on_etcd(watch, "put", "/wanted/on-all", "1")
    watch.lab.do("freeze", "masternode1")
    watch.within(30, lambda s: not s.member("masternode1").well)
    for number in range(20):
        on_etcd(watch, "put", f"/wanted/newer-{number}", "2")
    before = keys(watch)
    watch.lab.do("freeze", "masternode2")
    watch.within(60, lambda s: s.health.level is Level.NO_QUORUM)
    operations = Operations(watch.cluster, state)
    seen = operations.look_for_restore()
    assert seen.quorum_hosts == {"masternode1", "masternode2", "masternode3"}
    told = advise(seen.view, seen.survivors, (), seen.quorum_hosts)
    assert any("has quorum-restore.sh" in said for said in told.instead)
    made = operations.plan_quorum_restore(seen)
    decided = restore_quorum.Quorum.of(made.parameters)
    assert decided.recovery.host in ("masternode2", "masternode3") and decided.accept == ()
    run = Typing(watch, made, Journal(state / "journal"))
    finished = run.run()
    assert finished.ending is Ending.DONE, (finished.sentence, run.stuck, run.events[-3:])
    assert decided.phrase in run.typed
    watch.within(60, lambda s: s.health.level is Level.HEALTHY and len(s.health.members) == 3)
    assert keys(watch) == before
